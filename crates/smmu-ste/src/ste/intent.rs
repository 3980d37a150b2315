//! What a driver wants of a stream, in its own words: the usual configurations with the choices already made.

use super::{
    Ats, CdTablePointer, FaultMode, GuestTranslation, Stage1Config, Stage2Config, SteConfig, SteError,
    StreamWorld, WithoutSubstream,
};
use smmu_regs::caps::StallModel;
use smmu_regs::vmsa::Stage2Regime;
use smmu_regs::{Caps, Feature, Vmid};

impl Stage1Config {
    /// Stage 1 by `cd_table`, in the host's own world: EL2-E2H where the host runs there ([`Feature::E2hHost`]), else EL1
    /// with VMID 0, which no stage-2 entry may have then. CDs may not stall unless the SMMU stalls everything; no ATS.
    #[must_use]
    pub const fn of_host(caps: &Caps, cd_table: CdTablePointer) -> Self {
        let world =
            if caps.has(Feature::E2hHost) { StreamWorld::El2 } else { StreamWorld::El1(Vmid::new(0)) };
        Self { cd_table, world, may_stall: false, ats: Ats::Disabled }
    }
}

impl Stage2Config {
    /// Stage 2 by `regime`: what faults aborts and is recorded (or stalls, where the SMMU stalls everything), no ATS, and
    /// walks and CD fetches of a stage 1 above it may not reach device memory.
    #[must_use]
    pub const fn new(caps: &Caps, regime: Stage2Regime, vmid: Vmid) -> Self {
        let faults = match caps.stall_model {
            StallModel::Forced => FaultMode::Stall,
            StallModel::Supported | StallModel::TerminateOnly => FaultMode::Terminate,
        };
        Self { regime, vmid, faults, ats: Ats::Disabled, protect_walks: true }
    }
}

impl SteConfig {
    /// Every transaction aborts, silently.
    #[must_use]
    pub const fn abort() -> Self {
        Self::Abort
    }

    /// Every transaction passes untranslated.
    #[must_use]
    pub const fn bypass() -> Self {
        Self::Bypass
    }

    /// Stage 1 by `cd_table`; see [`Stage1Config::of_host`].
    #[must_use]
    pub const fn stage1(caps: &Caps, cd_table: CdTablePointer) -> Self {
        Self::Stage1(Stage1Config::of_host(caps, cd_table))
    }

    /// Stage 2 by `regime`; see [`Stage2Config::new`].
    #[must_use]
    pub const fn stage2(caps: &Caps, regime: Stage2Regime, vmid: Vmid) -> Self {
        Self::Stage2(Stage2Config::new(caps, regime, vmid))
    }

    /// A guest's stage 1 on the host's stage 2; the guest may not stall.
    #[must_use]
    pub const fn nested(guest: GuestTranslation, stage2: Stage2Config) -> Self {
        Self::Nested { guest, stage2, may_stall: false }
    }

    /// Transactions without a SubstreamID pass untranslated, those with one are translated by the CDs of `cd_table`.
    /// ATS works here, unlike in a bypass.
    ///
    /// # Errors
    /// `cd_table` is a single CD, which would translate everything.
    pub const fn identity_with_pasids(caps: &Caps, cd_table: CdTablePointer) -> Result<Self, SteError> {
        Self::with_pasids(caps, cd_table, WithoutSubstream::Bypass)
    }

    /// Transactions without a SubstreamID abort (F_STREAM_DISABLED), those with one are translated by the CDs of
    /// `cd_table`.
    ///
    /// # Errors
    /// `cd_table` is a single CD, which would translate everything.
    pub const fn blocked_with_pasids(caps: &Caps, cd_table: CdTablePointer) -> Result<Self, SteError> {
        Self::with_pasids(caps, cd_table, WithoutSubstream::Terminate)
    }

    const fn with_pasids(
        caps: &Caps,
        cd_table: CdTablePointer,
        without_substream: WithoutSubstream,
    ) -> Result<Self, SteError> {
        if cd_table.cds_log2 == 0 {
            return Err(SteError::NoSubstreams);
        }
        Ok(Self::stage1(caps, CdTablePointer { without_substream, ..cd_table }))
    }

    /// This configuration with ATS for the stream; nothing changes for one that does not translate.
    #[must_use]
    pub const fn with_ats(self, ats: Ats) -> Self {
        match self {
            Self::Abort | Self::Bypass => self,
            Self::Stage1(stage1) => Self::Stage1(Stage1Config { ats, ..stage1 }),
            Self::Stage2(stage2) => Self::Stage2(Stage2Config { ats, ..stage2 }),
            Self::Nested { guest, stage2, may_stall } => {
                Self::Nested { guest, stage2: Stage2Config { ats, ..stage2 }, may_stall }
            }
        }
    }
}
