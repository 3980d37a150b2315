//! Events: what the SMMU tells us (IHI 0070 7.3), and page requests (8.1).
//!
//! [`RawEvent`] is the view, [`Event`] the repr: [`EventKind`] has a variant for each type of record with its fields, says what
//! causes it and what to do. [`RawEvent::relocate`] says which records are a guest's.
//!
//! Most events tell of something that is over. Two kinds wait for an answer, and [`crate::fault`] pairs them with it: a
//! [`Fault`] that is stalled, and a [`PageRequest`].

mod display;
mod id;
mod page_request;
mod raw;
mod relocate;
mod word;

pub use id::EventId;
pub use page_request::{PageRequest, RawPageRequest, page_request_words};
pub use raw::RawEvent;
pub use relocate::{HostsEvent, Relocated};
pub use word::words_of;

use smmu_regs::addr::PhysAddr;
use smmu_regs::{StreamId, SubstreamId};

/// A decoded event record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Event {
    /// Which stream.
    pub stream: StreamId,
    /// Which substream, where the transaction had one.
    pub substream: Option<SubstreamId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened, and what to do about it.
///
/// A transaction raises one event at most, the first of: C_BAD_STREAMID, F_STE_FETCH, C_BAD_STE, F_VMS_FETCH (anywhere from
/// here on), C_BAD_SUBSTREAMID, F_STREAM_DISABLED, stage 2 faults of the CD's address, F_CD_FETCH, C_BAD_CD, faults of the
/// address itself (7.3.22). Only a [`Fault`] can stall; everything else has ended its transaction with an abort.
///
/// Records of terminated transactions may be lost when the queue is full, and equal ones may be merged into one (7.3.1):
/// nobody may count on one record for each transaction. Records of stalls are never lost nor merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// F_UUT (7.3.2): the transaction is of a kind that the SMMU does not support, an atomic that it cannot pass on, say.
    ///
    /// The device or the interconnect is to blame, not a table. May come while `SMMUEN` is 0.
    UnsupportedUpstream {
        /// IMPLEMENTATION DEFINED.
        reason: u16,
        /// The transaction, before the STE's overrides.
        access: Access,
    },
    /// C_BAD_STREAMID (7.3.3): outside the stream table, or its level-1 descriptor is invalid.
    ///
    /// Recorded only with `CR2.RECINVSID`. A device that nobody attached: make its stream's entry, or switch it off.
    BadStreamId,
    /// F_STE_FETCH (7.3.4): the STE or its level-1 descriptor could not be read. The table's address is wrong, or its memory
    /// is.
    SteFetch(Fetch),
    /// C_BAD_STE (7.3.5): the STE is invalid (`V` is 0) or ILLEGAL for this SMMU.
    ///
    /// With entries encoded for the capabilities: a stream that nobody attached, or an STE that was changed without
    /// `CMD_CFGI_STE`.
    BadSte,
    /// F_BAD_ATS_TREQ (7.3.6): an ATS translation request that the stream may not make; it was answered with Unsupported
    /// Request. ATS is on in the device and off in its STE, or `SMMUEN` is 0.
    BadAtsRequest(AtsRequest),
    /// F_STREAM_DISABLED (7.3.7): stage 1 has substreams, and `STE.S1DSS` refuses transactions without one, or those of
    /// substream 0.
    StreamDisabled,
    /// F_TRANSL_FORBIDDEN (7.3.8): a transaction that calls itself translated, of a stream that may not make such (`EATS`
    /// is 0, or `SMMUEN` is 0). It is a device's attempt to get past translation: isolate it.
    TranslationForbidden {
        /// The address, which is no input address but what the device claims to be an output.
        input: u64,
        /// A read.
        read: bool,
    },
    /// C_BAD_SUBSTREAMID (7.3.9): no CD can have this number, stage 1 is off, or the level-1 descriptor of the CD table is
    /// invalid. The device uses a PASID that nobody gave it.
    BadSubstreamId,
    /// F_CD_FETCH (7.3.10): the CD or its level-1 descriptor could not be read.
    CdFetch(Fetch),
    /// C_BAD_CD (7.3.11): the CD is invalid (`V` is 0) or ILLEGAL for this SMMU. The device uses a PASID that is not bound,
    /// or no longer.
    BadCd,
    /// F_WALK_EABT (7.3.12): a translation table could not be read or updated. A table's address is wrong, or its memory
    /// was taken away too early.
    WalkExternalAbort {
        /// The transaction.
        access: Access,
        /// What was translated when a table of stage 2 failed; [`Class::Table`] for stage 1.
        class: Class,
        /// The walk was of stage 2.
        stage2: bool,
        /// What was being fetched.
        fetch: Fetch,
    },
    /// F_TRANSLATION, F_ADDR_SIZE, F_ACCESS, F_PERMISSION (7.3.13 to 7.3.16): the address has no translation that permits
    /// the transaction.
    ///
    /// If it is stalled, it waits: give the event to [`Stalls`](crate::fault::Stalls), which pairs it with its one answer.
    Fault(Fault),
    /// F_TLB_CONFLICT (7.3.17): the TLB holds contradicting translations. Somebody changed a table without
    /// break-before-make; invalidate all of it.
    TlbConflict {
        /// IMPLEMENTATION DEFINED.
        reason: u32,
        /// The transaction.
        access: Access,
        /// IPA, if the conflict is of stage 2.
        ipa: Option<PhysAddr>,
    },
    /// F_CFG_CONFLICT (7.3.18): the configuration cache holds contradicting entries. Spans of level-1 descriptors or
    /// `STE.CONT` disagree; invalidate all configuration.
    ConfigConflict {
        /// IMPLEMENTATION DEFINED.
        reason: u32,
    },
    /// E_PAGE_REQUEST (7.3.19): a hint of a device that pages will be needed. No answer is due, and it may be ignored.
    PageRequest(PageHint),
    /// F_VMS_FETCH (7.3.20): the VMS of the stream's VM could not be read.
    VmsFetch(Fetch),
    /// A record type that is not known here: reserved, or IMPLEMENTATION DEFINED (0xe0 to 0xef). Not to be taken as fatal
    /// (7.3.21).
    Unknown {
        /// Its number.
        id: u8,
        /// All of it.
        record: RawEvent,
    },
}

/// A transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// Input address, as it came in.
    pub input: u64,
    /// A read.
    pub read: bool,
    /// An instruction fetch.
    pub instruction: bool,
    /// Privileged.
    pub privileged: bool,
}

/// A fetch that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fetch {
    /// Physical address.
    pub address: PhysAddr,
    /// IMPLEMENTATION DEFINED.
    pub reason: u16,
    /// A granule protection check refused it.
    pub granule_protection: bool,
}

/// An ATS translation request that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AtsRequest {
    /// Input address, 4 KiB aligned.
    pub input: u64,
    /// How many translation units of the device (STU) it asks for.
    pub span: u8,
    /// What it asks for, before the STE's overrides.
    pub permissions: Permissions,
    /// It asks as a privileged requester.
    pub privileged: bool,
}

/// Pages that a device will use soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageHint {
    /// First address, 4 KiB aligned.
    pub input: u64,
    /// How many pages of 4 KiB.
    pub pages: u8,
    /// For privileged accesses.
    pub privileged: Permissions,
    /// For unprivileged accesses.
    pub unprivileged: Permissions,
}

/// Kinds of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions {
    /// Reads.
    pub read: bool,
    /// Writes.
    pub write: bool,
    /// Instruction fetches.
    pub execute: bool,
}

/// A fault of translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Which.
    pub kind: FaultKind,
    /// The transaction.
    pub access: Access,
    /// Where: at the input address, at a table or at a CD.
    pub class: Class,
    /// IPA, if the fault is of stage 2: of what `class` names.
    pub ipa: Option<PhysAddr>,
    /// Stall tag, if the transaction waits for `CMD_RESUME`.
    pub stalled: Option<u16>,
    /// Why it is not permitted; only F_PERMISSION says.
    pub refusal: Option<Refusal>,
    /// IMPLEMENTATION DEFINED.
    pub implementation_defined: u16,
}

/// Which fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// No translation.
    Translation,
    /// An address beyond its size.
    AddressSize,
    /// The Access flag is clear.
    AccessFlag,
    /// Not permitted.
    Permission,
}

/// Why an access is not permitted, beyond the permissions themselves (7.3.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// At [`Class::Table`], where stage 2 refused an access to a table of stage 1: whether it was a read.
    pub table_read: Option<bool>,
    /// The page is clean, and hardware may not make it dirty (3.4).
    pub dirty: bool,
    /// The AssuredOnly check of stage 2 (3.4).
    pub assured_only: bool,
    /// The overlay of stage 2 (3.4).
    pub overlay: bool,
}

/// What was being accessed when a fault happened (`CLASS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A CD (stage 2 of its address).
    Cd,
    /// A stage-1 translation table (stage 2 of its address).
    Table,
    /// The input address itself.
    Input,
    /// Reserved.
    Reserved,
}
