//! What triage says of incidents goes into their rows; what people decided stays, also when triage
//! gives an incident another name.

use std::collections::{BTreeMap, BTreeSet};

use model::{AlertId, Incident, IncidentId, Micros};

use crate::alerts::MAX_BATCH;
use crate::error::{LedgerError, Result};
use crate::ids::next;
use crate::incidents::merge::{self, By};
use crate::incidents::row::IncidentStatus;
use crate::incidents::settle::{self, Dirty};
use crate::news::Kind;
use crate::sql::{json, sql};
use crate::tx::Tx;

/// The incidents of one upsert have no more alerts together.
const MAX_MEMBERS: usize = 50_000;
/// How many alerts one statement names.
const STRIDE: usize = 500;

/// How many alerts went from one incident to another.
type Moves = BTreeMap<IncidentId, BTreeMap<IncidentId, u64>>;

/// Takes over incidents; says how many are new or told differently.
pub(crate) async fn upsert(
    tx: &mut Tx,
    incidents: &[Incident],
    now: Micros,
    dirty: &mut Dirty,
) -> Result<u64> {
    let members: usize = incidents.iter().map(|i| i.alert_ids.len()).sum();
    if incidents.len() > MAX_BATCH || members > MAX_MEMBERS {
        let why = format!("may be {MAX_BATCH} at most, with {MAX_MEMBERS} alerts together");
        return Err(LedgerError::invalid("incidents", why));
    }
    let mut fresh = BTreeSet::new();
    let mut changed = 0;
    for incident in incidents {
        match tell(tx, incident, now).await? {
            Told::New => {
                fresh.insert(incident.incident_id);
                changed += 1;
            }
            Told::Anew => changed += 1,
            Told::Same => {}
        }
        dirty.extend([incident.incident_id]);
    }
    let moves = regroup(tx, incidents, now, dirty).await?;
    succeed(tx, &moves, &fresh, now, dirty).await?;
    Ok(changed)
}

/// What became of one incident's words.
enum Told {
    New,
    Anew,
    Same,
}

async fn tell(tx: &mut Tx, incident: &Incident, now: Micros) -> Result<Told> {
    let id = incident.incident_id;
    let query = sql("SELECT told FROM incidents WHERE incident_id = $1");
    let known = query.bind(id).maybe(tx).await?;
    let told = json(incident)?;
    let Some(known) = known else {
        insert(tx, incident, &told, false, now).await?;
        return Ok(Told::New);
    };
    if known.get::<String>("told")? == told {
        return Ok(Told::Same);
    }
    let query = sql("UPDATE incidents SET told = $1, told_level = $2, told_risk = $3, \
         revision = revision + 1, changed_at = $4 WHERE incident_id = $5 RETURNING revision");
    let query = query.bind(told).bind(incident.severity).bind(i64::from(incident.risk));
    let revision = query.bind(now).bind(id).one(tx).await?.get("revision")?;
    tx.changed(Kind::Incident, id, revision);
    Ok(Told::Anew)
}

/// Makes the row of a new incident; what follows from its alerts is worked out afterwards.
pub(crate) async fn insert(
    tx: &mut Tx,
    incident: &Incident,
    told: &str,
    by_hand: bool,
    now: Micros,
) -> Result<()> {
    let number = next(tx, "incident").await?;
    let query = sql("INSERT INTO incidents (incident_id, number, by_hand, told, told_level, \
         told_risk, status, touched, told_by, level, shown_level, risk, alert_count, first_time, \
         last_time, search, version, revision, created_at, changed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 'new', $3, $1, $5, $5, $6, 0, $7, $8, '', 0, 1, $9, $9)");
    let query = query
        .bind(incident.incident_id)
        .bind(number)
        .bind(by_hand)
        .bind(told)
        .bind(incident.severity)
        .bind(i64::from(incident.risk))
        .bind(incident.first_time)
        .bind(incident.last_time)
        .bind(now);
    query.run(tx).await?;
    tx.changed(Kind::Incident, incident.incident_id, 1);
    Ok(())
}

/// Where an alert stands before triage speaks.
struct Stand {
    grouped_in: Option<IncidentId>,
    incident_id: Option<IncidentId>,
    revision: u64,
}

/// Puts alerts where triage has them now. An alert that its incident no longer names, and no other
/// does, is in none.
async fn regroup(
    tx: &mut Tx,
    incidents: &[Incident],
    now: Micros,
    dirty: &mut Dirty,
) -> Result<Moves> {
    let mut wanted: BTreeMap<AlertId, IncidentId> = BTreeMap::new();
    for incident in incidents {
        for alert in &incident.alert_ids {
            if wanted
                .insert(*alert, incident.incident_id)
                .is_some_and(|i| i != incident.incident_id)
            {
                let why = format!("alert {alert} is in two of them");
                return Err(LedgerError::invalid("incidents", why));
            }
        }
    }
    let stands = stands(tx, incidents, &wanted).await?;
    if let Some(unknown) = wanted.keys().find(|alert| !stands.contains_key(alert)) {
        let why = format!("the ledger does not know alert {unknown}: upsert alerts first");
        return Err(LedgerError::invalid("incidents", why));
    }
    let mut moves = Moves::new();
    let mut going: BTreeMap<Option<IncidentId>, Vec<(AlertId, u64)>> = BTreeMap::new();
    for (alert, stand) in &stands {
        let to = wanted.get(alert).copied();
        if to == stand.grouped_in {
            continue;
        }
        going.entry(to).or_default().push((*alert, stand.revision));
        dirty.extend(stand.incident_id.into_iter().chain(stand.grouped_in));
        if let (Some(from), Some(to)) = (stand.grouped_in, to) {
            *moves.entry(from).or_default().entry(to).or_default() += 1;
        }
    }
    for (to, alerts) in going {
        put(tx, to, &alerts, now).await?;
    }
    Ok(moves)
}

/// The alerts that are in these incidents or are to be.
async fn stands(
    tx: &mut Tx,
    incidents: &[Incident],
    wanted: &BTreeMap<AlertId, IncidentId>,
) -> Result<BTreeMap<AlertId, Stand>> {
    let mut rows = Vec::new();
    let alerts: Vec<AlertId> = wanted.keys().copied().collect();
    for chunk in alerts.chunks(STRIDE) {
        let mut query = sql("SELECT alert_id, grouped_in, incident_id, revision FROM alerts \
             WHERE alert_id IN ");
        query.list(chunk.iter().copied());
        rows.extend(query.all(tx).await?);
    }
    for chunk in incidents.chunks(STRIDE) {
        let mut query = sql("SELECT alert_id, grouped_in, incident_id, revision FROM alerts \
             WHERE grouped_in IN ");
        query.list(chunk.iter().map(|i| i.incident_id));
        rows.extend(query.all(tx).await?);
    }
    let stand = |row: &crate::sql::Row| {
        let stand = Stand {
            grouped_in: row.opt("grouped_in")?,
            incident_id: row.opt("incident_id")?,
            revision: row.get("revision")?,
        };
        Ok((row.get("alert_id")?, stand))
    };
    rows.iter().map(stand).collect()
}

/// Puts alerts into triage's incident; where a person put them, they stay.
async fn put(
    tx: &mut Tx,
    to: Option<IncidentId>,
    alerts: &[(AlertId, u64)],
    now: Micros,
) -> Result<()> {
    let top = match to {
        Some(to) => Some(settle::top(tx, to).await?),
        None => None,
    };
    for chunk in alerts.chunks(STRIDE) {
        let mut query = sql("UPDATE alerts SET grouped_in = ");
        query.arg(to).push(", home = CASE WHEN pinned = 1 THEN home ELSE ").arg(to);
        query.push(" END, incident_id = CASE WHEN pinned = 1 THEN incident_id ELSE ").arg(top);
        query.push(" END, revision = revision + 1, changed_at = ").arg(now);
        query.push(" WHERE alert_id IN ").list(chunk.iter().map(|(alert, _)| *alert));
        query.run(tx).await?;
        for (alert, revision) in chunk {
            tx.changed(Kind::Alert, alert, revision + 1);
        }
    }
    Ok(())
}

/// An incident whose alerts have all gone to others.
struct Emptied {
    id: IncidentId,
    number: i64,
    top_closed: bool,
    touched: bool,
}

/// Finds what became of incidents that triage emptied. Where their alerts are under a name that was
/// not known before, it is the same incident: the new name is merged into the old. Where they went to
/// one that was known, the two are one.
async fn succeed(
    tx: &mut Tx,
    moves: &Moves,
    fresh: &BTreeSet<IncidentId>,
    now: Micros,
    dirty: &mut Dirty,
) -> Result<()> {
    let mut renamed: BTreeMap<IncidentId, Vec<Emptied>> = BTreeMap::new();
    for (from, to) in moves {
        let Some(emptied) = emptied(tx, *from).await? else { continue };
        // Most alerts, then the least id.
        let heir = to.iter().max_by_key(|(id, count)| (**count, std::cmp::Reverse(**id)));
        let Some((heir, _)) = heir else { continue };
        if fresh.contains(heir) {
            renamed.entry(*heir).or_default().push(emptied);
        } else {
            join(tx, *from, *heir, now, dirty).await?;
        }
    }
    for (heir, mut olds) in renamed {
        // The one whose name stays: open rather than closed, one that people wrote to, the oldest.
        olds.sort_by_key(|old| (old.top_closed, !old.touched, old.number));
        let Some((first, others)) = olds.split_first() else { continue };
        merge::link(tx, By::Triage(now), heir, first.id, dirty).await?;
        for other in others {
            join(tx, other.id, first.id, now, dirty).await?;
        }
    }
    Ok(())
}

async fn emptied(tx: &mut Tx, id: IncidentId) -> Result<Option<Emptied>> {
    let query = sql("SELECT i.number, i.by_hand, i.touched, \
         (SELECT COUNT(*) FROM alerts a WHERE a.grouped_in = i.incident_id) AS grouped \
         FROM incidents i WHERE i.incident_id = $1");
    let row = query.bind(id).one(tx).await?;
    if row.get::<i64>("grouped")? > 0 || row.get("by_hand")? {
        return Ok(None);
    }
    let (number, touched) = (row.get("number")?, row.get("touched")?);
    let top = settle::top(tx, id).await?;
    Ok(Some(Emptied { id, number, top_closed: is_closed(tx, top).await?, touched }))
}

async fn is_closed(tx: &mut Tx, id: IncidentId) -> Result<bool> {
    let query = sql("SELECT status FROM incidents WHERE incident_id = $1");
    Ok(query.bind(id).one(tx).await?.get::<IncidentStatus>("status")? == IncidentStatus::Closed)
}

/// Makes one of two. One that was merged already stays where people have it; open work is never put
/// under a closed name.
async fn join(
    tx: &mut Tx,
    old: IncidentId,
    other: IncidentId,
    now: Micros,
    dirty: &mut Dirty,
) -> Result<()> {
    let (top, other) = (settle::top(tx, old).await?, settle::top(tx, other).await?);
    if top != old || other == old {
        return Ok(());
    }
    let (source, target) = if is_closed(tx, other).await? && !is_closed(tx, old).await? {
        (other, old)
    } else {
        (old, other)
    };
    merge::link(tx, By::Triage(now), source, target, dirty).await.map(drop)
}
