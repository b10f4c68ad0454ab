//! The real program, and those who vouch for people: an OpenID provider, the keys of Cloudflare Access, a
//! browser with an authenticator. All of them are other people's code.
//!
//! Each part skips, saying so, where a package is not installed; `./run test` installs all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stderr)]

mod common;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use common::{PASSWORD, Server};
use serde_json::{Value, json};

/// A helper in Python that says its port in its first line.
struct Helper {
    child: Child,
    port: u16,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Helper {
    /// None where a package is not installed.
    fn start(script: &str, args: &[&str]) -> Option<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signing_in").join(script);
        let mut python = Command::new("python3");
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
            python.env_remove(name);
        }
        let mut child = python
            .arg(path)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        if let Ok(port) = line.trim().parse() {
            return Some(Self { child, port, input, output });
        }
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(77), "{script} {args:?} failed");
        eprintln!("skipped: {script} {args:?}: a package is not installed");
        None
    }

    fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Asks in a line and reads the answer.
    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.input, "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{question}: {e}: {line}"))
    }

    /// A request to it: where it sends one, and what it says.
    fn curl(&self, method: &str, path: &str, args: &[&str]) -> (String, String) {
        let url =
            if path.starts_with('/') { format!("{}{path}", self.url()) } else { path.to_owned() };
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--request", method])
            .args(["--write-out", "\n%{redirect_url}"])
            .args(args)
            .arg(url)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, to) = text.rsplit_once('\n').unwrap();
        (to.to_owned(), body.to_owned())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // The browser ends with what it is asked: its end is the end of that.
        let _gone = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _waited = self.child.wait();
    }
}

const FLOOR: &str = "https://floor.example.org";

/// The answer to a request that sends one elsewhere: the status, and where.
fn sent(server: &Server, path: &str) -> (u16, String) {
    let dump = tempfile::NamedTempFile::new().unwrap();
    let (status, body) = server.curl(path, &["--dump-header", dump.path().to_str().unwrap()]);
    let headers = fs::read_to_string(dump.path()).unwrap();
    let to = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    (status, to.unwrap_or_else(|| body.to_string()))
}

/// Somebody says at the provider who they are: the way back to the floor.
fn at_provider(provider: &Helper, url: &str, who: &str) -> String {
    let (back, said) = provider.curl("POST", url, &["--data-urlencode", &format!("sub={who}")]);
    assert!(back.starts_with(&format!("{FLOOR}/api/v1/login/openid/callback?")), "{back} {said}");
    back[FLOOR.len()..].to_owned()
}

/// Logs somebody in by the provider: the status and where it leads, or what is wrong.
fn by_openid(server: &Server, provider: &Helper, who: &str) -> (u16, String) {
    let (status, to) = sent(server, "/api/v1/login/openid");
    assert_eq!(status, 303, "{to}");
    sent(server, &at_provider(provider, &to, who))
}

fn describe(provider: &Helper, who: &str, claims: &Value) {
    let args = ["--header", "content-type: application/json", "--data", &claims.to_string()];
    provider.curl("PUT", &format!("/users/{who}"), &args);
}

/// A change that needs no body.
fn bare(server: &Server, path: &str, word: &str) -> (u16, Value) {
    server.curl(path, &["--request", "POST", "--header", &format!("x-csrf-token: {word}")])
}

fn me(server: &Server) -> Value {
    let (status, me) = server.curl("/api/v1/me", &[]);
    if status == 200 { me } else { Value::Null }
}

/// Logs out; where one can log out at the provider as well.
fn log_out(server: &Server) -> Option<String> {
    let me_now = me(server);
    let word = me_now["csrf"].as_str().unwrap().to_owned();
    let (status, told) = bare(server, "/api/v1/logout", &word);
    let at_provider = me_now["session"]["factors"] == json!(["oidc"]);
    assert_eq!(status, if at_provider { 200 } else { 204 }, "{told}");
    assert_eq!(me(server), Value::Null);
    at_provider.then(|| told["url"].as_str().unwrap().to_owned())
}

#[test]
fn an_identity_provider_says_who_somebody_is() {
    let Some(mut provider) = Helper::start("provider.py", &["openid"]) else { return };
    let data = tempfile::tempdir().unwrap();
    let secret = data.path().join("secret");
    fs::write(&secret, "swordfish-of-the-client\n").unwrap();
    let config = format!(
        "[sign_in]\nurl = \"{FLOOR}\"\n[sign_in.openid]\nname = \"Acme\"\nissuer = \"{}\"\n\
         client_id = \"watchfloor\"\nclient_secret = {{ file = \"{}\" }}\n[sign_in.openid.roles]\n\
         soc = \"analyst\"\nleads = \"engineer\"\n",
        provider.url(),
        secret.display()
    );
    fs::write(data.path().join("floor.toml"), config).unwrap();
    let log = data.path().join("log");
    let server = Server::start_with(data.path(), &[], File::create(&log).unwrap());
    let word = server.set_up();
    let ways = server.curl("/api/v1/login", &[]).1;
    assert_eq!((&ways["openid"], &ways["cloudflare_access"]), (&json!("Acme"), &json!(false)));
    log_out(&server);

    // Somebody in a group that has a role comes for the first time.
    let vera = |groups: Value| {
        json!({ "preferred_username": "Vera", "name": "Vera Lind", "email": "vera@example.org",
            "groups": groups })
    };
    describe(&provider, "vera-1", &vera(json!(["staff", "soc"])));
    assert_eq!(by_openid(&server, &provider, "vera-1"), (303, "/".to_owned()));
    let told = me(&server);
    assert_eq!(
        (&told["user"]["login"], &told["user"]["role"]),
        (&json!("vera"), &json!("analyst"))
    );
    assert_eq!(told["user"]["has_password"], false);
    assert_eq!(told["session"]["factors"], json!(["oidc"]));
    // The provider asks whether to log out there too, and sends them back to the floor.
    let farewell = log_out(&server).unwrap();
    let (_, page) = provider.curl("GET", &farewell, &[]);
    for shown in ["End session", "<code>watchfloor</code>", "https://floor.example.org/</code>"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let home = format!("redirect_uri={FLOOR}/");
    let confirm = ["--data-urlencode", home.as_str()];
    let (to, said) = provider.curl("POST", "/oauth2/end_session/confirm", &confirm);
    assert_eq!(to, format!("{FLOOR}/"), "{said}");
    // What they may do follows their groups, and what they are called at the provider does not matter.
    let mut other = vera(json!(["soc", "leads"]));
    other["preferred_username"] = json!("somebody");
    describe(&provider, "vera-1", &other);
    assert_eq!(by_openid(&server, &provider, "vera-1").0, 303);
    let told = me(&server);
    assert_eq!(
        (&told["user"]["login"], &told["user"]["role"]),
        (&json!("vera"), &json!("engineer"))
    );
    log_out(&server);
    describe(&provider, "vera-1", &vera(json!(["staff"])));
    assert_eq!(by_openid(&server, &provider, "vera-1").0, 403);
    describe(&provider, "stranger", &json!({ "preferred_username": "stranger" }));
    assert_eq!(by_openid(&server, &provider, "stranger").0, 403);
    assert_eq!(me(&server), Value::Null);
    describe(&provider, "vera-1", &vera(json!(["soc"])));

    linking(&server, &provider);
    unlinking(&server, &provider);
    not_believed(&server, &provider);

    // Other keys, as after a rotation: they are asked for when a token is not signed with those known.
    let port = provider.port.to_string();
    drop(provider);
    assert!(matches!(sent(&server, "/api/v1/login/openid").0, 303 | 503));
    provider = Helper::start("provider.py", &["openid", &port]).unwrap();
    describe(&provider, "vera-1", &vera(json!(["soc"])));
    let deadline = Instant::now() + Duration::from_mins(1);
    while by_openid(&server, &provider, "vera-1").0 != 303 {
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(&log).unwrap());
    }
    assert_eq!(me(&server)["user"]["login"], "vera");
    log_out(&server);
    // Who is kept out here is kept out.
    let word = {
        drop(word);
        server.log_in()
    };
    let users = server.curl("/api/v1/users", &[]).1;
    let mut users = users["items"].as_array().unwrap().iter();
    let id = users.find(|user| user["login"] == "vera").unwrap()["user_id"].as_str().unwrap();
    let header = format!("x-csrf-token: {word}");
    let out = ["--request", "PATCH", "--json", "{\"disabled\": true}", "--header", &header];
    assert_eq!(server.curl(&format!("/api/v1/users/{id}"), &out).0, 200);
    let (_, audit) = server.curl("/api/v1/audit?action=identity.&limit=10", &[]);
    let actions: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|one| one["action"].as_str()).collect();
    let linked = Some("identity.link");
    assert_eq!(actions, [linked, Some("identity.unlink"), linked, linked], "{audit}");
    log_out(&server);
    assert_eq!(by_openid(&server, &provider, "vera-1").0, 403);
    let logged = fs::read_to_string(&log).unwrap();
    for secret in ["swordfish-of-the-client", "eyJ", "code=", "code_verifier"] {
        assert!(!logged.contains(secret), "{secret} is in the log: {logged}");
    }
    server.stop();
}

/// A name that a user here has proves nothing; that user links the two, once logged in.
fn linking(server: &Server, provider: &Helper) {
    let anna =
        json!({ "preferred_username": "anna", "email": "anna@example.org", "groups": ["soc"] });
    describe(provider, "anna-1", &anna);
    let (status, said) = by_openid(server, provider, "anna-1");
    assert_eq!(status, 409, "{said}");
    assert_eq!(me(server), Value::Null);
    let word = server.log_in();
    assert_eq!(bare(server, "/api/v1/me/openid", "").0, 403);
    let (status, told) = bare(server, "/api/v1/me/openid", &word);
    assert_eq!(status, 200, "{told}");
    let back = at_provider(provider, told["url"].as_str().unwrap(), "anna-1");
    assert_eq!(sent(server, &back), (303, "/".to_owned()));
    let (_, identities) = server.curl("/api/v1/me/identities", &[]);
    assert_eq!(identities["items"][0]["subject"], "anna-1");
    log_out(server);
    assert_eq!(by_openid(server, provider, "anna-1").0, 303);
    // Who has a password here keeps the role that they were given here.
    let told = me(server);
    assert_eq!((&told["user"]["login"], &told["user"]["role"]), (&json!("anna"), &json!("admin")));
    log_out(server);
}

/// An admin unlinks: the provider's word leads nowhere, sessions that it began end, the password works.
fn unlinking(server: &Server, provider: &Helper) {
    assert_eq!(by_openid(server, provider, "anna-1").0, 303);
    let told = me(server);
    let path = format!("/api/v1/users/{}/identities", told["user"]["user_id"].as_str().unwrap());
    let identities = server.curl(&path, &[]).1;
    assert_eq!(identities["items"][0]["subject"], "anna-1", "{identities}");
    let header = format!("x-csrf-token: {}", told["csrf"].as_str().unwrap());
    let unlink = ["--request", "DELETE", "--header", header.as_str()];
    assert_eq!(server.curl(&path, &unlink).0, 204);
    assert_eq!(me(server), Value::Null, "the session goes on");
    let (status, said) = by_openid(server, provider, "anna-1");
    assert_eq!(status, 409, "{said}");
    // By the password they come in, have nobody who vouches for them, and link again.
    let word = server.log_in();
    assert_eq!(server.curl(&path, &[]).1["items"], json!([]));
    let (_, told) = bare(server, "/api/v1/me/openid", &word);
    let back = at_provider(provider, told["url"].as_str().unwrap(), "anna-1");
    assert_eq!(sent(server, &back), (303, "/".to_owned()));
    log_out(server);
}

/// Every way in which an answer may be wrong: nobody comes in.
fn not_believed(server: &Server, provider: &Helper) {
    for how in [
        "nonce", "no-nonce", "audience", "party", "issuer", "expired", "future", "nobody", "key",
        "none", "hmac", "critical",
    ] {
        provider.curl("POST", &format!("/next/{how}"), &[]);
        let (status, said) = by_openid(server, provider, "vera-1");
        assert_eq!(status, 401, "{how}: {said}");
        assert_eq!(me(server), Value::Null, "{how}");
    }
    // Another state, another issuer, a code that was used, a refusal.
    let (_, to) = sent(server, "/api/v1/login/openid");
    let back = at_provider(provider, &to, "vera-1");
    let state = back.split("state=").nth(1).unwrap().split('&').next().unwrap();
    assert_eq!(sent(server, &back.replace(state, "made-up")).0, 403);
    assert_eq!(sent(server, &format!("{back}&iss=http%3A%2F%2Felsewhere")).0, 403);
    // In a browser in which it was not begun.
    let elsewhere = Command::new("curl")
        .args(["--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}"])
        .arg(format!("{}{back}", server.url()))
        .output()
        .unwrap();
    assert_eq!(elsewhere.stdout, b"403");
    assert_eq!(sent(server, &back).0, 303);
    log_out(server);
    let (_, to) = sent(server, "/api/v1/login/openid");
    let state = to.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let callback = "/api/v1/login/openid/callback";
    assert_eq!(sent(server, &format!("{callback}?code={code}&state={state}")).0, 401, "used twice");
    let (_, to) = sent(server, "/api/v1/login/openid");
    let state = to.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let denied = format!("{callback}?error=access_denied%1b%5b2J&state={state}");
    let (status, said) = sent(server, &denied);
    assert!(status == 401 && said.contains("access_denied") && !said.contains('\u{1b}'), "{said}");
    assert_eq!(me(server), Value::Null);
}

#[test]
fn cloudflare_access_says_who_somebody_is() {
    let Some(access) = Helper::start("provider.py", &["access"]) else { return };
    let data = tempfile::tempdir().unwrap();
    let audience = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";
    let config = format!(
        "[sign_in.cloudflare_access]\nteam = \"{}\"\naudience = \"{audience}\"\n",
        access.url()
    );
    fs::write(data.path().join("floor.toml"), &config).unwrap();
    let log = data.path().join("log");
    let server = Server::start_with(data.path(), &[], File::create(&log).unwrap());
    let word = server.set_up();
    let vera = json!({ "login": "vera", "name": "Vera", "role": "analyst",
        "password": "viewing password 1" });
    let (_, made) = server.post("/api/v1/users", &word, &vera);
    let header = format!("x-csrf-token: {word}");
    let mail = "{\"email\": \"Vera@example.org\"}";
    let path = format!("/api/v1/users/{}", made["user_id"].as_str().unwrap());
    let patch = ["--request", "PATCH", "--json", mail, "--header", &header];
    assert_eq!(server.curl(&path, &patch).0, 200);
    log_out(&server);

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // As Cloudflare's documentation shows them.
    let claims = json!({
        "aud": [audience], "email": "vera@example.org", "exp": now + 600, "iat": now, "nbf": now,
        "iss": access.url(), "type": "app", "identity_nonce": "6ei69kawdKzMIAPF",
        "sub": "7335d417-61da-459d-899c-0a01c76a2f94", "country": "SE",
    });
    let sign = |asked: &Value| {
        let json = asked.to_string();
        access
            .curl("POST", "/sign", &["--header", "content-type: application/json", "--data", &json])
            .1
    };
    let log_in = |token: &str| {
        let header = format!("Cf-Access-Jwt-Assertion: {token}");
        server.curl("/api/v1/login/access", &["--request", "POST", "--header", &header])
    };
    let good = sign(&json!({ "claims": claims }));
    let (status, told) = log_in(&good);
    assert_eq!(status, 200, "{told}");
    assert_eq!(
        (&told["user"]["login"], &told["user"]["role"]),
        (&json!("vera"), &json!("analyst"))
    );
    assert_eq!(told["session"]["factors"], json!(["cloudflare_access"]));
    assert_eq!(me(&server)["user"]["login"], "vera");
    log_out(&server);
    // The header alone is no session.
    let header = format!("Cf-Access-Jwt-Assertion: {good}");
    assert_eq!(server.curl("/api/v1/me", &["--header", &header]).0, 401);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        json!({ "claims": claims })
    };
    let wrong = [
        ("strange key", json!({ "claims": claims, "strange": true })),
        ("another algorithm", json!({ "claims": claims, "algorithm": "RS512" })),
        ("expired", with("exp", json!(now - 120))),
        ("no end", with("exp", Value::Null)),
        ("not yet", with("nbf", json!(now + 3_600))),
        ("audience", with("aud", json!(["another application"]))),
        ("issuer", with("iss", json!("https://other.cloudflareaccess.com"))),
        ("service", with("email", json!(""))),
    ];
    for (what, asked) in wrong {
        assert_eq!(log_in(&sign(&asked)).0, 401, "{what}");
    }
    for token in ["", "a.b.c", "..", &good[..good.len() - 4], &good.replace('.', "..")] {
        assert_eq!(log_in(token).0, 401, "{token}");
    }
    assert_eq!(log_in(&sign(&with("email", json!("nobody@example.org")))).0, 403);
    // Other keys, as after a rotation.
    access.curl("POST", "/rotate", &[]);
    let newer = sign(&json!({ "claims": claims }));
    let deadline = Instant::now() + Duration::from_mins(1);
    while log_in(&newer).0 != 200 {
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(&log).unwrap());
    }
    assert_eq!(log_in(&good).0, 200, "the key before still counts");
    assert!(!fs::read_to_string(&log).unwrap().contains("eyJ"));
    server.stop();
    // Strangers become what the configuration says, and no more.
    fs::write(data.path().join("floor.toml"), format!("{config}default_role = \"viewer\"\n"))
        .unwrap();
    let server = Server::start(data.path());
    let token =
        sign(&json!({ "claims": { "aud": audience, "email": "new@example.org", "exp": now + 600,
        "iat": now, "iss": access.url(), "sub": "another", "role": "admin" } }));
    let header = format!("Cf-Access-Jwt-Assertion: {token}");
    let (status, told) =
        server.curl("/api/v1/login/access", &["--request", "POST", "--header", &header]);
    assert_eq!(status, 200, "{told}");
    assert_eq!(
        (&told["user"]["login"], &told["user"]["role"]),
        (&json!("new@example.org"), &json!("viewer"))
    );
    server.stop();
}

#[test]
fn a_passkey_of_a_real_browser_lets_in() {
    let Some(mut browser) = Helper::start("browser.py", &[]) else { return };
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("floor.toml"), format!("[sign_in]\nurl = \"{}\"\n", browser.url()))
        .unwrap();
    let log = data.path().join("log");
    let server = Server::start_with(data.path(), &[], File::create(&log).unwrap());
    let word = server.set_up();
    // Made, with a name.
    let (status, asked) = bare(&server, "/api/v1/me/passkeys/begin", &word);
    assert_eq!(status, 200, "{asked}");
    let made = browser.ask(&json!({ "create": asked["options"] }));
    let body = json!({ "ceremony": asked["ceremony"], "name": "Laptop", "credential": made });
    let (status, told) = server.post("/api/v1/me/passkeys", &word, &body);
    assert_eq!(status, 201, "{told} {made}");
    assert_eq!(told["passkey_id"], made["id"]);
    assert_eq!(server.post("/api/v1/me/passkeys", &word, &body).0, 400, "answered twice");
    let (_, listed) = server.curl("/api/v1/me/passkeys", &[]);
    assert_eq!(
        (&listed["items"][0]["name"], listed["items"].as_array().unwrap().len()),
        (&json!("Laptop"), 1)
    );
    let text = listed.to_string();
    assert!(!text.contains("point") && !text.contains("ES256"), "{text}");
    // The same authenticator makes no second one.
    let (_, again) = bare(&server, "/api/v1/me/passkeys/begin", &word);
    assert!(browser.ask(&json!({ "create": again["options"] }))["error"].is_string());
    log_out(&server);

    // Alone.
    let begin = || {
        let (status, asked) = bare(&server, "/api/v1/login/passkey/begin", "");
        assert_eq!(status, 200, "{asked}");
        asked
    };
    let alone = |asked: &Value, got: &Value| {
        let body = json!({ "ceremony": asked["ceremony"], "credential": got });
        server.post("/api/v1/login/passkey", "", &body)
    };
    let asked = begin();
    let got = browser.ask(&json!({ "get": asked["options"] }));
    let (status, told) = alone(&asked, &got);
    assert_eq!(status, 200, "{told} {got}");
    assert_eq!(
        (&told["user"]["login"], &told["session"]["factors"]),
        (&json!("anna"), &json!(["passkey"]))
    );
    let (_, listed) = server.curl("/api/v1/me/passkeys", &[]);
    assert!(!listed["items"][0]["used_at"].is_null(), "{listed}");
    log_out(&server);
    assert_eq!(alone(&asked, &got).0, 401, "an answer counts once");
    spoilt(&mut browser, begin, alone);
    // A device that does not know who holds it is no login by itself.
    browser.ask(&json!({ "verified": false }));
    let mut asked = begin();
    asked["options"]["userVerification"] = json!("discouraged");
    let got = browser.ask(&json!({ "get": asked["options"] }));
    assert_eq!(alone(&asked, &got).0, 401, "{got}");
    beside(&server, &mut browser);
    browser.ask(&json!({ "verified": true }));

    // A copy, whose counter lags behind.
    browser.ask(&json!({ "rewind": null }));
    let asked = begin();
    let got = browser.ask(&json!({ "get": asked["options"] }));
    assert_eq!(alone(&asked, &got).0, 401, "{got}");
    assert!(fs::read_to_string(&log).unwrap().contains("the counter went back"));
    // An admin helps out who has lost it; here it is their own.
    let (_, more) =
        server.post("/api/v1/login", "", &json!({ "login": "anna", "password": PASSWORD }));
    assert_eq!(more["passkey"]["options"]["allowCredentials"].as_array().unwrap().len(), 1);
    // Used often enough, the copy is no older than what was seen: nothing can tell them apart then.
    let deadline = Instant::now() + Duration::from_mins(1);
    let told = loop {
        let asked = begin();
        let got = browser.ask(&json!({ "get": asked["options"] }));
        let (status, told) = alone(&asked, &got);
        if status == 200 {
            break told;
        }
        assert!(Instant::now() < deadline, "{told}");
    };
    let word = told["csrf"].as_str().unwrap();
    let (_, audit) = server.curl("/api/v1/audit?action=passkey.&limit=20", &[]);
    let actions: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|e| e["action"].clone()).collect();
    assert!(actions.contains(&json!("passkey.add")) && actions.contains(&json!("passkey.copied")));
    // Taken away, it is of no use, and the password alone is enough again.
    let header = format!("x-csrf-token: {word}");
    let path = format!("/api/v1/me/passkeys/{}", made["id"].as_str().unwrap());
    let delete = ["--request", "DELETE", "--header", header.as_str()];
    assert_eq!(server.curl(&path, &delete).0, 204);
    assert_eq!(server.curl(&path, &delete).0, 404);
    log_out(&server);
    let asked = begin();
    let got = browser.ask(&json!({ "get": asked["options"] }));
    assert_eq!(alone(&asked, &got).0, 401);
    server.log_in();
    server.stop();
}

/// Answers that are not to this question, of this page, or of this key.
fn spoilt(
    browser: &mut Helper,
    begin: impl Fn() -> Value,
    alone: impl Fn(&Value, &Value) -> (u16, Value),
) {
    type Spoil = fn(&mut Value);
    let all: [(&str, Spoil); 6] = [
        ("another challenge", |options| options["challenge"] = json!("AAAAAAAAAAAAAAAAAAAAAA")),
        ("signature", |got| got["response"]["signature"] = json!("AAAA")),
        ("not base64url", |got| got["response"]["signature"] = json!("%%%")),
        ("somebody else's", |got| got["response"]["userHandle"] = json!("AAAA")),
        ("another passkey", |got| got["id"] = json!("AAAA")),
        ("authenticator", |got| got["response"]["authenticatorData"] = json!("AAAA")),
    ];
    for (number, (what, spoil)) in all.into_iter().enumerate() {
        let mut asked = begin();
        if number == 0 {
            spoil(&mut asked["options"]);
        }
        let mut got = browser.ask(&json!({ "get": asked["options"] }));
        if number > 0 {
            spoil(&mut got);
        }
        let (status, told) = alone(&asked, &got);
        assert_eq!(status, 401, "{what}: {told}");
    }
}

/// Beside a password, for which it is enough that somebody is there.
fn beside(server: &Server, browser: &mut Helper) {
    let login = json!({ "login": "anna", "password": PASSWORD });
    let (status, more) = server.post("/api/v1/login", "", &login);
    assert_eq!(status, 401, "{more}");
    let asked = &more["passkey"];
    assert!(asked["ceremony"].is_string(), "{more}");
    let got = browser.ask(&json!({ "get": asked["options"] }));
    let with = |ceremony: &Value| {
        let mut login = login.clone();
        login["passkey"] = json!({ "ceremony": ceremony, "credential": got });
        server.post("/api/v1/login", "", &login)
    };
    assert_eq!(with(&json!("wfw_made_up")).0, 401);
    let (status, told) = with(&asked["ceremony"]);
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["session"]["factors"], json!(["password", "passkey"]));
    log_out(server);
}
