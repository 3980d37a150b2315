//! Page allocation in guest RAM: aligned blocks of powers of two, with a record of every block that is out.

use std::collections::BTreeMap;

/// Hands out blocks between two addresses.
#[derive(Debug)]
pub(crate) struct Allocator {
    next: u64,
    end: u64,
    free: BTreeMap<u64, Vec<u64>>,
    out: BTreeMap<u64, u64>,
}

impl Allocator {
    pub(crate) fn new(start: u64, end: u64) -> Self {
        Self { next: start, end, free: BTreeMap::new(), out: BTreeMap::new() }
    }

    /// A block of `bytes` bytes aligned to `align` and to its size rounded up to a power of two.
    pub(crate) fn allocate(&mut self, bytes: u64, align: u64) -> Option<u64> {
        let size = bytes.max(align).max(64).checked_next_power_of_two()?;
        let reused = self.free.get_mut(&size).and_then(Vec::pop);
        let start = match reused {
            Some(start) => start,
            None => {
                let start = self.next.checked_next_multiple_of(size)?;
                let next = start.checked_add(size).filter(|next| *next <= self.end)?;
                self.next = next;
                start
            }
        };
        self.out.insert(start, size);
        Some(start)
    }

    /// Takes a block back; says whether it was out.
    pub(crate) fn free(&mut self, start: u64) -> bool {
        match self.out.remove(&start) {
            None => false,
            Some(size) => {
                self.free.entry(size).or_default().push(start);
                true
            }
        }
    }

    /// Bytes that are out.
    pub(crate) fn allocated(&self) -> u64 {
        self.out.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_disjoint_and_reused() {
        let mut allocator = Allocator::new(0x4000_0040, 0x4010_0000);
        let (a, b) = (allocator.allocate(4096, 4096).unwrap(), allocator.allocate(100, 4).unwrap());
        assert!(a % 4096 == 0 && b % 128 == 0 && b >= a + 4096);
        assert_eq!(allocator.allocated(), 4096 + 128);
        assert!(allocator.free(a) && !allocator.free(a) && !allocator.free(b + 8));
        assert_eq!(allocator.allocate(4096, 16), Some(a));
        assert_eq!(allocator.allocate(1 << 20, 8), None);
        assert_eq!(allocator.allocate(u64::MAX, 8), None);
    }
}
