//! Answers that were not given, and answers that cannot wait.

use crate::command::Command;
use core::fmt;
use smmu_regs::InstanceId;

/// Why an answer was not given.
///
/// `T` is the token and `E` what the queue said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "something may still wait"]
pub enum Unanswered<T, E> {
    /// The command could not be queued. What the token stands for still waits: here is the token, to try again.
    NotSent {
        /// The token.
        token: T,
        /// What the queue said.
        error: E,
    },
    /// Nothing waits any more that this token stands for: its stream was terminated, the SMMU disabled, or the token was issued
    /// anew. Nothing was sent, as the SMMU may use the tag for something else by now.
    Void {
        /// The token.
        token: T,
    },
}

impl<T: fmt::Display, E: fmt::Display> fmt::Display for Unanswered<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent { token, error } => write!(f, "{token} still waits for its answer: {error}"),
            Self::Void { token } => write!(f, "{token} does not wait any more"),
        }
    }
}

impl<T: fmt::Debug + fmt::Display, E: core::error::Error> core::error::Error for Unanswered<T, E> {}

/// Why the stalls of a stream were not terminated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotTerminated<E> {
    /// The receipt is of another SMMU.
    OtherSmmu {
        /// The ledger's.
        here: InstanceId,
        /// The receipt's.
        proof: InstanceId,
    },
    /// The command could not be queued: the stalls still wait.
    NotSent(E),
}

impl<E: fmt::Display> fmt::Display for NotTerminated<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherSmmu { here, proof } => {
                write!(f, "a receipt of {proof:?} says nothing of streams of {here:?}")
            }
            Self::NotSent(error) => write!(f, "the stalls of the stream still wait: {error}"),
        }
    }
}

impl<E: core::error::Error> core::error::Error for NotTerminated<E> {}

/// The answer to something that the ledger has no room for: to be sent now, since nobody will remember.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "something waits for this command"]
pub struct Unrecorded(Command);

impl Unrecorded {
    pub(super) const fn new(command: Command) -> Self {
        Self(command)
    }

    /// The command to be sent.
    pub const fn command(&self) -> &Command {
        &self.0
    }

    /// Sends it.
    ///
    /// # Errors
    /// `send` failed; the answer comes back, and is still to be sent.
    pub fn send<R, E>(self, send: impl FnOnce(Command) -> Result<R, E>) -> Result<R, (Self, E)> {
        send(self.0).map_err(|error| (self, error))
    }
}
