//! What several SMMUs can do together: for a domain, a table or a guest that is behind all of them.

use super::feature::Features;
use super::{Caps, Ecmdq, StallModel, TableEndianness};
use core::fmt;

/// Two SMMUs that no configuration can be shared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum NothingShared {
    /// One never stalls, the other always does: no `CD.S` or `STE.S2S` is legal for both.
    StallModel,
    /// One has little-endian tables only, the other big-endian ones only.
    TableEndianness,
}

impl fmt::Display for NothingShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StallModel => "one SMMU never stalls faults and the other always does (IDR0.STALL_MODEL)",
            Self::TableEndianness => {
                "one SMMU walks only little-endian tables and the other only big-endian ones (IDR0.TTENDIAN)"
            }
        })
    }
}

impl core::error::Error for NothingShared {}

impl Caps {
    /// What both can do: the capabilities for everything that two SMMUs share, such as translation tables, CDs, ASIDs and
    /// VMIDs of one domain. Each SMMU's own queues, stream table and registers are set up by its own `Caps`.
    ///
    /// | field | of both |
    /// |---|---|
    /// | features | those that both have; a restriction ([`Features::RESTRICTIONS`]) if either has it |
    /// | quirks, errata, oddities | those of either |
    /// | sizes, version, `stall_max`, break-before-make, updates by hardware | the smaller |
    /// | granules | those that both have |
    /// | stall model | what both can; see the errors |
    /// | table endianness | the one that both can, or either |
    /// | enhanced command queues | the smaller numbers, if both have them |
    /// | VATOS page | gone, unless it is at the same offset |
    ///
    /// Something that has nothing left, such as no granule, is no error: ask [`Caps::satisfies`].
    ///
    /// # Errors
    /// Nothing can be configured that is legal for both: [`NothingShared`].
    pub fn intersect(&self, other: &Self) -> Result<Self, NothingShared> {
        let restrictions = self.features.union(other.features).intersect(Features::RESTRICTIONS);
        let mut both = Self {
            features: self.features.intersect(other.features).union(restrictions),
            quirks: self.quirks.union(other.quirks),
            minor_version: self.minor_version.min(other.minor_version),
            oas: self.oas.min(other.oas),
            stage1_input_bits: self.stage1_input_bits.min(other.stage1_input_bits),
            granules: self.granules.intersect(other.granules),
            asid_bits: self.asid_bits.min(other.asid_bits),
            vmid_bits: self.vmid_bits.min(other.vmid_bits),
            stream_id_bits: self.stream_id_bits.min(other.stream_id_bits),
            substream_id_bits: self.substream_id_bits.min(other.substream_id_bits),
            command_queue_log2: self.command_queue_log2.min(other.command_queue_log2),
            event_queue_log2: self.event_queue_log2.min(other.event_queue_log2),
            pri_queue_log2: self.pri_queue_log2.min(other.pri_queue_log2),
            ecmdq: match (self.ecmdq, other.ecmdq) {
                (Some(one), Some(two)) => Some(one.smaller(two)),
                _ => None,
            },
            vatos_offset: self.vatos_offset.filter(|_| self.vatos_offset == other.vatos_offset),
            stall_model: stall_model(self.stall_model, other.stall_model)?,
            stall_max: self.stall_max.min(other.stall_max),
            bbm: self.bbm.min(other.bbm),
            httu: self.httu.min(other.httu),
            table_endianness: endianness(self.table_endianness, other.table_endianness)?,
            errata: self.errata.union(other.errata),
            oddities: self.oddities.union(other.oddities),
        };
        both.close();
        Ok(both)
    }
}

impl Ecmdq {
    pub(super) fn smaller(self, other: Self) -> Self {
        Self {
            pages_log2: self.pages_log2.min(other.pages_log2),
            queues_per_page_log2: self.queues_per_page_log2.min(other.queues_per_page_log2),
        }
    }
}

fn stall_model(one: StallModel, two: StallModel) -> Result<StallModel, NothingShared> {
    match (one, two) {
        (StallModel::Supported, model) | (model, StallModel::Supported) => Ok(model),
        (one, two) if one == two => Ok(one),
        _ => Err(NothingShared::StallModel),
    }
}

fn endianness(one: TableEndianness, two: TableEndianness) -> Result<TableEndianness, NothingShared> {
    match (one, two) {
        (TableEndianness::Mixed, only) | (only, TableEndianness::Mixed) => Ok(only),
        (one, two) if one == two => Ok(one),
        _ => Err(NothingShared::TableEndianness),
    }
}
