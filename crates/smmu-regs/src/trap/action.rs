//! What the hypervisor is to do after an access.

use crate::registers::Gbpa;

/// An effect that the host's driver expects of its access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// `CR0.SMMUEN` changed. Enabled: the host's whole stream table, at [`HostView::stream_table`](super::HostView), counts
    /// from now on, and is read anew, for each of the host's streams. Disabled: the host's streams go as its GBPA says, still
    /// under stage 2, and without ATS. The real SMMU stays enabled, so the hypervisor also does what it would have done (6.3.9.6):
    /// it terminates stalls that were handed to the host, which will not answer them; discards its page requests; and
    /// invalidates the ATCs, since the host's `CMD_ATC_INV`s are ignored from now on.
    StreamTable {
        /// What SMMUEN is now.
        enabled: bool,
    },
    /// `CR0.CMDQEN` changed. Once disabled, nothing of the host's queue is read any more.
    CommandQueue {
        /// What CMDQEN is now.
        enabled: bool,
    },
    /// `CR0.EVENTQEN` changed.
    EventQueue {
        /// What EVENTQEN is now.
        enabled: bool,
    },
    /// `CR0.PRIQEN` changed.
    PriQueue {
        /// What PRIQEN is now.
        enabled: bool,
    },
    /// Commands wait in the host's queue.
    CommandsPending,
    /// The host has consumed events, or acknowledged an overflow: there may be room for what waits.
    EventsConsumed,
    /// The host has consumed page requests, or acknowledged an overflow.
    PageRequestsConsumed,
    /// The host wants these attributes, or an abort, for streams while its SMMUEN is 0. It decides about the host's own
    /// streams only; the real GBPA stays ABORT.
    Bypass(Gbpa),
    /// The host wants events of unknown StreamIDs recorded, or no longer (`CR2.RECINVSID`).
    RecordInvalidStreams(bool),
}

/// Up to [`Actions::MOST`] actions, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions([Option<Action>; Actions::MOST]);

impl Actions {
    /// As many as one write of CR0 can ask for.
    pub const MOST: usize = 5;

    /// The actions.
    pub fn iter(&self) -> impl Iterator<Item = Action> + use<> {
        self.0.into_iter().flatten()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Adds `action` if `wanted`. No access asks for more than [`Actions::MOST`].
    pub(super) fn add_if(&mut self, wanted: bool, action: Action) {
        if let Some(free) = self.0.iter_mut().find(|slot| slot.is_none() && wanted) {
            *free = Some(action);
        }
    }
}
