//! The event queue and its only consumer.

use super::ring::Ring;
use super::{Position, QueueError};
use crate::event::RawEvent;
use smmu_regs::platform::{Memory, Mmio, Pages};
use smmu_regs::registers::{EventqBase, EventqCons, EventqProd, Registers};
use smmu_regs::{Caps, Feature};

/// An event queue and its only consumer.
#[derive(Debug)]
pub struct EventQueue {
    ring: Ring<4>,
    coherent: bool,
    consumer: Position,
    overflow_acknowledged: bool,
}

/// What [`EventQueue::drain`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "says whether events were lost"]
pub struct Drained {
    /// Records handed on.
    pub records: u32,
    /// The queue was full and the SMMU dropped at least one record since the last call.
    pub lost: bool,
}

impl EventQueue {
    /// Allocates a queue of 2^`log2` records.
    ///
    /// # Errors
    /// The size is not what the SMMU supports, or there is no memory.
    pub fn new<M: Memory>(memory: &M, caps: &Caps, log2: u8) -> Result<Self, QueueError> {
        Ok(Self {
            ring: Ring::new(memory, log2, 0, caps.event_queue_log2)?,
            coherent: caps.has(Feature::Coherent),
            consumer: Position::ZERO,
            overflow_acknowledged: false,
        })
    }

    /// What `EVENTQ_BASE` is to hold.
    ///
    /// # Errors
    /// The queue's address does not fit the register.
    pub fn base_register(&self) -> Result<EventqBase, QueueError> {
        let address = self.ring.base().get();
        EventqBase::new()
            .try_with(EventqBase::LOG2SIZE, self.ring.size().log2())
            .and_then(|base| base.try_with_address(EventqBase::ADDR, address))
            .map(|base| base.with(EventqBase::WA, self.coherent))
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
        mut handle: impl FnMut(RawEvent),
    ) -> Result<Drained, QueueError> {
        let register: EventqProd = p.get();
        let size = self.ring.size();
        let producer = size.position(register.wr());
        if register.wr() != producer.bits() || size.space(producer, self.consumer).is_none() {
            let (value, other) = (register.into_bits(), self.consumer.bits());
            return Err(QueueError::Pointer { register: "EVENTQ_PROD", value, other });
        }
        p.acquire();
        let mut drained = Drained { records: 0, lost: register.ovflg() != self.overflow_acknowledged };
        while self.consumer != producer {
            self.ring.invalidate(p, self.consumer);
            handle(RawEvent::from_words(self.ring.read(p, self.consumer)?));
            self.consumer = size.advance(self.consumer, 1);
            drained.records = drained.records.saturating_add(1);
        }
        if drained.records != 0 || drained.lost {
            self.overflow_acknowledged = register.ovflg();
            // The reads above must be done before the SMMU may reuse the entries.
            p.release();
            let cons = EventqCons::from_bits(self.consumer.bits());
            p.put(cons.with(EventqCons::OVACKFLG, self.overflow_acknowledged));
        }
        Ok(drained)
    }

    /// Begins anew at the start of the ring, for an SMMU that was disabled and whose PROD and CONS have been set to 0.
    pub fn restart(&mut self) {
        self.consumer = Position::ZERO;
        self.overflow_acknowledged = false;
    }

    /// Gives the memory back: only when the queue is disabled.
    pub fn into_pages(self) -> Pages {
        self.ring.into_pages()
    }
}
