//! What to do next: a table of steps in the terms of NIST SP 800-61r3 and CSF 2.0.
//!
//! The table is in order of urgency: contain, keep what would be lost, find how far it goes, clean,
//! tell, recover, improve. A row applies when all its conditions hold, and names only what stands in
//! the alerts that those conditions are about: whoever got the prompts is asked about the prompts.

use std::collections::{HashMap, HashSet};

use model::{Entity, EntityKind, Level, Tactic};

use crate::alerts::Draft;
use crate::incidents::{Group, is_person, technique_is};
use crate::names::display;
use crate::policy::Policy;
use crate::words::{cut, list};

/// One row.
struct Step {
    /// CSF 2.0 subcategory.
    csf: &'static str,
    when: &'static [When],
    /// What to do. `{machines}`, `{hosts}` (web names too), `{users}`, `{addresses}`, `{domains}`, `{keys}`, `{hashes}`,
    /// `{first}`, `{rule}` are filled in.
    text: &'static str,
}

enum When {
    /// One of these tactics was seen.
    Tactic(&'static [Tactic]),
    /// One of these techniques was seen, or a sub-technique.
    Technique(&'static [&'static str]),
    /// None of these was seen.
    Without(&'static [&'static str]),
    /// The name of a source contains one of these.
    Source(&'static [&'static str]),
    /// The incident is at least this grave.
    AtLeast(Level),
    /// The incident is at most this grave.
    AtMost(Level),
}

use Tactic::{
    CommandAndControl, CredentialAccess, Execution, Exfiltration, Impact, InitialAccess,
    LateralMovement, Persistence, PrivilegeEscalation,
};
use When::{AtLeast, AtMost, Source, Technique, Without};

/// Techniques that destroy: what can be reached is cut off at once.
const DESTROYS: &[&str] = &["T1486", "T1485", "T1490", "T1561"];

const STEPS: &[Step] = &[
    Step {
        csf: "RS.MA-02",
        when: &[AtMost(Level::Medium)],
        text: "Read the events behind “{rule}” and decide whether known work explains them; if so, say which and close.",
    },
    Step {
        csf: "RS.MI-01",
        when: &[Technique(DESTROYS)],
        text: "Disconnect {machines} from the network now, leave power on, and take shares and backups that they can reach offline: encryption or deletion may still be running.",
    },
    Step {
        csf: "RS.MI-01",
        when: &[
            AtLeast(Level::High),
            When::Tactic(&[
                Execution,
                Persistence,
                PrivilegeEscalation,
                CredentialAccess,
                LateralMovement,
                CommandAndControl,
                Exfiltration,
                Impact,
            ]),
            Without(DESTROYS),
        ],
        text: "Isolate {machines} from the network; leave power on, so that memory can be captured.",
    },
    Step {
        csf: "RS.MI-01",
        when: &[],
        text: "Deactivate and rotate access key {keys}, and list everything that it did since {first}.",
    },
    Step {
        csf: "RS.MI-01",
        when: &[
            AtLeast(Level::High),
            When::Tactic(&[
                InitialAccess,
                Persistence,
                PrivilegeEscalation,
                CredentialAccess,
                LateralMovement,
                Exfiltration,
            ]),
        ],
        text: "Revoke all sessions and tokens of {users}, reset the passwords and require a phishing-resistant second factor.",
    },
    Step {
        csf: "RS.MI-01",
        when: &[
            AtLeast(Level::Medium),
            When::Tactic(&[InitialAccess, CredentialAccess, CommandAndControl, Exfiltration]),
        ],
        text: "Search for every other host and user that dealt with {addresses}, then block at the edge.",
    },
    Step {
        csf: "RS.MI-01",
        when: &[When::Tactic(&[CommandAndControl, Exfiltration, Execution])],
        text: "Block {domains} at the DNS resolver and the proxy.",
    },
    Step {
        csf: "RS.AN-07",
        when: &[AtLeast(Level::High)],
        text: "Capture memory and disk of {machines} before anything is cleaned, and keep the evidence of this report unchanged under its SHA-256.",
    },
    Step {
        csf: "RS.AN-03",
        when: &[Technique(&["T1621"])],
        text: "Ask {users} by telephone which prompts they approved, and remove factors and devices enrolled since {first}.",
    },
    Step {
        csf: "RS.AN-03",
        when: &[Technique(&["T1110", "T1078"])],
        text: "List every sign-in from {addresses} that succeeded since {first}, and treat those accounts as taken over.",
    },
    Step {
        csf: "RS.MI-02",
        when: &[Technique(&["T1003", "T1558", "T1555", "T1552"])],
        text: "Treat every credential used or kept on {machines} as stolen: reset those accounts; if a domain controller is among them, reset krbtgt twice.",
    },
    Step {
        csf: "RS.AN-08",
        when: &[When::Tactic(&[Exfiltration])],
        text: "Establish what left: which data, how much, to whom, since {first}; tell counsel now, for notification periods may be running.",
    },
    Step {
        csf: "RS.MI-02",
        when: &[Technique(&["T1190", "T1505"])],
        text: "Take {hosts} out of public service, patch what was exploited, and look for files written under its web roots since {first}.",
    },
    Step {
        csf: "RS.MI-02",
        when: &[Technique(&["T1566"])],
        text: "Remove the message from every mailbox that received it, and find who opened it or followed its link.",
    },
    Step {
        csf: "RS.MI-02",
        when: &[Technique(&["T1098", "T1136", "T1078", "T1550"])],
        text: "Review accounts, keys, roles and application grants made or changed since {first} by {users}; remove what nobody can explain.",
    },
    Step {
        csf: "RS.MI-02",
        when: &[Technique(&["T1053", "T1543", "T1547", "T1546", "T1574"])],
        text: "Copy, then remove the scheduled tasks, services and autostart entries made on {machines} since {first}.",
    },
    Step {
        csf: "DE.CM-09",
        when: &[Technique(&["T1562", "T1070", "T1685", "T1686"])],
        text: "Turn logging and protection back on where they were switched off or cleared; read silence since {first} as unknown, not as quiet.",
    },
    Step {
        csf: "RS.AN-03",
        when: &[Source(&["cloudtrail", "aws"])],
        text: "Read all of CloudTrail for {users} and for any role that was assumed since {first}, in every region; look for new keys, users, instances and shared snapshots.",
    },
    Step {
        csf: "RS.AN-03",
        when: &[Source(&["m365", "office", "entra", "azure"])],
        text: "Look for inbox rules, forwarding, application consents and new credentials on {users}.",
    },
    Step {
        csf: "RS.MI-02",
        when: &[Source(&["github", "gitlab"])],
        text: "Rotate every secret that the touched repositories and workflows can read; review deploy keys, tokens and branch-protection changes since {first}.",
    },
    Step {
        csf: "RS.MI-02",
        when: &[Source(&["kubernetes", "k8s"])],
        text: "Rotate service-account tokens and the secrets that were read, review role bindings made since {first}, and recreate the pods concerned on clean nodes.",
    },
    Step {
        csf: "RS.MI-02",
        when: &[Source(&["cloudflare"]), When::Tactic(&[Persistence, CredentialAccess, Impact])],
        text: "Review API tokens, members and rule changes in Cloudflare since {first}; roll tokens that {users} could read.",
    },
    Step {
        csf: "DE.AE-07",
        when: &[AtLeast(Level::Medium)],
        text: "Search all other evidence for {hashes}.",
    },
    Step {
        csf: "RS.AN-08",
        when: &[AtLeast(Level::Medium)],
        text: "Establish how far it goes: look for the same users, hosts, addresses and files elsewhere, from a week before {first} until now.",
    },
    Step {
        csf: "RS.CO-02",
        when: &[AtLeast(Level::High)],
        text: "Name an incident lead, tell the owners of the systems and accounts named here, and keep a log of decisions.",
    },
    Step {
        csf: "RC.RP-05",
        when: &[AtLeast(Level::High)],
        text: "Rebuild {machines} from known-good images; restore only from backups made before {first} and checked (RC.RP-03).",
    },
    Step {
        csf: "ID.IM-03",
        when: &[AtLeast(Level::High)],
        text: "Afterwards, write down what was seen first, what was missed before it, and which rule or control would have caught it.",
    },
];

/// The steps for an incident, the most urgent first.
pub(crate) fn recommend(group: &Group<'_>, severity: Level, policy: &Policy) -> Vec<String> {
    STEPS
        .iter()
        .filter(|step| step.when.iter().all(|when| holds(when, group, severity)))
        .filter_map(|step| Some(format!("{} [{}]", fill(step, group)?, step.csf)))
        .take(policy.next_steps)
        .collect()
}

fn holds(when: &When, group: &Group<'_>, severity: Level) -> bool {
    match when {
        AtLeast(level) => severity >= *level,
        AtMost(level) => severity <= *level,
        Without(any) => !group.techniques.iter().any(|t| technique_is(t, any)),
        _ => group.members.iter().any(|draft| concerns(when, draft)),
    }
}

/// Whether an alert is one of those that a condition is about.
fn concerns(when: &When, draft: &Draft) -> bool {
    match when {
        When::Tactic(any) => any.iter().any(|tactic| draft.tactics.contains(tactic)),
        Technique(any) => draft.techniques.iter().any(|t| technique_is(t, any)),
        Source(any) => draft
            .sources
            .iter()
            .any(|(source, _)| any.iter().any(|part| source.to_lowercase().contains(part))),
        AtLeast(_) | AtMost(_) | Without(_) => true,
    }
}

/// Fills in the braces; `None` when the alerts that the step is about name nothing of the kind.
fn fill(step: &Step, group: &Group<'_>) -> Option<String> {
    let keys = group.keys_of(|draft| step.when.iter().all(|when| concerns(when, draft)));
    let mut out = String::new();
    let mut rest = step.text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}')?;
        out.push_str(before);
        out.push_str(&named(name, group, &keys)?);
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

fn named(name: &str, group: &Group<'_>, keys: &HashSet<u32>) -> Option<String> {
    let all = |keep: &dyn Fn(&Entity) -> bool, most: usize| {
        let names: Vec<String> = group
            .telling()
            .filter(|c| keys.contains(&c.key) && keep(&c.entity))
            .map(|c| display(&c.entity))
            .collect();
        (1..=most).contains(&names.len()).then(|| list(&names, 4))
    };
    let of = |kind: EntityKind, most| all(&|entity: &Entity| entity.kind == kind, most);
    let any = |keep: &dyn Fn(&Entity) -> bool| all(keep, usize::MAX);
    match name {
        "hosts" => of(EntityKind::Host, usize::MAX),
        "machines" => any(&|entity| group.is_machine(entity)),
        "users" => any(&is_person),
        "keys" => any(&|entity| is_access_key(&entity.value)).map(|keys| keys.to_uppercase()),
        "addresses" => any(&|e| e.kind == EntityKind::Address && is_public(&e.value)),
        "domains" => {
            // Whoever blocks a site of one's own does the attacker's work.
            let own = group.keys_of(Draft::is_served);
            let named = group.telling().filter(|c| keys.contains(&c.key) && !own.contains(&c.key));
            let domains = named.map(|c| &c.entity).filter(|e| e.kind == EntityKind::Domain);
            let names: Vec<&str> = domains.map(|entity| &*entity.value).collect();
            let names = gathered(&names);
            (!names.is_empty()).then(|| list(&names, 4))
        }
        // Many hashes are those of the system's own programs, and no list to search for.
        "hashes" => of(EntityKind::Hash, 5),
        "first" => Some(format!("{} UTC", group.first.prose())),
        "rule" => group.members.first().map(|draft| cut(&draft.rule_title, 90)),
        _ => None,
    }
}

/// Names below one domain that are told as that domain.
const BELOW: usize = 5;

/// Domains in order, those with many names below them as one: nobody blocks a tunnel name by name.
fn gathered(names: &[&str]) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in names {
        *counts.entry(registered(name)).or_default() += 1;
    }
    let mut out: Vec<String> = Vec::new();
    for name in names {
        let above = registered(name);
        let told = if counts.get(above).is_some_and(|count| *count >= BELOW) {
            format!("everything below {}", cut(above, 80))
        } else {
            cut(name, 80)
        };
        if !out.contains(&told) {
            out.push(told);
        }
    }
    out
}

/// The part of a name that somebody registered (the Public Suffix List).
fn registered(name: &str) -> &str {
    psl::domain_str(name).unwrap_or(name)
}

/// AWS access key ids: long-lived `AKIA…`, temporary `ASIA…`.
pub(crate) fn is_access_key(value: &str) -> bool {
    let head = value.get(..4).unwrap_or_default();
    value.len() == 20
        && (head.eq_ignore_ascii_case("akia") || head.eq_ignore_ascii_case("asia"))
        && value.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_public(value: &str) -> bool {
    match value.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => {
            !ip.is_private() && !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified()
        }
        Ok(std::net::IpAddr::V6(ip)) => {
            !ip.is_unique_local() && !ip.is_loopback() && !ip.is_unicast_link_local()
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_keys_are_told_from_users() {
        assert!(is_access_key("akiaiosfodnn7example"));
        assert!(!is_access_key("alice"));
    }

    #[test]
    fn a_tunnel_is_blocked_at_its_domain() {
        assert_eq!(registered("a.b.t.example.com"), "example.com");
        assert_eq!(registered("mail.example.co.uk"), "example.co.uk");
        assert_eq!(registered("somebody.github.io"), "somebody.github.io", "not the host of all");
        assert_eq!(registered("example"), "example");
        let mut names: Vec<String> = (0..6).map(|n| format!("x{n}.0001.t.cdn.example")).collect();
        names.insert(1, "login.bad.example".to_owned());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let told = gathered(&names);
        assert_eq!(told, ["everything below cdn.example", "login.bad.example"]);
    }

    #[test]
    fn every_placeholder_is_known() {
        let known = [
            "hosts",
            "machines",
            "users",
            "keys",
            "addresses",
            "domains",
            "hashes",
            "first",
            "rule",
        ];
        for step in STEPS {
            for part in step.text.split('{').skip(1) {
                let name = part.split('}').next().unwrap_or_default();
                assert!(known.contains(&name), "{name} in {}", step.text);
            }
        }
    }
}
