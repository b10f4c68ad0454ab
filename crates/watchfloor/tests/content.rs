//! Content that changes while the real program runs: what is sound comes into force by itself, a mistake
//! keeps all of what was in force and is named until it is mended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs::{self, File};
use std::path::Path;

use common::Server;
use serde_json::{Value, json};

/// A rule that finds a word anywhere in a Kubernetes audit log.
fn rule(name: &str, id: u32, word: &str) -> String {
    format!(
        "title: {name}\nid: 6a2c9f7e-2f0e-4a8e-9d36-0a2f6c1c{id:04}\nstatus: test\ndescription: Somebody says it.\n\
         logsource:\n    product: kubernetes\n    service: audit\ndetection:\n    words:\n        - {word}\n    \
         condition: words\nlevel: high\n"
    )
}

/// Delivers a line of such a log about somebody.
fn deliver(server: &Server, token: &str, who: &str) {
    let event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
        "auditID": "ad797c9b-bdae-5fb3-88f9-65bb5849c1be", "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/mail/secrets/one", "verb": "get",
        "user": { "username": who, "groups": ["all"] }, "sourceIPs": ["192.0.2.7"],
        "objectRef": { "resource": "secrets", "namespace": "mail", "name": "one" },
        "responseStatus": { "metadata": {}, "code": 200 },
        "requestReceivedTimestamp": "2026-10-14T06:00:57.093441Z",
    });
    let bearer = format!("authorization: Bearer {token}");
    let (status, told) =
        server.curl("/api/v1/ingest", &["--json", &event.to_string(), "--header", &bearer]);
    assert_eq!(status, 200, "{told}");
}

fn fired(server: &Server, word: &str, title: &str, who: &str) {
    let sql = format!(
        "SELECT rule_title FROM findings WHERE rule_title = '{title}' AND array_has(entities, 'user:{who}')"
    );
    server.wait(word, &sql, |rows| rows.as_array().is_some_and(|rows| !rows.is_empty()));
}

fn refused(server: &Server) -> Vec<String> {
    let told = server.until("/api/v1/status", |status| status["content_refused"].is_object());
    assert_eq!(told["well"], true, "a mistake of a rule's author is no trouble of the floor");
    let problems = told["content_refused"]["problems"].as_array().unwrap().iter();
    problems.map(|problem| problem.as_str().unwrap().to_owned()).collect()
}

/// Waits until nothing is refused, and what is asked for is in force.
fn taken(server: &Server, what: &str, is_it: impl Fn(&Value) -> bool) {
    server.until(what, is_it);
    server.until("/api/v1/status", |status| status["content_refused"].is_null());
}

fn names(told: &Value, pointer: &str) -> Vec<String> {
    let items = told["items"].as_array().into_iter().flatten();
    items.filter_map(|item| item.pointer(pointer)?.as_str().map(str::to_owned)).collect()
}

#[test]
fn content_reloads_by_itself_and_a_mistake_keeps_what_was_in_force() {
    let (data, content) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = data.path().join("log");
    let at = |name: &str| content.path().join(name);
    let args = ["--content", content.path().to_str().unwrap()];
    let server = Server::start_with(data.path(), &args, File::create(&log).unwrap());
    let word = server.set_up();
    let token = server.sender(&word, &json!({ "name": "k8s" }));
    let rules = "/api/v1/rules?limit=500";
    let has =
        |title: &'static str| move |told: &Value| names(told, "/title").contains(&title.to_owned());

    // A rule dropped into a folder that is made at the same time.
    fs::create_dir_all(at("rules/mine")).unwrap();
    fs::write(at("rules/mine/one.yml"), rule("First word", 1, "alpha")).unwrap();
    taken(&server, rules, has("First word"));
    deliver(&server, &token, "alpha-1");
    fired(&server, &word, "First word", "alpha-1");

    // The rule is broken, and beside it lies a sound one: nothing of that comes into force.
    let broken = rule("First word", 1, "alpha").replace("condition: words", "condition: wards");
    fs::write(at("rules/mine/one.yml"), broken).unwrap();
    fs::write(at("rules/mine/two.yml"), rule("Second word", 2, "beta")).unwrap();
    let problems = refused(&server);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let place = format!("{}:11:16", at("rules/mine/one.yml").display());
    assert!(problems[0].contains(&place), "{}", problems[0]);
    assert!(problems[0].ends_with("^^^^^"), "{}", problems[0]);
    let logged = fs::read_to_string(&log).unwrap();
    assert!(logged.contains(&place) && logged.contains("^^^^^"), "{logged}");
    assert_eq!(server.curl("/api/v1/health", &[]).0, 200);
    deliver(&server, &token, "alpha-beta-2");
    fired(&server, &word, "First word", "alpha-beta-2");
    assert!(!has("Second word")(&server.curl(rules, &[]).1), "half a change is in force");

    // Mended: both are in force.
    fs::write(at("rules/mine/one.yml"), rule("First word", 1, "alpha")).unwrap();
    taken(&server, rules, has("Second word"));
    deliver(&server, &token, "beta-3");
    fired(&server, &word, "Second word", "beta-3");

    hunts(&server, content.path());
    sources(&server, content.path());

    // A rule that is taken away finds nothing any more; a person may want the sound part all the same.
    fs::remove_file(at("rules/mine/one.yml")).unwrap();
    taken(&server, rules, |told| !has("First word")(told));
    fs::write(at("rules/mine/bad.yml"), "title: [\n").unwrap();
    fs::write(at("rules/mine/three.yml"), rule("Third word", 3, "gamma")).unwrap();
    assert!(refused(&server)[0].contains("bad.yml:"));
    let (status, told) = server.post("/api/v1/content/reload", &word, &json!({}));
    assert_eq!(status, 200, "{told}");
    assert!(told["problems"][0].as_str().unwrap().contains("bad.yml:"), "{told}");
    assert!(has("Third word")(&server.curl(rules, &[]).1));
    taken(&server, rules, has("Third word"));
    // What is known to be wrong does not hold up what comes later.
    fs::write(at("rules/mine/four.yml"), rule("Fourth word", 4, "delta")).unwrap();
    taken(&server, rules, has("Fourth word"));
    let (_, audit) = server.curl("/api/v1/audit?action=content.&limit=100", &[]);
    assert!(audit["items"].as_array().unwrap().len() >= 6, "{audit}");
    server.stop();
}

fn hunts(server: &Server, content: &Path) {
    let hunts = "/api/v1/hunts?limit=500";
    let path = content.join("hunts/my-hunt.yml");
    let text = "name: my-hunt\ntitle: Mine\nexplanation: None.\nsql: SELECT 1\n";
    fs::create_dir_all(content.join("hunts")).unwrap();
    fs::write(&path, text).unwrap();
    let mine = |told: &Value| names(told, "/name").contains(&"my-hunt".to_owned());
    taken(server, hunts, mine);
    fs::write(&path, text.replace("sql:", "sequel:")).unwrap();
    let problems = refused(server);
    assert!(problems[0].contains("my-hunt.yml") && problems[0].ends_with('^'), "{problems:?}");
    assert!(mine(&server.curl(hunts, &[]).1), "the hunt that was in force is gone");
    fs::write(&path, text).unwrap();
    taken(server, hunts, mine);
}

fn sources(server: &Server, content: &Path) {
    let path = content.join("sources/door/source.yml");
    fs::create_dir_all(content.join("sources/door")).unwrap();
    fs::write(&path, "name: door\nevents: 7\n").unwrap();
    let problems = refused(server);
    let place = format!("{}:", path.display());
    assert!(problems.iter().all(|problem| problem.contains(&place)), "{problems:?}");
    assert!(problems[0].contains('^'), "{problems:?}");
    fs::remove_dir_all(content.join("sources")).unwrap();
    taken(server, "/api/v1/status", |status| status["content_refused"].is_null());
}

/// What a verb prints on success, with what it complains of.
fn verb(args: &[&str], data: &Path) -> String {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_watchfloor"));
    let output = program.args(args).arg("--data").arg(data).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said} {complaints}");
    format!("{said}{complaints}")
}

#[test]
fn what_is_switched_off_on_a_floor_is_off_for_every_verb_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, floor) = (folder.path().join("plain"), folder.path().join("floor"));
    let evidence = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/evidence/kubernetes");
    let evidence = evidence.to_str().unwrap();
    let rules = |data: &Path| {
        let sql =
            "SELECT rule_id, rule_title, count(*) AS n FROM findings GROUP BY 1, 2 ORDER BY 1";
        let said = verb(&["query", sql, "--format", "json"], data);
        let lines = said.lines().filter(|line| line.starts_with('{'));
        lines.map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    verb(&["investigate", evidence, "--no-report"], &plain);
    let all = rules(&plain);
    let [noisy, rest @ ..] = &*all else { panic!("the evidence has findings: {all:?}") };
    let (id, title) = (noisy["rule_id"].as_str().unwrap(), noisy["rule_title"].as_str().unwrap());
    let list = verb(&["rules", "list"], &plain);
    assert!(list.contains(title) && !list.contains("off since"), "{list}");

    let server = Server::start(&floor);
    let word = server.set_up();
    let off = json!({ "reason": "the nightly backup" });
    let (status, told) = server.post(&format!("/api/v1/rules/{id}/off"), &word, &off);
    assert_eq!(status, 200, "{told}");
    server.stop();
    let doctor = verb(&["doctor"], &floor);
    assert!(
        doctor.contains("nothing is in it yet"),
        "a floor to which nothing came is well: {doctor}"
    );

    let list = verb(&["rules", "list"], &floor);
    assert!(list.contains("by anna: the nightly backup"), "{list}");
    assert!(list.ends_with(" rules, 1 of them switched off\n"), "{list}");
    let list: Value = serde_json::from_str(&verb(&["--json", "rules", "list"], &floor)).unwrap();
    let of = |rule: &&Value| !rule["off"].is_null();
    let marked: Vec<_> = list.as_array().unwrap().iter().filter(of).map(|r| &r["id"]).collect();
    assert_eq!(marked, [id]);
    let said = verb(&["investigate", evidence], &floor);
    assert!(said.contains(&format!("the rule `{title}` did not look: anna")), "{said}");
    assert_eq!(rules(&floor), rest, "it alone found nothing");
    let doctor = verb(&["doctor"], &floor);
    assert!(
        doctor.contains("note  rule off:") && doctor.contains("the nightly backup"),
        "{doctor}"
    );
    let report = said.lines().find_map(|line| line.strip_prefix("Report")).unwrap().trim();
    let report = fs::read_to_string(Path::new(report).with_extension("md")).unwrap();
    assert!(report.contains("1 rule was switched off and did not look"), "{report}");
}
