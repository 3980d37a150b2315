//! The memory of a queue.

use super::{Position, QueueError, QueueSize};
use smmu_regs::addr::PhysAddr;
#[cfg(feature = "kernel")]
use smmu_regs::platform::Dword;
use smmu_regs::platform::{Memory, Pages};

/// A ring of entries of `W` words.
#[derive(Debug)]
pub(super) struct Ring<const W: usize> {
    pages: Pages,
    size: QueueSize,
}

impl<const W: usize> Ring<W> {
    /// Allocates 2^`log2` entries, aligned to the ring's size and at least 32 bytes (IHI 0070 6.3.26, 6.3.29).
    pub(super) fn new<M: Memory>(memory: &M, log2: u8, min: u8, max: u8) -> Result<Self, QueueError> {
        let max = max.min(QueueSize::MAX_LOG2);
        let size = match QueueSize::new(log2) {
            Some(size) if (min..=max).contains(&log2) => size,
            _ => return Err(QueueError::Size { log2, min, max }),
        };
        let bytes = u64::from(size.entries()).saturating_mul(Self::ENTRY_BYTES).max(32);
        let pages = memory.allocate(bytes, bytes)?;
        // No dirty line of the allocator's may be written back over what the SMMU writes.
        memory.clean(pages.base(), pages.words());
        Ok(Self { pages, size })
    }

    const ENTRY_BYTES: u64 = W as u64 * 8;

    pub(super) const fn size(&self) -> QueueSize {
        self.size
    }

    pub(super) const fn base(&self) -> PhysAddr {
        self.pages.base()
    }

    pub(super) fn into_pages(self) -> Pages {
        self.pages
    }

    fn entry(&self, position: Position) -> PhysAddr {
        let offset = u64::from(self.size.index(position)).wrapping_mul(Self::ENTRY_BYTES);
        PhysAddr::new(self.base().get().wrapping_add(offset))
    }

    /// Drops cached copies of the entry at `position`, which the SMMU wrote.
    pub(super) fn invalidate<M: Memory>(&self, memory: &M, position: Position) {
        memory.invalidate(self.entry(position), W);
    }

    /// A copy of the entry at `position`.
    #[inline]
    pub(super) fn read<M: Memory>(&self, memory: &M, position: Position) -> Result<[u64; W], QueueError> {
        let words = memory.words(self.entry(position), W)?;
        let mut copy = [0; W];
        for (value, word) in copy.iter_mut().zip(words) {
            *value = word.load();
        }
        Ok(copy)
    }

    /// All words of the ring, for [`Ring::store`].
    #[cfg(feature = "kernel")]
    #[inline]
    pub(super) fn all<'m, M: Memory>(&self, memory: &'m M) -> Result<&'m [Dword], QueueError> {
        Ok(memory.words(self.base(), (self.size.entries() as usize).saturating_mul(W))?)
    }

    /// Overwrites the entry at `position` of a ring all of whose words are at hand: nothing can fail.
    #[cfg(feature = "kernel")]
    #[inline]
    pub(super) fn store<M: Memory>(&self, memory: &M, all: &[Dword], position: Position, entry: [u64; W]) {
        let first = (self.size.index(position) as usize).wrapping_mul(W);
        for (word, value) in all.iter().skip(first).zip(entry) {
            word.store(value);
        }
        memory.clean(self.entry(position), W);
    }

    /// Overwrites the entry at `position`.
    #[inline]
    pub(super) fn write<M: Memory>(
        &self,
        memory: &M,
        position: Position,
        entry: [u64; W],
    ) -> Result<(), QueueError> {
        let at = self.entry(position);
        for (word, value) in memory.words(at, W)?.iter().zip(entry) {
            word.store(value);
        }
        memory.clean(at, W);
        Ok(())
    }
}
