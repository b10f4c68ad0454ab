//! What changed: alerts and incidents out.

use std::collections::{BTreeSet, HashMap};

use model::{AlertId, IncidentId};

use super::close::Closing;
use super::{Active, Changes, Live, Retracted, weights};
use crate::alerts::founds;
use crate::gather::{Case, Part, gather};
use crate::{Told, gravity, incidents};

impl Live {
    /// Gathers the incidents anew and tells what is not as it was told. The gathering goes over all
    /// active alerts, by number; sentences are made only for what changed.
    pub(super) fn tell(&mut self, found: &[(u32, bool)]) -> Changes {
        let mut changes = Changes::default();
        let heirs = self.retract(&mut changes);
        let order = self.order();
        let cases = self.cases(&order);
        let parts = gather(&cases, &self.decisions, &self.policy);
        let mut closing = self.closing(&order, &cases, parts, found);
        drop(cases);
        for (at, weighed) in std::mem::take(&mut closing.weighed) {
            if let Some(active) = order.get(at).and_then(|slot| self.alerts.get_mut(*slot)) {
                active.shifted |= active.weighed != weighed;
                active.weighed = weighed;
            }
        }
        self.tell_incidents(&order, &closing, &heirs, &mut changes);
        self.tell_alerts(&order, &closing, &mut changes);
        self.left.closed_early += closing.early;
        self.left.closed_long += closing.long;
        let weights = weights::due(&self.book, &self.bounds);
        self.due = weights.map_or(closing.due, |weights| weights.min(closing.due));
        self.stale = false;
        changes
    }

    /// All alerts by slot, in order of their place.
    fn order(&self) -> Vec<u32> {
        let mut order: Vec<_> =
            self.alerts.iter().map(|(slot, active)| (active.draft.place(), slot)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, slot)| slot).collect()
    }

    fn cases(&self, order: &[u32]) -> Vec<Case<'_>> {
        let actives = order.iter().filter_map(|slot| self.alerts.get(*slot));
        actives.map(|a| Case { draft: &a.draft, weighed: &a.weighed }).collect()
    }

    /// Retracts the alerts that are gone, and lets decisions follow them; which alert has the findings
    /// of each.
    fn retract(&mut self, changes: &mut Changes) -> HashMap<AlertId, AlertId> {
        let mut heirs: HashMap<AlertId, AlertId> = HashMap::new();
        let moves: HashMap<AlertId, _> = std::mem::take(&mut self.moves).into_iter().collect();
        let gone = std::mem::take(&mut self.gone);
        let next: HashMap<AlertId, Option<AlertId>> =
            gone.iter().map(|gone| (gone.id, gone.successor)).collect();
        for one in gone {
            if self.slot_of.contains_key(&one.id) {
                continue;
            }
            let mut successor = one.successor;
            let mut seen = BTreeSet::new();
            while let Some(id) = successor.filter(|id| !self.slot_of.contains_key(id)) {
                successor = next.get(&id).copied().flatten().filter(|_| seen.insert(id));
            }
            let moved = || {
                let (at, time) = *self.places.get(moves.get(&one.id)?)?;
                let slot = self.around(at, time)?;
                Some(self.alerts.get(slot)?.draft.alert_id)
            };
            let successor = successor.or_else(moved);
            changes.retracted_alerts.push(Retracted { id: one.id, successor });
            if let Some(successor) = successor {
                heirs.insert(one.id, successor);
                let new = (successor, founds(successor));
                self.decisions.follow((one.id, one.founds), new);
            }
        }
        changes.retracted_alerts.sort_unstable();
        heirs
    }

    fn tell_incidents(
        &mut self,
        order: &[u32],
        closing: &Closing,
        heirs: &HashMap<AlertId, AlertId>,
        changes: &mut Changes,
    ) {
        let mut old = std::mem::take(&mut self.incidents);
        let mut stand = HashMap::with_capacity(closing.parts.len());
        let cases = self.cases(order);
        let active = |at: &usize| order.get(*at).and_then(|slot| self.alerts.get(*slot));
        let mut told: Vec<Told> = Vec::new();
        for part in &closing.parts {
            let members = || part.members.iter().filter_map(active);
            let before = old.remove(&part.id);
            let ids = || members().map(|active| active.draft.alert_id);
            let same = before.filter(|before| before.iter().copied().eq(ids()));
            if same.is_none() || members().any(|active| active.fresh || active.shifted) {
                told.push(incidents::tell(part, &cases, &self.book, &self.policy));
            }
            if part.members.first().is_some_and(|at| closing.closes.get(*at) == Some(&true)) {
                changes.closed_incidents.push(part.id);
            } else {
                stand.insert(part.id, same.unwrap_or_else(|| ids().collect()));
            }
        }
        if !old.is_empty() {
            let homes = homes(&closing.parts, &active);
            for (id, alerts) in old {
                let successor = successor(&alerts, &homes, heirs);
                changes.retracted_incidents.push(Retracted { id, successor });
            }
        }
        told.sort_by_key(|told| gravity(&told.incident));
        changes.incidents = told;
        changes.retracted_incidents.sort_unstable();
        self.incidents = stand;
    }

    fn tell_alerts(&mut self, order: &[u32], closing: &Closing, changes: &mut Changes) {
        for (at, slot) in order.iter().enumerate() {
            let Some(active) = self.alerts.get_mut(*slot) else { continue };
            if std::mem::take(&mut active.fresh) {
                changes.alerts.push(active.draft.alert(&self.policy));
            }
            active.told = true;
            active.shifted = false;
            if closing.closes.get(at) == Some(&true) {
                let cut = closing.cut.get(at) == Some(&true);
                changes.closed_alerts.extend(self.close(*slot, cut));
            }
        }
    }
}

/// The incident of each alert.
fn homes<'a>(
    parts: &[Part],
    active: &impl Fn(&usize) -> Option<&'a Active>,
) -> HashMap<AlertId, IncidentId> {
    let each = |part: &Part| {
        let id = part.id;
        let alerts: Vec<AlertId> =
            part.members.iter().filter_map(active).map(|active| active.draft.alert_id).collect();
        alerts.into_iter().map(move |alert| (alert, id))
    };
    parts.iter().flat_map(each).collect()
}

/// The incident that has most of these alerts now; of equals, the one that has the earliest.
fn successor(
    alerts: &[AlertId],
    homes: &HashMap<AlertId, IncidentId>,
    heirs: &HashMap<AlertId, AlertId>,
) -> Option<IncidentId> {
    let mut counts: Vec<(IncidentId, usize)> = Vec::new();
    for alert in alerts {
        let Some(home) = homes.get(heirs.get(alert).unwrap_or(alert)) else { continue };
        match counts.iter_mut().find(|(id, _)| id == home) {
            Some((_, count)) => *count += 1,
            None => counts.push((*home, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(id, _)| id)
}
