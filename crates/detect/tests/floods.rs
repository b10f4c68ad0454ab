//! Correlations over a stream under a flood: memory stays bounded, what is left out is said, and a
//! flood in one place hides nothing in another.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use detect::{LeftOut, Limits, LiveCorrelator, RuleText, Rules};
use model::{EventUid, Hasher, Match, Micros};

const BASE: &str = "
title: r
id: r
logsource: {product: p}
detection: {a: {e: r}, condition: a}
---
";

fn load(correlations: &[(&str, &str, u32, &str)]) -> Arc<Rules> {
    let correlations = correlations.iter().map(|(id, kind, span, rest)| {
        format!(
            "title: {id}\nid: {id}\ncorrelation: {{type: {kind}, rules: [r], group-by: [u], timespan: {span}s, {rest}}}\n---\n"
        )
    });
    let text = BASE.to_owned() + &correlations.collect::<String>();
    let (rules, problems) = Rules::load(vec![RuleText { path: String::new(), text }]);
    assert!(problems.is_empty(), "{}", problems[0]);
    Arc::new(rules)
}

struct Stream {
    rules: Arc<Rules>,
    live: LiveCorrelator,
    number: u64,
}

impl Stream {
    fn new(rules: &Arc<Rules>, limits: Limits) -> Self {
        Self { rules: rules.clone(), live: LiveCorrelator::new(rules.clone(), limits), number: 0 }
    }

    fn hit(&mut self, seconds: f64, user: &str) {
        self.number += 1;
        let hit = Match {
            rule_id: "r".into(),
            rule_version: self.rules.list().iter().find(|i| &*i.id == "r").unwrap().version.clone(),
            time: Micros((seconds * 1e6) as i64),
            event_uid: EventUid::from(Hasher::new("t").number(self.number)),
            fields: vec![("u".into(), Some(user.into()))],
            entities: [].into(),
            source: "s".into(),
            labels: [].into(),
        };
        let (hits, _) = self.rules.recalled(vec![hit]);
        self.live.feed(&self.rules, hits);
    }

    fn left_out(&self) -> LeftOut {
        self.live.left_out().map(|(_, left_out)| left_out).next().unwrap_or_default()
    }
}

fn limits() -> Limits {
    Limits { group: 100, rule: 1_000, total: 2_000, ..Limits::default() }
}

#[test]
fn a_burst_without_end_is_one_finding_in_bounded_memory() {
    let rules = load(&[("c", "event_count", 60, "condition: {gte: 5}")]);
    let mut stream = Stream::new(&rules, limits());
    let (mut ids, mut count) = (std::collections::BTreeSet::new(), 0);
    for second in 0..2_000 {
        stream.hit(f64::from(second), "a");
        let changes = stream.live.advance(Micros::from_seconds(second.into()));
        assert!(changes.superseded.is_empty() && changes.settled.is_empty());
        for finding in changes.new.iter().chain(&changes.changed) {
            ids.insert(finding.finding_id);
            count = finding.window.as_ref().unwrap().count;
            assert!(finding.event_uids.len() <= 1_000);
        }
        // A minute of hits and the allowed lateness, but no more than a group may have.
        assert!(stream.live.kept() < 700, "{}", stream.live.kept());
    }
    assert_eq!((ids.len(), count), (1, 2_000), "what is let go is still counted");
    assert!(stream.left_out().shed > 0, "and said to be let go");
}

#[test]
fn a_flood_of_one_group_hides_no_other() {
    let rules = load(&[("c", "event_count", 3_600, "condition: {gte: 5}")]);
    let mut stream = Stream::new(&rules, limits());
    let mut found = Vec::new();
    for second in 0..3_000 {
        for _ in 0..20 {
            stream.hit(f64::from(second), "loud");
        }
        if second % 600 == 0 {
            stream.hit(f64::from(second), "quiet");
        }
        let changes = stream.live.advance(Micros::from_seconds(second.into()));
        found.extend(changes.new.into_iter().map(|f| f.window.unwrap().group[0].1.to_string()));
    }
    assert_eq!(found, ["loud", "quiet"]);
    assert!(stream.left_out().shed > 50_000);
}

#[test]
fn a_flood_of_groups_shortens_memory_and_says_so() {
    let rules = load(&[
        ("c", "event_count", 3_600, "condition: {gte: 2}"),
        ("few", "event_count", 3_600, "condition: {lte: 3}"),
    ]);
    let mut stream = Stream::new(&rules, limits());
    for number in 0..20_000 {
        stream.hit(f64::from(number) / 10.0, &format!("u{number}"));
        if number % 50 == 0 {
            let changes = stream.live.advance(Micros::from_seconds(i64::from(number) / 10));
            assert!(changes.is_empty(), "what was let go in part is not called few: {changes:?}");
            assert!(stream.live.kept() <= 2_100, "{}", stream.live.kept());
        }
    }
    let mut left_out: Vec<(&str, u64)> =
        stream.live.left_out().map(|(info, left_out)| (&*info.id, left_out.shed)).collect();
    left_out.sort_unstable();
    assert!(left_out.len() == 2 && left_out.iter().all(|(_, shed)| *shed > 15_000), "{left_out:?}");
    // What lies within what is kept still counts.
    stream.hit(1_999.0, "twice");
    stream.hit(2_000.0, "twice");
    assert_eq!(stream.live.advance(Micros::from_seconds(2_000)).new.len(), 1);
}

#[test]
fn what_is_too_late_or_not_believed_is_counted() {
    let rules = load(&[("c", "event_count", 60, "condition: {gte: 2}")]);
    let mut stream = Stream::new(&rules, Limits::default());
    stream.hit(10_000.0, "a");
    stream.live.advance(Micros::from_seconds(10_000));
    stream.hit(9_700.0, "late but not too late");
    stream.hit(9_700.0, "late but not too late");
    stream.hit(9_699.9, "too late");
    stream.hit(10_000.0 + 86_400.0, "within a day");
    stream.hit(10_000.0 + 86_401.0, "a clock gone wrong");
    let changes = stream.live.advance(Micros::from_seconds(10_000));
    assert_eq!(changes.new.len(), 1);
    assert_eq!(stream.left_out(), LeftOut { late: 1, ahead: 1, shed: 0 });
    // A restart does not forget what was left out.
    let bytes = stream.live.snapshot();
    let again = LiveCorrelator::restore(rules, Limits::default(), &bytes).unwrap();
    assert_eq!(again.left_out().map(|(_, l)| l).next(), Some(stream.left_out()));
}

#[test]
fn clocks_gone_wrong_give_way_to_what_happens_now() {
    let rules = load(&[("c", "event_count", 60, "condition: {gte: 3}")]);
    let mut stream = Stream::new(&rules, limits());
    for number in 0..3_000 {
        stream.hit(80_000.0, &format!("future {number}"));
    }
    for second in 0..3 {
        stream.hit(f64::from(second), "now");
    }
    let changes = stream.live.advance(Micros::from_seconds(2));
    let again = stream.live.advance(Micros::from_seconds(2));
    let new: Vec<_> = changes.new.iter().chain(&again.new).collect();
    assert_eq!(new.len(), 1);
    stream.hit(3.0, "now");
    let on = stream.live.advance(Micros::from_seconds(3));
    assert_eq!((on.changed.len(), on.superseded.len()), (1, 0));
    let (kept, shed) = (stream.live.kept(), stream.left_out().shed);
    assert!(kept < 1_100 && shed > 1_900, "{kept} kept, {shed} let go");
}

#[test]
fn thresholds_above_the_limits_are_still_reached() {
    let rules = load(&[
        ("many", "event_count", 3_600, "condition: {gte: 900}"),
        ("tumbling", "event_count", 3_600, "window: tumbling, condition: {gte: 900}"),
    ]);
    let mut stream = Stream::new(&rules, Limits { total: 20_000, ..limits() });
    let mut new = Vec::new();
    for number in 0..5_000 {
        stream.hit(f64::from(number) / 2.0, "a");
        let changes = stream.live.advance(Micros::from_seconds(i64::from(number) / 2));
        assert!(changes.superseded.is_empty(), "{changes:?}");
        new.extend(changes.new.into_iter().map(|f| f.rule_id));
    }
    new.sort_unstable();
    assert_eq!(new.iter().map(|id| &**id).collect::<Vec<_>>(), ["many", "tumbling"]);
}

#[test]
fn what_idles_is_let_go() {
    let rules = load(&[
        ("c", "event_count", 60, "condition: {gte: 2}"),
        ("s", "event_count", 600, "window: session, gap: 10s, condition: {lte: 5}"),
    ]);
    let mut stream = Stream::new(&rules, Limits::default());
    for number in 0..500 {
        stream.hit(f64::from(number) / 10.0, &format!("u{}", number / 2));
    }
    let now = stream.live.advance(Micros::from_seconds(50));
    assert_eq!((now.new.len(), now.settled.len()), (250, 0));
    // Sessions are over ten seconds after the last hit, and certain five minutes after that.
    let later = stream.live.advance(Micros::from_seconds(50 + 10 + 301));
    // The first five bursts, too, had their minute then.
    assert_eq!((later.new.len(), later.settled.len()), (250, 250 + 5));
    let last = stream.live.advance(Micros::from_seconds(50 + 60 + 301));
    assert_eq!((last.new.len(), last.settled.len()), (0, 250 - 5));
    assert_eq!((stream.live.kept(), stream.left_out()), (0, LeftOut::default()));
}
