//! What can be wrong with ID registers.

use core::fmt;

/// ID registers that no driver of these crates can work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeError {
    /// All ID registers read as ones: there is no SMMU, or it does not answer.
    NotThere,
    /// `AIDR.ArchMajorRev` is not 0: not an SMMUv3.
    Architecture {
        /// The register.
        aidr: u32,
    },
    /// Neither stage is implemented.
    NoStage {
        /// The register.
        idr0: u32,
    },
    /// VMSAv8-64 tables are not implemented (`IDR0.TTF`).
    NoAarch64Tables {
        /// The register.
        idr0: u32,
    },
    /// Little-endian tables are not implemented, or `IDR0.TTENDIAN` is reserved.
    Endianness {
        /// The register.
        idr0: u32,
    },
    /// Table or queue bases are fixed in hardware (`IDR1.TABLES_PRESET`, `QUEUES_PRESET`, `REL`): an embedded SMMU.
    Preset {
        /// The register.
        idr1: u32,
    },
    /// A reserved value or an impossible combination; only [`Caps::probe_strict`](super::Caps::probe_strict) says so.
    Odd {
        /// What it is.
        oddity: Oddity,
        /// The register it was found in.
        value: u32,
    },
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere => f.write_str("all ID registers read as ones: no SMMU answers at this address"),
            Self::Architecture { aidr } => {
                write!(f, "AIDR {aidr:#x} names a major architecture revision other than SMMUv3")
            }
            Self::NoStage { idr0 } => write!(f, "IDR0 {idr0:#010x}: neither S1P nor S2P is set"),
            Self::NoAarch64Tables { idr0 } => {
                write!(f, "IDR0 {idr0:#010x}: TTF does not offer VMSAv8-64 tables")
            }
            Self::Endianness { idr0 } => {
                write!(f, "IDR0 {idr0:#010x}: TTENDIAN does not offer little-endian tables")
            }
            Self::Preset { idr1 } => {
                write!(
                    f,
                    "IDR1 {idr1:#010x}: table or queue bases are preset (TABLES_PRESET, QUEUES_PRESET, REL)"
                )
            }
            Self::Odd { oddity, value } => write!(f, "{oddity} ({} is {value:#010x})", oddity.register()),
        }
    }
}

impl core::error::Error for ProbeError {}

macro_rules! oddities {
    ($( $(#[$doc:meta])* $name:ident: $register:literal, $text:literal; )*) => {
        /// A reserved value or an impossible combination that has a safe reading.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Oddity { $( $(#[$doc])* $name, )* }

        impl Oddity {
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The register that holds it.
            #[must_use]
            pub const fn register(self) -> &'static str {
                match self { $(Self::$name => $register,)* }
            }
        }

        impl fmt::Display for Oddity {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $text,)* })
            }
        }
    };
}

oddities! {
    /// `ST_LEVEL` 2 or 3.
    StreamTableLevel: "IDR0", "ST_LEVEL is reserved: taken as linear tables only";
    /// `STALL_MODEL` 3.
    StallModel: "IDR0", "STALL_MODEL is reserved: taken as terminate only";
    /// `PRI` without `ATS`.
    PriWithoutAts: "IDR0", "PRI without ATS: PRI is taken as absent";
    /// `HYP` without both stages.
    HypWithoutStages: "IDR0", "HYP without both stages: HYP is taken as absent";
    /// `CD2L` without stage 1.
    Cd2lWithoutStage1: "IDR0", "CD2L without stage 1: CD2L is taken as absent";
    /// `SIDSIZE` above 32.
    StreamIdSize: "IDR1", "SIDSIZE is above 32: taken as 32";
    /// `SSIDSIZE` above 20.
    SubstreamIdSize: "IDR1", "SSIDSIZE is above 20: taken as 20";
    /// A queue size above 19.
    QueueSize: "IDR1", "a queue size is above 19: taken as 19";
    /// `SIDSIZE` of 7 or more without two-level tables.
    LargeLinear: "IDR1", "SIDSIZE is 7 or more without two-level stream tables";
    /// `BBML` 3.
    Bbml: "IDR3", "BBML is reserved: taken as level 0";
    /// `VAX` 3.
    Vax: "IDR5", "VAX is reserved: taken as 48 bits";
    /// `OAS` 7 without 128-bit descriptors or in an SMMU older than 3.4.
    Oas: "IDR5", "OAS 7 without D128: taken as 48 bits";
    /// No granule.
    NoGranule: "IDR5", "no translation granule is implemented";
}

/// A set of oddities.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Oddities(u32);

const _: () = assert!(Oddity::ALL.len() <= u32::BITS as usize);

impl Oddities {
    pub(super) const fn add_if(&mut self, oddity: Oddity, met: bool) {
        if met {
            self.0 |= 1 << oddity as u8;
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The oddities.
    pub fn iter(self) -> impl Iterator<Item = Oddity> {
        Oddity::ALL.iter().copied().filter(move |oddity| self.0 >> *oddity as u8 & 1 != 0)
    }
}

impl fmt::Debug for Oddities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
