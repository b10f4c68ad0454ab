//! What is true of every form, and the two that are plain text as snapshots.

use report::{Document, FORMS, render};

use crate::{pdf, sample};

/// Where the forms are also written when somebody wants to look at them.
fn keep(name: &str, extension: &str, bytes: &[u8]) {
    if let Some(dir) = std::env::var_os("WATCHFLOOR_REPORT_OUT") {
        let file = std::path::Path::new(&dir).join(format!("{name}.{extension}"));
        std::fs::write(file, bytes).unwrap();
    }
}

#[test]
fn every_form_of_every_document_is_rendered_the_same_twice() {
    for name in ["attack", "empty", "hostile"] {
        let document = sample::named(name);
        for form in FORMS {
            let started = std::time::Instant::now();
            let bytes = render(form.name(), &document).unwrap();
            println!("{name} {}: {} bytes, {:?}", form.name(), bytes.len(), started.elapsed());
            assert!(bytes.len() < 6_000_000, "{name} {} is {} bytes", form.name(), bytes.len());
            let again = if form.name() == "pdf" {
                pdf::of(name).to_vec()
            } else {
                form.render(&document).unwrap()
            };
            assert!(bytes == again, "{name} {} differs from run to run", form.name());
            keep(name, form.extension(), &bytes);
        }
    }
}

#[test]
fn more_than_anybody_reads_stays_readable() {
    let document = sample::many();
    for (form, most) in [("html", 4_000_000), ("markdown", 4_000_000), ("pdf", 2_000_000)] {
        let started = std::time::Instant::now();
        let bytes = render(form, &document).unwrap();
        println!("many {form}: {} bytes, {:?}", bytes.len(), started.elapsed());
        assert!(bytes.len() < most, "{form} is {} bytes", bytes.len());
        keep("many", form, &bytes);
    }
}

#[test]
fn text_forms_hold_nothing_that_acts() {
    for form in ["html", "markdown", "json"] {
        let bytes = render(form, &sample::hostile()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let bad = text.chars().find(|c| *c != '\n' && model::acts(*c));
        assert_eq!(bad, None, "{form}");
    }
}

#[test]
fn unknown_forms_are_named() {
    let error = render("docx", &sample::empty()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no report form is called `docx`: choose one of html, pdf, markdown, json"
    );
}

#[test]
fn json_reads_back() {
    let document = sample::attack();
    let bytes = render("json", &document).unwrap();
    assert_eq!(serde_json::from_slice::<Document>(&bytes).unwrap(), document);
    let hostile = render("json", &sample::hostile()).unwrap();
    let hostile: serde_json::Value = serde_json::from_slice(&hostile).unwrap();
    let sample = hostile["unrecognised"][0]["sample"].as_str().unwrap();
    assert!(sample.ends_with("… (10.0 MB more)"));
}

#[test]
fn markdown_of_the_attack() {
    insta::assert_snapshot!(
        String::from_utf8(render("markdown", &sample::attack()).unwrap()).unwrap()
    );
}

#[test]
fn markdown_of_an_empty_folder() {
    insta::assert_snapshot!(
        String::from_utf8(render("markdown", &sample::empty()).unwrap()).unwrap()
    );
}

#[test]
fn json_of_the_attack() {
    insta::assert_snapshot!(String::from_utf8(render("json", &sample::attack()).unwrap()).unwrap());
}
