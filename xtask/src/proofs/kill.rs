//! `cargo xtask kill`: `kill -9` at random moments of `investigate`, then the same command again.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Dice, option, program, query, run, scratch, strings};

/// Every id that must not change, by table.
const IDS: &[(&str, &str)] = &[
    ("events", "event_uid"),
    ("matches", "rule_id || ' ' || event_uid"),
    ("findings", "finding_id"),
    ("alerts", "alert_id"),
    ("incidents", "incident_id"),
    ("parcels", "digest"),
];

/// `--times N` (20), `--seed N`, `--evidence DIR` (demo/evidence), `--bin PATH`, and `--first DIR`:
/// evidence that an earlier run has read, so that the killed ones add to what is there.
#[allow(clippy::print_stdout)]
pub(crate) fn kill(args: &[String]) -> Result<(), String> {
    let program = program(args)?;
    let number = |flag, or| option(args, flag).and_then(|n| n.parse().ok()).unwrap_or(or);
    let times: u64 = number("--times", 20);
    let mut dice = Dice(number("--seed", 7));
    let evidence = option(args, "--evidence").unwrap_or("demo/evidence");
    let folder = scratch("kill")?;
    let investigate = |evidence: &str, data: &Path| {
        let data = data.display().to_string();
        strings(&["investigate", evidence, "--data", &data, "--quiet", "--no-report"])
    };
    let command = |data: &Path| investigate(evidence, data);
    let begin = |data: &Path| -> Result<(), String> {
        let Some(first) = option(args, "--first") else { return Ok(()) };
        let ended = run(&program, &investigate(first, data), &folder, Duration::from_mins(10))?;
        if ended.code == Some(0) { Ok(()) } else { Err(format!("the first run: {}", ended.err)) }
    };
    let whole = folder.join("whole");
    begin(&whole)?;
    let ended = run(&program, &command(&whole), &folder, Duration::from_mins(10))?;
    if ended.code != Some(0) {
        return Err(format!("the uninterrupted run failed: {}", ended.err));
    }
    let want = ids(&program, &whole)?;
    let span = ended.took.as_millis() as u64;
    let sizes: Vec<String> =
        IDS.iter().zip(&want).map(|((table, _), ids)| format!("{} {table}", ids.len())).collect();
    println!("uninterrupted: {span} ms, {}", sizes.join(", "));
    let mut struck = 0;
    for time in 0..times {
        let data = folder.join(format!("{time}"));
        begin(&data)?;
        // One to three kills of one data folder, each somewhere in the run.
        for _ in 0..=dice.below(3) {
            let mut child = Command::new(&program)
                .args(command(&data))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map_err(|e| e.to_string())?;
            std::thread::sleep(Duration::from_millis(dice.below(span + span / 10)));
            // A child that has ended already was not struck.
            if child.try_wait().map_err(|e| e.to_string())?.is_none() {
                struck += 1;
            }
            let _already_gone = child.kill();
            child.wait().map_err(|e| e.to_string())?;
        }
        let ended = run(&program, &command(&data), &folder, Duration::from_mins(10))?;
        if ended.code != Some(0) {
            return Err(format!("round {time}: the run after the kill failed: {}", ended.err));
        }
        let got = ids(&program, &data)?;
        for (((table, _), got), want) in IDS.iter().zip(&got).zip(&want) {
            if got != want {
                return Err(format!(
                    "round {time}: {table} differs: {} ids, uninterrupted {}",
                    got.len(),
                    want.len()
                ));
            }
        }
        fs::remove_dir_all(&data).map_err(|e| e.to_string())?;
    }
    println!("{times} rounds, {struck} kills while running: ids equal in every table, none twice");
    Ok(())
}

fn ids(program: &Path, data: &Path) -> Result<Vec<Vec<String>>, String> {
    IDS.iter()
        .map(|(table, column)| {
            let rows =
                query(program, data, &format!("SELECT {column} AS id FROM {table} ORDER BY 1"))?;
            let ids: Vec<String> =
                rows.iter().filter_map(|row| row.get("id")?.as_str().map(str::to_owned)).collect();
            // Parcels may hold the same bytes under two names; nothing else may be there twice.
            if *table != "parcels" && ids.windows(2).any(|pair| pair.first() == pair.get(1)) {
                return Err(format!("{table} holds an id twice"));
            }
            Ok(ids)
        })
        .collect()
}
