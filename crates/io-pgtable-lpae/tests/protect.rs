//! Permissions that change while a table is in use.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{
    AttributeError, Attributes, Concatenation, Gather, MemoryType, PageTable, ProtectError, TableConfig,
    Target,
};
use smmu_regs::vmsa::{Granule, HardwareUpdate, IovaRange, Level, LevelSet};
use smmu_regs::{AddressSize, PhysAddr};
use support::{TestMemory, plain, range};

const K: u64 = 1 << 10;
const M: u64 = 1 << 20;
const G: u64 = 1 << 30;
const RW: Attributes = Attributes::read_write(MemoryType::NormalCached);
const RO: Attributes = Attributes::read_only(MemoryType::NormalCached);

fn allowed(memory: &TestMemory, table: &PageTable, iova: u64) -> (bool, bool) {
    let found = Attributes::decode(table.translate(memory, iova).unwrap().leaf, table.config()).unwrap();
    (found.write, found.execute)
}

#[test]
fn what_is_gathered_is_what_changed() {
    let memory = TestMemory::new(1 << 20);
    let mut table = PageTable::new(plain(), &memory).unwrap();
    table.map(&memory, range(G, 2 * M), PhysAddr::new(G), RW).unwrap();
    table.map(&memory, range(G + 2 * M, 8 * K), PhysAddr::new(G), RO).unwrap();
    let mut gather = Gather::new();
    let never = |_: IovaRange| panic!("nothing is tracked");
    table.protect(&memory, range(G, 2 * M + 8 * K), RO, &mut gather, never).unwrap();
    let (what, _) = gather.finish().unwrap();
    assert_eq!((what.range, what.leaf_levels), (range(G, 2 * M), LevelSet::only(Level::TWO)));
    assert!(what.table_levels.is_empty());
    assert_eq!(allowed(&memory, &table, G), (false, false));
    let mut gather = Gather::new();
    table
        .protect(&memory, range(G + 2 * M + 4 * K, 4 * K), RW.with_execute(true), &mut gather, never)
        .unwrap();
    assert_eq!(gather.finish().unwrap().0.range, range(G + 2 * M + 4 * K, 4 * K));
    assert_eq!(allowed(&memory, &table, G + 2 * M), (false, false));
    assert_eq!(allowed(&memory, &table, G + 2 * M + 4 * K), (true, true));
    let mut gather = Gather::new();
    table.protect(&memory, range(G, 2 * M), RO, &mut gather, never).unwrap();
    assert!(gather.is_empty(), "as it was");
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let memory = TestMemory::new(1 << 20);
    let mut table = PageTable::new(plain().with_contiguous(), &memory).unwrap();
    table.map(&memory, range(G, 2 * M + 64 * K), PhysAddr::new(G), RW).unwrap();
    table
        .map(&memory, range(2 * G, 4 * K), PhysAddr::new(G), Attributes::read_write(MemoryType::DevicenGnRE))
        .unwrap();
    let before = memory.live_words();
    let input = table.config().input();
    let odd = IovaRange::new(G, G + 5).unwrap();
    let write_only = Attributes::write_only(MemoryType::NormalCached);
    let device = table.translate(&memory, 2 * G).unwrap().leaf.word();
    let cases = [
        (odd, RO, ProtectError::Misaligned { range: odd, granule: Granule::Size4K }),
        (IovaRange::ALL, RO, ProtectError::OutsideInput { range: IovaRange::ALL, input }),
        (range(G, 2 * M), write_only, ProtectError::Attributes(AttributeError::WriteOnlyAtStage1)),
        (range(G, 4 * M), RO, ProtectError::NotMapped { iova: G + 2 * M + 64 * K }),
        (range(G + M, M), RO, ProtectError::PartOfBlock { iova: G + M, block: range(G, 2 * M) }),
        (
            range(G + 2 * M + 8 * K, 4 * K),
            RO,
            ProtectError::PartOfBlock { iova: G + 2 * M + 8 * K, block: range(G + 2 * M, 64 * K) },
        ),
        (
            range(2 * G, 4 * K),
            RO,
            // AttrIndx 1 instead of 2, SH 3 instead of 2
            ProtectError::OtherAttributes { iova: 2 * G, descriptor: device, bits: 3 << 2 | 1 << 8 },
        ),
    ];
    for (asked, attributes, error) in cases {
        let mut gather = Gather::new();
        assert_eq!(table.protect(&memory, asked, attributes, &mut gather, |_| panic!()), Err(error));
        assert!(!error.to_string().is_empty() && gather.is_empty());
        assert_eq!(memory.live_words(), before);
    }
    let mut other = PageTable::new(plain(), &memory).unwrap();
    other.map(&memory, range(G, 4 * K), PhysAddr::new(0), RW).unwrap();
    let mut gather = Gather::new();
    table.protect(&memory, range(G, 2 * M), RO, &mut gather, |_| {}).unwrap();
    let owner = table.base();
    let error = other.protect(&memory, range(G, 4 * K), RO, &mut gather, |_| {});
    assert_eq!(error, Err(ProtectError::ForeignGather { owner }));
}

#[test]
fn dirty_state_outlives_a_change_or_is_reported() {
    let update = HardwareUpdate::Dirty;
    let bits = AddressSize::Bits40;
    let stage1 = TableConfig::ttb0(Granule::Size4K, 40, bits).unwrap().with_update(update).unwrap();
    let stage2 = TableConfig::stage2(Granule::Size4K, 40, bits, Concatenation::WhenRequired).unwrap();
    for config in [stage1, stage1.non_coherent(), stage2.with_update(update).unwrap()] {
        let memory = TestMemory::new(1 << 20);
        let mut table = PageTable::new(config, &memory).unwrap();
        let page = |n: u64| range(G + n * 4 * K, 4 * K);
        table.map(&memory, range(G, 16 * K), PhysAddr::new(G), RW).unwrap();
        let mut gather = Gather::new();
        // 0 and 2 are clean, 1 and 3 dirty
        for n in [0, 2] {
            table.read_and_clear_dirty(&memory, page(n), &mut gather, |_| {}).unwrap();
        }
        let dirty = |table: &PageTable| {
            let mut found = Vec::new();
            table.read_dirty(&memory, range(G, 16 * K), |leaf| found.push(leaf)).unwrap();
            found
        };
        // still writable: as it was
        table.protect(&memory, range(G, 8 * K), RW.with_execute(true), &mut gather, |_| panic!()).unwrap();
        assert_eq!(dirty(&table), [page(1), page(3)]);
        // no longer writable: the dirty one is reported
        let mut lost = Vec::new();
        table.protect(&memory, range(G + 8 * K, 8 * K), RO, &mut gather, |leaf| lost.push(leaf)).unwrap();
        assert_eq!(lost, [page(3)]);
        assert_eq!(dirty(&table), [page(1)]);
        // writable again: dirty, as everything that is new
        table.protect(&memory, range(G + 8 * K, 8 * K), RW, &mut gather, |_| panic!()).unwrap();
        assert_eq!(dirty(&table), [page(1), page(2), page(3)]);
        table
            .walk(&memory, range(G, 16 * K), |entry| {
                if let (Target::Leaf { .. }, false) = (entry.target, config.is_coherent()) {
                    assert_eq!(memory.read_cleaned(entry.at.get()), entry.descriptor);
                }
            })
            .unwrap();
    }
}
