//! What an unmap leaves behind: addresses that TLBs may still hold, and tables that walkers may still read.
//!
//! # Why a detached table keeps its entries
//! A walker may have cached the descriptor that pointed to the table, so until that is invalidated it may go on reading
//! it. What it finds there is what it could have cached before: old leaves, old table descriptors whose tables are
//! detached too, and in word 0 the link of the list of freed tables. The link has bit 0 clear, so it is an invalid
//! descriptor, all of whose other bits belong to software (D8.3.1.3). Nothing in the table is reused, and no table that
//! it points to either, before [`Detached`] has been through invalidation and receipts. A late hardware update of the
//! access flag or dirty state compares the whole descriptor before it writes, so it cannot damage a link.

use core::fmt;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Memory, MemoryError, Pages};
use smmu_regs::receipt::Detached;
use smmu_regs::vmsa::{Granule, IovaRange, LevelSet};

/// What TLBs have to forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Invalidation {
    /// Granule of the table.
    pub granule: Granule,
    /// All addresses that changed lie in here, and of every table descriptor that was removed at least one address that it
    /// translated.
    pub range: IovaRange,
    /// Levels from which leaves were removed.
    pub leaf_levels: LevelSet,
    /// Levels from which table descriptors were removed: not empty means that the last level alone is not enough.
    pub table_levels: LevelSet,
}

/// Collects what unmaps of one table leave behind.
///
/// It must end in [`Gather::finish`]. Dropping it leaks the freed tables and, worse, forgets what TLBs still hold.
#[derive(Debug)]
#[must_use = "finish it and invalidate what it says"]
pub struct Gather {
    owner: Option<(PhysAddr, Granule)>,
    range: Option<IovaRange>,
    leaf_levels: LevelSet,
    table_levels: LevelSet,
    freed: FreedTables,
}

impl Gather {
    /// An empty gather. It belongs to the first table that uses it.
    pub const fn new() -> Self {
        Self {
            owner: None,
            range: None,
            leaf_levels: LevelSet::EMPTY,
            table_levels: LevelSet::EMPTY,
            freed: FreedTables::EMPTY,
        }
    }

    /// All addresses gathered so far. A driver that unmaps far apart may want to finish one gather and begin another.
    #[must_use]
    pub const fn range(&self) -> Option<IovaRange> {
        self.range
    }

    /// Whether there is nothing to invalidate and nothing to free.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.range.is_none() && self.freed.tables == 0
    }

    /// What to invalidate, and the tables to give back after that; `None` if nothing was unmapped.
    #[must_use = "invalidate, then reclaim the tables"]
    pub fn finish(self) -> Option<(Invalidation, Detached<FreedTables>)> {
        let ((_, granule), range) = (self.owner?, self.range?);
        let Self { leaf_levels, table_levels, freed, .. } = self;
        Some((Invalidation { granule, range, leaf_levels, table_levels }, Detached::new(freed)))
    }

    /// Makes it `root`'s, or says whose it is.
    #[inline]
    pub(crate) fn belongs_to(&mut self, root: PhysAddr, granule: Granule) -> Result<(), PhysAddr> {
        match self.owner {
            Some((owner, _)) if owner != root => Err(owner),
            _ => {
                self.owner = Some((root, granule));
                Ok(())
            }
        }
    }

    /// Something changed in `start..=last`.
    #[inline]
    pub(crate) fn touch(&mut self, start: u64, last: u64) {
        if let Ok(range) = IovaRange::new(start, last) {
            self.range = Some(self.range.map_or(range, |whole| whole.hull(range)));
        }
    }

    /// Leaves of this level were removed somewhere in `start..=last`.
    #[inline]
    pub(crate) fn leaves(&mut self, level: LevelSet, start: u64, last: u64) {
        self.leaf_levels = self.leaf_levels.union(level);
        self.touch(start, last);
    }

    /// A table descriptor of this level was removed, and the table of `1 << log2` bytes at `address` with it.
    ///
    /// The range need not grow for it: a walk cache gives up a table descriptor when any address that it translates is
    /// invalidated (`R_LQLSD`, D8.17.6), so the leaves that were removed below it are enough. Where there were none, the caller
    /// has to [`Gather::touch`] an address.
    #[inline]
    pub(crate) fn table<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        level: LevelSet,
        (address, log2): (PhysAddr, u32),
    ) {
        self.table_levels = self.table_levels.union(level);
        self.freed.push(memory, address, log2);
    }
}

impl Default for Gather {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a link keeps log2 of the size of the table it leads to.
const SIZE_SHIFT: u32 = 58;

/// Tables that have been taken out of a tree: a list that runs through their first words.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "dropping this leaks the tables"]
pub struct FreedTables {
    /// Address of the first table, with log2 of its size in bits 63:58; 0 at the end. The word at that address is the
    /// same for the next one.
    head: u64,
    tables: u64,
    unreachable: u64,
}

impl FreedTables {
    pub(crate) const EMPTY: Self = Self { head: 0, tables: 0, unreachable: 0 };

    /// Number of tables.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.tables
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tables == 0
    }

    /// Table descriptors that were removed although they did not point to known memory: somebody wrote into the tables.
    #[must_use]
    pub const fn unreachable(&self) -> u64 {
        self.unreachable
    }

    #[inline]
    pub(crate) fn push<M: Memory + ?Sized>(&mut self, memory: &M, address: PhysAddr, log2: u32) {
        match memory.words(address, 1) {
            Ok([first]) => {
                first.store(self.head);
                self.head = address.get() | u64::from(log2).wrapping_shl(SIZE_SHIFT);
                self.tables = self.tables.wrapping_add(1);
            }
            _ => self.unreachable = self.unreachable.wrapping_add(1),
        }
    }

    /// Gives all tables back and says how many there were.
    ///
    /// # Errors
    /// The list leads out of known memory: somebody wrote into a freed table. What comes after is lost.
    pub fn reclaim<M: Memory + ?Sized>(self, memory: &M) -> Result<u64, ReclaimError> {
        let mut head = self.head;
        for given_back in 0..self.tables {
            let address = PhysAddr::new(head & 1u64.wrapping_shl(SIZE_SHIFT).wrapping_sub(1));
            let damaged =
                |cause| ReclaimError { given_back, lost: self.tables.wrapping_sub(given_back), cause };
            let words = memory.words(address, 1).map_err(damaged)?;
            let [first] = words else { return Err(damaged(MemoryError { address, words: 1 })) };
            let next = first.load();
            memory.free(Pages::from_raw(address, 1u64.wrapping_shl(head.wrapping_shr(SIZE_SHIFT) as u32)));
            head = next;
        }
        Ok(self.tables)
    }
}

/// Freed tables that could not be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReclaimError {
    /// Tables that were given back.
    pub given_back: u64,
    /// Tables that are lost.
    pub lost: u64,
    /// Where the list led.
    pub cause: MemoryError,
}

impl fmt::Display for ReclaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given_back, lost, cause } = self;
        write!(f, "list of freed tables is damaged, {lost} lost after {given_back}: {cause}")
    }
}

impl core::error::Error for ReclaimError {}
