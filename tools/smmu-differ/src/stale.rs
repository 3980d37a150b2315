//! What may be stale in the SMMU's caches after an operation that was wrong on purpose.

use std::collections::BTreeSet;

/// What may be stale.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stale {
    /// Devices whose configuration in memory is not known to be the one that the SMMU uses.
    devices: BTreeSet<usize>,
    /// Translations of any tag.
    translations: bool,
    /// Guests' spaces of which leaves larger than 4 KiB were invalidated by commands without a range: nothing of them is
    /// stale, but for QEMU (see [`crate::excuse::QEMU`]).
    single: BTreeSet<usize>,
}

impl Stale {
    /// A device's entry was stored and not invalidated.
    pub(crate) fn store(&mut self, device: usize) {
        self.devices.insert(device);
    }

    /// Something was unmapped and not all of it invalidated.
    pub(crate) const fn unmap(&mut self) {
        self.translations = true;
    }

    /// A leaf of a guest's space, larger than 4 KiB, was invalidated by a command without a range.
    pub(crate) fn single(&mut self, space: usize) {
        self.single.insert(space);
    }

    /// Whether such a command was the last word on a space.
    pub(crate) fn was_single(&self, space: usize) -> bool {
        self.single.contains(&space)
    }

    /// A device's configuration was invalidated.
    pub(crate) fn drop_stream(&mut self, device: usize) {
        self.devices.remove(&device);
    }

    /// All configuration was.
    pub(crate) fn drop_configuration(&mut self) {
        self.devices.clear();
    }

    /// All translations were.
    pub(crate) fn drop_translations(&mut self) {
        self.translations = false;
        self.single.clear();
    }

    /// Whether a transaction of the device may meet anything stale.
    pub(crate) fn concerns(&self, device: usize) -> bool {
        self.translations || self.devices.contains(&device)
    }

    /// Whether freed tables may still be walked.
    pub(crate) const fn has_translations(&self) -> bool {
        self.translations
    }
}
