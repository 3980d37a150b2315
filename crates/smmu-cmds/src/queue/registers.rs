//! Through which registers a command queue is worked: the same ring, two sets of registers.
//!
//! [`Cmdq`] is the queue that every SMMU has: `CMDQ_PROD`, `CMDQ_CONS`, errors in `GERROR` (IHI 0070 7.1). [`Ecmdq`] is an
//! enhanced command queue (3.5.6): PROD holds the enable and the acknowledgement of errors besides the index, CONS the
//! error besides its index.

use super::{CommandFailure, Position, QueueError};
use core::fmt::Debug;
use core::time::Duration;
use smmu_regs::handshake::{HandshakeError, acknowledge_errors, active_errors, disable_ecmdq};
use smmu_regs::platform::{Clock, Deadline, Mmio, Page};
use smmu_regs::receipt::QueueId;
use smmu_regs::registers::{
    CmdqBase, CmdqCons, CmdqProd, EcmdqBase, EcmdqCons, EcmdqProd, EcmdqRegisters, Gerror, Registers,
};

/// What CONS says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumer {
    /// The whole register.
    pub register: u32,
    /// Index and wrap bit of the next command, as the register holds them.
    pub rd: u32,
}

/// Registers of a command queue.
pub trait QueueRegisters: Copy + Debug {
    /// Name of the register that holds the consumer's position.
    const CONS: &'static str;

    /// Which of the SMMU's queues this is: what tickets and receipts of it say.
    fn id(&self) -> QueueId;

    /// Writes PROD. `acknowledged` is the error state that software last acknowledged, for registers that keep it there.
    fn ring<P: Mmio + ?Sized>(&self, p: &P, producer: Position, acknowledged: bool);

    /// Reads CONS.
    fn consumer<P: Mmio + ?Sized>(&self, p: &P) -> Consumer;

    /// Why the SMMU has stopped, if it has.
    fn failure<P: Mmio + ?Sized>(&self, p: &P, acknowledged: bool) -> Option<CommandFailure>;

    /// Acknowledges the error. If what comes back differs from `acknowledged`, PROD is to be written with it: that is the
    /// acknowledgement.
    fn acknowledge<P: Mmio + ?Sized>(&self, p: &P, acknowledged: bool) -> bool;
}

/// The command queue that every SMMU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cmdq;

impl QueueRegisters for Cmdq {
    const CONS: &'static str = "CMDQ_CONS";

    fn id(&self) -> QueueId {
        QueueId::MAIN
    }

    #[inline]
    fn ring<P: Mmio + ?Sized>(&self, p: &P, producer: Position, _: bool) {
        p.put(CmdqProd::from_bits(producer.bits()));
    }

    #[inline]
    fn consumer<P: Mmio + ?Sized>(&self, p: &P) -> Consumer {
        let cons: CmdqCons = p.get();
        Consumer { register: cons.into_bits(), rd: cons.rd() }
    }

    #[inline]
    fn failure<P: Mmio + ?Sized>(&self, p: &P, _: bool) -> Option<CommandFailure> {
        // The reason is visible before the error is (7.1).
        active_errors(&p).cmdq_err().then(|| CommandFailure::from(p.get::<CmdqCons>().err()))
    }

    fn acknowledge<P: Mmio + ?Sized>(&self, p: &P, acknowledged: bool) -> bool {
        acknowledge_errors(&p, Gerror::new().with(Gerror::CMDQ_ERR, true));
        acknowledged
    }
}

/// An enhanced command queue.
///
/// `GERROR.CMDQP_ERR` says that some such queue has an error; whoever handles `GERROR` acknowledges it there, before it
/// looks at the queues. It has no effect on them (3.5.6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ecmdq {
    registers: EcmdqRegisters,
}

impl Ecmdq {
    /// The queue with these registers.
    #[must_use]
    pub const fn new(registers: EcmdqRegisters) -> Self {
        Self { registers }
    }

    /// Gives the queue its ring, empty, and enables it; waits until the SMMU has (3.5.6.2).
    ///
    /// `base` is what [`CommandQueue::base_register`](super::CommandQueue::base_register) says. The SMMU's `CR1` must
    /// hold the attributes of queues: from now on it cannot be changed.
    ///
    /// # Errors
    /// The queue was enabled already, or did not acknowledge within `timeout`.
    pub fn enable<P: Mmio + Clock>(
        &self,
        p: &P,
        base: CmdqBase,
        timeout: Duration,
    ) -> Result<(), QueueError> {
        let (at, cons) = (self.registers, || p.get_at::<EcmdqCons>(self.registers.cons()));
        let found: EcmdqProd = p.get_at(at.prod());
        if found.en() || cons().enack() {
            return Err(QueueError::AlreadyEnabled { prod: found.into_bits(), cons: cons().into_bits() });
        }
        // The fields of both base registers are the same (6.3.107). Errors: none, and so acknowledged.
        p.put_at(at.base(), EcmdqBase::from_bits(base.into_bits()));
        p.put_at(at.prod(), EcmdqProd::new());
        p.put_at(at.cons(), EcmdqCons::new());
        p.put_at(at.prod(), EcmdqProd::new().with(EcmdqProd::EN, true));
        let mut found = EcmdqCons::new();
        let answered = Deadline::after(p, timeout).wait(p, || {
            found = cons();
            found.enack().then_some(())
        });
        let (wanted, found) = (found.with(EcmdqCons::ENACK, true).into_bits(), found.into_bits());
        answered.map_err(|_| HandshakeError { register: Self::CONS, wanted, found, timeout }.into())
    }

    /// Disables the queue and waits until the SMMU has stopped: commands that it has not consumed by then never happen.
    ///
    /// # Errors
    /// The SMMU did not stop within `timeout`.
    pub fn disable<P: Mmio + Clock>(&self, p: &P, timeout: Duration) -> Result<(), QueueError> {
        Ok(disable_ecmdq(p, self.registers, timeout)?)
    }
}

impl QueueRegisters for Ecmdq {
    const CONS: &'static str = "ECMDQ_CONS";

    fn id(&self) -> QueueId {
        let at = self.registers.base();
        let page = match at.page {
            Page::CommandQueues { page, .. } => page,
            _ => 0,
        };
        // Queues are 256 bytes apart or more: at most 2^16 numbers, of which none is that of the main queue.
        let number = u32::from(page) << 8 | u32::from(at.offset >> 8);
        QueueId::new(number.saturating_add(1))
    }

    #[inline]
    fn ring<P: Mmio + ?Sized>(&self, p: &P, producer: Position, acknowledged: bool) {
        let prod = EcmdqProd::from_bits(producer.bits());
        let prod = prod.with(EcmdqProd::EN, true).with(EcmdqProd::ERRACK, acknowledged);
        p.put_at(self.registers.prod(), prod);
    }

    #[inline]
    fn consumer<P: Mmio + ?Sized>(&self, p: &P) -> Consumer {
        let cons: EcmdqCons = p.get_at(self.registers.cons());
        Consumer { register: cons.into_bits(), rd: cons.rd() }
    }

    #[inline]
    fn failure<P: Mmio + ?Sized>(&self, p: &P, acknowledged: bool) -> Option<CommandFailure> {
        let cons: EcmdqCons = p.get_at(self.registers.cons());
        (cons.err() != acknowledged).then(|| CommandFailure::from(cons.err_reason()))
    }

    fn acknowledge<P: Mmio + ?Sized>(&self, p: &P, _: bool) -> bool {
        p.get_at::<EcmdqCons>(self.registers.cons()).err()
    }
}
