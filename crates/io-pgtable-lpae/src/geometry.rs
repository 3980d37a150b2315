//! The shape of a tree of tables: where a walk starts, how big its first table is, which sizes a leaf can have.
//!
//! Everything here is arithmetic on sizes, so all of it is `const`.

use crate::config_error::ConfigError;
use smmu_regs::AddressSize;
use smmu_regs::vmsa::{Granule, Level, LevelSet, concatenated_tables};

/// When stage 2 starts one level lower with several first tables side by side (D8.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Concatenation {
    /// Only where the architecture has no other start level for the size.
    #[default]
    WhenRequired,
    /// Wherever 16 tables or fewer do: one lookup less for every walk, a bigger first table. Not where that alone would
    /// make the table need `IDR3.STT` (4K pages from level 3).
    Always,
}

/// The shape of a tree of tables (D8.2.8 to D8.2.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    granule: Granule,
    input_bits: u8,
    start_level: Level,
}

impl Geometry {
    /// Fewest input bits: `TxSZ` is at most 48, 47 with 64K pages (IHI 0070 5.4). Below 25 needs `IDR3.STT`.
    #[must_use]
    pub const fn min_input_bits(granule: Granule) -> u32 {
        match granule {
            Granule::Size4K | Granule::Size16K => 16,
            Granule::Size64K => 17,
        }
    }

    /// Most input bits, and most output bits. Only 64-byte tables of 128-bit descriptors have more, which this crate does
    /// not write.
    pub const MAX_BITS: u32 = 52;

    /// Most input bits, and most output bits, without `DS`: 48, and 52 with 64K pages (`I_LRFQD`, `I_VNNCG`, `I_YZDPC`). Above,
    /// 4K and 16K pages have other descriptors, which need `IDR5.DS`.
    #[must_use]
    pub const fn max_bits_without_ds(granule: Granule) -> u32 {
        match granule {
            Granule::Size4K | Granule::Size16K => 48,
            Granule::Size64K => 52,
        }
    }

    /// Whether tables with these sizes have `DS` descriptors: 4K and 16K pages with more than 48 bits of either.
    #[must_use]
    pub const fn needs_ds(granule: Granule, input_bits: u32, output: AddressSize) -> bool {
        let most = Self::max_bits_without_ds(granule);
        input_bits > most || output.bits() > most
    }

    /// Stage 1: the walk starts at the lowest level that resolves all bits (tables D8-18, D8-28, D8-37).
    ///
    /// # Errors
    /// [`ConfigError::InputBits`].
    pub const fn stage1(granule: Granule, input_bits: u32) -> Result<Self, ConfigError> {
        match checked_input(granule, input_bits) {
            Ok(input_bits) => {
                Ok(Self { granule, input_bits, start_level: single(granule, input_bits as u32) })
            }
            Err(error) => Err(error),
        }
    }

    /// Stage 2: as stage 1, or one level lower with 2 to 16 concatenated tables (tables D8-19 to D8-41).
    ///
    /// The level above is out of reach, so that tables must be concatenated, where an SMMU that has just enough address
    /// bits does not implement it: level 0 with 4K pages below 44 bits, level 1 with 16K pages below 42 bits and with
    /// 64K pages below 44 bits, level 0 with 16K pages unless there is `DS` (`R_DXBSH`, table D8-30).
    ///
    /// # Errors
    /// [`ConfigError::InputBits`], [`ConfigError::InputExceedsOutput`].
    pub const fn stage2(
        granule: Granule,
        input_bits: u32,
        output: AddressSize,
        concatenation: Concatenation,
    ) -> Result<Self, ConfigError> {
        let input_bits = match checked_input(granule, input_bits) {
            Ok(bits) => bits,
            Err(error) => return Err(error),
        };
        if input_bits as u32 > output.bits() {
            return Err(ConfigError::InputExceedsOutput { input_bits: input_bits as u32, output });
        }
        let alone = single(granule, input_bits as u32);
        let required = match (granule, alone.number()) {
            (Granule::Size4K, 0) | (Granule::Size64K, 1) => output.bits() < 44,
            (Granule::Size16K, 1) => output.bits() < 42,
            (Granule::Size16K, 0) => !Self::needs_ds(granule, input_bits as u32, output),
            _ => false,
        };
        let needs_stt = matches!(granule, Granule::Size4K) && alone.number() == 2 && input_bits >= 25;
        let wanted = required || matches!(concatenation, Concatenation::Always) && !needs_stt;
        let start_level = match alone.next() {
            Some(lower) if wanted && concatenated_tables(granule, input_bits as u32, lower).is_ok() => lower,
            _ => alone,
        };
        Ok(Self { granule, input_bits, start_level })
    }

    /// The granule.
    #[must_use]
    pub const fn granule(&self) -> Granule {
        self.granule
    }

    /// Input address size in bits, `64 - TxSZ`.
    #[must_use]
    pub const fn input_bits(&self) -> u32 {
        self.input_bits as u32
    }

    /// The level at which a walk starts.
    #[must_use]
    pub const fn start_level(&self) -> Level {
        self.start_level
    }

    /// Input bits that the first lookup resolves; up to 4 more than a table has when tables are concatenated.
    #[must_use]
    pub const fn first_bits(&self) -> u32 {
        self.input_bits().saturating_sub(self.start_level.shift(self.granule))
    }

    /// Descriptors in the first table, or in all concatenated first tables together.
    #[must_use]
    pub const fn first_entries(&self) -> usize {
        1usize.wrapping_shl(self.first_bits())
    }

    /// Concatenated first tables: 1 to 16.
    #[must_use]
    pub const fn concatenated(&self) -> u32 {
        1u32.wrapping_shl(self.first_bits().saturating_sub(self.granule.bits_per_level()))
    }

    /// Size of the first table or tables in bytes, 8 for each descriptor.
    #[must_use]
    pub const fn first_bytes(&self) -> u64 {
        8u64.wrapping_shl(self.first_bits())
    }

    /// Alignment of the first table in bytes: its size (`R_KBLCR`, `R_VCLZN`), and at least 64, which suits every
    /// address size. That much memory is allocated for it.
    #[must_use]
    pub const fn first_align(&self) -> u64 {
        if self.first_bytes() < 64 { 64 } else { self.first_bytes() }
    }

    /// Levels whose descriptors can be leaves: pages, 2M and 1G with 4K pages, 32M with 16K, 512M with 64K (tables D8-17,
    /// D8-27, D8-36), from the start level down. There are larger blocks with 64K pages and 52-bit outputs, and with `DS`:
    /// [`TableConfig::possible_leaf_levels`](crate::TableConfig::possible_leaf_levels).
    #[must_use]
    pub const fn leaf_levels(&self) -> LevelSet {
        self.leaf_levels_of(block_levels(self.granule, false))
    }

    /// Those of `all` that this shape has.
    pub(crate) const fn leaf_levels_of(&self, all: LevelSet) -> LevelSet {
        let mut levels = LevelSet::only(Level::THREE);
        if self.start_level.number() <= 2 {
            levels = levels.with(Level::TWO);
        }
        if self.start_level.number() <= 1 && all.contains(Level::ONE) {
            levels = levels.with(Level::ONE);
        }
        if self.start_level.number() <= 0 && all.contains(Level::ZERO) {
            levels = levels.with(Level::ZERO);
        }
        levels
    }
}

/// Levels whose descriptors can be leaves in some table of this granule: 1G blocks with 4K pages; with the `wide` format 4T
/// blocks with 64K pages (`FEAT_LPA`), 512G and 64G blocks with 4K and 16K pages (`DS`; tables D8-17, D8-27, D8-36).
pub(crate) const fn block_levels(granule: Granule, wide: bool) -> LevelSet {
    let levels = LevelSet::only(Level::THREE).with(Level::TWO);
    match granule {
        Granule::Size4K if wide => levels.with(Level::ONE).with(Level::ZERO),
        Granule::Size16K | Granule::Size64K if !wide => levels,
        Granule::Size4K | Granule::Size16K | Granule::Size64K => levels.with(Level::ONE),
    }
}

const fn checked_input(granule: Granule, input_bits: u32) -> Result<u8, ConfigError> {
    let (least, most) = (Geometry::min_input_bits(granule), Geometry::MAX_BITS);
    if input_bits < least || input_bits > most {
        return Err(ConfigError::InputBits { granule, input_bits, least, most });
    }
    Ok(input_bits as u8)
}

/// The level from which one table resolves `input_bits`, which are more than the page offset and at most 52.
const fn single(granule: Granule, input_bits: u32) -> Level {
    let levels = [Level::THREE, Level::TWO, Level::ONE, Level::ZERO];
    let mut rest: &[Level] = &levels;
    while let [level, others @ ..] = rest {
        if input_bits <= level.shift(granule).saturating_add(granule.bits_per_level()) {
            return *level;
        }
        rest = others;
    }
    Level::MINUS_ONE
}
