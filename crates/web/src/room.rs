//! How many bytes of bodies are held at once, over all requests: many large ones are refused rather than
//! held until the process is killed.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The room for bodies.
pub(crate) struct Room {
    most: usize,
    held: AtomicUsize,
}

/// What one request holds of it, until it is dropped.
pub(crate) struct Held<'r> {
    room: &'r Room,
    mine: usize,
}

impl Room {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: AtomicUsize::new(0) }
    }

    /// Comes in with nothing.
    pub(crate) fn enter(&self) -> Held<'_> {
        Held { room: self, mine: 0 }
    }
}

impl Held<'_> {
    /// Holds this many bytes from now on; false when there is no room for more, and then it is as before.
    pub(crate) fn is_now(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.mine);
        let before = self.room.held.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > self.room.most {
            self.room.held.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.mine += more;
        true
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.room.held.fetch_sub(self.mine, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let room = Room::new(100);
        let mut first = room.enter();
        assert!(first.is_now(60) && first.is_now(80));
        let mut second = room.enter();
        assert!(second.is_now(20) && !second.is_now(21));
        drop(first);
        assert!(second.is_now(100) && !second.is_now(101));
    }
}
