//! Why a CD cannot be: each condition that the architecture calls ILLEGAL is one variant (IHI 0070 5.4).

use core::fmt;
use smmu_regs::addr::{AddressSize, PhysAddr};
use smmu_regs::layout::FieldError;
use smmu_regs::vmsa::Granule;
use smmu_regs::{Asid, Feature};

/// An address space that no CD of this SMMU can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CdError {
    /// The SMMU lacks what the configuration needs.
    Unsupported {
        /// What is missing.
        needs: Feature,
    },
    /// A value does not fit its field.
    Field(FieldError),
    /// The ASID is wider than the SMMU's.
    Asid {
        /// The ASID.
        asid: Asid,
        /// Implemented bits.
        bits: u8,
    },
    /// The SMMU has not this granule.
    Granule(Granule),
    /// The input size is not between what the SMMU supports.
    InputSize {
        /// Bits asked for.
        bits: u8,
        /// Fewest.
        min: u8,
        /// Most.
        max: u8,
    },
    /// The output size is beyond what the SMMU can express.
    OutputSize {
        /// The size asked for.
        size: AddressSize,
        /// The SMMU's.
        oas: AddressSize,
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
    /// Stalling is asked for and not supported, or not asked for and forced.
    Stall,
    /// Hardware update of descriptors is not supported, or not in this combination.
    HardwareUpdate,
    /// 52-bit descriptors with nothing but 64K pages: `DS` is RES0 there.
    DsWith64K,
    /// An option is asked for that could have no effect: the world, or another option, makes the field RES0 or ignored.
    NoEffect {
        /// The field.
        field: &'static str,
    },
    /// The SMMU does not walk tables of this endianness.
    Endianness {
        /// Big-endian tables were asked for.
        big: bool,
    },
    /// The SMMU can only abort (`IDR0.TERM_MODEL`).
    Termination,
    /// What applications can write would be executable with privilege.
    WritableExecutable {
        /// The permission index.
        index: u8,
    },
    /// A world with one half has no TTB1.
    UpperHalf,
    /// A world with one half ignores `EPD0`: it needs TTB0.
    NoLowerHalf,
    /// The CD asks for stalls and the STE that leads to it refuses them (`S1STALLD`).
    StallRefused,
}

impl fmt::Display for CdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { needs } => write!(f, "this SMMU lacks {needs}"),
            Self::Field(error) => error.fmt(f),
            Self::Asid { asid, bits } => write!(f, "ASID {asid} does not fit in {bits} bits"),
            Self::Granule(granule) => write!(f, "this SMMU has no {granule} granule"),
            Self::InputSize { bits, min, max } => {
                write!(f, "stage-1 input size of {bits} bits is not between {min} and {max}")
            }
            Self::OutputSize { size, oas } => {
                write!(f, "output size {size} is beyond what this SMMU can express ({oas})")
            }
            Self::TooHigh { address, size } => write!(f, "table at {address} lies beyond {size}"),
            Self::Misaligned { address, align } => {
                write!(f, "table at {address} is not aligned to its {align:#x} bytes")
            }
            Self::Stall => f.write_str("the stall setting contradicts the SMMU's stall model"),
            Self::HardwareUpdate => f.write_str("the SMMU cannot update descriptors in this way"),
            Self::DsWith64K => f.write_str("52-bit descriptors (DS) do not exist with 64K pages"),
            Self::NoEffect { field } => write!(f, "{field} would have no effect here"),
            Self::Endianness { big } => {
                write!(f, "this SMMU does not walk {}-endian tables", if *big { "big" } else { "little" })
            }
            Self::Termination => f.write_str("this SMMU can only abort what it terminates"),
            Self::WritableExecutable { index } => {
                write!(f, "permission index {index}: writable by applications and executable with privilege")
            }
            Self::UpperHalf => f.write_str("the EL2 world has no TTB1"),
            Self::NoLowerHalf => f.write_str("the EL2 world cannot do without TTB0"),
            Self::StallRefused => f.write_str("the CD asks for stalls and its STE refuses them (S1STALLD)"),
        }
    }
}

impl core::error::Error for CdError {}

impl From<FieldError> for CdError {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}
