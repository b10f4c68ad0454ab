//! How grave: a score from 0 to 100 whose addends are shown, and the severity of an incident.
//!
//! The parts of a score always add up to it; where they would pass 100, a part says by how much
//! they were cut.

use std::collections::BTreeSet;

use model::{EntityKind, Level, RiskPart, Tactic};

use crate::alerts::Draft;
use crate::incidents::Group;
use crate::names::display;
use crate::words;

/// Adds up parts.
#[derive(Default)]
struct Score(Vec<RiskPart>);

impl Score {
    fn add(&mut self, name: &str, points: i32, why: String) {
        if points != 0 {
            self.0.push(RiskPart { name: name.to_owned(), points, why });
        }
    }

    fn finish(mut self) -> (u32, Vec<RiskPart>) {
        let sum: i32 = self.0.iter().map(|part| part.points).sum();
        if sum > 100 {
            self.add("Cap", 100 - sum, "A score ends at 100.".to_owned());
        }
        (sum.clamp(0, 100) as u32, self.0)
    }
}

/// Steps that an intruder takes late, when harm is near.
const LATE: [Tactic; 5] = [
    Tactic::CredentialAccess,
    Tactic::LateralMovement,
    Tactic::CommandAndControl,
    Tactic::Exfiltration,
    Tactic::Impact,
];

/// Risk of one alert.
pub(crate) fn of_alert(draft: &Draft) -> (u32, Vec<RiskPart>) {
    let mut score = Score::default();
    let level = match draft.level {
        Level::Critical => 70,
        Level::High => 50,
        Level::Medium => 30,
        Level::Low => 12,
        Level::Informational => 3,
    };
    score.add("Rule level", level, format!("The rule is rated {}.", draft.level));
    if draft.correlations > 0 {
        score.add("Correlation", 10, "The rule saw several events act together.".to_owned());
    }
    if let Some(tactic) = draft.tactics.iter().rev().find(|t| LATE.contains(t)) {
        score.add("Stage", 8, format!("{} comes late in an attack.", tactic.caption()));
    }
    let volume = (2 * magnitude(draft.count)).min(8);
    score.add("Volume", volume, format!("{}.", words::plural(draft.count, "finding")));
    let assets = assets(draft.entities().map(|(entity, _)| entity));
    if let Some((name, why)) = assets.first() {
        score.add("Asset", 5, format!("{name} {why}."));
    }
    score.finish()
}

/// Risk of an incident.
pub(crate) fn of_incident(group: &Group<'_>) -> (u32, Vec<RiskPart>) {
    let mut score = Score::default();
    let level = match group.level {
        Level::Critical => 45,
        Level::High => 32,
        Level::Medium => 18,
        Level::Low => 6,
        Level::Informational => 2,
    };
    score.add("Gravest rule", level, format!("The gravest alert is rated {}.", group.level));

    let grave: BTreeSet<&str> = group
        .members
        .iter()
        .filter(|d| d.level >= Level::High)
        .map(|d| d.rule_id.as_ref())
        .collect();
    let more = grave.len().saturating_sub(1);
    score.add(
        "Other grave rules",
        capped(more, 3, 9),
        format!("{} different rules rated high or critical fired.", grave.len()),
    );

    let tactics = group.tactics.len();
    score.add(
        "Tactics walked",
        capped(tactics.saturating_sub(1), 4, 20),
        format!("{tactics} of {} ATT&CK tactics were seen.", Tactic::TABLE.len()),
    );
    let techniques = group.techniques.len();
    score.add(
        "Techniques",
        capped(techniques.saturating_sub(1), 2, 12),
        format!("{techniques} different techniques were seen."),
    );

    let hosts = group.machines().len();
    let users = group.people().len();
    let spread = hosts.saturating_sub(1) + users.saturating_sub(1);
    score.add(
        "Spread",
        capped(spread, 3, 9),
        format!(
            "{} and {} are named.",
            words::plural(hosts as u64, "host"),
            words::plural(users as u64, "user")
        ),
    );
    let sources = group.sources.len();
    score.add(
        "Seen by several sources",
        capped(sources.saturating_sub(1), 4, 8),
        format!("{sources} kinds of source agree."),
    );

    let correlations = group.members.iter().filter(|d| d.correlations > 0).count();
    score.add(
        "Correlations",
        capped(correlations, 6, 12),
        match correlations {
            1 => "1 alert comes from a rule over several events.".to_owned(),
            n => format!("{n} alerts come from rules over several events."),
        },
    );
    score.add(
        "Volume",
        magnitude(group.findings).min(6),
        format!("{}.", words::plural(group.findings, "finding")),
    );

    let assets = assets(group.entities.iter().map(|c| &c.entity));
    if let Some((name, why)) = assets.first() {
        let more = match assets.len() {
            1 => String::new(),
            n => format!(" ({} more such)", n - 1),
        };
        score.add("Assets", capped(assets.len(), 4, 8), format!("{name} {why}{more}."));
    }
    score.finish()
}

/// Severity of an incident: of its gravest alert, one step higher when the attack has walked four
/// tactics or more and was seen as high. One rule may name many tactics for one deed, so as many
/// different rules must have told of it.
pub(crate) fn severity(group: &Group<'_>) -> Level {
    let rules: BTreeSet<&str> = group
        .members
        .iter()
        .filter(|draft| draft.level >= Level::Medium)
        .map(|draft| draft.rule_id.as_ref())
        .collect();
    let walked = group.tactics.len().min(rules.len());
    match group.level {
        Level::High if walked >= 4 => Level::Critical,
        Level::Medium if walked >= 5 => Level::High,
        level => level,
    }
}

fn capped(count: usize, each: i32, most: i32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX).saturating_mul(each).min(most)
}

/// Zero below ten, one below a hundred …
fn magnitude(count: u64) -> i32 {
    count.max(1).ilog10() as i32
}

/// Words in a host's name that hint at what depends on it.
const HOSTS: &[(&[&str], &str)] = &[
    (&["dc", "pdc", "bdc", "addc", "domaincontroller"], "looks like a domain controller"),
    (&["ca", "pki", "adcs"], "looks like a certificate authority"),
    (&["vault", "pam", "cyberark", "secrets"], "looks like it keeps secrets"),
    (&["idp", "sso", "adfs", "okta", "ldap", "aad", "adconnect"], "looks like it signs people in"),
    (&["backup", "bkp", "veeam"], "looks like it keeps backups"),
    (&["db", "sql", "mssql", "postgres", "mysql", "oracle", "mongo"], "looks like a database"),
    (
        &["vcenter", "vc", "esx", "esxi", "hyperv", "k8s", "kube"],
        "looks like it runs other machines",
    ),
    (&["jump", "bastion", "jmp"], "looks like a jump host"),
    (&["exchange", "exch", "mx"], "looks like a mail server"),
    (&["prod", "prd"], "looks like production"),
];

/// Accounts that hold the keys.
const USERS: &[&str] = &["root", "administrator", "admin", "krbtgt", "domainadmin"];

/// What is known by its name to matter: its name, and why.
fn assets<'a>(entities: impl Iterator<Item = &'a model::Entity>) -> Vec<(String, &'static str)> {
    let mut out = Vec::new();
    for entity in entities {
        let why = match entity.kind {
            EntityKind::Host => host_hint(&entity.value),
            EntityKind::User => USERS
                .contains(&entity.value.rsplit('\\').next().unwrap_or_default())
                .then_some("is a privileged account"),
            _ => None,
        };
        out.extend(why.map(|why| (display(entity), why)));
    }
    out
}

fn host_hint(name: &str) -> Option<&'static str> {
    let label = name.split('.').next().unwrap_or_default();
    let words = || label.split(|c: char| !c.is_ascii_alphabetic()).filter(|w| !w.is_empty());
    HOSTS.iter().find(|(known, _)| words().any(|word| known.contains(&word))).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hint_at_what_depends_on_them() {
        assert_eq!(host_hint("dc01.corp.example"), Some("looks like a domain controller"));
        assert_eq!(host_hint("fra-prod-7"), Some("looks like production"));
        assert_eq!(host_hint("mac-decal"), None);
    }

    #[test]
    fn parts_add_up_past_the_end() {
        let mut score = Score::default();
        score.add("a", 90, String::new());
        score.add("b", 30, String::new());
        let (risk, parts) = score.finish();
        assert_eq!(risk, 100);
        assert_eq!(parts.iter().map(|p| p.points).sum::<i32>(), 100);
    }
}
