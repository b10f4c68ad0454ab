//! Agreement with another engine: rows of `{log, expect: {source_ip, actor_user, …}}`, of which `log` is
//! the record as its product writes it and `expect` what the other engine makes of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Proof, percent, query, strings};

/// The share of the values that must agree, in per cent.
const ENOUGH: f64 = 98.0;

/// Where a value that is expected may stand in an event.
const PLACES: &[(&str, &[&str])] = &[
    ("source_ip", &["/src_endpoint/ip", "/device/ip"]),
    ("destination_ip", &["/dst_endpoint/ip"]),
    ("source_port", &["/src_endpoint/port"]),
    ("destination_port", &["/dst_endpoint/port"]),
    (
        "actor_user",
        &[
            "/actor/user/name",
            "/actor/user/email_addr",
            "/actor/user/uid",
            "/actor/user/full_name",
            "/user/name",
            "/user/email_addr",
        ],
    ),
    ("user_agent", &["/http_request/user_agent"]),
    ("dns_query", &["/query/hostname"]),
    ("http_status", &["/http_response/code"]),
];

/// The committed table of divergences.
const TABLE: &str = "docs/guide/divergence.md";

/// How the names of files of rows begin.
const WRAPPER: &str = "panther.";

/// One file of rows, unwrapped.
pub(crate) struct Rows {
    /// The file of records, one a line.
    path: PathBuf,
    /// What is expected of the record at an offset.
    expected: BTreeMap<u64, Value>,
}

/// Does the file wrap records in rows?
pub(crate) fn is_wrapper(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with(WRAPPER) && path.extension().is_some_and(|ending| ending == "ndjson")
}

/// Writes the records of every file of rows below `sources` as files of JSON lines.
pub(crate) fn unwrap(sources: &Path, to: &Path) -> Result<Vec<Rows>, String> {
    fs::create_dir_all(to).map_err(|e| e.to_string())?;
    let mut all = Vec::new();
    for file in xtask::files(sources).into_iter().filter(|file| is_wrapper(file)) {
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut records = String::new();
        let mut expected = BTreeMap::new();
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
            let member = |name: &str| row.get(name).cloned().unwrap_or_default();
            expected.insert(records.len() as u64, member("expect"));
            records.push_str(&member("log").to_string());
            records.push('\n');
        }
        let folder = to.join(file.parent().and_then(Path::file_name).unwrap_or_default());
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let path = folder.join(name.trim_start_matches(WRAPPER));
        fs::write(&path, records).map_err(|e| e.to_string())?;
        all.push(Rows { path, expected });
    }
    Ok(all)
}

/// Values held against each other: of a source and field, how many agree and which do not.
#[derive(Default)]
struct Share {
    agree: usize,
    differ: Vec<String>,
    /// Words for nobody in place of a value, where the event names nobody either.
    nobody: usize,
    /// Words for nobody in place of a value, where the event does name somebody.
    somebody: usize,
}

#[allow(clippy::print_stdout)] // For people at a terminal.
pub(crate) fn prove(proof: &mut Proof, rows: &[Rows]) -> Result<(), String> {
    let table = table()?;
    let mut total = Share::default();
    let mut explained = 0;
    let mut used = BTreeMap::new();
    let definitions = definitions(proof)?;
    for file in rows {
        // What no definition reads is agreed with by chance only.
        let Some(source) = definitions.get(&file.path.display().to_string()) else { continue };
        let shares = compare(proof, file)?;
        for (field, share) in shares {
            let key = (source.clone(), field.to_owned());
            let allowed = table.get(&key).copied().unwrap_or(0);
            let taken: &mut usize = used.entry(key).or_default();
            let Share { agree, differ, nobody, somebody } = share;
            let here = (differ.len() + somebody).min(allowed.saturating_sub(*taken));
            *taken += differ.len() + somebody;
            explained += here.saturating_sub(somebody);
            println!(
                "{source:24} {field:16} agree {agree:4}, differ {:4}; nobody expected {:4}, but \
                 named {somebody:4}; in the table {here:4}",
                differ.len(),
                nobody + somebody,
            );
            for line in &differ {
                println!("    {line}");
            }
            total.agree += agree;
            total.nobody += nobody;
            total.somebody += somebody;
            total.differ.extend(differ);
        }
    }
    for ((source, field), allowed) in &table {
        let found = used.get(&(source.clone(), field.clone())).copied().unwrap_or(0);
        if found != *allowed {
            let message = format!("{TABLE}: {source} {field}: {allowed} rows, found {found}");
            proof.broken.push(message);
        }
    }
    let all = total.agree + total.differ.len();
    let (raw, accounted) = (percent(total.agree, all), percent(total.agree + explained, all));
    println!(
        "agreement: {} of {all} values, {raw:.2} %; with the committed divergences {accounted:.2} %\n\
         not values but words for nobody: {}; of these the event names somebody in {}",
        total.agree,
        total.nobody + total.somebody,
        total.somebody
    );
    if raw < ENOUGH || accounted < ENOUGH {
        proof.broken.push(format!("agreement below {ENOUGH} %"));
    }
    Ok(())
}

/// The definition that most records of a file have, by the file's path.
fn definitions(proof: &mut Proof) -> Result<BTreeMap<String, String>, String> {
    let data = proof.folder.join("agree");
    let mut args = strings(&["--quiet", "--no-report", "--no-builtin-rules", "--data"]);
    args.extend([&data, &proof.folder.join("rows")].map(|path| path.display().to_string()));
    proof.sound("investigate", &args)?;
    let rows = query(
        &proof.program,
        &data,
        "SELECT p.origin AS origin, e.definition AS definition FROM events e \
         JOIN parcels p ON p.digest = e.parcel_digest WHERE e.definition <> '' \
         GROUP BY 1, 2 ORDER BY count(*)",
    )?;
    let text = |row: &Value, key: &str| row.get(key).map(plain).unwrap_or_default();
    // The last one, which is the most frequent, stays.
    Ok(rows.iter().map(|row| (text(row, "origin"), text(row, "definition"))).collect())
}

/// Normalises a file of records and holds them against what is expected: the shares by field.
fn compare(proof: &mut Proof, rows: &Rows) -> Result<BTreeMap<&'static str, Share>, String> {
    let mut args = strings(&["--quiet"]);
    args.push(rows.path.display().to_string());
    let out = proof.sound("normalize", &args)?.out;
    let mut events: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for line in out.lines() {
        let event: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
        events.entry(offset(&event)).or_default().push(event);
    }
    let mut shares: BTreeMap<&'static str, Share> = BTreeMap::new();
    for (offset, expected) in &rows.expected {
        let events = events.get(offset).map(Vec::as_slice).unwrap_or_default();
        for (field, places) in PLACES {
            let Some(wanted) = expected.get(*field).map(plain).filter(|w| !w.is_empty()) else {
                continue;
            };
            let found: Vec<String> = events
                .iter()
                .flat_map(|event| places.iter().filter_map(|place| event.pointer(place)))
                .map(plain)
                .collect();
            let share = shares.entry(field).or_default();
            if names_nobody(&wanted) {
                share.nobody += usize::from(found.is_empty());
                share.somebody += usize::from(!found.is_empty());
            } else if found.iter().any(|f| f.eq_ignore_ascii_case(&wanted)) {
                share.agree += 1;
            } else {
                share.differ.push(format!("byte {offset}: expected {wanted}, found {found:?}"));
            }
        }
    }
    Ok(shares)
}

/// The other engine's words for nobody: `Unknown User`, `<UNKNOWN ACTOR USER>`.
fn names_nobody(value: &str) -> bool {
    value.trim_start_matches('<').get(..7).is_some_and(|w| w.eq_ignore_ascii_case("unknown"))
}

/// The offset in an event's id, which is its place.
fn offset(event: &Value) -> u64 {
    let uid = event.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
    uid.get(18..28).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How many rows the committed table explains, by source and field.
fn table() -> Result<BTreeMap<(String, String), usize>, String> {
    let text = fs::read_to_string(TABLE).map_err(|e| format!("{TABLE}: {e}"))?;
    let mut table = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, source, fields, rows, ..] = cells.as_slice() else { continue };
        let Ok(rows) = rows.parse::<usize>() else { continue };
        for field in fields.split(", ") {
            *table.entry(((*source).to_owned(), field.to_owned())).or_default() += rows;
        }
    }
    Ok(table)
}
