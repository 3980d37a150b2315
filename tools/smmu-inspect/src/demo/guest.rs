//! A guest's memory: a piece of host memory that the guest knows by other addresses.

use smmu_machine::Machine;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{AllocationError, Dword, Memory, MemoryError, Pages};
use std::cell::Cell;

/// `bytes` bytes at host address `host`, which the guest sees at `guest`.
pub(super) struct GuestMemory<'m> {
    machine: &'m dyn Machine,
    host: u64,
    guest: u64,
    bytes: u64,
    next: Cell<u64>,
}

impl<'m> GuestMemory<'m> {
    pub(super) fn new(machine: &'m dyn Machine, host: &Pages, guest: u64) -> Self {
        let (host, bytes) = (host.base().get(), host.bytes());
        Self { machine, host, guest, bytes, next: Cell::new(0) }
    }

    /// Where the guest's `address` is.
    pub(super) fn host_address(&self, address: PhysAddr) -> PhysAddr {
        PhysAddr::new(address.get().wrapping_sub(self.guest).wrapping_add(self.host))
    }
}

// SAFETY: the host pages are this guest's alone (it holds them for its life), zeroed by the host's allocator; the bump
// allocator never hands a byte out twice; `words` gives the host's words for addresses within the guest's memory and an
// error for all others; barriers are the host's. "The address that the SMMU uses" is the guest's: it is what stage 2 maps.
unsafe impl Memory for GuestMemory<'_> {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let error = AllocationError { bytes, align };
        let start = self.next.get().checked_next_multiple_of(align.max(8)).ok_or(error)?;
        let end = start.checked_add(bytes).filter(|end| *end <= self.bytes).ok_or(error)?;
        self.next.set(end);
        Ok(Pages::from_raw(PhysAddr::new(self.guest + start), bytes))
    }

    fn free(&self, pages: Pages) {
        // The whole guest goes at once.
        let _ = pages.bytes();
    }

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let error = MemoryError { address, words: count };
        let offset = address.get().checked_sub(self.guest).ok_or(error)?;
        let end = offset.checked_add(count as u64 * 8).ok_or(error)?;
        if end > self.bytes {
            return Err(error);
        }
        self.machine.words(self.host_address(address), count).map_err(|_| error)
    }

    fn publish(&self) {
        self.machine.publish();
    }

    fn clean(&self, address: PhysAddr, words: usize) {
        self.machine.clean(self.host_address(address), words);
    }

    fn acquire(&self) {
        self.machine.acquire();
    }

    fn release(&self) {
        self.machine.release();
    }
}
