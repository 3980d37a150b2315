//! Encoded and decoded again, and what is odd about an STE.

use crate::geometry::{Need, STAGE2_WALKS};
use crate::setup::*;

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
