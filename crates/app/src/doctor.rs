//! `doctor`: looks at the machine, the content and a data folder.

use std::fs;
use std::path::Path;

use crate::content::Content;
use crate::off::RuleOff;
use crate::stages::{RuleChoice, Stages};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// Works, but someone should know.
    Note,
    /// Does not work.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Check {
    /// What was looked at.
    pub what: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub mend: Option<String>,
}

impl Check {
    fn new(what: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { what, verdict, found: found.into(), mend: None }
    }

    fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}

/// Runs every check.
pub fn doctor(content: &Content, data: &Path) -> Vec<Check> {
    let mut checks = vec![cores(), memory()];
    checks.extend(content_checks(content, data));
    checks.extend(data_checks(data));
    checks
}

fn cores() -> Check {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Check::new("cores", Verdict::Fine, format!("{count}"))
}

fn memory() -> Check {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|digits| digits.trim().parse::<u64>().ok());
    match kib {
        None => Check::new("memory", Verdict::Note, "cannot tell how much is free"),
        Some(kib) if kib < 1 << 20 => {
            Check::new("memory", Verdict::Note, format!("{} MiB are free", kib >> 10))
                .mend("investigate needs up to 1 GiB")
        }
        Some(kib) => Check::new("memory", Verdict::Fine, format!("{} MiB are free", kib >> 10)),
    }
}

fn content_checks(content: &Content, data: &Path) -> Vec<Check> {
    let stages = Stages::load(content, &RuleChoice::default().of_floor(data));
    let mut checks: Vec<_> = stages
        .unread
        .iter()
        .map(|problem| Check::new("content", Verdict::Wrong, problem.clone()))
        .collect();
    let sources = stages.normalizer.definitions().len();
    checks.push(if stages.source_problems.is_empty() {
        Check::new("sources", Verdict::Fine, format!("{sources} definitions, all sound"))
    } else {
        let mistakes = stages.source_problems.len();
        Check::new(
            "sources",
            Verdict::Wrong,
            format!("{sources} definitions load, {mistakes} mistakes"),
        )
        .mend("`watchfloor sources check DIR` shows them")
    });
    let rules = stages.rules.list().len();
    checks.push(if stages.rule_problems.is_empty() {
        Check::new("rules", Verdict::Fine, format!("{rules} rules, all sound"))
    } else {
        let bad = stages.rule_problems.len();
        Check::new("rules", Verdict::Wrong, format!("{rules} rules load, {bad} do not"))
            .mend("`watchfloor rules check` shows them")
    });
    checks.extend(stages.off.iter().map(|off| {
        let RuleOff { rule_id, title, since, by, reason } = off;
        let gone = !stages.rules.list().iter().any(|info| info.id == *rule_id);
        let gone = if gone { "; it is not loaded" } else { "" };
        let found =
            format!("`{title}` ({rule_id}), switched off by {by} at {since}: {reason}{gone}");
        Check::new("rule off", Verdict::Note, found).mend("the Rules page switches it on again")
    }));
    checks
}

fn data_checks(data: &Path) -> Vec<Check> {
    let shown = data.display();
    if !data.exists() {
        return vec![
            Check::new("data folder", Verdict::Note, format!("{shown} is not there yet"))
                .mend(format!("`watchfloor investigate PATH --data {shown}` makes it")),
        ];
    }
    let mut checks = Vec::new();
    let probe = data.join(".doctor");
    checks.push(match fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)) {
        Ok(()) => Check::new("data folder", Verdict::Fine, format!("{shown} can be written")),
        Err(error) => Check::new("data folder", Verdict::Wrong, format!("{shown}: {error}"))
            .mend("run as the user who owns it, or name another with --data"),
    });
    if !data.join("lake").is_dir() {
        let found = "nothing is in it yet: it is made with the first evidence";
        checks.push(Check::new("lake", Verdict::Note, found));
        return checks;
    }
    let asked = crate::ask::Asker::open(data)
        .and_then(|asker| asker.rows("SELECT count(*) AS runs FROM runs"));
    checks.push(match asked {
        Ok(rows) => {
            let runs = rows.first().and_then(|row| row.get("runs")?.as_u64()).unwrap_or(0);
            let runs = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
            Check::new("lake", Verdict::Fine, format!("can be read; {runs}"))
        }
        Err(failure) => Check::new("lake", Verdict::Wrong, failure.message)
            .mend("`watchfloor investigate` on the same evidence makes it anew in another folder"),
    });
    checks
}
