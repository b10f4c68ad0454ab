//! `watchfloor rules`: look after detection rules.

use std::fmt::Write as _;
use std::process::ExitCode;

use app::{Failure, Kind, RuleChoice, Stages};
use model::inert;

use super::{print, print_json};
use crate::Ground;
use crate::args::{RuleSet, Rules};
use crate::screen::Tone;

pub(crate) fn run(ground: &Ground, args: Rules) -> Result<ExitCode, Failure> {
    match args {
        Rules::Check(set) => check(ground, set),
        Rules::List(set) => list(ground, set),
    }
}

/// The rules that were named, or the built-in ones.
fn load(ground: &Ground, set: RuleSet) -> Stages {
    let choice = RuleChoice { only_paths: !set.paths.is_empty(), paths: set.paths };
    Stages::load(&ground.content, &choice)
}

fn check(ground: &Ground, set: RuleSet) -> Result<ExitCode, Failure> {
    let stages = load(ground, set);
    let bad = !stages.rule_problems.is_empty() || !stages.unread.is_empty();
    if ground.json {
        print_json(&serde_json::json!({
            "loaded": stages.rules.list().len(),
            "problems": stages.rule_problems,
            "unread": stages.unread,
        }))?;
    } else {
        let mut text = String::new();
        for problem in &stages.rule_problems {
            let _ = writeln!(text, "{problem}\n");
        }
        for unread in &stages.unread {
            let _ = writeln!(text, "{}", inert(unread));
        }
        let _ = writeln!(
            text,
            "{} rules load, {} problems",
            stages.rules.list().len(),
            stages.rule_problems.len() + stages.unread.len()
        );
        print(&text)?;
    }
    Ok(if bad { Kind::Content.exit_code().into() } else { ExitCode::SUCCESS })
}

fn list(ground: &Ground, set: RuleSet) -> Result<ExitCode, Failure> {
    let stages = load(ground, set);
    let rules = stages.rules.list();
    if ground.json {
        print_json(&rules)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for rule in rules {
        let source = match &rule.logsource {
            Some(source) => source.to_string(),
            None => "correlation".to_owned(),
        };
        let techniques: Vec<_> = rule.techniques.iter().map(|t| t.0.as_ref()).collect();
        let _ = writeln!(
            text,
            "{} {:<34} {}  {}",
            ground.screen.level(rule.level),
            inert(&source),
            inert(&rule.title),
            ground.screen.paint(Tone::Quiet, &techniques.join(" ")),
        );
    }
    let _ = writeln!(text, "\n{} rules", rules.len());
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
