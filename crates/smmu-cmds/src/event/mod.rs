//! Events: what the SMMU tells us (IHI 0070 7.3), and page requests (8.1).
//!
//! [`RawEvent`] is the view, [`Event`] the repr. [`RawEvent::relocate`] says which records are a guest's.

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

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// F_UUT: the transaction is of a kind that the SMMU does not support.
    UnsupportedUpstream {
        /// IMPLEMENTATION DEFINED.
        reason: u16,
        /// The transaction.
        access: Access,
    },
    /// C_BAD_STREAMID: outside the stream table.
    BadStreamId,
    /// F_STE_FETCH: the STE or L1 descriptor could not be read.
    SteFetch(Fetch),
    /// C_BAD_STE: the STE is invalid or illegal.
    BadSte,
    /// F_BAD_ATS_TREQ: an ATS translation request that is not allowed.
    BadAtsRequest {
        /// Input address.
        input: u64,
    },
    /// F_STREAM_DISABLED: `S1DSS` refuses this traffic.
    StreamDisabled,
    /// F_TRANSL_FORBIDDEN: translated traffic that is not allowed.
    TranslationForbidden {
        /// Input address.
        input: u64,
        /// A read.
        read: bool,
    },
    /// C_BAD_SUBSTREAMID: outside the CD table.
    BadSubstreamId,
    /// F_CD_FETCH: the CD or L1 descriptor could not be read.
    CdFetch(Fetch),
    /// C_BAD_CD: the CD is invalid or illegal.
    BadCd,
    /// F_WALK_EABT: a translation table could not be read.
    WalkExternalAbort {
        /// The transaction.
        access: Access,
        /// Where the walk was.
        class: Class,
        /// The walk was of stage 2.
        stage2: bool,
        /// What was being fetched.
        fetch: Fetch,
    },
    /// F_TRANSLATION, F_ADDR_SIZE, F_ACCESS, F_PERMISSION.
    Fault(Fault),
    /// F_TLB_CONFLICT.
    TlbConflict {
        /// IMPLEMENTATION DEFINED.
        reason: u32,
        /// The transaction.
        access: Access,
        /// IPA, if the conflict is of stage 2.
        ipa: Option<PhysAddr>,
    },
    /// F_CFG_CONFLICT.
    ConfigConflict {
        /// IMPLEMENTATION DEFINED.
        reason: u32,
    },
    /// E_PAGE_REQUEST: a hint that a page will be needed.
    PageRequest {
        /// Input address, 4 KiB aligned.
        input: u64,
        /// log2 of the pages.
        span: u8,
    },
    /// F_VMS_FETCH: the VMS could not be read.
    VmsFetch(Fetch),
    /// A record type that is not known here.
    Unknown {
        /// Its number.
        id: u8,
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

/// A fault of translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Which.
    pub kind: FaultKind,
    /// The transaction.
    pub access: Access,
    /// Where: at the input address, at a table or at a CD.
    pub class: Class,
    /// IPA, if the fault is of stage 2.
    pub ipa: Option<PhysAddr>,
    /// Stall tag, if the transaction waits for `CMD_RESUME`.
    pub stalled: Option<u16>,
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
