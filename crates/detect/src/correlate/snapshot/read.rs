//! Making an engine of the tables. Every place is looked up with care.

use std::sync::Arc;

use model::{Entity, EventUid, FindingId, Micros};
use rustc_hash::FxHashSet;

use super::{
    Kept, KeptGroup, KeptHit, KeptInput, KeptPulse, KeptRule, KeptStretch, KeptThing, Place,
};
use crate::correlate::changes::{LeftOut, Limits};
use crate::correlate::engine::Engine;
use crate::correlate::group::{Group, Move, Said};
use crate::correlate::hit::Hit;
use crate::correlate::input::{Input, Pulse, Thing, Verdict};
use crate::correlate::plan::Correlation;
use crate::correlate::stretch::Stretch;
use crate::rules::Rules;

/// An engine that knows what was kept; nothing when the tables do not fit each other.
pub(super) fn engine(rules: &Rules, limits: Limits, kept: Kept) -> Option<Engine> {
    let mut engine = Engine::new(rules.correlations(), limits);
    engine.watermark = Micros(kept.watermark);
    engine.horizon = Micros(kept.horizon);
    engine.orphans = kept.orphans.iter().map(|id| FindingId(*id)).collect();
    let tables = Tables::new(rules, &kept)?;
    for lane in kept.lanes {
        let same = rules.correlations().iter().position(|rule| rule.mark == lane.mark);
        let found =
            same.and_then(|at| Some((rules.correlations().get(at)?, engine.lanes.get_mut(at)?)));
        let Some((rule, new)) = found else {
            // Nobody works them out any more.
            let said = lane.groups.iter().flat_map(|group| &group.said);
            engine.orphans.extend(said.map(|said| FindingId(said.0)));
            continue;
        };
        let (late, ahead, shed) = lane.left_out;
        new.left_out = LeftOut { late, ahead, shed };
        for group in lane.groups {
            let mut group = tables.group(rule, group)?;
            if !rule.info.speaks {
                engine.orphans.extend(group.said.drain().map(|(id, _)| id));
            }
            new.weight += group.weight();
            let key = group.key.clone();
            new.groups.insert(key.clone(), group);
            new.touch(&key);
        }
    }
    Some(engine)
}

struct Tables {
    entities: Vec<Entity>,
    texts: Vec<Arc<str>>,
    /// Nothing for a hit whose rule is no longer counted.
    hits: Vec<Option<Arc<Hit>>>,
    pulses: Vec<Arc<Pulse>>,
}

/// Where a rule stands now, and for each field that is kept of its hits where that stood.
type Moved = Option<(u32, Vec<Option<usize>>)>;

impl Tables {
    fn new(rules: &Rules, kept: &Kept) -> Option<Self> {
        let mut tables = Self {
            entities: kept.entities.clone(),
            texts: kept.texts.clone(),
            hits: Vec::with_capacity(kept.hits.len()),
            pulses: Vec::with_capacity(kept.pulses.len()),
        };
        let moved: Vec<Moved> = kept.rules.iter().map(|rule| moved(rules, rule)).collect();
        for hit in &kept.hits {
            let hit = match moved.get(hit.rule as usize)? {
                Some((number, places)) => Some(Arc::new(tables.hit(hit, *number, places)?)),
                None => None,
            };
            tables.hits.push(hit);
        }
        for pulse in &kept.pulses {
            let pulse = Arc::new(tables.pulse(pulse)?);
            tables.pulses.push(pulse);
        }
        Some(tables)
    }

    fn hit(&self, kept: &KeptHit, rule: u32, places: &[Option<usize>]) -> Option<Hit> {
        let value = |place: &Option<usize>| kept.values.get((*place)?)?.clone();
        Some(Hit {
            rule,
            time: Micros(kept.time),
            uid: EventUid(kept.uid),
            values: places.iter().map(value).collect(),
            entities: self.entities(&kept.entities)?.into(),
            source: self.text(kept.source)?,
            labels: self.texts(&kept.labels)?.into(),
        })
    }

    fn pulse(&self, kept: &KeptPulse) -> Option<Pulse> {
        Some(Pulse {
            time: Micros(kept.time),
            event: EventUid(kept.event),
            birth: kept.birth,
            start: Micros(kept.start),
            events: kept.events.iter().map(|event| EventUid(*event)).collect(),
            entities: self.entities(&kept.entities)?.into(),
            source: self.text(kept.source)?,
            labels: self.texts(&kept.labels)?.into(),
            group: self.texts(&kept.group)?,
            origin: self.text(kept.origin)?,
        })
    }

    fn group(&self, rule: &Correlation, kept: KeptGroup) -> Option<Group> {
        let mut group = Group::new(self.text(kept.key)?);
        for input in &kept.inputs {
            group.inputs.push(self.input(rule, input)?);
        }
        if !group.inputs.is_sorted_by(|one, next| one.order(next, rule).is_lt()) {
            return None;
        }
        for (input, comes) in &kept.coming {
            let way = if *comes { Move::In } else { Move::Out };
            group.coming.push((self.input(rule, input)?, way));
        }
        for place in &kept.lost {
            group.lost.push(self.pulses.get(*place as usize)?.clone());
        }
        group.settled = Some(kept.settled as usize).filter(|at| *at <= group.inputs.len())?;
        for base in kept.base {
            let base = self.stretch(base)?;
            if base.last.is_some_and(|last| last >= group.settled) {
                return None;
            }
            group.base.push(base);
        }
        group.said = kept
            .said
            .into_iter()
            .map(|(id, digest, first, last)| {
                (FindingId(id), Said { digest, first: Micros(first), last: Micros(last) })
            })
            .collect();
        group.cut = kept.cut.map(Micros);
        group.resume(rule);
        Some(group)
    }

    fn input(&self, rule: &Correlation, kept: &KeptInput) -> Option<Input> {
        let thing = match kept.thing {
            KeptThing::Hit(place) => Thing::Hit(self.hits.get(place as usize)?.clone()?),
            KeptThing::Pulse(place) => Thing::Pulse(self.pulses.get(place as usize)?.clone()),
        };
        let (_, mut input) = Input::new(rule, kept.part, thing)?;
        input.verdict = Verdict { reach: kept.reach, held: kept.held };
        input.told = match kept.told {
            Some(place) => Some(self.pulses.get(place as usize)?.clone()),
            None => None,
        };
        Some(input)
    }

    fn stretch(&self, kept: KeptStretch) -> Option<Stretch> {
        let stretch = Stretch {
            id: FindingId(kept.id),
            last: kept.last.map(|last| last as usize),
            last_time: Micros(kept.last_time),
            first_time: Micros(kept.first_time),
            start: Micros(kept.start),
            inputs: kept.inputs,
            peak: kept.peak,
            events: kept.events.into_iter().map(EventUid).collect(),
            tail: kept.tail.map(EventUid),
            known: FxHashSet::default(),
            entities: self.entities(&kept.entities)?,
            source: self.text(kept.source)?,
            labels: self.texts(&kept.labels)?.into_vec(),
            shown: self.texts(&kept.shown)?,
            digests: kept.digests,
        };
        Some(stretch.again())
    }

    fn entities(&self, places: &[Place]) -> Option<Vec<Entity>> {
        places.iter().map(|place| self.entities.get(*place as usize).cloned()).collect()
    }

    fn texts(&self, places: &[Place]) -> Option<Box<[Arc<str>]>> {
        places.iter().map(|place| self.text(*place)).collect()
    }

    fn text(&self, place: Place) -> Option<Arc<str>> {
        self.texts.get(place as usize).cloned()
    }
}

fn moved(rules: &Rules, kept: &KeptRule) -> Moved {
    let number = rules.counted_number(&kept.id, &kept.version)?;
    let place = |name: &str| kept.fields.iter().position(|known| known == name);
    Some((number, rules.watched_names(number).map(place).collect()))
}
