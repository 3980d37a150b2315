//! Leaves made smaller: what they translate stays, the ends of the range are leaf boundaries after it, and part of what was
//! one leaf can go.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{
    Attributes, Concatenation, Gather, MapError, MemoryType, PageTable, PreparedSplit, Split, SplitBy,
    SplitError, TableConfig,
};
use proptest::prelude::*;
use smmu_regs::caps::BbmLevel;
use smmu_regs::vmsa::{Granule, HardwareUpdate, IovaRange, Level, LevelSet};
use smmu_regs::{AddressSize, PhysAddr};
use support::{TestMemory, check_tree, plain, range, walk};

const K: u64 = 1 << 10;
const M: u64 = 1 << 20;
const G: u64 = 1 << 30;
const RW: Attributes = Attributes::read_write(MemoryType::NormalCached);
const WAYS: [SplitBy; 3] = [SplitBy::Replacing, SplitBy::NoTranslationCaching, SplitBy::Breaking];

fn configs() -> [TableConfig; 7] {
    let stage2 = TableConfig::stage2(Granule::Size4K, 40, AddressSize::Bits40, Concatenation::WhenRequired);
    [
        plain(),
        plain().with_contiguous(),
        plain().with_contiguous().non_coherent(),
        stage2.unwrap().with_update(HardwareUpdate::Dirty).unwrap().with_contiguous(),
        plain().with_update(HardwareUpdate::Dirty).unwrap(),
        TableConfig::ttb0(Granule::Size16K, 52, AddressSize::Bits52).unwrap().with_contiguous(),
        TableConfig::ttb0(Granule::Size64K, 48, AddressSize::Bits48).unwrap().with_contiguous(),
    ]
}

/// Output and leaf attributes of an address: what devices notice.
fn seen(memory: &TestMemory, table: &PageTable, iova: u64) -> Option<(u64, Attributes)> {
    let read = |at| if table.config().is_coherent() { memory.read(at) } else { memory.read_cleaned(at) };
    let found = walk(&table.regime(), read, iova).ok()?;
    let leaf = table.translate(memory, iova).unwrap();
    assert_eq!(leaf.pa.get(), found.pa);
    Some((found.pa, Attributes::decode(leaf.leaf, table.config()).unwrap()))
}

fn dirty(memory: &TestMemory, table: &PageTable, asked: IovaRange) -> Vec<IovaRange> {
    let mut found = Vec::new();
    table.read_dirty(memory, asked, |leaf| found.push(leaf)).unwrap();
    found
}

/// Splits in as many steps as the way has; `between` is called where an invalidation must be complete.
fn split(
    memory: &TestMemory,
    table: &mut PageTable,
    asked: IovaRange,
    by: SplitBy,
    mut between: impl FnMut(&PageTable, Option<IovaRange>),
) -> Gather {
    let mut gather = Gather::new();
    match table.split(memory, asked, by, &mut gather).unwrap() {
        Split::Done => gather,
        Split::Prepared(prepared) => {
            assert_ne!(by, SplitBy::Replacing);
            let (what, freed) = gather.finish().unwrap();
            assert!(freed.never_seen_by_hardware().is_empty());
            between(table, Some(what.range));
            let prepared: PreparedSplit = prepared.never_seen_by_hardware();
            let mut gather = Gather::new();
            table.finish_split(memory, &prepared, &mut gather).unwrap();
            gather
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn translations_stay_and_parts_can_go(
        which in 0usize..7,
        way in 0usize..3,
        (first, count) in (0u64..9000, prop_oneof![Just(1u64), 1u64..40, 500u64..600, Just(8192), 1u64..5000]),
        offset in prop_oneof![Just(0u64), Just(16), Just(128), Just(1)],
    ) {
        let (config, by) = (configs()[which], WAYS[way]);
        let page = config.granule().bytes();
        let base = 1 << 36;
        let memory = TestMemory::new(32 << 20);
        let mut table = PageTable::new(config, &memory).unwrap();
        // 9000 pages: blocks, groups of both, and pages at the ends
        let pa = PhysAddr::new((1 << 35) + offset * page);
        let all = range(base + 16 * page, 9000 * page);
        table.map(&memory, all, pa, RW).unwrap();
        memory.check_order(config, table.base());
        let asked = range(base + (16 + first) * page, count.min(9000 - first) * page);
        let ends = [asked.start(), asked.start().wrapping_sub(page), asked.last(), asked.last() + 1];
        let mut looked: Vec<u64> = (0..9000).step_by(97).map(|n| all.start() + n * page + 5).collect();
        looked.extend(ends.into_iter().filter(|iova| (all.start()..=all.last()).contains(iova)));
        let before: Vec<_> = looked.iter().map(|iova| seen(&memory, &table, *iova)).collect();
        prop_assert!(before.iter().all(Option::is_some));

        let gather = split(&memory, &mut table, asked, by, |table, changed| {
            for (iova, before) in looked.iter().zip(&before) {
                let now = seen(&memory, table, *iova);
                let broken = by == SplitBy::Breaking
                    && changed.is_some_and(|changed| (changed.start()..=changed.last()).contains(iova));
                assert!(now == *before || broken && now.is_none(), "{iova:#x} while it lasts");
            }
        });
        for (iova, before) in looked.iter().zip(&before) {
            prop_assert_eq!(seen(&memory, &table, *iova), *before, "{:#x}", iova);
        }
        drop(gather);
        check_tree(&memory, &config, table.base().get());
        if config.update() >= HardwareUpdate::Dirty {
            let bytes = |asked| dirty(&memory, &table, asked).iter().map(|leaf| leaf.size().unwrap()).sum::<u64>();
            prop_assert_eq!(bytes(all), 9000 * page, "born dirty, and still so");
            prop_assert_eq!(bytes(asked), asked.size().unwrap(), "no leaf reaches over the ends");
        }
        let mut gather = Gather::new();
        let unmapped = table.unmap(&memory, asked, &mut gather).unwrap();
        prop_assert_eq!(unmapped.bytes, asked.size().unwrap());
        for (iova, before) in looked.iter().zip(&before) {
            let gone = (asked.start()..=asked.last()).contains(iova);
            prop_assert_eq!(seen(&memory, &table, *iova), before.filter(|_| !gone));
        }
        check_tree(&memory, &config, table.base().get());
    }
}

#[test]
fn steps_of_level_1() {
    let memory = TestMemory::new(1 << 20);
    let mut table = PageTable::new(plain(), &memory).unwrap();
    table.map(&memory, range(G, 2 * M), PhysAddr::new(G), RW).unwrap();
    let word = |table: &PageTable| table.translate(&memory, G).unwrap().leaf.word();
    let before = word(&table);
    let asked = range(G + 4 * K, 4 * K);
    let gather = split(&memory, &mut table, asked, SplitBy::NoTranslationCaching, |table, changed| {
        assert_eq!(word(table), before | 1 << 16, "nT, and nothing else");
        assert_eq!(changed, Some(range(G, 2 * M)));
    });
    assert_eq!(word(&table), before | 2);
    let (what, _) = gather.finish().unwrap();
    assert_eq!((what.range, what.leaf_levels), (range(G, 2 * M), LevelSet::only(Level::TWO)));
    assert!(matches!(
        table.split(&memory, asked, SplitBy::NoTranslationCaching, &mut Gather::new()),
        Ok(Split::Done)
    ));
    assert_eq!(SplitBy::unnoticed(BbmLevel::Level0), None);
    assert_eq!(SplitBy::unnoticed(BbmLevel::Level1), Some(SplitBy::NoTranslationCaching));
    assert_eq!(SplitBy::unnoticed(BbmLevel::Level2), Some(SplitBy::Replacing));
}

#[test]
fn dirt_of_one_member_is_that_of_all() {
    let config = plain().with_update(HardwareUpdate::Dirty).unwrap().with_contiguous();
    for by in WAYS {
        for written in [false, true] {
            let memory = TestMemory::new(1 << 20);
            let mut table = PageTable::new(config, &memory).unwrap();
            table.map(&memory, range(G, 64 * K), PhysAddr::new(G), RW).unwrap();
            let mut gather = Gather::new();
            table.read_and_clear_dirty(&memory, range(G, 64 * K), &mut gather, |_| {}).unwrap();
            if written {
                let mut at = None;
                table
                    .walk(&memory, range(G + 36 * K, 1), |entry| at = Some((entry.at, entry.descriptor)))
                    .unwrap();
                let (at, word) = at.unwrap();
                memory.write(at.get(), word & !(1 << 7));
            }
            let _ = split(&memory, &mut table, range(G, 4 * K), by, |_, _| {});
            let expected: Vec<_> = (0..16).filter(|_| written).map(|n| range(G + n * 4 * K, 4 * K)).collect();
            assert_eq!(dirty(&memory, &table, range(G, 64 * K)), expected, "{by:?}");
        }
    }
}

#[test]
fn failures_change_nothing_that_is_seen() {
    for by in WAYS {
        let memory = TestMemory::new(1 << 20);
        let mut table = PageTable::new(plain(), &memory).unwrap();
        table.map(&memory, range(G, G), PhysAddr::new(G), RW).unwrap();
        let asked = range(G + 4 * K, 8 * M);
        let mut gather = Gather::new();
        let input = table.config().input();
        let outside = MapError::OutsideInput { range: IovaRange::ALL, input };
        assert_eq!(
            table.split(&memory, IovaRange::ALL, by, &mut gather).unwrap_err(),
            SplitError::Map(outside)
        );
        let odd = IovaRange::new(G + 1, G + 4).unwrap();
        let misaligned = MapError::Misaligned { range: odd, granule: Granule::Size4K };
        assert_eq!(table.split(&memory, odd, by, &mut gather).unwrap_err(), SplitError::Map(misaligned));
        let live = memory.live();
        for allowance in 0..3 {
            memory.allowance.set(allowance);
            let failed = match table.split(&memory, asked, by, &mut gather) {
                Err(error) => Err(error),
                Ok(Split::Done) => Ok(()),
                Ok(Split::Prepared(prepared)) => {
                    table.finish_split(&memory, &prepared.never_seen_by_hardware(), &mut gather)
                }
            };
            assert!(matches!(failed, Err(SplitError::Map(MapError::NoMemory(_)))), "{by:?} {failed:?}");
            assert_eq!(memory.live(), live, "nothing leaks");
            if by == SplitBy::Breaking {
                break;
            }
            assert_eq!(table.translate(&memory, G + 12 * K).unwrap().pa, PhysAddr::new(G + 12 * K));
        }
        let mut other = PageTable::new(plain(), &TestMemory::new(1 << 20)).unwrap();
        let mut theirs = Gather::new();
        let error = SplitError::ForeignGather { owner: table.base() };
        let memory = TestMemory::new(1 << 20);
        let _second = PageTable::new(plain(), &memory).unwrap();
        if other.base() != table.base() {
            assert_eq!(other.split(&memory, asked, by, &mut gather).unwrap_err(), error);
        }
        assert!(matches!(other.split(&memory, asked, by, &mut theirs), Ok(Split::Done)), "nothing is mapped");
    }
}
