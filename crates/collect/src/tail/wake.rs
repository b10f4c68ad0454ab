//! What wakes the thread: the system's word that something happened in a folder. Where it gives none
//! (a network file system, no room for more watches) the thread looks from time to time all the same.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// What is written within so long is gathered into one turn.
const GATHER: Duration = Duration::from_millis(20);
/// Folders as near to the root as this are not watched with all that is below them.
const DEEP_ENOUGH: usize = 3;

pub(super) struct Wake {
    watcher: Option<RecommendedWatcher>,
    wanted: BTreeSet<(PathBuf, bool)>,
    happened: Receiver<()>,
    /// A name came, went or changed: the folders must be looked through.
    structural: Arc<AtomicBool>,
}

impl Wake {
    pub(super) fn new(mut folders: BTreeSet<(PathBuf, bool)>) -> Self {
        folders.retain(|(folder, below)| !below || folder.components().count() >= DEEP_ENOUGH);
        let (tell, happened) = sync_channel(1);
        let structural = Arc::new(AtomicBool::new(false));
        let watcher = notify::recommended_watcher(teller(tell, Arc::clone(&structural))).ok();
        let mut wake = Self { watcher, wanted: folders, happened, structural };
        wake.watch();
        wake
    }

    /// Watches the folders that are there by now.
    pub(super) fn watch(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        self.wanted.retain(|(folder, below)| {
            let mode = if *below { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            watcher.watch(folder, mode).is_err()
        });
    }

    /// True, once, when a name came, went or changed.
    pub(super) fn take_structural(&self) -> bool {
        self.structural.swap(false, Ordering::AcqRel)
    }

    pub(super) fn wait(&self, within: Duration) -> bool {
        let happened = self.happened.recv_timeout(within).is_ok();
        if happened {
            std::thread::sleep(GATHER);
            while self.happened.try_recv().is_ok() {}
        }
        happened
    }
}

fn teller(tell: SyncSender<()>, structural: Arc<AtomicBool>) -> impl Fn(notify::Result<Event>) {
    move |event| {
        match event.map(|event| event.kind) {
            // Reading is no news, and would wake the reader for ever.
            Ok(EventKind::Access(_)) => return,
            Ok(EventKind::Modify(notify::event::ModifyKind::Data(_))) => {}
            _ => structural.store(true, Ordering::Release),
        }
        // A full channel means that the thread is told already.
        let _told = tell.try_send(());
    }
}
