//! Invalidation carried out: TLBs, then combined entries, then ATCs, with a `CMD_SYNC` after each phase that has
//! commands (IHI 0070 4.4.3.1, 4.7.3, 3.9.1).

use crate::atc;
use crate::range::{RangePlan, Rules};
use crate::tag::Tag;
use core::fmt;
use core::time::Duration;
use io_pgtable_lpae::{FreedTables, Gather, Invalidation, ReclaimError};
use smmu_cmds::command::AtcSpan;
use smmu_cmds::{Command, CommandQueue, QueueError};
use smmu_regs::platform::{Clock, Memory, Mmio};
use smmu_regs::receipt::{Detached, Quarantine, Receipt};
use smmu_regs::{StreamId, SubstreamId};

/// An endpoint with an address translation cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AtsTarget {
    /// Its stream.
    pub stream: StreamId,
    /// The address space, where it has a PASID.
    pub substream: Option<SubstreamId>,
    /// Input addresses are not those of the page table (nesting): the whole cache goes.
    pub whole: bool,
}

/// An invalidation that failed. What it was to release stays inside, out of use.
#[derive(Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)] // a quarantine must not get lost, and there is no allocator
pub enum InvalidateError {
    /// The queue failed. TLBs may hold what was unmapped: [`invalidate()`] it again, with a new ticket.
    Queue(QueueError, Invalidation, Detached<FreedTables>),
    /// The receipt does not cover the commands: the SMMU refused one of the queue's commands meanwhile. [`invalidate()`]
    /// again, after [`Quarantine::again`], with a new ticket.
    Lost(Invalidation, Quarantine<FreedTables>),
    /// The freed tables were damaged.
    Reclaim(ReclaimError),
}

impl fmt::Display for InvalidateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(error, _, freed) => {
                write!(f, "{error}; {} tables stay out of use", freed.get().len())
            }
            Self::Lost(..) => f.write_str("a command was lost: freed tables stay out of use"),
            Self::Reclaim(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for InvalidateError {}

/// One invalidation under way.
struct Session<'a, P, F> {
    p: &'a P,
    queue: &'a mut CommandQueue,
    timeout: Duration,
    observe: F,
}

impl<P: Mmio + Memory + Clock, F: FnMut(Option<&Command>)> Session<'_, P, F> {
    fn send(&mut self, command: Command) -> Result<(), QueueError> {
        (self.observe)(Some(&command));
        self.queue.push(self.p, &command, self.timeout)
    }

    fn sync(&mut self) -> Result<Receipt, QueueError> {
        let receipt = self.queue.sync(self.p, self.timeout)?;
        (self.observe)(None);
        Ok(receipt)
    }
}

/// Invalidates `what` for every tag on one SMMU, then the endpoints' caches, and waits for completion.
///
/// `observe` is told each command as it is queued, and `None` when a `CMD_SYNC` has completed.
///
/// # Errors
/// The queue refused or did not complete; see [`QueueError`].
#[allow(clippy::too_many_arguments)]
pub fn invalidate<P: Mmio + Memory + Clock>(
    p: &P,
    queue: &mut CommandQueue,
    what: &Invalidation,
    rules: &Rules,
    tags: &[Tag],
    ats: &[AtsTarget],
    timeout: Duration,
    observe: impl FnMut(Option<&Command>),
) -> Result<Receipt, QueueError> {
    let plan = RangePlan::new(what, rules);
    let whole = matches!(plan, RangePlan::WholeTag);
    // The barrier of the queue's doorbell orders the page table's stores before these commands.
    let mut session = Session { p, queue, timeout, observe };
    for tag in tags {
        if whole {
            session.send(tag.whole())?;
        } else {
            for operand in plan.operands() {
                session.send(tag.by_address(operand))?;
            }
        }
    }
    let mut receipt = session.sync()?;
    let mut combined = tags.iter().filter(|_| !whole).filter_map(|tag| tag.combined()).peekable();
    if combined.peek().is_some() {
        for command in combined {
            session.send(command)?;
        }
        receipt = session.sync()?;
    }
    if !ats.is_empty() {
        let span = atc::span(what.range);
        for target in ats {
            let AtsTarget { stream, substream, whole } = *target;
            let span = if whole { AtcSpan::ALL } else { span };
            session.send(Command::AtcInv { stream, substream, global: false, span })?;
        }
        receipt = session.sync()?;
    }
    Ok(receipt)
}

/// Invalidates what `gather` holds on one SMMU and gives its freed tables back. Gives the receipt and the number of
/// tables, or `None` if nothing was gathered.
///
/// For a table that several SMMUs walk, use [`invalidate()`] on each, and the tickets and receipts of all of them.
///
/// # Errors
/// See [`InvalidateError`]: tables that hardware may still read never come back.
#[allow(clippy::too_many_arguments, clippy::result_large_err)]
pub fn invalidate_and_reclaim<P: Mmio + Memory + Clock>(
    p: &P,
    queue: &mut CommandQueue,
    gather: Gather,
    rules: &Rules,
    tags: &[Tag],
    ats: &[AtsTarget],
    timeout: Duration,
    observe: impl FnMut(Option<&Command>),
) -> Result<Option<(Receipt, u64)>, InvalidateError> {
    let Some((what, freed)) = gather.finish() else { return Ok(None) };
    let first = queue.accepted();
    let receipt = match invalidate(p, queue, &what, rules, tags, ats, timeout, observe) {
        Ok(receipt) => receipt,
        Err(error) => return Err(InvalidateError::Queue(error, what, freed)),
    };
    let quarantine = freed.after_one(queue.ticket_since(first));
    let freed = quarantine.open(&[receipt]).map_err(|freed| InvalidateError::Lost(what, freed))?;
    let tables = freed.reclaim(p).map_err(InvalidateError::Reclaim)?;
    Ok(Some((receipt, tables)))
}
