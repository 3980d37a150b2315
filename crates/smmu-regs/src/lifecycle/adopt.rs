//! An SMMU that translates already, for an owner that is no more: a crash kernel adopts it without a moment in which it does
//! not filter, or aborts what its devices are still doing.
//!
//! [`Probed::adopt`] only reads, and refuses what could not be used; [`Running::take_queues`] replaces queues and interrupts
//! and leaves the stream table, `SMMUEN` and `ATSCHK` alone. Between the two the driver walks the stream table
//! (`smmu_ste::table::InheritedTable`) to see whether it can live with it, and which tags are in use.

use super::bases::{check_queues, check_stream_table};
use super::interrupts::Interrupts;
use super::states::{ALL_SOURCES, put_queues, queues_on};
use super::{BaseError, Bases, Enabled, GlobalError, GlobalErrors, LifecycleError, Probed, Unit};
use crate::caps::{Caps, Feature};
use crate::handshake::{acknowledge_errors, update_gbpa, write_irq_ctrl};
use crate::id::InstanceId;
use crate::platform::{Clock, Mmio};
use crate::registers::{
    CmdqBase, Cr0, Cr0ack, Cr1, Cr2, EventqBase, Gbpa, Gerror, IrqCtrl, PriqBase, Registers, StrtabBase,
    StrtabBaseCfg,
};
use core::fmt;
use core::time::Duration;

/// Why an SMMU that runs cannot be adopted. [`Probed::quiesce`] can take it over instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdoptError {
    /// It does not translate, or is about to change: `CR0` and `CR0ACK` differ, or `SMMUEN` is 0.
    NotEnabled {
        /// `CR0`.
        cr0: Cr0,
        /// `CR0ACK`.
        cr0ack: Cr0ack,
    },
    /// Its stream table cannot be.
    Table(BaseError),
    /// It reads tables with other attributes than ours: what we store need not be what it reads.
    Attributes {
        /// `CR1`.
        cr1: Cr1,
    },
    /// Its EL2 streams are of the other kind of EL2 (`CR2.E2H`) than ours would be.
    E2h {
        /// `CR2`.
        cr2: Cr2,
    },
    /// It has ATS, and translated traffic is not checked (`CR0.ATSCHK`): devices may reach anything.
    Unchecked {
        /// `CR0`.
        cr0: Cr0,
    },
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEnabled { cr0, cr0ack } => write!(f, "the SMMU is not enabled: {cr0:?}, {cr0ack:?}"),
            Self::Table(error) => error.fmt(f),
            Self::Attributes { cr1 } => write!(f, "tables are read with other attributes: {cr1:?}"),
            Self::E2h { cr2 } => write!(f, "EL2 streams are of the other kind: {cr2:?}"),
            Self::Unchecked { cr0 } => write!(f, "translated traffic is not checked: {cr0:?}"),
        }
    }
}

impl core::error::Error for AdoptError {}

/// Queues of a new owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueBases {
    /// Command queue.
    pub command_queue: CmdqBase,
    /// Event queue.
    pub event_queue: EventqBase,
    /// PRI queue, if page requests are wanted.
    pub pri_queue: Option<PriqBase>,
}

/// An SMMU that translates by a stream table of its last owner's. Nothing has been written yet.
#[derive(Debug)]
pub struct Running {
    unit: Unit,
    cr0: Cr0,
    stream_table: StrtabBase,
    stream_table_shape: StrtabBaseCfg,
    errors: GlobalErrors,
}

impl Probed {
    /// Looks at an SMMU that translates already, and says whether a new owner can go on with it. Reads registers only.
    ///
    /// # Errors
    /// [`AdoptError`], or the SMMU is in Service failure mode. Nothing has been written; the SMMU can still be taken over by
    /// [`Probed::quiesce`] of another [`Probed`].
    pub fn adopt<P: Mmio>(self, p: &P) -> Result<Running, LifecycleError> {
        let unit = self.0;
        let errors = GlobalErrors::active(p);
        let (cr0, cr0ack) = (p.get::<Cr0>(), p.get::<Cr0ack>());
        let differ = (cr0.into_bits() ^ cr0ack.into_bits()) & unit.cr0_fields();
        // An SMMU that is gone reads as ones.
        if differ != 0 || !cr0.smmuen() || cr0.into_bits() == u32::MAX {
            return Err(AdoptError::NotEnabled { cr0, cr0ack }.into());
        }
        if errors.contains(GlobalError::ServiceFailure) {
            return Err(LifecycleError::ServiceFailure(errors));
        }
        if unit.has_ats() && !cr0.atschk() {
            return Err(AdoptError::Unchecked { cr0 }.into());
        }
        let (cr1, cr2) = (p.get::<Cr1>(), p.get::<Cr2>());
        if (cr1.into_bits() ^ unit.cr1().into_bits()) & TABLE_ATTRIBUTES != 0 {
            return Err(AdoptError::Attributes { cr1 }.into());
        }
        if unit.caps.has(Feature::Hyp) && cr2.e2h() != unit.caps.has(Feature::E2hHost) {
            return Err(AdoptError::E2h { cr2 }.into());
        }
        let (stream_table, stream_table_shape) = (p.get::<StrtabBase>(), p.get::<StrtabBaseCfg>());
        check_stream_table(stream_table, stream_table_shape, &unit.caps).map_err(AdoptError::Table)?;
        Ok(Running { unit, cr0, stream_table, stream_table_shape, errors })
    }
}

/// Mask of the attributes of `CR1` that are for tables.
const TABLE_ATTRIBUTES: u32 = (Cr1::TABLE_IC.mask() | Cr1::TABLE_OC.mask() | Cr1::TABLE_SH.mask()) as u32;

impl Running {
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

    /// Where the stream table is, and its shape. Both are possible for this SMMU; whether there is memory is for the walk to
    /// find out.
    #[must_use]
    pub const fn stream_table(&self) -> (StrtabBase, StrtabBaseCfg) {
        (self.stream_table, self.stream_table_shape)
    }

    /// Global errors that the last owner left behind.
    pub const fn errors(&self) -> GlobalErrors {
        self.errors
    }

    /// Takes the SMMU over without switching translation off: interrupts and queues of the last owner are switched off, errors
    /// acknowledged, and the new queues switched on, empty. `GBPA.ABORT` is set first, for the day that it is disabled.
    ///
    /// The SMMU keeps what it has cached. The last owner may have died between a change and its invalidation: drop
    /// everything (`CommandQueue::drop_everything`) before anything is changed, or memory is given to anybody.
    ///
    /// Enhanced command queues are disabled; their pages must be within reach of `p`, as for [`Probed::quiesce`].
    ///
    /// Transactions that stalled for the last owner are still stalled, and their records were in its queue: terminate them by
    /// stream (`CMD_STALL_TERM`), for every stream that may stall. Page requests that it left unanswered stay so until their
    /// device's page request interface is reset.
    ///
    /// # Errors
    /// A queue or an interrupt is nothing for this SMMU (nothing has been written then), or a register did not answer within
    /// `timeout`: translation goes on, but queues may be off.
    pub fn take_queues<P: Mmio + Clock>(
        self,
        p: &P,
        queues: &QueueBases,
        interrupts: &Interrupts,
        timeout: Duration,
    ) -> Result<Enabled, LifecycleError> {
        let QueueBases { command_queue, event_queue, pri_queue } = *queues;
        let unit = self.unit;
        check_queues(command_queue, event_queue, pri_queue, &unit.caps)?;
        interrupts.check(&unit.caps)?;
        let bases = Bases {
            stream_table: self.stream_table,
            stream_table_shape: self.stream_table_shape,
            command_queue,
            event_queue,
            pri_queue,
        };
        update_gbpa(p, timeout, |gbpa| gbpa.with(Gbpa::ABORT, true))?;
        write_irq_ctrl(p, IrqCtrl::new(), timeout)?;
        unit.disable_ecmdqs(p, timeout)?;
        // What the last owner wrote to a field that is not there is never acknowledged.
        let known = Cr0::from_bits(self.cr0.into_bits() & unit.cr0_fields());
        let off = known.with(Cr0::CMDQEN, false).with(Cr0::EVENTQEN, false).with(Cr0::PRIQEN, false);
        unit.write_cr0(p, off, timeout)?;
        // With all queues off, errors can no longer come up again.
        let unserviceable = Gerror::new().with(Gerror::SFM_ERR, true).into_bits();
        acknowledge_errors(p, Gerror::from_bits(!unserviceable));
        // The attributes of tables are not changed (6.3.11).
        p.put(unit.cr1());
        put_queues(p, &bases);
        interrupts.write(p, &unit.caps, ALL_SOURCES)?;
        write_irq_ctrl(p, interrupts.enables(pri_queue.is_some()), timeout)?;
        let cr0 = queues_on(off, &bases);
        unit.write_cr0(p, cr0, timeout)?;
        Ok(Enabled { unit, bases, interrupts: *interrupts, cr0, interrupts_unsure: false })
    }
}
