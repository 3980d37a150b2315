//! The StreamIDs that we claim are the ones that the SMMU sees: it names them in its events.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::Ordering::SeqCst;

use common::{CR0, assert_clean, start, word};
use smmu_qemu::{Config, DeviceSlot, Width};

const C_BAD_STE: u64 = 4;
/// SMMUEN and EVENTQEN.
const ENABLE: u64 = 1 | 1 << 2;

#[test]
fn events_carry_the_stream_ids() {
    let mut config = Config::default();
    config.devices.push(DeviceSlot { bus: 1, slot: 0, function: 5 });
    config.devices.push(DeviceSlot::root(31));
    let Some(qemu) = start(&config) else { return };
    let (queue, target) = (0x1_0000, 0x9_0000);
    // A linear stream table for all 2^16 StreamIDs (4 MiB), all of whose entries are invalid; 16 events.
    qemu.smmu_write(0x80, Width::W64, qemu.ram_base() + (64 << 20));
    qemu.smmu_write(0x88, Width::W32, 16);
    qemu.smmu_write(0xa0, Width::W64, (qemu.ram_base() + queue) | 4);
    qemu.smmu_write(CR0, Width::W32, ENABLE);
    for (index, device) in qemu.devices().iter().enumerate() {
        word(&qemu, target).0.store(1, SeqCst);
        let before = qemu.smmu_read(0x100a8, Width::W32);
        qemu.dma_invert(index, qemu.ram_base() + target).unwrap();
        assert_eq!(word(&qemu, target).0.load(SeqCst), 1, "no DMA");
        assert_eq!(qemu.smmu_read(0x100a8, Width::W32), before + 2, "one for the read, one for the write");
        for event in [before, before + 1] {
            let first = word(&qemu, queue + 32 * event).0.load(SeqCst);
            assert_eq!((first & 0xff, first >> 32), (C_BAD_STE, u64::from(device.sid)));
        }
    }
    assert_eq!(qemu.smmu_read(0x100a8, Width::W32), 12);
    assert_clean(&qemu);
}
