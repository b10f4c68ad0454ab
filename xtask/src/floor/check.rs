//! What is there, counted through the API, against what the senders know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::evidence::{MARK, NUMBERS, Stream};
use super::senders::{ACKNOWLEDGED, Record};
use super::server::Api;

/// The number of an event, in SQL.
const ID: &str = "TRY_CAST(substr(raw_data, strpos(raw_data, 'wfid-') + 5, 10) AS BIGINT)";
/// Rows of one question, at most.
const ROWS: f64 = 80_000.0;
/// How long the floor may take to read what it has.
const READ: Duration = Duration::from_mins(10);

/// What is there of what was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Events that were sent.
    pub(super) sent: u64,
    /// Events that were acknowledged.
    pub(super) acknowledged: u64,
    /// Those that were acknowledged and are not there.
    pub(super) lost: Vec<u64>,
    /// Events that may have arrived more than once, because their acknowledgement did not come.
    pub(super) again: u64,
    /// Events that are there twice or more, no more often than they were sent.
    pub(super) twice: u64,
    /// Events that are there more often than they were sent.
    pub(super) too_many: Vec<u64>,
    /// Rows in all.
    pub(super) rows: u64,
}

impl Counted {
    /// An error when a promise is broken.
    pub(super) fn sound(&self) -> Result<(), String> {
        let first = |all: &[u64]| all.iter().take(10).map(u64::to_string).collect::<Vec<_>>();
        if !self.lost.is_empty() {
            let (lost, which) = (self.lost.len(), first(&self.lost).join(", "));
            return Err(format!("{lost} acknowledged events are lost: {which} …"));
        }
        if !self.too_many.is_empty() {
            let (many, which) = (self.too_many.len(), first(&self.too_many).join(", "));
            return Err(format!(
                "{many} events are there more often than they were sent: {which} …"
            ));
        }
        Ok(())
    }
}

/// Counts every event of all streams: there are no others.
pub(super) fn count(api: &mut Api, all: &[(&Stream, &Record)]) -> Result<Counted, String> {
    let counted = count_of(api, all)?;
    let rows = api.query("SELECT count(*) AS n FROM events")?;
    let rows = rows.first().and_then(|row| row.get("n")?.as_u64()).unwrap_or(0);
    if rows == counted.rows {
        return Ok(counted);
    }
    let found = counted.rows;
    Err(format!("there are {rows} events, {found} of them with a number and a time that was sent"))
}

/// Counts every event of some streams.
pub(super) fn count_of(api: &mut Api, all: &[(&Stream, &Record)]) -> Result<Counted, String> {
    api.caught_up(READ)?;
    let mut there = BTreeMap::<u64, u64>::new();
    for (stream, record) in all {
        let slice = ((ROWS * stream.step as f64 / 1e6) as i64).max(1) * 1_000_000;
        // Times of some logs are whole seconds.
        let mut from = stream.began.div_euclid(1_000_000) * 1_000_000;
        while from <= stream.at(record.sent()) {
            for row in api.query(&slice_of(stream, from, from + slice))? {
                let number = |name| row.get(name).and_then(Value::as_u64);
                let (id, n) = number("id").zip(number("n")).ok_or_else(|| format!("odd: {row}"))?;
                *there.entry(id).or_default() += n;
            }
            from += slice;
        }
    }
    let mut counted = Counted { rows: there.values().sum(), ..Counted::default() };
    for (stream, record) in all {
        for (number, event) in (0..).zip(&record.events) {
            let id = stream.global(number);
            let (sent, acknowledged) = (event & !ACKNOWLEDGED, event & ACKNOWLEDGED != 0);
            let found = there.remove(&id).unwrap_or(0);
            counted.sent += u64::from(sent > 0);
            counted.acknowledged += u64::from(acknowledged);
            counted.again += u64::from(sent > 1);
            counted.twice += u64::from(found > 1);
            if acknowledged && found == 0 {
                counted.lost.push(id);
            }
            if found > u64::from(sent) {
                counted.too_many.push(id);
            }
        }
    }
    // What nobody sent.
    counted.too_many.extend(there.into_keys());
    Ok(counted)
}

/// How often each number of a stream stands in a span of time.
fn slice_of(stream: &Stream, from: i64, to: i64) -> String {
    let (first, last) = (stream.global(0), stream.global(NUMBERS - 1));
    format!(
        "SELECT id, count(*) AS n FROM (SELECT {ID} AS id FROM events \
         WHERE time >= to_timestamp_micros({from}) AND time < to_timestamp_micros({to}) \
         AND strpos(raw_data, '{MARK}') > 0) WHERE id BETWEEN {first} AND {last} GROUP BY id"
    )
}

/// What was concluded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Concluded {
    /// Findings on single events: the rule, the event's number.
    pub(super) findings: BTreeSet<(String, u64)>,
    /// Alerts: the rule, and what they are about.
    pub(super) alerts: BTreeSet<(String, String)>,
}

impl Concluded {
    /// An error when an attack that was sent was not found, or made no alert.
    pub(super) fn knows(&self, all: &[(&Stream, &Record)]) -> Result<(), String> {
        let found: BTreeSet<u64> = self.findings.iter().map(|(_, id)| *id).collect();
        let about: BTreeSet<&str> =
            self.alerts.iter().filter_map(|(_, entity)| Some(entity.split_once(':')?.1)).collect();
        for (stream, record) in all {
            for number in 0..record.sent() {
                let Some(attack) = stream.attack(number) else { continue };
                let entity = stream.entity(number, attack);
                if !found.contains(&stream.global(number)) || !about.contains(entity.as_str()) {
                    return Err(format!("the attack on {entity} was not found, or made no alert"));
                }
            }
        }
        Ok(())
    }
}

/// Reads what was concluded.
pub(super) fn concluded(api: &mut Api) -> Result<Concluded, String> {
    api.caught_up(READ)?;
    let mut findings = BTreeSet::new();
    let mut after = 0;
    loop {
        let rows = api.query(&format!(
            "SELECT DISTINCT rule, id FROM (SELECT f.rule_id AS rule, {ID} AS id \
             FROM (SELECT rule_id, unnest(event_uids) AS uid FROM findings \
             WHERE array_length(event_uids) = 1) f JOIN events e ON e.event_uid = f.uid) \
             WHERE id >= {after} ORDER BY id, rule LIMIT 50000"
        ))?;
        let whole = rows.len() == 50_000;
        for row in rows {
            let rule = row.get("rule").and_then(Value::as_str).unwrap_or_default().to_owned();
            after = row.get("id").and_then(Value::as_u64).unwrap_or(u64::MAX);
            findings.insert((rule, after));
        }
        if !whole {
            break;
        }
    }
    let text = |row: &Value, at: &str| {
        row.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let alerts = api.list("/api/v1/alerts")?;
    let alerts = alerts.iter().map(|row| {
        let (kind, value) = (text(row, "/alert/entity/kind"), text(row, "/alert/entity/value"));
        (text(row, "/alert/rule_id"), format!("{kind}:{value}"))
    });
    Ok(Concluded { findings, alerts: alerts.collect() })
}

/// How two floors that were sent the same differ, in what they concluded.
pub(super) fn differ(got: &Concluded, want: &Concluded) -> Result<(), String> {
    let mut wrong = Vec::new();
    for (rule, id) in want.findings.symmetric_difference(&got.findings).take(10) {
        let side = if want.findings.contains(&(rule.clone(), *id)) { "missing" } else { "made up" };
        wrong.push(format!(
            "finding {side}: rule {rule}, event {} of {}",
            id % NUMBERS,
            id / NUMBERS
        ));
    }
    for (rule, entity) in want.alerts.symmetric_difference(&got.alerts).take(10) {
        let known = want.alerts.contains(&(rule.clone(), entity.clone()));
        wrong.push(format!(
            "alert {}: rule {rule} on {entity}",
            if known { "missing" } else { "made up" }
        ));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
