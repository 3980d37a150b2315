//! Each field gives its feature, and what cannot be is told, read in the safe way, and refused when asked.

use crate::law::{self, FIELDS, any_words, everything, forbidden, get, ids, set, wrong_version};
use proptest::prelude::*;
use smmu_regs::caps::{BbmLevel, Features, Hints, Oddity, ProbeError, StallModel};
use smmu_regs::{AddressSize, Caps, Feature};

fn probe(words: law::Words) -> Caps {
    Caps::probe(&ids(words), &Hints::default()).unwrap()
}

/// The features that each one-bit field gives, the inverted and the shared ones aside.
#[test]
fn each_bit_of_the_registers_is_its_feature() {
    let mut seen = 0;
    for feature in Feature::ALL {
        let name = feature.origin().split([',', ' ']).next().unwrap();
        let Some((lsb, msb)) = FIELDS.get(name) else {
            assert!(*feature == Feature::Atomic128, "{feature} is from {name}");
            continue;
        };
        if lsb != msb || *feature == Feature::SplitStageAts {
            continue;
        }
        let mut without = everything();
        set(&mut without, name, 0);
        assert!(!probe(without).has(*feature), "{feature} without {name}");
        let mut with = everything();
        set(&mut with, name, 1);
        let there = probe(with).has(*feature);
        assert_eq!(there, *feature != Feature::E2hHost, "{feature} with {name}");
        seen += 1;
    }
    assert_eq!(seen, Feature::ALL.len() - 5, "TTF twice, ST_LEVEL, NS1ATS, the platform");
}

/// The other way round: every bit of `IDR0`, `IDR1`, `IDR3` and `IDR5` is in the capabilities.
#[test]
fn no_bit_of_the_registers_is_lost() {
    let (everything, base) = (probe(everything()), everything());
    for (name, (lsb, msb)) in FIELDS.iter().filter(|(name, _)| {
        ["IDR0.", "IDR1.", "IDR2.", "IDR3.", "IDR5.", "IDR6."]
            .iter()
            .any(|register| name.starts_with(register))
    }) {
        for bit in *lsb..=*msb {
            let mut words = base;
            let value = get(&base, name) ^ 1 << (bit - lsb);
            set(&mut words, name, value);
            match Caps::probe(&ids(words), &Hints::default()) {
                Err(ProbeError::Odd { .. }) => panic!("{name}"),
                Err(_) => {}
                Ok(caps) => assert_ne!(caps, everything, "bit {bit} of {name}"),
            }
        }
    }
}

#[test]
fn values_of_wider_fields_are_read() {
    let with = |field: &str, value: u32| {
        let mut words = everything();
        set(&mut words, field, value);
        probe(words)
    };
    for (value, model) in
        [(0, StallModel::Supported), (1, StallModel::TerminateOnly), (2, StallModel::Forced)]
    {
        let caps = with("IDR0.STALL_MODEL", value);
        assert_eq!(caps.stall_model, model);
        assert_eq!(caps.stall_max, if value == 1 { 0 } else { 0x1234 });
    }
    for (value, level) in [(0, BbmLevel::Level0), (1, BbmLevel::Level1), (2, BbmLevel::Level2)] {
        assert_eq!(with("IDR3.BBML", value).bbm, level);
    }
    for (value, bits) in [(0, 32), (1, 36), (2, 40), (3, 42), (4, 44), (5, 48), (6, 52), (7, 56)] {
        assert_eq!(with("IDR5.OAS", value).oas.bits(), bits);
    }
    for (value, bits) in [(1, 52), (2, 56)] {
        assert_eq!(with("IDR5.VAX", value).stage1_input_bits, bits);
    }
    let caps = with("IDR1.SSIDSIZE", 7);
    assert_eq!((caps.substream_id_bits, caps.stream_id_bits), (7, 32));
    assert_eq!((caps.command_queue_log2, caps.event_queue_log2, caps.pri_queue_log2), (19, 18, 17));
}

/// Fields that are changed, and what is made of it: the oddity, features that go.
type Case = (&'static [(&'static str, u32)], Oddity, &'static [Feature]);

/// One rule of the manual broken at a time.
#[test]
fn each_oddity_is_told_by_its_name_and_value() {
    use Feature as F;
    let cases: &[Case] = &[
        (&[("IDR0.ST_LEVEL", 2)], Oddity::StreamTableLevel, &[F::TwoLevelStreamTable]),
        (&[("IDR0.STALL_MODEL", 3)], Oddity::StallModel, &[]),
        (
            &[("IDR0.ATS", 0), ("IDR0.ATSRECERR", 0), ("IDR3.DPT", 0), ("IDR3.PASIDTT", 0), ("IDR3.PPS", 0)],
            Oddity::PriWithoutAts,
            &[F::Pri],
        ),
        (
            &[("IDR0.ATS", 0), ("IDR0.PRI", 0), ("IDR3.DPT", 0), ("IDR3.PASIDTT", 0), ("IDR3.PPS", 0)],
            Oddity::AtsRecErrWithoutAts,
            &[F::AtsRecordErrors],
        ),
        (&[("IDR0.ATOS", 0)], Oddity::VatosWithoutAtos, &[F::Vatos]),
        (&[("IDR1.SIDSIZE", 33)], Oddity::StreamIdSize, &[]),
        (&[("IDR1.SSIDSIZE", 21)], Oddity::SubstreamIdSize, &[]),
        (&[("IDR1.PRIQS", 20)], Oddity::QueueSize, &[]),
        (&[("IDR0.ST_LEVEL", 0)], Oddity::LargeLinear, &[F::TwoLevelStreamTable]),
        (&[("IDR0.MSI", 0)], Oddity::EcmdqWithoutCoherence, &[F::Ecmdq]),
        (&[("IDR0.VATOS", 0)], Oddity::VatosPage, &[F::Vatos]),
        (&[("IDR3.HAD", 0)], Oddity::PbhaWithoutHad, &[F::Pbha]),
        (&[("IDR1.SSIDSIZE", 0), ("IDR3.PASIDTT", 0)], Oddity::PpsWithoutPri, &[F::PriPasidAlways]),
        (&[("IDR1.SSIDSIZE", 0), ("IDR3.PPS", 0)], Oddity::PasidttWithoutAts, &[F::PasidTranslated]),
        (&[("IDR3.BBML", 3)], Oddity::Bbml, &[]),
        (
            &[("IDR0.TTF", 3), ("IDR5.D128", 0), ("IDR5.OAS", 6), ("IDR5.VAX", 1)],
            Oddity::DptWithoutAts,
            &[F::Dpt],
        ),
        (
            &[("IDR3.S2PI", 0), ("IDR3.THE", 0), ("IDR5.D128", 0), ("IDR5.OAS", 6), ("IDR5.VAX", 1)],
            Oddity::S2poWithoutS2pi,
            &[F::S2PermissionOverlay],
        ),
        (
            &[("IDR3.S2PI", 0), ("IDR3.S2PO", 0), ("IDR5.D128", 0), ("IDR5.OAS", 6), ("IDR5.VAX", 1)],
            Oddity::TheWithoutS2pi,
            &[F::TranslationHardening],
        ),
        (&[("IDR5.VAX", 3), ("IDR5.DS", 0)], Oddity::Vax, &[]),
        (&[("IDR5.GRAN64K", 0), ("IDR5.DS", 0)], Oddity::VaxWithoutGranule, &[]),
        (&[("IDR5.D128", 0), ("IDR5.OAS", 6)], Oddity::VaxWithoutD128, &[]),
        (&[("IDR5.D128", 0), ("IDR5.VAX", 1)], Oddity::Oas, &[]),
        (
            &[("IDR5.D128", 0), ("IDR5.VAX", 0), ("IDR5.DS", 0), ("IDR5.OAS", 6), ("IDR5.GRAN64K", 0)],
            Oddity::OasWithoutGranule,
            &[],
        ),
        (&[("IDR5.GRAN4K", 0), ("IDR5.GRAN16K", 0)], Oddity::DsWithoutVax, &[F::Ds]),
        (&[("IDR5.VAX", 0)], Oddity::DsWithoutVax, &[F::Ds]),
        (&[("IDR3.AIE", 0)], Oddity::D128Incomplete, &[F::D128]),
        (&[("IDR3.S1PI", 0)], Oddity::D128Incomplete, &[F::D128]),
        (&[("IDR3.MTEPERM", 0)], Oddity::D128Incomplete, &[F::D128]),
        (&[("IDR3.S2PO", 0)], Oddity::D128Incomplete, &[F::D128]),
        (&[("IDR0.TTF", 3), ("IDR3.DPT", 0)], Oddity::D128Incomplete, &[F::D128]),
        (
            &[
                ("IDR0.TTF", 3),
                ("IDR3.DPT", 0),
                ("IDR5.D128", 0),
                ("IDR5.OAS", 6),
                ("IDR5.VAX", 1),
                ("IDR5.GRAN4K", 0),
            ],
            Oddity::Aarch32WithoutGranule,
            &[F::Aarch32Tables],
        ),
        (&[("IDR6.CMDQ_CONTROL_PAGE_LOG2NUMP", 9)], Oddity::EcmdqSize, &[]),
        (&[("IDR1.ECMDQ", 0)], Oddity::Idr6WithoutEcmdq, &[F::Ecmdq]),
    ];
    for (changes, oddity, gone) in cases {
        let mut words = everything();
        for (field, value) in *changes {
            set(&mut words, field, *value);
        }
        let caps = probe(words);
        assert_eq!(caps.oddities().iter().collect::<Vec<_>>(), [*oddity], "{changes:?}");
        assert!(caps.features.intersect(Features::of(gone)).is_empty(), "{changes:?}: {}", caps.features);
        let register = ["IDR0", "IDR1", "IDR2", "IDR3", "IDR4", "IDR5", "IDR6"]
            .iter()
            .position(|name| *name == oddity.register())
            .unwrap();
        let error = Caps::probe_strict(&ids(words), &Hints::default()).unwrap_err();
        assert_eq!(error, ProbeError::Odd { oddity: *oddity, value: words[register] });
        assert!(error.to_string().contains(&format!("{:#010x}", words[register])), "{error}");
    }
}

/// An SMMU of one stage, with all that the other one's features need left on.
#[test]
fn a_stage_that_is_not_there_takes_its_features_with_it() {
    use Oddity as O;
    let mut words = everything();
    set(&mut words, "IDR0.S2P", 0);
    let caps = probe(words);
    let odd: Vec<_> = caps.oddities().iter().collect();
    for oddity in [
        O::HypWithoutStages,
        O::VatosWithoutAtos,
        O::VmwWithoutStage2,
        O::XnxWithoutStage2,
        O::PtwnncWithoutStage2,
        O::S2piWithoutStage2,
        O::MtepermWithoutStage2,
    ] {
        assert!(odd.contains(&oddity), "{oddity:?} not in {odd:?}");
    }
    for feature in
        [Feature::Nested, Feature::Hyp, Feature::VmidWildcard, Feature::Xnx, Feature::SplitStageAts]
    {
        assert!(!caps.has(feature), "{feature}");
    }
    let mut words = everything();
    set(&mut words, "IDR0.S1P", 0);
    set(&mut words, "IDR0.NS1ATS", 1);
    let caps = probe(words);
    let odd: Vec<_> = caps.oddities().iter().collect();
    for oddity in [
        O::HadWithoutStage1,
        O::S1piWithoutStage1,
        O::TheWithoutS2pi,
        O::AieWithoutStage1,
        O::Ns1atsWithoutAts,
    ] {
        assert!(odd.contains(&oddity), "{oddity:?} not in {odd:?}");
    }
    assert!(!caps.has(Feature::Pbha) && !caps.has(Feature::TwoLevelCdTable));
}

/// Each promise of a version is missed where it is not kept, and each feature that is too new is told.
#[test]
fn versions_and_fields_are_held_against_each_other() {
    let gaps = |changes: &[(&str, u32)]| {
        let mut words = everything();
        for (field, value) in changes {
            set(&mut words, field, *value);
        }
        probe(words).version_gaps().map(|gap| gap.to_string()).collect::<Vec<_>>()
    };
    assert!(gaps(&[]).is_empty());
    for (field, since) in [
        ("IDR0.HYP", 2),
        ("IDR3.XNX", 1),
        ("IDR3.FWB", 2),
        ("IDR3.RIL", 2),
        ("IDR3.BBML", 2),
        ("IDR3.E0PD", 3),
        ("IDR3.PTWNNC", 3),
        ("IDR3.EPAN", 4),
    ] {
        assert_eq!(
            gaps(&[(field, 0)]),
            [format!("{field} is mandatory since SMMUv3.{since}, and is not there")]
        );
        // The version before has no such promise.
        let before = gaps(&[(field, 0), ("AIDR.ARCHMINORREV", since - 1)]);
        assert!(!before.iter().any(|gap| gap.contains("mandatory")), "{before:?}");
    }
    // OAS 7 is the only one here that SMMUv3.3 may not have.
    assert_eq!(gaps(&[("AIDR.ARCHMINORREV", 3)]), ["IDR5.OAS is there before SMMUv3.4"]);
    let old = gaps(&[("AIDR.ARCHMINORREV", 0)]);
    for field in
        ["IDR3.XNX", "IDR3.PBHA", "IDR3.MPAM", "IDR1.ECMDQ", "IDR5.DS", "IDR0.HTTU", "IDR3.BBML", "IDR5.VAX"]
    {
        assert!(
            old.iter().any(|gap| gap.starts_with(&format!("{field} is there before"))),
            "{field}: {old:?}"
        );
    }
}

/// The words that the properties are tried on are of every kind, so that none of them holds for want of cases.
#[test]
fn the_cases_are_of_every_kind() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut refused, mut odd, mut lawful, mut of_version) = (0, 0, 0, 0);
    for _ in 0..2_000 {
        let words = any_words().new_tree(&mut runner).unwrap().current();
        match (Caps::probe(&ids(words), &Hints::default()), forbidden(&words).is_empty()) {
            (Err(_), _) => refused += 1,
            (Ok(_), false) => odd += 1,
            (Ok(_), true) if wrong_version(&words).is_empty() => of_version += 1,
            (Ok(_), true) => lawful += 1,
        }
    }
    assert!(
        [refused, odd, lawful, of_version].iter().all(|kind| *kind > 100),
        "{refused} {odd} {lawful} {of_version}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// The oddities are exactly what the manual forbids: nothing odd is let through, nothing lawful is refused.
    #[test]
    fn odd_is_what_the_manual_forbids(words in any_words()) {
        let caps = Caps::probe(&ids(words), &Hints::default());
        let strict = Caps::probe_strict(&ids(words), &Hints::default());
        match caps {
            Err(error) => prop_assert_eq!(strict, Err(error)),
            Ok(caps) => {
                let broken = forbidden(&words);
                prop_assert_eq!(caps.oddities().is_empty(), broken.is_empty(), "{:?}: {:?}", caps.oddities(), broken);
                prop_assert_eq!(strict.is_ok(), broken.is_empty());
                if broken.is_empty() && caps.errata().next().is_none() {
                    prop_assert_eq!(caps.version_gaps().next().is_none(), wrong_version(&words).is_empty(),
                        "{:?}: {:?}", caps.version_gaps().collect::<Vec<_>>(), wrong_version(&words));
                }
            }
        }
    }

    /// Any register contents give capabilities within the architecture's limits, or an error.
    #[test]
    fn any_registers_are_survived(words: law::Words, minor in 0_u32..16) {
        let mut words = words;
        words[8] = minor;
        let Ok(caps) = Caps::probe(&ids(words), &Hints::default()) else { return Ok(()) };
        prop_assert!(caps.stream_id_bits <= 32 && caps.substream_id_bits <= 20);
        prop_assert!(caps.command_queue_log2 <= 19 && caps.event_queue_log2 <= 19 && caps.pri_queue_log2 <= 19);
        prop_assert!(!caps.has(Feature::Pri) || caps.has(Feature::Ats));
        prop_assert!(!caps.has(Feature::Nested) || caps.has(Feature::Stage1) && caps.has(Feature::Stage2));
        prop_assert!(caps.oas <= AddressSize::Bits48 || caps.granules.iter().any(|g| g.shift() == 16)
            || caps.has(Feature::Ds) || caps.has(Feature::D128));
        prop_assert!(caps.ecmdq.is_none_or(|ecmdq| ecmdq.queues() <= 1 << 16));
        let _ = caps.to_string();
    }
}
