//! The host's command queue, served: read in the host's memory, judged, carried out in order.
//!
//! PROD is the host's and may be anything; CONS, the error code and GERROR are the host's view of them
//! ([`HostView`]). Work is bounded for each call, so a host that fills its queue for ever holds no CPU of the hypervisor's.

use super::{Completion, HostAction, HostSmmu, HostStreams, HostVerdict, ServeError};
use crate::command::{Opcode, RawCommand};
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
    /// change it at any moment. To a host that is shown an SMMU that does not snoop (`IDR0.COHACC` 0) this is memory that is not
    /// cached: it is to be read past the caches.
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
    /// Most commands. A `CMD_STALL_TERM` counts as one, and is bounded by the stalls that were forwarded; so does a
    /// [`HostAction::Reshadow`], which is bounded by the number of the host's streams: with many of them this is to be small.
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
    /// error: its queue stops at its next `CMD_SYNC` with CERROR_ATC_INV_SYNC, as it would have on the real SMMU. Nobody else meets
    /// that time-out: before an action, and before this returns, a `CMD_SYNC` of the hypervisor's own stands behind the host's
    /// `CMD_ATC_INV`s, unless the host has sent one.
    ///
    /// # Errors
    /// The physical queue or an action failed, or the faults wait at another SMMU. What the host sees is consistent: CONS stands at
    /// the first command that is not carried out, and nothing has stopped the host's queue.
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
        let mut physical = Physical { p, queue, timeout };
        let mut commands = 0;
        let end = loop {
            let Some(waiting) = view.commands_waiting() else { break Standstill::Idle };
            if commands >= bound {
                break Standstill::Bound;
            }
            let Some(command) = read(memory, waiting.next) else {
                break Standstill::Failed { failure: CommandFailure::Abort, command: None };
            };
            match self.carry_out(&mut physical, view, command, &mut act)? {
                Outcome::Consumed => view.command_consumed(),
                Outcome::Synced(completion) => {
                    // Whoever is told finds CONS beyond the command (4.7.3).
                    let before = *view;
                    view.command_consumed();
                    if let Err(error) = act(physical.queue, HostAction::Completed(completion)) {
                        *view = before;
                        return Err(ServeError::Action(error));
                    }
                }
                Outcome::Failed(failure) => break Standstill::Failed { failure, command: Some(command) },
            }
            commands = commands.saturating_add(1);
        };
        physical.settle(view)?;
        // Commands without a CMD_SYNC take effect, too.
        queue.ring(p);
        if let Standstill::Failed { failure, .. } = end {
            view.command_failed(failure.code());
        }
        Ok(Served { commands, end })
    }

    fn carry_out<P: Mmio + Memory + Clock, E>(
        &self,
        physical: &mut Physical<'_, P>,
        view: &mut HostView,
        command: RawCommand,
        act: &mut impl FnMut(&mut CommandQueue, HostAction) -> Result<(), E>,
    ) -> Result<Outcome, ServeError<E>> {
        let Ok(verdict) = self.judge(command) else { return Ok(Outcome::Failed(CommandFailure::Illegal)) };
        match verdict {
            // While the host's SMMU is disabled these are ignored (4.5.1, 4.5.2).
            HostVerdict::Forward(command)
                if !view.cr0().smmuen() && matches!(command.opcode(), Opcode::AtcInv | Opcode::PriResp) => {}
            HostVerdict::Forward(command) => {
                physical.push(view, &command)?;
                if let Some(answer) = Answer::of(&command) {
                    self.faults().answered(answer);
                }
            }
            HostVerdict::Terminate(stream) => {
                let mut after = None;
                while let Some((stag, abort)) = next_abort(self.faults(), stream, after) {
                    physical.push(view, &abort)?;
                    self.faults().answered(Answer::Stall { stream, stag });
                    after = Some(stag);
                }
            }
            HostVerdict::Act(action) => {
                physical.settle(view)?;
                act(physical.queue, action).map_err(ServeError::Action)?;
            }
            HostVerdict::Sync(completion) => {
                physical.sync(view)?;
                return Ok(if view.atc().take_lost() {
                    Outcome::Failed(CommandFailure::AtcTimeout)
                } else {
                    Outcome::Synced(completion)
                });
            }
            HostVerdict::Ignore(_) => {}
        }
        Ok(Outcome::Consumed)
    }
}

/// The physical queue while it works for the host.
struct Physical<'a, P> {
    p: &'a P,
    queue: &'a mut CommandQueue,
    timeout: Duration,
}

impl<P: Mmio + Memory + Clock> Physical<'_, P> {
    fn push(&mut self, view: &mut HostView, command: &RawCommand) -> Result<(), QueueError> {
        match self.queue.push_raw(self.p, command, self.timeout) {
            // Where an erratum bounds a batch there was a CMD_SYNC.
            Err(error) if self.is_the_hosts(view, &error)? => {
                self.queue.push_raw(self.p, command, self.timeout)?;
            }
            pushed => pushed?,
        }
        if command.opcode() == Opcode::AtcInv {
            view.atc().sent();
        }
        Ok(())
    }

    fn sync(&mut self, view: &mut HostView) -> Result<(), QueueError> {
        match self.queue.sync(self.p, self.timeout) {
            Err(error) if self.is_the_hosts(view, &error)? => {}
            synced => {
                let _receipt = synced?;
            }
        }
        view.atc().synced();
        Ok(())
    }

    /// Leaves no `CMD_ATC_INV` of the host's to somebody else's `CMD_SYNC`.
    fn settle(&mut self, view: &mut HostView) -> Result<(), QueueError> {
        if view.atc().is_unproved() { self.sync(view) } else { Ok(()) }
    }

    /// Whether an endpoint of the host's did not answer: then the queue goes on, and the host will hear of it.
    fn is_the_hosts(&mut self, view: &mut HostView, error: &QueueError) -> Result<bool, QueueError> {
        let late = matches!(error, QueueError::Stopped { failure: CommandFailure::AtcTimeout, .. });
        if !late || !view.atc().is_unproved() {
            return Ok(false);
        }
        let _ = self.queue.recover(self.p)?;
        view.atc().lost();
        Ok(true)
    }
}

/// A copy of the command at `at`; each word is read once.
fn read(memory: &impl HostMemory, at: PhysAddr) -> Option<RawCommand> {
    Some(RawCommand::from_words([memory.load(at)?, memory.load(at.checked_add(8)?)?]))
}
