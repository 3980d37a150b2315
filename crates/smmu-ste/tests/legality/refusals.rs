//! Every refusal, by one minimal change of a legal configuration.

use crate::setup::*;

/// `SteError::Field` and `CdError::Field` are missing: whatever would not fit its field is refused for another reason
/// before.
#[test]
fn each_ste_error_has_its_cause() {
    let caps = example();
    let unsupported = |needs| Err(SteError::Unsupported { needs });
    assert!(stage1(&caps, |_| ()).is_ok() && stage2(&caps, |_| ()).is_ok() && nested(&caps, |_| ()).is_ok());

    // HYP needs both stages.
    let (only1, only2) = (altered(0, 1 | 1 << 9, 0), altered(0, 1 << 1 | 1 << 9 | 1 << 19, 0));
    assert_eq!(stage1(&only2, |_| ()), unsupported(Feature::Stage1));
    assert_eq!(stage2(&only1, |_| ()), unsupported(Feature::Stage2));
    for caps in [&only1, &only2] {
        assert_eq!(nested(caps, |_| ()), unsupported(Feature::Nested));
    }
    assert_eq!(stage1(&altered(0, 1 << 19, 0), |_| ()), unsupported(Feature::TwoLevelCdTable));
    let single = |stage1: &mut Stage1Config| stage1.cd_table = CdTablePointer::single(PhysAddr::new(0x40));
    assert!(stage1(&altered(0, 1 << 19, 0), single).is_ok());
    assert_eq!(stage1(&altered(0, 1 << 9, 0), |s| s.world = StreamWorld::El2), unsupported(Feature::Hyp));
    let no_ats = altered(0, 1 << 10 | 1 << 16, 0);
    assert_eq!(stage1(&no_ats, |_| ()), unsupported(Feature::Ats));
    assert_eq!(stage2(&no_ats, |s| s.ats = Ats::Full), unsupported(Feature::Ats));
    let no_split = altered(0, 0, 1 << 11);
    assert_eq!(nested(&no_split, |s| s.ats = Ats::SplitStage), unsupported(Feature::SplitStageAts));
    assert!(nested(&no_split, |s| s.ats = Ats::Full).is_ok());
    assert_eq!(stage2(&altered(3, 1 << 8, 0), |_| ()), unsupported(Feature::S2Fwb));
    assert_eq!(stage2(&caps, |s| s.regime.ds = true), unsupported(Feature::Ds));

    let vmid = |vmid, bits| Err(SteError::Vmid { vmid: Vmid::new(vmid), bits });
    let narrow = altered(0, 1 << 18, 0);
    assert_eq!(stage2(&narrow, |_| ()), vmid(0xabcd, 8));
    assert_eq!(stage1(&narrow, |_| ()), vmid(0x1234, 8));
    assert!(stage2(&narrow, |s| s.vmid = Vmid::new(0xff)).is_ok());
    assert_eq!(stage2(&narrow, |s| s.vmid = Vmid::new(0x100)), vmid(0x100, 8));
    // Without stage 2 there is no VMID at all.
    let no_vmid = |value| move |s: &mut Stage1Config| s.world = StreamWorld::El1(Vmid::new(value));
    assert_eq!(stage1(&only1, no_vmid(1)), vmid(1, 0));
    assert!(stage1(&only1, no_vmid(0)).is_ok());

    let small = altered(5, 7, 4);
    let address = PhysAddr::new(1 << 44);
    let size = AddressSize::Bits44;
    let low = |s: &mut Stage1Config| s.cd_table.base = PhysAddr::new((1 << 44) - 0x2000);
    assert!(stage1(&small, low).is_ok());
    assert_eq!(stage1(&small, |s| s.cd_table.base = address), Err(SteError::TooHigh { address, size }));
    let small_ps = |s: &mut Stage2Config| s.regime.ps = AddressSize::Bits44;
    assert!(stage2(&caps, small_ps).is_ok());
    let too_high = stage2(&caps, |s| {
        small_ps(s);
        s.regime.ttb = address;
    });
    assert_eq!(too_high, Err(SteError::TooHigh { address, size }));
    // 4K tables without DS lie below 2^48 even where PS is 52 bits; 64K tables need not.
    let (address, size) = (PhysAddr::new(1 << 48), AddressSize::Bits48);
    let far = |s: &mut Stage2Config| {
        s.regime.ps = AddressSize::Bits52;
        s.regime.ttb = address;
    };
    assert_eq!(stage2(&caps, far), Err(SteError::TooHigh { address, size }));
    let far64 = stage2(&caps, |s| {
        far(s);
        s.regime.granule = Granule::Size64K;
        s.regime.start_level = Level::TWO;
    });
    assert!(far64.is_ok());

    // Level-1 table of 1024 descriptors; linear table of 16 CDs; one CD; two concatenated 4K tables.
    for (format, cds_log2, align) in [
        (CdTableFormat::TwoLevel64K, 20, 0x2000),
        (CdTableFormat::TwoLevel64K, 14, 0x80),
        (CdTableFormat::TwoLevel64K, 13, 0x40),
        (CdTableFormat::TwoLevel4K, 20, 0x2_0000),
        (CdTableFormat::TwoLevel4K, 10, 0x80),
        (CdTableFormat::TwoLevel4K, 6, 0x40),
        (CdTableFormat::Linear, 4, 0x400),
        (CdTableFormat::Linear, 0, 0x40),
    ] {
        let at = |base: u64| {
            move |s: &mut Stage1Config| {
                let base = PhysAddr::new(base);
                s.cd_table = CdTablePointer { base, format, cds_log2, ..s.cd_table };
            }
        };
        let address = PhysAddr::new(0x100_0000 + align / 2);
        assert_eq!(
            stage1(&caps, at(address.get())),
            Err(SteError::Misaligned { address, align }),
            "{format:?}"
        );
        assert!(stage1(&caps, at(0x100_0000 + align)).is_ok(), "{format:?} {cds_log2}");
    }
    let (address, align) = (PhysAddr::new(0x1_2345_7000), 0x2000);
    assert_eq!(stage2(&caps, |s| s.regime.ttb = address), Err(SteError::Misaligned { address, align }));

    let few = altered(1, 0x1f << 6, 8 << 6);
    assert_eq!(stage1(&few, |_| ()), Err(SteError::CdTable { cds_log2: 20, bits: 8 }));
    assert_eq!(stage1(&few, |s| s.cd_table.cds_log2 = 9), Err(SteError::CdTable { cds_log2: 9, bits: 8 }));
    assert!(stage1(&few, |s| s.cd_table.cds_log2 = 8).is_ok());

    assert_eq!(stage2(&altered(5, 1 << 4, 0), |_| ()), Err(SteError::Granule(Granule::Size4K)));
    let (size, oas) = (AddressSize::Bits48, AddressSize::Bits44);
    assert_eq!(stage2(&small, |_| ()), Err(SteError::OutputSize { size, oas }));
    assert_eq!(
        stage2(&caps, |s| s.regime.input_bits = 49),
        Err(SteError::InputSize { bits: 49, min: 16, max: 48 })
    );
    assert_eq!(
        stage2(&altered(3, 1 << 9, 0), |s| s.regime.input_bits = 24),
        Err(SteError::InputSize { bits: 24, min: 25, max: 48 })
    );
    let walk = RegimeError::InputSize { granule: Granule::Size4K, input_bits: 44, level: Level::ONE };
    assert_eq!(stage2(&caps, |s| s.regime.input_bits = 44), Err(SteError::Walk(walk)));
    let walk = RegimeError::StartLevel { granule: Granule::Size16K, level: Level::ZERO };
    let start = |s: &mut Stage2Config| {
        s.regime.granule = Granule::Size16K;
        s.regime.start_level = Level::ZERO;
        s.regime.input_bits = 48;
    };
    assert_eq!(stage2(&caps, start), Err(SteError::Walk(walk)));
    let start_level = stage2(&altered(5, 7, 3), |s| {
        s.regime.ps = AddressSize::Bits42;
        s.regime.start_level = Level::ZERO;
        s.regime.input_bits = 42;
    });
    let (granule, level, oas) = (Granule::Size4K, Level::ZERO, AddressSize::Bits42);
    assert_eq!(start_level, Err(SteError::StartLevel { granule, level, oas }));

    let (terminate_only, forced) = (altered(0, 0, 1 << 24), altered(0, 0, 2 << 24));
    assert_eq!(stage1(&terminate_only, |s| s.may_stall = true), Err(SteError::Stall));
    assert_eq!(stage2(&terminate_only, |s| s.faults = FaultMode::Stall), Err(SteError::Stall));
    assert_eq!(stage2(&forced, |_| ()), Err(SteError::Stall));
    assert!(stage2(&forced, |s| s.faults = FaultMode::Stall).is_ok());
    // S1STALLD must be 0 where stalls are forced, whatever is asked for.
    assert_eq!(stage1(&forced, |_| ()).unwrap()[1] & 1 << 27, 0);
    for ats in [Ats::Full, Ats::SplitStage] {
        let both = |s: &mut Stage2Config| {
            s.faults = FaultMode::Stall;
            s.ats = ats;
        };
        assert_eq!(nested(&caps, both), Err(SteError::StallWithAts));
    }
    assert_eq!(stage1(&caps, |s| s.ats = Ats::SplitStage), Err(SteError::SplitStageAts));
    assert_eq!(stage2(&caps, |s| s.ats = Ats::SplitStage), Err(SteError::SplitStageAts));

    for (httu, allowed) in [(0, 0b0000_0001), (1, 0b0000_0011), (2, 0b0000_1111), (3, 0b1010_1111)] {
        let caps = altered(0, 3 << 6, httu << 6);
        for flags in 0..8 {
            let update = UpdateFlags {
                access_flag: flags & 1 != 0,
                dirty: flags & 2 != 0,
                table_access_flag: flags & 4 != 0,
            };
            let legal = allowed >> flags & 1 != 0;
            let ste = stage2(&caps, |s| s.regime.update = update);
            assert_eq!(ste.is_ok(), legal, "HTTU {httu}, {update:?}");
            assert!(legal || ste == Err(SteError::HardwareUpdate));
            let cd = cd(&caps, |cd| cd.regime.update = update);
            assert_eq!(cd.is_ok(), legal, "HTTU {httu}, {update:?}");
            assert!(legal || cd == Err(CdError::HardwareUpdate));
        }
    }
    let with_ds = stage2(&large(), |s| {
        s.regime = Stage2Regime { ds: true, granule: Granule::Size64K, start_level: Level::TWO, ..s.regime };
    });
    assert_eq!(with_ds, Err(SteError::DsWith64K));
}

#[test]
fn each_cd_error_has_its_cause() {
    let caps = example();
    assert!(cd(&caps, |_| ()).is_ok());
    let only2 = altered(0, 1 << 1 | 1 << 9 | 1 << 19, 0);
    assert_eq!(cd(&only2, |_| ()), Err(CdError::Unsupported { needs: Feature::Stage1 }));
    assert_eq!(cd(&caps, |cd| cd.regime.ds = true), Err(CdError::Unsupported { needs: Feature::Ds }));
    let narrow = altered(0, 1 << 12, 0);
    assert_eq!(cd(&narrow, |_| ()), Err(CdError::Asid { asid: Asid::new(0x1234), bits: 8 }));
    assert_eq!(
        cd(&narrow, |cd| cd.asid = Asid::new(0x100)),
        Err(CdError::Asid { asid: Asid::new(0x100), bits: 8 })
    );
    assert!(cd(&narrow, |cd| cd.asid = Asid::new(0xff)).is_ok());
    assert_eq!(cd(&altered(5, 1 << 4, 0), |_| ()), Err(CdError::Granule(Granule::Size4K)));
    // A half that is off is not judged.
    assert!(cd(&altered(5, 1 << 4, 0), |cd| cd.regime.ttb0 = None).is_ok());
    let sixteen = altered(5, 1 << 5, 0);
    assert_eq!(cd(&sixteen, |cd| cd.regime.ttb1 = Some(UPPER)), Err(CdError::Granule(Granule::Size16K)));

    let bits = |bits| move |cd: &mut CdConfig| cd.regime.ttb0 = Some(TableBase { input_bits: bits, ..LOWER });
    assert_eq!(cd(&caps, bits(49)), Err(CdError::InputSize { bits: 49, min: 16, max: 48 }));
    assert_eq!(cd(&altered(3, 1 << 9, 0), bits(24)), Err(CdError::InputSize { bits: 24, min: 25, max: 48 }));
    let (size, oas) = (AddressSize::Bits48, AddressSize::Bits44);
    assert_eq!(cd(&altered(5, 7, 4), |_| ()), Err(CdError::OutputSize { size, oas }));

    let base = |base| move |cd: &mut CdConfig| cd.regime.ttb0 = Some(TableBase { base, ..LOWER });
    let address = PhysAddr::new(1 << 44);
    let high = cd(&caps, |cd| {
        base(address)(cd);
        cd.regime.ips = AddressSize::Bits44;
    });
    assert_eq!(high, Err(CdError::TooHigh { address, size: AddressSize::Bits44 }));
    let address = PhysAddr::new(1 << 48);
    let high = cd(&caps, |cd| {
        base(address)(cd);
        cd.regime.ips = AddressSize::Bits52;
    });
    assert_eq!(high, Err(CdError::TooHigh { address, size: AddressSize::Bits48 }));
    let address = PhysAddr::new(0x1800);
    assert_eq!(cd(&caps, base(address)), Err(CdError::Misaligned { address, align: 0x1000 }));

    let (terminate_only, forced) = (altered(0, 0, 1 << 24), altered(0, 0, 2 << 24));
    for stall in [CdFaultMode::Stall, CdFaultMode::StallOnly] {
        assert_eq!(cd(&terminate_only, |cd| cd.faults = stall), Err(CdError::Stall));
        assert!(cd(&forced, |cd| cd.faults = stall).is_ok());
    }
    for terminate in [CdFaultMode::Terminate, CdFaultMode::TerminateSilently] {
        assert_eq!(cd(&forced, |cd| cd.faults = terminate), Err(CdError::Stall));
    }
    let large_pages =
        TableBase { granule: Granule::Size64K, input_bits: 42, base: PhysAddr::new(0x1_0000), ..LOWER };
    let ds = |ttb0, ttb1| {
        cd(&large(), |cd| {
            cd.regime.ds = true;
            (cd.regime.ttb0, cd.regime.ttb1) = (ttb0, ttb1);
        })
    };
    assert_eq!(ds(Some(large_pages), None), Err(CdError::DsWith64K));
    assert_eq!(ds(Some(large_pages), Some(large_pages)), Err(CdError::DsWith64K));
    assert!(ds(Some(large_pages), Some(UPPER)).is_ok() && ds(Some(LOWER), Some(large_pages)).is_ok());
}
