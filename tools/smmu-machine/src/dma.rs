//! DMA, and where it went: each place holds a seed of its own, so what changed tells where an access landed.

use crate::{Landing, Machine, MachineError};
use smmu_regs::PhysAddr;
use std::fmt;

/// A 32-bit word of memory that a DMA may hit.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// What it is, for a person.
    pub name: &'static str,
    /// Its address, 4-byte aligned.
    pub at: PhysAddr,
}

/// What a DMA did to the places that were watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Nowhere,
    /// Read and written there.
    At(&'static str),
    /// Something else, which is never right.
    Odd(String),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("the DMA went nowhere"),
            Self::At(name) => write!(f, "the DMA reached {name}"),
            Self::Odd(what) => write!(f, "the DMA went astray: {what}"),
        }
    }
}

/// Lets `device` invert the word at `iova`, and says which of `places` it was. On a machine that knows what else could
/// have happened ([`Machine::permitted`]), nothing else may have: any doubt is [`Seen::Odd`].
///
/// # Errors
/// There is no such device, a place is not RAM, or the machine has failed.
pub fn dma(machine: &dyn Machine, device: usize, iova: u64, places: &[Place]) -> Result<Seen, MachineError> {
    let mut outcomes = outcomes(machine, device, iova, places)?;
    Ok(match outcomes.len() {
        1 => outcomes.remove(0),
        _ => Seen::Odd(format!("any of {outcomes:?}")),
    })
}

/// Lets `device` invert the word at `iova`, and says all that may have happened as far as the machine knows: where its
/// read or its write may go, each by itself. A read whose write goes nowhere does not show, here as on any machine.
///
/// # Errors
/// As [`dma`].
pub fn outcomes(
    machine: &dyn Machine,
    device: usize,
    iova: u64,
    places: &[Place],
) -> Result<Vec<Seen>, MachineError> {
    let mut landings = machine.permitted(device, iova, true)?.unwrap_or_default();
    if landings.iter().any(|landing| matches!(landing, Landing::At(_))) {
        landings.extend(machine.permitted(device, iova, false)?.unwrap_or_default());
    }
    let mut outcomes = Vec::new();
    for landing in landings {
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
    let seen = invert(machine, device, iova, places)?;
    // With several to choose from, the read and the write of this DMA may well differ.
    if outcomes.is_empty() || outcomes.len() == 1 && !outcomes.contains(&seen) {
        outcomes.push(seen);
    }
    Ok(outcomes)
}

/// What a DMA did.
fn invert(machine: &dyn Machine, device: usize, iova: u64, places: &[Place]) -> Result<Seen, MachineError> {
    let seed = |index: usize| 0x1357_0000_u32.wrapping_add(index as u32);
    for (index, place) in places.iter().enumerate() {
        machine.poke32(place.at, seed(index))?;
    }
    machine.dma_invert(device, iova)?;
    let mut seen = Seen::Nowhere;
    for (index, place) in places.iter().enumerate() {
        let found = machine.peek32(place.at)?;
        if found == seed(index) {
            continue;
        }
        seen = match seen {
            Seen::Nowhere if found == !seed(index) => Seen::At(place.name),
            before => Seen::Odd(format!("{before}, and {} holds {found:#x}", place.name)),
        };
    }
    Ok(seen)
}
