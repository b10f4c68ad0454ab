//! `play`: recorded evidence once more, through the receivers of a floor that is open, with its times
//! moved so that it happens now. For exercises, demonstrations and trials of rules.
//!
//! The story ends now: its last record is delivered when it says that it happened, and all before it
//! keep their distances, so windows and thresholds see what they saw then. Its clock runs at a pace.

mod api;
mod score;
mod shift;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use collect::Input;
use normalize::Normalizer;
use serde_json::Value;

use crate::failure::Failure;
use api::{Api, Syslog, number, text};
use score::Score;
use shift::Shift;

/// How often what is due is delivered, and how often what came of it is looked at.
const TICK: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_secs(1);
/// How long nothing new must be seen behind the last record: when everything was read, and when the
/// floor does not say so.
const AFTER: Duration = Duration::from_secs(3);
const QUIET: Duration = Duration::from_secs(30);
/// Bytes of one delivery.
const DELIVERY: usize = 4 << 20;
/// How far around the story a time counts as one of it, in microseconds.
const AROUND: i64 = 3_600_000_000;

/// What to play, and to whom.
#[derive(Debug, Clone)]
pub struct PlayOptions {
    /// The evidence.
    pub inputs: Vec<Input>,
    /// Where the floor answers.
    pub url: String,
    /// The word of a first start; without it `login` is somebody who is known there.
    pub link: Option<String>,
    /// As whom to come.
    pub login: String,
    /// Their password.
    pub password: String,
    /// Where the floor takes syslog over TCP; syslog goes by HTTP without it.
    pub syslog: Option<SocketAddr>,
    /// Seconds of the story in a second.
    pub pace: f64,
}

/// What is told while it plays.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// It begins.
    Begins {
        /// Records.
        records: usize,
        /// Who delivers.
        senders: Vec<String>,
        /// How long it takes, in seconds.
        seconds: f64,
    },
    /// How far it is.
    Progress {
        /// Records delivered.
        delivered: usize,
        /// Of so many.
        records: usize,
    },
    /// An alert that was not there before.
    Alert {
        /// Its id.
        id: String,
        /// How grave.
        level: String,
        /// The rule's title.
        title: String,
        /// Whom or what it is about.
        entity: String,
        /// The time of its first event, as the API says it.
        first_time: String,
    },
    /// An incident that was not there before, or has become graver.
    Incident {
        /// Its number.
        number: u64,
        /// How grave.
        level: String,
        /// Its title.
        title: String,
        /// Its risk, 0 to 100.
        risk: u64,
        /// How many alerts are in it.
        alerts: u64,
    },
    /// An incident whose alerts turned out to belong to another.
    Joined {
        /// Its number.
        number: u64,
    },
}

/// What came of it.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Played {
    /// Records delivered.
    pub delivered: usize,
    /// Parcels that could not be read whole.
    pub unread: u64,
    /// Flaws in the others.
    pub flaws: u64,
    /// Alerts seen.
    pub alerts: usize,
    /// Incidents at the end.
    pub incidents: usize,
    /// True when it was stopped before its end.
    pub stopped: bool,
}

/// A password that nobody knows yet.
pub fn made_up_password() -> Result<String, Failure> {
    Ok(crate::access::Token::make("")?.expose().chars().take(24).collect())
}

/// Plays evidence to its end, or until `stop`. `spool` holds temporary files.
pub fn play(
    normalizer: &Normalizer,
    options: &PlayOptions,
    spool: &Path,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Told),
) -> Result<Played, Failure> {
    let score = Score::read(normalizer, &options.inputs, spool)?;
    let mut api = Api::new(&options.url)?;
    match &options.link {
        Some(link) => api.begin(link, &options.login, &options.password)?,
        None => api.log_in(&options.login, &options.password)?,
    }
    let mut senders: BTreeMap<&str, String> = BTreeMap::new();
    let syslog = options.syslog.map(Syslog::to).transpose()?;
    for part in score.parts.iter().filter(|part| syslog.is_none() || !part.syslog) {
        if !senders.contains_key(part.sender.as_str()) {
            senders.insert(&part.sender, api.sender(&part.sender)?);
        }
    }
    let begin = Instant::now();
    let first = score.notes.first().map_or(0, |note| note.at);
    let last = score.notes.last().map_or(0, |note| note.at);
    let pace = options.pace.max(0.001);
    let seconds = (last - first) as f64 / 1e6 / pace;
    // Whole seconds, so that fractions stay what they are.
    let by = (crate::now().0 + (seconds * 1e6) as i64 - last).div_euclid(1_000_000) * 1_000_000;
    let shift = Shift { within: first - AROUND..=last + AROUND, by, year: shift::year(first) };
    tell(Told::Begins {
        records: score.notes.len(),
        senders: senders.keys().map(|name| (*name).to_owned()).collect(),
        seconds,
    });
    let mut player = Player { score: &score, api, senders, syslog, shift, next: 0 };
    let mut watcher = Watcher::new(&player.api)?;
    let mut looked = Instant::now();
    let mut ended = false;
    while !(ended && watcher.is_over(player.next)) && !stop.load(Ordering::Relaxed) {
        let until = first + (begin.elapsed().as_secs_f64() * pace * 1e6) as i64;
        if player.deliver(until)? {
            tell(Told::Progress { delivered: player.next, records: score.notes.len() });
        } else {
            ended = player.next == score.notes.len();
        }
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            watcher.look(&player.api, tell)?;
        }
        std::thread::sleep(TICK);
    }
    watcher.look(&player.api, tell)?;
    Ok(Played {
        delivered: player.next,
        unread: score.unread,
        flaws: score.flaws,
        alerts: watcher.alerts.len(),
        incidents: watcher.incidents.len(),
        stopped: player.next < score.notes.len(),
    })
}

struct Player<'s> {
    score: &'s Score,
    api: Api,
    senders: BTreeMap<&'s str, String>,
    syslog: Option<Syslog>,
    shift: Shift,
    next: usize,
}

impl Player<'_> {
    /// Delivers what has happened until then. False when that was nothing.
    fn deliver(&mut self, until: i64) -> Result<bool, Failure> {
        let rest = self.score.notes.get(self.next..).unwrap_or_default();
        let mut due: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        let (mut size, mut count) = (0, 0);
        for note in rest.iter().take_while(|note| note.at <= until) {
            let Some(part) = self.score.parts.get(note.part) else { continue };
            let text = self.shift.text(&note.bytes);
            if let (true, Some(syslog)) = (part.syslog, self.syslog.as_mut()) {
                syslog.send(&text)?;
            } else {
                let body = due.entry(note.part).or_insert_with(|| part.head.clone());
                body.extend_from_slice(&text);
                body.push(b'\n');
            }
            count += 1;
            size += text.len();
            if size >= DELIVERY {
                break;
            }
        }
        for (part, body) in &due {
            let sender = self.score.parts.get(*part).map(|part| part.sender.as_str());
            let token = sender.and_then(|name| self.senders.get(name));
            self.api.deliver(token.map_or("", String::as_str), body)?;
        }
        self.next += count;
        Ok(count > 0)
    }
}

/// What was seen of the floor.
struct Watcher {
    alerts: HashSet<String>,
    incidents: HashMap<u64, String>,
    /// Events that the floor has read, when it was opened and now.
    before: u64,
    events: u64,
    /// When something was new.
    news: Instant,
}

impl Watcher {
    fn new(api: &Api) -> Result<Self, Failure> {
        let before = api.events()?;
        let (alerts, incidents) = Default::default();
        Ok(Self { alerts, incidents, before, events: before, news: Instant::now() })
    }

    /// Whether nothing more is to be expected of so many records.
    fn is_over(&self, delivered: usize) -> bool {
        let all = self.events - self.before >= delivered as u64;
        self.news.elapsed() > if all { AFTER } else { QUIET }
    }

    fn look(&mut self, api: &Api, tell: &mut dyn FnMut(Told)) -> Result<(), Failure> {
        let events = api.events()?.max(self.events);
        if std::mem::replace(&mut self.events, events) != events {
            self.news = Instant::now();
        }
        let known = |row: &Value| self.alerts.contains(text(row, "/alert/alert_id"));
        for row in api.list("/api/v1/alerts?order=latest&limit=100", known)?.iter().rev() {
            let id = text(row, "/alert/alert_id").to_owned();
            if self.alerts.insert(id.clone()) {
                self.news = Instant::now();
                tell(Told::Alert {
                    id,
                    level: text(row, "/level").to_owned(),
                    title: text(row, "/alert/rule_title").to_owned(),
                    entity: text(row, "/alert/entity/value").to_owned(),
                    first_time: text(row, "/alert/first_time").to_owned(),
                });
            }
        }
        let rows = api.list("/api/v1/incidents?limit=100", |_| false)?;
        let numbers: HashSet<u64> = rows.iter().map(|row| number(row, "/number")).collect();
        let gone: Vec<u64> =
            self.incidents.keys().copied().filter(|known| !numbers.contains(known)).collect();
        for number in gone {
            self.incidents.remove(&number);
            tell(Told::Joined { number });
        }
        for row in rows.iter().rev() {
            let level = text(row, "/level").to_owned();
            let incident = number(row, "/number");
            if self.incidents.insert(incident, level.clone()).as_ref() != Some(&level) {
                let title = match text(row, "/title") {
                    "" => text(row, "/told/title"),
                    said => said,
                };
                tell(Told::Incident {
                    number: incident,
                    level,
                    title: title.to_owned(),
                    risk: number(row, "/risk"),
                    alerts: number(row, "/alert_count"),
                });
            }
        }
        Ok(())
    }
}
