//! Capabilities: known SMMUs, reserved values, impossible combinations, and every erratum against every revision.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use smmu_regs::caps::{Caps, ERRATA, FirmwareModel, Hints, IdRegisters, Match, Oddity, ProbeError};
use smmu_regs::registers::{Aidr, Idr0, Idr1, Idr3, Idr5, Iidr};
use smmu_regs::vmsa::{Granule, HardwareUpdate};
use smmu_regs::{AddressSize, Feature, Quirk};

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

/// What must hold for each erratum, written down independently of the table: (product, variant, revision) -> features
/// lost and quirks asked.
fn expected(product: u16, variant: u8, revision: u8) -> (bool, bool, bool, bool) {
    let (mut sev, mut nested, mut btm, mut force_sync) = (true, true, true, false);
    match product {
        0x483 => {
            sev = !(variant == 0 && revision <= 2);
            nested = variant >= 2;
        }
        0x487 => {
            btm = false;
            if variant == 0 || revision == 0 {
                nested = false;
                force_sync = true;
            }
        }
        0x48a | 0x498 => btm = false,
        _ => {}
    }
    (sev, nested, btm, force_sync)
}

#[test]
fn errata_match_exactly_their_revisions() {
    let everything = 0x0d44_502b | 1 << 4 | 1 << 14 | 1 << 5 | 3;
    for product in [0x482, 0x483, 0x484, 0x487, 0x48a, 0x498, 0x499, 0] {
        for variant in 0..16_u8 {
            for revision in 0..16_u8 {
                for implementer in [0x43b_u32, 0x43a, 0x07f] {
                    let iidr = u32::from(product) << 20
                        | u32::from(variant) << 16
                        | u32::from(revision) << 12
                        | implementer;
                    let caps =
                        Caps::probe(&ids(everything, 0x0273_0010, 0x1414, 0x74, iidr, 1), &Hints::default());
                    let caps = caps.unwrap();
                    let found = (
                        caps.has(Feature::Sev),
                        caps.has(Feature::Nested),
                        caps.has(Feature::BroadcastTlbi),
                        caps.must(Quirk::ForceSync),
                    );
                    let wanted = if implementer == 0x43b {
                        expected(product, variant, revision)
                    } else {
                        (true, true, true, false)
                    };
                    assert_eq!(found, wanted, "iidr {iidr:#x}");
                    // An SMMU whose broadcast maintenance is broken must still be told to keep out of it.
                    assert!(caps.has(Feature::PrivateTlbMaintenance), "iidr {iidr:#x}");
                }
            }
        }
    }
}

#[test]
fn firmware_models_bring_their_quirks() {
    let quirks = |model| Caps::probe(&qemu(), &Hints { model, ..Hints::default() }).unwrap().quirks;
    assert!(quirks(FirmwareModel::Generic).is_empty());
    assert!(quirks(FirmwareModel::Tegra264).iter().eq([Quirk::RepeatCfgiTlbi]));
    assert!(quirks(FirmwareModel::CaviumCn99xx).iter().eq([Quirk::Page0Only, Quirk::CombinedInterrupt]));
    assert!(quirks(FirmwareModel::HisiliconHi161x).iter().eq([Quirk::SkipPrefetch, Quirk::UntranslatedMsi]));
}

#[test]
fn every_erratum_says_what_it_is() {
    for erratum in ERRATA {
        assert!(!erratum.id.is_empty() && !erratum.part.is_empty() && erratum.text.len() > 10, "{erratum:?}");
        assert!(!erratum.clears.is_empty() || !erratum.asks.is_empty(), "{} does nothing", erratum.id);
        if let Match::Iidr { implementer, .. } = erratum.matches {
            assert_eq!(implementer, 0x43b, "{}", erratum.id);
        }
    }
}

proptest! {
    /// Any register contents give capabilities within the architecture's limits, or an error.
    #[test]
    fn any_registers_are_survived(idr0: u32, idr1: u32, idr3: u32, idr5: u32, iidr: u32, minor in 0_u32..5) {
        let Ok(caps) = Caps::probe(&ids(idr0, idr1, idr3, idr5, iidr, minor), &Hints::default()) else { return Ok(()) };
        prop_assert!(caps.stream_id_bits <= 32 && caps.substream_id_bits <= 20);
        prop_assert!(caps.command_queue_log2 <= 19 && caps.event_queue_log2 <= 19 && caps.pri_queue_log2 <= 19);
        prop_assert!(!caps.has(Feature::Pri) || caps.has(Feature::Ats));
        prop_assert!(!caps.has(Feature::Nested) || caps.has(Feature::Stage1) && caps.has(Feature::Stage2));
        let _ = caps.to_string();
    }
}
