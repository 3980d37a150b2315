//! What memory was at the last barrier: until the next one, a store need not have reached it.

use crate::ram::GuestRam;
use smmu_regs::PhysAddr;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Blocks larger than this hold no structure of the SMMU's, but a device's data.
const LARGEST: u64 = 64 << 10;

/// Copies of all allocated blocks, as of the last barrier.
#[derive(Debug, Default)]
pub(crate) struct Settled(Mutex<BTreeMap<u64, Vec<u64>>>);

impl Settled {
    /// A barrier.
    pub(crate) fn settle(&self, ram: &GuestRam, blocks: &[(u64, u64)]) {
        let mut copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        copies.retain(|start, _| blocks.iter().any(|(other, _)| other == start));
        for (start, bytes) in blocks.iter().filter(|(_, bytes)| *bytes <= LARGEST) {
            let words = ram.words(PhysAddr::new(*start), (*bytes / 8) as usize).unwrap_or_default();
            let copy = copies.entry(*start).or_default();
            copy.clear();
            copy.extend(words.iter().map(|word| word.load()));
        }
    }

    /// The line at `pa`, if a copy holds it.
    pub(crate) fn line(&self, pa: u64) -> Option<[u64; 8]> {
        let copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, copy) = copies.range(..=pa).next_back()?;
        let first = usize::try_from((pa - start) / 8).ok()?;
        copy.get(first..first + 8)?.try_into().ok()
    }
}
