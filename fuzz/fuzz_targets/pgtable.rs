//! Any sequence of maps and unmaps does to a page table what it does to a map of pages; refused calls change nothing, no
//! table leaks or is freed twice, and the gather misses nothing.
#![no_main]

use arbitrary::Arbitrary;
use io_pgtable_lpae::{
    Attributes, Concatenation, EmptyTables, Gather, MapError, MemoryType, PageTable, TableConfig, UnmapError,
};
use libfuzzer_sys::fuzz_target;
use smmu_fuzz::memory::Arena;
use smmu_regs::vmsa::{Granule, IovaRange};
use smmu_regs::{AddressSize, PhysAddr};
use std::collections::BTreeMap;

#[derive(Debug, Arbitrary)]
struct Input {
    config: u8,
    operations: Vec<Operation>,
}

#[derive(Debug, Arbitrary)]
enum Operation {
    Map { start: u16, pages: u16, pa: u32, congruent: bool, attributes: u8 },
    Unmap { start: u16, pages: u16, strict: bool },
    Translate { start: u16 },
    Keep(bool),
    Reclaim,
    Starve(u8),
}

/// A page of the window: anywhere, or where a block may begin.
fn place(start: u16) -> u64 {
    match start >> 14 {
        0 | 1 => u64::from(start & 0x1fff),
        2 => u64::from(start & 15) * 512,
        _ => u64::from(start & 7) * 2048,
    }
}

/// A number of pages: few, some hundreds, or as many as blocks have.
fn count(pages: u16) -> u64 {
    match pages >> 12 {
        0..=9 => u64::from(pages % 8) + 1,
        10..=12 => u64::from(pages % 600) + 1,
        13 => (u64::from(pages % 4) + 1) * 512,
        14 => 2048,
        _ => [512, 512, 512, 8192][usize::from(pages % 4)],
    }
}

fn attributes(bits: u8) -> Attributes {
    let memory = match bits & 3 {
        0 => MemoryType::NormalUncached,
        1 => MemoryType::DevicenGnRE,
        _ => MemoryType::NormalCached,
    };
    let access = if bits & 4 != 0 { Attributes::read_write(memory) } else { Attributes::read_only(memory) };
    access.with_execute(bits & 8 != 0)
}

/// Tables of every kind, each with a window that crosses a boundary of its upper levels.
fn config(which: u8) -> (TableConfig, u64) {
    let (bits40, bits48) = (AddressSize::Bits40, AddressSize::Bits48);
    let (required, always) = (Concatenation::WhenRequired, Concatenation::Always);
    let (config, window) = match which % 8 {
        0 => (TableConfig::ttb0(Granule::Size4K, 48, bits48), (1 << 39) - (1 << 24)),
        1 => (
            TableConfig::ttb0(Granule::Size4K, 39, bits40).map(TableConfig::non_coherent),
            (1 << 30) - (1 << 23),
        ),
        2 => (TableConfig::ttb1(Granule::Size4K, 39, bits48), 0_u64.wrapping_sub(24_576 << 12)),
        3 => (TableConfig::stage2(Granule::Size4K, 40, bits40, required), (1 << 39) - (1 << 24)),
        4 => (TableConfig::stage2(Granule::Size4K, 32, bits40, always), (1 << 30) - (1 << 22)),
        5 => (TableConfig::ttb0(Granule::Size16K, 47, bits48), (1 << 36) - (1 << 25)),
        6 => (TableConfig::stage2(Granule::Size16K, 48, bits48, required), (1 << 47) - (1 << 25)),
        _ => (TableConfig::ttb0(Granule::Size64K, 48, bits48), (1 << 42) - (1 << 29)),
    };
    (config.expect("a table that there is"), window)
}

/// What a page leads to, and the leaf that says so.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Page {
    pa: u64,
    attributes: Attributes,
    leaf: IovaRange,
}

struct Session<'a> {
    memory: &'a Arena,
    table: PageTable,
    gather: Gather,
    window: u64,
    /// By input address.
    oracle: BTreeMap<u64, Page>,
}

impl<'a> Session<'a> {
    fn new(memory: &'a Arena, which: u8) -> Self {
        let (config, window) = config(which);
        let table = PageTable::new(config, memory).expect("there is memory");
        Self { memory, table, gather: Gather::new(), window, oracle: BTreeMap::new() }
    }

    fn page_size(&self) -> u64 {
        self.table.config().granule().bytes()
    }

    fn range(&self, start: u64, pages: u64) -> IovaRange {
        let size = self.page_size();
        IovaRange::from_size(self.window + start * size, pages * size).expect("the window is large enough")
    }

    fn pages(&self, range: IovaRange) -> impl Iterator<Item = u64> + use<> {
        (range.start()..=range.last()).step_by(self.page_size() as usize)
    }

    /// Where the table leads.
    fn look(&self, iova: u64) -> Option<Page> {
        let found = self.table.translate(self.memory, iova).ok()?;
        let leaf = IovaRange::from_size(iova & !(found.size - 1), found.size).expect("leaves do not wrap");
        let mut attributes = Attributes::decode(found.leaf, self.table.config()).expect("written by map");
        // Maps leave the choice to the memory type.
        attributes.shareability = None;
        Some(Page { pa: found.pa.get(), attributes, leaf })
    }

    fn check(&self, iova: u64) {
        assert_eq!(self.look(iova), self.oracle.get(&iova).copied(), "{iova:#x}");
    }

    /// The ends of a range and what lies beside it.
    fn check_ends(&self, range: IovaRange) {
        let size = self.page_size();
        let last = range.last() + 1 - size;
        for iova in [range.start() - size, range.start(), last, last.saturating_add(size)] {
            self.check(iova & !(size - 1));
        }
    }

    fn map(&mut self, range: IovaRange, pa: u64, attributes: Attributes) {
        let taken = self.pages(range).find(|iova| self.oracle.contains_key(iova));
        let result = self.table.map(self.memory, range, PhysAddr::new(pa), attributes);
        match (result, taken) {
            (Ok(()), None) => {
                for iova in self.pages(range) {
                    let page = self.look(iova).expect("just mapped");
                    assert_eq!((page.pa, page.attributes), (pa + (iova - range.start()), attributes));
                    assert!(range.contains(page.leaf));
                    self.oracle.insert(iova, page);
                }
            }
            (Err(MapError::Mapped { iova }), Some(first)) => assert_eq!(iova, first),
            (Err(MapError::NoMemory(_)), None) => {}
            other => panic!("map {range} to {pa:#x}: {other:x?}"),
        }
    }

    fn unmap(&mut self, range: IovaRange, strict: bool) {
        let gather = &mut self.gather;
        let result = if strict {
            self.table.unmap(self.memory, range, gather)
        } else {
            self.table.unmap_present(self.memory, range, gather)
        };
        let hole = self.pages(range).find(|iova| strict && !self.oracle.contains_key(iova));
        let cut = self
            .pages(range)
            .find(|iova| self.oracle.get(iova).is_some_and(|page| !range.contains(page.leaf)));
        match (result, hole, cut) {
            (Ok(unmapped), None, None) => {
                let mut bytes = 0;
                for iova in self.pages(range) {
                    if self.oracle.remove(&iova).is_some() {
                        bytes += self.page_size();
                        let gathered = self.gather.range().expect("something was unmapped");
                        assert!(gathered.start() <= iova && iova <= gathered.last());
                    }
                }
                assert_eq!(unmapped.bytes, bytes);
            }
            (Err(UnmapError::NotMapped { iova }), Some(hole), cut) => {
                assert!(iova == hole && cut.is_none_or(|cut| hole < cut));
            }
            (Err(UnmapError::PartOfBlock { iova, block }), hole, Some(cut)) => {
                assert!(iova == cut && hole.is_none_or(|hole| cut < hole));
                assert_eq!(Some(block), self.oracle.get(&cut).map(|page| page.leaf));
            }
            other => panic!("unmap {range}: {other:x?}"),
        }
    }

    fn reclaim(&mut self) {
        if let Some((_, freed)) = std::mem::take(&mut self.gather).finish() {
            let (freed, live) = (freed.never_seen_by_hardware(), self.memory.live());
            let tables = freed.len();
            assert_eq!(freed.unreachable(), 0);
            assert_eq!(freed.reclaim(self.memory), Ok(tables));
            assert_eq!(self.memory.live(), live - tables);
        }
    }

    fn run(&mut self, operation: &Operation) {
        match *operation {
            Operation::Map { start, pages, pa, congruent, attributes: bits } => {
                let (start, pages, pa) = (place(start), count(pages), u64::from(pa & 0xff_ffff));
                // The window begins at a multiple of every block, so equal low bits let blocks fit.
                let pa = if congruent { pa & !0xffff | start } else { pa };
                let range = self.range(start, pages);
                self.map(range, pa * self.page_size(), attributes(bits));
                self.check_ends(range);
            }
            Operation::Unmap { start, pages, strict } => {
                let range = self.range(place(start), count(pages));
                self.unmap(range, strict);
                self.check_ends(range);
            }
            Operation::Translate { start } => self.check(self.range(place(start), 1).start()),
            Operation::Keep(true) => self.table.set_empty_tables(EmptyTables::Keep),
            Operation::Keep(false) => self.table.set_empty_tables(EmptyTables::Detach),
            Operation::Reclaim => self.reclaim(),
            Operation::Starve(allocations) => {
                self.memory.allowance.set(if allocations < 8 { u64::from(allocations) } else { u64::MAX });
            }
        }
    }

    /// Everything is as it should be; then everything goes, and nothing is left.
    fn finish(mut self) {
        for iova in self.oracle.keys() {
            self.check(*iova);
        }
        self.reclaim();
        self.table.set_empty_tables(EmptyTables::Detach);
        let input = self.table.config().input();
        let unmapped = self.table.unmap_present(self.memory, input, &mut self.gather);
        let mapped = self.oracle.len() as u64 * self.page_size();
        assert_eq!(unmapped.map(|unmapped| unmapped.bytes), Ok(mapped));
        self.reclaim();
        assert_eq!(self.memory.live(), 1, "only the first table is left");
        assert_eq!(self.table.destroy(self.memory).never_seen_by_hardware().reclaim(self.memory), Ok(1));
        assert_eq!(self.memory.live(), 0);
    }
}

thread_local! {
    static ARENA: Arena = Arena::new();
}

fuzz_target!(|input: Input| ARENA.with(|memory| {
    memory.reset();
    let mut session = Session::new(memory, input.config);
    for operation in input.operations.iter().take(24) {
        session.run(operation);
    }
    session.finish();
}));
