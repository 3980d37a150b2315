//! Physical addresses and address sizes.

use core::fmt;

/// An address as the SMMU puts it on the bus: physical, or intermediate physical where stage 2 still applies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(transparent)]
pub struct PhysAddr(u64);

impl PhysAddr {
    /// The address with this value.
    #[inline]
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The value.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether the address is a multiple of `align`, a power of two.
    #[inline]
    #[must_use]
    pub const fn is_aligned(self, align: u64) -> bool {
        self.0 & align.wrapping_sub(1) == 0
    }

    /// The address `bytes` further, if there is one.
    #[inline]
    #[must_use]
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }
}

impl fmt::Debug for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhysAddr({:#x})", self.0)
    }
}

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// An address size that the architecture can express: `IDR5.OAS`, `CD.IPS`, `STE.S2PS` (IHI 0070 5.2, 5.4, 6.3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum AddressSize {
    /// 32 bits, 4 GiB.
    Bits32 = 0,
    /// 36 bits, 64 GiB.
    Bits36 = 1,
    /// 40 bits, 1 TiB.
    Bits40 = 2,
    /// 42 bits, 4 TiB.
    Bits42 = 3,
    /// 44 bits, 16 TiB.
    Bits44 = 4,
    /// 48 bits, 256 TiB.
    Bits48 = 5,
    /// 52 bits, 4 PiB (SMMUv3.1).
    Bits52 = 6,
    /// 56 bits, 64 PiB (SMMUv3.4).
    Bits56 = 7,
}

impl AddressSize {
    /// All sizes, by code.
    pub const ALL: [Self; 8] = [
        Self::Bits32,
        Self::Bits36,
        Self::Bits40,
        Self::Bits42,
        Self::Bits44,
        Self::Bits48,
        Self::Bits52,
        Self::Bits56,
    ];

    /// Number of address bits.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u32 {
        // A byte for each code: no branch where each command of a loop is held against it.
        let sizes = u64::from_le_bytes([32, 36, 40, 42, 44, 48, 52, 56]);
        (sizes.wrapping_shr(self as u32 * 8) & 0xff) as u32
    }

    /// The code that registers and structures use.
    #[inline]
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The size with this code, 0 to 7.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Bits32,
            1 => Self::Bits36,
            2 => Self::Bits40,
            3 => Self::Bits42,
            4 => Self::Bits44,
            5 => Self::Bits48,
            6 => Self::Bits52,
            7 => Self::Bits56,
            _ => return None,
        })
    }

    /// The size of exactly `bits` bits.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.bits() == bits)
    }

    /// Whether `address` has no bit above this size.
    #[inline]
    #[must_use]
    pub const fn contains(self, address: u64) -> bool {
        address >> self.bits() == 0
    }
}

impl fmt::Display for AddressSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bits", self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_bits_of_their_names() {
        let bits = AddressSize::ALL.map(AddressSize::bits);
        assert_eq!(bits, [32, 36, 40, 42, 44, 48, 52, 56]);
        assert_eq!(AddressSize::ALL.map(AddressSize::code), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
