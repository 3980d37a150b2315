//! `CMD_SYNC`: how its completion is told (IHI 0070 4.7.3).

use smmu_regs::addr::PhysAddr;

/// Operands of `CMD_SYNC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sync {
    /// How completion is signalled, besides the queue's CONS.
    pub signal: SyncSignal,
    /// Shareability of the MSI write: 0 not, 2 outer, 3 inner; 1 is reserved.
    pub msi_shareability: u8,
    /// Memory attributes of the MSI write, coded as `STE.MemAttr`; 4, 8 and 12 are reserved.
    pub msi_attributes: u8,
}

impl Sync {
    /// Attributes of an MSI to ordinary memory: inner shareable, write-back.
    #[must_use]
    pub const fn new(signal: SyncSignal) -> Self {
        Self { signal, msi_shareability: 3, msi_attributes: 0xf }
    }
}

/// How the completion of a `CMD_SYNC` is signalled (`CS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncSignal {
    /// Not at all: CONS is polled.
    None,
    /// By interrupt; also by a write of `data` to `address` if that is not 0.
    Interrupt {
        /// Where the MSI goes; 0 for none.
        address: PhysAddr,
        /// What it writes.
        data: u32,
    },
    /// As [`SyncSignal::Interrupt`], on the Realm queue, to an address of the Non-secure physical address space.
    InterruptNonSecure {
        /// Where the MSI goes; 0 for none.
        address: PhysAddr,
        /// What it writes.
        data: u32,
    },
    /// By an event that wakes `WFE`.
    Event,
}
