//! The TLB: four kinds of entries, each with the tags and sizes that invalidation commands match on.
//!
//! * leaf entries by VA, from stage 1 alone or from both stages combined (one entry then covers the smaller page);
//! * table entries by VA: where the next-level table is, an IPA under nesting (D8.14 "intermediate caching");
//! * stage 2 leaf entries and stage 2 table entries by IPA, also used for CD fetches and stage 1 walks.
//!
//! Entries stay until an invalidation removes them, or until [`LIMIT`] newer ones of their kind push them out.

use std::collections::VecDeque;

use crate::geometry::Granule;
use crate::perms::{Stage1Perms, Stage2Perms};

/// Entries of a kind that are kept.
pub(crate) const LIMIT: usize = 4096;

/// StreamWorld (IHI 0070 3.3.3) of the Non-secure state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum World {
    /// NS-EL1.
    El1,
    /// NS-EL2, without ASIDs, one VA range.
    El2,
    /// NS-EL2-E2H.
    El2E2h,
}

/// What tells address spaces apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) world: World,
    /// VMID in the EL1 world with stage 2 implemented, else 0.
    pub(crate) vmid: u16,
    /// ASID; `None` for global entries and for EL2.
    pub(crate) asid: Option<u16>,
    /// CD.ASET: global entries match only within their set (5.4).
    pub(crate) aset: bool,
    /// Made with stage 2 enabled. STE.Config may not be cached in a TLB (5.2.1), so it must be part of the match.
    pub(crate) nested: bool,
}

impl Tag {
    /// Whether entries of one may serve lookups of the other: their ASIDs alone may keep them apart.
    pub(crate) fn same_space(&self, other: &Self) -> bool {
        self.world == other.world && self.vmid == other.vmid && self.nested == other.nested
    }

    /// Whether entries of one may serve lookups of the other on some SMMU: also those of stage 1 alone and of both stages
    /// under one VMID, which software has to keep apart (3.17).
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        self.same_space(&Self { nested: self.nested, ..*other })
    }

    /// Whether an entry with this tag serves a lookup from `context`, whose ASID is its own.
    pub(crate) fn serves(&self, context: &Self) -> bool {
        let asid = match (self.world, self.asid) {
            (World::El2, _) => true,
            (_, None) => self.aset == context.aset,
            (_, Some(_)) => self.asid == context.asid,
        };
        self.same_space(context) && asid
    }
}

/// Where in its address space a descriptor is, as invalidations see it: the addresses it translates, its granule and
/// its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) granule: Granule,
    pub(crate) level: i32,
    pub(crate) base: u64,
    pub(crate) log2: u32,
}

impl Place {
    /// The place of the descriptor at `level` for `address`.
    pub(crate) fn around(granule: Granule, level: i32, address: u64) -> Self {
        let log2 = granule.level_shift(level);
        Self { granule, level, base: address & !((1 << log2) - 1), log2 }
    }

    /// Whether `address` is in it.
    fn holds(&self, address: u64) -> bool {
        holds(self.base, self.log2, address)
    }
}

/// Whether 2^`log2` bytes at `base` hold `address`.
pub(crate) fn holds(base: u64, log2: u32, address: u64) -> bool {
    log2 >= 64 || (base ^ address) >> log2 == 0
}

/// A translation by VA.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    pub(crate) tag: Tag,
    /// The whole stage 1 leaf: an invalidation anywhere in it removes the entry (DDI 0487 D8.17).
    pub(crate) leaf: Place,
    /// VA range that this entry translates.
    pub(crate) base: u64,
    pub(crate) log2: u32,
    /// Physical address of `base`.
    pub(crate) pa: u64,
    /// Intermediate physical address of `base`.
    pub(crate) ipa: u64,
    pub(crate) stage1: Stage1Perms,
    pub(crate) stage2: Option<Stage2Perms>,
}

/// A step of a stage 1 walk: the table that the descriptor at `place` points to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) tag: Tag,
    pub(crate) place: Place,
    /// Address of the next table (IPA when nested).
    pub(crate) next: u64,
    /// Hierarchical attributes gathered so far: bits 63:59 of table descriptors.
    pub(crate) hierarchy: u64,
}

/// A stage 2 translation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage2Leaf {
    pub(crate) vmid: u16,
    pub(crate) place: Place,
    /// Physical address of the start of the leaf.
    pub(crate) pa: u64,
    pub(crate) perms: Stage2Perms,
}

impl Stage2Leaf {
    /// Physical address of an IPA in the leaf.
    pub(crate) fn translate(&self, ipa: u64) -> u64 {
        self.pa + (ipa - self.place.base)
    }
}

/// A step of a stage 2 walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage2Table {
    pub(crate) vmid: u16,
    pub(crate) place: Place,
    pub(crate) next: u64,
}

/// All entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tlb {
    pub(crate) leaves: VecDeque<Leaf>,
    pub(crate) tables: VecDeque<Table>,
    pub(crate) stage2_leaves: VecDeque<Stage2Leaf>,
    pub(crate) stage2_tables: VecDeque<Stage2Table>,
}

fn push<T>(entries: &mut VecDeque<T>, entry: T) {
    if entries.len() >= LIMIT {
        entries.pop_front();
    }
    entries.push_back(entry);
}

impl Tlb {
    /// Translation of a VA.
    pub(crate) fn leaf(&self, context: &Tag, va: u64) -> Option<Leaf> {
        self.leaves.iter().find(|e| e.tag.serves(context) && holds(e.base, e.log2, va)).copied()
    }

    /// Deepest known table on the way to a VA.
    pub(crate) fn table(&self, context: &Tag, granule: Granule, va: u64) -> Option<Table> {
        self.tables
            .iter()
            .filter(|e| e.place.granule == granule && e.tag.serves(context) && e.place.holds(va))
            .max_by_key(|e| e.place.level)
            .copied()
    }

    /// Stage 2 translation of an IPA.
    pub(crate) fn stage2_leaf(&self, vmid: u16, ipa: u64) -> Option<Stage2Leaf> {
        self.stage2_leaves.iter().find(|e| e.vmid == vmid && e.place.holds(ipa)).copied()
    }

    /// Deepest known stage 2 table on the way to an IPA.
    pub(crate) fn stage2_table(&self, vmid: u16, granule: Granule, ipa: u64) -> Option<Stage2Table> {
        self.stage2_tables
            .iter()
            .filter(|e| e.vmid == vmid && e.place.granule == granule && e.place.holds(ipa))
            .max_by_key(|e| e.place.level)
            .copied()
    }

    /// Adds a translation.
    pub(crate) fn put_leaf(&mut self, entry: Leaf) {
        push(&mut self.leaves, entry);
    }

    /// Adds a walk step.
    pub(crate) fn put_table(&mut self, entry: Table) {
        push(&mut self.tables, entry);
    }

    /// Adds a stage 2 translation.
    pub(crate) fn put_stage2_leaf(&mut self, entry: Stage2Leaf) {
        push(&mut self.stage2_leaves, entry);
    }

    /// Adds a stage 2 walk step.
    pub(crate) fn put_stage2_table(&mut self, entry: Stage2Table) {
        push(&mut self.stage2_tables, entry);
    }

    /// Replaces a writable-clean translation: the entry that `context` hits at `va` goes away (DDI 0487 D8.5).
    pub(crate) fn forget_leaf(&mut self, context: &Tag, va: u64) {
        self.leaves.retain(|e| !(e.tag.serves(context) && holds(e.base, e.log2, va)));
    }

    /// As [`Tlb::forget_leaf`], for stage 2.
    pub(crate) fn forget_stage2_leaf(&mut self, vmid: u16, ipa: u64) {
        self.stage2_leaves.retain(|e| !(e.vmid == vmid && e.place.holds(ipa)));
    }
}
