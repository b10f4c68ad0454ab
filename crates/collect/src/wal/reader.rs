//! Reading the log: deliveries in order, and what damage took, where it was.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body;
use super::frame::{HEAD, Head, Kind};
use super::health::{Problem, ProblemKind};
use super::held;
use super::scan::{Scan, Step};
use super::segment::Segment;
use super::shared::Shared;
use crate::{Delivery, Position};

/// What a reader comes upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// A delivery, and its number.
    Delivery(Position, Delivery),
    /// Damage, told once, before the next delivery.
    Lost(Problem),
}

/// A place in the log. It reads files on the thread that calls it; what was just written comes from
/// the system's memory.
pub struct Reader {
    shared: Arc<Shared>,
    /// The number that is wanted next: nothing before it is given out.
    wanted: u64,
    open: Option<Open>,
    /// What was read and not given out yet: two things at most.
    ready: VecDeque<Read>,
}

/// The segment that is read.
struct Open {
    segment: Arc<Segment>,
    scan: Scan,
    /// The last number seen in it.
    seen: u64,
    /// Damage behind the last number seen: where, and how many bytes.
    damage: Option<(u64, u64)>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, from: Position) -> Self {
        Self { shared, wanted: from.0, open: None, ready: VecDeque::new() }
    }

    /// The number from which on deliveries have not been given out yet.
    pub fn position(&self) -> Position {
        Position(self.wanted)
    }

    /// The next, waiting for it; none when the log is closed and everything was given out. It may be
    /// dropped and asked again. An error may pass: asking again goes on at the same place.
    pub async fn next(&mut self) -> io::Result<Option<Read>> {
        loop {
            let shared = Arc::clone(&self.shared);
            let news = shared.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            let closed = shared.is_closed();
            if let Some(read) = self.try_next()? {
                return Ok(Some(read));
            }
            if closed {
                return Ok(None);
            }
            news.await;
        }
    }

    /// The next, waiting as long as this for it. Not for tasks.
    pub fn next_within(&mut self, within: Duration) -> io::Result<Option<Read>> {
        let until = Instant::now() + within;
        loop {
            let edition = self.shared.edition();
            let closed = self.shared.is_closed();
            if let Some(read) = self.try_next()? {
                return Ok(Some(read));
            }
            let left = until.saturating_duration_since(Instant::now());
            if closed || left.is_zero() {
                return Ok(None);
            }
            self.shared.wait(edition, left);
        }
    }

    /// The next, if it is there already.
    pub fn try_next(&mut self) -> io::Result<Option<Read>> {
        loop {
            if let Some(read) = self.ready.pop_front() {
                return Ok(Some(read));
            }
            let Some(open) = &mut self.open else {
                if !self.open_segment(None)? {
                    return Ok(None);
                }
                continue;
            };
            let extent = open.segment.extent();
            match open.scan.step(extent.end) {
                // What is behind the last number was never acknowledged.
                Step::Frame(head, _) if head.sequence > extent.last => {}
                Step::Frame(head, body) => {
                    // What nobody wants is not decompressed.
                    let wanted = head.sequence >= self.wanted && head.kind != Kind::Seal;
                    let read = wanted.then(|| body::decode(head.kind, head.plain, body));
                    let at = open.scan.at();
                    self.frame(&head, at, read);
                    continue;
                }
                Step::Damage { from, to } => {
                    let (_, bytes) = open.damage.get_or_insert((from, 0));
                    *bytes += to - from;
                    continue;
                }
                Step::End => {}
            }
            self.end_of_what_is_there(extent.last);
            if self.ready.is_empty() {
                let first = self.open.as_ref().map(|open| open.segment.header.first);
                if !extent.sealed || !self.open_segment(first)? {
                    return Ok(None);
                }
            }
        }
    }

    /// Opens the segment behind this one, or the one that has what is wanted. False when there is
    /// none.
    fn open_segment(&mut self, mut behind: Option<u64>) -> io::Result<bool> {
        while let Some(segment) = self.segment(behind) {
            let file = match File::open(&segment.path) {
                Ok(file) => file,
                // Released just now, or taken away: all the same, the next one is what is left.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    behind = Some(segment.header.first);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let scan = Scan::new(file, segment.header.salt);
            let seen = segment.header.first.saturating_sub(1);
            self.open = Some(Open { segment, scan, seen, damage: None });
            return Ok(true);
        }
        Ok(false)
    }

    fn segment(&self, behind: Option<u64>) -> Option<Arc<Segment>> {
        let segments = held(&self.shared.segments);
        let from = behind.map_or_else(
            || {
                let holding = segments.range(..=self.wanted).next_back().map(|(first, _)| *first);
                holding.map_or(Bound::Unbounded, Bound::Included)
            },
            Bound::Excluded,
        );
        let next = segments.range((from, Bound::Unbounded)).next();
        next.map(|(_, segment)| Arc::clone(segment))
    }

    /// A frame was found, which ends at `to`, and read if it is wanted.
    fn frame(&mut self, head: &Head, to: u64, read: Option<io::Result<Delivery>>) {
        self.gap(head.sequence.saturating_sub(1), None);
        let Some(open) = self.open.as_mut().filter(|_| head.kind != Kind::Seal) else { return };
        match read {
            None => open.seen = open.seen.max(head.sequence),
            Some(Ok(delivery)) => {
                open.seen = open.seen.max(head.sequence);
                self.wanted = head.sequence.saturating_add(1);
                self.ready.push_back(Read::Delivery(Position(head.sequence), delivery));
            }
            Some(Err(error)) => {
                let bytes = HEAD as u64 + u64::from(head.length);
                open.damage = Some((to.saturating_sub(bytes), bytes));
                self.gap(head.sequence, Some(error.to_string()));
            }
        }
    }

    /// Everything that is there has been read, and the last number is this.
    fn end_of_what_is_there(&mut self, last: u64) {
        self.gap(last, None);
        // Bytes of a write that failed are no loss.
        if let Some(open) = &mut self.open {
            open.damage = None;
        }
    }

    /// Deliveries up to this one were not seen: says so, unless nobody wants them.
    fn gap(&mut self, up_to: u64, detail: Option<String>) {
        let Some(open) = &mut self.open else { return };
        let first = open.seen.saturating_add(1);
        let damage = open.damage.take();
        if up_to < first {
            return;
        }
        open.seen = up_to;
        if up_to < self.wanted {
            return;
        }
        let (offset, bytes) = damage.unwrap_or((open.scan.at(), 0));
        let problem = Problem {
            kind: ProblemKind::Corrupt,
            segment: open.segment.name(),
            offset,
            bytes,
            lost: Some(first.max(self.wanted)..=up_to),
            detail,
        };
        self.wanted = up_to.saturating_add(1);
        self.shared.report(problem.clone());
        self.ready.push_back(Read::Lost(problem));
    }
}
