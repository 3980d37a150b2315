//! What does a command cost? `TLBI_S2_IPA`, checked against the capabilities, encoded and stored into the ring, beside a
//! loop that does nothing but the two stores.
#![allow(clippy::unwrap_used)]

use criterion::{Criterion, Throughput};
use smmu_benches::{InstantSmmu, caps};
use smmu_cmds::Command;
use smmu_cmds::command::TlbiOperand;
use smmu_regs::platform::{Dword, Memory};
use smmu_regs::{Caps, Vmid};
use std::hint::black_box;

/// Commands in a ring.
const COMMANDS: u64 = 512;

fn command(vmid: Vmid, page: u64) -> Command {
    Command::TlbiS2Ipa { vmid, operand: TlbiOperand::page(page << 12, true) }
}

fn ours(ring: &[Dword], caps: &Caps, vmid: Vmid) {
    for (page, slot) in (0..).zip(ring.chunks_exact(2)) {
        let Ok(raw) = command(vmid, page).encode(caps) else { return };
        for (word, value) in slot.iter().zip(raw.words()) {
            word.store(value);
        }
    }
}

fn limit(ring: &[Dword], first: u64, second: u64) {
    for (page, slot) in (0..).zip(ring.chunks_exact(2)) {
        let [low, high] = slot else { return };
        low.store(first);
        high.store(second | page << 12);
    }
}

pub(crate) fn run(c: &mut Criterion) {
    let (smmu, caps, vmid) = (InstantSmmu::new(1 << 20), caps().unwrap(), Vmid::new(0x1234));
    let bytes = COMMANDS * 16;
    let ring = smmu.words(smmu.allocate(bytes, bytes).unwrap().base(), bytes as usize / 8).unwrap();

    ours(ring, &caps, vmid);
    let made: Vec<u64> = ring.iter().map(Dword::load).collect();
    limit(ring, 0x1234_0000_002a, 1);
    assert!(ring.iter().map(Dword::load).eq(made), "both make the same commands");

    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(COMMANDS));
    group.bench_function("ours", |b| {
        b.iter(|| ours(black_box(ring), black_box(&caps), black_box(vmid)));
    });
    group.bench_function("limit", |b| {
        b.iter(|| limit(black_box(ring), black_box(0x1234_0000_002a), black_box(1)));
    });
}
