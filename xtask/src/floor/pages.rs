//! How fast the pages are before a floor of many events and some thousand alerts, as Chromium measures it.
//! What is measured, and how, is told by `ui/tests/speed.js`.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::Http;
use super::server::{Api, Place};

/// A rule of which every event is an alert of its own.
const RULE: &str = "title: Somebody read a secret\n\
    id: 5b8f0d1e-6c59-4b0c-9a53-1f4f5c7a0c11\n\
    status: test\n\
    logsource: { product: kubernetes, service: audit }\n\
    detection:\n  secret: { objectRef.resource: secrets }\n  condition: secret\n\
    level: medium\n";
/// How long the floor may take to read what was delivered.
const PATIENCE: Duration = Duration::from_mins(3);

/// A figure, and the bar that it must not pass.
#[derive(Debug, Clone)]
pub struct Figure {
    what: String,
    value: u64,
    unit: String,
    bar: Option<u64>,
}

impl Figure {
    /// Whether it stays below its bar.
    pub fn holds(&self) -> bool {
        self.bar.is_none_or(|bar| self.value <= bar)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9} {:<3} {}", self.value, self.unit, self.what)?;
        match self.bar {
            Some(bar) if self.holds() => write!(f, " (at most {bar})"),
            Some(bar) => write!(f, " (AT MOST {bar})"),
            None => Ok(()),
        }
    }
}

/// Measures before a floor whose data folder holds a lake made by `crates/lake/examples/fill.rs`, over one
/// week from 2026-11-01 on. `only` names one part: first, warm, keys, scrolling or loads; `tell` hears of each
/// figure as soon as it is measured.
pub fn pages_speed(
    program: &Path,
    data: &Path,
    ui: &Path,
    alerts: u64,
    only: Option<&str>,
    tell: &mut dyn FnMut(&Figure),
) -> Result<Vec<Figure>, String> {
    let mut place = Place::new(program, data)?;
    let rule = data.with_extension("yml");
    std::fs::write(&rule, RULE).map_err(|e| e.to_string())?;
    place.more = vec!["--rules".into(), rule.display().to_string()];
    let floor = place.open()?;
    let mut api = floor.set_up(&place)?;
    deliver(&mut api, &place, alerts)?;
    floor.stop()?;

    let mut figures = Vec::new();
    let mut measured = |told: &Value| {
        let figure = figure(told);
        tell(&figure);
        figures.push(figure);
    };
    if only.is_none_or(|part| part == "first") {
        let mut searches = Value::Null;
        browse(ui, &place, &["names"], &mut |told| searches = told.clone())?;
        let names: Vec<String> = serde_json::from_value(searches).map_err(|e| e.to_string())?;
        for name in names {
            forget(data)?;
            let floor = place.open()?;
            browse(ui, &place, &["first", &name], &mut measured)?;
            floor.stop()?;
        }
    }
    if only != Some("first") {
        let floor = place.open()?;
        let part = [Some("rest"), only];
        let part: Vec<&str> = part.into_iter().flatten().collect();
        browse(ui, &place, &part, &mut measured)?;
        floor.stop()?;
    }
    Ok(figures)
}

/// Has a picture taken of every page before a new floor, by `ui/tests/screenshots.js`.
pub fn pages_pictures(
    program: &Path,
    data: &Path,
    ui: &Path,
    evidence: &Path,
    out: &Path,
) -> Result<(), String> {
    let place = Place::new(program, data)?;
    let floor = place.open()?;
    let absolute = |path: &Path| std::path::absolute(path).map_err(|e| e.to_string());
    let status = Command::new("node")
        .arg("tests/screenshots.js")
        .current_dir(ui)
        .env("FLOOR_URL", format!("http://{}", place.http))
        .env("FLOOR_LINK", floor.first_link())
        .env("FLOOR_EVIDENCE", absolute(evidence)?)
        .env("FLOOR_FOLDER", absolute(out)?)
        .status()
        .map_err(|e| format!("node: {e}"))?;
    floor.stop()?;
    if status.success() { Ok(()) } else { Err(format!("tests/screenshots.js: {status}")) }
}

/// Delivers events that each make an alert, and waits until they are there.
fn deliver(api: &mut Api, place: &Place, alerts: u64) -> Result<(), String> {
    let token = api.sender("cluster")?;
    let bearer = format!("Bearer {token}");
    let mut http = Http::new(place.http);
    let lines: Vec<String> = (0..alerts)
        .map(|n| {
            json!({
                "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
                "auditID": format!("ad797c9b-bdae-5fb3-88f9-{n:012x}"), "stage": "ResponseComplete",
                "requestURI": format!("/api/v1/namespaces/n{}/secrets/s{n}", n % 40), "verb": "get",
                "user": { "username": format!("user-{n}@corp.example") },
                "sourceIPs": [format!("10.{}.{}.7", n / 250 % 250, n % 250)],
                "objectRef": { "resource": "secrets", "namespace": format!("n{}", n % 40), "name": format!("s{n}") },
                "responseStatus": { "metadata": {}, "code": 200 },
                "requestReceivedTimestamp": format!("2026-11-0{}T{:02}:{:02}:57.093441Z", 1 + n % 7, n / 60 % 24, n % 60),
            })
            .to_string()
        })
        .collect();
    for batch in lines.chunks(500) {
        let headers = [("authorization", bearer.as_str())];
        let answer = http
            .ask("POST /api/v1/ingest", &headers, batch.join("\n").as_bytes())
            .map_err(|e| e.to_string())?;
        if answer.status != 200 {
            return Err(format!("a delivery was answered with {}", answer.status));
        }
    }
    api.caught_up(PATIENCE)?;
    let found = api.get("/api/v1/alerts/facets?state=new")?;
    match found.get("total").and_then(Value::as_u64) {
        Some(found) if found >= alerts => Ok(()),
        found => Err(format!("{alerts} alerts were expected, and {found:?} are there")),
    }
}

/// Has the kernel forget what it holds of the lake, as after a start of the machine.
fn forget(data: &Path) -> Result<(), String> {
    for file in crate::files(data) {
        let told = Command::new("dd")
            .arg(format!("if={}", file.display()))
            .args(["iflag=nocache", "count=0", "status=none"])
            .status();
        if !told.map_err(|e| format!("dd: {e}"))?.success() {
            return Err(format!("dd could not have {} forgotten", file.display()));
        }
    }
    Ok(())
}

/// What the browser tells, a JSON value a line, as soon as it tells it.
fn browse(
    ui: &Path,
    place: &Place,
    args: &[&str],
    told: &mut dyn FnMut(&Value),
) -> Result<(), String> {
    let mut child = Command::new("node")
        .arg("tests/speed.js")
        .args(args)
        .current_dir(ui)
        .env("FLOOR_URL", format!("http://{}", place.http))
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("node: {e}"))?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("node has no output")?).lines();
    let read = lines.try_for_each(|line| {
        let line = line.map_err(|e| format!("node: {e}"))?;
        told(&serde_json::from_str(&line).map_err(|e| format!("{line}: {e}"))?);
        Ok(())
    });
    if read.is_err() {
        let _gone = child.kill();
    }
    match child.wait().map_err(|e| format!("node: {e}"))? {
        _ if read.is_err() => read,
        status if status.success() => Ok(()),
        status => Err(format!("tests/speed.js {}: {status}", args.join(" "))),
    }
}

fn figure(told: &Value) -> Figure {
    let text = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Figure {
        what: text("what"),
        value: told.get("value").and_then(Value::as_u64).unwrap_or(u64::MAX),
        unit: text("unit"),
        bar: told.get("bar").and_then(Value::as_u64),
    }
}
