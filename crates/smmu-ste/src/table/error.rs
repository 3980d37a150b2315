//! What can go wrong with a table.

use crate::cd::CdError;
use crate::ste::SteError;
use core::fmt;
use smmu_cmds::{CommandError, QueueError};
use smmu_regs::addr::AddressSize;
use smmu_regs::layout::FieldError;
use smmu_regs::platform::{AllocationError, MemoryError};
use smmu_regs::receipt::Ticket;
use smmu_regs::{InstanceId, PhysAddr, StreamId, SubstreamId};

/// A table operation that failed. Nothing is half-done unless the variant says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// A StreamID beyond the table.
    Stream {
        /// The StreamID.
        stream: StreamId,
        /// Bits that the table covers.
        bits: u8,
    },
    /// A SubstreamID beyond the CD table.
    Substream {
        /// The SubstreamID.
        substream: SubstreamId,
        /// log2 of the CDs.
        cds_log2: u8,
    },
    /// More StreamIDs or CDs than the SMMU, or a linear table, can have.
    Size {
        /// log2 of the entries asked for.
        log2: u8,
        /// The most.
        max: u8,
    },
    /// A level-1 descriptor in memory is not one that this table wrote.
    Level1 {
        /// What it holds.
        descriptor: u64,
    },
    /// No memory.
    Allocation(AllocationError),
    /// The table's memory is gone.
    Memory(MemoryError),
    /// A value does not fit a register or descriptor.
    Field(FieldError),
    /// The STE cannot be.
    Ste(SteError),
    /// The CD cannot be.
    Cd(CdError),
    /// The queue failed, before or between the steps of a change: the entry may hold any of the plan's states, and caches
    /// too. The next change of this table first drops everything that is cached.
    Queue(QueueError),
    /// The queue is of another SMMU than the one that this table was used with first; or, of a shared CD table, the SMMU
    /// `table` uses it and is not among those that are to be told.
    Instance {
        /// The SMMU whose table it is.
        table: InstanceId,
        /// The SMMU whose queue it is.
        queue: InstanceId,
    },
    /// A two-level table cannot be split there: 6, 8 and 10 are the values that there are (6.3.25).
    Split {
        /// The value.
        split: u8,
    },
    /// The SMMU has no two-level stream tables.
    TwoLevel,
    /// ATS cannot go between full and split-stage at once: first stop it at the endpoint, invalidate its cache and set
    /// `EATS` to 0 (3.9.2).
    AtsTransition {
        /// The present code.
        from: u8,
        /// The code asked for.
        to: u8,
    },
    /// The SMMU has no two-level CD tables.
    TwoLevelCds,
    /// A single CD cannot be behind a level-1 descriptor: the SMMU would take the descriptor for the CD.
    SingleCd,
    /// A table is not aligned to its size.
    Misaligned {
        /// The table.
        address: PhysAddr,
        /// The alignment it needs, in bytes.
        align: u64,
    },
    /// A table lies beyond the output address size.
    TooHigh {
        /// The table.
        address: PhysAddr,
        /// The size.
        size: AddressSize,
    },
    /// Some entry of a table that was to be given up still does something.
    InUse {
        /// The index of the first such entry in the table.
        index: u64,
    },
    /// The table was inherited: whose its memory is, its new owner knows.
    Inherited,
    /// A command was lost while others went on: what it was to drop may still be cached, and the memory leaks.
    Lost(Ticket),
    /// The same SMMU is named twice among the users of a CD table.
    UserTwice {
        /// The SMMU.
        instance: InstanceId,
    },
    /// More SMMUs share a CD table than can be waited for.
    TooManyUsers {
        /// How many.
        count: usize,
    },
    /// A CD table that no stream uses needs no invalidation: use [`CdTable::set_before_use`](super::CdTable::set_before_use).
    NoStream,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream { stream, bits } => {
                write!(f, "StreamID {stream} is beyond the stream table ({bits} bits)")
            }
            Self::Substream { substream, cds_log2 } => {
                write!(f, "SubstreamID {substream} is beyond the CD table (2^{cds_log2} CDs)")
            }
            Self::Size { log2, max } => write!(f, "2^{log2} entries are more than 2^{max}"),
            Self::Level1 { descriptor } => {
                write!(f, "level-1 descriptor {descriptor:#x} is not one that this table wrote")
            }
            Self::Allocation(error) => error.fmt(f),
            Self::Memory(error) => error.fmt(f),
            Self::Field(error) => error.fmt(f),
            Self::Ste(error) => error.fmt(f),
            Self::Cd(error) => error.fmt(f),
            Self::Queue(error) => error.fmt(f),
            Self::Instance { table, queue } => {
                write!(f, "the table is of SMMU {table} and the queue of SMMU {queue}")
            }
            Self::Split { split } => {
                write!(f, "a two-level stream table cannot be split at {split}: 6, 8 or 10")
            }
            Self::TwoLevel => f.write_str("this SMMU has no two-level stream tables"),
            Self::AtsTransition { from, to } => {
                write!(f, "EATS cannot go from {from} to {to} at once: stop ATS first")
            }
            Self::TwoLevelCds => f.write_str("this SMMU has no two-level CD tables"),
            Self::SingleCd => f.write_str("a single CD cannot be in a two-level table"),
            Self::Misaligned { address, align } => {
                write!(f, "table at {address} is not aligned to its {align:#x} bytes")
            }
            Self::TooHigh { address, size } => write!(f, "table at {address} lies beyond {size}"),
            Self::InUse { index } => write!(f, "entry {index} of the table is still in use"),
            Self::Inherited => {
                f.write_str("the table was inherited, and its memory is not ours to give back")
            }
            Self::Lost(ticket) => write!(f, "{ticket}: one of them was lost"),
            Self::UserTwice { instance } => write!(f, "SMMU {instance} is named twice"),
            Self::TooManyUsers { count } => write!(f, "{count} SMMUs are too many for one CD table"),
            Self::NoStream => f.write_str("no stream is named that uses the CD table"),
        }
    }
}

impl core::error::Error for TableError {}

macro_rules! from {
    ($($variant:ident($error:ty);)*) => {$(
        impl From<$error> for TableError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

from! {
    Allocation(AllocationError);
    Memory(MemoryError);
    Field(FieldError);
    Ste(SteError);
    Cd(CdError);
    Queue(QueueError);
}

impl From<CommandError> for TableError {
    fn from(error: CommandError) -> Self {
        Self::Queue(QueueError::Command(error))
    }
}
