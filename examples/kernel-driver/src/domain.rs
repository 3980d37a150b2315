//! Domains: an address space of devices.

use alloc::vec::Vec;
use io_pgtable_lpae::PageTable;
use smmu_regs::{Asid, StreamId, Vmid};
use smmu_ste::CdTable;
use smmu_tlbi::Tag;

/// What a domain's page table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DomainKind {
    /// Stage 1.
    Stage1,
    /// Stage 2, also below a guest's stage 1.
    Stage2,
}

/// An address space: a page table, its tag, and the streams that use it.
#[derive(Debug)]
pub struct Domain {
    pub(crate) table: PageTable,
    pub(crate) space: Space,
    pub(crate) streams: Vec<StreamId>,
    /// A guest's stage 1 has been on top at some time: combined entries may be cached as long as the VMID lives.
    pub(crate) nesting: bool,
}

/// What belongs to a kind of domain.
#[derive(Debug)]
pub(crate) enum Space {
    /// A CD that all the domain's streams share, and its ASID.
    Stage1 { cds: CdTable, asid: Asid },
    /// A VMID.
    Stage2 { vmid: Vmid },
}

impl Domain {
    /// The page table.
    pub const fn table(&self) -> &PageTable {
        &self.table
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> DomainKind {
        match self.space {
            Space::Stage1 { .. } => DomainKind::Stage1,
            Space::Stage2 { .. } => DomainKind::Stage2,
        }
    }

    /// Whose translations its page table makes.
    #[must_use]
    pub fn tag(&self) -> Tag {
        match self.space {
            Space::Stage1 { asid, .. } => Tag::Stage1 { vmid: Vmid::new(0), asid },
            Space::Stage2 { vmid } if !self.nesting => Tag::Stage2 { vmid },
            Space::Stage2 { vmid } => Tag::NestingParent { vmid },
        }
    }

    /// The streams that use it.
    #[must_use]
    pub fn streams(&self) -> &[StreamId] {
        &self.streams
    }
}
