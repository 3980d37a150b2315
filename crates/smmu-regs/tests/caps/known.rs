//! Known SMMUs, reserved values, what firmware overrides.

use smmu_regs::caps::{Caps, FirmwareModel, Hints, IdRegisters, Oddity, ProbeError, Quirk, Quirks};
use smmu_regs::registers::{Aidr, Idr0, Idr1, Idr2, Idr3, Idr5, Idr6, Iidr};
use smmu_regs::vmsa::{Granule, HardwareUpdate};
use smmu_regs::{AddressSize, Feature};

/// QEMU 10.0's nested SMMUv3.
fn qemu() -> IdRegisters {
    ids(0x0d44_101b, 0x0273_0010, 0x1414, 0x74, 0, 1)
}

fn ids(idr0: u32, idr1: u32, idr3: u32, idr5: u32, iidr: u32, aidr: u32) -> IdRegisters {
    IdRegisters {
        idr0: Idr0::from_bits(idr0),
        idr1: Idr1::from_bits(idr1),
        idr3: Idr3::from_bits(idr3),
        idr5: Idr5::from_bits(idr5),
        iidr: Iidr::from_bits(iidr),
        aidr: Aidr::from_bits(aidr),
        ..IdRegisters::default()
    }
}

#[test]
fn qemu_is_what_its_documentation_says() {
    let caps = Caps::probe_strict(&qemu(), &Hints::default()).unwrap();
    assert_eq!((caps.oas, caps.stage1_input_bits, caps.stage2_input_bits()), (AddressSize::Bits44, 48, 44));
    assert_eq!(
        (caps.asid_bits, caps.vmid_bits, caps.stream_id_bits, caps.substream_id_bits),
        (16, 16, 16, 0)
    );
    assert_eq!((caps.command_queue_log2, caps.event_queue_log2), (19, 19));
    assert!(caps.granules.iter().eq(Granule::ALL));
    for feature in
        [Feature::Nested, Feature::RangeInvalidation, Feature::TwoLevelStreamTable, Feature::Coherent]
    {
        assert!(caps.has(feature), "{feature}");
    }
    for feature in [Feature::Ats, Feature::Msi, Feature::Hyp, Feature::Ds, Feature::TwoLevelCdTable] {
        assert!(!caps.has(feature), "{feature}");
    }
    assert_eq!(caps.errata().count(), 0);
}

#[test]
fn undrivable_smmus_are_named_with_their_value() {
    let probe = |ids: IdRegisters| Caps::probe(&ids, &Hints::default()).unwrap_err();
    let with_idr0 = |idr0| IdRegisters { idr0: Idr0::from_bits(idr0), ..qemu() };
    assert_eq!(probe(with_idr0(0x0d44_1018)), ProbeError::NoStage { idr0: 0x0d44_1018 });
    assert_eq!(probe(with_idr0(0x0d44_1017)), ProbeError::NoAarch64Tables { idr0: 0x0d44_1017 });
    assert_eq!(probe(with_idr0(0x0d64_101b)), ProbeError::Endianness { idr0: 0x0d64_101b });
    assert_eq!(probe(with_idr0(0x0d24_101b)), ProbeError::Endianness { idr0: 0x0d24_101b });
    let preset = IdRegisters { idr1: Idr1::from_bits(0x2273_0010), ..qemu() };
    assert_eq!(probe(preset), ProbeError::Preset { idr1: 0x2273_0010 });
    assert_eq!(
        probe(IdRegisters { aidr: Aidr::from_bits(0x10), ..qemu() }),
        ProbeError::Architecture { aidr: 0x10 }
    );
    let ones = u32::MAX;
    assert_eq!(probe(ids(ones, ones, ones, ones, ones, ones)), ProbeError::NotThere);
}

#[test]
fn reserved_values_read_as_absent_and_are_listed() {
    let odd = ids(0x1f44_101b, 0x0294_0021 | 21 << 6, 0x1c14, 0xc07, 0, 1);
    let caps = Caps::probe(&odd, &Hints::default()).unwrap();
    assert!(!caps.has(Feature::TwoLevelStreamTable));
    assert_eq!((caps.stream_id_bits, caps.substream_id_bits, caps.command_queue_log2), (32, 20, 19));
    assert_eq!((caps.oas, caps.stage1_input_bits), (AddressSize::Bits48, 48));
    let found: Vec<_> = caps.oddities().iter().collect();
    for oddity in [
        Oddity::StreamTableLevel,
        Oddity::StallModel,
        Oddity::StreamIdSize,
        Oddity::SubstreamIdSize,
        Oddity::QueueSize,
        Oddity::Bbml,
        Oddity::Vax,
        Oddity::Oas,
        Oddity::NoGranule,
    ] {
        assert!(found.contains(&oddity), "{oddity:?} not in {found:?}");
    }
    let error = Caps::probe_strict(&odd, &Hints::default()).unwrap_err();
    assert!(error.to_string().contains("0x1f44101b"), "{error}");
}

#[test]
fn firmware_overrides_what_only_it_can_know() {
    let hints = Hints { coherent: Some(false), httu: Some(HardwareUpdate::Dirty), ..Hints::default() };
    let caps = Caps::probe(&qemu(), &hints).unwrap();
    assert!(!caps.has(Feature::Coherent));
    assert_eq!(caps.httu, HardwareUpdate::Dirty);
}

#[test]
fn firmware_may_name_several_quirks() {
    let quirks = Quirks::of(&[Quirk::RepeatCfgiTlbi, Quirk::CombinedInterrupt]);
    let hints = Hints { quirks, model: FirmwareModel::CaviumCn99xx, ..Hints::default() };
    let caps = Caps::probe(&qemu(), &hints).unwrap();
    assert_eq!(caps.quirks, quirks.with(Quirk::Page0Only));
    assert_eq!(caps.errata().map(|erratum| erratum.id).collect::<Vec<_>>(), ["74", "126"]);
}

#[test]
fn the_platform_vouches_for_what_no_register_says() {
    let hints = Hints { host_uses_e2h: true, atomic_128: true, ..Hints::default() };
    let platform = [Feature::E2hHost, Feature::Atomic128];
    let caps = Caps::probe(&IdRegisters::EXAMPLE, &hints).unwrap();
    assert!(platform.into_iter().all(|feature| caps.has(feature)));
    let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default()).unwrap();
    assert!(!platform.into_iter().any(|feature| caps.has(feature)));
    // QEMU's has no HYP, so no world for an E2H host.
    assert!(!Caps::probe(&qemu(), &hints).unwrap().has(Feature::E2hHost));
}

#[test]
fn a_non_coherent_system_has_no_enhanced_queues() {
    let mut ids = IdRegisters::EXAMPLE;
    ids.idr1 = Idr1::from_bits(ids.idr1.into_bits() | 1 << 31);
    ids.idr6 = Idr6::from_bits(3 << 24 | 5 << 16);
    let caps = Caps::probe_strict(&ids, &Hints::default()).unwrap();
    let ecmdq = caps.ecmdq.unwrap();
    assert_eq!((ecmdq.pages(), ecmdq.queues_per_page(), ecmdq.queues()), (8, 32, 256));
    let caps = Caps::probe(&ids, &Hints { coherent: Some(false), ..Hints::default() }).unwrap();
    assert!(!caps.has(Feature::Ecmdq) && caps.ecmdq.is_none());
}

#[test]
fn the_vatos_page_is_where_idr2_says() {
    let mut ids = IdRegisters::EXAMPLE;
    ids.idr0 = Idr0::from_bits(ids.idr0.into_bits() | 1 << 15 | 1 << 20);
    ids.idr2 = Idr2::from_bits(0x3ff);
    let caps = Caps::probe_strict(&ids, &Hints::default()).unwrap();
    assert_eq!(caps.vatos_offset, Some(0x2_0000 + 0x3ff * 0x1_0000));
}

#[test]
fn the_example_is_what_its_version_promises() {
    let caps = Caps::probe_strict(&IdRegisters::EXAMPLE, &Hints::default()).unwrap();
    assert_eq!(caps.version_gaps().collect::<Vec<_>>(), []);
    let said = caps.to_string();
    for line in ["architecture      SMMUv3.3", "errata            none known", "stage-2 input     52 bits"] {
        assert!(said.contains(line), "{said}");
    }
}
