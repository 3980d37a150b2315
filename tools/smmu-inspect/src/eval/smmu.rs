//! The SMMU that records are for: the README's, with what the record says changed in its ID registers.

use super::error::{Stop, reserved};
use smmu_regs::Caps;
use smmu_regs::caps::{Hints, IdRegisters, StallModel};
use smmu_regs::registers::{Idr0, Idr1, Idr3, Idr5};
use smmu_regs::vmsa::HardwareUpdate;

/// ID registers in the making.
#[derive(Debug, Clone, Copy)]
pub(super) struct Smmu(IdRegisters);

impl Smmu {
    /// The SMMU of records that say nothing: an SMMUv3.3 with both stages, all granules, 52-bit addresses, 32-bit StreamIDs,
    /// 20-bit SubstreamIDs, 16-bit ASIDs and VMIDs, without `IDR5.DS` and `IDR5.D128`.
    pub(super) const ASSUMED: Self = Self(IdRegisters::EXAMPLE);

    /// With these stalls.
    pub(super) fn stalls(self, model: StallModel) -> Result<Self, Stop> {
        let code: u8 = match model {
            StallModel::Supported => 0,
            StallModel::TerminateOnly => 1,
            StallModel::Forced => 2,
        };
        let idr0 = self.0.idr0.try_with(Idr0::STALL_MODEL, code)?;
        Ok(Self(IdRegisters { idr0, ..self.0 }))
    }

    /// With these updates of descriptors.
    pub(super) fn updates(self, update: HardwareUpdate) -> Result<Self, Stop> {
        let idr0 = self.0.idr0.try_with(Idr0::HTTU, update as u8)?;
        Ok(Self(IdRegisters { idr0, ..self.0 }))
    }

    /// With overrides of memory types in STEs, or without.
    pub(super) fn attribute_types(self, there: bool) -> Self {
        Self(IdRegisters { idr1: self.0.idr1.with(Idr1::ATTR_TYPES_OVR, there), ..self.0 })
    }

    /// With range invalidation, or without.
    pub(super) fn ranges(self, there: bool) -> Self {
        Self(IdRegisters { idr3: self.0.idr3.with(Idr3::RIL, there), ..self.0 })
    }

    /// With 52-bit addresses for all granules, or without.
    pub(super) fn ds(self, there: bool) -> Self {
        Self(IdRegisters { idr5: self.0.idr5.with(Idr5::DS, there), ..self.0 })
    }

    /// With ATS, or without.
    pub(super) fn ats(self, there: bool) -> Self {
        Self(IdRegisters { idr0: self.0.idr0.with(Idr0::ATS, there), ..self.0 })
    }

    /// With ASIDs of so many bits: 8 or 16.
    pub(super) fn asid_bits(self, bits: u8) -> Result<Self, Stop> {
        match bits {
            8 | 16 => Ok(Self(IdRegisters { idr0: self.0.idr0.with(Idr0::ASID16, bits == 16), ..self.0 })),
            _ => Err(reserved("asid_bits", u64::from(bits))),
        }
    }

    /// With SubstreamIDs of so many bits.
    pub(super) fn substream_bits(self, bits: u8) -> Result<Self, Stop> {
        let idr1 = self.0.idr1.try_with(Idr1::SSIDSIZE, bits)?;
        Ok(Self(IdRegisters { idr1, ..self.0 }))
    }

    /// With StreamIDs of so many bits.
    pub(super) fn stream_bits(self, bits: u8) -> Result<Self, Stop> {
        let idr1 = self.0.idr1.try_with(Idr1::SIDSIZE, bits)?;
        Ok(Self(IdRegisters { idr1, ..self.0 }))
    }

    /// With two-level stream tables, or without.
    pub(super) fn two_level_streams(self, there: bool) -> Self {
        let code = u8::from(there);
        let idr0 = self.0.idr0.try_with(Idr0::ST_LEVEL, code).unwrap_or(self.0.idr0);
        Self(IdRegisters { idr0, ..self.0 })
    }

    /// With two-level CD tables, or without.
    pub(super) fn two_level_cds(self, there: bool) -> Self {
        Self(IdRegisters { idr0: self.0.idr0.with(Idr0::CD2L, there), ..self.0 })
    }

    /// What it can do.
    pub(super) fn caps(self) -> Result<Caps, Stop> {
        Ok(Caps::probe(&self.0, &Hints::default())?)
    }
}
