//! What does an invalidation cost from the question to the receipt, if the hardware takes no time? Plan, commands,
//! `CMD_SYNC`, doorbell, look at CONS; the limit stores the same words, rings and looks.
#![allow(clippy::unwrap_used)]

use criterion::Criterion;
use io_pgtable_lpae::Invalidation;
use smmu_benches::{GIB, InstantSmmu, caps};
use smmu_cmds::{Command, CommandQueue};
use smmu_regs::platform::{Dword, Memory, Mmio};
use smmu_regs::receipt::Receipt;
use smmu_regs::registers::{CmdqCons, CmdqProd, Register};
use smmu_regs::vmsa::{Granule, IovaRange, Level, LevelSet};
use smmu_regs::{InstanceId, Vmid};
use smmu_tlbi::range::Rules;
use smmu_tlbi::{RangeSupport, Tag, invalidate};
use std::hint::black_box;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(1);
/// log2 of the queue's entries.
const LOG2: u8 = 8;

fn pages(count: u64) -> Invalidation {
    Invalidation {
        granule: Granule::Size4K,
        range: IovaRange::from_size(1 << 40, count << 12).unwrap(),
        leaf_levels: LevelSet::only(Level::THREE),
        table_levels: LevelSet::EMPTY,
    }
}

/// An SMMU, its queue and the rules for it.
struct Bench {
    smmu: InstantSmmu,
    queue: CommandQueue,
    rules: Rules,
}

impl Bench {
    fn new() -> Self {
        let (smmu, caps) = (InstantSmmu::new(1 << 20), caps().unwrap());
        let queue = CommandQueue::new(&smmu, &caps, InstanceId::new(0), LOG2).unwrap();
        Self { smmu, queue, rules: Rules::new(RangeSupport::of(&caps)) }
    }

    fn run(&mut self, what: &Invalidation, tags: &[Tag], observe: impl FnMut(Option<&Command>)) -> Receipt {
        invalidate(&self.smmu, &mut self.queue, what, &self.rules, tags, &[], TIMEOUT, observe).unwrap()
    }
}

/// `commands` commands of two words, the doorbell, a look at CONS.
fn limit(smmu: &InstantSmmu, ring: &[Dword], position: &mut u32, commands: u32) {
    for _ in 0..commands {
        let slot = (*position & ((1 << LOG2) - 1)) as usize * 2;
        for (word, value) in ring.iter().skip(slot).take(2).zip([0x46, 0]) {
            word.store(value);
        }
        *position = position.wrapping_add(1) & ((2 << LOG2) - 1);
    }
    smmu.publish();
    smmu.write32(CmdqProd::AT, *position);
    assert_eq!(smmu.read32(CmdqCons::AT), *position);
}

pub(crate) fn run(c: &mut Criterion) {
    let tags: [Tag; 8] = std::array::from_fn(|n| Tag::Stage2 { vmid: Vmid::new(n as u16 + 1) });
    let (one, _) = tags.split_at(1);
    for (name, what, tags) in [
        ("invalidate_page", pages(1), one),
        ("invalidate_1GiB_37", pages((GIB >> 12) + 37), one),
        ("invalidate_page_8_tags", pages(1), &tags),
    ] {
        let mut bench = Bench::new();
        let first = bench.queue.accepted();
        let mut seen = Vec::new();
        let receipt = bench.run(&what, tags, |command| seen.push(command.copied()));
        assert!(receipt.covers(bench.queue.ticket_since(first)));
        let by_address = |command: &Option<Command>| matches!(command, Some(Command::TlbiS2Ipa { .. }));
        assert_eq!(seen.iter().filter(|command| by_address(command)).count(), tags.len());
        assert!(seen.last().is_some_and(Option::is_none), "a CMD_SYNC ends it");

        let mut group = c.benchmark_group(name);
        group.bench_function("ours", |b| b.iter(|| bench.run(black_box(&what), black_box(tags), |_| {})));
        let smmu = InstantSmmu::new(1 << 20);
        let bytes = 16 << LOG2;
        let ring = smmu.words(smmu.allocate(bytes, bytes).unwrap().base(), bytes as usize / 8).unwrap();
        let (commands, mut position) = (tags.len() as u32 + 1, 0);
        group.bench_function("limit", |b| {
            b.iter(|| limit(&smmu, black_box(ring), &mut position, black_box(commands)));
        });
    }
}
