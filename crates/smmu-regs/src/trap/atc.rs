//! How far the host's `CMD_ATC_INV`s are, which no register tells.

/// `CMD_ATC_INV`s of the host's in the physical queue. If one of their endpoints does not answer, some later `CMD_SYNC` of that
/// queue stops it (IHI 0070 3.9.1.4, 7.1): it must not be somebody else's, and the host hears of it at its own.
/// `smmu_cmds::host` keeps this; nobody else need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AtcInvalidations {
    unproved: bool,
    lost: bool,
}

impl AtcInvalidations {
    /// One is in the physical queue.
    pub fn sent(&mut self) {
        self.unproved = true;
    }

    /// A `CMD_SYNC` behind all of them has completed, or failed.
    pub fn synced(&mut self) {
        self.unproved = false;
    }

    /// An endpoint did not answer.
    pub fn lost(&mut self) {
        self.lost = true;
    }

    /// Whether no `CMD_SYNC` has completed since one was sent.
    #[must_use]
    pub const fn is_unproved(&self) -> bool {
        self.unproved
    }

    /// Whether an endpoint did not answer since this was last asked.
    #[must_use]
    pub fn take_lost(&mut self) -> bool {
        core::mem::take(&mut self.lost)
    }
}
