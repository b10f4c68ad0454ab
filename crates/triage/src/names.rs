//! What entities are called, and what their names alone say.
//!
//! Names are compared by what they mean: `CORP\alice`, `alice@corp.example` and
//! `arn:aws:iam::1:user/alice` tie as `alice`; `ws01.corp.example` ties as `ws01`.

use std::net::IpAddr;
use std::sync::LazyLock;

use model::{Entity, EntityKind};

use crate::words;

/// What two alerts must both have to be tied by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) family: Family,
    name: String,
}

/// Kinds of entity that stand for the same sort of fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Family {
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
    /// How strongly it ties when it is not common.
    pub(crate) fn strength(&self) -> Strength {
        match self.family {
            Family::Host | Family::User | Family::Address => Strength::Full,
            Family::SharedName | Family::Binary | Family::Network | Family::Place => Strength::Half,
            Family::Process => Strength::None,
        }
    }

    /// Whether an intruder may plausibly carry it everywhere, so that only steadiness tells
    /// infrastructure from attack.
    pub(crate) fn roams(&self) -> bool {
        match self.family {
            Family::Host | Family::User => true,
            Family::Address => self.name.parse().is_ok_and(|ip| !is_private(ip)),
            _ => false,
        }
    }
}

/// Pairs of halves that tie. A hash beside a shared name does not: `powershell.exe` run by
/// `administrator` is two machines' everyday.
pub(crate) fn halves_tie(a: Family, b: Family) -> bool {
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
pub(crate) fn key(entity: &Entity) -> Key {
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

/// An entity as it is written into a sentence.
pub(crate) fn display(entity: &Entity) -> String {
    words::cut(&entity.value, 64)
}
