//! A memory, a hand-made driver, and table builders with literal bit positions.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use smmu_model::{Access, Bus, Fault, Model, Outcome, Profile, Trace, Width};

#[derive(Default)]
pub struct Mem {
    words: Mutex<BTreeMap<u64, u64>>,
    /// What words stored since the last barrier held before.
    before: Mutex<BTreeMap<u64, u64>>,
    broken: Mutex<BTreeSet<u64>>,
}

impl Mem {
    /// Every access to the 4KB page aborts, or works again.
    pub fn break_page(&self, pa: u64, broken: bool) {
        let mut set = self.broken.lock().unwrap();
        if broken {
            set.insert(pa >> 12)
        } else {
            set.remove(&(pa >> 12))
        };
    }
    pub fn get(&self, pa: u64) -> u64 {
        self.words.lock().unwrap().get(&pa).copied().unwrap_or(0)
    }
    pub fn set(&self, pa: u64, value: u64) {
        let old = self.words.lock().unwrap().insert(pa, value).unwrap_or(0);
        self.before.lock().unwrap().entry(pa).or_insert(old);
    }
}

impl Bus for Mem {
    fn read64(&self, pa: u64) -> Option<u64> {
        assert_eq!(pa % 8, 0);
        (!self.broken.lock().unwrap().contains(&(pa >> 12))).then(|| self.get(pa))
    }
    fn settled_line(&self, pa: u64) -> Option<[u64; 8]> {
        let now = self.read_line(pa)?;
        let before = self.before.lock().unwrap();
        let word = |number: usize| before.get(&(pa + number as u64 * 8)).copied().unwrap_or(now[number]);
        Some(std::array::from_fn(word))
    }
    fn settle(&self) {
        self.before.lock().unwrap().clear();
    }
    fn write64(&self, pa: u64, value: u64) -> Option<()> {
        assert_eq!(pa % 8, 0);
        (!self.broken.lock().unwrap().contains(&(pa >> 12))).then(|| self.set(pa, value))
    }
    fn read32(&self, pa: u64) -> Option<u32> {
        let word = self.read64(pa & !7)?;
        Some((word >> ((pa & 4) * 8)) as u32)
    }
    fn write32(&self, pa: u64, value: u32) -> Option<()> {
        let shift = (pa & 4) * 8;
        let word = self.read64(pa & !7)?;
        self.write64(pa & !7, word & !(0xffff_ffff << shift) | u64::from(value) << shift)
    }
}

pub const STRTAB: u64 = 0x10_0000;
pub const CMDQ: u64 = 0x20_0000;
pub const EVENTQ: u64 = 0x21_0000;
pub const CD: u64 = 0x30_0000;
pub const S1_ROOT: u64 = 0x40_0000;
pub const S2_ROOT: u64 = 0x50_0000;

/// log2 sizes of the queues.
pub const CMDQ_LOG2: u64 = 4;
pub const EVENTQ_LOG2: u64 = 2;

pub struct Rig {
    pub mem: Arc<Mem>,
    pub smmu: Model<Arc<Mem>>,
    prod: u64,
    cons: u64,
}

impl Rig {
    /// Out of reset.
    pub fn cold(profile: Profile) -> Self {
        let mem = Arc::new(Mem::default());
        Self { smmu: Model::new(profile, mem.clone()), mem, prod: 0, cons: 0 }
    }

    /// Brought up with a linear table of 64 streams, both queues, all interrupts.
    pub fn new(profile: Profile) -> Self {
        let mut rig = Self::cold(profile);
        rig.w32(0x28, 0xd75);
        rig.w32(0x2c, 2);
        rig.w64(0x80, STRTAB);
        rig.w32(0x88, 6);
        rig.w64(0x90, CMDQ | CMDQ_LOG2);
        rig.w32(0x98, 0);
        rig.w32(0x9c, 0);
        rig.w32(0x20, 8);
        rig.w64(0xa0, EVENTQ | EVENTQ_LOG2);
        rig.w32(0x100a8, 0);
        rig.w32(0x100ac, 0);
        rig.w32(0x20, 0xc);
        rig.w32(0x50, 5);
        rig.w32(0x20, 0xd);
        assert_eq!(rig.r32(0x24), 0xd);
        rig.clean();
        rig
    }

    pub fn w32(&mut self, at: u32, value: u64) {
        self.smmu.write(at, Width::W32, value);
    }
    pub fn w64(&mut self, at: u32, value: u64) {
        self.smmu.write(at, Width::W64, value);
    }
    pub fn r32(&mut self, at: u32) -> u64 {
        self.smmu.read(at, Width::W32)
    }

    pub fn clean(&self) {
        assert_eq!(self.smmu.complaints(), &[] as &[String]);
    }
    /// Exactly one complaint so far, and it says `what`.
    pub fn one_complaint(&self, what: &str) {
        let all = self.smmu.complaints();
        assert!(all.len() == 1 && all[0].contains(what), "{all:?} lacks {what:?}");
    }

    /// Queues a command without looking at the result.
    pub fn push(&mut self, command: [u64; 2]) {
        let at = CMDQ + (self.prod & 15) * 16;
        self.mem.set(at, command[0]);
        self.mem.set(at + 8, command[1]);
        self.prod = (self.prod + 1) & 31;
        self.w32(0x98, self.prod);
    }
    /// Queues a command that must be consumed.
    pub fn cmd(&mut self, command: [u64; 2]) {
        self.push(command);
        assert_eq!(self.r32(0x9c) & 0xf_ffff, self.prod, "not consumed: {command:x?}");
        assert_eq!(self.r32(0x60), self.r32(0x64));
    }
    /// Takes one event from the queue.
    pub fn event(&mut self) -> Option<[u64; 4]> {
        let prod = self.r32(0x100a8);
        if prod & 7 == self.cons {
            return None;
        }
        let at = EVENTQ + (self.cons & 3) * 32;
        let record = [0, 8, 16, 24].map(|o| self.mem.get(at + o));
        self.cons = (self.cons + 1) & 7;
        let flag = prod & 1 << 31;
        self.w32(0x100ac, self.cons | flag);
        Some(record)
    }

    pub fn ste(&self, sid: u64, words: [u64; 8]) {
        for (i, w) in (0u64..).zip(words) {
            self.mem.set(STRTAB + sid * 64 + i * 8, w);
        }
    }
    pub fn structure(&self, at: u64, words: [u64; 8]) {
        for (i, w) in (0u64..).zip(words) {
            self.mem.set(at + i * 8, w);
        }
    }

    pub fn read(&mut self, sid: u32, iova: u64) -> Outcome {
        self.smmu.dma(&access(sid, iova))
    }
    pub fn write(&mut self, sid: u32, iova: u64) -> Outcome {
        self.smmu.dma(&Access { write: true, ..access(sid, iova) })
    }
    pub fn pa(&mut self, sid: u32, iova: u64) -> u64 {
        match self.read(sid, iova) {
            Outcome::Passed { pa } => pa,
            Outcome::Aborted(fault) => panic!("{fault:?}"),
        }
    }
    pub fn fault(&mut self, a: Access) -> Fault {
        match self.smmu.dma(&a) {
            Outcome::Passed { pa } => panic!("passed to {pa:#x}"),
            Outcome::Aborted(fault) => fault,
        }
    }
    /// Event number of a read that must fault, checked against the record in the queue.
    pub fn faults(&mut self, sid: u32, iova: u64) -> u8 {
        let fault = self.fault(access(sid, iova));
        let number = fault.event.unwrap();
        assert!(fault.recorded);
        let record = self.event().unwrap();
        assert_eq!(record[0] & 0xff, u64::from(number));
        assert_eq!(record[0] >> 32, u64::from(sid));
        number
    }
}

pub fn access(sid: u32, iova: u64) -> Access {
    Access { sid, ssid: None, iova, write: false, instruction: false, privileged: false }
}

/// Stage 1 STE: one CD at `CD`, SHCFG incoming, VMID in bits 143:128.
pub fn ste_s1(vmid: u64) -> [u64; 8] {
    [1 | 5 << 1 | CD, 1 << 44, vmid, 0, 0, 0, 0, 0]
}
/// T0SZ=25 (39 bits), 4KB, TG1 4KB, EPD1, V, IPS 40 bits, AA64, R, A.
pub fn cd_s1(asid: u64) -> [u64; 8] {
    [
        25 | 25 << 16 | 2 << 22 | 1 << 30 | 1 << 31 | 2 << 32 | 1 << 41 | 1 << 45 | 1 << 46 | asid << 48,
        S1_ROOT,
        0,
        0xff,
        0,
        0,
        0,
        0,
    ]
}
/// Stage 2 STE: 4KB, 39-bit IPA from level 1, 40-bit PA, AA64, R.
pub fn ste_s2(vmid: u64) -> [u64; 8] {
    [1 | 6 << 1, 1 << 44, vmid | s2cfg(), S2_ROOT, 0, 0, 0, 0]
}
pub fn ste_nested(vmid: u64) -> [u64; 8] {
    [1 | 7 << 1 | CD, 0, vmid | s2cfg(), S2_ROOT, 0, 0, 0, 0]
}
pub fn s2cfg() -> u64 {
    25 << 32 | 1 << 38 | 2 << 48 | 1 << 51 | 1 << 58
}

/// Stage 1 leaf attributes: AF, unprivileged, read-write, nG.
pub const RW1: u64 = 1 << 10 | 1 << 6 | 1 << 11;
/// Stage 2 leaf attributes: AF, read-write, Normal WB.
pub const RW2: u64 = 1 << 10 | 3 << 6 | 0xf << 2;

/// Maps 4KB in a 39-bit, 4KB-granule table at `root`; tables are made behind the root.
pub fn map(mem: &Mem, root: u64, va: u64, pa: u64, attrs: u64) {
    let l2 = root + 0x1000;
    let l3 = root + 0x2000 + ((va >> 21 & 7) << 12);
    mem.set(root + (va >> 30 & 511) * 8, l2 | 3);
    mem.set(l2 + (va >> 21 & 511) * 8, l3 | 3);
    mem.set(l3 + (va >> 12 & 511) * 8, if attrs == 0 { 0 } else { pa | attrs | 3 });
}
/// Maps a 2MB block.
pub fn map_block(mem: &Mem, root: u64, va: u64, pa: u64, attrs: u64) {
    let l2 = root + 0x1000;
    mem.set(root + (va >> 30 & 511) * 8, l2 | 3);
    mem.set(l2 + (va >> 21 & 511) * 8, pa | attrs | 1);
}
/// Identity-maps at stage 2 what a nested stage 1 walk needs: the CD and the tables.
pub fn map_s2_structures(mem: &Mem) {
    map_block(mem, S2_ROOT, 0x20_0000, 0x20_0000, RW2);
    map_block(mem, S2_ROOT, 0x40_0000, 0x40_0000, RW2);
}

/// A stage 1 stream 1 with ASID 5, VMID 9 and one page 0x1000 -> 0x8000_0000.
pub fn stage1_rig(profile: Profile) -> Rig {
    let rig = Rig::new(profile);
    let mut ste = ste_s1(if profile.idr[0] & 1 != 0 { 9 } else { 0 });
    if profile.idr[1] >> 27 & 1 == 0 {
        ste[1] = 0; // SHCFG is RES0 without ATTR_TYPES_OVR
    }
    rig.ste(1, ste);
    rig.structure(CD, cd_s1(5));
    map(&rig.mem, S1_ROOT, 0x1000, 0x8000_0000, RW1);
    rig
}

pub const SYNC: [u64; 2] = [0x46, 0];
pub fn cfgi_ste(sid: u64, leaf: u64) -> [u64; 2] {
    [3 | sid << 32, leaf]
}
pub fn cfgi_cd(sid: u64, ssid: u64, leaf: u64) -> [u64; 2] {
    [5 | ssid << 12 | sid << 32, leaf]
}
pub fn nh_va(vmid: u64, asid: u64, va: u64) -> [u64; 2] {
    [0x12 | vmid << 32 | asid << 48, va & !0xfff]
}
pub fn errors(trace: &[Trace]) -> Vec<u8> {
    trace.iter().filter_map(|t| if let Trace::Command { error, .. } = t { *error } else { None }).collect()
}
