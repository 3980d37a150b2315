//! Capabilities: the ID registers, firmware's hints and the errata table turned into one value.
//!
//! Nobody else looks at ID registers. [`Caps::probe`] is a pure function; every encoder and planner takes the result.
//!
//! # From registers to capabilities
//!
//! 1. [`IdRegisters`] are read, [`Hints`] collected: coherency and `HTTU` as firmware gives them, the model that firmware names,
//!    whether the host runs with E2H, whether 128-bit stores are seen whole.
//! 2. [`Caps::probe`] reads each field. A reserved value gets its safe reading; a feature that cannot be without another
//!    that is not there is taken as absent; both are [`Oddity`]s. What no driver here can work with is a [`ProbeError`].
//! 3. [`ERRATA`] are applied: features that must not be used go, and with them what depends on them; what software must do
//!    differently is in [`Caps::quirks`].
//!
//! [`Caps::probe_strict`] makes an oddity an error. A disagreement between `AIDR` and the fields is neither: see
//! [`Caps::version_gaps`].
//!
//! # What to do with them
//!
//! - [`Caps::has`] and [`Caps::must`] ask for a [`Feature`] and a [`Quirk`]; each one's page says what it allows or asks, and where
//!   it is read from.
//! - [`Caps::satisfies`] and [`Caps::missing`] hold them against [`Requirements`], with reasons.
//! - [`Caps::intersect`] is for what several SMMUs share, [`Caps::narrow`] hides something.
//! - [`Caps::to_guest_id_registers`] makes ID registers for a guest.
//! - `Display` prints a table.
//!
//! # What each field decides
//!
//! | field | from | decides |
//! |---|---|---|
//! | [`oas`](Caps::oas) | `IDR5.OAS` | highest physical address: tables, queues, `CD.IPS`, `STE.S2PS` |
//! | [`stage1_input_bits`](Caps::stage1_input_bits) | `IDR5.VAX` | least `CD.T0SZ`, with a granule that can (`64K`, or `DS`) |
//! | [`stage2_input_bits`](Caps::stage2_input_bits) | `IDR5.OAS`, `IDR0.TTF` | IPA size: least `STE.S2T0SZ`; stage-1 output sizes |
//! | [`granules`](Caps::granules) | `IDR5.GRAN*` | `CD.TG0`, `CD.TG1`, `STE.S2TG`, and `TG` of range invalidations |
//! | [`asid_bits`](Caps::asid_bits), [`vmid_bits`](Caps::vmid_bits) | `IDR0.ASID16`, `VMID16` | how many address spaces and machines can be told apart |
//! | [`stream_id_bits`](Caps::stream_id_bits) | `IDR1.SIDSIZE` | size of the stream table |
//! | [`substream_id_bits`](Caps::substream_id_bits) | `IDR1.SSIDSIZE` | most `STE.S1CDMax`; 0: no PASIDs |
//! | queue limits | `IDR1.CMDQS`, `EVENTQS`, `PRIQS` | most entries of each queue |
//! | [`ecmdq`](Caps::ecmdq) | `IDR6` | number of enhanced command queues |
//! | [`stall_model`](Caps::stall_model), [`stall_max`](Caps::stall_max) | `IDR0.STALL_MODEL`, `IDR5.STALL_MAX` | `CD.S`, `STE.S2S`; least size of the event queue that no stall overflows |
//! | [`bbm`](Caps::bbm) | `IDR3.BBML` | whether a block can be split or joined while in use |
//! | [`httu`](Caps::httu) | `IDR0.HTTU`, or firmware | `CD.HA`, `HD`, `HAFT`, `STE.S2HA`, `S2HD`, `S2HAFT`: dirty logging without faults |
//! | [`table_endianness`](Caps::table_endianness) | `IDR0.TTENDIAN` | `CD.ENDI`, `STE.S2ENDI` |

mod bitmap;
mod display;
mod errata;
mod error;
mod feature;
mod guest;
mod hints;
mod ids;
mod intersect;
mod narrow;
mod need;
mod probe;
mod quirk;
mod rules;
#[cfg(feature = "serde")]
mod serial;
mod version;

pub use errata::{ERRATA, Erratum, Match, Revisions};
pub use error::{Oddities, Oddity, ProbeError};
pub use feature::{Feature, Features};
pub use guest::GuestError;
pub use hints::{FirmwareModel, Hints};
pub use ids::IdRegisters;
pub use intersect::NothingShared;
pub use narrow::{Narrow, NarrowError};
pub use need::{CpuTables, Missing, Quantity, Requirements};
pub use quirk::{Quirk, Quirks};
pub use version::VersionGap;

use self::errata::ErrataSet;
use crate::addr::AddressSize;
use crate::vmsa::Granule;
use crate::vmsa::{GranuleSet, HardwareUpdate};

/// How the SMMU behaves when a transaction faults (`IDR0.STALL_MODEL`, IHI 0070 3.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum StallModel {
    /// Software chooses per stream between stall and terminate.
    Supported,
    /// Faults always terminate.
    TerminateOnly,
    /// Faults always stall.
    Forced,
}

/// What changes of live translation tables the SMMU tolerates (`IDR3.BBML`, IHI 0070 3.21.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BbmLevel {
    /// Break-before-make for every change of block size.
    Level0,
    /// The `nT` bit spares the break.
    Level1,
    /// No break needed; TLB conflicts are resolved by the SMMU.
    Level2,
}

/// Endianness of translation tables that the SMMU can walk (`IDR0.TTENDIAN`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TableEndianness {
    /// Either, chosen per table.
    Mixed,
    /// Little-endian only.
    Little,
    /// Big-endian only. These crates write little-endian tables, so [`Caps::probe`] refuses such an SMMU.
    Big,
}

/// Enhanced command queues: how many, and how they are laid out (`IDR6`, IHI 0070 3.5.6, 6.2.5).
///
/// There are `2^pages_log2` control pages, each found through its `CMDQ_CONTROL_PAGE_BASEn`, and each with the registers of
/// `2^queues_per_page_log2` queues, 16 bytes apiece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Ecmdq {
    /// log2 of the number of control pages, 0 to 8.
    pub pages_log2: u8,
    /// log2 of the number of queues in one control page, 0 to 8.
    pub queues_per_page_log2: u8,
}

impl Ecmdq {
    /// Number of control pages.
    #[must_use]
    pub const fn pages(self) -> u32 {
        power_of_two(self.pages_log2)
    }

    /// Number of queues in one control page.
    #[must_use]
    pub const fn queues_per_page(self) -> u32 {
        power_of_two(self.queues_per_page_log2)
    }

    /// Number of queues in all pages together.
    #[must_use]
    pub const fn queues(self) -> u32 {
        power_of_two(self.pages_log2.saturating_add(self.queues_per_page_log2))
    }
}

/// 2 to this power, or as much as a `u32` holds.
const fn power_of_two(log2: u8) -> u32 {
    match 1_u32.checked_shl(log2 as u32) {
        Some(value) => value,
        None => u32::MAX,
    }
}

/// The first of `steps`, which fall, that is no larger than `value`.
fn step_down(value: u8, steps: &[u8]) -> Option<u8> {
    steps.iter().copied().find(|step| *step <= value)
}

/// What one SMMU can do, errata already applied.
///
/// A feature that an erratum makes unusable is not in [`Caps::features`]; what an erratum asks of software is in
/// [`Caps::quirks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Caps {
    /// The feature bitmap.
    pub features: Features,
    /// What errata and firmware ask software to do differently.
    pub quirks: Quirks,
    /// Minor architecture version: 3 is SMMUv3.3. A weak guide (IHI 0070 2.9): ask [`Caps::features`].
    pub minor_version: u8,
    /// Output address size: physical addresses have no bit above it.
    pub oas: AddressSize,
    /// Largest stage-1 input size of one table base, in bits: 48, 52 or 56.
    pub stage1_input_bits: u8,
    /// Granules of VMSAv8-64 tables.
    pub granules: GranuleSet,
    /// ASID bits: 8 or 16.
    pub asid_bits: u8,
    /// VMID bits: 8 or 16.
    pub vmid_bits: u8,
    /// StreamID bits, 0 to 32.
    pub stream_id_bits: u8,
    /// SubstreamID bits, 0 to 20.
    pub substream_id_bits: u8,
    /// log2 of the most entries that the command queue can have.
    pub command_queue_log2: u8,
    /// log2 of the most entries that the event queue can have.
    pub event_queue_log2: u8,
    /// log2 of the most entries that the PRI queue can have; 0 without PRI.
    pub pri_queue_log2: u8,
    /// Enhanced command queues; there with [`Feature::Ecmdq`].
    pub ecmdq: Option<Ecmdq>,
    /// Offset of the VATOS page from the SMMU's base address, in bytes (`IDR2.BA_VATOS`); there with [`Feature::Vatos`].
    pub vatos_offset: Option<u32>,
    /// Behaviour on faults.
    pub stall_model: StallModel,
    /// Most stalled transactions at a time.
    pub stall_max: u16,
    /// Break-before-make level.
    pub bbm: BbmLevel,
    /// Descriptor updates by hardware.
    pub httu: HardwareUpdate,
    /// Endianness of translation tables.
    pub table_endianness: TableEndianness,
    /// Errata that matched.
    errata: ErrataSet,
    /// Reserved values that were met and read conservatively.
    oddities: Oddities,
}

impl Caps {
    /// Whether the SMMU has `feature` and no erratum forbids it.
    #[inline]
    #[must_use]
    pub const fn has(&self, feature: Feature) -> bool {
        self.features.contains(feature)
    }

    /// Whether software must observe `quirk`.
    #[inline]
    #[must_use]
    pub const fn must(&self, quirk: Quirk) -> bool {
        self.quirks.contains(quirk)
    }

    /// The errata that matched this SMMU.
    pub fn errata(&self) -> impl Iterator<Item = &'static Erratum> + use<> {
        self.errata.iter()
    }

    /// Reserved values and impossible combinations in the ID registers that were read in the safe way.
    #[must_use]
    pub const fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// Bits of a VMID: none without stage 2, where the fields are RES0 (IHI 0070 4.4.2).
    #[must_use]
    pub const fn usable_vmid_bits(&self) -> u8 {
        if self.has(Feature::Stage2) { self.vmid_bits } else { 0 }
    }

    /// Smallest input size of a table of either stage, in bits (IHI 0070 3.4; DDI 0487 D8.2).
    #[must_use]
    pub const fn smallest_input_bits(&self, granule: Granule) -> u8 {
        match (self.has(Feature::SmallTables), granule) {
            (false, _) => 25,
            (true, Granule::Size64K) => 17,
            (true, _) => 16,
        }
    }

    /// Largest stage-2 input size (IPA size) in bits: `IAS` of IHI 0070 3.4.
    #[must_use]
    pub const fn stage2_input_bits(&self) -> u32 {
        let oas = self.oas.bits();
        if self.has(Feature::Aarch32Tables) && oas < 40 { 40 } else { oas }
    }
}
