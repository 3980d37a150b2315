//! A small hypervisor that owns a real (model) SMMU, and a host behind its trap filter.

use crate::support::{Bench, PAGE, Setup, Space1, Space2, TIMEOUT};
use smmu_cmds::host::{HostAction, HostSmmu, Limits, Reshadow, Served};
use smmu_cmds::{Command, CommandQueue};
use smmu_machine::{Landing, Machine, ModelMachine};
use smmu_model::Trace;
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::platform::{AllocationError, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset};
use smmu_regs::registers::{Gerror, Idr0, Idr1, Idr3, StrtabBase};
use smmu_regs::trap::{Access, Action, HostView, InterruptSource, RecordSlot, Verdict};
use smmu_regs::{Caps, PhysAddr, StreamId, Vmid};
use smmu_ste::ste::GuestSte;
use smmu_ste::table::TableError;
use smmu_ste::{SteConfig, StreamTable};
use std::cell::{Cell, RefCell};

/// The host's VMID and another guest's.
pub(crate) const HOST: u16 = 7;
pub(crate) const OTHER: u16 = 9;
/// The host's streams (devices 0 and 1), and the other guest's (device 2).
pub(crate) const STREAM: u32 = 0x8;
const HOSTS: [u32; 2] = [STREAM, 0x10];
pub(crate) const OTHERS: u32 = 0x18;
/// The host's memory.
const REGION: u64 = 4 << 20;
/// Where the other guest's page is for its device.
const OTHERS_IPA: u64 = 0x5000;
/// What is in the pages that are not the host's: an STE that bypasses (V, Config 4), again and again.
const FILL: u64 = 0x9;

pub(crate) const fn p0(offset: u16) -> RegisterOffset {
    RegisterOffset::page0(offset)
}

pub(crate) const fn p1(offset: u16) -> RegisterOffset {
    RegisterOffset::page1(offset)
}

/// The host's memory as the host uses it: a region of its own, never given back.
pub(crate) struct HostRegion<'m> {
    machine: &'m ModelMachine,
    base: u64,
    next: Cell<u64>,
}

// SAFETY: `allocate` hands each address out once, zeroed as it came from the machine, and takes nothing back; everything else
// is the machine's, within the region that this owns.
unsafe impl Memory for HostRegion<'_> {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let at = self.next.get().next_multiple_of(align.max(PAGE));
        let end = at + bytes.next_multiple_of(PAGE);
        if end > self.base + REGION {
            return Err(AllocationError { bytes, align });
        }
        self.next.set(end);
        Ok(Pages::from_raw(PhysAddr::new(at), bytes))
    }

    fn free(&self, _: Pages) {}

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let end = address.get().checked_add(count as u64 * 8);
        if address.get() < self.base || end.is_none_or(|end| end > self.base + REGION) {
            return Err(MemoryError { address, words: count });
        }
        self.machine.words(address, count)
    }

    fn publish(&self) {
        self.machine.publish();
    }

    fn acquire(&self) {
        self.machine.acquire();
    }

    fn release(&self) {
        self.machine.release();
    }
}

/// What happens right after the hypervisor has read a word of the host's.
type AfterLoad<'m> = Box<dyn FnMut(PhysAddr, &Dword) + 'm>;

/// Hypervisor and host.
pub(crate) struct Lab<'m> {
    pub(crate) machine: &'m ModelMachine,
    bench: Bench<'m, &'m dyn Machine>,
    pub(crate) view: HostView,
    shown: Caps,
    stage2: Space2,
    other: Space2,
    pub(crate) host: HostRegion<'m>,
    pub(crate) after_load: RefCell<AfterLoad<'m>>,
    /// A page of the hypervisor's.
    pub(crate) secret: PhysAddr,
    /// A page of the other guest's.
    foreign: PhysAddr,
    /// A page of the host's.
    pub(crate) own: PhysAddr,
    pages: Vec<Pages>,
    real: Vec<u64>,
    /// The host's queues and table.
    pub(crate) commands: PhysAddr,
    pub(crate) events: PhysAddr,
    pub(crate) table: PhysAddr,
    prod: u32,
    /// Commands that were consumed, and the most that one trap consumed.
    pub(crate) served: Vec<Served>,
    pub(crate) refusals: u32,
    pub(crate) completions: Vec<HostAction>,
}

/// S1DSS, S1CIR, S1COR and S1CSH of an STE's second word.
const S1DSS_TO_SH: u64 = 0xff;

const COMMANDS_LOG2: u8 = 6;
/// Commands for each call of `serve`.
pub(crate) const BOUND: u32 = 16;

impl<'m> Lab<'m> {
    pub(crate) fn new(machine: &'m ModelMachine) -> Self {
        let mut bench = Bench::new(machine, Setup::default());
        let p: &dyn Machine = machine;
        let allocate = |bytes, align| machine.allocate(bytes, align).unwrap();
        let (region, secret, foreign) =
            (allocate(REGION, REGION), allocate(PAGE, PAGE), allocate(PAGE, PAGE));
        let (base, secret_at, foreign_at) = (region.base(), secret.base(), foreign.base());
        for at in [secret_at, foreign_at] {
            for word in machine.words(at, 512).unwrap() {
                word.store(FILL);
            }
        }
        let mut stage2 = Space2::new(&p, &bench.caps, HOST);
        stage2.map(&p, base.get(), REGION, base);
        let mut other = Space2::new(&p, &bench.caps, OTHER);
        other.map(&p, OTHERS_IPA, PAGE, foreign_at);
        bench.attach(StreamId::new(OTHERS), &other.ste());
        for stream in HOSTS {
            bench.attach(StreamId::new(stream), &SteConfig::Abort);
        }
        let real = IdRegisters::read(machine);
        let idr0 = [Idr0::HYP, Idr0::BTM, Idr0::ATOS, Idr0::VATOS, Idr0::VMW, Idr0::RME_IMPL, Idr0::PRI];
        let idr0 = idr0.into_iter().fold(real.idr0, |idr0, field| idr0.with(field, false));
        let ids = IdRegisters {
            idr0: idr0.try_with(Idr0::STALL_MODEL, 1_u8).unwrap(),
            idr1: real.idr1.with(Idr1::ECMDQ, false),
            idr3: real.idr3.with(Idr3::MPAM, false).with(Idr3::DPT, false).with(Idr3::S2PI, false),
            ..real
        };
        let shown = Caps::probe(&ids, &Hints::default()).unwrap();
        let host = HostRegion { machine, base: base.get(), next: Cell::new(base.get()) };
        let place = |bytes: u64| host.allocate(bytes, bytes).unwrap().base();
        let (commands, events, table, own) =
            (place(16 << COMMANDS_LOG2), place(PAGE), place(64 << 9), place(PAGE));
        let mut lab = Self {
            machine,
            bench,
            view: HostView::new(&ids).unwrap(),
            shown,
            stage2,
            other,
            host,
            after_load: RefCell::new(Box::new(|_, _| {})),
            secret: secret_at,
            foreign: foreign_at,
            own,
            pages: vec![region, secret, foreign],
            real: Vec::new(),
            commands,
            events,
            table,
            prod: 0,
            served: Vec::new(),
            refusals: 0,
            completions: Vec::new(),
        };
        lab.real = lab.registers();
        machine.trace();
        lab
    }

    /// The real SMMU's registers that decide where it reads and writes.
    fn registers(&self) -> Vec<u64> {
        let wide = [0x68, 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0].map(|offset| self.machine.read64(p0(offset)));
        let narrow = [0x20, 0x24, 0x28, 0x2c, 0x44, 0x50, 0x70, 0x74, 0x88, 0xb8, 0xbc];
        wide.into_iter().chain(narrow.map(|offset| u64::from(self.machine.read32(p0(offset))))).collect()
    }

    /// An access of the host's traps.
    pub(crate) fn trap(&mut self, access: Access) -> u64 {
        match self.view.judge(&access) {
            Verdict::Forward => u64::from(self.machine.read32(access.at)),
            Verdict::Refuse(_) => {
                self.refusals += 1;
                0
            }
            Verdict::Emulate(made) => {
                self.view = made.view;
                for action in made.actions.iter() {
                    self.act(action);
                }
                made.value
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::StreamTable { .. } | Action::Bypass(_) => {
                let Self { bench, view, host, after_load, stage2, .. } = self;
                let Bench { p, queue, streams, caps, .. } = bench;
                let load = |at| load(host, after_load, at);
                reshadow(p, caps, streams, queue, view, &load, stage2, Reshadow::All).unwrap();
            }
            Action::CommandsPending => self.serve(),
            Action::EventsConsumed | Action::EventQueue { .. } => self.deliver(),
            _ => {}
        }
    }

    fn serve(&mut self) {
        let Self { bench, view, host, after_load, stage2, completions, served, shown, .. } = self;
        let Bench { p, queue, streams, caps, .. } = bench;
        let load = |at| load(host, after_load, at);
        let owns = |stream: StreamId| HOSTS.contains(&stream.get());
        let smmu = HostSmmu::new(caps, shown, Vmid::new(HOST), owns).unwrap();
        // No command of the queue changes where the host's table is.
        let seen = *view;
        let limits = Limits { commands: BOUND, timeout: TIMEOUT };
        let done = smmu.serve(p, queue, view, &load, limits, |queue, action| match action {
            HostAction::Reshadow(what) => reshadow(p, caps, streams, queue, &seen, &load, stage2, what),
            told => {
                completions.push(told);
                Ok(())
            }
        });
        served.push(done.unwrap());
        self.deliver();
    }

    /// Events of the host's streams go into the host's queue, those of others nowhere (here).
    fn deliver(&mut self) {
        let mut records = Vec::new();
        let _ = self.bench.events.drain(&self.bench.p, |record| records.push(record)).unwrap();
        for record in records.into_iter().filter(|record| HOSTS.contains(&record.stream().get())) {
            match self.view.event_slot() {
                RecordSlot::At(at) => match self.host.words(at, 4) {
                    Ok(words) => {
                        for (word, value) in words.iter().zip(record.words()) {
                            word.store(value);
                        }
                        self.view.event_stored();
                        let _ = self.view.interrupt(InterruptSource::EventQueue);
                    }
                    // Not the host's memory: as a write that aborts (7.2).
                    Err(_) => self.view.activate(Gerror::new().with(Gerror::EVENTQ_ABT_ERR, true)),
                },
                RecordSlot::Full => self.view.event_lost(),
                RecordSlot::Closed => {}
            }
        }
    }

    pub(crate) fn write32(&mut self, at: RegisterOffset, value: u64) {
        self.trap(Access::write32(at, value));
    }

    pub(crate) fn write64(&mut self, at: RegisterOffset, value: u64) {
        self.trap(Access::write64(at, value));
    }

    pub(crate) fn read32(&mut self, at: RegisterOffset) -> u64 {
        self.trap(Access::read32(at))
    }

    /// Stores a word of the host's memory.
    pub(crate) fn store(&self, at: PhysAddr, value: u64) {
        self.host.words(at, 1).unwrap()[0].store(value);
    }

    /// The host's driver comes up, as a driver does.
    pub(crate) fn bring_up(&mut self) {
        let base = |at: PhysAddr, log2: u64| at.get() | log2;
        self.write32(p0(0x44), 1 << 31 | 1 << 20);
        self.write32(p0(0x28), 0xd75);
        self.write32(p0(0x2c), 2);
        self.write64(p0(0x80), self.table.get());
        self.write32(p0(0x88), 9);
        self.write64(p0(0x90), base(self.commands, COMMANDS_LOG2.into()));
        self.write32(p0(0x98), 0);
        self.write32(p0(0x9c), 0);
        self.write32(p0(0x20), 8);
        self.command([0x04, 31]);
        self.command([0x30, 0]);
        self.command([0x46, 0]);
        self.write64(p0(0xa0), base(self.events, 5));
        self.write32(p1(0xa8), 0);
        self.write32(p1(0xac), 0);
        self.write32(p0(0x20), 0xc);
        self.write32(p0(0x50), 5);
        self.write32(p0(0x20), 0xd);
        assert_eq!(self.refusals, 0, "a driver that behaves is not refused anything");
    }

    /// Puts a command into the host's queue without telling.
    pub(crate) fn queue(&mut self, words: [u64; 2]) {
        let at = self.commands.get() + u64::from(self.prod & ((1 << COMMANDS_LOG2) - 1)) * 16;
        for (offset, word) in [0, 8].into_iter().zip(words) {
            self.store(PhysAddr::new(at + offset), word);
        }
        self.prod = (self.prod + 1) & ((2 << COMMANDS_LOG2) - 1);
    }

    /// One command; a driver that polls CONS sees it through, or an error.
    pub(crate) fn command(&mut self, words: [u64; 2]) {
        self.queue(words);
        self.ring();
    }

    pub(crate) fn ring(&mut self) {
        self.write32(p0(0x98), self.prod.into());
        for _ in 0..1000 {
            if self.read32(p0(0x9c)) & 0xf_ffff == u64::from(self.prod)
                || self.view.commands_waiting().is_none()
            {
                return;
            }
        }
        panic!("the host's queue does not go on");
    }

    /// The reason for which the host's queue stands, if it does; then it goes on after that command.
    pub(crate) fn failure(&mut self) -> Option<u64> {
        let (gerror, gerrorn) = (self.read32(p0(0x60)), self.read32(p0(0x64)));
        if (gerror ^ gerrorn) & 1 == 0 {
            return None;
        }
        let cons = self.read32(p0(0x9c));
        let at = self.commands.get() + (cons & ((1 << COMMANDS_LOG2) - 1)) * 16;
        self.store(PhysAddr::new(at), 0x46);
        self.store(PhysAddr::new(at + 8), 0);
        self.write32(p0(0x64), gerrorn ^ 1);
        Some(cons >> 24)
    }

    /// Stores an STE of the host's and says so.
    pub(crate) fn ste(&mut self, stream: u32, words: [u64; 8]) {
        for (index, word) in (0..).zip(words) {
            self.store(PhysAddr::new(self.table.get() + u64::from(stream) * 64 + index * 8), word);
        }
        self.command([u64::from(stream) << 32 | 0x03, 1]);
        self.command([0x30, 0]);
        self.command([0x46, 0]);
    }

    /// A stage 1 of the host's for its first device: `iova` goes to `to`, wherever that is.
    pub(crate) fn stage1(&mut self, iova: u64, to: PhysAddr) -> Space1 {
        let mut space = Space1::new(&self.host, &self.shown, 5);
        space.map(&self.host, iova, PAGE, to);
        let ste = space.ste().encode(&self.shown).unwrap();
        let [zero, one, ..] = ste.words();
        // What a driver without stage 2 writes: STRW and VMID are not there.
        let one = one & (S1DSS_TO_SH | 1 << 27);
        self.ste(STREAM, [zero, one, 0, 0, 0, 0, 0, 0]);
        space
    }

    /// Where the devices of the host may get with a DMA to `iova`.
    fn landings(&self, device: usize, iova: u64) -> Vec<u64> {
        let mut all = Vec::new();
        for write in [false, true] {
            for landing in self.machine.permitted(device, iova, write).unwrap().unwrap_or_default() {
                if let Landing::At(pa) = landing {
                    all.push(pa.get());
                }
            }
        }
        all
    }

    /// Whether the host's device reaches its own page at `iova`.
    pub(crate) fn reaches_own(&self, iova: u64) -> bool {
        self.machine.poke32(self.own, 0x1234_5678).unwrap();
        self.machine.dma_invert(0, iova).unwrap();
        self.machine.peek32(self.own).unwrap() == !0x1234_5678
    }

    /// After an attack: nothing that is not the host's was reached, by its devices or by the SMMU.
    pub(crate) fn assert_contained(&mut self, attack: &str) {
        let region = self.host.base..self.host.base + REGION;
        let queue = StrtabBase::from_bits(self.real[1]).into_bits() & 0x000f_ffff_ffff_ffc0;
        let targets = [self.secret.get(), self.foreign.get(), queue, OTHERS_IPA, 0, 0x1000, self.own.get()];
        for (device, iova) in [0, 1].into_iter().flat_map(|device| targets.map(|iova| (device, iova))) {
            for pa in self.landings(device, iova) {
                assert!(region.contains(&pa), "{attack}: device {device} may get to {pa:#x}");
            }
            self.machine.dma_invert(device, iova).unwrap();
        }
        for (name, at) in [("the hypervisor's page", self.secret), ("the other guest's page", self.foreign)] {
            for (index, word) in self.machine.words(at, 512).unwrap().iter().enumerate() {
                assert_eq!(word.load(), FILL, "{attack}: {name}, word {index}");
            }
        }
        assert_eq!(self.registers(), self.real, "{attack}: the real registers");
        // The other guest's device is where it was.
        self.machine.dma_invert(2, OTHERS_IPA).unwrap();
        let word = &self.machine.words(self.foreign, 1).unwrap()[0];
        assert_eq!(word.load(), FILL ^ 0xffff_ffff, "{attack}: the other guest's device");
        word.store(FILL);
        for entry in self.machine.trace() {
            match entry {
                Trace::Command { words, error, .. } => {
                    assert_eq!(error, None, "{attack}: the real queue stopped at {words:x?}");
                    assert!(is_lawful(words), "{attack}: {words:x?} went to the SMMU");
                }
                Trace::Msi { pa, .. } => panic!("{attack}: an MSI to {pa:#x}"),
                _ => {}
            }
        }
        assert!(self.served.iter().all(|served| served.commands <= BOUND), "{attack}");
    }

    pub(crate) fn shut_down(self) {
        let Self { mut bench, stage2, other, pages, machine, .. } = self;
        let p: &dyn Machine = machine;
        for stream in [HOSTS[0], HOSTS[1], OTHERS] {
            bench.attach(StreamId::new(stream), &SteConfig::Abort);
        }
        stage2.destroy(&p, &mut bench.queue);
        other.destroy(&p, &mut bench.queue);
        for pages in pages {
            p.free(pages);
        }
        bench.shut_down();
    }
}

/// What may stand in the real queue: CMD_SYNC without an MSI; CFGI of the host's streams; the host's VMID, and no other.
fn is_lawful([low, high]: [u64; 2]) -> bool {
    let (stream, vmid) = ((low >> 32) as u32, low >> 32 & 0xffff);
    match low & 0xff {
        0x46 => low >> 12 & 3 != 1 && high == 0,
        0x03 | 0x05 | 0x06 | 0x40 => HOSTS.contains(&stream),
        0x10..=0x13 => vmid == u64::from(HOST),
        _ => false,
    }
}

/// A word of the host's memory, for the hypervisor: read once.
fn load(host: &HostRegion<'_>, after: &RefCell<AfterLoad<'_>>, at: PhysAddr) -> Option<u64> {
    let word = host.words(at, 1).ok()?.first()?;
    let value = word.load();
    (after.borrow_mut())(at, word);
    Some(value)
}

/// The host's STEs that are meant are read, once, and what they ask for is done under the hypervisor's stage 2.
#[allow(clippy::too_many_arguments)]
fn reshadow(
    p: &&dyn Machine,
    caps: &Caps,
    table: &mut StreamTable,
    queue: &mut CommandQueue,
    view: &HostView,
    load: &impl Fn(PhysAddr) -> Option<u64>,
    stage2: &Space2,
    what: Reshadow,
) -> Result<(), TableError> {
    for stream in HOSTS.map(StreamId::new).into_iter().filter(|stream| what.covers(*stream)) {
        let wanted = match view.stream_table() {
            None if view.gbpa().abort() => GuestSte::Abort,
            None => GuestSte::Bypass,
            // A linear table is all that this hypervisor reads; no STE, no translation.
            Some((base, shape)) if shape.fmt() == 0 && stream.get() >> shape.log2size().min(31) == 0 => {
                let at =
                    (base.into_bits() & StrtabBase::ADDR.mask()).wrapping_add(u64::from(stream.get()) * 64);
                match (load(PhysAddr::new(at)), load(PhysAddr::new(at + 8))) {
                    (Some(zero), Some(one)) => GuestSte::new([zero, one]).unwrap_or(GuestSte::Abort),
                    _ => GuestSte::Abort,
                }
            }
            Some(_) => GuestSte::Abort,
        };
        let config = match wanted {
            GuestSte::Abort => SteConfig::Abort,
            GuestSte::Bypass => stage2.ste(),
            // An unlawful stage 1 is the host's own harm, but each transaction would be an event of ours.
            GuestSte::Translate(guest) if guest.check(caps).is_err() => SteConfig::Abort,
            GuestSte::Translate(guest) => {
                SteConfig::Nested { guest, stage2: stage2.stage2(), may_stall: false }
            }
        };
        let ste = config.encode(caps).unwrap_or_default();
        let _ = table.set(p, queue, stream, &ste, TIMEOUT, |_| {})?;
        queue.push(p, &Command::TlbiNhAll { vmid: Vmid::new(HOST) }, TIMEOUT)?;
        let _ = queue.sync(p, TIMEOUT)?;
    }
    Ok(())
}
