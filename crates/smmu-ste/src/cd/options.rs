//! What a CD says beside its tables and tags: rules of access, of descriptors, of faults.
//!
//! Every default is the architecture's plain behaviour, so that [`CdConfig::encode`](super::CdConfig::encode) needs none of
//! this. What is asked for and could have no effect is an error.

use crate::mpam::Mpam;

/// Options of a CD, for [`CdConfig::encode_with`](super::CdConfig::encode_with).
///
/// ```
/// use smmu_ste::cd::{CdOptions, HalfOptions};
///
/// // Addresses with a tag in their top byte, as a process has them that shares its tables.
/// let lower = HalfOptions { top_byte_ignored: true, ..HalfOptions::default() };
/// let options = CdOptions { lower, privileged_access_never: true, ..CdOptions::default() };
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CdOptions {
    /// In which worlds the CD is used.
    pub world: CdWorld,
    /// Secure streams reach it. It is made with the capabilities of that state
    /// ([`Security::caps`](crate::ste::Security::caps)).
    pub secure: bool,
    /// Of addresses translated by TTB0.
    pub lower: HalfOptions,
    /// Of addresses translated by TTB1.
    pub upper: HalfOptions,
    /// The tables are big-endian (`ENDI`).
    pub big_endian: bool,
    /// A clear Access flag is taken as set (`AFFD`). Ignored where the SMMU sets it, and an error there.
    pub ignore_access_flag: bool,
    /// What can be written cannot be executed (`WXN`).
    pub write_execute_never: bool,
    /// Privileged data accesses to what applications may access fault (`PAN`).
    pub privileged_access_never: bool,
    /// `PAN` also where applications may only execute (`EPAN`).
    pub enhanced_pan: bool,
    /// How a transaction ends that faults.
    pub termination: Termination,
    /// Auxiliary attributes, IMPLEMENTATION DEFINED (`AMAIR`). 0 without knowledge of the implementation.
    pub amair: u64,
    /// Attributes are indexed by four bits (`AIE`).
    pub attribute_index_extension: bool,
    /// The Protected attribute of descriptors (`PnCH`).
    pub protected_attribute: bool,
    /// Permissions by index (`PIE`, `PIIU`, `PIIP`). The STE must allow it (`S1PIE`), else it is ignored.
    pub permission_indirection: Option<PermissionIndirection>,
    /// Partition and group of transactions (`PARTID`, `PMG`). The STE must say so (`S1MPAM`), else it is ignored.
    pub mpam: Option<Mpam>,
}

/// In which translation regimes a CD is used: all STEs that lead to it must have the same world (5.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CdWorld {
    /// EL1 or EL2-E2H: two halves, ASIDs, unprivileged accesses.
    #[default]
    TwoHalves,
    /// EL2 without E2H: TTB0 alone. The ASID is ignored.
    OneHalf,
}

/// Options of one half of the address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct HalfOptions {
    /// Bits 63:56 of addresses are ignored (`TBIx`).
    pub top_byte_ignored: bool,
    /// Permissions of table descriptors are ignored (`HADx`).
    pub hierarchy_disabled: bool,
    /// Unprivileged accesses fault (`E0PDx`).
    pub unprivileged_faults: bool,
    /// The first table lies in Non-secure memory (`NSCFGx`); of Secure streams.
    pub nonsecure_walk: bool,
    /// Descriptor bits 59 to 62 have their IMPLEMENTATION DEFINED meaning (`HWUx59` to `HWUx62`); needs
    /// `hierarchy_disabled`.
    pub hardware_bits: [bool; 4],
}

impl HalfOptions {
    pub(super) const fn hardware(&self) -> bool {
        let [a, b, c, d] = self.hardware_bits;
        a || b || c || d
    }
}

/// How a transaction ends that is terminated (`A`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Termination {
    /// The device gets an abort.
    #[default]
    Abort,
    /// Reads give zeros, writes are ignored. Not on an SMMU with `IDR0.TERM_MODEL`.
    ZeroAndIgnore,
}

/// Permissions by the index in a descriptor (3.26.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PermissionIndirection {
    /// Of unprivileged accesses (`PIIU`); all [`BasePermission::None`] in a world with one half.
    pub unprivileged: [BasePermission; 16],
    /// Of privileged accesses (`PIIP`). What applications can write must not be executable here.
    pub privileged: [BasePermission; 16],
}

/// A permission by index: the code is that of `PIIU` and `PIIP`, which a PE's registers do not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum BasePermission {
    /// No access.
    #[default]
    None = 0,
    /// Read.
    Read = 1,
    /// Execute.
    Execute = 2,
    /// Read and execute.
    ReadExecute = 3,
    /// Read and write.
    ReadWrite = 5,
    /// Read, write and execute.
    ReadWriteExecute = 7,
}

impl BasePermission {
    /// All, by ascending code.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Read, Self::Execute, Self::ReadExecute, Self::ReadWrite, Self::ReadWriteExecute];

    pub(super) const fn executes(self) -> bool {
        self as u8 & 2 != 0
    }

    pub(super) const fn writes(self) -> bool {
        self as u8 & 4 != 0
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| *permission as u8 == code)
    }
}
