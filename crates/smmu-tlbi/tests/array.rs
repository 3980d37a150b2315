//! Invalidation arrays: what attach and detach make of one, against a map that counts; which commands come of it, in which
//! order.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use io_pgtable_lpae::Invalidation;
use proptest::prelude::*;
use smmu_cmds::Command;
use smmu_cmds::command::AtcSpan;
use smmu_regs::receipt::MAX_INSTANCES;
use smmu_regs::vmsa::{Granule, IovaRange, Level, LevelSet};
use smmu_regs::{Asid, InstanceId, StreamId, SubstreamId, Vmid};
use smmu_tlbi::array::{ArrayError, Entry, InvalidationArray, Key, Phase, Target, slice};
use smmu_tlbi::range::Rules;
use smmu_tlbi::{RangePlan, RangeSupport, Tag, atc};
use std::collections::{BTreeMap, BTreeSet};

const RANGES: RangeSupport = RangeSupport { ranges: true, ds: false };
const NO_RANGES: RangeSupport = RangeSupport { ranges: false, ds: false };

fn key(instance: u16, target: Target) -> Key {
    Key { instance: InstanceId::new(instance), target }
}

/// Targets of all sorts, few enough to meet again.
fn target() -> impl Strategy<Value = Target> {
    let substream = prop_oneof![Just(None), (0_u32..3).prop_map(|id| Some(SubstreamId::new(id).unwrap()))];
    (0_u8..9, 0_u16..4, 0_u16..3, substream).prop_map(|(sort, id, vmid, substream)| {
        let (asid, stream) = (Asid::new(id), StreamId::new(id.into()));
        match sort {
            0 => Target::Stage1 { vmid: Vmid::new(vmid), asid },
            1 => Target::Stage1Foreign { vmid: Vmid::new(vmid), asid },
            2 => Target::El2,
            3 => Target::El2E2h { asid },
            4 => Target::El2E2hForeign { asid },
            5 => Target::Stage2 { vmid: Vmid::new(id) },
            6 => Target::Stage1Clear { vmid: Vmid::new(id) },
            7 => Target::Atc { stream, substream },
            _ => Target::AtcWhole { stream, substream },
        }
    })
}

fn keys(instances: u16) -> impl Strategy<Value = Vec<Key>> {
    let one = (0..instances, target()).prop_map(|(instance, target)| key(instance, target));
    proptest::collection::btree_set(one, 0..8).prop_map(|set| set.into_iter().collect())
}

#[derive(Debug, Clone)]
enum Op {
    Merge(Vec<Key>),
    /// As drawn; most have unknown keys.
    Unref(Vec<Key>),
    /// Those entries whose number is drawn and that are in use.
    UnrefKnown(BTreeSet<usize>),
    Purge,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => keys(11).prop_map(Op::Merge),
        1 => keys(11).prop_map(Op::Unref),
        3 => proptest::collection::btree_set(0_usize..24, 0..12).prop_map(Op::UnrefKnown),
        1 => Just(Op::Purge),
    ]
}

/// A map from keys to users, which has no cleverness at all.
#[derive(Debug, Default, Clone, PartialEq)]
struct Oracle(BTreeMap<Key, u32>);

impl Oracle {
    fn merge(&mut self, add: &[Key], capacity: usize) -> bool {
        let mut after = self.0.clone();
        for key in add {
            if after.get(key) == Some(&0) {
                return false;
            }
            *after.entry(*key).or_default() += 1;
        }
        let instances: BTreeSet<_> = after.keys().map(|key| key.instance).collect();
        let fits = after.len() <= capacity && instances.len() <= MAX_INSTANCES;
        if fits {
            self.0 = after;
        }
        fits
    }

    /// The keys without users now; `None` if one was unknown.
    fn unref(&mut self, leave: &[Key]) -> Option<Vec<Key>> {
        let mut after = self.0.clone();
        let mut last = Vec::new();
        for key in leave {
            let users = after.get_mut(key).filter(|users| **users > 0)?;
            *users -= 1;
            if *users == 0 {
                last.push(*key);
            }
        }
        self.0 = after;
        Some(last)
    }

    fn purge(&mut self) -> Vec<Key> {
        let freed = self.0.iter().filter(|(_, users)| **users == 0).map(|(key, _)| *key).collect();
        self.0.retain(|_, users| *users != 0);
        freed
    }

    fn entries(&self) -> Vec<Entry> {
        self.0.iter().map(|(key, users)| Entry { key: *key, users: *users }).collect()
    }
}

const CAPACITY: usize = 24;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn an_array_is_a_map_that_counts(ops in proptest::collection::vec(op(), 0..40)) {
        let mut array = InvalidationArray::<CAPACITY>::new();
        let mut oracle = Oracle::default();
        for op in ops {
            match op {
                Op::Merge(add) => {
                    let merged = array.merge(&add);
                    prop_assert_eq!(merged.is_ok(), oracle.merge(&add, CAPACITY), "{:?}", merged);
                }
                Op::Unref(leave) => {
                    let mut last = Vec::new();
                    let result = array.unref(&leave, |key| last.push(key));
                    let expected = oracle.unref(&leave);
                    prop_assert_eq!(result.is_ok(), expected.is_some());
                    prop_assert_eq!(last, expected.unwrap_or_default());
                }
                Op::UnrefKnown(numbers) => {
                    let entries = oracle.entries();
                    let chosen = numbers.iter().filter_map(|number| entries.get(*number));
                    let leave: Vec<Key> = chosen.filter(|entry| entry.users > 0).map(|entry| entry.key).collect();
                    let mut last = Vec::new();
                    prop_assert_eq!(array.unref(&leave, |key| last.push(key)), Ok(()));
                    prop_assert_eq!(Some(last), oracle.unref(&leave));
                }
                Op::Purge => {
                    let mut freed = Vec::new();
                    array.purge(|key| freed.push(key));
                    prop_assert_eq!(freed, oracle.purge());
                }
            }
            prop_assert_eq!(array.entries(), oracle.entries());
            let in_use = oracle.entries().into_iter().filter(|entry| entry.users != 0);
            prop_assert!(array.in_use().copied().eq(in_use));
            // SMMU by SMMU, each once, nothing left out.
            let groups: Vec<_> = array.instances().collect();
            prop_assert!(groups.windows(2).all(|pair| pair[0].instance() < pair[1].instance()));
            let all: Vec<Entry> = groups.iter().flat_map(|group| group.entries()).copied().collect();
            prop_assert_eq!(all, oracle.entries());
        }
    }

    /// Every entry in use is told, by its own command; nobody else is; each phase has its own sort of command.
    #[test]
    fn a_plan_tells_those_in_use_and_nobody_else(
        add in keys(1), drop in proptest::collection::btree_set(0_usize..8, 0..4),
        pages in 1_u64..100, ranges: bool, tables: bool,
    ) {
        let mut array = InvalidationArray::<16>::new();
        array.merge(&add).unwrap();
        let leave: Vec<Key> = drop.iter().filter_map(|at| add.get(*at)).copied().collect();
        array.unref(&leave, |_| {}).unwrap();
        let what = what(0x40_0000, pages, tables);
        let rules = Rules::new(if ranges { RANGES } else { NO_RANGES });
        let range = RangePlan::new(&what, &rules);
        let whole = matches!(range, RangePlan::WholeTag);
        let live: Vec<Target> = array.in_use().map(|entry| entry.key.target).collect();

        let mut expected: [Vec<Command>; 3] = Default::default();
        for target in &live {
            match *target {
                Target::Stage1Clear { vmid } => {
                    if !(whole && live.contains(&Target::Stage2 { vmid })) {
                        expected[1].push(Command::TlbiNhAll { vmid });
                    }
                }
                Target::Atc { stream, substream } => {
                    let span = atc::span(what.range);
                    expected[2].push(Command::AtcInv { stream, substream, global: false, span });
                }
                Target::AtcWhole { stream, .. } => {
                    let all = Command::AtcInv { stream, substream: None, global: false, span: AtcSpan::ALL };
                    if !expected[2].contains(&all) {
                        expected[2].push(all);
                    }
                }
                other => {
                    let tag = other.tag().unwrap();
                    if whole {
                        expected[0].push(tag.whole());
                    }
                    expected[0].extend(range.operands().map(|operand| tag.by_address(operand)));
                }
            }
        }
        let Some(group) = array.instances().next() else { return Ok(()) };
        let plan = group.plan(&what, &rules);
        let found = Phase::ALL.map(|phase| plan.phase(phase).collect::<Vec<_>>());
        prop_assert_eq!(found, expected);
        prop_assert_eq!(group.in_use(), !live.is_empty());

        // The flush: the rest, whole.
        let dead = |target| leave.iter().any(|key| key.target == target);
        let flush: Vec<Command> = leave.iter().filter_map(|key| match key.target {
            Target::Stage1Clear { vmid } if dead(Target::Stage2 { vmid }) => None,
            Target::Stage1Clear { vmid } => Some(Command::TlbiNhAll { vmid }),
            target => target.tag().map(Tag::whole),
        }).collect();
        prop_assert_eq!(group.flush().collect::<Vec<_>>(), flush);
    }
}

fn what(start: u64, pages: u64, tables: bool) -> Invalidation {
    Invalidation {
        granule: Granule::Size4K,
        range: IovaRange::from_size(start, pages << 12).unwrap(),
        leaf_levels: LevelSet::only(Level::THREE),
        table_levels: if tables { LevelSet::only(Level::TWO) } else { LevelSet::EMPTY },
    }
}

#[test]
fn entries_are_in_the_order_of_issue() {
    let (vmid, asid, stream) = (Vmid::new(9), Asid::new(9), StreamId::new(0));
    let order = [
        Target::Stage1 { vmid, asid },
        Target::Stage1Foreign { vmid, asid },
        Target::El2,
        Target::El2E2h { asid },
        Target::El2E2hForeign { asid },
        Target::Stage2 { vmid },
        Target::Stage1Clear { vmid: Vmid::new(0) },
        Target::Atc { stream, substream: None },
        Target::Atc { stream, substream: Some(SubstreamId::ZERO) },
        Target::AtcWhole { stream, substream: None },
    ];
    assert!(order.windows(2).all(|pair| pair[0] < pair[1] && pair[0].phase() <= pair[1].phase()));
    assert!(key(0, order[9]) < key(1, order[0]), "the SMMU comes first");
    assert!(Phase::ALL.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_nest_parent_on_two_smmus() {
    let tag = |vmid| Tag::NestingParent { vmid: Vmid::new(vmid) };
    let mut array = InvalidationArray::<16>::new();
    let streams = [StreamId::new(8), StreamId::new(9)];
    // A VMID for each virtual SMMU.
    let smmu = InstanceId::new;
    array.merge(&Key::of_device(smmu(0), tag(5), &streams, None).collect::<Vec<_>>()).unwrap();
    array.merge(&Key::of_device(smmu(1), tag(6), &[], None).collect::<Vec<_>>()).unwrap();
    let found = |rules: RangeSupport, pages| {
        let mut steps = Vec::new();
        for group in array.instances() {
            let plan = group.plan(&what(0x1000, pages, false), &Rules::new(rules));
            for phase in Phase::ALL {
                let commands = plan.phase(phase).map(|command| command.opcode().name());
                steps.push((group.instance().get(), commands.collect::<Vec<_>>()));
            }
        }
        steps
    };
    let (ipa, all, atc) = ("CMD_TLBI_S2_IPA", "CMD_TLBI_NH_ALL", "CMD_ATC_INV");
    let by_range =
        vec![(0, vec![ipa]), (0, vec![all]), (0, vec![atc; 2]), (1, vec![ipa]), (1, vec![all]), (1, vec![])];
    assert_eq!(found(RANGES, 100), by_range);
    let by_page = found(NO_RANGES, 3);
    assert_eq!((&by_page[0].1, &by_page[1].1), (&vec![ipa; 3], &vec![all]));
    let whole = found(NO_RANGES, 100);
    assert_eq!(
        (&whole[0].1, &whole[1].1, &whole[2].1),
        (&vec!["CMD_TLBI_S12_VMALL"], &vec![], &vec![atc; 2])
    );
}

#[test]
fn what_is_refused_changes_nothing() {
    let stage1 = |asid| key(0, Target::Stage1 { vmid: Vmid::new(0), asid: Asid::new(asid) });
    let mut array = InvalidationArray::<2>::new();
    array.merge(&[stage1(1), stage1(2)]).unwrap();
    let before = array.entries().to_vec();
    assert_eq!(array.merge(&[stage1(1), stage1(3)]), Err(ArrayError::Full { needed: 3, capacity: 2 }));
    assert_eq!(array.merge(&[stage1(2), stage1(1)]), Err(ArrayError::Unsorted { key: stage1(1) }));
    assert_eq!(array.unref(&[stage1(1), stage1(1)], |_| {}), Err(ArrayError::Unsorted { key: stage1(1) }));
    let unknown = array.unref(&[stage1(1), stage1(3)], |_| panic!("nothing lost its last user"));
    assert_eq!(unknown, Err(ArrayError::Unknown { key: stage1(3) }));
    assert_eq!(array.entries(), before);

    // Without users it stays, and TLBs may hold stale translations of it: nobody gets it before it is flushed and purged.
    let mut last = Vec::new();
    array.unref(&[stage1(1)], |key| last.push(key)).unwrap();
    assert_eq!(last, [stage1(1)]);
    assert_eq!(array.merge(&[stage1(1)]), Err(ArrayError::Unflushed { key: stage1(1) }));
    assert_eq!(array.unref(&[stage1(1)], |_| {}), Err(ArrayError::Unknown { key: stage1(1) }));
    let group = array.instances().next().unwrap();
    assert!(group.flush().eq([Command::TlbiNhAsid { vmid: Vmid::new(0), asid: Asid::new(1) }]));
    array.purge(|key| assert_eq!(key, stage1(1)));
    array.merge(&[stage1(1)]).unwrap();

    let mut full = [Entry { key: stage1(1), users: u32::MAX }];
    assert_eq!(slice::merge(&mut full, 1, &[stage1(1)]), Err(ArrayError::Users { key: stage1(1) }));

    let many: Vec<Key> = (0..=MAX_INSTANCES as u16).map(|instance| key(instance, Target::El2)).collect();
    let mut array = InvalidationArray::<16>::new();
    let capacity = MAX_INSTANCES;
    assert_eq!(array.merge(&many), Err(ArrayError::Instances { needed: capacity + 1, capacity }));
    assert!(array.is_empty());
}
