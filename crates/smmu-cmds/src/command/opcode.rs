//! Command opcodes (IHI 0070 4.1.1).

use core::fmt;
use num_enum::{FromPrimitive, IntoPrimitive};

macro_rules! opcodes {
    ($( $(#[$doc:meta])* $name:ident = $code:literal, $text:literal; )*) => {
        /// The opcode of a command of any queue. Open: an unknown one is kept.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromPrimitive, IntoPrimitive)]
        #[repr(u8)]
        #[allow(missing_docs)] // the architecture's names say it
        pub enum Opcode {
            $( $(#[$doc])* $name = $code, )*
            #[num_enum(catch_all)]
            Unknown(u8),
        }

        impl Opcode {
            /// All that are known, by code.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$name,)*];

            /// The architecture's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$name => $text, )*
                    Self::Unknown(_) => "unknown command",
                }
            }

            /// The code.
            #[inline]
            #[must_use]
            pub const fn code(self) -> u8 {
                match self {
                    $( Self::$name => $code, )*
                    Self::Unknown(code) => code,
                }
            }
        }
    };
}

opcodes! {
    PrefetchConfig = 0x01, "CMD_PREFETCH_CONFIG";
    PrefetchAddr = 0x02, "CMD_PREFETCH_ADDR";
    CfgiSte = 0x03, "CMD_CFGI_STE";
    /// Also `CMD_CFGI_ALL`, when RANGE is 31.
    CfgiSteRange = 0x04, "CMD_CFGI_STE_RANGE";
    CfgiCd = 0x05, "CMD_CFGI_CD";
    CfgiCdAll = 0x06, "CMD_CFGI_CD_ALL";
    CfgiVmsPidm = 0x07, "CMD_CFGI_VMS_PIDM";
    TlbiNhAll = 0x10, "CMD_TLBI_NH_ALL";
    TlbiNhAsid = 0x11, "CMD_TLBI_NH_ASID";
    TlbiNhVa = 0x12, "CMD_TLBI_NH_VA";
    TlbiNhVaa = 0x13, "CMD_TLBI_NH_VAA";
    TlbiEl3All = 0x18, "CMD_TLBI_EL3_ALL";
    TlbiEl3Va = 0x1a, "CMD_TLBI_EL3_VA";
    TlbiEl2All = 0x20, "CMD_TLBI_EL2_ALL";
    TlbiEl2Asid = 0x21, "CMD_TLBI_EL2_ASID";
    TlbiEl2Va = 0x22, "CMD_TLBI_EL2_VA";
    TlbiEl2Vaa = 0x23, "CMD_TLBI_EL2_VAA";
    TlbiS12Vmall = 0x28, "CMD_TLBI_S12_VMALL";
    TlbiS2Ipa = 0x2a, "CMD_TLBI_S2_IPA";
    TlbiNsnhAll = 0x30, "CMD_TLBI_NSNH_ALL";
    AtcInv = 0x40, "CMD_ATC_INV";
    PriResp = 0x41, "CMD_PRI_RESP";
    Resume = 0x44, "CMD_RESUME";
    StallTerm = 0x45, "CMD_STALL_TERM";
    Sync = 0x46, "CMD_SYNC";
    TlbiSEl2All = 0x50, "CMD_TLBI_S_EL2_ALL";
    TlbiSEl2Asid = 0x51, "CMD_TLBI_S_EL2_ASID";
    TlbiSEl2Va = 0x52, "CMD_TLBI_S_EL2_VA";
    TlbiSEl2Vaa = 0x53, "CMD_TLBI_S_EL2_VAA";
    TlbiSS12Vmall = 0x58, "CMD_TLBI_S_S12_VMALL";
    TlbiSS2Ipa = 0x5a, "CMD_TLBI_S_S2_IPA";
    TlbiSnhAll = 0x60, "CMD_TLBI_SNH_ALL";
    DptiAll = 0x70, "CMD_DPTI_ALL";
    DptiPa = 0x73, "CMD_DPTI_PA";
}

impl Opcode {
    /// Whether it is a configuration or TLB invalidation: what the repeat erratum asks to be sent twice.
    #[must_use]
    pub const fn is_cfgi_or_tlbi(self) -> bool {
        matches!(self.code(), 0x03..=0x3f | 0x50..=0x6f)
    }

    /// Whether only the Secure queue takes it: EL3, and the Secure forms of EL2 and of both stages (4.4.2.5, 4.4.2.11, 4.4.3.3).
    #[must_use]
    pub const fn is_secure_only(self) -> bool {
        matches!(
            self,
            Self::TlbiEl3All
                | Self::TlbiEl3Va
                | Self::TlbiSEl2All
                | Self::TlbiSEl2Asid
                | Self::TlbiSEl2Va
                | Self::TlbiSEl2Vaa
                | Self::TlbiSS12Vmall
                | Self::TlbiSS2Ipa
                | Self::TlbiSnhAll
        )
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
