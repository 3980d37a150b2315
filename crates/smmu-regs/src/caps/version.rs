//! What the architecture version promises and rules out (IHI 0070 2.3 to 2.9).

use super::feature::Feature;
use super::{BbmLevel, Caps};
use crate::addr::AddressSize;
use crate::vmsa::HardwareUpdate;
use core::fmt;

/// The newest minor version that these crates know: SMMUv3.4.
pub(super) const NEWEST: u8 = 4;

/// Where `AIDR` and the feature fields disagree. The fields decide; this is for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum VersionGap {
    /// Each SMMU of this version has it.
    Missing {
        /// The ID field.
        field: &'static str,
        /// The minor version that made it mandatory.
        since: u8,
    },
    /// No SMMU of this version may have it.
    TooNew {
        /// The ID field.
        field: &'static str,
        /// The oldest minor version that may.
        oldest: u8,
    },
}

impl fmt::Display for VersionGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { field, since } => {
                write!(f, "{field} is mandatory since SMMUv3.{since}, and is not there")
            }
            Self::TooNew { field, oldest } => write!(f, "{field} is there before SMMUv3.{oldest}"),
        }
    }
}

/// Something that is mandatory from some version on.
struct Mandatory {
    field: &'static str,
    since: u8,
    missing: fn(&Caps) -> bool,
}

const fn mandatory(field: &'static str, since: u8, missing: fn(&Caps) -> bool) -> Mandatory {
    Mandatory { field, since, missing }
}

const MANDATORY: &[Mandatory] = &[
    mandatory("IDR3.HAD", 1, |c| c.has(Feature::Stage1) && !c.has(Feature::Had)),
    mandatory("IDR3.XNX", 1, |c| c.has(Feature::Stage2) && !c.has(Feature::Xnx)),
    mandatory("IDR0.HYP", 2, |c| c.has(Feature::Stage1) && c.has(Feature::Stage2) && !c.has(Feature::Hyp)),
    mandatory("IDR3.FWB", 2, |c| !c.has(Feature::S2Fwb)),
    mandatory("IDR3.RIL", 2, |c| !c.has(Feature::RangeInvalidation)),
    mandatory("IDR3.BBML", 2, |c| c.bbm == BbmLevel::Level0),
    mandatory("IDR3.E0PD", 3, |c| !c.has(Feature::E0pd)),
    mandatory("IDR3.PTWNNC", 3, |c| c.has(Feature::Stage2) && !c.has(Feature::Ptwnnc)),
    mandatory("IDR3.EPAN", 4, |c| !c.has(Feature::Epan)),
    mandatory("IDR3.MTEPERM", 4, |c| c.has(Feature::Stage2) && !c.has(Feature::MtePermission)),
];

/// The oldest minor version that may have a feature: the one before that which introduced it (2.9), but where the field is
/// said to be RES0 in SMMUv3.0.
const fn oldest(feature: Feature) -> u8 {
    match feature {
        Feature::Pbha | Feature::Xnx => 1,
        Feature::Mpam | Feature::S2Fwb | Feature::SmallTables | Feature::RangeInvalidation => 1,
        Feature::AtsRecordErrors
        | Feature::Rme
        | Feature::Ecmdq
        | Feature::E0pd
        | Feature::Ptwnnc
        | Feature::Dpt => 2,
        Feature::PasidTranslated
        | Feature::Epan
        | Feature::S1PermissionIndirection
        | Feature::S2PermissionIndirection
        | Feature::S2PermissionOverlay
        | Feature::TranslationHardening
        | Feature::MtePermission
        | Feature::AttributeIndexExtension
        | Feature::Ds
        | Feature::D128 => 3,
        _ => 0,
    }
}

/// As [`oldest`], for what is not a feature bit. `VAX` and `OAS` are RES0 or reserved in SMMUv3.0, `OAS` 7 in SMMUv3.3.
const WIDE_INPUT: u8 = 1;
const WIDEST_INPUT: u8 = 3;
const WIDE_OUTPUT: u8 = 1;
const WIDEST_OUTPUT: u8 = 4;
const BBM: u8 = 1;
const TABLE_ACCESS_FLAG: u8 = 3;

impl Caps {
    /// Where [`Caps::minor_version`] and the features disagree: what is mandatory in this version and not there, what is
    /// there and too new for it.
    ///
    /// No reason to refuse an SMMU: implementations have told wrong versions, and errata and hosts take features away.
    pub fn version_gaps(&self) -> impl Iterator<Item = VersionGap> {
        self.mandatory_gaps(self.minor_version).chain(self.too_new())
    }

    fn mandatory_gaps(&self, minor: u8) -> impl Iterator<Item = VersionGap> {
        MANDATORY
            .iter()
            .filter(move |rule| rule.since <= minor && (rule.missing)(self))
            .map(|rule| VersionGap::Missing { field: rule.field, since: rule.since })
    }

    fn too_new(&self) -> impl Iterator<Item = VersionGap> {
        let minor = self.minor_version;
        let sizes = [
            ("IDR5.VAX", WIDE_INPUT, self.stage1_input_bits > 48),
            ("IDR5.VAX", WIDEST_INPUT, self.stage1_input_bits > 52),
            ("IDR5.OAS", WIDE_OUTPUT, self.oas == AddressSize::Bits52),
            ("IDR5.OAS", WIDEST_OUTPUT, self.oas == AddressSize::Bits56),
            ("IDR3.BBML", BBM, self.bbm > BbmLevel::Level0),
            ("IDR0.HTTU", TABLE_ACCESS_FLAG, self.httu == HardwareUpdate::TableAccessFlag),
        ];
        let features = self.features.iter().map(|feature| (feature.origin(), oldest(feature)));
        features
            .chain(sizes.into_iter().filter(|(.., there)| *there).map(|(field, oldest, _)| (field, oldest)))
            .filter(move |(_, oldest)| *oldest > minor)
            .map(|(field, oldest)| VersionGap::TooNew { field, oldest })
    }

    /// The newest version, no newer than this one, of which nothing mandatory is missing.
    pub(super) fn honest_version(&self) -> u8 {
        let newest = self.minor_version.min(NEWEST);
        (0..=newest).rev().find(|minor| self.mandatory_gaps(*minor).next().is_none()).unwrap_or(0)
    }

    /// Takes away what is too new for the version. Dependencies are for [`Caps::close`].
    pub(super) fn drop_too_new(&mut self) {
        let minor = self.minor_version;
        for feature in Feature::ALL {
            if oldest(*feature) > minor {
                self.features = self.features.without(super::Features::EMPTY.with(*feature));
            }
        }
        if minor < WIDEST_INPUT {
            self.stage1_input_bits = self.stage1_input_bits.min(52);
        }
        if minor < WIDE_INPUT {
            self.stage1_input_bits = self.stage1_input_bits.min(48);
        }
        if minor < WIDEST_OUTPUT {
            self.oas = self.oas.min(AddressSize::Bits52);
        }
        if minor < WIDE_OUTPUT {
            self.oas = self.oas.min(AddressSize::Bits48);
        }
        if minor < BBM {
            self.bbm = BbmLevel::Level0;
        }
        if minor < TABLE_ACCESS_FLAG {
            self.httu = self.httu.min(HardwareUpdate::Dirty);
        }
    }
}
