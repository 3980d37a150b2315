//! Machines with an SMMUv3: the same driver code runs on the software model and on QEMU.
//!
//! Each machine implements the three platform traits of `smmu-regs` and adds what only a test bench has: devices that do
//! DMA on demand. `smmu-model` and `smmu-qemu` know nothing of the crates under `crates/`; this adapter does.
#![deny(unsafe_op_in_unsafe_fn)]

mod allocator;
mod devices;
pub mod dma;
mod error;
mod landing;
mod model;
mod qemu;
mod ram;
mod settled;
mod watched;

pub use error::MachineError;
pub use landing::Landing;
pub use model::ModelMachine;
pub use qemu::QemuMachine;
pub use ram::{GuestRam, RamError};
pub use watched::{Watched, Write};

use smmu_regs::platform::{Clock, Memory, Mmio};
use smmu_regs::{PhysAddr, StreamId};

/// A machine: an SMMU, memory, time, and devices.
pub trait Machine: Mmio + Memory + Clock {
    /// What it is, for a person.
    fn name(&self) -> String;

    /// The StreamIDs of its devices.
    fn devices(&self) -> Vec<StreamId>;

    /// Device number `device` reads four bytes at `iova`, complements them and writes them back: so what changed in
    /// memory tells where its read and its write went. An access that the SMMU terminates changes nothing.
    ///
    /// # Errors
    /// There is no such device, or the machine has failed. A terminated access is no error.
    fn dma_invert(&self, device: usize, iova: u64) -> Result<(), MachineError>;

    /// Everything that the architecture permits a read or a write of `device` at `iova` to do at this moment. `None` if
    /// the machine cannot tell; then only what [`Machine::dma_invert`] does is known.
    ///
    /// # Errors
    /// There is no such device.
    fn permitted(&self, device: usize, iova: u64, write: bool) -> Result<Option<Vec<Landing>>, MachineError> {
        let _ = (device, iova, write);
        Ok(None)
    }

    /// The first thing that broke, if anything did: registers read as ones from then on.
    fn failure(&self) -> Option<MachineError>;

    /// Mistakes of the driver that the machine noticed.
    fn complaints(&self) -> Vec<String>;

    /// The machine's memory as its devices see it, for looking at it from outside.
    fn ram(&self) -> &GuestRam;

    /// Bytes of memory that have been allocated and not freed.
    fn allocated(&self) -> u64 {
        self.ram().allocated()
    }

    /// The 32-bit word at `address`, which is 4-byte aligned.
    ///
    /// # Errors
    /// The address is not RAM.
    fn peek32(&self, address: PhysAddr) -> Result<u32, MachineError> {
        Ok(self.ram().peek32(address)?)
    }

    /// Writes the 32-bit word at `address`, which is 4-byte aligned.
    ///
    /// # Errors
    /// The address is not RAM.
    fn poke32(&self, address: PhysAddr, value: u32) -> Result<(), MachineError> {
        Ok(self.ram().poke32(address, value)?)
    }
}
