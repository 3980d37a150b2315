//! Waiting: for room, for completion; and what a completion proves.

use super::options::SharedPlatform;
use super::reserve::{counter, position};
use super::shared::SharedQueue;
use super::{Completion, QueueError, QueueRegisters};
use crate::atomic::Ordering;
use crate::command::RawCommand;
use core::time::Duration;
use smmu_regs::platform::{Deadline, Dword, Memory, Mmio};
use smmu_regs::receipt::{QueuePosition, Receipt, Ticket};

/// Registers are looked at once in so many looks at memory: for errors, and in case the write got lost.
const LOOKS: u32 = 64;

/// What [`QueueError::Timeout`] says.
const ROOM: &str = "space in the command queue";

/// A list that has been submitted and that ends with a `CMD_SYNC`.
#[derive(Debug)]
#[must_use = "nobody knows whether it has completed"]
pub struct Pending<'l> {
    pub(super) list: &'l [RawCommand],
    pub(super) ticket: Ticket,
    pub(super) first: u64,
    pub(super) end: u64,
}

impl Pending<'_> {
    /// A ticket for the list.
    #[must_use]
    pub const fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl<I: QueueRegisters> SharedQueue<I> {
    /// Waits until the SMMU has completed the list. If it stopped, at whosever command, the queue is repaired.
    ///
    /// # Errors
    /// [`QueueError::Refused`] and [`QueueError::InDoubt`]: the list must be sent anew. [`QueueError::Timeout`]: it may still complete; wait again, or
    /// submit an empty list, whose receipt covers this one's ticket too.
    pub fn wait<P: SharedPlatform>(
        &self,
        p: &P,
        pending: &Pending<'_>,
        timeout: Duration,
    ) -> Result<Receipt, QueueError> {
        if pending.ticket.instance() != self.instance || pending.ticket.queue() != self.registers.id() {
            let (instance, queue) = (pending.ticket.instance(), pending.ticket.queue());
            return Err(QueueError::OtherQueue { instance, queue });
        }
        if pending.first < self.begun {
            return Err(QueueError::InDoubt);
        }
        let deadline = Deadline::after(p, timeout);
        let word = self.done_word(pending.end.saturating_sub(1)).and_then(|(address, value)| {
            let word = p.words(address, 1).ok()?.first()?;
            Some((word, value))
        });
        self.wait_until(
            p,
            deadline,
            timeout,
            "completion of CMD_SYNC",
            || {
                if word.is_some_and(|(word, value): (&Dword, u32)| low(word.load()) == value) {
                    p.acquire();
                    self.ends.consume(pending.end);
                }
                self.ends.consumed() >= pending.end
            },
            word.is_some(),
        )?;
        self.judge(pending)
    }

    pub(super) fn wait_for_room<P: SharedPlatform>(
        &self,
        p: &P,
        count: u32,
        deadline: Deadline,
        timeout: Duration,
    ) -> Result<(), QueueError> {
        let room = || self.ends.has_room(self.ring.size(), count);
        self.wait_until(p, deadline, timeout, ROOM, room, false)
    }

    /// There was no room for a list in time.
    pub(super) fn no_room(&self, timeout: Duration) -> QueueError {
        self.timeout(ROOM, timeout)
    }

    /// Looks until `done`, or the deadline. `cheap` says that `done` looks for itself, at memory.
    fn wait_until<P: SharedPlatform>(
        &self,
        p: &P,
        deadline: Deadline,
        timeout: Duration,
        what: &'static str,
        done: impl Fn() -> bool,
        cheap: bool,
    ) -> Result<(), QueueError> {
        let mut looks = 0_u32;
        loop {
            if done() {
                return Ok(());
            }
            looks = looks.wrapping_add(1);
            let late = deadline.has_passed(p);
            if !cheap || late || looks % LOOKS == 0 {
                self.refresh(p)?;
                if done() {
                    return Ok(());
                }
                self.service(p)?;
            }
            if late {
                return Err(self.timeout(what, timeout));
            }
            match self.options.completion {
                Completion::Event => p.wait_for_event(),
                Completion::Memory | Completion::Poll => p.relax(),
            }
        }
    }

    fn timeout(&self, what: &'static str, timeout: Duration) -> QueueError {
        let at = |counter| position(self.ring.size(), counter).bits();
        QueueError::Timeout { what, timeout, prod: at(self.rung()), cons: at(self.ends.consumed()) }
    }

    /// Reads CONS.
    pub(super) fn refresh<P: Mmio + Memory>(&self, p: &P) -> Result<u64, QueueError> {
        let floor = self.ends.consumed();
        let found = self.registers.consumer(p);
        // What was done before the SMMU consumed is seen from here on: among it, how far it had been rung for.
        p.acquire();
        let at = self.ring.size().position(found.rd);
        let consumed = counter(self.ring.size(), floor, at);
        let rung = self.rung();
        if found.rd != at.bits() || consumed > rung {
            let other = position(self.ring.size(), rung).bits();
            return Err(QueueError::Pointer { register: I::CONS, value: found.register, other });
        }
        self.ends.consume(consumed);
        Ok(consumed)
    }

    /// What the completion of a list's `CMD_SYNC` proves.
    fn judge(&self, pending: &Pending<'_>) -> Result<Receipt, QueueError> {
        let sound_from = self.sound_from.load(Ordering::Acquire);
        let from = if sound_from <= pending.first {
            // Nothing was lost from this list on: its CMD_SYNC speaks for everybody's commands since the last loss.
            sound_from
        } else {
            // Something was, in this list or in a later one: it speaks for this list, at most.
            if let Some(refused) = self.loss_in(pending.list, pending.first)? {
                return Err(refused);
            }
            pending.first
        };
        let (from, through) = (QueuePosition(from), QueuePosition(pending.end));
        Ok(Receipt::assert_queue_completed_by_platform(self.instance, self.registers.id(), from, through))
    }
}

/// What the SMMU's 32-bit write changes of a word; some write all of it.
const fn low(word: u64) -> u32 {
    (word & u32::MAX as u64) as u32
}
