//! DMA, and where it went.

use smmu_machine::Machine;
use smmu_regs::PhysAddr;
use std::fmt;

/// A word of memory that a DMA may hit.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) at: PhysAddr,
}

/// What a DMA did to the places that were watched.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing.
    Nowhere,
    /// Read and written there.
    At(&'static str),
    /// Something else, which is never right.
    Odd(String),
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("nowhere"),
            Self::At(name) => write!(f, "at {name}"),
            Self::Odd(what) => f.write_str(what),
        }
    }
}

/// Lets `device` invert the word at `iova`, and says which of `places` it was.
pub(crate) fn dma(machine: &dyn Machine, device: usize, iova: u64, places: &[Place]) -> Seen {
    // Each place has a value of its own, so that a write to one of what was read from another shows.
    let seed = |index: usize| 0x1357_0000_u32 + u32::try_from(index).unwrap();
    for (index, place) in places.iter().enumerate() {
        machine.poke32(place.at, seed(index)).unwrap();
    }
    machine.dma_invert(device, iova).unwrap();
    let mut seen = Seen::Nowhere;
    for (index, place) in places.iter().enumerate() {
        let found = machine.peek32(place.at).unwrap();
        if found == seed(index) {
            continue;
        }
        seen = match seen {
            Seen::Nowhere if found == !seed(index) => Seen::At(place.name),
            before => Seen::Odd(format!("{before:?}, and {} holds {found:#x}", place.name)),
        };
    }
    seen
}

/// Whether a DMA of `device` to `iova` reads and writes the word at `at`.
pub(crate) fn lands(machine: &dyn Machine, device: usize, iova: u64, at: PhysAddr) -> bool {
    match dma(machine, device, iova, &[Place { name: "there", at }]) {
        Seen::At(_) => true,
        Seen::Nowhere => false,
        Seen::Odd(what) => panic!("DMA to {iova:#x}: {what}"),
    }
}
