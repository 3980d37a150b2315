//! Any invalidation by any rules: everything is covered, little else is, hints are right, no form is reserved, and there are
//! no more commands than promised.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use io_pgtable_lpae::Invalidation;
use libfuzzer_sys::fuzz_target;
use smmu_cmds::Command;
use smmu_cmds::command::{TlbiOperand, TlbiRange};
use smmu_fuzz::caps::everything;
use smmu_fuzz::vmsa;
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::vmsa::{Granule, Level};
use smmu_regs::{Asid, Caps, Vmid};
use smmu_tlbi::range::Rules;
use smmu_tlbi::{Policy, RangePlan, RangeSupport};

#[derive(Debug)]
struct Input {
    what: Invalidation,
    rules: Rules,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (granule, range) = (vmsa::granule(u)?, vmsa::range(u)?);
        let what =
            Invalidation { granule, range, leaf_levels: vmsa::levels(u)?, table_levels: vmsa::levels(u)? };
        let support = RangeSupport { ranges: u.arbitrary()?, ds: u.arbitrary()? };
        let policy = if u.arbitrary()? { Policy::Exact } else { Policy::Single };
        let max_commands = u.int_in_range(0..=1024)?;
        Ok(Self { what, rules: Rules { max_commands, policy, ..Rules::new(support) } })
    }
}

/// Addresses `first..end`. The end may lie beyond 2^64.
type Span = (u128, u128);

fn span(operand: &TlbiOperand, granule: Granule) -> Span {
    let first = u128::from(operand.address());
    (first, first + operand.as_range().map_or(u128::from(granule.bytes()), TlbiRange::bytes))
}

/// A hint at a level removes leaves of that level, and tables whose descriptors are above it (IHI 0070 4.4.1.1).
fn hint_is_right(hint: Level, what: &Invalidation) -> bool {
    what.leaf_levels.iter().all(|level| level == hint) && what.table_levels.iter().all(|level| level < hint)
}

fn check_range(range: TlbiRange, operand: &TlbiOperand, what: &Invalidation, support: RangeSupport) {
    assert!(support.ranges && range.granule() == what.granule);
    assert!((range.num(), range.scale(), range.hint()) != (0, 0, None), "a reserved form");
    assert!(range.num() <= 31 && range.scale() <= if support.ds { 39 } else { 31 });
    if let Some(hint) = range.hint() {
        assert!(hint_is_right(hint, what), "{operand} for {what:?}");
        assert_eq!(operand.address() & ((1 << hint.shift(what.granule)) - 1), 0);
        let needs_ds = range.granule() == Granule::Size16K && hint == Level::ONE;
        assert!((1..=3).contains(&hint.number()) && (support.ds || !needs_ds));
    }
}

fn check_ranges(operands: &[TlbiOperand], what: &Invalidation, rules: &Rules) {
    assert!((1..=if rules.policy == Policy::Exact { 2 } else { 1 }).contains(&operands.len()));
    let wanted = what.range.align_out(what.granule);
    let (first, end) = (u128::from(wanted.start()), u128::from(wanted.last()) + 1);
    let mut covered = first;
    for operand in operands {
        if let Some(range) = operand.as_range() {
            check_range(range, operand, what, rules.support);
        }
        let (from, to) = span(operand, what.granule);
        assert!(first <= from && from <= covered, "a gap before {operand}");
        covered = covered.max(to);
    }
    assert!(covered >= end);
    assert!(covered == end || rules.policy == Policy::Single && (covered - end) * 16 < end - first);
}

/// Entries of the smallest size that was removed: their size, their number in the range, their addresses.
fn entries(what: &Invalidation) -> (u128, u128, impl Iterator<Item = u128> + use<>) {
    let levels = what.leaf_levels.union(what.table_levels);
    let size = 1_u128 << levels.deepest().unwrap_or(Level::THREE).shift(what.granule);
    let wanted = what.range.align_out(what.granule);
    let (first, last) = (u128::from(wanted.start()) / size, u128::from(wanted.last()) / size);
    (size, last - first + 1, (first..=last).map(move |entry| entry * size))
}

fn check(what: &Invalidation, rules: &Rules, caps: &Caps) {
    let plan = RangePlan::new(what, rules);
    let operands: Vec<TlbiOperand> = plan.operands().take(2000).collect();
    assert!(!plan.to_string().is_empty());
    let (size, count, entries) = entries(what);
    match plan {
        RangePlan::WholeTag if rules.support.ranges => {
            let (first, last) = (what.range.start(), what.range.last());
            let granules =
                u128::from(last >> what.granule.shift()) - u128::from(first >> what.granule.shift()) + 1;
            assert!(granules > 32 << if rules.support.ds { 39 } else { 31 });
        }
        // An entry that would be larger than the address space is none that there is.
        RangePlan::WholeTag => assert!(count > u128::from(rules.max_commands) || size > u128::from(u64::MAX)),
        RangePlan::Operands(_) => check_ranges(&operands, what, rules),
        RangePlan::Steps(_) => {
            assert!(!rules.support.ranges && count <= u128::from(rules.max_commands));
            assert!(operands.iter().map(|operand| u128::from(operand.address())).eq(entries));
        }
    }
    assert_eq!(operands.len(), if plan == RangePlan::WholeTag { 0 } else { plan.commands() as usize });
    for operand in operands {
        assert_eq!(operand.leaf(), what.table_levels.is_empty());
        let command = Command::TlbiNhVa { vmid: Vmid::new(1), asid: Asid::new(1), operand };
        assert!(command.encode(caps).is_ok(), "{command}");
    }
}

fuzz_target!(|input: Input| {
    let Input { what, rules } = input;
    let caps = if rules.support.ds {
        everything()
    } else {
        Caps::probe(&IdRegisters::EXAMPLE, &Hints::default()).expect("the example is an SMMU")
    };
    check(&what, &rules, &caps);
});
