//! Who or what an event is about.

use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kinds of entity on which findings are grouped and people pivot.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// A user, by name or account id.
    User,
    /// A machine, by host name.
    Host,
    /// An IP address.
    Address,
    /// A domain name.
    Domain,
    /// A file hash.
    Hash,
    /// A cloud account, tenant, repository, cluster or other container of resources.
    Resource,
    /// A URL.
    Url,
    /// An e-mail address.
    Email,
    /// A process, by path.
    Process,
    /// A file, by path.
    File,
}

impl EntityKind {
    /// All kinds, the best anchors for an alert first.
    pub const ALL: [Self; 10] = [
        Self::Host,
        Self::User,
        Self::Address,
        Self::Domain,
        Self::Hash,
        Self::Resource,
        Self::Url,
        Self::Email,
        Self::Process,
        Self::File,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Host => "host",
            Self::Address => "address",
            Self::Domain => "domain",
            Self::Hash => "hash",
            Self::Resource => "resource",
            Self::Url => "url",
            Self::Email => "email",
            Self::Process => "process",
            Self::File => "file",
        }
    }

    /// Reads a stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One entity. Values are compared as they stand: whoever makes one folds case where the kind is
/// case-insensitive (hosts, domains, addresses, hashes, e-mail).
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Its name.
    pub value: Arc<str>,
}

impl Entity {
    /// Makes one, folding case where the kind is case-insensitive. A host or domain that is written as
    /// an address is an address.
    pub fn new(kind: EntityKind, value: &str) -> Self {
        let kind = match kind {
            EntityKind::Host | EntityKind::Domain if value.parse::<IpAddr>().is_ok() => {
                EntityKind::Address
            }
            kind => kind,
        };
        let value = match kind {
            EntityKind::Host
            | EntityKind::Address
            | EntityKind::Domain
            | EntityKind::Hash
            | EntityKind::Email
            | EntityKind::User => value.to_lowercase(),
            _ => value.to_owned(),
        };
        Self { kind, value: value.into() }
    }
}

impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_written_as_an_address_is_one() {
        let kind = |value| Entity::new(EntityKind::Host, value).kind;
        assert_eq!(kind("198.51.100.77"), EntityKind::Address);
        assert_eq!(kind("2001:DB8::1"), EntityKind::Address);
        assert_eq!(kind("WS-114"), EntityKind::Host);
        assert_eq!(Entity::new(EntityKind::User, "10.0.0.1").kind, EntityKind::User);
    }
}
