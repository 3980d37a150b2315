//! View to something a person or a driver can read: which configuration an STE has, and what is odd about it.

use super::encode::config;
use super::word::{Ste0, Ste1, Ste2, Ste3, ste_words};
use super::{CdTableFormat, CdTablePointer, Ste, WithoutSubstream};
use core::fmt;
use smmu_regs::Vmid;
use smmu_regs::addr::{AddressSize, PhysAddr};
use smmu_regs::layout::named_bits;
use smmu_regs::vmsa::{
    Cacheability, Granule, RegimeError, Shareability, Stage2Regime, UpdateFlags, WalkAttributes,
};

/// What an STE does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SteSummary {
    /// V = 0: transactions abort with C_BAD_STE.
    Invalid,
    /// Transactions abort silently.
    Abort,
    /// No translation.
    Bypass,
    /// Stage 1 alone, with the VMID of its entries.
    Stage1(CdTablePointer, Vmid),
    /// Stage 2 alone.
    Stage2(Stage2Regime, Vmid),
    /// Both.
    Nested(CdTablePointer, Stage2Regime, Vmid),
}

/// Something in an STE that has no lawful reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SteOddity {
    /// A field holds a reserved value.
    Reserved {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// `S2SL0` fits neither granule nor input size.
    Walk(RegimeError),
    /// Bits are set that no field has.
    ReservedBits {
        /// Which word.
        word: u8,
        /// The bits.
        bits: u64,
    },
    /// Stage 2 is not VMSAv8-64.
    NotAarch64,
}

impl fmt::Display for SteOddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved { field, value } => write!(f, "STE.{field} holds the reserved value {value:#x}"),
            Self::Walk(error) => error.fmt(f),
            Self::ReservedBits { word, bits } => {
                write!(f, "STE: reserved bits {bits:#x} are set in word {word}")
            }
            Self::NotAarch64 => f.write_str("STE.S2AA64 is 0: stage 2 is not VMSAv8-64"),
        }
    }
}

impl core::error::Error for SteOddity {}

impl From<RegimeError> for SteOddity {
    fn from(error: RegimeError) -> Self {
        Self::Walk(error)
    }
}

impl Ste {
    /// What this STE does.
    ///
    /// # Errors
    /// Something in it has no lawful reading. Fields that its configuration ignores are not looked at.
    pub fn decode(&self) -> Result<SteSummary, SteOddity> {
        let [zero, _, two, ..] = self.words();
        let (zero, two) = (Ste0::from_bits(zero), Ste2::from_bits(two));
        if !zero.v() {
            return Ok(SteSummary::Invalid);
        }
        for (word, (value, fields)) in (0..).zip(self.words().iter().zip(ste_words())) {
            let bits = value & !named_bits(fields);
            if bits != 0 {
                return Err(SteOddity::ReservedBits { word, bits });
            }
        }
        let vmid = Vmid::new(two.s2vmid());
        Ok(match zero.config() {
            config::ABORT => SteSummary::Abort,
            config::BYPASS => SteSummary::Bypass,
            config::STAGE1 => SteSummary::Stage1(self.cd_table()?, vmid),
            config::STAGE2 => SteSummary::Stage2(self.regime()?, vmid),
            config::NESTED => SteSummary::Nested(self.cd_table()?, self.regime()?, vmid),
            value => {
                return Err(SteOddity::Reserved { field: "CONFIG", value: u64::from(value) });
            }
        })
    }

    fn cd_table(&self) -> Result<CdTablePointer, SteOddity> {
        let [zero, one, ..] = self.words();
        let (zero, one) = (Ste0::from_bits(zero), Ste1::from_bits(one));
        let reserved = |field, value: u8| SteOddity::Reserved { field, value: u64::from(value) };
        let format = match zero.s1fmt() {
            0 => CdTableFormat::Linear,
            1 => CdTableFormat::TwoLevel4K,
            2 => CdTableFormat::TwoLevel64K,
            value => return Err(reserved("S1FMT", value)),
        };
        let without_substream = match one.s1dss() {
            0 => WithoutSubstream::Terminate,
            1 => WithoutSubstream::Bypass,
            2 => WithoutSubstream::UseCd0,
            value => return Err(reserved("S1DSS", value)),
        };
        let base = PhysAddr::new(zero.address(Ste0::S1CONTEXTPTR));
        Ok(CdTablePointer { base, format, cds_log2: zero.s1cdmax(), without_substream })
    }

    fn regime(&self) -> Result<Stage2Regime, SteOddity> {
        let [_, one, two, three, ..] = self.words();
        let (one, two, three) = (Ste1::from_bits(one), Ste2::from_bits(two), Ste3::from_bits(three));
        let reserved = |field, value: u8| SteOddity::Reserved { field, value: u64::from(value) };
        if !two.s2aa64() {
            return Err(SteOddity::NotAarch64);
        }
        let granule = Granule::from_tg0(two.s2tg()).ok_or(reserved("S2TG", two.s2tg()))?;
        let walk = WalkAttributes {
            inner: Cacheability::from_code(two.s2ir0()).ok_or(reserved("S2IR0", two.s2ir0()))?,
            outer: Cacheability::from_code(two.s2or0()).ok_or(reserved("S2OR0", two.s2or0()))?,
            shareability: Shareability::from_code(two.s2sh0()).ok_or(reserved("S2SH0", two.s2sh0()))?,
        };
        Ok(Stage2Regime {
            ttb: PhysAddr::new(three.address(Ste3::S2TTB)),
            granule,
            input_bits: 64_u8.saturating_sub(two.s2t0sz()),
            start_level: Stage2Regime::start_level_of(granule, two.s2sl0(), three.s2sl0_2(), three.s2ds())?,
            ps: AddressSize::from_code(two.s2ps()).ok_or(reserved("S2PS", two.s2ps()))?,
            walk,
            update: UpdateFlags {
                access_flag: two.s2ha(),
                dirty: two.s2hd(),
                table_access_flag: two.s2haft(),
            },
            ds: three.s2ds(),
            fwb: one.s2fwb(),
        })
    }
}
