//! How a CD table is laid out (IHI 0070 3.3.2, 5.2 S1Fmt).

use super::TableError;
use crate::ste::CdTableFormat;
use smmu_regs::{Caps, Feature, SubstreamId};

/// Bytes of a CD.
pub(super) const CD_BYTES: u64 = 64;

/// CDs of one leaf of a two-level CD table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CdLeaf {
    /// 64 CDs, 4 KiB.
    Cds64,
    /// 1024 CDs, 64 KiB.
    Cds1024,
}

impl CdLeaf {
    /// log2 of the CDs.
    #[must_use]
    pub const fn log2(self) -> u8 {
        match self {
            Self::Cds64 => 6,
            Self::Cds1024 => 10,
        }
    }

    /// Bytes, which is also the alignment.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        CD_BYTES << self.log2()
    }
}

/// Layout of a CD table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CdTableShape {
    /// One array of CDs; a single CD if `cds_log2` is 0.
    Linear {
        /// log2 of the CDs.
        cds_log2: u8,
    },
    /// An array of level-1 descriptors, each of which may point to a leaf.
    TwoLevel {
        /// log2 of the CDs, at least 1: a single CD is never behind a descriptor.
        cds_log2: u8,
        /// The leaves.
        leaf: CdLeaf,
    },
}

impl CdTableShape {
    /// The largest linear table: 2^10 CDs, 64 KiB.
    pub const LINEAR_MAX_LOG2: u8 = 10;

    /// The shape for 2^`cds_log2` CDs: linear up to 64 KiB, else two-level with leaves of 64 KiB.
    ///
    /// # Errors
    /// More CDs than the SMMU has SubstreamIDs, or than a linear table holds where the SMMU has no other.
    pub const fn choose(caps: &Caps, cds_log2: u8) -> Result<Self, TableError> {
        let max = Self::largest(caps);
        if cds_log2 > max {
            return Err(TableError::Size { log2: cds_log2, max });
        }
        Ok(if cds_log2 <= Self::LINEAR_MAX_LOG2 {
            Self::Linear { cds_log2 }
        } else {
            Self::TwoLevel { cds_log2, leaf: CdLeaf::Cds1024 }
        })
    }

    /// log2 of the most CDs that a table can have on this SMMU.
    #[must_use]
    pub const fn largest(caps: &Caps) -> u8 {
        let bits = caps.substream_id_bits;
        if bits > Self::LINEAR_MAX_LOG2 && !caps.has(Feature::TwoLevelCdTable) {
            Self::LINEAR_MAX_LOG2
        } else {
            bits
        }
    }

    /// log2 of the CDs.
    #[must_use]
    pub const fn cds_log2(self) -> u8 {
        match self {
            Self::Linear { cds_log2 } | Self::TwoLevel { cds_log2, .. } => cds_log2,
        }
    }

    /// The code of `S1Fmt`.
    #[must_use]
    pub const fn format(self) -> CdTableFormat {
        match self {
            Self::Linear { .. } => CdTableFormat::Linear,
            Self::TwoLevel { leaf: CdLeaf::Cds64, .. } => CdTableFormat::TwoLevel4K,
            Self::TwoLevel { leaf: CdLeaf::Cds1024, .. } => CdTableFormat::TwoLevel64K,
        }
    }

    /// Entries of the table that an STE points to: CDs or level-1 descriptors. 0 where no table could be.
    #[must_use]
    pub const fn top_entries(self) -> u64 {
        let log2 = match self {
            Self::Linear { cds_log2 } => cds_log2,
            Self::TwoLevel { cds_log2, leaf } => cds_log2.saturating_sub(leaf.log2()),
        };
        if log2 > 20 { 0 } else { 1 << log2 }
    }

    /// Bytes of the table that an STE points to.
    #[must_use]
    pub const fn top_bytes(self) -> u64 {
        match self {
            Self::Linear { .. } => self.top_entries().wrapping_mul(CD_BYTES),
            Self::TwoLevel { .. } => self.top_entries().wrapping_mul(8),
        }
    }

    /// Where the CD of a SubstreamID is: its number in the top table, or the number of its level-1 descriptor and that in
    /// the leaf.
    #[must_use]
    pub fn index(self, substream: SubstreamId) -> (u64, Option<u64>) {
        let number = u64::from(substream);
        match self {
            Self::Linear { .. } => (number, None),
            Self::TwoLevel { leaf, .. } => {
                let mask = (1_u64 << leaf.log2()).wrapping_sub(1);
                (number >> leaf.log2(), Some(number & mask))
            }
        }
    }

    /// Whether an SMMU with these capabilities takes such a table.
    pub(super) fn check(self, caps: &Caps) -> Result<(), TableError> {
        let log2 = self.cds_log2();
        let max = match self {
            Self::Linear { .. } => caps.substream_id_bits.min(Self::LINEAR_MAX_LOG2),
            Self::TwoLevel { .. } if !caps.has(Feature::TwoLevelCdTable) => {
                return Err(TableError::TwoLevelCds);
            }
            Self::TwoLevel { .. } => caps.substream_id_bits,
        };
        if log2 > max {
            return Err(TableError::Size { log2, max });
        }
        match self {
            // `S1Fmt` is ignored with a single CD: the SMMU would take the descriptor for it.
            Self::TwoLevel { cds_log2: 0, .. } => Err(TableError::SingleCd),
            _ => Ok(()),
        }
    }
}
