//! What a gather says, and what becomes of the tables in it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{Attributes, EmptyTables, Gather, Invalidation, MemoryType, PageTable, UnmapError};
use smmu_regs::receipt::{QueuePosition, Receipt, Ticket};
use smmu_regs::vmsa::{Granule, IovaRange, Level, LevelSet};
use smmu_regs::{InstanceId, PhysAddr};
use support::{TestMemory, check_tree, plain, range};

const WB: Attributes = Attributes::read_write(MemoryType::NormalCached);
const MEGA: u64 = 1 << 20;
const GIGA: u64 = 1 << 30;

fn levels(numbers: &[i32]) -> LevelSet {
    numbers.iter().fold(LevelSet::EMPTY, |set, number| set.with(Level::new(*number).unwrap()))
}

/// Maps `mapped`, unmaps `unmapped`, and says what the gather says and how many tables are in it.
fn after(mapped: &[IovaRange], unmapped: &[IovaRange], keep: bool) -> Option<(Invalidation, u64)> {
    let memory = TestMemory::new(4 << 20);
    let mut table = PageTable::new(plain(), &memory).unwrap();
    for range in mapped {
        table.map(&memory, *range, PhysAddr::new(range.start()), WB).unwrap();
    }
    if keep {
        table.set_empty_tables(EmptyTables::Keep);
    }
    let mut gather = Gather::new();
    for range in unmapped {
        table.unmap_present(&memory, *range, &mut gather).unwrap();
    }
    let (tables, _) = check_tree(&memory, table.config(), table.base().get());
    let (invalidation, freed) = gather.finish()?;
    let count = freed.get().len();
    assert_eq!(memory.live(), tables + count as usize);
    assert_eq!(freed.never_seen_by_hardware().reclaim(&memory), Ok(count));
    assert_eq!(memory.live(), tables);
    Some((invalidation, count))
}

fn says(range: IovaRange, leaf: &[i32], table: &[i32], freed: u64) -> Option<(Invalidation, u64)> {
    let (leaf_levels, table_levels) = (levels(leaf), levels(table));
    Some((Invalidation { granule: Granule::Size4K, range, leaf_levels, table_levels }, freed))
}

#[test]
fn levels_and_ranges_are_those_that_changed() {
    let two = [range(0x1000, 0x2000)];
    let page = range(0x1000, 0x1000);
    // a page of two: the table stays
    assert_eq!(after(&two, &[page], false), says(page, &[3], &[], 0));
    // both, in one go and page by page: three tables leave, and descriptors of levels 2, 1 and 0 with them
    assert_eq!(after(&two, &two, false), says(two[0], &[3], &[0, 1, 2], 3));
    let one_by_one = [page, range(0x2000, 0x1000)];
    assert_eq!(after(&two, &one_by_one, false), says(two[0], &[3], &[0, 1, 2], 3));
    assert_eq!(after(&two, &two, true), says(two[0], &[3], &[], 0));
    // nothing there
    assert_eq!(after(&two, &[range(0x8000, 0x4000), range(GIGA, GIGA)], false), None);
    // a block; a full table covered by the range; a block next to a table that stays
    let block = range(2 * MEGA, 2 * MEGA);
    let both = [two[0], block];
    assert_eq!(after(&both, &[block], false), says(block, &[2], &[], 0));
    assert_eq!(after(&both, &[range(0, 4 * MEGA)], false), says(range(0, 4 * MEGA), &[2, 3], &[0, 1, 2], 3));
    let stays = [range(GIGA, 0x1000), two[0], block];
    assert_eq!(after(&stays, &[range(0, GIGA)], false), says(range(0, 4 * MEGA), &[2, 3], &[1, 2], 2));
    // far apart: the hull
    let far = [range(0x1000, 0x2000), range(5 * GIGA, 0x2000)];
    let ends = [range(0x1000, 0x1000), range(5 * GIGA + 0x1000, 0x1000)];
    let hull = IovaRange::new(0x1000, 5 * GIGA + 0x1fff).unwrap();
    assert_eq!(after(&far, &ends, false), says(hull, &[3], &[], 0));
    let giga = range(3 * GIGA, GIGA);
    assert_eq!(after(&[giga], &[giga], false), says(giga, &[1], &[0], 1));
}

#[test]
fn kept_tables_leave_when_they_are_covered_later() {
    let memory = TestMemory::new(4 << 20);
    let mut table = PageTable::new(plain(), &memory).unwrap();
    table.set_empty_tables(EmptyTables::Keep);
    let mut gather = Gather::new();
    table.map(&memory, range(0x1000, 0x1000), PhysAddr::new(0), WB).unwrap();
    table.unmap(&memory, range(0x1000, 0x1000), &mut gather).unwrap();
    assert_eq!(gather.finish().map(|(_, freed)| freed.get().len()), Some(0));
    assert_eq!(memory.live(), 4);
    // a block does not go over an empty table: pages do
    table.map(&memory, range(0, 4 * MEGA), PhysAddr::new(0), WB).unwrap();
    assert_eq!(memory.live(), 4);
    assert_eq!(table.translate(&memory, 0).unwrap().size, 0x1000);
    assert_eq!(table.translate(&memory, 2 * MEGA).unwrap().size, 2 * MEGA);
    let mut gather = Gather::new();
    table.unmap(&memory, range(0, 4 * MEGA), &mut gather).unwrap();
    assert_eq!(gather.finish().map(|(_, freed)| freed.get().len()), Some(0));
    table.set_empty_tables(EmptyTables::Detach);
    let mut gather = Gather::new();
    let gone = table.unmap_present(&memory, range(0, GIGA), &mut gather).unwrap();
    assert_eq!(gone.bytes, 0);
    let (invalidation, freed) = gather.finish().unwrap();
    // no leaf, but something in what each of the tables translated
    assert_eq!((invalidation.range, invalidation.leaf_levels), (range(0, 2 * MEGA), LevelSet::EMPTY));
    assert_eq!(invalidation.table_levels, levels(&[0, 1, 2]));
    assert_eq!(freed.never_seen_by_hardware().reclaim(&memory), Ok(3));
    assert_eq!(memory.live(), 1);
}

#[test]
fn a_stale_walker_sees_an_invalid_first_word_and_old_leaves() {
    let memory = TestMemory::new(4 << 20);
    let mut table = PageTable::new(plain(), &memory).unwrap();
    table.map(&memory, range(0, 2 * MEGA), PhysAddr::new(0x1000), WB).unwrap();
    let next = |address: u64| memory.read(address) & 0xffff_ffff_f000;
    let tables = [next(table.base().get()), next(next(table.base().get()))];
    let leaves = next(tables[1]);
    let before: Vec<u64> = (0..512).map(|index| memory.read(leaves + index * 8)).collect();
    let mut gather = Gather::new();
    table.unmap(&memory, range(0, 2 * MEGA), &mut gather).unwrap();
    for address in [tables[0], tables[1], leaves] {
        assert_eq!(memory.read(address) & 1, 0, "first word of {address:#x}");
    }
    let now: Vec<u64> = (1..512).map(|index| memory.read(leaves + index * 8)).collect();
    assert_eq!(now, before[1..]);
    assert_eq!(memory.live(), 4, "nothing is given back before the receipt");
    // the way back goes through a receipt
    let (_, freed) = gather.finish().unwrap();
    let ticket = Ticket::new(InstanceId::new(1), QueuePosition(3), QueuePosition(10));
    let receipt = |through| {
        Receipt::assert_completed_by_platform(InstanceId::new(1), QueuePosition(0), QueuePosition(through))
    };
    let quarantine = freed.after(&[ticket]).unwrap();
    let quarantine = quarantine.open(&[receipt(9)]).unwrap_err();
    assert_eq!(quarantine.open(&[receipt(10)]).unwrap().reclaim(&memory), Ok(3));
    assert_eq!(memory.live(), 1);
}

#[test]
fn a_gather_serves_one_table() {
    let memory = TestMemory::new(4 << 20);
    let mut one = PageTable::new(plain(), &memory).unwrap();
    let mut other = PageTable::new(plain(), &memory).unwrap();
    for table in [&mut one, &mut other] {
        table.map(&memory, range(0, 0x2000), PhysAddr::new(0), WB).unwrap();
    }
    let mut gather = Gather::new();
    assert!(gather.is_empty());
    one.unmap(&memory, range(0, 0x1000), &mut gather).unwrap();
    let owner = one.base();
    let before = memory.live_words();
    let refused = other.unmap(&memory, range(0, 0x1000), &mut gather);
    assert_eq!(refused, Err(UnmapError::ForeignGather { owner }));
    assert_eq!(before, memory.live_words());
    one.unmap(&memory, range(0x1000, 0x1000), &mut gather).unwrap();
    assert_eq!(gather.range(), Some(range(0, 0x2000)));
    assert_eq!(gather.finish().map(|(_, freed)| freed.get().len()), Some(3));
}

#[test]
fn a_damaged_list_is_an_error() {
    let memory = TestMemory::new(4 << 20);
    let mut table = PageTable::new(plain(), &memory).unwrap();
    table.map(&memory, range(0, 0x1000), PhysAddr::new(0), WB).unwrap();
    let mut gather = Gather::new();
    let level1 = memory.read(table.base().get()) & 0xffff_ffff_f000;
    table.unmap(&memory, range(0, 0x1000), &mut gather).unwrap();
    let (_, freed) = gather.finish().unwrap();
    memory.write(level1, 0x1234_5000);
    let error = freed.never_seen_by_hardware().reclaim(&memory).unwrap_err();
    assert_eq!((error.given_back, error.lost), (1, 2));
}

#[test]
fn a_new_table_costs_a_barrier_and_a_run_costs_one() {
    let memory = TestMemory::new(4 << 20);
    let mut table = PageTable::new(plain(), &memory).unwrap();
    let publishes = || memory.publishes.replace(0);
    assert_eq!(publishes(), 1);
    // 3 tables above, 4 below: one barrier before they are linked, one after
    table.map(&memory, range(0, 8 * MEGA), PhysAddr::new(0x1000), WB).unwrap();
    assert_eq!(publishes(), 2);
    table.map(&memory, range(8 * MEGA, 2 * MEGA), PhysAddr::new(0x1000), WB).unwrap();
    assert_eq!(publishes(), 2);
    let mut gather = Gather::new();
    table.unmap(&memory, range(0x1000, 0x5000), &mut gather).unwrap();
    assert_eq!(publishes(), 0);
    table.map(&memory, range(0x1000, 0x5000), PhysAddr::new(0x1000), WB).unwrap();
    assert_eq!(publishes(), 1);
    assert!(gather.finish().is_some());
}

#[test]
fn a_walker_that_does_not_snoop_sees_no_table_that_was_given_back() {
    // the emptied tables leave one, two and three levels of descriptors behind
    for stays in
        [None, Some(range(4 * MEGA, 0x1000)), Some(range(GIGA, 0x1000)), Some(range(1 << 39, 0x1000))]
    {
        let memory = TestMemory::new(4 << 20);
        let mut table = PageTable::new(plain().non_coherent(), &memory).unwrap();
        for mapped in stays.into_iter().chain([range(0x1000, 0x1000)]) {
            table.map(&memory, mapped, PhysAddr::new(0), WB).unwrap();
        }
        let mut gather = Gather::new();
        table.unmap(&memory, range(0x1000, 0x1000), &mut gather).unwrap();
        let (_, freed) = gather.finish().unwrap();
        assert!(freed.never_seen_by_hardware().reclaim(&memory).is_ok_and(|tables| tables > 0));
        let walk = support::walk(&table.regime(), |address| memory.read_cleaned(address), 0x1000);
        assert!(walk.is_err(), "{walk:x?}");
    }
}
