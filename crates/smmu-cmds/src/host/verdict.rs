//! What becomes of a host's command.

use crate::command::RawCommand;
use smmu_regs::{PhysAddr, StreamId};

/// What becomes of a host's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum HostVerdict {
    /// This goes into the physical queue.
    Forward(RawCommand),
    /// The hypervisor acts.
    Act(HostAction),
    /// A `CMD_SYNC` of the hypervisor's own completes; then the host is told in this way.
    Sync(Completion),
    /// A `CMD_RESUME` for each stalled transaction of the stream that the host knows of goes into the physical queue.
    Terminate(StreamId),
    /// Nothing happens, and nothing need happen.
    Ignore(Ignored),
}

/// What the hypervisor does for a host's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostAction {
    /// Shadow STEs are made anew. All of it is complete (STEs stored, CFGI and CMD_SYNC done, and where a stream loses a
    /// translation its TLB entries dropped) when the action returns.
    Reshadow(Reshadow),
    /// All the host's commands up to a `CMD_SYNC` are complete: it is told. Events of its streams that the real queue holds
    /// by now are delivered before, since a `CMD_SYNC` promises that (4.7.3).
    Completed(Completion),
}

/// Which shadow STEs are made anew. Streams among them that are not the host's stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reshadow {
    /// One; unless `leaf`, the host's level-1 descriptor too.
    Stream {
        /// Its StreamID.
        stream: StreamId,
        /// The level-1 descriptor is as it was.
        leaf: bool,
    },
    /// 2^`log2` streams from `first` on, and their level-1 descriptors.
    Streams {
        /// The first, aligned to their number.
        first: StreamId,
        /// log2 of their number, 1 to 31.
        log2: u8,
    },
    /// All.
    All,
}

impl Reshadow {
    /// Whether `stream` is meant.
    #[must_use]
    pub const fn covers(self, stream: StreamId) -> bool {
        match self {
            Self::Stream { stream: one, .. } => one.get() == stream.get(),
            Self::Streams { first, log2 } => {
                log2 >= 32 || (first.get() ^ stream.get()).wrapping_shr(log2 as u32) == 0
            }
            Self::All => true,
        }
    }
}

/// How a host asked to be told that its `CMD_SYNC` has completed, besides its queue's CONS. The hypervisor does it after CONS
/// has moved on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// Not at all.
    None,
    /// By an event that wakes `WFE`.
    Event,
    /// By an interrupt on the wire.
    Wired,
    /// By an interrupt, and a write of `data` to `address`. The address is the host's word, in the host's world: the
    /// hypervisor stores the data itself, if the page is the host's, or injects the interrupt that it names.
    Message {
        /// Where.
        address: PhysAddr,
        /// What.
        data: u32,
    },
}

/// Why nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// A prefetch.
    Hint,
    /// The stream is not the host's.
    NotTheHosts {
        /// The stream.
        stream: StreamId,
    },
    /// It answers a fault that does not wait for the host (4.7.1).
    NothingWaits {
        /// The stream.
        stream: StreamId,
    },
}
