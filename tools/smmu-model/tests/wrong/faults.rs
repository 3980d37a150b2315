//! Mistakes with faults that wait for an answer, and with what devices remember.

use super::Mistake;
use super::driver::Driver;
use crate::common::{CD, EVENTQ, S1_ROOT, STRTAB, access, cd_s1, map, nh_va, ste_s1};
use smmu_model::{Access, AtsAccess, PageRequest};

const VA: u64 = 0x1000;
const PA: u64 = 0x8000_0000;
const PRIQ: u64 = 0x22_0000;

pub(crate) const MISTAKES: &[Mistake] = &[
    Mistake::new("a stall is answered twice", answered_twice, "no such stall waits for an answer"),
    Mistake::new("a stall is answered with another stream's number", other_stream, "no such stall waits"),
    Mistake::new("a stall is never answered", never_answered, "a transaction is stalled for ever"),
    Mistake::new("stalls are terminated while the stream may stall", terminated_early, "(4.7.2)"),
    Mistake::new("stalls are terminated before the STE's invalidation is complete", unsynced, "(4.7.2)"),
    Mistake::new("a page request group is answered twice", group_twice, "no such group waits for an answer"),
    Mistake::new("the ATC is not told", atc_untold, "the device still writes"),
    Mistake::new("the ATC is told before the TLB has forgotten", atc_early, "the device still writes"),
    Mistake::new("the ATC is told of one page of two", atc_too_little, "the device still writes"),
];

/// Stream 1 with a page at `VA`, the fault bits of its CD, and `STE.EATS`.
fn device(d: &mut Driver, cd_bits: u64, eats: u64) {
    let mut cd = cd_s1(5);
    cd[0] |= cd_bits;
    d.store_all(CD, &cd);
    map(&d.mem, S1_ROOT, VA, PA, 1 << 10 | 1 << 6 | 1 << 11);
    map(&d.mem, S1_ROOT, VA + 0x1000, PA + 0x1000, 1 << 10 | 1 << 6 | 1 << 11);
    d.bring_up();
    let mut ste = ste_s1(9);
    ste[1] |= eats << 28;
    d.attach(1, ste);
}

/// A write that stalls, and the tag of its record.
fn stalled(d: &mut Driver) -> u64 {
    device(d, 1 << 44, 0);
    let at = Access { write: true, ..access(1, 0x9000) };
    assert!(d.smmu.dma_write32(&at, 7).unwrap_err().waits);
    d.mem.get(EVENTQ + 8) & 0xffff
}

const fn abort(sid: u64, stag: u64) -> [u64; 2] {
    [0x44 | sid << 32 | 1 << 13, stag]
}

/// After some time nothing may be stalled.
fn all_gone(d: &mut Driver) {
    let _ = d.wait(0x24, 0, 1);
    if !d.smmu.stalled().is_empty() || !d.smmu.unanswered_stalls().is_empty() {
        d.finding("a transaction is stalled for ever".to_owned());
    }
}

fn answered_twice(d: &mut Driver, wrong: bool) {
    let tag = stalled(d);
    d.run(&[abort(1, tag)]);
    if wrong {
        d.run(&[abort(1, tag)]);
    }
    all_gone(d);
}

fn other_stream(d: &mut Driver, wrong: bool) {
    let tag = stalled(d);
    d.run(&[abort(if wrong { 2 } else { 1 }, tag)]);
    if !wrong {
        all_gone(d);
    }
}

fn never_answered(d: &mut Driver, wrong: bool) {
    let tag = stalled(d);
    if !wrong {
        d.run(&[abort(1, tag)]);
    }
    all_gone(d);
}

const STALL_TERM: [u64; 2] = [0x45 | 1 << 32, 0];

fn terminated_early(d: &mut Driver, wrong: bool) {
    let _tag = stalled(d);
    if !wrong {
        d.detach(1);
    }
    d.run(&[STALL_TERM]);
    all_gone(d);
}

fn unsynced(d: &mut Driver, wrong: bool) {
    let _tag = stalled(d);
    d.store(STRTAB + 64, 1);
    d.command([3 | 1 << 32, 1]);
    if !wrong {
        d.sync();
    }
    d.run(&[STALL_TERM]);
    all_gone(d);
}

fn group_twice(d: &mut Driver, wrong: bool) {
    device(d, 0, 1);
    d.w64(0xc0, PRIQ | 2);
    d.w32(0x100c8, 0);
    d.w32(0x100cc, 0);
    d.cr0(0x1d);
    d.cr0(0x1f);
    d.smmu.page_request(&PageRequest {
        sid: 1,
        ssid: None,
        address: VA,
        group: 5,
        last: true,
        read: true,
        write: false,
        execute: false,
        privileged: false,
    });
    let answer = [0x41 | 1 << 32, 5 | 2 << 12];
    d.run(&[answer]);
    if wrong {
        d.run(&[answer]);
    }
    if !d.smmu.unanswered_groups().is_empty() {
        d.finding("a group was never answered".to_owned());
    }
}

/// A device that remembers two pages, which are then unmapped.
fn remembering(d: &mut Driver) {
    device(d, 0, 1);
    d.cr0(0x1d);
    for va in [VA, VA + 0x1000] {
        assert_eq!(d.smmu.ats_dma32(&access(1, va), Some(1)), AtsAccess::Done(1));
        map(&d.mem, S1_ROOT, va, 0, 0);
    }
}

fn must_not_write(d: &mut Driver) {
    for va in [VA, VA + 0x1000] {
        if let AtsAccess::Done(_) = d.smmu.ats_dma32(&access(1, va), Some(2)) {
            d.finding(format!("the device still writes at {va:#x}"));
        }
    }
}

fn tlbi(va: u64) -> [u64; 2] {
    nh_va(9, 5, va)
}

fn atc_inv(size: u64) -> [u64; 2] {
    [0x40 | 1 << 32, VA & !0x1fff | size]
}

fn atc_untold(d: &mut Driver, wrong: bool) {
    remembering(d);
    d.run(&[tlbi(VA), tlbi(VA + 0x1000)]);
    if !wrong {
        d.run(&[atc_inv(2)]);
    }
    must_not_write(d);
}

fn atc_early(d: &mut Driver, wrong: bool) {
    remembering(d);
    if wrong {
        d.run(&[tlbi(VA), tlbi(VA + 0x1000), atc_inv(2)]);
    } else {
        d.run(&[tlbi(VA), tlbi(VA + 0x1000)]);
        d.run(&[atc_inv(2)]);
    }
    must_not_write(d);
}

fn atc_too_little(d: &mut Driver, wrong: bool) {
    remembering(d);
    d.run(&[tlbi(VA), tlbi(VA + 0x1000)]);
    d.run(&[atc_inv(if wrong { 1 } else { 2 })]);
    must_not_write(d);
}
