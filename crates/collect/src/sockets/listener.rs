//! Listening: who is let in, and how it ends.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::connection::{Places, serve};
use super::desk::{Desk, Phase};
use super::stats::{Counts, Stats};
use super::{Listen, Protocol, Senders, Tls, udp};
use crate::{Clock, Intake};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;

/// How long the kernel must have no connection before all that were made are taken to be there.
const QUIET: Duration = Duration::from_millis(20);

/// How long tasks are waited for that were told to give up.
const LAST: Duration = Duration::from_millis(500);

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be had.
    #[error("{name} cannot listen on {address}: {source}")]
    Address {
        /// The listener.
        name: Arc<str>,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Syslog over UDP has no TLS here.
    #[error("{name}: syslog over UDP has no TLS")]
    TlsOverUdp {
        /// The listener.
        name: Arc<str>,
    },
}

/// A receiver that runs. When it is dropped it ends at once; [`Listener::shutdown`] ends it in
/// order.
pub struct Listener {
    desk: Arc<Desk>,
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    task: JoinHandle<()>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { desk, address, .. } = self;
        write!(f, "Listener({} on {address})", desk.name)
    }
}

impl Listener {
    /// Listens, and offers what comes to `intake`. To be called in a runtime of tokio that has I/O
    /// and time.
    #[allow(clippy::unused_async)] // So that nobody calls it where there is no runtime.
    pub async fn start(
        listen: Listen,
        intake: Arc<dyn Intake>,
        clock: Clock,
    ) -> Result<Self, ListenError> {
        let Listen { name, address, protocol, tls, senders, allowance, limits } = listen;
        if protocol == Protocol::SyslogUdp && tls.is_some() {
            return Err(ListenError::TlsOverUdp { name });
        }
        let failed = |source| ListenError::Address { name: Arc::clone(&name), address, source };
        let (phase, told) = watch::channel(Phase::Run);
        let counts = Counts::default();
        let bound = if protocol == Protocol::SyslogUdp {
            let socket = datagrams(address, limits.receive_buffer).map_err(failed)?;
            let buffer = SockBuffer::of(&socket);
            counts.receive_buffer.store(buffer.0, Relaxed);
            Bound::Udp(UdpSocket::from_std(socket.into()).map_err(failed)?)
        } else {
            let socket = streams(address).map_err(failed)?;
            Bound::Tcp(TcpListener::from_std(socket.into()).map_err(failed)?)
        };
        let address = match &bound {
            Bound::Udp(socket) => socket.local_addr(),
            Bound::Tcp(listener) => listener.local_addr(),
        }
        .map_err(failed)?;
        let desk = Arc::new(Desk {
            name,
            protocol,
            tls: tls.is_some(),
            limits,
            senders: RwLock::new(Arc::new(senders)),
            allowance,
            intake,
            clock,
            counts,
            phase: told,
        });
        let task = match bound {
            Bound::Udp(socket) => tokio::spawn(udp::run(Arc::clone(&desk), socket)),
            Bound::Tcp(listener) => tokio::spawn(accept(Arc::clone(&desk), listener, tls)),
        };
        Ok(Self { desk, address, phase, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says anew who may send. It holds for what is handed in from now on, also over connections that are
    /// open.
    pub fn know(&self, senders: Senders) {
        let senders = Arc::new(senders);
        *self.desk.senders.write().unwrap_or_else(PoisonError::into_inner) = senders;
    }

    /// Its figures.
    pub fn stats(&self) -> Stats {
        let desk = &self.desk;
        desk.counts.told(Arc::clone(&desk.name), desk.protocol, self.address)
    }

    /// Ends it in order: nobody new is let in, what has been sent is read, handed in and, with RELP,
    /// answered. What has not been taken after `within` is given up, and counted as dropped.
    pub async fn shutdown(mut self, within: Duration) -> Stats {
        self.phase.send_replace(Phase::Drain);
        if timeout(within, &mut self.task).await.is_err() {
            self.phase.send_replace(Phase::Abandon);
            let _ended = timeout(LAST, &mut self.task).await;
        }
        self.stats()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

enum Bound {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

/// What the kernel holds for a socket.
struct SockBuffer(u64);

impl SockBuffer {
    fn of(socket: &Socket) -> Self {
        Self(socket.recv_buffer_size().unwrap_or_default() as u64)
    }
}

fn datagrams(address: SocketAddr, buffer: usize) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    // The kernel gives what it may; the statistics say what that is.
    let _as_it_is = socket.set_recv_buffer_size(buffer);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn streams(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Lets connections in until the listener is to end, and waits until they have.
async fn accept(desk: Arc<Desk>, listener: TcpListener, tls: Option<Arc<Tls>>) {
    let mut connections = JoinSet::new();
    let places = Arc::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = desk.reached(Phase::Drain) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let_in(&desk, &mut connections, &places, stream, peer, tls.as_ref());
            }
            // Too many open files, or a peer that was gone already: not to be tried at once again.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    // What has connected by now has been told by its kernel that it was received.
    for _ in 0..BACKLOG {
        let Ok(Ok((stream, peer))) = timeout(QUIET, listener.accept()).await else { break };
        let_in(&desk, &mut connections, &places, stream, peer, tls.as_ref());
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn let_in(
    desk: &Arc<Desk>,
    connections: &mut JoinSet<()>,
    places: &Arc<Places>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<&Arc<Tls>>,
) {
    let limits = &desk.limits;
    match places.take(peer.ip(), limits.per_address, limits.connections) {
        Some(place) => {
            connections.spawn(serve(Arc::clone(desk), stream, peer, tls.cloned(), place));
        }
        None => {
            desk.counts.turned_away.fetch_add(1, Relaxed);
        }
    }
}
