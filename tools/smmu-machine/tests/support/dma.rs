//! DMA, and where it went.

use smmu_machine::{Landing, Machine};
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

/// Lets `device` invert the word at `iova`, and says which of `places` it was; on a machine that knows what else could
/// have happened, that must be nothing.
pub(crate) fn dma(machine: &dyn Machine, device: usize, iova: u64, places: &[Place]) -> Seen {
    let mut outcomes = outcomes(machine, device, iova, places);
    match outcomes.len() {
        1 => outcomes.remove(0),
        _ => Seen::Odd(format!("any of {outcomes:?}")),
    }
}

/// Lets `device` invert the word at `iova`, and says all that may have happened as far as the machine knows: where its
/// read or its write may go.
pub(crate) fn outcomes(machine: &dyn Machine, device: usize, iova: u64, places: &[Place]) -> Vec<Seen> {
    let mut outcomes = Vec::new();
    for write in [false, true] {
        for landing in machine.permitted(device, iova, write).unwrap().unwrap_or_default() {
            let seen = match landing {
                Landing::Terminated { .. } => Seen::Nowhere,
                Landing::At(pa) => match places.iter().find(|place| place.at.get() == pa.get() & !3) {
                    Some(place) => Seen::At(place.name),
                    None => Seen::Odd(format!("at {:#x}", pa.get())),
                },
            };
            if !outcomes.contains(&seen) {
                outcomes.push(seen);
            }
        }
    }
    // With several to choose from, a read and a write of the same DMA may well differ.
    let seen = invert(machine, device, iova, places);
    if outcomes.is_empty() || outcomes.len() == 1 && !outcomes.contains(&seen) {
        outcomes.push(seen);
    }
    outcomes
}

fn invert(machine: &dyn Machine, device: usize, iova: u64, places: &[Place]) -> Seen {
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
