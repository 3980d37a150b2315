//! Stage 2 alone and nested: success, each fault with its CLASS, STE legality.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
mod common;
use common::*;
use smmu_model::{Access, Class, Outcome, Profile};

fn stage2_rig() -> Rig {
    let rig = Rig::new(Profile::maximum());
    rig.ste(2, ste_s2(9));
    map(&rig.mem, S2_ROOT, 0x3000, 0x8000_0000, RW2);
    rig
}

fn nested_rig() -> Rig {
    let rig = Rig::new(Profile::maximum());
    rig.ste(1, ste_nested(9));
    rig.structure(CD, cd_s1(5));
    map(&rig.mem, S1_ROOT, 0x1000, 0x3000, RW1);
    map(&rig.mem, S2_ROOT, 0x3000, 0x8000_0000, RW2);
    map_s2_structures(&rig.mem);
    rig
}

#[test]
fn stage2_alone() {
    let mut rig = stage2_rig();
    assert_eq!(rig.pa(2, 0x3123), 0x8000_0123);
    assert_eq!(rig.faults(2, 0x4000), 0x10);
    assert_eq!(rig.faults(2, 1 << 39), 0x10, "beyond S2T0SZ");
    let fault = rig.fault(access(2, 1 << 52));
    assert_eq!((fault.event, fault.stage), (Some(0x11), 1), "beyond the IAS is a stage 1 fault");
    rig.event();
    assert_eq!(rig.fault(Access { ssid: Some(1), ..access(2, 0x3000) }).event, Some(8));
    rig.clean();
}

#[test]
fn stage2_faults() {
    let leaf = S2_ROOT + 0x2018;
    let good = 0x8000_0000 | RW2 | 3;
    for (descriptor, event) in
        [(good & !2, 0x10), (1 << 40 | RW2 | 3, 0x11), (good & !(1 << 10), 0x12), (good & !(1 << 6), 0x13)]
    {
        let mut rig = stage2_rig();
        rig.mem.set(leaf, descriptor);
        let fault = rig.fault(access(2, 0x3000));
        assert_eq!(
            (fault.event, fault.stage, fault.class, fault.ipa),
            (Some(event), 2, Some(Class::In), Some(0x3000))
        );
        let record = rig.event().unwrap();
        assert_eq!((record[3], record[1] >> 39 & 7), (0x3000, 1 | 2 << 1), "IPA, S2 and CLASS");
        rig.mem.set(leaf, good);
        assert_eq!(rig.pa(2, 0x3000), 0x8000_0000);
    }
    // XN with XNX: 1 is unprivileged only, 3 is privileged only.
    for (xn, privileged, ok) in [
        (0, true, true),
        (1, true, false),
        (1, false, true),
        (2, true, false),
        (3, true, true),
        (3, false, false),
    ] {
        let mut rig = stage2_rig();
        rig.mem.set(leaf, good | xn << 53);
        let passed = matches!(
            rig.smmu.dma(&Access { instruction: true, privileged, ..access(2, 0x3000) }),
            Outcome::Passed { .. }
        );
        assert_eq!(passed, ok, "XN {xn} privileged {privileged}");
    }
    // S2R=0 hides the record.
    let mut rig = stage2_rig();
    let mut ste = ste_s2(9);
    ste[2] &= !(1 << 58);
    rig.ste(2, ste);
    assert!(!rig.fault(access(2, 0x9000)).recorded);
    assert_eq!(rig.event(), None);
}

#[test]
fn nested() {
    let mut rig = nested_rig();
    assert_eq!(rig.pa(1, 0x1abc), 0x8000_0abc);
    rig.clean();
}

#[test]
fn nested_fault_classes() {
    // The CD's IPA is not mapped.
    let mut rig = nested_rig();
    rig.mem.set(S2_ROOT + 0x1008, 0);
    let fault = rig.fault(access(1, 0x1000));
    assert_eq!(
        (fault.event, fault.stage, fault.class, fault.ipa),
        (Some(0x10), 2, Some(Class::Cd), Some(CD))
    );
    // The stage 1 tables' IPA is not readable: CLASS TT, TTRnW=1.
    let mut rig = nested_rig();
    map_block(&rig.mem, S2_ROOT, 0x40_0000, 0x40_0000, RW2 & !(1 << 6));
    let fault = rig.fault(access(1, 0x1000));
    assert_eq!((fault.event, fault.class, fault.ipa), (Some(0x13), Some(Class::Tt), Some(S1_ROOT)));
    assert_eq!(rig.event().unwrap()[1] >> 44 & 1, 1);
    // The final IPA.
    let mut rig = nested_rig();
    map(&rig.mem, S1_ROOT, 0x1000, 0x5000, RW1);
    let fault = rig.fault(access(1, 0x1234));
    assert_eq!(
        (fault.event, fault.stage, fault.class, fault.ipa),
        (Some(0x10), 2, Some(Class::In), Some(0x5234))
    );
    assert_eq!(rig.event().unwrap()[3], 0x5000, "IPA[11:0] are not recorded");
    // Stage 1 stays a stage 1 fault.
    assert_eq!(rig.fault(access(1, 0x2000)).stage, 1);
    // External aborts: on the CD, on a stage 2 descriptor for the CD, on a stage 1 descriptor.
    for (page, event, class, fetch) in [
        (CD, 9, None, CD),
        (S2_ROOT + 0x1000, 0xb, Some(Class::Cd), S2_ROOT + 0x1008),
        (S1_ROOT, 0xb, Some(Class::Tt), S1_ROOT),
    ] {
        let mut rig = nested_rig();
        rig.mem.break_page(page, true);
        let fault = rig.fault(access(1, 0x1000));
        assert_eq!((fault.event, fault.class, fault.fetch), (Some(event), class, Some(fetch)));
        assert_eq!(rig.event().unwrap()[3] & !7, fetch);
        rig.mem.break_page(page, false);
        assert_eq!(rig.pa(1, 0x1000), 0x8000_0000);
    }
}

#[test]
fn s2ptw_closes_device_memory_to_walks() {
    for (ptw, ok) in [(0, true), (1, false)] {
        let mut rig = nested_rig();
        let mut ste = ste_nested(9);
        ste[2] |= ptw << 54;
        rig.ste(1, ste);
        map_block(&rig.mem, S2_ROOT, 0x40_0000, 0x40_0000, 1 << 10 | 3 << 6 | 1 << 2);
        assert_eq!(matches!(rig.read(1, 0x1000), Outcome::Passed { .. }), ok);
    }
}

#[test]
fn concatenated_start_tables() {
    // 4KB, level 1, 40-bit IPA: two tables of 512 entries. S2T0SZ=24, S2PS=40.
    let mut rig = Rig::new(Profile::maximum());
    let mut ste = ste_s2(9);
    ste[2] = 9 | 24 << 32 | 1 << 38 | 2 << 48 | 1 << 51 | 1 << 58;
    rig.ste(2, ste);
    rig.mem.set(S2_ROOT + 0x1000, 0x80_0000_0000 | RW2 | 1);
    assert_eq!(rig.pa(2, 0x80_1234_5678), 0x80_1234_5678);
    rig.clean();
}

#[test]
fn ste_legality() {
    let base = ste_s2(9);
    let with2 = |clear: u64, set: u64| {
        let mut s = base;
        s[2] = s[2] & !clear | set;
        s
    };
    let with = |word: usize, set: u64| {
        let mut s = base;
        s[word] |= set;
        s
    };
    let max = Profile::maximum();
    let bad = [
        ("V=0", [0; 8], max),
        ("S2AA64=0", with2(1 << 51, 0), max),
        ("S2TG=3", with2(0, 3 << 46), max),
        ("S2T0SZ=11", with2(0x3f << 32, 11 << 32), max),
        ("S2T0SZ=49", with2(0x3f << 32, 49 << 32), max),
        ("S2SL0 too deep", with2(3 << 38, 0), max),
        ("S2SL0 too shallow", with2(3 << 38, 2 << 38), max),
        ("S2TTB", with(3, 1 << 40), max),
        ("S2S without stalls", with2(0, 1 << 57), Profile::qemu()),
        ("S2HA", with2(0, 1 << 56), Profile::qemu()),
        ("S2ENDI", with2(0, 1 << 52), Profile::qemu()),
        ("EATS=2", with(1, 2 << 28), max),
        ("no stage 2", base, Profile::minimum()),
        ("no stage 1", ste_s1(0), Profile::minimum_stage2()),
        ("VMID", ste_s2(0x100), Profile::minimum_stage2()),
    ];
    for (name, ste, profile) in bad {
        let mut rig = Rig::new(profile);
        rig.ste(2, ste);
        assert_eq!(rig.faults(2, 0x3000), 4, "{name}");
    }
    let mut rig = stage2_rig();
    let mut eats = base;
    eats[1] |= 1 << 28;
    rig.ste(2, eats);
    assert_eq!(rig.pa(2, 0x3000), 0x8000_0000, "full ATS is legal");
    eats[2] |= 1 << 57;
    rig.ste(2, eats);
    rig.cmd(cfgi_ste(2, 1));
    assert_eq!(rig.faults(2, 0x3000), 4, "but not with S2S");
}

#[test]
fn strw_and_s1_fields() {
    let mut rig = stage1_rig(Profile::maximum());
    let mut ste = ste_s1(0);
    ste[1] |= 2 << 30;
    rig.ste(1, ste);
    let mut cd = cd_s1(0);
    cd[0] &= !(0x3fff << 16);
    cd[0] &= !(1 << 30);
    rig.structure(CD, cd);
    assert_eq!(rig.pa(1, 0x1000), 0x8000_0000, "EL2");
    assert_eq!(rig.faults(1, 0xffff_ffff_ffff_f000), 0x10, "EL2 has no TTB1");
    rig.clean();
    ste[1] |= 1 << 30;
    rig.ste(1, ste);
    rig.cmd(cfgi_ste(1, 1));
    assert_eq!(rig.faults(1, 0x1000), 4, "STRW=3");
    let mut ste = ste_s1(9);
    ste[0] |= 21 << 59;
    rig.ste(1, ste);
    rig.cmd(cfgi_ste(1, 1));
    assert_eq!(rig.faults(1, 0x1000), 4, "S1CDMax above SSIDSIZE");
}
