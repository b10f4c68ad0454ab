//! Every event, written out, is sound OCSF: by our own check, and by another validator beside the
//! corpora where there is one.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Proof, evidence, strings};

/// Problems that are shown one by one.
const SHOWN: usize = 20;

/// The other validator, from the folder of corpora.
const VALIDATOR: &str = "../tools/ocsf_check.py";

/// Processes of the other validator, which is slow.
const PROCESSES: usize = 2;

#[allow(clippy::print_stdout)] // For people at a terminal.
pub(crate) fn prove(proof: &mut Proof) -> Result<(), String> {
    let mut args = strings(&["--quiet"]);
    args.extend(evidence(proof).iter().map(|path| path.display().to_string()));
    let ended = proof.sound("normalize", &args)?;
    let parts: Vec<PathBuf> =
        (0..PROCESSES).map(|n| proof.folder.join(format!("events-{n}.ndjson"))).collect();
    let (events, problems) = own_check(&ended.out, &parts)?;
    println!("own check: {events} events, {} problems", problems.len());
    for problem in problems.iter().take(SHOWN) {
        println!("    {problem}");
    }
    if !problems.is_empty() {
        proof.broken.push(format!("{} problems of the schema", problems.len()));
    }
    let validator = proof.corpora.join(VALIDATOR);
    if !validator.is_file() {
        println!("other validator: not there, skipped");
        return Ok(());
    }
    let start = |part: &PathBuf| {
        let command =
            Command::new("python3").arg(&validator).arg(part).stdout(Stdio::piped()).spawn();
        command.map_err(|e| format!("python3: {e}"))
    };
    let children: Vec<Child> = parts.iter().map(start).collect::<Result<_, _>>()?;
    for child in children {
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        for line in text.lines().rev().take(SHOWN) {
            println!("other validator: {line}");
        }
        if !output.status.success() {
            proof.broken.push("the other validator finds errors".to_owned());
        }
    }
    Ok(())
}

/// Checks every event, and deals them out to files for the other validator.
fn own_check(events: &str, parts: &[PathBuf]) -> Result<(usize, Vec<String>), String> {
    let file = |e: std::io::Error| format!("cannot deal out events: {e}");
    let mut outs: Vec<BufWriter<File>> = parts
        .iter()
        .map(|part| File::create(part).map(BufWriter::new))
        .collect::<Result<_, _>>()
        .map_err(file)?;
    let (mut count, mut problems) = (0, Vec::new());
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).map_err(|e| format!("{e}: {line}"))?;
        let uid = event.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        problems.extend(ocsf::check(&event).iter().map(|problem| format!("{uid}: {problem}")));
        let at = count % outs.len().max(1);
        if let Some(out) = outs.get_mut(at) {
            writeln!(out, "{line}").map_err(file)?;
        }
        count += 1;
    }
    outs.iter_mut().try_for_each(BufWriter::flush).map_err(file)?;
    Ok((count, problems))
}
