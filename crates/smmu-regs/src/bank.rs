//! The programming interfaces of an SMMU: each Security state that software drives it from has a bank of registers, and
//! queues and tables, of its own (IHI 0070 3.10, 6.1).

use core::fmt;

/// Whose registers, queues and tables: the Security state of a programming interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bank {
    /// `SMMU_*`: the one that every SMMU has.
    NonSecure,
    /// `SMMU_S_*`, from offset 0x8000 of page 0, if `S_IDR1.SECURE_IMPL` says so (3.10.2): for Secure software alone.
    Secure,
    /// `SMMU_R_*`, in two pages of their own, if `ROOT_IDR0.REALM_IMPL` says so (3.10.3): for Realm and Root software alone.
    Realm,
    /// `SMMU_ROOT_*`, in the Root Control Page, if `ROOT_IDR0.ROOT_IMPL` says so: granule protection. It has no queues and
    /// no tables of streams (3.25).
    Root,
}

impl fmt::Display for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NonSecure => "Non-secure",
            Self::Secure => "Secure",
            Self::Realm => "Realm",
            Self::Root => "Root",
        })
    }
}
