//! The sockets of a floor: syslog over UDP, TCP and TLS, and RELP.
//!
//! Their senders show no token: they are known by the name in their certificate or by their address. Who is
//! unknown is the sender that has the name of the socket's kind; nobody need have made it, and whoever
//! makes it says by it what holds of strangers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use collect::Intake;
use collect::sockets::{
    ClientCertificates, Known, Limits, Listen, Listener, Protocol, Sender, Senders, Tls, TlsFiles,
};
use ledger::SenderForm;

use super::everything;
use super::floor::{Floor, Inner};
use crate::cases::tags;
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

/// The certificates of sockets, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFiles {
    /// The server's chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority whose certificates clients may show; they are not asked without one.
    pub client_authority: Option<PathBuf>,
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
    /// Connections that were turned away: too many, or of nobody that may send.
    pub turned_away: u64,
    /// TLS handshakes that failed.
    pub handshakes_failed: u64,
    /// Offers that the log refused; they were made again.
    pub refused: u64,
    /// Messages that came faster than their sender may deliver: it was made to wait, or over UDP they are
    /// lost.
    pub over_limit: u64,
    /// Messages that are lost: over UDP the kernel had no room, or their sender may deliver no more or
    /// nothing at all; or a stop gave them up.
    pub dropped: u64,
    /// What was wrong with messages.
    pub flaws: u64,
}

impl Floor {
    /// Listens on a socket; says where, which matters when the port was 0. `files` are for what is spoken
    /// over TLS.
    pub async fn listen(
        &self,
        socket: Socket,
        files: Option<&SocketFiles>,
    ) -> Result<SocketAddr, Failure> {
        let (protocol, over_tls) = socket.kind.protocol();
        let tls = match (over_tls, files) {
            (false, _) => None,
            (true, Some(files)) => {
                let SocketFiles { certificate, key, client_authority } = files.clone();
                // Who shows none is a stranger, and may be one that is known by its address.
                let clients =
                    client_authority.map(|issuers| ClientCertificates { issuers, required: false });
                let tls = Tls::new(TlsFiles { certificate, key, clients });
                let tls = tls.map_err(|e| Failure::new(Kind::Usage, e.to_string()))?;
                Some(Arc::new(tls))
            }
            (true, None) => {
                let message = format!("{} needs a certificate", socket.kind.name());
                return Err(Failure::new(Kind::Usage, message)
                    .hint("name one with --certificate and --key, or leave --plain out"));
            }
        };
        let _roster = self.0.roster.lock().await;
        let listen = Listen {
            name: socket.kind.name().into(),
            address: socket.address,
            protocol,
            tls,
            senders: known(socket.kind, &registered(&self.0).await?),
            allowance: Arc::clone(&self.0.gate.allowance),
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

    /// Tells the sockets who is known, after it changed. What fails is tried again by the clock.
    pub(crate) async fn sockets_know(&self) {
        if let Err(failure) = know(&self.0).await {
            tracing::warn!(failure = failure.message, "the sockets were not told who is known");
        }
    }

    /// Reads what was sent to the sockets, and closes them.
    pub(crate) async fn stop_listening(&self) {
        let all = {
            let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *listeners)
        };
        for (kind, listener) in all {
            let before = listener.stats().dropped;
            let dropped = listener.shutdown(DRAIN).await.dropped.saturating_sub(before);
            if dropped > 0 {
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
                turned_away: stats.turned_away,
                handshakes_failed: stats.handshakes_failed,
                refused: stats.refused,
                over_limit: stats.over_limit,
                dropped: stats.dropped + stats.kernel_dropped,
                flaws: stats.flaws,
            }
        });
        told.collect()
    }
}

/// Tells the sockets who is known.
pub(crate) async fn know(inner: &Inner) -> Result<(), Failure> {
    let _roster = inner.roster.lock().await;
    let listens = || inner.listeners.lock().unwrap_or_else(PoisonError::into_inner);
    if listens().is_empty() {
        return Ok(());
    }
    let registered = registered(inner).await?;
    for (kind, listener) in listens().iter() {
        listener.know(known(*kind, &registered));
    }
    Ok(())
}

/// The senders that people made, in the order in which they did.
async fn registered(inner: &Inner) -> Result<Vec<SenderForm>, Failure> {
    let senders = inner.ledger.senders();
    let all = everything(|from| senders.list(from)).await?;
    Ok(all.into_iter().map(|sender| sender.form).collect())
}

/// Who is known on a socket of this kind.
fn known(kind: SocketKind, registered: &[SenderForm]) -> Senders {
    let sender = |form: &SenderForm| Sender {
        id: form.name.as_str().into(),
        definition: form.definition.as_deref().map(Into::into),
        tags: tags(form),
        rate_limit: form.rate_limit,
        enabled: form.enabled,
    };
    let mut known = Vec::new();
    for form in registered {
        // What the ledger keeps was read as a range before.
        let networks = form.networks.iter().filter_map(|text| text.parse().ok());
        let names = form.client_name.as_deref().map(|name| Known::Certificate(name.into()));
        let by = networks.map(Known::Network).chain(names);
        known.extend(by.map(|by| (by, sender(form))));
    }
    let strangers = registered.iter().find(|form| form.name == kind.name()).map(sender);
    let strangers = strangers.unwrap_or_else(|| Sender::named(kind.name()));
    Senders { known, others: Some(strangers) }
}
