//! Rules tried on what the lake holds, before anybody is woken by them.
//!
//! The rules of a text see the events of a window as they would have seen them when they came, the latest
//! first, in stretches that are small enough to stop between: after a number of events, after a time, or when
//! nobody waits for the answer any more. Nothing is written and no alert is made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use detect::{Detector, RuleCosts, RuleInfo, Rules, View};
use model::{ENVELOPE, Finding, Level, LogSource, Micros};
use schemars::JsonSchema;
use serde::Serialize;

use crate::access::{Caller, Permission};
use crate::ask::{Asker, instant};
use crate::failure::{Failure, Kind};
use crate::live::{Floor, blocking, sound};
use crate::stages::Stages;
use crate::tell::Row;
use crate::tell::rows::{number, shared, text, time};

/// Events that are looked at, at most.
const EVENTS: u64 = 500_000;
/// Time for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Events of one stretch, about.
const STRETCH: u64 = 20_000;
/// Kinds of events that are told apart in a question.
const KINDS: usize = 200;
/// Parts into which a window is counted.
const PARTS: i64 = 400;
/// Findings that are told, the latest.
const SAMPLE: usize = 50;
/// The end of the year 9999, in seconds.
const LAST: i64 = 253_402_300_799;
/// How far back when nothing is said.
const SINCE: &str = "1d";

/// What came of rules that were tried.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleTried {
    /// From when on events were looked at.
    pub since: Micros,
    /// Before when.
    pub until: Micros,
    /// Events of the window that the rules are for, by their log source.
    pub events: u64,
    /// How many of them were looked at, the latest.
    pub looked_at: u64,
    /// When not all of them were: back to about when, and why.
    pub stopped: Option<Stopped>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How long the rules of the text took for each event, in nanoseconds, as it was measured.
    pub nanoseconds_each: f64,
    /// The rules of the text.
    pub rules: Vec<RuleOnTrial>,
    /// What they found, the latest of it. Who it is about is told of correlations' groups and matched fields alone.
    pub findings: Vec<Finding>,
    /// Matches that correlations did not count, because one rule matched too often.
    pub left_out: u64,
}

/// Why not all events were looked at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Stopped {
    /// Back to about when they were.
    pub at: Micros,
    /// Why, in a sentence.
    pub why: String,
}

/// A rule that was tried.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleOnTrial {
    /// Its id.
    pub id: Arc<str>,
    /// Its title.
    pub title: Arc<str>,
    /// How grave.
    pub level: Level,
    /// True for a correlation.
    pub correlation: bool,
    /// False when it serves correlations alone and makes no finding by itself.
    pub speaks: bool,
    /// Events that it matches; of a correlation, how often it would have fired.
    pub matched: u64,
    /// The earliest of them.
    pub first: Option<Micros>,
    /// The latest of them.
    pub last: Option<Micros>,
    /// Events on which more than its log source and its rarest words had to be looked at.
    pub evaluated: u64,
    /// Events on which it was given up, because it would have taken too long. It may match them.
    pub given_up: u64,
    /// Its questions that are dear (expressions, long texts), for each event that was looked at, in
    /// nanoseconds, as the engine estimates them on every machine alike.
    pub dear_nanoseconds_each: f64,
}

/// Says that nobody waits any more, when it is dropped.
pub(super) struct Waiting(pub(super) Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Floor {
    /// Tries the rules of a text on the events of a window.
    pub async fn try_rule(
        &self,
        caller: &Caller,
        text: String,
        since: Option<String>,
        until: Option<String>,
    ) -> Result<RuleTried, Failure> {
        caller.may(Permission::Content)?;
        let actor = caller.may(Permission::Hunt)?;
        sound(&text)?;
        let now = crate::now();
        let until = instant(until.as_deref(), "until", now)?.unwrap_or(now);
        let since = instant(Some(since.as_deref().unwrap_or(SINCE)), "since", now)?;
        let possible = |time: Micros| time.clamp(Micros(0), Micros::from_seconds(LAST));
        let window = (possible(since.unwrap_or_default()), possible(until));
        if window.0 >= window.1 {
            return Err(Failure::new(Kind::Usage, "the window ends before it begins"));
        }
        let turn = self.turn()?;
        self.note(actor, "rule.try", &format!("{} to {}", window.0, window.1)).await?;
        let floor = self.clone();
        let gone = Arc::new(AtomicBool::new(false));
        let _waiting = Waiting(Arc::clone(&gone));
        blocking(move || {
            let _turn = turn;
            floor.tried(&text, window, &gone)
        })
        .await
    }

    fn tried(
        &self,
        text: &str,
        (since, until): (Micros, Micros),
        gone: &AtomicBool,
    ) -> Result<RuleTried, Failure> {
        let began = Instant::now();
        let rules = Arc::new(self.to_try(text)?);
        let content = self.0.content.get();
        let stages = &*content.stages;
        let asker = self.asker_within(None, PATIENCE)?;
        let condition = condition(&asker, &rules, stages, (since, until))?;
        let mut trial = Trial::new(Arc::clone(&rules), stages, began + PATIENCE, gone)?;
        let counts = match &condition {
            Some(condition) => counts(&asker, condition, (since, until))?,
            None => Vec::new(),
        };
        let condition = condition.unwrap_or_default();
        let events = counts.iter().map(|(_, count)| count).sum();
        let mut end = until;
        let mut pending = 0;
        for (at, (start, count)) in counts.iter().enumerate() {
            pending += count;
            if pending < STRETCH && at + 1 < counts.len() {
                continue;
            }
            pending = 0;
            let start = (*start).max(since);
            trial.look(&asker, &condition, (start, end))?;
            end = start;
            if trial.stopped.is_some() {
                break;
            }
        }
        if gone.load(Ordering::Acquire) {
            return Err(Failure::new(Kind::Interrupted, "nobody waits for the answer any more"));
        }
        let stopped = trial.stopped.take().map(|why| Stopped { at: end, why });
        let tried = trial.end();
        let seconds = began.elapsed().as_secs_f64();
        Ok(RuleTried { since, until, events, stopped, seconds, ..tried })
    }
}

/// What events must be for the rules to see them, in SQL; none when there is no such event in the window.
fn condition(
    asker: &Asker,
    rules: &Rules,
    stages: &Stages,
    (since, until): (Micros, Micros),
) -> Result<Option<String>, Failure> {
    let kinds = asker.rows(&format!(
        "SELECT DISTINCT definition, logsource_product AS product, logsource_category AS category, \
         logsource_service AS service FROM events WHERE time >= '{since}' AND time < '{until}'"
    ))?;
    let all = kinds.len();
    let seen: Vec<&Row> = kinds
        .iter()
        .filter(|row| {
            let stored = stored(row);
            let others = also(stages, row, &stored);
            let mut sources = others.iter().map(|other| &**other).chain([&stored]);
            sources.any(|source| rules.count_for(source) > 0)
        })
        .collect();
    if seen.is_empty() || seen.len() == all || seen.len() > KINDS {
        return Ok((!seen.is_empty()).then(|| "true".to_owned()));
    }
    let columns = [
        ("definition", "definition"),
        ("logsource_product", "product"),
        ("logsource_category", "category"),
        ("logsource_service", "service"),
    ];
    let is = |row: &Row| {
        let parts = columns.map(|(column, name)| match row.get(name).and_then(|v| v.as_str()) {
            Some(value) => format!("{column} = '{}'", value.replace('\'', "''")),
            None => format!("{column} IS NULL"),
        });
        format!("({})", parts.join(" AND "))
    };
    let either: Vec<String> = seen.into_iter().map(is).collect();
    Ok(Some(format!("({})", either.join(" OR "))))
}

/// The log source that the lake names.
fn stored(row: &Row) -> LogSource {
    LogSource::new(text(row, "product"), text(row, "category"), text(row, "service"))
}

/// All log sources of an event, of which the lake names the first.
fn also<'s>(stages: &'s Stages, row: &Row, stored: &LogSource) -> &'s [Arc<LogSource>] {
    let definition = text(row, "definition");
    let mut known = stages.normalizer.definitions().iter();
    let known = known.find(|known| *known.name == *definition);
    known.map(|known| known.logsources_with(stored)).unwrap_or_default()
}

/// How many events there are in each part of the window, the latest part first.
fn counts(
    asker: &Asker,
    condition: &str,
    (since, until): (Micros, Micros),
) -> Result<Vec<(Micros, u64)>, Failure> {
    let seconds = until.seconds().saturating_sub(since.seconds()).max(1);
    let step = (seconds / PARTS).max(1);
    let sql = format!(
        "SELECT date_bin(INTERVAL '{step} seconds', time) AS start, count(*) AS events FROM events \
         WHERE time >= '{since}' AND time < '{until}' AND {condition} GROUP BY 1 ORDER BY 1 DESC"
    );
    let part = |row: &Row| (time(row, "start"), number(row, "events"));
    Ok(asker.rows(&sql)?.iter().map(part).collect())
}

/// Rules that are being tried.
struct Trial<'t> {
    rules: Arc<Rules>,
    stages: &'t Stages,
    detector: Detector,
    class: &'static ocsf::Class,
    labels: Arc<[Arc<str>]>,
    deadline: Instant,
    gone: &'t AtomicBool,
    looked_at: u64,
    /// In the rules.
    took: Duration,
    stopped: Option<String>,
    /// What the last events gave.
    new: Vec<Finding>,
    sample: Vec<Finding>,
    seen: BTreeMap<Arc<str>, Seen>,
}

/// What is known of one rule's findings.
#[derive(Default, Clone, Copy)]
struct Seen {
    count: u64,
    first: Option<Micros>,
    last: Option<Micros>,
}

impl<'t> Trial<'t> {
    fn new(
        rules: Arc<Rules>,
        stages: &'t Stages,
        deadline: Instant,
        gone: &'t AtomicBool,
    ) -> Result<Self, Failure> {
        let class = ocsf::class("base_event");
        let class = class.ok_or_else(|| Failure::new(Kind::Defect, "OCSF has no base event"))?;
        let tried = rules.list().iter().filter(|info| Floor::is_tried(info));
        let seen = tried.map(|info| (Arc::clone(&info.id), Seen::default())).collect();
        Ok(Self {
            detector: rules.detector(),
            rules,
            stages,
            class,
            labels: [].into(),
            deadline,
            gone,
            looked_at: 0,
            took: Duration::ZERO,
            stopped: None,
            new: Vec::new(),
            sample: Vec::new(),
            seen,
        })
    }

    /// Looks at the events of a stretch.
    fn look(
        &mut self,
        asker: &Asker,
        condition: &str,
        (since, until): (Micros, Micros),
    ) -> Result<(), Failure> {
        let sql = format!(
            "SELECT event_uid, cast(time AS bigint) AS time, native, \
             CASE WHEN raw_data = native THEN NULL ELSE raw_data END AS raw, parser, definition, \
             logsource_product AS product, logsource_category AS category, logsource_service AS service \
             FROM events WHERE time >= '{since}' AND time < '{until}' AND {condition}"
        );
        let ended = asker.each(&sql, |row| {
            if self.over() {
                return Err(Failure::new(Kind::Interrupted, "no further"));
            }
            self.event(&row);
            Ok(())
        });
        match ended {
            Err(_) if self.stopped.is_some() => Ok(()),
            Err(failure) if failure.kind == Kind::TooMuch && self.looked_at > 0 => {
                self.stopped = Some(failure.message);
                Ok(())
            }
            ended => ended,
        }
    }

    /// Whether it ends here, and why.
    fn over(&mut self) -> bool {
        let why = if self.gone.load(Ordering::Acquire) {
            "nobody waits any more".to_owned()
        } else if self.looked_at >= EVENTS {
            format!("{EVENTS} events were looked at, which is the most; narrow the window")
        } else if Instant::now() >= self.deadline {
            format!("it took longer than {} seconds; narrow the window", PATIENCE.as_secs())
        } else {
            return false;
        };
        self.stopped = Some(why);
        true
    }

    /// Shows one event to the rules, as every log source that it has.
    fn event(&mut self, row: &Row) {
        self.looked_at += 1;
        let Ok(uid) = text(row, "event_uid").parse() else { return };
        let at = time(row, "time");
        let native = parse::json_value(text(row, "native").as_bytes()).unwrap_or_default();
        let raw = text(row, "raw");
        let parser = match raw {
            "" => "json",
            // The record is of another syntax than its envelope.
            _ if native.get(ENVELOPE).is_some() => "lines",
            _ => text(row, "parser"),
        };
        let stored = stored(row);
        let others = also(self.stages, row, &stored);
        let source = shared(row, "definition");
        let event = ocsf::Event::new(self.class, at);
        let view = View {
            native: &native,
            raw: raw.as_bytes(),
            logsource: &stored,
            uid,
            time: at,
            source: &source,
            labels: &self.labels,
            parser,
            event: &event,
        };
        let began = Instant::now();
        self.detector.evaluate(&view, &mut self.new);
        for logsource in others.iter().filter(|other| ***other != stored) {
            self.detector.evaluate(&View { logsource, ..view }, &mut self.new);
        }
        self.took += began.elapsed();
        self.count();
    }

    /// Counts what was found of the rules that are tried, and keeps the latest.
    fn count(&mut self) {
        let mut ids = BTreeSet::new();
        for finding in self.new.drain(..) {
            let Some(seen) = self.seen.get_mut(&finding.rule_id) else { continue };
            // Seen as two kinds of log it is one finding.
            if !ids.insert(finding.finding_id) {
                continue;
            }
            seen.count += 1;
            seen.first = Some(seen.first.map_or(finding.time, |first| first.min(finding.time)));
            seen.last = seen.last.max(Some(finding.time));
            self.sample.push(finding);
        }
        if self.sample.len() > 4 * SAMPLE {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        self.sample.sort_by_key(|finding| (std::cmp::Reverse(finding.time), finding.finding_id));
        self.sample.truncate(SAMPLE);
    }

    fn end(mut self) -> RuleTried {
        let hits = self.detector.take_hits();
        self.new = self.rules.correlate(hits);
        self.count();
        self.shorten();
        let mut costs = RuleCosts::default();
        self.detector.take_costs(&mut costs);
        let costs: BTreeMap<Arc<str>, detect::RuleCost> =
            costs.list(&self.rules).map(|(info, cost)| (Arc::clone(&info.id), cost)).collect();
        let looked_at = self.looked_at;
        let told = |info: &RuleInfo| {
            let seen = self.seen.get(&info.id).copied().unwrap_or_default();
            let cost = costs.get(&info.id).copied().unwrap_or_default();
            RuleOnTrial {
                id: Arc::clone(&info.id),
                title: Arc::clone(&info.title),
                level: info.level,
                correlation: info.correlation,
                speaks: info.speaks,
                // A rule that is silent matches and finds nothing.
                matched: if info.speaks { seen.count } else { cost.matched },
                first: seen.first,
                last: seen.last,
                evaluated: cost.evaluated,
                given_up: cost.skipped,
                dear_nanoseconds_each: cost.steps as f64 / looked_at.max(1) as f64,
            }
        };
        let tried = self.rules.list().iter().filter(|info| Floor::is_tried(info));
        RuleTried {
            since: Micros::default(),
            until: Micros::default(),
            events: 0,
            looked_at,
            stopped: None,
            seconds: 0.0,
            nanoseconds_each: self.took.as_nanos() as f64 / looked_at.max(1) as f64,
            rules: tried.map(told).collect(),
            findings: self.sample,
            left_out: self.detector.hits_left_out(),
        }
    }
}
