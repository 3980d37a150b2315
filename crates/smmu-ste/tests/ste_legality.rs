//! What an STE and a CD may be: every refusal, the stage-2 geometries against the tables of the manual, golden words and
//! round trips, and what a guest may put into its STE.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{CD_FACTS, STE_FACTS, Words, caps_of, example, large, places, typed};
use proptest::prelude::*;
use smmu_regs::addr::{AddressSize, PhysAddr};
use smmu_regs::caps::IdRegisters;
use smmu_regs::registers::{Idr0, Idr1, Idr3, Idr5};
use smmu_regs::vmsa::{
    Cacheability, Granule, HardwareUpdate, Level, RegimeError, Shareability, Stage1Regime, Stage2Regime,
    TableBase, UpdateFlags, WalkAttributes,
};
use smmu_regs::{Asid, Caps, Feature, Vmid};
use smmu_ste::cd::{Cd, CdConfig, CdError, CdFaultMode, CdSummary};
use smmu_ste::ste::{
    Ats, CdTableFormat, CdTablePointer, FaultMode, GuestSte, GuestSteError, GuestTranslation, Stage1Config,
    Stage2Config, Ste, SteConfig, SteError, SteOddity, SteSummary, StreamWorld, WithoutSubstream,
};

/// The SMMU of [`IdRegisters::EXAMPLE`] with some bits of an ID register cleared and others set.
fn altered(idr: u32, clear: u32, set: u32) -> Caps {
    let mut ids = IdRegisters::EXAMPLE;
    let new = |bits: u32| bits & !clear | set;
    match idr {
        0 => ids.idr0 = Idr0::from_bits(new(ids.idr0.into_bits())),
        1 => ids.idr1 = Idr1::from_bits(new(ids.idr1.into_bits())),
        3 => ids.idr3 = Idr3::from_bits(new(ids.idr3.into_bits())),
        _ => ids.idr5 = Idr5::from_bits(new(ids.idr5.into_bits())),
    }
    caps_of(&ids)
}

const STAGE1: Stage1Config = Stage1Config {
    cd_table: CdTablePointer {
        base: PhysAddr::new(0x1234_5678_a000),
        format: CdTableFormat::TwoLevel64K,
        cds_log2: 20,
        without_substream: WithoutSubstream::UseCd0,
    },
    world: StreamWorld::El1(Vmid::new(0x1234)),
    may_stall: false,
    ats: Ats::Full,
};

const REGIME2: Stage2Regime = Stage2Regime {
    ttb: PhysAddr::new(0x1_2345_6000),
    granule: Granule::Size4K,
    input_bits: 40,
    start_level: Level::ONE,
    ps: AddressSize::Bits48,
    walk: WalkAttributes::COHERENT,
    update: UpdateFlags { access_flag: false, dirty: false, table_access_flag: false },
    ds: false,
    fwb: true,
};

const STAGE2: Stage2Config = Stage2Config {
    regime: REGIME2,
    vmid: Vmid::new(0xabcd),
    faults: FaultMode::Terminate,
    ats: Ats::Disabled,
    protect_walks: true,
};

const LOWER: TableBase = TableBase {
    base: PhysAddr::new(0x9_8765_4000),
    granule: Granule::Size4K,
    input_bits: 48,
    walk: WalkAttributes::COHERENT,
};

const UPPER: TableBase = TableBase {
    base: PhysAddr::new(0x7_0000_4000),
    granule: Granule::Size16K,
    input_bits: 47,
    walk: WalkAttributes::COHERENT,
};

const CD: CdConfig = CdConfig {
    regime: Stage1Regime {
        ttb0: Some(LOWER),
        ttb1: None,
        ips: AddressSize::Bits48,
        mair: 0x0123_4567_89ab_cdef,
        update: UpdateFlags { access_flag: false, dirty: false, table_access_flag: false },
        ds: false,
    },
    asid: Asid::new(0x1234),
    faults: CdFaultMode::Terminate,
    private_asid: true,
};

fn guest(words: [u64; 2]) -> GuestTranslation {
    match GuestSte::new(words) {
        Ok(GuestSte::Translate(guest)) => guest,
        other => panic!("{other:?}"),
    }
}

/// V, `Config` 5, a CD at 0x7000; S1CIR, S1COR 1, S1CSH 3.
const GUEST: [u64; 2] = [0x700b, 0xd4];

fn stage1(caps: &Caps, change: impl Fn(&mut Stage1Config)) -> Result<Words, SteError> {
    let mut config = STAGE1;
    change(&mut config);
    SteConfig::Stage1(config).encode(caps).map(|ste| ste.words())
}

fn stage2(caps: &Caps, change: impl Fn(&mut Stage2Config)) -> Result<Words, SteError> {
    let mut config = STAGE2;
    change(&mut config);
    SteConfig::Stage2(config).encode(caps).map(|ste| ste.words())
}

fn nested(caps: &Caps, change: impl Fn(&mut Stage2Config)) -> Result<Words, SteError> {
    let mut stage2 = STAGE2;
    change(&mut stage2);
    SteConfig::Nested { guest: guest(GUEST), stage2, may_stall: true }.encode(caps).map(|ste| ste.words())
}

fn cd(caps: &Caps, change: impl Fn(&mut CdConfig)) -> Result<Words, CdError> {
    let mut config = CD;
    change(&mut config);
    config.encode(caps).map(|cd| cd.words())
}

#[test]
fn golden_stes() {
    let caps = example();
    let words = |config: SteConfig| config.encode(&caps).unwrap().words();
    let shcfg = 1 << 44;
    assert_eq!(words(SteConfig::Abort), [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(words(SteConfig::Bypass), [9, shcfg, 0, 0, 0, 0, 0, 0]);
    let no_override = altered(1, 1 << 27, 0);
    assert_eq!(SteConfig::Bypass.encode(&no_override).unwrap().words(), [9, 0, 0, 0, 0, 0, 0, 0]);

    // S1DSS 2, S1CIR 1, S1COR 1, S1CSH 3, S1STALLD, EATS 1.
    let expected = [0xa000_1234_5678_a02b, 0x1800_00d6, 0x1234, 0, 0, 0, 0, 0];
    assert_eq!(stage1(&caps, |_| ()), Ok(expected));
    // STRW 2, no VMID; S1DSS 1 brings SHCFG; stalls allowed; no ATS; a single CD.
    let el2 = stage1(&caps, |stage1| {
        *stage1 = Stage1Config {
            cd_table: CdTablePointer {
                without_substream: WithoutSubstream::Bypass,
                ..CdTablePointer::single(PhysAddr::new(0xf_ffff_ffff_ffc0))
            },
            world: StreamWorld::El2,
            may_stall: true,
            ats: Ats::Disabled,
        }
    });
    assert_eq!(el2, Ok([0xf_ffff_ffff_ffcb, shcfg | 0x8000_00d5, 0, 0, 0, 0, 0, 0]));
    // Not coherent: S1CIR, S1COR 0, S1CSH 2. Terminate only: S1STALLD stays 0.
    let plain = altered(0, 1 << 4, 0);
    assert_eq!(stage1(&plain, |_| ()).unwrap()[1], 0x1800_0082);
    assert_eq!(stage1(&altered(0, 0, 1 << 24), |_| ()).unwrap()[1], 0x1000_00d6);

    // T0SZ 24, SL0 1, IR0 1, OR0 1, SH0 3, TG 0, PS 5, AA64, PTW, R.
    let fwb = 1 << 25;
    assert_eq!(
        stage2(&caps, |_| ()),
        Ok([0xd, shcfg | fwb, 0x044d_3558_0000_abcd, 0x1_2345_6000, 0, 0, 0, 0])
    );
    // T0SZ 12, SL0_2 for level -1, PS 6, DS; HA, HD, HAFT; not recorded; EATS 1.
    let wide = stage2(&large(), |stage2| {
        stage2.regime = Stage2Regime {
            ttb: PhysAddr::new(0xf_0000_0000_0080),
            input_bits: 52,
            start_level: Level::MINUS_ONE,
            ps: AddressSize::Bits52,
            update: HardwareUpdate::TableAccessFlag.flags(),
            ds: true,
            fwb: false,
            ..REGIME2
        };
        stage2.faults = FaultMode::TerminateSilently;
        stage2.ats = Ats::Full;
        stage2.protect_walks = false;
    });
    let words = [0xd, shcfg | 1 << 28, 0x098e_350c_0000_abcd, 0xf_0000_0000_008c, 0, 0, 0, 0];
    assert_eq!(wide, Ok(words));
    // 64K from level 3: TG 1, SL0 0, T0SZ 64 - 33; stalls: S and R.
    let deep = stage2(&caps, |stage2| {
        stage2.regime = Stage2Regime {
            ttb: PhysAddr::new(0x10_0000),
            granule: Granule::Size64K,
            input_bits: 33,
            start_level: Level::THREE,
            ps: AddressSize::Bits32,
            walk: WalkAttributes::NON_COHERENT,
            fwb: false,
            ..REGIME2
        };
        stage2.faults = FaultMode::Stall;
    });
    assert_eq!(deep, Ok([0xd, shcfg, 0x0648_601f_0000_abcd, 0x10_0000, 0, 0, 0, 0]));

    // The guest's words, MEV, S2FWB, SHCFG; EATS is the host's.
    let expected = [0x700f, shcfg | fwb | 1 << 19 | 0xd4, 0x044d_3558_0000_abcd, 0x1_2345_6000, 0, 0, 0, 0];
    assert_eq!(nested(&caps, |_| ()), Ok(expected));
    let split = nested(&caps, |stage2| stage2.ats = Ats::SplitStage).unwrap();
    assert_eq!(split[1], expected[1] | 2 << 28);
}

#[test]
fn golden_cds() {
    let caps = example();
    let mair = 0x0123_4567_89ab_cdef;
    // T0SZ 16, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 5, AA64, R, A, ASET.
    assert_eq!(cd(&caps, |_| ()), Ok([0x1234_e205_c000_3510, 0x9_8765_4000, 0, mair, 0, 0, 0, 0]));
    // And T1SZ 17, TG1 1 (16K), IR1 1, OR1 1, SH1 3; S and R; HA and HD; shared ASID.
    let both = cd(&caps, |cd| {
        cd.regime.ttb1 = Some(UPPER);
        cd.regime.update = HardwareUpdate::Dirty.flags();
        cd.faults = CdFaultMode::Stall;
        cd.private_asid = false;
    });
    assert_eq!(both, Ok([0x1234_7e05_b551_3510, 0x9_8765_4000, 0x7_0000_4000, mair, 0, 0, 0, 0]));
    // Nothing but faults: EPD0 and EPD1, no halves; S without R.
    let none = cd(&caps, |cd| {
        cd.regime.ttb0 = None;
        cd.faults = CdFaultMode::StallOnly;
    });
    assert_eq!(none, Ok([0x1234_d205_c000_4000, 0, 0, mair, 0, 0, 0, 0]));
    // DS and HAFT; 64K upper half: TG1 3; T0SZ and T1SZ 12, IPS 6.
    let wide = cd(&large(), |cd| {
        cd.regime.ttb0 = Some(TableBase { input_bits: 52, ..LOWER });
        cd.regime.ttb1 = Some(TableBase { granule: Granule::Size64K, input_bits: 52, ..UPPER });
        cd.regime.ips = AddressSize::Bits52;
        cd.regime.update = HardwareUpdate::TableAccessFlag.flags();
        cd.regime.ds = true;
        cd.faults = CdFaultMode::TerminateSilently;
    });
    let ds = 1 << 58;
    let words = [0x1234_ce06_b5cc_350c, 0x9_8765_4008, 0x7_0000_4000 | ds, mair, 0, 0, 0, 0];
    assert_eq!(wide, Ok(words));
    assert_eq!(Cd::INVALID.words(), [0; 8]);
    assert_eq!(Cd::INVALID.decode(), CdSummary::Invalid);
}

/// Golden words again, typed by field name and placed by the facts: the numbers above cannot be off in the same way.
#[test]
fn golden_words_by_name() {
    let (ste, cds) = (places(STE_FACTS), places(CD_FACTS));
    let caps = example();
    let expected = typed(
        &ste,
        &[
            ("V", 1),
            ("CONFIG", 6),
            ("SHCFG", 1),
            ("S2FWB", 1),
            ("S2VMID", 0xabcd),
            ("S2T0SZ", 24),
            ("S2SL0", 1),
            ("S2IR0", 1),
            ("S2OR0", 1),
            ("S2SH0", 3),
            ("S2PS", 5),
            ("S2AA64", 1),
            ("S2PTW", 1),
            ("S2R", 1),
            ("S2TTB", 0x1_2345_6000 >> 4),
        ],
    );
    assert_eq!(stage2(&caps, |_| ()), Ok(expected));
    let expected = typed(
        &ste,
        &[
            ("V", 1),
            ("CONFIG", 5),
            ("S1FMT", 2),
            ("S1CONTEXTPTR", 0x1234_5678_a000 >> 6),
            ("S1CDMAX", 20),
            ("S1DSS", 2),
            ("S1CIR", 1),
            ("S1COR", 1),
            ("S1CSH", 3),
            ("S1STALLD", 1),
            ("EATS", 1),
            ("S2VMID", 0x1234),
        ],
    );
    assert_eq!(stage1(&caps, |_| ()), Ok(expected));
    let expected = typed(
        &cds,
        &[
            ("V", 1),
            ("T0SZ", 16),
            ("IR0", 1),
            ("OR0", 1),
            ("SH0", 3),
            ("EPD1", 1),
            ("IPS", 5),
            ("AA64", 1),
            ("R", 1),
            ("A", 1),
            ("ASET", 1),
            ("ASID", 0x1234),
            ("TTB0", 0x9_8765_4000 >> 4),
            ("MAIR0", 0x89ab_cdef),
            ("MAIR1", 0x0123_4567),
        ],
    );
    assert_eq!(cd(&caps, |_| ()), Ok(expected));
}

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

/// What a row of the tables of DDI 0487 D8.2 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// The effective `DS` is 1.
    Ds,
    /// FEAT_TTST: `IDR3.STT`.
    SmallTables,
}

/// DDI 0487 tables D8-20 to D8-24, D8-30 to D8-33, D8-39 to D8-41: log2 of the granule, start level, first and last T0SZ,
/// tables, need. (FEAT_LPA, asked for by T0SZ 12 to 15 with 64K pages, is a 52-bit IAS.)
const STAGE2_WALKS: &[(u32, i32, u32, u32, u32, Need)] = &[
    (12, -1, 12, 15, 1, Need::Ds),
    (12, 0, 16, 24, 1, Need::Nothing),
    (12, 0, 15, 15, 2, Need::Ds),
    (12, 0, 14, 14, 4, Need::Ds),
    (12, 0, 13, 13, 8, Need::Ds),
    (12, 0, 12, 12, 16, Need::Ds),
    (12, 1, 25, 33, 1, Need::Nothing),
    (12, 1, 24, 24, 2, Need::Nothing),
    (12, 1, 23, 23, 4, Need::Nothing),
    (12, 1, 22, 22, 8, Need::Nothing),
    (12, 1, 21, 21, 16, Need::Nothing),
    (12, 2, 40, 42, 1, Need::SmallTables),
    (12, 2, 34, 39, 1, Need::Nothing),
    (12, 2, 33, 33, 2, Need::Nothing),
    (12, 2, 32, 32, 4, Need::Nothing),
    (12, 2, 31, 31, 8, Need::Nothing),
    (12, 2, 30, 30, 16, Need::Nothing),
    (12, 3, 43, 48, 1, Need::SmallTables),
    (12, 3, 42, 42, 2, Need::SmallTables),
    (12, 3, 41, 41, 4, Need::SmallTables),
    (12, 3, 40, 40, 8, Need::SmallTables),
    (12, 3, 39, 39, 16, Need::SmallTables),
    (14, 0, 12, 16, 1, Need::Ds),
    (14, 1, 17, 27, 1, Need::Nothing),
    (14, 1, 16, 16, 2, Need::Nothing),
    (14, 1, 15, 15, 4, Need::Ds),
    (14, 1, 14, 14, 8, Need::Ds),
    (14, 1, 13, 13, 16, Need::Ds),
    (14, 2, 28, 38, 1, Need::Nothing),
    (14, 2, 27, 27, 2, Need::Nothing),
    (14, 2, 26, 26, 4, Need::Nothing),
    (14, 2, 25, 25, 8, Need::Nothing),
    (14, 2, 24, 24, 16, Need::Nothing),
    (14, 3, 40, 48, 1, Need::SmallTables),
    (14, 3, 39, 39, 1, Need::Nothing),
    (14, 3, 38, 38, 2, Need::Nothing),
    (14, 3, 37, 37, 4, Need::Nothing),
    (14, 3, 36, 36, 8, Need::Nothing),
    (14, 3, 35, 35, 16, Need::Nothing),
    (16, 1, 12, 15, 1, Need::Nothing),
    (16, 1, 16, 21, 1, Need::Nothing),
    (16, 2, 22, 34, 1, Need::Nothing),
    (16, 2, 21, 21, 2, Need::Nothing),
    (16, 2, 20, 20, 4, Need::Nothing),
    (16, 2, 19, 19, 8, Need::Nothing),
    (16, 2, 18, 18, 16, Need::Nothing),
    (16, 3, 40, 47, 1, Need::SmallTables),
    (16, 3, 35, 39, 1, Need::Nothing),
    (16, 3, 34, 34, 2, Need::Nothing),
    (16, 3, 33, 33, 4, Need::Nothing),
    (16, 3, 32, 32, 8, Need::Nothing),
    (16, 3, 31, 31, 16, Need::Nothing),
];

/// The output size below which a start level is reserved (DDI 0487 J1.1 `AArch64.S2InvalidSL`).
fn output_bits_needed(granule: u32, level: i32) -> u32 {
    match (granule, level) {
        (12, -1) | (14, 0) => 52,
        (12, 0) | (16, 1) => 44,
        (14, 1) => 42,
        _ => 0,
    }
}

/// Number of tables at the start level, if the combination is legal on an SMMU of version 3.1 or later.
fn stage2_tables(granule: u32, level: i32, t0sz: u32, smmu: &Smmu, ds: bool) -> Option<u32> {
    // 5.2 S2T0SZ.
    let ias = if smmu.aarch32 { smmu.oas.max(40) } else { smmu.oas };
    let max = match (smmu.small_tables, granule) {
        (false, _) => 39,
        (true, 16) => 47,
        (true, _) => 48,
    };
    let min = if granule == 16 || ds { 12 } else { 16 }.max(64_u32.saturating_sub(ias));
    if t0sz < min || t0sz > max || smmu.oas < output_bits_needed(granule, level) || ds && granule == 16 {
        return None;
    }
    let row = STAGE2_WALKS
        .iter()
        .find(|row| (row.0, row.1) == (granule, level) && (row.2..=row.3).contains(&t0sz))?;
    let met = match row.5 {
        Need::Nothing => true,
        Need::Ds => ds && smmu.ds,
        Need::SmallTables => smmu.small_tables,
    };
    (met && (!ds || smmu.ds)).then_some(row.4)
}

#[derive(Debug, Clone, Copy)]
struct Smmu {
    oas: u32,
    small_tables: bool,
    ds: bool,
    aarch32: bool,
}

impl Smmu {
    fn all() -> impl Iterator<Item = (Self, Caps)> {
        (0..64).filter_map(|number: u32| {
            let (code, small_tables) = (number & 7, number & 8 != 0);
            let (ds, aarch32) = (number & 16 != 0, number & 32 != 0);
            // 56 bits need D128, which excludes VMSAv8-32.
            let d128 = code == 7;
            if d128 && aarch32 {
                return None;
            }
            let mut ids = IdRegisters::EXAMPLE;
            ids.idr0 = Idr0::from_bits(ids.idr0.into_bits() | u32::from(aarch32) << 2);
            ids.idr3 = Idr3::from_bits(ids.idr3.into_bits() & !(1 << 9) | u32::from(small_tables) << 9);
            let idr5 = ids.idr5.into_bits() & !7 | code | u32::from(ds) << 7 | u32::from(d128) << 8;
            ids.idr5 = Idr5::from_bits(idr5);
            let oas = [32, 36, 40, 42, 44, 48, 52, 56][code as usize];
            Some((Self { oas, small_tables, ds, aarch32 }, caps_of(&ids)))
        })
    }
}

#[test]
fn stage_2_geometries_are_those_of_the_manual() {
    let mut legal = 0;
    for (smmu, caps) in Smmu::all() {
        let ps = AddressSize::from_bits(smmu.oas.min(48)).unwrap();
        for granule in Granule::ALL {
            for (bits, number, ds) in
                (10_u8..=56).flat_map(|bits| (-1..=3).flat_map(move |n| [(bits, n, false), (bits, n, true)]))
            {
                let t0sz = 64 - u32::from(bits);
                let expected = stage2_tables(granule.shift(), number, t0sz, &smmu, ds);
                let encode = |ttb: u64| {
                    stage2(&caps, |s| {
                        s.regime = Stage2Regime {
                            ttb: PhysAddr::new(ttb),
                            granule,
                            input_bits: bits,
                            start_level: Level::new(number).unwrap(),
                            ps,
                            ds,
                            ..REGIME2
                        }
                    })
                };
                let context = || format!("{granule} {bits} bits, level {number}, DS {ds}, {smmu:?}");
                let result = encode(0);
                let Some(tables) = expected else {
                    let error = result.expect_err(&context());
                    let fits = matches!(
                        error,
                        SteError::InputSize { .. }
                            | SteError::Walk(_)
                            | SteError::StartLevel { .. }
                            | SteError::DsWith64K
                            | SteError::Unsupported { needs: Feature::Ds }
                    );
                    assert!(fits, "{error:?}: {}", context());
                    continue;
                };
                legal += 1;
                let words = result.unwrap_or_else(|error| panic!("{error}: {}", context()));
                // The walk from the codes alone (DDI 0487 J1.1 `S2StartLevel`, `S2TTBaseAddress`).
                let (sl0, sl2) = (words[2] >> 38 & 3, words[3] >> 2 & 1);
                let level = match (granule, sl2, sl0) {
                    (Granule::Size4K, 1, 0) => -1,
                    (Granule::Size4K, 0, 3) => 3,
                    (Granule::Size4K, 0, sl0) => 2 - sl0 as i32,
                    (_, 0, sl0) => 3 - sl0 as i32,
                    other => panic!("{other:?}: {}", context()),
                };
                assert_eq!(level, number, "{}", context());
                assert_eq!((words[2] >> 32 & 63, words[3] >> 3 & 1), (u64::from(t0sz), u64::from(ds)));
                let levels = u32::try_from(3 - number).unwrap();
                let resolved = u32::from(bits) - (levels * (granule.shift() - 3) + granule.shift());
                assert_eq!(tables.max(1), 1 << resolved.saturating_sub(granule.shift() - 3), "{}", context());
                // The field itself begins at bit 4.
                let align = 1_u64 << (resolved + 3).max(4);
                assert!(encode(align).is_ok(), "{}", context());
                if align > 16 {
                    let address = PhysAddr::new(align / 2);
                    let error = SteError::Misaligned { address, align };
                    assert_eq!(encode(align / 2), Err(error), "{}", context());
                }
            }
        }
    }
    assert!(legal > 3000, "{legal}");
}

#[test]
fn input_size_errors_name_the_limits() {
    for (smmu, caps) in Smmu::all() {
        for granule in Granule::ALL {
            let ias = if smmu.aarch32 { smmu.oas.max(40) } else { smmu.oas };
            let max = ias.min(if granule == Granule::Size64K { 52 } else { 48 });
            let min = match (smmu.small_tables, granule) {
                (false, _) => 25,
                (true, Granule::Size64K) => 17,
                (true, _) => 16,
            };
            for bits in (10..min).chain(max + 1..=56) {
                let result = stage2(&caps, |s| {
                    s.regime.granule = granule;
                    s.regime.ps = AddressSize::from_bits(smmu.oas.min(48)).unwrap();
                    s.regime.input_bits = bits as u8;
                });
                let (bits, min, max) = (bits as u8, min as u8, max as u8);
                assert_eq!(result, Err(SteError::InputSize { bits, min, max }), "{granule} {smmu:?}");
            }
        }
    }
}

/// 5.4 `TxSZ`, and the first-level table of DDI 0487 D8.2, for both halves.
#[test]
fn stage_1_geometries_are_those_of_the_manual() {
    for number in 0_u32..24 {
        let (vax, ds_there, small_tables) = (number % 3, number / 3 % 2 != 0, number / 6 % 2 != 0);
        let mut ids = IdRegisters::EXAMPLE;
        ids.idr3 = Idr3::from_bits(ids.idr3.into_bits() & !(1 << 9) | u32::from(small_tables) << 9);
        let idr5 = ids.idr5.into_bits() & !(3 << 10) | vax << 10 | u32::from(ds_there) << 7;
        ids.idr5 = Idr5::from_bits(idr5);
        let caps = caps_of(&ids);
        for granule in Granule::ALL {
            for (bits, upper, ds) in
                (10_u8..=60).flat_map(|bits| [0, 1, 2, 3].map(|k| (bits, k & 1 != 0, ds_there && k & 2 != 0)))
            {
                if ds && granule == Granule::Size64K {
                    continue;
                }
                let t0sz = 64 - i32::from(bits);
                let max = match (small_tables, granule) {
                    (false, _) => 39,
                    (true, Granule::Size64K) => 47,
                    (true, _) => 48,
                };
                let min = if vax >= 1 && (granule == Granule::Size64K || ds) { 12 } else { 16 };
                let encode = |base: u64| {
                    cd(&caps, |cd| {
                        let half =
                            Some(TableBase { base: PhysAddr::new(base), granule, input_bits: bits, ..LOWER });
                        (cd.regime.ttb0, cd.regime.ttb1) = if upper { (None, half) } else { (half, None) };
                        cd.regime.ds = ds;
                    })
                };
                let context = || format!("{granule} {bits} bits, VAX {vax}, DS {ds}, STT {small_tables}");
                if t0sz < min || t0sz > max {
                    let (min, max) = ((64 - max) as u8, (64 - min) as u8);
                    assert_eq!(encode(0), Err(CdError::InputSize { bits, min, max }), "{}", context());
                    continue;
                }
                let stride = granule.shift() - 3;
                let below = (u32::from(bits) - 1 - granule.shift()) / stride * stride + granule.shift();
                let align = 8_u64 << (u32::from(bits) - below);
                let words = encode(align).unwrap_or_else(|error| panic!("{error}: {}", context()));
                assert_eq!(words[0] >> if upper { 16 } else { 0 } & 63, t0sz as u64);
                if align > 16 {
                    let address = PhysAddr::new(align / 2);
                    assert_eq!(
                        encode(align / 2),
                        Err(CdError::Misaligned { address, align }),
                        "{}",
                        context()
                    );
                }
            }
        }
    }
}

/// "For VMSAv8-64 a 64-byte minimum alignment on starting-level translation table addresses is imposed when the effective
/// STE.S2PS value indicates 52-bit output. In this case bits [5:0] are treated as zero." (5.2 S2TTB; the same in 5.4
/// TTB0.) This holds for 64K pages and with `DS`.
#[test]
fn tables_of_52_bits_are_aligned_to_64_bytes() {
    let caps = large();
    for (granule, bits, start_level, ds) in
        [(Granule::Size64K, 43, Level::ONE, false), (Granule::Size4K, 31, Level::ONE, true)]
    {
        let encode = |ttb, ps| {
            stage2(&caps, |s| {
                let ttb = PhysAddr::new(ttb);
                s.regime = Stage2Regime { ttb, granule, input_bits: bits, start_level, ps, ds, ..REGIME2 };
            })
        };
        assert!(encode(0x1_0010, AddressSize::Bits48).is_ok());
        assert!(encode(0x1_0040, AddressSize::Bits52).is_ok());
        let (address, align) = (PhysAddr::new(0x1_0020), 64);
        assert_eq!(encode(0x1_0020, AddressSize::Bits52), Err(SteError::Misaligned { address, align }));
        let encode = |base, ips| {
            cd(&caps, |cd| {
                let base = PhysAddr::new(base);
                cd.regime.ttb0 = Some(TableBase { base, granule, input_bits: bits, ..LOWER });
                (cd.regime.ips, cd.regime.ds) = (ips, ds);
            })
        };
        assert!(encode(0x1_0010, AddressSize::Bits48).is_ok());
        assert!(encode(0x1_0040, AddressSize::Bits52).is_ok());
        assert_eq!(encode(0x1_0020, AddressSize::Bits52), Err(CdError::Misaligned { address, align }));
    }
}

/// The sentence above says nothing of the granule, so it holds for 4K and 16K tables without `DS` too.
#[test]
fn tables_of_52_bits_without_ds_are_aligned_to_64_bytes() {
    let caps = example();
    let (address, align) = (PhysAddr::new(0x1_0020), 64);
    let ste = stage2(&caps, |s| {
        s.regime = Stage2Regime { ttb: address, input_bits: 31, ps: AddressSize::Bits52, ..REGIME2 };
    });
    let cd = cd(&caps, |cd| {
        cd.regime.ttb0 = Some(TableBase { base: address, input_bits: 31, ..LOWER });
        cd.regime.ips = AddressSize::Bits52;
    });
    let expected = (SteError::Misaligned { address, align }, CdError::Misaligned { address, align });
    assert_eq!((ste, cd), (Err(expected.0), Err(expected.1)));
}

/// VMSAv8-64 has 52 bits of table address; bits 55:52 of the field are RES0 (5.2 S2TTB bits 247:244, 5.4 TTB0 bits
/// 119:116, TTB1), with a 56-bit OAS too.
#[test]
fn no_table_lies_above_52_bits() {
    let caps = altered(5, 7, 7 | 1 << 8);
    assert_eq!(caps.oas, AddressSize::Bits56);
    let address = PhysAddr::new(1 << 52);
    let ste = stage2(&caps, |s| {
        s.regime = Stage2Regime {
            ttb: address,
            granule: Granule::Size64K,
            start_level: Level::TWO,
            ps: AddressSize::Bits56,
            ..REGIME2
        };
    });
    assert_eq!(ste, Err(SteError::TooHigh { address, size: AddressSize::Bits52 }));
    let cd = cd(&caps, |cd| {
        cd.regime.ttb0 =
            Some(TableBase { base: address, granule: Granule::Size64K, input_bits: 42, ..LOWER });
        cd.regime.ips = AddressSize::Bits56;
    });
    assert_eq!(cd, Err(CdError::TooHigh { address, size: AddressSize::Bits52 }));
}

fn walk() -> impl Strategy<Value = WalkAttributes> {
    (0_u8..4, 0_u8..4, 0_usize..3).prop_map(|(inner, outer, share)| WalkAttributes {
        inner: Cacheability::from_code(inner).unwrap(),
        outer: Cacheability::from_code(outer).unwrap(),
        shareability: [Shareability::Non, Shareability::Outer, Shareability::Inner][share],
    })
}

fn update() -> impl Strategy<Value = UpdateFlags> {
    (0_usize..6).prop_map(|index| {
        let flags = [0, 1, 2, 3, 5, 7][index];
        UpdateFlags { access_flag: flags & 1 != 0, dirty: flags & 2 != 0, table_access_flag: flags & 4 != 0 }
    })
}

fn cd_table() -> impl Strategy<Value = CdTablePointer> {
    let format = [CdTableFormat::Linear, CdTableFormat::TwoLevel4K, CdTableFormat::TwoLevel64K];
    let dss = [WithoutSubstream::Terminate, WithoutSubstream::Bypass, WithoutSubstream::UseCd0];
    (0_usize..3, 0_u8..=20, 0_usize..3, any::<u64>()).prop_map(move |(shape, cds_log2, rest, base)| {
        // Aligned as the largest table would ask.
        CdTablePointer {
            base: PhysAddr::new(base & 0xf_ffff_fc00_0000),
            format: format[shape],
            cds_log2,
            without_substream: dss[rest],
        }
    })
}

prop_compose! {
    /// A legal stage-2 regime of [`large`], by a row of the manual.
    fn regime2()(
        row in 0..STAGE2_WALKS.len(),
        part: u32,
        ttb: u64,
        ps in 3_u8..=6,
        walk in walk(),
        update in update(),
        ds: bool,
        fwb: bool,
    ) -> Stage2Regime {
        let (granule, level, first, last, _, need) = STAGE2_WALKS[row];
        let ds = granule != 16 && (ds || need == Need::Ds);
        let t0sz = first + part % (last - first + 1);
        let ps = AddressSize::from_code(ps).unwrap();
        let top = if granule == 16 || ds { ps.bits() } else { ps.bits().min(48) };
        Stage2Regime {
            // Aligned as sixteen whole 64K tables would ask.
            ttb: PhysAddr::new(ttb & ((1 << top) - 1) & !0xf_ffff),
            granule: Granule::from_shift(granule).unwrap(),
            input_bits: (64 - t0sz) as u8,
            start_level: Level::new(level).unwrap(),
            ps,
            walk,
            update,
            ds,
            fwb,
        }
    }
}

prop_compose! {
    fn base1()(
        granule in 0_usize..3,
        bits in 17_u8..=48,
        base: u64,
        walk in walk(),
        there: bool,
    ) -> Option<TableBase> {
        let base = PhysAddr::new(base & 0xff_ffff_0000);
        there.then_some(TableBase { base, granule: Granule::ALL[granule], input_bits: bits, walk })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn stage_1_comes_back(table in cd_table(), vmid: u16, el2: bool, may_stall: bool, ats: bool) {
        let world = if el2 { StreamWorld::El2 } else { StreamWorld::El1(Vmid::new(vmid)) };
        let ats = if ats { Ats::Full } else { Ats::Disabled };
        let config = SteConfig::Stage1(Stage1Config { cd_table: table, world, may_stall, ats });
        let ste = config.encode(&large()).unwrap();
        let vmid = Vmid::new(if el2 { 0 } else { vmid });
        prop_assert_eq!(ste.decode(), Ok(SteSummary::Stage1(table, vmid)));
        let one = ste.words()[1];
        prop_assert_eq!(one >> 28 & 3, u64::from(ats == Ats::Full));
        prop_assert_eq!((one >> 27 & 1 == 0, one >> 30 & 3 == 2), (may_stall, el2));
    }

    #[test]
    fn stage_2_and_nested_come_back(regime in regime2(), vmid: u16, table in cd_table(), protect_walks: bool) {
        let vmid = Vmid::new(vmid);
        let (faults, ats) = (FaultMode::Terminate, Ats::Full);
        let stage2 = Stage2Config { regime, vmid, faults, ats, protect_walks };
        let ste = SteConfig::Stage2(stage2).encode(&large()).unwrap();
        prop_assert_eq!(ste.decode(), Ok(SteSummary::Stage2(regime, vmid)));

        let zero = 0xb | (table.format as u64) << 4 | table.base.get() | u64::from(table.cds_log2) << 59;
        let guest = guest([zero, table.without_substream as u64]);
        prop_assert_eq!((guest.context_pointer(), guest.cds_log2()), (table.base, table.cds_log2));
        let ste = SteConfig::Nested { guest, stage2, may_stall: true }.encode(&large()).unwrap();
        prop_assert_eq!(ste.decode(), Ok(SteSummary::Nested(table, regime, vmid)));
        prop_assert_eq!(ste.words()[2] >> 54 & 1 == 1, protect_walks);
    }

    #[test]
    fn cds_come_back(
        ttb0 in base1(),
        ttb1 in base1(),
        ips in 2_u8..=5,
        mair: u64,
        update in update(),
        asid: u16,
        ds: bool,
        private_asid: bool,
    ) {
        let small = |base: &Option<TableBase>| base.is_some_and(|base| base.granule != Granule::Size64K);
        let ds = ds && (small(&ttb0) || small(&ttb1));
        let ips = AddressSize::from_code(ips).unwrap();
        let regime = Stage1Regime { ttb0, ttb1, ips, mair, update, ds };
        let asid = Asid::new(asid);
        let config = CdConfig { regime, asid, faults: CdFaultMode::Terminate, private_asid };
        let cd = config.encode(&large()).unwrap();
        prop_assert_eq!(cd.decode(), CdSummary::Valid(regime, asid));
        prop_assert_eq!(cd.words()[0] >> 47 & 1 == 1, private_asid);
    }

    #[test]
    fn an_encoded_structure_sets_only_bits_that_it_uses(
        regime in regime2(),
        table in cd_table(),
        ttb0 in base1(),
        ttb1 in base1(),
    ) {
        let caps = large();
        let (faults, ats) = (FaultMode::Terminate, Ats::Full);
        let stage2 = Stage2Config { regime, vmid: Vmid::new(7), faults, ats, protect_walks: false };
        let world = StreamWorld::El1(Vmid::new(9));
        let stage1 = Stage1Config { cd_table: table, world, may_stall: false, ats };
        for config in [SteConfig::Stage1(stage1), SteConfig::Stage2(stage2), SteConfig::Abort, SteConfig::Bypass] {
            let ste = config.encode(&caps).unwrap();
            let mut used = ste.used_bits(&caps);
            if table.cds_log2 == 0 {
                // Shape, S1DSS and what S1DSS brings are ignored, and written all the same.
                used[0] |= 3 << 4;
                used[1] |= 3 | 3 << 44;
            }
            for (word, used) in ste.words().iter().zip(used) {
                prop_assert_eq!(word & !used, 0, "{}", ste);
            }
        }
        let regime = Stage1Regime { ttb0, ttb1, ..CD.regime };
        let cd = CdConfig { regime, ..CD }.encode(&caps).unwrap();
        for (word, used) in cd.words().iter().zip(cd.used_bits(&caps)) {
            prop_assert_eq!(word & !used, 0, "{}", cd);
        }
    }

    #[test]
    fn any_words_are_survived(words: [u64; 8], sparse: u64, valid: bool) {
        let words = words.map(|word| word & sparse | u64::from(valid));
        let (ste, cd) = (Ste::from_words(words), Cd::from_words(words));
        let _ = (ste.decode(), ste.to_string(), format!("{ste:?}"), GuestSte::try_from(&ste));
        let _ = (cd.decode(), cd.to_string(), format!("{cd:?}"));
        let _ = (ste.used_bits(&large()), cd.used_bits(&large()), ste.safe_bits(&ste));
    }
}

#[test]
fn what_is_odd_about_an_ste_is_said() {
    let places = places(STE_FACTS);
    let decode = |fields: &[(&str, u64)]| Ste::from_words(typed(&places, fields)).decode();
    let reserved = |field, value| Err(SteOddity::Reserved { field, value });
    assert_eq!(decode(&[("CONFIG", 2)]), Ok(SteSummary::Invalid), "V is 0");
    for config in 1..=3 {
        assert_eq!(decode(&[("V", 1), ("CONFIG", config)]), reserved("CONFIG", config));
    }
    assert_eq!(decode(&[("V", 1), ("CONFIG", 5), ("S1FMT", 3)]), reserved("S1FMT", 3));
    assert_eq!(decode(&[("V", 1), ("CONFIG", 5), ("S1DSS", 3)]), reserved("S1DSS", 3));
    // Ignored without stage 1.
    assert_eq!(decode(&[("V", 1), ("CONFIG", 4), ("S1FMT", 3), ("S1DSS", 3)]), Ok(SteSummary::Bypass));
    let stage2 = |more: &[(&str, u64)]| {
        decode(&[&[("V", 1), ("CONFIG", 6), ("S2AA64", 1), ("S2T0SZ", 24), ("S2SL0", 1)], more].concat())
    };
    assert!(matches!(stage2(&[]), Ok(SteSummary::Stage2(..))));
    assert_eq!(stage2(&[("S2TG", 3)]), reserved("S2TG", 3));
    assert_eq!(stage2(&[("S2SH0", 1)]), reserved("S2SH0", 1));
    assert_eq!(stage2(&[("S2AA64", 0)]), Err(SteOddity::NotAarch64));
    let walk = RegimeError::ReservedStartLevel { granule: Granule::Size64K, sl0: 3 };
    assert_eq!(stage2(&[("S2TG", 1), ("S2SL0", 3)]), Err(SteOddity::Walk(walk)));
    let odd = Ste::from_words([1 | 1 << 56, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(odd.decode(), Err(SteOddity::ReservedBits { word: 0, bits: 1 << 56 }));
}

#[test]
fn a_guest_may_set_its_stage_1_and_no_more() {
    let places = places(STE_FACTS);
    let judge = |fields: &[(&str, u64)]| {
        let [zero, one, ..] = typed(&places, fields);
        GuestSte::new([zero, one])
    };
    let translate = [("V", 1), ("CONFIG", 5)];
    let with = |more: (&'static str, u64)| judge(&[&translate[..], &[more]].concat());

    // Not valid, or abort: an abort, whatever else an invalid one holds.
    assert_eq!(judge(&[]), Ok(GuestSte::Abort));
    assert_eq!(GuestSte::new([!1, u64::MAX]), Ok(GuestSte::Abort));
    assert_eq!(judge(&[("V", 1), ("CONFIG", 0)]), Ok(GuestSte::Abort));
    assert_eq!(judge(&[("V", 1), ("CONFIG", 4)]), Ok(GuestSte::Bypass));
    for config in [1, 2, 3, 6, 7] {
        let error = GuestSteError::Config { config: config as u8 };
        assert_eq!(judge(&[("V", 1), ("CONFIG", config)]), Err(error));
    }

    // Every field of the two words: its own, or refused with the very bits.
    let own = [
        "V",
        "CONFIG",
        "S1FMT",
        "S1CDMAX",
        "S1CONTEXTPTR",
        "S1DSS",
        "S1CIR",
        "S1COR",
        "S1CSH",
        "S1STALLD",
        "EATS",
    ];
    let mut refused = 0;
    for (name, place) in places.iter().filter(|(_, place)| place.word < 2) {
        if own.contains(name) {
            let top = if *name == "S1CONTEXTPTR" { place.mask >> 4 } else { place.mask };
            match *name {
                "V" | "CONFIG" | "EATS" => {}
                _ => assert!(matches!(with((name, top)), Ok(GuestSte::Translate(_))), "{name}"),
            }
            continue;
        }
        refused += 1;
        for value in [1, place.mask] {
            let (word, bits) = (place.word as u8, value << place.shift);
            assert_eq!(with((name, value)), Err(GuestSteError::Bits { word, bits }), "{name}");
            // Also where the configuration ignores it.
            let bypass = judge(&[("V", 1), ("CONFIG", 4), (name, value)]);
            assert_eq!(bypass, Err(GuestSteError::Bits { word, bits }), "{name}");
        }
    }
    assert_eq!(refused, places.values().filter(|place| place.word < 2).count() - own.len());
    // Above 52 bits, and where no field is.
    for (word, bit) in [(0, 52), (0, 55), (0, 56), (0, 58), (1, 41), (1, 43)] {
        let mut words = GUEST;
        words[word] |= 1 << bit;
        let error = GuestSteError::Bits { word: word as u8, bits: 1 << bit };
        assert_eq!(GuestSte::new(words), Err(error));
    }

    for (eats, wants) in [(0, Ok(false)), (1, Ok(true)), (2, Err(2)), (3, Err(3))] {
        let judged = with(("EATS", eats)).map(|ste| ste.wants_ats());
        assert_eq!(judged, wants.map_err(|eats| GuestSteError::Eats { eats }));
    }
    // ATS of a stream that is not translated is nobody's.
    assert_eq!(judge(&[("V", 1), ("CONFIG", 4), ("EATS", 1)]).map(|ste| ste.wants_ats()), Ok(false));

    // A guest cannot smuggle EATS or Config into the host's STE.
    let guest = guest([GUEST[0], GUEST[1] | 1 << 28]);
    assert_eq!(guest.context_pointer(), PhysAddr::new(0x7000));
    let ste = SteConfig::Nested { guest, stage2: STAGE2, may_stall: true }.encode(&example()).unwrap();
    assert_eq!((ste.words()[0], ste.words()[1] >> 28 & 3), (0x700f, 0));
}
