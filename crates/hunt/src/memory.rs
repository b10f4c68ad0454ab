//! The memory of queries. Who can spill to disk shares half of it; the other half is for what cannot:
//! the merging of what was spilled, hash tables of joins. Without such a half the sorts fill everything
//! and then have no room to merge, and a query fails that only had to be slower.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::{Result, resources_err};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// A bounded pool.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// How many can spill.
    spillers: usize,
    /// Bytes that they hold.
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

    fn register(&self, consumer: &MemoryConsumer) {
        self.taken().spillers += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut taken = self.taken();
        taken.spillers = taken.spillers.saturating_sub(usize::from(consumer.can_spill()));
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
            let share = (self.limit / 2) / taken.spillers.max(1);
            let left = share.saturating_sub(reservation.size()).min(free);
            if additional > left {
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

    use super::*;

    #[test]
    fn who_spills_leaves_half_to_who_cannot() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Memory::new(1_000));
        let one = MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        one.try_grow(500).unwrap();
        assert!(one.try_grow(1).is_err());
        let merge = MemoryConsumer::new("merge").register(&pool);
        merge.try_grow(500).unwrap();
        assert!(merge.try_grow(1).is_err());
        drop(merge);
        let other = MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        assert!(other.try_grow(251).is_err(), "two share");
        other.try_grow(250).unwrap();
        drop((one, other));
        assert_eq!(pool.reserved(), 0);
    }
}
