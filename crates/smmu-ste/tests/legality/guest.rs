//! What a guest may put into its STE.

use crate::setup::*;
use smmu_regs::caps::Narrow;

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

/// What the presets show a guest, or a host under a hypervisor: the STEs that its driver then writes are a guest's.
#[test]
fn a_driver_that_believes_its_id_registers_is_not_refused() {
    for (narrow, ats) in [(Narrow::NESTED_GUEST, Ats::Full), (Narrow::HOST_UNDER_EL2, Ats::Disabled)] {
        let ids = example().narrow(&narrow).unwrap().to_guest_id_registers().unwrap();
        let shown = Caps::probe_strict(&ids, &Hints::default()).unwrap();
        for without_substream in
            [WithoutSubstream::Terminate, WithoutSubstream::Bypass, WithoutSubstream::UseCd0]
        {
            let cd_table = CdTablePointer { without_substream, ..STAGE1.cd_table };
            let world = StreamWorld::El1(Vmid::new(0));
            let stage1 = SteConfig::Stage1(Stage1Config { cd_table, world, may_stall: false, ats });
            let words = stage1.encode(&shown).unwrap().words();
            let taken = GuestSte::new([words[0], words[1]]);
            assert!(matches!(taken, Ok(GuestSte::Translate(_))), "{taken:?}");
        }
        let words = SteConfig::Bypass.encode(&shown).unwrap().words();
        assert_eq!(GuestSte::new([words[0], words[1]]), Ok(GuestSte::Bypass));
    }
}
