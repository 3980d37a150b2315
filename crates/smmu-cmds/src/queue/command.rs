//! The command queue with one exclusive producer.
//!
//! Commands are written, published and rung in that order; completion is a `CMD_SYNC` that CONS has passed, waited for
//! with a deadline while the error registers are watched. A completed `CMD_SYNC` is the only thing that makes a [`Receipt`].

use super::common::{FORCED_BATCH, MIN_LOG2, after_configuration, base_register, min_log2, replacement};
use super::error::Remedy;
use super::ring::Ring;
use super::{Cmdq, CommandFailure, Position, QueueError, QueueRegisters};
use crate::command::{Command, RawCommand, Sync, SyncSignal};
use core::time::Duration;
use smmu_regs::platform::{Clock, Deadline, Memory, Mmio, Pages};
use smmu_regs::receipt::{CleanStart, QueuePosition, Receipt, Ticket};
use smmu_regs::registers::CmdqBase;
use smmu_regs::{Caps, Feature, InstanceId, Quirk};

/// A command queue and its only producer: the main queue, or an enhanced one ([`Ecmdq`](super::Ecmdq)).
#[derive(Debug)]
pub struct CommandQueue<I = Cmdq> {
    ring: Ring<2>,
    registers: I,
    /// The error state that was last acknowledged, for queues that keep it in PROD.
    acknowledged: bool,
    caps: Caps,
    instance: InstanceId,
    producer: Position,
    consumer: Position,
    /// Commands accepted since the queue was made.
    accepted: u64,
    /// First command since the last `CMD_SYNC`.
    batch_start: u64,
    /// No receipt reaches back before this: commands before it may have been lost.
    valid_from: u64,
    /// What was last written to PROD.
    rung: Position,
}

impl CommandQueue {
    /// log2 of the fewest entries: room for two commands, each with its `CMD_SYNC`.
    pub const MIN_LOG2: u8 = MIN_LOG2;

    /// Allocates a queue of 2^`log2` commands.
    ///
    /// # Errors
    /// The size is not what the SMMU supports, or there is no memory.
    pub fn new<M: Memory>(
        memory: &M,
        caps: &Caps,
        instance: InstanceId,
        log2: u8,
    ) -> Result<Self, QueueError> {
        Self::with(memory, caps, instance, Cmdq, log2)
    }
}

impl<I: QueueRegisters> CommandQueue<I> {
    /// As [`CommandQueue::new`], behind other registers.
    ///
    /// # Errors
    /// The size is not what the SMMU supports, or there is no memory.
    pub fn with<M: Memory>(
        memory: &M,
        caps: &Caps,
        instance: InstanceId,
        registers: I,
        log2: u8,
    ) -> Result<Self, QueueError> {
        Ok(Self {
            ring: Ring::new(memory, log2, min_log2(caps), caps.command_queue_log2)?,
            registers,
            acknowledged: false,
            caps: *caps,
            instance,
            producer: Position::ZERO,
            consumer: Position::ZERO,
            accepted: 0,
            batch_start: 0,
            valid_from: 0,
            rung: Position::ZERO,
        })
    }

    /// What `CMDQ_BASE`, or the base register of an enhanced queue, is to hold.
    ///
    /// # Errors
    /// The queue's address does not fit the register.
    pub fn base_register(&self) -> Result<CmdqBase, QueueError> {
        base_register(&self.ring, &self.caps)
    }

    /// The SMMU whose queue this is.
    #[must_use]
    pub const fn instance(&self) -> InstanceId {
        self.instance
    }

    /// The capabilities that commands are encoded for.
    #[must_use]
    pub const fn caps(&self) -> &Caps {
        &self.caps
    }

    /// How many commands have been accepted.
    #[must_use]
    pub const fn accepted(&self) -> QueuePosition {
        QueuePosition(self.accepted)
    }

    /// A ticket for the commands from `first` to the last one accepted.
    #[must_use]
    pub fn ticket_since(&self, first: QueuePosition) -> Ticket {
        Ticket::new(self.instance, first, QueuePosition(self.accepted)).of_queue(self.registers.id())
    }

    /// Has the SMMU drop all configuration and all non-secure translations that it holds, as must be done before it is
    /// enabled (3.21.3, 6.3.9.6). Configuration goes first: until it has, a running SMMU may make translations of it
    /// (4.3.6).
    ///
    /// # Errors
    /// The SMMU did not complete within `timeout`, or stopped.
    pub fn drop_everything<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        timeout: Duration,
    ) -> Result<CleanStart, QueueError> {
        self.push(p, &Command::CfgiAll, timeout)?;
        let _ = self.sync(p, timeout)?;
        for command in after_configuration(&self.caps) {
            self.push(p, &command, timeout)?;
        }
        let _ = self.sync(p, timeout)?;
        Ok(CleanStart::assert_by_platform(self.instance))
    }

    /// Begins anew at the start of the ring, for an SMMU that was disabled and whose PROD and CONS have been set to 0.
    /// What was queued and not completed is lost: no later receipt covers it.
    pub fn restart(&mut self) {
        self.producer = Position::ZERO;
        self.consumer = Position::ZERO;
        self.rung = Position::ZERO;
        self.acknowledged = false;
        self.batch_start = self.accepted;
        self.valid_from = self.accepted;
    }

    /// Adds a command. The SMMU need not see it before [`CommandQueue::sync`] or [`CommandQueue::ring`].
    ///
    /// # Errors
    /// The command is not for this SMMU (nothing is added), or the queue stayed full for `timeout`, or the SMMU stopped.
    #[inline]
    pub fn push<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        command: &Command,
        timeout: Duration,
    ) -> Result<(), QueueError> {
        let raw = command.encode(&self.caps)?;
        self.push_raw(p, &raw, timeout)
    }

    /// Adds a command that was encoded, for these capabilities, before.
    ///
    /// # Errors
    /// As [`CommandQueue::push`].
    pub fn push_raw<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        command: &RawCommand,
        timeout: Duration,
    ) -> Result<(), QueueError> {
        let batch = self.accepted.saturating_sub(self.batch_start);
        // An erratum bounds a batch; one that is repeated must still be in the ring when its turn comes again.
        let bounded = self.caps.must(Quirk::ForceSync) || self.caps.must(Quirk::RepeatCfgiTlbi);
        if bounded && batch >= FORCED_BATCH {
            let _ = self.sync(p, timeout)?;
        }
        self.add(p, command, timeout)
    }

    fn add<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        command: &RawCommand,
        timeout: Duration,
    ) -> Result<(), QueueError> {
        let size = self.ring.size();
        if size.is_full(self.producer, self.consumer) {
            self.wait_for_space(p, timeout)?;
        }
        self.ring.write(p, self.producer, command.words())?;
        self.producer = size.advance(self.producer, 1);
        self.accepted = self.accepted.saturating_add(1);
        Ok(())
    }

    /// Tells the SMMU of all commands added so far.
    pub fn ring<P: Mmio + Memory>(&mut self, p: &P) {
        if self.rung != self.producer {
            p.publish();
            self.registers.ring(p, self.producer, self.acknowledged);
            self.rung = self.producer;
        }
    }

    /// Adds a `CMD_SYNC`, rings, and waits until the SMMU has completed it.
    ///
    /// Where an erratum asks for it, the configuration and TLB invalidations of the batch are then sent, and synced, a
    /// second time.
    ///
    /// # Errors
    /// The SMMU did not complete within `timeout` (the commands may still complete later, and a later receipt then
    /// covers them, unless an erratum asks for repetition: then they must be sent anew), or it stopped at a command: see
    /// [`CommandQueue::recover`].
    pub fn sync<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        timeout: Duration,
    ) -> Result<Receipt, QueueError> {
        let synced = self.sync_and_repeat(p, timeout);
        if synced.is_err() && self.caps.must(Quirk::RepeatCfgiTlbi) {
            // The second round is lost, and the first proves nothing.
            self.batch_start = self.accepted;
            self.valid_from = self.accepted;
        }
        synced
    }

    fn sync_and_repeat<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        timeout: Duration,
    ) -> Result<Receipt, QueueError> {
        let (first, end) = (self.batch_start, self.accepted);
        let batch = u32::try_from(end.saturating_sub(first)).unwrap_or(u32::MAX);
        let size = self.ring.size();
        let start = self.producer_minus(batch);
        let mut receipt = self.sync_once(p, timeout)?;
        if self.caps.must(Quirk::RepeatCfgiTlbi) {
            let mut again = false;
            for offset in 0..batch {
                let raw = RawCommand::from_words(self.ring.read(p, size.advance(start, offset))?);
                if raw.opcode().is_cfgi_or_tlbi() {
                    self.add(p, &raw, timeout)?;
                    again = true;
                }
            }
            if again {
                receipt = self.sync_once(p, timeout)?;
            }
        }
        Ok(receipt)
    }

    fn producer_minus(&self, count: u32) -> Position {
        let size = self.ring.size();
        // Going back `count` is going on by the rest of the two laps that a position counts.
        size.advance(self.producer, size.entries().wrapping_mul(2).wrapping_sub(count))
    }

    fn sync_once<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        timeout: Duration,
    ) -> Result<Receipt, QueueError> {
        let signal = if self.caps.has(Feature::Sev) { SyncSignal::Event } else { SyncSignal::None };
        let sync = Command::Sync(Sync::new(signal)).encode(&self.caps)?;
        self.add(p, &sync, timeout)?;
        self.batch_start = self.accepted;
        let target = self.producer_minus(1);
        self.ring(p);
        self.wait(p, timeout, "completion of CMD_SYNC", |queue| {
            queue.ring.size().has_consumed(queue.consumer, target)
                || queue.ring.size().is_empty(queue.producer, queue.consumer)
        })?;
        p.acquire();
        Ok(Receipt::assert_queue_completed_by_platform(
            self.instance,
            self.registers.id(),
            QueuePosition(self.valid_from),
            QueuePosition(self.accepted),
        ))
    }

    fn wait_for_space<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        timeout: Duration,
    ) -> Result<(), QueueError> {
        self.ring(p);
        self.wait(p, timeout, "space in the command queue", |queue| {
            !queue.ring.size().is_full(queue.producer, queue.consumer)
        })
    }

    /// Refreshes CONS until `done`, or an error, or the deadline.
    fn wait<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        timeout: Duration,
        what: &'static str,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), QueueError> {
        let deadline = Deadline::after(p, timeout);
        loop {
            let late = deadline.has_passed(p);
            self.refresh(p)?;
            if done(self) {
                return Ok(());
            }
            if let Some(failure) = self.registers.failure(p, self.acknowledged) {
                return Err(self.stopped(p, failure)?);
            }
            if late {
                let (prod, cons) = (self.producer.bits(), self.consumer.bits());
                return Err(QueueError::Timeout { what, timeout, prod, cons });
            }
            if self.caps.has(Feature::Sev) { p.wait_for_event() } else { p.relax() }
        }
    }

    fn refresh<P: Mmio>(&mut self, p: &P) -> Result<(), QueueError> {
        let found = self.registers.consumer(p);
        let size = self.ring.size();
        let consumer = size.position(found.rd);
        let behind = size.distance(consumer, self.producer);
        if found.rd != consumer.bits() || behind > size.distance(self.consumer, self.producer) {
            let (value, other) = (found.register, self.producer.bits());
            return Err(QueueError::Pointer { register: I::CONS, value, other });
        }
        self.consumer = consumer;
        Ok(())
    }

    fn stopped<P: Mmio + Memory>(
        &mut self,
        p: &P,
        failure: CommandFailure,
    ) -> Result<QueueError, QueueError> {
        self.refresh(p)?;
        Ok(QueueError::Stopped {
            failure,
            index: self.ring.size().index(self.consumer),
            command: RawCommand::from_words(self.ring.read(p, self.consumer)?),
        })
    }

    /// Gets a queue that stopped going again: a command that the SMMU refused is replaced by a `CMD_SYNC`, then the
    /// error is acknowledged (IHI 0070 7.1).
    ///
    /// The refused command never took effect, so no later receipt covers a ticket that reaches back to it: what waits
    /// for such a ticket must be invalidated anew. After an ATC timeout or an abort nothing is replaced: the SMMU
    /// fetches the command again. An ATC timeout too spoils tickets up to here, because some endpoint may not have
    /// invalidated.
    ///
    /// # Errors
    /// No command queue error is active: [`Ok`] with `None`; else the failure and the command.
    pub fn recover<P: Mmio + Memory>(
        &mut self,
        p: &P,
    ) -> Result<Option<(CommandFailure, RawCommand)>, QueueError> {
        let Some(failure) = self.registers.failure(p, self.acknowledged) else { return Ok(None) };
        let QueueError::Stopped { command, .. } = self.stopped(p, failure)? else { return Ok(None) };
        let left = self.ring.size().distance(self.consumer, self.producer);
        let culprit = self.accepted.saturating_sub(u64::from(left));
        // With an empty queue the error is of another time.
        let remedy = if left == 0 { Remedy::Retry } else { failure.remedy() };
        match remedy {
            Remedy::Retry => {}
            Remedy::Replace => {
                self.ring.write(p, self.consumer, replacement(&self.caps)?.words())?;
                p.publish();
                self.valid_from = self.valid_from.max(culprit.saturating_add(1));
            }
            Remedy::Distrust => self.valid_from = self.valid_from.max(culprit),
        }
        let acknowledged = self.registers.acknowledge(p, self.acknowledged);
        if acknowledged != self.acknowledged {
            self.acknowledged = acknowledged;
            self.registers.ring(p, self.rung, acknowledged);
        }
        Ok(Some((failure, command)))
    }

    /// Gives the memory back: only when the queue is disabled.
    pub fn into_pages(self) -> Pages {
        self.ring.into_pages()
    }
}
