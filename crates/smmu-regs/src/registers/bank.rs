//! The four programming interfaces of an SMMU.

use core::fmt;

/// One of an SMMU's programming interfaces, each for the streams of one Security state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bank {
    /// `SMMU_*`: the one that every SMMU has.
    NonSecure,
    /// `SMMU_S_*`: from offset 0x8000 of page 0, for Secure software alone.
    Secure,
    /// `SMMU_R_*`: in two pages of their own, for Realm and Root software alone.
    Realm,
    /// `SMMU_ROOT_*`: granule protection, in the Root Control Page.
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
