//! Who may write which entries: the two ends of a shared queue as counters that never go back.
//!
//! A counter has 64 bits and never wraps; what a register holds of it is its lowest bits. So "before" is plain `<`, and what
//! is stale is too small, never wrong: an old look at the consumer makes the queue look fuller than it is.

use super::{Position, QueueSize};
use crate::atomic::{AtomicU64, Ordering};

/// The end of a reservation of `count` entries after `reserved`, if they fit behind `consumed`.
pub(super) const fn reserve(size: QueueSize, reserved: u64, consumed: u64, count: u32) -> Option<u64> {
    // Where `consumed` is newer than `reserved` the exchange that follows fails.
    let waiting = reserved.saturating_sub(consumed);
    match reserved.checked_add(count as u64) {
        Some(end) if waiting.saturating_add(count as u64) <= size.entries() as u64 => Some(end),
        _ => None,
    }
}

/// The position that a register holds for a counter.
pub(super) const fn position(size: QueueSize, counter: u64) -> Position {
    size.position((counter & u32::MAX as u64) as u32)
}

/// The smallest counter from `floor` on whose position is `position`.
///
/// With a `floor` that was loaded before the register was read, that is never beyond the truth.
pub(super) const fn counter(size: QueueSize, floor: u64, at: Position) -> u64 {
    floor.saturating_add(size.distance(position(size, floor), at) as u64)
}

/// The next counter that stands for the start of the ring, with the wrap bit clear.
pub(super) fn next_start(size: QueueSize, counter: u64) -> u64 {
    let laps = u64::from(size.entries()).saturating_mul(2);
    counter.checked_next_multiple_of(laps).unwrap_or(counter)
}

/// Where the next list goes, and what the SMMU is known to have consumed.
#[derive(Debug)]
pub(super) struct Ends {
    reserved: AtomicU64,
    consumed: AtomicU64,
}

impl Ends {
    pub(super) fn new(start: u64) -> Self {
        Self { reserved: AtomicU64::new(start), consumed: AtomicU64::new(start) }
    }

    /// Takes `count` entries that follow each other; gives the first. `None` if there is no room, as far as is known.
    #[inline]
    pub(super) fn take(&self, size: QueueSize, count: u32) -> Option<u64> {
        loop {
            // Acquire: whoever consumed what was in these entries did so before they are written again. First, so that
            // it is no newer than what follows.
            let consumed = self.consumed.load(Ordering::Acquire);
            let reserved = self.reserved.load(Ordering::Relaxed);
            let end = reserve(size, reserved, consumed, count)?;
            // Relaxed: nothing is handed over by this word, it only divides the entries up.
            let won =
                self.reserved.compare_exchange_weak(reserved, end, Ordering::Relaxed, Ordering::Relaxed);
            if won.is_ok() {
                return Some(reserved);
            }
        }
    }

    /// Whether `count` entries would fit.
    pub(super) fn has_room(&self, size: QueueSize, count: u32) -> bool {
        let consumed = self.consumed();
        reserve(size, self.reserved(), consumed, count).is_some()
    }

    pub(super) fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Acquire)
    }

    /// What the SMMU is known to have consumed. What it did before is seen by whoever reads this.
    #[inline]
    pub(super) fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Acquire)
    }

    /// The SMMU has consumed everything before `counter`.
    #[inline]
    pub(super) fn consume(&self, counter: u64) {
        self.consumed.fetch_max(counter, Ordering::AcqRel);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_never_laps_the_consumer() {
        for log2 in 0..4 {
            let size = QueueSize::new(log2).unwrap();
            let entries = u64::from(size.entries());
            for consumed in 0..40 {
                for waiting in 0..=entries {
                    for count in 0..=size.entries() + 1 {
                        let end = reserve(size, consumed + waiting, consumed, count);
                        let fits = waiting + u64::from(count) <= entries;
                        assert_eq!(end, fits.then_some(consumed + waiting + u64::from(count)));
                    }
                }
            }
        }
        let size = QueueSize::new(3).unwrap();
        assert_eq!(reserve(size, u64::MAX - 3, u64::MAX - 3, 4), None, "counters never wrap");
    }

    #[test]
    fn a_register_is_understood_from_any_older_look() {
        let size = QueueSize::new(2).unwrap();
        for floor in (0..20).chain((1 << 32) - 9..(1 << 32) + 9) {
            for ahead in 0..30 {
                let truth = floor + ahead;
                let found = counter(size, floor, position(size, truth));
                assert!(found <= truth && (truth - found) % 8 == 0);
                assert!(ahead >= 8 || found == truth, "exact within two laps");
            }
        }
    }

    #[test]
    fn a_new_start_is_at_index_0_with_the_wrap_bit_clear() {
        let size = QueueSize::new(3).unwrap();
        for counter in 0..50 {
            let start = next_start(size, counter);
            assert!(start >= counter && start < counter + 16 && position(size, start) == Position::ZERO);
        }
    }
}
