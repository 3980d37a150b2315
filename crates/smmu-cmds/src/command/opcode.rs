//! Command opcodes (IHI 0070 4.1.1).

use core::fmt;
use num_enum::{FromPrimitive, IntoPrimitive};

/// The opcode of a command of the non-secure queue. Open: an unknown one is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromPrimitive, IntoPrimitive)]
#[repr(u8)]
#[allow(missing_docs)] // the architecture's names say it
pub enum Opcode {
    PrefetchConfig = 0x01,
    PrefetchAddr = 0x02,
    CfgiSte = 0x03,
    /// Also `CMD_CFGI_ALL`, when RANGE is 31.
    CfgiSteRange = 0x04,
    CfgiCd = 0x05,
    CfgiCdAll = 0x06,
    CfgiVmsPidm = 0x07,
    TlbiNhAll = 0x10,
    TlbiNhAsid = 0x11,
    TlbiNhVa = 0x12,
    TlbiNhVaa = 0x13,
    TlbiEl2All = 0x20,
    TlbiEl2Asid = 0x21,
    TlbiEl2Va = 0x22,
    TlbiEl2Vaa = 0x23,
    TlbiS12Vmall = 0x28,
    TlbiS2Ipa = 0x2a,
    TlbiNsnhAll = 0x30,
    AtcInv = 0x40,
    PriResp = 0x41,
    Resume = 0x44,
    StallTerm = 0x45,
    Sync = 0x46,
    #[num_enum(catch_all)]
    Unknown(u8),
}

impl Opcode {
    /// All that are known.
    pub const ALL: [Self; 23] = [
        Self::PrefetchConfig,
        Self::PrefetchAddr,
        Self::CfgiSte,
        Self::CfgiSteRange,
        Self::CfgiCd,
        Self::CfgiCdAll,
        Self::CfgiVmsPidm,
        Self::TlbiNhAll,
        Self::TlbiNhAsid,
        Self::TlbiNhVa,
        Self::TlbiNhVaa,
        Self::TlbiEl2All,
        Self::TlbiEl2Asid,
        Self::TlbiEl2Va,
        Self::TlbiEl2Vaa,
        Self::TlbiS12Vmall,
        Self::TlbiS2Ipa,
        Self::TlbiNsnhAll,
        Self::AtcInv,
        Self::PriResp,
        Self::Resume,
        Self::StallTerm,
        Self::Sync,
    ];

    /// The architecture's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PrefetchConfig => "CMD_PREFETCH_CONFIG",
            Self::PrefetchAddr => "CMD_PREFETCH_ADDR",
            Self::CfgiSte => "CMD_CFGI_STE",
            Self::CfgiSteRange => "CMD_CFGI_STE_RANGE",
            Self::CfgiCd => "CMD_CFGI_CD",
            Self::CfgiCdAll => "CMD_CFGI_CD_ALL",
            Self::CfgiVmsPidm => "CMD_CFGI_VMS_PIDM",
            Self::TlbiNhAll => "CMD_TLBI_NH_ALL",
            Self::TlbiNhAsid => "CMD_TLBI_NH_ASID",
            Self::TlbiNhVa => "CMD_TLBI_NH_VA",
            Self::TlbiNhVaa => "CMD_TLBI_NH_VAA",
            Self::TlbiEl2All => "CMD_TLBI_EL2_ALL",
            Self::TlbiEl2Asid => "CMD_TLBI_EL2_ASID",
            Self::TlbiEl2Va => "CMD_TLBI_EL2_VA",
            Self::TlbiEl2Vaa => "CMD_TLBI_EL2_VAA",
            Self::TlbiS12Vmall => "CMD_TLBI_S12_VMALL",
            Self::TlbiS2Ipa => "CMD_TLBI_S2_IPA",
            Self::TlbiNsnhAll => "CMD_TLBI_NSNH_ALL",
            Self::AtcInv => "CMD_ATC_INV",
            Self::PriResp => "CMD_PRI_RESP",
            Self::Resume => "CMD_RESUME",
            Self::StallTerm => "CMD_STALL_TERM",
            Self::Sync => "CMD_SYNC",
            Self::Unknown(_) => "unknown command",
        }
    }

    /// Whether it is a configuration or TLB invalidation: what the repeat erratum asks to be sent twice.
    #[must_use]
    pub fn is_cfgi_or_tlbi(self) -> bool {
        matches!(u8::from(self), 0x03..=0x3f)
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(code) => write!(f, "unknown command {code:#04x}"),
            known => f.write_str(known.name()),
        }
    }
}
