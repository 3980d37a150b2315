//! What the event queue and the PRI queue have in common: the SMMU writes, software reads (IHI 0070 3.5, 7.4, 8.1).

use super::ring::Ring;
use super::{Drained, Position, QueueError};
use smmu_regs::addr::PhysAddr;
use smmu_regs::platform::{Memory, Mmio, Pages};
use smmu_regs::registers::{EventqCons, EventqProd, PriqCons, PriqProd, Registers};
use smmu_regs::{Caps, Feature};

/// When an overflow may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acknowledge {
    /// With the first records that are consumed: the queue goes on while an overflow is pending (7.4).
    AtOnce,
    /// When all that was written before the overflow is consumed. Nothing new is written before, so requests from before and
    /// after the overflow cannot be taken for one group (8.1.1).
    WhenEmpty,
}

/// The two registers of a queue, as both queues have them: an index with its wrap bit, and the overflow flag in bit 31.
pub(super) trait Pointers {
    /// The name of the producer's register.
    const PROD: &'static str;
    /// When an overflow may be acknowledged.
    const ACKNOWLEDGE: Acknowledge;
    /// Reads PROD: the whole register, and its overflow flag.
    fn prod<P: Mmio>(p: &P) -> (u32, bool);
    /// Writes CONS.
    fn put_cons<P: Mmio>(p: &P, consumer: Position, acknowledged: bool);
}

/// Of the event queue.
#[derive(Debug)]
pub(super) struct Events;

impl Pointers for Events {
    const PROD: &'static str = "EVENTQ_PROD";
    const ACKNOWLEDGE: Acknowledge = Acknowledge::AtOnce;

    fn prod<P: Mmio>(p: &P) -> (u32, bool) {
        let prod: EventqProd = p.get();
        (prod.into_bits(), prod.ovflg())
    }

    fn put_cons<P: Mmio>(p: &P, consumer: Position, acknowledged: bool) {
        p.put(EventqCons::from_bits(consumer.bits()).with(EventqCons::OVACKFLG, acknowledged));
    }
}

/// Of the PRI queue.
#[derive(Debug)]
pub(super) struct Requests;

impl Pointers for Requests {
    const PROD: &'static str = "PRIQ_PROD";
    const ACKNOWLEDGE: Acknowledge = Acknowledge::WhenEmpty;

    fn prod<P: Mmio>(p: &P) -> (u32, bool) {
        let prod: PriqProd = p.get();
        (prod.into_bits(), prod.ovflg())
    }

    fn put_cons<P: Mmio>(p: &P, consumer: Position, acknowledged: bool) {
        p.put(PriqCons::from_bits(consumer.bits()).with(PriqCons::OVACKFLG, acknowledged));
    }
}

/// Bit 31 of PROD.
const OVERFLOW: u32 = 1 << 31;

/// A queue of `W`-word records and its only consumer.
#[derive(Debug)]
pub(super) struct Consumer<const W: usize> {
    ring: Ring<W>,
    coherent: bool,
    consumer: Position,
    acknowledged: bool,
}

impl<const W: usize> Consumer<W> {
    pub(super) fn new<M: Memory>(memory: &M, caps: &Caps, log2: u8, max: u8) -> Result<Self, QueueError> {
        Ok(Self {
            ring: Ring::new(memory, log2, 0, max)?,
            coherent: caps.has(Feature::Coherent),
            consumer: Position::ZERO,
            acknowledged: false,
        })
    }

    pub(super) const fn log2(&self) -> u8 {
        self.ring.size().log2()
    }

    pub(super) const fn base(&self) -> PhysAddr {
        self.ring.base()
    }

    pub(super) const fn coherent(&self) -> bool {
        self.coherent
    }

    /// Where the SMMU is, and its overflow flag.
    fn producer<P: Mmio, R: Pointers>(&self, p: &P) -> Result<(Position, bool), QueueError> {
        let (value, overflow) = R::prod(p);
        let size = self.ring.size();
        let producer = size.position(value);
        // Any other bit says that this is no register of such a queue; a device that is gone reads as ones.
        if value & !OVERFLOW != producer.bits() || size.space(producer, self.consumer).is_none() {
            let other = self.consumer.bits();
            return Err(QueueError::Pointer { register: R::PROD, value, other });
        }
        Ok((producer, overflow))
    }

    /// Hands on at most `limit` of the records that are there now.
    pub(super) fn drain<P: Mmio + Memory, R: Pointers>(
        &mut self,
        p: &P,
        limit: u32,
        mut handle: impl FnMut([u64; W]),
    ) -> Result<Drained, QueueError> {
        let (producer, overflow) = self.producer::<P, R>(p)?;
        let size = self.ring.size();
        p.acquire();
        let mut records = 0_u32;
        while self.consumer != producer && records < limit {
            self.ring.invalidate(p, self.consumer);
            handle(self.ring.read(p, self.consumer)?);
            self.consumer = size.advance(self.consumer, 1);
            records = records.saturating_add(1);
        }
        let more = self.consumer != producer;
        let pending = overflow != self.acknowledged;
        let lost = pending
            && match R::ACKNOWLEDGE {
                Acknowledge::AtOnce => records != 0 || !more,
                Acknowledge::WhenEmpty => !more,
            };
        if records != 0 || lost {
            self.consumed::<P, R>(p, if lost { overflow } else { self.acknowledged });
        }
        Ok(Drained { records, lost, more })
    }

    /// Drops what is there now, unseen.
    pub(super) fn discard<P: Mmio + Memory, R: Pointers>(&mut self, p: &P) -> Result<Drained, QueueError> {
        let (producer, overflow) = self.producer::<P, R>(p)?;
        let records = self.ring.size().distance(self.consumer, producer);
        let lost = overflow != self.acknowledged;
        self.consumer = producer;
        self.consumed::<P, R>(p, overflow);
        Ok(Drained { records, lost, more: false })
    }

    fn consumed<P: Mmio + Memory, R: Pointers>(&mut self, p: &P, acknowledged: bool) {
        self.acknowledged = acknowledged;
        // The reads must be done before the SMMU may reuse the entries.
        p.release();
        R::put_cons(p, self.consumer, acknowledged);
    }

    pub(super) fn restart(&mut self) {
        self.consumer = Position::ZERO;
        self.acknowledged = false;
    }

    pub(super) fn into_pages(self) -> Pages {
        self.ring.into_pages()
    }
}
