//! What can be wrong with ID registers.

use core::fmt;

/// ID registers that no driver of these crates can work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Oddity { $( $(#[$doc])* $name, )* }

        impl Oddity {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

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
    /// `NS1ATS` without `ATS` or without both stages, where it is RES0.
    Ns1atsWithoutAts: "IDR0", "NS1ATS without ATS or without both stages: ignored";
    /// `ATSRECERR` without `ATS`.
    AtsRecErrWithoutAts: "IDR0", "ATSRECERR without ATS: ATSRECERR is taken as absent";
    /// `VATOS` without `ATOS` or without both stages.
    VatosWithoutAtos: "IDR0", "VATOS without ATOS or without both stages: VATOS is taken as absent";
    /// `VMW` without stage 2.
    VmwWithoutStage2: "IDR0", "VMW without stage 2: VMW is taken as absent";
    /// VMSAv8-32 tables without the 4K granule.
    Aarch32WithoutGranule: "IDR0", "TTF offers VMSAv8-32 tables without GRAN4K: they are taken as absent";
    /// `SIDSIZE` above 32.
    StreamIdSize: "IDR1", "SIDSIZE is above 32: taken as 32";
    /// `SSIDSIZE` above 20.
    SubstreamIdSize: "IDR1", "SSIDSIZE is above 20: taken as 20";
    /// A queue size above 19.
    QueueSize: "IDR1", "a queue size is above 19: taken as 19";
    /// `SIDSIZE` of 7 or more without two-level tables.
    LargeLinear: "IDR1", "SIDSIZE is 7 or more without two-level stream tables";
    /// `ECMDQ` without `COHACC` or without `MSI`.
    EcmdqWithoutCoherence: "IDR1", "ECMDQ without COHACC or without MSI: ECMDQ is taken as absent";
    /// `BA_VATOS` without `VATOS`.
    VatosPage: "IDR2", "BA_VATOS without VATOS: ignored";
    /// `HAD` without stage 1.
    HadWithoutStage1: "IDR3", "HAD without stage 1: HAD is taken as absent";
    /// `PBHA` without `HAD`.
    PbhaWithoutHad: "IDR3", "PBHA without HAD: PBHA is taken as absent";
    /// `XNX` without stage 2.
    XnxWithoutStage2: "IDR3", "XNX without stage 2: XNX is taken as absent";
    /// `PPS` without `PRI` or without substreams.
    PpsWithoutPri: "IDR3", "PPS without PRI or without substreams: PPS is taken as absent";
    /// `BBML` 3.
    Bbml: "IDR3", "BBML is reserved: taken as level 0";
    /// `PTWNNC` without stage 2.
    PtwnncWithoutStage2: "IDR3", "PTWNNC without stage 2: PTWNNC is taken as absent";
    /// `DPT` without `ATS`, or with VMSAv8-32 tables.
    DptWithoutAts: "IDR3", "DPT without ATS, or with VMSAv8-32 tables: DPT is taken as absent";
    /// `PASIDTT` without `ATS` or without substreams.
    PasidttWithoutAts: "IDR3", "PASIDTT without ATS or without substreams: PASIDTT is taken as absent";
    /// `S1PI` without stage 1.
    S1piWithoutStage1: "IDR3", "S1PI without stage 1: S1PI is taken as absent";
    /// `S2PI` without stage 2.
    S2piWithoutStage2: "IDR3", "S2PI without stage 2: S2PI is taken as absent";
    /// `S2PO` without `S2PI`.
    S2poWithoutS2pi: "IDR3", "S2PO without S2PI: S2PO is taken as absent";
    /// `THE` without stage 1, or with stage 2 but without `S2PI`.
    TheWithoutS2pi: "IDR3", "THE without stage 1, or with stage 2 but without S2PI: THE is taken as absent";
    /// `MTEPERM` without stage 2.
    MtepermWithoutStage2: "IDR3", "MTEPERM without stage 2: MTEPERM is taken as absent";
    /// `AIE` without stage 1.
    AieWithoutStage1: "IDR3", "AIE without stage 1: AIE is taken as absent";
    /// `VAX` 3.
    Vax: "IDR5", "VAX is reserved: taken as 48 bits";
    /// `VAX` 1 or 2 without 64K granule and without `DS`.
    VaxWithoutGranule: "IDR5", "VAX without GRAN64K and without DS: taken as 48 bits";
    /// `VAX` 2 without `D128`.
    VaxWithoutD128: "IDR5", "VAX is 56 bits without D128: taken as 52 bits";
    /// `OAS` 7 without `D128`.
    Oas: "IDR5", "OAS 7 without D128: taken as 48 bits";
    /// `OAS` 6 without 64K granule, `DS` and `D128`.
    OasWithoutGranule: "IDR5", "OAS is 52 bits without GRAN64K, DS and D128: taken as 48 bits";
    /// No granule.
    NoGranule: "IDR5", "no translation granule is implemented";
    /// `DS` without 4K and 16K granules, or with `VAX` 0.
    DsWithoutVax: "IDR5", "DS without GRAN4K and GRAN16K, or with 48-bit VAX: DS is taken as absent";
    /// `D128` with VMSAv8-32 tables, or without features that it includes.
    D128Incomplete: "IDR5", "D128 with VMSAv8-32 tables, or without S1PI, AIE, S2PI, S2PO or MTEPERM for its stages: D128 is taken as absent";
    /// A number of `IDR6` above 8.
    EcmdqSize: "IDR6", "a number of command queue control pages, or of queues in one, is above 2^8: taken as 2^8";
    /// `IDR6` not 0 without `ECMDQ`.
    Idr6WithoutEcmdq: "IDR6", "not 0 without ECMDQ: ignored";
}

/// A set of oddities.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Oddities(u64);

const _: () = assert!(Oddity::ALL.len() <= u64::BITS as usize);

impl Oddities {
    /// None.
    pub const EMPTY: Self = Self(0);

    pub(super) const fn add_if(&mut self, oddity: Oddity, met: bool) {
        if met {
            self.0 |= 1 << oddity as u8;
        }
    }

    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `oddity` was met.
    #[must_use]
    pub const fn contains(self, oddity: Oddity) -> bool {
        self.0 >> oddity as u8 & 1 != 0
    }

    /// The oddities.
    pub fn iter(self) -> impl Iterator<Item = Oddity> {
        Oddity::ALL.iter().copied().filter(move |oddity| self.contains(*oddity))
    }
}

impl fmt::Debug for Oddities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Oddities {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Oddities {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::serial::members(deserializer, Self::EMPTY, |mut set: Self, oddity| {
            set.add_if(oddity, true);
            set
        })
    }
}
