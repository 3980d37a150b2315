//! Leaves of two-level CD tables in memory, and what comes back against receipts (IHI 0070 5.3).

use super::shape::CD_BYTES;
use super::users::Receipts;
use super::word::Level1Cd;
use super::{CdLeaf, TableError};
use crate::cd::Cd;
use smmu_regs::addr::{AddressSize, PhysAddr};
use smmu_regs::platform::{Dword, Memory};
use smmu_regs::receipt::{Detached, MAX_INSTANCES, Ticket};

/// What hardware may hold, against the receipts of every SMMU.
pub(super) fn open<T>(
    detached: Detached<T>,
    tickets: &[Option<Ticket>; MAX_INSTANCES],
    receipts: &Receipts,
) -> Result<T, TableError> {
    let pairs = || tickets.iter().flatten().zip(receipts.iter().flatten());
    let Some((ticket, receipt)) = pairs().next() else { return Err(TableError::NoStream) };
    let (mut all, mut done) = ([*ticket; MAX_INSTANCES], [*receipt; MAX_INSTANCES]);
    for ((ticket, receipt), (all, done)) in pairs().zip(all.iter_mut().zip(&mut done)) {
        (*all, *done) = (*ticket, *receipt);
    }
    let quarantine = detached.after(&all).map_err(|_| TableError::Lost(*ticket))?;
    quarantine.open(&done).map_err(|shut| TableError::Lost(shut.tickets().next().unwrap_or(*ticket)))
}

pub(super) fn entry(base: PhysAddr, index: u64, bytes: u64) -> PhysAddr {
    PhysAddr::new(base.get().wrapping_add(index.wrapping_mul(bytes)))
}

pub(super) fn words_of<M: Memory>(memory: &M, base: PhysAddr, bytes: u64) -> Result<&[Dword], TableError> {
    Ok(memory.words(base, usize::try_from(bytes / 8).unwrap_or(usize::MAX))?)
}

/// The leaf that a descriptor leads to; one that this table could not have written is an error.
pub(super) fn read_level1<M: Memory>(
    memory: &M,
    at: PhysAddr,
    leaf: CdLeaf,
) -> Result<Option<PhysAddr>, TableError> {
    let descriptor = memory.words(at, 1)?.first().map_or(0, |word| word.load());
    let decoded = Level1Cd::decode(descriptor);
    if decoded.encode(leaf, AddressSize::Bits56) != Ok(descriptor) {
        return Err(TableError::Level1 { descriptor });
    }
    Ok(match decoded {
        Level1Cd::Absent => None,
        Level1Cd::Leaf(base) => Some(base),
    })
}

/// One store; the barrier is the caller's or that of the doorbell.
pub(super) fn store_level1<M: Memory>(memory: &M, at: PhysAddr, value: u64) -> Result<(), TableError> {
    if let Some(word) = memory.words(at, 1)?.first() {
        word.store(value);
    }
    memory.clean(at, 1);
    memory.publish();
    Ok(())
}

pub(super) fn write<M: Memory>(memory: &M, at: PhysAddr, cd: &Cd) -> Result<(), TableError> {
    for (word, value) in memory.words(at, Cd::WORDS)?.iter().zip(cd.words()) {
        word.store(value);
    }
    memory.clean(at, Cd::WORDS);
    Ok(())
}

/// A leaf of invalid CDs but for one, visible to the SMMU before the descriptor that leads to it.
pub(super) fn publish_leaf<M: Memory>(
    memory: &M,
    descriptor: PhysAddr,
    (leaf, oas): (CdLeaf, AddressSize),
    number: u64,
    cd: &Cd,
) -> Result<(), TableError> {
    let pages = memory.allocate(leaf.bytes(), leaf.bytes())?;
    let base = pages.base();
    let filled = Level1Cd::Leaf(base).encode(leaf, oas).and_then(|value| {
        memory.clean(base, pages.words());
        write(memory, entry(base, number, CD_BYTES), cd)?;
        Ok(value)
    });
    match filled {
        Ok(value) => {
            memory.publish();
            // From here on the descriptor is the record of who owns the pages.
            store_level1(memory, descriptor, value)
        }
        Err(error) => {
            memory.free(pages);
            Err(error)
        }
    }
}
