//! The filter itself.

use super::place::{Place, Source, place};
use super::queue::bits32;
use super::{Access, Action, Actions, Emulated, HostView, Refusal, Verdict};
use crate::layout::Layout;
use crate::platform::RegisterOffset;
use crate::registers::*;

impl HostView {
    /// What becomes of an access of the host's.
    pub fn judge(&self, access: &Access) -> Verdict {
        match self.answer(access) {
            Ok(verdict) => verdict,
            Err(refusal) => Verdict::Refuse(refusal),
        }
    }

    fn answer(&self, access: &Access) -> Result<Verdict, Refusal> {
        let Access { at, bytes, write } = *access;
        if !matches!(bytes, 4 | 8) {
            return Err(Refusal::Size { at, bytes });
        }
        if at.offset % u16::from(bytes) != 0 {
            return Err(Refusal::Unaligned { at, bytes });
        }
        let (place, half) = place(at, self.one_page)?;
        if bytes == 8 && !place.is_wide() {
            return Err(Refusal::Size { at, bytes });
        }
        self.present(place, at, write)?;
        let Some(value) = write else {
            if place == Place::Identification {
                return Ok(Verdict::Forward);
            }
            let value = self.value(place);
            let value = if bytes == 8 { value } else { value.wrapping_shr(half) & u64::from(u32::MAX) };
            // A host that polls CONS drives its own queue on.
            let mut actions = Actions::default();
            let polls = place == Place::CmdqCons && self.commands_waiting().is_some();
            actions.add_if(polls, Action::CommandsPending);
            return Ok(Verdict::Emulate(Emulated { view: *self, value, actions }));
        };
        if place.is_read_only() {
            return Err(Refusal::ReadOnly { at, value });
        }
        if bytes == 4 && value > u64::from(u32::MAX) {
            return Err(Refusal::TooWide { at, value });
        }
        let whole = if bytes == 8 || !place.is_wide() {
            value
        } else {
            let keep = self.value(place) & !u64::from(u32::MAX).wrapping_shl(half);
            keep | value.wrapping_shl(half)
        };
        let mut view = *self;
        let actions = view.write(place, at, whole)?;
        Ok(Verdict::Emulate(Emulated { view, value: 0, actions }))
    }

    /// Registers that only some SMMUs have. Zeros written to one that is not there are not worth a word: drivers clear the
    /// MSI registers before they look whether there are MSIs.
    fn present(&self, place: Place, at: RegisterOffset, write: Option<u64>) -> Result<(), Refusal> {
        let (source, msi) = match place {
            Place::MsiAddress(source) | Place::MsiData(source) | Place::MsiAttributes(source) => {
                (source, true)
            }
            Place::OutputBase(source) | Place::OutputProd(source) | Place::OutputCons(source) => {
                (source, false)
            }
            _ => return Ok(()),
        };
        let needs = match (source, msi) {
            (Source::Pri, _) if !self.ids.idr0.pri() => "IDR0.PRI",
            // PRIQ_IRQ_CFG2.LO is there without MSIs (6.3.36).
            (Source::Pri, true) if matches!(place, Place::MsiAttributes(_)) => return Ok(()),
            (_, true) if !self.ids.idr0.msi() => "IDR0.MSI",
            _ => return Ok(()),
        };
        if write == Some(0) { Ok(()) } else { Err(Refusal::Absent { at, needs }) }
    }

    fn value(&self, place: Place) -> u64 {
        let word = match place {
            Place::Constant(offset) => match offset {
                0x00 => self.ids.idr0.into_bits(),
                0x04 => self.ids.idr1.into_bits(),
                0x0c => self.ids.idr3.into_bits(),
                0x14 => self.ids.idr5.into_bits(),
                0x18 => self.ids.iidr.into_bits(),
                0x1c => self.ids.aidr.into_bits(),
                // IDR2 places VATOS, IDR4 is IMPLEMENTATION DEFINED, IDR6 is of ECMDQs; STATUSR never says "dormant".
                _ => 0,
            },
            Place::Cr0 | Place::Cr0Ack => self.cr0,
            Place::Cr1 => self.cr1,
            Place::Cr2 => self.cr2,
            Place::Gbpa => self.gbpa,
            Place::IrqCtrl | Place::IrqCtrlAck => self.irq_ctrl,
            Place::Gerror => self.gerror,
            Place::Gerrorn => self.gerrorn,
            Place::StrtabBase => return self.strtab_base,
            Place::StrtabBaseCfg => self.strtab_base_cfg,
            Place::MsiAddress(source) => return self.message(source).address,
            Place::MsiData(source) => self.message(source).data,
            Place::MsiAttributes(source) => self.message(source).attributes,
            Place::CmdqBase => return self.cmdq_base,
            Place::CmdqProd => self.cmdq_prod,
            Place::CmdqCons => self.cmdq_cons,
            Place::OutputBase(source) => return self.output(source).base,
            Place::OutputProd(source) => self.output(source).prod,
            Place::OutputCons(source) => self.output(source).cons,
            Place::Identification => 0,
        };
        u64::from(word)
    }

    fn write(&mut self, place: Place, at: RegisterOffset, value: u64) -> Result<Actions, Refusal> {
        self.guard(place, at, value)?;
        let named = named(place);
        let bits = value & !named;
        if bits != 0 {
            return Err(Refusal::Reserved { at, bits });
        }
        let low = bits32(value);
        let mut actions = Actions::default();
        match place {
            Place::Cr0 => actions = self.write_cr0(low),
            Place::Cr1 => self.cr1 = low,
            Place::Cr2 => {
                let ids = self.ids.idr0;
                let mut new = Cr2::from_bits(low).with(Cr2::E2H, false).with(Cr2::PTM, false);
                new = new.with(Cr2::REC_CFG_ATS, new.rec_cfg_ats() && ids.atsrecerr());
                let was = Cr2::from_bits(self.cr2).recinvsid();
                actions.add_if(was != new.recinvsid(), Action::RecordInvalidStreams(new.recinvsid()));
                self.cr2 = new.into_bits();
            }
            Place::Gbpa => {
                let new = Gbpa::from_bits(low);
                if !new.update() {
                    return Err(Refusal::NoUpdate { value: low });
                }
                let new = new.with(Gbpa::UPDATE, false);
                self.gbpa = new.into_bits();
                actions.add_if(true, Action::Bypass(new));
            }
            Place::IrqCtrl => {
                let new = IrqCtrl::from_bits(low);
                self.irq_ctrl =
                    new.with(IrqCtrl::PRIQ_IRQEN, new.priq_irqen() && self.ids.idr0.pri()).into_bits();
            }
            Place::Gerrorn => {
                let wrong = (low ^ self.gerrorn) & !(self.gerror ^ self.gerrorn);
                if wrong != 0 {
                    return Err(Refusal::NotActive { bits: wrong });
                }
                self.gerrorn = low;
                // Commands go on by themselves (7.1).
                actions.add_if(self.commands_waiting().is_some(), Action::CommandsPending);
            }
            Place::StrtabBase => self.strtab_base = value,
            Place::StrtabBaseCfg => self.strtab_base_cfg = low,
            Place::MsiAddress(source) => self.message_mut(source).address = value,
            Place::MsiData(source) => self.message_mut(source).data = low,
            Place::MsiAttributes(source) => self.message_mut(source).attributes = low,
            Place::CmdqBase => self.cmdq_base = value,
            Place::CmdqProd => {
                self.cmdq_prod = low;
                actions.add_if(self.commands_waiting().is_some(), Action::CommandsPending);
            }
            Place::CmdqCons => self.cmdq_cons = low,
            Place::OutputBase(source) => self.output_mut(source).base = value,
            Place::OutputProd(source) => self.output_mut(source).prod = low,
            Place::OutputCons(source) => {
                self.output_mut(source).cons = low;
                let done =
                    if source == Source::Pri { Action::PageRequestsConsumed } else { Action::EventsConsumed };
                actions.add_if(true, done);
            }
            // Read only, which has been refused.
            Place::Constant(_)
            | Place::Cr0Ack
            | Place::IrqCtrlAck
            | Place::Gerror
            | Place::Identification => {}
        }
        Ok(actions)
    }

    /// Fields of features that the host is not shown are RES0, and stay 0.
    fn write_cr0(&mut self, value: u32) -> Actions {
        let (ids, old, new) = (self.ids.idr0, self.cr0(), Cr0::from_bits(value));
        let kept = Cr0::new()
            .with(Cr0::SMMUEN, new.smmuen())
            .with(Cr0::CMDQEN, new.cmdqen())
            .with(Cr0::EVENTQEN, new.eventqen())
            .with(Cr0::PRIQEN, new.priqen() && ids.pri())
            .with(Cr0::ATSCHK, new.atschk() && ids.ats());
        self.cr0 = kept.into_bits();
        let mut actions = Actions::default();
        let changed = |old: bool, new: bool| old != new;
        actions.add_if(changed(old.smmuen(), kept.smmuen()), Action::StreamTable { enabled: kept.smmuen() });
        actions.add_if(
            changed(old.eventqen(), kept.eventqen()),
            Action::EventQueue { enabled: kept.eventqen() },
        );
        actions.add_if(changed(old.priqen(), kept.priqen()), Action::PriQueue { enabled: kept.priqen() });
        let commands = changed(old.cmdqen(), kept.cmdqen());
        actions.add_if(commands, Action::CommandQueue { enabled: kept.cmdqen() });
        actions.add_if(commands && self.commands_waiting().is_some(), Action::CommandsPending);
        actions
    }

    /// What may not be written now (6.2, "Guarded"). CR1's table attributes are guarded by SMMUEN and its queue attributes by
    /// the queues' enables (6.3.11).
    fn guard(&self, place: Place, at: RegisterOffset, value: u64) -> Result<(), Refusal> {
        let (cr0, irqs) = (self.cr0(), IrqCtrl::from_bits(self.irq_ctrl));
        let queues = cr0.cmdqen() || cr0.eventqen() || cr0.priqen();
        let (enabled, by) = match place {
            Place::StrtabBase | Place::StrtabBaseCfg | Place::Cr2 => (cr0.smmuen(), "CR0.SMMUEN"),
            Place::Cr1 => match changed_attributes(self.cr1, value) {
                (true, _) if cr0.smmuen() => (true, "CR0.SMMUEN"),
                (_, queue) => (queue && queues, "CR0.CMDQEN, EVENTQEN or PRIQEN"),
            },
            Place::CmdqBase | Place::CmdqCons => (cr0.cmdqen(), "CR0.CMDQEN"),
            Place::OutputBase(Source::Pri) | Place::OutputProd(Source::Pri) => (cr0.priqen(), "CR0.PRIQEN"),
            Place::OutputBase(_) | Place::OutputProd(_) => (cr0.eventqen(), "CR0.EVENTQEN"),
            Place::MsiAddress(source) | Place::MsiData(source) | Place::MsiAttributes(source) => match source
            {
                Source::Gerror => (irqs.gerror_irqen(), "IRQ_CTRL.GERROR_IRQEN"),
                Source::Event => (irqs.eventq_irqen(), "IRQ_CTRL.EVENTQ_IRQEN"),
                Source::Pri => (irqs.priq_irqen(), "IRQ_CTRL.PRIQ_IRQEN"),
            },
            _ => return Ok(()),
        };
        if enabled { Err(Refusal::Guarded { at, by, value }) } else { Ok(()) }
    }
}

/// Whether a write of CR1 changes attributes of tables, and of queues.
fn changed_attributes(old: u32, new: u64) -> (bool, bool) {
    let bits = u64::from(old) ^ new;
    let tables = Cr1::TABLE_SH.mask() | Cr1::TABLE_OC.mask() | Cr1::TABLE_IC.mask();
    (bits & tables != 0, bits & !tables != 0)
}

/// The bits that some field of the register has.
fn named(place: Place) -> u64 {
    match place {
        Place::Cr0 => Cr0::named_bits(),
        Place::Cr1 => Cr1::named_bits(),
        Place::Cr2 => Cr2::named_bits(),
        Place::Gbpa => Gbpa::named_bits(),
        Place::IrqCtrl => IrqCtrl::named_bits(),
        Place::Gerrorn => Gerrorn::named_bits(),
        Place::StrtabBase => StrtabBase::named_bits(),
        Place::StrtabBaseCfg => StrtabBaseCfg::named_bits(),
        Place::MsiAddress(_) => EventqIrqCfg0::named_bits(),
        Place::MsiData(_) => EventqIrqCfg1::named_bits(),
        Place::MsiAttributes(Source::Pri) => PriqIrqCfg2::named_bits(),
        Place::MsiAttributes(_) => EventqIrqCfg2::named_bits(),
        Place::CmdqBase => CmdqBase::named_bits(),
        Place::CmdqProd => CmdqProd::named_bits(),
        Place::CmdqCons => CmdqCons::named_bits(),
        Place::OutputBase(_) => EventqBase::named_bits(),
        Place::OutputProd(_) => EventqProd::named_bits(),
        Place::OutputCons(_) => EventqCons::named_bits(),
        Place::Constant(_) | Place::Cr0Ack | Place::IrqCtrlAck | Place::Gerror | Place::Identification => 0,
    }
}
