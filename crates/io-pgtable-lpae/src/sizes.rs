//! Sizes of pages and blocks as a set: the bitmap that a driver and its callers speak of them in.

use crate::contiguous::group_log2;
use crate::geometry::block_levels;
use core::fmt;
use smmu_regs::AddressSize;
use smmu_regs::vmsa::{Granule, Level, LevelSet};

/// A set of sizes, each a power of two: bit `n` of the bitmap stands for `1 << n` bytes.
///
/// ```
/// use io_pgtable_lpae::PageSizes;
/// use smmu_regs::AddressSize;
/// use smmu_regs::vmsa::Granule;
/// let wanted = PageSizes::from_bitmap(0x1000 | 0x4000 | 0x20_0000);
/// assert_eq!(wanted.granule(Granule::Size64K), Some(Granule::Size16K));
/// assert_eq!(wanted.granule(Granule::Size4K), Some(Granule::Size4K));
/// assert_eq!(wanted.intersect(PageSizes::of(Granule::Size4K, AddressSize::Bits48)).bitmap(), 0x20_1000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PageSizes(u64);

/// The levels that can have leaves in some table.
const LEVELS: [Level; 4] = [Level::ZERO, Level::ONE, Level::TWO, Level::THREE];

impl PageSizes {
    /// The sizes of a bitmap.
    #[must_use]
    pub const fn from_bitmap(bitmap: u64) -> Self {
        Self(bitmap)
    }

    /// The bitmap.
    #[must_use]
    pub const fn bitmap(self) -> u64 {
        self.0
    }

    /// The sizes of the leaves at `levels` of tables with this granule.
    #[must_use]
    pub const fn of_levels(granule: Granule, levels: LevelSet) -> Self {
        let mut bitmap = 0;
        let mut rest: &[Level] = &LEVELS;
        while let [level, others @ ..] = rest {
            if levels.contains(*level) {
                bitmap |= 1u64.wrapping_shl(level.shift(granule));
            }
            rest = others;
        }
        Self(bitmap)
    }

    /// The sizes of the contiguous groups of leaves at `levels` of tables with this granule (table D8-104).
    #[must_use]
    pub const fn of_groups(granule: Granule, levels: LevelSet) -> Self {
        let mut bitmap = 0;
        let mut rest: &[Level] = &LEVELS;
        while let [level, others @ ..] = rest {
            if let (true, Some(log2)) = (levels.contains(*level), group_log2(granule, *level)) {
                bitmap |= 1u64.wrapping_shl(log2);
            }
            rest = others;
        }
        Self(bitmap)
    }

    /// All sizes of leaves that tables with this granule and output can have (tables D8-17, D8-27, D8-36). A small table
    /// that starts below a block level lacks that level: see [`TableConfig::page_sizes`](crate::TableConfig::page_sizes).
    #[must_use]
    pub const fn of(granule: Granule, output: AddressSize) -> Self {
        Self::of_levels(granule, block_levels(granule, output.bits() > 48))
    }

    /// The levels whose contiguous groups have one of these sizes.
    #[must_use]
    pub const fn groups(self, granule: Granule) -> LevelSet {
        let mut levels = LevelSet::EMPTY;
        let mut rest: &[Level] = &LEVELS;
        while let [level, others @ ..] = rest {
            if let Some(log2) = group_log2(granule, *level) {
                if self.0 & 1u64.wrapping_shl(log2) != 0 {
                    levels = levels.with(*level);
                }
            }
            rest = others;
        }
        levels
    }

    /// The levels whose descriptors cover one of these sizes, levels 0 to 3.
    #[must_use]
    pub const fn levels(self, granule: Granule) -> LevelSet {
        let mut levels = LevelSet::EMPTY;
        let mut rest: &[Level] = &LEVELS;
        while let [level, others @ ..] = rest {
            if self.0 & 1u64.wrapping_shl(level.shift(granule)) != 0 {
                levels = levels.with(*level);
            }
            rest = others;
        }
        levels
    }

    /// Whether `bytes` is one of the sizes.
    #[must_use]
    pub const fn contains(self, bytes: u64) -> bool {
        bytes.is_power_of_two() && self.0 & bytes != 0
    }

    /// The sizes in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The sizes in both sets.
    #[must_use]
    pub const fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The granule for somebody who wants these sizes and whose own pages are `preferred`: that one, else the largest size
    /// below it, else the smallest above it; `None` if what comes out is no granule, or there are no sizes.
    #[must_use]
    pub const fn granule(self, preferred: Granule) -> Option<Granule> {
        let page = preferred.bytes();
        let below = self.0 & page.wrapping_sub(1);
        let shift = if self.0 & page != 0 {
            preferred.shift()
        } else if below != 0 {
            63u32.wrapping_sub(below.leading_zeros())
        } else {
            self.0.trailing_zeros()
        };
        Granule::from_shift(shift)
    }
}

impl fmt::Display for PageSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
        let mut bitmap = self.0;
        let mut between = "";
        while bitmap != 0 {
            let log2 = bitmap.trailing_zeros();
            let unit = UNITS.get((log2 / 10) as usize).copied().unwrap_or("");
            write!(f, "{between}{}{unit}", 1u32.wrapping_shl(log2 % 10))?;
            bitmap &= bitmap.wrapping_sub(1);
            between = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn levels_go_there_and_back() {
        let sizes = |granule| PageSizes::of(granule, AddressSize::Bits48).bitmap();
        assert_eq!(Granule::ALL.map(sizes), [0x4020_1000, 0x200_4000, 0x2001_0000]);
        assert_eq!(PageSizes::of(Granule::Size64K, AddressSize::Bits52).bitmap(), 0x400_2001_0000);
        for granule in Granule::ALL {
            let levels = block_levels(granule, true);
            assert_eq!(PageSizes::of(granule, AddressSize::Bits52).levels(granule), levels);
            for level in levels.iter() {
                let one = LevelSet::only(level);
                let size = PageSizes::of_levels(granule, one);
                assert_eq!(size.levels(granule), one);
                assert!(size.contains(1 << level.shift(granule)) && !size.contains(0x3000));
            }
        }
        assert_eq!(PageSizes::of(Granule::Size4K, AddressSize::Bits48).to_string(), "4K 2M 1G");
    }

    #[test]
    fn any_set_has_the_granule_nearest_to_the_preferred_one() {
        // every subset of 2K, 4K, 16K, 64K, 2M
        let all = [11u32, 12, 14, 16, 21];
        for preferred in Granule::ALL {
            for subset in 0u32..32 {
                let chosen: std::vec::Vec<u32> =
                    (0..5).filter(|n| subset >> n & 1 != 0).map(|n| all[n]).collect();
                let bitmap = chosen.iter().fold(0, |bitmap, shift| bitmap | 1 << shift);
                let below = chosen.iter().rev().find(|shift| **shift <= preferred.shift());
                let expected = below.or(chosen.first()).and_then(|shift| Granule::from_shift(*shift));
                assert_eq!(PageSizes::from_bitmap(bitmap).granule(preferred), expected, "{bitmap:#x}");
            }
        }
    }
}
