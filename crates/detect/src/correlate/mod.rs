//! Correlations: rules that count the hits of other rules.
//!
//! Detection keeps a compact [`Hit`] for each match of a rule that some correlation refers to. When
//! all events have been seen, the hits are sorted by time and event, so that nothing depends on
//! which thread saw what, and each correlation runs over its groups. A stretch of hits during
//! which the condition keeps holding is one finding, not one for each further hit.

mod hit;
mod plan;
mod run;
mod window;

pub use hit::Hit;
pub(crate) use hit::HitStore;
pub(crate) use plan::{Correlation, Source, What, plan};
pub(crate) use run::{by_rule, fired, run};
