//! Which TLB entries each TLB invalidation command must remove (IHI 0070 4.4). Nothing else is removed.

use crate::geometry::Granule;
use crate::tlb::{Place, Tag, Tlb, World};

/// Addresses named by an address-based command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// First address.
    pub(crate) base: u64,
    /// Length of a range operation; `None` without one: the entry that holds `base`.
    pub(crate) bytes: Option<u128>,
    /// Only entries of this granule.
    pub(crate) granule: Option<Granule>,
    /// TTL hint: only leaf entries of this level (0: any), and table entries of the levels above it.
    pub(crate) level: i32,
    /// Last level only: table entries stay.
    pub(crate) leaf: bool,
}

impl Span {
    /// TG=0: one address, entries of any granule and level.
    pub(crate) fn single(base: u64, leaf: bool) -> Self {
        Self { base, bytes: None, granule: None, level: 0, leaf }
    }

    /// Whether the span covers a contiguous group as far as it must.
    fn hits_group(&self, group: Group, rules: &Rules) -> bool {
        match group {
            Some((start, log2)) if rules.whole_groups => {
                let end = u128::from(self.base) + self.bytes.unwrap_or(1);
                self.base <= start && u128::from(start) + (1 << log2) <= end
            }
            _ => true,
        }
    }

    /// Whether the span meets the 2^`log2` bytes at `start`. A range that begins in the lower half of the address space
    /// need not reach the upper half, and none wraps (4.4.1.1).
    fn meets(&self, start: u64, log2: u32) -> bool {
        let start = u128::from(start);
        let base = u128::from(self.base);
        let limit = if self.base >> 55 == 0 { 1 << 56 } else { 1 << 64 };
        let end = (base + self.bytes.unwrap_or(1)).min(limit);
        start < end && base < start + (1 << log2)
    }

    /// Whether a last-level entry is in the scope of the command.
    fn hits_leaf(&self, place: &Place) -> bool {
        self.granule.is_none_or(|g| g == place.granule)
            && (self.level == 0 || self.level == place.level)
            && self.meets(place.base, place.log2)
    }

    /// Whether a table entry is in the scope of the command.
    fn hits_table(&self, place: &Place) -> bool {
        !self.leaf
            && self.granule.is_none_or(|g| g == place.granule)
            && (self.level == 0 || place.level < self.level)
            && self.meets(place.base, place.log2)
    }
}

/// A TLB invalidation of the Non-secure state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tlbi {
    /// All stage 1 EL1 entries of a VMID, global ones too.
    NhAll { vmid: u16 },
    /// Non-global EL1 entries of an ASID and VMID.
    NhAsid { vmid: u16, asid: u16 },
    /// EL1 entries by VA and VMID; of one ASID and the global ones, or of any ASID (VAA).
    NhVa { vmid: u16, asid: Option<u16>, span: Span },
    /// All EL2 and EL2-E2H entries.
    El2All,
    /// Non-global EL2-E2H entries of an ASID.
    El2Asid { asid: u16 },
    /// EL2 or EL2-E2H entries by VA, as CR2.E2H says.
    El2Va { asid: Option<u16>, span: Span },
    /// All entries of a VMID, at all stages.
    S12VmAll { vmid: u16 },
    /// Stage 2 entries by VMID and IPA; not combined ones (4.4.3.1).
    S2Ipa { vmid: u16, span: Span },
    /// All EL1 entries at all stages.
    NsnhAll,
}

/// Registers that decide how commands match.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Stage 2 is implemented: VMIDs are matched (4.4.2).
    pub(crate) s2p: bool,
    /// VMID bits that must match (CR0.VMW, 3.17.6).
    pub(crate) vmid_mask: u16,
    /// CR2.E2H.
    pub(crate) e2h: bool,
    /// Contiguous translations stay unless one command covers their whole group (an erratum of some TLBs).
    pub(crate) whole_groups: bool,
}

/// Addresses of a contiguous group: the first, and log2 of the size.
pub(crate) type Group = Option<(u64, u32)>;

impl Rules {
    fn vmid(&self, entry: u16, command: u16) -> bool {
        !self.s2p || (entry ^ command) & self.vmid_mask == 0
    }

    fn el1(&self, tag: &Tag, vmid: u16) -> bool {
        tag.world == World::El1 && self.vmid(tag.vmid, vmid)
    }

    fn hyp_world(&self) -> World {
        if self.e2h { World::El2E2h } else { World::El2 }
    }

    /// ASID matching of by-VA commands: VAA and EL2 ignore it, global entries match any (4.4.2.4).
    fn asid(tag: &Tag, asid: Option<u16>) -> bool {
        match (tag.world, asid, tag.asid) {
            (World::El2, ..) | (_, None, _) | (_, _, None) => true,
            (_, Some(want), Some(have)) => want == have,
        }
    }

    /// Whether the tag alone puts a VA entry in the scope of the command.
    fn tag(&self, tlbi: &Tlbi, tag: &Tag) -> bool {
        match *tlbi {
            Tlbi::NhAll { vmid } | Tlbi::S12VmAll { vmid } => self.el1(tag, vmid),
            Tlbi::NhAsid { vmid, asid } => self.el1(tag, vmid) && tag.asid == Some(asid),
            Tlbi::NhVa { vmid, asid, .. } => self.el1(tag, vmid) && Self::asid(tag, asid),
            Tlbi::El2All => tag.world != World::El1,
            Tlbi::El2Asid { asid } => tag.world == World::El2E2h && tag.asid == Some(asid),
            Tlbi::El2Va { asid, .. } => tag.world == self.hyp_world() && Self::asid(tag, asid),
            Tlbi::NsnhAll => tag.world == World::El1,
            Tlbi::S2Ipa { .. } => false,
        }
    }
}

impl Tlbi {
    /// The addresses of a command by VA.
    fn va_span(&self) -> Option<&Span> {
        match self {
            Self::NhVa { span, .. } | Self::El2Va { span, .. } => Some(span),
            _ => None,
        }
    }
}

impl Rules {
    /// Whether a translation by VA goes: a stage 1 leaf of 2^`log2` bytes at `base`, alone or combined with stage 2.
    pub(crate) fn drops_leaf(&self, tlbi: &Tlbi, tag: &Tag, place: &Place, group: Group) -> bool {
        let hits = |span: &Span| span.hits_leaf(place) && span.hits_group(group, self);
        self.tag(tlbi, tag) && tlbi.va_span().is_none_or(hits)
    }

    /// Whether a stage 1 walk step goes.
    pub(crate) fn drops_table(&self, tlbi: &Tlbi, tag: &Tag, place: &Place) -> bool {
        self.tag(tlbi, tag) && tlbi.va_span().is_none_or(|span| span.hits_table(place))
    }

    /// Whether a stage 2 translation goes.
    pub(crate) fn drops_stage2_leaf(&self, tlbi: &Tlbi, vmid: u16, place: &Place, group: Group) -> bool {
        self.stage2(tlbi, vmid, |span| span.hits_leaf(place) && span.hits_group(group, self))
    }

    /// Whether a stage 2 walk step goes.
    pub(crate) fn drops_stage2_table(&self, tlbi: &Tlbi, vmid: u16, place: &Place) -> bool {
        self.stage2(tlbi, vmid, |span| span.hits_table(place))
    }

    fn stage2(&self, tlbi: &Tlbi, vmid: u16, hits: impl Fn(&Span) -> bool) -> bool {
        match tlbi {
            Tlbi::NsnhAll => true,
            Tlbi::S12VmAll { vmid: named } => self.vmid(vmid, *named),
            Tlbi::S2Ipa { vmid: named, span } => self.vmid(vmid, *named) && hits(span),
            _ => false,
        }
    }
}

impl Tlb {
    /// Removes what `tlbi` must remove.
    pub(crate) fn invalidate(&mut self, tlbi: &Tlbi, rules: &Rules) {
        self.leaves.retain(|e| !rules.drops_leaf(tlbi, &e.tag, &e.leaf, None));
        self.tables.retain(|e| !rules.drops_table(tlbi, &e.tag, &e.place));
        self.stage2_leaves.retain(|e| !rules.drops_stage2_leaf(tlbi, e.vmid, &e.place, None));
        self.stage2_tables.retain(|e| !rules.drops_stage2_table(tlbi, e.vmid, &e.place));
    }
}
