//! The command queue with many producers: any CPU, no lock.
//!
//! A list of commands is placed in four steps: its entries are reserved (one compare-exchange), written, published (one
//! store), and rung for. No step waits for another CPU; between the first and the last nothing may interrupt this one
//! ([`SharedPlatform`]), because the SMMU cannot be told of what others wrote behind an unwritten entry. All waiting, for
//! room before and for completion after, is done interruptible, with a deadline.
//!
//! A list's entries follow each other: no other CPU's command comes in between.

use super::bell::Bell;
use super::common::{after_configuration, base_register, min_log2};
use super::list::{Entry, Layout};
use super::options::{Completion, Progress, SharedOptions, SharedPlatform};
use super::reserve::{Ends, next_start, position};
use super::ring::Ring;
use super::sync::Pending;
use super::valid::{Beside, Lists};
use super::{Cmdq, QueueError, QueueRegisters};
use crate::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::command::{Command, RawCommand, Sync, SyncSignal};
use core::time::Duration;
use smmu_regs::addr::PhysAddr;
use smmu_regs::platform::{Deadline, Memory, Mmio, Pages};
use smmu_regs::receipt::{CleanStart, QueuePosition, Receipt, Ticket};
use smmu_regs::registers::CmdqBase;
use smmu_regs::{Caps, Feature, InstanceId};

/// A command queue that any number of CPUs add to.
#[derive(Debug)]
pub struct SharedQueue<I = Cmdq> {
    pub(super) ring: Ring<2>,
    pub(super) registers: I,
    pub(super) caps: Caps,
    pub(super) instance: InstanceId,
    pub(super) options: SharedOptions,
    pub(super) layout: Layout,
    pub(super) ends: Ends,
    /// Where the queue began, or was last restarted.
    pub(super) begun: u64,
    lists: Lists,
    bell: Bell,
    /// Everything before has been rung for. Written by whoever has the bell.
    rung: AtomicU64,
    /// The error state to acknowledge, for queues that keep it in PROD.
    pub(super) acknowledged: AtomicBool,
    /// The one that PROD holds. Written by whoever has the bell.
    told: AtomicBool,
    /// Somebody repairs the queue.
    pub(super) repairing: AtomicBool,
    /// Beside each entry: the command that was lost in it.
    pub(super) lost: Beside,
    /// Nothing from here on has been lost: one past the last command that was.
    pub(super) sound_from: AtomicU64,
    /// A word for each entry, to which the SMMU writes when it has completed the `CMD_SYNC` there.
    ///
    /// It is not the entry itself: the write may arrive after CONS has passed (only the reverse is promised, 4.7.3), and
    /// would then destroy the command that somebody has put there since.
    done_words: Option<Pages>,
}

impl SharedQueue {
    /// Allocates the main queue with 2^`log2` commands and the best completion that the SMMU has.
    ///
    /// # Errors
    /// The size is not what the SMMU supports, or there is no memory.
    pub fn new<M: Memory>(
        memory: &M,
        caps: &Caps,
        instance: InstanceId,
        log2: u8,
    ) -> Result<Self, QueueError> {
        Self::with(memory, caps, instance, Cmdq, SharedOptions::new(caps, log2))
    }

    /// Has the SMMU drop all configuration and all non-secure translations, in this order: see
    /// [`CommandQueue::drop_everything`](super::CommandQueue::drop_everything).
    ///
    /// # Errors
    /// The SMMU did not complete within `timeout`, or refused.
    pub fn drop_everything<P: SharedPlatform>(
        &self,
        p: &P,
        timeout: Duration,
    ) -> Result<CleanStart, QueueError> {
        let _ = self.issue(p, &[Command::CfgiAll.encode(&self.caps)?], timeout)?;
        for command in after_configuration(&self.caps) {
            let _ = self.issue(p, &[command.encode(&self.caps)?], timeout)?;
        }
        Ok(CleanStart::assert_by_platform(self.instance))
    }
}

impl<I: QueueRegisters> SharedQueue<I> {
    /// As [`SharedQueue::new`], behind other registers and with other options.
    ///
    /// # Errors
    /// The size or the completion is not what the SMMU supports, or there is no memory.
    pub fn with<M: Memory>(
        memory: &M,
        caps: &Caps,
        instance: InstanceId,
        registers: I,
        options: SharedOptions,
    ) -> Result<Self, QueueError> {
        options.completion.check(caps)?;
        let ring = Ring::new(memory, options.log2, min_log2(caps), caps.command_queue_log2)?;
        let size = ring.size();
        let parts = Lists::new(size).and_then(|lists| {
            let lost = Beside::new(size)?;
            let bytes = u64::from(size.entries()).saturating_mul(8);
            let words = match options.completion {
                Completion::Memory => Some(memory.allocate(bytes, bytes.max(64))?),
                _ => None,
            };
            Ok((lists, lost, words))
        });
        let (lists, lost, done_words) = match parts {
            Ok(parts) => parts,
            Err(error) => {
                memory.free(ring.into_pages());
                return Err(error.into());
            }
        };
        Ok(Self {
            ring,
            registers,
            caps: *caps,
            instance,
            options,
            layout: Layout::new(caps),
            ends: Ends::new(0),
            begun: 0,
            lists,
            bell: Bell::new(),
            rung: AtomicU64::new(0),
            acknowledged: AtomicBool::new(false),
            told: AtomicBool::new(false),
            repairing: AtomicBool::new(false),
            lost,
            sound_from: AtomicU64::new(0),
            done_words,
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

    /// The capabilities that commands are to be encoded for.
    #[must_use]
    pub const fn caps(&self) -> &Caps {
        &self.caps
    }

    /// What was chosen.
    #[must_use]
    pub const fn options(&self) -> &SharedOptions {
        &self.options
    }

    /// The most commands that always fit in a list.
    #[must_use]
    pub fn longest_list(&self) -> usize {
        self.layout.longest(self.ring.size().entries() as usize)
    }

    /// Whether the queue takes all commands of `list`. A list that one queue does not take goes to the main queue as a
    /// whole: a `CMD_SYNC` completes the commands of its own queue only.
    #[must_use]
    pub fn takes(&self, list: &[RawCommand]) -> bool {
        self.options.takes.first_outside(list).is_none()
    }

    /// Commands accepted so far, and how many of them the SMMU has been told of and is known to have consumed.
    #[must_use]
    pub fn progress(&self) -> Progress {
        // In this order, so that they never contradict each other.
        let consumed = self.ends.consumed();
        let rung = self.rung();
        Progress { accepted: self.ends.reserved(), rung, consumed }
    }

    /// Submits a list and waits for its completion: [`SharedQueue::submit`], then [`SharedQueue::wait`]. An empty list is
    /// a `CMD_SYNC` for what was posted before.
    ///
    /// # Errors
    /// As those two; `timeout` holds for each.
    pub fn issue<P: SharedPlatform>(
        &self,
        p: &P,
        list: &[RawCommand],
        timeout: Duration,
    ) -> Result<Receipt, QueueError> {
        let pending = self.submit(p, list, timeout)?;
        self.wait(p, &pending, timeout)
    }

    /// Adds a list and a `CMD_SYNC` behind it, and tells the SMMU.
    ///
    /// # Errors
    /// The list is too long or not for this queue, or there was no room for it within `timeout`: nothing was added. Or a
    /// register holds something impossible.
    pub fn submit<'l, P: SharedPlatform>(
        &self,
        p: &P,
        list: &'l [RawCommand],
        timeout: Duration,
    ) -> Result<Pending<'l>, QueueError> {
        let (first, end) = self.place(p, list, true, timeout)?;
        Ok(Pending { list, ticket: self.ticket(first, end), first, end })
    }

    /// Adds a list without a `CMD_SYNC`, and tells the SMMU. Some later receipt of this queue covers the ticket, unless a
    /// command of the list was refused.
    ///
    /// # Errors
    /// As [`SharedQueue::submit`]; also for a list without commands.
    pub fn post<P: SharedPlatform>(
        &self,
        p: &P,
        list: &[RawCommand],
        timeout: Duration,
    ) -> Result<Ticket, QueueError> {
        if list.is_empty() {
            return Err(QueueError::List { commands: 0, most: self.longest_list() });
        }
        let (first, end) = self.place(p, list, false, timeout)?;
        Ok(self.ticket(first, end))
    }

    fn ticket(&self, first: u64, end: u64) -> Ticket {
        Ticket::new(self.instance, QueuePosition(first), QueuePosition(end)).of_queue(self.registers.id())
    }

    /// Places a list, waiting for room if there is none.
    fn place<P: SharedPlatform>(
        &self,
        p: &P,
        list: &[RawCommand],
        sync: bool,
        timeout: Duration,
    ) -> Result<(u64, u64), QueueError> {
        if let Some(opcode) = self.options.takes.first_outside(list) {
            return Err(QueueError::Opcode { opcode });
        }
        let entries = self.layout.entries(list, sync);
        let count = match u32::try_from(entries) {
            Ok(count) if count <= self.ring.size().entries() => count,
            _ => return Err(QueueError::List { commands: list.len(), most: self.longest_list() }),
        };
        if let Some(placed) = self.try_place(p, list, sync, count)? {
            return Ok(placed);
        }
        let deadline = Deadline::after(p, timeout);
        loop {
            let late = deadline.has_passed(p);
            self.wait_for_room(p, count, deadline, timeout)?;
            if let Some(placed) = self.try_place(p, list, sync, count)? {
                return Ok(placed);
            }
            // There was room, and somebody else may take it time and again.
            if late {
                return Err(self.no_room(timeout));
            }
        }
    }

    /// Reserves, writes, publishes, rings: uninterrupted, and without waiting.
    #[inline]
    fn try_place<P: SharedPlatform>(
        &self,
        p: &P,
        list: &[RawCommand],
        sync: bool,
        count: u32,
    ) -> Result<Option<(u64, u64)>, QueueError> {
        // All that can fail comes before the reservation: what is reserved must be written.
        let plain = self.plain_sync()?;
        let words = self.ring.all(p)?;
        let _uninterrupted = p.uninterrupted();
        let size = self.ring.size();
        let Some(first) = self.ends.take(size, count) else { return Ok(None) };
        let mut next = first;
        self.layout.for_each(list, sync, |entry| {
            let command = match entry {
                Entry::Command(_, command) => command,
                Entry::Sync => plain,
                Entry::Last => self.last_sync(p, next).unwrap_or(plain),
            };
            self.ring.store(p, words, position(size, next), command.words());
            next = next.saturating_add(1);
        });
        if !self.caps.has(Feature::Coherent) {
            // Cleaning is complete after a barrier of the CPU that cleaned.
            p.publish();
        }
        self.lists.publish(first, next);
        self.ring_bell(p);
        Ok(Some((first, next)))
    }

    /// Tells the SMMU of all lists that are whole, and of an error that has been acknowledged.
    pub(super) fn ring_bell<P: Mmio + Memory>(&self, p: &P) {
        self.bell.note(|| {
            let before = self.rung.load(Ordering::Relaxed);
            let end = self.lists.whole_until(before);
            let acknowledged = self.acknowledged.load(Ordering::Acquire);
            if end != before || acknowledged != self.told.load(Ordering::Relaxed) {
                // Before PROD: whoever sees a command consumed knows that it had been rung for.
                self.rung.store(end, Ordering::Release);
                self.told.store(acknowledged, Ordering::Relaxed);
                p.publish();
                self.registers.ring(p, position(self.ring.size(), end), acknowledged);
            }
        });
    }

    pub(super) fn rung(&self) -> u64 {
        self.rung.load(Ordering::Acquire)
    }

    /// A `CMD_SYNC` that signals nothing, or an event that wakes who sleeps for one.
    pub(super) fn plain_sync(&self) -> Result<RawCommand, QueueError> {
        let signal = match self.options.completion {
            Completion::Event => SyncSignal::Event,
            Completion::Memory | Completion::Poll => SyncSignal::None,
        };
        Ok(Command::Sync(Sync::new(signal)).encode(&self.caps)?)
    }

    /// The word that the SMMU writes when it has completed the `CMD_SYNC` at `counter`, and what it writes there.
    ///
    /// The value is the counter's low half: a late write of an earlier `CMD_SYNC` of the same entry is not taken for it.
    pub(super) fn done_word(&self, counter: u64) -> Option<(PhysAddr, u32)> {
        let pages = self.done_words.as_ref()?;
        let index = u64::from(self.ring.size().index(position(self.ring.size(), counter)));
        let address = pages.base().get().checked_add(index.checked_mul(8)?)?;
        Some((PhysAddr::new(address), (counter & u64::from(u32::MAX)) as u32))
    }

    /// The `CMD_SYNC` that the owner waits for; `None` if the plain one must do, which CONS alone tells of.
    fn last_sync<M: Memory>(&self, memory: &M, counter: u64) -> Option<RawCommand> {
        let (address, data) = self.done_word(counter)?;
        let sync =
            Command::Sync(Sync::new(SyncSignal::Interrupt { address, data })).encode(&self.caps).ok()?;
        // Something else than what is waited for, whatever an earlier CMD_SYNC of this entry has left.
        memory.words(address, 1).ok()?.first()?.store(u64::from(!data));
        Some(sync)
    }

    /// Begins anew at the start of the ring, for an SMMU that was disabled and whose PROD and CONS have been set to 0.
    /// What was submitted and not completed is lost: no later receipt covers it, and waiting for it gives
    /// [`QueueError::InDoubt`].
    pub fn restart(&mut self) {
        let start = next_start(self.ring.size(), self.ends.reserved());
        self.ends = Ends::new(start);
        self.begun = start;
        self.bell = Bell::new();
        self.rung = AtomicU64::new(start);
        self.acknowledged = AtomicBool::new(false);
        self.told = AtomicBool::new(false);
        self.repairing = AtomicBool::new(false);
        self.sound_from = AtomicU64::new(start);
    }

    /// Gives the memory back: only when the queue is disabled.
    pub fn free<M: Memory>(self, memory: &M) {
        memory.free(self.ring.into_pages());
        if let Some(pages) = self.done_words {
            memory.free(pages);
        }
    }
}
