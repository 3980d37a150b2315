//! Versions of the architecture.

use core::fmt;

/// A version of the SMMUv3 architecture (`AIDR`, IHI 0070 1.4).
///
/// It says since when something is described, not that an SMMU has it: an SMMU may implement features of the next
/// version, and most are optional. [`Caps`](crate::Caps) says what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// SMMUv3.0.
    V3_0,
    /// SMMUv3.1.
    V3_1,
    /// SMMUv3.2.
    V3_2,
    /// SMMUv3.3.
    V3_3,
    /// SMMUv3.4.
    V3_4,
}

impl Version {
    /// The minor version: 0 to 4.
    #[must_use]
    pub const fn minor(self) -> u8 {
        match self {
            Self::V3_0 => 0,
            Self::V3_1 => 1,
            Self::V3_2 => 2,
            Self::V3_3 => 3,
            Self::V3_4 => 4,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SMMUv3.{}", self.minor())
    }
}

/// For the documentation of fields that [`bitfields!`](crate::bitfields) declares.
#[doc(hidden)]
#[macro_export]
macro_rules! since_text {
    (V3_1) => {
        "Since SMMUv3.1."
    };
    (V3_2) => {
        "Since SMMUv3.2."
    };
    (V3_3) => {
        "Since SMMUv3.3."
    };
    (V3_4) => {
        "Since SMMUv3.4."
    };
}
