//! `watchfloor rules`: look after detection rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use app::{Failure, ImportVerdict as Verdict, Kind, RuleChoice, RuleInfo, RuleOff, Stages};
use model::inert;

use super::{print, print_json};
use crate::Ground;
use crate::args::{Data, RuleSet, Rules};
use crate::screen::{Tone, err};

pub(crate) fn run(ground: &Ground, args: Rules) -> Result<ExitCode, Failure> {
    match args {
        Rules::Check(set) => check(ground, &set),
        Rules::Test(set) => test(ground, &set),
        Rules::List { set, data } => list(ground, set, &data),
        Rules::Coverage(set) => coverage(ground, &set),
        Rules::Import { paths, into } => import(ground, &paths, &into),
    }
}

fn check(ground: &Ground, set: &RuleSet) -> Result<ExitCode, Failure> {
    let checked = app::check_rules(&ground.content, &set.paths);
    if ground.json {
        print_json(&checked)?;
    } else {
        let mut text = String::new();
        for problem in &checked.problems {
            let _ = writeln!(text, "{problem}\n");
        }
        for unread in &checked.unread {
            let _ = writeln!(text, "{}", inert(unread));
        }
        let problems = checked.problems.len() + checked.unread.len();
        let _ = writeln!(text, "{} rules load, {problems} problems", checked.loaded);
        print(&text)?;
    }
    Ok(if checked.failed() { Kind::Content.exit_code().into() } else { ExitCode::SUCCESS })
}

fn test(ground: &Ground, set: &RuleSet) -> Result<ExitCode, Failure> {
    let trials = app::test_rules(&ground.content, &set.paths)?;
    let failed = trials.iter().filter(|trial| !trial.failures.is_empty()).count();
    if ground.json {
        print_json(&trials)?;
    } else {
        let mut text = String::new();
        for trial in trials.iter().filter(|trial| !trial.failures.is_empty()) {
            let word = ground.screen.paint(Tone::Bad, "failed");
            let _ = writeln!(text, "{word} {}", inert(&trial.path));
            for failure in &trial.failures {
                let _ = writeln!(text, "       {}", inert(failure));
            }
        }
        let samples: usize = trials.iter().map(|trial| trial.positive + trial.negative).sum();
        let _ = writeln!(text, "{} rule files, {samples} samples, {failed} failed", trials.len());
        print(&text)?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { Kind::Content.exit_code().into() })
}

fn coverage(ground: &Ground, set: &RuleSet) -> Result<ExitCode, Failure> {
    let coverage = app::rule_coverage(&ground.content, &set.paths)?;
    if ground.json {
        print_json(&coverage)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} of {} rules look at log sources that known sources produce\n",
        coverage.all.covered, coverage.all.rules
    );
    for (tactic, count) in &coverage.tactics {
        let share = (count.covered * 20).checked_div(count.rules).unwrap_or(0);
        let bar = format!("{}{}", "█".repeat(share), "·".repeat(20_usize.saturating_sub(share)));
        let (name, covered, rules) = (tactic.caption(), count.covered, count.rules);
        let _ = writeln!(text, "{name:<22} {bar} {covered:>5} of {rules}");
    }
    if !coverage.missing.is_empty() {
        let _ = writeln!(
            text,
            "\nLog sources that no known source produces, and how many rules want them"
        );
        for (source, rules) in coverage.missing.iter().take(20) {
            let _ = writeln!(text, "{rules:>6}  {}", inert(&source.to_string()));
        }
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn import(ground: &Ground, paths: &[PathBuf], into: &Path) -> Result<ExitCode, Failure> {
    let judged = app::import_rules(&ground.content, paths, into)?;
    if ground.json {
        print_json(&judged)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &judged {
        let word = match one.verdict {
            Verdict::New => "new",
            Verdict::Known => "known",
            Verdict::Replaces(_) => "newer",
            Verdict::Empty => "empty",
            Verdict::Refused => "refused",
        };
        *counts.entry(word).or_default() += 1;
        if matches!(one.verdict, Verdict::Refused) {
            for problem in &one.problems {
                let _ = writeln!(text, "{problem}\n");
            }
        }
    }
    for (word, count) in counts {
        let _ = writeln!(text, "{count:>6} {word}");
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A rule of the list, with the word on it when it is off.
#[derive(serde::Serialize)]
struct Line<'l> {
    #[serde(flatten)]
    info: &'l RuleInfo,
    off: Option<&'l RuleOff>,
}

/// Lists the rules that were named; without names the built-in ones and those that were saved in the data
/// folder. What is switched off there is off in either.
fn list(ground: &Ground, set: RuleSet, data: &Data) -> Result<ExitCode, Failure> {
    let named = !set.paths.is_empty();
    let choice = RuleChoice { only_paths: named, paths: set.paths, ..RuleChoice::default() };
    let mut choice = choice.of_floor(&data.data);
    choice.own = choice.own.filter(|_| !named);
    let stages = Stages::of(&ground.content, &choice)?;
    let rules = stages.rules.list();
    let off_of = |info: &RuleInfo| stages.off.iter().find(|off| off.rule_id == info.id);
    for unread in &stages.unread {
        err(&format!("{} {}", ground.screen.paint(Tone::Warn, "note:"), inert(unread)));
    }
    if ground.json {
        let lines: Vec<_> = rules.iter().map(|info| Line { info, off: off_of(info) }).collect();
        print_json(&lines)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    // By log source, the gravest first: rules that stand beside each other look at the same events.
    let mut rules: Vec<_> = rules.iter().collect();
    rules.sort_by_cached_key(|rule| {
        let source = rule.logsource.as_ref().map(ToString::to_string);
        (source.is_none(), source, std::cmp::Reverse(rule.level), rule.title.clone())
    });
    for rule in &rules {
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
        if let Some(off) = off_of(rule) {
            let word = ground.screen.paint(Tone::Warn, "off");
            let (by, reason) = (inert(&off.by), inert(&off.reason));
            let _ = writeln!(text, "         {word} since {}, by {by}: {reason}", off.since);
        }
    }
    let off = rules.iter().filter(|info| off_of(info).is_some()).count();
    let off = if off == 0 { String::new() } else { format!(", {off} of them switched off") };
    let _ = writeln!(text, "\n{} rules{off}", rules.len());
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
