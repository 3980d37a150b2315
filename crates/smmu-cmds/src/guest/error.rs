//! Why a guest's command does not go into the physical queue.

use super::Refusal;
use crate::command::{CommandError, Opcode, OperandError};
use crate::queue::QueueError;
use core::fmt;
use smmu_regs::{Feature, InstanceId, VirtualStreamId};

/// A guest's command that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuestCommandError {
    /// The command is unknown, or not a guest's.
    Opcode {
        /// The command.
        command: Opcode,
    },
    /// The SMMU lacks what the command needs.
    Unsupported {
        /// The command.
        command: Opcode,
        /// What is missing.
        needs: Feature,
    },
    /// The SMMU has no stalls (4.7.1, 4.7.2).
    NoStall {
        /// The command.
        command: Opcode,
    },
    /// [`VirtualSmmu::translate`](super::VirtualSmmu::translate) gives one command for one, and this becomes none or many:
    /// [`GuestBatch`](super::GuestBatch) takes it.
    NotOne {
        /// The command.
        command: Opcode,
    },
    /// Bits are set that are no field of this command on this SMMU (4.1.5).
    Bits {
        /// The command.
        command: Opcode,
        /// Which word.
        word: u8,
        /// The bits.
        bits: u64,
    },
    /// A field that is RES0 while TG is 0 is not 0 (4.4.1.1).
    WithoutGranule {
        /// The command.
        command: Opcode,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u8,
    },
    /// A field holds a reserved value.
    ReservedValue {
        /// The command.
        command: Opcode,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// The range is a reserved one (4.4.1.1).
    Operand(OperandError),
    /// The guest has no such device.
    NoDevice {
        /// The command.
        command: Opcode,
        /// The guest's StreamID.
        device: VirtualStreamId,
    },
    /// No fault of the guest's: the StreamID or VMID that the host put in is not one of this SMMU's.
    Host(CommandError),
}

impl fmt::Display for GuestCommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("guest command: ")?;
        match self {
            Self::Opcode { command } => write!(f, "{command} is not for guests"),
            Self::Unsupported { command, needs } => {
                write!(f, "{command} needs {needs}, which this SMMU lacks")
            }
            Self::NoStall { command } => {
                write!(f, "{command} needs stalls, which this SMMU does not support")
            }
            Self::NotOne { command } => write!(f, "{command} becomes none or many commands"),
            Self::Bits { command, word, bits } => {
                write!(f, "{command}: word {word} has bits {bits:#x} that are no field here")
            }
            Self::WithoutGranule { command, field, value } => {
                write!(f, "{command}: {field} is {value:#x}, but TG is 0")
            }
            Self::ReservedValue { command, field, value } => {
                write!(f, "{command}: {field} holds the reserved value {value:#x}")
            }
            Self::Operand(error) => error.fmt(f),
            Self::NoDevice { command, device } => write!(f, "{command}: there is no device {device}"),
            Self::Host(error) => write!(f, "the host's part of it: {error}"),
        }
    }
}

impl core::error::Error for GuestCommandError {}

impl From<OperandError> for GuestCommandError {
    fn from(error: OperandError) -> Self {
        Self::Operand(error)
    }
}

impl From<CommandError> for GuestCommandError {
    fn from(error: CommandError) -> Self {
        Self::Host(error)
    }
}

/// A batch of a guest's commands that did not complete as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuestBatchError {
    /// A command was refused. All commands before it are complete, it and those after it were not issued.
    Refused(Refusal),
    /// The queue failed.
    Queue {
        /// Commands from the start of the batch that a completed `CMD_SYNC` covers: so far the guest's queue has been consumed.
        completed: usize,
        /// Commands from the start of the batch that are in the physical queue, those that are complete included. The others
        /// among them may take effect at any time, or never.
        issued: usize,
        /// What failed. If the SMMU stopped, [`CommandQueue::recover`](crate::CommandQueue::recover) is the next thing to do.
        error: QueueError,
    },
    /// The faults that the guest may answer wait at another SMMU than that of the queue: nothing was issued.
    OtherSmmu {
        /// The queue's.
        queue: InstanceId,
        /// The faults'.
        faults: InstanceId,
    },
}

impl fmt::Display for GuestBatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Queue { completed, issued, error } => {
                write!(f, "guest commands: {issued} issued, {completed} of them complete: {error}")
            }
            Self::OtherSmmu { queue, faults } => {
                write!(f, "guest commands: the faults wait at {faults:?}, but the queue is that of {queue:?}")
            }
        }
    }
}

impl core::error::Error for GuestBatchError {}
