//! The range plan against an emulated TLB: whatever an unmap removed must be gone when the planned commands have done
//! what the architecture obliges them to do (IHI 0070 4.4.1), and nothing more than that may be counted on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use io_pgtable_lpae::Invalidation;
use proptest::prelude::*;
use smmu_cmds::Command;
use smmu_cmds::command::TlbiOperand;
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::registers::Idr5;
use smmu_regs::vmsa::{Granule, IovaRange, Level, LevelSet};
use smmu_regs::{Asid, Caps, Vmid};
use smmu_tlbi::range::{Policy, RangePlan, RangeSupport, Rules};

/// A TLB entry: what a leaf or a table descriptor of this level and granule translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    granule: Granule,
    level: i32,
    table: bool,
    first: u64,
    last: u64,
}

impl Entry {
    /// The entry of `log2` bytes that holds `address`.
    fn of(granule: Granule, level: i32, table: bool, log2: u32, address: u64) -> Self {
        let low = if log2 >= 64 { u64::MAX } else { (1 << log2) - 1 };
        Self { granule, level, table, first: address & !low, last: address | low }
    }
}

/// log2 of what a descriptor of this level covers; a level-(-1) table of 64K pages would cover more than there is.
fn shift(granule: Granule, level: i32) -> u32 {
    granule.shift() + (granule.shift() - 3) * u32::try_from(3 - level).unwrap()
}

/// log2 of the entries in a contiguous group (DDI 0487 D8.7.1).
fn group(granule: Granule, level: i32) -> Option<u32> {
    match (granule, level) {
        (Granule::Size4K, 0..=3) => Some(4),
        (Granule::Size16K, 3) => Some(7),
        (Granule::Size16K, 1 | 2) => Some(5),
        (Granule::Size64K, 1..=3) => Some(5),
        _ => None,
    }
}

/// One command as the SMMU decodes it.
#[derive(Debug, Clone, Copy)]
struct Decoded {
    /// `TG`, if it is not 0.
    granule: Option<Granule>,
    /// The level of `TTL`, 0 for none.
    ttl: i32,
    leaf: bool,
    first: u64,
    last: u64,
}

/// The rules of 4.4.1.1; a command that breaks one is an error.
fn decode(operand: TlbiOperand, ds: bool) -> Result<Decoded, String> {
    let (address, leaf) = (operand.address(), operand.leaf());
    if address & 0xfff != 0 {
        return Err("address bits 11:0 are no part of a command".to_owned());
    }
    let Some(range) = operand.as_range() else {
        return Ok(Decoded { granule: None, ttl: 0, leaf, first: address, last: address });
    };
    let granule = range.granule();
    let (num, scale) = (u32::from(range.num()), u32::from(range.scale()));
    if num > 31 || scale > if ds { 39 } else { 31 } {
        return Err(format!("NUM {num}, SCALE {scale}"));
    }
    let ttl = range.hint().map_or(0, Level::number);
    if range.hint().is_some() && !(1..=3).contains(&ttl) {
        return Err(format!("TTL of level {ttl}"));
    }
    if ttl == 1 && granule == Granule::Size16K && !ds {
        return Err("TTL 1 with 16K pages is reserved without DS".to_owned());
    }
    if num == 0 && scale == 0 && ttl == 0 {
        return Err("NUM, SCALE and TTL are 0: CERROR_ILL".to_owned());
    }
    // Typed from the list of 4.4.1.1.
    let zero_below = match (granule, ttl) {
        (Granule::Size4K, 0 | 3) => 12,
        (Granule::Size4K, 1) => 30,
        (Granule::Size4K, _) => 21,
        (Granule::Size16K, 0 | 3) => 14,
        (Granule::Size16K, 1) => 36,
        (Granule::Size16K, _) => 25,
        (Granule::Size64K, 0 | 3) => 16,
        (Granule::Size64K, 1) => 42,
        (Granule::Size64K, _) => 29,
    };
    if address & ((1 << zero_below) - 1) != 0 {
        return Err(format!("address {address:#x} has bits below {zero_below}: UNPREDICTABLE"));
    }
    let bytes = u128::from(num + 1) << (scale + granule.shift());
    // "The Address is not considered to 'wrap'."
    let last = u64::try_from(u128::from(address) + bytes - 1).unwrap_or(u64::MAX);
    Ok(Decoded { granule: Some(granule), ttl, leaf, first: address, last })
}

impl Decoded {
    /// Whether entries of this kind are in the command's scope at all.
    fn concerns(&self, granule: Granule, level: i32, table: bool) -> bool {
        let level = match (table, self.ttl) {
            (_, 0) => true,
            (false, ttl) => level == ttl,
            (true, ttl) => level < ttl,
        };
        self.granule.is_none_or(|tg| tg == granule) && level && !(table && self.leaf)
    }

    /// Whether the SMMU must drop this entry.
    fn removes(&self, entry: &Entry) -> bool {
        self.concerns(entry.granule, entry.level, entry.table)
            && self.first <= entry.last
            && entry.first <= self.last
    }
}

fn levels(set: &[i32]) -> LevelSet {
    set.iter().fold(LevelSet::EMPTY, |set, level| set.with(Level::new(*level).unwrap()))
}

fn what(granule: Granule, first: u64, last: u64, leaves: &[i32], tables: &[i32]) -> Invalidation {
    Invalidation {
        granule,
        range: IovaRange::new(first, last).unwrap(),
        leaf_levels: levels(leaves),
        table_levels: levels(tables),
    }
}

/// Levels that have leaves, and that have tables, of a granule: with `ds`, also those of 52-bit addresses.
fn possible(granule: Granule, ds: bool) -> (Vec<i32>, Vec<i32>) {
    match (granule, ds) {
        (Granule::Size4K, false) => (vec![1, 2, 3], vec![0, 1, 2]),
        (Granule::Size4K, true) => (vec![0, 1, 2, 3], vec![-1, 0, 1, 2]),
        (Granule::Size16K, false) => (vec![2, 3], vec![0, 1, 2]),
        (Granule::Size16K, true) => (vec![1, 2, 3], vec![0, 1, 2]),
        (Granule::Size64K, _) => (vec![1, 2, 3], vec![1, 2]),
    }
}

/// All pairs of level sets that an unmap could gather.
fn level_sets(granule: Granule, ds: bool) -> Vec<(Vec<i32>, Vec<i32>)> {
    let (leaves, tables) = possible(granule, ds);
    let subset = |of: &[i32], mask: usize| -> Vec<i32> {
        of.iter().enumerate().filter(|(index, _)| mask >> index & 1 != 0).map(|(_, level)| *level).collect()
    };
    (1..1_usize << (leaves.len() + tables.len()))
        .map(|mask| (subset(&leaves, mask), subset(&tables, mask >> leaves.len())))
        .collect()
}

/// TTL values that name every removed entry: all leaves are of that level, all tables above it.
fn right_hints(granule: Granule, leaves: &[i32], tables: &[i32], ds: bool) -> Vec<i32> {
    let first = if granule == Granule::Size16K && !ds { 2 } else { 1 };
    (first..=3)
        .filter(|hint| leaves.iter().all(|level| level == hint) && tables.iter().all(|level| level < hint))
        .collect()
}

/// The entries of one kind that hold one of `addresses`: single ones, and contiguous groups.
fn entries_at(granule: Granule, level: i32, table: bool, addresses: &[u64]) -> Vec<Entry> {
    let single = shift(granule, level);
    let grouped = if table { None } else { group(granule, level) };
    let sizes = [Some(single), grouped.map(|log2| single + log2)];
    let mut all: Vec<Entry> = sizes
        .into_iter()
        .flatten()
        .flat_map(|log2| {
            addresses.iter().map(move |address| Entry::of(granule, level, table, log2, *address))
        })
        .collect();
    all.dedup();
    all
}

const fn support(ds: bool) -> RangeSupport {
    RangeSupport { ranges: true, ds }
}

const fn rules(policy: Policy, ds: bool) -> Rules {
    Rules { support: support(ds), policy, max_commands: 64, whole_groups: false }
}

/// Everything that can be said of a plan with range commands. `samples` are addresses in the range at which TLB entries
/// are tried; the scope of the commands is checked without gaps in any case.
fn check(
    what: &Invalidation,
    leaves: &[i32],
    tables: &[i32],
    policy: Policy,
    ds: bool,
    samples: &[u64],
) -> Result<(), String> {
    let plan = RangePlan::new(what, &rules(policy, ds));
    let granule = what.granule;
    let (first, last) = (what.range.start() >> granule.shift(), what.range.last() >> granule.shift());
    let granules = last - first + 1;
    // 32 units of the largest SCALE.
    let reach = 32_u128 << if ds { 39 } else { 31 };
    let whole = matches!(plan, RangePlan::WholeTag);
    if whole != (u128::from(granules) > reach) {
        return Err(format!("{plan} for {granules} granules"));
    }
    if whole {
        return Ok(());
    }
    let commands: Vec<TlbiOperand> = plan.operands().collect();
    let exact_alone = (0..64).any(|scale| granules >> scale << scale == granules && granules >> scale <= 32);
    let most = if policy == Policy::Exact && !exact_alone { 2 } else { 1 };
    if commands.len() != most || plan.commands() as usize != most {
        return Err(format!("{} commands for {granules} granules: {plan}", commands.len()));
    }
    let right = right_hints(granule, leaves, tables, ds);
    let mut decoded = Vec::new();
    for operand in &commands {
        let command = decode(*operand, ds).map_err(|error| format!("{error}: {operand}"))?;
        if command.leaf != tables.is_empty() {
            return Err(format!("Leaf is {}: {operand}", command.leaf));
        }
        // The first is that of the leaves, or of the level below the tables; others are right for tables alone, but no
        // better.
        let nearest = tables.iter().max().map_or(3, |deepest| deepest + 1);
        let best = right.first().filter(|hint| !leaves.is_empty() || **hint == nearest);
        let fits = best.is_some_and(|hint| command.first & ((1_u64 << shift(granule, *hint)) - 1) == 0);
        if command.ttl != if fits { right[0] } else { 0 } {
            return Err(format!("TTL {} where {best:?} is right: {operand}", command.ttl));
        }
        decoded.push(command);
    }
    // In granules, the page form being one.
    let end = |command: &Decoded| command.last >> granule.shift();
    let covered_last = decoded.iter().map(end).max().unwrap();
    let covered_first = decoded.iter().map(|command| command.first >> granule.shift()).min().unwrap();
    if covered_first != first || covered_last < last {
        return Err(format!("covers granules {covered_first:#x} to {covered_last:#x}: {plan}"));
    }
    let top = u64::MAX >> granule.shift();
    let over = covered_last - last;
    match policy {
        Policy::Exact if over != 0 => return Err(format!("{over} granules too many: {plan}")),
        Policy::Single if over * 16 >= granules && over != 0 => {
            return Err(format!("{over} granules too many for {granules}: {plan}"));
        }
        _ if covered_last > top => return Err("past the top".to_owned()),
        _ => {}
    }
    // No gap, for any kind of entry that was removed.
    let kinds = leaves.iter().map(|level| (*level, false)).chain(tables.iter().map(|level| (*level, true)));
    for (level, table) in kinds {
        let mut reached = None;
        for command in decoded.iter().filter(|command| command.concerns(granule, level, table)) {
            let begins = command.first >> granule.shift();
            let gap = reached.map_or(begins > first, |reached: u64| begins > reached.saturating_add(1));
            if gap {
                return Err(format!("a gap before granule {begins:#x} at level {level}: {plan}"));
            }
            reached = reached.max(Some(end(command)));
        }
        if reached.is_none_or(|reached| reached < last) {
            return Err(format!("level {level}, table {table} reached only to {reached:x?}: {plan}"));
        }
        for entry in entries_at(granule, level, table, samples) {
            if !decoded.iter().any(|command| command.removes(&entry)) {
                return Err(format!("{entry:x?} survives {plan}"));
            }
        }
    }
    Ok(())
}

/// Starts, in granules, that differ in what they are aligned to; and such that end near the top and cross the middle.
fn phases(granule: Granule, granules: u64) -> Vec<u64> {
    let block = 1_u64 << (granule.shift() - 3);
    let all = 1_u64 << (64 - granule.shift());
    let mut starts =
        vec![0, 1, 15, 16, 31, 32, 33, block - 1, block, block + 1, 3 * block - 32, block * block];
    starts.extend([all - granules, (all - granules) & !(block - 1), all / 2 - granules / 2, all / 2]);
    starts.retain(|start| *start <= all - granules);
    starts
}

/// Numbers of granules around everything that a plan turns on.
fn interesting_numbers() -> Vec<u64> {
    let mut numbers: Vec<u64> = (1..=70).collect();
    for log2 in 6..=12 {
        for base in [1_u64 << log2, 3 << (log2 - 1), 31 << (log2 - 5), 33 << (log2 - 5)] {
            numbers.extend([base - 1, base, base + 1]);
        }
    }
    numbers.retain(|number| *number <= 4096);
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[test]
fn every_number_of_granules_up_to_4096() {
    for granule in Granule::ALL {
        for ds in [false, true] {
            for policy in [Policy::Single, Policy::Exact] {
                for granules in 1..=4096 {
                    // Pages alone; pages and their tables; tables alone.
                    let sets: [(&[i32], &[i32]); 3] = [(&[3], &[]), (&[3], &[2]), (&[], &[2])];
                    let starts = phases(granule, granules);
                    // Every start, in turn; all starts with each number in the other test.
                    for turn in 0..2 {
                        let start = starts[(granules as usize * 7 + turn * 5) % starts.len()];
                        let (leaves, tables) = sets[(granules as usize + turn) % 3];
                        let first = start << granule.shift();
                        let last = first + ((granules << granule.shift()) - 1);
                        let what = what(granule, first, last, leaves, tables);
                        check(&what, leaves, tables, policy, ds, &[first, last]).unwrap_or_else(|error| {
                            panic!("{granule} {granules} from {start:#x}, {policy:?}, DS {ds}: {error}")
                        });
                    }
                }
            }
        }
    }
}

#[test]
fn every_start_and_level_set() {
    for granule in Granule::ALL {
        for ds in [false, true] {
            let sets = level_sets(granule, ds);
            let mut turn = 0;
            for granules in interesting_numbers() {
                for start in phases(granule, granules) {
                    for policy in [Policy::Single, Policy::Exact] {
                        // A third of the sets each time, all of them in turn.
                        turn += 1;
                        for (leaves, tables) in sets.iter().skip(turn % 11).step_by(11) {
                            let first = start << granule.shift();
                            let last = first + ((granules << granule.shift()) - 1);
                            let what = what(granule, first, last, leaves, tables);
                            let middle = first + (last - first) / 2;
                            check(&what, leaves, tables, policy, ds, &[first, middle, last]).unwrap_or_else(|error| {
                                panic!(
                                    "{granule} {granules} from {start:#x}, {policy:?}, DS {ds}, leaves {leaves:?}, \
                                     tables {tables:?}: {error}"
                                )
                            });
                        }
                    }
                }
            }
        }
    }
}

/// A whole TLB, entry by entry: nothing that was removed survives, and with [`Policy::Exact`] no leaf beside it goes.
#[test]
fn an_emulated_tlb_forgets_what_it_must() {
    for granule in Granule::ALL {
        let block = 1_u64 << (granule.shift() - 3);
        for ds in [false, true] {
            for policy in [Policy::Single, Policy::Exact] {
                for granules in [1, 2, 31, 33, 95, 100, 513, 1000, 2048 + 17] {
                    for start in [5 * block, 5 * block + 1, 6 * block - 3] {
                        for (leaves, tables) in [
                            (vec![3], vec![]),
                            (vec![2], vec![]),
                            (vec![2, 3], vec![]),
                            (vec![3], vec![2]),
                            (vec![2], vec![1]),
                            (vec![2, 3], vec![1, 2]),
                            (vec![], vec![1]),
                            (vec![], vec![1, 2]),
                        ] {
                            let first = start << granule.shift();
                            let last = first + ((granules << granule.shift()) - 1);
                            let what = what(granule, first, last, &leaves, &tables);
                            let plan = RangePlan::new(&what, &rules(policy, ds));
                            let commands: Vec<Decoded> =
                                plan.operands().map(|operand| decode(operand, ds).unwrap()).collect();
                            let gone = |entry: &Entry| commands.iter().any(|command| command.removes(entry));
                            let pages: Vec<u64> =
                                (start..start + granules).map(|page| page << granule.shift()).collect();
                            let kinds = leaves.iter().map(|level| (*level, false));
                            let kinds = kinds.chain(tables.iter().map(|level| (*level, true)));
                            for (level, table) in kinds {
                                let entries = entries_at(granule, level, table, &pages);
                                if let Some(entry) = entries.iter().find(|entry| !gone(entry)) {
                                    panic!("{entry:x?} survives {plan}");
                                }
                            }
                            let beside = [start - 1, start + granules].map(|page| page << granule.shift());
                            for entry in beside.map(|at| Entry::of(granule, 3, false, granule.shift(), at)) {
                                let spared = policy == Policy::Exact || entry.first < first || granules <= 32;
                                assert!(!spared || !gone(&entry), "{entry:x?} goes by {plan}");
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Both ends of a range, and addresses in it: `inner` are fractions of 2^64.
fn samples(first: u64, last: u64, inner: &[u64]) -> Vec<u64> {
    let inside = |at: &u64| first + ((u128::from(*at) * u128::from(last - first)) >> 64) as u64;
    [first, last].into_iter().chain(inner.iter().map(inside)).collect()
}

fn caps(ds: bool) -> Caps {
    let mut ids = IdRegisters::EXAMPLE;
    ids.idr5 = Idr5::from_bits(ids.idr5.into_bits() | u32::from(ds) << 7);
    Caps::probe_strict(&ids, &Hints::default()).unwrap()
}

prop_compose! {
    /// Any range, all sizes alike.
    fn any_range()(log2 in 0_u32..=64, size: u64, start: u64, end: u8) -> (u64, u64) {
        let size = if log2 == 0 { 0 } else { size >> (64 - log2) };
        match end % 4 {
            // At the top, at the bottom, anywhere.
            0 => (u64::MAX - size, u64::MAX),
            1 => (0, size),
            _ => {
                let start = start.min(u64::MAX - size);
                (start, start + size)
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    #[test]
    fn any_range_up_to_the_whole_address_space(
        (first, last) in any_range(),
        granule in 0_usize..3,
        ds: bool,
        exact: bool,
        set: usize,
        inner: [u64; 4],
        large: bool,
    ) {
        let granule = Granule::ALL[granule];
        let sets = level_sets(granule, ds);
        let (leaves, tables) = &sets[set % sets.len()];
        // Ranges of whole blocks, so that hints matter, or any.
        let deepest = leaves.iter().chain(tables).max().copied().unwrap();
        let low = if large { (1_u64 << shift(granule, deepest)) - 1 } else { 0 };
        let (first, last) = (first & !low, last | low);
        let policy = if exact { Policy::Exact } else { Policy::Single };
        let what = what(granule, first, last, leaves, tables);
        let samples = samples(first, last, &inner);
        let checked = check(&what, leaves, tables, policy, ds, &samples);
        prop_assert!(checked.is_ok(), "{:?}", checked);

        // The same from the words of the commands, by the positions of the facts.
        let plan = RangePlan::new(&what, &rules(policy, ds));
        prop_assert_eq!(RangeSupport::of(&caps(ds)), support(ds));
        for operand in plan.operands() {
            let (vmid, asid) = (Vmid::new(1), Asid::new(2));
            let [low, high] = Command::TlbiNhVa { vmid, asid, operand }.encode(&caps(ds)).unwrap().words();
            let range = operand.as_range();
            let tg = range.map_or(0, |range| [0, 1, 2, 3][(range.granule().shift() / 2 - 5) as usize]);
            let of = |field: fn(smmu_cmds::command::TlbiRange) -> u64| range.map_or(0, field);
            prop_assert_eq!(low >> 12 & 31, of(|range| u64::from(range.num())));
            prop_assert_eq!(low >> 20 & 63, of(|range| u64::from(range.scale())));
            prop_assert_eq!(high >> 8 & 3, of(|range| range.hint().map_or(0, |hint| hint.number() as u64)));
            prop_assert_eq!(high >> 10 & 3, tg);
            prop_assert_eq!((high & 1 == 1, high & !0xfff), (operand.leaf(), operand.address()));
        }
    }

    #[test]
    fn without_range_commands_every_entry_is_named(
        (first, last) in any_range(),
        granule in 0_usize..3,
        ds: bool,
        set: usize,
        max_commands in prop_oneof![Just(0_u32), 1_u32..200, Just(u32::MAX)],
        inner: [u64; 8],
    ) {
        let granule = Granule::ALL[granule];
        let sets = level_sets(granule, ds);
        let (leaves, tables) = &sets[set % sets.len()];
        let support = RangeSupport { ranges: false, ds };
        let what = what(granule, first, last, leaves, tables);
        let plan = RangePlan::new(&what, &Rules { support, policy: Policy::Single, max_commands, whole_groups: false });
        // As many as there are entries of the smallest kind.
        let smallest = leaves.iter().chain(tables).map(|level| shift(granule, *level)).min().unwrap();
        let count = (last >> smallest) - (first >> smallest) + 1;
        match plan {
            RangePlan::WholeTag => prop_assert!(count > u64::from(max_commands)),
            RangePlan::Steps(_) => {
                prop_assert!(count <= u64::from(max_commands));
                prop_assert_eq!(u64::from(plan.commands()), count);
                if count > 5_000 {
                    return Ok(());
                }
                let mut commands = Vec::new();
                for operand in plan.operands() {
                    prop_assert!(operand.as_range().is_none());
                    prop_assert_eq!(operand.leaf(), tables.is_empty());
                    commands.push(decode(operand, ds).unwrap());
                }
                prop_assert_eq!(commands.len() as u64, count);
                let samples = samples(first, last, &inner);
                for (level, table) in leaves.iter().map(|l| (*l, false)).chain(tables.iter().map(|l| (*l, true))) {
                    for entry in entries_at(granule, level, table, &samples) {
                        let gone = commands.iter().any(|command| command.removes(&entry));
                        prop_assert!(gone, "{:x?} survives {}", entry, plan);
                    }
                }
            }
            RangePlan::Operands(_) => prop_assert!(false, "range commands without range support"),
        }
    }
}

#[test]
fn known_plans() {
    let plan = |granule, first, last, leaves: &[i32], tables: &[i32], policy| {
        RangePlan::new(&what(granule, first, last, leaves, tables), &rules(policy, false))
    };
    // Address, and SCALE, NUM and TTL of the form with a range.
    type Fields = (u64, Option<(u8, u8, Option<i32>)>);
    let fields = |plan: RangePlan| -> Vec<Fields> {
        plan.operands()
            .map(|operand| {
                let range = operand.as_range();
                let range = range.map(|range| (range.scale(), range.num(), range.hint().map(Level::number)));
                (operand.address(), range)
            })
            .collect()
    };
    let k4 = Granule::Size4K;
    // One page: TTL 3 makes the range form of one granule legal.
    assert_eq!(
        fields(plan(k4, 0x7000, 0x7fff, &[3], &[], Policy::Single)),
        [(0x7000, Some((0, 0, Some(3))))]
    );
    // One page and who knows what above it: no hint, so no range.
    assert_eq!(fields(plan(k4, 0x7000, 0x7fff, &[2, 3], &[], Policy::Single)), [(0x7000, None)]);
    // 2 MiB by one block: 16 units of 2^5 granules.
    let two = fields(plan(k4, 0x20_0000, 0x3f_ffff, &[2], &[], Policy::Single));
    assert_eq!(two, [(0x20_0000, Some((4, 31, Some(2))))]);
    // 2 MiB by its pages, whose table went too.
    let two = fields(plan(k4, 0x20_0000, 0x3f_ffff, &[3], &[2], Policy::Single));
    assert_eq!(two, [(0x20_0000, Some((4, 31, Some(3))))]);
    // A table alone: entries above level 3.
    let table = fields(plan(k4, 0x20_0000, 0x3f_ffff, &[], &[2], Policy::Single));
    assert_eq!(table, [(0x20_0000, Some((4, 31, Some(3))))]);
    // A block of level 2 and a table of level 2: no hint is right for both.
    let mixed = fields(plan(k4, 0, 0x3f_ffff, &[2], &[2], Policy::Single));
    assert_eq!(mixed, [(0, Some((5, 31, None)))]);
    // 33 pages: one command too many by one page, or two exact ones.
    assert_eq!(fields(plan(k4, 0, 0x2_0fff, &[3], &[], Policy::Single)), [(0, Some((1, 16, Some(3))))]);
    assert_eq!(
        fields(plan(k4, 0, 0x2_0fff, &[3], &[], Policy::Exact)),
        [(0, Some((1, 15, Some(3)))), (0x2_0000, Some((0, 0, Some(3))))]
    );
    // A last page without a hint takes the form without a range.
    assert_eq!(
        fields(plan(k4, 0, 0x2_0fff, &[2, 3], &[], Policy::Exact)),
        [(0, Some((1, 15, None))), (0x2_0000, None)]
    );
    // A range that is not aligned to pages is widened to them.
    assert_eq!(
        fields(plan(k4, 0x7fff, 0x8000, &[3], &[], Policy::Single)),
        [(0x7000, Some((0, 1, Some(3))))]
    );
    // The last pages of the address space.
    let top = fields(plan(k4, u64::MAX - 0x1fff, u64::MAX, &[3], &[], Policy::Exact));
    assert_eq!(top, [(u64::MAX - 0x1fff, Some((0, 1, Some(3))))]);
    // 16K level 1 has no code without DS.
    let wide = what(Granule::Size16K, 0, (1 << 36) - 1, &[1], &[]);
    let hint = |ds| fields(RangePlan::new(&wide, &rules(Policy::Single, ds)))[0].1.unwrap().2;
    assert_eq!((hint(false), hint(true)), (None, Some(1)));
    // 2^48 bytes are 2^36 granules: SCALE 31 is just enough. One more granule needs SCALE 32, and so DS.
    let large = |last, ds| fields(RangePlan::new(&what(k4, 0, last, &[3], &[]), &rules(Policy::Single, ds)));
    assert_eq!(large((1 << 48) - 1, false), [(0, Some((31, 31, Some(3))))]);
    assert_eq!(large(1 << 48, false), []);
    assert_eq!(large(1 << 48, true), [(0, Some((32, 16, Some(3))))]);
    // Everything: not even with DS and 64K pages, whose 2^48 granules need SCALE 43.
    for granule in Granule::ALL {
        let all = RangePlan::new(&what(granule, 0, u64::MAX, &[3], &[]), &rules(Policy::Single, true));
        assert_eq!((all, all.commands()), (RangePlan::WholeTag, 1));
        assert_eq!(all.operands().count(), 0);
    }
}

/// `level.shift(granule)` is 68 for level -1 of 64K pages.
/// No table has that level; but an [`Invalidation`] is open to everybody, and library code does not panic.
#[test]
fn any_level_sets_are_survived() {
    let all: Vec<LevelSet> = (0_u8..32)
        .map(|mask| levels(&(-1..=3).filter(|level| mask >> (level + 1) & 1 != 0).collect::<Vec<_>>()))
        .collect();
    let mut panics = Vec::new();
    for granule in Granule::ALL {
        for (leaf_levels, table_levels) in
            all.iter().flat_map(|leaves| all.iter().map(|tables| (*leaves, *tables)))
        {
            for ranges in [false, true] {
                let range = IovaRange::new(0x1234_5000, 0x2345_6fff).unwrap();
                let what = Invalidation { granule, range, leaf_levels, table_levels };
                let rules = Rules::new(RangeSupport { ranges, ds: true });
                let plan = std::panic::catch_unwind(|| RangePlan::new(&what, &rules).operands().count());
                if plan.is_err() {
                    panics.push((granule, leaf_levels, table_levels, ranges));
                }
            }
        }
    }
    assert_eq!(panics, []);
}
