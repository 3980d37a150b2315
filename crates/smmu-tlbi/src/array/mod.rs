//! Invalidation arrays: everybody who must be told when a page table of one domain changes.
//!
//! A domain's translations may be cached by several SMMUs, under several tags, and by endpoints with ATS. Its array has a
//! sorted [`Entry`] for each, with a count of the attachments that need it. An unmap walks it once: per SMMU one batch and
//! one `CMD_SYNC` for TLBs, then for the stage-1 clear of nested guests, then for endpoints ([`Phase`]).
//!
//! * *attach*: [`InvalidationArray::merge`], then the STE or CD becomes visible;
//! * *unmap*: [`InvalidationArray::invalidate`], then [`Issued::open`] gives the freed tables back;
//! * *detach*: the STE or CD is gone, its endpoint's cache is invalidated, then [`InvalidationArray::unref`]; what has no
//!   user left is flushed at once ([`InvalidationArray::flush`]) and taken out ([`InvalidationArray::purge`]): only then
//!   may its ASID or VMID be given to somebody else.
//!
//! The pure part ([`InstanceEntries`], [`InstancePlan`]) gives commands; the rest sends them to queues ([`Smmus`]).
//!
//! ```
//! use smmu_regs::{Asid, InstanceId, StreamId, Vmid};
//! use smmu_tlbi::array::{InvalidationArray, Key};
//! use smmu_tlbi::Tag;
//!
//! let tag = Tag::Stage1 { vmid: Vmid::new(0), asid: Asid::new(7) };
//! let streams = [StreamId::new(0x100)]; // ATS is on
//! let mut array = InvalidationArray::<16>::new();
//! let device: Vec<Key> = Key::of_device(InstanceId::new(0), tag, &streams, None).collect();
//! array.merge(&device)?;
//! array.merge(&device)?;
//! array.unref(&device, |_| unreachable!("still in use"))?;
//! assert!(array.entries().iter().all(|entry| entry.users == 1));
//! # Ok::<(), smmu_tlbi::array::ArrayError>(())
//! ```

mod entry;
mod issue;
mod plan;
pub mod slice;

pub use entry::{Entry, Key, Phase, Target};
pub use issue::{Done, IssueError, Issued, Smmus};
pub use plan::{InstanceEntries, InstancePlan};
pub use slice::ArrayError;

use core::fmt;
use smmu_regs::InstanceId;

/// What lies behind the entries; never seen.
const NONE: Entry = Entry { key: Key { instance: InstanceId::new(0), target: Target::El2 }, users: 0 };

/// The invalidation array of a domain, for up to `N` entries.
#[derive(Clone)]
pub struct InvalidationArray<const N: usize> {
    entries: [Entry; N],
    len: usize,
}

impl<const N: usize> InvalidationArray<N> {
    /// Without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: [NONE; N], len: 0 }
    }

    /// All entries, sorted: those of an SMMU side by side, in the order of issue. Some may have no users.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        self.entries.get(..self.len).unwrap_or(&self.entries)
    }

    fn entries_mut(&mut self) -> &mut [Entry] {
        let end = self.len.min(N);
        self.entries.get_mut(..end).unwrap_or_default()
    }

    /// Entries that somebody uses, in order.
    pub fn in_use(&self) -> impl Iterator<Item = &Entry> {
        self.entries().iter().filter(|entry| entry.users != 0)
    }

    /// Entries SMMU by SMMU.
    pub fn instances(&self) -> impl Iterator<Item = InstanceEntries<'_>> {
        plan::instances(self.entries())
    }

    /// Whether there are no entries, not even such without users.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives each key of `add` one user more. `add` is sorted and has no duplicates.
    ///
    /// Call it before the STE or CD that uses these tags becomes visible, so that no invalidation can miss it.
    ///
    /// # Errors
    /// See [`ArrayError`]; nothing has changed then.
    pub fn merge(&mut self, add: &[Key]) -> Result<(), ArrayError> {
        self.len = slice::merge(&mut self.entries, self.len, add)?;
        Ok(())
    }

    /// Takes one user from each key of `leave`, which is sorted and has no duplicates. `last` is told each key that has no
    /// user left.
    ///
    /// Call it when no STE or CD uses these tags any longer and endpoints' caches have been invalidated. An entry without
    /// users is skipped by [`InvalidationArray::invalidate`], so TLBs may hold stale translations of its tag: it stays in
    /// the array, and cannot be merged again, until it is flushed and purged.
    ///
    /// # Errors
    /// A key that is not in use, or `leave` is not sorted; nothing has changed then.
    pub fn unref(&mut self, leave: &[Key], last: impl FnMut(Key)) -> Result<(), ArrayError> {
        slice::unref(self.entries_mut(), leave, last)
    }

    /// Takes out the entries without users, in order, and tells `freed` of each.
    ///
    /// Their tags must have been flushed, on their SMMUs ([`InvalidationArray::flush`]).
    pub fn purge(&mut self, freed: impl FnMut(Key)) {
        self.len = slice::purge(self.entries_mut(), freed);
    }
}

impl<const N: usize> Default for InvalidationArray<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for InvalidationArray<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}
