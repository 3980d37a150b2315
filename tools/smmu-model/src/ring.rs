//! Index arithmetic of the circular queues (IHI 0070 3.5.1): an index of `log2` bits with a wrap bit above it.

/// A queue of 2^`log2` entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    log2: u32,
}

impl Ring {
    /// A queue of 2^`log2` entries; `log2` is capped at 19, the architectural maximum (6.3.2).
    pub(crate) fn new(log2: u64) -> Self {
        Self { log2: u32::try_from(log2).map_or(19, |l| l.min(19)) }
    }

    /// Number of entries.
    pub(crate) fn entries(self) -> u64 {
        1 << self.log2
    }

    /// Index and wrap bit of a PROD or CONS register.
    pub(crate) fn cursor(self, register: u64) -> u64 {
        register & ((2 << self.log2) - 1)
    }

    /// Entry number, without the wrap bit.
    pub(crate) fn index(self, register: u64) -> u64 {
        register & (self.entries() - 1)
    }

    /// Entries between CONS and PROD; more than [`Ring::entries`] means the indices contradict each other.
    pub(crate) fn used(self, prod: u64, cons: u64) -> u64 {
        self.cursor(prod.wrapping_sub(cons))
    }

    /// The cursor after one more entry; other register bits are dropped.
    pub(crate) fn next(self, register: u64) -> u64 {
        self.cursor(self.cursor(register) + 1)
    }
}
