//! Pending work is a token, done work a receipt.
//!
//! Something that the SMMU may still hold in a cache (a table taken out of the tree, a tag, an old stream table) is
//! [`Detached`]. When the invalidation commands for it have been queued on every SMMU concerned, it becomes a
//! [`Quarantine`] with one [`Ticket`] for each of them. A [`Receipt`] says up to which command a queue's completed
//! `CMD_SYNC` reaches; only receipts that cover all tickets open the quarantine. What times out stays inside, and leaks
//! rather than being reused.

use crate::id::InstanceId;
use core::fmt;

/// Number of commands that an instance's queue had accepted: its 64-bit command counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct QueuePosition(pub u64);

/// Which of an SMMU's command queues: each counts its own commands, and a `CMD_SYNC` completes those of its own queue
/// only (IHI 0070 3.5.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct QueueId(u32);

impl QueueId {
    /// The queue of `CMDQ_BASE`, which every SMMU has.
    pub const MAIN: Self = Self(0);

    /// The queue with this number; 0 is [`QueueId::MAIN`].
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// "Done when `instance` has completed the commands from `first` up to, not including, `end`."
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    instance: InstanceId,
    queue: QueueId,
    first: QueuePosition,
    end: QueuePosition,
}

impl Ticket {
    /// The commands from `first` up to, not including, `end` of an instance's main queue. A queue makes tickets; a
    /// stretch without commands gives one that nothing ever covers.
    #[must_use]
    pub const fn new(instance: InstanceId, first: QueuePosition, end: QueuePosition) -> Self {
        Self { instance, queue: QueueId::MAIN, first, end }
    }

    /// The same stretch of another queue of the same instance.
    #[must_use]
    pub const fn of_queue(self, queue: QueueId) -> Self {
        Self { queue, ..self }
    }

    /// Whether the command at `position` of the ticket's queue is one of those.
    #[must_use]
    pub fn contains(&self, position: QueuePosition) -> bool {
        self.first <= position && position < self.end
    }

    /// The SMMU.
    #[must_use]
    pub const fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Which of its queues.
    #[must_use]
    pub const fn queue(&self) -> QueueId {
        self.queue
    }

    /// One past the last command that matters.
    #[must_use]
    pub const fn end(&self) -> QueuePosition {
        self.end
    }
}

/// Proof that an instance has completed a stretch of its command queue.
///
/// The stretch begins after the last command that was lost: one that the SMMU refused and that had to be taken out. A
/// ticket that reaches back beyond it is never covered again; its commands must be sent anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "a receipt opens what waits for it"]
pub struct Receipt {
    instance: InstanceId,
    queue: QueueId,
    from: QueuePosition,
    through: QueuePosition,
}

impl Receipt {
    /// Claims that `instance` has completed every command from `from` up to, not including, `through`, of its main queue.
    ///
    /// This is the escape hatch: `smmu-cmds` calls it when a `CMD_SYNC` has completed, and nobody else should, unless
    /// the platform knows of completion by other means (a reset SMMU whose caches are empty, say). A false receipt lets
    /// memory be reused that a device can still reach.
    pub const fn assert_completed_by_platform(
        instance: InstanceId,
        from: QueuePosition,
        through: QueuePosition,
    ) -> Self {
        Self::assert_queue_completed_by_platform(instance, QueueId::MAIN, from, through)
    }

    /// As [`Receipt::assert_completed_by_platform`], of any queue of the instance: the same escape hatch.
    pub const fn assert_queue_completed_by_platform(
        instance: InstanceId,
        queue: QueueId,
        from: QueuePosition,
        through: QueuePosition,
    ) -> Self {
        Self { instance, queue, from, through }
    }

    /// The SMMU.
    #[must_use]
    pub const fn instance(&self) -> InstanceId {
        self.instance
    }

    /// One past the last completed command.
    #[must_use]
    pub const fn through(&self) -> QueuePosition {
        self.through
    }

    /// Whether this receipt is for `ticket`'s instance and queue and holds its whole stretch. Nothing covers a ticket without
    /// commands: it was taken before they were queued.
    #[must_use]
    pub fn covers(&self, ticket: Ticket) -> bool {
        self.instance == ticket.instance
            && self.queue == ticket.queue
            && ticket.first < ticket.end
            && self.from <= ticket.first
            && self.through >= ticket.end
    }
}

/// Proof that an SMMU's caches hold nothing from before: what [`CommandsReady::enable`] asks for.
///
/// [`CommandsReady::enable`]: crate::lifecycle::CommandsReady::enable
#[derive(Debug, PartialEq, Eq)]
#[must_use = "it lets the SMMU be enabled"]
pub struct CleanStart {
    instance: InstanceId,
}

impl CleanStart {
    /// Claims that all configuration and all translations of `instance` have been invalidated since it was disabled.
    ///
    /// An escape hatch like [`Receipt::assert_completed_by_platform`]: the command queue of `smmu-cmds` calls it when the
    /// commands have completed. A false claim lets stale entries of firmware's live on.
    pub const fn assert_by_platform(instance: InstanceId) -> Self {
        Self { instance }
    }

    /// The SMMU.
    #[must_use]
    pub const fn instance(&self) -> InstanceId {
        self.instance
    }
}

/// Something that was taken out of a live structure and that hardware may still hold.
#[derive(Debug)]
#[must_use = "it leaks unless it is invalidated and reclaimed"]
pub struct Detached<T>(T);

impl<T> Detached<T> {
    /// Marks `value` as taken out.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Looks at it.
    #[must_use]
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// Adds to it.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Detached<U> {
        Detached(f(self.0))
    }

    /// The invalidation has been queued on every instance that could hold it: `tickets` says how far.
    ///
    /// # Errors
    /// No ticket (see [`Detached::never_seen_by_hardware`]), or more than a quarantine can hold; the value comes back.
    pub fn after(self, tickets: &[Ticket]) -> Result<Quarantine<T>, Self> {
        let mut slots = [None; MAX_INSTANCES];
        if tickets.is_empty() || tickets.len() > slots.len() {
            return Err(self);
        }
        for (slot, ticket) in slots.iter_mut().zip(tickets) {
            *slot = Some(*ticket);
        }
        Ok(Quarantine { value: self.0, tickets: slots })
    }

    /// The invalidation has been queued on the one instance that could hold it.
    pub fn after_one(self, ticket: Ticket) -> Quarantine<T> {
        let mut tickets = [None; MAX_INSTANCES];
        let [first, ..] = &mut tickets;
        *first = Some(ticket);
        Quarantine { value: self.0, tickets }
    }

    /// Takes it out without any receipt. Right only if no SMMU could ever have seen it: a table that was never linked,
    /// a domain that was never attached.
    pub fn never_seen_by_hardware(self) -> T {
        self.0
    }
}

/// SMMU instances that one quarantine can wait for.
pub const MAX_INSTANCES: usize = 8;

/// Something that may be reused when every ticket is covered by a receipt.
#[derive(Debug)]
#[must_use = "it leaks unless receipts open it"]
pub struct Quarantine<T> {
    value: T,
    tickets: [Option<Ticket>; MAX_INSTANCES],
}

impl<T> Quarantine<T> {
    /// The tickets that no receipt has covered yet.
    pub fn tickets(&self) -> impl Iterator<Item = Ticket> + '_ {
        self.tickets.iter().flatten().copied()
    }

    /// Back to [`Detached`]: the invalidation is going to be queued anew, with new tickets.
    pub fn again(self) -> Detached<T> {
        Detached(self.value)
    }

    /// Opens it if `receipts` cover every ticket. Those that are covered are struck off either way, so that receipts
    /// can come one at a time.
    ///
    /// # Errors
    /// Some ticket is not covered: the quarantine comes back.
    #[allow(clippy::result_large_err)] // the quarantine itself must not get lost
    pub fn open(mut self, receipts: &[Receipt]) -> Result<T, Self> {
        for slot in &mut self.tickets {
            if slot.is_some_and(|ticket| receipts.iter().any(|receipt| receipt.covers(ticket))) {
                *slot = None;
            }
        }
        if self.tickets.iter().all(Option::is_none) { Ok(self.value) } else { Err(self) }
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SMMU {}, ", self.instance)?;
        if self.queue != QueueId::MAIN {
            write!(f, "queue {}, ", self.queue)?;
        }
        write!(f, "commands {} to {}", self.first.0, self.end.0)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    fn receipt(instance: u16, through: u64) -> Receipt {
        let (from, through) = (QueuePosition(0), QueuePosition(through));
        Receipt::assert_completed_by_platform(InstanceId::new(instance), from, through)
    }

    fn ticket(instance: u16, end: u64) -> Ticket {
        Ticket::new(InstanceId::new(instance), QueuePosition(3), QueuePosition(end))
    }

    #[test]
    fn a_lost_command_spoils_tickets_that_reach_back_to_it() {
        let (from, through) = (QueuePosition(4), QueuePosition(99));
        let receipt = Receipt::assert_completed_by_platform(InstanceId::new(0), from, through);
        assert!(!receipt.covers(ticket(0, 10)));
        let later = |first, end| Ticket::new(InstanceId::new(0), QueuePosition(first), QueuePosition(end));
        assert!(receipt.covers(later(4, 10)));
        // A ticket that was taken before its commands were queued.
        assert!(!receipt.covers(later(4, 4)));
    }

    #[test]
    fn a_queue_says_nothing_of_another() {
        let other = QueueId::new(7);
        let (of_main, ticket) = (receipt(0, 9), ticket(0, 9));
        let (from, through) = (QueuePosition(0), QueuePosition(9));
        let of_other = Receipt::assert_queue_completed_by_platform(InstanceId::new(0), other, from, through);
        assert!(of_main.covers(ticket) && of_other.covers(ticket.of_queue(other)));
        assert!(!of_main.covers(ticket.of_queue(other)) && !of_other.covers(ticket));
        assert_eq!(ticket.to_string(), "SMMU 0x0, commands 3 to 9");
        assert_eq!(ticket.of_queue(other).to_string(), "SMMU 0x0, queue 7, commands 3 to 9");
        assert!([2, 3, 8, 9].map(|at| ticket.contains(QueuePosition(at))) == [false, true, true, false]);
    }

    #[test]
    fn opens_only_when_every_instance_is_covered() {
        let quarantine = Detached::new("tables").after(&[ticket(0, 10), ticket(1, 7)]).unwrap();
        let quarantine = quarantine.open(&[receipt(0, 9), receipt(1, 6), receipt(2, 99)]).unwrap_err();
        let quarantine = quarantine.open(&[receipt(1, 7)]).unwrap_err();
        assert!(quarantine.tickets().eq([ticket(0, 10)]));
        assert_eq!(quarantine.open(&[receipt(0, 11)]).ok(), Some("tables"));
    }

    #[test]
    fn no_ticket_is_no_way_out() {
        let quarantine = Detached::new(5).after(&[]).unwrap_err().after_one(ticket(0, 9));
        assert_eq!(*quarantine.again().get(), 5);
    }

    #[test]
    fn too_many_tickets_lose_nothing() {
        let tickets = [ticket(0, 1); MAX_INSTANCES + 1];
        assert_eq!(*Detached::new(5).after(&tickets).unwrap_err().get(), 5);
    }
}
