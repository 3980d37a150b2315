//! Sharing, narrowing and needs: less is never more.

use crate::law::{self, any_words, everything, ids, set};
use proptest::prelude::*;
use smmu_regs::caps::{
    BbmLevel, CpuTables, Ecmdq, Features, Hints, Missing, Narrow, NarrowError, NothingShared, Quantity,
    Quirk, Quirks, Requirements, StallModel,
};
use smmu_regs::vmsa::{Granule, GranuleSet, HardwareUpdate};
use smmu_regs::{AddressSize, Caps, Feature};

fn probe(words: law::Words) -> Caps {
    Caps::probe(&ids(words), &Hints::default()).unwrap()
}

fn with(changes: &[(&str, u32)]) -> Caps {
    let mut words = everything();
    for (field, value) in changes {
        set(&mut words, field, *value);
    }
    probe(words)
}

/// Whether everything that `less` can do, `more` can do too.
pub(crate) fn within(less: &Caps, more: &Caps) -> bool {
    more.satisfies(&Requirements::all_of(less))
}

#[test]
fn each_field_of_the_shared_capabilities_is_the_lesser() {
    let one = with(&[
        ("IDR5.OAS", 5),
        ("IDR0.TERM_MODEL", 1),
        ("IDR1.CMDQS", 10),
        ("IDR3.BBML", 1),
        ("IDR6.CMDQ_CONTROL_PAGE_LOG2NUMP", 1),
        ("IDR0.ASID16", 0),
        ("IDR0.TTENDIAN", 2),
    ]);
    let two = with(&[
        ("IDR0.HTTU", 1),
        ("IDR1.SIDSIZE", 16),
        ("IDR5.STALL_MAX", 5),
        ("IDR0.MSI", 1),
        ("IDR2.BA_VATOS", 8),
    ]);
    let both = one.intersect(&two).unwrap();
    assert_eq!(both, two.intersect(&one).unwrap());
    assert_eq!((both.oas, both.command_queue_log2, both.bbm), (AddressSize::Bits48, 10, BbmLevel::Level1));
    assert_eq!((both.httu, both.stream_id_bits, both.stall_max), (HardwareUpdate::AccessFlag, 16, 5));
    assert_eq!(both.ecmdq, Some(Ecmdq { pages_log2: 1, queues_per_page_log2: 8 }));
    assert_eq!((both.asid_bits, both.table_endianness), (8, one.table_endianness));
    assert!(both.has(Feature::AbortOnly), "a restriction of one is one of both");
    assert!(!both.has(Feature::Vatos) && both.vatos_offset.is_none(), "there is no page that is both's");
    assert!(one.intersect(&one).unwrap().has(Feature::Vatos));
}

#[test]
fn what_depends_on_a_feature_that_is_not_shared_goes_with_it() {
    let one = with(&[("IDR0.ATS", 0), ("IDR0.PRI", 0), ("IDR0.ATSRECERR", 0)]);
    let both = one.intersect(&with(&[])).unwrap();
    let of_ats = [Feature::Ats, Feature::Pri, Feature::Dpt, Feature::PasidTranslated, Feature::SplitStageAts];
    assert!(!of_ats.into_iter().any(|feature| both.has(feature)), "{}", both.features);
    // 52-bit output by 64K on one SMMU and by DS on the other is shared by nobody.
    let plain = [("IDR5.D128", 0), ("IDR5.VAX", 1), ("IDR5.OAS", 6)];
    let one = with(&[&plain[..], &[("IDR5.GRAN64K", 0)]].concat());
    let two = with(&[&plain[..], &[("IDR5.DS", 0)]].concat());
    assert_eq!((one.oas, two.oas), (AddressSize::Bits52, AddressSize::Bits52));
    let both = one.intersect(&two).unwrap();
    assert_eq!((both.oas, both.stage1_input_bits), (AddressSize::Bits48, 48));
}

#[test]
fn what_nothing_can_be_configured_for_is_an_error() {
    let (forced, never) = (with(&[("IDR0.STALL_MODEL", 2)]), with(&[("IDR0.STALL_MODEL", 1)]));
    assert_eq!(forced.intersect(&never), Err(NothingShared::StallModel));
    assert_eq!(forced.intersect(&with(&[])).unwrap().stall_model, StallModel::Forced);
    assert_eq!(never.intersect(&with(&[])).unwrap().stall_model, StallModel::TerminateOnly);
}

#[test]
fn each_field_narrows() {
    let caps = with(&[]);
    let narrow = Narrow {
        hide: Features::of(&[Feature::Ats, Feature::RangeInvalidation, Feature::AbortOnly]),
        granules: GranuleSet::EMPTY.with(Granule::Size4K).with(Granule::Size64K),
        oas: AddressSize::Bits48,
        stage1_input_bits: 55,
        asid_bits: 12,
        vmid_bits: 8,
        stream_id_bits: 16,
        substream_id_bits: 0,
        command_queue_log2: 8,
        event_queue_log2: 7,
        pri_queue_log2: 6,
        ecmdq: Ecmdq { pages_log2: 0, queues_per_page_log2: 3 },
        stalls: false,
        bbm: BbmLevel::Level1,
        httu: HardwareUpdate::AccessFlag,
        either_endian: false,
        minor_version: 2,
    };
    let less = caps.narrow(&narrow).unwrap();
    assert!(within(&less, &caps) && !within(&caps, &less));
    assert!(!less.has(Feature::Ats) && !less.has(Feature::Pri) && !less.has(Feature::RangeInvalidation));
    assert_eq!(
        (less.oas, less.stage1_input_bits, less.asid_bits, less.vmid_bits),
        (AddressSize::Bits48, 52, 8, 8)
    );
    assert_eq!((less.stream_id_bits, less.substream_id_bits), (16, 0));
    assert_eq!((less.command_queue_log2, less.event_queue_log2, less.pri_queue_log2), (8, 7, 0));
    assert_eq!(less.ecmdq.map(Ecmdq::queues), Some(8));
    assert_eq!((less.stall_model, less.stall_max), (StallModel::TerminateOnly, 0));
    assert_eq!((less.bbm, less.httu, less.minor_version), (BbmLevel::Level1, HardwareUpdate::AccessFlag, 2));
    assert!(!less.granules.contains(Granule::Size16K));
    assert_eq!(less.narrow(&narrow), Ok(less), "once is enough");
    assert_eq!(caps.narrow(&Narrow::default()), Ok(caps));
}

#[test]
fn what_cannot_be_hidden_is_said() {
    let forced = with(&[("IDR0.STALL_MODEL", 2)]);
    assert_eq!(forced.narrow(&Narrow { stalls: false, ..Narrow::NOTHING }), Err(NarrowError::StallsForced));
    let error = forced.narrow(&Narrow { asid_bits: 7, ..Narrow::NOTHING });
    assert_eq!(error, Err(NarrowError::TooFew { what: Quantity::AsidBits, value: 7, least: 8 }));
    let error = forced.narrow(&Narrow { stage1_input_bits: 47, ..Narrow::NOTHING });
    assert_eq!(error, Err(NarrowError::TooFew { what: Quantity::Stage1InputBits, value: 47, least: 48 }));
    let abort_only = with(&[("IDR0.TERM_MODEL", 1)]);
    let narrow = Narrow { hide: Features::ALL, ..Narrow::NOTHING };
    assert_eq!(abort_only.narrow(&narrow).unwrap().features, Features::RESTRICTIONS);
}

#[test]
fn each_need_has_its_reason() {
    let caps = with(&[
        ("IDR0.STALL_MODEL", 1),
        ("IDR0.TERM_MODEL", 1),
        ("IDR0.TTENDIAN", 2),
        ("IDR5.GRAN16K", 0),
        ("IDR3.BBML", 1),
        ("IDR0.HTTU", 1),
        ("IDR1.CMDQS", 9),
        ("IDR1.ECMDQ", 0),
        ("IDR6.CMDQ_CONTROL_PAGE_LOG2NUMQ", 0),
        ("IDR6.CMDQ_CONTROL_PAGE_LOG2NUMP", 0),
    ]);
    let said = |need: Requirements| {
        let all: Vec<_> = caps.missing(&need).map(|missing| missing.to_string()).collect();
        assert_eq!(caps.satisfies(&need), all.is_empty());
        all
    };
    let nothing = Requirements::default();
    assert!(said(nothing).is_empty());
    let size = |what, need, have| format!("{what}: {need} needed, {have} there");
    let cases = [
        (Requirements { stalls: true, ..nothing }, "faults never stall (IDR0.STALL_MODEL)".to_owned()),
        (
            Requirements { raz_wi: true, ..nothing },
            "terminated transactions always abort (IDR0.TERM_MODEL)".to_owned(),
        ),
        (
            Requirements { either_endian: true, ..nothing },
            "tables have one endianness only (IDR0.TTENDIAN)".to_owned(),
        ),
        (Requirements { granules: GranuleSet::ALL, ..nothing }, "the granule of 16K is not there".to_owned()),
        (
            Requirements { bbm: BbmLevel::Level2, ..nothing },
            "break-before-make: Level2 needed, Level1 there".to_owned(),
        ),
        (
            Requirements { httu: HardwareUpdate::Dirty, ..nothing },
            "updates by hardware: Dirty needed, AccessFlag there".to_owned(),
        ),
        (Requirements { command_queue_log2: 10, ..nothing }, size("log2 of command queue entries", 10, 9)),
        (Requirements { stall_max: 1, ..nothing }, size("stalled transactions", 1, 0)),
        (Requirements { minor_version: 5, ..nothing }, size("minor architecture version", 5, 4)),
        (
            Requirements { features: Features::of(&[Feature::Ecmdq]), ..nothing },
            "ECMDQ is not there (IDR1.ECMDQ)".to_owned(),
        ),
        (
            Requirements { ecmdq: Some(Ecmdq { pages_log2: 0, queues_per_page_log2: 0 }), ..nothing },
            "ECMDQ is not there (IDR1.ECMDQ)".to_owned(),
        ),
    ];
    for (need, reason) in cases {
        assert_eq!(said(need), [reason], "{need:?}");
    }
    let forced = with(&[("IDR0.STALL_MODEL", 2)]);
    let need = Requirements { terminates: true, ..nothing };
    assert_eq!(forced.missing(&need).collect::<Vec<_>>(), [Missing::Terminates]);
}

#[test]
fn a_feature_that_an_erratum_took_names_the_erratum() {
    let mut words = everything();
    words[7] = 0x4870_043b; // MMU-700 r0p0
    let caps = probe(words);
    let need = Requirements {
        features: Features::of(&[Feature::Nested, Feature::BroadcastTlbi]),
        unable: Quirks::of(&[Quirk::ForceSync, Quirk::RepeatCfgiTlbi]),
        ..Requirements::default()
    };
    let said: Vec<_> = caps.missing(&need).map(|missing| missing.to_string()).collect();
    assert_eq!(
        said,
        [
            "NESTED must not be used: erratum 2812531 of Arm MMU-700 r0 and any p0",
            "BTM must not be used: erratum 2133013, 3777127 of Arm MMU-700",
            "it asks for FORCE_SYNC (Arm 2812531)",
        ]
    );
}

#[test]
fn tables_of_cpus_need_what_cpus_do() {
    let cpu = CpuTables {
        granule: Granule::Size4K,
        input_bits: 52,
        output: AddressSize::Bits52,
        asid_bits: 16,
        table_access_flag: true,
        changes_block_size: true,
    };
    let need = Requirements::shared_tables(&cpu);
    assert!(with(&[]).satisfies(&need));
    for changes in [
        &[("IDR5.DS", 0)][..],
        &[("IDR5.VAX", 0), ("IDR5.DS", 0)],
        &[("IDR5.GRAN4K", 0)],
        &[("IDR5.OAS", 5)],
        &[("IDR0.ASID16", 0)],
        &[("IDR0.HTTU", 2)],
        &[("IDR3.BBML", 1)],
        &[("IDR0.COHACC", 0)],
    ] {
        assert!(!with(changes).satisfies(&need), "{changes:?}");
    }
    // 64K pages have 52 bits without DS.
    let need = Requirements::shared_tables(&CpuTables { granule: Granule::Size64K, ..cpu });
    assert!(with(&[("IDR5.DS", 0)]).satisfies(&need));
}

fn any_caps() -> impl Strategy<Value = Caps> {
    any_words().prop_filter_map("no SMMU", |words| Caps::probe(&ids(words), &Hints::default()).ok())
}

pub(crate) fn any_narrow() -> impl Strategy<Value = Narrow> {
    let sizes = (48_u8..=56, 8_u8..=16, 8_u8..=16, 0_u8..=32, 0_u8..=20);
    let queues = (0_u8..=20, 0_u8..=20, 0_u8..=20, 0_u8..=9, 0_u8..=9);
    let hide = (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(a, b, c)| a & b & c);
    let rest = (0_u8..8, 0_usize..8, any::<bool>(), 0_u8..3, 0_u8..4, any::<bool>(), 0_u8..6);
    (hide, sizes, queues, rest).prop_map(|(hide, sizes, queues, rest)| {
        let hidden =
            |set: Features, (bit, feature): (usize, &Feature)| set.with_if(*feature, hide >> bit & 1 != 0);
        let (granules, oas, stalls, bbm, httu, either_endian, minor_version) = rest;
        let granule = |set: GranuleSet, (bit, granule): (usize, Granule)| {
            if granules >> bit & 1 == 0 { set.with(granule) } else { set }
        };
        Narrow {
            hide: Feature::ALL.iter().enumerate().fold(Features::EMPTY, hidden),
            granules: Granule::ALL.into_iter().enumerate().fold(GranuleSet::EMPTY, granule),
            oas: AddressSize::ALL[oas],
            stage1_input_bits: sizes.0,
            asid_bits: sizes.1,
            vmid_bits: sizes.2,
            stream_id_bits: sizes.3,
            substream_id_bits: sizes.4,
            command_queue_log2: queues.0,
            event_queue_log2: queues.1,
            pri_queue_log2: queues.2,
            ecmdq: Ecmdq { pages_log2: queues.3, queues_per_page_log2: queues.4 },
            stalls,
            bbm: [BbmLevel::Level0, BbmLevel::Level1, BbmLevel::Level2][usize::from(bbm)],
            httu: [
                HardwareUpdate::None,
                HardwareUpdate::AccessFlag,
                HardwareUpdate::Dirty,
                HardwareUpdate::TableAccessFlag,
            ][usize::from(httu)],
            either_endian,
            minor_version,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// What two share, each has; what each asks of software, both ask.
    #[test]
    fn what_is_shared_is_within_both(one in any_caps(), two in any_caps(), three in any_caps()) {
        prop_assert_eq!(one.intersect(&one), Ok(one));
        prop_assert_eq!(one.intersect(&two), two.intersect(&one));
        let Ok(both) = one.intersect(&two) else { return Ok(()) };
        prop_assert!(within(&both, &one) && within(&both, &two));
        prop_assert_eq!(both.quirks, one.quirks.union(two.quirks));
        prop_assert_eq!(both.has(Feature::AbortOnly), one.has(Feature::AbortOnly) || two.has(Feature::AbortOnly));
        // Any need that the shared satisfy, each satisfies: here those of a third SMMU's driver.
        let need = Requirements::all_of(&three);
        if both.satisfies(&need) {
            prop_assert!(one.satisfies(&need) && two.satisfies(&need));
        }
        prop_assert_eq!(both.intersect(&one), Ok(both));
        if let (Ok(left), Ok(right)) = (both.intersect(&three), two.intersect(&three)) {
            prop_assert_eq!(one.intersect(&right), Ok(left));
        }
    }

    /// Narrowing never adds, and once is enough.
    #[test]
    fn narrowing_never_adds(caps in any_caps(), narrow in any_narrow()) {
        match caps.narrow(&narrow) {
            Err(error) => prop_assert!(error == NarrowError::StallsForced && caps.stall_model == StallModel::Forced),
            Ok(less) => {
                prop_assert!(within(&less, &caps));
                prop_assert!(less.features.intersect(narrow.hide.without(Features::RESTRICTIONS)).is_empty());
                prop_assert_eq!(less.narrow(&narrow), Ok(less));
                prop_assert_eq!(less.quirks, caps.quirks);
                prop_assert!(narrow.stalls || less.stall_model == StallModel::TerminateOnly);
            }
        }
    }
}
