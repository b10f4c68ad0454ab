//! Who does something.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::words::words;

words! {
    /// What kind of actor.
    ActorKind {
        /// A person, in a session.
        Person = "person",
        /// A program, by a token for the API.
        Token = "token",
        /// Watchfloor itself.
        System = "system",
    }
}

/// Who does something, and from where: what the audit trail says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Actor {
    /// What kind.
    pub kind: ActorKind,
    /// The login of a person, the token's id and its owner's login, or the part of the program.
    pub name: String,
    /// Where the request came from.
    pub address: Option<IpAddr>,
}

impl Actor {
    /// A person.
    pub fn person(login: &str, address: Option<IpAddr>) -> Self {
        Self { kind: ActorKind::Person, name: login.to_owned(), address }
    }

    /// A program that holds a token.
    pub fn token(name: &str, address: Option<IpAddr>) -> Self {
        Self { kind: ActorKind::Token, name: name.to_owned(), address }
    }

    /// A part of Watchfloor.
    pub fn system(part: &str) -> Self {
        Self { kind: ActorKind::System, name: part.to_owned(), address: None }
    }
}
