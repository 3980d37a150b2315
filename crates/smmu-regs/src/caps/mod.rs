//! Capabilities: the ID registers, firmware's hints and the errata table turned into one value.
//!
//! Nobody else looks at ID registers. [`Caps::probe`] is a pure function; every encoder and planner takes the result.

mod display;
mod errata;
mod error;
mod feature;
mod probe;

pub use errata::{ERRATA, Erratum, Match};
pub use error::{Oddities, Oddity, ProbeError};
pub use feature::{Feature, Features, Quirk, Quirks};
pub use probe::{FirmwareModel, Hints, IdRegisters};

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

/// What one SMMU can do, errata already applied.
///
/// A feature that an erratum makes unusable is not in [`Caps::features`]; what an erratum asks of software is in
/// [`Caps::quirks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
    /// Errata that matched: bit `n` is [`ERRATA`]`[n]`.
    errata: u32,
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
        let matched = self.errata;
        ERRATA
            .iter()
            .enumerate()
            .filter(move |(index, _)| matched >> index & 1 != 0)
            .map(|(_, erratum)| erratum)
    }

    /// Reserved values in the ID registers that were read conservatively.
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
