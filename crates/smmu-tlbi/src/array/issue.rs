//! The commands of an array sent: for each SMMU its phases in order, a `CMD_SYNC` after each, and a receipt.

use super::InvalidationArray;
use super::entry::Phase;
use crate::range::Rules;
use core::fmt;
use core::time::Duration;
use io_pgtable_lpae::Invalidation;
use smmu_cmds::{Command, CommandQueue, QueueError};
use smmu_regs::platform::{Clock, Memory, Mmio};
use smmu_regs::receipt::{Detached, MAX_INSTANCES, Quarantine, Receipt, Ticket};
use smmu_regs::{Caps, InstanceId};

/// The SMMUs of a system, by number.
pub trait Smmus {
    /// Registers, memory and time of one.
    type Platform: Mmio + Memory + Clock;

    /// Calls `f` with `instance` and its queue, which nobody else uses meanwhile; `None` if there is no such SMMU.
    fn with<R>(
        &mut self,
        instance: InstanceId,
        f: impl FnOnce(&Self::Platform, &mut CommandQueue) -> R,
    ) -> Option<R>;
}

/// SMMUs in a list, each with its queue, which knows its number.
impl<P: Mmio + Memory + Clock> Smmus for [(P, CommandQueue)] {
    type Platform = P;

    fn with<R>(&mut self, instance: InstanceId, f: impl FnOnce(&P, &mut CommandQueue) -> R) -> Option<R> {
        let (p, queue) = self.iter_mut().find(|(_, queue)| queue.instance() == instance)?;
        Some(f(p, queue))
    }
}

/// An SMMU that may still hold what was to go. Its commands must be sent anew, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueError {
    /// Nobody knows the SMMU.
    NoQueue {
        /// The SMMU.
        instance: InstanceId,
    },
    /// Its queue failed.
    Queue {
        /// The SMMU.
        instance: InstanceId,
        /// How.
        error: QueueError,
    },
    /// It refused a command meanwhile, and the queue was recovered: the receipt does not reach back far enough.
    Lost {
        /// The SMMU.
        instance: InstanceId,
        /// The commands.
        ticket: Ticket,
    },
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQueue { instance } => write!(f, "SMMU {instance}: nobody has its queue"),
            Self::Queue { instance, error } => write!(f, "SMMU {instance}: {error}"),
            Self::Lost { ticket, .. } => write!(f, "{ticket}: one of them was lost"),
        }
    }
}

impl core::error::Error for IssueError {}

/// Completed commands of one SMMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// The commands.
    pub ticket: Ticket,
    /// That they are completed.
    pub receipt: Receipt,
}

/// What became of an invalidation on each SMMU.
#[derive(Debug, Clone, Copy)]
#[must_use = "some SMMU may have failed"]
pub struct Issued {
    outcomes: [Option<Result<Done, IssueError>>; MAX_INSTANCES],
    /// The array was empty.
    nobody: bool,
}

impl Issued {
    /// One outcome for each SMMU that had commands, in order.
    pub fn outcomes(&self) -> impl Iterator<Item = &Result<Done, IssueError>> {
        self.outcomes.iter().flatten()
    }

    /// Receipts of the SMMUs that are done.
    pub fn receipts(&self) -> impl Iterator<Item = Receipt> {
        self.outcomes().filter_map(|outcome| outcome.as_ref().ok()).map(|done| done.receipt)
    }

    /// The SMMUs that failed.
    pub fn failures(&self) -> impl Iterator<Item = &IssueError> {
        self.outcomes().filter_map(|outcome| outcome.as_ref().err())
    }

    /// Gives out what no SMMU holds any longer: every one is done, or the array had no entries at all, so that none ever
    /// did or every tag was flushed before.
    ///
    /// # Errors
    /// Some SMMU failed, or all entries are without users and not flushed: it comes back, to be invalidated again.
    pub fn open<T>(&self, detached: Detached<T>) -> Result<T, Detached<T>> {
        let Some(first) = self.outcomes().next() else {
            return if self.nobody { Ok(detached.never_seen_by_hardware()) } else { Err(detached) };
        };
        let Ok(first) = first else { return Err(detached) };
        let mut done = [*first; MAX_INSTANCES];
        for (slot, outcome) in done.iter_mut().zip(self.outcomes()) {
            match outcome {
                Ok(this) => *slot = *this,
                Err(_) => return Err(detached),
            }
        }
        // Those behind the last outcome repeat the first.
        let quarantine = detached.after(&done.map(|done| done.ticket))?;
        quarantine.open(&done.map(|done| done.receipt)).map_err(Quarantine::again)
    }
}

/// Sends one batch, waits for it, and forgets it if it is empty.
fn batch<P: Mmio + Memory + Clock>(
    p: &P,
    queue: &mut CommandQueue,
    commands: impl Iterator<Item = Command>,
    timeout: Duration,
    observe: &mut impl FnMut(InstanceId, Option<&Command>),
) -> Result<Option<Receipt>, QueueError> {
    let instance = queue.instance();
    let mut any = false;
    for command in commands {
        observe(instance, Some(&command));
        queue.push(p, &command, timeout)?;
        any = true;
    }
    if !any {
        return Ok(None);
    }
    let receipt = queue.sync(p, timeout)?;
    observe(instance, None);
    Ok(Some(receipt))
}

/// Runs `send` on one SMMU and judges its receipt; `None` if it had no commands.
fn on_one<S: Smmus + ?Sized>(
    smmus: &mut S,
    instance: InstanceId,
    send: impl FnOnce(&S::Platform, &mut CommandQueue) -> Result<Option<Receipt>, QueueError>,
) -> Option<Result<Done, IssueError>> {
    let sent = smmus.with(instance, |p, queue| {
        let first = queue.accepted();
        send(p, queue).map(|receipt| receipt.map(|receipt| (queue.ticket_since(first), receipt)))
    });
    match sent {
        None => Some(Err(IssueError::NoQueue { instance })),
        Some(Err(error)) => Some(Err(IssueError::Queue { instance, error })),
        Some(Ok(None)) => None,
        Some(Ok(Some((ticket, receipt)))) if receipt.covers(ticket) => Some(Ok(Done { ticket, receipt })),
        Some(Ok(Some((ticket, _)))) => Some(Err(IssueError::Lost { instance, ticket })),
    }
}

impl<const N: usize> InvalidationArray<N> {
    /// Invalidates what an unmap gathered for every entry in use, on every SMMU, and waits for completion: TLBs, then the
    /// stage-1 clear, then endpoints. An SMMU that fails keeps none of the others from being told.
    ///
    /// `rules` says how an SMMU with these capabilities is told of ranges. `observe` hears of each command as it is queued,
    /// and `None` when a `CMD_SYNC` has completed.
    pub fn invalidate<S: Smmus + ?Sized>(
        &self,
        what: &Invalidation,
        smmus: &mut S,
        rules: impl Fn(&Caps) -> Rules,
        timeout: Duration,
        mut observe: impl FnMut(InstanceId, Option<&Command>),
    ) -> Issued {
        let mut issued = Issued { outcomes: [None; MAX_INSTANCES], nobody: self.is_empty() };
        let in_use = self.instances().filter(|group| group.in_use());
        for (slot, group) in issued.outcomes.iter_mut().zip(in_use) {
            *slot = on_one(smmus, group.instance(), |p, queue| {
                // The barrier of the queue's doorbell orders the page table's stores before these commands.
                let plan = group.plan(what, &rules(queue.caps()));
                let mut receipt = None;
                for phase in Phase::ALL {
                    receipt = batch(p, queue, plan.phase(phase), timeout, &mut observe)?.or(receipt);
                }
                Ok(receipt)
            });
        }
        issued
    }

    /// Flushes the tags of all entries without users on every SMMU, so that they can be [purged](Self::purge) where no
    /// SMMU failed.
    pub fn flush<S: Smmus + ?Sized>(
        &self,
        smmus: &mut S,
        timeout: Duration,
        mut observe: impl FnMut(InstanceId, Option<&Command>),
    ) -> Issued {
        let mut issued = Issued { outcomes: [None; MAX_INSTANCES], nobody: self.is_empty() };
        let unused = self.instances().filter(|group| group.flush().next().is_some());
        for (slot, group) in issued.outcomes.iter_mut().zip(unused) {
            *slot = on_one(smmus, group.instance(), |p, queue| {
                batch(p, queue, group.flush(), timeout, &mut observe)
            });
        }
        issued
    }
}
