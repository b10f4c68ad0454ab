//! The verbs, one file each.

pub(crate) mod doctor;
pub(crate) mod hunt;
pub(crate) mod investigate;
pub(crate) mod normalize;
pub(crate) mod play;
pub(crate) mod query;
pub(crate) mod report;
pub(crate) mod rules;
pub(crate) mod serve;
pub(crate) mod sources;

use app::{Failure, Kind};
use model::{inert, inert_json};

use crate::screen::out;

/// Prints, turning a failure to write into one of ours.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    out(text).map_err(|error| Failure::new(Kind::System, format!("cannot write: {error}")))
}

/// Text of several lines made inert, its line breaks kept.
pub(crate) fn inert_lines(text: &str) -> String {
    text.lines().map(inert).collect::<Vec<_>>().join("\n")
}

/// Prints a value as one line of JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text =
        serde_json::to_string(value).map_err(|e| Failure::new(Kind::Defect, e.to_string()))?;
    print(&inert_json(&(text + "\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_and_what_acts_does_not() {
        let text = "SELECT 1 -- \x1b[2J\r\n\tFROM \u{202e}x\n";
        assert_eq!(inert_lines(text), "SELECT 1 -- \\x1b[2J\n\\tFROM \\u{202e}x");
    }
}
