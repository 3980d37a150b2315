//! DMA, and where it went; a machine that fails fails the test.

use smmu_machine::{Machine, dma as device};
use smmu_regs::PhysAddr;

pub(crate) use smmu_machine::dma::{Place, Seen};

/// Where a DMA of `device` to `iova` goes.
pub(crate) fn dma(machine: &dyn Machine, device: usize, iova: u64, places: &[Place]) -> Seen {
    device::dma(machine, device, iova, places).unwrap()
}

/// Where a DMA of `device` to `iova` may go.
pub(crate) fn outcomes(machine: &dyn Machine, device: usize, iova: u64, places: &[Place]) -> Vec<Seen> {
    device::outcomes(machine, device, iova, places).unwrap()
}

/// Whether the machine knows all that is permitted.
pub(crate) fn tells_all(machine: &dyn Machine) -> bool {
    machine.permitted(0, 0, false).unwrap().is_some()
}

/// Whether a DMA of `device` to `iova` may read or write the word at `at`; a machine that does not know all that is
/// permitted says whether it did.
pub(crate) fn may_land(machine: &dyn Machine, device: usize, iova: u64, at: PhysAddr) -> bool {
    outcomes(machine, device, iova, &[Place { name: "there", at }]).contains(&Seen::At("there"))
}

/// Whether a DMA of `device` to `iova` reads and writes the word at `at`.
pub(crate) fn lands(machine: &dyn Machine, device: usize, iova: u64, at: PhysAddr) -> bool {
    match dma(machine, device, iova, &[Place { name: "there", at }]) {
        Seen::At(_) => true,
        Seen::Nowhere => false,
        Seen::Odd(what) => panic!("{}: DMA to {iova:#x}: {what}", machine.name()),
    }
}
