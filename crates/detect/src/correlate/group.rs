//! One group of one correlation: its inputs in order, and the stretches over which it holds.
//!
//! Inputs before the horizon never change again. What is known of them is settled: it is folded
//! into the open stretch, and they are let go once no window reaches back to them. What comes after
//! is worked out again from the first input that changed.

use std::sync::Arc;

use model::{FindingId, Micros};
use rustc_hash::FxHashMap;

use super::changes::Changes;
use super::input::{Input, Key, Pulse, Thing};
use super::plan::{Correlation, Style};
use super::stretch::{Stretch, going_on, step};
use super::window::{Sweep, bound};

/// How a correlation is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'r> {
    pub(super) rule: &'r Correlation,
    /// Inputs before this change no more.
    pub(super) horizon: Micros,
    /// Events after this are not believed.
    pub(super) latest: Micros,
    /// Inputs that one group may keep.
    pub(super) room: usize,
    /// True when other correlations count this one.
    pub(super) tells: bool,
}

/// What comes of looking at groups.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) changes: Changes,
    /// What the correlations above were told before, and what they are told now.
    pub(super) told: Vec<(Option<Arc<Pulse>>, Option<Arc<Pulse>>)>,
    /// True when the condition held somewhere.
    pub(super) held: bool,
    pub(super) ahead: u64,
    pub(super) shed: u64,
}

/// What was said of a stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Said {
    pub(super) digest: u64,
    pub(super) first: Micros,
    pub(super) last: Micros,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: Key,
    pub(super) inputs: Vec<Input>,
    /// Inputs that come, and pulses that go, since the last look.
    pub(super) coming: Vec<(Input, Move)>,
    /// Pulses to take back, of inputs that are no more.
    pub(super) lost: Vec<Arc<Pulse>>,
    sweep: Sweep,
    /// The first input that may say something else than at the last look.
    dirty: usize,
    /// How many inputs are settled.
    pub(super) settled: usize,
    /// The stretches of settled inputs that are not final, the last of which may go on.
    pub(super) base: Vec<Stretch>,
    /// How many inputs `recent` tells of.
    scanned: usize,
    /// The stretches that are not final.
    recent: Vec<Stretch>,
    pub(super) said: FxHashMap<FindingId, Said>,
    /// The last input that was let go before its time, where that makes a count uncertain.
    pub(super) cut: Option<Micros>,
    /// True while it waits for a look.
    pub(super) touched: bool,
    /// When it is looked at without being touched.
    pub(super) queued: Option<Micros>,
}

/// Which way an input goes. Those that go, go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Move {
    Out,
    In,
}

impl Group {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            inputs: Vec::new(),
            coming: Vec::new(),
            lost: Vec::new(),
            sweep: Sweep::default(),
            dirty: usize::MAX,
            settled: 0,
            base: Vec::new(),
            scanned: 0,
            recent: Vec::new(),
            said: FxHashMap::default(),
            cut: None,
            touched: false,
            queued: None,
        }
    }

    /// Stands where it was stored.
    pub(super) fn resume(&mut self, rule: &Correlation) {
        self.sweep.resume(rule, &self.inputs);
        self.scanned = self.settled;
        self.recent.clone_from(&self.base);
    }

    /// Takes in what came, and says what follows.
    pub(super) fn look(&mut self, look: &Look<'_>, effects: &mut Effects) {
        effects.told.extend(self.lost.drain(..).map(|pulse| (Some(pulse), None)));
        self.merge(look, effects);
        self.sweep.run(look.rule, &mut self.inputs);
        self.scan(look, effects);
        self.say(look, effects);
        self.settle(look, effects);
        self.evict(look);
        if self.inputs.len() > look.room {
            // A quarter more than need be, so that this is seldom.
            let keep = look.room - look.room / 4;
            let shed = self.shed_front(look, self.inputs.len() - keep, effects);
            effects.shed += shed as u64;
        }
        self.dirty = usize::MAX;
    }

    /// Puts what came in its place.
    fn merge(&mut self, look: &Look<'_>, effects: &mut Effects) {
        let rule = look.rule;
        let mut coming = std::mem::take(&mut self.coming);
        let settled = self.settled.checked_sub(1).and_then(|at| self.inputs.get(at));
        coming.retain(|(input, _)| {
            let ahead = input.time > look.latest && matches!(input.thing, Thing::Hit(_));
            // Before what is settled nothing comes, unless that was settled early for want of room.
            let early = settled.is_some_and(|last| input.order(last, rule).is_le());
            effects.ahead += u64::from(ahead);
            effects.shed += u64::from(early && !ahead);
            !ahead && !early
        });
        coming.sort_by(|(one, way), (other, other_way)| {
            one.order(other, rule).then(way.cmp(other_way))
        });
        let Some((first, _)) = coming.first() else { return };
        let start = self.inputs.partition_point(|input| input.order(first, rule).is_lt());
        self.sweep.retreat(rule, &self.inputs, start);
        self.dirty = self.dirty.min(start);
        let mut rest = self.inputs.split_off(start).into_iter().peekable();
        let mut line = Line { rule, inputs: &mut self.inputs, effects };
        for (input, way) in coming {
            while let Some(next) = rest.next_if(|next| next.order(&input, rule).is_lt()) {
                line.push(next);
            }
            let known = rest.next_if(|next| next.order(&input, rule).is_eq());
            match (way, known) {
                (Move::In, Some(known)) if matches!(known.thing, Thing::Hit(_)) => line.push(known),
                (Move::In, Some(known)) => line.push(Input { told: known.told, ..input }),
                (Move::In, None) => line.push(input),
                (Move::Out, Some(known)) => line.take_back(known),
                (Move::Out, None) => {}
            }
        }
        rest.for_each(|input| line.push(input));
    }

    /// Finds the stretches after what is settled, and tells those above where they are.
    fn scan(&mut self, look: &Look<'_>, effects: &mut Effects) {
        if self.dirty < self.scanned || look.rule.style == Style::Over {
            self.recent.clone_from(&self.base);
            self.scanned = self.settled;
        }
        for at in self.scanned..self.inputs.len() {
            let held = self.held(look, at);
            let born = held.map(|count| step(look.rule, &self.inputs, &mut self.recent, at, count));
            effects.held |= born.is_some();
            let Some(input) = self.inputs.get_mut(at).filter(|_| look.tells) else { continue };
            if at < self.dirty && born.is_some() == input.told.is_some() {
                continue;
            }
            let new = born.map(|born| {
                Arc::new(match self.recent.last().filter(|_| born) {
                    Some(stretch) => stretch.birth(input, look.rule, &self.key),
                    None => going_on(input, look.rule, &self.key),
                })
            });
            if new != input.told {
                let old = std::mem::replace(&mut input.told, new.clone());
                effects.told.push((old, new));
            }
        }
        self.scanned = self.inputs.len();
    }

    /// The count at an input, when the condition holds there as far as can be known.
    fn held(&self, look: &Look<'_>, at: usize) -> Option<f64> {
        let input = self.inputs.get(at)?;
        if look.rule.style == Style::Over {
            let first = self.inputs.get(at.checked_sub(input.verdict.reach as usize)?)?;
            let last = self.inputs.get(at + 1).is_none_or(|next| next.verdict.reach == 0);
            let over = look.horizon >= bound(look.rule, first.time, input.time);
            let whole = self.cut.is_none_or(|cut| first.time > cut);
            return input.verdict.held.filter(|_| last && over && whole);
        }
        input.verdict.held
    }

    /// Says what is new since it was said last.
    fn say(&mut self, look: &Look<'_>, effects: &mut Effects) {
        if !look.rule.info.speaks {
            return;
        }
        let changes = &mut effects.changes;
        let mut before = std::mem::take(&mut self.said);
        for stretch in &self.recent {
            let said = Said {
                digest: stretch.says(look.rule),
                first: stretch.first_time,
                last: stretch.last_time,
            };
            match before.remove(&stretch.id) {
                Some(known) if known == said => {}
                Some(_) => changes.changed.push(stretch.finding(look.rule)),
                None => changes.new.push(stretch.finding(look.rule)),
            }
            self.said.insert(stretch.id, said);
        }
        for (id, gone) in before {
            let instead = |stretch: &&Stretch| {
                stretch.first_time <= gone.last && stretch.last_time >= gone.first
            };
            let by = self.recent.iter().find(instead).map(|stretch| stretch.id);
            changes.superseded.push(super::Superseded { id, by });
        }
    }

    /// Settles what lies before the horizon.
    fn settle(&mut self, look: &Look<'_>, effects: &mut Effects) {
        let to = match look.rule.style {
            Style::Over => self.parted_until(look, self.settled),
            _ => self.inputs.partition_point(|input| input.time < look.horizon),
        };
        self.settle_to(look, to, effects);
    }

    fn settle_to(&mut self, look: &Look<'_>, to: usize, effects: &mut Effects) {
        for at in self.settled..to {
            if let Some(count) = self.held(look, at) {
                step(look.rule, &self.inputs, &mut self.base, at, count);
            }
        }
        self.settled = self.settled.max(to);
        let over = |stretch: &Stretch| stretch.is_over(look.rule, look.horizon);
        let done = self.base.iter().take_while(|stretch| over(stretch)).count();
        for done in self.base.drain(..done) {
            self.recent.retain(|stretch| stretch.id != done.id);
            if self.said.remove(&done.id).is_some() {
                effects.changes.settled.push(done.id);
            }
        }
    }

    /// Of windows that follow each other from a place on: where the first begins that is not over.
    fn parted_until(&self, look: &Look<'_>, from: usize) -> usize {
        let mut to = from;
        while let Some(until) = self.window_bound(look.rule, to)
            && look.horizon >= until
        {
            to = self.window_end(to);
        }
        to
    }

    /// Of windows that follow each other: the end of the one that begins at a place.
    fn window_end(&self, first: usize) -> usize {
        let others = self.inputs.iter().skip(first + 1);
        first + 1 + others.take_while(|input| input.verdict.reach != 0).count()
    }

    /// The first instant that is not in the window that begins at a place.
    fn window_bound(&self, rule: &Correlation, first: usize) -> Option<Micros> {
        let last = self.inputs.get(self.window_end(first).checked_sub(1)?)?;
        Some(bound(rule, self.inputs.get(first)?.time, last.time))
    }

    /// Lets go of inputs that no window reaches any more.
    fn evict(&mut self, look: &Look<'_>) {
        let trailing = look.rule.style == Style::Trailing;
        let count = if trailing {
            let reach = Micros(look.horizon.0.saturating_sub(look.rule.span.0));
            self.inputs.partition_point(|input| input.time < reach)
        } else {
            self.parted_until(look, 0)
        };
        let count = count.min(self.settled);
        // Moving the rest costs as much as what goes saves, or it waits.
        if count > 0 && (!trailing || count * 2 >= self.inputs.len()) {
            self.drop_front(look.rule, count);
        }
    }

    fn drop_front(&mut self, rule: &Correlation, count: usize) {
        self.sweep.forget(rule, &self.inputs, count);
        self.inputs.drain(..count);
        if self.inputs.len() < self.inputs.capacity() / 4 {
            self.inputs.shrink_to(self.inputs.len() * 2);
        }
        self.settled = self.settled.saturating_sub(count);
        self.scanned = self.scanned.saturating_sub(count);
        for stretch in self.base.iter_mut().chain(&mut self.recent) {
            stretch.last = stretch.last.and_then(|last| last.checked_sub(count));
        }
    }

    /// Lets go of the first inputs though windows reach them; says how many. What they are part of
    /// goes on.
    pub(super) fn shed_front(
        &mut self,
        look: &Look<'_>,
        count: usize,
        effects: &mut Effects,
    ) -> usize {
        let count = count.min(self.inputs.len());
        if look.rule.style == Style::Trailing {
            self.settle_to(look, count, effects);
            self.drop_front(look.rule, count);
            return count;
        }
        let mut first = 0;
        while self.window_end(first) <= count && first < self.inputs.len() {
            first = self.window_end(first);
        }
        match look.rule.style {
            Style::Over => self.cut = self.inputs.get(count.saturating_sub(1)).map(|i| i.time),
            _ => self.settle_to(look, count, effects),
        }
        self.drop_front(look.rule, first);
        // The first of a window stays: it says where the window ends.
        let inner = (count - first).saturating_sub(1);
        self.sweep.retreat(look.rule, &self.inputs, 1);
        self.inputs.drain(1..=inner).for_each(drop);
        for place in [&mut self.settled, &mut self.scanned] {
            *place = place.saturating_sub(inner).max((*place).min(1));
        }
        for stretch in self.base.iter_mut().chain(&mut self.recent) {
            stretch.last = stretch.last.map(|last| last.saturating_sub(inner));
        }
        self.sweep.run(look.rule, &mut self.inputs);
        first + inner
    }

    /// Lets go of the last inputs; says how many. What follows is said at the next look.
    pub(super) fn shed_back(&mut self, rule: &Correlation, count: usize) -> usize {
        let keep = self.inputs.len().saturating_sub(count).max(self.settled);
        self.sweep.retreat(rule, &self.inputs, keep);
        let gone = self.inputs.split_off(keep);
        self.lost.extend(gone.iter().filter_map(|input| input.told.clone()));
        self.dirty = self.dirty.min(keep);
        gone.len()
    }

    /// True when nothing depends on it any more.
    pub(super) fn is_idle(&self) -> bool {
        self.inputs.is_empty() && self.coming.is_empty() && self.lost.is_empty()
    }

    /// The first horizon at which something happens without anything coming.
    pub(super) fn due(&self, rule: &Correlation) -> Option<Micros> {
        if rule.style != Style::Trailing {
            return self.window_bound(rule, 0);
        }
        let ends = |stretch: &Stretch| bound(rule, stretch.first_time, stretch.last_time);
        let last = self.inputs.last().map(|last| bound(rule, last.time, last.time));
        self.recent.first().map(ends).into_iter().chain(last).min()
    }

    /// What it weighs in memory, in inputs.
    pub(super) fn weight(&self) -> usize {
        let stretches: usize = self.recent.iter().map(Stretch::weight).sum();
        self.inputs.len() + self.coming.len() + stretches
    }
}

/// Inputs being put in order.
struct Line<'g> {
    rule: &'g Correlation,
    inputs: &'g mut Vec<Input>,
    effects: &'g mut Effects,
}

impl Line<'_> {
    fn push(&mut self, input: Input) {
        let twice = self.inputs.last().is_some_and(|last| {
            last.order(&input, self.rule).is_eq()
                || (self.rule.counts_events() && last.same_event(&input))
        });
        if twice {
            self.take_back(input);
        } else {
            self.inputs.push(input);
        }
    }

    fn take_back(&mut self, input: Input) {
        self.effects.told.extend(input.told.map(|pulse| (Some(pulse), None)));
    }
}
