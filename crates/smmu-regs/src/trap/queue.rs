//! The host's queues: what its registers say of them, with every value they can hold.
//!
//! A base is aligned down to the queue's size and a size is capped, as the SMMU does it (IHI 0070 6.3.26, 6.3.29). Ends that no
//! queue can have are taken as "nothing to do": the SMMU, too, may then do nothing (3.5.1).

use super::view::Output;
use super::{HostView, InterruptSource};
use crate::addr::PhysAddr;
use crate::registers::{CmdqBase, CmdqCons, Cr0, Gerror};

/// Most entries of a queue, log2 (6.3.2).
const MAX_LOG2: u8 = 19;

/// Commands wait in the host's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandsWaiting {
    /// Where the next one is, in the host's world.
    pub next: PhysAddr,
    /// How many there are, at least 1.
    pub count: u32,
}

/// Where the next record for the host goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordSlot {
    /// Here, in the host's world.
    At(PhysAddr),
    /// The queue is full: the record is lost. That of a stalled transaction is not: the hypervisor keeps it until there is room,
    /// or terminates the transaction (7.2.1).
    Full,
    /// The queue is disabled, its last record was aborted, or its ends make no sense: no record gets in, and that of a stalled
    /// transaction is kept as above. A page request that gets in neither here nor above is answered as the SMMU would have
    /// answered it (8.1; `smmu_cmds::fault::auto_response`).
    Closed,
}

/// A queue's shape, from its base register.
#[derive(Clone, Copy)]
struct Shape {
    base: u64,
    log2: u8,
}

impl Shape {
    /// `entry` is log2 of an entry's bytes. All base registers have the same fields.
    fn new(base: u64, most: u8, entry: u8) -> Self {
        let register = CmdqBase::from_bits(base);
        let log2 = register.log2size().min(most).min(MAX_LOG2);
        let bytes = 1_u64.wrapping_shl(u32::from(log2) + u32::from(entry)).max(32);
        let address = base & CmdqBase::ADDR.mask();
        Self { base: address & !bytes.wrapping_sub(1), log2 }
    }

    /// Entries between two ends; `None` if they cannot be those of one queue.
    fn used(self, prod: u32, cons: u32) -> Option<u32> {
        let mask = (2_u32 << self.log2).wrapping_sub(1);
        let used = prod.wrapping_sub(cons) & mask;
        (used <= 1 << self.log2).then_some(used)
    }

    fn entry(self, end: u32, entry: u8) -> PhysAddr {
        let index = end & (1_u32 << self.log2).wrapping_sub(1);
        PhysAddr::new(self.base.wrapping_add(u64::from(index) << entry))
    }

    fn advance(self, end: u32) -> u32 {
        end.wrapping_add(1) & (2_u32 << self.log2).wrapping_sub(1)
    }
}

/// log2 of the bytes of a command.
const COMMAND: u8 = 4;

impl HostView {
    fn commands(&self) -> Shape {
        Shape::new(self.cmdq_base, self.ids.idr1.cmdqs(), COMMAND)
    }

    /// The host's command queue, if commands wait in it: it is enabled, not stopped by an error, and not empty.
    #[must_use]
    pub fn commands_waiting(&self) -> Option<CommandsWaiting> {
        let stopped =
            (self.gerror ^ self.gerrorn) & Gerror::new().with(Gerror::CMDQ_ERR, true).into_bits() != 0;
        if !self.cr0().cmdqen() || stopped {
            return None;
        }
        let shape = self.commands();
        match shape.used(self.cmdq_prod, self.cmdq_cons) {
            None | Some(0) => None,
            Some(count) => Some(CommandsWaiting { next: shape.entry(self.cmdq_cons, COMMAND), count }),
        }
    }

    /// The command at [`CommandsWaiting::next`] is consumed: CONS goes one on.
    pub fn command_consumed(&mut self) {
        if self.commands_waiting().is_some() {
            let cons = CmdqCons::from_bits(self.cmdq_cons);
            let rd = self.commands().advance(cons.rd());
            self.cmdq_cons = rd | self.cmdq_cons & bits32(CmdqCons::ERR.mask());
        }
    }

    /// The command at [`CommandsWaiting::next`] cannot be consumed: `CMDQ_CONS.ERR` takes `code`, GERROR tells of it, and the
    /// queue stands until the host acknowledges (7.1). The hypervisor then raises [`InterruptSource::GlobalError`].
    pub fn command_failed(&mut self, code: u8) {
        let err = u32::from(code & 0x7f).wrapping_shl(CmdqCons::ERR.info().lsb);
        self.cmdq_cons = self.cmdq_cons & !bits32(CmdqCons::ERR.mask()) | err;
        self.activate(Gerror::new().with(Gerror::CMDQ_ERR, true));
    }

    /// Raises a global error for the host, unless it is active already.
    pub fn activate(&mut self, errors: Gerror) {
        let active = self.gerror ^ self.gerrorn;
        self.gerror ^= errors.into_bits() & !active;
    }

    fn records(&self, source: InterruptSource) -> Option<(Output, Shape, u8, bool, Gerror)> {
        let cr0 = Cr0::from_bits(self.cr0);
        let idr1 = self.ids.idr1;
        match source {
            InterruptSource::EventQueue => {
                let shape = Shape::new(self.events.base, idr1.eventqs(), 5);
                Some((
                    self.events,
                    shape,
                    5,
                    cr0.eventqen(),
                    Gerror::new().with(Gerror::EVENTQ_ABT_ERR, true),
                ))
            }
            // PRIQEN counts only with SMMUEN (6.3.9).
            InterruptSource::PriQueue => {
                let shape = Shape::new(self.requests.base, idr1.priqs(), 4);
                let enabled = cr0.priqen() && cr0.smmuen();
                Some((self.requests, shape, 4, enabled, Gerror::new().with(Gerror::PRIQ_ABT_ERR, true)))
            }
            InterruptSource::GlobalError => None,
        }
    }

    /// Where the next event goes.
    #[must_use]
    pub fn event_slot(&self) -> RecordSlot {
        self.slot(InterruptSource::EventQueue)
    }

    /// Where the next page request goes.
    #[must_use]
    pub fn page_request_slot(&self) -> RecordSlot {
        self.slot(InterruptSource::PriQueue)
    }

    fn slot(&self, source: InterruptSource) -> RecordSlot {
        let Some((output, shape, entry, enabled, error)) = self.records(source) else {
            return RecordSlot::Closed;
        };
        let aborted = (self.gerror ^ self.gerrorn) & error.into_bits() != 0;
        match shape.used(output.prod & !OVERFLOW, output.cons & !OVERFLOW) {
            Some(used) if enabled && !aborted => {
                // After an overflow no page request is written until it is acknowledged (8.1); events are (7.4).
                let unacknowledged = (output.prod ^ output.cons) & OVERFLOW != 0;
                let overflow = unacknowledged && source == InterruptSource::PriQueue;
                if overflow || used == 1 << shape.log2 {
                    RecordSlot::Full
                } else {
                    RecordSlot::At(shape.entry(output.prod, entry))
                }
            }
            _ => RecordSlot::Closed,
        }
    }

    /// The event is stored at [`HostView::event_slot`], all of it, and a barrier stands after it: PROD goes one on.
    pub fn event_stored(&mut self) {
        self.stored(InterruptSource::EventQueue);
    }

    /// The page request is stored at [`HostView::page_request_slot`].
    pub fn page_request_stored(&mut self) {
        self.stored(InterruptSource::PriQueue);
    }

    fn stored(&mut self, source: InterruptSource) {
        let RecordSlot::At(_) = self.slot(source) else { return };
        let Some((output, shape, ..)) = self.records(source) else { return };
        let prod = shape.advance(output.prod & !OVERFLOW) | output.prod & OVERFLOW;
        self.output_mut(source.into()).prod = prod;
    }

    /// An event is dropped because the queue is full: OVFLG tells of it (7.4).
    pub fn event_lost(&mut self) {
        self.lost(InterruptSource::EventQueue);
    }

    /// A page request is dropped because the queue is full.
    pub fn page_request_lost(&mut self) {
        self.lost(InterruptSource::PriQueue);
    }

    fn lost(&mut self, source: InterruptSource) {
        let full = self.slot(source) == RecordSlot::Full;
        let output = self.output_mut(source.into());
        // A second loss before the acknowledgement is the same overflow.
        if full && (output.prod ^ output.cons) & OVERFLOW == 0 {
            output.prod ^= OVERFLOW;
        }
    }
}

/// OVFLG and OVACKFLG.
const OVERFLOW: u32 = 1 << 31;

/// The low half.
pub(super) const fn bits32(word: u64) -> u32 {
    (word & 0xffff_ffff) as u32
}
