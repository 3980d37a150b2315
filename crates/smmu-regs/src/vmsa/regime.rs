//! Translation regimes: TCR, VTCR, MAIR and TTB in decoded form, what an STE or a CD is made from.
//!
//! A page table produces one of these; `smmu-ste` turns it into an STE or a CD and never sees the table itself.

use super::{Granule, Level};
use crate::addr::{AddressSize, PhysAddr};
use core::fmt;

/// Inner or outer cacheability of table walks (`IRx`, `ORx`: IHI 0070 5.2, 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cacheability {
    /// Non-cacheable.
    NonCacheable = 0,
    /// Write-back, read-allocate, write-allocate.
    WriteBack = 1,
    /// Write-through, read-allocate.
    WriteThrough = 2,
    /// Write-back, read-allocate, no write-allocate.
    WriteBackNoWriteAllocate = 3,
}

impl Cacheability {
    /// The attribute with this code, 0 to 3.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::NonCacheable),
            1 => Some(Self::WriteBack),
            2 => Some(Self::WriteThrough),
            3 => Some(Self::WriteBackNoWriteAllocate),
            _ => None,
        }
    }
}

/// Shareability (`SHx`: IHI 0070 5.2, 5.4). Code 1 is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Shareability {
    /// Non-shareable.
    Non = 0,
    /// Outer Shareable.
    Outer = 2,
    /// Inner Shareable.
    Inner = 3,
}

impl Shareability {
    /// The attribute with this code; 1 is reserved.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Non),
            2 => Some(Self::Outer),
            3 => Some(Self::Inner),
            _ => None,
        }
    }
}

/// How the SMMU accesses the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WalkAttributes {
    /// Inner cacheability.
    pub inner: Cacheability,
    /// Outer cacheability.
    pub outer: Cacheability,
    /// Shareability.
    pub shareability: Shareability,
}

impl WalkAttributes {
    /// Write-back, inner shareable: walks that snoop the CPU's caches.
    pub const COHERENT: Self = Self {
        inner: Cacheability::WriteBack,
        outer: Cacheability::WriteBack,
        shareability: Shareability::Inner,
    };
    /// Non-cacheable, outer shareable: walks that do not.
    pub const NON_COHERENT: Self = Self {
        inner: Cacheability::NonCacheable,
        outer: Cacheability::NonCacheable,
        shareability: Shareability::Outer,
    };
}

/// What hardware updates in descriptors (`HA`, `HD`, `HAFT`; needs `IDR0.HTTU`). Each step includes the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum HardwareUpdate {
    /// Nothing.
    #[default]
    None = 0,
    /// The Access flag.
    AccessFlag = 1,
    /// The Access flag and dirty state.
    Dirty = 2,
    /// Also the Access flag of table descriptors (SMMUv3.4).
    TableAccessFlag = 3,
}

/// The update bits of a CD or of an STE's stage 2 (`HA`, `HD`, `HAFT`), one by one: what the structure says, which may be
/// less than a step of [`HardwareUpdate`]. `dirty` without `access_flag` is legal and updates nothing (5.2, 5.4 HA).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct UpdateFlags {
    /// The Access flag of leaf entries (`HA`).
    pub access_flag: bool,
    /// Dirty state (`HD`).
    pub dirty: bool,
    /// The Access flag of table entries (`HAFT`).
    pub table_access_flag: bool,
}

impl HardwareUpdate {
    /// The update bits of this step.
    #[must_use]
    pub const fn flags(self) -> UpdateFlags {
        let step = self as u8;
        UpdateFlags { access_flag: step >= 1, dirty: step >= 2, table_access_flag: step >= 3 }
    }
}

/// One stage-1 table: `TTBx` with its `TxSZ`, `TGx` and walk attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TableBase {
    /// Address of the first-level table.
    pub base: PhysAddr,
    /// Granule.
    pub granule: Granule,
    /// Input address size in bits, `64 - TxSZ`.
    pub input_bits: u8,
    /// How the table is read.
    pub walk: WalkAttributes,
}

/// A stage-1 translation regime: what a CD says (IHI 0070 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stage1Regime {
    /// Table for the lower half of the address space; `None` sets `EPD0`.
    pub ttb0: Option<TableBase>,
    /// Table for the upper half; `None` sets `EPD1`.
    pub ttb1: Option<TableBase>,
    /// Output address size.
    pub ips: AddressSize,
    /// Memory attributes, eight bytes indexed by `AttrIndx`.
    pub mair: u64,
    /// Descriptor updates by hardware.
    pub update: UpdateFlags,
    /// 52-bit descriptors with 4K or 16K pages (`CD.DS`).
    pub ds: bool,
}

/// A stage-2 translation regime: what the stage-2 half of an STE says (IHI 0070 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stage2Regime {
    /// Address of the first table, or of the first of several concatenated ones.
    pub ttb: PhysAddr,
    /// Granule.
    pub granule: Granule,
    /// Intermediate physical address size in bits, `64 - S2T0SZ`.
    pub input_bits: u8,
    /// Level at which the walk starts.
    pub start_level: Level,
    /// Output address size.
    pub ps: AddressSize,
    /// How the tables are read.
    pub walk: WalkAttributes,
    /// Descriptor updates by hardware.
    pub update: UpdateFlags,
    /// 52-bit descriptors with 4K or 16K pages (`S2DS`).
    pub ds: bool,
    /// Descriptors hold forced write-back attributes (`S2FWB`).
    pub fwb: bool,
}

impl Stage2Regime {
    /// The codes of `S2SL0` and `S2SL0_2` for the start level.
    ///
    /// # Errors
    /// This granule has no code for the start level.
    pub const fn sl0(&self) -> Result<(u8, bool), RegimeError> {
        let code = match (self.granule, self.start_level.number()) {
            (Granule::Size4K, -1) if self.ds => (0, true),
            (Granule::Size4K, level @ 0..=2) => ((2 - level) as u8, false),
            (Granule::Size4K, 3) => (3, false),
            (Granule::Size16K, 0) if self.ds => (3, false),
            (Granule::Size16K | Granule::Size64K, level @ 1..=3) => ((3 - level) as u8, false),
            (granule, _) => return Err(RegimeError::StartLevel { granule, level: self.start_level }),
        };
        Ok(code)
    }

    /// The start level of an `S2SL0` code (with `S2SL0_2` and `S2DS`).
    ///
    /// # Errors
    /// The code is reserved.
    pub const fn start_level_of(
        granule: Granule,
        sl0: u8,
        sl2: bool,
        ds: bool,
    ) -> Result<Level, RegimeError> {
        let level = match (granule, sl0, sl2 && ds) {
            (Granule::Size4K, 0, true) => Level::MINUS_ONE,
            (Granule::Size4K, 0, false) => Level::TWO,
            (Granule::Size4K, 1, false) => Level::ONE,
            (Granule::Size4K, 2, false) => Level::ZERO,
            (Granule::Size4K, 3, false) => Level::THREE,
            (Granule::Size16K, 3, false) if ds => Level::ZERO,
            (Granule::Size16K | Granule::Size64K, 0, false) => Level::THREE,
            (Granule::Size16K | Granule::Size64K, 1, false) => Level::TWO,
            (Granule::Size16K | Granule::Size64K, 2, false) => Level::ONE,
            _ => return Err(RegimeError::ReservedStartLevel { granule, sl0 }),
        };
        Ok(level)
    }
}

/// Number of concatenated tables at `start_level` for `input_bits` of stage 2: 1 to 16 (DDI 0487 D8.2.2).
///
/// # Errors
/// The start level is too low (more than 16 tables) or too high (the level above resolves all bits) for that size.
pub const fn concatenated_tables(
    granule: Granule,
    input_bits: u32,
    start_level: Level,
) -> Result<u32, RegimeError> {
    let bad = RegimeError::InputSize { granule, input_bits, level: start_level };
    let low = start_level.shift(granule);
    if input_bits <= low {
        return Err(bad);
    }
    let resolved = input_bits - low;
    match resolved.saturating_sub(granule.bits_per_level()) {
        extra @ 0..=4 => Ok(1 << extra),
        _ => Err(bad),
    }
}

/// Why a regime cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegimeError {
    /// Stage 2 with this granule cannot start at this level.
    StartLevel {
        /// The granule.
        granule: Granule,
        /// The level that was asked for.
        level: Level,
    },
    /// This `S2SL0` code is reserved.
    ReservedStartLevel {
        /// The granule.
        granule: Granule,
        /// The code.
        sl0: u8,
    },
    /// The input size and the start level do not fit each other.
    InputSize {
        /// The granule.
        granule: Granule,
        /// Input address size in bits.
        input_bits: u32,
        /// Start level.
        level: Level,
    },
}

impl fmt::Display for RegimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartLevel { granule, level } => {
                write!(f, "stage 2 with {granule} pages cannot start at level {level}")
            }
            Self::ReservedStartLevel { granule, sl0 } => {
                write!(f, "S2SL0 {sl0} is reserved with {granule} pages")
            }
            Self::InputSize { granule, input_bits, level } => write!(
                f,
                "{input_bits} input bits do not fit a stage-2 walk with {granule} pages from level {level}"
            ),
        }
    }
}

impl core::error::Error for RegimeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concatenation_is_bounded_by_sixteen() {
        let tables = |bits, level| concatenated_tables(Granule::Size4K, bits, Level::new(level).unwrap());
        assert_eq!(tables(39, 1), Ok(1));
        assert_eq!(tables(40, 1), Ok(2));
        assert_eq!(tables(43, 1), Ok(16));
        assert!(tables(44, 1).is_err());
        assert_eq!(tables(44, 0), Ok(1));
        assert!(tables(30, 1).is_err());
    }

    #[test]
    fn start_level_codes_go_there_and_back() {
        for granule in Granule::ALL {
            for ds in [false, true] {
                for sl0 in 0..4 {
                    for sl2 in [false, true] {
                        let Ok(level) = Stage2Regime::start_level_of(granule, sl0, sl2, ds) else { continue };
                        let regime = Stage2Regime {
                            ttb: PhysAddr::new(0),
                            granule,
                            input_bits: 40,
                            start_level: level,
                            ps: AddressSize::Bits40,
                            walk: WalkAttributes::COHERENT,
                            update: UpdateFlags::default(),
                            ds,
                            fwb: false,
                        };
                        let (code, two) = regime.sl0().unwrap();
                        assert_eq!((code, two), (sl0, sl2 && ds), "{granule} {level}");
                    }
                }
            }
        }
    }
}
