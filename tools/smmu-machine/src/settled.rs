//! What memory was at the last barrier: until the next one, a store need not have reached it.

use crate::ram::GuestRam;
use smmu_regs::PhysAddr;
use smmu_regs::platform::Pages;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Blocks larger than this hold no structure of the SMMU's, but a device's data.
const LARGEST: u64 = 64 << 10;

/// Copies of all allocated blocks, as of the last barrier.
#[derive(Debug)]
pub(crate) struct Settled {
    copies: Mutex<BTreeMap<u64, Vec<u64>>>,
    before: Mutex<[u64; 8]>,
}

impl Settled {
    fn copies(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<u64>>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is allocated yet; what will be held `line`, again and again.
    pub(crate) fn new(line: [u64; 8]) -> Self {
        Self { copies: Mutex::default(), before: Mutex::new(line) }
    }

    /// What will be allocated from now on held `line`, again and again.
    pub(crate) fn set_before(&self, line: [u64; 8]) {
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = line;
    }

    /// A block is allocated: what it is now is a store like any other.
    pub(crate) fn add(&self, pages: &Pages) {
        if pages.bytes() <= LARGEST {
            let before = *self.before.lock().unwrap_or_else(PoisonError::into_inner);
            let copy = before.into_iter().cycle().take(pages.words()).collect();
            self.copies().insert(pages.base().get(), copy);
        }
    }

    /// A block is given back.
    pub(crate) fn remove(&self, pages: &Pages) {
        self.copies().remove(&pages.base().get());
    }

    /// A barrier.
    pub(crate) fn settle(&self, ram: &GuestRam) {
        for (start, copy) in self.copies().iter_mut() {
            let words = ram.words(PhysAddr::new(*start), copy.len()).unwrap_or_default();
            for (old, new) in copy.iter_mut().zip(words) {
                *old = new.load();
            }
        }
    }

    /// The line at `pa`, if a copy holds it.
    pub(crate) fn line(&self, pa: u64) -> Option<[u64; 8]> {
        let copies = self.copies();
        let (start, copy) = copies.range(..=pa).next_back()?;
        let first = usize::try_from((pa - start) / 8).ok()?;
        copy.get(first..first.checked_add(8)?)?.try_into().ok()
    }
}
