//! Where a stream of values may be cut: lists and envelopes are gone into, so that one that fills the
//! whole parcel is still read in pieces.

use std::sync::Arc;

use model::FlawKind;

use super::values::{JsonValues, Manner};
use crate::json::envelope::{self, Probe};
use crate::json::scan::{self, Depth, Item, Place};
use crate::{Cut, Cutter, Reader, Sink, Skip};

/// Where in its structure a stream of values stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// Between values.
    Top,
    /// In a list, which `envelope` says stands in an object.
    List { envelope: bool },
    /// In an envelope, behind its list.
    Tail,
}

/// Cuts a stream of values at their ends.
pub(super) struct JsonStream {
    manner: &'static Manner,
    place: Where,
    wary: bool,
    /// One value spans all that was seen of the parcel at first.
    sole: bool,
    skipping: Option<Depth>,
}

impl JsonStream {
    pub(super) fn new(manner: &'static Manner, sole: bool) -> Self {
        Self { manner, place: Where::Top, wary: false, sole, skipping: None }
    }

    fn reader(&self, ends: bool) -> Arc<dyn Reader> {
        match self.place {
            Where::Tail => Arc::new(Nothing),
            _ => Arc::new(JsonValues {
                manner: self.manner,
                in_list: self.place != Where::Top,
                wary: self.wary,
                ends,
            }),
        }
    }

    /// Goes to another place, with nothing read up to there.
    fn go(&mut self, place: Where, take: usize) -> Cut {
        self.place = place;
        Cut { take, reader: Arc::new(Nothing) }
    }

    /// A whole value at the top: a place to go into when it is a list or an envelope.
    fn inside(
        &self,
        window: &[u8],
        start: usize,
        last: bool,
    ) -> Result<Option<(Where, usize)>, ()> {
        match window.get(start) {
            Some(b'[') => Ok(Some((Where::List { envelope: false }, start + 1))),
            Some(b'{') if self.manner.wrapped => {
                match envelope::probe(window, start, self.sole, last) {
                    Probe::Envelope(at) => Ok(Some((Where::List { envelope: true }, at))),
                    Probe::Event => Ok(None),
                    Probe::Short => Err(()),
                }
            }
            _ => Ok(None),
        }
    }
}

impl Cutter for JsonStream {
    fn cut(&mut self, window: &[u8], last: bool) -> Cut {
        let read_to = |take: usize, stream: &Self| Cut {
            take,
            reader: stream.reader(last && take == window.len()),
        };
        if self.place == Where::Tail {
            return match tail_end(window, last) {
                Some(end) => self.go(Where::Top, end),
                None => read_to(0, self),
            };
        }
        let in_list = self.place != Where::Top;
        let place = Place { in_list, wary: self.wary };
        let mut at = 0;
        loop {
            if !in_list && let Some(start) = scan::bracket(window, at) {
                match self.inside(window, start, last) {
                    Ok(None) => {}
                    // What stands before it is read first.
                    Ok(Some(_)) | Err(()) if at > 0 => return read_to(at, self),
                    Ok(Some((place, take))) => return self.go(place, take),
                    Err(()) => return read_to(0, self),
                }
            }
            match scan::next(window, at, place, last) {
                Item::Value { end, .. }
                | Item::Junk { end, .. }
                | Item::Broken { end, plain: true, .. } => at = end,
                Item::Open { .. } => return read_to(at, self),
                Item::Nothing => return read_to(scan::separators(window, at, last), self),
                Item::Close { .. } if at > 0 => return read_to(at, self),
                Item::Close { at: close } => {
                    let next = match self.place {
                        Where::List { envelope: true } => Where::Tail,
                        _ => Where::Top,
                    };
                    return self.go(next, close + 1);
                }
                Item::Broken { end, .. } => {
                    // What follows is read by a reader that knows.
                    let cut = read_to(end, self);
                    self.wary = true;
                    return cut;
                }
            }
        }
    }

    fn end(&mut self) -> Option<(FlawKind, &'static str)> {
        match self.place {
            Where::Top => None,
            _ => Some((FlawKind::Truncated, "the list that the records stand in is never closed")),
        }
    }

    fn skip(&mut self, window: &[u8], last: bool) -> Skip {
        let mut depth = match self.skipping.take() {
            Some(depth) => depth,
            None if self.place == Where::Tail => Depth::inside(),
            None => Depth::default(),
        };
        let (take, done) = depth.pass(window, last);
        if done {
            if self.place == Where::Tail {
                self.place = Where::Top;
            }
        } else {
            self.skipping = Some(depth);
        }
        Skip { take, done }
    }
}

/// Where an envelope ends, from behind its list.
fn tail_end(window: &[u8], last: bool) -> Option<usize> {
    let mut depth = Depth::inside();
    match depth.pass(window, last) {
        (end, true) => Some(end),
        _ => None,
    }
}

/// Reads nothing: brackets, and what stands beside an envelope's list.
struct Nothing;

impl Reader for Nothing {
    fn read(&self, _: &[u8], _: u64, _: &mut dyn Sink) {}
}
