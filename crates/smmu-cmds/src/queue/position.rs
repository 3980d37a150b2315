//! Queue positions: an index and a wrap bit that cannot be compared in a wrong way.

use core::fmt;

/// log2 of the entries of a queue: 0 to 19.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueSize(u8);

/// One end of a queue: the index of an entry, and the wrap bit above it.
///
/// Two positions of a queue are at most one lap apart; they are compared only by the functions here, which all take the
/// queue's size. Bit 31 of PROD and CONS registers (overflow) is no part of a position.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Position(u32);

impl QueueSize {
    /// The largest: 2^19 entries (IHI 0070 6.3.2).
    pub const MAX_LOG2: u8 = 19;

    /// 2^`log2` entries; `None` above [`QueueSize::MAX_LOG2`].
    #[must_use]
    pub const fn new(log2: u8) -> Option<Self> {
        if log2 <= Self::MAX_LOG2 { Some(Self(log2)) } else { None }
    }

    /// log2 of the entries.
    #[must_use]
    pub const fn log2(self) -> u8 {
        self.0
    }

    /// Number of entries.
    #[inline]
    #[must_use]
    pub const fn entries(self) -> u32 {
        1 << self.0
    }

    /// The index and wrap bits.
    const fn mask(self) -> u32 {
        (2 << self.0) - 1
    }

    /// The position that a PROD or CONS register holds: its index and wrap bits.
    #[inline]
    #[must_use]
    pub const fn position(self, register: u32) -> Position {
        Position(register & self.mask())
    }

    /// Entry number of a position.
    #[inline]
    #[must_use]
    pub const fn index(self, position: Position) -> u32 {
        position.0 & (self.entries() - 1)
    }

    /// The position `count` entries further on.
    #[inline]
    #[must_use]
    pub const fn advance(self, position: Position, count: u32) -> Position {
        Position(position.0.wrapping_add(count) & self.mask())
    }

    /// How far `to` is ahead of `from`, 0 to 2 * entries - 1; more than [`QueueSize::entries`] cannot be in a queue.
    #[inline]
    #[must_use]
    pub const fn distance(self, from: Position, to: Position) -> u32 {
        to.0.wrapping_sub(from.0) & self.mask()
    }

    /// Whether nothing is between the consumer and the producer.
    #[inline]
    #[must_use]
    pub const fn is_empty(self, producer: Position, consumer: Position) -> bool {
        self.distance(consumer, producer) == 0
    }

    /// Whether a whole lap is between the consumer and the producer.
    #[inline]
    #[must_use]
    pub const fn is_full(self, producer: Position, consumer: Position) -> bool {
        self.distance(consumer, producer) == self.entries()
    }

    /// Entries that can be added; `None` if the two cannot be the ends of one queue.
    #[inline]
    #[must_use]
    pub const fn space(self, producer: Position, consumer: Position) -> Option<u32> {
        self.entries().checked_sub(self.distance(consumer, producer))
    }

    /// Whether the consumer has gone past the entry at `position`, which was added at most one lap before.
    #[inline]
    #[must_use]
    pub const fn has_consumed(self, consumer: Position, position: Position) -> bool {
        let ahead = self.distance(position, consumer);
        ahead != 0 && ahead <= self.entries()
    }
}

impl Position {
    /// The start.
    pub const ZERO: Self = Self(0);

    /// Index and wrap bit, as a PROD or CONS register holds them.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({:#x})", self.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
