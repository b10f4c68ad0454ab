//! `watchfloor hunt`: saved hunts.

use std::fmt::Write as _;
use std::process::ExitCode;

use app::{Failure, Kind};
use model::inert;

use super::query::answer;
use super::{inert_lines, print, print_json};
use crate::Ground;
use crate::args::Hunt;
use crate::screen::{Tone, err};

pub(crate) fn run(ground: &Ground, args: Hunt) -> Result<ExitCode, Failure> {
    match args {
        Hunt::List => list(ground),
        Hunt::Show { name } => show(ground, &name),
        Hunt::Run { name, set, data, answer: form } => {
            let saved = app::find_hunt(&ground.content, &name)?;
            let given = set.iter().map(|text| pair(text)).collect::<Result<Vec<_>, _>>()?;
            answer(ground, &form, |question, out| {
                app::run_hunt(&data.data, &saved, &given, question, out)
            })
        }
    }
}

fn pair(text: &str) -> Result<(String, String), Failure> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        Failure::new(Kind::Usage, format!("--set {}: expected NAME=VALUE", inert(text)))
    })?;
    Ok((name.to_owned(), value.to_owned()))
}

fn list(ground: &Ground) -> Result<ExitCode, Failure> {
    let (hunts, problems) = app::hunts(&ground.content);
    for problem in &problems {
        err(&format!("{} {}", ground.screen.paint(Tone::Bad, "error:"), inert(problem)));
    }
    if ground.json {
        print_json(&hunts.iter().map(json).collect::<Vec<_>>())?;
    } else {
        let width = hunts.iter().map(|hunt| hunt.name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for hunt in &hunts {
            let name = format!("{:<width$}", inert(&hunt.name));
            let name = ground.screen.paint(Tone::Strong, &name);
            let techniques: Vec<_> = hunt.techniques.iter().map(|t| t.0.as_ref()).collect();
            let line = format!("{}  {}", hunt.title, techniques.join(" "));
            let _ = writeln!(text, "{name}  {}", inert(&line));
        }
        print(&text)?;
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { Kind::Content.exit_code().into() })
}

/// A hunt for machines.
fn json(hunt: &app::SavedHunt) -> serde_json::Value {
    let parameters: Vec<_> = hunt
        .parameters
        .iter()
        .map(|p| serde_json::json!({ "name": p.name, "about": p.about, "default": p.default }))
        .collect();
    serde_json::json!({
        "name": hunt.name, "title": hunt.title, "techniques": hunt.techniques,
        "explanation": hunt.explanation, "parameters": parameters, "sql": hunt.sql,
    })
}

fn show(ground: &Ground, name: &str) -> Result<ExitCode, Failure> {
    let hunt = app::find_hunt(&ground.content, name)?;
    if ground.json {
        print_json(&json(&hunt))?;
        return Ok(ExitCode::SUCCESS);
    }
    let strong = |text: &str| ground.screen.paint(Tone::Strong, text);
    let (title, explanation) = (inert(&hunt.title), inert_lines(hunt.explanation.trim()));
    let mut text = format!("{}\n\n{explanation}\n", strong(&title));
    if !hunt.parameters.is_empty() {
        let _ = writeln!(text, "\n{}", strong("Parameters"));
        for parameter in &hunt.parameters {
            let default = parameter.default.as_ref().map(|d| format!(" [{d}]")).unwrap_or_default();
            let line = format!("{}{default}  {}", parameter.name, parameter.about);
            let _ = writeln!(text, "  {}", inert(&line));
        }
    }
    let _ = writeln!(text, "\n{}\n{}", strong("SQL"), inert_lines(hunt.sql.trim()));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
