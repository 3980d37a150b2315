//! Contiguous groups: where they are made, where they cannot be, and that they go whole.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{Attributes, Gather, MemoryType, PageTable, TableConfig, UnmapError};
use smmu_regs::vmsa::{Granule, HardwareUpdate, Level, LevelSet};
use smmu_regs::{AddressSize, PhysAddr};
use support::{TestMemory, plain, range, walk};

const K: u64 = 1 << 10;
const M: u64 = 1 << 20;
const G: u64 = 1 << 30;
const RW: Attributes = Attributes::read_write(MemoryType::NormalCached);

/// What a TLB may keep for `iova` as one: bytes of the leaf and of its group.
fn reach(memory: &TestMemory, table: &PageTable, iova: u64) -> (u64, u64) {
    let found = walk(&table.regime(), |at| memory.read(at), iova).unwrap();
    (found.size, found.reach)
}

#[test]
fn groups_at_every_level_that_has_them() {
    let four = plain().with_contiguous();
    let sixteen = TableConfig::ttb0(Granule::Size16K, 47, AddressSize::Bits48).unwrap().with_contiguous();
    let sixty_four = TableConfig::ttb0(Granule::Size64K, 48, AddressSize::Bits48).unwrap().with_contiguous();
    let cases = [
        (four, 64 * K, (4 * K, 64 * K)),
        (four, 32 * M, (2 * M, 32 * M)),
        (four, 16 * G, (G, 16 * G)),
        (sixteen, 2 * M, (16 * K, 2 * M)),
        (sixteen, G, (32 * M, G)),
        (sixty_four, 2 * M, (64 * K, 2 * M)),
        (sixty_four, 16 * G, (512 * M, 16 * G)),
    ];
    for (config, size, expected) in cases {
        let memory = TestMemory::new(4 << 20);
        let mut table = PageTable::new(config, &memory).unwrap();
        let pa = PhysAddr::new(64 * G);
        table.map(&memory, range(32 * G, size), pa, RW).unwrap();
        for offset in [0, size / 2, size - 1] {
            assert_eq!(reach(&memory, &table, 32 * G + offset), expected, "{config:?}");
        }
        assert!(config.page_sizes().contains(size));
        // not congruent with its output, not whole, or not wanted: no group
        let half = size / 2;
        table.map(&memory, range(128 * G, size), PhysAddr::new(64 * G + half), RW).unwrap();
        assert_eq!(reach(&memory, &table, 128 * G).1, expected.0);
        table.map(&memory, range(192 * G, half), pa, RW).unwrap();
        assert_eq!(reach(&memory, &table, 192 * G).1, expected.0);
        let level = table.translate(&memory, 32 * G).unwrap().level;
        table.map_up_to(&memory, range(256 * G, size), pa, RW, level).unwrap();
        assert_eq!(reach(&memory, &table, 256 * G), (expected.0, expected.0), "{config:?}");
    }
}

#[test]
fn a_table_among_blocks_keeps_them_from_being_a_group() {
    let memory = TestMemory::new(1 << 20);
    let mut table = PageTable::new(plain().with_contiguous(), &memory).unwrap();
    table.set_empty_tables(io_pgtable_lpae::EmptyTables::Keep);
    let page = range(G + 6 * M, 4 * K);
    let mut gather = Gather::new();
    table.map(&memory, page, PhysAddr::new(0), RW).unwrap();
    let _ = table.unmap(&memory, page, &mut gather).unwrap();
    // the empty table is descended into; blocks lie around it
    table.map(&memory, range(G, 64 * M), PhysAddr::new(2 * G), RW).unwrap();
    assert_eq!(reach(&memory, &table, G), (2 * M, 2 * M));
    assert_eq!(reach(&memory, &table, G + 6 * M), (4 * K, 64 * K));
    assert_eq!(reach(&memory, &table, G + 30 * M), (2 * M, 2 * M));
    assert_eq!(reach(&memory, &table, G + 32 * M), (2 * M, 32 * M));
    support::check_tree(&memory, table.config(), table.base().get());
}

#[test]
fn a_group_goes_whole() {
    let memory = TestMemory::new(1 << 20);
    let mut table = PageTable::new(plain().with_contiguous(), &memory).unwrap();
    // 16 pages, 3 groups of 16 pages, 2 pages; and a group of blocks
    table.map(&memory, range(G + 8 * K, 66 * 4 * K), PhysAddr::new(8 * K), RW).unwrap();
    table.map(&memory, range(2 * G, 32 * M), PhysAddr::new(0), RW).unwrap();
    let before = memory.live_words();
    let (group, blocks) = (range(G + 64 * K, 64 * K), range(2 * G, 32 * M));
    let cases = [
        (range(G + 64 * K, 4 * K), G + 64 * K, group),
        (range(G + 124 * K, 4 * K), G + 124 * K, group),
        (range(G + 60 * K, 8 * K), G + 64 * K, group),
        (range(G + 124 * K, 8 * K), G + 124 * K, group),
        (range(2 * G, 2 * M), 2 * G, blocks),
        (range(2 * G + 2 * M, 30 * M), 2 * G + 2 * M, blocks),
    ];
    for (asked, iova, block) in cases {
        let error = Err(UnmapError::PartOfBlock { iova, block });
        let mut gather = Gather::new();
        assert_eq!(table.unmap(&memory, asked, &mut gather), error, "{asked}");
        assert_eq!(table.unmap_present(&memory, asked, &mut gather), error, "{asked}");
        assert_eq!(memory.live_words(), before);
        assert!(gather.is_empty());
    }
    let mut gather = Gather::new();
    for (asked, bytes) in [(range(G + 8 * K, 56 * K), 56 * K), (group, 64 * K), (blocks, 32 * M)] {
        assert_eq!(table.unmap(&memory, asked, &mut gather).unwrap().bytes, bytes);
    }
    assert_eq!(gather.finish().unwrap().0.leaf_levels, LevelSet::only(Level::TWO).with(Level::THREE));
}

#[test]
fn dirty_state_is_that_of_the_group() {
    let config = plain().with_update(HardwareUpdate::Dirty).unwrap().with_contiguous();
    let memory = TestMemory::new(1 << 20);
    let mut table = PageTable::new(config, &memory).unwrap();
    table.map(&memory, range(G, 132 * K), PhysAddr::new(G), RW).unwrap();
    let dirty = |table: &PageTable, asked| {
        let mut found = Vec::new();
        table.read_dirty(&memory, asked, |leaf| found.push((leaf.start(), leaf.size().unwrap()))).unwrap();
        found
    };
    let all = [(G, 64 * K), (G + 64 * K, 64 * K), (G + 128 * K, 4 * K)];
    assert_eq!(dirty(&table, range(G, 132 * K)), all);
    assert_eq!(dirty(&table, range(G + 12 * K, 4 * K)), all[..1], "one member speaks for all");
    let mut gather = Gather::new();
    let mut found = Vec::new();
    table
        .read_and_clear_dirty(&memory, range(G + 60 * K, 8 * K), &mut gather, |leaf| found.push(leaf))
        .unwrap();
    assert_eq!(found, [range(G, 64 * K), range(G + 64 * K, 64 * K)]);
    assert_eq!(gather.finish().unwrap().0.range, range(G, 128 * K), "all members were made clean");
    assert_eq!(dirty(&table, config.input()), all[2..]);
    // the SMMU makes any member dirty
    let mut at = None;
    table.walk(&memory, range(G + 76 * K, 1), |entry| at = Some((entry.at, entry.descriptor))).unwrap();
    let (at, word) = at.unwrap();
    memory.write(at.get(), word & !(1 << 7));
    assert_eq!(dirty(&table, config.input()), all[1..]);
    assert_eq!(dirty(&table, range(G + 64 * K, 4 * K)), all[1..2]);
}
