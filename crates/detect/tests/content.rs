//! The rules that the repository brings: each loads without a word of complaint, fires on its
//! positive samples and keeps silent on its negative ones.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::path::Path;
use std::sync::Arc;

use detect::{RuleText, Rules};

#[test]
fn every_rule_keeps_its_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/rules");
    let files = common::files(&root, &["yml"]);
    let texts: Vec<RuleText> = files
        .iter()
        .map(|path| RuleText {
            path: path.display().to_string(),
            text: std::fs::read_to_string(path).unwrap(),
        })
        .collect();
    let mut complaints: Vec<String> =
        detect::lint(&texts, &[]).iter().map(ToString::to_string).collect();
    let (rules, problems) = Rules::load(texts);
    complaints.extend(problems.iter().map(ToString::to_string));
    let rules = Arc::new(rules);
    for path in &files {
        let sample =
            |kind: &str| std::fs::read_to_string(path.with_extension(format!("{kind}.json"))).ok();
        let (positive, negative) = (sample("positive"), sample("negative"));
        let name = path.display().to_string();
        let trial = rules.try_samples(&name, positive.as_deref(), negative.as_deref());
        complaints.extend(trial.failures.iter().map(|failure| format!("{name}: {failure}")));
    }
    eprintln!("{} rules in {} files", rules.list().len(), files.len());
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
