//! Registers by hand: reset, guards, handshakes, complaints. Each mistake has the correct use beside it.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
mod common;
use common::*;
use smmu_model::{Hang, Irq, Outcome, Profile, Width};

#[test]
fn all_profiles_come_up_without_complaint() {
    for profile in [
        Profile::maximum(),
        Profile::minimum(),
        Profile::minimum_stage2(),
        Profile::mmu600(),
        Profile::mmu700_r0p0(),
        Profile::mmu700_r1p1(),
        Profile::qemu(),
    ] {
        let mut rig = Rig::cold(profile);
        rig.w64(0x80, STRTAB);
        rig.w32(0x88, 6);
        rig.w64(0x90, CMDQ | 2);
        rig.w64(0xa0, EVENTQ | 2);
        rig.w32(0x20, 0xd);
        assert_eq!(rig.r32(0x24), 0xd, "{}", profile.name);
        rig.clean();
    }
}

#[test]
fn reset_values_and_ids() {
    let mut rig = Rig::cold(Profile::qemu());
    assert_eq!(rig.r32(0), 0x0d44_101b);
    assert_eq!(rig.r32(0x44), 0x1000);
    assert_eq!(rig.r32(0x24), 0);
    assert_eq!(rig.r32(0xfe0), 0);
    rig.clean();
}

#[test]
fn disabled_smmu_bypasses_or_aborts_as_gbpa_says() {
    let mut rig = Rig::cold(Profile::maximum());
    assert_eq!(rig.read(7, 0x1234), Outcome::Passed { pa: 0x1234 });
    assert_eq!(rig.fault(access(7, 1 << 52)).event, None);
    rig.w32(0x44, 1 << 31 | 1 << 20);
    assert_eq!(rig.r32(0x44), 1 << 20);
    assert_eq!(rig.fault(access(7, 0x1234)).event, None);
    rig.clean();
    rig.w32(0x44, 0x1000);
    rig.one_complaint("without UPDATE");
    assert_eq!(rig.r32(0x44), 1 << 20, "ignored");
}

#[test]
fn gbpa_hang_keeps_update_and_a_second_write_is_a_mistake() {
    let mut rig = Rig::cold(Profile::maximum());
    rig.smmu.set_hang(Hang::Gbpa);
    rig.w32(0x44, 1 << 31 | 1 << 20);
    assert_eq!(rig.r32(0x44) >> 31, 1);
    rig.clean();
    rig.w32(0x44, 1 << 31);
    rig.one_complaint("while UPDATE is 1");
    rig.smmu.set_hang(Hang::None);
    assert_eq!(rig.r32(0x44), 1 << 20);
}

#[test]
fn cr0_acknowledges_fields_but_not_reserved_bits() {
    let mut rig = Rig::cold(Profile::maximum());
    rig.w32(0x20, 1 << 4 | 1 << 9);
    assert_eq!(rig.r32(0x24), 1 << 4);
    rig.one_complaint("reserved bits 0x200");
    let mut rig = Rig::cold(Profile::minimum());
    rig.w32(0x20, 1 << 4);
    rig.one_complaint("reserved bits 0x10");
    assert_eq!(rig.r32(0x24), 0, "no ATS, no ATSCHK");
}

#[test]
fn cr0_hang_holds_the_acknowledgement() {
    let mut rig = Rig::cold(Profile::maximum());
    rig.smmu.set_hang(Hang::Cr0Ack);
    rig.w32(0x20, 1);
    assert_eq!((rig.r32(0x20), rig.r32(0x24)), (1, 0));
    assert_eq!(rig.read(0, 0x40), Outcome::Passed { pa: 0x40 }, "still disabled");
    rig.clean();
    rig.w32(0x20, 0);
    rig.one_complaint("before their Update");
    rig.smmu.set_hang(Hang::None);
    assert_eq!(rig.r32(0x24), 1);
}

#[test]
fn guarded_registers_are_ignored_with_a_complaint() {
    for (at, wide, value) in [
        (0x80, true, STRTAB),
        (0x88, false, 5),
        (0x90, true, CMDQ),
        (0x9c, false, 0),
        (0xa0, true, EVENTQ),
        (0x100a8, false, 0),
        (0x68, true, 0x1000),
        (0xb8, false, 1),
    ] {
        let mut rig = Rig::new(Profile::maximum());
        let before = rig.r32(at);
        rig.smmu.write(at, if wide { Width::W64 } else { Width::W32 }, value);
        rig.one_complaint("while");
        assert_eq!(rig.r32(at), before);
    }
    // Disabled first, the same writes are fine.
    let mut rig = Rig::new(Profile::maximum());
    rig.w32(0x20, 0);
    rig.w32(0x50, 0);
    rig.w64(0x80, STRTAB);
    rig.w64(0x90, CMDQ);
    rig.w64(0x68, 0x1000);
    rig.clean();
}

#[test]
fn cr1_and_cr2_may_be_rewritten_but_not_changed() {
    let mut rig = Rig::new(Profile::maximum());
    rig.w32(0x28, 0xd75);
    rig.w32(0x2c, 2);
    rig.clean();
    rig.w32(0x2c, 0);
    rig.one_complaint("CR2 changed");
    assert_eq!(rig.r32(0x2c), 2);
    rig.w32(0x28, 0);
    assert_eq!(rig.smmu.complaints().len(), 2);
    assert_eq!(rig.r32(0x28), 0xd75);
}

#[test]
fn widths_halves_pages_and_unknown_offsets() {
    let mut rig = Rig::cold(Profile::maximum());
    rig.w32(0x80, 0x4000_0000);
    rig.w32(0x84, 0x4000_0001);
    assert_eq!(rig.smmu.read(0x80, Width::W64), 0x4000_0001_4000_0000);
    assert_eq!(rig.r32(0x84), 0x4000_0001);
    rig.clean();
    let checks: [(u32, Width, &str); 5] = [
        (0xa8, Width::W32, "EVENTQ_PROD is in the other page"),
        (0x10020, Width::W32, "CR0 is in the other page"),
        (0x20, Width::W64, "64-bit read of the 32-bit register CR0"),
        (0x22, Width::W32, "not aligned"),
        (0x300, Width::W32, "unknown"),
    ];
    for (at, width, what) in checks {
        let mut rig = Rig::cold(Profile::maximum());
        rig.smmu.read(at, width);
        rig.one_complaint(what);
    }
    let mut rig = Rig::cold(Profile::maximum());
    rig.w32(0x24, 1);
    rig.one_complaint("read only");
}

#[test]
fn bases_must_be_aligned_and_sizes_within_idr1() {
    let bring = |strtab: u64, cfg: u64, cmdq: u64| {
        let mut rig = Rig::cold(Profile::qemu());
        rig.w64(0x80, strtab);
        rig.w32(0x88, cfg);
        rig.w64(0x90, cmdq);
        rig.w32(0x20, 9);
        rig
    };
    bring(0x10_0000, 8, 0x20_0000 | 8).clean();
    bring(0x10_2000, 8, 0x20_0000 | 8).one_complaint("not aligned to its table of 2^14");
    bring(0x10_0000, 8, 0x20_0800 | 8).one_complaint("not aligned to its 4096 bytes");
    bring(0x100_0000, 8, 0x400_0000 | 20).one_complaint("LOG2SIZE 20 is above");
    // Two levels: 2^(16-8) descriptors of 8 bytes.
    bring(0x10_0800, 16 | 8 << 6 | 1 << 16, 0x20_0000).clean();
    bring(0x10_0400, 16 | 8 << 6 | 1 << 16, 0x20_0000).one_complaint("2^11");
    // A reserved SPLIT acts as 6: 2^(15-6) descriptors.
    bring(0x10_1000, 15 | 7 << 6 | 1 << 16, 0x20_0000).one_complaint("SPLIT 7");
}

#[test]
fn gerrorn_only_acknowledges() {
    let mut rig = Rig::new(Profile::maximum());
    rig.w32(0x64, 1);
    rig.one_complaint("toggles inactive");
    let mut rig = Rig::new(Profile::maximum());
    rig.push([0, 0]);
    assert_eq!(rig.r32(0x60), 1);
    assert_eq!(rig.smmu.irqs(), [Irq::GlobalError]);
    rig.mem.set(CMDQ, 0x46);
    rig.w32(0x64, 1);
    rig.clean();
    assert_eq!(rig.r32(0x9c) & 0xf_ffff, 1, "went on after the acknowledgement");
}

#[test]
fn prod_must_not_overrun_or_go_back() {
    let mut rig = Rig::new(Profile::maximum());
    rig.smmu.set_hang(Hang::CommandQueue);
    rig.w32(0x98, 16);
    rig.clean();
    rig.w32(0x98, 17);
    rig.one_complaint("more than 16 commands");
    let mut rig = Rig::new(Profile::maximum());
    rig.smmu.set_hang(Hang::CommandQueue);
    rig.w32(0x98, 3);
    rig.w32(0x98, 2);
    rig.one_complaint("moved back");
    let mut rig = Rig::new(Profile::maximum());
    rig.w32(0x98, 32);
    rig.one_complaint("above the wrap flag");
}

#[test]
fn msi_registers_need_the_feature() {
    let mut rig = Rig::cold(Profile::minimum());
    rig.w64(0x68, 0);
    rig.clean();
    rig.w64(0x68, 0x1000);
    rig.one_complaint("reserved bits");
    let mut rig = Rig::cold(Profile::minimum());
    rig.w64(0xc0, 0);
    rig.one_complaint("unimplemented offset 0xc0");
}
