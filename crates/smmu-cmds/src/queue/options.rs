//! What a shared queue asks of its platform, what may be chosen for it, and what it says of itself.

use super::{OpcodeSet, QueueError};
use crate::command::{CommandError, Opcode};
use smmu_regs::platform::{Clock, Memory, Mmio};
use smmu_regs::{Caps, Feature};

/// What a shared queue asks of a platform, besides registers, memory and time.
pub trait SharedPlatform: Mmio + Memory + Clock {
    /// While it lives, this CPU is not interrupted by anything that may use the queue, and not preempted.
    type Guard<'a>
    where
        Self: 'a;

    /// Turns local interrupts (those whose handlers may use a queue) and preemption off for as long as the guard lives.
    ///
    /// Guards live as long as it takes to write a list and to ring, or to repair the queue. Inside, nothing waits. But a CPU
    /// that rings goes on for lists that others publish meanwhile: with many CPUs that never pause it may ring for them
    /// time and again. A platform on which they are always off gives `()`.
    ///
    /// What happens otherwise: a handler that interrupts the writing of a list and submits one of its own waits for the
    /// SMMU to reach it, which it cannot before the interrupted list is written; the wait ends with its deadline. Nothing
    /// is lost, but every CPU has waited.
    fn uninterrupted(&self) -> Self::Guard<'_>;

    /// Told of every failure at which the queue was repaired, on the CPU that did it, uninterrupted: for a log. The
    /// submitter learns of it by other means.
    fn command_failed(&self, failed: &super::FailedCommand) {
        let _ = failed;
    }
}

/// How completion is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// The SMMU writes to memory (`IDR0.MSI`, and a coherent SMMU), and that is polled: no register access.
    Memory,
    /// CONS is polled, asleep until an event (`IDR0.SEV`).
    Event,
    /// CONS is polled.
    Poll,
}

impl Completion {
    /// The best that the SMMU can do.
    #[must_use]
    pub const fn best(caps: &Caps) -> Self {
        if caps.has(Feature::Msi) && caps.has(Feature::Coherent) {
            Self::Memory
        } else if caps.has(Feature::Sev) {
            Self::Event
        } else {
            Self::Poll
        }
    }

    pub(super) fn check(self, caps: &Caps) -> Result<(), QueueError> {
        let needs: &[Feature] = match self {
            Self::Memory => &[Feature::Msi, Feature::Coherent],
            Self::Event => &[Feature::Sev],
            Self::Poll => &[],
        };
        match needs.iter().find(|feature| !caps.has(**feature)) {
            Some(needs) => Err(CommandError::Unsupported { command: Opcode::Sync, needs: *needs }.into()),
            None => Ok(()),
        }
    }
}

/// What may be chosen for a shared queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedOptions {
    /// log2 of the entries.
    pub log2: u8,
    /// How completion is noticed.
    pub completion: Completion,
    /// Which commands the queue takes; `CMD_SYNC` is always taken.
    pub takes: OpcodeSet,
}

impl SharedOptions {
    /// 2^`log2` entries, the best completion, all commands.
    #[must_use]
    pub const fn new(caps: &Caps, log2: u8) -> Self {
        Self { log2, completion: Completion::best(caps), takes: OpcodeSet::ALL }
    }
}

/// How far a shared queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Commands accepted.
    pub accepted: u64,
    /// Commands that the SMMU has been told of.
    pub rung: u64,
    /// Commands that the SMMU is known to have consumed.
    pub consumed: u64,
}
