//! What the tests share: memory that watches what is done with it, and a walker written from the manual alone.
#![allow(unreachable_pub, dead_code, unsafe_code, clippy::arithmetic_side_effects)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use io_pgtable_lpae::{Regime, TableConfig};
use smmu_regs::platform::{AllocationError, Dword, Memory, MemoryError, Pages};
use smmu_regs::vmsa::{Granule, IovaRange, Stage2Regime, TableBase};
use smmu_regs::{AddressSize, PhysAddr};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Where the arena begins.
pub const BASE: u64 = 0x8000_0000;
/// What a walker that does not snoop sees where nobody cleaned: a valid descriptor that leads nowhere good.
pub const POISON: u64 = 0x0000_dead_dead_d003;

/// Memory of the tests: an arena with an allocator that refuses double frees, fails on demand, and checks order.
pub struct TestMemory {
    words: Vec<Dword>,
    state: RefCell<State>,
    /// Allocations that succeed before all others fail.
    pub allowance: Cell<u64>,
    pub publishes: Cell<u64>,
}

struct State {
    next: u64,
    live: BTreeMap<u64, u64>,
    free: BTreeMap<u64, Vec<u64>>,
    /// What a non-snooping walker sees.
    cleaned: Vec<u64>,
    /// What had been stored when `publish` was last called, and the tree that is watched.
    published: Vec<u64>,
    watched: Option<(TableConfig, u64)>,
}

impl TestMemory {
    pub fn new(bytes: u64) -> Self {
        let words = (bytes / 8) as usize;
        let state = State {
            next: BASE,
            live: BTreeMap::new(),
            free: BTreeMap::new(),
            cleaned: vec![POISON; words],
            published: Vec::new(),
            watched: None,
        };
        Self {
            words: (0..words).map(|_| Dword::new(0)).collect(),
            state: RefCell::new(state),
            allowance: Cell::new(u64::MAX),
            publishes: Cell::new(0),
        }
    }

    /// Checks from now on that tables of this tree are published before they are linked.
    pub fn check_order(&self, config: TableConfig, root: PhysAddr) {
        let mut state = self.state.borrow_mut();
        state.watched = Some((config, root.get()));
        state.published = self.snapshot();
    }

    /// All words of the arena.
    pub fn snapshot(&self) -> Vec<u64> {
        self.words.iter().map(Dword::load).collect()
    }

    /// The words that are allocated now: what a failed call must not change.
    pub fn live_words(&self) -> BTreeMap<u64, Vec<u64>> {
        let state = self.state.borrow();
        let read = |(&address, &bytes): (&u64, &u64)| {
            let words = self.words(PhysAddr::new(address), (bytes / 8) as usize).unwrap();
            (address, words.iter().map(Dword::load).collect())
        };
        state.live.iter().map(read).collect()
    }

    pub fn live(&self) -> usize {
        self.state.borrow().live.len()
    }

    /// What a snooping walker reads.
    pub fn read(&self, address: u64) -> u64 {
        self.words[((address - BASE) / 8) as usize].load()
    }

    /// What a walker reads that only sees cleaned memory.
    pub fn read_cleaned(&self, address: u64) -> u64 {
        self.state.borrow().cleaned[((address - BASE) / 8) as usize]
    }

    pub fn write(&self, address: u64, value: u64) {
        self.words[((address - BASE) / 8) as usize].store(value);
    }

    /// Tables that were linked since the last `publish` must have had their content by then.
    fn check_published(&self, state: &mut State) {
        let Some((config, root)) = state.watched else { return };
        let used = ((state.next - BASE) / 8) as usize;
        let now: Vec<u64> = self.words[..used].iter().map(Dword::load).collect();
        let mut before = std::mem::take(&mut state.published);
        before.resize(used, 0);
        let geometry = config.geometry();
        let entries = geometry.first_entries();
        let level = geometry.start_level().number();
        let grain = config.granule().shift();
        check_links(&before, &now, (root, entries, level), grain, true);
        state.published = now;
    }
}

fn check_links(
    before: &[u64],
    now: &[u64],
    (table, entries, level): (u64, usize, i32),
    grain: u32,
    reachable: bool,
) {
    let first = ((table - BASE) / 8) as usize;
    if !reachable {
        assert!(
            before[first..first + entries] == now[first..first + entries],
            "table {table:#x} was linked before it was published"
        );
    }
    for index in first..first + entries {
        let (old, new) = (before[index], now[index]);
        if level < 3 && new & 3 == 3 {
            let address = |word: u64| word & 0xffff_ffff_ffff & !((1 << grain) - 1);
            let same = old & 3 == 3 && address(old) == address(new);
            let child = (address(new), 1 << (grain - 3), level + 1);
            check_links(before, now, child, grain, reachable && same);
        }
    }
}

// SAFETY: the words live as long as the memory and are atomics; `allocate` gives zeroed, aligned words that nobody else
// has been given and not given back; there is no hardware that could see anything else.
unsafe impl Memory for TestMemory {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let refused = AllocationError { bytes, align };
        if self.allowance.get() == 0 {
            return Err(refused);
        }
        let mut state = self.state.borrow_mut();
        let address = match state.free.get_mut(&bytes).and_then(Vec::pop) {
            Some(address) => address,
            None => {
                let address = state.next.next_multiple_of(align);
                if address + bytes > BASE + self.words.len() as u64 * 8 {
                    return Err(refused);
                }
                state.next = address + bytes;
                address
            }
        };
        let first = ((address - BASE) / 8) as usize;
        for index in first..first + (bytes / 8) as usize {
            self.words[index].store(0);
            state.cleaned[index] = POISON;
        }
        assert_eq!(state.live.insert(address, bytes), None);
        self.allowance.set(self.allowance.get() - 1);
        Ok(Pages::from_raw(PhysAddr::new(address), bytes))
    }

    fn free(&self, pages: Pages) {
        let mut state = self.state.borrow_mut();
        let address = pages.base().get();
        assert_eq!(state.live.remove(&address), Some(pages.bytes()), "freed what was not allocated");
        let (first, count) = (((address - BASE) / 8) as usize, (pages.bytes() / 8) as usize);
        for index in first..first + count {
            self.words[index].store(POISON);
            state.cleaned[index] = POISON;
        }
        state.free.entry(pages.bytes()).or_default().push(address);
    }

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let error = MemoryError { address, words: count };
        let first = address.get().checked_sub(BASE).ok_or(error)? / 8;
        self.words.get(first as usize..).and_then(|rest| rest.get(..count)).ok_or(error)
    }

    fn publish(&self) {
        self.publishes.set(self.publishes.get() + 1);
        self.check_published(&mut self.state.borrow_mut());
    }

    fn acquire(&self) {}

    fn release(&self) {}

    fn clean(&self, address: PhysAddr, words: usize) {
        let mut state = self.state.borrow_mut();
        let first = ((address.get() - BASE) / 8) as usize;
        for index in first..first + words {
            state.cleaned[index] = self.words[index].load();
        }
    }
}

/// What a walk finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub pa: u64,
    pub size: u64,
    pub descriptor: u64,
    pub level: i32,
    /// What a TLB entry for it may cover: its contiguous group, or `size`.
    pub reach: u64,
}

/// A walker written from DDI 0487 D8.2 and D8.3, with nothing of the crate but the regime it is given.
/// `Err` is the level of the translation fault.
pub fn walk(regime: &Regime, read: impl Fn(u64) -> u64, iova: u64) -> Result<Found, i32> {
    let output = match regime {
        Regime::Stage1(regime) => regime.ips,
        Regime::Stage2(regime) => regime.ps,
    };
    let ds = match regime {
        Regime::Stage1(regime) => regime.ds,
        Regime::Stage2(regime) => regime.ds,
    };
    let stage1 = |base: &TableBase| {
        let grain = base.granule.shift();
        let bits = u32::from(base.input_bits);
        // the initial lookup level is the highest-numbered one that leaves nothing unresolved
        let level = 4 - (bits - grain).div_ceil(grain - 3) as i32;
        (base.base.get(), grain, bits, level)
    };
    let (base, grain, bits, start) = match regime {
        Regime::Stage1(regime) => match (&regime.ttb0, &regime.ttb1) {
            (Some(ttb0), None) if iova >> ttb0.input_bits == 0 => stage1(ttb0),
            (None, Some(ttb1)) if (!iova) >> ttb1.input_bits == 0 => stage1(ttb1),
            _ => return Err(0),
        },
        Regime::Stage2(Stage2Regime { ttb, granule, input_bits, start_level, .. }) => {
            if iova >> input_bits != 0 {
                return Err(0);
            }
            (ttb.get(), granule.shift(), u32::from(*input_bits), start_level.number())
        }
    };
    let stride = grain - 3;
    let mut top = bits - 1;
    let mut table = base;
    for level in start..=3 {
        let bottom = (3 - level) as u32 * stride + grain;
        let field = (iova >> bottom) & ((1u64 << (top - bottom + 1)) - 1);
        let descriptor = read(table | (field << 3));
        let oa = |descriptor: u64| {
            if ds {
                // NLTA[49:12], OAB[49:12] in place, bits 51:50 in 9:8
                return descriptor & 0x0003_ffff_ffff_ffff & !((1u64 << grain) - 1)
                    | (descriptor >> 8 & 3) << 50;
            }
            let high = if grain == 16 { (descriptor >> 12 & 0xf) << 48 } else { 0 }; // NLTA[51:48], OAB[51:48]
            descriptor & 0x0000_ffff_ffff_ffff & !((1u64 << grain) - 1) | high
        };
        let next = oa(descriptor);
        match (descriptor & 3, level) {
            (3, 3) => {}
            (1, 2) => {}
            (1, 1) if grain == 12 || grain == 16 && output == AddressSize::Bits52 || grain == 14 && ds => {}
            (1, 0) if grain == 12 && ds => {}
            (3, _) => {
                table = next;
                top = bottom - 1;
                continue;
            }
            _ => return Err(level),
        }
        let size = 1u64 << bottom;
        let next = if level < 3 { next & !(1 << 16) } else { next }; // nT
        assert_eq!(next & (size - 1), 0, "RES0 address bits of {descriptor:#x} at level {level}");
        let mut reach = size;
        if descriptor >> 52 & 1 != 0 {
            // table D8-104
            let members = match (grain, level) {
                (12, 1..=3) => 16,
                (14, 3) => 128,
                (14, 2) | (16, 2 | 3) => 32,
                _ => panic!("Contiguous is RES0 in {descriptor:#x} at level {level}"),
            };
            reach = size * members;
            let first = field & !(members - 1);
            for member in 0..members {
                let other = read(table | (first + member) << 3);
                let expected = next - ((field - first) << bottom) + (member << bottom);
                let dirty = 1 << 7 | 1 << 10; // AP[2] or S2AP[1], AF: hardware may change these in any of them
                let address = ((1u64 << 50) - (1 << 12)) | if ds { 0x300 } else { 0 };
                assert_eq!(
                    other & !address & !dirty,
                    descriptor & !address & !dirty,
                    "a group of {descriptor:#x}"
                );
                assert_eq!(oa(other), expected, "output of a member of the group of {descriptor:#x}");
                assert_eq!(expected & !(reach - 1), next & !(reach - 1), "alignment of the group's output");
            }
        }
        return Ok(Found { pa: next | (iova & (size - 1)), size, descriptor, level, reach });
    }
    Err(3)
}

pub fn range(start: u64, size: u64) -> IovaRange {
    IovaRange::from_size(start, size).unwrap()
}

/// Stage 1 with 4K pages and 48 bits each way.
pub fn plain() -> TableConfig {
    TableConfig::ttb0(Granule::Size4K, 48, AddressSize::Bits48).unwrap()
}

/// Count of non-zero entries as it stands in ignored bits of a table descriptor: 7:2, 11, 51, 58:53.
pub fn count_of(descriptor: u64) -> u64 {
    let bits = |lsb: u32, width: u32| (descriptor >> lsb) & ((1 << width) - 1);
    bits(2, 6) | bits(11, 1) << 6 | bits(51, 1) << 7 | bits(53, 6) << 8
}

/// Checks every count in the tree; says how many tables there are and how many of them, but for the first, are empty.
pub fn check_tree(memory: &TestMemory, config: &TableConfig, root: u64) -> (usize, usize) {
    fn table(memory: &TestMemory, grain: u32, address: u64, entries: u64, level: i32) -> (u64, usize, usize) {
        let (mut used, mut tables, mut empty) = (0, 1, 0);
        for index in 0..entries {
            let descriptor = memory.read(address + index * 8);
            used += u64::from(descriptor != 0);
            assert!(descriptor == 0 || descriptor & 1 == 1, "{descriptor:#x} is neither empty nor valid");
            if level < 3 && descriptor & 3 == 3 {
                let next = descriptor & 0xffff_ffff_ffff & !((1 << grain) - 1);
                let (inside, more, none) = table(memory, grain, next, 1 << (grain - 3), level + 1);
                assert_eq!(count_of(descriptor), inside, "count of the table at {next:#x}");
                tables += more;
                empty += none + usize::from(inside == 0);
            }
        }
        (used, tables, empty)
    }
    let geometry = config.geometry();
    let entries = geometry.first_entries() as u64;
    let level = geometry.start_level().number();
    let (_, tables, empty) = table(memory, config.granule().shift(), root, entries, level);
    (tables, empty)
}
