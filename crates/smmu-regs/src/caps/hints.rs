//! What is known about an SMMU from elsewhere than its registers.

use super::quirk::Quirks;
use crate::vmsa::HardwareUpdate;

/// A model that firmware names because no ID register does (ACPI IORT model, DT compatible string or property).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum FirmwareModel {
    /// Nothing special.
    #[default]
    Generic,
    /// HiSilicon Hi161x (Hip06, Hip07): IORT model 1.
    HisiliconHi161x,
    /// Cavium (Marvell) ThunderX2 CN99xx: IORT model 2.
    CaviumCn99xx,
    /// NVIDIA Tegra264: DT compatible `nvidia,tegra264-smmu`.
    Tegra264,
}

/// What is known about this SMMU from elsewhere than its registers: firmware, the CPUs, the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Hints {
    /// Whether the SMMU's accesses are coherent, where firmware says so (DT `dma-coherent`, the IORT node's flag). It
    /// overrides `IDR0.COHACC`: only the system's integrator knows.
    pub coherent: Option<bool>,
    /// What firmware says about descriptor updates, in place of `IDR0.HTTU`: with ACPI the IORT node's flags, with DT
    /// nothing.
    pub httu: Option<HardwareUpdate>,
    /// The model that firmware names.
    pub model: FirmwareModel,
    /// What firmware, or a host that runs us as a guest, asks for by name, beside what [`Hints::model`] brings: a device
    /// tree can have several properties; a host on a Tegra264 asks its guests to repeat invalidations.
    pub quirks: Quirks,
    /// The host kernel runs at EL2 with E2H, and its own contexts shall be in that world.
    pub host_uses_e2h: bool,
    /// The platform vouches that a CPU's store of 128 aligned bits is seen whole by the SMMU's fetches.
    pub atomic_128: bool,
}
