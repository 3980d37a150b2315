//! A guest's STE: which of its fields a host may take over (nesting).
//!
//! The guest's two words are judged once, as a copy. What it may decide is its own stage 1; an odd value there (a CD
//! table larger than there are SubstreamIDs, say) can only hurt the guest itself and is passed on.

use super::encode::config;
use super::word::{Ste0, Ste1};
use super::{Ste, SteError};
use core::fmt;
use smmu_regs::addr::PhysAddr;
use smmu_regs::caps::{Caps, Feature, StallModel};
use smmu_regs::layout::Layout;

/// What a guest's STE asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GuestSte {
    /// The stream aborts: the STE says so, or is not valid.
    Abort,
    /// The guest wants no stage 1: its transactions undergo the host's stage 2 alone.
    Bypass,
    /// The guest has a stage 1.
    Translate(GuestTranslation),
}

/// The stage-1 half of a guest's STE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GuestTranslation {
    zero: u64,
    one: u64,
    wants_ats: bool,
}

/// A guest's STE that a host must refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuestSteError {
    /// Bits outside the fields that a guest may set.
    Bits {
        /// Which word.
        word: u8,
        /// The bits.
        bits: u64,
    },
    /// `Config` is reserved or asks for stage 2, which is the host's.
    Config {
        /// The code.
        config: u8,
    },
    /// `EATS` asks for more than full ATS.
    Eats {
        /// The code.
        eats: u8,
    },
}

impl fmt::Display for GuestSteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bits { word, bits } => {
                write!(f, "guest STE: word {word} has bits {bits:#x} that a guest may not set")
            }
            Self::Config { config } => {
                write!(f, "guest STE: Config {config} is not abort, bypass or stage 1")
            }
            Self::Eats { eats } => write!(f, "guest STE: EATS {eats} is neither 0 nor 1"),
        }
    }
}

impl core::error::Error for GuestSteError {}

/// `S1ContextPtr` up to bit 51: what a 52-bit SMMU has.
const CONTEXT_POINTER: u64 = 0x000f_ffff_ffff_ffc0;

const ALLOWED_ZERO: u64 =
    Ste0::V.mask() | Ste0::CONFIG.mask() | Ste0::S1FMT.mask() | Ste0::S1CDMAX.mask() | CONTEXT_POINTER;

const ALLOWED_ONE: u64 = Ste1::S1DSS.mask()
    | Ste1::S1CIR.mask()
    | Ste1::S1COR.mask()
    | Ste1::S1CSH.mask()
    | Ste1::S1STALLD.mask()
    | Ste1::EATS.mask();

impl GuestSte {
    /// Judges the first two words of a guest's STE.
    ///
    /// An invalid STE is an abort, whatever else it holds.
    ///
    /// # Errors
    /// It asks for something that is not the guest's to decide.
    pub fn new(words: [u64; 2]) -> Result<Self, GuestSteError> {
        let [zero, one] = words;
        let (head, attributes) = (Ste0::from_bits(zero), Ste1::from_bits(one));
        if !head.v() {
            return Ok(Self::Abort);
        }
        for (word, value, allowed) in [(0, zero, ALLOWED_ZERO), (1, one, ALLOWED_ONE)] {
            let bits = value & !allowed;
            if bits != 0 {
                return Err(GuestSteError::Bits { word, bits });
            }
        }
        let wanted = head.config();
        if !matches!(wanted, config::ABORT | config::BYPASS | config::STAGE1) {
            return Err(GuestSteError::Config { config: wanted });
        }
        let eats = attributes.eats();
        if eats > 1 {
            return Err(GuestSteError::Eats { eats });
        }
        Ok(match wanted {
            config::ABORT => Self::Abort,
            config::BYPASS => Self::Bypass,
            _ => Self::Translate(GuestTranslation {
                zero: zero & !Ste0::CONFIG.mask(),
                one: one & !Ste1::EATS.mask(),
                wants_ats: eats == 1,
            }),
        })
    }

    /// Whether the guest wants ATS for a stream that it translates.
    #[must_use]
    pub const fn wants_ats(&self) -> bool {
        matches!(self, Self::Translate(GuestTranslation { wants_ats: true, .. }))
    }
}

impl GuestTranslation {
    /// The two words, without `Config` and `EATS`, which the host decides.
    pub(super) const fn words(&self) -> [u64; 2] {
        [self.zero, self.one]
    }

    /// Whether the SMMU would take the guest's stage 1. An unlawful one hurts the guest alone, but each of its
    /// transactions is a C_BAD_STE event: a host that does not want them gives the stream an aborting STE instead.
    ///
    /// # Errors
    /// What the SMMU would call illegal (5.2 S1Fmt, S1CDMax, S1STALLD; 3.4.3).
    pub fn check(&self, caps: &Caps) -> Result<(), SteError> {
        let (zero, one) = (Ste0::from_word(self.zero), Ste1::from_word(self.one));
        let bits = caps.substream_id_bits;
        if bits != 0 && zero.s1cdmax() > bits {
            return Err(SteError::CdTable { cds_log2: zero.s1cdmax(), bits });
        }
        let two_level = bits != 0 && zero.s1cdmax() != 0 && matches!(zero.s1fmt(), 1 | 2);
        if two_level && !caps.has(Feature::TwoLevelCdTable) {
            return Err(SteError::Unsupported { needs: Feature::TwoLevelCdTable });
        }
        if one.s1stalld() && caps.stall_model != StallModel::Supported {
            return Err(SteError::Stall);
        }
        let (address, input) = (self.context_pointer(), caps.stage2_input_bits());
        if address.get() >> input != 0 {
            return Err(SteError::TooHigh { address, size: caps.oas });
        }
        Ok(())
    }

    /// Where the guest's CD or CD table is, in the guest's own addresses.
    #[must_use]
    pub const fn context_pointer(&self) -> PhysAddr {
        PhysAddr::new(self.zero & CONTEXT_POINTER)
    }

    /// log2 of the guest's CDs, as it says.
    #[must_use]
    pub fn cds_log2(&self) -> u8 {
        Ste0::from_word(self.zero).s1cdmax()
    }
}

impl TryFrom<&Ste> for GuestSte {
    type Error = GuestSteError;

    /// The first two words of a whole STE; the others are the host's and not looked at.
    fn try_from(ste: &Ste) -> Result<Self, GuestSteError> {
        let [zero, one, ..] = ste.words();
        Self::new([zero, one])
    }
}
