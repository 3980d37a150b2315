//! Inclusive address ranges: they can reach the top of the address space, they cannot be empty and they cannot wrap.

use super::Granule;
use core::fmt;

/// A non-empty range of input addresses, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IovaRange {
    start: u64,
    last: u64,
}

/// Why something is not a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeError {
    /// `last` lies below `start`, or the size is 0.
    Empty {
        /// First address.
        start: u64,
    },
    /// The range would run past 2^64.
    Wraps {
        /// First address.
        start: u64,
        /// Size in bytes.
        size: u64,
    },
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { start } => write!(f, "empty address range at {start:#x}"),
            Self::Wraps { start, size } => {
                write!(f, "address range of {size:#x} bytes at {start:#x} runs past 2^64")
            }
        }
    }
}

impl core::error::Error for RangeError {}

impl IovaRange {
    /// All addresses.
    pub const ALL: Self = Self { start: 0, last: u64::MAX };

    /// The addresses `start..=last`.
    ///
    /// # Errors
    /// `last` lies below `start`.
    #[inline]
    pub const fn new(start: u64, last: u64) -> Result<Self, RangeError> {
        if last < start {
            return Err(RangeError::Empty { start });
        }
        Ok(Self { start, last })
    }

    /// `size` bytes from `start`.
    ///
    /// # Errors
    /// `size` is 0, or the range runs past 2^64.
    #[inline]
    pub const fn from_size(start: u64, size: u64) -> Result<Self, RangeError> {
        if size == 0 {
            return Err(RangeError::Empty { start });
        }
        match start.checked_add(size - 1) {
            Some(last) => Ok(Self { start, last }),
            None => Err(RangeError::Wraps { start, size }),
        }
    }

    /// First address.
    #[inline]
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Last address.
    #[inline]
    #[must_use]
    pub const fn last(self) -> u64 {
        self.last
    }

    /// Size in bytes; `None` for all 2^64.
    #[inline]
    #[must_use]
    pub const fn size(self) -> Option<u64> {
        (self.last - self.start).checked_add(1)
    }

    /// Whether both ends lie on granule boundaries.
    #[inline]
    #[must_use]
    pub const fn is_aligned(self, granule: Granule) -> bool {
        let low = granule.bytes() - 1;
        self.start & low == 0 && self.last & low == low
    }

    /// The smallest range of whole granules that holds this one.
    #[inline]
    #[must_use]
    pub const fn align_out(self, granule: Granule) -> Self {
        let low = granule.bytes() - 1;
        Self { start: self.start & !low, last: self.last | low }
    }

    /// The smallest range that holds both.
    #[inline]
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), last: self.last.max(other.last) }
    }

    /// Whether the ranges share an address.
    #[inline]
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start <= other.last && other.start <= self.last
    }

    /// Whether every address of `other` is in this range.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.last <= self.last
    }
}

impl fmt::Debug for IovaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..={:#x}", self.start, self.last)
    }
}

impl fmt::Display for IovaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_empty_nor_wrapping() {
        assert_eq!(IovaRange::from_size(0x1000, 0), Err(RangeError::Empty { start: 0x1000 }));
        assert_eq!(IovaRange::new(2, 1), Err(RangeError::Empty { start: 2 }));
        assert!(IovaRange::from_size(u64::MAX, 2).is_err());
        let top = IovaRange::from_size(u64::MAX - 0xfff, 0x1000).unwrap();
        assert_eq!((top.last(), top.size()), (u64::MAX, Some(0x1000)));
        assert_eq!(IovaRange::ALL.size(), None);
        let ragged = IovaRange::new(0x1fff, 0x2000).unwrap();
        assert_eq!(ragged.align_out(Granule::Size4K), IovaRange::new(0x1000, 0x2fff).unwrap());
        assert!(!ragged.is_aligned(Granule::Size4K));
    }
}
