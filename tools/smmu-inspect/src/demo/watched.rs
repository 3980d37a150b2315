//! A platform that shows every register access that matters to a reader.

use smmu_machine::Machine;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{
    AllocationError, Atomicity, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset,
};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// A machine whose register writes are kept until somebody asks.
pub(super) struct Watched<'m> {
    machine: &'m dyn Machine,
    watching: Cell<bool>,
    writes: RefCell<Vec<(RegisterOffset, u64)>>,
}

impl<'m> Watched<'m> {
    pub(super) fn new(machine: &'m dyn Machine) -> Self {
        Self { machine, watching: Cell::new(true), writes: RefCell::new(Vec::new()) }
    }

    /// Whether writes are kept.
    pub(super) fn watch(&self, on: bool) {
        self.watching.set(on);
    }

    /// The writes since the last call.
    pub(super) fn take(&self) -> Vec<(RegisterOffset, u64)> {
        self.writes.take()
    }

    fn note(&self, at: RegisterOffset, value: u64) {
        if self.watching.get() {
            self.writes.borrow_mut().push((at, value));
        }
    }
}

impl Mmio for Watched<'_> {
    fn read32(&self, at: RegisterOffset) -> u32 {
        self.machine.read32(at)
    }
    fn write32(&self, at: RegisterOffset, value: u32) {
        self.note(at, u64::from(value));
        self.machine.write32(at, value);
    }
    fn read64(&self, at: RegisterOffset) -> u64 {
        self.machine.read64(at)
    }
    fn write64(&self, at: RegisterOffset, value: u64) {
        self.note(at, value);
        self.machine.write64(at, value);
    }
}

// SAFETY: every promise is that of the machine, to which each call goes unchanged.
unsafe impl Memory for Watched<'_> {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        self.machine.allocate(bytes, align)
    }
    fn free(&self, pages: Pages) {
        self.machine.free(pages);
    }
    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        self.machine.words(address, count)
    }
    fn publish(&self) {
        self.machine.publish();
    }
    fn acquire(&self) {
        self.machine.acquire();
    }
    fn release(&self) {
        self.machine.release();
    }
    fn clean(&self, address: PhysAddr, words: usize) {
        self.machine.clean(address, words);
    }
    fn invalidate(&self, address: PhysAddr, words: usize) {
        self.machine.invalidate(address, words);
    }
    fn atomicity(&self) -> Atomicity {
        self.machine.atomicity()
    }
    fn store_pair(&self, pair: &[Dword; 2], values: [u64; 2]) {
        self.machine.store_pair(pair, values);
    }
}

impl Clock for Watched<'_> {
    fn now(&self) -> Duration {
        self.machine.now()
    }
    fn relax(&self) {
        self.machine.relax();
    }
    fn wait_for_event(&self) {
        self.machine.wait_for_event();
    }
}
