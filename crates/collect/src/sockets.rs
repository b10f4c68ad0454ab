//! Receivers: syslog over UDP (RFC 5426), TCP (RFC 6587) and TLS (RFC 5425), and RELP.
//!
//! A receiver takes messages off its sockets, gathers what one peer sent into a
//! [`Delivery`](crate::Delivery) and offers it to an [`Intake`](crate::Intake). What is refused is
//! offered again, and meanwhile nothing more is read from that peer: TCP makes its sender wait, RELP
//! is not answered. UDP can promise nothing: what the kernel has no room for is lost and counted.
//!
//! Framing is undone here and nothing else: what a message says is for others to read.

mod batch;
mod connection;
mod desk;
mod framing;
mod listener;
mod relp;
mod senders;
mod session;
mod stats;
mod tls;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::Allowance;

pub use listener::{ListenError, Listener};
pub use senders::{Known, Network, NetworkError, Sender, Senders};
pub use stats::{PeerStats, Stats};
pub use tls::{ClientCertificates, Identity, Tls, TlsError, TlsFiles};

/// Where to listen, to whom, and for what.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Its name, as the configuration has it.
    pub name: Arc<str>,
    /// The address; port 0 is any that is free.
    pub address: SocketAddr,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The certificates, where it is spoken over TLS. UDP has none.
    pub tls: Option<Arc<Tls>>,
    /// Who may send.
    pub senders: Senders,
    /// What each sender may still deliver, here and by other ways.
    pub allowance: Arc<Allowance>,
    /// What a peer may cost.
    pub limits: Limits,
}

/// What a receiver speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Syslog, a message in each datagram.
    SyslogUdp,
    /// Syslog over TCP, or TLS where there are certificates.
    SyslogTcp,
    /// RELP over TCP, or TLS where there are certificates.
    Relp,
}

impl Protocol {
    /// As it stands in the origin of a delivery.
    fn words(self, tls: bool) -> &'static str {
        match (self, tls) {
            (Self::SyslogUdp, _) => "syslog udp",
            (Self::SyslogTcp, false) => "syslog tcp",
            (Self::SyslogTcp, true) => "syslog tls",
            (Self::Relp, false) => "relp",
            (Self::Relp, true) => "relp tls",
        }
    }
}

/// What a listener and its peers may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections of all peers together.
    pub connections: usize,
    /// Connections of one address.
    pub per_address: usize,
    /// Bytes of a message; a longer one is cut, and the cut is said.
    pub message: usize,
    /// Bytes that are gathered into a delivery. A last message may reach beyond.
    pub delivery: usize,
    /// How long messages are gathered. RELP does not wait: its senders do.
    pub gather: Duration,
    /// A connection over which nothing comes for so long is closed. Syslog has no way to tell its
    /// sender, which may lose a message by it: a peer that is gone is found out by the kernel first.
    pub idle: Duration,
    /// A message must be all there so long after its first bytes; otherwise the connection is closed,
    /// as is one whose peer does not take its answers.
    pub stalled: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// Bytes that the kernel is asked to hold for UDP. It may give less (`net.core.rmem_max`).
    pub receive_buffer: usize,
    /// Peers that statistics are kept for.
    pub peers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2000,
            per_address: 200,
            message: 1 << 20,
            delivery: 512 << 10,
            gather: Duration::from_millis(5),
            idle: Duration::from_hours(2),
            stalled: Duration::from_mins(1),
            handshake: Duration::from_secs(10),
            receive_buffer: 16 << 20,
            peers: 4096,
        }
    }
}
