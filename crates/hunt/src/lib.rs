//! SQL over the lake: functions, limits, saved hunts.
//!
//! A query may come from anyone who may read the lake, and it may be hostile. So the engine that runs
//! it knows one thing only: the tables of one lake. It has no object store but theirs (no files of
//! the host, no network), no statement but queries, bounded memory that spills to a folder of ours,
//! a bound on rows and on time.
//!
//! This room knows no detection and draws no conclusion: it answers.

mod answer;
mod engine;
mod error;
mod functions;
mod guard;
mod hunt;
mod lists;
mod memory;
mod rewrite;
mod saved;
mod stores;
mod tables;
mod window;
mod write;

pub use answer::Answer;
pub use error::{HuntError, Kind, Place};
pub use functions::{FUNCTIONS, FunctionInfo};
pub use hunt::{Between, Hunt, Limits};
pub use saved::{Parameter, ParameterKind, SavedHunt, Value};
pub use write::{Form, TableStyle, write};
