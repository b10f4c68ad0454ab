//! How strongly an entity ties two alerts together.
//!
//! **Full** (ties alone): host, user, e-mail address, IP address. **Half** (ties only beside a half
//! of another family): file hash and file, domain and URL, cloud resource, and user names that mean
//! another person on every machine (`root`, `admin`). **None**: process paths, and whatever is
//! common. An entity is common when
//! - its name says so: `SYSTEM`, loopback, broadcast, public resolvers, private addresses that end
//!   in .1 or .254 (gateways);
//! - the policy names it; or
//! - the evidence says so: it stands beside many hosts or users and in a good share of all alerts.
//!   For hosts, users and public addresses, which an intruder too may take everywhere, it must
//!   moreover be there throughout the evidence, as infrastructure is, and not in a burst.
//!
//! The book notes alerts and forgets them again, so that what the evidence says can be asked of
//! all of it, or of what a stream holds at the moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::{Entity, Micros};

use crate::CommonEntity;
use crate::alerts::Draft;
use crate::names::{Family, Key, Strength, common_by_name, halves_tie, key};
use crate::policy::{Policy, micros};

/// What ties one alert.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Weighed {
    /// All its keys in the order of the best anchors, each once, with their strength for it.
    pub(crate) keys: Vec<(u32, Strength)>,
    /// What ties it: a key that ties alone stands beside itself, halves stand in pairs.
    pub(crate) links: Vec<(u32, u32)>,
}

impl Weighed {
    /// The keys that tie it alone.
    pub(crate) fn full(&self) -> impl Iterator<Item = u32> {
        self.links.iter().filter(|(a, b)| a == b).map(|(a, _)| *a)
    }
}

/// Halves of one alert that are paired, at most: pairs grow with the square.
const HALVES: usize = 12;
/// Parts into which the evidence's time is cut to see who is there throughout …
const PARTS: u64 = 8;
/// … and in how many of them infrastructure is seen.
const STEADY: usize = 6;

/// One key, as the alerts know it.
struct Page {
    key: Arc<Key>,
    /// Its names, in order.
    spellings: Vec<Spelling>,
    /// The alerts that name it, by place.
    alerts: Vec<u32>,
    /// Why it is common by a name alone.
    common: Option<&'static str>,
}

struct Spelling {
    entity: Entity,
    alerts: u32,
    common: Option<&'static str>,
}

/// A key that the evidence shows to be common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Since when.
    pub(crate) since: Micros,
    /// When it was last found to be.
    pub(crate) last: Micros,
    /// Whether it is so for its steadiness too.
    pub(crate) steady: bool,
    /// Whether alerts from before `since` are tied by it still.
    pub(crate) held: bool,
}

/// What is noted of an alert.
#[derive(Default)]
struct Noted {
    keys: Vec<u32>,
    first_event: Micros,
    last_time: Micros,
    here: bool,
}

/// All keys of all alerts, and which are common.
#[derive(Default)]
pub(crate) struct Book {
    numbers: HashMap<Arc<Key>, u32>,
    /// The number of each entity's key, so that each is worked out once.
    known: HashMap<Entity, u32>,
    pages: Vec<Page>,
    free: Vec<u32>,
    alerts: Vec<Noted>,
    count: usize,
    judged: BTreeMap<u32, Judged>,
    /// Pages that came to be common by name, or ceased to be, since it was last asked.
    flipped: Vec<u32>,
}

impl Book {
    /// Notes an alert under a place that is free.
    pub(crate) fn note(&mut self, place: u32, draft: &Draft, policy: &Policy) {
        let mut keys: Vec<u32> = Vec::new();
        for (entity, _) in draft.entities() {
            let number = self.learn(entity, policy);
            if !keys.contains(&number) {
                keys.push(number);
            }
        }
        for key in &keys {
            if let Some(page) = self.pages.get_mut(*key as usize)
                && let Err(at) = page.alerts.binary_search(&place)
            {
                page.alerts.insert(at, place);
            }
        }
        let at = place as usize;
        if self.alerts.len() <= at {
            self.alerts.resize_with(at + 1, Noted::default);
        }
        if let Some(slot) = self.alerts.get_mut(at) {
            let (first_event, last_time) = (draft.first_event, draft.last_time);
            *slot = Noted { keys, first_event, last_time, here: true };
            self.count += 1;
        }
    }

    /// Notes anew the times of an alert whose entities are as they were.
    pub(crate) fn note_times(&mut self, place: u32, draft: &Draft) {
        if let Some(noted) = self.alerts.get_mut(place as usize) {
            (noted.first_event, noted.last_time) = (draft.first_event, draft.last_time);
        }
    }

    /// Forgets an alert, which named these entities.
    pub(crate) fn forget<'e>(&mut self, place: u32, named: impl Iterator<Item = &'e Entity>) {
        let Some(noted) = self.alerts.get_mut(place as usize).map(std::mem::take) else { return };
        self.count -= usize::from(noted.here);
        for key in &noted.keys {
            if let Some(page) = self.pages.get_mut(*key as usize)
                && let Ok(at) = page.alerts.binary_search(&place)
            {
                page.alerts.remove(at);
            }
        }
        for entity in named {
            self.unlearn(entity);
        }
    }

    /// The number of an entity's key; the name counts as one alert's.
    fn learn(&mut self, entity: &Entity, policy: &Policy) -> u32 {
        let known = self.known.get(entity).copied();
        let number = known.unwrap_or_else(|| {
            let number = self.open(key(entity));
            self.known.insert(entity.clone(), number);
            number
        });
        let Some(page) = self.pages.get_mut(number as usize) else { return number };
        match page.spellings.binary_search_by(|s| s.entity.cmp(entity)) {
            Ok(at) => page.spellings.get_mut(at).into_iter().for_each(|s| s.alerts += 1),
            Err(at) => {
                let common = if policy.common_entities.contains(entity) {
                    Some("the policy names it as shared")
                } else {
                    common_by_name(entity)
                };
                let entity = entity.clone();
                page.spellings.insert(at, Spelling { entity, alerts: 1, common });
                if page.respell() {
                    self.flipped.push(number);
                }
            }
        }
        number
    }

    fn unlearn(&mut self, entity: &Entity) {
        let Some(number) = self.known.get(entity).copied() else { return };
        let Some(page) = self.pages.get_mut(number as usize) else { return };
        let Ok(at) = page.spellings.binary_search_by(|s| s.entity.cmp(entity)) else { return };
        let Some(spelling) = page.spellings.get_mut(at) else { return };
        spelling.alerts = spelling.alerts.saturating_sub(1);
        if spelling.alerts > 0 {
            return;
        }
        page.spellings.remove(at);
        self.known.remove(entity);
        if page.spellings.is_empty() {
            self.numbers.remove(&page.key);
            page.alerts = Vec::new();
            self.judged.remove(&number);
            self.free.push(number);
        } else if page.respell() {
            self.flipped.push(number);
        }
    }

    fn open(&mut self, key: Key) -> u32 {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let key = Arc::new(key);
        let page =
            Page { key: key.clone(), spellings: Vec::new(), alerts: Vec::new(), common: None };
        let number = self.free.pop().unwrap_or(self.pages.len() as u32);
        match self.pages.get_mut(number as usize) {
            Some(slot) => *slot = page,
            None => self.pages.push(page),
        }
        self.numbers.insert(key, number);
        number
    }

    /// Pages that came to be common by name, or ceased to be, since this was last asked.
    pub(crate) fn take_flipped(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.flipped)
    }

    /// The number of an entity's key, when an alert names it.
    pub(crate) fn key(&self, entity: &Entity) -> Option<u32> {
        self.known.get(entity).copied()
    }

    /// The number of the key by which an entity would tie, however the alerts spell it.
    pub(crate) fn key_like(&self, entity: &Entity) -> Option<u32> {
        self.numbers.get(&key(entity)).copied()
    }

    /// The name of a key that people are shown.
    pub(crate) fn name(&self, key: u32) -> Option<&Entity> {
        self.pages.get(key as usize)?.spellings.first().map(|s| &s.entity)
    }

    /// The alerts that name a key.
    pub(crate) fn alerts_of(&self, key: u32) -> &[u32] {
        self.pages.get(key as usize).map_or(&[], |page| page.alerts.as_slice())
    }

    fn keys_of(&self, place: u32) -> &[u32] {
        self.alerts.get(place as usize).map_or(&[], |noted| noted.keys.as_slice())
    }

    /// What the evidence shows to be common, by number, with whether it is for its steadiness.
    /// Evidence later than `until`, which only a wrong clock can have written, stretches nothing.
    pub(crate) fn judge(&self, policy: &Policy, until: Option<Micros>) -> Vec<(u32, bool)> {
        let floor = policy.common_share * self.count as f64;
        let suspects: Vec<(u32, &Page)> = (0_u32..)
            .zip(&self.pages)
            .filter(|(number, page)| {
                page.alerts.len() as f64 > floor
                    && page.common.is_none()
                    && page.key.strength() != Strength::None
                    && self.stands_beside_many(*number, page, policy)
            })
            .collect();
        if suspects.is_empty() {
            return Vec::new();
        }
        let here = || self.alerts.iter().filter(|noted| noted.here);
        let start = here().map(|noted| noted.first_event.0).min().unwrap_or_default();
        let end = here().map(|noted| noted.last_time.0).max().unwrap_or_default();
        let end = until.map_or(end, |until| end.min(until.0));
        let span = end.abs_diff(start).max(1);
        let long = span >= micros(policy.incident_gap).saturating_mul(2);
        let part = |place: &u32| {
            let first = self.alerts.get(*place as usize).map_or(start, |n| n.first_event.0);
            let part = u128::from(first.abs_diff(start)) * u128::from(PARTS);
            (part / (u128::from(span) + 1)).min(u128::from(PARTS) - 1) as u64
        };
        let judged = suspects.into_iter().filter_map(|(number, page)| {
            let steady =
                long && page.alerts.iter().map(part).collect::<BTreeSet<_>>().len() >= STEADY;
            (steady || !page.key.roams()).then_some((number, steady))
        });
        judged.collect()
    }

    fn stands_beside_many(&self, number: u32, page: &Page, policy: &Policy) -> bool {
        let many = policy.common_neighbours.max(1);
        let mut beside: BTreeSet<u32> = BTreeSet::new();
        for other in page.alerts.iter().flat_map(|place| self.keys_of(*place)) {
            if *other != number
                && self.is_somebody(*other)
                && beside.insert(*other)
                && beside.len() >= many
            {
                return true;
            }
        }
        false
    }

    fn is_somebody(&self, number: u32) -> bool {
        self.pages.get(number as usize).is_some_and(|page| {
            page.common.is_none() && matches!(page.key.family, Family::Host | Family::User)
        })
    }

    /// What is taken to be common by the evidence.
    pub(crate) fn judged(&self) -> &BTreeMap<u32, Judged> {
        &self.judged
    }

    /// Takes a key to be common, or no longer.
    pub(crate) fn set_judged(&mut self, key: u32, judged: Option<Judged>) {
        match judged {
            Some(judged) => self.judged.insert(key, judged),
            None => self.judged.remove(&key),
        };
    }

    /// How strongly a key ties an alert of that first event.
    pub(crate) fn strength(&self, key: u32, first_event: Micros) -> Strength {
        match self.judged.get(&key) {
            Some(judged) if !(judged.held && first_event < judged.since) => Strength::None,
            _ => self.strength_by_name(key),
        }
    }

    /// How strongly a key would tie if the evidence said nothing of it.
    pub(crate) fn strength_by_name(&self, key: u32) -> Strength {
        match self.pages.get(key as usize) {
            Some(page) if page.common.is_none() => page.key.strength(),
            _ => Strength::None,
        }
    }

    /// What ties an alert, when keys have this strength.
    pub(crate) fn weigh(&self, place: u32, strength: impl Fn(u32) -> Strength) -> Weighed {
        let keys: Vec<(u32, Strength)> =
            self.keys_of(place).iter().map(|key| (*key, strength(*key))).collect();
        let of = |wanted: Strength| {
            keys.iter().filter(move |(_, strength)| *strength == wanted).map(|(key, _)| *key)
        };
        let mut links: Vec<(u32, u32)> = of(Strength::Full).map(|key| (key, key)).collect();
        let halves: Vec<(u32, Family)> = of(Strength::Half)
            .take(HALVES)
            .filter_map(|key| Some((key, self.pages.get(key as usize)?.key.family)))
            .collect();
        for (at, (a, family)) in halves.iter().enumerate() {
            for (b, other) in halves.iter().skip(at + 1) {
                if halves_tie(*family, *other) {
                    links.push((*a.min(b), *a.max(b)));
                }
            }
        }
        Weighed { keys, links }
    }

    /// What is set aside though it would have tied, most alerts first.
    pub(crate) fn common(&self, policy: &Policy) -> Vec<CommonEntity> {
        let told = |(number, page): (u32, &Page)| {
            let why = match (page.common, self.judged.get(&number)) {
                (Some(why), _) => why.to_owned(),
                (None, Some(judged)) => format!(
                    "it stands beside {} or more hosts and users{}",
                    policy.common_neighbours,
                    if judged.steady { ", all through the evidence" } else { "" },
                ),
                (None, None) => return None,
            };
            let counts = page.key.strength() != Strength::None && page.alerts.len() > 1;
            let entity = page.spellings.first().filter(|_| counts)?.entity.clone();
            let alerts = page.alerts.len() as u64;
            let why = format!("{why} (in {alerts} of {} alerts)", self.count);
            Some(CommonEntity { entity, alerts, why })
        };
        let mut out: Vec<CommonEntity> = (0_u32..).zip(&self.pages).filter_map(told).collect();
        out.sort_by(|a, b| b.alerts.cmp(&a.alerts).then_with(|| a.entity.cmp(&b.entity)));
        out
    }
}

impl Page {
    /// Works out anew whether a name makes it common; true when that changes.
    fn respell(&mut self) -> bool {
        let common = self.spellings.iter().find_map(|spelling| spelling.common);
        let flips = common.is_some() != self.common.is_some();
        self.common = common;
        flips
    }
}
