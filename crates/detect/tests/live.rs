//! Correlations over a stream: in whatever order and portions hits come, and through a restart or a
//! crash, what stands in the end is what correlating all of them at once says; and what that says
//! is what the definitions say, worked out slowly (`plain`).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "common/plain.rs"]
mod plain;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use detect::{Changes, Hit, Limits, LiveCorrelator, RuleText, Rules};
use model::{Entity, EntityKind, EventUid, Finding, FindingId, Hasher, Match, Micros};
use proptest::prelude::*;

/// Id, type, rules, group, span in seconds, the rest. Every type and window, and chains of them.
const CORRELATIONS: &[(&str, &str, &str, &str, u32, &str)] = &[
    ("count", "event_count", "a", "u", 8, "condition: {gte: 3}"),
    ("count-two", "event_count", "a, b", "u", 8, "condition: {gt: 3}"),
    ("count-tumbling", "event_count", "a", "u", 10, "window: tumbling, condition: {gte: 3}"),
    ("count-session", "event_count", "b", "u", 12, "window: session, gap: 3s, condition: {gte: 3}"),
    ("few", "event_count", "a", "u", 8, "condition: {lte: 2}"),
    ("few-tumbling", "event_count", "a", "u", 8, "window: tumbling, condition: {lt: 2}"),
    ("few-session", "event_count", "b", "u", 9, "window: session, gap: 2s, condition: {eq: 2}"),
    ("count-all", "event_count", "a, b, c", "", 5, "condition: {gte: 6}"),
    ("values", "value_count", "a", "u", 10, "condition: {gte: 3, field: h}"),
    ("values-few", "value_count", "a, b", "u", 6, "condition: {lte: 1, field: h}"),
    (
        "values-session",
        "value_count",
        "a, b",
        "u",
        20,
        "window: session, gap: 4s, condition: {gte: 3, field: h}",
    ),
    ("both", "temporal", "a, b", "u", 5, ""),
    ("two-of-three", "temporal", "a, b, c", "u", 4, "condition: {gte: 2}"),
    ("without", "temporal", "a, b", "u", 5, "condition: a and not b"),
    ("without-tumbling", "temporal", "a, b", "u", 5, "window: tumbling, condition: a and not b"),
    ("one-tumbling", "temporal", "a, b, c", "u", 5, "window: tumbling, condition: a and (b or c)"),
    ("order", "temporal_ordered", "a, b", "u", 5, ""),
    ("order-twice", "temporal_ordered", "a, a, b", "u", 9, ""),
    ("order-session", "temporal_ordered", "a, b, c", "u", 30, "window: session, gap: 5s"),
    ("sum", "value_sum", "a", "u", 8, "condition: {gte: 6, field: n}"),
    ("sum-small", "value_sum", "a", "u", 8, "condition: {lt: 3, field: n}"),
    ("average", "value_avg", "a", "u", 8, "condition: {gte: 2, field: n}"),
    (
        "average-tumbling",
        "value_avg",
        "a",
        "u",
        8,
        "window: tumbling, condition: {gte: 1, field: n}",
    ),
    ("median", "value_median", "a", "u", 8, "condition: {gt: 1, field: n}"),
    (
        "percentile-session",
        "value_percentile",
        "a, b",
        "u",
        20,
        "window: session, gap: 4s, condition: {gte: 3, field: n, percentile: 80}",
    ),
    ("by-value", "event_count", "a", "u, h", 12, "condition: {gte: 2}"),
    ("bursts", "event_count", "by-value", "u", 20, "condition: {gte: 2}"),
    ("burst-values", "value_count", "by-value", "u", 15, "condition: {gte: 2, field: h}"),
    ("burst-then", "temporal_ordered", "count, b", "u", 6, ""),
    ("burst-and-few", "temporal", "few-session, count-tumbling", "u", 15, ""),
    ("few-then", "temporal_ordered", "few, b", "u", 6, ""),
    (
        "third",
        "event_count",
        "burst-then, few-then",
        "u",
        30,
        "window: session, gap: 9s, condition: {gte: 2}",
    ),
    ("no-bursts", "event_count", "both", "u", 25, "window: tumbling, condition: {lte: 1}"),
];

fn texts(skip: &[&str]) -> Vec<RuleText> {
    let mut text = String::new();
    for name in ["a", "b", "c"] {
        writeln!(text, "title: {name}\nid: {name}\nlogsource: {{product: p}}\ndetection: {{a: {{e: {name}}}, condition: a}}\n---").unwrap();
    }
    for (id, kind, rules, group, span, rest) in CORRELATIONS {
        if !skip.contains(id) {
            let rest = rest.replace(", condition", "\n    condition").replace(", gap", "\n    gap");
            writeln!(text, "title: {id}\nid: {id}\ncorrelation:\n    type: {kind}\n    rules: [{rules}]\n    group-by: [{group}]\n    timespan: {span}s\n    {rest}\ngenerate: true\n---").unwrap();
        }
    }
    vec![RuleText { path: "t.yml".to_owned(), text }]
}

fn load(skip: &[&str]) -> Arc<Rules> {
    let (rules, problems) = Rules::load(texts(skip));
    assert!(problems.is_empty(), "{}", problems[0]);
    Arc::new(rules)
}

static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| load(&[]));
/// The same with two rules fewer, so that numbers and places are others.
static FEWER: LazyLock<Arc<Rules>> =
    LazyLock::new(|| load(&["count", "burst-then", "third", "few-tumbling"]));

/// An event that some of the three rules match.
#[derive(Debug, Clone)]
struct Event {
    /// Half seconds.
    time: i64,
    delay: i64,
    rules: u8,
    user: u8,
    host: Option<u8>,
    number: Option<i8>,
}

const LATENESS: i64 = 20;

fn event() -> impl Strategy<Value = Event> {
    (
        0..160_i64,
        prop_oneof![3 => Just(0), 2 => 0..4_i64, 1 => 0..=LATENESS],
        prop_oneof![4 => Just(1_u8), 3 => Just(2), 1 => Just(4), 1 => 3..8_u8],
        0..2_u8,
        prop::option::weighted(0.9, 0..4_u8),
        prop::option::weighted(0.9, -2..5_i8),
    )
        .prop_map(|(time, delay, rules, user, host, number)| Event {
            time,
            delay,
            rules,
            user,
            host,
            number,
        })
}

fn half(time: i64) -> Micros {
    Micros(time * 500_000)
}

/// What the rules make of an event. A user is spelled in two ways.
fn matches(number: usize, event: &Event, fraction: f64) -> Vec<Match> {
    let user = if number.is_multiple_of(3) { "User" } else { "user" };
    let texts = [
        ("u", Some(format!("{user}{}", event.user))),
        ("h", event.host.map(|h| format!("h{h}"))),
        ("n", event.number.map(|n| format!("{}", f64::from(n) + fraction))),
    ];
    let fields: Vec<_> =
        texts.map(|(name, value)| (name.into(), value.map(Into::into))).into_iter().collect();
    let entities: Arc<[Entity]> = [
        Entity::new(EntityKind::User, &format!("u{}", event.user)),
        Entity::new(EntityKind::Host, &format!("x{number}")),
    ]
    .into();
    let each = ["a", "b", "c"].into_iter().enumerate();
    each.filter(|(bit, _)| event.rules & (1 << bit) != 0)
        .map(|(_, rule)| Match {
            rule_id: rule.into(),
            rule_version: RULES
                .list()
                .iter()
                .find(|info| &*info.id == rule)
                .unwrap()
                .version
                .clone(),
            time: half(event.time),
            event_uid: EventUid::from(Hasher::new("t").number(number as u64)),
            fields: fields.clone(),
            entities: entities.clone(),
            source: format!("s{}", number % 2).into(),
            labels: [format!("site={}", number % 3).into()].into(),
        })
        .collect()
}

fn hits(rules: &Rules, matches: &[Match]) -> Vec<Hit> {
    let (hits, foreign) = rules.recalled(matches.to_vec());
    assert!(foreign.len() < matches.len().max(1));
    hits
}

/// Whoever keeps findings: applies changes and holds the correlator to its word.
#[derive(Default, Clone)]
struct Store {
    standing: BTreeMap<FindingId, Finding>,
    settled: BTreeSet<FindingId>,
}

impl Store {
    fn apply(&mut self, changes: Changes, again: bool) {
        for finding in changes.new {
            let known = self.standing.insert(finding.finding_id, finding.clone());
            assert!(known.is_none() || again, "new twice: {finding:?}");
        }
        for finding in changes.changed {
            assert!(!self.settled.contains(&finding.finding_id) || again, "settled: {finding:?}");
            let known = self.standing.insert(finding.finding_id, finding.clone());
            assert!(known.is_some() && (again || known != Some(finding)), "changed to nothing new");
        }
        for gone in &changes.superseded {
            assert!(!self.settled.contains(&gone.id), "settled, and superseded");
            let known = self.standing.remove(&gone.id);
            assert!(known.is_some() || again, "superseded, and never said");
        }
        for gone in &changes.superseded {
            assert!(gone.by.is_none_or(|by| self.standing.contains_key(&by)));
        }
        for id in changes.settled {
            assert!(self.standing.contains_key(&id), "settled, and never said");
            assert!(self.settled.insert(id) || again, "settled twice");
        }
    }

    /// By time and id, as correlating says it.
    fn all(&self) -> Vec<Finding> {
        let mut all: Vec<Finding> = self.standing.values().cloned().collect();
        all.sort_by_key(|finding| (finding.time, finding.finding_id));
        all
    }

    /// Findings that must be there at once: those that no window's end is waited for.
    fn prompt(all: Vec<Finding>) -> Vec<Finding> {
        let waits = |id: &str| {
            id.starts_with("few")
                || id.ends_with("few")
                || [
                    "without-tumbling",
                    "sum-small",
                    "average-tumbling",
                    "percentile-session",
                    "burst-and-few",
                    "third",
                    "no-bursts",
                ]
                .contains(&id)
        };
        all.into_iter().filter(|finding| !waits(&finding.rule_id)).collect()
    }
}

/// One portion of a stream: what comes, and the watermark at which is asked.
#[derive(Debug, Clone)]
struct Portion {
    matches: Vec<Match>,
    watermark: Micros,
}

/// Events in order of arrival, cut into portions. `behind` lets the watermark stay behind what has
/// come: it must never be later than the clock of arrival.
fn portions(events: &[Event], cuts: &[usize], behind: &[bool]) -> Vec<Portion> {
    let mut arriving: Vec<(i64, Vec<Match>, i64)> = events
        .iter()
        .enumerate()
        .map(|(number, event)| (event.time + event.delay, matches(number, event, 0.1), event.time))
        .collect();
    arriving.sort_by_key(|(arrival, ..)| *arrival);
    let mut out = Vec::new();
    let mut latest = i64::MIN / 1_000_000;
    let mut at = 0;
    for (turn, cut) in cuts.iter().cycle().enumerate() {
        if at >= arriving.len() {
            break;
        }
        let portion = &arriving[at..(at + 1 + cut).min(arriving.len())];
        at += portion.len();
        latest = portion.iter().map(|(_, _, time)| *time).fold(latest, i64::max);
        let clock = portion.last().unwrap().0;
        let watermark = if behind[turn % behind.len()] { latest } else { clock };
        let matches = portion.iter().flat_map(|(_, matches, _)| matches.clone()).collect();
        out.push(Portion { matches, watermark: half(watermark) });
    }
    out
}

fn limits() -> Limits {
    Limits { lateness: half(LATENESS), ..Limits::default() }
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![0]), prop::collection::vec(0..12_usize, 1..8), Just(vec![usize::MAX / 2]),]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 1..120)
}

fn all_matches(events: &[Event], fraction: f64) -> Vec<Match> {
    events.iter().enumerate().flat_map(|(number, event)| matches(number, event, fraction)).collect()
}

/// Only the windows of findings, by rule.
fn outlines(findings: &[Finding]) -> Vec<plain::Outline> {
    let mut all: Vec<plain::Outline> = findings
        .iter()
        .map(|finding| {
            let window = finding.window.clone().unwrap();
            let group = window.group.iter().map(|(_, value)| value.to_string()).collect();
            plain::Outline {
                rule: finding.rule_id.to_string(),
                start: window.start,
                end: window.end,
                count: window.count,
                group,
                events: finding.event_uids.clone(),
            }
        })
        .collect();
    all.sort();
    all
}

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 48 };
    ProptestConfig { cases, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn all_at_once_is_what_the_definitions_say(events in events()) {
        // A quarter is exact: what judges adds up plainly.
        let matches = all_matches(&events, 0.25);
        let found = RULES.correlate(hits(&RULES, &matches));
        let (found_outlines, wanted) = (outlines(&found), plain::correlate(CORRELATIONS, &matches));
        let only = |one: &[plain::Outline], other: &[plain::Outline]| {
            one.iter().filter(|outline| !other.contains(outline)).cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(only(&found_outlines, &wanted), only(&wanted, &found_outlines));
        prop_assert_eq!(found_outlines.len(), wanted.len());
        let ids: BTreeSet<FindingId> = found.iter().map(|finding| finding.finding_id).collect();
        prop_assert_eq!(ids.len(), found.len());
    }

    #[test]
    fn a_stream_says_what_all_at_once_says(
        events in events(),
        cuts in cuts(),
        behind in prop::collection::vec(any::<bool>(), 1..4),
    ) {
        let mut live = LiveCorrelator::new(RULES.clone(), limits());
        let mut store = Store::default();
        let mut so_far = Vec::new();
        for portion in portions(&events, &cuts, &behind) {
            live.feed(&RULES, hits(&RULES, &portion.matches));
            store.apply(live.advance(portion.watermark), false);
            so_far.extend(portion.matches);
            let wanted = Store::prompt(RULES.correlate(hits(&RULES, &so_far)));
            prop_assert_eq!(Store::prompt(store.all()), wanted);
        }
        store.apply(live.advance(Micros(i64::MAX)), false);
        prop_assert_eq!(store.all(), RULES.correlate(hits(&RULES, &all_matches(&events, 0.1))));
        prop_assert_eq!(store.settled.len(), store.standing.len());
        prop_assert_eq!(live.kept(), 0);
        prop_assert_eq!(live.left_out().count(), 0);
    }

    #[test]
    fn a_restart_changes_nothing(
        events in events(),
        cuts in cuts(),
        stops in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let portions = portions(&events, &cuts, &[true, false]);
        let stops: BTreeSet<usize> = stops.iter().map(|stop| stop.index(portions.len())).collect();
        let mut through = LiveCorrelator::new(RULES.clone(), limits());
        let mut stopped = LiveCorrelator::new(RULES.clone(), limits());
        for (turn, portion) in portions.iter().enumerate() {
            through.feed(&RULES, hits(&RULES, &portion.matches));
            stopped.feed(&RULES, hits(&RULES, &portion.matches));
            if stops.contains(&turn) {
                let bytes = stopped.snapshot();
                stopped = LiveCorrelator::restore(RULES.clone(), limits(), &bytes).unwrap();
                prop_assert_eq!(&stopped.snapshot(), &bytes);
            }
            prop_assert_eq!(stopped.advance(portion.watermark), through.advance(portion.watermark));
        }
        prop_assert_eq!(stopped.advance(Micros(i64::MAX)), through.advance(Micros(i64::MAX)));
    }

    #[test]
    fn a_crash_changes_nothing(
        events in events(),
        cuts in cuts(),
        other_cuts in cuts(),
        stop in any::<prop::sample::Index>(),
        crash in any::<prop::sample::Index>(),
    ) {
        let before = portions(&events, &cuts, &[false]);
        let stop = stop.index(before.len());
        let crash = stop + crash.index(before.len() - stop);
        let mut live = LiveCorrelator::new(RULES.clone(), limits());
        let mut store = Store::default();
        for portion in &before[..stop] {
            live.feed(&RULES, hits(&RULES, &portion.matches));
            store.apply(live.advance(portion.watermark), false);
        }
        let bytes = live.snapshot();
        for portion in &before[stop..crash] {
            live.feed(&RULES, hits(&RULES, &portion.matches));
            store.apply(live.advance(portion.watermark), false);
        }
        // What the log holds beyond the snapshot is read again, in one go; then the stream goes on,
        // cut otherwise.
        let mut live = LiveCorrelator::restore(RULES.clone(), limits(), &bytes).unwrap();
        for portion in &before[stop..crash] {
            live.feed(&RULES, hits(&RULES, &portion.matches));
        }
        let open = store.standing.values().filter(|f| !store.settled.contains(&f.finding_id));
        live.recall(open);
        if let Some(last) = before[..crash].last() {
            store.apply(live.advance(last.watermark), true);
        }
        let known: BTreeSet<EventUid> =
            before[..crash].iter().flat_map(|p| p.matches.iter().map(|m| m.event_uid)).collect();
        for portion in portions(&events, &other_cuts, &[false]) {
            let new: Vec<Match> =
                portion.matches.into_iter().filter(|m| !known.contains(&m.event_uid)).collect();
            if new.is_empty() {
                continue;
            }
            live.feed(&RULES, hits(&RULES, &new));
            store.apply(live.advance(portion.watermark), true);
        }
        store.apply(live.advance(Micros(i64::MAX)), true);
        prop_assert_eq!(store.all(), RULES.correlate(hits(&RULES, &all_matches(&events, 0.1))));
    }

    #[test]
    fn other_rules_leave_the_rest_alone(
        events in events(),
        cuts in cuts(),
        change in any::<prop::sample::Index>(),
    ) {
        let portions = portions(&events, &cuts, &[false]);
        let change = change.index(portions.len());
        let mut live = LiveCorrelator::new(RULES.clone(), limits());
        let mut store = Store::default();
        for (turn, portion) in portions.iter().enumerate() {
            if turn == change {
                live.reload(FEWER.clone()).unwrap();
            }
            // Hits of the old set still come.
            live.feed(&RULES, hits(&RULES, &portion.matches));
            store.apply(live.advance(portion.watermark), false);
        }
        store.apply(live.advance(Micros(i64::MAX)), false);
        prop_assert_eq!(store.settled.len(), store.standing.len(), "orphans are settled too");
        let wanted = FEWER.correlate(hits(&FEWER, &all_matches(&events, 0.1)));
        let ids: BTreeSet<&str> = FEWER.list().iter().map(|info| &*info.id).collect();
        let found: Vec<Finding> =
            store.all().into_iter().filter(|finding| ids.contains(&*finding.rule_id)).collect();
        prop_assert_eq!(found, wanted);
    }
}
