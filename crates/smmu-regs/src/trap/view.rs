//! The SMMU that the host believes in.

use super::AtcInvalidations;
use super::place::Source;
use crate::addr::PhysAddr;
use crate::caps::IdRegisters;
use crate::registers::{Cr0, Gbpa, Idr0, Idr1, Idr3, Idr5, IrqCtrl, StrtabBase, StrtabBaseCfg};
use core::fmt;

/// The registers of the SMMU that the host believes in. A plain value: the hypervisor keeps it beside the real SMMU, where
/// the host cannot reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostView {
    pub(super) ids: IdRegisters,
    pub(super) one_page: bool,
    pub(super) cr0: u32,
    pub(super) cr1: u32,
    pub(super) cr2: u32,
    pub(super) gbpa: u32,
    pub(super) irq_ctrl: u32,
    pub(super) gerror: u32,
    pub(super) gerrorn: u32,
    pub(super) strtab_base: u64,
    pub(super) strtab_base_cfg: u32,
    pub(super) cmdq_base: u64,
    pub(super) cmdq_prod: u32,
    pub(super) cmdq_cons: u32,
    pub(super) events: Output,
    pub(super) requests: Output,
    pub(super) msis: [Message; 3],
    pub(super) atc: AtcInvalidations,
}

/// The registers of the event or PRI queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Output {
    pub(super) base: u64,
    pub(super) prod: u32,
    pub(super) cons: u32,
}

/// `x_IRQ_CFG0` to `x_IRQ_CFG2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Message {
    pub(super) address: u64,
    pub(super) data: u32,
    pub(super) attributes: u32,
}

/// The host would be shown what the filter does not emulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewError {
    /// The ID register.
    pub register: &'static str,
    /// Its field.
    pub field: &'static str,
    /// The field's value, which must be 0.
    pub value: u64,
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { register, field, value } = self;
        write!(f, "the host cannot be shown {register}.{field} = {value}: nobody emulates that")
    }
}

impl core::error::Error for ViewError {}

/// Which interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InterruptSource {
    /// A global error was raised.
    GlobalError,
    /// The event queue became non-empty.
    EventQueue,
    /// The PRI queue became non-empty.
    PriQueue,
}

impl From<InterruptSource> for Source {
    fn from(source: InterruptSource) -> Self {
        match source {
            InterruptSource::GlobalError => Self::Gerror,
            InterruptSource::EventQueue => Self::Event,
            InterruptSource::PriQueue => Self::Pri,
        }
    }
}

/// How the host wants an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HostInterrupt {
    /// Not at all: it is disabled.
    None,
    /// On the wire.
    Wired,
    /// As a message. The address is the host's word: the hypervisor recognises its own virtual interrupt controller there
    /// and injects the interrupt, or stores the data itself where the page is the host's. It never reaches the SMMU.
    Message {
        /// Where, in the host's world.
        address: PhysAddr,
        /// What.
        data: u32,
    },
}

impl HostView {
    /// An SMMU after reset that shows the host these ID registers. GBPA is ABORT: nothing bypasses before the host says so.
    ///
    /// # Errors
    /// They show a feature that the filter, or who serves the host's commands, does not emulate: ATOS, VATOS, HYP, VMW, BTM, RME,
    /// preset bases, ECMDQ, MPAM, DPT, S2PI or D128. [`Narrow::HOST_UNDER_EL2`](crate::caps::Narrow::HOST_UNDER_EL2) takes them away.
    pub fn new(ids: &IdRegisters) -> Result<Self, ViewError> {
        let (idr0, idr1, idr3) = (ids.idr0.into_bits(), ids.idr1.into_bits(), ids.idr3.into_bits());
        let hidden = [
            ("IDR0", Idr0::ATOS.info(), idr0),
            ("IDR0", Idr0::VATOS.info(), idr0),
            ("IDR0", Idr0::HYP.info(), idr0),
            ("IDR0", Idr0::VMW.info(), idr0),
            ("IDR0", Idr0::BTM.info(), idr0),
            ("IDR0", Idr0::RME_IMPL.info(), idr0),
            ("IDR1", Idr1::QUEUES_PRESET.info(), idr1),
            ("IDR1", Idr1::TABLES_PRESET.info(), idr1),
            ("IDR1", Idr1::ECMDQ.info(), idr1),
            ("IDR3", Idr3::MPAM.info(), idr3),
            ("IDR3", Idr3::DPT.info(), idr3),
            ("IDR3", Idr3::S2PI.info(), idr3),
            // TTL128, in the host's invalidations.
            ("IDR5", Idr5::D128.info(), ids.idr5.into_bits()),
        ];
        for (register, field, bits) in hidden {
            let value = field.get(u64::from(bits));
            if value != 0 {
                return Err(ViewError { register, field: field.name, value });
            }
        }
        Ok(Self {
            ids: *ids,
            one_page: false,
            cr0: 0,
            cr1: 0,
            cr2: 0,
            gbpa: Gbpa::new().with(Gbpa::ABORT, true).into_bits(),
            irq_ctrl: 0,
            gerror: 0,
            gerrorn: 0,
            strtab_base: 0,
            strtab_base_cfg: 0,
            cmdq_base: 0,
            cmdq_prod: 0,
            cmdq_cons: 0,
            events: Output::default(),
            requests: Output::default(),
            msis: [Message::default(); 3],
            atc: AtcInvalidations::default(),
        })
    }

    /// The same SMMU, of which the host uses page 0 only ([`Quirk::Page0Only`](crate::Quirk::Page0Only)).
    #[must_use]
    pub const fn with_one_page(self, one_page: bool) -> Self {
        Self { one_page, ..self }
    }

    /// What the host has enabled.
    #[must_use]
    pub const fn cr0(&self) -> Cr0 {
        Cr0::from_bits(self.cr0)
    }

    /// What the host wants of its streams while its `SMMUEN` is 0.
    #[must_use]
    pub const fn gbpa(&self) -> Gbpa {
        Gbpa::from_bits(self.gbpa)
    }

    /// The host's stream table, while it counts (`SMMUEN`): the address is one in the host's world, to be read through the
    /// host's stage 2, each entry once.
    #[must_use]
    pub const fn stream_table(&self) -> Option<(StrtabBase, StrtabBaseCfg)> {
        if self.cr0().smmuen() {
            Some((StrtabBase::from_bits(self.strtab_base), StrtabBaseCfg::from_bits(self.strtab_base_cfg)))
        } else {
            None
        }
    }

    /// The host's `CMD_ATC_INV`s in the physical queue.
    pub const fn atc(&mut self) -> &mut AtcInvalidations {
        &mut self.atc
    }

    /// How to tell the host of an interrupt.
    #[must_use]
    pub fn interrupt(&self, source: InterruptSource) -> HostInterrupt {
        let enabled = IrqCtrl::from_bits(self.irq_ctrl);
        let enabled = match source {
            InterruptSource::GlobalError => enabled.gerror_irqen(),
            InterruptSource::EventQueue => enabled.eventq_irqen(),
            InterruptSource::PriQueue => enabled.priq_irqen(),
        };
        let Message { address, data, .. } = self.message(source.into());
        match (enabled, address) {
            (false, _) => HostInterrupt::None,
            (true, 0) => HostInterrupt::Wired,
            (true, address) => HostInterrupt::Message { address: PhysAddr::new(address), data },
        }
    }

    pub(super) const fn message(&self, source: Source) -> Message {
        let [gerror, event, pri] = self.msis;
        match source {
            Source::Gerror => gerror,
            Source::Event => event,
            Source::Pri => pri,
        }
    }

    pub(super) const fn message_mut(&mut self, source: Source) -> &mut Message {
        let [gerror, event, pri] = &mut self.msis;
        match source {
            Source::Gerror => gerror,
            Source::Event => event,
            Source::Pri => pri,
        }
    }

    pub(super) const fn output(&self, source: Source) -> &Output {
        if matches!(source, Source::Pri) { &self.requests } else { &self.events }
    }

    pub(super) const fn output_mut(&mut self, source: Source) -> &mut Output {
        if matches!(source, Source::Pri) { &mut self.requests } else { &mut self.events }
    }
}
