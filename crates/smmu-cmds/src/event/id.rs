//! Event record types (IHI 0070 7.3).

use super::{EventKind, FaultKind};
use core::fmt;
use num_enum::{FromPrimitive, IntoPrimitive};

/// The type of an event record. Open: an unknown one is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromPrimitive, IntoPrimitive)]
#[repr(u8)]
#[allow(missing_docs)] // `name` gives the architecture's names
pub enum EventId {
    UnsupportedUpstream = 0x01,
    BadStreamId = 0x02,
    SteFetch = 0x03,
    BadSte = 0x04,
    BadAtsRequest = 0x05,
    StreamDisabled = 0x06,
    TranslationForbidden = 0x07,
    BadSubstreamId = 0x08,
    CdFetch = 0x09,
    BadCd = 0x0a,
    WalkExternalAbort = 0x0b,
    Translation = 0x10,
    AddressSize = 0x11,
    AccessFlag = 0x12,
    Permission = 0x13,
    TlbConflict = 0x20,
    ConfigConflict = 0x21,
    PageRequest = 0x24,
    VmsFetch = 0x25,
    #[num_enum(catch_all)]
    Unknown(u8),
}

impl EventId {
    /// All that are known.
    pub const ALL: [Self; 19] = [
        Self::UnsupportedUpstream,
        Self::BadStreamId,
        Self::SteFetch,
        Self::BadSte,
        Self::BadAtsRequest,
        Self::StreamDisabled,
        Self::TranslationForbidden,
        Self::BadSubstreamId,
        Self::CdFetch,
        Self::BadCd,
        Self::WalkExternalAbort,
        Self::Translation,
        Self::AddressSize,
        Self::AccessFlag,
        Self::Permission,
        Self::TlbConflict,
        Self::ConfigConflict,
        Self::PageRequest,
        Self::VmsFetch,
    ];

    /// The architecture's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnsupportedUpstream => "F_UUT",
            Self::BadStreamId => "C_BAD_STREAMID",
            Self::SteFetch => "F_STE_FETCH",
            Self::BadSte => "C_BAD_STE",
            Self::BadAtsRequest => "F_BAD_ATS_TREQ",
            Self::StreamDisabled => "F_STREAM_DISABLED",
            Self::TranslationForbidden => "F_TRANSL_FORBIDDEN",
            Self::BadSubstreamId => "C_BAD_SUBSTREAMID",
            Self::CdFetch => "F_CD_FETCH",
            Self::BadCd => "C_BAD_CD",
            Self::WalkExternalAbort => "F_WALK_EABT",
            Self::Translation => "F_TRANSLATION",
            Self::AddressSize => "F_ADDR_SIZE",
            Self::AccessFlag => "F_ACCESS",
            Self::Permission => "F_PERMISSION",
            Self::TlbConflict => "F_TLB_CONFLICT",
            Self::ConfigConflict => "F_CFG_CONFLICT",
            Self::PageRequest => "E_PAGE_REQUEST",
            Self::VmsFetch => "F_VMS_FETCH",
            Self::Unknown(_) => "unknown event",
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => write!(f, "unknown event {id:#04x}"),
            known => f.write_str(known.name()),
        }
    }
}

impl EventKind {
    /// The number of such an event.
    #[must_use]
    pub const fn id(&self) -> EventId {
        match self {
            Self::UnsupportedUpstream { .. } => EventId::UnsupportedUpstream,
            Self::BadStreamId => EventId::BadStreamId,
            Self::SteFetch(_) => EventId::SteFetch,
            Self::BadSte => EventId::BadSte,
            Self::BadAtsRequest(_) => EventId::BadAtsRequest,
            Self::StreamDisabled => EventId::StreamDisabled,
            Self::TranslationForbidden { .. } => EventId::TranslationForbidden,
            Self::BadSubstreamId => EventId::BadSubstreamId,
            Self::CdFetch(_) => EventId::CdFetch,
            Self::BadCd => EventId::BadCd,
            Self::WalkExternalAbort { .. } => EventId::WalkExternalAbort,
            Self::Fault(fault) => match fault.kind {
                FaultKind::Translation => EventId::Translation,
                FaultKind::AddressSize => EventId::AddressSize,
                FaultKind::AccessFlag => EventId::AccessFlag,
                FaultKind::Permission => EventId::Permission,
            },
            Self::TlbConflict { .. } => EventId::TlbConflict,
            Self::ConfigConflict { .. } => EventId::ConfigConflict,
            Self::PageRequest(_) => EventId::PageRequest,
            Self::VmsFetch(_) => EventId::VmsFetch,
            Self::Unknown { id, .. } => EventId::Unknown(*id),
        }
    }
}
