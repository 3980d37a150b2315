//! Stale translations stay until exactly the right invalidation. Each near miss is shown to leave the entry.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
mod common;
use common::*;
use smmu_model::{Access, Outcome, Profile};

const OLD: u64 = 0x8000_0000;

/// Fills the entry for 0x1000, then unmaps the page in memory.
fn stale(profile: Profile) -> Rig {
    let mut rig = stage1_rig(profile);
    assert_eq!(rig.pa(1, 0x1000), OLD);
    map(&rig.mem, S1_ROOT, 0x1000, 0, 0);
    assert_eq!(rig.pa(1, 0x1fff), OLD + 0xfff, "stale");
    rig
}

fn keeps(rig: &mut Rig, command: [u64; 2], why: &str) {
    rig.cmd(command);
    assert!(matches!(rig.read(1, 0x1000), Outcome::Passed { .. }), "{why} must not remove it");
}
fn drops(mut rig: Rig, command: [u64; 2], why: &str) {
    rig.cmd(command);
    assert_eq!(rig.fault(access(1, 0x1000)).event, Some(0x10), "{why} must remove it");
}

#[test]
fn nh_commands() {
    let mut rig = stale(Profile::maximum());
    keeps(&mut rig, SYNC, "SYNC");
    keeps(&mut rig, cfgi_ste(1, 0), "CFGI_STE");
    keeps(&mut rig, nh_va(9, 5, 0x2000), "another VA");
    keeps(&mut rig, nh_va(9, 6, 0x1000), "another ASID");
    keeps(&mut rig, nh_va(8, 5, 0x1000), "another VMID");
    keeps(&mut rig, [0x11 | 9 << 32 | 6 << 48, 0], "ASID 6");
    keeps(&mut rig, [0x11 | 8 << 32 | 5 << 48, 0], "VMID 8 ASID 5");
    keeps(&mut rig, [0x13 | 8 << 32, 0x1000], "VAA of VMID 8");
    keeps(&mut rig, [0x10 | 8 << 32, 0], "NH_ALL of VMID 8");
    keeps(&mut rig, [0x28 | 8 << 32, 0], "S12_VMALL of VMID 8");
    keeps(&mut rig, [0x20, 0], "EL2_ALL");
    keeps(&mut rig, [0x22 | 5 << 48, 0x1000], "EL2_VA");
    keeps(&mut rig, [0x2a | 9 << 32, 0x1000], "S2_IPA");
    rig.clean();
    drops(rig, nh_va(9, 5, 0x1000), "NH_VA");
    for (command, why) in [
        (nh_va(9, 5, 0x1000).map(|w| w | u64::from(w == 0x1000)), "NH_VA leaf"),
        ([0x13 | 9 << 32, 0x1000], "VAA"),
        ([0x11 | 9 << 32 | 5 << 48, 0], "ASID"),
        ([0x10 | 9 << 32, 0], "NH_ALL"),
        ([0x28 | 9 << 32, 0], "S12_VMALL"),
        ([0x30, 0], "NSNH_ALL"),
    ] {
        drops(stale(Profile::maximum()), command, why);
    }
}

#[test]
fn wildcards_and_8_bit_ids() {
    let mut rig = stale(Profile::maximum());
    keeps(&mut rig, [0x10 | 8 << 32, 0], "VMW=0");
    rig.w32(0x20, 0xd | 1 << 6);
    drops(rig, [0x10 | 8 << 32, 0], "VMW=1 matches VMID[N:1]");
    let mut rig = stale(Profile::minimum());
    rig.push([0x11 | 0x105 << 48, 0]);
    rig.one_complaint("ASID16");
    assert!(matches!(rig.read(1, 0x1000), Outcome::Passed { .. }));
    drops(rig, [0x11 | 5 << 48, 0], "ASID 5");
}

#[test]
fn ranges_and_hints() {
    let tg = |n: u64| n << 10;
    let ttl = |n: u64| n << 8;
    let base = 0x12 | 9 << 32 | 5 << 48;
    let mut rig = stale(Profile::maximum());
    keeps(&mut rig, [base, 0x1000 | tg(1) | ttl(2)], "TTL=2 at an unaligned address");
    rig.one_complaint("UNPREDICTABLE");
    let mut rig = stale(Profile::maximum());
    keeps(&mut rig, [base, tg(1) | ttl(2)], "TTL=2");
    keeps(&mut rig, [base | 3 << 12, tg(2)], "16KB");
    keeps(&mut rig, [base | 3 << 12, tg(3)], "64KB");
    keeps(&mut rig, [base | 1 << 20, 0x2000 | tg(1)], "2 pages from 0x2000");
    keeps(&mut rig, [base, tg(1) | ttl(3)], "one page at 0");
    rig.clean();
    drops(rig, [base | 1 << 12, tg(1)], "2 pages from 0");
    drops(stale(Profile::maximum()), [base | 1 << 20, tg(1) | ttl(3)], "2 pages from 0, TTL=3");
    drops(stale(Profile::maximum()), [base, 0x1000 | tg(1) | ttl(3)], "TTL=3");
    drops(stale(Profile::maximum()), [base | 31 << 12 | 20 << 20, tg(1)], "a large range");
}

#[test]
fn blocks_go_by_any_address_in_them() {
    let fill = || {
        let mut rig = stage1_rig(Profile::maximum());
        map_block(&rig.mem, S1_ROOT, 0x40_0000, 0x9000_0000, RW1);
        rig.pa(1, 0x40_0000);
        rig.mem.set(S1_ROOT + 0x1010, 0);
        rig
    };
    let mut rig = fill();
    rig.cmd(nh_va(9, 5, 0x60_0000));
    assert_eq!(rig.pa(1, 0x5f_f000), 0x901f_f000);
    rig.cmd(nh_va(9, 5, 0x5f_f000));
    assert_eq!(rig.faults(1, 0x40_0000), 0x10);
    let mut rig = fill();
    rig.cmd([0x12 | 9 << 32 | 5 << 48, 0x40_0000 | 1 << 10 | 3 << 8]);
    assert_eq!(rig.pa(1, 0x40_0000), 0x9000_0000, "TTL=3 is not its level");
    rig.cmd([0x12 | 9 << 32 | 5 << 48, 0x40_0000 | 1 << 10 | 2 << 8]);
    assert_eq!(rig.faults(1, 0x40_0000), 0x10);
}

#[test]
fn global_entries() {
    let mut rig = stage1_rig(Profile::maximum());
    map(&rig.mem, S1_ROOT, 0x1000, OLD, RW1 & !(1 << 11));
    rig.pa(1, 0x1000);
    // Another stream, another ASID, empty tables: hits the global entry of the same VMID.
    let mut cd = cd_s1(6);
    cd[1] = 0x70_0000;
    rig.structure(CD + 0x1000, cd);
    let mut ste = ste_s1(9);
    ste[0] = ste[0] & !CD | (CD + 0x1000);
    rig.ste(3, ste);
    assert_eq!(rig.pa(3, 0x1000), OLD);
    rig.cmd([0x11 | 9 << 32 | 5 << 48, 0]);
    assert_eq!(rig.pa(3, 0x1000), OLD, "NH_ASID leaves global entries");
    rig.cmd(nh_va(9, 77, 0x1000));
    assert_eq!(rig.faults(3, 0x1000), 0x10, "NH_VA takes them with any ASID");
}

#[test]
fn shared_ids_share_entries() {
    let mut rig = stage1_rig(Profile::maximum());
    rig.pa(1, 0x1000);
    for (sid, vmid, asid, hit) in [(3, 9, 5, true), (4, 9, 6, false), (5, 8, 5, false)] {
        let at = CD + sid * 0x1000;
        let mut cd = cd_s1(asid);
        cd[1] = 0x70_0000;
        rig.structure(at, cd);
        let mut ste = ste_s1(vmid);
        ste[0] = ste[0] & !CD | at;
        rig.ste(sid, ste);
        assert_eq!(matches!(rig.read(sid as u32, 0x1000), Outcome::Passed { .. }), hit);
    }
}

#[test]
fn leaf_invalidation_leaves_cached_tables() {
    let fill = || {
        let mut rig = stage1_rig(Profile::maximum());
        rig.pa(1, 0x1000);
        // The level 3 table moves: a new table descriptor in level 2.
        rig.mem.set(0x48_0000 + 8, 0xa000_0000 | RW1 | 3);
        rig.mem.set(S1_ROOT + 0x1000, 0x48_0000 | 3);
        rig
    };
    let mut rig = fill();
    rig.cmd([0x12 | 9 << 32 | 5 << 48, 0x1000 | 1]);
    assert_eq!(rig.pa(1, 0x1000), OLD, "Leaf=1: the old table is still used");
    rig.cmd(nh_va(9, 5, 0x1000));
    assert_eq!(rig.pa(1, 0x1000), 0xa000_0000);
    // TTL=2, Leaf=0 covers tables of levels 0 and 1, not the level 2 table descriptor.
    let mut rig = fill();
    rig.cmd([0x12 | 9 << 32 | 5 << 48, 1 << 10 | 2 << 8]);
    rig.cmd([0x12 | 9 << 32 | 5 << 48, 0x1000 | 1]);
    assert_eq!(rig.pa(1, 0x1000), OLD);
    rig.cmd([0x12 | 9 << 32 | 5 << 48, 0x1000 | 1 << 10 | 3 << 8]);
    assert_eq!(rig.pa(1, 0x1000), 0xa000_0000, "TTL=3, Leaf=0");
}

#[test]
fn permission_upgrades_need_invalidation() {
    let mut rig = stage1_rig(Profile::maximum());
    map(&rig.mem, S1_ROOT, 0x1000, OLD, RW1 | 1 << 7);
    rig.pa(1, 0x1000);
    map(&rig.mem, S1_ROOT, 0x1000, OLD, RW1);
    assert!(matches!(rig.write(1, 0x1000), Outcome::Aborted(f) if f.event == Some(0x13)));
    rig.cmd(nh_va(9, 5, 0x1000));
    assert!(matches!(rig.write(1, 0x1000), Outcome::Passed { .. }));
}

fn nested() -> Rig {
    let mut rig = Rig::new(Profile::maximum());
    rig.ste(1, ste_nested(9));
    rig.structure(CD, cd_s1(5));
    map(&rig.mem, S1_ROOT, 0x1000, 0x3000, RW1);
    map(&rig.mem, S2_ROOT, 0x3000, OLD, RW2);
    map_s2_structures(&rig.mem);
    assert_eq!(rig.pa(1, 0x1000), OLD);
    map(&rig.mem, S2_ROOT, 0x3000, 0xa000_0000, RW2);
    assert_eq!(rig.pa(1, 0x1000), OLD);
    rig
}

#[test]
fn nested_entries_need_both_invalidations() {
    let s2_ipa = [0x2a | 9 << 32, 0x3000];
    let mut rig = nested();
    rig.cmd(s2_ipa);
    assert_eq!(rig.pa(1, 0x1000), OLD, "S2_IPA leaves combined entries");
    rig.cmd([0x10 | 9 << 32, 0]);
    assert_eq!(rig.pa(1, 0x1000), 0xa000_0000);
    let mut rig = nested();
    rig.cmd([0x10 | 9 << 32, 0]);
    assert_eq!(rig.pa(1, 0x1000), OLD, "NH_ALL leaves stage 2 entries");
    let mut rig = nested();
    rig.cmd([0x2a | 8 << 32, 0x3000]);
    rig.cmd([0x13 | 9 << 32, 0x1000]);
    assert_eq!(rig.pa(1, 0x1000), OLD, "another VMID");
    rig.cmd([0x2a | 9 << 32, 0x3000]);
    rig.cmd([0x13 | 9 << 32, 0x1000]);
    assert_eq!(rig.pa(1, 0x1000), 0xa000_0000);
    let mut rig = nested();
    rig.cmd([0x28 | 9 << 32, 0]);
    assert_eq!(rig.pa(1, 0x1000), 0xa000_0000, "S12_VMALL");
}

#[test]
fn stage2_only_entries() {
    let mut rig = Rig::new(Profile::maximum());
    rig.ste(2, ste_s2(9));
    map(&rig.mem, S2_ROOT, 0x3000, OLD, RW2);
    rig.pa(2, 0x3000);
    map(&rig.mem, S2_ROOT, 0x3000, 0, 0);
    for command in [
        [0x10 | 9 << 32, 0],
        [0x13 | 9 << 32, 0x3000],
        [0x2a | 9 << 32, 0x4000],
        [0x2a | 8 << 32, 0x3000],
        [0x2a | 9 << 32 | 1 << 12, 0x3000 | 3 << 10],
    ] {
        rig.push(command);
        assert_eq!(rig.pa(2, 0x3000), OLD, "{command:x?}");
    }
    rig.cmd([0x2a | 9 << 32, 0x3001]);
    assert_eq!(rig.faults(2, 0x3000), 0x10);
}

#[test]
fn el2_worlds() {
    for (e2h, right, wrong) in [
        (
            false,
            vec![[0x20, 0], [0x22 | 77 << 48, 0x1000], [0x23, 0x1000]],
            vec![[0x21 | 5 << 48, 0], [0x30, 0], [0x13, 0x1000]],
        ),
        (
            true,
            vec![[0x20, 0], [0x21 | 5 << 48, 0], [0x22 | 5 << 48, 0x1000], [0x23, 0x1000]],
            vec![[0x21 | 6 << 48, 0], [0x22 | 6 << 48, 0x1000], [0x30, 0], [0x10, 0]],
        ),
    ] {
        for command in right {
            let mut rig = stage1_rig(Profile::maximum());
            rig.w32(0x20, 0);
            rig.w32(0x2c, 2 | u64::from(e2h));
            rig.w32(0x20, 0xd);
            let mut ste = ste_s1(0);
            ste[1] |= 2 << 30;
            rig.ste(1, ste);
            let mut cd = cd_s1(5);
            if !e2h {
                cd[0] &= !(0x7fff << 16);
            }
            cd[0] |= 1 << 31;
            rig.structure(CD, cd);
            assert_eq!(rig.pa(1, 0x1000), OLD);
            map(&rig.mem, S1_ROOT, 0x1000, 0, 0);
            for near in &wrong {
                rig.cmd(*near);
                assert_eq!(rig.pa(1, 0x1000), OLD, "{near:x?} e2h {e2h}");
            }
            rig.cmd(command);
            assert_eq!(rig.faults(1, 0x1000), 0x10, "{command:x?} e2h {e2h}");
            rig.clean();
        }
    }
}

#[test]
fn s1_only_and_nested_entries_do_not_mix() {
    let mut rig = nested();
    let a = Access { ..access(1, 0x1000) };
    rig.ste(1, ste_s1(9));
    rig.cmd(cfgi_ste(1, 1));
    // STE.Config is not cached in TLBs: the stream now walks stage 1 alone and outputs the old IPA.
    assert_eq!(rig.smmu.dma(&a), Outcome::Passed { pa: 0x3000 });
}
