//! Senders that keep what was not acknowledged, as agents do: HEC with its acknowledgements, HTTP, RELP,
//! and syslog over TCP, which acknowledges nothing. Each writes down what became of every event.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::evidence::{Stream, Way};
use super::http::{Broken, Http, connect};
use super::now;
use super::server::{Api, Place, Running};

/// How long a sender waits before it tries again what did not go through.
const AGAIN: Duration = Duration::from_millis(20);

/// What is told to all senders while they work.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// Bring what was begun to its end, and begin nothing more.
    pub(super) stop: AtomicBool,
    /// Events that were acknowledged, from the first on, of each sender.
    pub(super) through: [AtomicU64; 28],
    /// Requests that were refused (429, 503), of all senders.
    pub(super) refused: AtomicU64,
    /// Events in them.
    pub(super) refused_events: AtomicU64,
}

/// How a sender works.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) stream: Stream,
    /// Events that it sends at once.
    pub(super) batch: u64,
    /// Each event waits until its time has come. Otherwise it goes as fast as it can.
    pub(super) paced: bool,
    /// It ends before this event; the control may end it earlier.
    pub(super) until: u64,
    pub(super) to: SocketAddr,
    pub(super) token: String,
}

/// What became of a stream.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// By event: how often it may have arrived, and in the highest bit whether it was acknowledged.
    pub(super) events: Vec<u8>,
    /// When each request was begun, and how long its acknowledgement took.
    pub(super) acks: Vec<(Instant, Duration)>,
    /// When each event with an alert of its own was sent last: its number.
    pub(super) attacks: Vec<(u64, Instant)>,
    /// The status of answers that neither took nor refused.
    pub(super) odd: Vec<String>,
}

/// That an event was acknowledged.
pub(super) const ACKNOWLEDGED: u8 = 0x80;

impl Control {
    /// Asks all to end.
    pub(super) fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Events that each kind of sender sends at once, as its agents do.
fn batch(way: Way) -> u64 {
    match way {
        Way::Hec => 100,
        Way::Web | Way::Cloud => 300,
        Way::Relp | Way::Syslog => 50,
    }
}

/// A floor that is opened for the first time, and senders for the streams.
pub(super) fn begin(
    place: &Place,
    streams: &[Stream],
    paced: bool,
    until: impl Fn(usize) -> u64,
) -> Result<(Running, Api, Vec<Work>), String> {
    let floor = place.open()?;
    let mut api = floor.set_up(place)?;
    let works = works(place, &mut api, streams, paced, until)?;
    Ok((floor, api, works))
}

/// Senders for the streams, made known to the floor.
pub(super) fn works(
    place: &Place,
    api: &mut Api,
    streams: &[Stream],
    paced: bool,
    until: impl Fn(usize) -> u64,
) -> Result<Vec<Work>, String> {
    let mut works = Vec::new();
    for (at, stream) in streams.iter().enumerate() {
        let token = api.sender(&format!("sender-{}", stream.sender))?;
        let to = match stream.way {
            Way::Relp => place.relp,
            Way::Syslog => place.syslog,
            Way::Hec | Way::Web | Way::Cloud => place.http,
        };
        let batch = batch(stream.way);
        works.push(Work { stream: stream.clone(), batch, paced, until: until(at), to, token });
    }
    Ok(works)
}

/// Runs senders beside some work, and ends them when it is done.
pub(super) fn beside<T>(
    works: &[Work],
    control: &Control,
    work: impl FnOnce() -> Result<T, String>,
) -> Result<(Vec<Record>, T), String> {
    let (records, done) = std::thread::scope(|scope| {
        let senders: Vec<_> =
            works.iter().map(|work| scope.spawn(|| send(work, control))).collect();
        let done = work();
        control.end();
        let records: Vec<_> =
            senders.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        (records, done)
    });
    let done = done?;
    let records: Result<Vec<Record>, _> = records.into_iter().collect();
    let records = records.map_err(|_| "a sender failed".to_owned())?;
    match records.iter().flat_map(|record| &record.odd).next() {
        Some(odd) => Err(format!("an answer that no sender expects: {odd}")),
        None => Ok((records, done)),
    }
}

/// Sends streams to their ends.
pub(super) fn send_all(works: &[Work]) -> Result<Vec<Record>, String> {
    let control = Control::default();
    std::thread::scope(|scope| {
        let senders: Vec<_> =
            works.iter().map(|work| scope.spawn(|| send(work, &control))).collect();
        let ended = senders.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.map(|record| record.map_err(|_| "a sender failed".to_owned())).collect()
    })
}

impl Record {
    /// Events that were sent.
    pub(super) fn sent(&self) -> u64 {
        self.events.len() as u64
    }

    fn sent_again(&mut self, from: u64, to: u64) {
        let (from, to) = (from as usize, to as usize);
        if self.events.len() < to {
            self.events.resize(to, 0);
        }
        for event in self.events.get_mut(from..to).unwrap_or_default() {
            *event = (*event & ACKNOWLEDGED) | (*event & !ACKNOWLEDGED).saturating_add(1).min(0x7f);
        }
    }

    fn acknowledged(&mut self, from: u64, to: u64) {
        let events = self.events.get_mut(from as usize..to as usize).unwrap_or_default();
        events.iter_mut().for_each(|event| *event |= ACKNOWLEDGED);
    }
}

/// What a delivery came to.
enum Came {
    /// This many events from the front are acknowledged; the others may have arrived.
    Through(u64),
    /// None arrived; come again after a while.
    Refused(Duration),
    /// None arrived: nobody was there.
    Unsent,
    /// Nobody knows.
    Unknown,
    /// An answer that this sender does not expect.
    Odd(String),
}

/// Carries batches.
enum Courier {
    Ingest(Http, String),
    Hec(Http, String),
    Relp(SocketAddr, Option<Relp>),
    Syslog(SocketAddr, Option<TcpStream>),
}

/// Some events as they are written.
#[derive(Default)]
struct Batch {
    text: String,
    /// Where each event ends, with its line feed.
    ends: Vec<usize>,
}

/// Sends a stream until it is told to stop.
pub(super) fn send(work: &Work, control: &Control) -> Record {
    let (way, to, sender) = (work.stream.way, work.to, work.stream.sender);
    let mut courier = match way {
        Way::Web | Way::Cloud => Courier::Ingest(Http::new(to), format!("Bearer {}", work.token)),
        Way::Hec => Courier::Hec(Http::new(to), format!("Splunk {}", work.token)),
        Way::Relp => Courier::Relp(to, None),
        Way::Syslog => Courier::Syslog(to, None),
    };
    let mut record = Record::default();
    let mut from = 0;
    let mut batch = Batch::default();
    while from < work.until {
        let to = (from + work.batch).min(work.until);
        if work.paced && !due(work, to, control) {
            return record;
        }
        if control.stop.load(Ordering::Relaxed) {
            return record;
        }
        batch.make(&work.stream, from, to);
        for number in from..to {
            if work.stream.attack(number).is_some() {
                record.attacks.push((number, Instant::now()));
            }
        }
        while from < to {
            if batch.ends.len() as u64 != to - from {
                // Those in front were acknowledged.
                batch.make(&work.stream, from, to);
            }
            from = carry(&mut courier, &batch, (sender, from, to), &mut record, control);
            if record.odd.len() > 20 {
                return record;
            }
            if matches!(way, Way::Syslog) && control.stop.load(Ordering::Relaxed) {
                // It cannot know what arrived.
                return record;
            }
        }
    }
    record
}

/// Waits until a batch may go. False when it is told to stop before.
fn due(work: &Work, to: u64, control: &Control) -> bool {
    let at = work.stream.at(to.saturating_sub(1));
    loop {
        let left = at - now();
        if left <= 0 {
            return true;
        }
        if control.stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(Duration::from_micros(left.min(50_000) as u64));
    }
}

/// Tries once; from where on it is still to be sent.
fn carry(
    courier: &mut Courier,
    batch: &Batch,
    (sender, from, to): (u8, u64, u64),
    record: &mut Record,
    control: &Control,
) -> u64 {
    let began = Instant::now();
    let came = courier.deliver(batch);
    if matches!(came, Came::Through(_) | Came::Unknown) {
        record.sent_again(from, to);
    }
    match came {
        Came::Through(events) => {
            record.acks.push((began, began.elapsed()));
            record.acknowledged(from, from + events);
            if let Some(through) = control.through.get(usize::from(sender)) {
                through.store(from + events, Ordering::SeqCst);
            }
            return from + events;
        }
        Came::Refused(wait) => {
            control.refused.fetch_add(1, Ordering::Relaxed);
            control.refused_events.fetch_add(to - from, Ordering::Relaxed);
            std::thread::sleep(wait);
        }
        Came::Unsent | Came::Unknown => std::thread::sleep(AGAIN),
        Came::Odd(what) => {
            record.odd.push(what);
            std::thread::sleep(AGAIN);
        }
    }
    from
}

impl Batch {
    fn make(&mut self, stream: &Stream, from: u64, to: u64) {
        self.text.clear();
        self.ends.clear();
        for number in from..to {
            stream.write(number, &mut self.text);
            self.ends.push(self.text.len());
        }
    }

    fn events(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let event = self.text.get(start..end - 1).unwrap_or_default();
            start = *end;
            event
        })
    }
}

impl Courier {
    fn deliver(&mut self, batch: &Batch) -> Came {
        let all = batch.ends.len() as u64;
        match self {
            Self::Ingest(http, token) => {
                let headers = [("authorization", token.as_str())];
                match took(http, "POST /api/v1/ingest", &headers, batch.text.as_bytes()) {
                    Ok(_) => Came::Through(all),
                    Err(came) => came,
                }
            }
            Self::Hec(http, token) => {
                let channel = ("x-splunk-request-channel", "7f1c2a90-11aa-4920-8102-00000000f100");
                let headers = [("authorization", token.as_str()), channel];
                let path = "POST /services/collector/event";
                match took(http, path, &headers, batch.text.as_bytes()) {
                    Ok(answer) => match answer.get("ackId").and_then(Value::as_u64) {
                        Some(id) if acknowledged(http, &headers, id) => Came::Through(all),
                        Some(_) => Came::Unknown,
                        None => Came::Odd(format!("no ackId: {answer}")),
                    },
                    Err(came) => came,
                }
            }
            Self::Relp(to, session) => {
                let mut open = match session.take() {
                    Some(open) => open,
                    None => match Relp::open(*to) {
                        Ok(open) => open,
                        Err(_) => return Came::Unsent,
                    },
                };
                let (through, whole) = open.deliver(batch);
                if whole {
                    *session = Some(open);
                }
                if through > 0 || whole { Came::Through(through) } else { Came::Unknown }
            }
            Self::Syslog(to, stream) => {
                let Ok(mut open) = stream.take().map_or_else(|| connect(*to), Ok) else {
                    return Came::Unsent;
                };
                if open.write_all(batch.text.as_bytes()).is_err() {
                    return Came::Unknown;
                }
                *stream = Some(open);
                Came::Through(all)
            }
        }
    }
}

/// The answer of a server that took the events.
fn took(http: &mut Http, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Value, Came> {
    match http.ask(line, headers, body) {
        Ok(answer) => match answer.status {
            200 => Ok(serde_json::from_slice(&answer.body).unwrap_or_default()),
            429 | 503 => {
                let after = answer.header("retry-after").and_then(|after| after.parse().ok());
                Err(Came::Refused(Duration::from_secs(after.unwrap_or(1))))
            }
            status => {
                let text = String::from_utf8_lossy(&answer.body);
                Err(Came::Odd(format!("{line}: {status} {text}")))
            }
        },
        Err(Broken::Unsent(_)) => Err(Came::Unsent),
        Err(Broken::Unknown(_)) => Err(Came::Unknown),
    }
}

/// Asks whether a delivery is on the disk, until somebody answers: it may be asked of the next process.
fn acknowledged(http: &mut Http, headers: &[(&str, &str)], id: u64) -> bool {
    let question = format!(r#"{{"acks":[{id}]}}"#);
    let until = Instant::now() + Duration::from_mins(3);
    while Instant::now() < until {
        let answer = http.ask("POST /services/collector/ack", headers, question.as_bytes());
        if let Ok(answer) = answer
            && answer.status == 200
        {
            let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            return told.pointer(&format!("/acks/{id}")) == Some(&Value::Bool(true));
        }
        std::thread::sleep(AGAIN);
    }
    false
}

/// A session of RELP.
struct Relp {
    stream: BufReader<TcpStream>,
    transaction: u32,
}

impl Relp {
    fn open(to: SocketAddr) -> std::io::Result<Self> {
        let mut stream = BufReader::new(connect(to)?);
        let offer = "relp_version=0\nrelp_software=proof\ncommands=syslog";
        let frame = format!("1 open {} {offer}\n", offer.len());
        stream.get_mut().write_all(frame.as_bytes())?;
        let mut session = Self { stream, transaction: 1 };
        match session.answer() {
            Some((1, true)) => Ok(session),
            _ => Err(std::io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// Sends a window of messages and waits for their answers. How many were acknowledged, from the first
    /// on, and whether the session goes on.
    fn deliver(&mut self, batch: &Batch) -> (u64, bool) {
        let mut out = Vec::with_capacity(batch.text.len() + batch.ends.len() * 24);
        let first = self.transaction + 1;
        for event in batch.events() {
            self.transaction += 1;
            let head = format!("{} syslog {} ", self.transaction, event.len());
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(event.as_bytes());
            out.push(b'\n');
        }
        if self.stream.get_mut().write_all(&out).is_err() {
            return (0, false);
        }
        for number in first..=self.transaction {
            if self.answer() != Some((number, true)) {
                return (u64::from(number - first), false);
            }
        }
        (batch.ends.len() as u64, self.transaction < 900_000_000)
    }

    /// The next answer: its transaction, and whether it says 200.
    fn answer(&mut self) -> Option<(u32, bool)> {
        let mut head = Vec::new();
        // TRANSACTION SP "rsp" SP LENGTH SP
        for _ in 0..3 {
            let from = head.len();
            self.stream.read_until(b' ', &mut head).ok().filter(|read| *read > 0)?;
            if head.get(from..) == Some(b"serverclose ") {
                return None;
            }
        }
        let head = String::from_utf8(head).ok()?;
        let mut words = head.split(' ');
        let transaction = words.next()?.parse().ok()?;
        let length: usize = words.nth(1)?.parse().ok()?;
        let mut data = vec![0; length + 1];
        self.stream.read_exact(&mut data).ok()?;
        Some((transaction, data.starts_with(b"200")))
    }
}
