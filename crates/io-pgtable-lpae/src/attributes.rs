//! What a mapping allows and what kind of memory it is, and the descriptor bits that say so.

use crate::config::{Stage, TableConfig};
use crate::descriptor::{Leaf, Stage1Leaf, Stage2Leaf};
use core::fmt;
use smmu_regs::layout::Field;
use smmu_regs::vmsa::{HardwareUpdate, Shareability};

/// The `MAIR` of every stage-1 table: 0 Normal Non-cacheable, 1 Normal write-back, 2 Device-nGnRE, 3 Normal inner
/// Non-cacheable and outer write-back; the rest is 0 (Device-nGnRnE) and unused.
pub const MAIR: u64 = 0xf404_ff44;

/// The memory type of a mapping (D8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemoryType {
    /// Normal, inner and outer write-back: what coherent devices use.
    NormalCached,
    /// Normal, Non-cacheable.
    NormalUncached,
    /// Device-nGnRE: registers and doorbells.
    DevicenGnRE,
}

/// What a mapping allows and what kind of memory it is.
///
/// ```
/// use io_pgtable_lpae::{Attributes, MemoryType};
/// let buffer = Attributes::read_write(MemoryType::NormalCached);
/// let code = Attributes::read_only(MemoryType::NormalCached).with_execute(true);
/// assert!(buffer.write && !buffer.execute && code.execute);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Attributes {
    /// Reads are allowed.
    pub read: bool,
    /// Writes are allowed. Stage 1 cannot allow writes without reads.
    pub write: bool,
    /// Instruction fetches are allowed.
    pub execute: bool,
    /// Stage 1: only privileged transactions are allowed. Stage 2 does not tell them apart and ignores it.
    pub privileged: bool,
    /// Memory type.
    pub memory: MemoryType,
    /// Shareability; `None` takes Inner for write-back memory, else Outer (which is what the architecture makes of
    /// Non-cacheable and Device memory anyway, D8.6.2). Leaves of a table with `DS` have none: all of them have that of the
    /// table walks ([`TableConfig::walk`]), and `None` takes it.
    pub shareability: Option<Shareability>,
    /// Stage 1 of a Secure stream: the output is in the Non-secure address space.
    pub non_secure: bool,
}

/// `value` in place. Only ever called in constants, where a value too wide stops the build.
const fn code<S, T>(field: Field<S, T>, value: u64) -> u64 {
    let word = value.wrapping_shl(field.info().lsb);
    assert!(word & !field.mask() == 0);
    word
}

/// The bit of `field` if `set`.
#[inline(always)]
const fn flag<S>(field: Field<S, bool>, set: bool) -> u64 {
    if set { field.mask() } else { 0 }
}

impl Attributes {
    const fn new(memory: MemoryType, read: bool, write: bool) -> Self {
        Self { read, write, execute: false, privileged: false, memory, shareability: None, non_secure: false }
    }

    /// Data reads only, by anybody.
    #[must_use]
    pub const fn read_only(memory: MemoryType) -> Self {
        Self::new(memory, true, false)
    }

    /// Data writes only: possible at stage 2.
    #[must_use]
    pub const fn write_only(memory: MemoryType) -> Self {
        Self::new(memory, false, true)
    }

    /// Data reads and writes, by anybody.
    #[must_use]
    pub const fn read_write(memory: MemoryType) -> Self {
        Self::new(memory, true, true)
    }

    /// These attributes, with or without instruction fetches.
    #[must_use]
    pub const fn with_execute(mut self, execute: bool) -> Self {
        self.execute = execute;
        self
    }

    /// These attributes, for privileged transactions only or for all.
    #[must_use]
    pub const fn with_privileged(mut self, privileged: bool) -> Self {
        self.privileged = privileged;
        self
    }

    /// The bits of a leaf in a table of this configuration: everything but its output address and its type.
    ///
    /// "No execute" is `PXN` and `UXN` at stage 1. At stage 2 it is the strict `XN` = 0b10, which forbids instruction
    /// fetches at every privilege with and without `IDR3.XNX` (tables D8-77, D8-78); 0b11 would still let privileged
    /// ones through where `XNX` is implemented.
    ///
    /// # Errors
    /// Access that the stage cannot express.
    #[inline]
    pub fn bits(&self, config: &TableConfig) -> Result<u64, AttributeError> {
        if !self.read && !self.write {
            return Err(AttributeError::NoAccess);
        }
        let dirty = self.write && config.update() >= HardwareUpdate::Dirty;
        let bits = match config.stage() {
            Stage::Ttb0 | Stage::Ttb1 if !self.read => return Err(AttributeError::WriteOnlyAtStage1),
            Stage::Stage2 if self.non_secure => return Err(AttributeError::NonSecureAtStage2),
            Stage::Ttb0 | Stage::Ttb1 => self.stage1(dirty),
            Stage::Stage2 => self.stage2(dirty, config.fwb()),
        };
        if !config.ds() {
            return Ok(bits);
        }
        match (self.shareability, config.walk().shareability) {
            (Some(asked), walks) if asked != walks => {
                Err(AttributeError::ShareabilityWithDs { asked, walks })
            }
            _ => Ok(bits & !Stage1Leaf::SH.mask()),
        }
    }

    #[inline]
    fn shareability(&self) -> Shareability {
        match (self.shareability, self.memory) {
            (Some(shareability), _) => shareability,
            (None, MemoryType::NormalCached) => Shareability::Inner,
            (None, MemoryType::NormalUncached | MemoryType::DevicenGnRE) => Shareability::Outer,
        }
    }

    #[inline]
    fn stage1(&self, dirty: bool) -> u64 {
        type L = Stage1Leaf;
        let memory = match self.memory {
            MemoryType::NormalUncached => const { code(L::ATTRINDX, 0) },
            MemoryType::NormalCached => const { code(L::ATTRINDX, 1) },
            MemoryType::DevicenGnRE => const { code(L::ATTRINDX, 2) },
        };
        let shareability = match self.shareability() {
            Shareability::Non => const { code(L::SH, Shareability::Non as u64) },
            Shareability::Outer => const { code(L::SH, Shareability::Outer as u64) },
            Shareability::Inner => const { code(L::SH, Shareability::Inner as u64) },
        };
        memory
            | shareability
            | L::AF.mask()
            | L::NG.mask()
            | flag(L::NS, self.non_secure)
            | flag(L::AP_UNPRIV, !self.privileged)
            | flag(L::AP_RDONLY, !self.write)
            | flag(L::DBM, dirty)
            | flag(L::PXN, !self.execute)
            | flag(L::UXN, !self.execute)
    }

    #[inline]
    fn stage2(&self, dirty: bool, fwb: bool) -> u64 {
        type L = Stage2Leaf;
        let memory = match (self.memory, fwb) {
            (MemoryType::NormalUncached, _) => const { code(L::MEMATTR, 0b0101) },
            (MemoryType::NormalCached, false) => const { code(L::MEMATTR, 0b1111) },
            (MemoryType::NormalCached, true) => const { code(L::MEMATTR, 0b0110) },
            (MemoryType::DevicenGnRE, _) => const { code(L::MEMATTR, 0b0001) },
        };
        let shareability = match self.shareability() {
            Shareability::Non => const { code(L::SH, Shareability::Non as u64) },
            Shareability::Outer => const { code(L::SH, Shareability::Outer as u64) },
            Shareability::Inner => const { code(L::SH, Shareability::Inner as u64) },
        };
        memory
            | shareability
            | L::AF.mask()
            | flag(L::S2AP_R, self.read)
            | flag(L::S2AP_W, self.write)
            | flag(L::DBM, dirty)
            | if self.execute { 0 } else { const { code(L::XN, 0b10) } }
    }

    /// What a leaf of a table of this configuration says; `None` if it has a memory type or shareability that this
    /// crate does not write.
    #[must_use]
    pub fn decode(leaf: Leaf, config: &TableConfig) -> Option<Self> {
        let shareability = |code| {
            if config.ds() { Some(config.walk().shareability) } else { Shareability::from_code(code) }
        };
        match leaf {
            Leaf::Stage1(leaf) => Some(Self {
                read: true,
                write: !leaf.ap_rdonly() || leaf.dbm() && config.update() >= HardwareUpdate::Dirty,
                execute: !leaf.uxn() && !leaf.pxn(),
                privileged: !leaf.ap_unpriv(),
                memory: match leaf.attrindx() {
                    0 => MemoryType::NormalUncached,
                    1 => MemoryType::NormalCached,
                    2 => MemoryType::DevicenGnRE,
                    _ => return None,
                },
                shareability: Some(shareability(leaf.sh())?),
                non_secure: leaf.ns(),
            }),
            Leaf::Stage2(leaf) => Some(Self {
                read: leaf.s2ap_r(),
                write: leaf.s2ap_w() || leaf.dbm() && config.update() >= HardwareUpdate::Dirty,
                execute: leaf.xn() == 0,
                privileged: false,
                memory: match (leaf.memattr(), config.fwb()) {
                    (0b0101, _) => MemoryType::NormalUncached,
                    (0b1111, false) | (0b0110, true) => MemoryType::NormalCached,
                    (0b0001, _) => MemoryType::DevicenGnRE,
                    _ => return None,
                },
                shareability: Some(shareability(leaf.sh())?),
                non_secure: false,
            }),
        }
    }
}

/// Why attributes cannot be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttributeError {
    /// Neither reads nor writes are allowed: that is no mapping.
    NoAccess,
    /// Stage 1 has no encoding for writes without reads (table D8-63, `AP[2:1]`).
    WriteOnlyAtStage1,
    /// Stage-2 leaves have no `NS` bit outside Realm state.
    NonSecureAtStage2,
    /// Leaves of a table with `DS` have the shareability of its walks and no other.
    ShareabilityWithDs {
        /// What was asked for.
        asked: Shareability,
        /// What the walks have.
        walks: Shareability,
    },
}

impl fmt::Display for AttributeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAccess => f.write_str("a mapping must allow reads or writes"),
            Self::WriteOnlyAtStage1 => {
                f.write_str("stage 1 cannot allow writes without reads: ask for both, or use stage 2")
            }
            Self::NonSecureAtStage2 => {
                f.write_str("stage-2 leaves cannot choose the Non-secure address space")
            }
            Self::ShareabilityWithDs { asked, walks } => {
                write!(
                    f,
                    "shareability {asked:?}: leaves of a table with DS have that of its walks, {walks:?}"
                )
            }
        }
    }
}

impl core::error::Error for AttributeError {}
