//! What does it cost to find out how to invalidate a range, and to say so for every tag? The limit only stores the commands
//! that come out.
#![allow(clippy::unwrap_used)]

use criterion::{Criterion, Throughput};
use io_pgtable_lpae::Invalidation;
use smmu_benches::{GIB, InstantSmmu, caps};
use smmu_cmds::RawCommand;
use smmu_cmds::command::TlbiOperand;
use smmu_regs::platform::{Dword, Memory};
use smmu_regs::vmsa::{Granule, IovaRange, Level, LevelSet};
use smmu_regs::{Asid, Caps, Vmid};
use smmu_tlbi::range::Rules;
use smmu_tlbi::{Policy, RangePlan, RangeSupport, Tag};
use std::hint::black_box;

/// 4K pages from 1 TiB on, unmapped as pages.
fn pages(count: u64) -> Invalidation {
    Invalidation {
        granule: Granule::Size4K,
        range: IovaRange::from_size(1 << 40, count << 12).unwrap(),
        leaf_levels: LevelSet::only(Level::THREE),
        table_levels: LevelSet::EMPTY,
    }
}

/// The plan covers the range with this many commands, and not much else.
fn verify(what: &Invalidation, rules: &Rules, commands: u32) {
    let plan = RangePlan::new(what, rules);
    assert_eq!(plan.commands(), commands);
    let mut next = what.range.start();
    for operand in plan.operands() {
        let bytes = operand.as_range().map_or(4096, |range| range.bytes()) as u64;
        assert!(operand.address() <= next, "a gap before {operand}");
        next = operand.address() + bytes;
    }
    let (size, beyond) = (what.range.size().unwrap(), next - 1 - what.range.last());
    assert!(if rules.policy == Policy::Exact { beyond == 0 } else { beyond < size / 16 });
}

fn store(ring: &[Dword], commands: impl IntoIterator<Item = [u64; 2]>) {
    for (slot, words) in ring.chunks_exact(2).zip(commands) {
        for (word, value) in slot.iter().zip(words) {
            word.store(value);
        }
    }
}

/// The commands of `plan` for each tag, into the ring.
fn stamp(plan: &RangePlan, tags: &[Tag], caps: &Caps, ring: &[Dword]) {
    let commands = tags.iter().flat_map(|tag| plan.operands().map(|operand| tag.by_address(operand)));
    let raw = commands.filter_map(|command| command.encode(caps).ok());
    store(ring, raw.map(|raw: RawCommand| raw.words()));
}

pub(crate) fn run(c: &mut Criterion) {
    let (smmu, caps) = (InstantSmmu::new(1 << 20), caps().unwrap());
    let ring = smmu.words(smmu.allocate(4096, 4096).unwrap().base(), 512).unwrap();
    let single = Rules::new(RangeSupport::of(&caps));
    let exact = Rules { policy: Policy::Exact, ..single };
    let (large, ragged) = (pages((GIB >> 12) + 37), pages(0x2a5_a5a5));

    for (name, what, rules, commands) in [
        ("plan_1GiB_37_single", large, single, 1),
        ("plan_1GiB_37_exact", large, exact, 2),
        ("plan_ragged_single", ragged, single, 1),
        ("plan_ragged_exact", ragged, exact, 2),
    ] {
        verify(&what, &rules, commands);
        let mut group = c.benchmark_group(name);
        group.bench_function("ours", |b| b.iter(|| RangePlan::new(black_box(&what), black_box(&rules))));
        let words = [0x1234_0000_002a, 1 << 40];
        group.bench_function("limit", |b| {
            b.iter(|| store(black_box(ring), [black_box(words); 2].into_iter().take(commands as usize)));
        });
    }

    let tags: [Tag; 8] =
        std::array::from_fn(|n| Tag::Stage1 { vmid: Vmid::new(0), asid: Asid::new(n as u16) });
    let first = |operands: &mut dyn Iterator<Item = TlbiOperand>| operands.next().unwrap();
    let expected = tags.map(|tag| {
        let operand = first(&mut RangePlan::new(&large, &single).operands());
        tag.by_address(operand).encode(&caps).unwrap().words()
    });
    stamp(&RangePlan::new(&large, &single), &tags, &caps, ring);
    assert!(ring.iter().map(Dword::load).take(16).eq(expected.into_iter().flatten()));
    let mut group = c.benchmark_group("plan_and_stamp_8_tags");
    group.throughput(Throughput::Elements(1));
    group.bench_function("ours", |b| {
        b.iter(|| {
            let plan = RangePlan::new(black_box(&large), black_box(&single));
            stamp(&plan, black_box(&tags), black_box(&caps), ring);
        });
    });
    group.bench_function("limit", |b| b.iter(|| store(black_box(ring), *black_box(&expected))));
}
