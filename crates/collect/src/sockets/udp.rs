//! Syslog over UDP, RFC 5426: a message in each datagram.
//!
//! While one set of messages is on its way to the disk, the next gathers. When that is full the
//! kernel's buffer fills, and what the kernel has no room for it drops and counts.

use std::collections::HashMap;
use std::fs;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use model::FlawKind;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::batch::{Batch, Packed};
use super::desk::{Desk, Phase, Source};

/// More than the largest datagram.
const DATAGRAM: usize = 64 << 10;

/// Datagrams that are read before others get a turn.
const TURN: usize = 4096;

/// How long nothing must come before everything that was sent is taken to be there.
const QUIET: Duration = Duration::from_millis(50);

/// How often the kernel's count of drops is read.
const DROPS: Duration = Duration::from_secs(1);

/// Messages that are gathered, by their sender's address.
#[derive(Default)]
struct Gathered {
    peers: HashMap<IpAddr, (Source, Batch)>,
    size: usize,
    due: Option<Instant>,
}

/// Receives until the listener is to end.
pub(super) async fn run(desk: Arc<Desk>, socket: UdpSocket) {
    let inode = inode(&socket);
    let before = inode.as_deref().and_then(kernel_drops).unwrap_or_default();
    let mut buffer = vec![0; DATAGRAM];
    let mut gathered = Gathered::default();
    let mut busy = JoinSet::new();
    let mut drops = interval(DROPS);
    drops.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut quiet: Option<Instant> = None;
    loop {
        let due = gathered.due.filter(|_| busy.is_empty());
        if due.is_some_and(|due| Instant::now() >= due || gathered.size >= desk.limits.delivery) {
            busy.spawn(hand_in(Arc::clone(&desk), gathered.take()));
            continue;
        }
        let room = gathered.size < desk.limits.delivery;
        let never = Instant::now() + Duration::from_hours(1);
        let end = quiet.filter(|_| gathered.due.is_none() && busy.is_empty());
        tokio::select! {
            biased;
            Some(_) = busy.join_next(), if !busy.is_empty() => {}
            () = desk.reached(Phase::Drain), if quiet.is_none() => {
                quiet = Some(Instant::now() + QUIET);
            }
            ready = socket.readable(), if room => {
                let read = ready.and_then(|()| gathered.read(&desk, &socket, &mut buffer));
                quiet = quiet.map(|_| Instant::now() + QUIET);
                if read.is_err() {
                    // An error of the system is no reason to spin.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            () = sleep_until(due.unwrap_or(never)), if due.is_some() => {}
            () = sleep_until(end.unwrap_or(never)), if end.is_some() => break,
            () = desk.reached(Phase::Abandon), if quiet.is_some() => {
                gathered.give_up(&desk);
                break;
            }
            _ = drops.tick() => count_drops(&desk, inode.as_deref(), before),
        }
    }
    count_drops(&desk, inode.as_deref(), before);
    while busy.join_next().await.is_some() {}
}

impl Gathered {
    /// Reads the datagrams that are there.
    fn read(&mut self, desk: &Desk, socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<()> {
        for _ in 0..TURN {
            if self.size >= desk.limits.delivery {
                break;
            }
            match socket.try_recv_from(buffer) {
                Ok((length, peer)) => {
                    desk.counts.bytes.fetch_add(length as u64, Relaxed);
                    self.add(desk, peer, buffer.get(..length).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn add(&mut self, desk: &Desk, peer: SocketAddr, datagram: &[u8]) {
        let (message, flaw) = match datagram.get(..desk.limits.message) {
            Some(cut) if cut.len() < datagram.len() => {
                (cut, Some((FlawKind::Limit, "the message is too long; its end is cut off")))
            }
            _ => (datagram, None),
        };
        let known = self.peers.entry(peer.ip().to_canonical());
        let (_, batch) = match known {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                let Some(source) = desk.source(peer, None) else {
                    desk.counts.dropped.fetch_add(1, Relaxed);
                    return;
                };
                new.insert((source, Batch::default()))
            }
        };
        let size = batch.size();
        batch.push(message, flaw);
        self.size += batch.size() - size;
        self.due.get_or_insert_with(|| Instant::now() + desk.limits.gather);
    }

    /// What is gathered; what comes next is gathered anew.
    fn take(&mut self) -> Vec<(Source, Packed)> {
        let Self { peers, .. } = std::mem::take(self);
        let some = peers.into_values().filter(|(_, batch)| !batch.is_empty());
        some.map(|(source, mut batch)| (source, batch.pack())).collect()
    }

    fn give_up(&mut self, desk: &Desk) {
        let lost: u64 = self.take().iter().map(|(_, packed)| packed.messages).sum();
        desk.counts.messages.fetch_add(lost, Relaxed);
        desk.counts.dropped.fetch_add(lost, Relaxed);
    }
}

/// Hands in what is gathered, all peers at once: they share a sync.
async fn hand_in(desk: Arc<Desk>, gathered: Vec<(Source, Packed)>) {
    let mut offers = JoinSet::new();
    for (source, packed) in gathered {
        let desk = Arc::clone(&desk);
        offers.spawn(async move { desk.hand_in(&source, packed, pin!(pending())).await });
    }
    while offers.join_next().await.is_some() {}
}

fn count_drops(desk: &Desk, inode: Option<&str>, before: u64) {
    if let Some(drops) = inode.and_then(kernel_drops) {
        desk.counts.kernel_dropped.store(drops.saturating_sub(before), Relaxed);
    }
}

/// The number by which the kernel's tables know a socket.
fn inode(socket: &UdpSocket) -> Option<String> {
    let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok()?;
    Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
}

/// Datagrams that the kernel had no room for: the last column of its tables of UDP sockets.
fn kernel_drops(inode: &str) -> Option<u64> {
    ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"].iter().find_map(|table| {
        let table = fs::read_to_string(table).ok()?;
        let row = table.lines().find(|row| row.split_whitespace().nth(9) == Some(inode))?;
        row.split_whitespace().last()?.parse().ok()
    })
}
