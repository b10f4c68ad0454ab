//! Every fixture reads as its `.expect.json` says. Set `UPDATE_EXPECT=1` to write what is read, and
//! look at the difference before committing it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use serde_json::{Value, json};

#[test]
fn fixtures_read_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for fixture in common::fixtures() {
        let reading = parse::read_all(&fixture.bytes, &fixture.name);
        let shown = fixture.path.display();
        if fixture.format != "hostile" && reading.format != fixture.format {
            wrong.push(format!("{shown}: taken for {}", reading.format));
            continue;
        }
        let text = render(&reading, &fixture.bytes);
        let expected = fixture.path.with_file_name(format!("{}.expect.json", fixture.name));
        if update {
            std::fs::write(&expected, &text).unwrap();
        } else if std::fs::read_to_string(&expected).ok().as_deref() != Some(text.as_str()) {
            wrong.push(format!("{shown}: differs from its .expect.json; it reads as\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn content_decides_and_names_do_not() {
    for fixture in common::fixtures().iter().filter(|f| f.format != "hostile") {
        for name in ["", "x.evtx", "security.json", "a.csv", "audit.log", "conn.log"] {
            let reading = parse::read_all(&fixture.bytes, name);
            assert_eq!(reading.format, fixture.format, "{} as {name}", fixture.path.display());
        }
    }
}

#[test]
fn every_format_has_a_fixture() {
    let fixtures = common::fixtures();
    let without: Vec<&str> = parse::FORMATS
        .iter()
        .map(|format| format.name())
        .filter(|name| !fixtures.iter().any(|f| f.format == *name))
        .collect();
    assert!(without.is_empty(), "formats without a fixture: {without:?}");
}

#[test]
fn every_format_has_a_fuzz_target() {
    let targets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    for format in parse::FORMATS {
        let target = targets.join(format!("{}.rs", format.name()));
        let text = std::fs::read_to_string(&target).unwrap_or_default();
        assert!(text.contains(&format!("\"{}\"", format.name())), "no {}", target.display());
    }
}

/// A reading as JSON, one record a line, so that a change shows as the line that changed. `raw`
/// is shown only where it is not the bytes up to the end of the line.
fn render(reading: &parse::Reading, bytes: &[u8]) -> String {
    let mut out = format!("{{\"format\": {},\n\"records\": [", Value::from(reading.format));
    for (n, record) in reading.records.iter().enumerate() {
        let mut shown = json!({"at": record.offset});
        if record.index > 0 {
            shown["index"] = record.index.into();
        }
        let rest = bytes.get(record.offset as usize..).unwrap_or_default();
        let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
        if line.strip_suffix(b"\r").unwrap_or(line) != &*record.raw {
            shown["raw"] = String::from_utf8_lossy(&record.raw).into();
        }
        if let Some(syntax) = record.syntax {
            shown["syntax"] = syntax.into();
        }
        shown["fields"] = serde_json::to_value(&record.fields).unwrap();
        if !record.flaws.is_empty() {
            shown["flaws"] = serde_json::to_value(&record.flaws).unwrap();
        }
        out += if n == 0 { "\n  " } else { ",\n  " };
        out += &shown.to_string();
    }
    out += "\n],\n\"flaws\": [";
    for (n, flaw) in reading.flaws.iter().enumerate() {
        out += if n == 0 { "\n  " } else { ",\n  " };
        out += &serde_json::to_string(flaw).unwrap();
    }
    out += "\n]}\n";
    out
}
