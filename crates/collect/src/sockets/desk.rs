//! What every task of a listener has at hand, and how it hands deliveries in.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use super::batch::Packed;
use super::senders::Sender;
use super::stats::{Counts, PeerStats};
use super::tls::Identity;
use super::{Limits, Protocol, Senders};
use crate::{Allowance, Clock, Delivery, Intake};

/// What a listener is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Receive.
    Run,
    /// Read what is there, hand it in, and end.
    Drain,
    /// End: what has not been taken by now is given up.
    Abandon,
}

/// What the tasks of a listener share.
pub(super) struct Desk {
    pub(super) name: Arc<str>,
    pub(super) protocol: Protocol,
    pub(super) tls: bool,
    pub(super) limits: Limits,
    /// Who is known, as it was said last.
    pub(super) senders: RwLock<Arc<Senders>>,
    pub(super) allowance: Arc<Allowance>,
    pub(super) intake: Arc<dyn Intake>,
    pub(super) clock: Clock,
    pub(super) counts: Counts,
    pub(super) phase: watch::Receiver<Phase>,
}

/// Where deliveries come from.
#[derive(Clone)]
pub(super) struct Source {
    peer: SocketAddr,
    identity: Option<Arc<Identity>>,
    origin: Arc<str>,
}

/// What became of a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is on the disk.
    Taken,
    /// It will never be: its messages are lost, and counted.
    GivenUp,
    /// Its sender went away before it was taken, and still has its messages.
    Gone,
}

/// The shortest and longest waits before an offer is made again.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

impl Desk {
    /// Where a peer's deliveries come from; none when it is nobody that may send.
    pub(super) fn source(&self, peer: SocketAddr, identity: Option<Identity>) -> Option<Source> {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        self.senders().of(peer.ip(), identity.as_ref())?;
        let words = self.protocol.words(self.tls);
        let origin = match (self.protocol, identity.as_ref().and_then(Identity::name)) {
            // Each of a device's messages may come from another port.
            (Protocol::SyslogUdp, _) => format!("{words} {}", peer.ip()),
            (_, None) => format!("{words} {peer}"),
            (_, Some(name)) => format!("{words} {peer} ({name})"),
        };
        Some(Source { peer, identity: identity.map(Arc::new), origin: origin.into() })
    }

    /// Who is known at present.
    fn senders(&self) -> Arc<Senders> {
        Arc::clone(&self.senders.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Offers a delivery until it is taken, its sender is gone or was shut off, or the listener is told to
    /// give up. Who its sender is, is looked up for each: a change holds for connections that are open.
    pub(super) async fn hand_in(
        &self,
        source: &Source,
        packed: Packed,
        mut gone: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Outcome {
        let received_at = (self.clock)();
        let Packed { bytes, flaws, messages, flaw_count } = packed;
        let senders = self.senders();
        let Some(sender) = senders.of(source.peer.ip(), source.identity.as_deref()) else {
            self.counts.turned_away.fetch_add(1, Relaxed);
            // Whoever speaks RELP was not answered and still has its messages.
            let lost = if self.protocol == Protocol::Relp { 0 } else { messages };
            self.counts.dropped.fetch_add(lost, Relaxed);
            return Outcome::GivenUp;
        };
        let seen = PeerStats {
            address: source.peer.ip(),
            sender: Arc::clone(&sender.id),
            messages,
            bytes: bytes.len() as u64,
            flaws: flaw_count,
            last_seen: received_at,
        };
        self.counts.peer(seen, self.limits.peers);
        if let Err(outcome) = self.allowed(sender, messages, gone.as_mut()).await {
            return outcome;
        }
        let delivery = Delivery {
            sender: Arc::clone(&sender.id),
            format: "syslog".into(),
            definition: sender.definition.clone(),
            tags: Arc::clone(&sender.tags),
            origin: Arc::clone(&source.origin),
            received_at,
            flaws,
            cursor: None,
            bytes,
        };
        loop {
            let Err(refusal) = self.intake.offer(delivery.clone()).await else {
                self.counts.deliveries.fetch_add(1, Relaxed);
                return Outcome::Taken;
            };
            self.counts.refused.fetch_add(1, Relaxed);
            let Some(wait) = refusal.retry_after() else { break };
            tokio::select! {
                biased;
                () = self.reached(Phase::Abandon) => break,
                () = gone.as_mut() => return Outcome::Gone,
                () = sleep(wait.clamp(PATIENCE.0, PATIENCE.1)) => {}
            }
        }
        self.counts.dropped.fetch_add(messages, Relaxed);
        Outcome::GivenUp
    }

    /// Waits until a sender may deliver so many events. Over UDP nobody can be made to wait: what is too
    /// much is lost, and counted.
    async fn allowed(
        &self,
        sender: &Sender,
        events: u64,
        mut gone: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<(), Outcome> {
        let spend = || self.allowance.spend(&sender.id, sender.rate_limit, events, Instant::now());
        let Err(mut wait) = spend() else { return Ok(()) };
        self.counts.over_limit.fetch_add(events, Relaxed);
        if self.protocol == Protocol::SyslogUdp {
            self.counts.dropped.fetch_add(events, Relaxed);
            return Err(Outcome::GivenUp);
        }
        loop {
            tokio::select! {
                biased;
                // A stop takes what was read by now: it would be lost otherwise.
                () = self.reached(Phase::Drain) => return Ok(()),
                () = gone.as_mut() => return Err(Outcome::Gone),
                () = sleep(wait) => {}
            }
            match spend() {
                Ok(()) => return Ok(()),
                Err(more) => wait = more,
            }
        }
    }

    /// Waits until the listener is told this.
    pub(super) async fn reached(&self, wanted: Phase) {
        let mut phase = self.phase.clone();
        // An error means that the listener itself is gone.
        let _told = phase.wait_for(|phase| *phase >= wanted).await;
    }

    /// True when there is nothing more to wait for than what is there.
    pub(super) fn is_ending(&self) -> bool {
        *self.phase.borrow() >= Phase::Drain
    }
}
