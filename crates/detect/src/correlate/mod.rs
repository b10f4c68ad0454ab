//! Correlations: rules that count the hits of other rules.
//!
//! Detection makes a compact [`Hit`] of each match of a rule that some correlation refers to. The
//! [`engine`] sorts them into the groups of each correlation and judges windows over them; a stretch
//! of hits during which the condition keeps holding is one finding, not one for each further hit.
//! A finding is named by what made its condition hold first, so that it keeps its name while its
//! burst goes on.
//!
//! There is one way to count, for evidence that has all come ([`run`]) and for a stream that never
//! ends ([`LiveCorrelator`]): what is said in the end depends on the hits alone, not on the order
//! in which they came, nor on how often somebody asked.

mod changes;
mod engine;
mod group;
mod hit;
mod input;
mod lane;
mod live;
mod plan;
mod run;
mod snapshot;
mod stretch;
mod sum;
mod tally;
mod window;

pub use changes::{Changes, LeftOut, Limits, Superseded};
pub use hit::Hit;
pub(crate) use hit::HitStore;
pub use live::LiveCorrelator;
pub(crate) use plan::{Correlation, Source, What, plan};
pub(crate) use run::{by_rule, fired, run};
pub use snapshot::SnapshotError;
