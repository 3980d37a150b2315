//! Commands: what we tell the SMMU (IHI 0070 chapter 4).
//!
//! [`Command`] is the repr, [`RawCommand`] the view: two little-endian words.

mod decode;
mod display;
mod encode;
mod error;
mod opcode;
mod operand;
pub(crate) mod word;

pub(crate) use encode::{stream_id, vmid_of};
pub use error::{CommandError, DecodeError};
pub use opcode::Opcode;
pub use operand::{AtcSpan, AtcSpanError, OperandError, TlbiOperand, TlbiRange};
pub use word::{words_of, words_of_cfgi_all};

use smmu_regs::addr::PhysAddr;
use smmu_regs::{Asid, StreamId, SubstreamId, Vmid, view};

view! {
    /// A command as the queue holds it. Judges nothing.
    pub struct RawCommand([u64; 2]);
}

impl RawCommand {
    /// The opcode.
    #[inline]
    #[must_use]
    pub fn opcode(&self) -> Opcode {
        let [low, _] = self.words();
        Opcode::from((low & 0xff) as u8)
    }
}

/// A command of the non-secure queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// Hint: fetch a stream's configuration (4.2.1).
    PrefetchConfig {
        /// Stream.
        stream: StreamId,
        /// Substream.
        substream: Option<SubstreamId>,
    },
    /// Forget an STE and what was reached through it; also the L1 descriptor unless `leaf` (4.3.1).
    CfgiSte {
        /// Stream.
        stream: StreamId,
        /// Leave level-1 descriptors.
        leaf: bool,
    },
    /// Forget the STEs of `2^(range_log2)` aligned streams, and their L1 descriptors (4.3.2).
    CfgiSteRange {
        /// Any stream of the span.
        stream: StreamId,
        /// log2 of the streams, 1 to 31.
        range_log2: u8,
    },
    /// Forget all configuration (4.3.6).
    CfgiAll,
    /// Forget a CD; also the L1 descriptor unless `leaf` (4.3.3).
    CfgiCd {
        /// Stream.
        stream: StreamId,
        /// Index of the CD.
        substream: SubstreamId,
        /// Leave level-1 descriptors.
        leaf: bool,
    },
    /// Forget all CDs of a stream (4.3.4).
    CfgiCdAll {
        /// Stream.
        stream: StreamId,
    },
    /// All stage-1 EL1 translations of a VMID (4.4.2).
    TlbiNhAll {
        /// VMID.
        vmid: Vmid,
    },
    /// All non-global stage-1 EL1 translations of an ASID (4.4.2).
    TlbiNhAsid {
        /// VMID.
        vmid: Vmid,
        /// ASID.
        asid: Asid,
    },
    /// Stage-1 EL1 translations by address and ASID (4.4.2).
    TlbiNhVa {
        /// VMID.
        vmid: Vmid,
        /// ASID.
        asid: Asid,
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// Stage-1 EL1 translations by address, any ASID (4.4.2).
    TlbiNhVaa {
        /// VMID.
        vmid: Vmid,
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// All EL2 or EL2-E2H translations (4.4.2).
    TlbiEl2All,
    /// EL2-E2H translations of an ASID (4.4.2).
    TlbiEl2Asid {
        /// ASID.
        asid: Asid,
    },
    /// EL2 or EL2-E2H translations by address and ASID (4.4.2).
    TlbiEl2Va {
        /// ASID; 0 without E2H.
        asid: Asid,
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// EL2-E2H translations by address, any ASID (4.4.2).
    TlbiEl2Vaa {
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// All stage-1 and stage-2 translations of a VMID (4.4.3).
    TlbiS12Vmall {
        /// VMID.
        vmid: Vmid,
    },
    /// Stage-2 translations by IPA; entries that combine both stages stay (4.4.3).
    TlbiS2Ipa {
        /// VMID.
        vmid: Vmid,
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// All non-secure EL1 translations (4.4.4).
    TlbiNsnhAll,
    /// An endpoint's address translation cache (4.5.1). Only after the TLB invalidation has completed.
    AtcInv {
        /// Stream.
        stream: StreamId,
        /// Substream; `None` covers translations without PASID (and see `global`).
        substream: Option<SubstreamId>,
        /// All PASIDs.
        global: bool,
        /// Which addresses.
        span: AtcSpan,
    },
    /// Answer to a page request group (4.5.2).
    PriResp {
        /// Stream.
        stream: StreamId,
        /// Substream.
        substream: Option<SubstreamId>,
        /// Page request group index, 9 bits.
        group: u16,
        /// The answer.
        response: PriResponse,
    },
    /// Decides the fate of a stalled transaction (4.6.1).
    Resume {
        /// Stream.
        stream: StreamId,
        /// Stall tag of the event.
        stag: u16,
        /// Its fate.
        action: ResumeAction,
    },
    /// Terminates all stalled transactions of a stream (4.6.2).
    StallTerm {
        /// Stream.
        stream: StreamId,
    },
    /// Completes when everything before it has (4.7.3).
    Sync(Sync),
}

/// What answers a page request group (IHI 0070 4.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PriResponse {
    /// The request is refused and page requests are to be disabled (PCIe "Response Failure").
    Failure = 0,
    /// A page could not be made accessible (PCIe "Invalid Request").
    Invalid = 1,
    /// All pages are accessible.
    Success = 2,
}

/// What becomes of a stalled transaction (IHI 0070 4.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResumeAction {
    /// Terminated: reads as zero, writes ignored (an abort where the SMMU can only abort).
    Terminate,
    /// Translated again.
    Retry,
    /// Terminated with an abort.
    Abort,
}

/// Operands of `CMD_SYNC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sync {
    /// How completion is signalled, besides the queue's CONS.
    pub signal: SyncSignal,
    /// Shareability of the MSI write, a 2-bit code as in STEs.
    pub msi_shareability: u8,
    /// Memory attributes of the MSI write, coded as `STE.MemAttr`.
    pub msi_attributes: u8,
}

impl Sync {
    /// Attributes of an MSI to ordinary memory: inner shareable, write-back.
    #[must_use]
    pub const fn new(signal: SyncSignal) -> Self {
        Self { signal, msi_shareability: 3, msi_attributes: 0xf }
    }
}

/// How the completion of a `CMD_SYNC` is signalled (`CS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncSignal {
    /// Not at all: CONS is polled.
    None,
    /// By interrupt; also by a write of `data` to `address` if that is not 0.
    Interrupt {
        /// Where the MSI goes; 0 for none.
        address: PhysAddr,
        /// What it writes.
        data: u32,
    },
    /// By an event that wakes `WFE`.
    Event,
}
