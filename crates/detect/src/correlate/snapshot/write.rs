//! Putting what an engine knows into tables.

use std::collections::HashMap;
use std::sync::Arc;

use model::Entity;
use rustc_hash::FxHashMap;

use super::{
    Kept, KeptGroup, KeptHit, KeptInput, KeptLane, KeptPulse, KeptRule, KeptStretch, KeptThing,
    Place,
};
use crate::correlate::changes::LeftOut;
use crate::correlate::engine::Engine;
use crate::correlate::group::{Group, Move};
use crate::correlate::hit::Hit;
use crate::correlate::input::{Input, Pulse, Thing};
use crate::correlate::stretch::Stretch;
use crate::rules::Rules;

/// What an engine knows, in a form that depends on nothing else.
pub(super) fn kept(rules: &Rules, engine: &Engine) -> Kept {
    let mut writer = Writer::new(rules);
    let lanes = rules.correlations().iter().zip(&engine.lanes);
    let lanes = lanes
        .map(|(rule, lane)| {
            let mut groups: Vec<&Group> = lane.groups.values().collect();
            groups.sort_unstable_by(|one, other| one.key.cmp(&other.key));
            let LeftOut { late, ahead, shed } = lane.left_out;
            KeptLane {
                mark: rule.mark,
                groups: groups.into_iter().map(|group| writer.group(group)).collect(),
                left_out: (late, ahead, shed),
            }
        })
        .collect();
    Kept {
        watermark: engine.watermark.0,
        horizon: engine.horizon.0,
        rules: writer.rules,
        entities: writer.entities,
        texts: writer.texts,
        hits: writer.hits,
        pulses: writer.pulses,
        lanes,
        orphans: engine.orphans.iter().map(|id| id.0).collect(),
    }
}

struct Writer<'r> {
    of: &'r Rules,
    rules: Vec<KeptRule>,
    rule_places: FxHashMap<u32, Place>,
    entities: Vec<Entity>,
    entity_places: HashMap<Entity, Place>,
    texts: Vec<Arc<str>>,
    text_places: HashMap<Arc<str>, Place>,
    hits: Vec<KeptHit>,
    hit_places: FxHashMap<usize, Place>,
    pulses: Vec<KeptPulse>,
    pulse_places: FxHashMap<usize, Place>,
}

impl<'r> Writer<'r> {
    fn new(of: &'r Rules) -> Self {
        Self {
            of,
            rules: Vec::new(),
            rule_places: FxHashMap::default(),
            entities: Vec::new(),
            entity_places: HashMap::new(),
            texts: Vec::new(),
            text_places: HashMap::new(),
            hits: Vec::new(),
            hit_places: FxHashMap::default(),
            pulses: Vec::new(),
            pulse_places: FxHashMap::default(),
        }
    }

    fn group(&mut self, group: &Group) -> KeptGroup {
        KeptGroup {
            key: self.text(&group.key),
            inputs: group.inputs.iter().map(|input| self.input(input)).collect(),
            coming: group
                .coming
                .iter()
                .map(|(input, way)| (self.input(input), *way == Move::In))
                .collect(),
            lost: group.lost.iter().map(|pulse| self.pulse(pulse)).collect(),
            settled: group.settled as u32,
            base: group.base.iter().map(|base| self.stretch(base)).collect(),
            said: {
                let said = group.said.iter();
                let mut said: Vec<_> =
                    said.map(|(id, s)| (id.0, s.digest, s.first.0, s.last.0)).collect();
                said.sort_unstable();
                said
            },
            cut: group.cut.map(|time| time.0),
        }
    }

    fn input(&mut self, input: &Input) -> KeptInput {
        KeptInput {
            part: input.part,
            thing: match &input.thing {
                Thing::Hit(hit) => KeptThing::Hit(self.hit(hit)),
                Thing::Pulse(pulse) => KeptThing::Pulse(self.pulse(pulse)),
            },
            reach: input.verdict.reach,
            held: input.verdict.held,
            told: input.told.as_ref().map(|pulse| self.pulse(pulse)),
        }
    }

    fn stretch(&mut self, stretch: &Stretch) -> KeptStretch {
        KeptStretch {
            id: stretch.id.0,
            last: stretch.last.map(|last| last as u32),
            last_time: stretch.last_time.0,
            first_time: stretch.first_time.0,
            start: stretch.start.0,
            inputs: stretch.inputs,
            peak: stretch.peak,
            events: stretch.events.iter().map(|event| event.0).collect(),
            tail: stretch.tail.map(|event| event.0),
            entities: self.entities(&stretch.entities),
            source: self.text(&stretch.source),
            labels: self.texts(&stretch.labels),
            shown: self.texts(&stretch.shown),
            digests: stretch.digests,
        }
    }

    fn hit(&mut self, hit: &Arc<Hit>) -> Place {
        let address = Arc::as_ptr(hit).addr();
        if let Some(place) = self.hit_places.get(&address) {
            return *place;
        }
        let kept = KeptHit {
            rule: self.rule(hit.rule),
            time: hit.time.0,
            uid: hit.uid.0,
            values: hit.values.clone(),
            entities: self.entities(&hit.entities),
            source: self.text(&hit.source),
            labels: self.texts(&hit.labels),
        };
        self.hits.push(kept);
        let place = self.hits.len() as Place - 1;
        self.hit_places.insert(address, place);
        place
    }

    fn pulse(&mut self, pulse: &Arc<Pulse>) -> Place {
        let address = Arc::as_ptr(pulse).addr();
        if let Some(place) = self.pulse_places.get(&address) {
            return *place;
        }
        let kept = KeptPulse {
            time: pulse.time.0,
            event: pulse.event.0,
            birth: pulse.birth,
            start: pulse.start.0,
            events: pulse.events.iter().map(|event| event.0).collect(),
            entities: self.entities(&pulse.entities),
            source: self.text(&pulse.source),
            labels: self.texts(&pulse.labels),
            group: self.texts(&pulse.group),
            origin: self.text(&pulse.origin),
        };
        self.pulses.push(kept);
        let place = self.pulses.len() as Place - 1;
        self.pulse_places.insert(address, place);
        place
    }

    fn rule(&mut self, number: u32) -> Place {
        if let Some(place) = self.rule_places.get(&number) {
            return *place;
        }
        let info = self.of.rule(number).map(|rule| &rule.info);
        let text = |text: Option<&Arc<str>>| text.cloned().unwrap_or_else(|| "".into());
        self.rules.push(KeptRule {
            id: text(info.map(|info| &info.id)),
            version: text(info.map(|info| &info.version)),
            fields: self.of.watched_names(number).map(str::to_owned).collect(),
        });
        let place = self.rules.len() as Place - 1;
        self.rule_places.insert(number, place);
        place
    }

    fn entities(&mut self, entities: &[Entity]) -> Vec<Place> {
        let mut places = Vec::with_capacity(entities.len());
        for entity in entities {
            let place = self.entity_places.get(entity).copied().unwrap_or_else(|| {
                let place = self.entities.len() as Place;
                self.entities.push(entity.clone());
                self.entity_places.insert(entity.clone(), place);
                place
            });
            places.push(place);
        }
        places
    }

    fn texts(&mut self, texts: &[Arc<str>]) -> Vec<Place> {
        texts.iter().map(|text| self.text(text)).collect()
    }

    fn text(&mut self, text: &Arc<str>) -> Place {
        self.text_places.get(text).copied().unwrap_or_else(|| {
            let place = self.texts.len() as Place;
            self.texts.push(text.clone());
            self.text_places.insert(text.clone(), place);
            place
        })
    }
}
