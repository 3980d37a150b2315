//! The life of an SMMU by types: [`Probed`] -> [`Quiesced`] -> [`Configured`] -> [`CommandsReady`] -> [`Enabled`].
//!
//! Each step takes the one before, so that a queue cannot be used before its base is set and translation cannot be
//! enabled before stale caches are gone. From the first step on no device gets past the SMMU unfiltered: `GBPA.ABORT`
//! is set before anything is switched off.

use crate::caps::{Caps, Feature, Hints, IdRegisters, ProbeError};
use crate::handshake::{
    HandshakeError, acknowledge_errors, active_errors, update_gbpa, write_cr0, write_irq_ctrl,
};
use crate::id::InstanceId;
use crate::platform::{Clock, Mmio};
use crate::receipt::CleanStart;
use crate::registers::{
    CmdqBase, CmdqCons, CmdqProd, Cr0, Cr1, Cr2, EventqBase, EventqCons, EventqIrqCfg0, EventqProd, Gbpa,
    GerrorIrqCfg0, IrqCtrl, Registers, StrtabBase, StrtabBaseCfg,
};
use crate::vmsa::{Cacheability, Shareability};
use core::fmt;
use core::time::Duration;

/// What can go wrong between reset and translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LifecycleError {
    /// The ID registers are no good.
    Probe(ProbeError),
    /// A register did not answer.
    Handshake(HandshakeError),
    /// It is another SMMU whose caches were invalidated.
    NotInvalidated {
        /// The SMMU whose caches were.
        invalidated: InstanceId,
        /// The SMMU to be enabled.
        instance: InstanceId,
    },
}

impl fmt::Display for LifecycleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::NotInvalidated { invalidated, instance } => {
                write!(
                    f,
                    "SMMU {instance} cannot be enabled: the caches of SMMU {invalidated} were invalidated"
                )
            }
        }
    }
}

impl core::error::Error for LifecycleError {}

impl From<ProbeError> for LifecycleError {
    fn from(error: ProbeError) -> Self {
        Self::Probe(error)
    }
}

impl From<HandshakeError> for LifecycleError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

/// An SMMU whose ID registers have been read. Nothing has been written yet.
#[derive(Debug)]
pub struct Probed {
    caps: Caps,
    instance: InstanceId,
}

impl Probed {
    /// Reads the ID registers.
    ///
    /// # Errors
    /// [`ProbeError`]; reserved values are accepted and listed in [`Caps::oddities`].
    pub fn probe<M: Mmio>(p: &M, instance: InstanceId, hints: &Hints) -> Result<Self, ProbeError> {
        Ok(Self { caps: Caps::probe(&IdRegisters::read(p), hints)?, instance })
    }

    /// What the SMMU can do.
    #[must_use]
    pub const fn caps(&self) -> &Caps {
        &self.caps
    }

    /// Takes the SMMU over from whatever state firmware left it in: first bypassing traffic is made to abort, then
    /// interrupts, translation and queues are switched off, and errors that are still active are acknowledged, for a
    /// command queue with an active error would take no commands (6.3.9.3).
    ///
    /// # Errors
    /// A register did not answer within `timeout`.
    pub fn quiesce<P: Mmio + Clock>(self, p: &P, timeout: Duration) -> Result<Quiesced, LifecycleError> {
        update_gbpa(p, timeout, |gbpa| gbpa.with(Gbpa::ABORT, true))?;
        write_irq_ctrl(p, IrqCtrl::new(), timeout)?;
        write_cr0(p, Cr0::new(), timeout)?;
        acknowledge_errors(p, active_errors(p));
        Ok(Quiesced { caps: self.caps, instance: self.instance })
    }
}

/// An SMMU that is off, with all traffic aborted.
#[derive(Debug)]
pub struct Quiesced {
    caps: Caps,
    instance: InstanceId,
}

/// Where the tables and queues are: made by the crates that own them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bases {
    /// Stream table address.
    pub stream_table: StrtabBase,
    /// Stream table shape.
    pub stream_table_shape: StrtabBaseCfg,
    /// Command queue.
    pub command_queue: CmdqBase,
    /// Event queue.
    pub event_queue: EventqBase,
}

impl Quiesced {
    /// Writes the attributes of the SMMU's own accesses, the table and the queue bases, and sets the queues empty.
    ///
    /// Invalid StreamIDs are recorded (`CR2.RECINVSID`), broadcast TLB maintenance is ignored (`CR2.PTM`), and
    /// `CR2.E2H` follows the capabilities. MSIs are switched off (address 0, 6.3.21); a platform that has them programs
    /// them between this step and [`CommandsReady::enable`].
    #[must_use]
    pub fn configure<P: Mmio>(self, p: &P, bases: &Bases) -> Configured {
        let access = if self.caps.has(Feature::Coherent) {
            [Cacheability::WriteBack as u32, Cacheability::WriteBack as u32, Shareability::Inner as u32]
        } else {
            [Cacheability::NonCacheable as u32, Cacheability::NonCacheable as u32, Shareability::Outer as u32]
        };
        let [inner, outer, shareability] = access;
        let place = |field: crate::layout::Field<Cr1, u8>, value: u32| value.wrapping_shl(field.info().lsb);
        p.put(Cr1::from_bits(
            place(Cr1::TABLE_IC, inner)
                | place(Cr1::TABLE_OC, outer)
                | place(Cr1::TABLE_SH, shareability)
                | place(Cr1::QUEUE_IC, inner)
                | place(Cr1::QUEUE_OC, outer)
                | place(Cr1::QUEUE_SH, shareability),
        ));
        p.put(
            Cr2::new()
                .with(Cr2::RECINVSID, true)
                .with(Cr2::PTM, self.caps.has(Feature::PrivateTlbMaintenance))
                .with(Cr2::E2H, self.caps.has(Feature::E2hHost)),
        );
        p.put(bases.stream_table);
        p.put(bases.stream_table_shape);
        p.put(bases.command_queue);
        p.put(CmdqProd::new());
        p.put(CmdqCons::new());
        p.put(bases.event_queue);
        p.put(EventqProd::new());
        p.put(EventqCons::new());
        if self.caps.has(Feature::Msi) {
            p.put(GerrorIrqCfg0::new());
            p.put(EventqIrqCfg0::new());
        }
        Configured { caps: self.caps, instance: self.instance }
    }
}

/// An SMMU whose tables and queues are set, but nothing enabled.
#[derive(Debug)]
pub struct Configured {
    caps: Caps,
    instance: InstanceId,
}

impl Configured {
    /// Enables the command queue, so that stale caches can be invalidated.
    ///
    /// # Errors
    /// `CR0ACK` did not follow within `timeout`.
    pub fn enable_commands<P: Mmio + Clock>(
        self,
        p: &P,
        timeout: Duration,
    ) -> Result<CommandsReady, LifecycleError> {
        let cr0 = Cr0::new().with(Cr0::CMDQEN, true);
        write_cr0(p, cr0, timeout)?;
        Ok(CommandsReady { caps: self.caps, instance: self.instance, cr0 })
    }
}

/// An SMMU that takes commands. Translation is still off.
#[derive(Debug)]
pub struct CommandsReady {
    caps: Caps,
    instance: InstanceId,
    cr0: Cr0,
}

impl CommandsReady {
    /// Enables the event queue, interrupts and translation.
    ///
    /// `clean` shows that configuration caches and TLBs have been invalidated: they keep what they held before (3.21.3,
    /// 6.3.9.6), and nothing new is cached while `SMMUEN` is 0. Where there is ATS, translated traffic is checked against
    /// the stream table (`CR0.ATSCHK`): without that, a device that claims to have translated its addresses passes.
    ///
    /// # Errors
    /// It is another SMMU's caches that were invalidated, or a register did not answer within `timeout`.
    pub fn enable<P: Mmio + Clock>(
        self,
        p: &P,
        clean: CleanStart,
        timeout: Duration,
    ) -> Result<Enabled, LifecycleError> {
        let (invalidated, instance) = (clean.instance(), self.instance);
        if invalidated != instance {
            return Err(LifecycleError::NotInvalidated { invalidated, instance });
        }
        let cr0 = self.cr0.with(Cr0::EVENTQEN, true).with(Cr0::ATSCHK, self.caps.has(Feature::Ats));
        write_cr0(p, cr0, timeout)?;
        let irqs = IrqCtrl::new().with(IrqCtrl::GERROR_IRQEN, true).with(IrqCtrl::EVENTQ_IRQEN, true);
        write_irq_ctrl(p, irqs, timeout)?;
        let cr0 = cr0.with(Cr0::SMMUEN, true);
        write_cr0(p, cr0, timeout)?;
        Ok(Enabled { caps: self.caps, instance: self.instance, cr0 })
    }
}

/// An SMMU that translates.
#[derive(Debug)]
pub struct Enabled {
    caps: Caps,
    instance: InstanceId,
    cr0: Cr0,
}

impl Enabled {
    /// What the SMMU can do.
    #[must_use]
    pub const fn caps(&self) -> &Caps {
        &self.caps
    }

    /// Which SMMU.
    #[must_use]
    pub const fn instance(&self) -> InstanceId {
        self.instance
    }

    /// What is enabled.
    #[must_use]
    pub const fn cr0(&self) -> Cr0 {
        self.cr0
    }

    /// Switches translation, queues and interrupts off. Traffic aborts from then on.
    ///
    /// # Errors
    /// A register did not answer within `timeout`.
    pub fn disable<P: Mmio + Clock>(self, p: &P, timeout: Duration) -> Result<Quiesced, LifecycleError> {
        Probed { caps: self.caps, instance: self.instance }.quiesce(p, timeout)
    }
}
