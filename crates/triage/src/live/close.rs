//! What is over: which incidents and alerts nothing changes any more.

use std::collections::BTreeMap;
use std::mem;

use model::Micros;

use super::bounds::{Bounds, after, before};
use super::{Active, Live};
use crate::gather::{Case, Forest, Part, gather};
use crate::names::Strength;
use crate::policy::{Policy, micros};
use crate::ties::Weighed;

/// What closes among the cases.
pub(super) struct Closing {
    /// All incidents as they are told now, those that close among them.
    pub(super) parts: Vec<Part>,
    /// For each case, whether it closes.
    pub(super) closes: Vec<bool>,
    /// For each case, whether it does so though it may go on.
    pub(super) cut: Vec<bool>,
    /// What ties cases that are weighed for the last time.
    pub(super) weighed: Vec<(usize, Weighed)>,
    /// When something may close next.
    pub(super) due: Micros,
    /// Incidents closed for their length, and alerts closed for their number.
    pub(super) long: u64,
    pub(super) early: u64,
}

impl Active {
    /// When it last did anything, as far as its clock is believed.
    fn active(&self) -> Micros {
        self.draft.last_time.min(self.touched)
    }

    /// When it is quiet, unless more comes.
    pub(super) fn quiet_at(&self, bounds: &Bounds, policy: &Policy) -> Micros {
        let quiet = after(self.active(), bounds.quiet(policy).saturating_add(1));
        quiet.max(after(self.touched, micros(bounds.lateness).saturating_add(1)))
    }
}

impl Live {
    /// Finds what closes, given the incidents as they stand.
    pub(super) fn closing(
        &self,
        order: &[u32],
        cases: &[Case<'_>],
        parts: Vec<Part>,
        found: &[(u32, bool)],
    ) -> Closing {
        let actives: Vec<&Active> = order.iter().filter_map(|at| self.alerts.get(*at)).collect();
        let quiet_at: Vec<Micros> =
            actives.iter().map(|a| a.quiet_at(&self.bounds, &self.policy)).collect();
        let mut closing = Closing {
            parts,
            closes: vec![false; cases.len()],
            cut: vec![false; cases.len()],
            weighed: Vec::new(),
            due: Micros(i64::MAX),
            long: 0,
            early: 0,
        };
        if quiet_at.iter().any(|at| *at <= self.now) {
            self.close_quiet(&mut closing, order, cases, &quiet_at, found);
        }
        self.close_long(&mut closing, &actives);
        self.close_early(&mut closing, &actives);
        closing.due = self.next(&closing, &actives, &quiet_at);
        closing
    }

    /// Closes what is quiet together with all that it is tied to, as weighed now. What closes is told
    /// as the batch would tell it.
    fn close_quiet(
        &self,
        closing: &mut Closing,
        order: &[u32],
        cases: &[Case<'_>],
        quiet_at: &[Micros],
        found: &[(u32, bool)],
    ) {
        let anew = self.weigh_anew(order, cases, found);
        let mut last = Vec::new();
        if !anew.is_empty() {
            let mut others = cases.to_vec();
            for (at, weighed) in &anew {
                others.get_mut(*at).into_iter().for_each(|case| case.weighed = weighed);
            }
            last = gather(&others, &self.decisions, &self.policy);
        }
        let mut forest = Forest::new(cases.len());
        for part in closing.parts.iter().chain(&last) {
            for (a, b) in part.members.iter().zip(part.members.iter().skip(1)) {
                forest.unite(*a, *b);
            }
        }
        let mut goes_on = vec![false; cases.len()];
        for (at, _) in quiet_at.iter().enumerate().filter(|(_, at)| **at > self.now) {
            goes_on.get_mut(forest.root(at)).into_iter().for_each(|on| *on = true);
        }
        for (at, closes) in closing.closes.iter_mut().enumerate() {
            *closes = goes_on.get(forest.root(at)) == Some(&false);
        }
        if anew.is_empty() {
            return;
        }
        let closes = |part: &Part| {
            part.members.first().is_some_and(|at| closing.closes.get(*at) == Some(&true))
        };
        let stand = closing.parts.iter().filter(|part| !closes(part)).cloned();
        let parts = stand.chain(last.into_iter().filter(|part| closes(part))).collect();
        let weighed = anew.into_iter().filter(|(at, _)| closing.closes.get(*at) == Some(&true));
        closing.weighed = weighed.collect();
        closing.parts = parts;
    }

    /// The cases that something else ties when only what is found now counts.
    fn weigh_anew(
        &self,
        order: &[u32],
        cases: &[Case<'_>],
        found: &[(u32, bool)],
    ) -> BTreeMap<usize, Weighed> {
        let differ = super::weights::differ(&self.book, found);
        let strength = |key: u32| {
            let common = found.binary_search_by_key(&key, |(key, _)| *key).is_ok();
            if common { Strength::None } else { self.book.strength_by_name(key) }
        };
        let mut anew = BTreeMap::new();
        if differ.is_empty() {
            return anew;
        }
        for (at, (slot, case)) in order.iter().zip(cases).enumerate() {
            if case.weighed.keys.iter().any(|(key, _)| differ.contains(key)) {
                anew.insert(at, self.book.weigh(*slot, strength));
            }
        }
        anew
    }

    /// Closes incidents that have gone on for too long, as they stand.
    fn close_long(&self, closing: &mut Closing, actives: &[&Active]) {
        let limit = before(self.now, micros(self.bounds.active_span));
        for part in mem::take(&mut closing.parts) {
            let born = part.members.iter().filter_map(|at| actives.get(*at)).map(|a| a.born).min();
            if born.is_some_and(|born| born < limit) && !closing.has_closed(&part.members) {
                closing.cut(&part.members);
                closing.long += 1;
            }
            closing.parts.push(part);
        }
    }

    /// Closes what was quiet for longest, when there are too many alerts.
    fn close_early(&self, closing: &mut Closing, actives: &[&Active]) {
        let open = closing.closes.iter().filter(|closes| !**closes).count();
        if open <= self.bounds.alerts {
            return;
        }
        let mut surplus = open - self.bounds.alerts / 8 * 7;
        let mut in_part = vec![false; actives.len()];
        for at in closing.parts.iter().flat_map(|part| &part.members) {
            in_part.get_mut(*at).into_iter().for_each(|known| *known = true);
        }
        let alone = in_part.iter().enumerate().filter(|(_, known)| !**known);
        let mut groups: Vec<Vec<usize>> = alone.map(|(at, _)| vec![at]).collect();
        groups.extend(closing.parts.iter().map(|part| part.members.clone()));
        groups.retain(|group| !closing.has_closed(group));
        groups.sort_by_cached_key(|group| {
            group.iter().filter_map(|at| actives.get(*at)).map(|a| a.active()).max()
        });
        for group in groups {
            if surplus == 0 {
                break;
            }
            closing.cut(&group);
            closing.early += group.len() as u64;
            surplus = surplus.saturating_sub(group.len());
        }
    }

    /// When something that stands may close next.
    fn next(&self, closing: &Closing, actives: &[&Active], quiet_at: &[Micros]) -> Micros {
        let mut due: Vec<Micros> = quiet_at.to_vec();
        for part in &closing.parts {
            let last = part.members.iter().filter_map(|at| quiet_at.get(*at)).max().copied();
            let born = part.members.iter().filter_map(|at| actives.get(*at)).map(|a| a.born).min();
            let long = born.map(|b| after(b, micros(self.bounds.active_span).saturating_add(1)));
            if let Some(next) = last.min(long) {
                for at in &part.members {
                    due.get_mut(*at).into_iter().for_each(|due| *due = next);
                }
            }
        }
        let open = due.iter().zip(&closing.closes).filter(|(_, closes)| !**closes);
        open.map(|(due, _)| *due).min().unwrap_or(Micros(i64::MAX))
    }
}

impl Closing {
    fn has_closed(&self, members: &[usize]) -> bool {
        members.first().is_some_and(|at| self.closes.get(*at) == Some(&true))
    }

    fn cut(&mut self, members: &[usize]) {
        for at in members {
            self.closes.get_mut(*at).into_iter().for_each(|closes| *closes = true);
            self.cut.get_mut(*at).into_iter().for_each(|cut| *cut = true);
        }
    }
}
