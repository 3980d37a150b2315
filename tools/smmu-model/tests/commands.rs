//! Command decoding and errors, completion signals.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
mod common;
use common::*;
use smmu_model::{Hang, Irq, Profile, Trace};

/// Whether a command is illegal on this profile.
fn illegal(profile: Profile, command: [u64; 2]) -> bool {
    let mut rig = Rig::new(profile);
    rig.push(command);
    let ill = errors(&rig.smmu.trace()) == [1];
    assert_eq!(rig.r32(0x9c), if ill { 1 << 24 } else { 1 });
    assert_eq!(rig.r32(0x60), u64::from(ill));
    ill
}

#[test]
fn opcodes() {
    let good = [
        1, 2, 3, 4, 5, 6, 0x10, 0x11, 0x12, 0x13, 0x20, 0x21, 0x22, 0x23, 0x28, 0x2a, 0x30, 0x40, 0x41, 0x44,
        0x45, 0x46,
    ];
    for opcode in 0..=0xff {
        assert_eq!(illegal(Profile::maximum(), [opcode, 0]), !good.contains(&opcode), "opcode {opcode:#x}");
    }
}

#[test]
fn features_decide() {
    let (max, s1, s2, qemu) =
        (Profile::maximum(), Profile::minimum(), Profile::minimum_stage2(), Profile::qemu());
    for opcode in [5, 6, 0x10, 0x11, 0x12, 0x13] {
        assert!(illegal(s2, [opcode, 0]) && !illegal(s1, [opcode, 0]));
    }
    for opcode in [0x28, 0x2a] {
        assert!(illegal(s1, [opcode, 0]) && !illegal(s2, [opcode, 0]));
    }
    for opcode in [0x20, 0x21, 0x22, 0x23, 0x40, 0x41, 0x44, 0x45] {
        assert!(illegal(qemu, [opcode, 0]) && !illegal(max, [opcode, 0]));
    }
    for opcode in [1, 2, 3, 4, 5, 6, 0x44, 0x45] {
        assert!(illegal(max, [opcode | 1 << 10, 0]), "SSec");
    }
    assert!(illegal(max, [0x46 | 3 << 12, 0]) && !illegal(max, [0x46 | 2 << 12, 0]));
    assert!(illegal(max, [0x41, 3 << 12]) && !illegal(max, [0x41, 2 << 12]));
}

#[test]
fn reserved_range_forms() {
    let (max, m700) = (Profile::maximum(), Profile::mmu700_r1p1());
    for opcode in [0x12, 0x13, 0x2a] {
        for tg in 1..=3 {
            assert!(illegal(max, [opcode, tg << 10]), "TG without anything");
            assert!(!illegal(max, [opcode | 1 << 12, tg << 10]), "NUM");
            assert!(!illegal(max, [opcode | 1 << 20, tg << 10]), "SCALE");
            assert!(!illegal(max, [opcode, tg << 10 | 3 << 8]), "TTL");
        }
        // 16KB with TTL=1 needs 52-bit addresses, else it is TTL=0 and so reserved.
        assert!(!illegal(max, [opcode, 2 << 10 | 1 << 8]));
        assert!(illegal(m700, [opcode, 2 << 10 | 1 << 8]));
        assert!(!illegal(m700, [opcode, 1 << 10 | 1 << 8]));
        // Without RIL the fields do not exist.
        assert!(!illegal(Profile::mmu600(), [opcode, 1 << 10]));
    }
}

#[test]
fn an_error_stops_the_queue_at_the_culprit() {
    let mut rig = Rig::new(Profile::maximum());
    rig.mem.set(CMDQ + 16, 0x99);
    rig.mem.set(CMDQ, 0x46);
    rig.mem.set(CMDQ + 32, 0x46 | 1 << 12);
    rig.w32(0x98, 3);
    assert_eq!(rig.r32(0x9c), 1 | 1 << 24);
    assert_eq!(rig.r32(0x60), 1);
    assert_eq!(rig.smmu.irqs(), [Irq::GlobalError]);
    rig.w32(0x98, 3);
    assert_eq!(rig.r32(0x9c), 1 | 1 << 24, "nothing before the acknowledgement");
    rig.mem.set(CMDQ + 16, 0x46);
    rig.w32(0x64, 1);
    assert_eq!(rig.r32(0x9c) & 0xf_ffff, 3);
    assert_eq!(rig.smmu.irqs(), [Irq::CmdSync]);
    rig.clean();
}

#[test]
fn fetch_abort() {
    let mut rig = Rig::new(Profile::maximum());
    rig.mem.break_page(CMDQ, true);
    rig.w32(0x98, 1);
    assert_eq!(rig.r32(0x9c), 2 << 24);
    assert_eq!(errors(&rig.smmu.trace()), [2]);
    rig.mem.break_page(CMDQ, false);
    rig.mem.set(CMDQ, 0x46);
    rig.w32(0x64, 1);
    assert_eq!(rig.r32(0x9c) & 0xf_ffff, 1);
}

#[test]
fn wrap_around() {
    let mut rig = Rig::new(Profile::maximum());
    for _ in 0..70 {
        rig.cmd(SYNC);
    }
    rig.clean();
}

#[test]
fn sync_signals() {
    let mut rig = Rig::new(Profile::maximum());
    rig.cmd(SYNC);
    assert_eq!(rig.smmu.irqs(), []);
    rig.cmd([0x46 | 1 << 12 | 0xabcd << 32, 0x60_0004]);
    assert_eq!(rig.mem.get(0x60_0000), 0xabcd << 32);
    assert_eq!(rig.smmu.irqs(), [Irq::CmdSync]);
    rig.smmu.trace();
    rig.cmd([0x46 | 2 << 12, 0]);
    assert!(rig.smmu.trace().contains(&Trace::Sev));
    assert_eq!(rig.smmu.irqs(), []);
    rig.clean();
    // An MSI that aborts is a global error (bit 4), the command is consumed all the same.
    rig.mem.break_page(0x60_0000, true);
    rig.push([0x46 | 1 << 12, 0x60_0004]);
    assert_eq!(rig.r32(0x60), 1 << 4);
    assert_eq!(rig.r32(0x9c) & 0xf_ffff, 4);
    // Without MSIs the address is ignored.
    let mut rig = Rig::new(Profile::minimum());
    rig.push([0x46 | 1 << 12 | 1 << 32, 0x60_0000]);
    assert_eq!(rig.mem.get(0x60_0000), 0);
    assert_eq!(rig.smmu.irqs(), [Irq::CmdSync]);
}

#[test]
fn reserved_bits_in_commands() {
    for (command, what) in
        [([3, 2], "CMD_CFGI_STE"), ([0x46 | 1 << 8, 0], "CMD_SYNC"), ([0x30, 1], "NSNH_ALL")]
    {
        let mut rig = Rig::new(Profile::maximum());
        rig.cmd(command);
        rig.one_complaint(what);
    }
    let mut rig = Rig::new(Profile::mmu600());
    rig.cmd([0x12 | 1 << 12, 1 << 10]);
    rig.one_complaint("without RIL");
    let mut rig = Rig::new(Profile::maximum());
    rig.cmd([0x12 | 1 << 12, 0]);
    rig.one_complaint("with TG=0");
    let mut rig = Rig::new(Profile::minimum());
    rig.push([0x10 | 1 << 32, 0]);
    rig.one_complaint("without stage 2");
}

/// Service failure mode (12.3): nothing passes, nothing is taken or recorded, and acknowledging does not end it.
#[test]
fn service_failure() {
    let mut rig = stage1_rig(Profile::maximum());
    assert_eq!(rig.pa(1, 0x1000), 0x8000_0000);
    rig.smmu.irqs();
    rig.smmu.fail_service();
    assert_eq!(rig.smmu.irqs(), [Irq::GlobalError]);
    for _ in 0..2 {
        assert_eq!(rig.fault(access(1, 0x1000)).event, None);
        assert_eq!(rig.fault(access(1, 0x5000)).event, None);
        assert_eq!(rig.r32(0x100a8), 0, "no record");
        let cons = rig.r32(0x9c);
        rig.push(SYNC);
        assert_eq!(rig.r32(0x9c), cons);
        if rig.r32(0x64) == 0 {
            assert_eq!(rig.r32(0x60), 1 << 8, "SFM_ERR");
            rig.w32(0x64, 1 << 8);
        }
    }
    rig.clean();
}

/// Whoever waits for an interrupt alone waits for ever.
#[test]
fn interrupts_get_lost() {
    let mut rig = stage1_rig(Profile::maximum());
    rig.smmu.irqs();
    rig.smmu.set_hang(Hang::Interrupts);
    rig.cmd([0x46 | 1 << 12, 0x60_0004]);
    assert_eq!(rig.faults(1, 0x5000), 0x10, "the record is there");
    rig.push([0xff, 0]);
    assert_eq!(rig.r32(0x60), 1);
    assert_eq!(rig.smmu.irqs(), []);
    assert_eq!(rig.mem.get(0x60_0000), 0, "no MSI");
}

/// Reserved values of operands (4.1.3), besides the range forms.
#[test]
fn reserved_operands_are_illegal() {
    let max = Profile::maximum();
    for command in [
        [0x46 | 3 << 12, 0], // CS
        [0x41, 3 << 12],     // RESP
        [0x03 | 1 << 10, 0], // SSEC on the Non-secure queue
        [0x44 | 1 << 10, 0],
    ] {
        assert!(illegal(max, command), "{command:x?}");
    }
}
