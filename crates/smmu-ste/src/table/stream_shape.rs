//! How a stream table is laid out (IHI 0070 3.3.1, 6.3.25).

use super::TableError;
use smmu_regs::registers::StrtabBaseCfg;
use smmu_regs::{Caps, Feature, StreamId};

/// Bytes of an STE.
pub(super) const STE_BYTES: u64 = 64;

/// How a stream table is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamTableShape {
    /// One array of STEs.
    Linear {
        /// log2 of the StreamIDs covered.
        log2: u8,
    },
    /// An array of level-1 descriptors, each of which may point to an array of 2^`split` STEs.
    TwoLevel {
        /// log2 of the StreamIDs covered.
        log2: u8,
        /// log2 of the STEs of a level-2 table: 6, 8 or 10.
        split: u8,
    },
}

impl StreamTableShape {
    /// The largest linear table made by choice: 2^8 STEs, 16 KiB.
    const LINEAR_BY_CHOICE: u8 = 8;
    /// The largest linear table made where there is no choice: 2^17 STEs, 8 MiB. Who wants more says so.
    const LINEAR_MAX: u8 = 17;

    /// The shape for `bits` of StreamIDs: linear where that is small or all the SMMU can do, else two-level with the
    /// smallest level-1 table that keeps a level-2 table within 16 KiB (or 64 KiB above 26 bits).
    ///
    /// # Errors
    /// More bits than the SMMU has, or a linear table would be larger than 8 MiB.
    pub fn choose(caps: &Caps, bits: u8) -> Result<Self, TableError> {
        if bits > caps.stream_id_bits {
            return Err(TableError::Size { log2: bits, max: caps.stream_id_bits });
        }
        let two_level = caps.has(Feature::TwoLevelStreamTable);
        if bits <= Self::LINEAR_BY_CHOICE || !two_level && bits <= Self::LINEAR_MAX {
            return Ok(Self::Linear { log2: bits });
        }
        if !two_level {
            return Err(TableError::Size { log2: bits, max: Self::LINEAR_MAX });
        }
        let split = if bits > 26 { 10 } else { 8 };
        Ok(Self::TwoLevel { log2: bits, split })
    }

    /// The shape for StreamIDs up to `highest`: what firmware names, where that is less than the SMMU has.
    ///
    /// # Errors
    /// As [`StreamTableShape::choose`].
    pub fn covering(caps: &Caps, highest: StreamId) -> Result<Self, TableError> {
        let bits = u32::BITS.saturating_sub(u32::from(highest).leading_zeros());
        // 32 at most.
        Self::choose(caps, bits as u8)
    }

    /// log2 of the StreamIDs covered.
    #[must_use]
    pub const fn log2(self) -> u8 {
        match self {
            Self::Linear { log2 } | Self::TwoLevel { log2, .. } => log2,
        }
    }

    /// Bytes of the table that the base register points to; saturates where no table could be.
    #[must_use]
    pub const fn top_bytes(self) -> u64 {
        let (entry, log2) = match self {
            Self::Linear { log2 } => (STE_BYTES, log2),
            Self::TwoLevel { log2, split } => (8, log2.saturating_sub(split)),
        };
        if log2 > 32 { u64::MAX } else { entry << log2 }
    }

    /// Where the STE of a StreamID is: its number in the top table, or the number of its level-1 descriptor and that in the
    /// level-2 table.
    #[must_use]
    pub fn index(self, stream: StreamId) -> (u64, Option<u64>) {
        let number = u64::from(stream);
        match self {
            Self::Linear { .. } => (number, None),
            Self::TwoLevel { split, .. } => {
                let mask = 1_u64.wrapping_shl(u32::from(split)).wrapping_sub(1);
                (number.wrapping_shr(u32::from(split)), Some(number & mask))
            }
        }
    }

    /// What `STRTAB_BASE_CFG` is to hold.
    ///
    /// # Errors
    /// A size does not fit its field.
    pub fn register(self) -> Result<StrtabBaseCfg, TableError> {
        let config = StrtabBaseCfg::new().try_with(StrtabBaseCfg::LOG2SIZE, self.log2())?;
        Ok(match self {
            Self::Linear { .. } => config,
            Self::TwoLevel { split, .. } => {
                config.try_with(StrtabBaseCfg::SPLIT, split)?.try_with(StrtabBaseCfg::FMT, 1_u8)?
            }
        })
    }

    /// Whether an SMMU with these capabilities takes such a table.
    pub(super) fn check(self, caps: &Caps) -> Result<(), TableError> {
        let (log2, max) = (self.log2(), caps.stream_id_bits);
        if log2 > max {
            return Err(TableError::Size { log2, max });
        }
        match self {
            Self::TwoLevel { .. } if !caps.has(Feature::TwoLevelStreamTable) => Err(TableError::TwoLevel),
            Self::TwoLevel { split, .. } if !matches!(split, 6 | 8 | 10) => Err(TableError::Split { split }),
            _ => Ok(()),
        }
    }
}
