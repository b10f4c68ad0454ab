//! `cargo xtask regression`: SigmaHQ's regression cases through the whole program: every case fires the
//! rule that its `info.yml` names, at least as often as it says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{corpora, program, query, run, scratch, sigma_rules, strings};

/// One case.
struct Case {
    folder: PathBuf,
    rule: String,
    wanted: u64,
}

#[allow(clippy::print_stdout)]
pub(crate) fn regression(args: &[String]) -> Result<(), String> {
    let program = program(args)?;
    let Some(corpora) = corpora() else {
        println!("skipped: no corpora beside the repository");
        return Ok(());
    };
    let sigma = corpora.join("sigma");
    let folder = scratch("regression")?;
    let data = folder.join("data");
    let mut command = strings(&["investigate", "--quiet", "--no-report", "--no-builtin-rules"]);
    command.extend(["--data".to_owned(), data.display().to_string()]);
    for rules in sigma_rules(&corpora) {
        command.extend(["--rules".to_owned(), rules.display().to_string()]);
    }
    let evidence = sigma.join("regression_data");
    command.push(evidence.display().to_string());
    let ended = run(&program, &command, &folder, Duration::from_mins(15))?;
    if ended.code != Some(0) {
        return Err(format!("investigate failed: {}", ended.err));
    }
    // A finding's event id begins with eight bytes of its parcel's digest.
    let rows = query(
        &program,
        &data,
        "SELECT p.origin AS origin, f.rule_id AS rule, count(*) AS n \
         FROM (SELECT rule_id, unnest(event_uids) AS uid FROM findings) f \
         JOIN parcels p ON substr(f.uid, 3, 16) = substr(p.digest, 1, 16) GROUP BY 1, 2",
    )?;
    let mut fired: BTreeMap<(PathBuf, String), u64> = BTreeMap::new();
    for row in rows {
        let text = |key: &str| row.get(key).and_then(|v| v.as_str()).unwrap_or_default();
        let parent = Path::new(text("origin")).parent().unwrap_or(Path::new("")).to_owned();
        let n = row.get("n").and_then(serde_json::Value::as_u64).unwrap_or(0);
        *fired.entry((parent, text("rule").to_owned())).or_default() += n;
    }
    let cases = cases(&evidence)?;
    let mut missed = Vec::new();
    for case in &cases {
        let count = fired.get(&(case.folder.clone(), case.rule.clone())).copied().unwrap_or(0);
        if count < case.wanted {
            missed.push(format!("{}: {count} of {}", case.folder.display(), case.wanted));
        }
    }
    println!(
        "{} of {} cases fire their rule; {:.1} s, {} MiB",
        cases.len() - missed.len(),
        cases.len(),
        ended.took.as_secs_f64(),
        ended.peak_kib >> 10
    );
    if missed.is_empty() { Ok(()) } else { Err(missed.join("\n")) }
}

fn cases(root: &Path) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| e.to_string())?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name == "info.yml") {
                let text = fs::read_to_string(&path).map_err(|e| e.to_string())?;
                let rest = text.split("rule_metadata:").nth(1).unwrap_or_default();
                let rule =
                    rest.split("id: ").nth(1).and_then(|r| r.lines().next()).unwrap_or_default();
                let wanted = text
                    .lines()
                    .filter_map(|line| line.trim().strip_prefix("match_count: "))
                    .find_map(|count| count.trim().parse().ok())
                    .unwrap_or(1);
                cases.push(Case { folder: folder.clone(), rule: rule.trim().to_owned(), wanted });
            }
        }
    }
    Ok(cases)
}
