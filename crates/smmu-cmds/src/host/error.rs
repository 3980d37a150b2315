//! Why a host's command is illegal, and why serving its queue ended early.

use crate::command::Opcode;
use crate::queue::QueueError;
use core::fmt;
use smmu_regs::{Feature, InstanceId};

/// A host's command that gets CERROR_ILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostCommandError {
    /// The command is unknown, or none of the SMMU that the host is shown.
    Opcode {
        /// The command.
        command: Opcode,
    },
    /// The host is not shown what the command needs.
    Unsupported {
        /// The command.
        command: Opcode,
        /// What is not shown.
        needs: Feature,
    },
    /// The host is shown an SMMU without stalls.
    NoStall {
        /// The command.
        command: Opcode,
    },
    /// Bits are set that are no field of this command on the shown SMMU (4.1.5).
    Bits {
        /// The command.
        command: Opcode,
        /// Which word.
        word: u8,
        /// The bits.
        bits: u64,
    },
    /// A field, or fields together, hold a reserved value.
    Reserved {
        /// The command.
        command: Opcode,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
}

impl fmt::Display for HostCommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("host command: ")?;
        match self {
            Self::Opcode { command } => write!(f, "{command} is not for the host"),
            Self::Unsupported { command, needs } => {
                write!(f, "{command} needs {needs}, which the host is not shown")
            }
            Self::NoStall { command } => write!(f, "{command} needs stalls, which the host is not shown"),
            Self::Bits { command, word, bits } => {
                write!(f, "{command}: word {word} has bits {bits:#x} that are no field here")
            }
            Self::Reserved { command, field, value } => {
                write!(f, "{command}: {field} holds the reserved value {value:#x}")
            }
        }
    }
}

impl core::error::Error for HostCommandError {}

/// Serving the host's queue ended early, for no reason of the host's. Its CONS stands at the first command that is not carried
/// out, which is read anew next time; those before it are in the physical queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServeError<E> {
    /// The physical queue failed.
    Queue(QueueError),
    /// An action of the hypervisor's failed.
    Action(E),
    /// The faults that the host may answer wait at another SMMU than that of the queue: nothing was served.
    OtherSmmu {
        /// The queue's.
        queue: InstanceId,
        /// The faults'.
        faults: InstanceId,
    },
}

impl<E: fmt::Display> fmt::Display for ServeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(error) => write!(f, "serving the host's commands: {error}"),
            Self::Action(error) => write!(f, "acting for the host: {error}"),
            Self::OtherSmmu { queue, faults } => {
                write!(f, "the host's faults wait at {faults:?}, but the queue is that of {queue:?}")
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for ServeError<E> {}

impl<E> From<QueueError> for ServeError<E> {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}
