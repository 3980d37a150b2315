//! The interpreter: carries the operations of a sequence out on one machine, with the crates, as a driver would.

use crate::DifferError;
use crate::address::{ARENA, hazardous};
use crate::observe::{Seen, Watch};
use crate::op::{Config, Op, Sequence, Setup};
use crate::permitted::Permitted;
use crate::space::Spaces;
use crate::stale::Stale;
use io_pgtable_lpae::FreedTables;
use smmu_cmds::{Command, CommandQueue, EventQueue};
use smmu_machine::Machine;
use smmu_regs::caps::Hints;
use smmu_regs::lifecycle::{Bases, Enabled, Probed};
use smmu_regs::receipt::Detached;
use smmu_regs::{Caps, InstanceId};
use smmu_ste::StreamTable;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Long enough for a loaded computer; nobody waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// What an operation came to on one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was carried out; in which way.
    Done(String),
    /// The crates refused it, and nothing happened.
    Refused(String),
    /// It would not be safe, or the setup lacks what it names.
    Skipped,
    /// What a DMA did.
    Seen(Seen),
    /// It failed where it never should, or the machine broke: the sequence cannot go on.
    Failed(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(how) if how.is_empty() => f.write_str("done"),
            Self::Done(how) => write!(f, "done: {how}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Skipped => f.write_str("skipped"),
            Self::Seen(seen) => seen.fmt(f),
            Self::Failed(why) => write!(f, "FAILED: {why}"),
        }
    }
}

/// A machine whose SMMU is up, with everything that the setup names.
pub(crate) struct Lab<'m> {
    pub(crate) p: &'m dyn Machine,
    /// What the last DMA was permitted to do, if the machine can tell.
    pub(crate) permitted: Option<Permitted>,
    pub(crate) caps: Caps,
    smmu: Enabled,
    pub(crate) queue: CommandQueue,
    events: EventQueue,
    pub(crate) streams: StreamTable,
    pub(crate) spaces: Spaces,
    watch: Watch,
    /// What may be stale in the SMMU's caches.
    pub(crate) stale: Stale,
    /// Tables that a walker may still read.
    pub(crate) held: Vec<Detached<FreedTables>>,
    /// What the entries in memory say.
    pub(crate) attached: BTreeMap<usize, Config>,
    /// Blocks that are larger than the arena: input addresses of which only the first part may be used.
    pub(crate) large: Vec<(u64, u64)>,
}

/// A mistake of the driver's part that ends a sequence.
pub(crate) fn failed(doing: &'static str) -> impl Fn(&dyn fmt::Display) -> DifferError {
    DifferError::driver(doing)
}

impl<'m> Lab<'m> {
    /// Brings the SMMU up; nothing is attached.
    ///
    /// # Errors
    /// The machine or the driver fails.
    pub(crate) fn new(p: &'m dyn Machine, setup: &Setup) -> Result<Self, DifferError> {
        let instance = InstanceId::new(0);
        let probed = Probed::probe(&p, instance, &Hints::default()).map_err(|e| failed("probing")(&e))?;
        let caps = *probed.caps();
        let streams =
            StreamTable::new(&p, &caps, setup.streams).map_err(|e| failed("a new stream table")(&e))?;
        let mut queue = CommandQueue::new(&p, &caps, instance, 6).map_err(|e| failed("a new queue")(&e))?;
        let events = EventQueue::new(&p, &caps, 6).map_err(|e| failed("a new queue")(&e))?;
        let registers = streams.registers().map_err(|e| failed("a new stream table")(&e))?;
        let (stream_table, stream_table_shape) = registers;
        let command_queue = queue.base_register().map_err(|e| failed("a new queue")(&e))?;
        let event_queue = events.base_register().map_err(|e| failed("a new queue")(&e))?;
        let bases = Bases { stream_table, stream_table_shape, command_queue, event_queue, pri_queue: None };
        let off = probed.quiesce(&p, TIMEOUT).map_err(|e| failed("bringing up")(&e))?;
        let ready = off.configure(&p, &bases).map_err(|e| failed("bringing up")(&e))?;
        let ready = ready.enable_commands(&p, TIMEOUT).map_err(|e| failed("bringing up")(&e))?;
        let clean = queue.drop_everything(&p, TIMEOUT).map_err(|e| failed("bringing up")(&e))?;
        let smmu = ready.enable(&p, clean, TIMEOUT).map_err(|e| failed("bringing up")(&e))?;
        let spaces = Spaces::new(p, &caps, setup)?;
        let (watch, stale) = (Watch::default(), Stale::default());
        let (held, large, attached) = (Vec::new(), Vec::new(), BTreeMap::new());
        let permitted = None;
        Ok(Self {
            p,
            permitted,
            caps,
            smmu,
            queue,
            events,
            streams,
            spaces,
            watch,
            stale,
            held,
            attached,
            large,
        })
    }

    /// Carries one operation out.
    pub(crate) fn step(&mut self, sequence: &Sequence, op: &Op) -> Outcome {
        self.permitted = None;
        let outcome = match *op {
            Op::Attach { device, config, raw } => self.attach(device, config, raw),
            Op::Map { table, iova, size, to, writable } => {
                self.map(&sequence.setup, table, (iova, size), to, writable)
            }
            Op::Unmap { table, iova, size, flush } => self.unmap(table, (iova, size), flush),
            Op::Drop(what) => self.invalidate(what),
            Op::Dma { device, iova } => self.dma(device, iova),
            Op::Corrupt { device, iova, fault } => self.corrupt(device, iova, fault),
        };
        let outcome = outcome.unwrap_or_else(|error| Outcome::Failed(error.to_string()));
        match self.p.failure() {
            Some(error) => Outcome::Failed(error.to_string()),
            None => outcome,
        }
    }

    /// Whether a DMA to `iova` can do no harm.
    fn is_safe(&self, iova: u64) -> bool {
        let beyond = |(start, size): &(u64, u64)| iova.wrapping_sub(*start) < *size && iova - start >= ARENA;
        iova % 4 == 0 && !hazardous(iova) && !self.large.iter().any(beyond)
    }

    pub(crate) fn dma(&mut self, device: usize, iova: u64) -> Result<Outcome, DifferError> {
        if !self.is_safe(iova) || device >= self.p.devices().len() {
            return Ok(Outcome::Skipped);
        }
        self.permitted = Permitted::now(self.p, device, iova)?;
        Ok(Outcome::Seen(self.watch.dma(self.p, &mut self.events, device, iova)?))
    }

    /// Adds commands and waits for their completion.
    pub(crate) fn run(&mut self, commands: &[Command]) -> Result<(), DifferError> {
        for command in commands {
            self.queue.push(&self.p, command, TIMEOUT).map_err(|e| failed("sending a command")(&e))?;
        }
        let _ = self.queue.sync(&self.p, TIMEOUT).map_err(|e| failed("CMD_SYNC")(&e))?;
        Ok(())
    }

    /// Gives tables back that no walker can know of any more.
    pub(crate) fn reclaim_held(&mut self) -> Result<(), DifferError> {
        for freed in self.held.drain(..) {
            let freed = freed.never_seen_by_hardware();
            let _ = freed.reclaim(&self.p).map_err(|e| failed("freeing tables")(&e))?;
        }
        Ok(())
    }

    /// Switches the SMMU off and gives all memory back.
    ///
    /// # Errors
    /// The machine or the driver fails: the machine is no longer good for another sequence.
    pub(crate) fn finish(mut self) -> Result<(), DifferError> {
        let _ = self.events.drain(&self.p, |_| {}).map_err(|e| failed("reading the event queue")(&e))?;
        self.run(&[Command::CfgiAll])?;
        self.run(&[Command::TlbiNsnhAll])?;
        self.reclaim_held()?;
        let Self { p, smmu, queue, events, streams, spaces, .. } = self;
        let _off = smmu.disable(&p, TIMEOUT).map_err(|e| failed("switching off")(&e))?;
        p.free(queue.into_pages());
        p.free(events.into_pages());
        streams.free(&p).map_err(|e| failed("freeing the stream table")(&e))?;
        spaces.free(p)?;
        p.failure().map_or(Ok(()), |error| Err(error.into()))
    }
}
