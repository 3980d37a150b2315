//! Why an STE cannot be: each condition that the architecture calls ILLEGAL is one variant (IHI 0070 5.2).

use core::fmt;
use smmu_regs::addr::{AddressSize, PhysAddr};
use smmu_regs::layout::FieldError;
use smmu_regs::vmsa::{Granule, Level, RegimeError};
use smmu_regs::{Feature, Vmid};

/// A configuration that no STE of this SMMU can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SteError {
    /// The SMMU lacks what the configuration needs.
    Unsupported {
        /// What is missing.
        needs: Feature,
    },
    /// A value does not fit its field.
    Field(FieldError),
    /// The VMID is wider than the SMMU's.
    Vmid {
        /// The VMID.
        vmid: Vmid,
        /// Implemented bits.
        bits: u8,
    },
    /// A table lies beyond the output address size.
    TooHigh {
        /// The table.
        address: PhysAddr,
        /// The size.
        size: AddressSize,
    },
    /// A table is not aligned to its size.
    Misaligned {
        /// The table.
        address: PhysAddr,
        /// The alignment it needs, in bytes.
        align: u64,
    },
    /// More CDs than the SMMU has SubstreamIDs.
    CdTable {
        /// log2 of the CDs.
        cds_log2: u8,
        /// Implemented bits.
        bits: u8,
    },
    /// The SMMU has not this granule.
    Granule(Granule),
    /// The output size is beyond what the SMMU can output.
    OutputSize {
        /// The size asked for.
        size: AddressSize,
        /// The SMMU's.
        oas: AddressSize,
    },
    /// The stage-2 input size is not between what the SMMU supports.
    InputSize {
        /// Bits asked for.
        bits: u8,
        /// Fewest.
        min: u8,
        /// Most.
        max: u8,
    },
    /// Granule, input size and start level do not fit each other.
    Walk(RegimeError),
    /// This SMMU's output size is too small for a walk from that level.
    StartLevel {
        /// The granule.
        granule: Granule,
        /// The start level.
        level: Level,
        /// The SMMU's output address size.
        oas: AddressSize,
    },
    /// Stalling is asked for and not supported, or not asked for and forced.
    Stall,
    /// Stalling at stage 2 excludes ATS.
    StallWithAts,
    /// Split-stage ATS needs stage 1 and stage 2.
    SplitStageAts,
    /// Hardware update of descriptors is not supported, or not in this combination.
    HardwareUpdate,
    /// 52-bit descriptors with 64K pages: `S2DS` is RES0 there.
    DsWith64K,
    /// An option is asked for that could have no effect: the SMMU's version does not have the field, or the configuration
    /// ignores it.
    NoEffect {
        /// The field.
        field: &'static str,
    },
    /// The SMMU does not walk tables of this endianness.
    Endianness {
        /// Big-endian tables were asked for.
        big: bool,
    },
    /// Permission overlays need permission indirection.
    OverlayWithoutIndirection,
    /// Permission overlays and hardware bits use the same bits of descriptors.
    OverlayWithHardwareBits,
    /// A setting for traffic with and without SubstreamIDs, and a single CD: the one CD would translate all of it.
    NoSubstreams,
    /// Checks by the Device Permission Table do not exist in the EL2 world, and in Realm state only with matching VMIDs.
    DptWorld,
    /// This Security state, or an SMMU with RME, has no EL3 world.
    World,
    /// A Secure stage 2 without tables for Secure IPAs.
    NoSecureRegime,
    /// The two regimes of a Secure stage 2 disagree in what both share: output size, walk, updates, descriptor formats.
    SecureRegime,
    /// The MECID is wider than the SMMU's.
    Mecid {
        /// The MECID.
        mecid: u16,
        /// Implemented bits.
        bits: u8,
    },
}

impl fmt::Display for SteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { needs } => write!(f, "this SMMU lacks {needs}"),
            Self::Field(error) => error.fmt(f),
            Self::Vmid { vmid, bits } => write!(f, "VMID {vmid} does not fit in {bits} bits"),
            Self::TooHigh { address, size } => write!(f, "table at {address} lies beyond {size}"),
            Self::Misaligned { address, align } => {
                write!(f, "table at {address} is not aligned to its {align:#x} bytes")
            }
            Self::CdTable { cds_log2, bits } => {
                write!(f, "2^{cds_log2} CDs are more than {bits} bits of SubstreamID can name")
            }
            Self::Granule(granule) => write!(f, "this SMMU has no {granule} granule"),
            Self::OutputSize { size, oas } => {
                write!(f, "output size {size} is beyond what this SMMU can express ({oas})")
            }
            Self::InputSize { bits, min, max } => {
                write!(f, "stage-2 input size of {bits} bits is not between {min} and {max}")
            }
            Self::Walk(error) => error.fmt(f),
            Self::StartLevel { granule, level, oas } => {
                write!(
                    f,
                    "a stage-2 walk with {granule} pages cannot start at level {level} with {oas} of output"
                )
            }
            Self::Stall => f.write_str("the stall setting contradicts the SMMU's stall model"),
            Self::StallWithAts => f.write_str("stalling at stage 2 excludes ATS"),
            Self::SplitStageAts => f.write_str("split-stage ATS needs stage 1 and stage 2"),
            Self::HardwareUpdate => f.write_str("the SMMU cannot update descriptors in this way"),
            Self::DsWith64K => f.write_str("52-bit descriptors (S2DS) do not exist with 64K pages"),
            Self::NoEffect { field } => write!(f, "{field} would have no effect here"),
            Self::Endianness { big } => {
                write!(f, "this SMMU does not walk {}-endian tables", if *big { "big" } else { "little" })
            }
            Self::OverlayWithoutIndirection => {
                f.write_str("permission overlays (S2POE) need permission indirection (S2PIE)")
            }
            Self::OverlayWithHardwareBits => {
                f.write_str("permission overlays (S2POE) and hardware bits (S2HWU) exclude each other")
            }
            Self::NoSubstreams => f.write_str("a single CD has no SubstreamIDs: at least two CDs are needed"),
            Self::DptWorld => {
                f.write_str("the EL2 world, and Realm state but for matching VMIDs, have no such DPT checks")
            }
            Self::World => f.write_str("there is no EL3 world here"),
            Self::NoSecureRegime => f.write_str("a Secure stage 2 needs tables for Secure IPAs too"),
            Self::SecureRegime => {
                f.write_str("the regimes of Secure and Non-secure IPAs disagree in what they share")
            }
            Self::Mecid { mecid, bits } => write!(f, "MECID {mecid:#x} does not fit in {bits} bits"),
        }
    }
}

impl core::error::Error for SteError {}

impl From<FieldError> for SteError {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

impl From<RegimeError> for SteError {
    fn from(error: RegimeError) -> Self {
        Self::Walk(error)
    }
}
