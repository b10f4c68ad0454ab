//! One rule on one entity: its findings in time, and the alerts that they make.
//!
//! The order of recent findings is kept, for a late one may open an alert before others, bridge two,
//! or be taken back. Once nothing that comes in time can lie before a finding it is *settled*: folded
//! into its alert, of which only minima, maxima, counts and capped sets remain.

use std::collections::VecDeque;
use std::sync::Arc;

use model::{Entity, Finding, FindingId, FindingKind, Level, Micros, Tactic, Technique};

use super::bounds::{Bounds, after};
use crate::alerts::{Draft, Key, Known, Run, Seen, start};
use crate::policy::Policy;

/// What is kept of a finding while its order is.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: FindingId,
    pub(super) time: Micros,
    start: Micros,
    correlation: bool,
    /// Whether it may yet be changed.
    pub(super) changes: bool,
    /// Whether it counts: see [`Seen::counts`].
    pub(super) counts: bool,
    level: Level,
    text: Arc<Text>,
    entities: Box<[Entity]>,
}

/// What the findings of a rule mostly have in common.
#[derive(Debug, PartialEq)]
struct Text {
    title: Arc<str>,
    description: Arc<str>,
    source: Arc<str>,
    tactics: Vec<Tactic>,
    techniques: Vec<Technique>,
}

impl Entry {
    /// Of a finding whose entities are named once each.
    pub(super) fn of(finding: Finding, counts: bool) -> Self {
        let correlation = finding.kind == FindingKind::Correlation;
        Self {
            id: finding.finding_id,
            time: finding.time,
            start: start(&finding),
            correlation,
            changes: correlation,
            counts,
            level: finding.level,
            text: Arc::new(Text {
                title: finding.rule_title,
                description: finding.description,
                source: finding.source,
                tactics: finding.tactics,
                techniques: finding.techniques,
            }),
            entities: finding.entities.into(),
        }
    }

    pub(super) fn seen(&self) -> Seen<'_> {
        Seen {
            id: self.id,
            time: self.time,
            start: self.start,
            correlation: self.correlation,
            counts: self.counts,
            level: self.level,
            title: &self.text.title,
            description: &self.text.description,
            source: &self.text.source,
            tactics: &self.text.tactics,
            techniques: &self.text.techniques,
            entities: &self.entities,
        }
    }

    /// Whether it says the same as another of the same id.
    pub(super) fn says(&self, other: &Self) -> bool {
        let of = |one: &Self| (one.time, one.start, one.correlation, one.level);
        of(self) == of(other) && self.text == other.text && self.entities == other.entities
    }

    fn place(&self) -> (Micros, FindingId) {
        (self.time, self.id)
    }

    /// When its place need not be kept any more.
    fn due(&self, bounds: &Bounds) -> Micros {
        after(self.time, bounds.wait(self.changes))
    }
}

/// A line of findings.
pub(super) struct Line {
    pub(super) key: Key,
    /// Its alerts by slot, in time order.
    pub(super) alerts: Vec<u32>,
    /// How many of them are settled whole. The next one holds what is settled of a run that may go
    /// on; those after it hold none but entries.
    pub(super) fixed: usize,
    /// Findings whose order is kept.
    entries: VecDeque<Entry>,
    /// The run as far as it is settled.
    tail: Option<Run>,
    /// What is settled of the alert at `fixed`, while there are entries; else that alert is it.
    pub(super) base: Option<Draft>,
    /// The run after all entries, unless `dirty`.
    end: Option<Run>,
    /// Findings up to here are those of alerts that were closed while they went on.
    pub(super) cut: Option<Micros>,
    /// Whether the alerts do not follow from the entries any more.
    pub(super) dirty: bool,
    /// The last finding's words, which the next one shares.
    text: Option<Arc<Text>>,
}

/// What became of a finding that was put in a line.
pub(super) enum Put {
    /// The alert of this slot takes it, and nothing else changes.
    Takes(u32),
    /// The line's alerts have to be worked out anew.
    Shifts,
}

impl Line {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            alerts: Vec::new(),
            fixed: 0,
            entries: VecDeque::new(),
            tail: None,
            base: None,
            end: None,
            cut: None,
            dirty: false,
            text: None,
        }
    }

    /// Shares the words of the finding before.
    pub(super) fn share(&mut self, entry: &mut Entry) {
        match &self.text {
            Some(text) if *text == entry.text => entry.text = text.clone(),
            _ => self.text = Some(entry.text.clone()),
        }
    }

    /// Whether a finding of that time comes before what is settled.
    pub(super) fn is_late(&self, time: Micros) -> bool {
        self.tail.is_some_and(|run| time < run.last())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing hangs on it any more.
    pub(super) fn is_idle(&self) -> bool {
        self.alerts.is_empty() && self.entries.is_empty() && self.cut.is_none()
    }

    /// When its first entry need not be kept any more.
    pub(super) fn due(&self, bounds: &Bounds) -> Option<Micros> {
        self.entries.front().map(|entry| entry.due(bounds))
    }

    fn find(&self, id: FindingId, time: Micros) -> Result<usize, usize> {
        let at = self.entries.partition_point(|entry| entry.place() < (time, id));
        match self.entries.get(at) {
            Some(entry) if entry.place() == (time, id) => Ok(at),
            _ => Err(at),
        }
    }

    pub(super) fn entry(&mut self, id: FindingId, time: Micros) -> Option<&mut Entry> {
        let at = self.find(id, time).ok()?;
        self.entries.get_mut(at)
    }

    /// Puts an entry in its place. `draft` gives the draft of a slot.
    pub(super) fn put<'d>(
        &mut self,
        entry: Entry,
        draft: impl Fn(u32) -> Option<&'d Draft>,
        policy: &Policy,
    ) -> Put {
        if self.entries.is_empty() && self.tail.is_some() {
            self.base = self.alerts.get(self.fixed).and_then(|slot| draft(*slot)).cloned();
        }
        let (time, id) = entry.place();
        let (Ok(at) | Err(at)) = self.find(id, time);
        self.entries.insert(at, entry);
        if self.dirty {
            return Put::Shifts;
        }
        let open = self.alerts.get(self.fixed..).unwrap_or_default();
        // Whatever lies within an alert moves none of its ends.
        let within = |slot: &&u32| {
            draft(**slot).is_some_and(|d| d.starts_before(time, id) && time <= d.last_time)
        };
        let mut taker = open.iter().rev().find(within);
        if taker.is_none()
            && let Some(end) = self.end.filter(|end| time >= end.last())
        {
            let mut run = end;
            if run.takes(time, policy) {
                taker = open.last();
                self.end = Some(run);
            }
        }
        match taker {
            Some(slot) => Put::Takes(*slot),
            None => {
                self.dirty = true;
                Put::Shifts
            }
        }
    }

    /// Takes an entry out.
    pub(super) fn take(&mut self, id: FindingId, time: Micros) -> Option<Entry> {
        let at = self.find(id, time).ok()?;
        self.dirty = true;
        self.entries.remove(at)
    }

    /// Works out anew the alerts from `fixed` on, in time order; nothing when they stand.
    pub(super) fn work_out(&mut self, known: &mut Known, policy: &Policy) -> Option<Vec<Draft>> {
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        let mut run = self.tail;
        let mut open = if self.entries.is_empty() { self.base.take() } else { self.base.clone() };
        let mut drafts = Vec::new();
        for entry in &self.entries {
            let goes_on = match &mut run {
                Some(run) => run.takes(entry.time, policy),
                None => {
                    run = Some(Run::begin(entry.time));
                    false
                }
            };
            match &mut open {
                Some(draft) if goes_on => draft.add(&entry.seen(), known, policy),
                _ => {
                    drafts.extend(open.take());
                    open = Some(Draft::open(&self.key, &entry.seen(), known, policy));
                }
            }
        }
        drafts.extend(open);
        drafts.iter_mut().for_each(Draft::seal);
        self.end = run;
        Some(drafts)
    }

    /// Settles entries from the first on, as long as `done` says so; their ids. Not for a dirty line.
    pub(super) fn settle(
        &mut self,
        mut done: impl FnMut(&Entry) -> bool,
        known: &mut Known,
        policy: &Policy,
    ) -> Vec<FindingId> {
        let count = self.entries.iter().take_while(|entry| done(entry)).count();
        // Where nothing is left to be put together again, only the run has to be followed.
        let all = count == self.entries.len();
        let settled: Vec<Entry> = self.entries.drain(..count).collect();
        for entry in &settled {
            let goes_on = match &mut self.tail {
                Some(run) => {
                    let same = run.takes(entry.time, policy);
                    self.fixed += usize::from(!same);
                    same
                }
                None => {
                    self.tail = Some(Run::begin(entry.time));
                    false
                }
            };
            match &mut self.base {
                _ if all => {}
                Some(base) if goes_on => base.add(&entry.seen(), known, policy),
                base => {
                    *base = Some(Draft::open(&self.key, &entry.seen(), known, policy));
                }
            }
        }
        if all {
            self.base = None;
        }
        settled.into_iter().map(|entry| entry.id).collect()
    }

    /// Settles what is due.
    pub(super) fn settle_due(
        &mut self,
        now: Micros,
        bounds: &Bounds,
        known: &mut Known,
        policy: &Policy,
    ) -> Vec<FindingId> {
        self.settle(|entry| entry.due(bounds) < now, known, policy)
    }

    /// Lets go of an alert that is closed; `cut` is given when it was so while it went on. The ids of
    /// the entries that go with it.
    pub(super) fn close(&mut self, slot: u32, cut: Option<Micros>) -> Vec<FindingId> {
        if let Some(at) = self.alerts.iter().position(|other| *other == slot) {
            self.alerts.remove(at);
            if at < self.fixed {
                self.fixed -= 1;
            } else if at == self.fixed && self.tail.is_some() {
                self.tail = None;
                self.base = None;
                self.end = None;
                // What is left is worked out from its own beginning.
                self.dirty = !self.entries.is_empty();
            }
        }
        let Some(cut) = cut else { return Vec::new() };
        self.cut = self.cut.max(Some(cut));
        let count = self.entries.iter().take_while(|entry| entry.time <= cut).count();
        self.dirty |= count > 0;
        self.entries.drain(..count).map(|entry| entry.id).collect()
    }
}
