//! What every target checks: nothing panics, every offset lies in the parcel, every flaw is told in
//! one inert line, and the parcel reads the same however it is cut.

use parse::{Format, Limits, Reading, read_as, read_with};

/// Reads `data` as the format of this name. The first two bytes say how large chunks are.
pub fn format(name: &str, data: &[u8]) {
    let format: &'static dyn Format =
        *parse::FORMATS.iter().find(|format| format.name() == name).expect("a row of the table");
    let Some((limits, bytes)) = limits(data) else { return };
    let whole = read_as(bytes, format, Limits::default());
    check(&whole, bytes);
    assert_eq!(whole, read_as(bytes, format, limits));
}

/// Reads `data` as what it looks like.
pub fn any(data: &[u8]) {
    let Some((limits, bytes)) = limits(data) else { return };
    let whole = read_with(bytes, "", Limits::default());
    check(&whole, bytes);
    assert_eq!(whole, read_with(bytes, "", limits));
}

/// Reads `data` as one JSON value, and compares with what `serde_json` makes of it.
pub fn json_value(data: &[u8]) {
    let ours = parse::json_value(data);
    let theirs: Result<serde_json::Value, _> = serde_json::from_slice(data);
    if data.windows(2).any(|pair| pair == b"-0") {
        // Zero below zero is a whole number here and a fraction there.
        return;
    }
    if let (Ok(ours), Ok(theirs)) = (&ours, &theirs) {
        // It keeps the last of equal keys, we all of them: compare what has none.
        let mut keys = theirs.to_string();
        keys.retain(|c| c == ':');
        let mut our_keys = serde_json::to_string(ours).expect("JSON");
        our_keys.retain(|c| c == ':');
        if keys.len() == our_keys.len() {
            let ours = serde_json::to_value(ours).expect("JSON");
            assert_eq!(&ours, theirs);
        }
    } else if let (Err(flaw), Ok(_)) = (&ours, &theirs) {
        // Both stop at 128 levels, but count them differently.
        assert_eq!(flaw.kind.name(), "limit", "{flaw:?}");
    }
}

fn limits(data: &[u8]) -> Option<(Limits, &[u8])> {
    let (size, bytes) = data.split_first_chunk::<2>()?;
    let chunk = usize::from(u16::from_le_bytes(*size)).max(1);
    Some((Limits { chunk, ..Limits::default() }, bytes))
}

fn check(reading: &Reading, bytes: &[u8]) {
    // Text that is decoded from UTF-16 may be longer than it was.
    let length = bytes.len() as u64 * 3 / 2 + 4;
    let of_records = reading.records.iter().flat_map(|record| &record.flaws);
    for flaw in reading.flaws.iter().chain(of_records) {
        assert!(flaw.offset <= length, "{flaw:?}");
        assert!(!flaw.message.is_empty() && flaw.message.len() <= 600, "{flaw:?}");
        assert!(!flaw.message.chars().any(char::is_control), "{flaw:?}");
    }
    for record in &reading.records {
        assert!(record.offset <= length);
    }
}
