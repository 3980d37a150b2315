//! What an interpreter must know of the SMMU's caches. What they permit is the model's to say ([`crate::permitted`]).

use std::collections::BTreeSet;

/// What may be cached although it should not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stale {
    /// An invalidation was wrong: freed tables may still be walked.
    translations: bool,
    /// Spaces of which leaves larger than 4 KiB were invalidated by commands without a range: nothing of them is stale,
    /// but for QEMU (see [`crate::excuse::QEMU`]).
    single: BTreeSet<usize>,
}

impl Stale {
    /// Something was unmapped and not all of it invalidated.
    pub(crate) const fn unmap(&mut self) {
        self.translations = true;
    }

    /// A leaf of a stage-1 space, larger than 4 KiB, was invalidated by a command without a range.
    pub(crate) fn single(&mut self, space: usize) {
        self.single.insert(space);
    }

    /// Whether such a command was the last word on a space.
    pub(crate) fn was_single(&self, space: usize) -> bool {
        self.single.contains(&space)
    }

    /// All translations were invalidated.
    pub(crate) fn drop_translations(&mut self) {
        self.translations = false;
        self.single.clear();
    }

    /// Whether freed tables may still be walked.
    pub(crate) const fn has_translations(&self) -> bool {
        self.translations
    }
}
