//! What the rules in force cost, and which of them are shut off because they cost too much.
//!
//! Detectors count for themselves, in steps of about a nanosecond and without a clock; the line brings
//! their counts here some times a second. A rule that burdens the line for a minute is shut off, which
//! a person is told by an alert and undoes by lifting it. Until then the rest of the rules goes on at
//! full speed, also after a restart: the ledger keeps what is shut off. What a single event may cost is
//! bounded in `detect`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use detect::{Detector, RuleCost, RuleCosts, RuleInfo, Rules};
use model::Micros;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::off::{RuleOff, word_on};

/// How often the line brings counts.
const OFTEN: Micros = Micros(200_000);
/// Over how long a rule is judged.
const WINDOW: Micros = Micros::from_seconds(60);
/// A rule that was given up on so many events of a window …
const GIVEN_UP: u64 = 5;
/// … and took so many steps for them (a twentieth of one core) is shut off.
const VAIN_STEPS: u64 = 3_000_000_000;
/// So is one that was never given up and takes a third of one core …
const SLOW_STEPS: u64 = 20_000_000_000;
/// … when that is so much for each event that the line cannot be fast.
const SLOW_EACH: u64 = 100_000;

/// A rule in force, with what it does.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleInForce {
    /// The rule.
    #[serde(flatten)]
    pub info: RuleInfo,
    /// What it cost since the floor was opened, or the rule was changed.
    pub cost: Cost,
    /// Since when and why it is shut off, when it is.
    pub shut_off: Option<ShutOff>,
    /// Who switched it off, when and why, when somebody did.
    pub off: Option<RuleOff>,
    /// True when it was saved on this floor.
    pub saved_here: bool,
}

/// What a rule cost since the floor was opened, or the rule was changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Cost {
    /// Events on which it was evaluated.
    pub evaluated: u64,
    /// Events that it matched.
    pub matched: u64,
    /// Events on which it was given up, because it would have taken too long. It may have matched them.
    pub given_up: u64,
    /// Its part of the work of all rules, 0 to 1.
    pub share: f64,
}

/// A rule that the floor shut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShutOff {
    /// The rule.
    pub rule_id: Arc<str>,
    /// Its version: another one is tried again.
    pub version: Arc<str>,
    /// Its title.
    pub title: Arc<str>,
    /// Since when.
    pub since: Micros,
    /// Why, in a sentence.
    pub why: String,
}

/// The costs of the rules in force.
#[derive(Debug, Default)]
pub(crate) struct Costs(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The rules that the counts are of.
    rules: Arc<Rules>,
    total: RuleCosts,
    /// What was counted of the same rules before they were loaded anew, by id and version.
    before: HashMap<(Arc<str>, Arc<str>), RuleCost>,
    window: RuleCosts,
    window_began: Micros,
    /// Events of the window.
    events: u64,
    /// When counts were last brought.
    brought: Micros,
    /// By rule id.
    shut_off: BTreeMap<Arc<str>, ShutOff>,
    /// Those of which no alert tells yet.
    untold: Vec<ShutOff>,
    /// Whether the ledger knows others than those that are shut off.
    unsaved: bool,
}

impl Costs {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what an earlier process had shut off, before the rules come into force.
    pub(crate) fn recall(&self, shut_off: Vec<ShutOff>) {
        let known = shut_off.into_iter().map(|shut| (Arc::clone(&shut.rule_id), shut));
        self.state().shut_off.extend(known);
    }

    /// Other rules come into force. What is shut off stays so while it is the same.
    pub(crate) fn renew(&self, rules: &Arc<Rules>) {
        let mut state = self.state();
        let before = state.shut_off.len();
        let versions: HashMap<_, _> = rules.list().iter().map(|r| (&r.id, &r.version)).collect();
        state.shut_off.retain(|id, shut| versions.get(id).is_some_and(|v| **v == shut.version));
        for id in state.shut_off.keys() {
            rules.fence(id, true);
        }
        let changed = state.shut_off.len() != before;
        let mut before = state.sums();
        before.retain(|(id, version), _| versions.get(id).is_some_and(|v| *v == version));
        let State { window_began, brought, shut_off, untold, unsaved, .. } =
            std::mem::take(&mut *state);
        let (rules, unsaved) = (Arc::clone(rules), unsaved || changed);
        *state = State {
            rules,
            before,
            window_began,
            brought,
            shut_off,
            untold,
            unsaved,
            ..State::default()
        };
    }

    /// Takes what detectors of the rules in force counted, now and then, and shuts off what burdens the
    /// line. `events` were read since the last call; `now` is of a clock that is not set.
    pub(crate) fn count(&self, detectors: &mut [Detector], events: u64, now: Micros) {
        let mut state = self.state();
        let state = &mut *state;
        state.events += events;
        if now.0.saturating_sub(state.brought.0) < OFTEN.0 {
            return;
        }
        state.brought = now;
        if now.0.saturating_sub(state.window_began.0) >= WINDOW.0 {
            state.window = RuleCosts::default();
            state.window_began = now;
            state.events = events;
        }
        let mut new = RuleCosts::default();
        for detector in detectors {
            detector.take_costs(&mut new);
        }
        state.window.take(&mut new.clone());
        state.total.take(&mut new);
        let rules = Arc::clone(&state.rules);
        for (info, cost) in state.window.list(&rules) {
            let Some(why) = burden(cost, state.events) else { continue };
            if state.shut_off.contains_key(&info.id) {
                continue;
            }
            tracing::error!(rule = &*info.id, title = &*info.title, why, "a rule is shut off");
            rules.fence(&info.id, true);
            let shut = ShutOff {
                rule_id: Arc::clone(&info.id),
                version: Arc::clone(&info.version),
                title: Arc::clone(&info.title),
                since: crate::now(),
                why,
            };
            state.unsaved = true;
            state.untold.push(shut.clone());
            state.shut_off.insert(Arc::clone(&info.id), shut);
        }
    }

    /// The rules that are shut off.
    pub(crate) fn shut_off(&self) -> Vec<ShutOff> {
        self.state().shut_off.values().cloned().collect()
    }

    /// Lets a rule run again; it is judged anew. False when it was not shut off.
    pub(crate) fn lift(&self, id: &str) -> bool {
        let mut state = self.state();
        let known = state.shut_off.remove(id).is_some();
        if known {
            state.rules.fence(id, false);
            state.window = RuleCosts::default();
            state.events = 0;
            state.unsaved = true;
        }
        known
    }

    /// What is shut off, when the ledger does not know it yet.
    pub(crate) fn take_unsaved(&self) -> Option<Vec<ShutOff>> {
        let mut state = self.state();
        std::mem::take(&mut state.unsaved).then(|| state.shut_off.values().cloned().collect())
    }

    /// The ledger did not take it.
    pub(crate) fn not_saved(&self) {
        self.state().unsaved = true;
    }

    /// Takes those of which no alert tells yet.
    pub(crate) fn take_untold(&self) -> Vec<ShutOff> {
        std::mem::take(&mut self.state().untold)
    }

    /// Puts back those of which no alert could be made.
    pub(crate) fn put_back(&self, mut untold: Vec<ShutOff>) {
        self.state().untold.append(&mut untold);
    }

    /// Rules with what they cost, and those of them that were switched off. Those that only come into force
    /// cost nothing yet.
    pub(crate) fn tell(&self, rules: &Rules, off: &[RuleOff]) -> Vec<RuleInForce> {
        let state = self.state();
        let costs = state.sums();
        let all: u64 = costs.values().map(|cost| cost.steps).sum();
        let of = |info: &RuleInfo| costs.get(&(Arc::clone(&info.id), Arc::clone(&info.version)));
        let told = rules.list().iter().map(|info| RuleInForce {
            cost: of(info).map(|c| cost(*c, all)).unwrap_or_default(),
            off: word_on(off, &info.id).cloned(),
            shut_off: state.shut_off.get(&info.id).filter(|s| s.version == info.version).cloned(),
            info: info.clone(),
            saved_here: false,
        });
        told.collect()
    }
}

impl State {
    /// All that was counted of the rules in force, by id and version.
    fn sums(&self) -> HashMap<(Arc<str>, Arc<str>), RuleCost> {
        let mut sums = self.before.clone();
        for (info, cost) in self.total.list(&self.rules) {
            let key = (Arc::clone(&info.id), Arc::clone(&info.version));
            let sum = sums.entry(key).or_default();
            sum.evaluated += cost.evaluated;
            sum.matched += cost.matched;
            sum.skipped += cost.skipped;
            sum.steps += cost.steps;
        }
        sums
    }
}

fn cost(cost: RuleCost, all: u64) -> Cost {
    Cost {
        evaluated: cost.evaluated,
        matched: cost.matched,
        given_up: cost.skipped,
        share: cost.steps as f64 / all.max(1) as f64,
    }
}

/// Why a rule that cost so much in one window, of so many events, must be shut off.
fn burden(cost: RuleCost, events: u64) -> Option<String> {
    let seconds = cost.steps as f64 / 1e9;
    if cost.skipped >= GIVEN_UP && cost.steps >= VAIN_STEPS {
        return Some(format!(
            "within a minute it took {seconds:.1} seconds and had to be given up on {} events",
            cost.skipped
        ));
    }
    let each = cost.steps / events.max(1);
    (cost.steps >= SLOW_STEPS && each >= SLOW_EACH).then(|| {
        format!(
            "within a minute it took {seconds:.0} seconds, {} microseconds for each event",
            each / 1_000
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(steps: u64, skipped: u64) -> RuleCost {
        RuleCost { evaluated: 1_000, matched: 0, skipped, steps }
    }

    #[test]
    fn only_what_burdens_the_line_is_shut_off() {
        // Much work for very many events is what rules are for.
        assert_eq!(burden(steps(50_000_000_000, 0), 10_000_000), None);
        // A few big events are bounded by themselves: they must not blind a rule for all others.
        assert_eq!(burden(steps(500_000_000, 5), 1_000), None);
        assert_eq!(burden(steps(0, 100_000), 100_000), None);
        assert!(
            burden(steps(4_000_000_000, 40), 1_000).is_some_and(|why| why.contains("40 events"))
        );
        let why = burden(steps(30_000_000_000, 0), 100_000);
        assert!(why.is_some_and(|why| why.contains("30 seconds, 300 microseconds")));
    }
}
