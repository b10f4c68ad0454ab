//! The sockets of a floor: syslog over UDP, TCP and TLS, and RELP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use collect::Intake;
use collect::sockets::{Limits, Listen, Listener, Protocol, Sender, Senders, Tls, TlsFiles};

use super::floor::Floor;
use crate::failure::{Failure, Kind};

/// How long listeners may take to read what was sent to them before the floor closed.
const DRAIN: Duration = Duration::from_secs(5);

/// What is spoken on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    /// Syslog, a message in each datagram (RFC 5426). It cannot promise anything.
    SyslogUdp,
    /// Syslog over TCP (RFC 6587).
    SyslogTcp,
    /// Syslog over TLS (RFC 5425).
    SyslogTls,
    /// RELP over TCP: each message is acknowledged when it is on the disk.
    Relp,
    /// RELP over TLS.
    RelpTls,
}

impl SocketKind {
    /// As its senders are called where nothing else is known of them.
    pub fn name(self) -> &'static str {
        match self {
            Self::SyslogUdp => "syslog-udp",
            Self::SyslogTcp => "syslog-tcp",
            Self::SyslogTls => "syslog-tls",
            Self::Relp => "relp",
            Self::RelpTls => "relp-tls",
        }
    }

    fn protocol(self) -> (Protocol, bool) {
        match self {
            Self::SyslogUdp => (Protocol::SyslogUdp, false),
            Self::SyslogTcp => (Protocol::SyslogTcp, false),
            Self::SyslogTls => (Protocol::SyslogTcp, true),
            Self::Relp => (Protocol::Relp, false),
            Self::RelpTls => (Protocol::Relp, true),
        }
    }
}

/// A socket to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// What is spoken there.
    pub kind: SocketKind,
    /// Where.
    pub address: SocketAddr,
}

/// The figures of a socket.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct SocketStatus {
    /// What is spoken there.
    pub kind: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections that are open.
    pub open: u64,
    /// Messages received.
    pub messages: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Offers that the log refused; they were made again.
    pub refused: u64,
    /// Messages that are lost: over UDP the kernel had no room, or a stop gave them up.
    pub dropped: u64,
    /// What was wrong with messages.
    pub flaws: u64,
}

impl Floor {
    /// Listens on a socket; says where, which matters when the port was 0. `files` are the certificate
    /// chain and its key, in PEM, for what is spoken over TLS.
    pub async fn listen(
        &self,
        socket: Socket,
        files: Option<&(PathBuf, PathBuf)>,
    ) -> Result<SocketAddr, Failure> {
        let (protocol, over_tls) = socket.kind.protocol();
        let tls = match (over_tls, files) {
            (false, _) => None,
            (true, Some((certificate, key))) => {
                let (certificate, key) = (certificate.clone(), key.clone());
                let tls = Tls::new(TlsFiles { certificate, key, clients: None });
                let tls = tls.map_err(|e| Failure::new(Kind::Usage, e.to_string()))?;
                Some(Arc::new(tls))
            }
            (true, None) => {
                let message = format!("{} needs a certificate", socket.kind.name());
                return Err(Failure::new(Kind::Usage, message)
                    .hint("name one with --certificate and --key, or leave --plain out"));
            }
        };
        let listen = Listen {
            name: socket.kind.name().into(),
            address: socket.address,
            protocol,
            tls,
            senders: Senders::all(Sender::named(socket.kind.name())),
            limits: Limits::default(),
        };
        let intake: Arc<dyn Intake> = Arc::new(self.door(socket.kind != SocketKind::SyslogUdp));
        let started = Listener::start(listen, intake, Arc::new(crate::now)).await;
        let listener = started.map_err(|e| Failure::new(Kind::System, e.to_string()))?;
        let address = listener.address();
        let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.push((socket.kind, listener));
        Ok(address)
    }

    /// Reads what was sent to the sockets, and closes them.
    pub(crate) async fn stop_listening(&self) {
        let all = {
            let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *listeners)
        };
        for (kind, listener) in all {
            let stats = listener.shutdown(DRAIN).await;
            if stats.dropped > 0 {
                let dropped = stats.dropped;
                tracing::warn!(listener = kind.name(), dropped, "messages were given up");
            }
        }
    }

    /// The figures of the sockets.
    pub(crate) fn sockets(&self) -> Vec<SocketStatus> {
        let listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let told = listeners.iter().map(|(kind, listener)| {
            let stats = listener.stats();
            SocketStatus {
                kind: kind.name(),
                address: stats.address,
                open: stats.open,
                messages: stats.messages,
                bytes: stats.bytes,
                refused: stats.refused,
                dropped: stats.dropped + stats.kernel_dropped,
                flaws: stats.flaws,
            }
        });
        told.collect()
    }
}
