//! The PRI queue and its only consumer.

use super::consumer::{Consumer, Requests};
use super::{Drained, QueueError};
use crate::event::RawPageRequest;
use smmu_regs::platform::{Memory, Mmio, Pages};
use smmu_regs::registers::PriqBase;
use smmu_regs::{Caps, Feature};

/// A queue of page requests and its only consumer (IHI 0070 chapter 8).
///
/// Devices are given credits, which add up to no more than the queue holds (less the stop markers that may come), so that it
/// never overflows. If it does, the SMMU writes nothing more, answers the last request of each group with Success itself and
/// drops the others, until all that is in the queue is consumed and the overflow acknowledged (8.1).
///
/// An answer gives its device a credit, so where credits add up to the whole queue, answers are to be sent after the drain
/// has returned, when the entries are free.
#[derive(Debug)]
pub struct PriQueue(Consumer<2>);

impl PriQueue {
    /// Allocates a queue of 2^`log2` requests.
    ///
    /// # Errors
    /// The SMMU has no PRI queue, or not of this size, or there is no memory.
    pub fn new<M: Memory>(memory: &M, caps: &Caps, log2: u8) -> Result<Self, QueueError> {
        if !caps.has(Feature::Pri) {
            return Err(QueueError::NoPri);
        }
        Consumer::new(memory, caps, log2, caps.pri_queue_log2).map(Self)
    }

    /// What `PRIQ_BASE` is to hold.
    ///
    /// # Errors
    /// The queue's address does not fit the register.
    pub fn base_register(&self) -> Result<PriqBase, QueueError> {
        let address = self.0.base().get();
        PriqBase::new()
            .try_with(PriqBase::LOG2SIZE, self.0.log2())
            .and_then(|base| base.try_with_address(PriqBase::ADDR, address))
            .map(|base| base.with(PriqBase::WA, self.0.coherent()))
            .map_err(|_| QueueError::Base { address })
    }

    /// Hands every request that is in the queue now to `handle`. It looks at PROD once, and each request is copied before it
    /// is looked at.
    ///
    /// If the queue had overflown ([`Drained::lost`]), that is acknowledged in the same write that empties it. Groups whose
    /// last request has not come by then never end, and are to be forgotten
    /// ([`PageGroups::forget_incomplete`](crate::fault::PageGroups::forget_incomplete)) before the next drain: their
    /// indexes may come again with another meaning (8.1.1).
    ///
    /// # Errors
    /// PROD holds something impossible.
    pub fn drain<P: Mmio + Memory>(
        &mut self,
        p: &P,
        handle: impl FnMut(RawPageRequest),
    ) -> Result<Drained, QueueError> {
        self.drain_some(p, u32::MAX, handle)
    }

    /// As [`PriQueue::drain`], but at most `limit` requests. An overflow is reported and acknowledged by the call that finds
    /// the queue empty.
    ///
    /// # Errors
    /// PROD holds something impossible.
    pub fn drain_some<P: Mmio + Memory>(
        &mut self,
        p: &P,
        limit: u32,
        mut handle: impl FnMut(RawPageRequest),
    ) -> Result<Drained, QueueError> {
        self.0.drain::<P, Requests>(p, limit, |words| handle(RawPageRequest::from_words(words)))
    }

    /// Drops what is in the queue, unseen: what is to be done after `GERROR.PRIQ_ABT_ERR` where writes abort
    /// asynchronously (8.2). Nobody answers those requests: the devices' page requests must be reset.
    ///
    /// # Errors
    /// PROD holds something impossible.
    pub fn discard<P: Mmio + Memory>(&mut self, p: &P) -> Result<Drained, QueueError> {
        self.0.discard::<P, Requests>(p)
    }

    /// Begins anew at the start of the ring, for a queue that was disabled and whose PROD and CONS have been set to 0.
    pub fn restart(&mut self) {
        self.0.restart();
    }

    /// Gives the memory back: only when the queue is disabled.
    pub fn into_pages(self) -> Pages {
        self.0.into_pages()
    }
}
