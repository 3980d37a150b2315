//! A page request group: what it is known by, its token, and how its answer may look (IHI 0070 4.5.2, chapter 8).

use super::Unrecorded;
use super::ledger::Serial;
use core::fmt;
use smmu_regs::{Caps, InstanceId, StreamId, SubstreamId};

/// What a group is known by. Not by its PASID: an index is a group of its device whatever the PASIDs of its requests are, and
/// nobody checks that they agree (chapter 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupId {
    /// Its stream.
    pub stream: StreamId,
    /// Its index, 9 bits (`PRGIndex`).
    pub index: u16,
}

/// Whether the answer carries the PASID that the request had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ResponsePasid {
    /// Yes, if the request had one: for devices whose PRI capability says "PRG Response PASID Required". `STE.PPAR` is to be 1
    /// for these, so that the SMMU's own answers carry it too (8.1). Where `IDR3.PPS` is 1, those always do.
    #[default]
    AsRequested,
    /// No: for all other devices, and for an SMMU without PASIDs, where it is not permitted (4.5.2).
    Never,
}

impl ResponsePasid {
    /// For a device whose PRI capability says `required`, behind this SMMU.
    #[must_use]
    pub const fn of_device(caps: &Caps, required: bool) -> Self {
        if required && caps.substream_id_bits != 0 { Self::AsRequested } else { Self::Never }
    }
}

/// What answers a group whose last request comes when the ledger is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WhenFull {
    /// Success, as the SMMU itself answers when its queue overflows: the device asks ATS again, is refused again, and makes its
    /// page request anew (8.1).
    #[default]
    TryAgain,
    /// Invalid Request: the device is told that the pages cannot be had.
    Refuse,
}

/// A group that waits for `CMD_PRI_RESP`. It is answered once, by
/// [`PageGroups::answer`](super::PageGroups::answer).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the device waits for the answer"]
pub struct PageGroup {
    pub(super) id: GroupId,
    pub(super) instance: InstanceId,
    pub(super) serial: Serial,
    pub(super) substream: Option<SubstreamId>,
    pub(super) requests: u32,
    pub(super) mixed: bool,
}

impl PageGroup {
    /// Its stream and its index.
    #[must_use]
    pub const fn id(&self) -> GroupId {
        self.id
    }

    /// The PASID of its last request.
    #[must_use]
    pub const fn substream(&self) -> Option<SubstreamId> {
        self.substream
    }

    /// How many requests of it came, the last one included. Where the ledger was short of room, fewer than the device made.
    #[must_use]
    pub const fn requests(&self) -> u32 {
        self.requests
    }

    /// Its requests do not agree on the PASID: a mistake of the device's. An answer of Success would say that pages of several
    /// address spaces are there.
    #[must_use]
    pub const fn is_mixed(&self) -> bool {
        self.mixed
    }

    /// The SMMU by which the answer goes.
    #[must_use]
    pub const fn instance(&self) -> InstanceId {
        self.instance
    }
}

impl fmt::Display for PageGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GroupId { stream, index } = self.id;
        write!(f, "page request group StreamID={stream} PRGIndex={index:#x}")
    }
}

/// What a page request means for the ledger.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a device may wait"]
pub enum PageArrival {
    /// A stop marker: no answer is due. The device makes no more requests of this PASID, and none before it is on its way.
    StopMarker,
    /// One of a group that goes on: its page is to be brought in, and no answer is due yet.
    Member(GroupId),
    /// The last of a group, which now waits for its answer: after all its pages have been brought in, or some could not be.
    Last(PageGroup),
    /// The last of a group, and the ledger is full of groups that wait for answers: this answer is to be sent now.
    Full(Unrecorded),
    /// A request of a group whose last request has come before and is not answered yet: a mistake of the device's, as an index
    /// is free again only after the answer. The one answer that is due answers this one too.
    Known(GroupId),
}
