//! What a receiver counts.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Micros;

use super::Protocol;

/// The figures of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Its name.
    pub name: Arc<str>,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections that are open.
    pub open: u64,
    /// Connections since it was started.
    pub connections: u64,
    /// Connections that were turned away: too many, or nobody that may send.
    pub turned_away: u64,
    /// Handshakes that failed.
    pub handshakes_failed: u64,
    /// Messages received.
    pub messages: u64,
    /// Bytes received, as they came.
    pub bytes: u64,
    /// Deliveries that were taken.
    pub deliveries: u64,
    /// Offers that were refused. They are made again, so that none is a loss.
    pub refused: u64,
    /// Messages that are lost: given up when the receiver was stopped, of nobody that may send, or (UDP)
    /// more than their sender may deliver.
    pub dropped: u64,
    /// Messages that came faster than their sender may deliver: it was made to wait, or (UDP) they are
    /// lost.
    pub over_limit: u64,
    /// Messages that the kernel had no room for (UDP).
    pub kernel_dropped: u64,
    /// Bytes of the kernel's buffer, as it is (UDP). Linux tells twice what it was asked for.
    pub receive_buffer: u64,
    /// What was wrong with messages: cut, broken off, badly framed.
    pub flaws: u64,
    /// Peers by address, the last seen first; only so many are kept.
    pub peers: Vec<PeerStats>,
}

/// The figures of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStats {
    /// Its address.
    pub address: IpAddr,
    /// The sender that it is.
    pub sender: Arc<str>,
    /// Messages received.
    pub messages: u64,
    /// Bytes of its messages.
    pub bytes: u64,
    /// What was wrong with them.
    pub flaws: u64,
    /// When it last sent something.
    pub last_seen: Micros,
}

/// The figures as they are counted.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) open: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) turned_away: AtomicU64,
    pub(super) handshakes_failed: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) messages: AtomicU64,
    pub(super) deliveries: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) over_limit: AtomicU64,
    pub(super) kernel_dropped: AtomicU64,
    pub(super) receive_buffer: AtomicU64,
    pub(super) flaws: AtomicU64,
    peers: Mutex<HashMap<IpAddr, PeerStats>>,
}

impl Counts {
    /// Counts what a peer sent. Of more than `most` peers those that were seen last are kept.
    pub(super) fn peer(&self, seen: PeerStats, most: usize) {
        self.messages.fetch_add(seen.messages, Relaxed);
        self.flaws.fetch_add(seen.flaws, Relaxed);
        let mut peers = self.peers();
        if let Some(peer) = peers.get_mut(&seen.address) {
            peer.messages += seen.messages;
            peer.bytes += seen.bytes;
            peer.flaws += seen.flaws;
            peer.last_seen = seen.last_seen;
            peer.sender = seen.sender;
            return;
        }
        if peers.len() >= most.max(2) {
            // Half at a time, so that forged addresses cost little each.
            let mut times: Vec<_> = peers.values().map(|peer| peer.last_seen).collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            peers.retain(|_, peer| peer.last_seen > median);
        }
        peers.insert(seen.address, seen);
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<IpAddr, PeerStats>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn told(&self, name: Arc<str>, protocol: Protocol, address: SocketAddr) -> Stats {
        let mut peers: Vec<_> = self.peers().values().cloned().collect();
        peers.sort_by_key(|peer| (std::cmp::Reverse(peer.last_seen), peer.address));
        Stats {
            name,
            protocol,
            address,
            open: self.open.load(Relaxed),
            connections: self.connections.load(Relaxed),
            turned_away: self.turned_away.load(Relaxed),
            handshakes_failed: self.handshakes_failed.load(Relaxed),
            messages: self.messages.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            deliveries: self.deliveries.load(Relaxed),
            refused: self.refused.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            over_limit: self.over_limit.load(Relaxed),
            kernel_dropped: self.kernel_dropped.load(Relaxed),
            receive_buffer: self.receive_buffer.load(Relaxed),
            flaws: self.flaws.load(Relaxed),
            peers,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn the_table_of_peers_is_bounded_and_keeps_the_last() {
        let counts = Counts::default();
        for number in 0..1000u32 {
            let address = IpAddr::from(number.to_be_bytes());
            let last_seen = Micros(i64::from(number));
            let sender = "all".into();
            let seen = PeerStats { address, sender, messages: 1, bytes: 2, flaws: 0, last_seen };
            counts.peer(seen, 64);
        }
        let address = ([127, 0, 0, 1], 514).into();
        let stats = counts.told("udp".into(), Protocol::SyslogUdp, address);
        assert!((32..=64).contains(&stats.peers.len()), "{}", stats.peers.len());
        assert_eq!(stats.peers[0].last_seen, Micros(999));
        assert_eq!(stats.messages, 1000);
    }
}
