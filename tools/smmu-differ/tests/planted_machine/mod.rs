//! A model with a fault.

use smmu_machine::{GuestRam, Machine, MachineError, ModelMachine};
use smmu_regs::platform::{AllocationError, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset};
use smmu_regs::{PhysAddr, StreamId};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It says nothing of a driver's mistakes.
    Silent,
    /// DMA of device 2 goes to the page beside, at every fourth page.
    RedirectDma,
    /// CMD_TLBI_NH_VA does nothing.
    IgnoreNhVa,
    /// CMD_CFGI_STE does nothing.
    IgnoreCfgiSte,
    /// An entry that says bypass is altered in memory: it says abort.
    AlterSte,
    /// Events say another input address.
    WrongInputAddress,
}

/// STRTAB_BASE, CMDQ_BASE, CMDQ_PROD, EVENTQ_BASE and EVENTQ_PROD (IHI 0070 6.2).
const STRTAB_BASE: u32 = 0x80;
const CMDQ_BASE: u32 = 0x90;
const CMDQ_PROD: u32 = 0x98;
const EVENTQ_BASE: u32 = 0xa0;
const EVENTQ_PROD: u32 = 0x100a8;

/// A model with a fault.
pub(crate) struct Planted {
    model: ModelMachine,
    fault: Fault,
    streams: AtomicU64,
    commands: AtomicU64,
    taken: AtomicU64,
    events: AtomicU64,
    recorded: AtomicU64,
}

impl Planted {
    pub(crate) fn new(model: ModelMachine, fault: Fault) -> Self {
        let new = || AtomicU64::new(0);
        Self { model, fault, streams: new(), commands: new(), taken: new(), events: new(), recorded: new() }
    }

    /// The entries of a queue between two values of its producer.
    fn entries(base: u64, words: u64, from: u64, to: u64) -> impl Iterator<Item = u64> {
        let log2 = base & 0x1f;
        let (address, mask) = (base & 0x000f_ffff_ffff_ffe0, (1 << (log2 + 1)) - 1);
        let count = to.wrapping_sub(from) & mask;
        (0..count).map(move |n| address + ((from + n) & (mask >> 1)) * words * 8)
    }

    /// Turns commands into CMD_PREFETCH_CFG of a stream that is nobody's, before the model sees them.
    fn spoil_commands(&self, producer: u64) {
        let opcode = match self.fault {
            Fault::IgnoreNhVa => 0x12,
            Fault::IgnoreCfgiSte | Fault::AlterSte => 0x03,
            _ => return,
        };
        let from = self.taken.swap(producer, Ordering::SeqCst);
        for entry in Self::entries(self.commands.load(Ordering::SeqCst), 2, from, producer) {
            let words = self.model.words(PhysAddr::new(entry), 2).unwrap();
            if words[0].load() & 0xff != opcode {
                continue;
            }
            if self.fault == Fault::AlterSte {
                self.alter_ste(words[0].load() >> 32);
            } else {
                words[0].store(0x01 | 0x1f << 32);
                words[1].store(0);
            }
        }
    }

    /// Config 0b100 (bypass) becomes 0b000 (abort), in a linear table.
    fn alter_ste(&self, stream: u64) {
        let table = self.streams.load(Ordering::SeqCst) & 0x000f_ffff_ffff_ffc0;
        let word = &self.model.words(PhysAddr::new(table + stream * 64), 1).unwrap()[0];
        if word.load() & 0xf == 0x9 {
            word.store(word.load() & !0xe);
        }
    }

    fn spoil_events(&self, producer: u64) {
        let from = self.recorded.swap(producer, Ordering::SeqCst);
        for entry in Self::entries(self.events.load(Ordering::SeqCst), 4, from, producer) {
            let words = self.model.words(PhysAddr::new(entry), 4).unwrap();
            words[2].store(words[2].load() ^ 0x8000);
        }
    }
}

impl Mmio for Planted {
    fn read32(&self, at: RegisterOffset) -> u32 {
        let value = self.model.read32(at);
        if self.fault == Fault::WrongInputAddress && at.from_base() == EVENTQ_PROD {
            self.spoil_events(u64::from(value));
        }
        value
    }

    fn write32(&self, at: RegisterOffset, value: u32) {
        match at.from_base() {
            CMDQ_PROD => self.spoil_commands(u64::from(value)),
            EVENTQ_PROD => self.recorded.store(u64::from(value), Ordering::SeqCst),
            _ => {}
        }
        self.model.write32(at, value);
    }

    fn read64(&self, at: RegisterOffset) -> u64 {
        self.model.read64(at)
    }

    fn write64(&self, at: RegisterOffset, value: u64) {
        match at.from_base() {
            STRTAB_BASE => self.streams.store(value, Ordering::SeqCst),
            CMDQ_BASE => {
                self.commands.store(value, Ordering::SeqCst);
                self.taken.store(0, Ordering::SeqCst);
            }
            EVENTQ_BASE => {
                self.events.store(value, Ordering::SeqCst);
                self.recorded.store(0, Ordering::SeqCst);
            }
            _ => {}
        }
        self.model.write64(at, value);
    }
}

// SAFETY: every call goes unchanged to the model, whose promises these are.
unsafe impl Memory for Planted {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        self.model.allocate(bytes, align)
    }

    fn free(&self, pages: Pages) {
        self.model.free(pages);
    }

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        self.model.words(address, count)
    }

    fn publish(&self) {
        self.model.publish();
    }

    fn acquire(&self) {
        self.model.acquire();
    }

    fn release(&self) {
        self.model.release();
    }
}

impl Clock for Planted {
    fn now(&self) -> Duration {
        self.model.now()
    }
}

impl Machine for Planted {
    fn name(&self) -> String {
        format!("{} with {:?}", self.model.name(), self.fault)
    }

    fn devices(&self) -> Vec<StreamId> {
        self.model.devices()
    }

    fn dma_invert(&self, device: usize, iova: u64) -> Result<(), MachineError> {
        let astray = self.fault == Fault::RedirectDma && device == 2 && iova >> 12 & 3 == 3;
        self.model.dma_invert(device, if astray { iova ^ 0x1000 } else { iova })
    }

    fn failure(&self) -> Option<MachineError> {
        self.model.failure()
    }

    fn complaints(&self) -> Vec<String> {
        if self.fault == Fault::Silent { Vec::new() } else { self.model.complaints() }
    }

    fn ram(&self) -> &GuestRam {
        self.model.ram()
    }
}
