//! Any ID registers give capabilities within the architecture's limits, or a reason; what is shared or narrowed is within
//! them, and a guest reads exactly what it is told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smmu_fuzz::caps::AnySmmu;
use smmu_regs::caps::{BbmLevel, Features, Hints, Narrow, ProbeError, Quirks, Requirements, StallModel};
use smmu_regs::{AddressSize, Caps, Feature, Quirk};
use smmu_ste::SteConfig;
use smmu_ste::table::StreamTableShape;

/// What a feature cannot be without.
const NEEDS: &[(Feature, Feature)] = &[
    (Feature::Nested, Feature::Stage1),
    (Feature::Nested, Feature::Stage2),
    (Feature::Hyp, Feature::Stage1),
    (Feature::Hyp, Feature::Stage2),
    (Feature::E2hHost, Feature::Hyp),
    (Feature::Pri, Feature::Ats),
    (Feature::SplitStageAts, Feature::Ats),
    (Feature::SplitStageAts, Feature::Stage1),
    (Feature::SplitStageAts, Feature::Stage2),
    (Feature::TwoLevelCdTable, Feature::Stage1),
    (Feature::VmidWildcard, Feature::Stage2),
    (Feature::Vatos, Feature::Atos),
    (Feature::AtsRecordErrors, Feature::Ats),
    (Feature::Ecmdq, Feature::Coherent),
    (Feature::Ecmdq, Feature::Msi),
    (Feature::Dpt, Feature::Ats),
    (Feature::PasidTranslated, Feature::Ats),
    (Feature::PriPasidAlways, Feature::Pri),
    (Feature::Pbha, Feature::Had),
    (Feature::Had, Feature::Stage1),
    (Feature::Xnx, Feature::Stage2),
    (Feature::S2PermissionOverlay, Feature::S2PermissionIndirection),
];

fn limits(caps: &Caps) {
    for (feature, needs) in NEEDS {
        assert!(!caps.has(*feature) || caps.has(*needs), "{feature} without {needs}");
    }
    assert!(caps.stream_id_bits <= 32 && caps.substream_id_bits <= 20);
    assert!(matches!((caps.asid_bits, caps.vmid_bits), (8 | 16, 8 | 16)));
    let queues = [caps.command_queue_log2, caps.event_queue_log2, caps.pri_queue_log2];
    assert!(queues.iter().all(|log2| *log2 <= 19));
    assert!(caps.has(Feature::Pri) || caps.pri_queue_log2 == 0);
    assert!(matches!(caps.stage1_input_bits, 48 | 52 | 56));
    assert!(caps.oas != AddressSize::Bits56 || caps.has(Feature::D128));
    assert!((32..=56).contains(&caps.stage2_input_bits()));
    assert!(caps.stall_model != StallModel::TerminateOnly || caps.stall_max == 0);
    assert!(caps.bbm <= BbmLevel::Level2);
}

fn errata(caps: &Caps, named: Quirks) {
    for erratum in caps.errata() {
        assert!(caps.features.intersect(erratum.clears).is_empty(), "{} leaves what it clears", erratum.id);
        assert_eq!(caps.quirks.intersect(erratum.asks), erratum.asks, "{}", erratum.id);
    }
    for quirk in Quirk::ALL.iter().filter(|quirk| caps.must(**quirk) && !named.contains(**quirk)) {
        assert!(caps.errata().any(|erratum| erratum.asks.contains(*quirk)), "{quirk} without an erratum");
    }
}

/// What every driver does first works, or is refused with a reason.
fn first_steps(caps: &Caps) {
    for config in [SteConfig::Abort, SteConfig::Bypass] {
        assert!(config.encode(caps).is_ok());
    }
    match StreamTableShape::choose(caps, caps.stream_id_bits) {
        Ok(shape) => assert_eq!(shape.log2(), caps.stream_id_bits),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Whether all that `less` can do, `more` can do too.
fn within(less: &Caps, more: &Caps) -> bool {
    more.satisfies(&Requirements::all_of(less))
}

/// Less is never more, and a guest reads what it is told.
fn less(caps: &Caps, other: Option<Caps>, hide: Features) {
    if let Some(Ok(both)) = other.map(|other| caps.intersect(&other)) {
        assert!(within(&both, caps) && other.is_some_and(|other| within(&both, &other)));
    }
    let narrow = Narrow { hide, ..Narrow::NOTHING };
    for shown in [Ok(*caps), caps.narrow(&narrow), caps.narrow(&Narrow::NESTED_GUEST)].into_iter().flatten() {
        assert!(within(&shown, caps));
        limits(&shown);
        match (shown.to_guest_id_registers(), shown.guest_view()) {
            (Ok(registers), Ok(view)) => {
                assert_eq!(Caps::probe_strict(&registers, &Hints::default()), Ok(view));
                assert!(within(&view, &shown) && view.version_gaps().next().is_none());
            }
            (registers, view) => assert!(registers.is_err() && view.is_err()),
        }
    }
}

fuzz_target!(|pair: (AnySmmu, AnySmmu, u64)| {
    let (smmu, other, hide) = pair;
    let (registers, hints) = (smmu.registers(), smmu.hints());
    let strict = Caps::probe_strict(&registers, &hints);
    let caps = match Caps::probe(&registers, &hints) {
        Ok(caps) => caps,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !matches!(error, ProbeError::Odd { .. }));
            return assert_eq!(strict, Err(error));
        }
    };
    match strict {
        Ok(strict) => assert!(strict == caps && caps.oddities().is_empty()),
        Err(error) => assert!(!caps.oddities().is_empty() && !error.to_string().is_empty()),
    }
    assert!(hints.coherent.is_none_or(|coherent| coherent == caps.has(Feature::Coherent)));
    assert!(hints.httu.is_none_or(|httu| httu == caps.httu));
    assert!(caps.has(Feature::Aarch64Tables) && (caps.has(Feature::Stage1) || caps.has(Feature::Stage2)));
    limits(&caps);
    errata(&caps, hints.quirks);
    first_steps(&caps);
    let hidden =
        |set: Features, (bit, feature): (usize, &Feature)| set.with_if(*feature, hide >> bit & 1 != 0);
    let hide = Feature::ALL.iter().enumerate().fold(Features::EMPTY, hidden);
    less(&caps, Caps::probe(&other.registers(), &other.hints()).ok(), hide);
    assert!(!caps.to_string().is_empty());
});
