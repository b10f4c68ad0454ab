//! The document as JSON, for machines. Its shape is [`crate::Document`]'s own, named by `schema`.
//!
//! Values are as they were, with two exceptions: texts above 16 KiB are cut and say so, and
//! characters that act on a terminal or on the reading direction are written as `\u` escapes, which
//! mean the same to a JSON reader and nothing to a terminal.

use std::fmt::Write as _;

use crate::{Document, Form, RenderError, text};

/// The `json` form.
pub(crate) struct Json;

/// Bytes kept of one text.
const TEXT: usize = 16 * 1024;

impl Form for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "Everything, for other programs; the schema is versioned"
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn render(&self, document: &Document) -> Result<Vec<u8>, RenderError> {
        let mut value = serde_json::to_value(document)?;
        cut(&mut value);
        let plain = serde_json::to_string_pretty(&value)?;
        let mut out = model::inert_json(&plain).into_owned();
        out.push('\n');
        Ok(out.into_bytes())
    }
}

fn cut(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(s) if s.len() > TEXT => {
            let left = s.len() - TEXT;
            let at = (0..=TEXT).rev().find(|at| s.is_char_boundary(*at)).unwrap_or(0);
            s.truncate(at);
            let _infallible = write!(s, "… ({} more)", text::bytes(left as u64));
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(cut),
        serde_json::Value::Object(map) => map.values_mut().for_each(cut),
        _ => {}
    }
}
