//! A platform that tells of every register write, and of every turn of a waiting loop.

use crate::Machine;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{
    AllocationError, Atomicity, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset,
};
use std::cell::RefCell;
use std::time::Duration;

/// A register write: where and what.
pub type Write = (RegisterOffset, u64);

/// A machine whose every register write calls `after_write`, and whose every wait calls `on_wait`.
pub struct Watched<'m> {
    machine: &'m dyn Machine,
    after_write: RefCell<Box<dyn FnMut(Write) + 'm>>,
    on_wait: RefCell<Box<dyn FnMut() + 'm>>,
    publish_if: RefCell<Box<dyn FnMut() -> bool + 'm>>,
}

impl<'m> Watched<'m> {
    /// `machine`, and nobody told yet.
    pub fn new(machine: &'m dyn Machine) -> Self {
        Self {
            machine,
            after_write: RefCell::new(Box::new(|_| {})),
            on_wait: RefCell::new(Box::new(|| {})),
            publish_if: RefCell::new(Box::new(|| true)),
        }
    }

    /// Calls `call` after each register write has been made.
    #[must_use]
    pub fn after_write(self, call: impl FnMut(Write) + 'm) -> Self {
        *self.after_write.borrow_mut() = Box::new(call);
        self
    }

    /// Calls `call` whenever somebody waits, in place of the machine's own way of waiting.
    #[must_use]
    pub fn on_wait(self, call: impl FnMut() + 'm) -> Self {
        *self.on_wait.borrow_mut() = Box::new(call);
        self
    }

    /// Makes a barrier only if `call` says so: for tests of what is noticed without.
    #[must_use]
    pub fn publish_if(self, call: impl FnMut() -> bool + 'm) -> Self {
        *self.publish_if.borrow_mut() = Box::new(call);
        self
    }
}

impl Mmio for Watched<'_> {
    fn read32(&self, at: RegisterOffset) -> u32 {
        self.machine.read32(at)
    }

    fn write32(&self, at: RegisterOffset, value: u32) {
        self.machine.write32(at, value);
        (self.after_write.borrow_mut())((at, u64::from(value)));
    }

    fn read64(&self, at: RegisterOffset) -> u64 {
        self.machine.read64(at)
    }

    fn write64(&self, at: RegisterOffset, value: u64) {
        self.machine.write64(at, value);
        (self.after_write.borrow_mut())((at, value));
    }
}

// SAFETY: every call goes unchanged to the machine, whose promises these are. A test that leaves a barrier out breaks that
// of `publish`, on purpose and to no harm: the memory of these machines may be used in any order.
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
        if (self.publish_if.borrow_mut())() {
            self.machine.publish();
        }
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
        (self.on_wait.borrow_mut())();
    }
}
