//! The PRI queue: page requests of devices, and their answers (IHI 0070 4.5.2, chapter 8).

use crate::access::{Access, Irq};
use crate::bus::Bus;
use crate::layout::{
    cr0, gerror, idr1, idr3, irq_ctrl, offset, pri, priq_cons, priq_irq_cfg2, priq_prod, ste,
};
use crate::model::Model;

/// A page request message of a device (chapter 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// StreamID.
    pub sid: u32,
    /// PASID, when the message has one.
    pub ssid: Option<u32>,
    /// Address of the page; bits below 12 are not sent.
    pub address: u64,
    /// Page request group index, 9 bits.
    pub group: u16,
    /// Last of its group.
    pub last: bool,
    /// To read.
    pub read: bool,
    /// To write.
    pub write: bool,
    /// To execute; only with a PASID.
    pub execute: bool,
    /// Privileged; only with a PASID.
    pub privileged: bool,
}

impl PageRequest {
    /// A stop marker (chapter 8).
    fn is_stop_marker(&self) -> bool {
        self.last && !self.read && !self.write && self.ssid.is_some()
    }

    fn words(&self) -> [u64; 2] {
        let mut words = [0; 2];
        pri::SID.put(&mut words, u64::from(self.sid));
        if let Some(ssid) = self.ssid {
            pri::SSV.put(&mut words, 1);
            pri::SSID.put(&mut words, u64::from(ssid));
            pri::EXEC.put(&mut words, u64::from(self.execute));
            pri::PRIV.put(&mut words, u64::from(self.privileged));
        }
        pri::READ.put(&mut words, u64::from(self.read));
        pri::WRITE.put(&mut words, u64::from(self.write));
        pri::LAST.put(&mut words, u64::from(self.last));
        pri::PRGINDEX.put(&mut words, u64::from(self.group));
        pri::ADDR.put(&mut words, self.address >> 12);
        words
    }
}

/// A page request group response, as its device gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageResponse {
    /// StreamID.
    pub sid: u32,
    /// PASID, when the message has one.
    pub ssid: Option<u32>,
    /// Page request group index.
    pub group: u16,
    /// PCIe response code (8.3): 0 Success, 1 Invalid Request, 15 Response Failure.
    pub code: u8,
    /// The SMMU made it without software (8.1, 8.2).
    pub auto: bool,
}

const SUCCESS: u8 = 0;
const INVALID_REQUEST: u8 = 1;
const RESPONSE_FAILURE: u8 = 15;

impl<B: Bus> Model<B> {
    /// A device sends a page request message.
    pub fn page_request(&mut self, request: &PageRequest) {
        // Effective PRIQEN, and no error (8.2).
        let open = !self.failed
            && self.regs.enabled(cr0::PRIQEN)
            && self.regs.enabled(cr0::SMMUEN)
            && gerror::PRIQ_ABT_ERR.of(self.regs.active_errors()) == 0;
        if !open {
            return self.answer_request(request, RESPONSE_FAILURE, None);
        }
        let (ring, base) = self.regs.queue(offset::PRIQ_BASE, self.profile.id1(idr1::PRIQS), 16);
        let (prod, cons) = (self.regs.get(offset::PRIQ_PROD), self.regs.get(offset::PRIQ_CONS));
        let used = ring.used(prod, cons);
        let pending = priq_prod::OVFLG.of(prod) != priq_cons::OVACKFLG.of(cons);
        if pending || used >= ring.entries() {
            if !pending {
                self.regs.put(offset::PRIQ_PROD, prod ^ priq_prod::OVFLG.mask());
            }
            return self.overflown(request);
        }
        let entry = base + ring.index(prod) * 16;
        for (offset, word) in (0u64..).step_by(8).zip(request.words()) {
            if self.bus.write64(entry + offset, word).is_none() {
                self.global_error(gerror::PRIQ_ABT_ERR);
                return self.answer_request(request, RESPONSE_FAILURE, None);
            }
        }
        self.regs.put(offset::PRIQ_PROD, ring.next(prod) | (prod & priq_prod::OVFLG.mask()));
        if request.last && !request.is_stop_marker() {
            self.groups.push((request.sid, request.group));
        }
        if if self.last_only() { request.last } else { used == 0 } {
            self.page_request_interrupt();
        }
    }

    /// Responses that devices got since the last call.
    pub fn page_responses(&mut self) -> Vec<PageResponse> {
        std::mem::take(&mut self.responses)
    }

    /// Groups, by StreamID and index, whose last request is in the queue or was taken from it, and that nobody has answered.
    #[must_use]
    pub fn unanswered_groups(&self) -> &[(u32, u16)] {
        &self.groups
    }

    fn last_only(&self) -> bool {
        priq_irq_cfg2::LO.of(self.regs.get(offset::PRIQ_IRQ_CFG2)) != 0
    }

    fn page_request_interrupt(&mut self) {
        if self.regs.irq_enabled(irq_ctrl::PRIQ_IRQEN) {
            let (pa, data) = self.msi_registers(offset::PRIQ_IRQ_CFG0, offset::PRIQ_IRQ_CFG1);
            self.interrupt(Irq::Pri, pa, data, gerror::MSI_PRIQ_ABT_ERR);
        }
    }

    /// A request is discarded in an overflow (8.1).
    fn overflown(&mut self, request: &PageRequest) {
        if request.last {
            // 6.3.36: also for one that is discarded because of an overflow.
            if self.last_only() {
                self.page_request_interrupt();
            }
            let (code, ssid) = match request.ssid {
                None => (SUCCESS, None),
                Some(_) if self.profile.id3(idr3::PPS) != 0 => (SUCCESS, request.ssid),
                Some(_) => match self.response_pasid(request) {
                    Some(true) => (SUCCESS, request.ssid),
                    Some(false) => (SUCCESS, None),
                    None => (RESPONSE_FAILURE, None),
                },
            };
            self.answer_request(request, code, ssid);
        }
    }

    /// `STE.PPAR`; `None` without a valid STE (8.1).
    fn response_pasid(&mut self, request: &PageRequest) -> Option<bool> {
        let access = Access {
            sid: request.sid,
            ssid: None,
            iova: request.address,
            write: false,
            instruction: false,
            privileged: false,
        };
        let entry = self.look_up(&access, |model, access| {
            let entry = model.fetch_ste(access)?;
            match entry.illegal(&model.profile) {
                Some(_) => Err(model.bad_config(crate::event::id::C_BAD_STE, access)),
                None => Ok(u64::from(entry.flag(ste::PPAR))),
            }
        });
        entry.ok().map(|ppar| ppar != 0)
    }

    /// The SMMU answers by itself; a stop marker never (8.2).
    fn answer_request(&mut self, request: &PageRequest, code: u8, ssid: Option<u32>) {
        if !request.is_stop_marker() {
            let PageRequest { sid, group, .. } = *request;
            self.responses.push(PageResponse { sid, ssid, group, code, auto: true });
        }
    }

    /// CMD_PRI_RESP (4.5.2).
    pub(crate) fn respond(&mut self, sid: u32, ssid: Option<u32>, group: u16, resp: u64) {
        if ssid.is_some() && self.profile.id1(idr1::SSIDSIZE) == 0 {
            self.complain(format!(
                "CMD_PRI_RESP of StreamID {sid:#x} with a PASID, of which there are none (4.5.2)"
            ));
        }
        if !self.regs.enabled(cr0::SMMUEN) {
            return;
        }
        let Some(number) = self.groups.iter().position(|waiting| *waiting == (sid, group)) else {
            self.complain(format!(
                "CMD_PRI_RESP of StreamID {sid:#x}, PRGIndex {group:#x}: no such group waits for an answer (chapter 8)"
            ));
            return;
        };
        self.groups.remove(number);
        let code = match resp {
            0 => RESPONSE_FAILURE,
            1 => INVALID_REQUEST,
            _ => SUCCESS,
        };
        self.responses.push(PageResponse { sid, ssid, group, code, auto: false });
    }
}
