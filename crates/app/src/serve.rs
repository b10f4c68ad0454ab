//! What `serve` is asked for, and what it says when it is open.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::content::Content;
use crate::live::{FloorOptions, Socket};

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The content.
    pub content: Content,
    /// The floor.
    pub floor: FloorOptions,
    /// Where to listen for HTTP.
    pub listen: SocketAddr,
    /// Where to listen for syslog and RELP.
    pub sockets: Vec<Socket>,
    /// What says what is fetched; `floor.toml` in the data folder unless said.
    pub config: Option<PathBuf>,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// The authority whose certificates senders may show on TLS sockets, in PEM.
    pub client_authority: Option<PathBuf>,
}

/// How a connection is encrypted.
#[derive(Debug, Clone)]
pub enum Encryption {
    /// It is not: for this machine alone, or behind a proxy that encrypts.
    Off,
    /// With a certificate that is made here, for localhost and these names.
    SelfMade(Vec<String>),
    /// With a certificate from files, in PEM.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

/// A floor that is open.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Opened {
    /// Where a browser or a program finds it.
    pub url: String,
    /// Where syslog and RELP are listened for: what is spoken, and the address.
    pub sockets: Vec<(&'static str, SocketAddr)>,
    /// What is fetched: how, and the name.
    pub fetches: Vec<String>,
    /// The data folder.
    pub data: String,
    /// Rules in force.
    pub rules: usize,
    /// Mistakes in the content; what they stand in was left out.
    pub problems: Vec<String>,
    /// The word that makes the first admin, when there is nobody yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_link: Option<String>,
}
