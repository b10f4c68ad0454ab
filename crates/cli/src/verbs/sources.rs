//! `watchfloor sources`: list definitions, check one.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use app::{Failure, Kind};
use model::inert;

use super::{print, print_json};
use crate::Ground;
use crate::args::Sources;
use crate::screen::Tone;

pub(crate) fn run(ground: &Ground, args: Sources) -> Result<ExitCode, Failure> {
    match args {
        Sources::List => list(ground),
        Sources::Check { dir, accept } => check(ground, &dir, accept),
    }
}

fn list(ground: &Ground) -> Result<ExitCode, Failure> {
    let (normalizer, _) = app::load_sources(&ground.content);
    let definitions = normalizer.definitions();
    if ground.json {
        let rows: Vec<_> = definitions
            .iter()
            .map(|d| {
                serde_json::json!({
                    "name": d.name, "version": d.version, "title": d.title, "vendor": d.vendor,
                    "product": d.product, "path": d.path, "logsources": d.logsources,
                    "classes": d.classes.iter().map(|c| c.caption).collect::<Vec<_>>(),
                })
            })
            .collect();
        print_json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = definitions.iter().map(|d| d.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for definition in definitions {
        let classes: Vec<_> = definition.classes.iter().map(|class| class.caption).collect();
        let name = ground.screen.paint(Tone::Strong, &format!("{:<width$}", definition.name));
        let _ = writeln!(text, "{name}  {}  ({})", inert(&definition.title), classes.join(", "));
    }
    let _ = writeln!(text, "\n{} sources", definitions.len());
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn check(ground: &Ground, dir: &Path, accept: bool) -> Result<ExitCode, Failure> {
    let checked = app::check_sources(&ground.content, dir, accept)?;
    let failed = checked.iter().filter(|one| !one.passed()).count();
    if ground.json {
        let rows: Vec<_> = checked
            .iter()
            .map(|one| {
                let samples: Vec<_> = one
                    .samples
                    .iter()
                    .map(|s| {
                        serde_json::json!({
                            "name": s.name, "events": s.actual.len(), "passed": s.passed(),
                            "differences": s.differences, "problems": s.problems,
                        })
                    })
                    .collect();
                let mistakes: Vec<_> = one.mistakes.iter().map(ToString::to_string).collect();
                serde_json::json!({
                    "name": one.name, "passed": one.passed(), "mistakes": mistakes, "samples": samples,
                })
            })
            .collect();
        print_json(&rows)?;
    } else {
        let mut text = String::new();
        for one in &checked {
            for diagnostic in
                one.mistakes.iter().chain(one.samples.iter().flat_map(|s| &s.diagnostics))
            {
                let _ = writeln!(text, "{diagnostic}\n");
            }
            let events: usize = one.samples.iter().map(|sample| sample.actual.len()).sum();
            let (tone, word) = if one.passed() {
                (Tone::Good, "ok     ")
            } else if accept {
                (Tone::Warn, "written")
            } else {
                (Tone::Bad, "failed ")
            };
            let _ = writeln!(
                text,
                "{} {}: {} samples, {events} events",
                ground.screen.paint(tone, word),
                inert(&one.name),
                one.samples.len(),
            );
        }
        print(&text)?;
    }
    Ok(if failed == 0 || accept { ExitCode::SUCCESS } else { Kind::Content.exit_code().into() })
}
