//! A platform that tells the test of every register write, and of every turn of a waiting loop.

use smmu_machine::Machine;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{AllocationError, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset};
use std::cell::RefCell;
use std::time::Duration;

/// A register write: where and what.
pub(crate) type Write = (RegisterOffset, u64);

/// A machine whose every register write calls `after_write`, and whose every wait calls `on_wait`.
pub(crate) struct Watched<'m> {
    machine: &'m dyn Machine,
    after_write: RefCell<Box<dyn FnMut(Write) + 'm>>,
    on_wait: RefCell<Box<dyn FnMut() + 'm>>,
}

impl<'m> Watched<'m> {
    pub(crate) fn new(machine: &'m dyn Machine) -> Self {
        Self { machine, after_write: RefCell::new(Box::new(|_| {})), on_wait: RefCell::new(Box::new(|| {})) }
    }

    pub(crate) fn after_write(self, call: impl FnMut(Write) + 'm) -> Self {
        *self.after_write.borrow_mut() = Box::new(call);
        self
    }

    pub(crate) fn on_wait(self, call: impl FnMut() + 'm) -> Self {
        *self.on_wait.borrow_mut() = Box::new(call);
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

// SAFETY: every call goes unchanged to the machine, whose promises these are.
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

    fn acquire(&self) {
        self.machine.acquire();
    }
    fn release(&self) {
        self.machine.release();
    }
    fn publish(&self) {
        self.machine.publish();
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
