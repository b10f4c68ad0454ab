//! The floor under the load of a company: how long until an acknowledgement, how long until an alert, and
//! what it takes. And the same ten times over: what is refused, and how soon it is well again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::check::count;
use super::evidence::{Stream, Way};
use super::senders::{Control, Record, begin, beside, works};
use super::server::{Api, Place};
use super::watch::{Heard, cpu_seconds, ms, peak_mib, quantile};

/// How much is sent.
#[derive(Debug, Clone)]
pub struct LoadTrial {
    /// Where random choices begin.
    pub seed: u64,
    /// Events a second, of all senders together.
    pub rate: u64,
    /// For how long.
    pub time: Duration,
    /// Rules beside the built-in ones.
    pub rules: Vec<PathBuf>,
    /// Whether it is judged by the clock; otherwise by what arrives alone.
    pub timed: bool,
}

/// What is promised under the load.
const ALERT: Duration = Duration::from_secs(1);
const ACK: Duration = Duration::from_millis(100);
const PEAK_MIB: u64 = 1536;

/// Half of the load comes over HTTP, half by syslog over TCP.
const WAYS: [Way; 6] = [Way::Web, Way::Cloud, Way::Hec, Way::Syslog, Way::Syslog, Way::Syslog];
/// Seconds between two alerts of each sender.
const BETWEEN_ALERTS: u64 = 3;

fn streams(trial: &LoadTrial) -> Vec<Stream> {
    let rate = (trial.rate / WAYS.len() as u64).max(1);
    Stream::several(trial.seed, &WAYS, rate, rate * BETWEEN_ALERTS)
}

fn place(program: &Path, folder: &Path, rules: &[PathBuf]) -> Result<Place, String> {
    let mut place = Place::new(program, folder)?;
    for rules in rules {
        place.more.extend(["--rules".to_owned(), rules.display().to_string()]);
    }
    Ok(place)
}

/// Loads the floor. Gives the figures; an error says which promise is broken.
pub fn floor_load(program: &Path, folder: &Path, trial: &LoadTrial) -> Result<Vec<String>, String> {
    let mut figures = Vec::new();
    let mut broken = Vec::new();
    usual(program, &folder.join("usual"), trial, &mut figures, &mut broken)?;
    receive_only(program, &folder.join("receive"), trial, &mut figures)?;
    if broken.is_empty() { Ok(figures) } else { Err(wrong(&figures, &broken)) }
}

fn wrong(figures: &[String], broken: &[String]) -> String {
    format!("{}\n\nbroken: {}", figures.join("\n"), broken.join("; "))
}

/// What a load came to.
struct Measured {
    sent: u64,
    took: Duration,
    rules: u64,
    /// From the send of an event to its alert.
    alerts: Vec<Duration>,
    /// Alerts that never came.
    missing: usize,
    acks: Vec<Duration>,
    /// How far reading was behind at most, in seconds, and when the senders ended.
    lag: f64,
    behind: Duration,
    peak_mib: u64,
    /// Seconds of processor: the floor's, the senders'.
    processor: (f64, f64),
}

fn usual(
    program: &Path,
    data: &Path,
    trial: &LoadTrial,
    figures: &mut Vec<String>,
    broken: &mut Vec<String>,
) -> Result<(), String> {
    let place = place(program, data, &trial.rules)?;
    // Opened before the streams begin: their time is the time of day.
    let floor = place.open()?;
    let mut api = floor.set_up(&place)?;
    let streams = streams(trial);
    let works = works(&place, &mut api, &streams, true, |_| u64::MAX)?;
    let heard = Heard::listen(&api, &place)?;
    let control = Control::default();
    let (mine, its) = (std::process::id(), floor.id());
    let before = (cpu_seconds(its), cpu_seconds(mine));
    let began = Instant::now();
    let mut lag = 0.0f64;
    let (mut records, took) = beside(&works, &control, || {
        while began.elapsed() < trial.time {
            std::thread::sleep(Duration::from_millis(500));
            lag = lag.max(self::lag(&mut api)?);
        }
        Ok(began.elapsed())
    })
    .map_err(|e| format!("{e}\n{}", place.last_words()))?;
    let behind = api.caught_up(Duration::from_mins(5))?;
    let processor = (cpu_seconds(its) - before.0, cpu_seconds(mine) - before.1);
    // Before it is asked much, which takes memory as well.
    let peak_mib = peak_mib(its);
    let rules = api.get("/api/v1/status")?.get("rules").and_then(Value::as_u64).unwrap_or(0);
    let (alerts, missing) = alerted(&mut api, &heard, &streams, &records)?;
    for (stream, record) in streams.iter().zip(&mut records) {
        if stream.way == Way::Syslog {
            // Syslog acknowledges nothing.
            record.acks.clear();
        }
    }
    let acks = acks(&records, |_| true);
    let sent = records.iter().map(Record::sent).sum();
    let counted = count(&mut api, &streams.iter().zip(&records).collect::<Vec<_>>())?;
    counted.sound()?;
    floor.stop()?;
    let measured =
        Measured { sent, took, rules, alerts, missing, acks, lag, behind, peak_mib, processor };
    measured.tell(trial, figures, broken);
    figures.push(format!("sent and lost: 0 of {}", counted.acknowledged));
    Ok(())
}

impl Measured {
    /// The figures, and the promises that they break.
    fn tell(mut self, trial: &LoadTrial, figures: &mut Vec<String>, broken: &mut Vec<String>) {
        let achieved = self.sent as f64 / self.took.as_secs_f64();
        let alert = quantile(&mut self.alerts, 0.99);
        let ack = quantile(&mut self.acks, 0.99);
        figures.extend([
            format!(
                "{} events in {:.0} s, {achieved:.0} a second of {} offered, half of them over HTTP, half by \
                 syslog over TCP; {} rules",
                self.sent,
                self.took.as_secs_f64(),
                trial.rate,
                self.rules
            ),
            format!("from the send to the alert (server-sent events): {}", spread(&mut self.alerts)),
            format!("acknowledged over HTTP: {}", spread(&mut self.acks)),
            format!(
                "behind at most {:.1} s, {} when the senders ended",
                self.lag,
                ms(self.behind)
            ),
            format!(
                "peak memory {} MiB; processor: the floor {:.0} s ({:.0} µs an event), the senders {:.0} s",
                self.peak_mib,
                self.processor.0,
                self.processor.0 * 1e6 / self.sent.max(1) as f64,
                self.processor.1
            ),
        ]);
        if self.missing > 0 {
            broken.push(format!("{} alerts never came", self.missing));
        }
        if !trial.timed {
            return;
        }
        if achieved < trial.rate as f64 * 0.98 {
            broken.push(format!("{achieved:.0} events a second"));
        }
        if alert > ALERT {
            broken.push(format!("{} until an alert", ms(alert)));
        }
        if ack > ACK {
            broken.push(format!("{} until an acknowledgement", ms(ack)));
        }
        if self.peak_mib > PEAK_MIB {
            broken.push(format!("{} MiB", self.peak_mib));
        }
    }
}

/// Half of all, 99 of 100, and all.
fn spread(all: &mut [Duration]) -> String {
    let [half, most, whole] = [0.5, 0.99, 1.0].map(|part| ms(quantile(all, part)));
    format!("{half} (half of {}), {most} (99 of 100), {whole} (all)", all.len())
}

/// For how long what is being read has waited, in seconds.
fn lag(api: &mut Api) -> Result<f64, String> {
    let status = api.get("/api/v1/status")?;
    Ok(status.pointer("/line/lag_seconds").and_then(Value::as_f64).unwrap_or(0.0))
}

/// How long acknowledgements took, of requests that began when it is asked for.
fn acks(records: &[Record], when: impl Fn(Instant) -> bool) -> Vec<Duration> {
    let all = records.iter().flat_map(|record| &record.acks);
    all.filter(|(began, _)| when(*began)).map(|(_, took)| *took).collect()
}

/// How long each alert took from the send of its event, and how many never came.
fn alerted(
    api: &mut Api,
    heard: &Heard,
    streams: &[Stream],
    records: &[Record],
) -> Result<(Vec<Duration>, usize), String> {
    let mut ids = HashMap::<String, Vec<Instant>>::new();
    for alert in api.list("/api/v1/alerts")? {
        let text = |at: &str| alert.pointer(at).and_then(Value::as_str).unwrap_or_default();
        // Several rules may know the same event. The first of them is what wakes somebody.
        let at = heard.of(text("/alert/alert_id"));
        ids.entry(text("/alert/entity/value").to_owned()).or_default().extend(at);
    }
    let mut took = Vec::new();
    let mut missing = 0;
    for (stream, record) in streams.iter().zip(records) {
        for (number, sent) in &record.attacks {
            let Some(nth) = stream.attack(*number).filter(|_| *number < record.sent()) else {
                continue;
            };
            match ids.get(&stream.entity(*number, nth)).and_then(|all| all.iter().min()) {
                Some(at) => took.push(at.saturating_duration_since(*sent)),
                None => missing += 1,
            }
        }
    }
    Ok((took, missing))
}

/// Deliveries as fast as they are taken, with no rules.
fn receive_only(
    program: &Path,
    data: &Path,
    trial: &LoadTrial,
    figures: &mut Vec<String>,
) -> Result<(), String> {
    let mut place = place(program, data, &[])?;
    place.more.push("--no-builtin-rules".to_owned());
    let ways = [Way::Web, Way::Cloud, Way::Hec, Way::Web];
    let streams = Stream::several(trial.seed, &ways, 12_500, 0);
    let (floor, mut api, mut works) = begin(&place, &streams, false, |_| u64::MAX)?;
    works.iter_mut().for_each(|work| work.batch = 500);
    let control = Control::default();
    let began = Instant::now();
    let time = trial.time.min(Duration::from_secs(30));
    let (mut rows, mut unread) = (0, 0);
    let (records, took) = beside(&works, &control, || {
        while began.elapsed() < time {
            std::thread::sleep(Duration::from_millis(200));
            let status = api.get("/api/v1/status")?;
            let number = |at: &str| status.pointer(at).and_then(Value::as_u64).unwrap_or(0) >> 20;
            rows = number("/lake/waiting_bytes").max(rows);
            unread = number("/line/unread_bytes").max(unread);
        }
        Ok(began.elapsed())
    })?;
    let sent: u64 = records.iter().map(Record::sent).sum();
    let bytes = api.get("/api/v1/status")?.get("log_bytes").and_then(Value::as_u64).unwrap_or(0);
    let behind = api.caught_up(Duration::from_mins(10))?;
    let read = sent as f64 / (took + behind).as_secs_f64();
    figures.push(format!(
        "received only (no rules), as fast as four senders go: {:.0} events a second acknowledged, {read:.0} read and kept; peak memory {} MiB, of which rows that wait for a commit {rows} MiB; unread {unread} MiB, log {} MiB",
        sent as f64 / took.as_secs_f64(),
        peak_mib(floor.id()),
        bytes >> 20
    ));
    floor.stop().map(drop)
}

/// What is offered too much.
#[derive(Debug, Clone)]
pub struct OverloadTrial {
    /// What is usual; `time` is that of the overload.
    pub usual: LoadTrial,
    /// How many times the usual rate is offered.
    pub times: u64,
}

/// How soon the floor must be well again.
const RECOVERED: Duration = Duration::from_secs(30);
/// A stretch of time over which acknowledgements are judged.
const STRETCH: Duration = Duration::from_secs(5);

/// Offers much more than is usual, then what is usual again. Gives the figures; an error says which promise
/// is broken.
pub fn floor_overload(
    program: &Path,
    folder: &Path,
    trial: &OverloadTrial,
) -> Result<Vec<String>, String> {
    let usual = &trial.usual;
    let place = place(program, &folder.join("data"), &usual.rules)?;
    let floor = place.open()?;
    let mut api = floor.set_up(&place)?;
    let ways =
        [Way::Web, Way::Cloud, Way::Hec, Way::Relp, Way::Web, Way::Cloud, Way::Hec, Way::Relp];
    let rate = (usual.rate * trial.times / ways.len() as u64).max(1);
    let flood = Stream::several(usual.seed, &ways, rate, rate * BETWEEN_ALERTS);
    let mut flooding = works(&place, &mut api, &flood, true, |_| u64::MAX)?;
    flooding.iter_mut().for_each(|work| work.batch = 500);
    let (control, began) = (Control::default(), Instant::now());
    let (records, lag) = beside(&flooding, &control, || {
        let mut most = 0.0f64;
        while began.elapsed() < usual.time {
            std::thread::sleep(Duration::from_millis(500));
            most = most.max(self::lag(&mut api)?);
        }
        Ok(most)
    })
    .map_err(|e| format!("{e}\n{}", place.last_words()))?;
    let took = began.elapsed();
    let relieved = Instant::now();
    let calm = calm(usual);
    let calming = works(&place, &mut api, &calm, true, |_| u64::MAX)?;
    let (after, lag_zero) = beside(&calming, &Control::default(), || recovery(&mut api, relieved))?;
    let sent: u64 = records.iter().map(Record::sent).sum();
    let acks_during = quantile(&mut acks(&records, |_| true), 0.99);
    let acks_normal = acks_normal(&after, relieved);
    let peak = peak_mib(floor.id());
    let all: Vec<_> = flood.iter().zip(&records).chain(calm.iter().zip(&after)).collect();
    let counted = count(&mut api, &all)?;
    counted.sound()?;
    let refused =
        (control.refused.load(Ordering::Relaxed), control.refused_events.load(Ordering::Relaxed));
    let offered = usual.rate * trial.times;
    let figures = vec![
        format!(
            "{offered} events a second offered for {:.0} s over HTTP and RELP: {:.0} a second acknowledged; {} requests with {} events refused (429, 503), each sent again",
            took.as_secs_f64(),
            sent as f64 / took.as_secs_f64(),
            refused.0,
            refused.1
        ),
        format!(
            "acknowledged within {} (99 of 100), {lag:.1} s behind at most, peak memory {peak} MiB",
            ms(acks_during)
        ),
        format!(
            "relieved: nothing unread after {:.1} s, acknowledgements within {} (99 of 100 in {} s) after {:.0} s",
            lag_zero.as_secs_f64(),
            ms(ACK),
            STRETCH.as_secs(),
            acks_normal.as_secs_f64()
        ),
        format!("acknowledged and lost: 0 of {}", counted.acknowledged),
    ];
    let mut broken = Vec::new();
    if lag_zero > RECOVERED || acks_normal > RECOVERED {
        broken.push("it is not well again within 30 s".to_owned());
    }
    if peak > PEAK_MIB {
        broken.push(format!("{peak} MiB"));
    }
    floor.stop()?;
    if broken.is_empty() { Ok(figures) } else { Err(wrong(&figures, &broken)) }
}

/// The usual load after the flood: other senders, so that their numbers are others.
fn calm(usual: &LoadTrial) -> Vec<Stream> {
    let ways = [Way::Web, Way::Cloud, Way::Hec, Way::Relp];
    let rate = (usual.rate / ways.len() as u64).max(1);
    let mut calm = Stream::several(usual.seed, &ways, rate, rate * BETWEEN_ALERTS);
    calm.iter_mut().for_each(|stream| stream.sender += 10);
    calm
}

/// Waits until the floor reads what comes at once, under the usual load; how long after the relief that was.
fn recovery(api: &mut Api, relieved: Instant) -> Result<Duration, String> {
    let mut well = None;
    // The usual load goes on for a while, so that there are acknowledgements to judge.
    while relieved.elapsed() < RECOVERED + STRETCH || well.is_none() {
        if relieved.elapsed() > Duration::from_mins(10) {
            return Err("ten minutes after the relief it is still behind".to_owned());
        }
        std::thread::sleep(Duration::from_millis(200));
        let lag = lag(api)?;
        if lag < 1.0 {
            well.get_or_insert(relieved.elapsed());
        }
    }
    Ok(well.unwrap_or(Duration::MAX))
}

/// How long after the relief the last stretch began in which acknowledgements were slow.
fn acks_normal(records: &[Record], relieved: Instant) -> Duration {
    let mut normal = Duration::ZERO;
    let last = records.iter().flat_map(|record| &record.acks).map(|(began, _)| *began).max();
    let mut from = relieved;
    while last.is_some_and(|last| from < last) {
        let to = from + STRETCH;
        let mut of = acks(records, |began| began >= from && began < to);
        if quantile(&mut of, 0.99) > ACK {
            normal = to.duration_since(relieved);
        }
        from = to;
    }
    normal
}
