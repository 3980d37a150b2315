//! The words of event records (IHI 0070 7.3): shapes named by their fields.
//!
//! [`words_of`] says which record has which four shapes; the layout proof compares that with the carried facts.

use super::EventId;
use smmu_regs::bitfields;
use smmu_regs::layout::{FieldInfo, Layout};

bitfields! {
    /// Who: with or without a SubstreamID.
    pub(crate) struct Who(u64) = "event[0]" {
        /// Record type.
        EVENTID: u8, 8;
        _: 3;
        /// SSID is valid.
        SSV: bool, 1;
        /// SubstreamID.
        SSID: u32, 20;
        /// StreamID.
        SID: u32, 32;
    }

    /// Who: a stream.
    pub(crate) struct WhoStream(u64) = "event[0]" {
        /// Record type.
        EVENTID: u8, 8;
        _: 24;
        /// StreamID.
        SID: u32, 32;
    }

    /// Who: always with a SubstreamID.
    pub(crate) struct WhoSubstream(u64) = "event[0]" {
        /// Record type.
        EVENTID: u8, 8;
        _: 4;
        /// SubstreamID.
        SSID: u32, 20;
        /// StreamID.
        SID: u32, 32;
    }

    /// Nothing.
    pub(crate) struct Nothing(u64) = "event[n]" {
        _: 64;
    }

    /// Why an upstream transaction is unsupported.
    pub(crate) struct Unsupported(u64) = "event[1]" {
        /// IMPLEMENTATION DEFINED reason.
        REASON: u16, 16;
        _: 17;
        /// Privileged.
        PNU: bool, 1;
        /// Instruction.
        IND: bool, 1;
        /// Read.
        RNW: bool, 1;
        _: 28;
    }

    /// Why a structure could not be fetched.
    pub(crate) struct Fetch(u64) = "event[1]" {
        /// IMPLEMENTATION DEFINED reason.
        REASON: u16, 16;
        /// From a granule protection check.
        GPCF: bool, 1;
        _: 47;
    }

    /// An ATS translation request.
    pub(crate) struct AtsRequest(u64) = "event[1]" {
        /// Translation units that are asked for.
        SPAN: u8, 4;
        _: 24;
        /// Privileged.
        P: bool, 1;
        /// Execute.
        X: bool, 1;
        /// Write.
        W: bool, 1;
        /// Read.
        R: bool, 1;
        _: 32;
    }

    /// Only the direction.
    pub(crate) struct Direction(u64) = "event[1]" {
        _: 35;
        /// Read.
        RNW: bool, 1;
        _: 28;
    }

    /// A table walk that met an external abort.
    pub(crate) struct WalkAbort(u64) = "event[1]" {
        /// IMPLEMENTATION DEFINED reason.
        REASON: u16, 16;
        /// From a granule protection check.
        GPCF: bool, 1;
        _: 16;
        /// Privileged.
        PNU: bool, 1;
        /// Instruction.
        IND: bool, 1;
        /// Read.
        RNW: bool, 1;
        _: 2;
        /// Non-secure IPA.
        NSIPA: bool, 1;
        /// Stage 2.
        S2: bool, 1;
        /// What was accessed.
        CLASS: u8, 2;
        _: 22;
    }

    /// A translation-related fault.
    pub(crate) struct Fault(u64) = "event[1]" {
        /// Stall tag.
        STAG: u16, 16;
        _: 15;
        /// The transaction waits.
        STALL: bool, 1;
        _: 1;
        /// Privileged.
        PNU: bool, 1;
        /// Instruction.
        IND: bool, 1;
        /// Read.
        RNW: bool, 1;
        _: 2;
        /// Non-secure IPA.
        NSIPA: bool, 1;
        /// Stage 2.
        S2: bool, 1;
        /// What was accessed.
        CLASS: u8, 2;
        _: 6;
        /// IMPLEMENTATION DEFINED.
        IMPDEF: u16, 16;
    }

    /// A permission fault.
    pub(crate) struct PermissionFault(u64) = "event[1]" {
        /// Stall tag.
        STAG: u16, 16;
        _: 15;
        /// The transaction waits.
        STALL: bool, 1;
        _: 1;
        /// Privileged.
        PNU: bool, 1;
        /// Instruction.
        IND: bool, 1;
        /// Read.
        RNW: bool, 1;
        _: 2;
        /// Non-secure IPA.
        NSIPA: bool, 1;
        /// Stage 2.
        S2: bool, 1;
        /// What was accessed.
        CLASS: u8, 2;
        /// Hardware could not update dirty state.
        DIRTYBIT: bool, 1;
        /// The AssuredOnly check failed.
        ASSUREDONLY: bool, 1;
        /// The stage-1 table access that failed at stage 2 was a read.
        TTRNW: bool, 1;
        /// An overlay forbade it.
        OVERLAY: bool, 1;
        _: 2;
        /// IMPLEMENTATION DEFINED.
        IMPDEF: u16, 16;
    }

    /// A TLB conflict.
    pub(crate) struct TlbConflict(u64) = "event[1]" {
        /// IMPLEMENTATION DEFINED reason.
        REASON: u32, 32;
        _: 1;
        /// Privileged.
        PNU: bool, 1;
        /// Instruction.
        IND: bool, 1;
        /// Read.
        RNW: bool, 1;
        _: 2;
        /// Non-secure IPA.
        NSIPA: bool, 1;
        /// Stage 2.
        S2: bool, 1;
        _: 24;
    }

    /// A configuration cache conflict.
    pub(crate) struct ConfigConflict(u64) = "event[1]" {
        /// IMPLEMENTATION DEFINED reason.
        REASON: u32, 32;
        _: 32;
    }

    /// A speculative page request.
    pub(crate) struct PageHint(u64) = "event[1]" {
        _: 33;
        /// Unprivileged execute.
        UX: bool, 1;
        /// Unprivileged write.
        UW: bool, 1;
        /// Unprivileged read.
        UR: bool, 1;
        _: 1;
        /// Privileged execute.
        PX: bool, 1;
        /// Privileged write.
        PW: bool, 1;
        /// Privileged read.
        PR: bool, 1;
        _: 4;
        /// Pages of 4 KiB.
        SPAN: u8, 8;
        _: 12;
    }

    /// An input address.
    pub(crate) struct InputAddress(u64) = "event[2]" {
        /// Address.
        INPUTADDR: u64, 64;
    }

    /// An input page.
    pub(crate) struct InputPage(u64) = "event[2]" {
        _: 12;
        /// Address.
        INPUTADDR: u64, 52;
    }

    /// The address of a fetch.
    pub(crate) struct FetchAddress(u64) = "event[3]" {
        _: 3;
        /// Address.
        FETCHADDR: u64, 53;
        _: 8;
    }

    /// An intermediate physical address.
    pub(crate) struct Ipa(u64) = "event[3]" {
        _: 12;
        /// Address.
        IPA: u64, 44;
        _: 8;
    }
}

/// The shapes of a record's four words: the fields of each.
#[must_use]
pub fn words_of(id: EventId) -> Option<[&'static [FieldInfo]; 4]> {
    macro_rules! shapes {
        ($a:ident, $b:ident, $c:ident, $d:ident) => {
            Some([$a::FIELDS, $b::FIELDS, $c::FIELDS, $d::FIELDS])
        };
    }
    match id {
        EventId::UnsupportedUpstream => shapes!(Who, Unsupported, InputAddress, Nothing),
        EventId::BadStreamId | EventId::BadSte | EventId::BadCd => shapes!(Who, Nothing, Nothing, Nothing),
        EventId::SteFetch | EventId::CdFetch | EventId::VmsFetch => {
            shapes!(Who, Fetch, Nothing, FetchAddress)
        }
        EventId::BadAtsRequest => shapes!(Who, AtsRequest, InputPage, Nothing),
        EventId::StreamDisabled => shapes!(WhoStream, Nothing, Nothing, Nothing),
        EventId::TranslationForbidden => shapes!(WhoStream, Direction, InputAddress, Nothing),
        EventId::BadSubstreamId => shapes!(WhoSubstream, Nothing, Nothing, Nothing),
        EventId::WalkExternalAbort => shapes!(Who, WalkAbort, InputAddress, FetchAddress),
        EventId::Translation | EventId::AddressSize | EventId::AccessFlag => {
            shapes!(Who, Fault, InputAddress, Ipa)
        }
        EventId::Permission => shapes!(Who, PermissionFault, InputAddress, Ipa),
        EventId::TlbConflict => shapes!(Who, TlbConflict, InputAddress, Ipa),
        EventId::ConfigConflict => shapes!(Who, ConfigConflict, Nothing, Nothing),
        EventId::PageRequest => shapes!(Who, PageHint, InputPage, Nothing),
        EventId::Unknown(_) => None,
    }
}
