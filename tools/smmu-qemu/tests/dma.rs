//! DMA with the SMMU off: GBPA lets it through or aborts it, for every device.

mod common;

use std::sync::atomic::Ordering::SeqCst;

use common::{assert_clean, default, set_gbpa, word};

#[test]
fn bypass_inverts_four_bytes_and_no_more() {
    let Some(qemu) = default() else { return };
    set_gbpa(&qemu, false);
    let (before, _) = word(&qemu, 0x1f8);
    let (target, address) = word(&qemu, 0x200);
    let (after, _) = word(&qemu, 0x208);
    for word in [before, target, after] {
        word.store(0x0011_2233_4455_6677, SeqCst);
    }
    qemu.dma_invert(0, address).unwrap();
    assert_eq!(target.load(SeqCst), 0x0011_2233_bbaa_9988, "the lower half");
    qemu.dma_invert(0, address + 4).unwrap();
    assert_eq!(target.load(SeqCst), 0xffee_ddcc_bbaa_9988, "both halves");
    assert_eq!(before.load(SeqCst), 0x0011_2233_4455_6677);
    assert_eq!(after.load(SeqCst), 0x0011_2233_4455_6677);
    assert_clean(&qemu);
}

#[test]
fn every_device_reaches_the_first_and_the_last_page() {
    let Some(qemu) = default() else { return };
    let last = 8 * qemu.ram().len() as u64 - 8;
    for device in 0..qemu.devices().len() {
        for offset in [0, last] {
            let (word, address) = word(&qemu, offset);
            word.store(0x5eed, SeqCst);
            qemu.dma_invert(device, address).unwrap();
            assert_eq!(word.load(SeqCst), 0xffff_a112, "device {device}, offset {offset:#x}");
        }
    }
    assert_clean(&qemu);
}

#[test]
fn two_devices_do_not_disturb_each_other() {
    let Some(qemu) = default() else { return };
    let (first, first_address) = word(&qemu, 0x1_0000);
    let (second, second_address) = word(&qemu, 0x2_0000);
    for round in 0..20u32 {
        first.store(round.into(), SeqCst);
        second.store((round + 100).into(), SeqCst);
        qemu.dma_invert(0, first_address).unwrap();
        assert_eq!(second.load(SeqCst), (round + 100).into());
        qemu.dma_invert(3, second_address).unwrap();
        assert_eq!((first.load(SeqCst), second.load(SeqCst)), ((!round).into(), (!(round + 100)).into()));
    }
    assert_clean(&qemu);
}

#[test]
fn gbpa_abort_stops_every_device() {
    let Some(qemu) = default() else { return };
    let (word, address) = word(&qemu, 0x3000);
    for (abort, expected) in [(false, 0xffff_fff8), (true, 7), (false, 0xffff_fff8)] {
        set_gbpa(&qemu, abort);
        for device in 0..qemu.devices().len() {
            word.store(7, SeqCst);
            qemu.dma_invert(device, address).unwrap();
            assert_eq!(word.load(SeqCst), expected, "abort={abort}, device {device}");
        }
    }
    assert_clean(&qemu);
}

#[test]
fn dma_beyond_ram_is_harmless() {
    let Some(qemu) = default() else { return };
    for iova in [0, qemu.ram_base() - 4, qemu.ram_base() + 8 * qemu.ram().len() as u64, u64::MAX - 3] {
        qemu.dma_invert(0, iova).unwrap();
    }
    assert_clean(&qemu);
}
