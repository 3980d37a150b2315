//! The hardware's end of a command queue, for tests of the producers: it is told by PROD, takes commands one by one, answers
//! in CONS, GERROR and by MSI, and remembers what it took.
//!
//! The same code runs on threads and under `loom`; whoever includes it has a module `atomics` beside it. What memory
//! ordering the queue needs is visible to `loom`, because registers are its atomics, barriers its fences, and each entry has
//! a cell whose accesses it checks for races.

use super::atomics::{AtomicU32, Cells, Ordering, fence, pause};
use smmu_cmds::RawCommand;
use smmu_cmds::queue::{FailedCommand, SharedPlatform};
use smmu_regs::PhysAddr;
use smmu_regs::caps::{Features, Hints, IdRegisters};
use smmu_regs::platform::{AllocationError, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset};
use smmu_regs::registers::{CmdqCons, CmdqProd, EcmdqRegisters, Gerror, Gerrorn, Register};
use smmu_regs::{Caps, Feature};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const BASE: u64 = 0x8000_0000;

/// An opcode that no SMMU knows.
pub const ILLEGAL: u64 = 0xff;
/// A command that is taken and has no effect here; word 1 tells whose it is.
pub const PLAIN: u64 = 0x30;
pub const ATC_INV: u64 = 0x40;
const SYNC: u64 = 0x46;

/// A command with an opcode and a name.
pub fn command(opcode: u64, name: u64) -> RawCommand {
    RawCommand::from_words([opcode, name])
}

/// Capabilities with everything, but SEV only if asked for.
pub fn caps(event: bool) -> Caps {
    let mut caps = Caps::probe_strict(&IdRegisters::EXAMPLE, &Hints::default()).unwrap();
    if !event {
        caps.features = caps.features.without(Features::of(&[Feature::Sev]));
    }
    caps
}

pub struct Device {
    log2: u32,
    words: Box<[Dword]>,
    allocated: AtomicU64,
    prod: AtomicU32,
    cons: AtomicU32,
    gerror: AtomicU32,
    gerrorn: AtomicU32,
    /// Carries the order that an MSI write to memory carries.
    msi: AtomicU32,
    by_msi: AtomicBool,
    turn: AtomicU32,
    /// The registers of an enhanced queue, if it is one: then `gerror` is CONS.ERR and `gerrorn` PROD.ERRACK.
    pub enhanced: Option<EcmdqRegisters>,
    enabled: AtomicBool,
    base: AtomicU64,
    /// An enhanced queue's enable is never acknowledged.
    pub deaf: AtomicBool,
    cells: Cells,
    /// Whoever waits drives the device: there is no thread for it.
    pub driven_by_waiters: bool,
    seconds: AtomicU64,
    /// Whether time passes, ten seconds from look to look.
    pub late: AtomicBool,
    /// The next CMD_SYNC after an ATC invalidation fails.
    pub atc_times_out: AtomicBool,
    atc_outstanding: AtomicBool,
    taken: Mutex<Vec<[u64; 2]>>,
    failed: Mutex<Vec<FailedCommand>>,
    doorbells: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a register holds now: device memory is not cached. Says nothing about other memory.
///
/// All accesses to registers read and write, so that `loom` has one order of them and no old value.
fn latest(register: &AtomicU32, ordering: Ordering) -> u32 {
    register.fetch_add(0, ordering)
}

impl Device {
    /// With memory for one shared queue of 2^`log2` entries.
    pub fn new(log2: u8) -> Self {
        let entries = 1_usize << log2;
        Self {
            log2: log2.into(),
            words: (0..4 * entries.max(8)).map(|_| Dword::new(0)).collect(),
            allocated: AtomicU64::new(0),
            prod: AtomicU32::new(0),
            cons: AtomicU32::new(0),
            gerror: AtomicU32::new(0),
            gerrorn: AtomicU32::new(0),
            msi: AtomicU32::new(0),
            by_msi: AtomicBool::new(false),
            turn: AtomicU32::new(0),
            enhanced: None,
            enabled: AtomicBool::new(false),
            base: AtomicU64::new(0),
            deaf: AtomicBool::new(false),
            cells: Cells::new(entries),
            driven_by_waiters: false,
            seconds: AtomicU64::new(0),
            late: AtomicBool::new(false),
            atc_times_out: AtomicBool::new(false),
            atc_outstanding: AtomicBool::new(false),
            taken: Mutex::default(),
            failed: Mutex::default(),
            doorbells: AtomicU64::new(0),
        }
    }

    fn word(&self, index: usize) -> u64 {
        self.words.get(index).unwrap().load()
    }

    /// Takes the next command, if there is one and no error is active; for several threads that drive the device.
    fn step_in_turn(&self) {
        if self.turn.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.step();
            self.turn.store(0, Ordering::Release);
        }
    }

    /// Takes the next command, if there is one and no error is active.
    pub fn step(&self) -> bool {
        let errors = latest(&self.gerror, Ordering::Acquire) ^ latest(&self.gerrorn, Ordering::Acquire);
        let (prod, cons) = (latest(&self.prod, Ordering::Acquire), latest(&self.cons, Ordering::Relaxed));
        let entries = 1 << self.log2;
        let at = cons & (2 * entries - 1);
        let off = self.enhanced.is_some() && !self.enabled.load(std::sync::atomic::Ordering::Relaxed);
        if errors != 0 || prod == at || off {
            return false;
        }
        assert!(prod.wrapping_sub(at) & (2 * entries - 1) <= entries, "PROD {prod:#x}, CONS {cons:#x}");
        let slot = (at & (entries - 1)) as usize;
        self.cells.read(slot);
        let words = [self.word(2 * slot), self.word(2 * slot + 1)];
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        let error = match words[0] & 0xff {
            PLAIN => None,
            ATC_INV => {
                self.atc_outstanding.store(true, relaxed);
                None
            }
            SYNC if self.atc_outstanding.swap(false, relaxed) && self.atc_times_out.swap(false, relaxed) => {
                Some(3)
            }
            SYNC => None,
            _ => Some(1),
        };
        if let Some(error) = error {
            self.cons.swap(at | error << 24, Ordering::Relaxed);
            self.gerror.fetch_xor(1, Ordering::Release);
            return true;
        }
        lock(&self.taken).push(words);
        self.cons.swap((at + 1) & (2 * entries - 1), Ordering::Release);
        // The signal may come after CONS, and others may have used the entry again by then.
        if words[0] & 0xff == SYNC && words[0] >> 12 & 3 == 1 {
            self.by_msi.store(true, relaxed);
            self.msi.fetch_add(1, Ordering::AcqRel);
            let word = self.words(PhysAddr::new(words[1] & !7), 1).unwrap().first().unwrap();
            word.store((word.load() >> 32) << 32 | words[0] >> 32);
        }
        true
    }

    /// What has been taken, in order: opcodes and names.
    pub fn taken(&self) -> Vec<(u64, u64)> {
        lock(&self.taken).iter().map(|[low, high]| (low & 0xff, *high)).collect()
    }

    /// Whether a command of this name has been taken.
    pub fn has_taken(&self, name: u64) -> bool {
        lock(&self.taken).iter().any(|[low, high]| low & 0xff != SYNC && *high == name)
    }

    pub fn failed(&self) -> Vec<FailedCommand> {
        lock(&self.failed).clone()
    }

    pub fn doorbells(&self) -> u64 {
        self.doorbells.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn read_enhanced(&self, registers: EcmdqRegisters, at: RegisterOffset) -> u32 {
        let enabled = u32::from(self.enabled.load(std::sync::atomic::Ordering::Relaxed)) << 31;
        let deaf = self.deaf.load(std::sync::atomic::Ordering::Relaxed);
        if at == registers.cons() {
            let cons = latest(&self.cons, Ordering::Relaxed);
            let answer = if deaf { 0 } else { enabled };
            return cons | latest(&self.gerror, Ordering::Relaxed) << 23 | answer;
        }
        assert_eq!(at, registers.prod());
        latest(&self.prod, Ordering::Relaxed) | latest(&self.gerrorn, Ordering::Relaxed) << 23 | enabled
    }

    fn write_enhanced(&self, registers: EcmdqRegisters, at: RegisterOffset, value: u32) {
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        let enabled = self.enabled.load(relaxed);
        if at == registers.cons() {
            assert!(!enabled, "CONS is read only");
            self.cons.swap(value & 0xf_ffff, Ordering::Relaxed);
            self.gerror.swap(value >> 23 & 1, Ordering::Relaxed);
            return;
        }
        assert_eq!(at, registers.prod());
        assert_eq!(value & 0x7f70_0000, 0, "reserved bits of PROD: {value:#x}");
        let ack = value >> 23 & 1;
        let before = self.gerrorn.swap(ack, Ordering::Relaxed);
        if enabled {
            let active = before != latest(&self.gerror, Ordering::Relaxed);
            assert!(before == ack || active, "ERRACK is toggled without an error");
        }
        self.tell(value & 0xf_ffff);
        self.enabled.store(value >> 31 != 0, relaxed);
    }

    fn tell(&self, value: u32) {
        self.doorbells.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let before = self.prod.swap(value, Ordering::Relaxed);
        let mask = (2 << self.log2) - 1;
        let off = self.enhanced.is_some() && !self.enabled.load(std::sync::atomic::Ordering::Relaxed);
        assert!(
            off || value.wrapping_sub(before) & mask <= 1 << self.log2,
            "PROD went back: {before:#x}, {value:#x}"
        );
    }

    /// What an enhanced queue's base register holds.
    pub fn base(&self) -> u64 {
        self.base.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Writes a register as nobody should: for broken hardware.
    pub fn set_cons(&self, value: u32) {
        self.cons.swap(value, Ordering::Release);
    }
}

impl Mmio for Device {
    fn read32(&self, at: RegisterOffset) -> u32 {
        if let Some(registers) = self.enhanced {
            return self.read_enhanced(registers, at);
        }
        let register = match at {
            at if at == CmdqCons::AT => &self.cons,
            at if at == Gerror::AT => &self.gerror,
            at if at == Gerrorn::AT => &self.gerrorn,
            _ => return 0,
        };
        latest(register, Ordering::Relaxed)
    }

    fn write32(&self, at: RegisterOffset, value: u32) {
        if let Some(registers) = self.enhanced {
            return self.write_enhanced(registers, at, value);
        }
        if at == CmdqProd::AT {
            self.tell(value);
        } else if at == Gerrorn::AT {
            self.gerrorn.swap(value, Ordering::Relaxed);
        }
    }

    fn read64(&self, _: RegisterOffset) -> u64 {
        0
    }

    fn write64(&self, at: RegisterOffset, value: u64) {
        assert!(self.enhanced.is_some_and(|registers| at == registers.base()));
        assert!(!self.enabled.load(std::sync::atomic::Ordering::Relaxed), "BASE is read only");
        self.base.store(value, std::sync::atomic::Ordering::Relaxed);
    }
}

// SAFETY: memory is handed out once, zeroed and aligned, and reached through atomics for as long as `self` lives; nothing but
// these tests looks at it.
unsafe impl Memory for Device {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        let start = self.allocated.load(relaxed).next_multiple_of(align);
        let end = start + bytes;
        if end > 8 * self.words.len() as u64 {
            return Err(AllocationError { bytes, align });
        }
        self.allocated.store(end, relaxed);
        Ok(Pages::from_raw(PhysAddr::new(BASE + start), bytes))
    }

    fn free(&self, pages: Pages) {
        let _ = pages.base();
    }

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let first = (address.get().wrapping_sub(BASE) / 8) as usize;
        self.words.get(first..first.wrapping_add(count)).ok_or(MemoryError { address, words: count })
    }

    fn publish(&self) {
        fence(Ordering::Release);
    }

    fn acquire(&self) {
        fence(Ordering::Acquire);
        if self.by_msi.load(std::sync::atomic::Ordering::Relaxed) {
            // An RMW: what it reads is the latest.
            self.msi.fetch_add(0, Ordering::AcqRel);
        }
    }

    fn release(&self) {
        fence(Ordering::AcqRel);
    }

    /// Called after an entry has been written: `loom` is told of the write here.
    fn clean(&self, address: PhysAddr, words: usize) {
        if words == 2 {
            self.cells.write(((address.get() - BASE) / 16) as usize);
        }
    }
}

impl Clock for Device {
    fn now(&self) -> Duration {
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        let passes = if self.late.load(relaxed) { 10 } else { 0 };
        Duration::from_secs(self.seconds.fetch_add(passes, relaxed))
    }

    fn relax(&self) {
        if self.driven_by_waiters {
            self.step_in_turn();
        }
        pause();
    }
}

impl SharedPlatform for Device {
    type Guard<'a> = ();

    fn uninterrupted(&self) {}

    fn command_failed(&self, failed: &FailedCommand) {
        lock(&self.failed).push(*failed);
    }
}
