//! Context descriptors (IHI 0070 5.4): [`Cd`] is the view, [`CdConfig`] the repr.

mod apply;
mod decode;
mod display;
mod encode;
mod error;
mod options;
mod reach;
mod sva;
mod used;
pub(crate) mod word;

pub use decode::CdSummary;
pub use error::CdError;
pub use options::{BasePermission, CdOptions, CdWorld, HalfOptions, PermissionIndirection, Termination};
pub use sva::{CpuMemory, CpuTraits, SvaMismatch, sva_compatible};
pub use word::cd_words;

use smmu_regs::vmsa::Stage1Regime;
use smmu_regs::{Asid, view};

view! {
    /// A context descriptor: eight words. Judges nothing.
    pub struct Cd([u64; 8]);
}

/// A stage-1 address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CdConfig {
    /// The translation tables; a regime without any is an address space that faults everywhere.
    pub regime: Stage1Regime,
    /// The tag of the translations.
    pub asid: Asid,
    /// What becomes of a transaction that faults.
    pub faults: CdFaultMode,
    /// The ASID is the SMMU's own: broadcast TLB maintenance of the PEs does not concern it (`ASET`).
    pub private_asid: bool,
}

/// What becomes of a transaction that faults at stage 1 (`S`, `R`, `A`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CdFaultMode {
    /// It aborts, unrecorded.
    TerminateSilently,
    /// It aborts and an event is recorded.
    Terminate,
    /// It waits for `CMD_RESUME`, and an event is recorded. The STE must allow it (`may_stall`), or the CD is illegal (5.5).
    Stall,
    /// As [`CdFaultMode::Stall`], without the record that a stall makes anyway (`R` = 0).
    StallOnly,
}
