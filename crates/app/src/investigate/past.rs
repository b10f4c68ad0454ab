//! What earlier runs on the same data folder left, and what of it still stands.
//!
//! Events are added to the lake; what was concluded of them is true of all evidence together. So a run
//! takes up the findings of the runs before it and the matches that correlations count, adds its own,
//! and triages them all: evidence that comes in two runs gives what it would have given in one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use detect::{Hit, Rules};
use model::{AlertId, Digest, Finding, FindingKind, Incident, Level, Match};

use super::spill::Spill;
use crate::ask::Asker;
use crate::failure::{Failure, system};
use crate::tell::rows;

/// Findings taken up before they go on.
const BATCH: usize = 1_024;

/// How many whole runs a data folder has seen.
pub(crate) fn runs(data: &Path) -> Result<u64, Failure> {
    if !data.join("lake").is_dir() {
        return Ok(0);
    }
    Asker::open(data)?.count("SELECT count(*) FROM runs")
}

/// What earlier runs left.
#[derive(Default)]
pub(crate) struct Past {
    asker: Option<Asker>,
    /// Counts before this run.
    pub(crate) before: Before,
    /// Digests of the content with which the evidence was read.
    contents: BTreeSet<String>,
    /// Flaws of what never became a parcel: where, and what.
    loose_flaws: BTreeSet<(String, String)>,
    /// Incidents by id, with their alerts.
    incidents: BTreeMap<String, BTreeSet<AlertId>>,
}

/// What a data folder held before a run.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Before {
    /// Whole runs.
    pub runs: u64,
    /// Events.
    pub events: u64,
    /// Findings.
    pub findings: u64,
    /// Alerts.
    pub alerts: u64,
    /// Incidents.
    pub incidents: u64,
}

/// What became of incidents since the run before.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Changes {
    /// Ids of incidents that were not there before.
    pub new: Vec<String>,
    /// Ids of incidents that were there with other alerts.
    pub changed: Vec<String>,
    /// Ids that are no longer there, and the incident that has their alerts now, where one has.
    pub gone: BTreeMap<String, Option<String>>,
}

impl Past {
    /// Looks at a data folder whose writer's lock is held; `runs` is how many whole runs it has seen.
    pub(crate) fn read(data: &Path, runs: u64) -> Result<Self, Failure> {
        if runs == 0 {
            return Ok(Self::default());
        }
        let asker = Asker::open(data)?;
        let count = |table: &str| asker.count(&format!("SELECT count(*) FROM {table}"));
        let before = Before {
            runs,
            events: count("events")?,
            findings: count("findings")?,
            alerts: count("alerts")?,
            incidents: count("incidents")?,
        };
        let mut past = Self { before, ..Self::default() };
        for row in asker.rows("SELECT summary FROM runs")? {
            let summary: serde_json::Value =
                serde_json::from_str(rows::text(&row, "summary")).unwrap_or_default();
            let content = summary.get("content").and_then(serde_json::Value::as_str);
            past.contents.insert(content.unwrap_or_default().to_owned());
        }
        let loose = "SELECT DISTINCT origin, message FROM flaws WHERE parcel_digest IS NULL";
        for row in asker.rows(loose)? {
            let flaw =
                (rows::text(&row, "origin").to_owned(), rows::text(&row, "message").to_owned());
            past.loose_flaws.insert(flaw);
        }
        for row in asker.rows("SELECT incident_id, alert_ids FROM incidents")? {
            let alerts = rows::ids(&row, "alert_ids").into_iter().collect();
            past.incidents.insert(rows::text(&row, "incident_id").to_owned(), alerts);
        }
        past.asker = Some(asker);
        Ok(past)
    }

    /// True when some of the evidence was read with other rules or definitions than these.
    pub(crate) fn differs_from(&self, content: &str) -> bool {
        self.contents.iter().any(|other| other != content)
    }

    /// True for a flaw of no parcel that the lake tells of already.
    pub(crate) fn knows_flaw(&self, flaw: &lake::FlawRow) -> bool {
        flaw.parcel.is_none()
            && self.loose_flaws.contains(&(flaw.origin.clone(), flaw.flaw.message.clone()))
    }

    /// The incidents as they stand in the lake, the gravest first.
    pub(crate) fn standing(&self) -> Result<Vec<Incident>, Failure> {
        let Some(asker) = &self.asker else { return Ok(Vec::new()) };
        let sql =
            "SELECT * FROM incidents ORDER BY severity_id DESC, risk DESC, first_time, incident_id";
        Ok(asker.rows(sql)?.iter().filter_map(rows::incident).collect())
    }

    /// Takes up earlier matches: as hits for the loaded rules, or as they are where the rule is not
    /// what it was. What is looked at again is left out.
    pub(crate) fn matches(&self, again: &Again<'_>) -> Result<(Vec<Hit>, Vec<Match>), Failure> {
        let Some(asker) = &self.asker else { return Ok((Vec::new(), Vec::new())) };
        let mut kept = Vec::new();
        asker.each("SELECT * FROM matches", |row| {
            let one = rows::kept_match(&row);
            kept.extend(one.filter(|one| !again.replaces_match(one)));
            Ok(())
        })?;
        Ok(again.rules.recalled(kept))
    }

    /// Takes up the findings that still stand.
    pub(crate) fn findings(&self, again: &Again<'_>, spill: &Spill) -> Result<(), Failure> {
        let Some(asker) = &self.asker else { return Ok(()) };
        let mut held: Vec<Finding> = Vec::with_capacity(BATCH);
        let keep =
            |held: &mut Vec<Finding>| spill.add(held).map_err(system("cannot keep findings"));
        asker.each("SELECT * FROM findings", |row| {
            held.extend(rows::finding(&row).filter(|finding| !again.replaces(finding)));
            if held.len() >= BATCH { keep(&mut held) } else { Ok(()) }
        })?;
        keep(&mut held)
    }

    /// What became of the incidents.
    pub(crate) fn changes(&self, now: &[Incident]) -> Changes {
        let mut changes = Changes::default();
        let ids: BTreeSet<String> = now.iter().map(|i| i.incident_id.to_string()).collect();
        for incident in now {
            let id = incident.incident_id.to_string();
            match self.incidents.get(&id) {
                None => changes.new.push(id),
                Some(alerts) if !alerts.iter().eq(&sorted(&incident.alert_ids)) => {
                    changes.changed.push(id);
                }
                Some(_) => {}
            }
        }
        for (id, alerts) in self.incidents.iter().filter(|(id, _)| !ids.contains(*id)) {
            let has = |incident: &&Incident| incident.alert_ids.iter().any(|a| alerts.contains(a));
            let into = now.iter().find(has).map(|incident| incident.incident_id.to_string());
            changes.gone.insert(id.clone(), into);
        }
        changes
    }
}

fn sorted(ids: &[AlertId]) -> BTreeSet<AlertId> {
    ids.iter().copied().collect()
}

/// What this run looks at again, and with which rules: what earlier runs said of it gives way.
pub(crate) struct Again<'r> {
    rules: &'r Rules,
    /// Ids of the loaded rules, and whether their findings are grave enough to be kept.
    loaded: BTreeMap<&'r str, bool>,
    /// Starts of the digests of the parcels that were read again.
    parcels: BTreeSet<[u8; 8]>,
    /// Rules that matched in another version than the loaded one.
    changed: BTreeSet<String>,
}

impl<'r> Again<'r> {
    pub(crate) fn new(rules: &'r Rules, min_level: Level, parcels: &BTreeSet<Digest>) -> Self {
        // One that was switched off looks at nothing anew: what it said stands.
        let off: BTreeSet<&str> = rules.switched_off().map(|rule| &*rule.id).collect();
        let on = rules.list().iter().filter(|rule| !off.contains(&*rule.id));
        let heard = on.map(|rule| (&*rule.id, rule.level >= min_level));
        Self {
            rules,
            loaded: heard.collect(),
            parcels: parcels.iter().filter_map(|d| d.0.first_chunk::<8>().copied()).collect(),
            changed: BTreeSet::new(),
        }
    }

    /// Learns which matches no loaded rule can take up.
    pub(crate) fn learn(&mut self, foreign: &[Match]) {
        self.changed.extend(foreign.iter().map(|one| one.rule_id.to_string()));
    }

    fn replaces_match(&self, one: &Match) -> bool {
        self.loaded.contains_key(&*one.rule_id) && self.parcels.contains(&one.event_uid.place().0)
    }

    /// True when this run works out anew what the finding says.
    fn replaces(&self, finding: &Finding) -> bool {
        if self.loaded.get(&*finding.rule_id) != Some(&true) {
            return false;
        }
        let mut events = finding.event_uids.iter();
        if !self.parcels.is_empty() && events.all(|uid| self.parcels.contains(&uid.place().0)) {
            return true;
        }
        // A correlation is counted anew over everything, if all that it counts was kept.
        finding.kind == FindingKind::Correlation
            && self
                .rules
                .counted_by(&finding.rule_id, &finding.rule_version)
                .is_some_and(|counted| !counted.iter().any(|id| self.changed.contains(&**id)))
    }
}
