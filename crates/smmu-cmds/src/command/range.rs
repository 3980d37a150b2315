//! The range form of a by-address TLB invalidation (IHI 0070 4.4.1.1).

use core::fmt;
use smmu_regs::vmsa::{Granule, Level};

/// The range form: `(num + 1) << scale` granules, perhaps with a level hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TlbiRange {
    granule: Granule,
    scale: u8,
    num: u8,
    hint: Option<Level>,
    descriptors_128: bool,
}

/// Why something is not the operand of a TLB invalidation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperandError {
    /// One granule without a level hint is not a range: `TG != 0, NUM = SCALE = TTL = 0` is reserved.
    Reserved {
        /// The granule.
        granule: Granule,
    },
    /// NUM is more than 31.
    Num {
        /// The value.
        num: u8,
    },
    /// SCALE is more than 39.
    Scale {
        /// The value.
        scale: u8,
    },
    /// There is no hint for this level: only 1, 2 and 3 have a code, and a 4K level-0 block has none.
    Hint {
        /// The level.
        level: Level,
    },
    /// Only a level hint can be one for 128-bit descriptors: TTL128 is RES0 without.
    NoHint,
    /// The address is not aligned to the granule, or to what an entry of the hinted level covers.
    Misaligned {
        /// The address.
        address: u64,
        /// The alignment it needs, in bytes.
        align: u64,
    },
}

impl fmt::Display for OperandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved { granule } => write!(
                f,
                "a range of one {granule} granule without a level hint is a reserved encoding: use the page form"
            ),
            Self::Num { num } => write!(f, "NUM {num} is more than 31"),
            Self::Scale { scale } => write!(f, "SCALE {scale} is more than 39"),
            Self::Hint { level } => write!(f, "level {level} has no TTL code"),
            Self::NoHint => f.write_str("TTL128 needs a level hint"),
            Self::Misaligned { address, align } => {
                write!(f, "range address {address:#x} is not aligned to {align:#x}")
            }
        }
    }
}

impl core::error::Error for OperandError {}

impl TlbiRange {
    /// Largest SCALE: 39 with `IDR5.DS`, else 31.
    pub const MAX_SCALE: u8 = 39;
    /// Largest NUM.
    pub const MAX_NUM: u8 = 31;

    /// `(num + 1) << scale` granules. `hint` is the level of all leaf entries concerned.
    ///
    /// # Errors
    /// A value that its field cannot hold, or the reserved combination.
    #[inline]
    pub const fn new(
        granule: Granule,
        scale: u8,
        num: u8,
        hint: Option<Level>,
    ) -> Result<Self, OperandError> {
        if num > Self::MAX_NUM {
            return Err(OperandError::Num { num });
        }
        if scale > Self::MAX_SCALE {
            return Err(OperandError::Scale { scale });
        }
        match hint {
            Some(level) if level.number() < 1 => Err(OperandError::Hint { level }),
            None if num == 0 && scale == 0 => Err(OperandError::Reserved { granule }),
            _ => Ok(Self { granule, scale, num, hint, descriptors_128: false }),
        }
    }

    /// The same range, the hint being one for tables of 128-bit descriptors (TTL128).
    ///
    /// # Errors
    /// There is no hint: then entries of either format go.
    pub const fn with_descriptors_128(self) -> Result<Self, OperandError> {
        match self.hint {
            Some(_) => Ok(Self { descriptors_128: true, ..self }),
            None => Err(OperandError::NoHint),
        }
    }

    /// The granule, which is also that of the entries it removes.
    #[must_use]
    pub const fn granule(self) -> Granule {
        self.granule
    }

    /// The SCALE field.
    #[must_use]
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// The NUM field: units less one.
    #[must_use]
    pub const fn num(self) -> u8 {
        self.num
    }

    /// The level of the TTL field, if it is not 0.
    #[must_use]
    pub const fn hint(self) -> Option<Level> {
        self.hint
    }

    /// Whether the hint is for 128-bit descriptors.
    #[must_use]
    pub const fn descriptors_128(self) -> bool {
        self.descriptors_128
    }

    /// log2 of what the address must be aligned to: an entry of the hinted level, else the granule (4.4.1.1).
    #[inline]
    #[must_use]
    pub const fn alignment(self) -> u32 {
        match self.hint {
            // A table of 128-bit descriptors has half as many entries.
            Some(level) if self.descriptors_128 => level.shift(self.granule) - level.above_pages(),
            Some(level) => level.shift(self.granule),
            None => self.granule.shift(),
        }
    }

    /// Bytes covered; up to 2^60.
    #[must_use]
    pub const fn bytes(self) -> u128 {
        (self.num as u128 + 1) << (self.scale as u32 + self.granule.shift())
    }
}
