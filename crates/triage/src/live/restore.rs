//! Stopping and going on: what a stream's past is, beside its findings.

use std::collections::HashMap;
use std::sync::Arc;

use model::{AlertId, Entity, Finding, IncidentId, Micros};
use serde::{Deserialize, Serialize};

use super::bounds::{Bounds, after, before};
use super::{Gone, Live};
use crate::alerts::founds;
use crate::decisions::Decisions;
use crate::policy::{Policy, micros};
use crate::ties::Judged;

/// Where live triage stood after an [`advance`](Live::advance): all that does not follow from the
/// findings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mark {
    /// The event time to which it had advanced.
    pub now: Micros,
    /// Findings from this time on have to be fed again.
    pub from: Micros,
    /// The alerts that may still change.
    pub alerts: Vec<Kept>,
    /// The incidents that may still change, with their alerts.
    pub incidents: Vec<(IncidentId, Vec<AlertId>)>,
    /// What was found to be common.
    pub common: Vec<Common>,
    /// Where alerts were closed while they went on.
    pub cuts: Vec<Cut>,
}

/// An alert that may still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its id.
    pub id: AlertId,
    /// The event time to which the stream had come when it was first seen …
    pub born: Micros,
    /// … and when it last changed.
    pub touched: Micros,
}

/// An entity that was found to be common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Common {
    /// Which one.
    pub entity: Entity,
    /// Since when.
    pub since: Micros,
    /// When it was last found to be.
    pub last: Micros,
    /// Whether for being there throughout.
    pub steady: bool,
    /// Whether what it tied before is tied still.
    pub held: bool,
}

/// Where a rule's alert on an entity was closed while it went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The rule.
    pub rule_id: Arc<str>,
    /// The entity.
    pub entity: Option<Entity>,
    /// Findings up to here belong to what is closed.
    pub until: Micros,
}

/// Findings that are fed again before those are settled that are due.
const FED: usize = 4_096;

impl Live {
    /// Where it stands. To be kept together with the findings that it has taken, after what
    /// [`advance`](Live::advance) told is kept.
    pub fn mark(&self) -> Mark {
        let first = self.alerts.iter().map(|(_, active)| active.draft.first_time()).min();
        let common = self.book.judged().iter().filter_map(|(key, judged)| {
            let Judged { since, last, steady, held } = *judged;
            Some(Common { entity: self.book.name(*key)?.clone(), since, last, steady, held })
        });
        let cuts = self.lines.iter().filter_map(|(_, line)| {
            let (rule_id, entity) = line.key.clone();
            Some(Cut { rule_id, entity, until: line.cut? })
        });
        let kept = |active: &super::Active| Kept {
            id: active.draft.alert_id,
            born: active.born,
            touched: active.touched,
        };
        Mark {
            now: self.now,
            // A steady run is cut alike by whoever sees the two spans before.
            from: before(
                first.unwrap_or(self.now),
                micros(self.policy.alert_span)
                    .saturating_mul(2)
                    .saturating_add(micros(self.policy.alert_window)),
            ),
            alerts: self.alerts.iter().map(|(_, active)| kept(active)).collect(),
            incidents: self.incidents.iter().map(|(id, alerts)| (*id, alerts.clone())).collect(),
            common: common.collect(),
            cuts: cuts.collect(),
        }
    }

    /// Goes on from a mark. `findings` are those that had been taken when it was made, as they were
    /// then, from [`Mark::from`] on, in time order; what came after is added as usual. The first
    /// [`advance`](Self::advance) then tells every alert and incident that may still change, and
    /// retracts what the mark knows and the findings do not bear out.
    ///
    /// A mark that knows but the time begins a watch over a lake that others filled: what is quiet by
    /// then is theirs, and what the evidence shows to be common is so from the start.
    pub fn restore(
        policy: Policy,
        bounds: Bounds,
        decisions: Decisions,
        mark: &Mark,
        findings: impl IntoIterator<Item = Finding>,
    ) -> Self {
        let mut live = Self::new(policy, bounds);
        live.decisions = decisions;
        for cut in &mark.cuts {
            live.cut_again(cut);
        }
        for (n, finding) in findings.into_iter().enumerate() {
            live.now = live.now.max(finding.time).min(mark.now);
            live.add(finding);
            if n % FED == FED - 1 {
                live.work_out();
                live.settle();
            }
        }
        live.now = mark.now;
        live.work_out();
        live.settle();
        live.left.after_close = 0;
        live.take_up(mark);
        live
    }

    fn cut_again(&mut self, cut: &Cut) {
        let Some(at) = self.line((cut.rule_id.clone(), cut.entity.clone())) else { return };
        if let Some(line) = self.lines.get_mut(at) {
            line.cut = Some(cut.until);
            self.cuts.insert((after(cut.until, self.bounds.quiet(&self.policy)), at));
        }
    }

    /// Takes up what a mark knows of the alerts that the findings gave.
    fn take_up(&mut self, mark: &Mark) {
        let kept: HashMap<AlertId, &Kept> =
            mark.alerts.iter().map(|kept| (kept.id, kept)).collect();
        let slots: Vec<u32> = self.alerts.iter().map(|(slot, _)| slot).collect();
        for slot in &slots {
            let Some(active) = self.alerts.get_mut(*slot) else { continue };
            let late = after(active.draft.last_time, micros(self.bounds.lateness));
            active.touched = late.min(mark.now);
            active.told = kept.contains_key(&active.draft.alert_id);
            // What is not known and was quiet had been closed.
            if !active.told && active.quiet_at(&self.bounds, &self.policy) <= mark.now {
                self.close(*slot, false);
            }
        }
        for one in &mark.alerts {
            if !self.slot_of.contains_key(&one.id) {
                self.gone.push(Gone { id: one.id, founds: founds(one.id), successor: None });
            }
        }
        self.note();
        for slot in &slots {
            if let Some(active) = self.alerts.get_mut(*slot)
                && let Some(kept) = kept.get(&active.draft.alert_id)
            {
                (active.born, active.touched) = (kept.born, kept.touched);
            }
        }
        for one in &mark.common {
            if let Some(key) = self.book.key_like(&one.entity) {
                let Common { since, last, steady, held, .. } = *one;
                self.book.set_judged(key, Some(Judged { since, last, steady, held }));
            }
        }
        if mark.alerts.is_empty() {
            let (since, last) = (mark.now, mark.now);
            for (key, steady) in self.book.judge(&self.policy, Some(mark.now)) {
                self.book.set_judged(key, Some(Judged { since, last, steady, held: false }));
            }
        }
        self.weigh(&[]);
        self.incidents = mark.incidents.iter().cloned().collect();
        self.stale = true;
    }
}
