//! The platform of the benches: memory of our own, an SMMU that has completed every command as soon as it is told of it,
//! and time that is a counter. What remains is the cost of the crates' own code; barriers, bus accesses and the real clock
//! come on top, on any driver alike.

use smmu_regs::PhysAddr;
use smmu_regs::platform::{AllocationError, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset};
use smmu_regs::registers::{CmdqCons, CmdqProd, Register};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

/// Where memory starts.
const BASE: u64 = 0x4000_0000;
/// What the allocator keeps for reuse: tables of 4K pages.
const TABLE: u64 = 4096;

/// Memory, an instant command queue, and a clock.
#[derive(Debug)]
pub struct InstantSmmu {
    words: Box<[Dword]>,
    next: Cell<u64>,
    free: RefCell<Vec<u64>>,
    producer: Cell<u32>,
    ticks: Cell<u64>,
}

impl InstantSmmu {
    /// One with `bytes` bytes of memory.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self {
            words: (0..bytes / 8).map(|_| Dword::new(0)).collect(),
            next: Cell::new(BASE),
            free: RefCell::default(),
            producer: Cell::new(0),
            ticks: Cell::new(0),
        }
    }

    fn take(&self, bytes: u64, align: u64) -> u64 {
        let reused = if bytes == TABLE { self.free.borrow_mut().pop() } else { None };
        reused.unwrap_or_else(|| {
            let start = self.next.get().next_multiple_of(align.max(TABLE));
            self.next.set(start + bytes.max(TABLE));
            start
        })
    }
}

/// Clears words one by one: what an allocator, and the limit of a fresh map and of an unmap, have to do.
#[inline]
pub fn zero(words: &[Dword]) {
    for word in words {
        word.store(0);
    }
}

impl Mmio for InstantSmmu {
    #[inline]
    fn read32(&self, at: RegisterOffset) -> u32 {
        if at == CmdqCons::AT { self.producer.get() } else { 0 }
    }

    #[inline]
    fn write32(&self, at: RegisterOffset, value: u32) {
        if at == CmdqProd::AT {
            self.producer.set(value);
        }
    }

    fn read64(&self, _: RegisterOffset) -> u64 {
        0
    }

    fn write64(&self, _: RegisterOffset, _: u64) {}
}

// SAFETY: `take` gives out memory that nobody has, aligned to whole tables at least; it is cleared here and reached through
// `Dword`s alone, which live as long as `self`; no hardware looks at it; 64-bit atomicity is claimed, no more.
unsafe impl Memory for InstantSmmu {
    #[inline]
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let address = PhysAddr::new(self.take(bytes, align));
        let words = self.words(address, (bytes / 8) as usize);
        zero(words.map_err(|_| AllocationError { bytes, align })?);
        Ok(Pages::from_raw(address, bytes))
    }

    #[inline]
    fn free(&self, pages: Pages) {
        if pages.bytes() == TABLE {
            self.free.borrow_mut().push(pages.base().get());
        }
    }

    #[inline]
    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let first = (address.get().wrapping_sub(BASE) / 8) as usize;
        self.words.get(first..first.wrapping_add(count)).ok_or(MemoryError { address, words: count })
    }

    #[inline]
    fn publish(&self) {
        fence(Ordering::Release);
    }

    #[inline]
    fn acquire(&self) {
        fence(Ordering::Acquire);
    }

    #[inline]
    fn release(&self) {
        fence(Ordering::Release);
    }
}

impl Clock for InstantSmmu {
    #[inline]
    fn now(&self) -> Duration {
        let now = self.ticks.get() + 1;
        self.ticks.set(now);
        Duration::from_nanos(now)
    }
}
