//! What can go wrong with a queue.

use crate::command::{CommandError, Opcode, RawCommand};
use core::fmt;
use core::time::Duration;
use smmu_regs::InstanceId;
use smmu_regs::handshake::HandshakeError;
use smmu_regs::platform::{AllocationError, MemoryError};
use smmu_regs::receipt::QueueId;

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
    /// The SMMU refused a command of this list, or an endpoint did not answer its ATC invalidations: the list must be
    /// sent anew. Other lists are not concerned.
    Refused {
        /// Why.
        failure: CommandFailure,
        /// Index of the command in the list; after an ATC timeout that of the first `CMD_ATC_INV`, and all of them are
        /// in doubt.
        index: usize,
        /// The command.
        command: RawCommand,
    },
    /// The list has run, but its owner looked so late that the SMMU has since refused a command of a later lap in one of
    /// the same entries, and whether it refused one of this list is no longer known. Or the queue was restarted since, and
    /// whether the list has run is not known. Send the list anew.
    InDoubt,
    /// A list does not fit the queue with its `CMD_SYNC`, or has no command.
    List {
        /// Commands in the list.
        commands: usize,
        /// The most that fit.
        most: usize,
    },
    /// This queue does not take such a command: the list belongs in another queue.
    Opcode {
        /// The command.
        opcode: Opcode,
    },
    /// What was waited for is not of this queue.
    OtherQueue {
        /// The SMMU that it is of.
        instance: InstanceId,
        /// Its queue.
        queue: QueueId,
    },
    /// An enhanced queue was to be enabled that is enabled, or still stopping.
    AlreadyEnabled {
        /// PROD as found.
        prod: u32,
        /// CONS as found.
        cons: u32,
    },
    /// The SMMU did not answer an enhanced queue's handshake.
    Handshake(HandshakeError),
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

/// What gets a queue going again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing but the acknowledgement: the SMMU fetches the command again.
    Retry,
    /// The command is replaced.
    Replace,
    /// As [`Remedy::Retry`]; but ATC invalidations before the `CMD_SYNC` may never complete (4.7.3).
    Distrust,
}

impl CommandFailure {
    pub(super) const fn remedy(self) -> Remedy {
        match self {
            Self::None | Self::Abort => Remedy::Retry,
            Self::Illegal | Self::Unknown(_) => Remedy::Replace,
            Self::AtcTimeout => Remedy::Distrust,
        }
    }

    /// The code in `CMDQ_CONS.ERR`.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Illegal => 1,
            Self::Abort => 2,
            Self::AtcTimeout => 3,
            Self::Unknown(code) => code,
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
            Self::Refused { failure, index, command } => {
                write!(f, "the SMMU refused command {index} of the list with {failure}: {command}")
            }
            Self::InDoubt => f.write_str("whether all commands of the list have run is no longer known"),
            Self::List { commands, most } => {
                write!(f, "a list of {commands} commands is not possible in this queue (1 to {most})")
            }
            Self::Opcode { opcode } => write!(f, "{opcode} is not for this queue"),
            Self::OtherQueue { instance, queue } => {
                write!(f, "it was submitted to SMMU {instance}, queue {queue}")
            }
            Self::AlreadyEnabled { prod, cons } => {
                write!(f, "the queue is enabled or still stopping: PROD {prod:#x}, CONS {cons:#x}")
            }
            Self::Handshake(error) => error.fmt(f),
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

impl From<HandshakeError> for QueueError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
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
