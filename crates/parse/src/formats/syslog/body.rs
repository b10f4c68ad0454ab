//! The syntax inside a message: read one level deeper when the first bytes say what it is.

use model::Value;

use crate::formats::{audit_fields, cef, keyvalue, leef};
use crate::{json_value, seek};

/// The name of the inner format, and its fields: always a map.
pub(super) fn read(message: &str) -> Option<(&'static str, Value<'_>)> {
    let text = message.trim_ascii_start();
    match text.as_bytes().first()? {
        b'{' => json(text),
        b'@' => json(text.strip_prefix("@cee:")?.trim_ascii_start()),
        b'C' if text.starts_with("CEF:") => Some(("cef", Value::Map(cef::fields(text)?))),
        b'L' if text.starts_with("LEEF:") => Some(("leef", Value::Map(leef::fields(text)?))),
        // `type=SYSCALL msg=audit(…): …`, or a kernel's `[1.2] audit: type=1400 audit(…): …`.
        b't' | b'n' | b'a' | b'm' | b'[' => audit(text).or_else(|| pairs(text)),
        _ => pairs(text),
    }
}

fn audit(text: &str) -> Option<(&'static str, Value<'_>)> {
    let front = text.as_bytes().get(..text.len().min(160))?;
    seek::find_text(b"audit(", front)?;
    let start = seek::find_text(b"type=", front).unwrap_or(0);
    let start = if text.starts_with("node=") { 0 } else { start };
    Some(("auditd", audit_fields(text.get(start..)?)?))
}

fn json(text: &str) -> Option<(&'static str, Value<'_>)> {
    let text = text.trim_ascii_end();
    if !text.starts_with('{') || !text.ends_with('}') {
        return None;
    }
    let value = json_value(text.as_bytes()).ok()?;
    matches!(value, Value::Map(_)).then_some(("json", value))
}

/// Pairs at the front, or behind what a kernel writes in brackets (`[UFW BLOCK] IN=eth0 …`).
fn pairs(text: &str) -> Option<(&'static str, Value<'_>)> {
    let mut front = text;
    for _ in 0..2 {
        if let Some(inner) = front.strip_prefix('[') {
            let inner = inner.get(..inner.len().min(64)).unwrap_or_default();
            let close = seek::find(b']', inner.as_bytes())?;
            front = front.get(close + 2..)?.trim_ascii_start();
        }
    }
    if !keyvalue::begins_with_pair(front) {
        return None;
    }
    let pairs = keyvalue::pairs(text);
    pairs.convincing().then_some(("keyvalue", Value::Map(pairs.fields)))
}
