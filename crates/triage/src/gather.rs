//! Which alerts are one incident.
//!
//! Alerts of at least the policy's founding level are united when they share a full tie, or a pair
//! of halves, and no more than the gap lies between them. Union is transitive: if A ties to B and B
//! to C, all three are one. Lower alerts then join the incident with which they share the most, and
//! never bridge two.
//!
//! What people decided goes before. An alert that is put into an incident to which nothing ties it,
//! or taken out of one to which it is tied, becomes *loose*: like a low alert it neither founds nor
//! bridges, or its ties would carry others with it.

use std::collections::{BTreeMap, HashMap};

use model::{AlertId, Hasher, IncidentId, Micros};

use crate::alerts::Draft;
use crate::decisions::Decisions;
use crate::policy::{Policy, micros};
use crate::ties::Weighed;

/// An alert and what ties it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) draft: &'a Draft,
    pub(crate) weighed: &'a Weighed,
}

impl Case<'_> {
    pub(crate) fn is_grave(&self, policy: &Policy) -> bool {
        self.draft.level >= policy.found_level
    }
}

/// The alerts of one incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) id: IncidentId,
    /// In order of time, by place among the cases.
    pub(crate) members: Vec<usize>,
    /// Those of them that are grave and yet neither found nor bridge.
    pub(crate) loose: Vec<usize>,
    /// Which a person's hand ties to which.
    pub(crate) by_hand: Vec<(usize, usize)>,
}

/// All incidents among `cases`, which are in order of their place; by their first founder.
pub(crate) fn gather(cases: &[Case<'_>], decisions: &Decisions, policy: &Policy) -> Vec<Part> {
    let mut forest = Forest::new(cases.len());
    let mut chains = Chains::tie(cases, &[], &mut forest, policy);
    let hands = Hands::settle(cases, decisions, &mut forest, policy);
    if !hands.loose.is_empty() {
        forest = Forest::new(cases.len());
        chains = Chains::tie(cases, &hands.loose, &mut forest, policy);
    }
    for (a, b) in &hands.merged {
        forest.unite(*a, *b);
    }
    let mut parts: BTreeMap<usize, Part> = BTreeMap::new();
    for (at, case) in cases.iter().enumerate() {
        let loose = hands.loose.binary_search(&at).is_ok();
        let put = hands.put.get(&at);
        let home = match put {
            Some(to) => Some(forest.root(*to)),
            None if case.is_grave(policy) && !loose => Some(forest.root(at)),
            None => {
                let out: Vec<usize> = hands.out_of(at).map(|home| forest.root(home)).collect();
                let joined = joins(at, cases, &chains, &mut forest, &out, policy);
                joined.or_else(|| case.is_grave(policy).then_some(at))
            }
        };
        let Some(home) = home else { continue };
        let part = parts.entry(home).or_insert_with(|| Part {
            id: hands.name_alone(home, cases),
            members: Vec::new(),
            loose: Vec::new(),
            by_hand: Vec::new(),
        });
        part.members.push(at);
        if loose && case.is_grave(policy) {
            part.loose.push(at);
        }
        part.by_hand.extend(put.map(|to| (at, *to)));
    }
    for (a, b) in &hands.merged {
        if let Some(part) = parts.get_mut(&forest.root(*a)) {
            part.by_hand.push((*a, *b));
        }
    }
    for (at, id) in &hands.names {
        if let Some(part) = parts.get_mut(&forest.root(*at)) {
            part.id = *id;
        }
    }
    parts.into_values().collect()
}

/// What decisions come to among these alerts.
#[derive(Default)]
struct Hands {
    /// In order.
    loose: Vec<usize>,
    /// Alerts that are put beside another.
    put: HashMap<usize, usize>,
    /// Alerts that are not in the incident of another.
    out: Vec<(usize, usize)>,
    merged: Vec<(usize, usize)>,
    /// Ids that incidents have otherwise than by their first founder, by one of their founders; the
    /// last holds.
    names: Vec<(usize, IncidentId)>,
    /// Alerts whose own incident's id is kept by others.
    nameless: Vec<usize>,
}

impl Hands {
    /// Works out what the decisions mean, given what is united without them.
    fn settle(
        cases: &[Case<'_>],
        decisions: &Decisions,
        forest: &mut Forest,
        policy: &Policy,
    ) -> Self {
        let mut hands = Self::default();
        if decisions.is_empty() {
            return hands;
        }
        let founders = || cases.iter().enumerate().filter(|(_, case)| case.is_grave(policy));
        let founds: HashMap<IncidentId, usize> =
            founders().map(|(at, case)| (case.draft.founds, at)).collect();
        let places: HashMap<AlertId, usize> =
            cases.iter().enumerate().map(|(at, case)| (case.draft.alert_id, at)).collect();
        let tied: Vec<usize> = (0..cases.len()).map(|at| forest.root(at)).collect();
        let merges: Vec<(usize, usize, IncidentId)> = decisions
            .merges
            .iter()
            .filter_map(|m| Some((*founds.get(&m.from)?, *founds.get(&m.into)?, m.into)))
            .collect();
        for (from, into, _) in &merges {
            forest.unite(*from, *into);
        }
        // The last that puts an alert somewhere holds; what takes it out of there is older.
        let mut put: HashMap<usize, usize> = HashMap::new();
        for pin in &decisions.pins {
            let (Some(at), Some(home)) = (places.get(&pin.alert), founds.get(&pin.incident)) else {
                continue;
            };
            if pin.belongs {
                put.insert(*at, *home);
            } else if put.get(at).is_some_and(|to| forest.root(*to) == forest.root(*home)) {
                put.remove(at);
                hands.out.push((*at, *home));
            } else {
                hands.out.push((*at, *home));
            }
        }
        let grave = |at: usize| cases.get(at).is_some_and(|case| case.is_grave(policy));
        for (at, home) in put {
            hands.out.retain(|(out, from)| *out != at || forest.root(*from) != forest.root(home));
            if !grave(at) {
                hands.put.insert(at, home);
            } else if forest.root(at) != forest.root(home) {
                hands.put.insert(at, home);
                hands.loose.push(at);
            }
        }
        for (at, home) in &hands.out {
            if grave(*at) && forest.root(*at) == forest.root(*home) {
                hands.loose.push(*at);
            }
        }
        hands.loose.sort_unstable();
        hands.loose.dedup();
        hands.keep_names(cases, &tied, merges, policy);
        hands
    }

    /// An incident keeps its id though its first founder is loose: the earliest of the others stands
    /// for it.
    fn keep_names(
        &mut self,
        cases: &[Case<'_>],
        tied: &[usize],
        merges: Vec<(usize, usize, IncidentId)>,
        policy: &Policy,
    ) {
        let is_loose = |at: usize| self.loose.binary_search(&at).is_ok();
        // Of each incident that the machine made of more than loose alerts, the earliest of the rest.
        let mut heirs: BTreeMap<usize, usize> = BTreeMap::new();
        for ((at, case), root) in cases.iter().enumerate().zip(tied) {
            if case.is_grave(policy) && !is_loose(at) {
                heirs.entry(*root).or_insert(at);
            }
        }
        // The last name holds, and of several the first founder's should.
        for (root, heir) in heirs.iter().rev().filter(|(root, _)| is_loose(**root)) {
            if let Some(case) = cases.get(*root) {
                self.names.push((*heir, case.draft.founds));
                self.nameless.push(*root);
            }
        }
        let stand_in = |at: usize| {
            if !is_loose(at) {
                return Some(at);
            }
            heirs.get(tied.get(at)?).copied()
        };
        self.put = self
            .put
            .iter()
            .filter_map(|(at, home)| Some((*at, stand_in(*home).filter(|to| to != at)?)))
            .collect();
        self.out = self.out.iter().filter_map(|(at, home)| Some((*at, stand_in(*home)?))).collect();
        let gone: Vec<IncidentId> =
            merges.iter().filter_map(|(from, ..)| Some(cases.get(*from)?.draft.founds)).collect();
        for (from, into, id) in merges {
            let (Some(from), Some(into)) = (stand_in(from), stand_in(into)) else { continue };
            self.merged.push((from, into));
            if !gone.contains(&id) {
                self.names.push((into, id));
            }
        }
    }

    /// The incidents that an alert is not in, each by one of its founders.
    fn out_of(&self, at: usize) -> impl Iterator<Item = usize> {
        self.out.iter().filter(move |(out, _)| *out == at).map(|(_, home)| *home)
    }

    /// The id of an incident by its first founder.
    fn name_alone(&self, founder: usize, cases: &[Case<'_>]) -> IncidentId {
        let Some(case) = cases.get(founder) else { return IncidentId([0; 16]) };
        if self.nameless.contains(&founder) {
            let apart = Hasher::new("incident").part(&case.draft.alert_id.0).part(b"apart");
            return IncidentId::from(apart);
        }
        case.draft.founds
    }
}

/// A run of founders that share a key, each within the gap of those before it.
struct Chain {
    key: (u32, u32),
    start: Micros,
    end: Micros,
    founder: usize,
}

/// By key, then by time.
struct Chains(Vec<Chain>);

impl Chains {
    /// Unites all founders but the loose ones by what ties them.
    fn tie(cases: &[Case<'_>], loose: &[usize], forest: &mut Forest, policy: &Policy) -> Self {
        let gap = micros(policy.incident_gap);
        let mut links: Vec<((u32, u32), u32)> = Vec::with_capacity(cases.len() * 3);
        for (at, case) in cases.iter().enumerate() {
            if case.is_grave(policy) && loose.binary_search(&at).is_err() {
                links.extend(case.weighed.links.iter().map(|key| (*key, at as u32)));
            }
        }
        links.sort_unstable();
        let mut chains: Vec<Chain> = Vec::new();
        // Cases come by first event, so each key's chains grow at their ends only.
        for (key, at) in links {
            let at = at as usize;
            let Some(draft) = cases.get(at).map(|case| case.draft) else { continue };
            match chains.last_mut() {
                Some(last) if last.key == key && apart(last.end, draft.first_event) <= gap => {
                    last.end = last.end.max(draft.last_time);
                    forest.unite(last.founder, at);
                }
                _ => chains.push(Chain {
                    key,
                    start: draft.first_event,
                    end: draft.last_time,
                    founder: at,
                }),
            }
        }
        Self(chains)
    }

    /// The chains of a key that ties alone.
    fn of(&self, key: u32) -> &[Chain] {
        let key = (key, key);
        let from = self.0.partition_point(|chain| chain.key < key);
        let to = self.0.partition_point(|chain| chain.key <= key);
        self.0.get(from..to).unwrap_or_default()
    }
}

/// How long after `end` `start` comes; nothing when it comes before.
pub(crate) fn apart(end: Micros, start: Micros) -> u64 {
    start.0.saturating_sub(end.0).max(0) as u64
}

/// How near an alert that does not found must come to join.
pub(crate) fn reach(case: &Case<'_>, policy: &Policy) -> u64 {
    micros(if case.is_grave(policy) { policy.incident_gap } else { policy.join_gap })
}

/// The incident that an alert joins which does not found: the one with which it shares the most, then
/// the nearest, but none of those that it is `out` of.
fn joins(
    at: usize,
    cases: &[Case<'_>],
    chains: &Chains,
    forest: &mut Forest,
    out: &[usize],
    policy: &Policy,
) -> Option<usize> {
    let case = cases.get(at)?;
    let reach = reach(case, policy);
    let mut found: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for key in case.weighed.full() {
        for chain in chains.of(key) {
            let distance = apart(chain.end, case.draft.first_event)
                .max(apart(case.draft.last_time, chain.start));
            if distance <= reach {
                let entry = found.entry(forest.root(chain.founder)).or_insert((0, u64::MAX));
                *entry = (entry.0 + 1, entry.1.min(distance));
            }
        }
    }
    found
        .into_iter()
        .filter(|(root, _)| !out.contains(root))
        .min_by_key(|(root, (shared, distance))| (std::cmp::Reverse(*shared), *distance, *root))
        .map(|(root, _)| root)
}

/// Union-find whose roots are the smallest members: the earliest alert.
pub(crate) struct Forest(Vec<usize>);

impl Forest {
    pub(crate) fn new(len: usize) -> Self {
        Self((0..len).collect())
    }

    pub(crate) fn root(&mut self, mut at: usize) -> usize {
        loop {
            let parent = self.0.get(at).copied().unwrap_or(at);
            if parent == at {
                return at;
            }
            let grand = self.0.get(parent).copied().unwrap_or(parent);
            if let Some(slot) = self.0.get_mut(at) {
                *slot = grand;
            }
            at = grand;
        }
    }

    /// False when they were one already.
    pub(crate) fn unite(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(slot) = self.0.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
        a != b
    }
}
