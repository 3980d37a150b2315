//! `cmdq_issue` and `cmdq_err`: what a command queue with many producers writes, and how it gets going again after an error
//! (IHI 0070 3.5, 4.7.3, 7.1). The queue is the library's own; the hardware here takes commands at once, and stops where it
//! is told to.
//!
//! What differs from the driver that was recorded, on purpose: a `CMD_SYNC` that is answered in memory is answered in a word
//! of its own, behind the ring, and not in the entry that it stands in: the write may arrive when the entry is in use again
//! (4.7.3 promises no more). Its data is the number of the command.

use super::error::{Answer, Stop};
use super::input::{Fields, number};
use super::output::{object, words};
use serde_json::{Map, Value};
use smmu_cmds::RawCommand;
use smmu_cmds::queue::{
    Cmdq, Completion, FailedCommand, Position, QueueSize, SharedOptions, SharedPlatform, SharedQueue,
};
use smmu_regs::platform::{AllocationError, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset};
use smmu_regs::registers::{CmdqCons, CmdqProd, Gerror, Gerrorn, Register};
use smmu_regs::{InstanceId, PhysAddr};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Where memory is.
const BASE: u64 = 0x4000_0000;
/// Enough looks for hardware that answers at once.
const TIMEOUT: Duration = Duration::from_millis(1);
/// A command whose effect nobody asks for.
const FILLER: RawCommand = RawCommand::from_words([0x30, 0]);

/// Hardware that takes every command when it is told of it, but for one.
struct Hardware {
    size: QueueSize,
    words: Box<[Dword]>,
    allocated: Cell<u64>,
    consumer: Cell<Position>,
    /// How many commands it still takes before it stops, and the code that it stops with.
    stop: Cell<Option<(u64, u32)>>,
    error: Cell<u32>,
    gerror: Cell<u32>,
    gerrorn: Cell<u32>,
    prod_writes: RefCell<Vec<u32>>,
    ticks: Cell<u64>,
}

impl Hardware {
    fn new(size: QueueSize) -> Self {
        Self {
            size,
            words: (0..4 * size.entries().max(8)).map(|_| Dword::new(0)).collect(),
            allocated: Cell::new(0),
            consumer: Cell::new(Position::ZERO),
            stop: Cell::new(None),
            error: Cell::new(0),
            gerror: Cell::new(0),
            gerrorn: Cell::new(0),
            prod_writes: RefCell::default(),
            ticks: Cell::new(0),
        }
    }

    fn entry(&self, position: Position) -> [u64; 2] {
        let first = 2 * self.size.index(position) as usize;
        let entry = self.words.get(first..).and_then(|words| words.first_chunk());
        entry.map_or([0; 2], |[low, high]: &[Dword; 2]| [low.load(), high.load()])
    }

    /// Takes all commands before `producer`.
    fn take(&self, producer: Position) {
        while self.consumer.get() != producer && self.gerror.get() == self.gerrorn.get() {
            match self.stop.get() {
                Some((0, code)) => {
                    self.stop.set(None);
                    self.error.set(code << 24);
                    self.gerror.set(self.gerror.get() ^ 1);
                    return;
                }
                stop => self.stop.set(stop.map(|(left, code)| (left - 1, code))),
            }
            let [low, high] = self.entry(self.consumer.get());
            self.consumer.set(self.size.advance(self.consumer.get(), 1));
            let signals_in_memory = low & 0xff == 0x46 && low >> 12 & 3 == 1;
            if signals_in_memory && let Ok([answer]) = self.words(PhysAddr::new(high & !3), 1) {
                answer.store(answer.load() >> 32 << 32 | low >> 32);
            }
        }
    }
}

impl Mmio for Hardware {
    fn read32(&self, at: RegisterOffset) -> u32 {
        match at {
            at if at == CmdqCons::AT => self.consumer.get().bits() | self.error.get(),
            at if at == Gerror::AT => self.gerror.get(),
            at if at == Gerrorn::AT => self.gerrorn.get(),
            _ => 0,
        }
    }

    fn write32(&self, at: RegisterOffset, value: u32) {
        if at == CmdqProd::AT {
            self.prod_writes.borrow_mut().push(value);
            self.take(self.size.position(value));
        } else if at == Gerrorn::AT {
            self.gerrorn.set(value);
        }
    }

    fn read64(&self, _: RegisterOffset) -> u64 {
        0
    }

    fn write64(&self, _: RegisterOffset, _: u64) {}
}

// SAFETY: memory is handed out once, zeroed, aligned as far as `BASE` is or not at all; it is reached through `Dword`s alone,
// which live as long as `self`; the hardware above looks at it on the same thread.
unsafe impl Memory for Hardware {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let start = self.allocated.get().next_multiple_of(align.max(1));
        let end = start.saturating_add(bytes);
        if end > 8 * self.words.len() as u64 || align > BASE {
            return Err(AllocationError { bytes, align });
        }
        self.allocated.set(end);
        Ok(Pages::from_raw(PhysAddr::new(BASE + start), bytes))
    }

    fn free(&self, pages: Pages) {
        let _ = pages.bytes();
    }

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let error = MemoryError { address, words: count };
        let offset = address.get().checked_sub(BASE).ok_or(error)?;
        let first = usize::try_from(offset / 8).map_err(|_| error)?;
        self.words.get(first..first.checked_add(count).ok_or(error)?).ok_or(error)
    }

    fn publish(&self) {}

    fn acquire(&self) {}

    fn release(&self) {}
}

impl Clock for Hardware {
    fn now(&self) -> Duration {
        self.ticks.set(self.ticks.get().saturating_add(1));
        Duration::from_micros(self.ticks.get())
    }
}

impl SharedPlatform for Hardware {
    type Guard<'a> = ();

    fn uninterrupted(&self) {}

    fn command_failed(&self, failed: &FailedCommand) {
        let _ = failed;
    }
}

/// The queue of a record, and its hardware.
fn queue(input: &Fields<'_>) -> Result<(Hardware, SharedQueue), Stop> {
    let log2 = input.byte("log2_size")?;
    let caps = super::smmu::Smmu::ASSUMED.caps()?;
    let completion = if input.flag("msipoll")? { Completion::Memory } else { Completion::Event };
    let options = SharedOptions { completion, ..SharedOptions::new(&caps, log2) };
    let size = QueueSize::new(log2).ok_or_else(|| {
        Stop::Refused(format!("a queue has at most 2^{} entries, not 2^{log2}", QueueSize::MAX_LOG2))
    })?;
    let hardware = Hardware::new(size);
    let queue = SharedQueue::with(&hardware, &caps, InstanceId::new(0), Cmdq, options)?;
    Ok((hardware, queue))
}

/// One producer, hardware that consumes at once: what each list writes.
pub(super) fn issue(record: &Fields<'_>) -> Answer {
    let input = record.inputs()?;
    let (hardware, queue) = queue(&input)?;
    let base = if input.flag("msipoll")? { BASE } else { 0 };
    let mut after = Vec::new();
    for pair in input.list("issues")? {
        let (count, sync) = match pair.as_array().map(Vec::as_slice) {
            Some([count, Value::Bool(sync)]) => (number(count), *sync),
            _ => (None, false),
        };
        let wanted = "pairs of a number and a truth value";
        let count = count.ok_or_else(|| input.unfit("issues", pair, wanted))?;
        // One more than the largest queue has is as wrong as any more.
        let count = usize::try_from(count.min(1 << 20)).unwrap_or(usize::MAX);
        let list = vec![FILLER; count];
        if sync {
            let _receipt = queue.issue(&hardware, &list, TIMEOUT)?;
        } else if count != 0 {
            let _ticket = queue.post(&hardware, &list, TIMEOUT)?;
        }
        let progress = queue.progress();
        let at = |counter: u64| hardware.size.position((counter & u64::from(u32::MAX)) as u32);
        let mut answer: Map<String, Value> = object([
            ("ret", 0.into()),
            ("prod_writes", hardware.prod_writes.take().into()),
            ("shadow_prod", at(progress.accepted).bits().into()),
            ("shadow_cons", at(progress.consumed).bits().into()),
            ("valid_map", words(&valid_map(hardware.size, progress.rung))),
        ]);
        if sync {
            let [low, high] = hardware.entry(at(progress.accepted.wrapping_sub(1)));
            answer.insert("sync".to_owned(), words(&[low, high.wrapping_sub(base)]));
        }
        after.push(Value::Object(answer));
    }
    Ok(object([("after", after.into())]))
}

/// A bit for each entry: whether the last command in it is of an even lap. So many commands have been whole.
fn valid_map(size: QueueSize, whole: u64) -> Vec<u64> {
    let entries = u64::from(size.entries());
    let mut map = vec![0; usize::try_from(entries.div_ceil(64)).unwrap_or(0)];
    for last in whole.saturating_sub(entries)..whole {
        let entry = last % entries;
        if let Some(word) = map.get_mut((entry / 64) as usize) {
            *word |= u64::from(last / entries % 2 == 0) << (entry % 64);
        }
    }
    map
}

/// The hardware has stopped at a command: what becomes of it.
pub(super) fn error(record: &Fields<'_>) -> Answer {
    let input = record.inputs()?;
    let (hardware, queue) = queue(&input)?;
    let cons = CmdqCons::from_bits(input.register("cons")?);
    let at = hardware.size.position(cons.rd());
    let refused = RawCommand::from_words(input.words("cmd_at_cons")?);
    if at.bits() != cons.rd() {
        return Err(Stop::Refused(format!("CMDQ_CONS.RD is {:#x}, beyond the queue", cons.rd())));
    }
    // As many commands as bring the consumer there, the one in question, and as many as still fit.
    hardware.stop.set(Some((u64::from(at.bits()), u32::from(cons.err()))));
    for _ in 0..at.bits() {
        let _ticket = queue.post(&hardware, &[FILLER], TIMEOUT)?;
    }
    let _ticket = queue.post(&hardware, &[refused], TIMEOUT)?;
    for _ in 1..hardware.size.entries() {
        let _ticket = queue.post(&hardware, &[FILLER], TIMEOUT)?;
    }
    let entries = || -> Vec<[u64; 2]> {
        (0..hardware.size.entries()).map(|index| hardware.entry(hardware.size.position(index))).collect()
    };
    let before = entries();
    let failed = queue.service(&hardware)?;
    if failed.is_none_or(|failed| failed.command != refused) || hardware.gerror != hardware.gerrorn {
        return Err(Stop::Refused("the queue did not find the command, or did not acknowledge".to_owned()));
    }
    let index = hardware.size.index(at) as usize;
    let after = entries();
    let others =
        before.iter().zip(&after).enumerate().all(|(other, (old, new))| other == index || old == new);
    let now = after.get(index).copied().unwrap_or_default();
    Ok(object([
        ("rewritten", (now != refused.words()).into()),
        ("cmd_after", words(&now)),
        ("others_untouched", others.into()),
    ]))
}
