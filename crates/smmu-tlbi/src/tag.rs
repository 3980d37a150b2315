//! Tags: whose translations an invalidation is about.

use smmu_cmds::Command;
use smmu_cmds::command::TlbiOperand;
use smmu_regs::{Asid, Vmid};

/// The owner of translations that come from one page table.
///
/// The page tables of `io-pgtable-lpae` hold no global entries. Tables that somebody else writes - a guest, the CPU's own
/// kernel - may, and an invalidation by ASID leaves global entries alone (4.4.2): such tables have tags of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// Stage 1 of an EL1 address space.
    Stage1 {
        /// VMID; that of the STE also where there is no stage 2.
        vmid: Vmid,
        /// ASID.
        asid: Asid,
    },
    /// As [`Tag::Stage1`], for a table that may hold global entries.
    Stage1Foreign {
        /// VMID.
        vmid: Vmid,
        /// ASID.
        asid: Asid,
    },
    /// Stage 1 of EL2 without E2H: there are no ASIDs, all streams of that world have one address space.
    El2,
    /// Stage 1 of an EL2-E2H address space.
    El2E2h {
        /// ASID.
        asid: Asid,
    },
    /// As [`Tag::El2E2h`], for a table that may hold global entries: that of the host's kernel, say.
    El2E2hForeign {
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
            Self::Stage1 { vmid, asid } | Self::Stage1Foreign { vmid, asid } => {
                Command::TlbiNhVa { vmid, asid, operand }
            }
            Self::El2 => Command::TlbiEl2Va { asid: Asid::new(0), operand },
            Self::El2E2h { asid } | Self::El2E2hForeign { asid } => Command::TlbiEl2Va { asid, operand },
            Self::Stage2 { vmid } | Self::NestingParent { vmid } => Command::TlbiS2Ipa { vmid, operand },
        }
    }

    /// The command for all of the tag's addresses. For stage 2 it removes stage 1 and combined entries too.
    #[inline]
    #[must_use]
    pub const fn whole(self) -> Command {
        match self {
            Self::Stage1 { vmid, asid } => Command::TlbiNhAsid { vmid, asid },
            Self::Stage1Foreign { vmid, .. } => Command::TlbiNhAll { vmid },
            Self::El2E2h { asid } => Command::TlbiEl2Asid { asid },
            Self::El2 | Self::El2E2hForeign { .. } => Command::TlbiEl2All,
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
            _ => None,
        }
    }
}
