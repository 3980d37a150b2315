//! An SMMU that translates: what a driver needs while it runs.

use super::interrupts::Interrupts;
use super::states::ALL_SOURCES;
use super::{Bases, GlobalErrors, LifecycleError, Quiesced, Unit};
use crate::caps::Caps;
use crate::handshake::{acknowledge_errors, write_irq_ctrl};
use crate::id::InstanceId;
use crate::platform::{Clock, Mmio};
use crate::registers::{Cr0, EventqCons, EventqProd, Gerror, IrqCtrl, PriqCons, PriqProd, Registers};
use core::time::Duration;

/// An SMMU that translates.
#[derive(Debug)]
pub struct Enabled {
    pub(super) unit: Unit,
    pub(super) bases: Bases,
    pub(super) interrupts: Interrupts,
    /// What was last written to `CR0`.
    pub(super) cr0: Cr0,
    /// A change of interrupts has failed half-way.
    pub(super) interrupts_unsure: bool,
}

/// What waits for somebody to look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "nothing else announces it"]
pub struct Pending {
    /// Global errors that are active.
    pub errors: GlobalErrors,
    /// The event queue is not empty, or records were lost.
    pub event_queue: bool,
    /// The PRI queue is not empty, or requests were lost.
    pub pri_queue: bool,
}

impl Pending {
    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.errors.is_empty() && !self.event_queue && !self.pri_queue
    }
}

impl Enabled {
    /// What the SMMU can do.
    #[must_use]
    pub const fn caps(&self) -> &Caps {
        &self.unit.caps
    }

    /// Which SMMU.
    #[must_use]
    pub const fn instance(&self) -> InstanceId {
        self.unit.instance
    }

    /// What is enabled.
    #[must_use]
    pub const fn cr0(&self) -> Cr0 {
        self.cr0
    }

    /// Where the tables and queues are.
    #[must_use]
    pub const fn bases(&self) -> &Bases {
        &self.bases
    }

    /// How it interrupts.
    #[must_use]
    pub const fn interrupts(&self) -> &Interrupts {
        &self.interrupts
    }

    /// What waits for somebody to look at it: for a driver that polls, one whose interrupts share a line, and one that has
    /// just changed its interrupts.
    pub fn pending<P: Mmio>(&self, p: &P) -> Pending {
        let (prod, cons) = (p.get::<EventqProd>(), p.get::<EventqCons>());
        let event_queue = prod.into_bits() != cons.into_bits();
        let pri_queue = self.bases.pri_queue.is_some()
            && p.get::<PriqProd>().into_bits() != p.get::<PriqCons>().into_bits();
        Pending { errors: GlobalErrors::active(p), event_queue, pri_queue }
    }

    /// Says which global errors are active, and acknowledges those that need no repair: aborted MSIs, and that some
    /// enhanced command queue is to be looked at. What each of the others asks for is said at
    /// [`GlobalError`](super::GlobalError); they stay active until that is done.
    ///
    /// Not beside another CPU that acknowledges: call it through `while_not_repairing` of a shared command queue. So with
    /// [`Enabled::restart_event_queue`] and [`Enabled::restart_pri_queue`].
    pub fn service_errors<P: Mmio>(&self, p: &P) -> GlobalErrors {
        let errors = GlobalErrors::active(p);
        errors.acknowledge_what_needs_no_repair(p);
        errors
    }

    /// Changes how the SMMU interrupts, of those sources that differ: each is switched off, which waits until its last MSI
    /// has been written; then its registers are written; then it is switched on again.
    ///
    /// What happens in between is not announced, by the old interrupt or by the new one (6.3.16). So nothing is lost only if
    /// the caller now looks at what is pending, as if an interrupt had come.
    ///
    /// # Errors
    /// The SMMU cannot make such an interrupt (nothing has changed then), or `IRQ_CTRLACK` did not follow within `timeout`:
    /// interrupts may be off then, and the next call sets all of them anew.
    pub fn set_interrupts<P: Mmio + Clock>(
        &mut self,
        p: &P,
        interrupts: &Interrupts,
        timeout: Duration,
    ) -> Result<Pending, LifecycleError> {
        interrupts.check(&self.unit.caps)?;
        let changed =
            if self.interrupts_unsure { ALL_SOURCES } else { interrupts.differing(&self.interrupts) };
        let enables = interrupts.enables(self.bases.pri_queue.is_some());
        self.interrupts_unsure = true;
        write_irq_ctrl(p, IrqCtrl::from_bits(enables.into_bits() & !changed.into_bits()), timeout)?;
        interrupts.write(p, &self.unit.caps, changed)?;
        write_irq_ctrl(p, enables, timeout)?;
        self.interrupts = *interrupts;
        self.interrupts_unsure = false;
        Ok(self.pending(p))
    }

    fn write_cr0<P: Mmio + Clock>(
        &mut self,
        p: &P,
        value: Cr0,
        timeout: Duration,
    ) -> Result<(), LifecycleError> {
        self.cr0 = value;
        Ok(self.unit.write_cr0(p, value, timeout)?)
    }

    /// Empties the event queue and has the SMMU write to it again: after
    /// [`GlobalError::EventQueue`](super::GlobalError::EventQueue), when its records cannot be trusted. Records that are in
    /// the queue are lost, those of stalls too. Call `EventQueue::restart` of `smmu-cmds` before the queue is looked at
    /// again, and terminate the stalls of every stream that may stall (7.2.2).
    ///
    /// The queue is off while it is emptied, and the error is acknowledged before it is on again, so that the first record
    /// is not lost too.
    ///
    /// # Errors
    /// `CR0ACK` did not follow within `timeout`. The queue may be off; call again.
    pub fn restart_event_queue<P: Mmio + Clock>(
        &mut self,
        p: &P,
        timeout: Duration,
    ) -> Result<(), LifecycleError> {
        self.write_cr0(p, self.cr0.with(Cr0::EVENTQEN, false), timeout)?;
        p.put(EventqProd::new());
        p.put(EventqCons::new());
        acknowledge_errors(p, Gerror::new().with(Gerror::EVENTQ_ABT_ERR, true));
        self.write_cr0(p, self.cr0.with(Cr0::EVENTQEN, true), timeout)
    }

    /// Empties the PRI queue and has the SMMU write to it again: after
    /// [`GlobalError::PriQueue`](super::GlobalError::PriQueue). Requests that are in the queue are lost unanswered; their
    /// devices' PRI interface must be reset. Does nothing without a PRI queue.
    ///
    /// # Errors
    /// `CR0ACK` did not follow within `timeout`. The queue may be off; call again.
    pub fn restart_pri_queue<P: Mmio + Clock>(
        &mut self,
        p: &P,
        timeout: Duration,
    ) -> Result<(), LifecycleError> {
        if self.bases.pri_queue.is_none() {
            return Ok(());
        }
        self.write_cr0(p, self.cr0.with(Cr0::PRIQEN, false), timeout)?;
        p.put(PriqProd::new());
        p.put(PriqCons::new());
        acknowledge_errors(p, Gerror::new().with(Gerror::PRIQ_ABT_ERR, true));
        self.write_cr0(p, self.cr0.with(Cr0::PRIQEN, true), timeout)
    }

    /// Switches the event queue and the PRI queue off: for a crash kernel, whose last owner's devices go on with DMA that
    /// is refused, and would drown it in events. Traffic is filtered as before; page requests are denied.
    /// [`Enabled::restart_event_queue`] and [`Enabled::restart_pri_queue`] switch them on again, empty.
    ///
    /// # Errors
    /// `CR0ACK` did not follow within `timeout`.
    pub fn mute<P: Mmio + Clock>(&mut self, p: &P, timeout: Duration) -> Result<(), LifecycleError> {
        let cr0 = self.cr0.with(Cr0::EVENTQEN, false).with(Cr0::PRIQEN, false);
        self.write_cr0(p, cr0, timeout)
    }

    /// Switches translation, queues and interrupts off. Traffic aborts from then on.
    ///
    /// # Errors
    /// A register did not answer within `timeout`, or the SMMU is in Service failure mode.
    pub fn disable<P: Mmio + Clock>(self, p: &P, timeout: Duration) -> Result<Quiesced, LifecycleError> {
        self.unit.quiesce(p, timeout)
    }
}
