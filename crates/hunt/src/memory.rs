//! The memory of queries. Half of it goes to who can spill to disk, first come, first served. A quarter
//! is for what cannot: the merging of what was spilled, hash tables of joins. Without such a part the
//! sorts fill everything and then have no room to merge, and a query fails that only had to be slower.
//!
//! The last quarter is for spillers that come when the half is taken: each may hold up to an eighth of
//! the whole, so that it has rows to spill at all. Equal shares would be too small for this: most of
//! those who could spill never hold much.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::{Result, resources_err};
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};

/// A bounded pool.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Bytes that those hold who can spill.
    spillable: usize,
    /// Bytes that the others hold.
    fixed: usize,
}

impl Memory {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, taken: Mutex::default() }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} bytes)", self.name(), self.limit)
    }
}

impl MemoryPool for Memory {
    fn name(&self) -> &'static str {
        "hunt"
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut taken = self.taken();
        match reservation.consumer().can_spill() {
            true => taken.spillable += additional,
            false => taken.fixed += additional,
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut taken = self.taken();
        match reservation.consumer().can_spill() {
            true => taken.spillable = taken.spillable.saturating_sub(shrink),
            false => taken.fixed = taken.fixed.saturating_sub(shrink),
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut taken = self.taken();
        let free = self.limit.saturating_sub(taken.spillable + taken.fixed);
        if reservation.consumer().can_spill() {
            let common = (self.limit / 2).saturating_sub(taken.spillable);
            let late = (self.limit / 4 * 3).saturating_sub(taken.spillable);
            let share = (self.limit / 8).saturating_sub(reservation.size());
            if additional > common.max(share.min(late)).min(free) {
                return resources_err!(
                    "{} needs {additional} bytes more",
                    reservation.consumer().name()
                );
            }
            taken.spillable += additional;
        } else {
            if additional > free {
                return resources_err!(
                    "{} needs {additional} bytes more",
                    reservation.consumer().name()
                );
            }
            taken.fixed += additional;
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        let taken = self.taken();
        taken.spillable + taken.fixed
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use datafusion::execution::memory_pool::MemoryConsumer;

    use super::*;

    #[test]
    fn who_spills_leaves_room_to_who_cannot() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Memory::new(1_000));
        let one = MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        one.try_grow(500).unwrap();
        assert!(one.try_grow(1).is_err());
        let late =
            [1, 2, 3].map(|_| MemoryConsumer::new("sort").with_can_spill(true).register(&pool));
        let [two, three, four] = &late;
        two.try_grow(125).unwrap();
        assert!(two.try_grow(1).is_err(), "an eighth for who comes late");
        three.try_grow(125).unwrap();
        assert!(four.try_grow(1).is_err(), "the last quarter is not for spillers");
        let merge = MemoryConsumer::new("merge").register(&pool);
        merge.try_grow(250).unwrap();
        assert!(merge.try_grow(1).is_err());
        drop(one);
        four.try_grow(250).unwrap();
        assert!(four.try_grow(1).is_err(), "what was given back is for all");
        drop((merge, late));
        assert_eq!(pool.reserved(), 0);
    }
}
