//! QEMU comes up as asked: identification registers by machine, devices, RAM; several at once; none left
//! over.

mod common;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use common::{assert_clean, default, start};
use smmu_qemu::{Config, DeviceSlot, Machine, Qemu, QemuError, Width};

/// IDR0 to IDR5, IIDR, AIDR.
fn identification(qemu: &Qemu) -> Vec<u64> {
    (0..8).map(|i| qemu.smmu_read(4 * i, Width::W32)).collect()
}

#[test]
fn nested_identification() {
    let Some(qemu) = default() else { return };
    assert_eq!(identification(&qemu), [0x0d44_101b, 0x0273_0010, 0, 0x1414, 0, 0x74, 0, 1]);
    assert_eq!(qemu.ram_base(), 0x4000_0000);
    assert_eq!(qemu.ram().len(), (256 << 20) / 8);
    let sids: Vec<u32> = qemu.devices().iter().map(|device| device.sid).collect();
    assert_eq!(sids, [0x8, 0x10, 0x18, 0x100]);
    assert!(qemu.program().version >= smmu_qemu::Version { major: 9, minor: 1 });
    assert_clean(&qemu);
}

#[test]
fn single_stage_identification() {
    for (machine, idr0, idr3) in
        [(Machine::Stage1, 0x0d44_101a, 0x1404), (Machine::Stage2, 0x0d44_1019, 0x1414)]
    {
        let Some(qemu) = start(&Config { machine, ..Config::default() }) else { return };
        assert_eq!(identification(&qemu), [idr0, 0x0273_0010, 0, idr3, 0, 0x74, 0, 1], "{machine:?}");
        assert_clean(&qemu);
    }
}

#[test]
fn registers_hold_what_is_written() {
    let Some(qemu) = default() else { return };
    qemu.smmu_write(0x80, Width::W64, 0x4000_0000_4321_0000);
    assert_eq!(qemu.smmu_read(0x80, Width::W64), 0x4000_0000_4321_0000);
    assert_eq!(qemu.smmu_read(0x80, Width::W32), 0x4321_0000);
    assert_eq!(qemu.smmu_read(0x84, Width::W32), 0x4000_0000);
    qemu.smmu_write(0x100a8, Width::W32, 5);
    assert_eq!(qemu.smmu_read(0x100a8, Width::W32), 5);
    assert_clean(&qemu);
}

#[test]
fn unusual_devices_and_ram() {
    let function = |bus, slot, function| DeviceSlot { bus, slot, function };
    let devices = vec![
        function(0, 31, 0),
        function(0, 4, 0),
        function(0, 4, 7),
        function(0xfe, 0, 0),
        function(0xfe, 0, 3),
        DeviceSlot::behind_port(0x42),
    ];
    let config = Config { ram_bytes: 3 << 20, devices, ..Config::default() };
    let Some(qemu) = start(&config) else { return };
    let sids: Vec<u32> = qemu.devices().iter().map(|device| device.sid).collect();
    assert_eq!(sids, [0xf8, 0x20, 0x27, 0xfe00, 0xfe03, 0x4200]);
    for device in 0..sids.len() {
        let (word, address) = common::word(&qemu, (3 << 20) - 8);
        word.store(device as u64, SeqCst);
        qemu.dma_invert(device, address).unwrap();
        assert_eq!(word.load(SeqCst), u64::from(!(device as u32)), "device {device}");
    }
    assert_clean(&qemu);
}

#[test]
fn no_devices() {
    let Some(qemu) = start(&Config { devices: Vec::new(), ..Config::default() }) else { return };
    assert_eq!(qemu.dma_invert(0, 0), Err(QemuError::NoSuchDevice { device: 0, count: 0 }));
    assert_clean(&qemu);
}

#[test]
fn several_at_once_from_several_threads() {
    let Some(one) = default() else { return };
    let Some(two) = default() else { return };
    std::thread::scope(|scope| {
        for qemu in [&one, &two] {
            for thread in 0..4u64 {
                scope.spawn(move || {
                    let (word, address) = common::word(qemu, 0x1000 * thread);
                    for round in 0..50 {
                        word.store(round, SeqCst);
                        assert_eq!(qemu.smmu_read(0, Width::W32), 0x0d44_101b);
                        // One connection, so a device must not be shared between threads: one each.
                        qemu.dma_invert(thread as usize, address).unwrap();
                        assert_eq!(word.load(SeqCst), u64::from(!(round as u32)));
                    }
                });
            }
        }
    });
    assert_clean(&one);
    assert_clean(&two);
}

#[test]
fn drop_ends_qemu_and_takes_no_time() {
    let Some(qemu) = default() else { return };
    let process = std::path::PathBuf::from(format!("/proc/{}", qemu.process_id()));
    assert!(process.exists());
    let started = std::time::Instant::now();
    drop(qemu);
    assert!(!process.exists(), "killed and waited for");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn bad_configurations_are_refused_before_anything_starts() {
    let devices = |devices: Vec<DeviceSlot>| Config { devices, ..Config::default() };
    let ram = |ram_bytes| Config { ram_bytes, ..Config::default() };
    for config in [
        ram(0),
        ram(4097),
        ram(1 << 40),
        devices(vec![DeviceSlot::root(0)]),
        devices(vec![DeviceSlot::root(32)]),
        devices(vec![DeviceSlot { bus: 1, slot: 1, function: 0 }]),
        devices(vec![DeviceSlot { bus: 0, slot: 1, function: 8 }]),
        devices(vec![DeviceSlot { bus: 0, slot: 1, function: 7 }]),
        devices(vec![DeviceSlot::root(1), DeviceSlot::root(1)]),
        devices((1..=31).map(DeviceSlot::root).chain([DeviceSlot::behind_port(1)]).collect()),
    ] {
        assert!(matches!(Qemu::start(&config), Err(QemuError::BadConfig { .. })), "{config:?}");
    }
}
