//! Which opcode has which two shapes; the layout proof compares that with the carried facts.

use super::Opcode;
use super::word::{
    AsidOnly, Atc, AtcSpanWord, Bare, Cd, DptPhysical, Ipa, Leaf, MsiAddress, Nothing, Prefetch, Pri,
    PriAnswer, Range, RangeAsid, RangeOnly, RangeTags, RangeVmid, Resume, SecureIpa, Security, Stag, Stream,
    StreamSubstream, Sync, Tags, VirtualAddress, VmidOnly, Vms,
};
use smmu_regs::layout::{FieldInfo, Layout};

/// The two shapes of a command's words: the fields of each.
#[must_use]
pub fn words_of(opcode: Opcode) -> Option<[&'static [FieldInfo]; 2]> {
    macro_rules! shapes {
        ($low:ident, $high:ident) => {
            Some([$low::FIELDS, $high::FIELDS])
        };
    }
    match opcode {
        Opcode::PrefetchConfig => shapes!(StreamSubstream, Nothing),
        Opcode::PrefetchAddr => shapes!(StreamSubstream, Prefetch),
        Opcode::CfgiSte => shapes!(Stream, Leaf),
        Opcode::CfgiSteRange => shapes!(Stream, Range),
        Opcode::CfgiCd => shapes!(Cd, Leaf),
        Opcode::CfgiCdAll => shapes!(Stream, Nothing),
        Opcode::CfgiVmsPidm => shapes!(Vms, Nothing),
        Opcode::TlbiNhAll | Opcode::TlbiS12Vmall | Opcode::TlbiSS12Vmall => shapes!(VmidOnly, Nothing),
        Opcode::TlbiNhAsid => shapes!(Tags, Nothing),
        Opcode::TlbiNhVa => shapes!(RangeTags, VirtualAddress),
        Opcode::TlbiNhVaa => shapes!(RangeVmid, VirtualAddress),
        Opcode::TlbiEl3All
        | Opcode::TlbiEl2All
        | Opcode::TlbiNsnhAll
        | Opcode::TlbiSEl2All
        | Opcode::TlbiSnhAll
        | Opcode::DptiAll => shapes!(Bare, Nothing),
        Opcode::TlbiEl2Asid | Opcode::TlbiSEl2Asid => shapes!(AsidOnly, Nothing),
        Opcode::TlbiEl2Va | Opcode::TlbiSEl2Va => shapes!(RangeAsid, VirtualAddress),
        Opcode::TlbiEl3Va | Opcode::TlbiEl2Vaa | Opcode::TlbiSEl2Vaa => shapes!(RangeOnly, VirtualAddress),
        Opcode::TlbiS2Ipa => shapes!(RangeVmid, Ipa),
        Opcode::TlbiSS2Ipa => shapes!(RangeVmid, SecureIpa),
        Opcode::DptiPa => shapes!(Bare, DptPhysical),
        Opcode::AtcInv => shapes!(Atc, AtcSpanWord),
        Opcode::PriResp => shapes!(Pri, PriAnswer),
        Opcode::Resume => shapes!(Resume, Stag),
        Opcode::StallTerm => shapes!(Stream, Nothing),
        Opcode::Sync => shapes!(Sync, MsiAddress),
        Opcode::Unknown(_) => None,
    }
}

/// `CMD_CFGI_ALL` shares its opcode with `CMD_CFGI_STE_RANGE` and has no StreamID.
#[must_use]
pub fn words_of_cfgi_all() -> [&'static [FieldInfo]; 2] {
    [Security::FIELDS, Range::FIELDS]
}
