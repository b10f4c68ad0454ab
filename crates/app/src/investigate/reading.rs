//! Evidence read on all cores: the feed, and the workers that read, normalise and detect.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use detect::{Hit, RuleCosts};

use super::feed::{Fed, Source, feed};
use super::{Options, ToRun, defect};
use crate::Meter;
use crate::failure::{Failure, Kind};
use crate::pipeline::{Book, Shared, Work, Worker};
use crate::stages::Stages;

/// What the threads leave behind.
pub(super) struct Read {
    pub(super) fed: Fed,
    pub(super) book: Book,
    pub(super) hits: Vec<Hit>,
    pub(super) hits_left_out: u64,
    pub(super) costs: RuleCosts,
}

/// Runs the feed and the workers until the evidence ends. The first parcels are hashed and cut while the
/// stages are made.
pub(super) fn read_all<'s>(
    source: &Source<'_>,
    stages: impl FnOnce() -> &'s Stages,
    outlet: &ToRun,
    options: &Options,
    meter: &Meter,
) -> Result<(Read, &'s Stages), Failure> {
    let threads = options.threads.max(1);
    let (send, receive) = sync_channel::<Work>(threads * 2);
    std::thread::scope(|scope| {
        // The workers' alone: where there are none any more, the feed ends.
        let receive = Arc::new(Mutex::new(receive));
        let feeder = scope.spawn(move || feed(source, meter, &send));
        let stages = stages();
        meter.enter("reading");
        let shared = Arc::new(Shared { stages, meter, outlet, min_level: options.min_level });
        let worker = || {
            let (shared, receive) = (Arc::clone(&shared), Arc::clone(&receive));
            scope.spawn(move || work(&shared, &receive))
        };
        let workers: Vec<_> = (0..threads).map(|_| worker()).collect();
        drop(receive);
        let mut book = Book::default();
        let (mut hits, mut hits_left_out) = (Vec::new(), 0);
        let mut costs = RuleCosts::default();
        let mut failure = None;
        for worker in workers {
            match worker.join() {
                Ok(Ok(mut done)) => {
                    costs.take(&mut done.costs);
                    book.add(done.book);
                    hits.extend(done.hits);
                    hits_left_out += done.hits_left_out;
                }
                Ok(Err(message)) => failure = Some(Failure::new(Kind::System, message)),
                Err(_) => failure = Some(defect("a worker thread failed")),
            }
        }
        let fed = feeder.join().map_err(|_| defect("the reading thread failed"))?;
        match failure {
            Some(failure) => Err(failure),
            None => Ok((Read { fed, book, hits, hits_left_out, costs }, stages)),
        }
    })
}

/// What one worker leaves behind.
struct Done {
    book: Book,
    hits: Vec<Hit>,
    hits_left_out: u64,
    costs: RuleCosts,
}

/// One worker's life: chunks until there are no more.
fn work(shared: &Shared<'_>, receive: &Mutex<Receiver<Work>>) -> Result<Done, String> {
    let mut worker = Worker::new(shared, shared.stages.rules.detector());
    let mut failed = None;
    loop {
        let next = receive.lock().map_err(|_| "a worker failed".to_owned())?.recv();
        let Ok(work) = next else { break };
        // After a failure the rest is let by, so that the feed is not left waiting.
        if failed.is_none()
            && let Err(failure) = worker.take(&work)
        {
            shared.meter.stop.store(true, std::sync::atomic::Ordering::Relaxed);
            failed = Some(failure);
        }
    }
    match failed {
        Some(failure) => Err(failure),
        None => {
            worker.finish()?;
            let mut costs = RuleCosts::default();
            worker.detector.take_costs(&mut costs);
            Ok(Done {
                costs,
                book: std::mem::take(&mut worker.book),
                hits: worker.detector.take_hits(),
                hits_left_out: worker.detector.hits_left_out(),
            })
        }
    }
}
