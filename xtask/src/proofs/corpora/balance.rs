//! Every record is an event or a listed flaw, and there are as many as another counter finds.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{Proof, count, evidence, query, strings};

/// The books of a run, parcel by parcel. Records recovered from slack stand in no other count.
const BOOKS: &str = "SELECT p.origin, p.format, p.records, p.events, p.lost, \
     count(f.message) FILTER (WHERE f.message LIKE 'recovered from slack%') AS slack, \
     count(f.message) FILTER (WHERE f.record_lost) AS listed \
     FROM parcels p LEFT JOIN flaws f ON f.parcel_digest = p.digest AND f.origin = p.origin \
     WHERE p.format <> '' GROUP BY p.origin, p.format, p.records, p.events, p.lost ORDER BY p.origin";

/// What no definition knew, by shape.
const UNKNOWN: &str = "SELECT u.origin, u.parser, u.shape, u.count, u.sample FROM unrecognised u \
     ORDER BY u.origin, u.count DESC";

/// The totals of a format.
#[derive(Default)]
struct Sum {
    parcels: u64,
    events: u64,
    lost: u64,
    slack: u64,
    /// Parcels that the other counter could count.
    counted: u64,
}

#[allow(clippy::print_stdout)] // For people at a terminal.
pub(crate) fn prove(proof: &mut Proof, unknown: bool) -> Result<(), String> {
    let data = proof.folder.join("data");
    let mut args = strings(&["--quiet", "--no-report", "--data"]);
    args.push(data.display().to_string());
    args.extend(evidence(proof).iter().map(|path| path.display().to_string()));
    let ended = proof.sound("investigate", &args)?;
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for row in query(&proof.program, &data, BOOKS)? {
        let number = |key: &str| row.get(key).and_then(Value::as_u64).unwrap_or(0);
        let (origin, format) = (text(&row, "origin"), text(&row, "format"));
        let (records, events, lost) = (number("records"), number("events"), number("lost"));
        if records != events + lost || lost != number("listed") {
            let listed = number("listed");
            proof.broken.push(format!(
                "{origin}: {records} records, {events} events, {lost} lost, {listed} listed"
            ));
        }
        let sum = sums.entry(format.to_owned()).or_default();
        sum.parcels += 1;
        sum.events += events;
        sum.lost += lost;
        sum.slack += number("slack");
        let Some(counted) = count::records(Path::new(origin), format) else { continue };
        sum.counted += 1;
        if counted + number("slack") != records {
            proof.broken.push(format!(
                "{origin} ({format}): {records} records, {} of them from slack; counted {counted}",
                number("slack")
            ));
        }
    }
    println!("format           parcels  counted   events  slack  lost");
    for (format, Sum { parcels, events, lost, slack, counted }) in &sums {
        println!("{format:15} {parcels:8} {counted:8} {events:8} {slack:6} {lost:5}");
    }
    let secs = ended.took.as_secs_f64();
    println!("read in {secs:.1} s, {} MiB at most", ended.peak_kib >> 10);
    tell_unknown(proof, &data, unknown)
}

/// Events of no definition, by folder; with `all`, each shape with a sample.
#[allow(clippy::print_stdout)] // For people at a terminal.
fn tell_unknown(proof: &Proof, data: &Path, all: bool) -> Result<(), String> {
    let mut folders: BTreeMap<String, u64> = BTreeMap::new();
    for row in query(&proof.program, data, UNKNOWN)? {
        let origin = Path::new(text(&row, "origin"));
        let place = [&proof.corpora, &proof.folder]
            .iter()
            .find_map(|root| origin.strip_prefix(root).ok())
            .unwrap_or(origin);
        let n = row.get("count").and_then(Value::as_u64).unwrap_or(0);
        // The rows that wrap records are no product's; their records are read unwrapped.
        if super::agree::is_wrapper(origin) {
            continue;
        }
        let depth = if place.starts_with("rows") { 2 } else { 3 };
        let folder = place.components().take(depth).map(|part| part.as_os_str().to_string_lossy());
        let folder = folder.collect::<Vec<_>>().join("/");
        *folders.entry(folder).or_default() += n;
        if all {
            let [parser, shape, sample] = ["parser", "shape", "sample"].map(|key| text(&row, key));
            println!("{n:6} {}: {parser}: {shape}\n       {sample}", place.display());
        }
    }
    println!("of no source definition: {}", folders.values().sum::<u64>());
    for (folder, n) in folders {
        println!("{n:8} {folder}");
    }
    Ok(())
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}
