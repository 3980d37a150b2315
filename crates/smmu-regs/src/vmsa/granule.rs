//! Translation granules and their several encodings.

use core::fmt;

/// A translation granule: the size of a page and of a whole table (DDI 0487 D8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum Granule {
    /// 4 KiB pages, 512 descriptors in a table.
    Size4K = 12,
    /// 16 KiB pages, 2048 descriptors in a table.
    Size16K = 14,
    /// 64 KiB pages, 8192 descriptors in a table.
    Size64K = 16,
}

impl Granule {
    /// All granules, smallest first.
    pub const ALL: [Self; 3] = [Self::Size4K, Self::Size16K, Self::Size64K];

    /// log2 of the page size in bytes.
    #[inline]
    #[must_use]
    pub const fn shift(self) -> u32 {
        self as u32
    }

    /// Page size in bytes.
    #[inline]
    #[must_use]
    pub const fn bytes(self) -> u64 {
        1 << self.shift()
    }

    /// Address bits that one full table resolves: 9, 11 or 13.
    #[inline]
    #[must_use]
    pub const fn bits_per_level(self) -> u32 {
        self.shift() - 3
    }

    /// The granule whose log2 page size is `shift`.
    #[must_use]
    pub const fn from_shift(shift: u32) -> Option<Self> {
        match shift {
            12 => Some(Self::Size4K),
            14 => Some(Self::Size16K),
            16 => Some(Self::Size64K),
            _ => None,
        }
    }

    /// The code of `CD.TG0` and `STE.S2TG` (IHI 0070 5.2, 5.4): 0, 2, 1 for 4K, 16K, 64K.
    #[inline]
    #[must_use]
    pub const fn tg0(self) -> u8 {
        match self {
            Self::Size4K => 0,
            Self::Size64K => 1,
            Self::Size16K => 2,
        }
    }

    /// The granule of a `TG0` or `S2TG` code; 3 is reserved.
    #[must_use]
    pub const fn from_tg0(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Size4K),
            1 => Some(Self::Size64K),
            2 => Some(Self::Size16K),
            _ => None,
        }
    }

    /// The code of `CD.TG1` (IHI 0070 5.4): 2, 1, 3 for 4K, 16K, 64K. Not the code of `TG0`.
    #[inline]
    #[must_use]
    pub const fn tg1(self) -> u8 {
        match self {
            Self::Size16K => 1,
            Self::Size4K => 2,
            Self::Size64K => 3,
        }
    }

    /// The granule of a `TG1` code; 0 is reserved.
    #[must_use]
    pub const fn from_tg1(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Size16K),
            2 => Some(Self::Size4K),
            3 => Some(Self::Size64K),
            _ => None,
        }
    }

    /// The code of `TG` in TLB invalidation commands (IHI 0070 4.4.1): 1, 2, 3; 0 means "no range".
    #[inline]
    #[must_use]
    pub const fn tlbi_tg(self) -> u8 {
        match self {
            Self::Size4K => 1,
            Self::Size16K => 2,
            Self::Size64K => 3,
        }
    }

    /// The granule of a TLB invalidation `TG` code other than 0.
    #[must_use]
    pub const fn from_tlbi_tg(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Size4K),
            2 => Some(Self::Size16K),
            3 => Some(Self::Size64K),
            _ => None,
        }
    }
}

impl fmt::Display for Granule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size4K => "4K",
            Self::Size16K => "16K",
            Self::Size64K => "64K",
        })
    }
}

/// A set of granules: what `IDR5.GRAN4K/16K/64K` offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GranuleSet(u8);

impl GranuleSet {
    /// No granule.
    pub const EMPTY: Self = Self(0);
    /// All granules.
    pub const ALL: Self = Self::EMPTY.with(Granule::Size4K).with(Granule::Size16K).with(Granule::Size64K);

    const fn bit(granule: Granule) -> u8 {
        1 << granule.tlbi_tg()
    }

    /// This set and `granule`.
    #[must_use]
    pub const fn with(self, granule: Granule) -> Self {
        Self(self.0 | Self::bit(granule))
    }

    /// Whether `granule` is in the set.
    #[inline]
    #[must_use]
    pub const fn contains(self, granule: Granule) -> bool {
        self.0 & Self::bit(granule) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The granules that are in both sets.
    #[must_use]
    pub const fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The granules, smallest first.
    pub fn iter(self) -> impl Iterator<Item = Granule> {
        Granule::ALL.into_iter().filter(move |granule| self.contains(*granule))
    }
}

impl fmt::Display for GranuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, granule) in self.iter().enumerate() {
            if index != 0 {
                f.write_str(" ")?;
            }
            granule.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_there_and_back() {
        for granule in Granule::ALL {
            assert_eq!(Granule::from_tg0(granule.tg0()), Some(granule));
            assert_eq!(Granule::from_tg1(granule.tg1()), Some(granule));
            assert_eq!(Granule::from_tlbi_tg(granule.tlbi_tg()), Some(granule));
            assert_eq!(Granule::from_shift(granule.shift()), Some(granule));
        }
        assert_eq!(
            (Granule::from_tg0(3), Granule::from_tg1(0), Granule::from_tlbi_tg(0)),
            (None, None, None)
        );
    }
}
