//! Which faults of a guest's devices wait for the guest's answer: the state that judging `CMD_RESUME`, `CMD_STALL_TERM` and
//! `CMD_PRI_RESP` needs.
//!
//! Whoever forwards stalls and page requests to a guest keeps it, best in the ledgers of [`fault`](crate::fault), as
//! [`HandedOn`](super::HandedOn) shows them. The SMMU itself checks that a STAG
//! is one of the StreamID's (IHI 0070 4.7.1), but not whether the guest was ever told of it: a stall of stage 2 is the
//! host's to answer.

use crate::command::word::{Pri, PriAnswer, Resume, Stag};
use crate::command::{Opcode, RawCommand};
use smmu_regs::layout::Layout;
use smmu_regs::{InstanceId, StreamId, SubstreamId};

/// The faults that were forwarded to a guest and are not answered yet, under their physical StreamIDs and tags.
///
/// A stall whose record waits for room in the guest's queue counts as forwarded: `CMD_STALL_TERM` ends it, too (4.7.2.1), and the
/// record is dropped when [`ForwardedFaults::answered`] tells of it. Else the guest, which has taken the device away, would be
/// told of it later, and nobody would answer.
pub trait ForwardedFaults {
    /// Whether a stalled transaction of `stream` with this tag was forwarded and is not answered.
    fn is_stalled(&self, stream: StreamId, stag: u16) -> bool;

    /// The lowest tag above `after` (the lowest of all if `None`) for which [`ForwardedFaults::is_stalled`].
    fn next_stall(&self, stream: StreamId, after: Option<u16>) -> Option<u16>;

    /// Whether a page request group was forwarded and is not answered.
    fn is_requested(&self, stream: StreamId, substream: Option<SubstreamId>, group: u16) -> bool;

    /// The answer is in the physical queue: the fault waits no longer, and its tag may come again.
    fn answered(&self, answer: Answer);

    /// Whether any fault is ever forwarded. If not, the three commands are not for this guest, and illegal.
    fn forwards(&self) -> bool {
        true
    }

    /// The SMMU at which the faults wait, if that is known: answers then go to no other's queue.
    fn instance(&self) -> Option<InstanceId> {
        None
    }
}

/// No fault is ever forwarded to the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NothingForwarded;

impl ForwardedFaults for NothingForwarded {
    fn is_stalled(&self, _: StreamId, _: u16) -> bool {
        false
    }

    fn next_stall(&self, _: StreamId, _: Option<u16>) -> Option<u16> {
        None
    }

    fn is_requested(&self, _: StreamId, _: Option<SubstreamId>, _: u16) -> bool {
        false
    }

    fn answered(&self, _: Answer) {}

    fn forwards(&self) -> bool {
        false
    }
}

impl<F: ForwardedFaults + ?Sized> ForwardedFaults for &F {
    fn is_stalled(&self, stream: StreamId, stag: u16) -> bool {
        (**self).is_stalled(stream, stag)
    }

    fn next_stall(&self, stream: StreamId, after: Option<u16>) -> Option<u16> {
        (**self).next_stall(stream, after)
    }

    fn is_requested(&self, stream: StreamId, substream: Option<SubstreamId>, group: u16) -> bool {
        (**self).is_requested(stream, substream, group)
    }

    fn answered(&self, answer: Answer) {
        (**self).answered(answer);
    }

    fn forwards(&self) -> bool {
        (**self).forwards()
    }

    fn instance(&self) -> Option<InstanceId> {
        (**self).instance()
    }
}

/// What a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// A stalled transaction.
    Stall {
        /// Its stream.
        stream: StreamId,
        /// Its tag.
        stag: u16,
    },
    /// A page request group.
    PageRequest {
        /// Its stream.
        stream: StreamId,
        /// Its substream.
        substream: Option<SubstreamId>,
        /// Its index.
        group: u16,
    },
}

impl Answer {
    /// What `command` answers, if it is a `CMD_RESUME` or a `CMD_PRI_RESP`.
    #[must_use]
    pub fn of(command: &RawCommand) -> Option<Self> {
        let [low, high] = command.words();
        match command.opcode() {
            Opcode::Resume => {
                let stream = StreamId::new(Resume::from_word(low).sid());
                Some(Self::Stall { stream, stag: Stag::from_word(high).stag() })
            }
            Opcode::PriResp => {
                let word = Pri::from_word(low);
                // The field has 20 bits, so the conversion cannot fail.
                let substream = if word.ssv() { SubstreamId::new(word.ssid()).ok() } else { None };
                let group = PriAnswer::from_word(high).prgindex();
                Some(Self::PageRequest { stream: StreamId::new(word.sid()), substream, group })
            }
            _ => None,
        }
    }

    /// Whether it is one that `faults` waits for.
    pub(crate) fn is_awaited(self, faults: &impl ForwardedFaults) -> bool {
        match self {
            Self::Stall { stream, stag } => faults.is_stalled(stream, stag),
            Self::PageRequest { stream, substream, group } => faults.is_requested(stream, substream, group),
        }
    }
}

/// A `CMD_RESUME` that aborts the next stalled transaction of `stream` after tag `after`: what `CMD_STALL_TERM` is
/// equivalent to, one by one (4.7.2). Itself it may only be issued when the STE aborts everything.
pub(crate) fn next_abort(
    faults: &impl ForwardedFaults,
    stream: StreamId,
    after: Option<u16>,
) -> Option<(u16, RawCommand)> {
    let stag = faults.next_stall(stream, after)?;
    // A list that does not rise would never end.
    if after.is_some_and(|after| stag <= after) {
        return None;
    }
    let low =
        u64::from(stream) << Resume::SID.info().lsb | Resume::AB.mask() | u64::from(u8::from(Opcode::Resume));
    Some((stag, RawCommand::from_words([low, u64::from(stag)])))
}
