//! Contiguous groups that go only with one command, and plans whose excess is bounded.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use io_pgtable_lpae::Invalidation;
use proptest::prelude::*;
use smmu_regs::vmsa::{Granule, IovaRange, Level, LevelSet};
use smmu_tlbi::range::{Policy, RangePlan, RangeSupport, Rules};

/// log2 of the granules of a contiguous group (DDI 0487, table D8-104).
fn group(granule: Granule, level: i32) -> Option<u32> {
    match (granule, level) {
        (Granule::Size4K, 3) => Some(4),
        (Granule::Size4K, 2) => Some(13),
        (Granule::Size4K, 1) => Some(22),
        (Granule::Size16K, 3) => Some(7),
        (Granule::Size16K, 2) => Some(16),
        (Granule::Size64K, 3) => Some(5),
        (Granule::Size64K, 2) => Some(18),
        _ => None,
    }
}

fn plan(
    granule: Granule,
    (first, count): (u64, u64),
    leaves: &[i32],
    policy: Policy,
    whole_groups: bool,
) -> Vec<(u64, u64)> {
    let levels = leaves.iter().fold(LevelSet::EMPTY, |set, level| set.with(Level::new(*level).unwrap()));
    let shift = granule.shift();
    let last = ((first + count) << shift) - 1;
    let range = IovaRange::new(first << shift, last).unwrap();
    let what = Invalidation { granule, range, leaf_levels: levels, table_levels: LevelSet::EMPTY };
    let support = RangeSupport { ranges: true, ds: false };
    let plan = RangePlan::new(&what, &Rules { policy, whole_groups, ..Rules::new(support) });
    let spans: Vec<(u64, u64)> = plan
        .operands()
        .map(|operand| {
            let granules =
                operand.as_range().map_or(1, |range| (u64::from(range.num()) + 1) << range.scale());
            let first = operand.address() >> shift;
            (first, first + granules - 1)
        })
        .collect();
    assert_eq!(spans.len(), plan.commands() as usize);
    spans
}

/// Groups of those levels that lie in the range.
fn groups(granule: Granule, (first, count): (u64, u64), leaves: &[i32]) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    for log2 in leaves.iter().filter_map(|level| group(granule, *level)) {
        let size = 1_u64 << log2;
        let (mut from, end) = (first.next_multiple_of(size), first + count);
        // the first, the last, and those around every place where commands can meet
        let mut number = 0;
        while from + size <= end {
            all.push((from, from + size - 1));
            number += 1;
            from += size;
            assert!(number < 1_000_000);
        }
    }
    all
}

fn whole(spans: &[(u64, u64)], groups: &[(u64, u64)]) -> bool {
    groups.iter().all(|(from, to)| spans.iter().any(|(first, last)| first <= from && to <= last))
}

fn exact(spans: &[(u64, u64)], (first, count): (u64, u64)) -> bool {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let mut next = first;
    for (from, to) in &sorted {
        if *from > next {
            return false;
        }
        next = next.max(to + 1);
    }
    next == first + count && sorted[0].0 == first
}

/// Whether any two commands would do: NUM and SCALE of each, and every start.
fn two_are_enough(range: (u64, u64), groups: &[(u64, u64)]) -> bool {
    let (first, count) = range;
    let sizes: Vec<u64> = (0..12)
        .flat_map(|scale| (1..=32_u64).map(move |units| units << scale))
        .filter(|size| *size <= count)
        .collect();
    sizes.iter().any(|head| {
        sizes.iter().filter(|tail| *head + **tail >= count).any(|tail| {
            whole(&[(first, first + head - 1), (first + count - tail, first + count - 1)], groups)
        })
    })
}

#[test]
fn no_group_is_left_to_two_commands_and_none_is_too_many() {
    let sets: [(Granule, &[i32], u64, u64); 4] = [
        (Granule::Size4K, &[3], 600, 16),
        (Granule::Size64K, &[3], 600, 32),
        (Granule::Size16K, &[3], 400, 128),
        (Granule::Size4K, &[3, 2], 600, 16),
    ];
    let (mut third, mut checked) = (0, 0);
    for (granule, leaves, most, phases) in sets {
        for phase in 0..phases {
            for count in 1..=most {
                let range = (4 * phases + phase, count);
                let spans = plan(granule, range, leaves, Policy::Exact, true);
                let groups = groups(granule, range, leaves);
                assert!(exact(&spans, range) && spans.len() <= 3, "{granule} {range:?}: {spans:?}");
                assert!(whole(&spans, &groups), "{granule} {range:?}: {spans:?}");
                checked += 1;
                if spans.len() == 3 {
                    assert!(!two_are_enough(range, &groups), "{granule} {range:?}: {spans:?}");
                    third += 1;
                }
                // without the erratum never more than two
                assert!(plan(granule, range, leaves, Policy::Exact, false).len() <= 2);
            }
        }
    }
    assert!(checked > 80_000 && third > 10, "{third} of {checked}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn larger_groups(
        which in 0usize..5,
        first in 0u64..1 << 24,
        count in prop_oneof![1u64..1 << 12, 1u64..1 << 18, 1u64..1 << 21],
    ) {
        let sets: [(Granule, &[i32]); 5] = [
            (Granule::Size4K, &[3, 2]),
            (Granule::Size4K, &[2]),
            (Granule::Size16K, &[3, 2]),
            (Granule::Size64K, &[2]),
            (Granule::Size64K, &[3, 2]),
        ];
        let (granule, leaves) = sets[which];
        let spans = plan(granule, (first, count), leaves, Policy::Exact, true);
        prop_assert!(exact(&spans, (first, count)) && spans.len() <= 3);
        prop_assert!(whole(&spans, &groups(granule, (first, count), leaves)), "{:?}", spans);
        let one = plan(granule, (first, count), leaves, Policy::Single, true);
        prop_assert!(one.len() == 1 && whole(&one, &groups(granule, (first, count), leaves)));
    }

    #[test]
    fn a_cap_is_kept_and_used(first in 0u64..1 << 30, count in 1u64..1 << 30, extra in 0u64..1 << 20) {
        let single = plan(Granule::Size4K, (first, count), &[3], Policy::Single, false);
        let over = single[0].1 + 1 - (first + count);
        let capped = plan(Granule::Size4K, (first, count), &[3], Policy::Capped { extra }, false);
        if over <= extra {
            prop_assert_eq!(capped, single);
        } else {
            prop_assert_eq!(capped, plan(Granule::Size4K, (first, count), &[3], Policy::Exact, false));
        }
    }
}
