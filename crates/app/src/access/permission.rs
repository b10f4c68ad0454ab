//! What there is to be allowed, and which role allows what: one table.

use ledger::Role;

use crate::failure::{Failure, Kind};

/// Something that a caller may be allowed to do. A use case names the one that it asks for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See alerts, incidents, rules, sources and how the floor is.
    Read,
    /// Ask the lake in SQL and run saved hunts.
    Hunt,
    /// Decide on alerts and incidents: status, owner, comments, tasks, merges, suppressions.
    Decide,
    /// Deliver logs with a token for the API.
    Deliver,
    /// Check, save and take away rules; load rules, definitions and hunts anew.
    Content,
    /// Say who may deliver logs.
    Senders,
    /// Make users, change their roles, keep them out.
    Users,
    /// Read the audit trail.
    Audit,
}

/// Every permission with its name and the least role that has it. The names are the scopes of tokens.
const TABLE: [(Permission, &str, Role); 8] = [
    (Permission::Read, "read", Role::Viewer),
    (Permission::Hunt, "hunt", Role::Viewer),
    (Permission::Decide, "decide", Role::Analyst),
    (Permission::Deliver, "deliver", Role::Engineer),
    (Permission::Content, "content", Role::Engineer),
    (Permission::Senders, "senders", Role::Engineer),
    (Permission::Users, "users", Role::Admin),
    (Permission::Audit, "audit", Role::Admin),
];

impl Permission {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.into_iter().map(|(permission, ..)| permission)
    }

    /// Its stable name.
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|(p, ..)| *p == self).map_or("", |(_, name, _)| name)
    }

    /// Reads a name.
    pub fn from_name(text: &str) -> Option<Self> {
        TABLE.into_iter().find(|(_, name, _)| *name == text).map(|(permission, ..)| permission)
    }

    /// True when a role has it.
    pub fn is_of(self, role: Role) -> bool {
        TABLE.iter().any(|(p, _, least)| *p == self && rank(role) >= rank(*least))
    }

    /// Reads the scopes of a token.
    pub(crate) fn read_all(names: &[String]) -> Result<Vec<Self>, Failure> {
        let read = |name: &String| {
            Self::from_name(name).ok_or_else(|| {
                let known: Vec<_> = Self::all().map(Self::name).collect();
                let message = format!("`{}` is not a scope", model::inert(name));
                Failure::new(Kind::Usage, message).hint(format!("scopes are {}", known.join(", ")))
            })
        };
        names.iter().map(read).collect()
    }
}

/// The role that may do most.
pub(crate) fn highest(roles: impl Iterator<Item = Role>) -> Option<Role> {
    roles.max_by_key(|role| rank(*role))
}

/// Each role may do all that the roles before it may.
fn rank(role: Role) -> u8 {
    match role {
        Role::Viewer => 0,
        Role::Analyst => 1,
        Role::Responder => 2,
        Role::Engineer => 3,
        Role::Admin => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_grow_and_names_read_back() {
        for permission in Permission::all() {
            assert_eq!(Permission::from_name(permission.name()), Some(permission));
            assert!(permission.is_of(Role::Admin), "{permission:?}");
        }
        assert!(Permission::Read.is_of(Role::Viewer));
        assert!(!Permission::Decide.is_of(Role::Viewer));
        assert!(!Permission::Users.is_of(Role::Engineer));
        assert!(!Permission::Audit.is_of(Role::Responder));
        assert!(Permission::read_all(&["read".to_owned(), "root".to_owned()]).is_err());
    }
}
