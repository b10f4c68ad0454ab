//! `rules`: detection rules looked after: checked, tried on their samples, counted, brought in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use detect::{Coverage, Import, RuleProblem, RuleText, Rules, Severity, Trial, Verdict};
use model::LogSource;

use crate::content::{Content, Text, read_text, read_yaml};
use crate::failure::{Failure, Kind, system};
use crate::stages::{RuleChoice, Stages};

/// What `rules check` says.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RulesChecked {
    /// Rules that load.
    pub loaded: usize,
    /// Mistakes, which keep rules out, and oddities, which do not.
    pub problems: Vec<RuleProblem>,
    /// Files that could not be read.
    pub unread: Vec<String>,
}

impl RulesChecked {
    /// True when something keeps a rule out.
    pub fn failed(&self) -> bool {
        !self.unread.is_empty() || self.problems.iter().any(|p| p.severity == Severity::Error)
    }
}

/// The log sources that events of the known sources can have.
pub(crate) fn logsources(stages: &Stages) -> Vec<LogSource> {
    let all: BTreeSet<LogSource> = stages
        .normalizer
        .definitions()
        .iter()
        .flat_map(|definition| definition.logsources.iter().map(|l| l.as_ref().clone()))
        .collect();
    all.into_iter().collect()
}

/// The rule texts that were named, or the built-in ones.
fn texts(content: &Content, paths: &[PathBuf], unread: &mut Vec<String>) -> Vec<RuleText> {
    let texts: Vec<Text> = if paths.is_empty() {
        content.below("rules").map(|(_, text)| text.clone()).collect()
    } else {
        read_yaml(paths, unread)
    };
    texts.into_iter().map(|text| RuleText { path: text.path, text: text.text }).collect()
}

/// Loads rules, lists every mistake, and looks for what is odd about those that load.
pub fn check_rules(content: &Content, paths: &[PathBuf]) -> RulesChecked {
    let choice = RuleChoice {
        paths: paths.to_vec(),
        only_paths: !paths.is_empty(),
        ..RuleChoice::default()
    };
    let stages = Stages::load(content, &choice);
    let mut unread = Vec::new();
    let texts = texts(content, paths, &mut unread);
    let mut problems = stages.rule_problems.clone();
    problems.extend(detect::lint(&texts, &logsources(&stages)));
    problems.sort_by(|a, b| (&a.path, a.line, a.column).cmp(&(&b.path, b.line, b.column)));
    RulesChecked { loaded: stages.rules.list().len(), problems, unread: stages.unread }
}

/// Tries every rule of the named files and folders on the samples beside it. Rules that a correlation
/// counts are looked for among the named files and the built-in rules.
pub fn test_rules(content: &Content, paths: &[PathBuf]) -> Result<Vec<Trial>, Failure> {
    if paths.is_empty() {
        return Err(Failure::new(Kind::Usage, "name the files or folders of the rules to test")
            .hint(
                "samples lie beside the rules, so built-in rules are tested from content/rules",
            ));
    }
    let mut unread = Vec::new();
    let named = texts(content, paths, &mut unread);
    if let Some(problem) = unread.into_iter().next() {
        return Err(Failure::new(Kind::Content, problem));
    }
    let mut all = named.clone();
    let built_in = texts(content, &[], &mut Vec::new());
    let known: BTreeSet<String> = all.iter().map(|text| text.text.clone()).collect();
    all.extend(built_in.into_iter().filter(|text| !known.contains(&text.text)));
    let (rules, _) = Rules::load(all);
    let rules = Arc::new(rules);
    let sample = |rule: &str, side: &str| {
        let path = Path::new(rule).with_extension(format!("{side}.json"));
        path.is_file().then(|| read_text(&path)).transpose()
    };
    named
        .iter()
        .map(|rule| {
            let read = |side| {
                sample(&rule.path, side).map_err(|problem| Failure::new(Kind::Content, problem))
            };
            let (positive, negative) = (read("positive")?, read("negative")?);
            Ok(rules.try_samples(&rule.path, positive.as_deref(), negative.as_deref()))
        })
        .collect()
}

/// Which rules can see events of the known sources.
pub fn rule_coverage(content: &Content, paths: &[PathBuf]) -> Result<Coverage, Failure> {
    let choice = RuleChoice {
        paths: paths.to_vec(),
        only_paths: !paths.is_empty(),
        ..RuleChoice::default()
    };
    let stages = Stages::of(content, &choice)?;
    Ok(stages.rules.coverage(&logsources(&stages)))
}

/// Judges rule files and copies those that are new or newer into `into`/rules.
pub fn import_rules(
    content: &Content,
    paths: &[PathBuf],
    into: &Path,
) -> Result<Vec<Import>, Failure> {
    let mut unread = Vec::new();
    let coming = texts(content, paths, &mut unread);
    if let Some(problem) = unread.into_iter().next() {
        return Err(Failure::new(Kind::Content, problem));
    }
    let target = into.join("rules");
    let mut present = texts(content, &[], &mut Vec::new());
    if target.is_dir() {
        present.extend(texts(content, std::slice::from_ref(&target), &mut Vec::new()));
    }
    let judged = detect::judge_import(&present, &coming);
    for (verdict, text) in judged.iter().zip(&coming) {
        if matches!(verdict.verdict, Verdict::New | Verdict::Replaces(_)) {
            let name = below(paths, Path::new(&text.path));
            let path = target.join(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(system("cannot make the rules folder"))?;
            }
            fs::write(&path, &text.text).map_err(system("cannot write a rule"))?;
        }
    }
    Ok(judged)
}

/// Where a file lies below the folder that was named, so that folders keep their shape.
fn below(paths: &[PathBuf], file: &Path) -> PathBuf {
    let inside = paths.iter().find_map(|path| file.strip_prefix(path).ok());
    let name = inside.filter(|rest| !rest.as_os_str().is_empty()).map(Path::to_owned);
    name.or_else(|| file.file_name().map(PathBuf::from)).unwrap_or_default()
}
