//! Which lists are whole in memory, so that the SMMU may be told of them.
//!
//! Beside each entry of the ring stands a word. Whoever has written a list stores the list's end beside its first entry,
//! once. The ringer goes from list to list: at the counter `at`, a list is whole if the word there is more than `at`.
//!
//! Why a word of an earlier lap is never taken for it: a list that began in the same entry began at `at - n` or before (n
//! entries to the ring) and had at most n commands, so its end is at most `at`.

use super::QueueSize;
use crate::atomic::{AtomicU64, Ordering};
use alloc::boxed::Box;
use alloc::vec::Vec;
use smmu_regs::platform::AllocationError;

/// A word for each entry of a ring.
#[derive(Debug)]
pub(super) struct Beside {
    words: Box<[AtomicU64]>,
    size: QueueSize,
}

impl Beside {
    pub(super) fn new(size: QueueSize) -> Result<Self, AllocationError> {
        let mut words = Vec::new();
        let count = size.entries() as usize;
        let error = AllocationError { bytes: u64::from(size.entries()).saturating_mul(8), align: 8 };
        words.try_reserve_exact(count).map_err(|_| error)?;
        words.extend((0..count).map(|_| AtomicU64::new(0)));
        Ok(Self { words: words.into_boxed_slice(), size })
    }

    #[inline]
    fn word(&self, counter: u64) -> Option<&AtomicU64> {
        let index = counter & u64::from(self.size.entries().wrapping_sub(1));
        self.words.get(usize::try_from(index).ok()?)
    }

    /// Stores `value` beside the entry at `counter`; whoever reads it sees everything done before.
    #[inline]
    pub(super) fn store(&self, counter: u64, value: u64) {
        if let Some(word) = self.word(counter) {
            word.store(value, Ordering::Release);
        }
    }

    /// The word beside the entry at `counter`, with everything that was done before it was stored.
    #[inline]
    pub(super) fn load(&self, counter: u64) -> u64 {
        self.word(counter).map_or(0, |word| word.load(Ordering::Acquire))
    }
}

/// The lists that are whole.
#[derive(Debug)]
pub(super) struct Lists(Beside);

impl Lists {
    pub(super) fn new(size: QueueSize) -> Result<Self, AllocationError> {
        Beside::new(size).map(Self)
    }

    /// The list from `first` up to, not including, `end` has been written.
    #[inline]
    pub(super) fn publish(&self, first: u64, end: u64) {
        self.0.store(first, end);
    }

    /// The end of what is whole from `at` on: `at` itself if the list there is not.
    #[inline]
    pub(super) fn whole_until(&self, at: u64) -> u64 {
        let mut end = at;
        loop {
            let next = self.0.load(end);
            if next <= end {
                return end;
            }
            end = next;
        }
    }
}
