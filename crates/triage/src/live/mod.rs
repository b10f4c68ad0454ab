//! Triage of a stream: findings in as they come, alerts and incidents out as they change.
//!
//! What is told is what [`triage`](crate::triage()) would tell of the same findings, with these
//! differences, each of them a choice for the person who watches (`docs/adr/0008`):
//!
//! - **Order.** Findings may come late, be changed, or be taken back, and the alerts follow, as long
//!   as [`Bounds::lateness`] and [`Bounds::changes`] allow; then their order is *settled*. What comes
//!   later still is counted in [`Left`] and does what it can. Alerts are those of the batch at every
//!   moment; a late first finding gives an alert another id, and the old one is retracted in favour of
//!   the new.
//! - **Steadiness.** Incidents merge at once. They split only when evidence is taken back, when a
//!   person says so, or when the entity that held them together has been found to be common for
//!   [`Bounds::hold`]; that entity then ties nothing until it was not found so for [`Bounds::stay`].
//!   So no weight merges and splits the same two alerts more than once a day.
//! - **Closing.** What has been quiet for [`Bounds::window`] is weighed once more, with all that is
//!   known then and as the batch would, told for the last time, and forgotten. When all evidence fits
//!   in the window, the end is that of the batch.
//!
//! What is shown follows from the findings alone but for two things that have a past: which entities
//! were found to be common when, and which alerts are closed. [`Live::mark`] gives both, and
//! [`Live::restore`] takes them.

mod bounds;
mod changes;
mod close;
mod intake;
mod line;
mod restore;
mod slab;
mod tell;
mod weights;

use std::collections::{BTreeSet, HashMap};

use model::{AlertId, Entity, FindingId, IncidentId, Micros};

pub use bounds::Bounds;
pub use changes::{Changes, Left, Retracted};
pub use restore::{Common, Cut, Kept, Mark};

use crate::CommonEntity;
use crate::alerts::{Draft, Key, Known};
use crate::decisions::Decisions;
use crate::policy::Policy;
use crate::ties::{Book, Weighed};
use line::Line;
use slab::Slab;

/// Live triage. Holds no clock: event time is passed in.
pub struct Live {
    policy: Policy,
    bounds: Bounds,
    decisions: Decisions,
    now: Micros,
    known: Known,
    lines: Slab<Line>,
    line_of: HashMap<Key, u32>,
    /// Where each finding is whose order is kept.
    places: HashMap<FindingId, (u32, Micros)>,
    /// Lines by when their first finding need not be kept in order any more.
    dues: BTreeSet<(Micros, u32)>,
    /// Lines whose alerts have to be worked out anew.
    dirty: Vec<u32>,
    /// Lines with alerts that were closed while they went on, by when that can be forgotten.
    cuts: BTreeSet<(Micros, u32)>,
    alerts: Slab<Active>,
    slot_of: HashMap<AlertId, u32>,
    /// Slots of alerts that changed.
    touched: Vec<u32>,
    /// Alerts that were told and are no more.
    gone: Vec<Gone>,
    /// Which finding took the place of one, and in which alert that was.
    moves: Vec<(AlertId, FindingId)>,
    book: Book,
    /// The incidents that were told, with their alerts.
    incidents: HashMap<IncidentId, Vec<AlertId>>,
    /// Whether incidents have to be gathered although no alert changed.
    stale: bool,
    /// When something changes by the passing of time alone.
    due: Micros,
    left: Left,
}

/// An alert that may still change.
struct Active {
    draft: Draft,
    line: u32,
    /// Its entities as the book knows them.
    named: Vec<Entity>,
    weighed: Weighed,
    /// When it was first seen, and when last.
    born: Micros,
    touched: Micros,
    /// Whether it says something that was not told.
    fresh: bool,
    /// Whether something else ties it than when it was last told.
    shifted: bool,
    told: bool,
}

/// An alert that was told and is no more.
struct Gone {
    id: AlertId,
    founds: IncidentId,
    successor: Option<AlertId>,
}

impl Live {
    /// Begins with nothing.
    pub fn new(policy: Policy, bounds: Bounds) -> Self {
        Self {
            policy,
            bounds,
            decisions: Decisions::default(),
            now: Micros(i64::MIN),
            known: Known::default(),
            lines: Slab::new(),
            line_of: HashMap::new(),
            places: HashMap::new(),
            dues: BTreeSet::new(),
            dirty: Vec::new(),
            cuts: BTreeSet::new(),
            alerts: Slab::new(),
            slot_of: HashMap::new(),
            touched: Vec::new(),
            gone: Vec::new(),
            moves: Vec::new(),
            book: Book::default(),
            incidents: HashMap::new(),
            stale: false,
            due: Micros(i64::MAX),
            left: Left::default(),
        }
    }

    /// Takes what people decided, in place of what they had decided before. The next
    /// [`advance`](Self::advance) tells what follows from it.
    pub fn decide(&mut self, decisions: Decisions) {
        self.stale |= self.decisions != decisions;
        self.decisions = decisions;
    }

    /// What people decided, with alerts that were retracted since replaced by their successors.
    pub fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    /// Moves event time on to `now` (never back) and tells what changed since it was last asked.
    ///
    /// `now` is where the stream stands: the clock, or the latest event time that is believed. A wrong
    /// clock in an event must not move it, for what is quiet at `now` closes.
    pub fn advance(&mut self, now: Micros) -> Changes {
        self.now = self.now.max(now);
        self.work_out();
        self.settle();
        self.forget_cuts();
        let flipped = self.note();
        if self.touched.is_empty() && self.gone.is_empty() && !self.stale && self.now < self.due {
            return Changes::default();
        }
        let found = self.book.judge(&self.policy, Some(self.now));
        let mut keys = weights::take_up(&mut self.book, &found, self.now, &self.bounds);
        keys.extend(flipped);
        self.weigh(&keys);
        self.tell(&found)
    }

    /// Entities that would tie alerts but are too common to mean anything, most alerts first.
    pub fn common(&self) -> Vec<CommonEntity> {
        self.book.common(&self.policy)
    }

    /// What could not be done as if everything had come in order and nothing were bounded.
    pub fn left(&self) -> Left {
        self.left
    }

    /// Alerts that may still change.
    pub fn active_alerts(&self) -> usize {
        self.alerts.len()
    }

    /// Findings whose order is kept.
    pub fn kept_findings(&self) -> usize {
        self.places.len()
    }

    /// Takes the alerts that changed into the book; the keys that are common by name now, or no
    /// longer.
    fn note(&mut self) -> Vec<u32> {
        for slot in &self.touched {
            let Some(active) = self.alerts.get_mut(*slot) else { continue };
            active.touched = self.now;
            active.fresh = true;
            let draft = &active.draft;
            let same = draft.entities().map(|(entity, _)| entity).eq(&active.named);
            if same && !active.named.is_empty() {
                self.book.note_times(*slot, draft);
                continue;
            }
            self.book.forget(*slot, active.named.iter());
            active.named = draft.entities().map(|(entity, _)| entity.clone()).collect();
            self.book.note(*slot, draft, &self.policy);
        }
        self.known.sweep();
        self.book.take_flipped()
    }

    /// Weighs anew the alerts that changed, and those that name one of these keys.
    fn weigh(&mut self, keys: &[u32]) {
        let mut slots = std::mem::take(&mut self.touched);
        slots.extend(keys.iter().flat_map(|key| self.book.alerts_of(*key)));
        for slot in slots {
            let Some(active) = self.alerts.get_mut(slot) else { continue };
            let first = active.draft.first_event;
            let weighed = self.book.weigh(slot, |key| self.book.strength(key, first));
            if weighed != active.weighed {
                active.weighed = weighed;
                active.shifted = true;
            }
        }
    }
}
