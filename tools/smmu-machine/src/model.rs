//! The software model as a machine.

use crate::ram::{GuestRam, OwnWords, Words};
use crate::settled::Settled;
use crate::{Landing, Machine, MachineError};
use smmu_cmds::queue::SharedPlatform;
use smmu_model::{Access, Adversity, Bus, Hang, Model, Profile, Trace, Width};
use smmu_regs::platform::{
    AllocationError, Atomicity, Clock, Dword, Memory, MemoryError, Mmio, Page, Pages, RegisterOffset,
};
use smmu_regs::registers::Bank;
use smmu_regs::{PhysAddr, StreamId, SubstreamId};
use std::collections::BTreeSet;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where the model's RAM starts: where QEMU's does.
const RAM_BASE: u64 = 0x4000_0000;
/// How much there is.
const RAM_BYTES: u64 = 128 << 20;

/// The model, its memory and its devices.
///
/// A machine that is not coherent has two copies of its memory: what the CPU sees, and what the SMMU and the devices see.
/// Only [`Memory::clean`] and [`Memory::invalidate`] copy from one to the other, and what nobody cleaned is poison.
pub struct ModelMachine {
    model: Mutex<Model<RamBus>>,
    /// What the CPU sees; on a coherent machine the same as `ram`.
    cpu: Arc<GuestRam>,
    ram: Arc<GuestRam>,
    streams: Vec<StreamId>,
    /// Of the device with the same number; those beyond the end have none.
    substreams: Vec<Option<SubstreamId>>,
    atomicity: Atomicity,
    aborting: Arc<Mutex<BTreeSet<u64>>>,
    /// Of an adversarial machine.
    settled: Option<Arc<Settled>>,
    started: Instant,
}

/// What memory holds that was never cleaned: valid descriptors and pointers. No valid CD: see [`ModelMachine::set_past`].
const POISON: u64 = 0x0000_0000_4000_0fff;

/// The model's way to memory; an adversarial model sees what was there at the last barrier, too.
pub(crate) struct RamBus {
    ram: Arc<GuestRam>,
    settled: Option<Arc<Settled>>,
    /// First addresses of the 4 KiB pages that abort every access.
    aborting: Arc<Mutex<BTreeSet<u64>>>,
}

impl RamBus {
    /// `count` words at `pa`, unless an access to them is aborted.
    fn words(&self, pa: u64, count: usize) -> Option<&[Dword]> {
        let aborting = self.aborting.lock().unwrap_or_else(PoisonError::into_inner);
        if aborting.contains(&(pa & !0xfff)) {
            return None;
        }
        self.ram.words(PhysAddr::new(pa), count).ok()
    }
}

impl Bus for RamBus {
    fn read64(&self, pa: u64) -> Option<u64> {
        self.words(pa, 1)?.first().map(Dword::load)
    }

    fn write64(&self, pa: u64, value: u64) -> Option<()> {
        self.words(pa, 1)?.first().map(|word| word.store(value))
    }

    fn read_line(&self, pa: u64) -> Option<[u64; 8]> {
        let words = self.words(pa, 8)?;
        let mut line = [0; 8];
        for (value, word) in line.iter_mut().zip(words) {
            *value = word.load();
        }
        Some(line)
    }

    fn settled_line(&self, pa: u64) -> Option<[u64; 8]> {
        self.settled.as_ref().and_then(|settled| settled.line(pa)).or_else(|| self.read_line(pa))
    }

    fn settle(&self) {
        if let Some(settled) = &self.settled {
            settled.settle(&self.ram);
        }
    }

    fn read32(&self, pa: u64) -> Option<u32> {
        self.words(pa & !7, 1)?;
        self.ram.peek32(PhysAddr::new(pa)).ok()
    }

    fn write32(&self, pa: u64, value: u32) -> Option<()> {
        self.words(pa & !7, 1)?;
        self.ram.poke32(PhysAddr::new(pa), value).ok()
    }
}

impl ModelMachine {
    /// A model of `profile` with a device for each of `streams`. It is coherent if the profile says so
    /// (`IDR0.COHACC`).
    #[must_use]
    pub fn new(profile: Profile, streams: &[StreamId]) -> Self {
        Self::with(profile, streams, None)
    }

    /// As [`ModelMachine::new`], and it behaves as badly as the architecture allows.
    #[must_use]
    pub fn adversarial(profile: Profile, streams: &[StreamId], adversity: Adversity) -> Self {
        Self::with(profile, streams, Some(adversity))
    }

    fn with(profile: Profile, streams: &[StreamId], adversity: Option<Adversity>) -> Self {
        let memory = |poison| -> Arc<GuestRam> {
            let words: Arc<dyn Words> = Arc::new(OwnWords::new(RAM_BYTES, poison));
            Arc::new(GuestRam::new(words, RAM_BASE))
        };
        let [idr0, ..] = profile.idr;
        let coherent = idr0 >> 4 & 1 != 0;
        let ram = memory(if coherent { 0 } else { POISON });
        let cpu = if coherent { Arc::clone(&ram) } else { memory(0) };
        let settled = adversity.as_ref().map(|_| Arc::new(Settled::new([POISON; 8])));
        let aborting = Arc::default();
        let bus = RamBus { ram: Arc::clone(&ram), settled: settled.clone(), aborting: Arc::clone(&aborting) };
        let atomicity = match adversity.as_ref().map(|adversity| adversity.atomicity) {
            Some(smmu_model::Atomicity::Bits128) => Atomicity::Bits128,
            _ => Atomicity::Bits64,
        };
        let model = match adversity {
            Some(adversity) => Model::adversarial(profile, bus, adversity),
            None => Model::new(profile, bus),
        };
        Self {
            model: Mutex::new(model),
            atomicity,
            aborting,
            settled,
            cpu,
            ram,
            streams: streams.to_vec(),
            substreams: Vec::new(),
            started: Instant::now(),
        }
    }

    /// The same machine, whose devices' transactions carry these SubstreamIDs: by the number of the device.
    #[must_use]
    pub fn with_substreams(self, substreams: &[Option<SubstreamId>]) -> Self {
        Self { substreams: substreams.to_vec(), ..self }
    }

    /// Another SMMU beside this one, which is not adversarial: with devices of its own, and the same memory.
    #[must_use]
    pub fn beside(&self, profile: Profile, streams: &[StreamId]) -> Self {
        let (ram, aborting) = (Arc::clone(&self.ram), Arc::clone(&self.aborting));
        let bus = RamBus { ram: Arc::clone(&ram), settled: None, aborting: Arc::clone(&aborting) };
        Self {
            model: Mutex::new(Model::new(profile, bus)),
            cpu: Arc::clone(&self.cpu),
            ram,
            streams: streams.to_vec(),
            substreams: Vec::new(),
            atomicity: self.atomicity,
            aborting,
            settled: None,
            started: self.started,
        }
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model<RamBus>> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes something never answer, for tests of deadlines.
    pub fn set_hang(&self, hang: Hang) {
        self.model().set_hang(hang);
    }

    /// On an adversarial machine: memory that is allocated from now on held `line`, again and again, and still does for whoever
    /// reads it before a barrier. For tests with an entry in it that would be obeyed: without, such memory holds what looks
    /// like a pointer.
    pub fn set_past(&self, line: [u64; 8]) {
        if let Some(settled) = &self.settled {
            settled.set_before(line);
        }
    }

    /// Lets every access of the SMMU and the devices to the 4 KiB page at `page` abort, or no longer.
    pub fn set_aborting(&self, page: PhysAddr, aborting: bool) {
        let mut pages = self.aborting.lock().unwrap_or_else(PoisonError::into_inner);
        let page = page.get() & !0xfff;
        if aborting {
            pages.insert(page);
        } else {
            pages.remove(&page);
        }
    }

    /// Enters Service failure mode (12.3), for good.
    pub fn fail_service(&self) {
        self.model().fail_service();
    }

    pub(crate) fn access(&self, device: usize, iova: u64) -> Result<Access, MachineError> {
        let devices = self.streams.len();
        let stream = self.streams.get(device).ok_or(MachineError::Device { device, devices })?;
        let substream = self.substreams.get(device).copied().flatten();
        Ok(Access {
            sid: stream.get(),
            ssid: substream.map(SubstreamId::get),
            iova,
            write: false,
            instruction: false,
            privileged: false,
        })
    }

    /// What the model consumed and recorded since the last call.
    pub fn trace(&self) -> Vec<Trace> {
        self.model().trace()
    }
}

/// Copies words from one view of memory to the other, word by word, as a cache would write back or refill.
fn copy(from: &GuestRam, to: &GuestRam, address: PhysAddr, words: usize) {
    if let (Ok(from), Ok(to)) = (from.words(address, words), to.words(address, words)) {
        for (from, to) in from.iter().zip(to) {
            to.store(from.load());
        }
    }
}

impl ModelMachine {
    /// Offset of a register from the model's base. It has pages 0 and 1, and as many Non-secure command queue control pages as
    /// its profile says; the other optional pages read as zero and ignore writes.
    fn place(model: &Model<RamBus>, at: RegisterOffset) -> Option<u32> {
        match at.page {
            Page::CommandQueues { bank: Bank::NonSecure, page } => {
                model.control_page(page).map(|base| base + u32::from(at.offset))
            }
            _ => at.fixed(),
        }
    }

    /// Where the model has Non-secure command queue control page `page`, from its register page 0.
    pub fn control_page(&self, page: u8) -> Option<u64> {
        self.model().control_page(page).map(u64::from)
    }

    fn read(&self, at: RegisterOffset, width: Width) -> u64 {
        let mut model = self.model();
        Self::place(&model, at).map_or(0, |offset| model.read(offset, width))
    }

    fn write(&self, at: RegisterOffset, width: Width, value: u64) {
        let mut model = self.model();
        if let Some(offset) = Self::place(&model, at) {
            model.write(offset, width, value);
        }
    }
}

impl Mmio for ModelMachine {
    fn read32(&self, at: RegisterOffset) -> u32 {
        (self.read(at, Width::W32) & u64::from(u32::MAX)) as u32
    }

    fn write32(&self, at: RegisterOffset, value: u32) {
        self.write(at, Width::W32, u64::from(value));
    }

    fn read64(&self, at: RegisterOffset) -> u64 {
        self.read(at, Width::W64)
    }

    fn write64(&self, at: RegisterOffset, value: u64) {
        self.write(at, Width::W64, value);
    }
}

// SAFETY: the allocator hands each block out once and takes back only what is out; blocks are zeroed and aligned; `words`
// gives the machine's own words or an error; the model reads the very same words, or on a machine that is not coherent
// their copies as of the last `clean`, under a lock that a register write takes, so stores made before `publish` (a full
// fence) are visible to it; 64-bit atomicity is claimed, no more.
unsafe impl Memory for ModelMachine {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let pages = self.cpu.allocate(bytes, align)?;
        if let Some(settled) = &self.settled {
            settled.add(&pages);
        }
        Ok(pages)
    }

    fn free(&self, pages: Pages) {
        if self.settled.is_some() {
            self.model().freed(pages.base().get(), pages.bytes());
            if let Some(settled) = &self.settled {
                settled.remove(&pages);
            }
            // Whoever still reads it shall not read what was there.
            let words = usize::try_from(pages.bytes() / 8).unwrap_or(0);
            for memory in [&self.cpu, &self.ram] {
                for word in memory.words(pages.base(), words).unwrap_or_default() {
                    word.store(POISON);
                }
            }
        }
        self.cpu.free(pages);
    }

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        self.cpu.words(address, count)
    }

    fn clean(&self, address: PhysAddr, words: usize) {
        copy(&self.cpu, &self.ram, address, words);
    }

    fn invalidate(&self, address: PhysAddr, words: usize) {
        copy(&self.ram, &self.cpu, address, words);
    }

    fn publish(&self) {
        fence(Ordering::SeqCst);
        self.model().barrier();
    }

    fn atomicity(&self) -> Atomicity {
        self.atomicity
    }

    fn store_pair(&self, pair: &[Dword; 2], values: [u64; 2]) {
        let mut model = self.model();
        model.before_pair();
        for (word, value) in pair.iter().zip(values) {
            word.store(value);
        }
        if let Some(address) = self.cpu.address_of(pair) {
            model.stored_pair(address.get());
        }
    }

    fn acquire(&self) {
        fence(Ordering::SeqCst);
    }

    fn release(&self) {
        fence(Ordering::SeqCst);
    }
}

impl Clock for ModelMachine {
    fn now(&self) -> Duration {
        self.model().tick();
        self.started.elapsed()
    }
}

impl Machine for ModelMachine {
    fn name(&self) -> String {
        let setting = match (self.settled.is_some(), self.atomicity) {
            (false, _) => "",
            (true, Atomicity::Bits128) => ", adversarial, 128-bit atoms",
            (true, _) => ", adversarial",
        };
        format!("software model, profile \"{}\"{setting}", self.model().profile().name)
    }

    fn devices(&self) -> Vec<StreamId> {
        self.streams.clone()
    }

    fn dma_invert(&self, device: usize, iova: u64) -> Result<(), MachineError> {
        let read = self.access(device, iova)?;
        let mut model = self.model();
        // As QEMU's device does: a read that is terminated leaves zeros in its buffer, and the write is still tried.
        let value = model.dma_read32(&read).unwrap_or(0);
        let _terminated = model.dma_write32(&Access { write: true, ..read }, !value);
        Ok(())
    }

    fn permitted(&self, device: usize, iova: u64, write: bool) -> Result<Option<Vec<Landing>>, MachineError> {
        let access = Access { write, ..self.access(device, iova)? };
        if self.settled.is_none() {
            return Ok(None);
        }
        Ok(Some(self.model().permitted(&access).iter().map(Landing::from).collect()))
    }

    fn failure(&self) -> Option<MachineError> {
        None
    }

    fn complaints(&self) -> Vec<String> {
        self.model().complaints().to_vec()
    }

    fn ram(&self) -> &GuestRam {
        &self.ram
    }

    fn allocated(&self) -> u64 {
        self.cpu.allocated()
    }
}

impl SharedPlatform for ModelMachine {
    /// Threads of a test interrupt nobody.
    type Guard<'a> = ();

    fn uninterrupted(&self) {}
}
