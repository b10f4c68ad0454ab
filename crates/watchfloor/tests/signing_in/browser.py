"""A real browser with an authenticator that Chromium makes up (WebAuthn's virtual authenticators, by WebDriver).

Says the port of its page in its first line, then answers each line of JSON that it is given by one of its own:
`{"create": OPTIONS}`, `{"get": OPTIONS}`, `{"verified": BOOL}`, `{"rewind": null}` (the authenticator's counters go back,
as those of a copy would), `{"forget": null}`. Ends with 77 where Chromium or a package is not installed.
"""
import http.server
import json
import shutil
import signal
import sys
import threading

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.virtual_authenticator import Credential, VirtualAuthenticatorOptions
except ImportError as missing:
    sys.stderr.write(str(missing))
    sys.exit(77)
if not shutil.which("chromedriver") or not shutil.which("chromium"):
    sys.stderr.write("chromium and chromedriver")
    sys.exit(77)


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>a page</title>")

    def log_message(self, *_):
        pass


CREATE = """
const done = arguments[arguments.length - 1];
const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(arguments[0]);
navigator.credentials.create({ publicKey }).then(made => done(made.toJSON()), error => done({ error: String(error) }));
"""
GET = """
const done = arguments[arguments.length - 1];
const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(arguments[0]);
navigator.credentials.get({ publicKey }).then(got => done(got.toJSON()), error => done({ error: String(error) }));
"""

pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=pages.serve_forever, daemon=True).start()
options = Options()
options.binary_location = shutil.which("chromium")
for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]:
    options.add_argument(argument)
# Whoever ends this ends the browser with it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
try:
    driver.set_script_timeout(30)
    port = pages.server_address[1]
    driver.get(f"http://localhost:{port}/")
    authenticator = VirtualAuthenticatorOptions(
        protocol="ctap2", transport="internal", has_resident_key=True, has_user_verification=True, is_user_verified=True
    )
    driver.add_virtual_authenticator(authenticator)
    print(port, flush=True)
    for line in sys.stdin:
        (what, given), = json.loads(line).items()
        told = {}
        if what == "create":
            told = driver.execute_async_script(CREATE, given)
        elif what == "get":
            told = driver.execute_async_script(GET, given)
        elif what == "verified":
            driver.set_user_verified(given)
        elif what == "rewind":
            for held in driver.get_credentials():
                driver.remove_credential(held.id)
                driver.add_credential(Credential.from_dict({**held.to_dict(), "signCount": 0}))
        elif what == "forget":
            driver.remove_all_credentials()
        print(json.dumps(told), flush=True)
finally:
    driver.quit()
