//! What the adversarial setting permits, as exact sets: neither too little nor too much.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;
#[path = "wrong/driver.rs"]
mod driver;

use common::*;
use driver::{Driver, Goes};
use smmu_model::{Access, Adversity, Atomicity, Outcome, Profile};
use std::collections::BTreeSet;

const A: u64 = 0x8000_0000;
const B: u64 = 0x9000_0000;
const VA: u64 = 0x1000;
const UNMAPPED: Goes = Goes::Fault(0x10);

fn with(atomicity: Atomicity, seed: u64) -> Driver {
    let adversity = Adversity { atomicity, seed, ..Adversity::new([(1, None), (2, None)]) };
    let mut d = Driver::cold(Profile::maximum(), adversity);
    d.bring_up();
    d
}

fn bits64() -> Driver {
    with(Atomicity::Bits64, 1)
}

/// Stream 1 translates `VA` to `A` in stage 1, ASID 5 and VMID 9.
fn stage1(d: &mut Driver) {
    d.store_all(CD, &cd_s1(5));
    map(&d.mem, S1_ROOT, VA, A, RW1);
    d.attach(1, ste_s1(9));
}

fn permitted(d: &mut Driver, access: Access) -> Vec<Goes> {
    d.smmu.permitted(&access).iter().map(Goes::from).collect()
}

/// The permitted outcomes of a read by stream 1 at `VA` are exactly `expected`, in any order.
#[track_caller]
fn exactly(d: &mut Driver, expected: &[Goes]) {
    let found = permitted(d, access(1, VA));
    assert!(
        found.len() == expected.len() && expected.iter().all(|goes| found.contains(goes)),
        "{found:x?}, not {expected:x?}"
    );
}

#[test]
fn a_page_that_is_unmapped_may_be_either_until_the_sync() {
    let mut d = bits64();
    stage1(&mut d);
    exactly(&mut d, &[Goes::To(A)]);
    map(&d.mem, S1_ROOT, VA, 0, 0);
    exactly(&mut d, &[Goes::To(A), UNMAPPED]);
    d.barrier();
    // Nobody ever used it, and yet it may be in the TLB: the SMMU may prefetch.
    exactly(&mut d, &[Goes::To(A), UNMAPPED]);
    d.command(nh_va(9, 5, VA));
    exactly(&mut d, &[Goes::To(A), UNMAPPED]);
    d.sync();
    exactly(&mut d, &[UNMAPPED]);
}

#[test]
fn a_page_that_is_mapped_needs_a_barrier_and_no_invalidation() {
    let mut d = bits64();
    stage1(&mut d);
    map(&d.mem, S1_ROOT, VA, 0, 0);
    d.run(&[nh_va(9, 5, VA)]);
    map(&d.mem, S1_ROOT, VA, B, RW1);
    exactly(&mut d, &[UNMAPPED, Goes::To(B)]);
    // Faults are not cached.
    d.barrier();
    exactly(&mut d, &[Goes::To(B)]);
}

#[test]
fn an_entry_is_torn_at_the_size_of_an_atom() {
    for (atomicity, torn) in [(Atomicity::Bits64, true), (Atomicity::Bits128, false)] {
        let mut d = with(atomicity, 1);
        map(&d.mem, S2_ROOT, VA, A, RW2);
        // Another tree has one level more: its root is no level-1 table.
        let root = 0x60_0000;
        map(&d.mem, root + 0x1_0000, VA, B, RW2);
        d.store(root, (root + 0x1_0000) | 3);
        d.attach(1, ste_s2(9));
        exactly(&mut d, &[Goes::To(A)]);
        let larger = s2cfg() & !(0x3f << 32 | 3 << 38) | 24 << 32 | 2 << 38;
        d.smmu.before_pair();
        d.store_all(STRTAB + 64 + 16, &[10 | larger, root]);
        d.smmu.stored_pair(STRTAB + 64 + 16);
        let found = permitted(&mut d, access(1, VA));
        assert!(found.contains(&Goes::To(A)) && found.contains(&Goes::To(B)), "{atomicity:?}: {found:x?}");
        assert_eq!(found.len() > 2, torn, "{atomicity:?}: {found:x?}");
        d.run(&[cfgi_ste(1, 1)]);
        if torn {
            // The tables above what the mixture found are in a walk cache, with the VMID that it had.
            exactly(&mut d, &[Goes::To(B), UNMAPPED]);
            d.run(&[[0x28 | 10 << 32, 0]]);
        }
        exactly(&mut d, &[Goes::To(B)]);
    }
}

#[test]
fn words_of_an_entry_are_cached_one_by_one() {
    let mut d = bits64();
    map(&d.mem, S2_ROOT, VA, A, RW2);
    map(&d.mem, 0x60_0000, VA, B, RW2);
    let mut other = ste_s2(10);
    other[3] = 0x60_0000;
    // An entry that is not valid may be in the cache, or just one word of it.
    d.store_all(STRTAB + 64 + 8, &ste_s2(9)[1..]);
    d.barrier();
    d.store_all(STRTAB + 64 + 8, &other[1..]);
    d.barrier();
    d.store(STRTAB + 64, other[0]);
    let found = permitted(&mut d, access(1, VA));
    assert!(found.contains(&Goes::To(A)) && found.contains(&Goes::To(B)), "{found:x?}");
    d.run(&[cfgi_ste(1, 1)]);
    // What came of the mixture is in the TLB still, with the VMID that it had.
    let found = permitted(&mut d, access(1, VA));
    assert!(found.contains(&Goes::To(A)) && found.contains(&Goes::To(B)), "{found:x?}");
    d.run(&[[0x28 | 10 << 32, 0]]);
    exactly(&mut d, &[Goes::To(B)]);
}

#[test]
fn an_invalidation_reaches_no_further_than_it_must() {
    for (command, drops) in [
        (nh_va(9, 5, VA), true),
        (nh_va(9, 5, VA + 0x1000), false),
        (nh_va(9, 6, VA), false),
        (nh_va(8, 5, VA), false),
        ([0x12 | 9 << 32 | 5 << 48, VA | 1 << 10 | 3 << 8], true),
        ([0x12 | 9 << 32 | 5 << 48, 1 << 10 | 2 << 8], false),
        ([0x12 | 1 << 12 | 9 << 32 | 5 << 48, 1 << 10], true),
        ([0x12 | 1 << 12 | 9 << 32 | 5 << 48, 2 << 12 | 1 << 10], false),
        ([0x13 | 9 << 32, VA], true),
        ([0x11 | 9 << 32 | 5 << 48, 0], true),
        ([0x10 | 9 << 32, 0], true),
        ([0x28 | 9 << 32, 0], true),
        ([0x30, 0], true),
        ([0x20, 0], false),
        ([0x2a | 9 << 32, VA], false),
        (cfgi_ste(1, 0), false),
    ] {
        let mut d = bits64();
        stage1(&mut d);
        map(&d.mem, S1_ROOT, VA, 0, 0);
        d.run(&[command]);
        let expected = if drops { &[UNMAPPED][..] } else { &[UNMAPPED, Goes::To(A)] };
        let found = permitted(&mut d, access(1, VA));
        assert_eq!(found.len(), expected.len(), "{command:x?}: {found:x?}");
        assert!(d.smmu.complaints().is_empty());
    }
}

#[test]
fn a_transaction_takes_any_permitted_course() {
    let mut seen = BTreeSet::new();
    for seed in 1..40 {
        let mut d = with(Atomicity::Bits64, seed);
        stage1(&mut d);
        map(&d.mem, S1_ROOT, VA, 0, 0);
        seen.insert(matches!(d.smmu.dma(&access(1, VA)), Outcome::Passed { .. }));
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn handshakes_and_commands_take_their_time() {
    let mut d = bits64();
    d.w32(0x50, 1);
    assert_eq!(d.r32(0x54), 0);
    assert!(d.wait(0x54, 1, 1));
    let before = d.r32(0x9c);
    d.command([0x46, 0]);
    assert_eq!(d.r32(0x9c), before);
    d.wait_for_queue();
    assert_eq!(d.findings(), [""; 0]);
}

#[test]
fn what_was_read_before_it_was_switched_off_is_not_forgotten() {
    let mut d = bits64();
    stage1(&mut d);
    d.cr0(8);
    // The tables change while nothing is translated, and nobody invalidates.
    map(&d.mem, S1_ROOT, VA, B, RW1);
    d.barrier();
    d.cr0(0xd);
    exactly(&mut d, &[Goes::To(A), Goes::To(B)]);
    d.run(&[[0x30, 0]]);
    exactly(&mut d, &[Goes::To(B)]);
}

#[test]
fn memory_that_nothing_refers_to_may_be_freed() {
    let mut d = bits64();
    stage1(&mut d);
    d.free(0x70_0000, 0x1000);
    assert!(d.smmu.complaints().is_empty());
    d.free(CD, 64);
    let text = d.smmu.complaints().concat();
    assert!(text.contains(&format!("{CD:#x}")), "{text}");
}

#[test]
fn a_fault_is_recorded_as_the_streams_own_entry_says() {
    for seed in 1..30 {
        let mut d = with(Atomicity::Bits64, seed);
        map(&d.mem, S2_ROOT, VA, A, RW2);
        d.attach(1, ste_s2(9));
        // The same stage 2, and S2R is 0.
        let mut silent = ste_s2(9);
        silent[2] &= !(1 << 58);
        d.attach(2, silent);
        for (sid, recorded) in [(1, true), (2, false)] {
            match d.smmu.dma(&access(sid, 2 * VA)) {
                Outcome::Aborted(fault) => assert_eq!((fault.event, fault.recorded), (Some(0x10), recorded)),
                passed => panic!("{passed:?}"),
            }
        }
    }
}
