//! Random sequences against a map of pages, with a walker that knows nothing of the crate.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{
    Attributes, Concatenation, EmptyTables, Gather, MapError, MemoryType, PageTable, TableConfig, UnmapError,
};
use proptest::prelude::*;
use smmu_regs::vmsa::Granule;
use smmu_regs::{AddressSize, PhysAddr};
use std::collections::BTreeMap;
use support::{TestMemory, check_tree, range, walk};

/// What a page leads to, and the leaf that says so.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Page {
    pa: u64,
    attributes: Attributes,
    leaf_start: u64,
    leaf_size: u64,
}

#[derive(Debug, Clone)]
enum Operation {
    Map { start: u64, pages: u64, pa: u64, attributes: Attributes },
    Unmap { start: u64, pages: u64, strict: bool },
    Protect { start: u64, pages: u64, attributes: Attributes },
    Keep(bool),
    Reclaim,
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let memory = prop_oneof![
        Just(MemoryType::NormalCached),
        Just(MemoryType::NormalUncached),
        Just(MemoryType::DevicenGnRE)
    ];
    (memory, any::<bool>(), any::<bool>()).prop_map(|(memory, write, execute)| {
        let access = if write { Attributes::read_write(memory) } else { Attributes::read_only(memory) };
        access.with_execute(execute)
    })
}

/// Page numbers, relative to the middle of the window: mostly round ones, so that blocks fit and operations meet.
fn page() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0u64..6000,
        3 => (0u64..12).prop_map(|n| n * 512),
        1 => (0u64..12).prop_map(|n| n * 512 + 511),
        1 => (0u64..3).prop_map(|n| n * 2048),
    ]
}

fn pages() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1u64..6, 2 => 500u64..530, 2 => Just(512), 1 => (1u64..6).prop_map(|n| n * 512), 1 => 1u64..3000]
}

fn operation() -> impl Strategy<Value = Operation> {
    let pa = prop_oneof![Just(0u64), Just(1 << 18), Just((1 << 18) + 7), 0u64..1 << 19];
    prop_oneof![
        6 => (page(), pages(), pa, any::<bool>(), attributes()).prop_map(|(start, pages, pa, same, attributes)| {
            // half of all mappings are congruent with their output
            let pa = if same { (pa & !0xffff) + start } else { pa };
            Operation::Map { start, pages, pa, attributes }
        }),
        5 => (page(), pages(), any::<bool>())
            .prop_map(|(start, pages, strict)| Operation::Unmap { start, pages, strict }),
        2 => (page(), pages(), attributes())
            .prop_map(|(start, pages, attributes)| Operation::Protect { start, pages, attributes }),
        1 => any::<bool>().prop_map(Operation::Keep),
        1 => Just(Operation::Reclaim),
    ]
}

struct Session {
    memory: TestMemory,
    table: PageTable,
    gather: Gather,
    /// Address of page 0 of the window.
    window: u64,
    model: BTreeMap<u64, Page>,
    keep: bool,
    kept_ever: bool,
}

impl Session {
    fn new(config: TableConfig, window: u64) -> Self {
        let memory = TestMemory::new(8 << 20);
        let table = PageTable::new(config, &memory).unwrap();
        memory.check_order(config, table.base());
        let (model, gather) = (BTreeMap::new(), Gather::new());
        Self { memory, table, gather, window, model, keep: false, kept_ever: false }
    }

    fn size(&self) -> u64 {
        self.table.config().granule().bytes()
    }

    /// Where 52-bit outputs begin: so that some mappings cross the bit where the address bends in the descriptor.
    fn lowest_pa(&self) -> u64 {
        if self.table.config().output() == AddressSize::Bits52 {
            let bend = if self.table.config().ds() { 50 } else { 48 };
            (1 << bend) - ((1 << 18) + 2500) * self.size()
        } else {
            0
        }
    }

    /// Walks to `iova` by the manual, and by the crate; they must agree.
    fn look(&self, iova: u64) -> Option<support::Found> {
        let read = |address| {
            let coherent = self.table.config().is_coherent();
            if coherent { self.memory.read(address) } else { self.memory.read_cleaned(address) }
        };
        let found = walk(&self.table.regime(), read, iova).ok();
        let crates = self.table.translate(&self.memory, iova).ok();
        let crates = crates.map(|t| support::Found {
            pa: t.pa.get(),
            size: t.size,
            descriptor: t.leaf.word(),
            level: t.level.number(),
            reach: found.map_or(t.size, |found| found.reach),
        });
        assert_eq!(found, crates, "walks of {iova:#x} differ");
        found
    }

    fn check_page(&self, iova: u64) {
        match (self.look(iova + 0x123), self.model.get(&iova)) {
            (None, None) => {}
            (Some(found), Some(page)) => {
                assert_eq!(found.pa, page.pa + 0x123, "{iova:#x}");
                assert_eq!(found.reach, page.leaf_size);
                let bits = page.attributes.bits(self.table.config()).unwrap();
                let oa = if self.table.config().ds() { 0x3_ffff_ffff_f300 } else { 0xffff_ffff_f000 };
                assert_eq!(found.descriptor & !oa & !3 & !(1 << 52), bits, "{iova:#x}");
            }
            other => panic!("{iova:#x}: {other:x?}"),
        }
    }

    fn map(&mut self, start: u64, pages: u64, pa: u64, attributes: Attributes) {
        let size = self.size();
        let (start, pa) = (self.window + start * size, self.lowest_pa() + pa * size);
        let before = self.memory.live_words();
        let result = self.table.map(&self.memory, range(start, pages * size), PhysAddr::new(pa), attributes);
        let all = || (0..pages).map(|n| start + n * size);
        match (result, all().find(|iova| self.model.contains_key(iova))) {
            (Ok(()), None) => {}
            (Err(MapError::Mapped { iova }), Some(first)) if iova == first => {}
            (Err(MapError::NoMemory(_)), None) => {}
            other => panic!("{other:x?}"),
        }
        if result.is_err() {
            assert_eq!(before, self.memory.live_words(), "{result:?} changed something");
            return;
        }
        for (number, iova) in all().enumerate() {
            let found = self.look(iova).unwrap();
            let leaf_start = iova & !(found.reach - 1);
            if found.size == size {
                self.expect_group(iova, (start, pages), pa, found.reach);
            }
            let page = Page { pa: pa + number as u64 * size, attributes, leaf_start, leaf_size: found.reach };
            self.model.insert(iova, page);
        }
    }

    /// Pages are in a contiguous group exactly if the mapping has all of a group that is congruent with its output.
    fn expect_group(&self, iova: u64, (start, pages): (u64, u64), pa: u64, reach: u64) {
        let (size, config) = (self.size(), self.table.config());
        let members = match config.granule() {
            Granule::Size4K => 16,
            Granule::Size16K => 128,
            Granule::Size64K => 32,
        };
        let group = members * size;
        let base = iova & !(group - 1);
        let whole = base >= start && base + (group - 1) <= start + (pages * size - 1);
        let congruent = pa.wrapping_sub(start) % group == 0;
        let wanted = !config.contiguous_levels().is_empty() && whole && congruent;
        assert_eq!(reach, if wanted { group } else { size }, "{iova:#x}");
    }

    fn unmap(&mut self, start: u64, pages: u64, strict: bool) {
        let size = self.size();
        let start = self.window + start * size;
        let asked = range(start, pages * size);
        let all: Vec<u64> = (0..pages).map(|n| start + n * size).collect();
        let before = self.memory.live_words();
        let tables_before = self.gather.range();
        let result = if strict {
            self.table.unmap(&self.memory, asked, &mut self.gather)
        } else {
            self.table.unmap_present(&self.memory, asked, &mut self.gather)
        };
        let cut = |iova: &&u64| {
            self.model.get(iova).is_some_and(|page| {
                page.leaf_start < start || page.leaf_start + (page.leaf_size - 1) > asked.last()
            })
        };
        let hole = all.iter().find(|iova| !self.model.contains_key(iova)).filter(|_| strict);
        let cut = all.iter().find(cut);
        let problem = match (hole, cut) {
            (Some(hole), Some(cut)) => Some(hole.min(cut)),
            (hole, cut) => hole.or(cut),
        };
        match (problem, result) {
            (Some(problem), Err(error)) => {
                match error {
                    UnmapError::NotMapped { iova } => assert_eq!((Some(&iova), &iova), (hole, problem)),
                    UnmapError::PartOfBlock { iova, block } => {
                        assert_eq!((Some(&iova), &iova), (cut, problem));
                        let page = self.model[&iova];
                        assert_eq!(block, range(page.leaf_start, page.leaf_size));
                    }
                    other => panic!("{other}"),
                }
                assert_eq!(before, self.memory.live_words(), "{error} changed something");
                assert_eq!(tables_before, self.gather.range());
            }
            (None, Ok(unmapped)) => {
                let gone = all.iter().filter(|iova| self.model.remove(iova).is_some());
                let mut bytes = 0;
                for iova in gone {
                    bytes += size;
                    let gathered = self.gather.range().unwrap();
                    assert!(gathered.start() <= *iova && *iova <= gathered.last());
                }
                assert_eq!(unmapped.bytes, bytes);
            }
            other => panic!("{asked}: {other:?}"),
        }
    }

    fn protect(&mut self, start: u64, pages: u64, attributes: Attributes) {
        let size = self.size();
        let start = self.window + start * size;
        let asked = range(start, pages * size);
        let all = || (0..pages).map(|n| start + n * size);
        let before = self.memory.live_words();
        let result = self.table.protect(&self.memory, asked, attributes, &mut self.gather, |_| {});
        let possible = all().all(|iova| {
            self.model.get(&iova).is_some_and(|page| {
                let inside =
                    page.leaf_start >= start && page.leaf_start + (page.leaf_size - 1) <= asked.last();
                inside && page.attributes.memory == attributes.memory
            })
        });
        assert_eq!(result.is_ok(), possible, "{result:?}");
        if possible {
            all().for_each(|iova| self.model.get_mut(&iova).unwrap().attributes = attributes);
        } else {
            assert_eq!(before, self.memory.live_words());
        }
    }

    fn reclaim(&mut self) {
        let gather = std::mem::take(&mut self.gather);
        if let Some((_, freed)) = gather.finish() {
            let freed = freed.never_seen_by_hardware();
            assert_eq!(freed.unreachable(), 0);
            let (count, live) = (freed.len(), self.memory.live());
            assert_eq!(freed.reclaim(&self.memory), Ok(count));
            assert_eq!(self.memory.live(), live - count as usize);
        }
        let (tables, empty) = check_tree(&self.memory, self.table.config(), self.table.base().get());
        assert_eq!(self.memory.live(), tables, "tables leaked or freed twice");
        assert!(empty == 0 || self.kept_ever);
    }

    fn run(mut self, operations: Vec<Operation>) {
        for operation in operations {
            match operation {
                Operation::Map { start, pages, pa, attributes } => self.map(start, pages, pa, attributes),
                Operation::Unmap { start, pages, strict } => self.unmap(start, pages, strict),
                Operation::Protect { start, pages, attributes } => self.protect(start, pages, attributes),
                Operation::Keep(keep) => {
                    self.keep = keep;
                    self.kept_ever |= keep;
                    let what = if keep { EmptyTables::Keep } else { EmptyTables::Detach };
                    self.table.set_empty_tables(what);
                }
                Operation::Reclaim => self.reclaim(),
            }
        }
        let size = self.size();
        for number in 0..9100 {
            self.check_page(self.window + number * size);
        }
        self.reclaim();
        self.table.set_empty_tables(EmptyTables::Detach);
        let input = self.table.config().input();
        let unmapped = self.table.unmap_present(&self.memory, input, &mut self.gather).unwrap();
        assert_eq!(unmapped.bytes, self.model.len() as u64 * size);
        self.model.clear();
        self.check_page(self.window);
        self.kept_ever = false;
        self.reclaim();
        assert_eq!(self.memory.live(), 1);
        let freed = self.table.destroy(&self.memory).never_seen_by_hardware();
        assert_eq!(freed.reclaim(&self.memory), Ok(1));
        assert_eq!(self.memory.live(), 0);
    }
}

/// Tables of every kind, each with a window that crosses a boundary of its upper levels.
fn configs() -> Vec<(TableConfig, u64)> {
    let stage2 = |granule, bits, output, concatenation| {
        TableConfig::stage2(granule, bits, output, concatenation).unwrap()
    };
    let (bits40, bits48) = (AddressSize::Bits40, AddressSize::Bits48);
    let (required, always) = (Concatenation::WhenRequired, Concatenation::Always);
    vec![
        (support::plain(), (1 << 39) - (1 << 24)),
        (support::plain().non_coherent(), (1 << 30) - (1 << 23)),
        // the upper end of the window is the end of the address space
        (TableConfig::ttb1(Granule::Size4K, 39, bits48).unwrap(), 0u64.wrapping_sub(9200 << 12)),
        (stage2(Granule::Size4K, 40, bits40, required), (1 << 39) - (1 << 24)),
        (stage2(Granule::Size4K, 32, bits40, always).with_fwb().unwrap(), (1 << 30) - (1 << 22)),
        (TableConfig::ttb0(Granule::Size16K, 47, bits48).unwrap(), (1 << 36) - (1 << 25)),
        (stage2(Granule::Size16K, 48, bits48, required).non_coherent(), (1 << 47) - (1 << 25)),
        (TableConfig::ttb0(Granule::Size64K, 48, bits48).unwrap(), (1 << 42) - (1 << 28)),
        (TableConfig::ttb0(Granule::Size64K, 52, AddressSize::Bits52).unwrap(), (1 << 51) - (1 << 28)),
        (stage2(Granule::Size64K, 50, AddressSize::Bits52, required), (1 << 49) - (1 << 28)),
        (TableConfig::ttb0(Granule::Size4K, 52, AddressSize::Bits52).unwrap(), (1 << 48) - (1 << 24)),
        (stage2(Granule::Size4K, 52, AddressSize::Bits52, always).with_contiguous(), (1 << 51) - (1 << 24)),
        (
            TableConfig::ttb1(Granule::Size16K, 52, AddressSize::Bits52).unwrap(),
            0u64.wrapping_sub(9200 << 14),
        ),
        (
            stage2(Granule::Size16K, 50, AddressSize::Bits52, required).with_contiguous(),
            (1 << 47) - (1 << 25),
        ),
        (support::plain().with_contiguous(), (1 << 39) - (1 << 24)),
        (support::plain().with_contiguous().non_coherent(), (1 << 30) - (1 << 23)),
        (TableConfig::ttb0(Granule::Size16K, 47, bits48).unwrap().with_contiguous(), (1 << 36) - (1 << 25)),
        (
            TableConfig::ttb0(Granule::Size64K, 52, AddressSize::Bits52).unwrap().with_contiguous(),
            (1 << 51) - (1 << 28),
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_does_what_a_map_of_pages_does(
        which in 0usize..18,
        operations in proptest::collection::vec(operation(), 1..40),
    ) {
        let (config, window) = configs()[which];
        Session::new(config, window).run(operations);
    }
}

#[test]
fn leaves_are_as_large_as_they_can_be() {
    let memory = TestMemory::new(1 << 20);
    let mut table = PageTable::new(support::plain(), &memory).unwrap();
    let attributes = Attributes::read_write(MemoryType::NormalCached);
    // 4K, 2M and 1G steps up, then down again
    let (start, size) = ((1 << 30) - (1 << 21) - 0x1000, (1 << 30) + (2 << 21) + 0x2000);
    table.map(&memory, range(start, size), PhysAddr::new(start + (4 << 30)), attributes).unwrap();
    let sizes = [0, 0x1000, 1 << 21, (1 << 21) + 0x1000, size - 0x1000, size - 0x2000]
        .map(|offset| table.translate(&memory, start + offset).unwrap().size);
    assert_eq!(sizes, [0x1000, 1 << 21, 1 << 21, 1 << 30, 0x1000, 1 << 21]);
    // congruent modulo 2M only
    let mut other = PageTable::new(support::plain(), &memory).unwrap();
    other.map(&memory, range(1 << 30, 1 << 30), PhysAddr::new(1 << 21), attributes).unwrap();
    assert_eq!(other.translate(&memory, 1 << 30).unwrap().size, 1 << 21);
    // only the levels that are allowed
    let levels = smmu_regs::vmsa::LevelSet::only(smmu_regs::vmsa::Level::THREE);
    let config = support::plain().with_leaf_levels(levels).unwrap();
    let mut pages = PageTable::new(config, &memory).unwrap();
    pages.map(&memory, range(0, 1 << 22), PhysAddr::new(0), attributes).unwrap();
    assert_eq!(pages.translate(&memory, 0).unwrap().size, 0x1000);
    assert_eq!(pages.translate(&memory, 0).unwrap().pa, PhysAddr::new(0));
}

#[test]
fn outputs_of_52_bits() {
    let memory = TestMemory::new(1 << 20);
    let config = TableConfig::ttb0(Granule::Size64K, 52, AddressSize::Bits52).unwrap();
    let mut table = PageTable::new(config, &memory).unwrap();
    let attributes = Attributes::read_write(MemoryType::NormalCached).with_execute(true);
    let translate = |table: &PageTable, iova: u64| {
        let found = walk(&table.regime(), |at| memory.read(at), iova).unwrap();
        let translation = table.translate(&memory, iova).unwrap();
        assert_eq!((found.pa, found.size), (translation.pa.get(), translation.size));
        (found.pa, found.size, found.descriptor)
    };
    // across bit 48, where the address bends in the descriptor: in a table that is there, and in a new one
    let pa = (1 << 48) - (3 << 16);
    for start in [1 << 50, (1 << 50) + (16 << 16), 1 << 29] {
        table.map(&memory, range(start, 9 << 16), PhysAddr::new(pa), attributes).unwrap();
        for page in 0..9u64 {
            let expected = pa + (page << 16);
            let descriptor = if page < 3 { expected } else { (page - 3) << 16 | 0x1000 } | 0xf47;
            assert_eq!(translate(&table, start + (page << 16)), (expected, 1 << 16, descriptor));
        }
    }
    // a 4T block, a 512M block and a page
    let (start, pa) = ((2 << 42) - (1 << 29) - (1 << 16), (9 << 48) - (1 << 29) - (1 << 16));
    table
        .map(&memory, range(start, (1 << 42) + (1 << 29) + (1 << 16)), PhysAddr::new(pa), attributes)
        .unwrap();
    assert_eq!(translate(&table, start), (pa, 1 << 16, 0xffff_dfff_8f47));
    assert_eq!(translate(&table, start + (1 << 16)).1, 1 << 29);
    assert_eq!(translate(&table, 2 << 42), (9 << 48, 1 << 42, 0x9f45));
    // no more than there is
    let top = PhysAddr::new((1 << 52) - (1 << 16));
    assert!(table.map(&memory, range(5 << 42, 2 << 16), top, attributes).is_err());
    table.map(&memory, range(5 << 42, 1 << 16), top, attributes).unwrap();
    assert_eq!(translate(&table, 5 << 42).0, top.get());
}

#[test]
fn leaves_no_larger_than_asked_for() {
    use smmu_regs::vmsa::Level;
    let memory = TestMemory::new(8 << 20);
    let attributes = Attributes::read_write(MemoryType::NormalCached);
    for (largest, size) in
        [(Level::THREE, 1 << 12), (Level::TWO, 1 << 21), (Level::ONE, 1 << 30), (Level::ZERO, 1 << 30)]
    {
        let mut table = PageTable::new(support::plain(), &memory).unwrap();
        table
            .map_up_to(&memory, range(1 << 30, 1 << 30), PhysAddr::new(1 << 31), attributes, largest)
            .unwrap();
        for iova in [1 << 30, (1 << 31) - 1] {
            let found = table.translate(&memory, iova).unwrap();
            assert_eq!((found.size, found.pa), (size, PhysAddr::new(iova + (1 << 30))), "{largest}");
        }
        let freed = table.destroy(&memory);
        freed.never_seen_by_hardware().reclaim(&memory).unwrap();
    }
}
