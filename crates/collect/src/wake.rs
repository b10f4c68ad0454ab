//! What wakes a thread that waits for files: the system's word that something happened in a folder
//! (inotify). Where it gives none (a network file system, no room for more watches) whoever waits looks from
//! time to time all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask, Watches};

/// What is written within so long is gathered into one turn.
const GATHER: Duration = Duration::from_millis(20);
/// Folders that are watched: the system has room for some thousands.
const MOST: usize = 512;
/// Bytes of news that are read at once.
const NEWS: usize = 16 << 10;

/// The system's word that something happened in one of some folders.
pub struct Wake {
    /// Folders that are watched as soon as they are there.
    wanted: BTreeSet<PathBuf>,
    watched: BTreeMap<PathBuf, WatchDescriptor>,
    watches: Option<Watches>,
    happened: Receiver<()>,
    /// A name came, went or changed: the folders must be looked through.
    structural: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl std::fmt::Debug for Wake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wake").field("watched", &self.watched.keys()).finish_non_exhaustive()
    }
}

impl Wake {
    /// Watches these folders, those that are not there yet as soon as [`Wake::watch`] finds them.
    pub fn new(wanted: BTreeSet<PathBuf>) -> Self {
        let (tell, happened) = sync_channel(1);
        let structural = Arc::new(AtomicBool::new(false));
        let over = Arc::new(AtomicBool::new(false));
        let watches = Inotify::init().ok().and_then(|inotify| {
            let watches = inotify.watches();
            let (structural, over) = (Arc::clone(&structural), Arc::clone(&over));
            let listen = move || listen(inotify, &tell, &structural, &over);
            let thread = std::thread::Builder::new().name("file news".to_owned()).spawn(listen);
            thread.ok().map(|_| watches)
        });
        let watched = BTreeMap::new();
        let mut wake = Self { wanted, watched, watches, happened, structural, over };
        wake.watch(std::iter::empty());
        wake
    }

    /// Watches the folders that it was made with and these, as far as there is room.
    pub fn watch<'p>(&mut self, folders: impl Iterator<Item = &'p Path>) {
        let Some(watches) = &mut self.watches else { return };
        let mask = WatchMask::CREATE
            | WatchMask::MODIFY
            | WatchMask::MOVE
            | WatchMask::DELETE
            | WatchMask::DELETE_SELF
            | WatchMask::ONLYDIR;
        let folders = folders.map(Path::to_owned);
        for folder in self.wanted.iter().cloned().chain(folders) {
            if self.watched.len() < MOST
                && !self.watched.contains_key(&folder)
                && let Ok(watch) = watches.add(&folder, mask)
            {
                self.watched.insert(folder, watch);
            }
        }
    }

    /// True, once, when a name came, went or changed.
    pub fn take_structural(&mut self) -> bool {
        let structural = self.structural.swap(false, Ordering::AcqRel);
        if structural {
            // A folder that was made anew is another one under its old name.
            self.watched.retain(|folder, _| folder.is_dir());
        }
        structural
    }

    /// Waits until something happens; false when nothing did. What follows at once is part of it.
    pub fn wait(&self, within: Duration) -> bool {
        match self.happened.recv_timeout(within) {
            Ok(()) => {
                std::thread::sleep(GATHER);
                while self.happened.try_recv().is_ok() {}
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(within);
                false
            }
        }
    }
}

impl Drop for Wake {
    /// The end of a watch is news, by which the thread that listens wakes and ends.
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let Some(watches) = &mut self.watches else { return };
        if self.watched.is_empty() {
            let _watched = watches
                .add("/", WatchMask::ONLYDIR | WatchMask::CREATE)
                .map(|watch| self.watched.insert(PathBuf::from("/"), watch));
        }
        for watch in std::mem::take(&mut self.watched).into_values() {
            let _removed = watches.remove(watch);
        }
    }
}

fn listen(mut inotify: Inotify, tell: &SyncSender<()>, structural: &AtomicBool, over: &AtomicBool) {
    let mut buffer = [0; NEWS];
    while !over.load(Ordering::Acquire) {
        let Ok(events) = inotify.read_events_blocking(&mut buffer) else { return };
        // An overflow of the queue may have been anything.
        if events.into_iter().any(|event| event.mask != EventMask::MODIFY) {
            structural.store(true, Ordering::Release);
        }
        // A full channel means that the thread is told already.
        let _told = tell.try_send(());
    }
}
