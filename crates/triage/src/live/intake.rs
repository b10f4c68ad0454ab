//! Findings in: into their lines, and from there into alerts.

use model::{AlertId, Finding, FindingId, Micros};

use super::bounds::{after, before};
use super::line::{Entry, Line, Put};
use super::{Active, Gone, Live};
use crate::alerts::{Draft, Key};
use crate::policy::micros;
use crate::ties::Weighed;

impl Live {
    /// Takes a finding. One that is known by its id is changed to what it says now, so that what comes
    /// twice does no harm while its place is kept.
    pub fn add(&mut self, finding: Finding) {
        self.take_in(finding, true);
    }

    /// Takes what a finding says now that was added before: a correlation that goes on.
    pub fn change(&mut self, finding: Finding) {
        let known = self.places.contains_key(&finding.finding_id);
        self.left.changed_late += u64::from(!known);
        self.take_in(finding, known);
    }

    /// Takes a finding that stands in the place of an older one, which is no more.
    pub fn supersede(&mut self, old: FindingId, finding: Finding) {
        let by = finding.finding_id;
        self.add(finding);
        if old != by {
            self.take_back(old, Some(by));
        }
    }

    /// Takes back a finding that is no more, with the one that stands in its place, if any.
    pub fn take_back(&mut self, old: FindingId, by: Option<FindingId>) {
        if !self.take_out(old, by) {
            self.left.changed_late += 1;
        }
    }

    /// Learns that nothing will change a finding any more.
    pub fn settled(&mut self, id: FindingId) {
        let Some((at, time)) = self.places.get(&id).copied() else { return };
        let Some(line) = self.lines.get_mut(at) else { return };
        let due = line.due(&self.bounds);
        if let Some(entry) = line.entry(id, time) {
            entry.changes = false;
        }
        self.requeue(at, due);
    }

    fn take_in(&mut self, mut finding: Finding, counts: bool) {
        let key = self.known.key(&mut finding, &self.policy);
        let id = finding.finding_id;
        let mut entry = Entry::of(finding, counts);
        if let Some((at, time)) = self.places.get(&id).copied() {
            let line = self.lines.get_mut(at).filter(|line| line.key == key);
            let old = line.and_then(|line| line.entry(id, time));
            if let Some(old) = old {
                entry.counts = old.counts;
                if old.says(&entry) {
                    return;
                }
            }
            self.take_out(id, Some(id));
        }
        let Some(at) = self.line(key) else {
            self.left.refused += 1;
            return;
        };
        let Some(line) = self.lines.get_mut(at) else { return };
        if line.cut.is_some_and(|cut| entry.time <= cut) {
            self.left.after_close += 1;
            return;
        }
        line.share(&mut entry);
        if line.is_late(entry.time) {
            self.left.late += 1;
            self.take_late(at, &entry);
            return;
        }
        self.put(at, entry);
        self.keep_bounds(at);
    }

    /// The line of a key; none when there are too many.
    pub(super) fn line(&mut self, key: Key) -> Option<u32> {
        if let Some(at) = self.line_of.get(&key) {
            return Some(*at);
        }
        if self.lines.len() >= self.bounds.alerts.saturating_mul(2) {
            return None;
        }
        let at = self.lines.insert(Line::new(key.clone()));
        self.line_of.insert(key, at);
        Some(at)
    }

    fn put(&mut self, at: u32, entry: Entry) {
        let Some(line) = self.lines.get_mut(at) else { return };
        let due = line.due(&self.bounds);
        self.places.insert(entry.id, (at, entry.time));
        let was_dirty = line.dirty;
        let (id, time) = (entry.id, entry.time);
        let alerts = &self.alerts;
        let draft = |slot| alerts.get(slot).map(|active: &Active| &active.draft);
        match line.put(entry, draft, &self.policy) {
            Put::Takes(slot) => {
                if let Some(active) = self.alerts.get_mut(slot)
                    && let Some(entry) = line.entry(id, time)
                {
                    active.draft.add(&entry.seen(), &mut self.known, &self.policy);
                    self.touched.push(slot);
                }
            }
            Put::Shifts if !was_dirty => self.dirty.push(at),
            Put::Shifts => {}
        }
        self.requeue(at, due);
    }

    /// Takes out a finding whose place is kept; false when it is not.
    fn take_out(&mut self, id: FindingId, by: Option<FindingId>) -> bool {
        let Some((at, time)) = self.places.remove(&id) else { return false };
        let Some(line) = self.lines.get_mut(at) else { return false };
        let due = line.due(&self.bounds);
        let was_dirty = line.dirty;
        line.take(id, time);
        if !was_dirty {
            self.dirty.push(at);
        }
        if let Some(by) = by
            && let Some(slot) = self.around(at, time)
            && let Some(active) = self.alerts.get(slot)
        {
            self.moves.push((active.draft.alert_id, by));
        }
        self.requeue(at, due);
        true
    }

    /// The alert of a line that an instant lies in.
    pub(super) fn around(&self, at: u32, time: Micros) -> Option<u32> {
        let within = |slot: &&u32| {
            self.alerts.get(**slot).is_some_and(|active| {
                active.draft.first_time() <= time && time <= active.draft.last_time
            })
        };
        self.lines.get(at)?.alerts.iter().find(within).copied()
    }

    /// Takes a finding that comes before what is settled: into the alert that it lies in or next to,
    /// or else into one of its own. No alert is cut otherwise for it, or named after it.
    fn take_late(&mut self, at: u32, entry: &Entry) {
        self.work_out_line(at);
        let Some(line) = self.lines.get_mut(at) else { return };
        let window = micros(self.policy.alert_window);
        let distance = |slot: u32| {
            let draft = &self.alerts.get(slot)?.draft;
            let after = entry.time.0.saturating_sub(draft.last_time.0);
            let before = draft.first_time().0.saturating_sub(entry.time.0);
            Some(after.max(before).max(0) as u64)
        };
        let near = line.alerts.iter().enumerate();
        let near = near.filter_map(|(at, slot)| Some((distance(*slot)?, at, *slot)));
        if let Some((_, place, slot)) = near.filter(|(far, ..)| *far <= window).min() {
            if let Some(active) = self.alerts.get_mut(slot) {
                active.draft.absorb(&entry.seen(), &mut self.known, &self.policy);
                self.touched.push(slot);
            }
            if place == line.fixed
                && let Some(base) = &mut line.base
            {
                base.absorb(&entry.seen(), &mut self.known, &self.policy);
            }
            return;
        }
        let mut draft = Draft::open(&line.key, &entry.seen(), &mut self.known, &self.policy);
        draft.seal();
        let alerts = &self.alerts;
        let place = line.alerts.partition_point(|slot| {
            alerts.get(*slot).is_some_and(|active| active.draft.first_time() <= entry.time)
        });
        let slot = self.open(at, draft);
        if let Some(line) = self.lines.get_mut(at) {
            line.alerts.insert(place, slot);
            line.fixed += 1;
        }
    }

    /// Opens an alert.
    fn open(&mut self, line: u32, draft: Draft) -> u32 {
        let id = draft.alert_id;
        let slot = self.alerts.insert(Active {
            draft,
            line,
            named: Vec::new(),
            weighed: Weighed::default(),
            born: self.now,
            touched: self.now,
            fresh: true,
            shifted: true,
            told: false,
        });
        self.slot_of.insert(id, slot);
        self.touched.push(slot);
        slot
    }

    /// Works out the alerts of all lines whose findings moved.
    pub(super) fn work_out(&mut self) {
        for at in std::mem::take(&mut self.dirty) {
            self.work_out_line(at);
        }
    }

    fn work_out_line(&mut self, at: u32) {
        let Some(line) = self.lines.get_mut(at) else { return };
        let Some(drafts) = line.work_out(&mut self.known, &self.policy) else { return };
        let mut old = line.alerts.split_off(line.fixed.min(line.alerts.len()));
        for draft in drafts {
            let same = |slot: &u32| {
                self.alerts.get(*slot).is_some_and(|a| a.draft.alert_id == draft.alert_id)
            };
            let slot = if let Some(place) = old.iter().position(same) {
                let slot = old.remove(place);
                if let Some(active) = self.alerts.get_mut(slot)
                    && active.draft != draft
                {
                    active.draft = draft;
                    self.touched.push(slot);
                }
                slot
            } else {
                self.open(at, draft)
            };
            if let Some(line) = self.lines.get_mut(at) {
                line.alerts.push(slot);
            }
        }
        for slot in old {
            self.retire(at, slot);
        }
        self.drop_idle(at);
    }

    /// An alert whose findings are gone or in others.
    fn retire(&mut self, line: u32, slot: u32) {
        let Some(active) = self.alerts.remove(slot) else { return };
        self.book.forget(slot, active.named.iter());
        let id = active.draft.alert_id;
        if self.slot_of.get(&id) == Some(&slot) {
            self.slot_of.remove(&id);
        }
        self.stale = true;
        if active.told {
            let heir = self
                .around(line, active.draft.first_time())
                .or_else(|| self.around(line, active.draft.last_time));
            let successor =
                heir.and_then(|slot| self.alerts.get(slot)).map(|heir| heir.draft.alert_id);
            self.gone.push(Gone { id, founds: active.draft.founds, successor });
        }
    }

    /// Settles what is due.
    pub(super) fn settle(&mut self) {
        while let Some((due, at)) = self.dues.first().copied().filter(|(due, _)| *due < self.now) {
            self.dues.remove(&(due, at));
            let Some(line) = self.lines.get_mut(at) else { continue };
            let ids = line.settle_due(self.now, &self.bounds, &mut self.known, &self.policy);
            for id in ids {
                self.places.remove(&id);
            }
            self.requeue(at, None);
            self.drop_idle(at);
        }
    }

    /// Settles early where more is kept than the bounds allow.
    fn keep_bounds(&mut self, at: u32) {
        let over = |live: &Self| live.places.len() > live.bounds.findings;
        if self.lines.get(at).is_some_and(|line| line.len() > self.bounds.line_findings) {
            self.settle_early(at);
        }
        while over(self) {
            let Some((_, at)) = self.dues.first().copied() else { return };
            self.settle_early(at);
        }
    }

    /// Settles the earliest quarter of a line.
    fn settle_early(&mut self, at: u32) {
        self.work_out_line(at);
        let Some(line) = self.lines.get_mut(at) else { return };
        let due = line.due(&self.bounds);
        let mut more = line.len().div_ceil(4);
        let quarter = |_: &Entry| match more.checked_sub(1) {
            Some(rest) => {
                more = rest;
                true
            }
            None => false,
        };
        let ids = line.settle(quarter, &mut self.known, &self.policy);
        self.left.early += ids.len() as u64;
        for id in ids {
            self.places.remove(&id);
        }
        self.requeue(at, due);
    }

    /// Keeps the queue of lines in step with a line whose first finding may be another.
    pub(super) fn requeue(&mut self, at: u32, was: Option<Micros>) {
        let due = self.lines.get(at).and_then(|line| line.due(&self.bounds));
        if due != was {
            if let Some(was) = was {
                self.dues.remove(&(was, at));
            }
            if let Some(due) = due {
                self.dues.insert((due, at));
            }
        }
    }

    /// Lets an alert go that is closed.
    pub(super) fn close(&mut self, slot: u32, cut: bool) -> Option<AlertId> {
        let active = self.alerts.remove(slot)?;
        let id = active.draft.alert_id;
        self.book.forget(slot, active.named.iter());
        self.slot_of.remove(&id);
        let at = active.line;
        let line = self.lines.get_mut(at)?;
        let due = line.due(&self.bounds);
        let was_dirty = line.dirty;
        let cut = cut.then_some(active.draft.last_time);
        for id in line.close(slot, cut) {
            self.places.remove(&id);
        }
        if line.dirty && !was_dirty {
            self.dirty.push(at);
        }
        if let Some(cut) = cut {
            self.cuts.insert((after(cut, self.bounds.quiet(&self.policy)), at));
        }
        self.requeue(at, due);
        self.drop_idle(at);
        Some(id)
    }

    /// Forgets which alerts were closed while they went on, where nothing that comes in time could
    /// belong to them.
    pub(super) fn forget_cuts(&mut self) {
        while let Some((due, at)) = self.cuts.first().copied().filter(|(due, _)| *due < self.now) {
            self.cuts.remove(&(due, at));
            let old = before(self.now, self.bounds.quiet(&self.policy));
            if let Some(line) = self.lines.get_mut(at)
                && line.cut.is_some_and(|cut| cut < old)
            {
                line.cut = None;
            }
            self.drop_idle(at);
        }
    }

    fn drop_idle(&mut self, at: u32) {
        if self.lines.get(at).is_some_and(Line::is_idle)
            && let Some(line) = self.lines.remove(at)
        {
            self.line_of.remove(&line.key);
        }
    }
}
