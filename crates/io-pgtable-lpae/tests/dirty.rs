//! Dirty state of both stages: born dirty, made clean, dirty again by a write.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{
    Attributes, Concatenation, DirtyError, Gather, MemoryType, PageTable, TableConfig, Target,
};
use smmu_regs::vmsa::{Granule, HardwareUpdate, IovaRange, Level, LevelSet};
use smmu_regs::{AddressSize, PhysAddr};
use support::{TestMemory, range};

const PAGE: u64 = 0x1000;
const BLOCK: u64 = 0x20_0000;

fn dirty(table: &PageTable, memory: &TestMemory, range: IovaRange) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    table.read_dirty(memory, range, |leaf| found.push((leaf.start(), leaf.size().unwrap()))).unwrap();
    found
}

/// What hardware does (D8.5.2.1): stage 1 clears AP[2], stage 2 sets S2AP[1], where DBM is set.
fn write(table: &PageTable, memory: &TestMemory, iova: u64, stage2: bool) {
    table
        .walk(memory, range(iova, 1), |entry| {
            if let (Target::Leaf { .. }, 1) = (entry.target, entry.descriptor >> 51 & 1) {
                let word = entry.descriptor;
                memory.write(entry.at.get(), if stage2 { word | 1 << 7 } else { word & !(1 << 7) });
            }
        })
        .unwrap();
}

#[test]
fn leaves_become_clean_and_dirty() {
    let update = HardwareUpdate::Dirty;
    let size = AddressSize::Bits40;
    let stage1 = TableConfig::ttb0(Granule::Size4K, 40, size).unwrap().with_update(update).unwrap();
    let stage2 = TableConfig::stage2(Granule::Size4K, 40, size, Concatenation::WhenRequired).unwrap();
    for config in [stage1, stage1.non_coherent(), stage2.with_update(update).unwrap()] {
        let memory = TestMemory::new(1 << 20);
        let mut table = PageTable::new(config, &memory).unwrap();
        let second = config.stage() == io_pgtable_lpae::Stage::Stage2;
        let (writes, reads) = (
            Attributes::read_write(MemoryType::NormalCached),
            Attributes::read_only(MemoryType::NormalCached),
        );
        table.map(&memory, range(BLOCK, BLOCK + 2 * PAGE), PhysAddr::new(BLOCK), writes).unwrap();
        table.map(&memory, range(2 * BLOCK + 4 * PAGE, PAGE), PhysAddr::new(0), reads).unwrap();
        table.map(&memory, range(2 * BLOCK + 6 * PAGE, PAGE), PhysAddr::new(0), writes).unwrap();
        // holes are skipped, what is read-only is never dirty
        let pages = [0, PAGE, 6 * PAGE].map(|offset| (2 * BLOCK + offset, PAGE));
        let all = [&[(BLOCK, BLOCK)][..], &pages].concat();
        assert_eq!(dirty(&table, &memory, config.input()), all);
        assert_eq!(
            dirty(&table, &memory, range(BLOCK + PAGE, PAGE)),
            [(BLOCK, BLOCK)],
            "a block is all or nothing"
        );

        let mut gather = Gather::new();
        let mut cleared = Vec::new();
        let found = |leaf: IovaRange| cleared.push((leaf.start(), leaf.size().unwrap()));
        table.read_and_clear_dirty(&memory, range(0, 2 * BLOCK + PAGE), &mut gather, found).unwrap();
        assert_eq!(cleared, all[..2]);
        let (invalidation, _freed) = gather.finish().unwrap();
        assert_eq!(invalidation.range, range(BLOCK, BLOCK + PAGE));
        assert_eq!(invalidation.leaf_levels, LevelSet::only(Level::TWO).with(Level::THREE));
        assert_eq!(dirty(&table, &memory, config.input()), all[2..]);
        // still writable, and says so
        let found = table.translate(&memory, BLOCK).unwrap();
        assert!(Attributes::decode(found.leaf, &config).unwrap().write);
        if !config.is_coherent() {
            table
                .walk(&memory, config.input(), |entry| {
                    // counts in table descriptors are nothing to a walker
                    if let Target::Leaf { .. } = entry.target {
                        assert_eq!(memory.read_cleaned(entry.at.get()), entry.descriptor);
                    }
                })
                .unwrap();
        }

        for iova in [BLOCK + 5, 2 * BLOCK + 4 * PAGE] {
            write(&table, &memory, iova, second);
        }
        assert_eq!(dirty(&table, &memory, config.input()), [all[0], all[2], all[3]]);
        let mut gather = Gather::new();
        table.read_and_clear_dirty(&memory, range(0, BLOCK), &mut gather, |_| panic!("a hole")).unwrap();
        assert!(gather.finish().is_none(), "nothing changed");
    }
}

#[test]
fn what_is_not_tracked_is_an_error() {
    let memory = TestMemory::new(1 << 20);
    let table = PageTable::new(support::plain(), &memory).unwrap();
    let error = table.read_dirty(&memory, range(0, PAGE), |_| {}).unwrap_err();
    assert_eq!(error, DirtyError::NotTracked { update: HardwareUpdate::None });
    assert!(error.to_string().contains("no dirty state"));
    let config = support::plain().with_update(HardwareUpdate::Dirty).unwrap();
    let mut table = PageTable::new(config, &memory).unwrap();
    let error = DirtyError::OutsideInput { range: IovaRange::ALL, input: config.input() };
    assert_eq!(table.read_dirty(&memory, IovaRange::ALL, |_| {}), Err(error));
    let mut other = PageTable::new(config, &memory).unwrap();
    let mut gather = Gather::new();
    other.read_and_clear_dirty(&memory, range(0, PAGE), &mut gather, |_| {}).unwrap();
    let owner = other.base();
    let error = table.read_and_clear_dirty(&memory, range(0, PAGE), &mut gather, |_| {});
    assert_eq!(error, Err(DirtyError::ForeignGather { owner }));
}
