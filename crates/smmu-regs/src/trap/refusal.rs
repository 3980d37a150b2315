//! Why an access is refused.

use crate::platform::RegisterOffset;
use core::fmt;

/// Why an access changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// A size that no register has, or a 64-bit access to a 32-bit register (IHI 0070 6.2).
    Size {
        /// Where.
        at: RegisterOffset,
        /// Bytes.
        bytes: u8,
    },
    /// Not aligned to its size.
    Unaligned {
        /// Where.
        at: RegisterOffset,
        /// Bytes.
        bytes: u8,
    },
    /// The value of a 32-bit write has bits above bit 31.
    TooWide {
        /// Where.
        at: RegisterOffset,
        /// The value.
        value: u64,
    },
    /// A register of the Secure programming interface.
    Secure {
        /// Where.
        at: RegisterOffset,
    },
    /// A register of a feature that the host is not shown.
    Absent {
        /// Where.
        at: RegisterOffset,
        /// The feature's ID register field.
        needs: &'static str,
    },
    /// No register that the filter knows: reserved, IMPLEMENTATION DEFINED, or newer than the filter.
    Unknown {
        /// Where.
        at: RegisterOffset,
    },
    /// A write of a register that cannot be written.
    ReadOnly {
        /// Where.
        at: RegisterOffset,
        /// The value.
        value: u64,
    },
    /// A write of a register that may not be written while its queue, table or interrupt is enabled.
    Guarded {
        /// Where.
        at: RegisterOffset,
        /// The enable that guards it.
        by: &'static str,
        /// The value.
        value: u64,
    },
    /// Bits are set that no field of the register has.
    Reserved {
        /// Where.
        at: RegisterOffset,
        /// The bits.
        bits: u64,
    },
    /// GERRORN: acknowledges errors that are not active (6.3.20).
    NotActive {
        /// The bits.
        bits: u32,
    },
    /// GBPA: written without Update (6.3.14.1).
    NoUpdate {
        /// The value.
        value: u32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { at, bytes } => {
                write!(f, "{at:?}: no register takes an access of {bytes} bytes there")
            }
            Self::Unaligned { at, bytes } => write!(f, "{at:?}: not aligned to {bytes} bytes"),
            Self::TooWide { at, value } => write!(f, "{at:?}: {value:#x} is more than 32 bits"),
            Self::Secure { at } => write!(f, "{at:?} is Secure"),
            Self::Absent { at, needs } => write!(f, "{at:?} needs {needs}, which the host is not shown"),
            Self::Unknown { at } => write!(f, "{at:?} is no register that the host may use"),
            Self::ReadOnly { at, value } => write!(f, "{at:?} cannot be written (with {value:#x})"),
            Self::Guarded { at, by, value } => write!(f, "{at:?}: {value:#x} written while {by} is 1"),
            Self::Reserved { at, bits } => write!(f, "{at:?}: reserved bits {bits:#x} are set"),
            Self::NotActive { bits } => write!(f, "GERRORN: errors {bits:#x} are not active"),
            Self::NoUpdate { value } => write!(f, "GBPA: {value:#x} is written without Update"),
        }
    }
}

impl core::error::Error for Refusal {}
