//! What does a command cost? `TLBI_S2_IPA`, checked against the capabilities, encoded and stored into the ring, beside a
//! loop that does nothing but the two stores: one VMID and an address for each command, and one range for each of many VMIDs.
//!
//! All loops go by fours: compilers unroll only the one without a way out, and it is not loops that are measured.
#![allow(clippy::unwrap_used)]

use criterion::{Criterion, Throughput};
use smmu_benches::{InstantSmmu, caps};
use smmu_cmds::Command;
use smmu_cmds::command::{TlbiOperand, TlbiRange};
use smmu_regs::platform::{Dword, Memory};
use smmu_regs::vmsa::{Granule, Level};
use smmu_regs::{Caps, Vmid};
use std::hint::black_box;

/// Commands in a ring.
const COMMANDS: u64 = 512;

fn command(vmid: Vmid, page: u64) -> Command {
    Command::TlbiS2Ipa { vmid, operand: TlbiOperand::page(page << 12, true) }
}

/// Commands of a turn of a loop, and their words.
const TURN: usize = 4;

fn put(slot: &[Dword], words: [u64; 2]) {
    for (word, value) in slot.iter().zip(words) {
        word.store(value);
    }
}

fn ours(ring: &[Dword], caps: &Caps, vmid: Vmid) {
    let mut page = 0;
    for turn in ring.chunks_exact(2 * TURN) {
        for slot in turn.chunks_exact(2) {
            let Ok(raw) = command(vmid, page).encode(caps) else { return };
            put(slot, raw.words());
            page += 1;
        }
    }
}

fn limit(ring: &[Dword], first: u64, second: u64) {
    let mut page = 0;
    for turn in ring.chunks_exact(2 * TURN) {
        for slot in turn.chunks_exact(2) {
            put(slot, [first, second | page << 12]);
            page += 1;
        }
    }
}

/// One operand for VMIDs from 0 up: what an unmap costs for each of a domain's tags.
fn ours_tags(ring: &[Dword], caps: &Caps, operand: TlbiOperand) {
    let mut vmid = 0;
    for turn in ring.chunks_exact(2 * TURN) {
        for slot in turn.chunks_exact(2) {
            let command = Command::TlbiS2Ipa { vmid: Vmid::new(vmid), operand };
            let Ok(raw) = command.encode(caps) else { return };
            put(slot, raw.words());
            vmid = vmid.wrapping_add(1);
        }
    }
}

fn limit_tags(ring: &[Dword], first: u64, second: u64) {
    let mut vmid = 0_u16;
    for turn in ring.chunks_exact(2 * TURN) {
        for slot in turn.chunks_exact(2) {
            put(slot, [first | u64::from(vmid) << 32, second]);
            vmid = vmid.wrapping_add(1);
        }
    }
}

fn same(ring: &[Dword], ours: impl Fn(), limit: impl Fn()) {
    ours();
    let made: Vec<u64> = ring.iter().map(Dword::load).collect();
    limit();
    assert!(ring.iter().map(Dword::load).eq(made), "both make the same commands");
}

pub(crate) fn run(c: &mut Criterion) {
    let (smmu, caps, vmid) = (InstantSmmu::new(1 << 20), caps().unwrap(), Vmid::new(0x1234));
    let bytes = COMMANDS * 16;
    let ring = smmu.words(smmu.allocate(bytes, bytes).unwrap().base(), bytes as usize / 8).unwrap();

    same(ring, || ours(ring, &caps, vmid), || limit(ring, 0x1234_0000_002a, 1));
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(COMMANDS));
    group.bench_function("ours", |b| {
        b.iter(|| ours(black_box(ring), black_box(&caps), black_box(vmid)));
    });
    group.bench_function("limit", |b| {
        b.iter(|| limit(black_box(ring), black_box(0x1234_0000_002a), black_box(1)));
    });
    drop(group);

    let range = TlbiRange::new(Granule::Size4K, 3, 7, Some(Level::THREE)).unwrap();
    let operand = TlbiOperand::range(0x4000_0000, true, range).unwrap();
    let [low, high] = [0x0030_702a, 0x4000_0701];
    same(ring, || ours_tags(ring, &caps, operand), || limit_tags(ring, low, high));
    let mut group = c.benchmark_group("encode_tags");
    group.throughput(Throughput::Elements(COMMANDS));
    group.bench_function("ours", |b| {
        b.iter(|| ours_tags(black_box(ring), black_box(&caps), black_box(operand)));
    });
    group.bench_function("limit", |b| {
        b.iter(|| limit_tags(black_box(ring), black_box(low), black_box(high)));
    });
}
