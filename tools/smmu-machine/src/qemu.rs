//! QEMU as a machine.

use crate::ram::{GuestRam, Words};
use crate::{Machine, MachineError};
use smmu_qemu::{Config, Qemu, QemuError, Width};
use smmu_regs::platform::{AllocationError, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset};
use smmu_regs::{PhysAddr, StreamId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

/// A running QEMU, its memory and its devices.
pub struct QemuMachine {
    qemu: Arc<Qemu>,
    ram: GuestRam,
    started: Instant,
}

/// QEMU's RAM, which stays mapped as long as QEMU is there.
struct QemuWords(Arc<Qemu>);

impl Words for QemuWords {
    fn words(&self) -> &[AtomicU64] {
        self.0.ram()
    }
}

impl QemuMachine {
    /// Starts QEMU.
    ///
    /// # Errors
    /// QEMU is missing, too old, or does not start: see [`QemuError`].
    pub fn start(config: &Config) -> Result<Self, QemuError> {
        Ok(Self::new(Qemu::start(config)?))
    }

    /// Starts QEMU for a test; `None`, said loudly, if QEMU is missing and need not be there.
    ///
    /// # Errors
    /// As [`QemuMachine::start`], and absence where it is required.
    pub fn start_or_skip(config: &Config) -> Result<Option<Self>, QemuError> {
        Ok(smmu_qemu::start_or_skip(config)?.map(Self::new))
    }

    fn new(qemu: Qemu) -> Self {
        let qemu = Arc::new(qemu);
        let words: Arc<dyn Words> = Arc::new(QemuWords(Arc::clone(&qemu)));
        let ram = GuestRam::new(words, qemu.ram_base());
        Self { qemu, ram, started: Instant::now() }
    }
}

/// QEMU's SMMU has pages 0 and 1; the optional pages read as zero and ignore writes.
impl Mmio for QemuMachine {
    fn read32(&self, at: RegisterOffset) -> u32 {
        let value = at.fixed().map_or(0, |offset| self.qemu.smmu_read(offset, Width::W32));
        (value & u64::from(u32::MAX)) as u32
    }

    fn write32(&self, at: RegisterOffset, value: u32) {
        if let Some(offset) = at.fixed() {
            self.qemu.smmu_write(offset, Width::W32, u64::from(value));
        }
    }

    fn read64(&self, at: RegisterOffset) -> u64 {
        at.fixed().map_or(0, |offset| self.qemu.smmu_read(offset, Width::W64))
    }

    fn write64(&self, at: RegisterOffset, value: u64) {
        if let Some(offset) = at.fixed() {
            self.qemu.smmu_write(offset, Width::W64, value);
        }
    }
}

// SAFETY: the allocator hands each block out once and takes back only what is out; blocks are zeroed and aligned; `words`
// gives QEMU's own RAM, mapped shared for as long as the `Qemu` that `self` holds, or an error; every register access
// is a system call after `publish` (a full fence), and QEMU looks at memory only when told to through one; 64-bit
// atomicity is claimed, no more.
unsafe impl Memory for QemuMachine {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        self.ram.allocate(bytes, align)
    }

    fn free(&self, pages: Pages) {
        self.ram.free(pages);
    }

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        self.ram.words(address, count)
    }

    fn publish(&self) {
        fence(Ordering::SeqCst);
    }

    fn acquire(&self) {
        fence(Ordering::SeqCst);
    }

    fn release(&self) {
        fence(Ordering::SeqCst);
    }
}

impl Clock for QemuMachine {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Machine for QemuMachine {
    fn name(&self) -> String {
        let found = self.qemu.program();
        format!("QEMU {} ({})", found.version, found.path.display())
    }

    fn devices(&self) -> Vec<StreamId> {
        self.qemu.devices().iter().map(|device| StreamId::new(device.sid)).collect()
    }

    fn dma_invert(&self, device: usize, iova: u64) -> Result<(), MachineError> {
        Ok(self.qemu.dma_invert(device, iova)?)
    }

    fn failure(&self) -> Option<MachineError> {
        self.qemu.failure().map(MachineError::from)
    }

    fn complaints(&self) -> Vec<String> {
        self.qemu.complaints()
    }

    fn ram(&self) -> &GuestRam {
        &self.ram
    }
}
