//! Why each alert is in its incident.
//!
//! Of all that ties the alerts of an incident the strongest ties are kept that hold it together: a
//! tree, whose root is the first alert. Every other alert has one tie, to the alert through which it
//! belongs.

use std::cmp::Reverse;

use model::{Entity, Micros, Tie, TieStrength};

use crate::gather::{Case, Forest, Part, apart, reach};
use crate::policy::{Policy, micros};
use crate::ties::Book;

/// One tie between two members, by their places in the incident.
struct Edge {
    strength: TieStrength,
    /// Twice the keys that tie alone, and once the halves.
    shared: usize,
    apart: u64,
    from: usize,
    to: usize,
}

/// A member in the order of a key's chain, with the member before it that lasts longest.
struct Step {
    key: (u32, u32),
    at: usize,
    lasts: usize,
}

/// The ties of an incident, in the order of its alerts; at most as many as the policy keeps.
pub(crate) fn explain(part: &Part, cases: &[Case<'_>], book: &Book, policy: &Policy) -> Vec<Tie> {
    let members: Vec<Case<'_>> =
        part.members.iter().filter_map(|at| cases.get(*at).copied()).collect();
    if members.len() < 2 {
        return Vec::new();
    }
    let place = |at: usize| part.members.binary_search(&at).ok();
    let mut joined: Vec<usize> = part.loose.iter().filter_map(|at| place(*at)).collect();
    joined
        .extend(members.iter().enumerate().filter(|(_, c)| !c.is_grave(policy)).map(|(at, _)| at));
    joined.sort_unstable();
    let steps = steps(&members, &joined);
    let mut edges = founded(&members, &steps, policy);
    edges.extend(joined.iter().flat_map(|at| joining(*at, &members, &steps, policy)));
    edges.extend(part.by_hand.iter().filter_map(|(from, to)| {
        let (from, to) = (place(*from)?, place(*to)?);
        Some(Edge { strength: TieStrength::Person, shared: 0, apart: 0, from, to })
    }));
    let mut parents = tree(members.len(), edges);
    parents.truncate(policy.incident_ties);
    let told = |(at, parent): (usize, Option<(usize, TieStrength)>)| {
        let (to, strength) = parent?;
        tie(members.get(at)?, members.get(to)?, strength, book)
    };
    parents.into_iter().enumerate().filter_map(told).collect()
}

/// Founders by key and time.
fn steps(members: &[Case<'_>], joined: &[usize]) -> Vec<Step> {
    let mut steps: Vec<Step> = members
        .iter()
        .enumerate()
        .filter(|(at, _)| joined.binary_search(at).is_err())
        .flat_map(|(at, case)| case.weighed.links.iter().map(move |key| (*key, at)))
        .map(|(key, at)| Step { key, at, lasts: at })
        .collect();
    steps.sort_unstable_by_key(|step| (step.key, step.at));
    let last_time = |at: usize| members.get(at).map_or(Micros(0), |case| case.draft.last_time);
    let mut before: Option<((u32, u32), usize)> = None;
    for step in &mut steps {
        let kept = before.filter(|(key, _)| *key == step.key).map(|(_, lasts)| lasts);
        step.lasts = kept.filter(|lasts| last_time(*lasts) > last_time(step.at)).unwrap_or(step.at);
        before = Some((step.key, step.lasts));
    }
    steps
}

/// What ties founders to those before them.
fn founded(members: &[Case<'_>], steps: &[Step], policy: &Policy) -> Vec<Edge> {
    let gap = micros(policy.incident_gap);
    let mut edges = Vec::new();
    for (step, before) in steps.iter().skip(1).zip(steps) {
        if step.key == before.key {
            edges.extend(edge(step.at, before.lasts, members).filter(|edge| edge.apart <= gap));
        }
    }
    edges
}

/// What ties an alert that joined to founders around it.
fn joining(at: usize, members: &[Case<'_>], steps: &[Step], policy: &Policy) -> Vec<Edge> {
    let Some(case) = members.get(at) else { return Vec::new() };
    let reach = reach(case, policy);
    let mut edges = Vec::new();
    for key in case.weighed.full() {
        let from = steps.partition_point(|step| step.key < (key, key));
        let to = steps.partition_point(|step| step.key <= (key, key));
        let of_key = steps.get(from..to).unwrap_or_default();
        let begins = |step: &Step| {
            members.get(step.at).is_some_and(|c| c.draft.first_event <= case.draft.last_time)
        };
        let next = of_key.partition_point(begins);
        let before = next.checked_sub(1).and_then(|at| of_key.get(at)).map(|step| step.lasts);
        let after = of_key.get(next).map(|step| step.at);
        let around = before.into_iter().chain(after);
        edges.extend(around.filter_map(|to| edge(at, to, members)).filter(|e| e.apart <= reach));
    }
    edges
}

fn edge(from: usize, to: usize, members: &[Case<'_>]) -> Option<Edge> {
    let (a, b) = (members.get(from)?, members.get(to)?);
    let shared = shared(a, b);
    let alone = shared.iter().filter(|(x, y)| x == y).count();
    let strength = if alone > 0 { TieStrength::Alone } else { TieStrength::Together };
    let distance = apart(a.draft.last_time, b.draft.first_event)
        .max(apart(b.draft.last_time, a.draft.first_event));
    Some(Edge { strength, shared: alone + shared.len(), apart: distance, from, to })
}

/// What ties both alerts.
fn shared(a: &Case<'_>, b: &Case<'_>) -> Vec<(u32, u32)> {
    a.weighed.links.iter().filter(|link| b.weighed.links.contains(link)).copied().collect()
}

/// For each member the one through which it belongs: the strongest edges that hold all together, as
/// seen from the first.
fn tree(members: usize, mut edges: Vec<Edge>) -> Vec<Option<(usize, TieStrength)>> {
    edges.sort_by_key(|e| {
        let hand = e.strength == TieStrength::Person;
        (hand, Reverse(e.shared), e.apart, e.from.min(e.to), e.from.max(e.to))
    });
    let mut forest = Forest::new(members);
    let mut beside: Vec<Vec<(usize, TieStrength)>> = vec![Vec::new(); members];
    for edge in edges {
        if forest.unite(edge.from, edge.to) {
            for (a, b) in [(edge.from, edge.to), (edge.to, edge.from)] {
                beside.get_mut(a).into_iter().for_each(|list| list.push((b, edge.strength)));
            }
        }
    }
    let mut parents: Vec<Option<(usize, TieStrength)>> = vec![None; members];
    let mut seen = vec![false; members];
    for root in 0..members {
        let mut open = if seen.get(root) == Some(&false) { vec![root] } else { Vec::new() };
        while let Some(at) = open.pop() {
            seen.get_mut(at).into_iter().for_each(|seen| *seen = true);
            for (next, strength) in beside.get(at).into_iter().flatten() {
                if seen.get(*next) == Some(&false) {
                    parents.get_mut(*next).into_iter().for_each(|p| *p = Some((at, *strength)));
                    open.push(*next);
                }
            }
        }
    }
    parents
}

#[allow(clippy::unnecessary_wraps)] // As its callers chain it.
fn tie(from: &Case<'_>, to: &Case<'_>, strength: TieStrength, book: &Book) -> Option<Tie> {
    let apart = apart(from.draft.last_time, to.draft.first_event)
        .max(apart(to.draft.last_time, from.draft.first_event));
    let (alert, to_id) = (from.draft.alert_id, to.draft.alert_id);
    if strength == TieStrength::Person {
        return Some(Tie { alert, to: to_id, strength, entities: Vec::new(), apart });
    }
    let mut wanted: Vec<u32> = shared(from, to).into_iter().flat_map(|(a, b)| [a, b]).collect();
    let mut entities: Vec<Entity> = Vec::new();
    for (entity, _) in from.draft.entities() {
        if let Some(key) = book.key(entity).filter(|key| wanted.contains(key)) {
            entities.push(entity.clone());
            // Of several spellings the first is enough.
            wanted.retain(|other| *other != key);
        }
    }
    Some(Tie { alert, to: to_id, strength, entities, apart })
}
