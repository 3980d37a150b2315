//! Lookup levels and sets of them.

use super::Granule;
use core::fmt;

/// A lookup level as the architecture counts: -1 (or 0) is the first, 3 the last (DDI 0487 D8.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(i8);

impl Level {
    /// Level -1: only with 52-bit addresses and 4K pages.
    pub const MINUS_ONE: Self = Self(-1);
    /// Level 0.
    pub const ZERO: Self = Self(0);
    /// Level 1.
    pub const ONE: Self = Self(1);
    /// Level 2.
    pub const TWO: Self = Self(2);
    /// Level 3: pages.
    pub const THREE: Self = Self(3);

    /// Level `number`, -1 to 3.
    #[inline]
    #[must_use]
    pub const fn new(number: i32) -> Option<Self> {
        match number {
            -1 => Some(Self::MINUS_ONE),
            0 => Some(Self::ZERO),
            1 => Some(Self::ONE),
            2 => Some(Self::TWO),
            3 => Some(Self::THREE),
            _ => None,
        }
    }

    /// The number, -1 to 3.
    #[inline]
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// How many levels lie below this one: 0 for level 3, 4 for level -1.
    #[inline]
    #[must_use]
    pub const fn above_pages(self) -> u32 {
        (3 - self.0) as u32
    }

    /// log2 of the bytes that one descriptor of this level covers.
    #[inline]
    #[must_use]
    pub const fn shift(self, granule: Granule) -> u32 {
        granule.shift() + granule.bits_per_level() * self.above_pages()
    }

    /// The next level of the walk, if this is not the last.
    #[inline]
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.number() + 1)
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Level({})", self.0)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A set of levels: which levels an unmap touched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LevelSet(u8);

impl LevelSet {
    /// No level.
    pub const EMPTY: Self = Self(0);

    /// Only `level`.
    #[inline]
    #[must_use]
    pub const fn only(level: Level) -> Self {
        Self(1 << level.above_pages())
    }

    /// This set and `level`.
    #[inline]
    #[must_use]
    pub const fn with(self, level: Level) -> Self {
        Self(self.0 | Self::only(level).0)
    }

    /// The levels in either set.
    #[inline]
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The levels in both sets.
    #[inline]
    #[must_use]
    pub const fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether `level` is in the set.
    #[inline]
    #[must_use]
    pub const fn contains(self, level: Level) -> bool {
        self.0 & Self::only(level).0 != 0
    }

    /// Whether there is none.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The level, if there is exactly one.
    #[inline]
    #[must_use]
    pub const fn single(self) -> Option<Level> {
        if self.0.is_power_of_two() { self.deepest() } else { None }
    }

    /// The level nearest to the pages.
    #[inline]
    #[must_use]
    pub const fn deepest(self) -> Option<Level> {
        if self.0 == 0 { None } else { Level::new(3 - self.0.trailing_zeros() as i32) }
    }

    /// The levels, from the first of the walk to the last.
    pub fn iter(self) -> impl Iterator<Item = Level> {
        (-1..=3).filter_map(Level::new).filter(move |level| self.contains(*level))
    }
}

impl fmt::Debug for LevelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Level::number)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_are_those_of_the_manual() {
        let shift = |granule, level| Level::new(level).map(|level| level.shift(granule));
        assert_eq!(shift(Granule::Size4K, 3), Some(12));
        assert_eq!(shift(Granule::Size4K, 1), Some(30));
        assert_eq!(shift(Granule::Size4K, -1), Some(48));
        assert_eq!(shift(Granule::Size16K, 2), Some(25));
        assert_eq!(shift(Granule::Size64K, 1), Some(42));
        assert_eq!(Level::new(4), None);
    }

    #[test]
    fn sets_know_their_single_and_deepest_level() {
        let set = LevelSet::only(Level::ONE).with(Level::THREE);
        assert_eq!((set.single(), set.deepest()), (None, Some(Level::THREE)));
        assert_eq!(LevelSet::only(Level::MINUS_ONE).single(), Some(Level::MINUS_ONE));
        assert_eq!((LevelSet::EMPTY.single(), LevelSet::EMPTY.deepest()), (None, None));
        assert!(set.iter().eq([Level::ONE, Level::THREE]));
    }
}
