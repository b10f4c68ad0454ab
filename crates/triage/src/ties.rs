//! How strongly an entity ties two alerts together.
//!
//! **Full** (ties alone): host, user, e-mail address, IP address. **Half** (ties only beside a half
//! of another family): file hash and file, domain and URL, cloud resource, and user names that mean
//! another person on every machine (`root`, `admin`). **None**: process paths, and whatever is
//! common. An entity is common when
//! - its name says so: `SYSTEM`, loopback, broadcast, public resolvers, private addresses that end
//!   in .1 or .254 (gateways);
//! - the policy names it; or
//! - the evidence says so: it stands beside many hosts or users and in a good share of all alerts.
//!   For hosts, users and public addresses, which an intruder too may take everywhere, it must
//!   moreover be there throughout the evidence, as infrastructure is, and not in a burst.
//!
//! Names are compared by what they mean: `CORP\alice`, `alice@corp.example` and
//! `arn:aws:iam::1:user/alice` tie as `alice`; `ws01.corp.example` ties as `ws01`.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::LazyLock;

use model::{Entity, EntityKind};

use crate::alerts::Draft;
use crate::policy::{Policy, micros};
use crate::{CommonEntity, words};

/// What two alerts must both have to be tied by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    family: Family,
    name: String,
}

/// Kinds of entity that stand for the same sort of fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Family {
    Host,
    User,
    Address,
    SharedName,
    Binary,
    Network,
    Place,
    Process,
}

/// How strongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    None,
    Half,
    Full,
}

impl Key {
    fn strength(&self) -> Strength {
        match self.family {
            Family::Host | Family::User | Family::Address => Strength::Full,
            Family::SharedName | Family::Binary | Family::Network | Family::Place => Strength::Half,
            Family::Process => Strength::None,
        }
    }

    /// Whether an intruder may plausibly carry it everywhere, so that only steadiness tells
    /// infrastructure from attack.
    fn roams(&self) -> bool {
        match self.family {
            Family::Host | Family::User => true,
            Family::Address => self.name.parse().is_ok_and(|ip| !is_private(ip)),
            _ => false,
        }
    }
}

/// Pairs of halves that tie. A hash beside a shared name does not: `powershell.exe` run by
/// `administrator` is two machines' everyday.
fn halves_tie(a: Family, b: Family) -> bool {
    use Family::{Binary, Network, Place, SharedName};
    matches!((a.min(b), a.max(b)), (Binary, Network) | (SharedName | Network | Binary, Place))
}

/// Names that mean another account on every machine.
const SHARED_NAMES: &[&str] = &[
    "admin",
    "administrator",
    "guest",
    "info",
    "nobody",
    "root",
    "service",
    "support",
    "test",
    "ubuntu",
    "ec2-user",
    "user",
    "www-data",
    "postgres",
    "mysql",
    "oracle",
    "git",
    "jenkins",
    "ansible",
    "deploy",
    "default",
    "azureuser",
    "defaultaccount",
    "localadmin",
    "backup",
];

/// Accounts of the system itself.
const SYSTEM_NAMES: &[&str] = &[
    "",
    "-",
    "system",
    "local service",
    "network service",
    "anonymous logon",
    "localsystem",
    "local system",
    "unknown",
    "(unknown)",
    "null",
    "none",
    "n/a",
    "nt authority",
    "window manager",
    "dwm-1",
    "dwm-2",
    "umfd-0",
    "umfd-1",
    "s-1-5-18",
    "s-1-5-19",
    "s-1-5-20",
    "s-1-0-0",
    "unset",
    "4294967295",
    "anonymous",
    "font driver host",
];

const HOST_NOBODIES: &[&str] =
    &["", "-", "localhost", "localhost.localdomain", "unknown", "none", "null", "n/a", "*"];

/// First labels that say nothing about which host it is.
const HOST_ROLES: &[&str] =
    &["www", "mail", "smtp", "ns1", "ns2", "api", "web", "app", "vpn", "ip"];

static PUBLIC_RESOLVERS: LazyLock<Vec<IpAddr>> = LazyLock::new(|| {
    let texts = [
        "8.8.8.8",
        "8.8.4.4",
        "1.1.1.1",
        "1.0.0.1",
        "9.9.9.9",
        "149.112.112.112",
        "208.67.222.222",
        "208.67.220.220",
        "168.63.129.16",
        "2001:4860:4860::8888",
        "2001:4860:4860::8844",
        "2606:4700:4700::1111",
        "2606:4700:4700::1001",
        "2620:fe::fe",
    ];
    texts.iter().filter_map(|text| text.parse().ok()).collect()
});

/// Why an entity is common by its name alone; `None` when it is not.
pub(crate) fn common_by_name(entity: &Entity) -> Option<&'static str> {
    let value = entity.value.trim();
    match entity.kind {
        EntityKind::User | EntityKind::Email => {
            let name = account(value);
            SYSTEM_NAMES
                .contains(&name.as_str())
                .then_some("it is an account of the system itself")
                .or_else(|| value.starts_with("nt service\\").then_some("it is a service account"))
                .or_else(|| name.ends_with('$').then_some("it is the machine's own account"))
        }
        EntityKind::Address => match value.parse::<IpAddr>() {
            Ok(ip) => common_address(ip.to_canonical()),
            Err(_) => Some("it is not an address"),
        },
        EntityKind::Host => match value.parse::<IpAddr>() {
            Ok(ip) => common_address(ip.to_canonical()),
            Err(_) => HOST_NOBODIES.contains(&value).then_some("every host calls itself that"),
        },
        _ => value.is_empty().then_some("it is empty"),
    }
}

fn common_address(ip: IpAddr) -> Option<&'static str> {
    if ip.is_loopback() {
        return Some("it is a loopback address");
    }
    if ip.is_unspecified() || ip.is_multicast() {
        return Some("it names no machine");
    }
    if PUBLIC_RESOLVERS.contains(&ip) {
        return Some("it is a public DNS resolver or a cloud's own service address");
    }
    match ip {
        IpAddr::V4(v4) if v4.is_broadcast() || v4.is_link_local() || v4.octets()[3] == 255 => {
            Some("it is a broadcast or link-local address")
        }
        IpAddr::V4(v4) if v4.is_private() && matches!(v4.octets()[3], 0 | 1 | 254) => {
            Some("it is a private network or gateway address")
        }
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("it is a link-local address"),
        _ => None,
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64,
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// The bare account name, lower case: without domain, tenant, ARN path or realm.
fn account(value: &str) -> String {
    let value = value.to_lowercase();
    let value = value.rsplit('\\').next().unwrap_or_default();
    let value = if value.starts_with("arn:") {
        value.rsplit(['/', ':']).next().unwrap_or_default()
    } else {
        value
    };
    let name = value.split_once('@').map_or(value, |(local, _)| local);
    name.trim().to_owned()
}

/// The key by which an entity ties.
fn key(entity: &Entity) -> Key {
    let value = entity.value.trim().to_lowercase();
    let make = |family, name: String| Key { family, name };
    let address = |value: &str| value.parse::<IpAddr>().map(|ip| ip.to_canonical().to_string());
    match entity.kind {
        EntityKind::User | EntityKind::Email => {
            let name = account(&value);
            let shared = SHARED_NAMES.contains(&name.as_str());
            make(if shared { Family::SharedName } else { Family::User }, name)
        }
        EntityKind::Host => match address(&value) {
            Ok(ip) => make(Family::Address, ip),
            Err(_) => make(Family::Host, host_label(&value)),
        },
        EntityKind::Address => make(Family::Address, address(&value).unwrap_or(value)),
        EntityKind::Hash | EntityKind::File => make(Family::Binary, value),
        EntityKind::Domain | EntityKind::Url => make(Family::Network, value),
        EntityKind::Resource => make(Family::Place, value),
        EntityKind::Process => make(Family::Process, value),
    }
}

/// The first label of a host's name where it tells hosts apart, else the whole name.
pub(crate) fn host_label(value: &str) -> String {
    let label = value.split('.').next().unwrap_or_default();
    let telling = label.len() >= 3
        && !HOST_ROLES.contains(&label)
        && label.bytes().any(|b| b.is_ascii_alphabetic());
    if telling { label.to_owned() } else { value.to_owned() }
}

/// The ties of every alert: keys by number, strength and commonness decided.
pub(crate) struct Ties {
    book: Book,
    /// For each draft, all its keys.
    keys: Vec<Vec<u32>>,
    /// For each draft, its keys that tie alone.
    full: Vec<Vec<u32>>,
    /// For each draft, its pairs of keys that tie together.
    pairs: Vec<Vec<(u32, u32)>>,
}

/// Halves of one alert that are paired, at most: pairs grow with the square.
const HALVES: usize = 12;
/// Parts into which the evidence's time is cut to see who is there throughout …
const PARTS: u64 = 8;
/// … and in how many of them infrastructure is seen.
const STEADY: usize = 6;

impl Ties {
    /// Decides the ties of all alerts.
    pub(crate) fn weigh(drafts: &[Draft], policy: &Policy) -> Self {
        let mut book = Book::default();
        let keys: Vec<Vec<u32>> = drafts.iter().map(|draft| book.note(draft, policy)).collect();
        book.judge(drafts, &keys, policy);
        let mut full = Vec::with_capacity(keys.len());
        let mut pairs = Vec::with_capacity(keys.len());
        for ids in &keys {
            let strength = |id: u32| book.strength(id);
            full.push(ids.iter().copied().filter(|id| strength(*id) == Strength::Full).collect());
            let halves: Vec<u32> = ids
                .iter()
                .copied()
                .filter(|id| strength(*id) == Strength::Half)
                .take(HALVES)
                .collect();
            pairs.push(book.pairs(&halves));
        }
        Self { book, keys, full, pairs }
    }

    /// The keys that tie this alert alone.
    pub(crate) fn full(&self, draft: usize) -> &[u32] {
        self.full.get(draft).map_or(&[], Vec::as_slice)
    }

    /// The pairs of keys that tie this alert together.
    pub(crate) fn pairs(&self, draft: usize) -> &[(u32, u32)] {
        self.pairs.get(draft).map_or(&[], Vec::as_slice)
    }

    /// All keys of this alert, by number.
    pub(crate) fn keys(&self, draft: usize) -> &[u32] {
        self.keys.get(draft).map_or(&[], Vec::as_slice)
    }

    /// The number of an entity's key.
    pub(crate) fn key(&self, entity: &Entity) -> u32 {
        self.book.known.get(entity).copied().unwrap_or(u32::MAX)
    }

    /// How strongly a key ties, commonness counted in.
    pub(crate) fn strength(&self, key: u32) -> Strength {
        self.book.strength(key)
    }

    /// What was set aside though it would have tied, most alerts first.
    pub(crate) fn common(&self, drafts: &[Draft]) -> Vec<CommonEntity> {
        let told = |page: &Page| {
            let why = page.common.as_ref()?;
            let counts = page.key.strength() != Strength::None && page.alerts > 1;
            counts.then(|| CommonEntity {
                entity: page.entity.clone(),
                alerts: page.alerts,
                why: format!("{why} (in {} of {} alerts)", page.alerts, drafts.len()),
            })
        };
        let mut out: Vec<CommonEntity> = self.book.pages.iter().filter_map(told).collect();
        out.sort_by(|a, b| b.alerts.cmp(&a.alerts).then_with(|| a.entity.cmp(&b.entity)));
        out
    }
}

/// One key, as the alerts know it.
struct Page {
    key: Key,
    /// The smallest entity of that key: what people are shown.
    entity: Entity,
    alerts: u64,
    /// Hosts and users beside it, by number; no more than the policy asks about.
    beside: BTreeSet<u32>,
    common: Option<String>,
}

#[derive(Default)]
struct Book {
    numbers: HashMap<Key, u32>,
    /// The number of each entity's key, so that each is worked out once.
    known: HashMap<Entity, u32>,
    pages: Vec<Page>,
}

impl Book {
    fn number(&mut self, entity: &Entity, policy: &Policy) -> u32 {
        if let Some(number) = self.known.get(entity) {
            return *number;
        }
        let key = key(entity);
        let number = *self.numbers.entry(key.clone()).or_insert(self.pages.len() as u32);
        if let Some(page) = self.pages.get_mut(number as usize) {
            if *entity < page.entity {
                page.entity = entity.clone();
            }
        } else {
            self.pages.push(Page {
                key,
                entity: entity.clone(),
                alerts: 0,
                beside: BTreeSet::new(),
                common: None,
            });
        }
        if let Some(page) = self.pages.get_mut(number as usize)
            && page.common.is_none()
        {
            page.common = if policy.common_entities.contains(entity) {
                Some("the policy names it as shared".to_owned())
            } else {
                common_by_name(entity).map(str::to_owned)
            };
        }
        self.known.insert(entity.clone(), number);
        number
    }

    /// Notes the entities of one alert; their keys, in the order of the best anchors, once each.
    fn note(&mut self, draft: &Draft, policy: &Policy) -> Vec<u32> {
        let mut ids: Vec<u32> = Vec::new();
        for (entity, _) in draft.entities() {
            let id = self.number(entity, policy);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let people: Vec<u32> = ids.iter().copied().filter(|id| self.is_somebody(*id)).collect();
        for id in &ids {
            let Some(page) = self.pages.get_mut(*id as usize) else { continue };
            page.alerts += 1;
            for other in people.iter().filter(|other| *other != id) {
                if page.beside.len() < policy.common_neighbours.max(1) {
                    page.beside.insert(*other);
                }
            }
        }
        ids
    }

    fn is_somebody(&self, id: u32) -> bool {
        self.pages.get(id as usize).is_some_and(|page| {
            page.common.is_none() && matches!(page.key.family, Family::Host | Family::User)
        })
    }

    /// Finds the keys that the evidence shows to be common.
    fn judge(&mut self, drafts: &[Draft], keys: &[Vec<u32>], policy: &Policy) {
        let floor = policy.common_share * drafts.len() as f64;
        let suspects: Vec<u32> = (0..self.pages.len() as u32)
            .filter(|id| {
                self.pages.get(*id as usize).is_some_and(|page| {
                    page.common.is_none()
                        && page.key.strength() != Strength::None
                        && page.beside.len() >= policy.common_neighbours.max(1)
                        && page.alerts as f64 > floor
                })
            })
            .collect();
        if suspects.is_empty() {
            return;
        }
        let start = drafts.iter().map(|d| d.first_event.0).min().unwrap_or_default();
        let end = drafts.iter().map(|d| d.last_time.0).max().unwrap_or_default();
        let span = end.abs_diff(start).max(1);
        let long = span >= micros(policy.incident_gap).saturating_mul(2);
        let mut seen: HashMap<u32, BTreeSet<u64>> = HashMap::new();
        for (draft, ids) in drafts.iter().zip(keys) {
            let part = u128::from(draft.first_event.0.abs_diff(start)) * u128::from(PARTS)
                / (u128::from(span) + 1);
            for id in ids.iter().filter(|id| suspects.binary_search(id).is_ok()) {
                seen.entry(*id).or_default().insert(part as u64);
            }
        }
        for id in suspects {
            let Some(page) = self.pages.get_mut(id as usize) else { continue };
            let steady = long && seen.get(&id).is_some_and(|parts| parts.len() >= STEADY);
            if page.key.roams() && !steady {
                continue;
            }
            page.common = Some(format!(
                "it stands beside {} or more hosts and users{}",
                policy.common_neighbours,
                if steady { ", all through the evidence" } else { "" },
            ));
        }
    }

    fn strength(&self, id: u32) -> Strength {
        match self.pages.get(id as usize) {
            Some(page) if page.common.is_none() => page.key.strength(),
            _ => Strength::None,
        }
    }

    fn pairs(&self, halves: &[u32]) -> Vec<(u32, u32)> {
        let family = |id: &u32| self.pages.get(*id as usize).map(|page| page.key.family);
        let mut out = Vec::new();
        for (at, a) in halves.iter().enumerate() {
            for b in halves.iter().skip(at + 1) {
                if let (Some(x), Some(y)) = (family(a), family(b))
                    && halves_tie(x, y)
                {
                    out.push((*a.min(b), *a.max(b)));
                }
            }
        }
        out
    }
}

/// An entity as it is written into a sentence.
pub(crate) fn display(entity: &Entity) -> String {
    words::cut(&entity.value, 64)
}
