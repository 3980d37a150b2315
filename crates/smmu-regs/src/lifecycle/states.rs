//! From firmware's SMMU to one that translates: the road of [`super`].

use super::interrupts::Interrupts;
use super::{Bases, Enabled, GlobalError, GlobalErrors, LifecycleError, Unit};
use crate::caps::{Caps, Feature, Hints, IdRegisters, ProbeError};
use crate::handshake::{acknowledge_errors, update_gbpa, write_irq_ctrl};
use crate::id::InstanceId;
use crate::platform::{Clock, Mmio};
use crate::receipt::CleanStart;
use crate::registers::{
    CmdqCons, CmdqProd, Cr0, Cr1, Cr2, EventqCons, EventqProd, Gbpa, IrqCtrl, PriqCons, PriqProd, Registers,
};
use crate::vmsa::{Cacheability, Shareability};
use core::time::Duration;

/// An SMMU whose ID registers have been read. Nothing has been written yet.
#[derive(Debug)]
pub struct Probed(pub(super) Unit);

impl Probed {
    /// Reads the ID registers.
    ///
    /// # Errors
    /// [`ProbeError`]; reserved values are accepted and listed in [`Caps::oddities`].
    pub fn probe<M: Mmio>(p: &M, instance: InstanceId, hints: &Hints) -> Result<Self, ProbeError> {
        let ids = IdRegisters::read(p);
        let caps = Caps::probe(&ids, hints)?;
        Ok(Self(Unit { caps, instance, ids }))
    }

    /// What the SMMU can do.
    #[must_use]
    pub const fn caps(&self) -> &Caps {
        &self.0.caps
    }

    /// Takes the SMMU over from whatever state firmware, or a kernel that crashed, left it in:
    ///
    /// 1. traffic is made to abort while `SMMUEN` is 0 (`GBPA.ABORT`), and the update waited for;
    /// 2. interrupts are switched off, then the enhanced command queues that somebody left enabled: while one is, `CR1` cannot
    ///    be set (6.3.11), and its commands are still processed;
    /// 3. translation and queues are switched off. `ATSCHK` stays until that is acknowledged: fields of `CR0` take effect in any
    ///    order, and without it translated traffic passes unchecked while `SMMUEN` is still 1 (6.3.9.2). So does `VMW`, which
    ///    must not change while commands may be processed (6.3.9.1);
    /// 4. the rest of `CR0` is switched off;
    /// 5. errors that are still active are acknowledged, for a queue with an active error takes no commands or writes no
    ///    records (6.3.9.3, 7.2.1).
    ///
    /// Until 3 is done a running SMMU translates by the last owner's tables. Transactions that stalled are terminated, but not
    /// necessarily at once, and transactions that have passed the SMMU may still be on their way to memory (6.3.9.6): how to
    /// wait for them is a matter of the system.
    ///
    /// The pages of enhanced command queues must be within reach of `p`, as with
    /// [`Device::with_command_queues`](crate::platform::Device::with_command_queues): where they read as zero, the queues are
    /// taken for disabled.
    ///
    /// # Errors
    /// A register did not answer within `timeout`, or the SMMU is in Service failure mode.
    pub fn quiesce<P: Mmio + Clock>(self, p: &P, timeout: Duration) -> Result<Quiesced, LifecycleError> {
        self.0.quiesce(p, timeout)
    }
}

impl Unit {
    pub(super) fn quiesce<P: Mmio + Clock>(
        self,
        p: &P,
        timeout: Duration,
    ) -> Result<Quiesced, LifecycleError> {
        let off = self.switch_off(p, timeout);
        let errors = GlobalErrors::active(p);
        if errors.contains(GlobalError::ServiceFailure) {
            return Err(LifecycleError::ServiceFailure(errors));
        }
        off?;
        acknowledge_errors(p, errors.bits());
        Ok(Quiesced(self))
    }

    fn switch_off<P: Mmio + Clock>(&self, p: &P, timeout: Duration) -> Result<(), LifecycleError> {
        update_gbpa(p, timeout, |gbpa| gbpa.with(Gbpa::ABORT, true))?;
        write_irq_ctrl(p, IrqCtrl::new(), timeout)?;
        self.disable_ecmdqs(p, timeout)?;
        let last = Cr0::ATSCHK.mask() | Cr0::VMW.mask() | Cr0::DPT_WALK_EN.mask();
        let kept = p.get::<Cr0>().into_bits() & self.cr0_fields() & last as u32;
        self.write_cr0(p, Cr0::from_bits(kept), timeout)?;
        if kept != 0 {
            self.write_cr0(p, Cr0::new(), timeout)?;
        }
        Ok(())
    }

    /// `CR1` for our own accesses: snooping where the SMMU can, else past all caches.
    pub(super) fn cr1(&self) -> Cr1 {
        let access = if self.caps.has(Feature::Coherent) {
            [Cacheability::WriteBack as u32, Cacheability::WriteBack as u32, Shareability::Inner as u32]
        } else {
            [Cacheability::NonCacheable as u32, Cacheability::NonCacheable as u32, Shareability::Outer as u32]
        };
        let [inner, outer, shareability] = access;
        let place = |field: crate::layout::Field<Cr1, u8>, value: u32| value.wrapping_shl(field.info().lsb);
        Cr1::from_bits(
            place(Cr1::TABLE_IC, inner)
                | place(Cr1::TABLE_OC, outer)
                | place(Cr1::TABLE_SH, shareability)
                | place(Cr1::QUEUE_IC, inner)
                | place(Cr1::QUEUE_OC, outer)
                | place(Cr1::QUEUE_SH, shareability),
        )
    }
}

/// An SMMU that is off, with all traffic aborted.
#[derive(Debug)]
pub struct Quiesced(pub(super) Unit);

impl Quiesced {
    /// What the SMMU can do.
    #[must_use]
    pub const fn caps(&self) -> &Caps {
        &self.0.caps
    }

    /// Writes the attributes of the SMMU's own accesses, the table and the queue bases, and sets the queues empty.
    ///
    /// Invalid StreamIDs are recorded (`CR2.RECINVSID`), broadcast TLB maintenance is ignored (`CR2.PTM`), and
    /// `CR2.E2H` follows the capabilities. All interrupts will be wired ones; see [`Configured::with_interrupts`].
    ///
    /// # Errors
    /// A table or queue is nothing for this SMMU. Nothing has been written.
    pub fn configure<P: Mmio>(self, p: &P, bases: &Bases) -> Result<Configured, LifecycleError> {
        let caps = &self.0.caps;
        bases.check(caps)?;
        p.put(self.0.cr1());
        p.put(
            Cr2::new()
                .with(Cr2::RECINVSID, true)
                .with(Cr2::PTM, caps.has(Feature::PrivateTlbMaintenance))
                .with(Cr2::E2H, caps.has(Feature::E2hHost)),
        );
        p.put(bases.stream_table);
        p.put(bases.stream_table_shape);
        put_queues(p, bases);
        // Whatever is left there of MSIs must go, wanted or not.
        Interrupts::WIRED.write(p, caps, ALL_SOURCES)?;
        Ok(Configured { unit: self.0, bases: *bases, interrupts: Interrupts::WIRED })
    }

    /// Gives the SMMU back to an owner that knows nothing of it: from now on **every device reaches all of memory**.
    ///
    /// # Errors
    /// `GBPA.UPDATE` did not clear within `timeout`.
    pub fn let_traffic_bypass<P: Mmio + Clock>(
        self,
        p: &P,
        timeout: Duration,
    ) -> Result<Probed, LifecycleError> {
        update_gbpa(p, timeout, |gbpa| gbpa.with(Gbpa::ABORT, false))?;
        Ok(Probed(self.0))
    }
}

/// Every source of interrupts, as bits of their enables.
pub(super) const ALL_SOURCES: IrqCtrl = IrqCtrl::new()
    .with(IrqCtrl::GERROR_IRQEN, true)
    .with(IrqCtrl::EVENTQ_IRQEN, true)
    .with(IrqCtrl::PRIQ_IRQEN, true);

/// Writes the queues' bases and sets them empty. All queues are off.
pub(super) fn put_queues<P: Mmio>(p: &P, bases: &Bases) {
    p.put(bases.command_queue);
    p.put(CmdqProd::new());
    p.put(CmdqCons::new());
    p.put(bases.event_queue);
    p.put(EventqProd::new());
    p.put(EventqCons::new());
    if let Some(base) = bases.pri_queue {
        p.put(base);
        p.put(PriqProd::new());
        p.put(PriqCons::new());
    }
}

/// An SMMU whose tables and queues are set, but nothing enabled.
#[derive(Debug)]
pub struct Configured {
    pub(super) unit: Unit,
    pub(super) bases: Bases,
    pub(super) interrupts: Interrupts,
}

impl Configured {
    /// Chooses how the SMMU interrupts. They are enabled with the queues that they are for; until then nothing interrupts.
    ///
    /// On an SMMU with [`Quirk::CombinedInterrupt`](crate::Quirk::CombinedInterrupt) all wires are one: its handler asks
    /// [`Enabled::pending`].
    ///
    /// # Errors
    /// The SMMU cannot make such an interrupt. Nothing has been written.
    pub fn with_interrupts<P: Mmio>(self, p: &P, interrupts: &Interrupts) -> Result<Self, LifecycleError> {
        interrupts.check(&self.unit.caps)?;
        interrupts.write(p, &self.unit.caps, interrupts.differing(&self.interrupts))?;
        Ok(Self { interrupts: *interrupts, ..self })
    }

    /// Enables the command queue, so that stale caches can be invalidated.
    ///
    /// # Errors
    /// `CR0ACK` did not follow within `timeout`.
    pub fn enable_commands<P: Mmio + Clock>(
        self,
        p: &P,
        timeout: Duration,
    ) -> Result<CommandsReady, LifecycleError> {
        self.unit.write_cr0(p, Cr0::new().with(Cr0::CMDQEN, true), timeout)?;
        Ok(CommandsReady(self))
    }
}

/// An SMMU that takes commands. Translation is still off.
#[derive(Debug)]
pub struct CommandsReady(Configured);

impl CommandsReady {
    /// Enables interrupts, the other queues, and then translation.
    ///
    /// `clean` shows that configuration caches and TLBs have been invalidated: they keep what they held before (3.21.3,
    /// 6.3.9.6), and nothing new is cached while `SMMUEN` is 0. Where there is ATS, translated traffic is checked against
    /// the stream table (`CR0.ATSCHK`): without that, a device that claims to have translated its addresses passes.
    ///
    /// Interrupts come before the queues: what happened before a source was enabled is never announced (6.3.16).
    ///
    /// # Errors
    /// It is another SMMU's caches that were invalidated, or a register did not answer within `timeout`.
    pub fn enable<P: Mmio + Clock>(
        self,
        p: &P,
        clean: CleanStart,
        timeout: Duration,
    ) -> Result<Enabled, LifecycleError> {
        let queues = queues_on(Cr0::new(), &self.0.bases);
        self.enable_with(p, clean, queues, timeout)
    }

    /// [`CommandsReady::enable`], with the event queue and the PRI queue left off: for a crash kernel, whose last owner's
    /// devices go on with DMA that is refused now, and would drown it in events. Traffic is filtered all the same; page
    /// requests are denied. [`Enabled::restart_event_queue`] and [`Enabled::restart_pri_queue`] switch them on.
    ///
    /// # Errors
    /// As [`CommandsReady::enable`].
    pub fn enable_muted<P: Mmio + Clock>(
        self,
        p: &P,
        clean: CleanStart,
        timeout: Duration,
    ) -> Result<Enabled, LifecycleError> {
        self.enable_with(p, clean, Cr0::new().with(Cr0::CMDQEN, true), timeout)
    }

    fn enable_with<P: Mmio + Clock>(
        self,
        p: &P,
        clean: CleanStart,
        queues: Cr0,
        timeout: Duration,
    ) -> Result<Enabled, LifecycleError> {
        let Configured { unit, bases, interrupts } = self.0;
        let (invalidated, instance) = (clean.instance(), unit.instance);
        if invalidated != instance {
            return Err(LifecycleError::NotInvalidated { invalidated, instance });
        }
        write_irq_ctrl(p, interrupts.enables(bases.pri_queue.is_some()), timeout)?;
        let cr0 = queues.with(Cr0::ATSCHK, unit.has_ats());
        unit.write_cr0(p, cr0, timeout)?;
        let cr0 = cr0.with(Cr0::SMMUEN, true);
        unit.write_cr0(p, cr0, timeout)?;
        Ok(Enabled { unit, bases, interrupts, cr0, interrupts_unsure: false })
    }
}

/// `cr0` with all queues enabled that there are.
pub(super) const fn queues_on(cr0: Cr0, bases: &Bases) -> Cr0 {
    cr0.with(Cr0::CMDQEN, true).with(Cr0::EVENTQEN, true).with(Cr0::PRIQEN, bases.pri_queue.is_some())
}
