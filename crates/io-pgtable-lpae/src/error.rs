//! Why an operation did nothing: one enum for each, one variant for each cause.

use crate::attributes::AttributeError;
use core::fmt;
use smmu_regs::platform::{AllocationError, MemoryError};
use smmu_regs::vmsa::{Granule, IovaRange};
use smmu_regs::{AddressSize, PhysAddr};

/// Why nothing was mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// The range does not consist of whole pages.
    Misaligned {
        /// The range.
        range: IovaRange,
        /// The table's granule.
        granule: Granule,
    },
    /// The output address is not that of a page.
    MisalignedOutput {
        /// The output address.
        pa: PhysAddr,
        /// The table's granule.
        granule: Granule,
    },
    /// The table does not translate some of the range.
    OutsideInput {
        /// The range.
        range: IovaRange,
        /// What the table translates.
        input: IovaRange,
    },
    /// The output would run past the table's output size.
    OutsideOutput {
        /// First output address.
        pa: PhysAddr,
        /// The range to be mapped there.
        range: IovaRange,
        /// The table's output size.
        output: AddressSize,
    },
    /// The attributes cannot be encoded.
    Attributes(AttributeError),
    /// Something is mapped there already.
    Mapped {
        /// The first address in the range that is mapped.
        iova: u64,
    },
    /// No memory for a table.
    NoMemory(AllocationError),
    /// The platform gave memory for a table at an address that a table descriptor cannot hold.
    TableAddress {
        /// The address.
        address: PhysAddr,
        /// The table's output size.
        output: AddressSize,
    },
    /// A table descriptor does not point to known memory: somebody wrote into the tables.
    Memory(MemoryError),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { range, granule } => write!(f, "{range} is not whole {granule} pages"),
            Self::MisalignedOutput { pa, granule } => {
                write!(f, "output address {pa} is not aligned to {granule}")
            }
            Self::OutsideInput { range, input } => {
                write!(f, "{range} is not within what the table translates, {input}")
            }
            Self::OutsideOutput { pa, range, output } => {
                write!(f, "{range} mapped to {pa} runs past an output of {output}")
            }
            Self::Attributes(error) => error.fmt(f),
            Self::Mapped { iova } => write!(f, "{iova:#x} is mapped already: unmap it first"),
            Self::NoMemory(error) => error.fmt(f),
            Self::TableAddress { address, output } => {
                write!(f, "memory at {address} cannot be a table: misaligned or beyond an output of {output}")
            }
            Self::Memory(error) => write!(f, "damaged table: {error}"),
        }
    }
}

impl core::error::Error for MapError {}

impl From<MemoryError> for MapError {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}

/// Why nothing was unmapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnmapError {
    /// The range does not consist of whole pages.
    Misaligned {
        /// The range.
        range: IovaRange,
        /// The table's granule.
        granule: Granule,
    },
    /// The table does not translate some of the range.
    OutsideInput {
        /// The range.
        range: IovaRange,
        /// What the table translates.
        input: IovaRange,
    },
    /// Something in the range is not mapped.
    NotMapped {
        /// The first such address.
        iova: u64,
    },
    /// The range covers only a part of a block, which cannot be split without break-before-make.
    PartOfBlock {
        /// The first address of the range that is in the block.
        iova: u64,
        /// The block.
        block: IovaRange,
    },
    /// The gather belongs to another table.
    ForeignGather {
        /// First table of that other table.
        owner: PhysAddr,
    },
    /// A table descriptor does not point to known memory: somebody wrote into the tables. What `unmap_present` had
    /// removed before it found out is in the gather.
    Memory(MemoryError),
}

impl fmt::Display for UnmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { range, granule } => write!(f, "{range} is not whole {granule} pages"),
            Self::OutsideInput { range, input } => {
                write!(f, "{range} is not within what the table translates, {input}")
            }
            Self::NotMapped { iova } => write!(f, "{iova:#x} is not mapped"),
            Self::PartOfBlock { iova, block } => {
                write!(f, "{iova:#x} is in a block that maps {block}: unmap all of it")
            }
            Self::ForeignGather { owner } => {
                write!(f, "the gather belongs to the table at {owner}: finish it first")
            }
            Self::Memory(error) => write!(f, "damaged table: {error}"),
        }
    }
}

impl core::error::Error for UnmapError {}

impl From<MemoryError> for UnmapError {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}
