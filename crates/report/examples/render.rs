//! Renders a report's JSON form again in every form: `cargo run -p report --example render --
//! report.json DIR`. For looking at a change of the forms on a real report.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(json), Some(folder)) = (args.next(), args.next().map(PathBuf::from)) else {
        return Err("give the JSON report and a folder to write to".into());
    };
    let document: report::Document = serde_json::from_slice(&std::fs::read(json)?)?;
    for form in report::FORMS {
        let started = Instant::now();
        let bytes = form.render(&document)?;
        println!("{}: {} bytes in {:?}", form.name(), bytes.len(), started.elapsed());
        std::fs::write(folder.join(format!("report.{}", form.extension())), bytes)?;
    }
    Ok(())
}
