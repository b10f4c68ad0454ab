//! What a correlator says.

use model::{Finding, FindingId, Micros};

/// What became of the findings of correlations since a correlator was last asked. Whoever keeps
/// findings applies it in this order: new and changed ones are put in place by id, superseded ones
/// go.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Findings that were not there before, by time and id.
    pub new: Vec<Finding>,
    /// Findings that are there already and now say something else: their burst goes on, or a late
    /// event belongs to it. By time and id.
    pub changed: Vec<Finding>,
    /// Findings that are no more, by id.
    pub superseded: Vec<Superseded>,
    /// Findings that nothing will change any more, by id; each of them was new once.
    pub settled: Vec<FindingId>,
}

/// A finding that a late event made untrue: its condition held sooner than was known, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Superseded {
    /// The finding that is no more.
    pub id: FindingId,
    /// The one over the same time that takes its place.
    pub by: Option<FindingId>,
}

impl Changes {
    /// True when there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty()
            && self.changed.is_empty()
            && self.superseded.is_empty()
            && self.settled.is_empty()
    }

    pub(super) fn sort(&mut self) {
        self.new.sort_by_key(|finding| (finding.time, finding.finding_id));
        self.changed.sort_by_key(|finding| (finding.time, finding.finding_id));
        self.superseded.sort_unstable();
        self.settled.sort_unstable();
    }
}

/// What a correlation did not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Matches that came later than the allowed lateness.
    pub late: u64,
    /// Matches that lie farther in the future than is believed.
    pub ahead: u64,
    /// Matches that were let go while a window could still reach them, because there were too many.
    pub shed: u64,
}

impl LeftOut {
    /// True when nothing was left out.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// How long a correlator waits, and how much it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How far behind the watermark an event may come and still be counted.
    pub lateness: Micros,
    /// How far before the watermark an event may lie. Beyond that its clock is not believed: it
    /// would stay for as long.
    pub ahead: Micros,
    /// Matches kept for one group of one correlation, so that a flood costs nobody else's memory.
    /// A correlation that counts to more than half of it is given more.
    pub group: usize,
    /// Matches kept for one correlation, in the same way.
    pub rule: usize,
    /// Matches kept for all of them.
    pub total: usize,
}

impl Default for Limits {
    /// Five minutes late, a day ahead; 20,000 matches a group, 200,000 a rule, 1,000,000 in all.
    fn default() -> Self {
        Self {
            lateness: Micros::from_seconds(300),
            ahead: Micros::from_seconds(86_400),
            group: 20_000,
            rule: 200_000,
            total: 1_000_000,
        }
    }
}

impl Limits {
    /// Nothing is late, nothing is let go.
    pub(super) const NONE: Self = Self {
        lateness: Micros(0),
        ahead: Micros(i64::MAX),
        group: usize::MAX,
        rule: usize::MAX,
        total: usize::MAX,
    };
}
