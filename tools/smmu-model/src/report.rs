//! How the SMMU speaks: the Event queue with its overflow handshake, global errors, wired interrupts and MSIs.

use crate::Field;
use crate::access::{Hang, Irq, Trace};
use crate::bus::Bus;
use crate::layout::{
    cr0, eventq_cons, eventq_prod, gerror, gerror_irq_cfg0, gerror_irq_cfg1, idr0, idr1, irq_ctrl, offset,
};
use crate::model::Model;

impl<B: Bus> Model<B> {
    /// Writes a record into the Event queue if it is writable (7.2.1). Returns whether it was written.
    pub(crate) fn record(&mut self, record: [u64; 4]) -> bool {
        if self.only_imagining() || !self.recorded_here(record[0] as u8) {
            return false;
        }
        let written = self.try_record(&record);
        self.trace.push(if written { Trace::Event { record } } else { Trace::Lost { record } });
        written
    }

    /// Enabled, and no unacknowledged abort (7.2.1).
    fn event_queue_open(&self) -> bool {
        !self.failed
            && self.regs.enabled(cr0::EVENTQEN)
            && gerror::EVENTQ_ABT_ERR.of(self.regs.active_errors()) == 0
    }

    /// Whether a record could be written now (7.2.1).
    pub(crate) fn event_queue_writable(&self) -> bool {
        let (ring, _) = self.regs.queue(offset::EVENTQ_BASE, self.profile.id1(idr1::EVENTQS), 32);
        let used = ring.used(self.regs.get(offset::EVENTQ_PROD), self.regs.get(offset::EVENTQ_CONS));
        self.event_queue_open() && used < ring.entries()
    }

    fn try_record(&mut self, record: &[u64; 4]) -> bool {
        if !self.event_queue_open() {
            return false;
        }
        let (ring, base) = self.regs.queue(offset::EVENTQ_BASE, self.profile.id1(idr1::EVENTQS), 32);
        let (prod, cons) = (self.regs.get(offset::EVENTQ_PROD), self.regs.get(offset::EVENTQ_CONS));
        let used = ring.used(prod, cons);
        let overflow = eventq_prod::OVFLG.of(prod) != eventq_cons::OVACKFLG.of(cons);
        if used >= ring.entries() {
            // 7.4: toggled only when no overflow condition is present.
            if !overflow {
                self.regs.put(offset::EVENTQ_PROD, prod ^ eventq_prod::OVFLG.mask());
            }
            return false;
        }
        let entry = base + ring.index(prod) * 32;
        for (offset, word) in (0u64..).step_by(8).zip(record) {
            if self.bus.write64(entry + offset, *word).is_none() {
                // A synchronous abort: PROD does not move (7.2.2).
                self.global_error(gerror::EVENTQ_ABT_ERR);
                return false;
            }
        }
        let flag = prod & eventq_prod::OVFLG.mask();
        self.regs.put(offset::EVENTQ_PROD, ring.next(prod) | flag);
        if used == 0 && self.regs.irq_enabled(irq_ctrl::EVENTQ_IRQEN) {
            let (pa, data) = self.msi_registers(offset::EVENTQ_IRQ_CFG0, offset::EVENTQ_IRQ_CFG1);
            self.interrupt(Irq::Event, pa, data, gerror::MSI_EVENTQ_ABT_ERR);
        }
        true
    }

    /// Activates a global error unless it is active already (7.5).
    pub(crate) fn global_error(&mut self, error: Field) {
        if error.of(self.regs.active_errors()) != 0 {
            return;
        }
        self.regs.put(offset::GERROR, self.regs.get(offset::GERROR) ^ error.mask());
        // 7.5.1: an aborted GERROR MSI does not raise another GERROR interrupt.
        if error != gerror::MSI_GERROR_ABT_ERR && self.regs.irq_enabled(irq_ctrl::GERROR_IRQEN) {
            let (pa, data) = self.msi_registers(offset::GERROR_IRQ_CFG0, offset::GERROR_IRQ_CFG1);
            self.interrupt(Irq::GlobalError, pa, data, gerror::MSI_GERROR_ABT_ERR);
        }
    }

    /// Address and payload of an MSI.
    pub(crate) fn msi_registers(&self, cfg0: u32, cfg1: u32) -> (u64, u64) {
        let pa = gerror_irq_cfg0::ADDR.in_place(&[self.regs.get(cfg0)]);
        (pa, gerror_irq_cfg1::DATA.of(self.regs.get(cfg1)))
    }

    /// Raises an interrupt: the wire, and an MSI when the address is not zero (6.3.21).
    pub(crate) fn interrupt(&mut self, irq: Irq, pa: u64, data: u64, on_abort: Field) {
        if self.hang == Hang::Interrupts {
            return;
        }
        self.irqs.push(irq);
        if self.profile.id0(idr0::MSI) != 0 && pa != 0 {
            self.msi(pa, data, on_abort);
        }
    }

    /// Writes an MSI; the address is truncated to the OAS (3.4.3).
    fn msi(&mut self, pa: u64, data: u64, on_abort: Field) {
        let pa = pa & ((1 << self.profile.oas()) - 1);
        let data = (data & 0xffff_ffff) as u32;
        if self.bus.write32(pa, data).is_some() {
            self.trace.push(Trace::Msi { pa, data });
        } else {
            self.global_error(on_abort);
        }
    }
}
