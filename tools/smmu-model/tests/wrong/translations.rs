//! Mistakes with translation tables and TLBs.

use super::Mistake;
use super::configuration::{OTHER_ROOT, stage1};
use super::driver::{Driver, Goes};
use crate::common::{
    CD, RW1, RW2, S1_ROOT, S2_ROOT, cd_s1, cfgi_cd, map, map_block, map_s2_structures, nh_va, ste_nested,
    ste_s1, ste_s2,
};
use smmu_model::Profile;

const A: u64 = 0x8000_0000;
const B: u64 = 0x9000_0000;
const VA: u64 = 0x1000;
const UNMAPPED: [Goes; 1] = [Goes::Fault(0x10)];
/// TG of a 4KB granule.
const TG4K: u64 = 1 << 10;
/// The last-level table that `map` makes for `VA`, and the descriptor that points to it.
const LEVEL3: u64 = S1_ROOT + 0x2000;
const TO_LEVEL3: u64 = S1_ROOT + 0x1000;

pub(crate) const MISTAKES: &[Mistake] = &[
    Mistake::new("TLBI is forgotten", no_tlbi, "may reach 0x80000000"),
    Mistake::new("nobody waits for the TLBI", no_sync, "may reach 0x80000000"),
    Mistake::new("TLBI is sent before the page is unmapped", tlbi_first, "may reach 0x80000000"),
    Mistake::new("no barrier between the page table and the doorbell", no_barrier, "may reach 0x80000000"),
    Mistake::new("the range is one page short", one_short, "stream 1 at 0x4000 may reach 0x80003000"),
    Mistake::new(
        "the size of the range is counted in pages of 8KB",
        wrong_page_size,
        "stream 1 at 0x5000 may reach",
    ),
    Mistake::new("TTL says level 3 for a block", ttl_of_block, "stream 1 at 0x400123 may reach 0x80000123"),
    Mistake::new("Leaf is set though a table was unlinked", leaf_only, "was freed while the SMMU may"),
    Mistake::new("a table is freed before the CMD_SYNC", freed_early, "was freed while the SMMU may"),
    Mistake::new("SCALE is cut to five bits", scale_cut, "stream 1 at 0x100000000000 may reach"),
    Mistake::new("NUM, SCALE and TTL are 0 with TG", reserved_range, "CMD_SYNC does not complete"),
    Mistake::new("TG is that of another granule", wrong_tg, "stream 1 at 0x3000 may reach"),
    Mistake::new("the address is not aligned to TG and TTL", unaligned, "not aligned for TG and TTL"),
    Mistake::new("RIL's fields are used without RIL", no_ril, "RES0 without RIL").on(Profile::mmu600),
    Mistake::new("TLBI names another ASID", wrong_asid, "may reach 0x80000000"),
    Mistake::new("TLBI names another VMID", wrong_vmid, "may reach 0x80000000"),
    Mistake::new("EL2's TLBI for an EL1 stream", wrong_world, "may reach 0x80000000"),
    Mistake::new("a contiguous group is cut by two commands", cut_group, "may reach 0x8000")
        .where_groups_are_whole(),
    Mistake::new(
        "one page of a contiguous group is unmapped",
        part_of_group,
        "stream 1 at 0x13000 may reach 0x80003000",
    ),
    Mistake::new("TTB0 changes and the ASID does not", same_asid, "may reach 0x80000000"),
    Mistake::new(
        "an ASID is reused with nothing invalidated",
        asid_reused,
        "stream 2 at 0x1000 may reach 0x80000000",
    ),
    Mistake::new(
        "a VMID is reused with nothing invalidated",
        vmid_reused,
        "stream 2 at 0x1000 may reach 0x80000000",
    ),
    Mistake::new(
        "stage 1 alone has the VMID of a guest",
        shared_vmid,
        "stream 2 at 0x1000 may reach 0x80000000",
    ),
    Mistake::new("S2_IPA with no stage 1 clear", ipa_only, "may reach 0x90000000"),
    Mistake::new("stage 1 is cleared before S2_IPA", stage1_first, "may reach 0x90000000"),
    Mistake::new("stage 1 is cleared with no CMD_SYNC after S2_IPA", one_batch, "may reach 0x90000000"),
    Mistake::new("a page is replaced with no break before make", no_break, "break-before-make"),
    Mistake::new("a block is split with no break before make", split_block, "break-before-make")
        .on(Profile::mmu600),
    Mistake::new("a page is made read-only with no TLBI", write_protect, "may reach 0x80000000"),
    Mistake::new("a page of a global mapping is invalidated by ASID", global, "may reach 0x80000000"),
];

fn unmap(d: &mut Driver, va: u64) {
    map(&d.mem, S1_ROOT, va, 0, 0);
}

fn no_tlbi(d: &mut Driver, wrong: bool) {
    stage1(d);
    unmap(d, VA);
    d.barrier();
    if wrong {
        d.sync()
    } else {
        d.run(&[nh_va(9, 5, VA)])
    }
    d.expect(1, VA, &UNMAPPED);
}

fn no_sync(d: &mut Driver, wrong: bool) {
    stage1(d);
    unmap(d, VA);
    d.command(nh_va(9, 5, VA));
    if wrong {
        d.wait_for_queue()
    } else {
        d.sync()
    }
    d.expect(1, VA, &UNMAPPED);
}

fn tlbi_first(d: &mut Driver, wrong: bool) {
    stage1(d);
    if wrong {
        d.run(&[nh_va(9, 5, VA)]);
        unmap(d, VA);
        d.barrier();
    } else {
        unmap(d, VA);
        d.run(&[nh_va(9, 5, VA)]);
    }
    d.expect(1, VA, &UNMAPPED);
}

fn no_barrier(d: &mut Driver, wrong: bool) {
    stage1(d);
    unmap(d, VA);
    d.queue(nh_va(9, 5, VA));
    d.queue([0x46, 0]);
    if !wrong {
        d.barrier();
    }
    // The queue's own entries are taken as they are: they are not what this is about.
    let prod = d.prod;
    d.w32(0x98, prod);
    d.wait_for_queue();
    d.expect(1, VA, &UNMAPPED);
}

/// Pages `VA` to `VA` + 4 pages, which are unmapped.
fn four_pages(d: &mut Driver, command: [u64; 2]) {
    stage1(d);
    for page in 0..4 {
        map(&d.mem, S1_ROOT, VA + page * 0x1000, A + page * 0x1000, RW1);
    }
    d.barrier();
    for page in 0..4 {
        unmap(d, VA + page * 0x1000);
    }
    d.run(&[command]);
    for page in 0..4 {
        d.expect(1, VA + page * 0x1000, &UNMAPPED);
    }
}

/// NH_VA of VMID 9, ASID 5 by range.
fn ranged(va: u64, num: u64, scale: u64, hints: u64) -> [u64; 2] {
    [0x12 | num << 12 | scale << 20 | 9 << 32 | 5 << 48, va | hints]
}

fn one_short(d: &mut Driver, wrong: bool) {
    four_pages(d, ranged(VA, if wrong { 2 } else { 3 }, 0, TG4K | 3 << 8));
}

fn wrong_page_size(d: &mut Driver, wrong: bool) {
    stage1(d);
    for page in 0..8 {
        map(&d.mem, S1_ROOT, VA + page * 0x1000, A + page * 0x1000, RW1);
    }
    d.barrier();
    for page in 0..8 {
        unmap(d, VA + page * 0x1000);
    }
    // 0x8000 bytes.
    let num = if wrong { 0x8000 / 0x2000 - 1 } else { 7 };
    d.run(&[ranged(VA, num, 0, TG4K | 3 << 8)]);
    for page in 0..8 {
        d.expect(1, VA + page * 0x1000, &UNMAPPED);
    }
}

fn ttl_of_block(d: &mut Driver, wrong: bool) {
    stage1(d);
    let va = 0x40_0000;
    map_block(&d.mem, S1_ROOT, va, A, RW1);
    d.barrier();
    d.expect(1, va + 0x123, &[Goes::To(A + 0x123)]);
    d.store(S1_ROOT + 0x1000 + (va >> 21) * 8, 0);
    d.run(&[ranged(va, 0, 0, TG4K | if wrong { 3 } else { 2 } << 8)]);
    d.expect(1, va + 0x123, &UNMAPPED);
}

/// The last-level table is unlinked, and comes back once `command` is complete.
fn unlink(d: &mut Driver, command: [u64; 2]) {
    stage1(d);
    d.store(TO_LEVEL3, 0);
    d.run(&[command]);
    d.free(LEVEL3, 0x1000);
    d.store(LEVEL3 + 8, B | RW1 | 3);
    d.expect(1, VA, &UNMAPPED);
}

fn leaf_only(d: &mut Driver, wrong: bool) {
    let [first, second] = nh_va(9, 5, VA);
    unlink(d, [first, second | u64::from(wrong)]);
}

fn freed_early(d: &mut Driver, wrong: bool) {
    stage1(d);
    d.store(TO_LEVEL3, 0);
    d.command(nh_va(9, 5, VA));
    if wrong {
        d.free(LEVEL3, 0x1000);
    }
    d.sync();
    d.free(LEVEL3, 0x1000);
    d.expect(1, VA, &UNMAPPED);
}

fn scale_cut(d: &mut Driver, wrong: bool) {
    d.bring_up();
    let (far, level1) = (1 << 44, S1_ROOT + 0x4000);
    let mut cd = cd_s1(5);
    cd[0] = cd[0] & !0x3f | 16;
    d.store_all(CD, &cd);
    d.store(S1_ROOT + (far >> 39) * 8, level1 | 3);
    d.store(level1, A | RW1 | 1);
    d.attach(1, ste_s1(9));
    d.expect(1, far, &[Goes::To(A)]);
    d.store(level1, 0);
    // All of 2^45 bytes: one unit of 2^33 granules.
    let scale = if wrong { 33 & 0x1f } else { 33 };
    d.run(&[ranged(0, 0, scale, TG4K)]);
    d.expect(1, far, &UNMAPPED);
}

fn reserved_range(d: &mut Driver, wrong: bool) {
    stage1(d);
    unmap(d, VA);
    d.run(&[ranged(VA, 0, 0, if wrong { TG4K } else { TG4K | 3 << 8 })]);
    d.expect(1, VA, &UNMAPPED);
}

fn wrong_tg(d: &mut Driver, wrong: bool) {
    // 64KB pages would need a quarter as many, and another kind of table is not touched at all.
    four_pages(
        d,
        ranged(
            if wrong { 0 } else { VA },
            if wrong { 0 } else { 3 },
            0,
            (if wrong { 3 << 10 } else { TG4K }) | 3 << 8,
        ),
    );
}

fn unaligned(d: &mut Driver, wrong: bool) {
    stage1(d);
    unmap(d, VA);
    d.run(&[if wrong { ranged(VA, 0, 0, TG4K | 2 << 8) } else { ranged(VA, 0, 0, TG4K | 3 << 8) }]);
    d.expect(1, VA, &UNMAPPED);
}

fn no_ril(d: &mut Driver, wrong: bool) {
    stage1(d);
    unmap(d, VA);
    d.run(&[if wrong { ranged(VA, 3, 0, TG4K | 3 << 8) } else { nh_va(9, 5, VA) }]);
    d.expect(1, VA, &UNMAPPED);
}

fn by_tag(d: &mut Driver, command: [u64; 2]) {
    stage1(d);
    unmap(d, VA);
    d.run(&[command]);
    d.expect(1, VA, &UNMAPPED);
}

fn wrong_asid(d: &mut Driver, wrong: bool) {
    by_tag(d, nh_va(9, if wrong { 0 } else { 5 }, VA));
}

fn wrong_vmid(d: &mut Driver, wrong: bool) {
    by_tag(d, nh_va(if wrong { 0 } else { 9 }, 5, VA));
}

fn wrong_world(d: &mut Driver, wrong: bool) {
    by_tag(d, if wrong { [0x22 | 5 << 48, VA] } else { nh_va(9, 5, VA) });
}

/// Sixteen contiguous pages at 0x10000.
fn contiguous(d: &mut Driver) {
    stage1(d);
    for page in 0..16 {
        map(&d.mem, S1_ROOT, 0x1_0000 + page * 0x1000, A + page * 0x1000, RW1 | 1 << 52);
    }
    d.barrier();
}

fn cut_group(d: &mut Driver, wrong: bool) {
    contiguous(d);
    for page in 0..16 {
        unmap(d, 0x1_0000 + page * 0x1000);
    }
    let hints = TG4K | 3 << 8;
    if wrong {
        d.run(&[ranged(0x1_0000, 7, 0, hints), ranged(0x1_8000, 7, 0, hints)]);
    } else {
        d.run(&[ranged(0x1_0000, 15, 0, hints)]);
    }
    for page in 0..16 {
        d.expect(1, 0x1_0000 + page * 0x1000, &UNMAPPED);
    }
}

fn part_of_group(d: &mut Driver, wrong: bool) {
    contiguous(d);
    let page = |number: u64| 0x1_0000 + number * 0x1000;
    if wrong {
        unmap(d, page(3));
        d.run(&[nh_va(9, 5, page(3))]);
    } else {
        // All break; the others come back without the hint.
        for number in 0..16 {
            unmap(d, page(number));
        }
        d.run(&[ranged(page(0), 15, 0, TG4K | 3 << 8)]);
        for number in (0..16).filter(|number| *number != 3) {
            map(&d.mem, S1_ROOT, page(number), A + number * 0x1000, RW1);
        }
        d.barrier();
    }
    d.expect(1, page(3), &UNMAPPED);
    d.expect(1, page(4), &[Goes::To(A + 0x4000)]);
}

fn same_asid(d: &mut Driver, wrong: bool) {
    stage1(d);
    map(&d.mem, OTHER_ROOT, VA, B, RW1);
    d.store(CD + 8, OTHER_ROOT);
    d.run(&[cfgi_cd(1, 0, 1)]);
    d.expect(1, VA, &[Goes::To(A), Goes::To(B)]);
    if !wrong {
        d.run(&[[0x11 | 9 << 32 | 5 << 48, 0]]);
    }
    d.expect(1, VA, &[Goes::To(B)]);
}

fn asid_reused(d: &mut Driver, wrong: bool) {
    stage1(d);
    d.detach(1);
    if !wrong {
        d.run(&[[0x11 | 9 << 32 | 5 << 48, 0]]);
    }
    // Another space with the same ASID and another CD.
    let mut cd = cd_s1(5);
    cd[1] = OTHER_ROOT;
    d.store_all(CD + 0x1000, &cd);
    map(&d.mem, OTHER_ROOT, VA, B, RW1);
    let mut ste = ste_s1(9);
    ste[0] += 0x1000;
    d.attach(2, ste);
    d.expect(2, VA, &[Goes::To(B)]);
}

fn vmid_reused(d: &mut Driver, wrong: bool) {
    d.bring_up();
    map(&d.mem, S2_ROOT, VA, A, RW2);
    map(&d.mem, OTHER_ROOT, VA, B, RW2);
    d.attach(1, ste_s2(9));
    d.expect(1, VA, &[Goes::To(A)]);
    d.detach(1);
    if !wrong {
        d.run(&[[0x28 | 9 << 32, 0]]);
    }
    let mut other = ste_s2(9);
    other[3] = OTHER_ROOT;
    d.attach(2, other);
    d.expect(2, VA, &[Goes::To(B)]);
}

fn shared_vmid(d: &mut Driver, wrong: bool) {
    d.bring_up();
    d.store_all(CD, &cd_s1(5));
    map(&d.mem, S1_ROOT, VA, A, RW1);
    map_s2_structures(&d.mem);
    map(&d.mem, S2_ROOT, A, B, RW2);
    d.attach(1, ste_s1(if wrong { 9 } else { 8 }));
    d.attach(2, ste_nested(9));
    d.expect(1, VA, &[Goes::To(A)]);
    d.expect(2, VA, &[Goes::To(B)]);
}

/// A guest whose page is unmapped from stage 2.
fn nested(d: &mut Driver, batches: &[&[[u64; 2]]]) {
    d.bring_up();
    d.store_all(CD, &cd_s1(5));
    map(&d.mem, S1_ROOT, VA, A, RW1);
    map_s2_structures(&d.mem);
    map(&d.mem, S2_ROOT, A, B, RW2);
    d.attach(1, ste_nested(9));
    d.expect(1, VA, &[Goes::To(B)]);
    map(&d.mem, S2_ROOT, A, 0, 0);
    for batch in batches {
        d.run(batch);
    }
    d.expect(1, VA, &UNMAPPED);
}

const S2_IPA: [u64; 2] = [0x2a | 9 << 32, A];
const NH_ALL: [u64; 2] = [0x10 | 9 << 32, 0];

fn ipa_only(d: &mut Driver, wrong: bool) {
    nested(d, if wrong { &[&[S2_IPA]] } else { &[&[S2_IPA], &[NH_ALL]] });
}

fn stage1_first(d: &mut Driver, wrong: bool) {
    nested(d, if wrong { &[&[NH_ALL], &[S2_IPA]] } else { &[&[S2_IPA], &[NH_ALL]] });
}

fn one_batch(d: &mut Driver, wrong: bool) {
    nested(d, if wrong { &[&[S2_IPA, NH_ALL]] } else { &[&[S2_IPA], &[NH_ALL]] });
}

fn no_break(d: &mut Driver, wrong: bool) {
    stage1(d);
    if !wrong {
        unmap(d, VA);
        d.run(&[nh_va(9, 5, VA)]);
    }
    map(&d.mem, S1_ROOT, VA, B, RW1);
    d.run(&[nh_va(9, 5, VA)]);
    d.expect(1, VA, &[Goes::To(B)]);
}

fn split_block(d: &mut Driver, wrong: bool) {
    stage1(d);
    let (va, table) = (0x40_0000, S1_ROOT + 0x8000);
    map_block(&d.mem, S1_ROOT, va, A, RW1);
    d.barrier();
    d.expect(1, va + 0x1000, &[Goes::To(A + 0x1000)]);
    for page in 0..512 {
        d.store(table + page * 8, (A + page * 0x1000) | RW1 | 3);
    }
    d.barrier();
    if !wrong {
        d.store(S1_ROOT + 0x1000 + (va >> 21) * 8, 0);
        d.run(&[nh_va(9, 5, va)]);
    }
    d.store(S1_ROOT + 0x1000 + (va >> 21) * 8, table | 3);
    d.run(&[nh_va(9, 5, va)]);
    d.expect(1, va + 0x1000, &[Goes::To(A + 0x1000)]);
}

fn write_protect(d: &mut Driver, wrong: bool) {
    stage1(d);
    map(&d.mem, S1_ROOT, VA, A, RW1 | 1 << 7);
    d.barrier();
    if !wrong {
        d.run(&[nh_va(9, 5, VA)]);
    }
    d.expect(1, VA, &[Goes::To(A)]);
    d.expect_write(1, VA, &[Goes::Fault(0x13)]);
}

fn global(d: &mut Driver, wrong: bool) {
    stage1(d);
    let va = 0x2000;
    // nG is clear: it is of every ASID.
    map(&d.mem, S1_ROOT, va, A, RW1 & !(1 << 11));
    d.barrier();
    d.expect(1, va, &[Goes::To(A)]);
    unmap(d, va);
    d.run(&[if wrong { [0x11 | 9 << 32 | 5 << 48, 0] } else { [0x10 | 9 << 32, 0] }]);
    d.expect(1, va, &UNMAPPED);
}
