//! Golden words, typed by hand from the field tables.

use crate::setup::*;

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
