//! The SMMU has stopped: what is done about it, by whom, and who is told (IHI 0070 7.1, 4.7.3).
//!
//! Any CPU that waits repairs the queue, as does the handler of the global error interrupt, one at a time. A refused command
//! is replaced in place by a `CMD_SYNC`, so that the queue goes on for everybody else; a word beside its entry says that it
//! was lost, and its owner reads that when its `CMD_SYNC` completes, which is after the repair. After an ATC timeout the
//! `CMD_SYNC` is fetched again; what it would have completed it then does, but for ATC invalidations: those of its own list
//! are refused, and no later receipt covers a ticket for any that were posted before it.

use super::common::replacement;
use super::error::Remedy;
use super::list::Entry;
use super::options::SharedPlatform;
use super::reserve::position;
use super::shared::SharedQueue;
use super::{CommandFailure, QueueError, QueueRegisters};
use crate::atomic::Ordering;
use crate::command::{Opcode, RawCommand};
use smmu_regs::InstanceId;
use smmu_regs::platform::Memory;
use smmu_regs::receipt::{QueueId, QueuePosition};

/// A command at which the SMMU stopped, and which has been dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedCommand {
    /// The SMMU.
    pub instance: InstanceId,
    /// Its queue.
    pub queue: QueueId,
    /// Why it stopped.
    pub failure: CommandFailure,
    /// The command's number: [`Ticket::contains`](smmu_regs::receipt::Ticket::contains) tells whose it was.
    pub position: QueuePosition,
    /// Index of its entry in the ring.
    pub index: u32,
    /// The command, as memory held it.
    pub command: RawCommand,
}

/// The word beside an entry whose command was lost: its counter plus one, so that 0 is none, and why.
const fn loss(at: u64, failure: CommandFailure) -> u64 {
    at.wrapping_add(1) << 8 | failure.code() as u64
}

/// What a word says of the command at `at`, beside whose entry it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// It was not lost.
    No,
    /// It was, for this reason.
    Yes(CommandFailure),
    /// A command of a later lap was lost in the same entry, which wiped out what there may have been.
    Unknown,
}

fn lost(word: u64, at: u64) -> Lost {
    match (word >> 8).checked_sub(1) {
        Some(of) if of == at => Lost::Yes(CommandFailure::from((word & 0xff) as u8)),
        Some(of) if of > at => Lost::Unknown,
        _ => Lost::No,
    }
}

/// The error for the owner of `list`, whose `entry` failed; `None` if that does not concern it.
fn refusal(
    list: &[RawCommand],
    entry: Entry,
    failure: CommandFailure,
    sync: RawCommand,
) -> Option<QueueError> {
    let (index, command) = match (failure.remedy(), entry) {
        // Everything but ATC invalidations is complete once the CMD_SYNC is.
        (Remedy::Distrust, _) => {
            let atc = |(_, command): &(usize, &RawCommand)| command.opcode() == Opcode::AtcInv;
            list.iter().enumerate().find(atc).map(|(index, command)| (index, *command))?
        }
        (_, Entry::Command(index, command)) => (index, command),
        (_, Entry::Sync | Entry::Last) => (list.len(), sync),
    };
    Some(QueueError::Refused { failure, index, command })
}

impl<I: QueueRegisters> SharedQueue<I> {
    /// Gets the queue going again if the SMMU has stopped: for the handler of the global error interrupt (and, with an
    /// enhanced queue, of `CMDQP_ERR`). Waiting CPUs do it themselves.
    ///
    /// `None` if there is no error, or another CPU is at it.
    ///
    /// Acknowledging is reading and writing `GERRORN`: whoever acknowledges other global errors does so through
    /// [`SharedQueue::while_not_repairing`].
    ///
    /// # Errors
    /// A register holds something impossible; nothing was acknowledged.
    pub fn service<P: SharedPlatform>(&self, p: &P) -> Result<Option<FailedCommand>, QueueError> {
        let stopped = || self.registers.failure(p, self.acknowledged.load(Ordering::Acquire));
        if stopped().is_none() {
            return Ok(None);
        }
        self.while_not_repairing(p, || match stopped() {
            Some(failure) => self.repair(p, failure).map(Some),
            None => Ok(None),
        })
        .unwrap_or(Ok(None))
    }

    /// Calls `f` while no CPU repairs this queue, uninterrupted: for acknowledging other global errors. `None` if one is at
    /// it: try again.
    pub fn while_not_repairing<P: SharedPlatform, R>(&self, p: &P, f: impl FnOnce() -> R) -> Option<R> {
        let _uninterrupted = p.uninterrupted();
        if self.repairing.swap(true, Ordering::Acquire) {
            return None;
        }
        let result = f();
        self.repairing.store(false, Ordering::Release);
        Some(result)
    }

    fn repair<P: SharedPlatform>(&self, p: &P, failure: CommandFailure) -> Result<FailedCommand, QueueError> {
        // What is known of the consumer is looked up after the error was seen, not before: else others could have gone
        // several laps in between. From here on the SMMU stands still and nobody can lap it: the position is exact.
        p.acquire();
        let at = self.refresh(p)?;
        let size = self.ring.size();
        let place = position(size, at);
        let command = RawCommand::from_words(self.ring.read(p, place)?);
        // With nothing rung for the error is of another time.
        let remedy = if at == self.rung() { Remedy::Retry } else { failure.remedy() };
        match remedy {
            Remedy::Retry => {}
            Remedy::Replace => {
                let replacement = replacement(&self.caps)?;
                self.lost.store(at, loss(at, failure));
                self.sound_from.fetch_max(at.saturating_add(1), Ordering::AcqRel);
                self.ring.write(p, place, replacement.words())?;
            }
            Remedy::Distrust => {
                // A command that stands in for a refused one may fail too: its owner is to be told of the refusal, which
                // says more.
                if lost(self.lost.load(at), at) == Lost::No {
                    self.lost.store(at, loss(at, failure));
                }
                self.sound_from.fetch_max(at, Ordering::AcqRel);
            }
        }
        // What was noted is seen by whoever sees the SMMU go on.
        p.publish();
        let before = self.acknowledged.load(Ordering::Acquire);
        let acknowledged = self.registers.acknowledge(p, before);
        if acknowledged != before {
            self.acknowledged.store(acknowledged, Ordering::Release);
            self.ring_bell(p);
        }
        let failed = FailedCommand {
            instance: self.instance,
            queue: self.registers.id(),
            failure,
            position: QueuePosition(at),
            index: size.index(place),
            command,
        };
        p.command_failed(&failed);
        Ok(failed)
    }

    /// What of `list`, which begins at `first`, was lost.
    pub(super) fn loss_in(&self, list: &[RawCommand], first: u64) -> Result<Option<QueueError>, QueueError> {
        let sync = self.plain_sync()?;
        let (mut at, mut found) = (first, None);
        self.layout.for_each(list, true, |entry| {
            if found.is_none() {
                found = match lost(self.lost.load(at), at) {
                    Lost::No => None,
                    Lost::Yes(failure) => refusal(list, entry, failure, sync),
                    Lost::Unknown => Some(QueueError::InDoubt),
                };
            }
            at = at.saturating_add(1);
        });
        Ok(found)
    }

    /// Calls `suspect` with each `CMD_ATC_INV` that may not have completed when the SMMU stopped with
    /// [`CommandFailure::AtcTimeout`]: those between the previous `CMD_SYNC` and `failed`, latest first. Gives false if
    /// that may not be all: consumed entries can have been used again since.
    ///
    /// Submitters need not ask: they are told. This is for finding the endpoint.
    ///
    /// # Errors
    /// The queue's memory is gone.
    pub fn atc_suspects<M: Memory>(
        &self,
        memory: &M,
        failed: &FailedCommand,
        mut suspect: impl FnMut(QueuePosition, RawCommand),
    ) -> Result<bool, QueueError> {
        let size = self.ring.size();
        let mut at = failed.position.0;
        while let Some(before) = at.checked_sub(1) {
            at = before;
            let command = RawCommand::from_words(self.ring.read(memory, position(size, at))?);
            // Looked at after the entry was read: not reserved again so far, not written again when it was read.
            memory.acquire();
            if self.ends.reserved() > at.saturating_add(u64::from(size.entries())) {
                return Ok(false);
            }
            match command.opcode() {
                Opcode::Sync => return Ok(true),
                Opcode::AtcInv => suspect(QueuePosition(at), command),
                _ => {}
            }
        }
        Ok(true)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_that_of_its_command_or_of_a_later_lap() {
        for failure in [CommandFailure::Illegal, CommandFailure::AtcTimeout, CommandFailure::Unknown(0x7f)] {
            for at in [0, 1, 7, 1 << 40] {
                assert_eq!(lost(loss(at, failure), at), Lost::Yes(failure));
                assert_eq!(lost(loss(at, failure), at + 8), Lost::No);
                assert!(at < 8 || lost(loss(at, failure), at - 8) == Lost::Unknown);
            }
        }
        assert_eq!(lost(0, 0), Lost::No);
    }
}
