//! The table of formats. A format is one file here, one row, one folder of fixtures.

mod json;
mod lines;

use crate::Format;

/// Every format, in the order in which ties are decided. `lines` is last: it takes any text.
pub static FORMATS: &[&dyn Format] = &[&json::Json, &lines::Lines];
