//! Mistakes with the queues.

use super::Mistake;
use super::configuration::stage1;
use super::driver::{Driver, Goes, LOG2};
use crate::common::{CMDQ, EVENTQ, S1_ROOT, map, nh_va};

const VA: u64 = 0x1000;
const UNMAPPED: [Goes; 1] = [Goes::Fault(0x10)];
/// CMD_PREFETCH_CONFIG of stream 3: does nothing.
const NOTHING: [u64; 2] = [1 | 3 << 32, 0];
const ENTRIES: u64 = 1 << LOG2;

pub(crate) const MISTAKES: &[Mistake] = &[
    Mistake::new("the wrap bit is lost in PROD", wrap_lost, "more than 16 commands"),
    Mistake::new(
        "the wrap bit is lost in the wait for the CMD_SYNC",
        wrap_lost_in_wait,
        "may reach 0x80000000",
    ),
    Mistake::new("the queue is overfilled", overfull, "more than 16 commands"),
    Mistake::new("PROD is written with bits above the wrap bit", prod_too_wide, "bits above the wrap flag"),
    Mistake::new("an error of the queue is never acknowledged", unacknowledged, "CMD_SYNC does not complete"),
    Mistake::new("CONS is written to skip a bad command", skipped, "CMDQ_CONS while CMDQEN is 1"),
    Mistake::new("CMD_SYNC with a reserved CS", reserved_cs, "CMD_SYNC does not complete"),
    Mistake::new("a reserved bit of a command is set", reserved_bit, "reserved bits are set"),
    Mistake::new("the entry is stored after PROD", entry_late, "CMD_SYNC does not complete"),
    Mistake::new("the queue's base is not aligned to its size", unaligned_base, "not aligned to its"),
    Mistake::new("the queue's base changes while it is enabled", base_late, "CMDQ_BASE while CMDQEN is 1"),
    Mistake::new("the queue is larger than IDR1 says", too_large, "LOG2SIZE"),
    Mistake::new("EVENTQ_CONS passes PROD", cons_ahead, "not consumption"),
    Mistake::new("EVENTQ_CONS moves back", cons_back, "not consumption"),
    Mistake::new(
        "a command is stored with no barrier before the doorbell",
        no_barrier,
        "with no barrier after it was stored",
    ),
];

fn unmap(d: &mut Driver) {
    map(&d.mem, S1_ROOT, VA, 0, 0);
}

fn wrap_lost(d: &mut Driver, wrong: bool) {
    stage1(d);
    while d.prod < ENTRIES - 1 {
        d.run(&[]);
    }
    d.queue([0x46, 0]);
    if wrong {
        d.prod &= ENTRIES - 1;
    }
    d.ring();
    d.wait_for_queue();
}

fn wrap_lost_in_wait(d: &mut Driver, wrong: bool) {
    stage1(d);
    unmap(d);
    d.queue(nh_va(9, 5, VA));
    for _ in 0..ENTRIES - 2 {
        d.queue(NOTHING);
    }
    // As many as the queue holds: the indices are equal, and only the wrap bits tell full from empty.
    d.queue([0x46, 0]);
    d.ring();
    if wrong {
        assert!(d.wait(0x9c, ENTRIES - 1, d.prod & (ENTRIES - 1)));
    } else {
        d.wait_for_queue();
    }
    d.expect(1, VA, &UNMAPPED);
}

fn overfull(d: &mut Driver, wrong: bool) {
    stage1(d);
    let room = ENTRIES + u64::from(wrong);
    for _ in 0..room {
        d.queue([0x46, 0]);
    }
    d.ring();
    if !wrong {
        d.wait_for_queue();
    }
}

fn prod_too_wide(d: &mut Driver, wrong: bool) {
    stage1(d);
    d.queue([0x46, 0]);
    d.barrier();
    let junk = if wrong { 4 << LOG2 } else { 0 };
    d.w32(0x98, d.prod | junk);
}

/// An illegal command, and one that somebody waits for.
fn illegal(d: &mut Driver) {
    stage1(d);
    unmap(d);
    d.queue([0xff, 0]);
    d.queue(nh_va(9, 5, VA));
    d.queue([0x46, 0]);
    d.ring();
    assert!(d.wait(0x60, 1, 1), "CMDQ_ERR");
}

/// Puts something harmless into the place of the bad command, and acknowledges.
fn recover(d: &mut Driver) {
    let cons = d.r32(0x9c);
    assert_eq!(cons >> 24 & 0x7f, 1, "CERROR_ILL");
    d.store_all(CMDQ + (cons & (ENTRIES - 1)) * 16, &[0x46, 0]);
    d.barrier();
    d.w32(0x64, 1);
}

fn unacknowledged(d: &mut Driver, wrong: bool) {
    illegal(d);
    if !wrong {
        recover(d);
    }
    d.wait_for_queue();
    d.expect(1, VA, if wrong { &[Goes::To(0x8000_0000), Goes::Fault(0x10)] } else { &UNMAPPED });
}

fn skipped(d: &mut Driver, wrong: bool) {
    illegal(d);
    if wrong {
        let cons = d.r32(0x9c);
        d.w32(0x9c, (cons + 1) & 0xf_ffff);
    }
    recover(d);
    d.wait_for_queue();
    d.expect(1, VA, &UNMAPPED);
}

fn reserved_cs(d: &mut Driver, wrong: bool) {
    stage1(d);
    d.command([0x46 | if wrong { 3 << 12 } else { 0 }, 0]);
    d.wait_for_queue();
}

fn reserved_bit(d: &mut Driver, wrong: bool) {
    stage1(d);
    d.run(&[[0x10 | 9 << 32 | u64::from(wrong) << 63, 0]]);
}

fn entry_late(d: &mut Driver, wrong: bool) {
    stage1(d);
    // What the queue held before: nothing that means anything.
    let at = CMDQ + (d.prod & (ENTRIES - 1)) * 16;
    d.store_all(at, &[0, 0]);
    d.barrier();
    let before = d.prod;
    d.queue([0x46, 0]);
    if wrong {
        d.store_all(at, &[0, 0]);
        d.barrier();
        d.w32(0x98, d.prod);
        // It is fast enough.
        let _ = d.wait(0x9c, 0xf_ffff, before + 1);
        d.store_all(at, &[0x46, 0]);
    } else {
        d.ring();
    }
    d.wait_for_queue();
}

fn unaligned_base(d: &mut Driver, wrong: bool) {
    d.abort_while_off();
    d.set_bases();
    d.w64(0x90, (CMDQ + if wrong { 0x80 } else { 0 }) | LOG2);
    d.cr0(8);
}

fn base_late(d: &mut Driver, wrong: bool) {
    d.abort_while_off();
    if wrong {
        d.cr0(8);
        d.set_bases();
    } else {
        d.set_bases();
        d.cr0(8);
    }
}

fn too_large(d: &mut Driver, wrong: bool) {
    d.abort_while_off();
    d.set_bases();
    d.w64(0xa0, 0x100_0000 | if wrong { 20 } else { 19 });
    d.cr0(4);
}

/// Two records are in the event queue.
fn two_events(d: &mut Driver) {
    stage1(d);
    for iova in [0x10_0000, 0x10_1000] {
        let _ = d.smmu.dma(&crate::common::access(1, iova));
    }
    assert_eq!(d.r32(0x100a8), 2);
    assert_eq!(d.mem.get(EVENTQ) & 0xff, 0x10);
}

fn cons_ahead(d: &mut Driver, wrong: bool) {
    two_events(d);
    d.w32(0x100ac, if wrong { 3 } else { 2 });
}

fn cons_back(d: &mut Driver, wrong: bool) {
    two_events(d);
    d.w32(0x100ac, 2);
    d.w32(0x100ac, if wrong { 1 } else { 2 });
}

fn no_barrier(d: &mut Driver, wrong: bool) {
    stage1(d);
    d.queue([0x46, 0]);
    if !wrong {
        d.barrier();
    }
    let prod = d.prod;
    d.w32(0x98, prod);
    d.wait_for_queue();
}
