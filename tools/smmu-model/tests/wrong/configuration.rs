//! Mistakes with STEs, CDs and the tables that hold them.

use super::Mistake;
use super::driver::{Driver, Goes};
use crate::common::{
    CD, RW1, RW2, S1_ROOT, S2_ROOT, STRTAB, cd_s1, cfgi_cd, cfgi_ste, map, nh_va, s2cfg, ste_s1, ste_s2,
};
use smmu_model::Profile;

const A: u64 = 0x8000_0000;
const B: u64 = 0x9000_0000;
/// A second tree of tables.
pub(crate) const OTHER_ROOT: u64 = 0x60_0000;
const VA: u64 = 0x1000;

pub(crate) const MISTAKES: &[Mistake] = &[
    Mistake::new("CFGI is sent before the entry is stored", cfgi_before_store, "may reach 0x80000000"),
    Mistake::new("CFGI is forgotten", no_cfgi, "may reach 0x80000000"),
    Mistake::new("nobody waits for the CFGI", no_sync, "may reach 0x80000000"),
    Mistake::new("CFGI names another stream", cfgi_of_another, "may reach 0x80000000"),
    Mistake::new("V and Config are stored first", valid_first, "may raise event 0x4"),
    Mistake::new("new bits are ORed into a live entry", ored, "may raise event"),
    Mistake::new("a live entry is overwritten word by word", torn, "stream 1 at 0x1000 may"),
    Mistake::new(
        "a pair of words is stored as one where the SMMU reads words",
        pair,
        "stream 2 at 0x1000 may reach 0x90000000",
    )
    .only_64(),
    Mistake::new("a word is stored big-endian", big_endian, "may raise event"),
    Mistake::new("SHCFG is set without ATTR_TYPES_OVR", shcfg, "SHCFG").on(Profile::qemu),
    Mistake::new("an L1STD is stored with no barrier after its table", l1_early, "may reach 0x1000"),
    Mistake::new("an L1STD changes and only the leaf is invalidated", l1_leaf, "may raise event 0x2"),
    Mistake::new(
        "a CD is changed for one of the streams that share it",
        shared_cd,
        "stream 2 at 0x1000 may reach",
    ),
    Mistake::new("a CD is changed and CFGI_CD names another substream", other_cd, "may reach 0x80000000"),
    Mistake::new(
        "a CD is made valid with no barrier after its other words",
        cd_early,
        "stream 1 at 0x1000 may",
    ),
    Mistake::new("a CD is changed in place, TTB0 before TCR", cd_torn, "stream 1 at 0x1000 may"),
    Mistake::new(
        "a CD table is freed before its STE is invalidated",
        cd_freed,
        "was freed while the SMMU may",
    ),
];

/// Stream 1 translates `VA` to `A` in stage 1, with ASID 5 and VMID 9.
pub(crate) fn stage1(d: &mut Driver) {
    d.bring_up();
    d.store_all(CD, &cd_s1(5));
    map(&d.mem, S1_ROOT, VA, A, RW1);
    d.attach(1, ste_s1(9));
    d.expect(1, VA, &[Goes::To(A)]);
}

/// Stream 1 translates `VA` to `A` in stage 2, with VMID 9; other tables translate it to `B`.
fn stage2(d: &mut Driver) {
    d.bring_up();
    map(&d.mem, S2_ROOT, VA, A, RW2);
    map(&d.mem, OTHER_ROOT, VA, B, RW2);
    d.attach(1, ste_s2(9));
    d.expect(1, VA, &[Goes::To(A)]);
}

/// The entry aborts: `Config` = 0 and valid.
const ABORT: u64 = 1;
const STE1: u64 = STRTAB + 64;

fn cfgi_before_store(d: &mut Driver, wrong: bool) {
    stage1(d);
    if wrong {
        d.run(&[cfgi_ste(1, 1)]);
        d.store(STE1, ABORT);
        d.barrier();
    } else {
        d.store(STE1, ABORT);
        d.run(&[cfgi_ste(1, 1)]);
    }
    d.expect(1, VA, &[Goes::Silent]);
}

fn no_cfgi(d: &mut Driver, wrong: bool) {
    stage1(d);
    d.store(STE1, ABORT);
    d.barrier();
    if wrong {
        d.sync()
    } else {
        d.run(&[cfgi_ste(1, 1)])
    }
    d.expect(1, VA, &[Goes::Silent]);
}

fn no_sync(d: &mut Driver, wrong: bool) {
    stage1(d);
    d.store(STE1, ABORT);
    d.command(cfgi_ste(1, 1));
    if wrong {
        // It has even been taken from the queue.
        d.wait_for_queue();
    } else {
        d.sync();
    }
    d.expect(1, VA, &[Goes::Silent]);
}

fn cfgi_of_another(d: &mut Driver, wrong: bool) {
    stage1(d);
    d.store(STE1, ABORT);
    d.run(&[cfgi_ste(if wrong { 2 } else { 1 }, 1)]);
    d.expect(1, VA, &[Goes::Silent]);
}

fn valid_first(d: &mut Driver, wrong: bool) {
    d.bring_up();
    map(&d.mem, S2_ROOT, VA, A, RW2);
    d.attach(1, [ABORT, 0, 0, 0, 0, 0, 0, 0]);
    let [first, rest @ ..] = ste_s2(9);
    if wrong {
        d.store(STE1, first);
        d.store_all(STE1 + 8, &rest);
    } else {
        d.store_all(STE1 + 8, &rest);
        d.barrier();
        d.run(&[cfgi_ste(1, 1)]);
        d.store(STE1, first);
    }
    d.expect(1, VA, &[Goes::Silent, Goes::To(A)]);
    d.run(&[cfgi_ste(1, 1)]);
    d.expect(1, VA, &[Goes::To(A)]);
}

/// From stage 2 with the table at `S2_ROOT` to the one at `OTHER_ROOT`.
fn change_tables(d: &mut Driver, wrong: bool, other: [u64; 8], in_place: impl FnOnce(&mut Driver)) {
    stage2(d);
    if wrong {
        in_place(d);
        d.expect(1, VA, &[Goes::To(A), Goes::To(B)]);
        d.run(&[cfgi_ste(1, 1), [0x28 | 9 << 32, 0]]);
    } else {
        d.detach(1);
        d.expect(1, VA, &[Goes::Silent]);
        d.run(&[[0x28 | 9 << 32, 0]]);
        d.attach(1, other);
    }
    d.expect(1, VA, &[Goes::To(B)]);
}

fn ored(d: &mut Driver, wrong: bool) {
    let mut other = ste_s2(9);
    other[3] = OTHER_ROOT;
    change_tables(d, wrong, other, |d| {
        let old = d.mem.get(STE1 + 24);
        // The other root is where bits of both are set: nobody's table.
        d.store(STE1 + 24, old | OTHER_ROOT);
        d.barrier();
    });
}

fn torn(d: &mut Driver, wrong: bool) {
    // Another VMID, other tables and a smaller input size: words 2 and 3.
    let mut other = ste_s2(10);
    other[3] = OTHER_ROOT;
    change_tables(d, wrong, other, |d| {
        // Stage 1 instead, of which the CD is not there yet: words 0 and 2.
        d.store(STE1, ste_s1(10)[0]);
        d.store_all(STE1 + 16, &other[2..]);
        d.barrier();
        d.store(STE1, other[0]);
    });
}

fn pair(d: &mut Driver, wrong: bool) {
    stage2(d);
    // With VMID 10 the tables at `OTHER_ROOT` say `B`; no translation of VMID 9 may come from them.
    let new = [10 | s2cfg(), OTHER_ROOT];
    if wrong {
        d.smmu.before_pair();
        d.store_all(STE1 + 16, &new);
        d.smmu.stored_pair(STE1 + 16);
        d.expect(1, VA, &[Goes::To(A), Goes::To(B)]);
        d.run(&[cfgi_ste(1, 1)]);
        // Someone else has VMID 9 with the old tables.
        d.attach(2, ste_s2(9));
        d.expect(2, VA, &[Goes::To(A)]);
        d.run(&[[0x28 | 10 << 32, 0], [0x28 | 9 << 32, 0]]);
    } else {
        d.detach(1);
        let mut other = ste_s2(10);
        other[3] = OTHER_ROOT;
        d.attach(1, other);
        d.attach(2, ste_s2(9));
        d.expect(2, VA, &[Goes::To(A)]);
    }
    d.expect(1, VA, &[Goes::To(B)]);
}

fn big_endian(d: &mut Driver, wrong: bool) {
    d.bring_up();
    let mut cd = cd_s1(5);
    if wrong {
        cd[0] = cd[0].swap_bytes();
    }
    d.store_all(CD, &cd);
    map(&d.mem, S1_ROOT, VA, A, RW1);
    d.attach(1, ste_s1(9));
    d.expect(1, VA, &[Goes::To(A)]);
}

fn shcfg(d: &mut Driver, wrong: bool) {
    d.bring_up();
    d.store_all(CD, &cd_s1(5));
    map(&d.mem, S1_ROOT, VA, A, RW1);
    let mut ste = ste_s1(9);
    if !wrong {
        ste[1] = 0;
    }
    d.attach(1, ste);
    d.expect(1, VA, &[Goes::To(A)]);
}

/// A two-level Stream table: 2^8 streams, 64 of them in each second level.
fn two_levels(d: &mut Driver) {
    d.abort_while_off();
    d.set_bases();
    d.w32(0x88, 1 << 16 | 6 << 6 | 8);
    d.start();
    d.expect(1, VA, &[Goes::Fault(2)]);
}

const LEVEL2: u64 = 0x11_0000;

fn l1_early(d: &mut Driver, wrong: bool) {
    // What was in that memory before: entries that let everything through.
    for sid in 0..64 {
        d.store(LEVEL2 + sid * 64, 1 | 4 << 1);
        d.store(LEVEL2 + sid * 64 + 8, 1 << 44);
    }
    two_levels(d);
    for sid in 0..64 {
        d.store(LEVEL2 + sid * 64 + 8, 0);
        d.store(LEVEL2 + sid * 64, ABORT);
    }
    if !wrong {
        d.barrier();
    }
    d.store(STRTAB, LEVEL2 | 7);
    // Only the stream that is attached next is invalidated, and with it the descriptor.
    d.run(&[cfgi_ste(2, 0)]);
    d.expect(1, VA, &[Goes::Silent]);
}

fn l1_leaf(d: &mut Driver, wrong: bool) {
    two_levels(d);
    for sid in 0..64 {
        d.store(LEVEL2 + sid * 64, ABORT);
    }
    d.barrier();
    d.store(STRTAB, LEVEL2 | 7);
    d.run(&[cfgi_ste(1, wrong.into())]);
    d.expect(1, VA, &[Goes::Silent]);
}

/// CD 0 of streams 1 and 2 goes from `S1_ROOT` with ASID 5 to `OTHER_ROOT` with ASID 6, by way of an invalid one.
fn change_cd(d: &mut Driver, cfgi: &[[u64; 2]]) {
    stage1(d);
    d.attach(2, ste_s1(9));
    map(&d.mem, OTHER_ROOT, VA, B, RW1);
    let mut cd = cd_s1(6);
    cd[1] = OTHER_ROOT;
    d.store(CD, 0);
    d.run(cfgi);
    d.store_all(CD + 8, &cd[1..]);
    d.run(cfgi);
    d.store(CD, cd[0]);
    d.run(cfgi);
    d.expect(1, VA, &[Goes::To(B)]);
    d.expect(2, VA, &[Goes::To(B)]);
}

fn shared_cd(d: &mut Driver, wrong: bool) {
    let all = [cfgi_cd(1, 0, 1), cfgi_cd(2, 0, 1)];
    change_cd(d, if wrong { &all[..1] } else { &all });
}

fn other_cd(d: &mut Driver, wrong: bool) {
    let ssid = u64::from(wrong);
    change_cd(d, &[cfgi_cd(1, ssid, 1), cfgi_cd(2, ssid, 1)]);
}

fn cd_early(d: &mut Driver, wrong: bool) {
    // What was there before: another table.
    let mut old = cd_s1(5);
    old[0] = 0;
    old[1] = OTHER_ROOT;
    d.store_all(CD, &old);
    map(&d.mem, S1_ROOT, VA, A, RW1);
    map(&d.mem, OTHER_ROOT, VA, B, RW1);
    d.bring_up();
    d.attach(1, ste_s1(9));
    d.expect(1, VA, &[Goes::Fault(0xa)]);
    let new = cd_s1(5);
    d.store_all(CD + 8, &new[1..]);
    if !wrong {
        d.run(&[cfgi_cd(1, 0, 1)]);
    }
    d.store(CD, new[0]);
    d.run(&[cfgi_cd(1, 0, 1)]);
    d.expect(1, VA, &[Goes::To(A)]);
}

fn cd_torn(d: &mut Driver, wrong: bool) {
    stage1(d);
    // Tables of 48 bits, from level 0; those of 39 bits start at level 1.
    let (root, next) = (0x70_0000, 0x71_0000);
    d.store(root, next | 3);
    d.store(next, (S1_ROOT + 0x1000) | 3);
    let mut cd = cd_s1(6);
    cd[0] = cd[0] & !0x3f | 16;
    cd[1] = root;
    if wrong {
        d.store(CD + 8, cd[1]);
        d.barrier();
        d.store(CD, cd[0]);
        d.expect(1, VA, &[Goes::To(A)]);
    } else {
        d.store(CD, 0);
        d.run(&[cfgi_cd(1, 0, 1)]);
        d.store(CD + 8, cd[1]);
        d.run(&[cfgi_cd(1, 0, 1)]);
        d.store(CD, cd[0]);
    }
    d.run(&[cfgi_cd(1, 0, 1)]);
    d.expect(1, VA, &[Goes::To(A)]);
    d.run(&[nh_va(9, 5, VA)]);
}

fn cd_freed(d: &mut Driver, wrong: bool) {
    stage1(d);
    d.store(STE1, ABORT);
    if wrong {
        d.barrier();
        d.free(CD, 64);
    }
    d.run(&[cfgi_ste(1, 1)]);
    d.free(CD, 64);
    d.expect(1, VA, &[Goes::Silent]);
}
