//! Memory for page tables: an arena whose allocator refuses to free what is not out and fails when it is told to.

use smmu_regs::PhysAddr;
use smmu_regs::platform::{AllocationError, Dword, Memory, MemoryError, Pages};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

const BASE: u64 = 0x8000_0000;
const WORDS: usize = 1 << 20;

/// The arena. Freed blocks are never cleaned, so that whoever reads one reads rubbish.
pub struct Arena {
    words: Box<[Dword]>,
    next: Cell<u64>,
    free: RefCell<BTreeMap<u64, Vec<u64>>>,
    live: RefCell<BTreeMap<u64, u64>>,
    /// Allocations that succeed before all others fail.
    pub allowance: Cell<u64>,
}

impl Arena {
    /// Memory of which all is free.
    pub fn new() -> Self {
        Self {
            words: (0..WORDS).map(|_| Dword::new(0)).collect(),
            next: Cell::new(BASE),
            free: RefCell::default(),
            live: RefCell::default(),
            allowance: Cell::new(u64::MAX),
        }
    }

    /// Forgets all allocations.
    pub fn reset(&self) {
        self.next.set(BASE);
        self.free.borrow_mut().clear();
        self.live.borrow_mut().clear();
        self.allowance.set(u64::MAX);
    }

    /// Number of blocks that are out.
    pub fn live(&self) -> u64 {
        self.live.borrow().len() as u64
    }

    fn take(&self, bytes: u64, align: u64) -> Option<u64> {
        self.allowance.set(self.allowance.get().checked_sub(1)?);
        if let Some(address) = self.free.borrow_mut().get_mut(&bytes).and_then(Vec::pop) {
            return Some(address);
        }
        let address = self.next.get().next_multiple_of(align);
        let end = address + bytes;
        (end <= BASE + WORDS as u64 * 8).then(|| self.next.set(end))?;
        Some(address)
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: `take` gives out memory that is not out, aligned as asked (a block that is reused was made for the same size, and
// tables are aligned to their size); it is cleared here and reached through `Dword`s alone, which live as long as `self`;
// there is no hardware.
unsafe impl Memory for Arena {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let address = self.take(bytes, align).ok_or(AllocationError { bytes, align })?;
        let address = PhysAddr::new(address);
        for word in self.words(address, (bytes / 8) as usize).expect("the allocator's own memory") {
            word.store(0);
        }
        assert_eq!(self.live.borrow_mut().insert(address.get(), bytes), None);
        Ok(Pages::from_raw(address, bytes))
    }

    fn free(&self, pages: Pages) {
        let address = pages.base().get();
        assert_eq!(self.live.borrow_mut().remove(&address), Some(pages.bytes()), "freed what was not out");
        self.free.borrow_mut().entry(pages.bytes()).or_default().push(address);
    }

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let error = MemoryError { address, words: count };
        let first = address.get().checked_sub(BASE).ok_or(error)? / 8;
        self.words.get(first as usize..).and_then(|rest| rest.get(..count)).ok_or(error)
    }

    fn publish(&self) {}

    fn acquire(&self) {}

    fn release(&self) {}
}
