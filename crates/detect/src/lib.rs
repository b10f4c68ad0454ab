//! Events against Sigma rules; findings out.
//!
//! Sigma runs on the source's own fields, never on normalised ones. [`Rules::load`] reads rule
//! files, reports what it cannot use with a code and a caret, and loads the rest. Each thread
//! takes a [`Detector`] and shows it [`View`]s; when all events have been seen,
//! [`Rules::correlate`] runs the correlations over the hits of all detectors.
//!
//! The language is rsigma-parser's reading of Sigma; evaluation is this room's own, because it
//! must be several times faster than one tree for each rule (see `program`) and because Windows
//! events want some mending (see `leaves`, `aliases` and `item`). rsigma-eval is the judge of it
//! in tests.
//!
//! This room does no I/O, reads no clock, and knows products only as log sources and other names
//! of fields.

mod affixes;
mod aliases;
mod anchor;
mod ask;
mod budget;
mod correlate;
mod coverage;
mod detector;
mod document;
mod encode;
mod expr;
mod folded;
mod glob;
mod guarded;
mod import;
mod item;
mod leaves;
mod lint;
mod logsource;
mod matched;
mod members;
mod names;
mod needles;
mod network;
mod problem;
mod program;
mod rarity;
mod regexes;
mod rule;
mod rules;
mod samples;
mod table;

pub use budget::{RuleCost, RuleCosts};
pub use correlate::{Changes, Hit, LeftOut, Limits, LiveCorrelator, SnapshotError, Superseded};
pub use coverage::{Count, Coverage};
pub use detector::{Detector, View};
pub use import::{Import, Verdict, judge_import};
pub use item::Placeholders;
pub use lint::{Outline, lint};
pub use problem::{RuleProblem, Severity};
pub use rule::RuleInfo;
pub use rules::{ReadRules, RuleText, Rules};
pub use samples::{Sample, Trial, samples};
