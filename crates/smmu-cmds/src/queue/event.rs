//! The event queue and its only consumer.

use super::QueueError;
use super::consumer::{Consumer, Events};
use crate::event::RawEvent;
use smmu_regs::Caps;
use smmu_regs::platform::{Memory, Mmio, Pages};
use smmu_regs::registers::EventqBase;

/// An event queue and its only consumer (IHI 0070 7.2, 7.4).
///
/// A full queue loses the records of terminated transactions, and says so ([`Drained::lost`]); those of stalled ones it keeps
/// back until there is room. While an overflow is pending, new records are written all the same.
#[derive(Debug)]
pub struct EventQueue(Consumer<4>);

/// What a drain did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "says whether records were lost"]
pub struct Drained {
    /// Records handed on.
    pub records: u32,
    /// The queue was full and the SMMU dropped at least one record since this was last reported. The overflow has been
    /// acknowledged.
    pub lost: bool,
    /// The limit was reached before the queue was empty.
    pub more: bool,
}

impl EventQueue {
    /// Allocates a queue of 2^`log2` records.
    ///
    /// # Errors
    /// The size is not what the SMMU supports, or there is no memory.
    pub fn new<M: Memory>(memory: &M, caps: &Caps, log2: u8) -> Result<Self, QueueError> {
        Consumer::new(memory, caps, log2, caps.event_queue_log2).map(Self)
    }

    /// What `EVENTQ_BASE` is to hold.
    ///
    /// # Errors
    /// The queue's address does not fit the register.
    pub fn base_register(&self) -> Result<EventqBase, QueueError> {
        let address = self.0.base().get();
        EventqBase::new()
            .try_with(EventqBase::LOG2SIZE, self.0.log2())
            .and_then(|base| base.try_with_address(EventqBase::ADDR, address))
            .map(|base| base.with(EventqBase::WA, self.0.coherent()))
            .map_err(|_| QueueError::Base { address })
    }

    /// Hands every record that is in the queue now to `handle`, and acknowledges an overflow.
    ///
    /// It looks at PROD once, so a flood of events cannot keep it; call again while records come. Each record is copied
    /// before it is looked at.
    ///
    /// # Errors
    /// PROD holds something impossible.
    pub fn drain<P: Mmio + Memory>(
        &mut self,
        p: &P,
        handle: impl FnMut(RawEvent),
    ) -> Result<Drained, QueueError> {
        self.drain_some(p, u32::MAX, handle)
    }

    /// As [`EventQueue::drain`], but at most `limit` records.
    ///
    /// # Errors
    /// PROD holds something impossible.
    pub fn drain_some<P: Mmio + Memory>(
        &mut self,
        p: &P,
        limit: u32,
        mut handle: impl FnMut(RawEvent),
    ) -> Result<Drained, QueueError> {
        self.0.drain::<P, Events>(p, limit, |words| handle(RawEvent::from_words(words)))
    }

    /// Drops what is in the queue, unseen: what is to be done after `GERROR.EVENTQ_ABT_ERR` where writes abort
    /// asynchronously, since any entry may then be invalid (7.2.2). Records of stalls may be among them: terminate all
    /// stalled transactions, with `CMD_STALL_TERM` or by taking `SMMUEN` through 0, and tell
    /// [`Stalls`](crate::fault::Stalls).
    ///
    /// # Errors
    /// PROD holds something impossible.
    pub fn discard<P: Mmio + Memory>(&mut self, p: &P) -> Result<Drained, QueueError> {
        self.0.discard::<P, Events>(p)
    }

    /// Begins anew at the start of the ring, for an SMMU that was disabled and whose PROD and CONS have been set to 0.
    pub fn restart(&mut self) {
        self.0.restart();
    }

    /// Gives the memory back: only when the queue is disabled.
    pub fn into_pages(self) -> Pages {
        self.0.into_pages()
    }
}
