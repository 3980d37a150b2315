//! What a feature cannot be without: the dependencies between ID fields (IHI 0070 6.3.1 to 6.3.6).
//!
//! The same rules judge what registers say ([`Caps::probe`]) and keep capabilities whole when something is taken away: an
//! erratum, a host that hides a feature from a guest, another SMMU that does not have it.

use super::error::{Oddities, Oddity};
use super::feature::{Feature, Features};
use super::{Caps, StallModel};
use crate::addr::AddressSize;
use crate::vmsa::Granule;

/// A feature that is there only under a condition.
struct Rule {
    feature: Feature,
    holds: fn(&Caps) -> bool,
    /// What it is called when registers break it; none where the text of the architecture does not rule it out.
    oddity: Option<Oddity>,
}

const fn rule(feature: Feature, holds: fn(&Caps) -> bool, oddity: Oddity) -> Rule {
    Rule { feature, holds, oddity: Some(oddity) }
}

const fn silent(feature: Feature, holds: fn(&Caps) -> bool) -> Rule {
    Rule { feature, holds, oddity: None }
}

const RULES: &[Rule] = &[
    silent(Feature::Nested, both_stages),
    rule(Feature::Aarch32Tables, |c| c.granules.contains(Granule::Size4K), Oddity::Aarch32WithoutGranule),
    silent(Feature::BroadcastTlbi, |c| c.has(Feature::PrivateTlbMaintenance)),
    rule(Feature::Hyp, both_stages, Oddity::HypWithoutStages),
    silent(Feature::E2hHost, |c| c.has(Feature::Hyp)),
    silent(Feature::SplitStageAts, |c| c.has(Feature::Ats) && c.has(Feature::Nested)),
    silent(Feature::Vatos, |c| c.vatos_offset.is_some() && c.has(Feature::Nested)),
    rule(Feature::Vatos, |c| c.has(Feature::Atos) && both_stages(c), Oddity::VatosWithoutAtos),
    rule(Feature::Pri, |c| c.has(Feature::Ats), Oddity::PriWithoutAts),
    rule(Feature::VmidWildcard, stage2, Oddity::VmwWithoutStage2),
    silent(Feature::TwoLevelCdTable, stage1),
    rule(Feature::AtsRecordErrors, |c| c.has(Feature::Ats), Oddity::AtsRecErrWithoutAts),
    silent(Feature::Ecmdq, |c| c.has(Feature::Coherent) && c.has(Feature::Msi) && c.ecmdq.is_some()),
    rule(Feature::Had, stage1, Oddity::HadWithoutStage1),
    rule(Feature::Pbha, |c| c.has(Feature::Had), Oddity::PbhaWithoutHad),
    rule(Feature::Xnx, stage2, Oddity::XnxWithoutStage2),
    rule(Feature::PriPasidAlways, |c| c.has(Feature::Pri) && c.substream_id_bits > 0, Oddity::PpsWithoutPri),
    rule(Feature::Ptwnnc, stage2, Oddity::PtwnncWithoutStage2),
    rule(Feature::Dpt, |c| c.has(Feature::Ats) && !c.has(Feature::Aarch32Tables), Oddity::DptWithoutAts),
    rule(
        Feature::PasidTranslated,
        |c| c.has(Feature::Ats) && c.substream_id_bits > 0,
        Oddity::PasidttWithoutAts,
    ),
    rule(Feature::S1PermissionIndirection, stage1, Oddity::S1piWithoutStage1),
    rule(Feature::S2PermissionIndirection, stage2, Oddity::S2piWithoutStage2),
    rule(Feature::S2PermissionOverlay, |c| c.has(Feature::S2PermissionIndirection), Oddity::S2poWithoutS2pi),
    rule(
        Feature::TranslationHardening,
        |c| stage1(c) && (!stage2(c) || c.has(Feature::S2PermissionIndirection)),
        Oddity::TheWithoutS2pi,
    ),
    rule(Feature::MtePermission, stage2, Oddity::MtepermWithoutStage2),
    rule(Feature::AttributeIndexExtension, stage1, Oddity::AieWithoutStage1),
    rule(Feature::Ds, |c| small_granule(c) && c.stage1_input_bits >= 52, Oddity::DsWithoutVax),
    rule(Feature::D128, d128_is_complete, Oddity::D128Incomplete),
];

fn stage1(caps: &Caps) -> bool {
    caps.has(Feature::Stage1)
}

fn stage2(caps: &Caps) -> bool {
    caps.has(Feature::Stage2)
}

fn both_stages(caps: &Caps) -> bool {
    stage1(caps) && stage2(caps)
}

fn small_granule(caps: &Caps) -> bool {
    caps.granules.contains(Granule::Size4K) || caps.granules.contains(Granule::Size16K)
}

/// 6.3.6 names `S1PI`, `S2PO`, `AIE` and `MTEPERM`, 6.3.4 adds `S2PI`; those of a stage that is not there are RES0.
fn d128_is_complete(caps: &Caps) -> bool {
    const STAGE1: Features =
        Features::of(&[Feature::S1PermissionIndirection, Feature::AttributeIndexExtension]);
    const STAGE2: Features = Features::of(&[
        Feature::S2PermissionIndirection,
        Feature::S2PermissionOverlay,
        Feature::MtePermission,
    ]);
    caps.has(Feature::Aarch64Tables)
        && !caps.has(Feature::Aarch32Tables)
        && (!stage1(caps) || caps.features.covers(STAGE1))
        && (!stage2(caps) || caps.features.covers(STAGE2))
}

/// 52-bit addresses in 64-bit descriptors.
fn wide_descriptors(caps: &Caps) -> bool {
    caps.granules.contains(Granule::Size64K) || caps.has(Feature::Ds) && small_granule(caps)
}

/// `caps.stage1_input_bits` as far as the granules and `D128` allow (6.3.6 VAX).
fn possible_input_bits(caps: &Caps) -> u8 {
    match (caps.stage1_input_bits, wide_descriptors(caps)) {
        (56.., true) if caps.has(Feature::D128) => 56,
        (52.., true) => 52,
        _ => 48,
    }
}

/// `caps.oas` as far as the granules and `D128` allow (6.3.6 OAS).
fn possible_oas(caps: &Caps) -> AddressSize {
    let (d128, wide) = (caps.has(Feature::D128), wide_descriptors(caps));
    match caps.oas {
        AddressSize::Bits56 if d128 => AddressSize::Bits56,
        AddressSize::Bits52 | AddressSize::Bits56 if d128 || wide => AddressSize::Bits52,
        AddressSize::Bits52 | AddressSize::Bits56 => AddressSize::Bits48,
        smaller => smaller,
    }
}

/// What capabilities that were read from registers, and not yet closed, say that they cannot.
pub(super) fn broken(caps: &Caps) -> Oddities {
    let mut odd = Oddities::default();
    for rule in RULES {
        if let Some(oddity) = rule.oddity {
            odd.add_if(oddity, caps.has(rule.feature) && !(rule.holds)(caps));
        }
    }
    let (wide, d128) = (wide_descriptors(caps), caps.has(Feature::D128));
    odd.add_if(Oddity::VaxWithoutGranule, caps.stage1_input_bits > 48 && !wide);
    odd.add_if(Oddity::VaxWithoutD128, caps.stage1_input_bits > 52 && !d128);
    odd.add_if(Oddity::OasWithoutGranule, caps.oas == AddressSize::Bits52 && !wide && !d128);
    odd
}

impl Caps {
    /// Takes away what cannot be without something that is not there.
    pub(super) fn close(&mut self) {
        loop {
            let before = *self;
            for rule in RULES {
                if self.has(rule.feature) && !(rule.holds)(self) {
                    self.features = self.features.without(Features::EMPTY.with(rule.feature));
                }
            }
            self.stage1_input_bits = self.stage1_input_bits.min(possible_input_bits(self));
            self.oas = possible_oas(self);
            if !self.has(Feature::Pri) {
                self.pri_queue_log2 = 0;
            }
            if !self.has(Feature::Ecmdq) {
                self.ecmdq = None;
            }
            if !self.has(Feature::Vatos) {
                self.vatos_offset = None;
            }
            if self.stall_model == StallModel::TerminateOnly {
                self.stall_max = 0;
            }
            if *self == before {
                return;
            }
        }
    }
}
