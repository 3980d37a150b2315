//! The errata table: what matches, what it takes away, what it asks of software. Applied in one place.
//!
//! What is not in it, and why:
//! - HiSilicon 162001800 and 162001900, and the MMU-600's missing `PMCG_IIDR`, are errata of performance monitors (PMCG),
//!   which [`Caps`](super::Caps) does not describe.
//! - Range invalidations with `NUM`, `SCALE` and `TTL` all 0 are CERROR_ILL by the architecture; the range planner never makes
//!   one, on any SMMU.
//! - Coherency and HTTU as firmware gives them are no errata but [`Hints`](super::Hints).
//! - Command queues for guests beside the SMMU (NVIDIA CMDQV) are other hardware: who drives one filters what it may hold.

use super::feature::{Feature, Features};
use super::hints::FirmwareModel;
use super::quirk::{Quirk, Quirks};
use crate::registers::Iidr;
use core::fmt;

/// One erratum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Erratum {
    /// The vendor's number, unique in the table.
    pub id: &'static str,
    /// The part, and which of its revisions.
    pub part: &'static str,
    /// What it matches.
    pub matches: Match,
    /// Features that must not be used.
    pub clears: Features,
    /// What software must do.
    pub asks: Quirks,
    /// What is wrong, in a sentence.
    pub text: &'static str,
    /// Who says so in public.
    pub source: &'static str,
}

impl fmt::Display for Erratum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, part, clears, asks, text, .. } = self;
        write!(f, "{id} ({part}): {text}")?;
        if !clears.is_empty() {
            write!(f, " [without {clears}]")?;
        }
        if !asks.is_empty() {
            write!(f, " [{asks}]")?;
        }
        Ok(())
    }
}

/// What an erratum matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Match {
    /// An implementer, a product, and some of its revisions.
    Iidr {
        /// `IIDR.Implementer`: JEP106 code.
        implementer: u16,
        /// `IIDR.ProductID`.
        product: u16,
        /// Any one of these.
        revisions: &'static [Revisions],
    },
    /// Firmware names the model; there is no IIDR to go by.
    Firmware(FirmwareModel),
}

/// Some revisions of a part, bounds included: r`V`p`R` in Arm's naming is `IIDR.Variant` V and `IIDR.Revision` R.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Revisions {
    /// Lowest and highest `IIDR.Variant`.
    pub variant: (u8, u8),
    /// Lowest and highest `IIDR.Revision`.
    pub revision: (u8, u8),
}

impl Revisions {
    /// Every revision.
    pub const ALL: Self = Self { variant: (0, 15), revision: (0, 15) };

    const fn contains(self, variant: u8, revision: u8) -> bool {
        self.variant.0 <= variant
            && variant <= self.variant.1
            && self.revision.0 <= revision
            && revision <= self.revision.1
    }
}

impl Match {
    /// Whether this SMMU is concerned.
    #[must_use]
    pub fn applies(&self, iidr: Iidr, model: FirmwareModel) -> bool {
        match self {
            Self::Iidr { implementer, product, revisions } => {
                iidr.implementer() == *implementer
                    && iidr.productid() == *product
                    && revisions.iter().any(|some| some.contains(iidr.variant(), iidr.revision()))
            }
            Self::Firmware(wanted) => *wanted == model,
        }
    }
}

const ARM: u16 = 0x43b;
const MMU_600: u16 = 0x483;
const MMU_700: u16 = 0x487;
const MMU_L1: u16 = 0x48a;
const MMU_S3: u16 = 0x498;

const EVERY: &[Revisions] = &[Revisions::ALL];
/// r0pX, and every rXp0. The vendor's notice may mean "before r1p1" only; r2p0 is in until that is seen.
const R0_OR_P0: &[Revisions] =
    &[Revisions { variant: (0, 0), revision: (0, 15) }, Revisions { variant: (0, 15), revision: (0, 0) }];

const fn arm(product: u16, revisions: &'static [Revisions]) -> Match {
    Match::Iidr { implementer: ARM, product, revisions }
}

const LINUX: &str = "Linux 7.3: the SMMUv3 driver and silicon-errata.rst";

/// All errata that these crates know.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "1076982",
        part: "Arm MMU-600 up to r0p2",
        matches: arm(MMU_600, &[Revisions { variant: (0, 0), revision: (0, 2) }]),
        clears: Features::of(&[Feature::Sev]),
        asks: Quirks::EMPTY,
        text: "the wake-up event of CMD_SYNC cannot be relied on",
        source: LINUX,
    },
    Erratum {
        id: "1209401",
        part: "Arm MMU-600 before r2p0",
        matches: arm(MMU_600, &[Revisions { variant: (0, 1), revision: (0, 15) }]),
        clears: Features::of(&[Feature::Nested]),
        asks: Quirks::EMPTY,
        text: "nested translation must not be used",
        source: LINUX,
    },
    Erratum {
        id: "2133013, 3777127",
        part: "Arm MMU-700",
        matches: arm(MMU_700, EVERY),
        clears: Features::of(&[Feature::BroadcastTlbi]),
        asks: Quirks::EMPTY,
        text: "broadcast TLB maintenance cannot be relied on",
        source: LINUX,
    },
    Erratum {
        id: "2812531",
        part: "Arm MMU-700 r0 and any p0",
        matches: arm(MMU_700, R0_OR_P0),
        clears: Features::of(&[Feature::Nested]),
        asks: Quirks::of(&[Quirk::ForceSync]),
        text: "a long run of invalidations without CMD_SYNC must be avoided",
        source: LINUX,
    },
    Erratum {
        id: "2268618",
        part: "Arm MMU-700 r0 and any p0",
        matches: arm(MMU_700, R0_OR_P0),
        clears: Features::of(&[Feature::Nested]),
        asks: Quirks::EMPTY,
        text: "nested translation must not be used",
        source: LINUX,
    },
    Erratum {
        id: "3878312",
        part: "Arm MMU-L1",
        matches: arm(MMU_L1, EVERY),
        clears: Features::of(&[Feature::BroadcastTlbi]),
        asks: Quirks::EMPTY,
        text: "broadcast TLB maintenance cannot be relied on",
        source: LINUX,
    },
    Erratum {
        id: "3995052",
        part: "Arm MMU-S3",
        matches: arm(MMU_S3, EVERY),
        clears: Features::of(&[Feature::BroadcastTlbi]),
        asks: Quirks::EMPTY,
        text: "broadcast TLB maintenance cannot be relied on",
        source: "Linux 7.3: the SMMUv3 driver",
    },
    Erratum {
        id: "T264-SMMU-3",
        part: "NVIDIA Tegra264",
        matches: Match::Firmware(FirmwareModel::Tegra264),
        clears: Features::EMPTY,
        asks: Quirks::of(&[Quirk::RepeatCfgiTlbi]),
        text: "an entry can survive an invalidation that races with a lookup: CFGI and TLBI batches go twice",
        source: LINUX,
    },
    Erratum {
        id: "74",
        part: "Cavium ThunderX2 CN99xx",
        matches: Match::Firmware(FirmwareModel::CaviumCn99xx),
        clears: Features::EMPTY,
        asks: Quirks::of(&[Quirk::Page0Only]),
        text: "the registers of page 1 are in page 0",
        source: "Linux 7.3: the SMMUv3 driver and silicon-errata.rst; Xen",
    },
    Erratum {
        id: "126",
        part: "Cavium ThunderX2 CN99xx",
        matches: Match::Firmware(FirmwareModel::CaviumCn99xx),
        clears: Features::EMPTY,
        asks: Quirks::of(&[Quirk::CombinedInterrupt]),
        text: "all interrupts share one line",
        source: "Linux 7.3: its IORT code and silicon-errata.rst; Xen",
    },
    Erratum {
        id: "HI161x-prefetch",
        part: "HiSilicon Hi161x",
        matches: Match::Firmware(FirmwareModel::HisiliconHi161x),
        clears: Features::EMPTY,
        asks: Quirks::of(&[Quirk::SkipPrefetch]),
        text: "CMD_PREFETCH_CONFIG must not be sent",
        source: "Linux 7.3: the SMMUv3 driver; Xen",
    },
    Erratum {
        id: "161010701, 161010803",
        part: "HiSilicon Hi161x",
        matches: Match::Firmware(FirmwareModel::HisiliconHi161x),
        clears: Features::EMPTY,
        asks: Quirks::of(&[Quirk::UntranslatedMsi]),
        text: "devices' writes to the MSI doorbell are not translated",
        source: "Linux 7.3: its IORT code and silicon-errata.rst",
    },
];

/// A set of errata: bit `n` is [`ERRATA`]`[n]`. Stored by number, so that it outlives a change of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct ErrataSet(u32);

const _: () = assert!(ERRATA.len() <= u32::BITS as usize);

impl ErrataSet {
    /// Those that match.
    pub(super) fn matching(iidr: Iidr, model: FirmwareModel) -> Self {
        let matches = |(index, erratum): (usize, &Erratum)| {
            if erratum.matches.applies(iidr, model) { 1 << index } else { 0 }
        };
        Self(ERRATA.iter().enumerate().map(matches).fold(0, |set, bit: u32| set | bit))
    }

    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'static Erratum> {
        ERRATA
            .iter()
            .enumerate()
            .filter(move |(index, _)| self.0 >> index & 1 != 0)
            .map(|(_, erratum)| erratum)
    }
}

#[cfg(feature = "serde")]
mod stored {
    use super::{ERRATA, ErrataSet, Erratum};
    use core::fmt;
    use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
    use serde::ser::{Serialize, Serializer};

    /// An erratum by its number.
    struct Bit(u32);

    impl<'de> Deserialize<'de> for Bit {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(Number)
        }
    }

    struct Number;

    impl Visitor<'_> for Number {
        type Value = Bit;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the number of an erratum in the table")
        }

        fn visit_str<E: Error>(self, number: &str) -> Result<Bit, E> {
            let known = ERRATA.iter().position(|erratum: &Erratum| erratum.id == number);
            match known {
                Some(index) => Ok(Bit(1 << index)),
                None => Err(E::invalid_value(Unexpected::Str(number), &self)),
            }
        }
    }

    impl Serialize for ErrataSet {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.iter().map(|erratum| erratum.id))
        }
    }

    impl<'de> Deserialize<'de> for ErrataSet {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            crate::caps::serial::members(deserializer, Self(0), |set, bit: Bit| Self(set.0 | bit.0))
        }
    }
}
