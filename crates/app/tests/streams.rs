//! A floor that reads event streams: what comes is what the vendor's definition makes of it, each record once,
//! also when the floor was stopped meanwhile. The service is that of `collect`'s tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stderr)] // A test that is skipped says so.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use app::access::{Caller, FirstAdmin, LoggedIn, Login};
use app::{Asked, Content, Floor, FloorOptions, Question, RuleChoice};
use serde_json::{Value, json};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PASSWORD: &str = "correct horse battery";
const POLL: &str = "polls/crowdstrike_event_streams";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

async fn open(folder: &Path) -> (Floor, Caller) {
    let content = folder.join("content");
    let options = FloorOptions {
        data: folder.join("data"),
        ledger: None,
        rules: RuleChoice::default(),
        content: Some(content.clone()),
        threads: 2,
        log_bytes: 1 << 30,
    };
    let floor = Floor::open(&Content::of(Some(&content)), options).await.unwrap();
    let (login, address) = ("anna".to_owned(), HERE);
    if let Some(link) = floor.first_link().await.unwrap() {
        let (name, password) = ("Anna".into(), PASSWORD.into());
        let first = FirstAdmin { link, login: login.clone(), name, password, address };
        floor.make_first_admin(first).await.unwrap();
    }
    let (password, agent) = (PASSWORD.into(), "test".into());
    let login = Login { login, password, code: None, passkey: None, address, agent };
    let LoggedIn::In(_, caller) = floor.log_in(login).await.unwrap() else { panic!("no code") };
    floor.configure(Some(&folder.join("floor.toml"))).await.unwrap();
    (floor, *caller)
}

/// The times of the log-ons in the lake, when there are so many events.
async fn until(floor: &Floor, caller: &Caller, count: usize) -> Vec<Value> {
    let end = Instant::now() + Duration::from_mins(2);
    loop {
        let form = "ndjson".to_owned();
        let question =
            Question { since: None, until: None, limit: None, tables: vec![], form, width: None };
        let sql = "SELECT CAST(time AS VARCHAR) AS t, class_uid AS class FROM events ORDER BY 1";
        let asked = Asked { sql: sql.to_owned(), search: None, question };
        let (bytes, _) = floor.ask(caller, asked).await.unwrap();
        let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let rows: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        if rows.len() >= count {
            return rows;
        }
        assert!(Instant::now() < end, "{rows:?} {:?}", floor.fetchers());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streamed_events_come_once_and_go_on_behind_a_restart() {
    let installed = Command::new("python3").args(["-c", "import falconpy"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "falconpy must be there");
        eprintln!("skipped: falconpy is not installed");
        return;
    }
    let mut service = Command::new("python3")
        .arg(repository("crates/collect/tests/streams.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = service.stdin.take().unwrap();
    let mut told = BufReader::new(service.stdout.take().unwrap()).lines();
    let port = told.next().unwrap().unwrap();
    let mut act = |what: Value| -> Value {
        writeln!(input, "{what}").unwrap();
        serde_json::from_str(&told.next().unwrap().unwrap()).unwrap()
    };
    let mut add = |offset: u64| {
        let text = json!({
            "metadata": { "customerIDString": "c1", "offset": offset, "version": "1.0",
                          "eventType": "AuthActivityAuditEvent", "eventCreationTime": 1_790_000_000_000_u64 + offset },
            "event": { "UserId": "mira@example.com", "OperationName": "userAuthenticate",
                       "ServiceName": "CrowdStrike Authentication", "Success": true } });
        let partition = (offset % 2).to_string();
        act(
            json!({ "tenant": "floor", "add": partition, "offset": offset, "text": text.to_string() }),
        )
    };

    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("content").join(POLL);
    fs::create_dir_all(&own).unwrap();
    let definition = fs::read_to_string(repository("content").join(POLL).join("poll.yml")).unwrap();
    // The same definition, on this machine and in the clear.
    fs::write(own.join("poll.yml"), definition.replace("https://{", "http://{")).unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "swordfish\n").unwrap();
    let entry = format!(
        "[[poll]]\nname = \"falcon\"\nservice = \"crowdstrike_event_streams\"\nsecret = {{ file = {secret:?} }}\n\
         settings = {{ cloud = \"127.0.0.1:{port}\", client_id = \"floor\", app_id = \"floor\" }}\n"
    );
    fs::write(folder.path().join("floor.toml"), entry).unwrap();

    for round in 0..3 {
        for offset in round * 10 + 1..=round * 10 + 10 {
            add(offset);
        }
        let (floor, caller) = open(folder.path()).await;
        add(round * 10 + 10);
        let events = usize::try_from(round * 10 + 10).unwrap();
        let rows = until(&floor, &caller, events).await;
        assert_eq!(rows.len(), events);
        assert!(rows.iter().all(|row| row["class"] == 3002), "{rows:?}");
        assert!(rows.windows(2).all(|pair| pair[0]["t"] != pair[1]["t"]), "each once: {rows:?}");
        let status = &floor.fetchers()[0];
        assert_eq!((status.troubles.as_slice(), &status.last_error), ([].as_slice(), &None));
        floor.close().await;
    }
    let told = act(json!({ "tenant": "floor" }));
    let asked: Vec<String> = serde_json::from_value(told["asked"].clone()).unwrap();
    assert!(
        asked.iter().any(|asked| asked.ends_with("/feed/0?appId=floor&offset=20")),
        "{asked:?}"
    );
    assert_eq!(told["wrong"], json!([]));
    drop(input);
    service.wait().unwrap();
}
