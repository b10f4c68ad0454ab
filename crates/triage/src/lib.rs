//! Which findings are one alert, how grave, and when alerts become an incident.
//!
//! 1. **Alerts** ([`alerts`](mod@alerts)): findings of one rule on one entity within a window, counted.
//! 2. **Ties** ([`ties`]): how strongly each entity connects two alerts. A host or a user ties
//!    alone, a domain only together with something else, `SYSTEM` and the office's DNS resolver
//!    not at all.
//! 3. **Incidents** ([`gather`](mod@gather)): alerts tied by entities and time, gathered by union; low
//!    ones join but neither found nor bridge. What people decided goes before. Why each alert is in
//!    its incident is told as data ([`explain`](mod@explain)).
//! 4. **Risk** ([`risk`]), **words** ([`words`]) and **next steps** ([`steps`]): what a person reads.
//!
//! [`triage()`] makes all of it of all findings at once; [`Live`] makes the same of findings that come
//! one after another, and tells what changes ([`live`]).
//!
//! The same findings give the same alerts and incidents, in whatever order those of one instant
//! arrive. This room does no I/O, reads no clock and knows no vendor's field names.

mod alerts;
mod decisions;
mod explain;
mod gather;
mod grade;
mod incidents;
pub mod live;
mod names;
mod policy;
mod risk;
mod sites;
mod steps;
mod ties;
mod words;

use model::{Alert, Entity, Finding, Incident, Micros, Tie};
use serde::{Deserialize, Serialize};

pub use decisions::{Decisions, Merge, Pin};
pub use grade::{Grade, RISK_STEP, Rise, rises};
pub use live::Live;
pub use policy::Policy;
pub use sites::vantage;

/// What triage makes of findings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Triaged {
    /// Every alert, by first event.
    pub alerts: Vec<Alert>,
    /// Every incident, the gravest first: by severity, then by risk, then by first event.
    pub incidents: Vec<Incident>,
    /// Why the alerts of each incident are in it, in the order of `incidents`.
    pub ties: Vec<Vec<Tie>>,
    /// Entities that would have tied alerts together but are too common to mean anything.
    pub common: Vec<CommonEntity>,
}

/// An incident, and why each of its alerts is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The incident.
    pub incident: Incident,
    /// For each alert but the first what ties it to another, in the order of the alerts; no more than
    /// [`Policy::incident_ties`].
    pub ties: Vec<Tie>,
}

/// An entity that was not allowed to tie alerts together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommonEntity {
    /// Which one.
    pub entity: Entity,
    /// In how many alerts it occurs.
    pub alerts: u64,
    /// Why it is taken to be common, in a sentence.
    pub why: String,
}

/// Makes alerts and incidents of `findings`, which come in time order (those of one instant in any
/// order). Memory grows with the number of alerts, never with the number of findings.
pub fn triage(findings: impl Iterator<Item = Finding>, policy: &Policy) -> Triaged {
    triage_decided(findings, policy, &Decisions::default())
}

/// As [`triage()`], with what people decided of the incidents.
pub fn triage_decided(
    findings: impl Iterator<Item = Finding>,
    policy: &Policy,
    decisions: &Decisions,
) -> Triaged {
    let drafted = Drafted::new(findings, policy);
    Triaged { alerts: drafted.alerts(), ..drafted.incidents(decisions) }
}

/// Findings sorted into alerts, before any is told. Alerts and incidents can be told beside each other, by
/// a caller with threads: neither needs the other's words.
pub struct Drafted<'p> {
    policy: &'p Policy,
    drafts: Vec<alerts::Draft>,
    book: ties::Book,
    weighed: Vec<ties::Weighed>,
}

impl<'p> Drafted<'p> {
    /// Sorts `findings`, which come as for [`triage()`].
    pub fn new(findings: impl Iterator<Item = Finding>, policy: &'p Policy) -> Self {
        let mut drafts = alerts::Drafts::new(policy);
        for finding in findings {
            drafts.add(finding);
        }
        let drafts = drafts.finish();
        let mut book = ties::Book::default();
        for (place, draft) in (0_u32..).zip(&drafts) {
            book.note(place, draft, policy);
        }
        for (key, steady) in book.judge(policy, None) {
            let (since, last) = (Micros(i64::MIN), Micros(i64::MAX));
            book.set_judged(key, Some(ties::Judged { since, last, steady, held: false }));
        }
        let weigh = |(place, draft): (u32, &alerts::Draft)| {
            book.weigh(place, |key| book.strength(key, draft.first_event))
        };
        let weighed = (0_u32..).zip(&drafts).map(weigh).collect();
        Self { policy, drafts, book, weighed }
    }

    /// Every alert, by first event.
    pub fn alerts(&self) -> Vec<Alert> {
        self.drafts.iter().map(|draft| draft.alert(self.policy)).collect()
    }

    /// Everything else.
    pub fn incidents(&self, decisions: &Decisions) -> Triaged {
        let Self { policy, drafts, book, weighed } = self;
        let cases: Vec<gather::Case<'_>> = drafts
            .iter()
            .zip(weighed)
            .map(|(draft, weighed)| gather::Case { draft, weighed })
            .collect();
        let mut told: Vec<Told> = gather::gather(&cases, decisions, policy)
            .iter()
            .map(|part| incidents::tell(part, &cases, book, policy))
            .collect();
        told.sort_by_key(|told| gravity(&told.incident));
        let (incidents, ties) = told.into_iter().map(|told| (told.incident, told.ties)).unzip();
        Triaged { alerts: Vec::new(), incidents, ties, common: book.common(policy) }
    }
}

/// The order of incidents: the gravest first.
fn gravity(incident: &Incident) -> impl Ord + use<> {
    let grave = std::cmp::Reverse((incident.severity, incident.risk));
    (grave, incident.first_time, incident.incident_id)
}
