//! Measures correlations over a stream: what a second of it costs of one core, what is kept, and
//! what a snapshot takes.
//!
//! `cargo run --release -p detect --example stream [-- MINUTES [HITS_A_SECOND]]`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use detect::{Limits, LiveCorrelator, RuleText, Rules};
use model::{Entity, EntityKind, EventUid, Hasher, Match, Micros};

const RULES: &str = "
title: failed
id: failed
logsource: {product: p}
detection: {a: {e: failed}, condition: a}
---
title: accepted
id: accepted
logsource: {product: p}
detection: {a: {e: accepted}, condition: a}
---
title: guessing
id: guessing
correlation: {type: event_count, rules: [failed], group-by: [user, source], timespan: 5m, condition: {gte: 10}}
---
title: spraying
id: spraying
correlation: {type: value_count, rules: [failed], group-by: [source], timespan: 10m, condition: {gte: 20, field: user}}
---
title: guessed
id: guessed
correlation: {type: temporal_ordered, rules: [guessing, accepted], group-by: [user], timespan: 15m}
---
title: busy
id: busy
correlation: {type: event_count, rules: [failed, accepted], group-by: [source], timespan: 1m, window: tumbling, condition: {gte: 500}}
---
title: quiet
id: quiet
correlation: {type: event_count, rules: [accepted], group-by: [user], timespan: 5m, window: session, gap: 1m, condition: {eq: 1}}
";

/// Asked so often in a second of the stream.
const ASKED: i64 = 4;

fn main() {
    let argument = |at: usize| std::env::args().nth(at).and_then(|text| text.parse().ok());
    let (minutes, rate) = (argument(1).unwrap_or(20), argument(2).unwrap_or(3_000));
    let (rules, problems) =
        Rules::load(vec![RuleText { path: String::new(), text: RULES.to_owned() }]);
    assert!(problems.is_empty(), "{problems:?}");
    let rules = Arc::new(rules);
    println!("{minutes} minutes of {rate} hits a second, asked {ASKED} times a second");
    // Users and sources: many of either; one of each; a new one each time.
    for (what, users, sources) in
        [("usual", 20_000, 5_000), ("one group", 1, 1), ("all different", u64::MAX, u64::MAX)]
    {
        run(what, &rules, minutes, rate, users, sources);
    }
}

fn run(what: &str, rules: &Arc<Rules>, minutes: i64, rate: i64, users: u64, sources: u64) {
    let mut live = LiveCorrelator::new(rules.clone(), Limits::default());
    let mut roll = Roll(7);
    let (mut spent, mut worst, mut most) = (Duration::ZERO, Duration::ZERO, 0);
    let (mut new, mut changed, mut gone, mut settled) = (0, 0, 0, 0);
    let mut number = 0;
    let slice = 1_000_000 / ASKED;
    for turn in 0..minutes * 60 * ASKED {
        let now = turn * slice;
        let matches: Vec<Match> = (0..rate / ASKED)
            .map(|_| {
                number += 1;
                one(rules, number, now, slice, users, sources, &mut roll)
            })
            .collect();
        let (hits, _) = rules.recalled(matches);
        let begun = Instant::now();
        live.feed(rules, hits);
        let changes = live.advance(Micros(now + slice));
        let took = begun.elapsed();
        spent += took;
        worst = worst.max(took);
        most = most.max(live.kept());
        new += changes.new.len();
        changed += changes.changed.len();
        gone += changes.superseded.len();
        settled += changes.settled.len();
    }
    let seconds = (minutes * 60) as f64;
    println!(
        "{what}: {:.1} % of a core, {:.2} µs a hit, {:.1} ms the longest time; {most} kept at most; {new} findings, {changed} changes, {gone} superseded, {settled} settled",
        spent.as_secs_f64() / seconds * 100.0,
        spent.as_secs_f64() * 1e6 / number as f64,
        worst.as_secs_f64() * 1e3,
    );
    for (rule, left_out) in live.left_out() {
        println!("  {}: {left_out:?}", rule.id);
    }
    let begun = Instant::now();
    let bytes = live.snapshot();
    let wrote = begun.elapsed();
    let begun = Instant::now();
    let read = LiveCorrelator::restore(rules.clone(), Limits::default(), &bytes).unwrap();
    println!(
        "  snapshot of {} matches: {} bytes ({} each), written in {wrote:.0?}, read in {:.0?}",
        live.kept(),
        bytes.len(),
        bytes.len() / read.kept().max(1),
        begun.elapsed(),
    );
}

fn one(
    rules: &Rules,
    number: u64,
    now: i64,
    slice: i64,
    users: u64,
    sources: u64,
    roll: &mut Roll,
) -> Match {
    let rule = if roll.below(5) == 0 { "accepted" } else { "failed" };
    // Few are many times as busy as most, and one in fifty comes late.
    let mut pick = |of: u64| {
        if of == u64::MAX {
            return number;
        }
        let most = roll.below(of) + 1;
        roll.below(most)
    };
    let (user, source) = (pick(users), pick(sources));
    let late = if roll.below(50) == 0 { roll.below(300_000_000) } else { roll.below(2_000_000) };
    let fields = [("user", user), ("source", source)];
    Match {
        rule_id: rule.into(),
        rule_version: rules.list().iter().find(|info| &*info.id == rule).unwrap().version.clone(),
        time: Micros(now + roll.below(slice as u64) as i64 - late as i64),
        event_uid: EventUid::from(Hasher::new("m").number(number)),
        fields: fields.map(|(name, value)| (name.into(), Some(format!("v{value}").into()))).into(),
        entities: [
            Entity::new(EntityKind::User, &format!("v{user}")),
            Entity::new(EntityKind::Address, &format!("v{source}")),
        ]
        .into(),
        source: "s".into(),
        labels: [].into(),
    }
}

/// A small generator, the same on every machine.
struct Roll(u64);

impl Roll {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % sides.max(1)
    }
}
