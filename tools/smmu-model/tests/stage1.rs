//! Stage 1: success, each fault, and CD legality. Every fault has the working twin beside it.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
mod common;
use common::*;
use smmu_model::{Access, Class, Outcome, Profile};

fn field(record: [u64; 4], lsb: usize, width: u32) -> u64 {
    record[lsb / 64] >> (lsb % 64) & ((1 << width) - 1)
}

#[test]
fn page_block_and_offset() {
    let mut rig = stage1_rig(Profile::maximum());
    assert_eq!(rig.pa(1, 0x1abc), 0x8000_0abc);
    map_block(&rig.mem, S1_ROOT, 0x40_0000, 0x9000_0000, RW1);
    assert_eq!(rig.pa(1, 0x5f_fff8), 0x901f_fff8);
    rig.mem.set(0x8000_0008, 0x1122_3344);
    assert_eq!(rig.smmu.dma_read32(&access(1, 0x1008)), Ok(0x1122_3344));
    assert_eq!(rig.smmu.dma_write32(&access(1, 0x100c), 7), Ok(()));
    assert_eq!(rig.mem.get(0x8000_0008), 7 << 32 | 0x1122_3344);
    rig.clean();
}

#[test]
fn translation_fault_record() {
    let mut rig = stage1_rig(Profile::maximum());
    let a = Access { write: true, privileged: true, instruction: true, ..access(1, 0x7000) };
    let fault = rig.fault(a);
    assert_eq!((fault.event, fault.stage, fault.class, fault.ipa), (Some(0x10), 1, Some(Class::In), None));
    let record = rig.event().unwrap();
    assert_eq!(record[0], 0x10 | 1 << 32);
    assert_eq!(record[2], 0x7000);
    assert_eq!(
        (field(record, 97, 1), field(record, 98, 1), field(record, 99, 1)),
        (1, 0, 0),
        "PnU, InD of a write, RnW"
    );
    assert_eq!(
        (field(record, 103, 1), field(record, 104, 2), field(record, 95, 1)),
        (0, 2, 0),
        "S2, CLASS, Stall"
    );
    rig.fault(Access { write: false, privileged: false, ..a });
    let record = rig.event().unwrap();
    assert_eq!((field(record, 97, 1), field(record, 98, 1), field(record, 99, 1)), (0, 1, 1));
}

#[test]
fn faults_of_a_walk() {
    let leaf = S1_ROOT + 0x2008;
    let good = 0x8000_0000 | RW1 | 3;
    for (descriptor, event) in [
        (0x8000_0000 | RW1 | 1, 0x10), // reserved at level 3
        (1 << 40 | RW1 | 3, 0x11),     // IPS is 40 bits
        (good & !(1 << 10), 0x12),     // AF
        (good & !(1 << 6), 0x13),      // privileged only
    ] {
        let mut rig = stage1_rig(Profile::maximum());
        rig.mem.set(leaf, descriptor);
        assert_eq!(rig.faults(1, 0x1000), event, "{descriptor:#x}");
        rig.mem.set(leaf, good);
        assert_eq!(rig.pa(1, 0x1000), 0x8000_0000, "faults are not cached");
        rig.clean();
    }
    // A table descriptor out of range, a block where there is none.
    let mut rig = stage1_rig(Profile::maximum());
    rig.mem.set(S1_ROOT, 1 << 40 | 3);
    assert_eq!(rig.faults(1, 0x1000), 0x11);
    let mut rig = stage1_rig(Profile::maximum());
    rig.mem.break_page(S1_ROOT + 0x2000, true);
    let fault = rig.fault(access(1, 0x1000));
    assert_eq!((fault.event, fault.class, fault.fetch), (Some(0xb), Some(Class::Tt), Some(leaf)));
    let record = rig.event().unwrap();
    assert_eq!((record[3] & !7, field(record, 104, 2)), (leaf, 1));
    rig.mem.break_page(S1_ROOT + 0x2000, false);
    assert_eq!(rig.pa(1, 0x1000), 0x8000_0000);
}

#[test]
fn permissions() {
    // AP[2:1], APTable, PXN, UXN, privileged, (read, write, execute)
    let table = [
        (0, 0, false, false, true, (true, true, true)),
        (0, 0, false, false, false, (false, false, true)), // execute-only for EL0
        (1, 0, false, false, true, (true, true, false)),   // EL0-writable is PXN
        (1, 0, false, false, false, (true, true, true)),
        (2, 0, false, false, true, (true, false, true)),
        (3, 0, false, false, false, (true, false, true)),
        (3, 0, true, false, true, (true, false, false)),
        (3, 0, false, true, false, (true, false, false)),
        (1, 1, false, false, false, (false, false, true)),
        (1, 2, false, false, false, (true, false, true)),
        (1, 2, false, false, true, (true, false, true)),
    ];
    for (ap, ap_table, pxn, uxn, privileged, (r, w, x)) in table {
        let mut rig = stage1_rig(Profile::maximum());
        let leaf = 0x8000_0000 | 1 << 10 | ap << 6 | u64::from(pxn) << 53 | u64::from(uxn) << 54 | 3;
        rig.mem.set(S1_ROOT + 0x2008, leaf);
        rig.mem.set(S1_ROOT, (S1_ROOT + 0x1000) | ap_table << 61 | 3);
        let a = Access { privileged, ..access(1, 0x1000) };
        let mut passes = |a: Access| match rig.smmu.dma(&a) {
            Outcome::Passed { .. } => true,
            Outcome::Aborted(f) => {
                assert_eq!(f.event, Some(0x13));
                false
            }
        };
        let got = (passes(a), passes(Access { write: true, ..a }), passes(Access { instruction: true, ..a }));
        assert_eq!(got, (r, w, x), "AP {ap} APTable {ap_table} PXN {pxn} UXN {uxn} priv {privileged}");
    }
}

#[test]
fn affd_httu_and_r() {
    let mut rig = stage1_rig(Profile::maximum());
    rig.mem.set(S1_ROOT + 0x2008, 0x8000_0000 | 1 << 6 | 3);
    let mut cd = cd_s1(5);
    cd[0] |= 1 << 35;
    rig.structure(CD, cd);
    assert_eq!(rig.pa(1, 0x1000), 0x8000_0000, "AFFD");
    // HA sets AF, HD clears AP[2] on a write only.
    let mut rig = stage1_rig(Profile::maximum());
    rig.mem.set(S1_ROOT + 0x2008, 0x8000_0000 | 3 << 6 | 1 << 51 | 3);
    cd = cd_s1(5);
    cd[0] |= 3 << 42;
    rig.structure(CD, cd);
    rig.pa(1, 0x1000);
    assert_eq!(rig.mem.get(S1_ROOT + 0x2008) >> 6 & 0x13, 0x13, "AF set, still clean");
    assert!(matches!(rig.write(1, 0x1000), Outcome::Passed { .. }));
    assert_eq!(rig.mem.get(S1_ROOT + 0x2008) >> 6 & 0x13, 0x11, "dirty");
    // R=0: the fault is not recorded. A=0: RAZ/WI.
    let mut rig = stage1_rig(Profile::maximum());
    cd = cd_s1(5);
    cd[0] &= !(3 << 45);
    rig.structure(CD, cd);
    let fault = rig.fault(access(1, 0x9000));
    assert_eq!((fault.event, fault.recorded, fault.raz_wi), (Some(0x10), false, true));
    assert_eq!(rig.event(), None);
    assert_eq!(rig.smmu.dma_read32(&access(1, 0x9000)), Ok(0));
}

#[test]
fn stalls() {
    let mut rig = stage1_rig(Profile::maximum());
    let mut cd = cd_s1(5);
    cd[0] |= 1 << 44;
    rig.structure(CD, cd);
    let stag = rig.fault(access(1, 0x9000)).stall.unwrap();
    let record = rig.event().unwrap();
    assert_eq!((field(record, 95, 1), field(record, 64, 16)), (1, u64::from(stag)));
    // Retried, it stalls anew; then it is terminated.
    rig.cmd([0x44 | 1 << 32 | 1 << 12, u64::from(stag)]);
    let stag = field(rig.event().unwrap(), 64, 16);
    rig.cmd([0x44 | 1 << 32, stag]);
    // S1STALLD makes CD.S=1 illegal, and so does a model without stalls.
    let mut ste = ste_s1(9);
    ste[1] |= 1 << 27;
    rig.ste(1, ste);
    rig.cmd(cfgi_ste(1, 1));
    assert_eq!(rig.faults(1, 0x1000), 0xa);
    let mut rig = stage1_rig(Profile::qemu());
    rig.structure(CD, cd);
    assert_eq!(rig.faults(1, 0x1000), 0xa);
}

#[test]
fn va_range_tbi_and_ttb1() {
    let mut rig = stage1_rig(Profile::maximum());
    assert_eq!(rig.faults(1, 1 << 39), 0x10);
    assert_eq!(rig.faults(1, 0x5a00_0000_0000_1000), 0x10);
    assert_eq!(rig.faults(1, 0xffff_ff80_0000_1000), 0x10, "EPD1");
    let mut cd = cd_s1(5);
    cd[0] = (cd[0] | 3 << 38) & !(1 << 30);
    cd[2] = 0x48_0000;
    rig.structure(CD, cd);
    map(&rig.mem, 0x48_0000, 0x2000, 0xa000_0000, RW1);
    rig.cmd(cfgi_cd(1, 0, 1));
    assert_eq!(rig.pa(1, 0x5a00_0000_0000_1004), 0x8000_0004);
    assert_eq!(rig.pa(1, 0xffff_ff80_0000_2010), 0xa000_0010);
    assert_eq!(rig.pa(1, 0x12ff_ff80_0000_2010), 0xa000_0010, "TBI1");
    rig.clean();
}

#[test]
fn cd_legality() {
    let good = cd_s1(5);
    let bad: [(u64, u64, Profile); 9] = [
        (good[0] & !(1 << 31), good[1], Profile::maximum()),
        (good[0] & !(1 << 41), good[1], Profile::maximum()),
        ((good[0] & !0x3f) | 15, good[1], Profile::maximum()),
        ((good[0] & !0x3f) | 49, good[1], Profile::maximum()),
        (good[0] | 3 << 6, good[1], Profile::maximum()),
        (good[0] | 1 << 6, good[1], Profile::minimum()), // 64KB is not there
        (good[0], 1 << 40, Profile::maximum()),
        (good[0] | 0x100 << 48, good[1], Profile::minimum()),
        (good[0] & !(1 << 46), good[1], Profile::qemu()), // TERM_MODEL
    ];
    for (w0, w1, profile) in bad {
        let mut rig = stage1_rig(profile);
        let mut cd = cd_s1(5);
        rig.structure(CD, cd);
        rig.mem.set(S1_ROOT + 0x2008, 0x8000_0000 | RW1 | 3);
        assert_eq!(rig.pa(1, 0x1000), 0x8000_0000);
        (cd[0], cd[1]) = (w0, w1);
        rig.structure(CD, cd);
        rig.cmd(cfgi_cd(1, 0, 1));
        assert_eq!(rig.faults(1, 0x1000), 0xa, "{w0:#x} {w1:#x} {}", profile.name);
    }
}

#[test]
fn granules_16k_and_64k_and_52_bits() {
    // 16KB, T0SZ=17 (47 bits): level 1. TG0=2.
    let mut rig = stage1_rig(Profile::maximum());
    let mut cd = cd_s1(5);
    cd[0] = (cd[0] & !0xff) | 17 | 2 << 6;
    rig.structure(CD, cd);
    rig.mem.set(S1_ROOT, 0x44_0000 | 3);
    rig.mem.set(0x44_0000, 0x44_8000 | 3);
    rig.mem.set(0x44_8000 + 8, 0x8000_4000 | RW1 | 3);
    assert_eq!(rig.pa(1, 0x7abc), 0x8000_7abc);
    rig.mem.set(0x44_0000 + 8, 0x8200_0000 | RW1 | 1);
    assert_eq!(rig.pa(1, 0x200_1234), 0x8200_1234, "32MB block");
    // 64KB, T0SZ=22 (42 bits): level 2, OA[51:48] in bits 15:12, IPS=52.
    let mut rig = stage1_rig(Profile::maximum());
    cd = cd_s1(5);
    cd[0] = (cd[0] & !(0xff | 7 << 32)) | 22 | 1 << 6 | 6 << 32;
    rig.structure(CD, cd);
    rig.mem.set(S1_ROOT, 0x45_0000 | 3);
    rig.mem.set(0x45_0000 + 8, 0x8001_0000 | 0xf << 12 | RW1 | 3);
    assert_eq!(rig.pa(1, 0x1_8abc), 0xf_0000_8001_8abc);
    // 4KB with DS, T0SZ=12: level -1, OA[51:50] in bits 9:8.
    let mut rig = stage1_rig(Profile::maximum());
    cd = cd_s1(5);
    cd[0] = (cd[0] & !(0x3f | 7 << 32)) | 12 | 6 << 32;
    cd[2] |= 1 << 58;
    rig.structure(CD, cd);
    for at in [S1_ROOT, S1_ROOT + 0x1000, S1_ROOT + 0x2000, S1_ROOT + 0x3000] {
        rig.mem.set(at, (at + 0x1000) | 3);
    }
    rig.mem.set(S1_ROOT + 0x4008, 0x8000_0000 | 3 << 8 | 1 << 48 | RW1 | 3);
    assert_eq!(rig.pa(1, 0x1004), 0xd_0000_8000_0004);
    rig.clean();
}

#[test]
fn substreams() {
    let mut rig = stage1_rig(Profile::maximum());
    // S1CDMax=3, linear, S1DSS=2.
    let mut ste = ste_s1(9);
    ste[0] |= 3 << 59;
    ste[1] |= 2;
    rig.ste(1, ste);
    rig.structure(CD + 5 * 64, cd_s1(6));
    let with = |ssid| Access { ssid: Some(ssid), ..access(1, 0x1000) };
    assert_eq!(rig.smmu.dma(&with(5)), Outcome::Passed { pa: 0x8000_0000 });
    assert_eq!(rig.pa(1, 0x1000), 0x8000_0000);
    assert_eq!(rig.fault(with(0)).event, Some(6));
    assert_eq!(rig.event().unwrap(), [6 | 1 << 32, 0, 0, 0]);
    assert_eq!(rig.fault(with(8)).event, Some(8));
    assert_eq!(rig.event().unwrap(), [8 | 8 << 12 | 1 << 32, 0, 0, 0], "no SSV");
    assert_eq!(rig.fault(with(6)).event, Some(0xa));
    assert_eq!(rig.event().unwrap(), [0xa | 1 << 11 | 6 << 12 | 1 << 32, 0, 0, 0]);
    for (dss, without) in [(0, Some(6)), (3, Some(6)), (1, None)] {
        ste[1] = (ste[1] & !3) | dss;
        rig.ste(1, ste);
        rig.cmd(cfgi_ste(1, 1));
        match rig.read(1, 0x1000) {
            Outcome::Passed { pa } => assert_eq!((pa, without), (0x1000, None), "S1DSS=1 bypasses"),
            Outcome::Aborted(f) => assert_eq!(f.event, without),
        }
    }
    rig.clean();
}

#[test]
fn two_level_cd_tables() {
    for (fmt, split) in [(1, 6), (2, 10)] {
        let mut rig = stage1_rig(Profile::maximum());
        let mut ste = ste_s1(9);
        ste[0] |= 11 << 59 | fmt << 4;
        rig.ste(1, ste);
        rig.mem.set(CD, 0);
        rig.mem.set(CD + 8, 0x31_0000 | 1);
        rig.structure(0x31_0000 + 2 * 64, cd_s1(6));
        let a = Access { ssid: Some((1 << split) + 2), ..access(1, 0x1000) };
        assert_eq!(rig.smmu.dma(&a), Outcome::Passed { pa: 0x8000_0000 });
        assert_eq!(rig.fault(Access { ssid: Some(2), ..a }).event, Some(8), "L1CD.V=0");
        rig.clean();
    }
    // qemu has no 2-level CD tables (nor substreams); mmu600 without CD2L makes it C_BAD_STE.
    let mut profile = Profile::mmu600();
    profile.idr[0] &= !(1 << 19);
    let mut rig = stage1_rig(profile);
    let mut ste = ste_s1(9);
    ste[0] |= 11 << 59 | 1 << 4;
    rig.ste(1, ste);
    assert_eq!(rig.faults(1, 0x1000), 4);
}

#[test]
fn level_0_blocks_need_ds() {
    for (ds, ok) in [(0, false), (1, true)] {
        let mut rig = stage1_rig(Profile::maximum());
        let mut cd = cd_s1(5);
        cd[0] = (cd[0] & !(0x3f | 7 << 32)) | 16 | 5 << 32;
        cd[2] |= ds << 58;
        rig.structure(CD, cd);
        rig.mem.set(S1_ROOT + 8, 0x80_0000_0000 | (RW1 & !(3 << 8)) | 1);
        match rig.read(1, 0x80_1234_5678) {
            Outcome::Passed { pa } => assert!(ok && pa == 0x80_1234_5678),
            Outcome::Aborted(fault) => assert!(!ok && fault.event == Some(0x10)),
        }
    }
}
