//! Why a table cannot be what was asked for, or an address cannot stand in it.

use crate::geometry::Geometry;
use core::fmt;
use smmu_regs::vmsa::{Granule, HardwareUpdate, Level};
use smmu_regs::{AddressSize, PhysAddr};

/// Why an address cannot stand in a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputError {
    /// It is not the address of a page.
    Misaligned {
        /// The address.
        pa: PhysAddr,
        /// The table's granule.
        granule: Granule,
    },
    /// It is beyond the output size.
    Outside {
        /// The address.
        pa: PhysAddr,
        /// The table's output size.
        output: AddressSize,
    },
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { pa, granule } => write!(f, "output address {pa} is not aligned to {granule}"),
            Self::Outside { pa, output } => write!(f, "output address {pa} is beyond an output of {output}"),
        }
    }
}

impl core::error::Error for OutputError {}

/// Why a table cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// No table has that many input bits.
    InputBits {
        /// The granule.
        granule: Granule,
        /// Input bits asked for.
        input_bits: u32,
        /// The fewest there can be.
        least: u32,
        /// The most that this crate has.
        most: u32,
    },
    /// Sizes above 52 bits need 128-bit descriptors, which this crate does not write.
    Unsupported {
        /// The size asked for.
        bits: u32,
    },
    /// 64K pages have 52 bits without `DS`, and nothing else to gain by it.
    DsWith64K,
    /// Only 64K pages have more than `DS` gives where outputs have 52 bits.
    LpaWithout64K {
        /// The granule.
        granule: Granule,
    },
    /// Leaves of this level have no contiguous groups in this table.
    ContiguousLevel {
        /// The granule.
        granule: Granule,
        /// The level.
        level: Level,
    },
    /// A stage-2 input larger than the output: `S2T0SZ` below `64 - OAS` is illegal (IHI 0070 5.2).
    InputExceedsOutput {
        /// Input bits asked for.
        input_bits: u32,
        /// Output size asked for.
        output: AddressSize,
    },
    /// Forced write-back exists at stage 2 only.
    FwbAtStage1,
    /// That hardware update is not supported.
    UnsupportedUpdate {
        /// The update asked for.
        update: HardwareUpdate,
    },
    /// Leaves cannot be at that level, or (level 3) cannot be left out.
    LeafLevel {
        /// The level.
        level: Level,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InputBits { granule, input_bits, least, most } => {
                write!(f, "{input_bits} input bits: tables of {granule} pages have {least} to {most}")
            }
            Self::Unsupported { bits } => {
                write!(
                    f,
                    "{bits}-bit addresses need 128-bit descriptors: at most {} here",
                    Geometry::MAX_BITS
                )
            }
            Self::DsWith64K => f.write_str("DS changes nothing with 64K pages: they have 52 bits without it"),
            Self::LpaWithout64K { granule } => {
                write!(f, "52-bit outputs change nothing with {granule} pages but by DS")
            }
            Self::ContiguousLevel { granule, level } => {
                write!(
                    f,
                    "leaves at level {level} with {granule} pages have no contiguous groups in this table"
                )
            }
            Self::InputExceedsOutput { input_bits, output } => {
                write!(f, "stage-2 input of {input_bits} bits is larger than the output of {output}")
            }
            Self::FwbAtStage1 => f.write_str("forced write-back (S2FWB) exists at stage 2 only"),
            Self::UnsupportedUpdate { update } => {
                write!(f, "hardware update {update:?} is not supported: table descriptors carry counts")
            }
            Self::LeafLevel { level } if *level == Level::THREE => {
                f.write_str("leaf levels must include level 3, the pages")
            }
            Self::LeafLevel { level } => write!(f, "this table has no leaves at level {level}"),
        }
    }
}

impl core::error::Error for ConfigError {}
