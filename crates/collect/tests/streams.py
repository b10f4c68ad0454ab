"""Event streams as CrowdStrike's own package describes them (crowdstrike-falconpy, from PyPI): what is asked is
held against the parameters that it names. Each client of the service is a tenant of its own. Says on standard
output where it listens; reads from standard input what happens."""
import http.server
import json
import sys
import threading
import urllib.parse

from falconpy import EventStreams
from falconpy._endpoint._event_streams import _event_streams_endpoints

ENDPOINTS = {entry[0]: entry for entry in _event_streams_endpoints}
NEWS = threading.Condition()
TENANTS = {}


class Tenant:
    def __init__(self, name):
        self.name, self.bearer, self.session, self.cuts, self.half = name, 0, 0, 0, ""
        self.lines = {"0": [], "1": []}  # offsets and texts
        self.ends = {"0": 0, "1": 0}  # how many there were at the last cut
        self.inclusive, self.limited, self.foreign, self.streams = True, 0, {}, 2
        self.asked, self.wrong = [], []


def tenant(name):
    return TENANTS.setdefault(name, Tenant(name))


class Refused(Exception):
    def __init__(self, status, message, headers=()):
        self.status, self.headers = status, dict(headers)
        self.body = {"meta": {}, "errors": [{"code": status, "message": message}], "resources": []}


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
        pairs = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
        self.query = dict(pairs)
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        form = dict(urllib.parse.parse_qsl(self.body.decode()))
        of = tenant(self.query.get("appId") or form.get("client_id"))
        of.asked.append(f"{self.command} {self.path}")
        try:
            assert len(pairs) == len(self.query), "a parameter stands twice"
            answer = self.route(of, url.path, form)
            if answer is None:
                return
            status, body, headers = *answer, {}
        except Refused as refused:
            status, body, headers = refused.status, refused.body, refused.headers
        except ConnectionError:
            return
        except Exception as error:  # noqa: BLE001: told to the test
            of.wrong.append(f"{self.path}: {type(error).__name__}: {error}")
            status, body, headers = 418, {"message": str(error)}, {}
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def route(self, of, path, form):
        if path == "/oauth2/token":
            assert self.command == "POST"
            if form["client_secret"] != "swordfish":
                raise Refused(401, "access denied, invalid client")
            return 201, {"access_token": f"bearer-{of.name}-{of.bearer}", "expires_in": 1799, "token_type": "bearer"}
        root, _, partition = path.rpartition("/")
        if root == "/feed":
            return self.feed(of, partition)
        if self.described("listAvailableStreamsOAuth2", path):
            self.bearer(of)
            return 200, {"meta": {"query_time": 0.1}, "errors": [], "resources": self.streams(of)}
        if self.described("refreshActiveStreamSession", root + "/{}"):
            self.bearer(of)
            assert self.query["action_name"] == "refresh_active_stream_session"
            if partition not in of.lines or self.query.get("session") != str(of.session):
                raise Refused(404, "no such session")
            return 200, {"meta": {}, "errors": []}
        raise ValueError("nothing is there")

    def described(self, name, path):
        """Whether this is asked; what is asked of it then is what the package names."""
        _, method, known, _, _, parameters = ENDPOINTS[name]
        if (self.command, path) != (method, known):
            return False
        names = {p["name"] for p in parameters if p["in"] == "query"}
        needed = {p["name"] for p in parameters if p["in"] == "query" and p.get("required")}
        asked = set(self.query) - {"session"}  # of the URL that the service gave
        assert needed <= asked <= names, f"{sorted(asked)} are not {sorted(needed)} to {sorted(names)}"
        assert self.query["appId"].isalnum() and len(self.query["appId"]) <= 32
        return True

    def bearer(self, of):
        if self.headers.get("authorization") != f"Bearer bearer-{of.name}-{of.bearer}":
            raise Refused(401, "access denied, invalid bearer token")

    def streams(self, of):
        base = f"http://{self.headers['host']}"
        refresh = "/sensors/entities/datafeed-actions/v1"
        return [{"dataFeedURL": of.foreign.get("feed", base) + f"/feed/{n}?appId={of.name}",
                 "sessionToken": {"token": f"session-{of.name}-{of.session}", "expiration": "2030-01-01T00:00:00Z"},
                 "refreshActiveSessionURL": of.foreign.get("refresh", base)
                 + f"{refresh}/{n}?appId={of.name}&session={of.session}",
                 "refreshActiveSessionInterval": 1800} for n in range(of.streams)]

    def feed(self, of, partition):
        if self.headers.get("authorization") != f"Token session-{of.name}-{of.session}":
            raise Refused(401, "the session is over")
        if of.limited:
            of.limited -= 1
            raise Refused(429, "slow down", {"Retry-After": "60"})
        assert set(self.query) == {"appId", "offset"}
        first = int(self.query["offset"]) + (0 if of.inclusive else 1)
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        at, cuts = 0, of.cuts
        while True:
            with NEWS:
                came = NEWS.wait_for(lambda: at < len(of.lines[partition]) or cuts != of.cuts, 0.05)
                over, half = cuts != of.cuts, of.half
                # What happened after the cut is for whoever asks again, however late this thread wakes.
                lines = of.lines[partition][at : of.ends[partition] if over else None]
                at += len(lines)
            for offset, text in lines:
                if offset is None or offset >= first:
                    data = text.encode() + b"\r\n"
                    # Chunks end where they like.
                    self.chunk(data[:20])
                    for start in range(20, len(data), 1 << 20):
                        self.chunk(data[start : start + (1 << 20)])
            if over:
                if half:
                    self.chunk(half.encode())
                self.connection.close()
                return None
            if not came:
                self.chunk(b"\r\n")

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


def act(of, what):
    with NEWS:
        if "add" in what:
            of.lines[what["add"]].append((what.get("offset"), what.get("text", "x" * what.get("size", 0))))
        for name in ("inclusive", "limited", "foreign", "streams"):
            setattr(of, name, what.get(name, getattr(of, name)))
        for name in ("bearer", "session"):
            setattr(of, name, getattr(of, name) + what.get(name, 0))
        if "cut" in what:
            of.half, of.cuts = what["cut"], of.cuts + 1
            of.ends = {partition: len(lines) for partition, lines in of.lines.items()}
        NEWS.notify_all()
    return {"asked": of.asked, "wrong": of.wrong}


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A reader went away; what is wrong with a question is told by `serve`."""


server = Server(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()

# This service is one for the package's own client.
client = EventStreams(client_id="own", client_secret="swordfish", base_url=f"http://127.0.0.1:{server.server_port}")
assert client.list_available_streams(app_id="own")["status_code"] == 200
kept = client.refresh_active_stream(partition=1, parameters={"session": "0", "appId": "own"})
assert kept["status_code"] == 200 and not tenant("own").wrong, kept

print(server.server_port, flush=True)
for line in sys.stdin:
    what = json.loads(line)
    print(json.dumps(act(tenant(what["tenant"]), what)), flush=True)
