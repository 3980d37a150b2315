//! What an STE says beside whose tables translate: attributes, ATS details, partitions, rare features of stage 2.
//!
//! Every default is the architecture's plain behaviour, so that [`SteConfig::encode`](super::SteConfig::encode) needs none of
//! this. What is asked for and could have no effect, because the SMMU lacks it or the configuration ignores it, is an error.

use super::attributes::AttributeOverrides;
use crate::mpam::Mpam;
use smmu_regs::addr::PhysAddr;

/// Options of an STE, for [`SteConfig::encode_with`](super::SteConfig::encode_with).
///
/// ```
/// use smmu_regs::caps::{Caps, Hints, IdRegisters};
/// use smmu_ste::SteConfig;
/// use smmu_ste::ste::{AttributeOverrides, MemoryType, SteOptions};
///
/// let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
/// let attributes = AttributeOverrides { memory_type: Some(MemoryType::WRITE_BACK), ..Default::default() };
/// let options = SteOptions { attributes, ..SteOptions::default() };
/// let ste = SteConfig::Bypass.encode_with(&caps, &options)?;
/// assert_eq!(ste.to_string(), "bypass: V=1 CONFIG=4 MEMATTR=0xf MTCFG=1 SHCFG=1");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SteOptions {
    /// Attributes of transactions.
    pub attributes: AttributeOverrides,
    /// Events of this stream may be merged (`MEV`). `None`: only those of a guest's stage 1, which must not flood the host.
    pub merge_events: Option<bool>,
    /// Destructive reads and invalidations of caches without a clean are let through (`DRE`, SMMUv3.1). They can make stale
    /// data visible: only for a device that is trusted.
    pub destructive_reads: bool,
    /// Prefetches into chosen caches are let through (`DCP`, SMMUv3.1).
    pub directed_prefetch: bool,
    /// The SMMU's own answer to a page request that the full PRI queue cannot take carries the PASID (`PPAR`).
    pub pasid_in_auto_response: bool,
    /// Partition and group of the stream's own accesses, and of its transactions unless `Stage1Options::partition` says
    /// otherwise (`PARTID`, `PMG`).
    pub mpam: Option<Mpam>,
    /// Of stage 1.
    pub stage1: Stage1Options,
    /// Of stage 2.
    pub stage2: Stage2Options,
}

/// Options of stage 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Stage1Options {
    /// CDs may use permission indirection (`S1PIE`).
    pub permission_indirection: bool,
    /// Whose partition transactions have.
    pub partition: PartitionOf,
}

/// Whose PARTID and PMG a translated transaction has (`S1MPAM`, `VMSPtr`; 17.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PartitionOf {
    /// The STE's.
    #[default]
    Ste,
    /// The CD's; for stage 1 alone.
    Cd,
    /// The CD's, its PARTID mapped by the VMS at this address; for a guest's stage 1. All STEs of a VMID must name the same
    /// VMS (5.6).
    CdThroughVms(PhysAddr),
}

/// Options of stage 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Stage2Options {
    /// The tables are big-endian (`S2ENDI`).
    pub big_endian: bool,
    /// A clear Access flag is taken as set (`S2AFFD`). Ignored where the SMMU sets it, and an error there.
    pub ignore_access_flag: bool,
    /// Descriptor bits 59 to 62 have their IMPLEMENTATION DEFINED meaning (`S2HWU59` to `S2HWU62`).
    pub hardware_bits: [bool; 4],
    /// Permissions are indirect (`S2PIE`).
    pub permission_indirection: bool,
    /// Permission overlays by `POIndex` (`S2POE`, `S2POI`); need `permission_indirection` and exclude `hardware_bits`.
    pub overlays: Option<[Overlay; 16]>,
    /// Stage-1 tables and CDs must lie in memory marked AssuredOnly (`AssuredOnly`).
    pub assured_only: bool,
    /// Check of TopLevel 0 (`TL0`).
    pub top_level_0: bool,
    /// Check of TopLevel 1 (`TL1`).
    pub top_level_1: bool,
}

/// Which translated addresses the Device Permission Table lets an endpoint use, besides those of its own VMID
/// (`DPT_VMATCH`; 3.24.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum DptMatch {
    /// Entries with access control 2 only.
    #[default]
    Restricted = 0,
    /// Entries with access control 1 or 2.
    Shared = 1,
    /// All: VMIDs need not match.
    Any = 2,
}

/// What an overlay leaves of a permission (`S2POI`). The names are the architecture's: R, W, X for privileged (pX) and
/// unprivileged (uX); MRO is "mostly read-only".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
#[allow(missing_docs)] // the names say it
pub enum Overlay {
    #[default]
    NoAccess = 0,
    MostlyReadOnly = 2,
    MostlyReadOnlyTl1 = 3,
    WriteOnly = 4,
    MostlyReadOnlyTl0 = 6,
    MostlyReadOnlyTl01 = 7,
    ReadOnly = 8,
    ReadOnlyUx = 9,
    ReadOnlyPx = 10,
    ReadOnlyPux = 11,
    ReadWrite = 12,
    ReadWriteUx = 13,
    ReadWritePx = 14,
    ReadWritePux = 15,
}

impl Overlay {
    /// All, by ascending code.
    pub const ALL: [Self; 14] = [
        Self::NoAccess,
        Self::MostlyReadOnly,
        Self::MostlyReadOnlyTl1,
        Self::WriteOnly,
        Self::MostlyReadOnlyTl0,
        Self::MostlyReadOnlyTl01,
        Self::ReadOnly,
        Self::ReadOnlyUx,
        Self::ReadOnlyPx,
        Self::ReadOnlyPux,
        Self::ReadWrite,
        Self::ReadWriteUx,
        Self::ReadWritePx,
        Self::ReadWritePux,
    ];

    /// The overlay with this code; 1 and 5 are reserved.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|overlay| *overlay as u8 == code)
    }
}
