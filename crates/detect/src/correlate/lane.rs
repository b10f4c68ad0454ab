//! One correlation and its groups. Only groups to which something comes are looked at, and those
//! for which the horizon passes an instant that matters to them.

use std::collections::{BTreeSet, HashMap};

use model::{FindingId, Micros};

use super::changes::LeftOut;
use super::group::{Effects, Group, Look, Move};
use super::input::{Input, Key, Thing};
use super::plan::Correlation;

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Keys come from evidence: a hash that an attacker cannot foresee.
    pub(super) groups: HashMap<Key, Group>,
    touched: Vec<Key>,
    queue: BTreeSet<(Micros, Key)>,
    /// What all groups weigh.
    pub(super) weight: usize,
    pub(super) left_out: LeftOut,
}

impl Lane {
    /// Takes an input of a part, to be looked at later.
    pub(super) fn offer(&mut self, rule: &Correlation, part: u32, thing: Thing, way: Move) {
        let Some((key, input)) = Input::new(rule, part, thing) else { return };
        self.weight += 1;
        self.touch(&key).coming.push((input, way));
    }

    /// The group of a key, to be looked at next time.
    pub(super) fn touch(&mut self, key: &Key) -> &mut Group {
        let group = self.groups.entry(key.clone()).or_insert_with(|| Group::new(key.clone()));
        if !group.touched {
            group.touched = true;
            self.touched.push(key.clone());
        }
        group
    }

    /// Forgets all groups; says what findings were not settled.
    pub(super) fn forget(&mut self) -> Vec<FindingId> {
        let left_out = self.left_out;
        let groups = std::mem::take(self).groups;
        self.left_out = left_out;
        groups.into_values().flat_map(|group| group.said.into_keys()).collect()
    }

    /// Looks at every group that wants it.
    pub(super) fn look(&mut self, look: &Look<'_>, effects: &mut Effects) {
        let mut keys = std::mem::take(&mut self.touched);
        while let Some((time, _)) = self.queue.first()
            && *time <= look.horizon
        {
            let Some((_, key)) = self.queue.pop_first() else { break };
            if let Some(group) = self.groups.get_mut(&key) {
                group.queued = None;
                if !std::mem::replace(&mut group.touched, true) {
                    keys.push(key);
                }
            }
        }
        for key in keys {
            let Some(group) = self.groups.get_mut(&key) else { continue };
            group.touched = false;
            let before = group.weight();
            group.look(look, effects);
            self.weight = (self.weight + group.weight()).saturating_sub(before);
            self.put_back(look, &key, effects);
        }
        self.left_out.ahead += std::mem::take(&mut effects.ahead);
        self.left_out.shed += std::mem::take(&mut effects.shed);
    }

    /// Says when a group is due next, or drops it.
    fn put_back(&mut self, look: &Look<'_>, key: &Key, effects: &mut Effects) {
        let Some(group) = self.groups.get_mut(key) else { return };
        if group.is_idle() {
            effects.changes.settled.extend(group.said.keys().copied());
            self.weight = self.weight.saturating_sub(group.weight());
            if let Some(queued) = group.queued {
                self.queue.remove(&(queued, key.clone()));
            }
            self.groups.remove(key);
            return;
        }
        let Some(due) = group.due(look.rule) else { return };
        // A group that is due later than it stands in the queue is looked at in vain once.
        if group.queued.is_none_or(|queued| due < queued) {
            if let Some(queued) = group.queued.replace(due) {
                self.queue.remove(&(queued, key.clone()));
            }
            self.queue.insert((due, key.clone()));
        }
    }

    /// How far from the watermark each input lies, and what it weighs.
    pub(super) fn distances(&self, watermark: Micros) -> impl Iterator<Item = (u64, usize)> {
        self.groups.values().flat_map(move |group| {
            // What a group weighs beside its inputs goes when the last of them does.
            let rest = group.weight().saturating_sub(group.inputs.len());
            let nearest = group.inputs.iter().map(|input| distance(input, watermark)).min();
            let inputs = group.inputs.iter().map(move |input| (distance(input, watermark), 1));
            inputs.chain(nearest.map(|nearest| (nearest, rest)))
        })
    }

    /// Lets go of every input that lies farther from the watermark.
    pub(super) fn shed(
        &mut self,
        look: &Look<'_>,
        watermark: Micros,
        far: u64,
        effects: &mut Effects,
    ) {
        let keys: Vec<Key> = self.groups.keys().cloned().collect();
        for key in keys {
            let Some(group) = self.groups.get_mut(&key) else { continue };
            let before = group.weight();
            let near = |input: &&Input| distance(input, watermark) <= far;
            let last =
                group.inputs.len() - group.inputs.iter().rev().take_while(|i| !near(i)).count();
            let mut shed = group.shed_back(look.rule, group.inputs.len() - last);
            let first = group.inputs.iter().take_while(|input| !near(input)).count();
            if first > 0 {
                shed += group.shed_front(look, first, effects);
            }
            self.weight = (self.weight + group.weight()).saturating_sub(before);
            self.left_out.shed += shed as u64;
            if group.is_idle() {
                self.put_back(look, &key, effects);
            } else if shed > 0 {
                self.touch(&key);
            }
        }
    }
}

fn distance(input: &Input, watermark: Micros) -> u64 {
    input.time.0.abs_diff(watermark.0)
}
