//! DMA and its proof: every candidate page holds a seed of its own, so what changed tells where an access went.

use smmu_machine::{Machine, MachineError};
use smmu_regs::PhysAddr;
use std::fmt;

/// A place that a DMA might reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// For the reader.
    pub(super) name: &'static str,
    /// The 32-bit word.
    pub(super) at: PhysAddr,
}

/// Where a DMA went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nowhere: the SMMU terminated it.
    Nowhere,
    /// To this place, and read the same place.
    At(&'static str),
    /// A place changed to something else than its complement: read and write went different ways.
    Torn(&'static str),
    /// Several places changed.
    Several,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("the DMA went nowhere"),
            Self::At(name) => write!(f, "the DMA reached {name}"),
            Self::Torn(name) => write!(f, "the DMA wrote to {name} what it read elsewhere"),
            Self::Several => f.write_str("the DMA changed several places"),
        }
    }
}

/// Lets a device invert the word at `iova` and looks which place changed.
pub(super) fn invert(
    machine: &dyn Machine,
    device: usize,
    iova: u64,
    places: &[Place],
) -> Result<Seen, MachineError> {
    let seed = |number: usize| 0x5eed_0000 | number as u32;
    for (number, place) in places.iter().enumerate() {
        machine.poke32(place.at, seed(number))?;
    }
    machine.dma_invert(device, iova)?;
    let mut seen = Seen::Nowhere;
    for (number, place) in places.iter().enumerate() {
        let now = machine.peek32(place.at)?;
        if now != seed(number) {
            seen = match seen {
                Seen::Nowhere if now == !seed(number) => Seen::At(place.name),
                Seen::Nowhere => Seen::Torn(place.name),
                _ => Seen::Several,
            };
        }
    }
    Ok(seen)
}
