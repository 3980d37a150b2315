//! The repr of commands: what can be said, and nothing else.

use super::{AtcSpan, DptRegion, PrefetchSpan, Sync, TlbiOperand};
use smmu_regs::{Asid, StreamId, SubstreamId, Vmid};

/// A command.
///
/// Which queue takes which commands, and what they act on there, is said with each variant where it matters; the
/// [module](super) says in which order commands must be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// Hint: fetch a stream's configuration (4.2.1). Nothing need be fetched, nothing is reported, nothing waits for it.
    PrefetchConfig {
        /// Stream.
        stream: StreamId,
        /// Substream.
        substream: Option<SubstreamId>,
    },
    /// Hint: fetch translations of a stream (4.2.2). As [`Command::PrefetchConfig`]; addresses that fault are passed over. Where
    /// hardware updates descriptors, it does so as for a speculative read.
    PrefetchAddr {
        /// Stream.
        stream: StreamId,
        /// Substream.
        substream: Option<SubstreamId>,
        /// Which addresses.
        span: PrefetchSpan,
        /// For a Secure stream that bypasses stage 1: the addresses are in its Non-secure IPA space. Elsewhere `false`.
        ns: bool,
    },
    /// Forget an STE and what was reached through it: CDs, their L1 descriptors, VMS data (4.3.1). Unless `leaf`, also the
    /// stream table's L1 descriptor: needed only when that changed. TLBs keep what they have: invalidate them afterwards.
    CfgiSte {
        /// Stream.
        stream: StreamId,
        /// Leave level-1 descriptors.
        leaf: bool,
    },
    /// Forget the STEs of `2^(range_log2)` aligned streams, and their L1 descriptors (4.3.2): after a large part of the
    /// stream table changed.
    CfgiSteRange {
        /// Any stream of the span.
        stream: StreamId,
        /// log2 of the streams, 1 to 31.
        range_log2: u8,
    },
    /// Forget all configuration of the Security state (4.3.6). Where TLBs are to forget too, send it first and wait: TLB
    /// entries could otherwise be made of the configuration that is about to go.
    CfgiAll,
    /// Forget a CD; also the L1 descriptor unless `leaf` (4.3.3). Once for each stream that shares the CD. Its ASID's
    /// translations stay.
    CfgiCd {
        /// Stream.
        stream: StreamId,
        /// Index of the CD; 0 for a stream's only CD.
        substream: SubstreamId,
        /// Leave level-1 descriptors.
        leaf: bool,
    },
    /// Forget all CDs of a stream, and their L1 descriptors (4.3.4).
    CfgiCdAll {
        /// Stream.
        stream: StreamId,
    },
    /// Forget PARTID maps that are cached by VMID (4.3.5). After a VMS changed: this, `CMD_SYNC`, then
    /// [`Command::CfgiSte`] for each stream that uses the VMS, `CMD_SYNC`: both caches may hold it.
    CfgiVmsPidm {
        /// `STE.S2VMID` of the streams that use the VMS.
        vmid: Vmid,
    },
    /// All stage-1 EL1 translations of a VMID, global ones too (4.4.2.1). `NH` commands act on the Security state of their
    /// queue: on the Secure queue on Secure translations, with a VMID only where there is Secure stage 2.
    TlbiNhAll {
        /// VMID.
        vmid: Vmid,
    },
    /// All non-global stage-1 EL1 translations of an ASID (4.4.2.2).
    TlbiNhAsid {
        /// VMID.
        vmid: Vmid,
        /// ASID.
        asid: Asid,
    },
    /// Stage-1 EL1 translations by address and ASID, and global ones by address (4.4.2.4).
    TlbiNhVa {
        /// VMID.
        vmid: Vmid,
        /// ASID.
        asid: Asid,
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// Stage-1 EL1 translations by address, any ASID, global ones too (4.4.2.3).
    TlbiNhVaa {
        /// VMID.
        vmid: Vmid,
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// All EL3 translations (4.4.2.5). Secure queue only, and not with RME.
    TlbiEl3All,
    /// EL3 translations by address (4.4.2.6). Secure queue only, and not with RME.
    TlbiEl3Va {
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// All EL2 and EL2-E2H translations (4.4.2.7). `EL2` commands act on Non-secure EL2, on the Realm queue on Realm EL2; those
    /// by address on EL2-E2H if `CR2.E2H` is 1, on EL2 if it is 0, and on nothing for sure while `CR2.E2H` is being changed.
    TlbiEl2All,
    /// Non-global EL2-E2H translations of an ASID (4.4.2.10).
    TlbiEl2Asid {
        /// ASID.
        asid: Asid,
    },
    /// EL2 or EL2-E2H translations by address and ASID, and global ones by address (4.4.2.8).
    TlbiEl2Va {
        /// ASID; 0 without E2H.
        asid: Asid,
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// EL2 or EL2-E2H translations by address, any ASID, global ones too (4.4.2.9).
    TlbiEl2Vaa {
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// All stage-1, stage-2 and combined translations of a VMID (4.4.3.2): Non-secure ones, on the Realm queue Realm ones.
    TlbiS12Vmall {
        /// VMID.
        vmid: Vmid,
    },
    /// Stage-2 translations by IPA (4.4.3.1): Non-secure ones, on the Realm queue Realm ones. Entries that combine both
    /// stages stay: where streams are nested, [`Command::TlbiNhAll`] must follow, after a `CMD_SYNC`.
    TlbiS2Ipa {
        /// VMID.
        vmid: Vmid,
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// All Non-secure translations but those of EL2, of any stage (4.4.4.1); on the Realm queue, all Realm ones but EL2's.
    TlbiNsnhAll,
    /// [`Command::TlbiEl2All`] for Secure EL2 (4.4.2.11). Secure queue only.
    TlbiSEl2All,
    /// [`Command::TlbiEl2Asid`] for Secure EL2 (4.4.2.14). Secure queue only.
    TlbiSEl2Asid {
        /// ASID.
        asid: Asid,
    },
    /// [`Command::TlbiEl2Va`] for Secure EL2, by `S_CR2.E2H` (4.4.2.12). Secure queue only.
    TlbiSEl2Va {
        /// ASID; 0 without E2H.
        asid: Asid,
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// [`Command::TlbiEl2Vaa`] for Secure EL2, by `S_CR2.E2H` (4.4.2.13). Secure queue only.
    TlbiSEl2Vaa {
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// [`Command::TlbiS12Vmall`] for Secure translations (4.4.3.4). Secure queue only.
    TlbiSS12Vmall {
        /// Secure VMID.
        vmid: Vmid,
    },
    /// [`Command::TlbiS2Ipa`] for Secure streams, by address of their Secure IPA space (4.4.3.3). Secure queue only.
    ///
    /// Its NS operand is 0: the text that these crates stand on names NS but no readable figure says where it is. To
    /// invalidate the Non-secure IPA space of a Secure stream, send [`Command::TlbiSS12Vmall`].
    TlbiSS2Ipa {
        /// Secure VMID.
        vmid: Vmid,
        /// Which addresses.
        operand: TlbiOperand,
    },
    /// All Secure translations but those of EL2, of any stage (4.4.4.2). Secure queue only.
    TlbiSnhAll,
    /// An endpoint's address translation cache (4.5.1). Only after the TLB invalidation has completed: the endpoint could
    /// otherwise fetch the stale translation again. An endpoint's timeout stops the queue at the next `CMD_SYNC`.
    AtcInv {
        /// Stream.
        stream: StreamId,
        /// Substream; `None` covers translations without PASID (and see `global`).
        substream: Option<SubstreamId>,
        /// All PASIDs; only with a substream, where the endpoint is told so.
        global: bool,
        /// Which addresses.
        span: AtcSpan,
    },
    /// Answer to a page request group (4.5.2), to the last request of it. No `CMD_SYNC` says that it has arrived.
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
    /// Decides the fate of a stalled transaction (4.7.1): once for each stall event, with its own StreamID and STAG. Takes
    /// effect when it is consumed. Not on the Realm queue.
    Resume {
        /// Stream.
        stream: StreamId,
        /// Stall tag of the event.
        stag: u16,
        /// Its fate.
        action: ResumeAction,
    },
    /// Terminates all stalled transactions of a stream (4.7.2): only after its STE aborts new ones, and that is synced. Not
    /// on the Realm queue.
    StallTerm {
        /// Stream.
        stream: StreamId,
    },
    /// Forget all Device Permission Table information (4.6.1): Non-secure, on the Realm queue Realm.
    DptiAll,
    /// Forget Device Permission Table information of physical addresses (4.6.2).
    DptiPa {
        /// Which addresses.
        region: DptRegion,
        /// Leave information of levels above the last.
        leaf: bool,
    },
    /// Completes when everything before it has: invalidations, and transactions that used what was invalidated (4.7.3).
    /// Commands after it wait for it.
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

/// What becomes of a stalled transaction (IHI 0070 4.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResumeAction {
    /// Terminated: reads as zero, writes ignored (an abort where the SMMU can only abort).
    Terminate,
    /// Translated again.
    Retry,
    /// Terminated with an abort.
    Abort,
}
