//! The errata table: what matches, what it takes away, what it asks of software. Applied in one place.

use super::feature::{Feature, Features, Quirk, Quirks};
use super::probe::FirmwareModel;
use crate::registers::Iidr;

/// One erratum.
#[derive(Debug)]
pub struct Erratum {
    /// The vendor's number.
    pub id: &'static str,
    /// The part.
    pub part: &'static str,
    /// What it matches.
    pub matches: Match,
    /// Features that must not be used.
    pub clears: Features,
    /// What software must do.
    pub asks: Quirks,
    /// What is wrong, in a sentence.
    pub text: &'static str,
}

/// What an erratum matches.
#[derive(Debug)]
pub enum Match {
    /// An implementer, a product, and some of its revisions.
    Iidr {
        /// `IIDR.Implementer`: JEP106 code.
        implementer: u16,
        /// `IIDR.ProductID`.
        product: u16,
        /// Given `(Variant, Revision)` - r`V`p`R` in Arm's naming - whether the erratum is there.
        revisions: fn(u8, u8) -> bool,
    },
    /// Firmware names the model; there is no IIDR to go by.
    Firmware(FirmwareModel),
}

impl Match {
    /// Whether this SMMU is concerned.
    #[must_use]
    pub fn applies(&self, iidr: Iidr, model: FirmwareModel) -> bool {
        match self {
            Self::Iidr { implementer, product, revisions } => {
                iidr.implementer() == *implementer
                    && iidr.productid() == *product
                    && revisions(iidr.variant(), iidr.revision())
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

const fn arm(product: u16, revisions: fn(u8, u8) -> bool) -> Match {
    Match::Iidr { implementer: ARM, product, revisions }
}

/// All errata that these crates know.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "1076982",
        part: "Arm MMU-600 up to r0p2",
        matches: arm(MMU_600, |variant, revision| variant == 0 && revision <= 2),
        clears: Features::of(&[Feature::Sev]),
        asks: Quirks::EMPTY,
        text: "the wake-up event of CMD_SYNC cannot be relied on",
    },
    Erratum {
        id: "1209401",
        part: "Arm MMU-600 before r2p0",
        matches: arm(MMU_600, |variant, _| variant < 2),
        clears: Features::of(&[Feature::Nested]),
        asks: Quirks::EMPTY,
        text: "nested translation must not be used",
    },
    Erratum {
        id: "2133013, 3777127",
        part: "Arm MMU-700",
        matches: arm(MMU_700, |_, _| true),
        clears: Features::of(&[Feature::BroadcastTlbi]),
        asks: Quirks::EMPTY,
        text: "broadcast TLB maintenance cannot be relied on",
    },
    Erratum {
        id: "2812531",
        part: "Arm MMU-700 r0 and any p0",
        matches: arm(MMU_700, |variant, revision| variant < 1 || revision < 1),
        clears: Features::of(&[Feature::Nested]),
        asks: Quirks::of(&[Quirk::ForceSync]),
        text: "a long run of invalidations without CMD_SYNC must be avoided",
    },
    Erratum {
        id: "2268618",
        part: "Arm MMU-700 r0 and any p0",
        matches: arm(MMU_700, |variant, revision| variant < 1 || revision < 1),
        clears: Features::of(&[Feature::Nested]),
        asks: Quirks::EMPTY,
        text: "nested translation must not be used",
    },
    Erratum {
        id: "3878312",
        part: "Arm MMU-L1",
        matches: arm(MMU_L1, |_, _| true),
        clears: Features::of(&[Feature::BroadcastTlbi]),
        asks: Quirks::EMPTY,
        text: "broadcast TLB maintenance cannot be relied on",
    },
    Erratum {
        id: "3995052",
        part: "Arm MMU-S3",
        matches: arm(MMU_S3, |_, _| true),
        clears: Features::of(&[Feature::BroadcastTlbi]),
        asks: Quirks::EMPTY,
        text: "broadcast TLB maintenance cannot be relied on",
    },
    Erratum {
        id: "T264-SMMU-3",
        part: "NVIDIA Tegra264",
        matches: Match::Firmware(FirmwareModel::Tegra264),
        clears: Features::EMPTY,
        asks: Quirks::of(&[Quirk::RepeatCfgiTlbi]),
        text: "an entry can survive an invalidation that races with a lookup: CFGI and TLBI batches go twice",
    },
    Erratum {
        id: "74",
        part: "Cavium ThunderX2 CN99xx",
        matches: Match::Firmware(FirmwareModel::CaviumCn99xx),
        clears: Features::EMPTY,
        asks: Quirks::of(&[Quirk::Page0Only]),
        text: "the registers of page 1 are in page 0",
    },
    Erratum {
        id: "126",
        part: "Cavium ThunderX2 CN99xx",
        matches: Match::Firmware(FirmwareModel::CaviumCn99xx),
        clears: Features::EMPTY,
        asks: Quirks::of(&[Quirk::CombinedInterrupt]),
        text: "all interrupts share one line",
    },
    Erratum {
        id: "HI161x-prefetch",
        part: "HiSilicon Hi161x",
        matches: Match::Firmware(FirmwareModel::HisiliconHi161x),
        clears: Features::EMPTY,
        asks: Quirks::of(&[Quirk::SkipPrefetch]),
        text: "CMD_PREFETCH_CONFIG must not be sent",
    },
];

const _: () = assert!(ERRATA.len() <= u32::BITS as usize);
