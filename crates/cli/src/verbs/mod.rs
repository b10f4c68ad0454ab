//! The verbs, one file each.

pub(crate) mod doctor;
pub(crate) mod hunt;
pub(crate) mod investigate;
pub(crate) mod normalize;
pub(crate) mod query;
pub(crate) mod report;
pub(crate) mod rules;
pub(crate) mod sources;

use app::{Failure, Kind};
use model::inert_json;

use crate::screen::out;

/// Prints, turning a failure to write into one of ours.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    out(text).map_err(|error| Failure::new(Kind::System, format!("cannot write: {error}")))
}

/// Prints a value as one line of JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text =
        serde_json::to_string(value).map_err(|e| Failure::new(Kind::Defect, e.to_string()))?;
    print(&inert_json(&(text + "\n")))
}
