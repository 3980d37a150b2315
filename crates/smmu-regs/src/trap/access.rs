//! One access of the host's, and what becomes of it.

use super::{Actions, HostView, Refusal};
use crate::platform::RegisterOffset;

/// An access to a register page that trapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// Where.
    pub at: RegisterOffset,
    /// Size in bytes, as the trap's syndrome says it.
    pub bytes: u8,
    /// The value of a write; `None` is a read.
    pub write: Option<u64>,
}

impl Access {
    /// A 32-bit read.
    #[must_use]
    pub const fn read32(at: RegisterOffset) -> Self {
        Self { at, bytes: 4, write: None }
    }

    /// A 64-bit read.
    #[must_use]
    pub const fn read64(at: RegisterOffset) -> Self {
        Self { at, bytes: 8, write: None }
    }

    /// A 32-bit write.
    #[must_use]
    pub const fn write32(at: RegisterOffset, value: u64) -> Self {
        Self { at, bytes: 4, write: Some(value) }
    }

    /// A 64-bit write.
    #[must_use]
    pub const fn write64(at: RegisterOffset, value: u64) -> Self {
        Self { at, bytes: 8, write: Some(value) }
    }
}

/// What becomes of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Make the access on the real SMMU and give the host what it gives. Only reads of constants are ever forwarded.
    Forward,
    /// The hypervisor answers.
    Emulate(Emulated),
    /// Nothing changes; a read gives 0.
    Refuse(Refusal),
}

/// The answer to an access that is emulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emulated {
    /// The state from now on.
    pub view: HostView,
    /// What a read gives; 0 for a write.
    pub value: u64,
    /// What the hypervisor is to do, in this order, once `view` is in place.
    pub actions: Actions,
}
