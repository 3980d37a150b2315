//! An SMMU that has completed every command as soon as it is told of it, and remembers them all: what reaches a queue, with
//! everything that the queue itself adds.

use smmu_cmds::RawCommand;
use smmu_cmds::queue::{Position, QueueSize};
use smmu_regs::PhysAddr;
use smmu_regs::platform::{AllocationError, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset};
use smmu_regs::registers::{CmdqCons, CmdqProd, Register};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Where the queue is.
const BASE: u64 = 0x1_0000;

/// The commands of all SMMUs, in order, each with the SMMU's number.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Rc<RefCell<Vec<(u64, RawCommand)>>>);

impl Log {
    /// All commands so far.
    pub(super) fn take(&self) -> Vec<(u64, RawCommand)> {
        self.0.take()
    }
}

/// One SMMU with memory for a command queue.
#[derive(Debug)]
pub(super) struct Recorder {
    smmu: u64,
    log: Log,
    size: QueueSize,
    words: Box<[Dword]>,
    taken: Cell<bool>,
    producer: Cell<u32>,
    ticks: Cell<u64>,
}

impl Recorder {
    /// SMMU number `smmu`, whose queue has 2^`log2` entries.
    pub(super) fn new(smmu: u64, log: &Log, log2: u8) -> Self {
        let size = QueueSize::new(log2).unwrap_or_else(|| unreachable!("a small queue"));
        Self {
            smmu,
            log: log.clone(),
            size,
            words: (0..2 * size.entries()).map(|_| Dword::new(0)).collect(),
            taken: Cell::new(false),
            producer: Cell::new(0),
            ticks: Cell::new(0),
        }
    }

    fn read(&self, position: Position) -> Option<RawCommand> {
        let first = 2 * self.size.index(position) as usize;
        let words = self.words.get(first..first + 2)?;
        words.first_chunk().map(|[low, high]| RawCommand::from_words([low.load(), high.load()]))
    }
}

impl Mmio for Recorder {
    fn read32(&self, at: RegisterOffset) -> u32 {
        if at == CmdqCons::AT { self.producer.get() } else { 0 }
    }

    fn write32(&self, at: RegisterOffset, value: u32) {
        if at == CmdqProd::AT {
            let (mut next, end) = (self.size.position(self.producer.get()), self.size.position(value));
            while next != end {
                self.log.0.borrow_mut().extend(self.read(next).map(|command| (self.smmu, command)));
                next = self.size.advance(next, 1);
            }
            self.producer.set(value);
        }
    }

    fn read64(&self, _: RegisterOffset) -> u64 {
        0
    }

    fn write64(&self, _: RegisterOffset, _: u64) {}
}

// SAFETY: all of the memory, zeroed, is given out once and never again; its address is aligned as far as anybody may ask
// here, or there is an error; it is reached through `Dword`s alone, which live as long as `self`; no hardware looks at it,
// so there is nothing for barriers to order.
unsafe impl Memory for Recorder {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let fits = bytes <= 8 * self.words.len() as u64 && align.is_power_of_two() && align <= BASE;
        if !fits || self.taken.replace(true) {
            return Err(AllocationError { bytes, align });
        }
        Ok(Pages::from_raw(PhysAddr::new(BASE), bytes))
    }

    fn free(&self, pages: Pages) {
        let _ = pages.bytes();
    }

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let error = MemoryError { address, words: count };
        let offset = address.get().checked_sub(BASE).ok_or(error)?;
        let first = usize::try_from(offset / 8).map_err(|_| error)?;
        let end = first.checked_add(count).ok_or(error)?;
        self.words.get(first..end).ok_or(error)
    }

    fn publish(&self) {}

    fn acquire(&self) {}

    fn release(&self) {}
}

impl Clock for Recorder {
    fn now(&self) -> Duration {
        let now = self.ticks.get().saturating_add(1);
        self.ticks.set(now);
        Duration::from_nanos(now)
    }
}
