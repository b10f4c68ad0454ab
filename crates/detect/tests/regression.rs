//! SigmaHQ's own regression cases: every EVTX file fires the rule that its `info.yml` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use detect::{Rules, Severity};

#[test]
fn every_case_fires_its_rule() {
    let Some(sigma) = common::corpora("sigma") else { return };
    let begun = std::time::Instant::now();
    let texts = common::sigma_rules(&sigma);
    let files = texts.len();
    let (rules, problems) = Rules::load(texts);
    eprintln!("{} of {files} rules loaded in {:?}", rules.list().len(), begun.elapsed());
    for problem in &problems {
        let name = problem.path.rsplit('/').next().unwrap_or_default();
        eprintln!("{:?} {} {name}: {}", problem.severity, problem.code, problem.message);
    }
    let failed = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    assert_eq!(rules.list().len() + failed, files, "every rule loads or is listed");
    let rules = Arc::new(rules);
    let mut detector = rules.detector();
    let mut missed = Vec::new();
    let mut cases = 0;
    let mut number = 0;
    for info in common::files(&sigma.join("regression_data"), &["yml"]) {
        let text = std::fs::read_to_string(&info).unwrap();
        let id = text
            .split("rule_metadata:")
            .nth(1)
            .and_then(|rest| rest.split("id: ").nth(1)?.lines().next())
            .expect("a rule id")
            .trim()
            .to_owned();
        let wanted: usize = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("match_count: "))
            .find_map(|count| count.trim().parse().ok())
            .unwrap_or(1);
        let folder = info.parent().unwrap();
        let mut count = 0;
        let mut others: BTreeMap<String, usize> = BTreeMap::new();
        let mut records = Vec::new();
        for path in common::files(folder, &["evtx"]) {
            records
                .extend(common::evtx(&path).into_iter().map(|r| (common::windows(&r), r, "evtx")));
        }
        for path in common::files(folder, &["raw"]) {
            let lines = std::fs::read_to_string(&path).unwrap();
            for line in lines.lines() {
                let source = model::LogSource::new("cisco", "", "aaa");
                let map = vec![("message".into(), line.to_owned().into())];
                records.push((source, model::Value::Map(map), "lines"));
            }
        }
        for (logsource, native, _) in &records {
            number += 1;
            let mut findings = Vec::new();
            common::with_view(native, logsource, number, |view| {
                detector.evaluate(view, &mut findings);
            });
            for finding in &findings {
                assert!(!finding.matched_fields.is_empty(), "{}", finding.rule_title);
                *others.entry(finding.rule_id.to_string()).or_default() += 1;
            }
            count += findings.iter().filter(|finding| *finding.rule_id == *id).count();
        }
        cases += 1;
        if count < wanted {
            missed.push(format!(
                "{}: {count} of {wanted}; {} records of {:?}; instead {others:?}",
                folder.display(),
                records.len(),
                records.first().map(|(source, _, _)| source.to_string()),
            ));
        }
    }
    eprintln!("{} of {cases} cases fire", cases - missed.len());
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
