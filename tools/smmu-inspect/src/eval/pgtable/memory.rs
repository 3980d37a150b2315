//! Memory for the tables of one record.

use smmu_regs::PhysAddr;
use smmu_regs::platform::{AllocationError, Dword, Memory, MemoryError, Pages};
use std::cell::{Cell, OnceCell};

/// Memory is given out in whole slots of 64K, the largest table but for concatenated ones.
const SLOT_LOG2: u32 = 16;
/// Slots of a chunk, and chunks: all within 32 bits, the smallest output size.
const SLOTS: usize = 256;
const CHUNKS: usize = 255;
/// Table memory begins here.
const BASE: u64 = (SLOTS as u64) << SLOT_LOG2;
/// The largest first table in slots: 16 of 64K.
const LARGEST: usize = 16;

type Slot = OnceCell<Box<[Dword]>>;

/// Memory that is made when it is asked for. What is given back is not given out again: records are short, and a pointer
/// to freed memory stays harmless.
#[derive(Debug)]
pub(super) struct Arena {
    chunks: Vec<OnceCell<Vec<Slot>>>,
    next: Cell<usize>,
}

impl Default for Arena {
    fn default() -> Self {
        Self { chunks: (0..CHUNKS).map(|_| OnceCell::new()).collect(), next: Cell::new(0) }
    }
}

// SAFETY: words are atomics that live as long as the arena; each slot is filled once, with zeros, and `next` only grows, so
// that nothing is given out twice. Nobody but this process sees them.
unsafe impl Memory for Arena {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let refused = AllocationError { bytes, align };
        let slots = (bytes >> SLOT_LOG2).max(1) as usize;
        if bytes == 0 || slots > LARGEST || align > (slots as u64) << SLOT_LOG2 {
            return Err(refused);
        }
        let index = self.next.get().next_multiple_of(slots.next_power_of_two());
        let chunk = self.chunks.get(index / SLOTS).ok_or(refused)?;
        let chunk = chunk.get_or_init(|| (0..SLOTS).map(|_| OnceCell::new()).collect());
        let slot = chunk.get(index % SLOTS).ok_or(refused)?;
        slot.get_or_init(|| (0..bytes / 8).map(|_| Dword::new(0)).collect());
        self.next.set(index + slots);
        Ok(Pages::from_raw(PhysAddr::new(BASE + ((index as u64) << SLOT_LOG2)), bytes))
    }

    fn free(&self, _pages: Pages) {}

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let error = MemoryError { address, words: count };
        let offset = address.get().checked_sub(BASE).ok_or(error)?;
        let index = (offset >> SLOT_LOG2) as usize;
        let chunk = self.chunks.get(index / SLOTS).and_then(OnceCell::get).ok_or(error)?;
        let filled = |slot: usize| chunk.get(slot).and_then(OnceCell::get).map(|words| (slot, words));
        let slot = index % SLOTS;
        let (first, words) = (slot.saturating_sub(LARGEST - 1)..=slot).rev().find_map(filled).ok_or(error)?;
        let within = (((slot - first) as u64) << SLOT_LOG2) + (offset & ((1 << SLOT_LOG2) - 1));
        let start = (within / 8) as usize;
        words.get(start..).and_then(|rest| rest.get(..count)).ok_or(error)
    }

    fn publish(&self) {}

    fn acquire(&self) {}

    fn release(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_apart_and_aligned() {
        let arena = Arena::default();
        let mut last = 0;
        for bytes in [64, 4096, 16, 65536, 1 << 20, 8, 16384, 1 << 20] {
            let pages = arena.allocate(bytes, bytes).unwrap();
            let base = pages.base().get();
            assert!(base >= last && base % bytes == 0, "{base:#x} {bytes:#x}");
            let words = arena.words(pages.base(), pages.words()).unwrap();
            words[words.len() - 1].store(bytes);
            assert_eq!(arena.words(PhysAddr::new(base + bytes - 8), 1).unwrap()[0].load(), bytes);
            assert!(arena.words(PhysAddr::new(base + bytes), 1).is_err());
            last = base + bytes;
        }
        assert!(arena.allocate(2 << 20, 8).is_err() && arena.words(PhysAddr::new(0), 1).is_err());
    }
}
