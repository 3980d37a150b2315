//! Stream table entries (IHI 0070 5.2): [`Ste`] is the view, [`SteConfig`] the repr.

mod apply;
mod attributes;
mod decode;
mod display;
mod encode;
mod error;
mod guest;
mod intent;
mod options;
mod security;
mod used;
pub(crate) mod word;

pub use attributes::{Allocation, AttributeOverrides, Caching, MemoryType, Privilege, ReadKind};
pub use decode::{SteOddity, SteSummary};
pub use error::SteError;
pub use guest::{GuestSte, GuestSteError, GuestTranslation};
pub use options::{DptMatch, Overlay, PartitionOf, Stage1Options, Stage2Options, SteOptions};
pub use security::{IncomingSpace, PaSpace, RealmCaps, SecureCaps, SecureStage2, Security, SecurityOptions};
pub use word::ste_words;

use smmu_regs::addr::PhysAddr;
use smmu_regs::vmsa::Stage2Regime;
use smmu_regs::{Vmid, view};

view! {
    /// A stream table entry: eight words. Judges nothing.
    pub struct Ste([u64; 8]);
}

/// What a stream's transactions undergo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SteConfig {
    /// All of them abort, silently. The right entry for a device that nobody has attached.
    Abort,
    /// They pass untranslated.
    Bypass,
    /// Stage 1 alone.
    Stage1(Stage1Config),
    /// Stage 2 alone.
    Stage2(Stage2Config),
    /// Stage 1 as a guest configured it, on top of the host's stage 2.
    Nested {
        /// The guest's stage 1.
        guest: GuestTranslation,
        /// The host's stage 2.
        stage2: Stage2Config,
        /// The guest's CDs may ask for stalls. A guest that stalls can hold up others (3.12.2.3), and whoever lets it must
        /// be ready to answer `CMD_RESUME` for it; without it, `S1STALLD` refuses stalls where the SMMU could make them.
        may_stall: bool,
    },
}

/// Stage 1: where the CDs are and whose translations they make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stage1Config {
    /// The CD table.
    pub cd_table: CdTablePointer,
    /// Whose translations these are.
    pub world: StreamWorld,
    /// A CD may ask for stalls. Without it, and where the SMMU could do either, `S1STALLD` refuses them; an SMMU whose
    /// stall model is "forced" stalls all the same.
    pub may_stall: bool,
    /// ATS.
    pub ats: Ats,
}

/// A CD or a table of CDs (`S1ContextPtr`, `S1Fmt`, `S1CDMax`, `S1DSS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CdTablePointer {
    /// Address of the CD, of the table or of the level-1 table.
    pub base: PhysAddr,
    /// Shape.
    pub format: CdTableFormat,
    /// log2 of the number of CDs; 0 is a single CD and no substreams.
    pub cds_log2: u8,
    /// What becomes of transactions without a SubstreamID where there are substreams.
    pub without_substream: WithoutSubstream,
}

impl CdTablePointer {
    /// A single CD.
    #[must_use]
    pub const fn single(base: PhysAddr) -> Self {
        Self {
            base,
            format: CdTableFormat::Linear,
            cds_log2: 0,
            without_substream: WithoutSubstream::Terminate,
        }
    }
}

/// Shape of a CD table (`S1Fmt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CdTableFormat {
    /// One table.
    Linear = 0,
    /// Level-1 table, leaves of 64 CDs (4 KiB).
    TwoLevel4K = 1,
    /// Level-1 table, leaves of 1024 CDs (64 KiB).
    TwoLevel64K = 2,
}

/// What becomes of transactions without a SubstreamID where there are substreams (`S1DSS`). Without substreams (a single
/// CD) it is ignored, and they use the one CD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum WithoutSubstream {
    /// Terminated, with F_STREAM_DISABLED.
    Terminate = 0,
    /// They skip stage 1.
    Bypass = 1,
    /// They use CD 0, and SubstreamID 0 is refused.
    UseCd0 = 2,
}

/// Whose translations a stage-1 entry makes (`STRW`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamWorld {
    /// Of an operating system at EL1: tagged with ASID and VMID. Use a VMID that no stage-2 entry has.
    El1(Vmid),
    /// Of EL2, or of EL2-E2H if `CR2.E2H` is set: no VMID. Needs `IDR0.HYP` (in Secure state `S_IDR1.SEL2`).
    El2,
    /// Of EL3, of Secure streams only (see [`SteConfig::encode_for`]): neither VMID nor ASID.
    El3,
}

/// Stage 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stage2Config {
    /// The translation tables.
    pub regime: Stage2Regime,
    /// The tag of the translations.
    pub vmid: Vmid,
    /// What becomes of a transaction that faults.
    pub faults: FaultMode,
    /// ATS.
    pub ats: Ats,
    /// A stage-1 walk or CD fetch that stage 2 maps to device memory faults (`S2PTW`).
    pub protect_walks: bool,
}

/// What becomes of a transaction that faults at stage 2 (`S2S`, `S2R`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultMode {
    /// It aborts, unrecorded.
    TerminateSilently,
    /// It aborts and an event is recorded.
    Terminate,
    /// It waits for `CMD_RESUME`, and an event is recorded.
    Stall,
}

/// ATS of a stream (`EATS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ats {
    /// Refused.
    #[default]
    Disabled,
    /// Translation requests get physical addresses.
    Full,
    /// Translation requests get intermediate physical addresses, and stage 2 applies to translated traffic.
    SplitStage,
    /// As [`Ats::Full`], and translated traffic is checked by the Device Permission Table (3.24). Needs `CR0.ATSCHK`:
    /// without it ATS is refused.
    Checked(DptMatch),
}

impl Ats {
    /// The code of `EATS`.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::Full => 1,
            Self::SplitStage => 2,
            Self::Checked(_) => 3,
        }
    }
}
