//! Tags: whose translations an invalidation is about.

use smmu_cmds::Command;
use smmu_cmds::command::TlbiOperand;
use smmu_regs::{Asid, Vmid};

/// The owner of translations that come from one page table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// Stage 1 of an EL1 address space.
    Stage1 {
        /// VMID; that of the STE also where there is no stage 2.
        vmid: Vmid,
        /// ASID.
        asid: Asid,
    },
    /// Stage 1 of an EL2-E2H address space (or of EL2, with ASID 0).
    El2 {
        /// ASID.
        asid: Asid,
    },
    /// Stage 2 of streams that have no stage 1.
    Stage2 {
        /// VMID.
        vmid: Vmid,
    },
    /// Stage 2 of streams whose stage 1 a guest configures: translations may be cached with both stages combined.
    NestingParent {
        /// VMID.
        vmid: Vmid,
    },
}

impl Tag {
    /// The command for part of the tag's addresses.
    #[inline]
    #[must_use]
    pub const fn by_address(self, operand: TlbiOperand) -> Command {
        match self {
            Self::Stage1 { vmid, asid } => Command::TlbiNhVa { vmid, asid, operand },
            Self::El2 { asid } => Command::TlbiEl2Va { asid, operand },
            Self::Stage2 { vmid } | Self::NestingParent { vmid } => Command::TlbiS2Ipa { vmid, operand },
        }
    }

    /// The command for all of the tag's addresses. For stage 2 it removes stage 1 and combined entries too.
    #[inline]
    #[must_use]
    pub const fn whole(self) -> Command {
        match self {
            Self::Stage1 { vmid, asid } => Command::TlbiNhAsid { vmid, asid },
            Self::El2 { asid } => Command::TlbiEl2Asid { asid },
            Self::Stage2 { vmid } | Self::NestingParent { vmid } => Command::TlbiS12Vmall { vmid },
        }
    }

    /// What must follow, after a `CMD_SYNC`, an invalidation of stage 2 by address: combined entries are not found by
    /// IPA (4.4.3.1). Not needed after [`Tag::whole`].
    #[inline]
    #[must_use]
    pub const fn combined(self) -> Option<Command> {
        match self {
            Self::NestingParent { vmid } => Some(Command::TlbiNhAll { vmid }),
            Self::Stage1 { .. } | Self::El2 { .. } | Self::Stage2 { .. } => None,
        }
    }
}
