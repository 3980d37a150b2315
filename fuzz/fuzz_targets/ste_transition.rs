//! From any STE to any other: at most three steps, and at no moment can the SMMU see anything but the old or the new one, or
//! an invalid one where there is no other way. What decodes goes there and back.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use smmu_fuzz::caps::AnyCaps;
use smmu_fuzz::ste::AnyConfig;
use smmu_fuzz::transition::Transition;
use smmu_regs::Caps;
use smmu_regs::platform::Atomicity;
use smmu_ste::ste::SteSummary;
use smmu_ste::{Ste, SteConfig};

#[derive(Debug, Arbitrary)]
enum AnySte {
    Words([u64; 8]),
    Config(AnyConfig),
    /// The other STE with a few bits turned over.
    Like {
        word: u8,
        bits: u64,
    },
}

#[derive(Debug, Arbitrary)]
struct Input {
    caps: AnyCaps,
    pairs: bool,
    old: AnySte,
    new: AnySte,
}

impl AnySte {
    fn ste(&self, caps: &Caps, like: Option<Ste>) -> Option<Ste> {
        match self {
            Self::Words(words) => Some(Ste::from_words(*words)),
            Self::Config(AnyConfig(config)) => configured(config, caps),
            Self::Like { word, bits } => {
                let mut words = like?.words();
                words[usize::from(word & 7)] ^= bits;
                Some(Ste::from_words(words))
            }
        }
    }
}

/// The STE of a configuration, if this SMMU can have it; it must say what was asked for.
fn configured(config: &SteConfig, caps: &Caps) -> Option<Ste> {
    let ste = match config.encode(caps) {
        Ok(ste) => ste,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let same = match (config, ste.decode()) {
        (SteConfig::Abort, Ok(found)) => found == SteSummary::Abort,
        (SteConfig::Bypass, Ok(found)) => found == SteSummary::Bypass,
        (SteConfig::Stage1(stage1), Ok(SteSummary::Stage1(table, _))) => table == stage1.cd_table,
        (SteConfig::Stage2(stage2), Ok(SteSummary::Stage2(regime, vmid))) => {
            (regime, vmid) == (stage2.regime, stage2.vmid)
        }
        (SteConfig::Nested { stage2, .. }, Ok(SteSummary::Nested(_, regime, vmid))) => {
            (regime, vmid) == (stage2.regime, stage2.vmid)
        }
        // A guest may have written reserved values into what is its own.
        (SteConfig::Nested { .. }, Err(_)) => true,
        _ => false,
    };
    assert!(same, "{config:?} became {ste}");
    Some(ste)
}

fuzz_target!(|input: Input| {
    let Some(caps) = input.caps.caps() else { return };
    let Some(old) = input.old.ste(&caps, None) else { return };
    let Some(new) = input.new.ste(&caps, Some(old)) else { return };
    assert!(!old.to_string().is_empty());
    let atomicity = if input.pairs { Atomicity::Bits128 } else { Atomicity::Bits64 };
    let transition = Transition { caps: &caps, old, new, atomicity };
    transition.check(&transition.plan());
});
