//! Any ID registers give capabilities within the architecture's limits, or a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smmu_fuzz::caps::AnySmmu;
use smmu_regs::caps::{BbmLevel, ProbeError, StallModel};
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
];

fn limits(caps: &Caps) {
    assert!(caps.has(Feature::Aarch64Tables) && (caps.has(Feature::Stage1) || caps.has(Feature::Stage2)));
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

fn errata(caps: &Caps) {
    for erratum in caps.errata() {
        assert!(caps.features.intersect(erratum.clears).is_empty(), "{} leaves what it clears", erratum.id);
        assert_eq!(caps.quirks.intersect(erratum.asks), erratum.asks, "{}", erratum.id);
    }
    let quirks = Quirk::ALL.iter().filter(|quirk| caps.must(**quirk)).count();
    assert!(quirks == 0 || caps.errata().next().is_some(), "a quirk without an erratum");
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

fuzz_target!(|smmu: AnySmmu| {
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
    limits(&caps);
    errata(&caps);
    first_steps(&caps);
    assert!(!caps.to_string().is_empty());
});
