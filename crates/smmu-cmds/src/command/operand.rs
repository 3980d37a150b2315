//! Operands of TLB and ATC invalidation: types in which the reserved forms cannot be written.

use core::fmt;
use smmu_regs::vmsa::{Granule, Level};

/// What a by-address TLB invalidation covers (IHI 0070 4.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TlbiOperand {
    address: u64,
    leaf: bool,
    range: Option<TlbiRange>,
}

/// The range form: `(num + 1) << scale` granules, perhaps with a level hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TlbiRange {
    granule: Granule,
    scale: u8,
    num: u8,
    hint: Option<Level>,
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
            _ => Ok(Self { granule, scale, num, hint }),
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

    /// Bytes covered; up to 2^60.
    #[must_use]
    pub const fn bytes(self) -> u128 {
        (self.num as u128 + 1) << (self.scale as u32 + self.granule.shift())
    }
}

impl TlbiOperand {
    /// The entries of any granule that translate the address; its low 12 bits are no part of it.
    #[inline]
    #[must_use]
    pub const fn page(address: u64, leaf: bool) -> Self {
        Self { address: address & !0xfff, leaf, range: None }
    }

    /// The entries of the range's granule from `address` on.
    ///
    /// # Errors
    /// The address is not aligned as 4.4.1.1 asks: to the granule, and to what an entry of the hinted level covers.
    #[inline]
    pub const fn range(address: u64, leaf: bool, range: TlbiRange) -> Result<Self, OperandError> {
        let shift = match range.hint {
            Some(level) => level.shift(range.granule),
            None => range.granule.shift(),
        };
        let align = 1 << shift;
        if address & (align - 1) != 0 {
            return Err(OperandError::Misaligned { address, align });
        }
        Ok(Self { address, leaf, range: Some(range) })
    }

    /// First address.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.address
    }

    /// Only last-level entries; table entries may stay.
    #[must_use]
    pub const fn leaf(self) -> bool {
        self.leaf
    }

    /// The range, if it is one.
    #[must_use]
    pub const fn as_range(self) -> Option<TlbiRange> {
        self.range
    }
}

impl fmt::Display for TlbiOperand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address)?;
        if let Some(range) = self.range {
            let TlbiRange { granule, scale, num, hint } = range;
            write!(f, " {}<<{scale} granules of {granule} (NUM={num} SCALE={scale}", u32::from(num) + 1)?;
            if let Some(level) = hint {
                write!(f, " TTL={level}")?;
            }
            f.write_str(")")?;
        }
        if self.leaf { f.write_str(" leaf") } else { Ok(()) }
    }
}

/// A span that an endpoint's ATC forgets: 2^`size_log2` pages of 4 KiB, aligned to its size (IHI 0070 4.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AtcSpan {
    address: u64,
    size_log2: u8,
}

/// `Size` of an ATC span is more than 52.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtcSpanError {
    /// The value.
    pub size_log2: u8,
}

impl fmt::Display for AtcSpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ATC span of 2^{} pages is more than the address space (2^52)", self.size_log2)
    }
}

impl core::error::Error for AtcSpanError {}

impl AtcSpan {
    /// Everything.
    pub const ALL: Self = Self { address: 0, size_log2: 52 };

    /// The span of 2^`size_log2` pages that holds `address`. The SMMU takes the address bits below the span as zero, so
    /// they are kept as given from bit 12 up.
    ///
    /// # Errors
    /// `size_log2` is more than 52.
    pub const fn new(address: u64, size_log2: u8) -> Result<Self, AtcSpanError> {
        if size_log2 > 52 {
            return Err(AtcSpanError { size_log2 });
        }
        Ok(Self { address: address & !0xfff, size_log2 })
    }

    /// An address in the span, 4 KiB aligned.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.address
    }

    /// log2 of its 4 KiB pages.
    #[must_use]
    pub const fn size_log2(self) -> u8 {
        self.size_log2
    }
}

impl fmt::Display for AtcSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.size_log2 == 52 {
            f.write_str("everything")
        } else {
            write!(f, "{:#x}, 2^{} pages", self.address, self.size_log2)
        }
    }
}
