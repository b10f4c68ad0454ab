"""Services that are asked from time to time, as their makers describe them: what is asked is held against
the parameters that the makers' own packages name, and what is answered is made by their own models (okta,
cloudflare, crowdstrike-falconpy, graphql-core; all from PyPI). GitHub's and Microsoft's are written after
their documentation. Says on standard output where it listens; reads from standard input what happens."""
import datetime
import http.server
import inspect
import json
import sys
import threading
import time
import typing
import urllib.parse

from cloudflare.types.accounts.logs import AuditListParams, AuditListResponse
from falconpy._endpoint._alerts import _alerts_endpoints
from graphql import build_schema, parse, validate
from okta.api.system_log_api import SystemLogApi
from okta.models.log_event import LogEvent

PAGE = 7
EVENTS = {name: [] for name in ("okta", "github", "cloudflare", "firewall", "crowdstrike", "m365")}
LIMITED, WRONG, STARTED, ASKED = set(), [], set(), []

FIREWALL = build_schema("""
scalar Time
scalar string
scalar uint64
type Query { viewer: viewer }
type viewer { zones(filter: AccountsFilter): [zone!] }
input AccountsFilter { zoneTag: string }
type zone { firewallEventsAdaptive(filter: ZoneFirewallEventsAdaptiveFilter_InputObject!, limit: uint64!,
  orderBy: [Order!]): [ZoneFirewallEventsAdaptive!] }
enum Order { datetime_ASC datetime_DESC }
input ZoneFirewallEventsAdaptiveFilter_InputObject { datetime_geq: Time, datetime_gt: Time, datetime_lt: Time,
  datetime_leq: Time, action: string, clientIP: string }
type ZoneFirewallEventsAdaptive { action: string! clientAsn: string! clientASNDescription: string!
  clientCountryName: string! clientIP: string! clientRequestHTTPHost: string!
  clientRequestHTTPMethodName: string! clientRequestHTTPProtocol: string! clientRequestPath: string!
  clientRequestQuery: string! clientRequestScheme: string! datetime: Time! edgeColoName: string!
  edgeResponseStatus: uint64! kind: string! matchIndex: uint64! originResponseStatus: uint64!
  originatorRayName: string! rayName: string! ref: string! ruleId: string! rulesetId: string! source: string!
  userAgent: string! }
""")


def iso(seconds, form="%Y-%m-%dT%H:%M:%S.%f"):
    at = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return at.strftime(form)


def epoch(text):
    text = text if text.endswith("Z") else text + "Z"
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Refused(Exception):
    def __init__(self, status, body, headers=()):
        self.answer = (status, body, dict(headers))


def limited(name, status, headers):
    """Each service refuses its first request."""
    if name not in LIMITED:
        LIMITED.add(name)
        raise Refused(status, {"message": "slow down"}, headers)


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        length = int(self.headers.get("content-length") or 0)
        self.body = self.rfile.read(length)
        ASKED.append(f"{self.command} {self.path}")
        try:
            status, body, headers = self.route(url.path)
        except Refused as refused:
            status, body, headers = refused.answer
        except Exception as error:  # noqa: BLE001: told to the test
            WRONG.append(f"{self.path}: {type(error).__name__}: {error}")
            status, body, headers = 418, {"message": str(error)}, {}
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def route(self, path):
        parts = path.strip("/").split("/")
        if path == "/api/v1/logs":
            return self.okta()
        if path == "/orgs/acme/audit-log":
            return self.github()
        if path == "/client/v4/accounts/acc1/logs/audit":
            return self.cloudflare()
        if path == "/client/v4/graphql":
            return self.firewall()
        if path in ("/oauth2/token", "/ten1/oauth2/v2.0/token"):
            return self.token(path)
        if path == "/alerts/combined/alerts/v1":
            return self.crowdstrike()
        if parts[:5] == ["api", "v1.0", "ten1", "activity", "feed"]:
            return self.m365(parts[5:])
        raise ValueError("nothing is there")

    def authorised(self, want, body):
        if self.headers.get("authorization") != want:
            raise Refused(401, body)

    def base(self):
        return f"http://{self.headers['host']}"

    def okta(self):
        names = set(inspect.signature(SystemLogApi.list_log_events).parameters)
        spelled = {"sortOrder": "sort_order"}
        for name in self.query:
            assert spelled.get(name, name) in names, f"no parameter {name}"
        assert int(self.query.get("limit", 100)) <= 1000
        assert self.query.get("sortOrder", "ASCENDING") in ("ASCENDING", "DESCENDING")
        self.authorised("SSWS swordfish", {"errorCode": "E0000011", "errorSummary": "Invalid token provided"})
        reset = str(int(time.time()) + 5)
        limited("okta", 429, {"X-Rate-Limit-Limit": "60", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": reset})
        # In the order in which they came to be known, from the place that `after` names.
        since = epoch(self.query["since"])
        known = [event for event in EVENTS["okta"] if event["time"] >= since]
        start = int(self.query.get("after", "0"))
        page = known[start : start + PAGE]
        body = []
        for event in page:
            told = {"uuid": event["id"], "published": iso(event["time"])[:-3] + "Z",
                    "eventType": "user.session.start", "severity": "INFO", "version": "0",
                    "actor": {"id": "00u1", "type": "User", "alternateId": "anna@example.com"},
                    "outcome": {"result": "SUCCESS"}}
            assert LogEvent.from_dict(told) is not None
            body.append(told)
        query = urllib.parse.urlencode({**self.query, "after": start + len(page)})
        link = f'<{self.base()}/api/v1/logs?{urllib.parse.urlencode(self.query)}>; rel="self", ' \
               f'<{self.base()}/api/v1/logs?{query}>; rel="next"'
        return 200, body, {"Link": link}

    def github(self):
        known = {"phrase", "include", "after", "before", "order", "page", "per_page"}
        assert set(self.query) <= known, f"no parameter among {list(self.query)}"
        assert int(self.query["per_page"]) <= 100 and self.query["include"] in ("web", "git", "all")
        assert self.headers["x-github-api-version"] == "2022-11-28" and self.headers["user-agent"]
        self.authorised("Bearer swordfish", {"message": "Bad credentials"})
        reset = str(int(time.time()) + 5)
        limited("github", 403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset})
        assert self.query["phrase"].startswith("created:>=")
        since = epoch(self.query["phrase"].removeprefix("created:>="))
        known = sorted((e for e in EVENTS["github"] if e["time"] >= since), key=lambda e: e["time"])
        start = int(self.query.get("after", "0"))
        page = known[start : start + PAGE]
        headers = {}
        if start + PAGE < len(known):
            query = urllib.parse.urlencode({**self.query, "after": start + PAGE, "before": ""})
            headers["Link"] = f'<{self.base()}/orgs/acme/audit-log?{query}>; rel="next"'
        body = [{"@timestamp": int(e["time"] * 1000), "_document_id": e["id"], "action": "org.add_member",
                 "actor": "anna", "org": "acme", "created_at": int(e["time"] * 1000)} for e in page]
        return 200, body, headers

    def cloudflare(self):
        known = set(typing.get_type_hints(AuditListParams)) - {"account_id"}
        assert set(self.query) <= known, f"no parameter among {list(self.query)}"
        assert {"since", "before"} <= set(self.query) and float(self.query["limit"]) <= 1000
        self.authorised("Bearer swordfish", {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]})
        limited("cloudflare", 429, {"Retry-After": "5"})
        since, before = epoch(self.query["since"]), epoch(self.query["before"])
        known = sorted((e for e in EVENTS["cloudflare"] if since <= e["time"] < before), key=lambda e: e["time"])
        start = int(self.query.get("cursor", "0"))
        page = known[start : start + PAGE]
        result = []
        for event in page:
            told = {"id": event["id"], "account": {"id": "acc1", "name": "Acme"},
                    "action": {"description": "Login", "result": "success", "time": iso(event["time"]) + "Z", "type": "login"},
                    "actor": {"id": "u1", "context": "dash", "email": "anna@example.com", "ip_address": "192.0.2.1", "type": "user"},
                    "resource": {"id": "r1", "product": "accounts", "type": "user"}}
            AuditListResponse.model_validate(told)
            result.append(told)
        info = {"count": len(page), "cursor": str(start + len(page)) if page else ""}
        return 200, {"success": True, "errors": [], "messages": [], "result": result, "result_info": info}, {}

    def firewall(self):
        asked = json.loads(self.body)
        wrong = validate(FIREWALL, parse(asked["query"]))
        assert not wrong, str(wrong)
        self.authorised("Bearer swordfish", {"data": None, "errors": [{"message": "not authorized"}]})
        limited("firewall", 429, {"Retry-After": "5"})
        if asked["variables"]["zone"] != "zone1":
            return 200, {"data": None, "errors": [{"message": "zone unknown"}]}, {}
        asked = asked["variables"]["filter"]
        since, before = epoch(asked["datetime_geq"]), epoch(asked["datetime_lt"])
        known = sorted((e for e in EVENTS["firewall"] if since <= e["time"] < before), key=lambda e: e["time"])
        rows = [{"Action": "block", "ClientIP": "192.0.2.1", "Datetime": iso(int(e["time"]), "%Y-%m-%dT%H:%M:%SZ"),
                 "RayID": e["id"], "RuleID": "rule", "MatchIndex": 0, "Source": "waf", "Kind": "firewall"}
                for e in known[:10]]
        return 200, {"data": {"viewer": {"zones": [{"firewallEventsAdaptive": rows}]}}, "errors": None}, {}

    def token(self, path):
        form = dict(urllib.parse.parse_qsl(self.body.decode()))
        assert self.headers["content-type"] == "application/x-www-form-urlencoded"
        assert form["client_id"] == "client1"
        if form["client_secret"] != "swordfish":
            raise Refused(401, {"errors": [{"code": 401, "message": "access denied, invalid client"}]})
        if "ten1" in path:
            assert form["grant_type"] == "client_credentials" and form["scope"] == "https://manage.office.com/.default"
            return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": "token1"}, {}
        return 201, {"access_token": "token1", "expires_in": 1799, "token_type": "bearer"}, {}

    def crowdstrike(self):
        assert any(e[1] == "POST" and e[2] == "/alerts/combined/alerts/v1" for e in _alerts_endpoints)
        asked = json.loads(self.body)
        assert set(asked) <= {"after", "filter", "limit", "sort"} and asked["limit"] <= 1000
        self.authorised("Bearer token1", {"errors": [{"code": 401, "message": "access denied, invalid bearer token"}]})
        limited("crowdstrike", 429, {"X-RateLimit-RetryAfter": str(int(time.time()) + 5), "X-Ratelimit-Remaining": "0"})
        low, high = asked["filter"].split("+")
        since = epoch(low.removeprefix("updated_timestamp:>='").rstrip("'"))
        before = epoch(high.removeprefix("updated_timestamp:<'").rstrip("'"))
        known = sorted((e for e in EVENTS["crowdstrike"] if since <= e["time"] < before), key=lambda e: e["time"])
        start = int(asked.get("after", "0"))
        page = known[start : start + PAGE]
        resources = [{"composite_id": e["id"], "updated_timestamp": iso(e["time"]) + "Z", "created_timestamp": iso(e["time"]) + "Z",
                      "product": "epp", "severity": 70} for e in page]
        paging = {"total": len(known), "limit": asked["limit"]}
        if start + PAGE < len(known):
            paging["after"] = str(start + PAGE)
        return 200, {"meta": {"query_time": 0.1, "pagination": paging, "trace_id": "x"}, "errors": [], "resources": resources}, {}

    def m365(self, parts):
        self.authorised("Bearer token1", {"error": {"code": "AF10001", "message": "The permission set () is wrong"}})
        if parts == ["subscriptions", "start"]:
            assert self.command == "POST" and self.query["contentType"] == "Audit.General"
            if "m365" in STARTED:
                raise Refused(400, {"error": {"code": "AF20024", "message": "The subscription is already enabled."}})
            STARTED.add("m365")
            return 200, {"contentType": "Audit.General", "status": "enabled", "webhook": None}, {}
        assert "m365" in STARTED, "AF20022: no subscription"
        limited("m365", 429, {"Retry-After": "5"})
        if parts[0] == "audit":
            events = [e for e in EVENTS["m365"] if e["blob"] == parts[1]]
            return 200, [{"Id": e["id"], "CreationTime": iso(e["time"] - 7200, "%Y-%m-%dT%H:%M:%S"), "Operation": "UserLoggedIn",
                          "RecordType": 15, "Workload": "AzureActiveDirectory", "UserId": "anna@example.com"} for e in events], {}
        assert set(self.query) <= {"contentType", "startTime", "endTime", "PublisherIdentifier", "nextPage"}
        since, before = epoch(self.query["startTime"]), epoch(self.query["endTime"])
        assert since < before <= since + 86400, "a day at most"
        blobs = {}
        for event in EVENTS["m365"]:
            if since <= event["time"] < before:
                blobs.setdefault(event["blob"], event["time"])
        blobs = sorted(blobs.items(), key=lambda blob: blob[1])
        start = int(self.query.get("nextPage", "0"))
        root = f"{self.base()}/api/v1.0/ten1/activity/feed"
        headers = {}
        if start + 2 < len(blobs):
            query = urllib.parse.urlencode({**self.query, "nextPage": start + 2})
            headers["NextPageUri"] = f"{root}/subscriptions/content?{query}"
        return 200, [{"contentType": "Audit.General", "contentId": blob, "contentUri": f"{root}/audit/{blob}",
                      "contentCreated": iso(at) + "Z", "contentExpiration": iso(at + 604800) + "Z"}
                     for blob, at in blobs[start : start + 2]], headers


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in sys.stdin:
    act = json.loads(line)
    if "add" in act:
        EVENTS[act["add"]].append(act["event"])
        print("done", flush=True)
    else:
        print(json.dumps({"wrong": WRONG, "asked": ASKED}), flush=True)
