//! An SMMU that answers every handshake at once, completes every command, and remembers every register write.

use smmu_cmds::RawCommand;
use smmu_cmds::queue::QueueSize;
use smmu_regs::PhysAddr;
use smmu_regs::caps::IdRegisters;
use smmu_regs::platform::{AllocationError, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset};
use smmu_regs::registers::{
    Aidr, CmdqBase, CmdqCons, CmdqProd, Cr0, Cr0ack, Gbpa, Idr0, Idr1, Idr3, Idr5, Iidr, IrqCtrl, IrqCtrlack,
    Register,
};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

/// Each block has 4 GiB of addresses to itself, so that it is aligned to any size.
const BLOCK_LOG2: u32 = 32;
/// A stream table and three queues.
const BLOCKS: usize = 4;

/// A register write: offset from the SMMU's base, bytes, value.
pub(super) type Write = (u32, u32, u64);

/// The SMMU, its memory, and what was done to it.
#[derive(Debug)]
pub(super) struct Smmu {
    page0_only: bool,
    registers: RefCell<BTreeMap<u32, u64>>,
    writes: RefCell<Vec<Write>>,
    commands: RefCell<Vec<RawCommand>>,
    blocks: [OnceCell<Box<[Dword]>>; BLOCKS],
    ticks: Cell<u64>,
}

impl Smmu {
    /// One with these ID registers, switched on or off as firmware left it.
    pub(super) fn new(ids: &IdRegisters, enabled: bool, page0_only: bool) -> Self {
        let registers = BTreeMap::from([
            (Idr0::AT.from_base(), ids.idr0.into_bits().into()),
            (Idr1::AT.from_base(), ids.idr1.into_bits().into()),
            (Idr3::AT.from_base(), ids.idr3.into_bits().into()),
            (Idr5::AT.from_base(), ids.idr5.into_bits().into()),
            (Iidr::AT.from_base(), ids.iidr.into_bits().into()),
            (Aidr::AT.from_base(), ids.aidr.into_bits().into()),
            (Cr0::AT.from_base(), enabled.into()),
            (Cr0ack::AT.from_base(), enabled.into()),
        ]);
        Self {
            page0_only,
            registers: RefCell::new(registers),
            writes: RefCell::default(),
            commands: RefCell::default(),
            blocks: Default::default(),
            ticks: Cell::new(0),
        }
    }

    /// All register writes, in order.
    pub(super) fn writes(&self) -> Vec<Write> {
        self.writes.borrow().clone()
    }

    /// All commands, in order.
    pub(super) fn commands(&self) -> Vec<RawCommand> {
        self.commands.borrow().clone()
    }

    fn offset(&self, at: RegisterOffset) -> u32 {
        if self.page0_only { at.offset.into() } else { at.from_base() }
    }

    fn get(&self, at: RegisterOffset) -> u64 {
        self.registers.borrow().get(&self.offset(at)).copied().unwrap_or(0)
    }

    fn put(&self, at: RegisterOffset, value: u64) {
        self.registers.borrow_mut().insert(self.offset(at), value);
    }

    fn write(&self, at: RegisterOffset, bytes: u32, value: u64) {
        self.writes.borrow_mut().push((self.offset(at), bytes, value));
        self.put(at, value);
        if at == Cr0::AT {
            self.put(Cr0ack::AT, value);
        } else if at == IrqCtrl::AT {
            self.put(IrqCtrlack::AT, value);
        } else if at == Gbpa::AT {
            self.put(at, value & !Gbpa::UPDATE.mask());
        }
        self.consume();
    }

    /// Takes all commands that wait.
    fn consume(&self) {
        let on = self.get(Cr0ack::AT) & Cr0::CMDQEN.mask() != 0;
        let base = CmdqBase::from_bits(self.get(CmdqBase::AT));
        let Some(size) = QueueSize::new(base.log2size()).filter(|_| on) else { return };
        let position = |at| size.position((self.get(at) & u64::from(u32::MAX)) as u32);
        let (mut next, end) = (position(CmdqCons::AT), position(CmdqProd::AT));
        while next != end {
            let at = base.address(CmdqBase::ADDR) + 16 * u64::from(size.index(next));
            if let Ok([low, high]) = self.words(PhysAddr::new(at), 2) {
                self.commands.borrow_mut().push(RawCommand::from_words([low.load(), high.load()]));
            }
            next = size.advance(next, 1);
        }
        self.put(CmdqCons::AT, end.bits().into());
    }
}

impl Mmio for Smmu {
    fn read32(&self, at: RegisterOffset) -> u32 {
        (self.get(at) & u64::from(u32::MAX)) as u32
    }

    fn write32(&self, at: RegisterOffset, value: u32) {
        self.write(at, 4, value.into());
    }

    fn read64(&self, at: RegisterOffset) -> u64 {
        self.get(at)
    }

    fn write64(&self, at: RegisterOffset, value: u64) {
        self.write(at, 8, value);
    }
}

// SAFETY: each block is filled once, with zeros, and given out once; it has addresses of its own, aligned to any size that
// fits there; its words are atomics that live as long as `self`; nothing but this process looks at them, so there is
// nothing for barriers to order.
unsafe impl Memory for Smmu {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let refused = AllocationError { bytes, align };
        // Much larger than any table or queue that a record asks for.
        if bytes > 1 << 28 || align > 1 << BLOCK_LOG2 {
            return Err(refused);
        }
        let words: Box<[Dword]> = (0..bytes / 8).map(|_| Dword::new(0)).collect();
        let free = self.blocks.iter().position(|block| block.get().is_none()).ok_or(refused)?;
        let block = self.blocks.get(free).ok_or(refused)?;
        block.set(words).map_err(|_| refused)?;
        Ok(Pages::from_raw(PhysAddr::new((free as u64 + 1) << BLOCK_LOG2), bytes))
    }

    fn free(&self, pages: Pages) {
        let _ = pages.bytes();
    }

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let error = MemoryError { address, words: count };
        let block = (address.get() >> BLOCK_LOG2).checked_sub(1).ok_or(error)?;
        let first = usize::try_from((address.get() & ((1 << BLOCK_LOG2) - 1)) / 8).map_err(|_| error)?;
        let block = usize::try_from(block).ok().and_then(|block| self.blocks.get(block));
        let words = block.and_then(OnceCell::get).ok_or(error)?;
        words.get(first..).and_then(|rest| rest.get(..count)).ok_or(error)
    }

    fn publish(&self) {}

    fn acquire(&self) {}

    fn release(&self) {}
}

impl Clock for Smmu {
    fn now(&self) -> Duration {
        let now = self.ticks.get().saturating_add(1);
        self.ticks.set(now);
        Duration::from_nanos(now)
    }
}
