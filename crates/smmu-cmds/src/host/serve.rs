//! The host's command queue, served: read in the host's memory, judged, carried out in order.
//!
//! PROD is the host's and may be anything; CONS, the error code and GERROR are the host's view of them
//! ([`HostView`]). Work is bounded for each call, so a host that fills its queue for ever holds no CPU of the hypervisor's.

use super::{Completion, HostAction, HostSmmu, HostStreams, HostVerdict, ServeError};
use crate::command::RawCommand;
use crate::guest::{Answer, ForwardedFaults, next_abort};
use crate::queue::{CommandFailure, CommandQueue, QueueError};
use core::time::Duration;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Clock, Memory, Mmio};
use smmu_regs::trap::HostView;

/// The host's memory, as the hypervisor reads it for the host. Any `Fn(PhysAddr) -> Option<u64>` is one.
pub trait HostMemory {
    /// The word at `address`, an address in the host's world and 8-byte aligned, read once and whole (as
    /// [`Dword::load`](smmu_regs::platform::Dword::load) does); `None` if it is not memory of the host's. The host may
    /// change it at any moment.
    fn load(&self, address: PhysAddr) -> Option<u64>;
}

impl<F: Fn(PhysAddr) -> Option<u64>> HostMemory for F {
    fn load(&self, address: PhysAddr) -> Option<u64> {
        self(address)
    }
}

/// How much one call of [`HostSmmu::serve`] may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most commands. A `CMD_STALL_TERM` counts as one, and is bounded by the stalls that were forwarded.
    pub commands: u32,
    /// The longest of each wait.
    pub timeout: Duration,
}

/// What a call of [`HostSmmu::serve`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Served {
    /// Commands that were consumed.
    pub commands: u32,
    /// Why it ended.
    pub end: Standstill,
}

/// Why serving the host's queue ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standstill {
    /// Nothing is left to do: the queue is empty, disabled, stopped, or its ends make no sense.
    Idle,
    /// The bound is reached; more commands wait.
    Bound,
    /// The queue stopped with an error that the host's view holds now: the hypervisor raises the host's global error
    /// interrupt.
    Failed {
        /// The error.
        failure: CommandFailure,
        /// The command, if it could be read.
        command: Option<RawCommand>,
    },
}

/// What one command came to.
enum Outcome {
    Consumed,
    /// Consumed, and then the host is told.
    Synced(Completion),
    Failed(CommandFailure),
}

impl<S: HostStreams, F: ForwardedFaults> HostSmmu<'_, S, F> {
    /// Consumes commands of the host's queue, as many as `limits` says at most.
    ///
    /// Each word of a command is read once. `act` carries out what is not a command, and gets the physical queue, in which all
    /// earlier commands already are. An endpoint that does not answer a `CMD_ATC_INV` is the host's
    /// error: its queue stops at its `CMD_SYNC` with CERROR_ATC_INV_SYNC, as it would have on the real SMMU.
    ///
    /// # Errors
    /// The physical queue or an action failed, or the faults wait at another SMMU. What the host sees is consistent: CONS stands at the command in hand.
    pub fn serve<P: Mmio + Memory + Clock, E>(
        &self,
        p: &P,
        queue: &mut CommandQueue,
        view: &mut HostView,
        memory: &impl HostMemory,
        limits: Limits,
        mut act: impl FnMut(&mut CommandQueue, HostAction) -> Result<(), E>,
    ) -> Result<Served, ServeError<E>> {
        let queues = queue.instance();
        if let Some(faults) = self.faults().instance().filter(|faults| *faults != queues) {
            return Err(ServeError::OtherSmmu { queue: queues, faults });
        }
        let Limits { commands: bound, timeout } = limits;
        let mut commands = 0;
        let end = loop {
            let Some(waiting) = view.commands_waiting() else { break Standstill::Idle };
            if commands >= bound {
                break Standstill::Bound;
            }
            let Some(command) = read(memory, waiting.next) else {
                let failure = CommandFailure::Abort;
                view.command_failed(ABORT);
                break Standstill::Failed { failure, command: None };
            };
            match self.carry_out(p, queue, command, timeout, &mut act)? {
                Outcome::Consumed => view.command_consumed(),
                Outcome::Synced(completion) => {
                    // Whoever is told finds CONS beyond the command (4.7.3).
                    view.command_consumed();
                    act(queue, HostAction::Completed(completion)).map_err(ServeError::Action)?;
                }
                Outcome::Failed(failure) => {
                    view.command_failed(if failure == CommandFailure::AtcTimeout {
                        ATC_TIMEOUT
                    } else {
                        ILLEGAL
                    });
                    break Standstill::Failed { failure, command: Some(command) };
                }
            }
            commands = commands.saturating_add(1);
        };
        // Commands without a CMD_SYNC take effect, too.
        queue.ring(p);
        Ok(Served { commands, end })
    }

    fn carry_out<P: Mmio + Memory + Clock, E>(
        &self,
        p: &P,
        queue: &mut CommandQueue,
        command: RawCommand,
        timeout: Duration,
        act: &mut impl FnMut(&mut CommandQueue, HostAction) -> Result<(), E>,
    ) -> Result<Outcome, ServeError<E>> {
        let Ok(verdict) = self.judge(command) else { return Ok(Outcome::Failed(CommandFailure::Illegal)) };
        match verdict {
            HostVerdict::Forward(command) => self.push(p, queue, &command, timeout)?,
            HostVerdict::Terminate(stream) => {
                let mut after = None;
                while let Some((stag, abort)) = next_abort(self.faults(), stream, after) {
                    self.push(p, queue, &abort, timeout)?;
                    after = Some(stag);
                }
            }
            HostVerdict::Act(action) => act(queue, action).map_err(ServeError::Action)?,
            HostVerdict::Sync(completion) => {
                return match queue.sync(p, timeout) {
                    Ok(_receipt) => Ok(Outcome::Synced(completion)),
                    Err(QueueError::Stopped { failure: CommandFailure::AtcTimeout, .. }) => {
                        let _ = queue.recover(p)?;
                        Ok(Outcome::Failed(CommandFailure::AtcTimeout))
                    }
                    Err(error) => Err(error.into()),
                };
            }
            HostVerdict::Ignore(_) => {}
        }
        Ok(Outcome::Consumed)
    }

    fn push<P: Mmio + Memory + Clock>(
        &self,
        p: &P,
        queue: &mut CommandQueue,
        command: &RawCommand,
        timeout: Duration,
    ) -> Result<(), QueueError> {
        queue.push_raw(p, command, timeout)?;
        if let Some(answer) = Answer::of(command) {
            self.faults().answered(answer);
        }
        Ok(())
    }
}

/// CERROR_ILL, CERROR_ABT, CERROR_ATC_INV_SYNC (7.1).
const ILLEGAL: u8 = 1;
const ABORT: u8 = 2;
const ATC_TIMEOUT: u8 = 3;

/// A copy of the command at `at`; each word is read once.
fn read(memory: &impl HostMemory, at: PhysAddr) -> Option<RawCommand> {
    Some(RawCommand::from_words([memory.load(at)?, memory.load(at.checked_add(8)?)?]))
}
