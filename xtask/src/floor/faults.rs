//! What goes wrong around a floor: a full disk, a clock that is set, a damaged log, a rule with a mistake, a
//! ledger that is locked or away. Each must be named where people look, and cost nothing that was
//! acknowledged.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::check::{concluded, count};
use super::evidence::{MARK, Stream, Way};
use super::http::Http;
use super::power::Mounted;
use super::senders::{Control, Record, begin, beside, send_all};
use super::server::{Api, Place};
use super::watch::{ms, quantile};

/// What is tried.
#[derive(Debug, Clone)]
pub struct FaultTrial {
    /// Where random choices begin.
    pub seed: u64,
    /// One fault alone.
    pub only: Option<String>,
}

/// A fault: its name, and what shows that it is named and costs nothing.
type Fault = (&'static str, fn(&Path, &Path, u64) -> Result<String, String>);

/// All of them.
const FAULTS: &[Fault] = &[
    ("rule", rule),
    ("log", log),
    ("ledger", ledger),
    ("postgres", postgres),
    ("clock", clock),
    ("disk", disk),
];

/// Tries each fault on a floor of its own. Gives a line for each; an error says which promise is broken.
pub fn floor_faults(
    program: &Path,
    folder: &Path,
    trial: &FaultTrial,
) -> Result<Vec<String>, String> {
    let mut figures = Vec::new();
    let mut broken = Vec::new();
    for (name, fault) in FAULTS {
        if trial.only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let folder = folder.join(name);
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        match fault(program, &folder, trial.seed) {
            Ok(figure) => figures.push(format!("{name}: {figure}")),
            Err(why) => broken.push(format!("{name}: {why}")),
        }
    }
    if broken.is_empty() {
        return Ok(figures);
    }
    Err(format!("{}\n\nbroken:\n{}", figures.join("\n"), broken.join("\n")))
}

/// How long a fault may take to be named, and to be over when its cause is.
const SOON: Duration = Duration::from_mins(1);

/// Asks until the answer is the one that is waited for.
fn until<T>(
    what: &str,
    mut ask: impl FnMut() -> Result<Result<T, String>, String>,
) -> Result<T, String> {
    let began = Instant::now();
    loop {
        match ask()? {
            Ok(found) => return Ok(found),
            Err(last) if began.elapsed() > SOON => return Err(format!("{what}: {last}")),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Waits until a part of the floor is named as being in trouble, with such a word; what is said.
fn named(api: &mut Api, part: &str, word: &str) -> Result<String, String> {
    until(&format!("{part} is not named as in trouble"), || {
        let (code, health) = api.ask("GET /api/v1/health", &[])?;
        let status = api.get("/api/v1/status")?;
        let parts = health.get("troubles").and_then(Value::as_array);
        let told =
            parts.is_some_and(|parts| parts.iter().any(|named| named == part)) && code == 503;
        let troubles = status.get("troubles").and_then(Value::as_array).into_iter().flatten();
        let said = troubles.filter(|trouble| trouble.get("part") == Some(&json!(part)));
        let said = said.filter_map(|trouble| trouble.get("message")?.as_str());
        match said.into_iter().find(|message| message.contains(word)).filter(|_| told) {
            Some(message) => Ok(Ok(message.to_owned())),
            None => Ok(Err(format!("{health} {}", status.get("troubles").unwrap_or(&Value::Null)))),
        }
    })
}

/// Waits until nothing is in trouble; how long that took.
fn well(api: &mut Api) -> Result<Duration, String> {
    let began = Instant::now();
    until("it is not well again", || {
        let (code, health) = api.ask("GET /api/v1/health", &[])?;
        Ok(if code == 200 { Ok(began.elapsed()) } else { Err(health.to_string()) })
    })
}

/// What the floor's own log must say.
fn logged(place: &Place, word: &str) -> Result<(), String> {
    until(&format!("its log does not say `{word}`"), || {
        Ok(if place.said().contains(word) { Ok(()) } else { Err(place.last_words()) })
    })
}

fn sound(api: &mut Api, streams: &[Stream], records: &[Record]) -> Result<u64, String> {
    let counted = count(api, &streams.iter().zip(records).collect::<Vec<_>>())?;
    counted.sound().map(|()| counted.acknowledged)
}

/// A few events of each way, as fast as they go, and what becomes of them.
fn few(seed: u64) -> Vec<Stream> {
    Stream::several(seed, &[Way::Hec, Way::Web, Way::Relp], 1000, 100)
}

/// A rule with a mistake in the content folder.
fn rule(program: &Path, folder: &Path, seed: u64) -> Result<String, String> {
    let rules = folder.join("content/rules");
    fs::create_dir_all(&rules).map_err(|e| e.to_string())?;
    let mut place = Place::new(program, &folder.join("data"))?;
    place.global = vec!["--content".to_owned(), folder.join("content").display().to_string()];
    let streams = few(seed);
    let (floor, mut api, works) = begin(&place, &streams, false, |_| 1_000)?;
    let mistake = "title: A rule with a mistake\nlogsource:\n    product: linux\ndetection:\n    \
                   selection:\n        message|contians: x\n    condition: selection\n";
    fs::write(rules.join("broken.yml"), mistake).map_err(|e| e.to_string())?;
    let told = api.post("/api/v1/content/reload", &json!({}))?.to_string();
    let status = api.get("/api/v1/status")?;
    let problems = status.get("content_problems").map(Value::to_string).unwrap_or_default();
    for (where_, said) in [("the answer to the reload", &told), ("the status", &problems)] {
        if !said.contains("broken.yml") || !said.contains("contians") {
            return Err(format!("{where_} does not name it: {said}"));
        }
    }
    logged(&place, "broken.yml")?;
    let records = send_all(&works)?;
    let events = sound(&mut api, &streams, &records)?;
    let found = concluded(&mut api)?.findings.len();
    if found == 0 {
        return Err("the other rules find nothing".to_owned());
    }
    floor.stop()?;
    Ok(format!(
        "named with its file in the status, the answer and the log; the other rules found {found} things in {events} events"
    ))
}

/// Bytes of the log flipped while the floor is down.
fn log(program: &Path, folder: &Path, seed: u64) -> Result<String, String> {
    let place = Place::new(program, &folder.join("data"))?;
    let streams = few(seed);
    let (floor, mut api, works) = begin(&place, &streams, false, |_| 20_000)?;
    let records = send_all(&works)?;
    floor.kill()?;
    let segments = segments(&place.data.join("wal"))?;
    let segment = segments.last().ok_or("there is no segment")?;
    let bytes = fs::read(segment).map_err(|e| e.to_string())?;
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64;
    let file = fs::File::options().write(true).open(segment).map_err(|e| e.to_string())?;
    // Late in the file: what comes first has been committed and is not read again.
    let at = end / 10 * 9;
    file.write_all_at(&[0x55; 64], at).map_err(|e| e.to_string())?;
    let floor = place.open()?;
    let said = named(&mut api, "log", "damaged")?;
    logged(&place, "damaged")?;
    let counted = count(&mut api, &streams.iter().zip(&records).collect::<Vec<_>>())?;
    let lost = counted.lost.len();
    if !counted.too_many.is_empty() {
        return Err(format!("{:?} are there too often", counted.too_many));
    }
    // The largest delivery is 300 events, and 64 bytes are in two of them at most.
    if lost > 600 || !said.contains(" lost") {
        return Err(format!("{lost} events are lost; it says: {said}"));
    }
    let flaws = api.query("SELECT message FROM flaws WHERE origin LIKE 'write-ahead log%'")?;
    if flaws.is_empty() {
        return Err("the lake does not say that something is missing".to_owned());
    }
    floor.stop()?;
    // A start after that begins with what is there.
    let floor = place.open()?;
    well(&mut api)?;
    floor.stop()?;
    Ok(format!(
        "64 bytes flipped took {lost} of {} events with them, no other; it says “{said}”",
        counted.acknowledged
    ))
}

fn segments(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let all = fs::read_dir(folder).map_err(|e| e.to_string())?.flatten().map(|entry| entry.path());
    let large = |path: &PathBuf| fs::metadata(path).is_ok_and(|meta| meta.len() > 4096);
    let mut all: Vec<_> = all.filter(large).collect();
    all.sort();
    Ok(all)
}

/// Another program holds the ledger for itself.
fn ledger(program: &Path, folder: &Path, seed: u64) -> Result<String, String> {
    let place = Place::new(program, &folder.join("data"))?;
    let streams = Stream::several(seed, &[Way::Hec, Way::Web, Way::Relp], 500, 100);
    let (floor, mut api, works) = begin(&place, &streams, true, |_| u64::MAX)?;
    let control = Control::default();
    let (mut records, (said, again)) = beside(&works, &control, || {
        std::thread::sleep(Duration::from_secs(2));
        let lock = Lock::take(&place.data.join("watchfloor.db"))?;
        let said = named(&mut api, "ledger", "")?;
        std::thread::sleep(Duration::from_secs(5));
        drop(lock);
        Ok((said, well(&mut api)?))
    })
    .map_err(|e| format!("{e}\n{}", place.last_words()))?;
    logged(&place, "ledger")?;
    let refused = control.refused.load(std::sync::atomic::Ordering::Relaxed);
    let mut acks: Vec<_> =
        records.iter_mut().flat_map(|record| record.acks.drain(..)).map(|(_, took)| took).collect();
    let (half, slowest) = (quantile(&mut acks, 0.5), quantile(&mut acks, 1.0));
    if refused > 0 {
        return Err(format!("{refused} deliveries were refused, though the log could take them"));
    }
    let events = sound(&mut api, &streams, &records)?;
    floor.stop()?;
    Ok(format!(
        "“{said}”; {events} events were taken meanwhile and none refused, acknowledged within {} (half), {} (all); well again {:.1} s after",
        ms(half),
        ms(slowest),
        again.as_secs_f64()
    ))
}

/// Another process that has the database for itself.
struct Lock(Child);

impl Lock {
    fn take(database: &Path) -> Result<Self, String> {
        let script = "import sqlite3, sys\n\
            c = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)\n\
            c.execute('BEGIN EXCLUSIVE')\n\
            print('held', flush=True)\n\
            sys.stdin.read()\n";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("python3: {e}"))?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("no standard output")?;
        BufReader::new(out).read_line(&mut line).map_err(|e| e.to_string())?;
        let lock = Self(child);
        if line.trim() == "held" {
            Ok(lock)
        } else {
            Err("the ledger could not be locked".to_owned())
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}

/// The Postgres in which the ledger is kept stops, and starts again.
fn postgres(program: &Path, folder: &Path, seed: u64) -> Result<String, String> {
    let Some(server) = Postgres::make(folder)? else {
        return Ok("skipped: there is no Postgres here (`initdb`, `pg_ctl`)".to_owned());
    };
    server.control("start")?;
    let mut place = Place::new(program, &folder.join("data"))?;
    place.more = vec!["--ledger".to_owned(), server.url()];
    let streams = Stream::several(seed, &[Way::Hec, Way::Web, Way::Relp], 500, 100);
    let (floor, mut api, works) = begin(&place, &streams, true, |_| u64::MAX)?;
    let control = Control::default();
    let (records, again) = beside(&works, &control, || {
        std::thread::sleep(Duration::from_secs(2));
        server.control("stop")?;
        let began = Instant::now();
        // Whoever asks must show who they are, which the ledger knows; health asks nobody.
        until("health does not name the ledger", || {
            let (code, health) = api.ask("GET /api/v1/health", &[])?;
            let named = code == 503 && health.to_string().contains("ledger");
            Ok(if named { Ok(()) } else { Err(health.to_string()) })
        })?;
        std::thread::sleep(Duration::from_secs(5).saturating_sub(began.elapsed()));
        server.control("start")?;
        well(&mut api)
    })
    .map_err(|e| format!("{e}\n{}", place.last_words()))?;
    logged(&place, "ledger")?;
    let refused = control.refused.load(std::sync::atomic::Ordering::Relaxed);
    let events = sound(&mut api, &streams, &records)?;
    floor.stop()?;
    server.control("stop")?;
    if refused > 0 {
        return Err(format!("{refused} deliveries were refused, though the log could take them"));
    }
    Ok(format!(
        "named in health and log; {events} events were taken meanwhile and none refused; well again {:.1} s after",
        again.as_secs_f64()
    ))
}

/// A Postgres of our own, below a folder, on a socket.
struct Postgres {
    data: PathBuf,
    port: u16,
}

impl Postgres {
    /// Makes one; none where it is not installed.
    fn make(folder: &Path) -> Result<Option<Self>, String> {
        let data = std::env::temp_dir().join(format!("watchfloor-proof-{}", std::process::id()));
        let _before = fs::remove_dir_all(&data);
        fs::create_dir_all(&data).map_err(|e| e.to_string())?;
        let port = Place::new(folder, folder)?.http.port();
        let server = Self { data, port };
        let text = server.data.display().to_string();
        if is_root() {
            let owned = Command::new("chown").args(["postgres", &text]).status();
            if !owned.is_ok_and(|status| status.success()) {
                return Ok(None);
            }
        }
        let cluster = format!("{text}/cluster");
        let arguments = ["--auth=trust", "--username=postgres", "--pgdata", &cluster];
        match Self::command("initdb").args(arguments).output() {
            Ok(output) if output.status.success() => Ok(Some(server)),
            Ok(output) => Err(format!("initdb: {}", String::from_utf8_lossy(&output.stderr))),
            Err(_) => Ok(None),
        }
    }

    /// A command of Postgres, which root may not run itself.
    fn command(name: &str) -> Command {
        let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut known: Vec<_> = folders.map(|entry| entry.path().join("bin").join(name)).collect();
        known.sort();
        let path = known.pop().filter(|path| path.exists()).unwrap_or_else(|| name.into());
        if !is_root() {
            return Command::new(path);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
        command
    }

    fn control(&self, what: &str) -> Result<(), String> {
        let mut command = Self::command("pg_ctl");
        let (data, port) = (self.data.display(), self.port);
        let options = format!("-p {port} -k {data} -c listen_addresses=127.0.0.1");
        let status = command
            .args([what, "-w", "-m", "immediate", "-o", &options])
            .args(["-D", &format!("{data}/cluster"), "-l", &format!("{data}/log")])
            .stdout(Stdio::null())
            .status()
            .map_err(|e| format!("pg_ctl: {e}"))?;
        if status.success() { Ok(()) } else { Err(format!("pg_ctl {what}: {status}")) }
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

/// Postgres' programs refuse to be run by root.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _stopped = self.control("stop");
        let _gone = fs::remove_dir_all(&self.data);
    }
}

/// The machine's clock is set forward by a day, and back. The floor sees it through libfaketime, which
/// stands between it and the time of day alone.
fn clock(program: &Path, folder: &Path, seed: u64) -> Result<String, String> {
    let known = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];
    let library = known.map(|folder| format!("{folder}/faketime/libfaketimeMT.so.1"));
    let Some(library) = library.into_iter().find(|path| Path::new(path).exists()) else {
        return Ok("skipped: there is no libfaketime here (Debian's `faketime`)".to_owned());
    };
    let told = folder.join("time");
    let set = |offset: &str| fs::write(&told, format!("{offset}\n")).map_err(|e| e.to_string());
    set("+0")?;
    let mut place = Place::new(program, &folder.join("data"))?;
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    place.variables = vec![
        variable("LD_PRELOAD", &library),
        variable("FAKETIME_TIMESTAMP_FILE", &told.display().to_string()),
        variable("FAKETIME_NO_CACHE", "1"),
        variable("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    // Guessed passwords, whose correlation counts by the time of events.
    let streams = Stream::several(seed, &[Way::Relp, Way::Web], 1000, 100);
    let (floor, mut api, works) = begin(&place, &streams, true, |_| u64::MAX)?;
    let control = Control::default();
    let (records, ()) = beside(&works, &control, || {
        std::thread::sleep(Duration::from_secs(2));
        set("+86400")?;
        notice(&mut api, "forward by 86")?;
        std::thread::sleep(Duration::from_secs(3));
        set("-7200")?;
        notice(&mut api, "back by 93")?;
        std::thread::sleep(Duration::from_secs(3));
        set("+0")?;
        notice(&mut api, "forward by 7")?;
        std::thread::sleep(Duration::from_secs(6));
        Ok(())
    })
    .map_err(|e| format!("{e}\n{}", place.last_words()))?;
    logged(&place, "clock was set")?;
    let events = sound(&mut api, &streams, &records)?;
    let got = concluded(&mut api)?;
    floor.stop()?;
    let calm = Place::new(program, &folder.join("calm"))?;
    let sent = |at: usize| records.get(at).map_or(0, Record::sent);
    let (floor, mut api, works) = begin(&calm, &streams, false, sent)?;
    send_all(&works)?;
    let want = concluded(&mut api)?;
    super::check::differ(&got, &want)?;
    floor.stop()?;
    Ok(format!(
        "a day forward, 26 hours back, two forward: each named in the status and the log; {events} events, {} findings and {} alerts, those of a floor whose clock was left alone",
        want.findings.len(),
        want.alerts.len()
    ))
}

/// Waits until something that is over is told of.
fn notice(api: &mut Api, word: &str) -> Result<(), String> {
    until(&format!("no notice says `{word}`"), || {
        // What was made when the clock was ahead may not be valid yet: the token is not among that.
        let status = api.get("/api/v1/status")?;
        let notices = status.get("notices").map(Value::to_string).unwrap_or_default();
        Ok(if notices.contains(word) { Ok(()) } else { Err(notices) })
    })
}

/// A small disk that somebody fills.
fn disk(program: &Path, folder: &Path, seed: u64) -> Result<String, String> {
    let Some(small) =
        Mounted::mount(&["-t", "tmpfs", "-o", "size=400m", "tmpfs"], &folder.join("disk"))
    else {
        return Ok("skipped: a small file system cannot be mounted here (it takes root)".to_owned());
    };
    let mut place = Place::new(program, &small.0.join("data"))?;
    place.log = folder.join("floor.log");
    let streams = Stream::several(seed, &[Way::Hec, Way::Web, Way::Relp], 500, 100);
    let (floor, mut api, works) = begin(&place, &streams, true, |_| u64::MAX)?;
    let filler = api.sender("filler")?;
    let control = Control::default();
    let mut fills = 0;
    let (records, (said, again)) = beside(&works, &control, || {
        std::thread::sleep(Duration::from_secs(2));
        let ballast = small.0.join("ballast");
        fill(&ballast)?;
        fills = flood(&place, &filler, seed)?;
        let said = named(&mut api, "log", "full")?;
        std::thread::sleep(Duration::from_secs(3));
        fs::remove_file(&ballast).map_err(|e| e.to_string())?;
        Ok((said, well(&mut api)?))
    })
    .map_err(|e| format!("{e}\n{}", place.last_words()))?;
    logged(&place, "full")?;
    let refused = control.refused.load(std::sync::atomic::Ordering::Relaxed);
    api.caught_up(SOON)?;
    let rows = api.query(&format!("SELECT count(*) AS n FROM events WHERE raw_data LIKE '% filler %' AND strpos(raw_data, '{MARK}') = 0"))?;
    let kept = rows.first().and_then(|row| row.get("n")?.as_u64()).unwrap_or(0);
    if kept != fills {
        return Err(format!("{kept} of the filler's {fills} lines are there"));
    }
    let mut lost = 0;
    let mut acknowledged = 0;
    for (stream, record) in streams.iter().zip(&records) {
        let counted = super::check::count_of(&mut api, &[(stream, record)])?;
        lost += counted.lost.len() + counted.too_many.len();
        acknowledged += counted.acknowledged;
    }
    if lost > 0 {
        return Err(format!("{lost} events are lost or there too often"));
    }
    floor.stop()?;
    Ok(format!(
        "“{said}”; {refused} deliveries refused, each sent again; {acknowledged} events and {fills} lines acknowledged, none lost; well again {:.1} s after there was room",
        again.as_secs_f64()
    ))
}

/// Fills what is left of a disk.
fn fill(path: &Path) -> Result<(), String> {
    let mut file = fs::File::create(path).map_err(|e| e.to_string())?;
    let zeros = vec![0; 1 << 16];
    while file.write_all(&zeros).is_ok() {}
    Ok(())
}

/// Delivers lines that do not compress until they are refused. How many lines were acknowledged.
fn flood(place: &Place, token: &str, seed: u64) -> Result<u64, String> {
    let mut http = Http::new(place.http);
    let mut dice = crate::Dice(seed);
    let bearer = format!("Bearer {token}");
    let mut lines = 0;
    for _ in 0..400 {
        let mut body = String::new();
        for _ in 0..250 {
            body.push_str("2026-11-28T02:11:00Z host filler ");
            for _ in 0..250 {
                let _ = write!(body, "{:016x}", dice.below(u64::MAX));
            }
            body.push('\n');
        }
        let headers = [("authorization", bearer.as_str())];
        let answer = http.ask("POST /api/v1/ingest", &headers, body.as_bytes());
        match answer.map_err(|e| e.to_string())?.status {
            200 => lines += 250,
            429 | 503 => return Ok(lines),
            status => return Err(format!("the filler is answered {status}")),
        }
    }
    Err("a full disk takes everything".to_owned())
}
