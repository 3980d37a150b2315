//! Improper register accesses are listed, by our own rules and as QEMU logs them, once each and without
//! delay.

mod common;

use common::default;
use smmu_qemu::Width::{W32, W64};

#[test]
fn breaches_are_listed_and_forwarded() {
    let Some(qemu) = default() else { return };
    let mut expected = 0;
    let mut check = |text: &str, by_qemu: usize| {
        expected += 1 + by_qemu;
        let complaints = qemu.complaints();
        assert_eq!(complaints.len(), expected, "{complaints:#?}");
        assert!(complaints.iter().any(|line| line.contains(text)), "{text}: {complaints:#?}");
    };
    qemu.smmu_write(0xa8, W32, 9);
    check("0x000a8: EVENTQ_PROD is in page 1", 0);
    assert_eq!(qemu.smmu_read(0x100a8, W32), 9, "forwarded");
    assert_eq!(qemu.smmu_read(0x10000, W32), 0x0d44_101b, "forwarded");
    check("0x10000: this register is in page 0", 0);
    assert_eq!(qemu.smmu_read(0x98, W64), 0);
    check("0x00098: not a 64-bit register", 1);
    qemu.smmu_write(0x20, W64, 0);
    check("0x00020: not a 64-bit register", 1);
    assert_eq!(qemu.smmu_read(0x20000, W32), 0xffff_ffff);
    check("outside the registers", 0);
    assert_eq!(qemu.smmu_read(0x1fffc, W64), u64::MAX);
    check("outside the registers", 0);
    qemu.smmu_write(0x28, W32, 0x7_0000_0003);
    assert_eq!(qemu.smmu_read(0x28, W32), 3);
    check("the value does not fit", 0);
    assert_eq!(qemu.failure(), None, "complaints are not failures");
}

#[test]
fn qemu_s_log_is_heard_at_once() {
    let Some(qemu) = default() else { return };
    assert!(qemu.complaints().is_empty());
    qemu.smmu_write(0x0, W32, 1); // IDR0 is read-only
    let complaints = qemu.complaints();
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(complaints[0].contains("Unexpected 32-bit access to 0x0"), "{complaints:#?}");
    qemu.smmu_read(0x300, W32);
    assert_eq!(qemu.complaints().len(), 2);
    for _ in 0..500 {
        qemu.smmu_read(0x300, W32);
    }
    assert_eq!(qemu.complaints().len(), 2, "each once");
    assert!(qemu.last_stderr_lines().iter().all(|line| line.contains("0x300")));
}
