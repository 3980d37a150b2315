//! What can go wrong with a queue.

use crate::command::{CommandError, RawCommand};
use core::fmt;
use core::time::Duration;
use smmu_regs::platform::{AllocationError, MemoryError};

/// A queue operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue is larger than the SMMU supports, or too small for a batch and its `CMD_SYNC`.
    Size {
        /// log2 of the entries that were asked for.
        log2: u8,
        /// The smallest.
        min: u8,
        /// The largest.
        max: u8,
    },
    /// The SMMU has no PRI queue (`IDR0.PRI`).
    NoPri,
    /// No memory for the queue.
    Allocation(AllocationError),
    /// The queue's memory is gone.
    Memory(MemoryError),
    /// The queue's address cannot be written to its base register.
    Base {
        /// The address.
        address: u64,
    },
    /// The command is not for this SMMU.
    Command(CommandError),
    /// The SMMU did not make room, or did not complete a `CMD_SYNC`, in time.
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        timeout: Duration,
        /// PROD as software last wrote it.
        prod: u32,
        /// CONS as last read.
        cons: u32,
    },
    /// The SMMU stopped at a command (IHI 0070 7.1).
    Stopped {
        /// Why.
        failure: CommandFailure,
        /// Index of the entry at which it stopped.
        index: u32,
        /// The command there, as memory holds it.
        command: RawCommand,
    },
    /// A pointer register holds something that no queue of this size can.
    Pointer {
        /// The register.
        register: &'static str,
        /// What it holds.
        value: u32,
        /// The other end of the queue.
        other: u32,
    },
}

/// Why the SMMU stopped consuming commands (`CMDQ_CONS.ERR`, IHI 0070 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandFailure {
    /// CERROR_NONE: the SMMU names no cause; the error was there before the queue was enabled.
    None,
    /// CERROR_ILL: it does not understand the command.
    Illegal,
    /// CERROR_ABT: reading the queue was aborted.
    Abort,
    /// CERROR_ATC_INV_SYNC: an endpoint did not answer an ATC invalidation.
    AtcTimeout,
    /// Something else.
    Unknown(u8),
}

impl From<u8> for CommandFailure {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::None,
            1 => Self::Illegal,
            2 => Self::Abort,
            3 => Self::AtcTimeout,
            code => Self::Unknown(code),
        }
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("CERROR_NONE"),
            Self::Illegal => f.write_str("CERROR_ILL"),
            Self::Abort => f.write_str("CERROR_ABT"),
            Self::AtcTimeout => f.write_str("CERROR_ATC_INV_SYNC"),
            Self::Unknown(code) => write!(f, "unknown command error {code:#x}"),
        }
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { log2, min, max } => {
                write!(f, "a queue of 2^{log2} entries is not possible here (2^{min} to 2^{max})")
            }
            Self::NoPri => f.write_str("this SMMU has no PRI queue"),
            Self::Allocation(error) => error.fmt(f),
            Self::Memory(error) => error.fmt(f),
            Self::Base { address } => write!(f, "queue address {address:#x} does not fit the base register"),
            Self::Command(error) => error.fmt(f),
            Self::Timeout { what, timeout, prod, cons } => {
                write!(f, "{what} did not happen within {timeout:?}: PROD {prod:#x}, CONS {cons:#x}")
            }
            Self::Stopped { failure, index, command } => {
                write!(f, "the SMMU stopped with {failure} at entry {index}: {command}")
            }
            Self::Pointer { register, value, other } => {
                write!(f, "{register} holds {value:#x}, which is impossible with the other end at {other:#x}")
            }
        }
    }
}

impl core::error::Error for QueueError {}

impl From<CommandError> for QueueError {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl From<MemoryError> for QueueError {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}

impl From<AllocationError> for QueueError {
    fn from(error: AllocationError) -> Self {
        Self::Allocation(error)
    }
}
