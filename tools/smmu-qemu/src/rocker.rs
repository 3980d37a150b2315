//! QEMU's `rocker` network switch as a DMA engine: its test registers do a DMA of up to 64 KiB - 1 bytes,
//! which is finished when the write to the control register returns. No timer, no interrupt, no descriptor
//! ring.

use crate::error::QemuError;
use crate::pci::Device;
use crate::protocol::{Command, Size};
use crate::session::Session;

/// Vendor 0x1b36, device 0x0006.
pub(crate) const IDENT: u64 = 0x0006_1b36;

const TEST_DMA_ADDR: u64 = 0x28;
const TEST_DMA_SIZE: u64 = 0x30;
const TEST_DMA_CTRL: u64 = 0x34;
/// Read, complement, write back.
const INVERT: u64 = 4;

/// QEMU splits an access that the SMMU refuses into pieces of this size and records an event for each, so a
/// larger DMA would bring many events.
const DMA_BYTES: u64 = 4;

/// Sets what never changes.
pub(crate) fn prepare(session: &mut Session, device: &Device) -> Result<(), QemuError> {
    session.write(Size::B4, device.bar + TEST_DMA_SIZE, DMA_BYTES)
}

/// Inverts the 4 bytes at `iova`: one read and one write, through the SMMU.
pub(crate) fn invert(session: &mut Session, device: &Device, iova: u64) -> Result<(), QemuError> {
    let commands = [
        Command::Write(Size::B8, device.bar + TEST_DMA_ADDR, iova),
        Command::Write(Size::B4, device.bar + TEST_DMA_CTRL, INVERT),
    ];
    session.run(&commands).map(drop)
}
