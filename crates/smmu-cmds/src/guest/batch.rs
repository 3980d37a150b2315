//! The plan for a batch of a guest's commands: what is pushed, and where a `CMD_SYNC` stands.

use super::command::Accepted;
use super::faults::next_abort;
use super::{ForwardedFaults, GuestCommandError, NothingForwarded, VirtualSmmu, VirtualStreams};
use crate::command::{Opcode, RawCommand};
use core::fmt;
use core::iter::Fuse;
use smmu_regs::StreamId;

/// One step of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestStep {
    /// Push this command.
    Push(RawCommand),
    /// Push a `CMD_SYNC` and wait for its completion: all commands so far are then complete.
    Sync,
}

/// The command at which a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Its index in the batch: so many commands before it were accepted.
    pub index: usize,
    /// The command, as it was read.
    pub command: RawCommand,
    /// Why it is refused.
    pub error: GuestCommandError,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command {} of the batch: {}", self.index, self.error)
    }
}

/// The steps for a batch of a guest's commands, in the guest's order.
///
/// Each command is taken from the iterator once, as a copy: an iterator that reads a queue in the guest's memory reads each
/// word once. At the first command that is refused the batch ends, after a `CMD_SYNC` for those before it, which so are
/// issued and complete; [`GuestBatch::refusal`] then says which it was.
///
/// A `CMD_SYNC` stands at the end, after [`GuestBatch::BETWEEN_SYNCS`] commands, and between invalidations of the SMMU's own
/// caches and a `CMD_ATC_INV`, which must not overtake them (IHI 0070 4.5.1): the guest's own `CMD_SYNC`s are not in here.
///
/// Whoever carries the steps out himself tells [`ForwardedFaults::answered`] of each push that is an [`Answer`](super::Answer)
/// before the next step is asked for: else the guest's second answer to the same fault is pushed too.
///
/// The batch is as long as the iterator: whoever reads a queue that a guest goes on filling bounds it (`take`).
#[derive(Debug, Clone)]
pub struct GuestBatch<'a, S, I: Iterator, F = NothingForwarded> {
    smmu: &'a VirtualSmmu<'a, S, F>,
    commands: Fuse<I>,
    /// Accepted, waiting for a `CMD_SYNC` before it.
    held: Option<RawCommand>,
    /// A `CMD_STALL_TERM` that is being carried out: the stream, and the tag that was terminated last.
    terminating: Option<(StreamId, Option<u16>)>,
    accepted: usize,
    unsynced: usize,
    /// An invalidation other than `CMD_ATC_INV` is among the unsynced.
    unsynced_own: bool,
    refusal: Option<Refusal>,
}

impl<'a, S: VirtualStreams, I: Iterator<Item = RawCommand>, F: ForwardedFaults> GuestBatch<'a, S, I, F> {
    /// Most commands without a `CMD_SYNC`: as many as the strictest erratum allows (Arm 2812531).
    pub const BETWEEN_SYNCS: usize = 63;

    /// The steps for `commands`.
    pub fn new(smmu: &'a VirtualSmmu<'a, S, F>, commands: impl IntoIterator<IntoIter = I>) -> Self {
        Self {
            smmu,
            commands: commands.into_iter().fuse(),
            held: None,
            terminating: None,
            accepted: 0,
            unsynced: 0,
            unsynced_own: false,
            refusal: None,
        }
    }

    /// The command at which the batch ended, if it was refused.
    #[must_use]
    pub const fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Commands from the start of the batch for which every step has been given. One that becomes nothing counts when it
    /// has been judged.
    #[must_use]
    pub fn begun(&self) -> usize {
        let unfinished = self.held.is_some() || self.terminating.is_some();
        self.accepted.saturating_sub(usize::from(unfinished))
    }

    fn push(&mut self, command: RawCommand) -> GuestStep {
        self.unsynced = self.unsynced.saturating_add(1);
        self.unsynced_own |= command.opcode() != Opcode::AtcInv;
        GuestStep::Push(command)
    }

    fn sync(&mut self) -> GuestStep {
        (self.unsynced, self.unsynced_own) = (0, false);
        GuestStep::Sync
    }

    /// The next command to push.
    fn accept(&mut self) -> Option<RawCommand> {
        loop {
            if let Some((stream, after)) = self.terminating {
                if let Some((stag, abort)) = next_abort(self.smmu.faults(), stream, after) {
                    self.terminating = Some((stream, Some(stag)));
                    return Some(abort);
                }
                self.terminating = None;
            }
            if self.refusal.is_some() {
                return None;
            }
            let command = self.commands.next()?;
            let accepted = match self.smmu.judge(command) {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.refusal = Some(Refusal { index: self.accepted, command, error });
                    return None;
                }
            };
            self.accepted = self.accepted.saturating_add(1);
            match accepted {
                Accepted::Push(command) => return Some(command),
                Accepted::Nothing => {}
                Accepted::Terminate(stream) => self.terminating = Some((stream, None)),
            }
        }
    }
}

impl<S: VirtualStreams, I: Iterator<Item = RawCommand>, F: ForwardedFaults> Iterator
    for GuestBatch<'_, S, I, F>
{
    type Item = GuestStep;

    fn next(&mut self) -> Option<GuestStep> {
        if let Some(command) = self.held.take() {
            return Some(self.push(command));
        }
        if self.unsynced >= Self::BETWEEN_SYNCS {
            return Some(self.sync());
        }
        match self.accept() {
            Some(command) if self.unsynced_own && command.opcode() == Opcode::AtcInv => {
                self.held = Some(command);
                Some(self.sync())
            }
            Some(command) => Some(self.push(command)),
            None if self.unsynced != 0 => Some(self.sync()),
            None => None,
        }
    }
}
