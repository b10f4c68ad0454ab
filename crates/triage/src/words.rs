//! Titles, summaries and reasons: what triage decided, in sentences.

use model::{EntityKind, Level, Micros, Tactic, Technique, span_text};

use crate::alerts::Draft;
use crate::incidents::{Connected, Group, technique_is};
use crate::names::{self, display};
use crate::policy::{Policy, micros};

/// What an incident is called for what was done, the gravest first.
const DEEDS: &[Deed] = &[
    did("Ransomware", &["T1486"], None),
    did("Data destruction", &["T1485", "T1561"], None),
    did("Recovery sabotage", &["T1490"], None),
    did("Data theft", &["T1048", "T1567", "T1537", "T1041"], Some(Tactic::Exfiltration)),
    did("Resource hijacking", &["T1496"], None),
    did("Disruption", &[], Some(Tactic::Impact)),
    did("Credential theft", &["T1003", "T1558", "T1555", "T1552", "T1528", "T1539"], None),
    did("Lateral movement", &[], Some(Tactic::LateralMovement)),
    way_in("a web shell", &["T1505.003"], None),
    way_in("exploitation of a public service", &["T1190"], None),
    way_in("phishing", &["T1566"], None),
    way_in("an MFA prompt attack", &["T1621"], None),
    way_in("password guessing", &["T1110"], None),
    did("Command and control", &[], Some(Tactic::CommandAndControl)),
    did("Account manipulation", &["T1098", "T1136", "T1531"], None),
    did("Defences impaired", &["T1562", "T1070"], Some(Tactic::DefenseImpairment)),
    way_in("use of a valid account", &["T1078"], None),
    did("Privilege escalation", &[], Some(Tactic::PrivilegeEscalation)),
    way_in("intrusion", &[], Some(Tactic::InitialAccess)),
    did("Persistence", &[], Some(Tactic::Persistence)),
    did("Data collection", &[], Some(Tactic::Collection)),
    did("Attack on credentials", &[], Some(Tactic::CredentialAccess)),
    did("Suspicious execution", &[], Some(Tactic::Execution)),
    did("Hidden activity", &[], Some(Tactic::Stealth)),
    did("Internal reconnaissance", &[], Some(Tactic::Discovery)),
    way_in("scanning", &["T1595"], Some(Tactic::Reconnaissance)),
];

/// A row: it applies when one of its techniques, or its tactic, was seen.
struct Deed {
    name: &'static str,
    techniques: &'static [&'static str],
    tactic: Option<Tactic>,
    /// Whether it is a way in: it then comes after "after".
    entry: bool,
}

const fn did(
    name: &'static str,
    techniques: &'static [&'static str],
    tactic: Option<Tactic>,
) -> Deed {
    Deed { name, techniques, tactic, entry: false }
}

const fn way_in(
    name: &'static str,
    techniques: &'static [&'static str],
    tactic: Option<Tactic>,
) -> Deed {
    Deed { name, techniques, tactic, entry: true }
}

impl Deed {
    fn done(&self, draft: &Draft) -> bool {
        draft.techniques.iter().any(|t: &Technique| technique_is(t, self.techniques))
            || self.tactic.is_some_and(|tactic| draft.tactics.contains(&tactic))
    }
}

/// A title that a person would give it.
pub(crate) fn title(group: &Group<'_>) -> String {
    let place = place(group);
    let rules: std::collections::BTreeSet<&str> =
        group.members.iter().map(|d| d.rule_id.as_ref()).collect();
    if rules.len() == 1
        && let Some(draft) = group.members.first()
    {
        return with_place(cut(&draft.rule_title, 90), &place, " on ");
    }
    // What was done is told by grave alerts alone, unless a long walk bears the others out; how
    // they got in, by any.
    let trusted = group.level < Level::High || group.tactics.len() >= 4;
    let grave = |d: &&&Draft| d.level >= if trusted { Level::Medium } else { Level::High };
    let done = |deed: &Deed| group.members.iter().filter(grave).any(|d| deed.done(d));
    let main = DEEDS.iter().find(|deed| !deed.entry && done(deed));
    let entry = DEEDS
        .iter()
        .filter(|deed| deed.entry)
        .find(|deed| group.members.iter().any(|d| d.level >= Level::Medium && deed.done(d)));
    let what = match (main, entry) {
        (Some(main), Some(entry)) => format!("{} after {}", main.name, entry.name),
        (Some(main), None) => {
            let second = DEEDS
                .iter()
                .filter(|deed| !deed.entry && deed.name != main.name)
                .find(|deed| done(deed));
            match second {
                Some(second) => format!("{} and {}", main.name, lower_first(second.name)),
                None => main.name.to_owned(),
            }
        }
        (None, Some(entry)) => {
            upper_first(entry.name.trim_start_matches("an ").trim_start_matches("a "))
        }
        (None, None) => {
            let gravest =
                group.members.iter().max_by_key(|d| (d.level, std::cmp::Reverse(d.first_event)));
            gravest.map_or_else(String::new, |d| cut(&d.rule_title, 90))
        }
    };
    with_place(what, &place, ": ")
}

fn with_place(what: String, place: &str, joint: &str) -> String {
    if place.is_empty() { what } else { format!("{what}{joint}{place}") }
}

/// Who and where: the most connected user and host, and how many more.
fn place(group: &Group<'_>) -> String {
    let user = group.people().into_iter().next().map(display);
    // The first label says it to people; the whole name stands among the entities.
    let hosts: Vec<String> =
        group.machines().into_iter().map(|host| cut(&names::host_label(&host.value), 64)).collect();
    let host = hosts.first().map(|first| match hosts.len() {
        1 => first.clone(),
        2 => format!("{first} and 1 more host"),
        n => format!("{first} and {} more hosts", n - 1),
    });
    match (user, host) {
        (Some(user), Some(host)) => format!("{user} on {host}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => group.telling().next().map(|c| display(&c.entity)).unwrap_or_default(),
    }
}

/// What happened, in a few plain sentences.
pub(crate) fn summary(group: &Group<'_>) -> String {
    let mut sentences = vec![scope(group)];
    match group.members.as_slice() {
        [only] => sentences.extend(purpose(only)),
        [first, .., last] => {
            if first.rule_id != last.rule_id {
                let (first, last) = (told(first), told(last));
                sentences.push(format!("It begins with {first} and ends with {last}."));
            }
            let by_weight = |d: &&&Draft| (d.level, std::cmp::Reverse(d.first_event));
            if let Some(gravest) = group.members.iter().max_by_key(by_weight)
                && gravest.rule_id != first.rule_id
                && gravest.rule_id != last.rule_id
            {
                sentences.push(format!(
                    "The gravest alert, rated {}, is {} at {}.",
                    gravest.level,
                    quoted(&gravest.rule_title),
                    gravest.first_event.prose(),
                ));
            }
        }
        [] => {}
    }
    if group.tactics.len() > 1 {
        let walked: Vec<String> = group.tactics.iter().map(|t| t.caption().to_owned()).collect();
        sentences.push(format!(
            "In ATT&CK's terms it covers {} of {} tactics: {}.",
            walked.len(),
            Tactic::TABLE.len(),
            list(&walked, walked.len()),
        ));
    }
    sentences.join(" ")
}

/// When, how much, on whom, and where it was seen.
fn scope(group: &Group<'_>) -> String {
    let subject = match (place(group).as_str(), group.members.len()) {
        ("", _) => String::new(),
        (place, 1) => format!(" concerns {place}"),
        (place, _) => format!(" concern {place}"),
    };
    let names: Vec<String> = group.sources.iter().map(|s| cut(&s.replace('_', " "), 40)).collect();
    let seen = match names.len() {
        0 => String::new(),
        1..=3 => format!(", seen in {}", list(&names, 3)),
        n => format!(", seen in {n} kinds of source ({})", list(&names, 3)),
    };
    format!(
        "{}, {} ({}){subject}{seen}.",
        between(group.first, group.last),
        plural(group.members.len() as u64, "alert"),
        plural(group.findings, "finding"),
    )
}

/// What its rule says that it looks for.
fn purpose(draft: &Draft) -> Option<String> {
    let text = cut(&first_sentence(&draft.description), 240);
    let end = if text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    (!text.is_empty()).then(|| format!("Its rule says: {text}{end}"))
}

fn told(draft: &Draft) -> String {
    let tactic = draft.tactics.first().map(|t| format!(" ({})", t.caption())).unwrap_or_default();
    format!("{}{tactic}", quoted(&draft.rule_title))
}

/// Why these alerts are one incident.
pub(crate) fn incident_reason(group: &Group<'_>, severity: Level, policy: &Policy) -> String {
    let mut sentences = what_ties(group, policy);
    if severity > group.level {
        sentences.push(format!(
            "Rated {severity}, a step above its gravest alert, because {} tactics were walked.",
            group.tactics.len(),
        ));
    }
    let length = group.last.0.abs_diff(group.first.0);
    if group.members.len() > policy.large_incident || length > micros(policy.long_incident) {
        let top = group.telling().next().map(|c| display(&c.entity));
        sentences.push(format!(
            "Unusually large: {} over {}. Check whether {} is shared by everybody; if so, name it in the policy's common_entities.",
            plural(group.members.len() as u64, "alert"),
            span_text(length),
            top.unwrap_or_else(|| "its entity".to_owned()),
        ));
    }
    sentences.join(" ")
}

/// What ties the alerts together.
fn what_ties(group: &Group<'_>, policy: &Policy) -> Vec<String> {
    let gap = span_text(micros(policy.incident_gap));
    if group.members.len() == 1 {
        return vec![format!(
            "One alert that stands alone: no other within {gap} shares its hosts, users or addresses."
        )];
    }
    // Hashes of a program that everybody runs say little beside the machine and the person.
    let says = |c: &&Connected| c.alerts > 1 && c.entity.kind != EntityKind::Hash;
    let ties = group.telling().any(|c| says(&c));
    let shared: Vec<String> = group
        .telling()
        .filter(|c| c.alerts > 1 && (!ties || says(c)))
        .map(|c| format!("{} {} ({})", c.entity.kind.name(), display(&c.entity), c.alerts))
        .collect();
    let mut sentences = vec![format!(
        "{}, each within {gap} of another that shares an entity with it.",
        plural(group.founders as u64, "alert"),
    )];
    if !shared.is_empty() {
        sentences.push(format!("Shared, with the number of alerts: {}.", list(&shared, 5)));
    }
    let joined = (group.members.len() - group.founders) as u64;
    if joined > 0 {
        sentences.push(format!(
            "{} below {} joined: by {} would not be an incident.",
            plural(joined, "alert"),
            policy.found_level,
            if joined == 1 { "itself it" } else { "themselves they" },
        ));
    }
    sentences
}

/// Why these findings are one alert.
pub(crate) fn alert_reason(draft: &Draft, policy: &Policy) -> String {
    let rule = quoted(&draft.rule_title);
    let on = match &draft.anchor {
        Some(entity) => format!(" on {} {}", entity.kind.name(), display(entity)),
        None => ", whose events name nobody".to_owned(),
    };
    match draft.count {
        1 => format!("One finding of {rule}{on}."),
        n => format!(
            "{n} findings of {rule}{on}, each within {} of the one before.",
            span_text(micros(policy.alert_window)),
        ),
    }
}

fn between(first: Micros, last: Micros) -> String {
    let span = last.0.abs_diff(first.0);
    if span < 60_000_000 {
        return format!("On {} UTC", first.prose());
    }
    let end = if first.day() == last.day() { last.written("%H:%M") } else { last.prose() };
    format!("From {} to {end} UTC ({})", first.prose(), span_text(span))
}

/// `a, b and c`, or `a, b and 7 more`.
pub(crate) fn list(items: &[String], most: usize) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] if items.len() <= most => format!("{} and {last}", head.join(", ")),
        _ => {
            let shown: Vec<&str> = items.iter().take(most).map(String::as_str).collect();
            format!("{} and {} more", shown.join(", "), items.len() - most)
        }
    }
}

pub(crate) fn plural(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

fn quoted(title: &str) -> String {
    format!("“{}”", cut(title, 90))
}

/// The first sentence, over line breaks, of the first paragraph.
fn first_sentence(text: &str) -> String {
    let paragraph = text.trim().split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().take(80).collect();
    let text = words.join(" ");
    match text.find(". ").and_then(|at| text.get(..=at)) {
        Some(sentence) => sentence.to_owned(),
        None => text,
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// Evidence text made fit for a sentence: no control characters, at most `most` characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let mut out: String = text
        .chars()
        .take(most.saturating_add(1))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if let Some((at, _)) = out.char_indices().nth(most) {
        out.truncate(at);
        out.pop();
        out.push('…');
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_evidence_is_cut_and_control_characters_go() {
        assert_eq!(cut("a\u{1b}[31mb", 20), "a [31mb");
        assert_eq!(cut("ééééé", 4), "ééé…");
        assert_eq!(cut(&"x".repeat(10_000_000), 5), "xxxx…");
    }

    #[test]
    fn lists_read_well() {
        let names = ["a", "b", "c", "d"].map(String::from);
        assert_eq!(list(&names, 4), "a, b, c and d");
        assert_eq!(list(&names, 2), "a, b and 2 more");
    }
}
