//! One connection, from the handshake to the last byte.

use std::collections::HashMap;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::Protocol;
use super::batch::Batch;
use super::desk::{Desk, Outcome, Phase, Source};
use super::framing::Decoder;
use super::session;
use super::tls::{Identity, Tls};

/// Bytes that are read at once.
const READ: usize = 64 << 10;

/// How long a connection must be quiet before everything that was sent is taken to be there.
const QUIET: Duration = Duration::from_millis(50);

/// How long the end of a connection is waited for while its peer goes on sending.
const DRAIN: Duration = Duration::from_secs(2);

/// A place among the connections, given back when it is dropped.
pub(super) struct Place {
    address: IpAddr,
    places: Arc<Places>,
}

/// How many connections there are, and of whom.
#[derive(Default)]
pub(super) struct Places(Mutex<HashMap<IpAddr, usize>>);

impl Places {
    /// A place for a peer, while there are fewer than these of its own and of all.
    pub(super) fn take(
        self: &Arc<Self>,
        peer: IpAddr,
        per_address: usize,
        total: usize,
    ) -> Option<Place> {
        let address = peer.to_canonical();
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = places.values().sum();
        let own = places.get(&address).copied().unwrap_or_default();
        if all >= total || own >= per_address {
            return None;
        }
        places.insert(address, own + 1);
        Some(Place { address, places: Arc::clone(self) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = places.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                places.remove(&self.address);
            }
        }
    }
}

/// Counts an open connection as long as it lives.
struct Counted<'d>(&'d Desk);

impl<'d> Counted<'d> {
    fn new(desk: &'d Desk) -> Self {
        desk.counts.connections.fetch_add(1, Relaxed);
        desk.counts.open.fetch_add(1, Relaxed);
        Self(desk)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.counts.open.fetch_sub(1, Relaxed);
    }
}

/// Serves a connection that was accepted.
pub(super) async fn serve(
    desk: Arc<Desk>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    place: Place,
) {
    let _place = place;
    let _counted = Counted::new(&desk);
    // A peer that vanished without a word is found out; what cannot be set is as it was.
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_mins(1))
        .with_interval(Duration::from_secs(20))
        .with_retries(6);
    let _kept = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    let _quick = stream.set_nodelay(true);
    let Some(tls) = tls else {
        let Some(source) = desk.source(peer, None) else {
            desk.counts.turned_away.fetch_add(1, Relaxed);
            return;
        };
        return speak(&desk, stream, &source).await;
    };
    let handshake = timeout(desk.limits.handshake, tls.acceptor().accept(stream));
    let shaken = tokio::select! {
        shaken = handshake => shaken.ok().and_then(Result::ok),
        () = desk.reached(Phase::Drain) => return,
    };
    let Some(stream) = shaken else {
        desk.counts.handshakes_failed.fetch_add(1, Relaxed);
        return;
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let identity = shown.map(Identity::of);
    let Some(source) = desk.source(peer, identity) else {
        desk.counts.turned_away.fetch_add(1, Relaxed);
        return;
    };
    speak(&desk, stream, &source).await;
}

async fn speak<S>(desk: &Desk, stream: S, source: &Source)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    match desk.protocol {
        Protocol::Relp => session::relp(desk, stream, source).await,
        Protocol::SyslogTcp | Protocol::SyslogUdp => syslog(desk, stream, source).await,
    }
}

/// How reading went.
pub(super) enum Filled {
    /// There may be more: look again.
    Bytes,
    /// There will be nothing more.
    End,
    /// Nothing came in time.
    Late,
}

/// Reads what is there, waiting for it until this time. Nothing is lost when it is dropped.
pub(super) async fn fill(
    desk: &Desk,
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    pace: &mut Pace,
    until: Instant,
) -> Filled {
    buffer.reserve(READ);
    tokio::select! {
        biased;
        read = stream.read_buf(buffer) => match read {
            Ok(0) | Err(_) => Filled::End,
            Ok(count) => {
                desk.counts.bytes.fetch_add(count as u64, Relaxed);
                pace.heard = Instant::now();
                Filled::Bytes
            }
        },
        () = desk.reached(Phase::Drain), if pace.draining.is_none() => Filled::Bytes,
        () = sleep_until(until) => Filled::Late,
    }
}

/// When a connection was heard last, and when it must end.
pub(super) struct Pace {
    heard: Instant,
    /// When the message began that is not all there yet.
    begun: Option<Instant>,
    draining: Option<Instant>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { heard: Instant::now(), begun: None, draining: None }
    }

    /// A message is all there.
    pub(super) fn whole(&mut self) {
        self.begun = None;
    }

    /// True when a peer that still sends is not listened to any more.
    pub(super) fn is_over(&mut self, desk: &Desk) -> bool {
        if self.draining.is_none() && desk.is_ending() {
            self.draining = Some(Instant::now() + DRAIN);
        }
        self.draining.is_some_and(|until| Instant::now() >= until)
    }

    /// How long more is waited for; `inside` says that a message is not all there. However slowly
    /// its bytes drip, it must end in time.
    pub(super) fn until(&mut self, desk: &Desk, inside: bool) -> Instant {
        let limits = &desk.limits;
        match (self.draining, inside) {
            (Some(end), _) => end.min(Instant::now() + QUIET),
            (None, true) => *self.begun.get_or_insert_with(Instant::now) + limits.stalled,
            (None, false) => self.heard + limits.idle,
        }
    }
}

/// Syslog over a stream.
async fn syslog<S>(desk: &Desk, mut stream: S, source: &Source)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut decoder = Decoder::new(desk.limits.message);
    let mut batch = Batch::default();
    let mut gathering = None;
    let mut pace = Pace::new();
    loop {
        while batch.size() < desk.limits.delivery
            && let Some(message) = decoder.next()
        {
            batch.push(&message.text, message.flaw);
            pace.whole();
            gathering.get_or_insert_with(|| Instant::now() + desk.limits.gather);
        }
        let due = gathering.is_some_and(|due| Instant::now() >= due);
        if due || batch.size() >= desk.limits.delivery {
            gathering = None;
            if !deliver(desk, source, &mut batch).await {
                return;
            }
            continue;
        }
        if pace.is_over(desk) {
            break;
        }
        let until = gathering.unwrap_or_else(|| pace.until(desk, decoder.is_inside()));
        match fill(desk, &mut stream, &mut decoder.buffer, &mut pace, until).await {
            Filled::Bytes => {}
            Filled::Late if gathering.is_some() => {}
            Filled::Late | Filled::End => break,
        }
    }
    while let Some(message) = decoder.next() {
        batch.push(&message.text, message.flaw);
    }
    if let Some(message) = decoder.finish() {
        batch.push(&message.text, message.flaw);
    }
    if deliver(desk, source, &mut batch).await {
        let _closed = timeout(desk.limits.stalled, stream.shutdown()).await;
    }
}

/// Hands in what is gathered. False when it was given up.
async fn deliver(desk: &Desk, source: &Source, batch: &mut Batch) -> bool {
    // What was sent stands, also when its sender is gone.
    let stays = pin!(pending());
    batch.is_empty() || desk.hand_in(source, batch.pack(), stays).await == Outcome::Taken
}
