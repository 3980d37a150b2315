//! Consumption of the Command queue and the effect of each command (IHI 0070 4.1.2, 4.7.3, 7.1).
//!
//! In the plain setting everything is consumed at once: when CMDQ_PROD is written, when the queue is enabled and when the
//! command error is acknowledged. Since commands complete as they are consumed, CMD_SYNC has nothing to wait for. In the
//! adversarial setting commands are consumed as time passes, and invalidations are put off until the next CMD_SYNC.

use crate::access::{Hang, Irq, Trace};
use crate::bus::Bus;
use crate::command::{self, Command};
use crate::layout::{cmdq_cons, cr0, cr2, gerror, idr0, idr1, offset};
use crate::model::Model;
use crate::tlbi::Rules;

/// CMDQ_CONS.ERR codes (7.1).
const CERROR_ILL: u8 = 1;
const CERROR_ABT: u8 = 2;

impl<B: Bus> Model<B> {
    /// Consumes commands as soon as the setting allows.
    pub(crate) fn process_commands(&mut self) {
        if self.adversary.is_none() {
            self.take_commands(usize::MAX);
        }
    }

    /// Consumes commands until the queue is empty, disabled or in error, or `most` are consumed.
    pub(crate) fn take_commands(&mut self, most: usize) {
        for _ in 0..most {
            if self.failed
                || self.hang == Hang::CommandQueue
                || !self.regs.enabled(cr0::CMDQEN)
                || gerror::CMDQ_ERR.of(self.regs.active_errors()) != 0
            {
                return;
            }
            let (ring, base) = self.regs.queue(offset::CMDQ_BASE, self.profile.id1(idr1::CMDQS), 16);
            let cons = self.regs.get(offset::CMDQ_CONS);
            let used = ring.used(self.regs.get(offset::CMDQ_PROD), cons);
            if used == 0 || used > ring.entries() {
                return;
            }
            let index = ring.index(cons);
            let at = base + index * 16;
            let fetched = self.bus.read64(at).zip(self.bus.read64(at + 8));
            let words = fetched.map_or([0; 2], |(a, b)| [a, b]);
            let error = match fetched {
                None => Some(CERROR_ABT),
                Some(_) => match command::decode(words, &self.profile, &mut self.complaints) {
                    Err(command::Illegal) => Some(CERROR_ILL),
                    Ok(command) => {
                        // CONS passes the command before its completion signal is seen (4.7.3).
                        self.regs.put(offset::CMDQ_CONS, ring.next(cons) | (cons & cmdq_cons::ERR.mask()));
                        if !self.put_off(&command, index) {
                            self.execute(&command);
                        }
                        None
                    }
                },
            };
            self.trace.push(Trace::Command { index: index as u32, words, error });
            if let Some(code) = error {
                // 7.1: CONS.RD stays, CONS.ERR is visible before GERROR.
                self.regs.put(offset::CMDQ_CONS, ring.cursor(cons) | (u64::from(code) << cmdq_cons::ERR.lsb));
                self.global_error(gerror::CMDQ_ERR);
            }
        }
    }

    fn execute(&mut self, command: &Command) {
        match *command {
            Command::Nothing => {}
            Command::Cfgi(ref cfgi) => self.config.invalidate(cfgi),
            Command::Tlbi(ref tlbi) => {
                let rules = self.tlbi_rules();
                self.tlb.invalidate(tlbi, &rules);
            }
            Command::AtcInv(what) => self.invalidate_atc(what),
            Command::PriResp { sid, ssid, group, resp } => self.respond(sid, ssid, group, resp),
            Command::Resume { sid, stag, retry, abort } => self.resume(sid, stag, retry, abort),
            Command::StallTerm { sid } => self.terminate_stalls(sid),
            Command::Sync { signal, msi_addr, msi_data } => {
                // What is stored from now on was not there before.
                self.look();
                self.complete_atc();
                if let Some(adversary) = &mut self.adversary {
                    adversary.complete();
                }
                self.complete_sync(signal, msi_addr, msi_data);
            }
        }
    }

    /// Registers that TLB invalidations depend on: VMW (6.3.9) and E2H (4.4.2.8).
    pub(crate) fn tlbi_rules(&self) -> Rules {
        let wild =
            if self.profile.id0(idr0::VMW) == 0 { 0 } else { cr0::VMW.of(self.regs.get(offset::CR0ACK)) };
        Rules {
            s2p: self.profile.s2p(),
            vmid_mask: if wild <= 4 { !((1u16 << wild) - 1) } else { u16::MAX },
            e2h: cr2::E2H.of(self.regs.get(offset::CR2)) != 0,
            whole_groups: self.adversary.as_ref().is_some_and(|adversary| adversary.whole_groups),
        }
    }

    /// Completion signal of CMD_SYNC (4.7.3).
    fn complete_sync(&mut self, signal: u64, msi_addr: u64, msi_data: u64) {
        match signal {
            1 => {
                self.interrupt(Irq::CmdSync, msi_addr, msi_data, gerror::MSI_CMDQ_ABT_ERR);
            }
            2 if self.profile.id0(idr0::SEV) != 0 => self.trace.push(Trace::Sev),
            _ => {}
        }
    }
}
