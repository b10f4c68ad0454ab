//! Correlations over a stream: hits in, in any order; findings out as they come true.

use std::sync::Arc;

use model::{Finding, Match, Micros};

use super::changes::{Changes, LeftOut, Limits};
use super::engine::Engine;
use super::group::Said;
use super::hit::Hit;
use super::input::key;
use super::snapshot::{self, SnapshotError};
use super::window::bound;
use crate::rule::RuleInfo;
use crate::rules::Rules;

/// Runs the correlations of a rule set over a stream of hits.
///
/// What it has said once everything has settled equals what [`Rules::correlate`] says of the same
/// hits, ids included, whatever the order and the portions in which they came, as long as
/// [`LiveCorrelator::left_out`] tells of nothing. It keeps what windows can still reach, and no
/// more than [`Limits`] allow.
///
/// Conditions that more events can only make truer (`gte` on a count, all of some rules) are told
/// of at the next [`LiveCorrelator::advance`]. What can be said of a whole window alone (`lt`, the
/// average of a tumbling window) is told of once the allowed lateness is over too: "at most three"
/// would else be a guess.
#[derive(Debug)]
pub struct LiveCorrelator {
    rules: Arc<Rules>,
    engine: Engine,
}

impl LiveCorrelator {
    /// A correlator that knows of nothing yet.
    pub fn new(rules: Arc<Rules>, limits: Limits) -> Self {
        let engine = Engine::new(rules.correlations(), limits);
        Self { rules, engine }
    }

    /// The rules that it runs.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Takes hits in, in any order; one that it has already counts once. `from` is the rule set of
    /// the detector that made them: hits of a set that is no longer loaded count where their rule
    /// is still the same.
    pub fn feed(&mut self, from: &Rules, hits: Vec<Hit>) {
        let hits = if std::ptr::eq(from, &raw const *self.rules) {
            hits
        } else {
            let kept: Vec<Match> = from.kept(&hits).collect();
            self.rules.recalled(kept).0
        };
        let correlations = self.rules.correlations();
        hits.into_iter().for_each(|hit| self.engine.feed(correlations, hit));
    }

    /// Says what follows from the hits so far. The watermark tells how far the stream has come in
    /// event time, and never goes back; hits that come later than it by more than
    /// [`Limits::lateness`] count no more. It should follow the events that were taken in (their
    /// latest time, never beyond the clock), not the clock alone, else all of a backlog is late.
    pub fn advance(&mut self, watermark: Micros) -> Changes {
        self.engine.advance(self.rules.correlations(), watermark)
    }

    /// Hits before this instant come too late.
    pub fn horizon(&self) -> Micros {
        self.engine.horizon
    }

    /// How much is kept, in matches of about 200 bytes.
    pub fn kept(&self) -> usize {
        self.engine.weight()
    }

    /// What correlations did not count since the correlator was made, where there is anything.
    pub fn left_out(&self) -> impl Iterator<Item = (&RuleInfo, LeftOut)> {
        let lanes = self.rules.correlations().iter().zip(&self.engine.lanes);
        let all = lanes.map(|(rule, lane)| (&*rule.info, lane.left_out));
        all.filter(|(_, left_out)| !left_out.is_nothing())
    }

    /// Everything that it knows, as bytes that [`LiveCorrelator::restore`] reads. Belongs together
    /// with the place in the log up to which hits were fed.
    pub fn snapshot(&self) -> Vec<u8> {
        snapshot::write(&self.rules, &self.engine)
    }

    /// Goes on from a snapshot, maybe with other rules: a correlation keeps what it knows as long as
    /// its own text and those of all that it counts are the same. Findings of the others are said to
    /// be settled at the next [`LiveCorrelator::advance`].
    pub fn restore(rules: Arc<Rules>, limits: Limits, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let engine = snapshot::read(&rules, limits, bytes)?;
        Ok(Self { rules, engine })
    }

    /// Goes on with other rules, as [`LiveCorrelator::restore`] does.
    pub fn reload(&mut self, rules: Arc<Rules>) -> Result<(), SnapshotError> {
        let limits = self.engine.limits;
        *self = Self::restore(rules, limits, &self.snapshot())?;
        Ok(())
    }

    /// Learns after a crash what was said after the snapshot: findings that were kept, and not
    /// called settled. Feed what the log holds beyond the snapshot, call this, then advance: each of
    /// them that does not come true again is superseded, else it would stand forever.
    pub fn recall<'f>(&mut self, standing: impl IntoIterator<Item = &'f Finding>) {
        let correlations = self.rules.correlations();
        let horizons = self.engine.horizons(correlations);
        for finding in standing {
            let is_it = |info: &RuleInfo| {
                info.id == finding.rule_id && info.version == finding.rule_version
            };
            let at = correlations.iter().position(|rule| is_it(&rule.info));
            let Some((rule, window)) =
                at.and_then(|at| correlations.get(at)).zip(finding.window.as_ref())
            else {
                continue;
            };
            let lane = at.and_then(|at| self.engine.lanes.get_mut(at));
            let horizon = at.and_then(|at| horizons.get(at));
            let group = window.group.iter().map(|(_, value)| Some(&**value));
            let (Some(lane), Some(horizon), Some(key)) = (lane, horizon, key(group)) else {
                continue;
            };
            // What was final when the snapshot was made is not in it.
            if *horizon < bound(rule, window.start, window.end) {
                let said = Said { digest: 0, first: window.start, last: window.end };
                lane.touch(&key).said.entry(finding.finding_id).or_insert(said);
            }
        }
    }
}
