//! Consumption of the Command queues and the effect of each command (IHI 0070 3.5.6.1, 4.1.2, 4.7.3, 7.1).
//!
//! In the plain setting everything is consumed at once: when PROD is written, when the queue is enabled and when the
//! command error is acknowledged. Since commands complete as they are consumed, CMD_SYNC has nothing to wait for. In the
//! adversarial setting commands are consumed as time passes, from the queues in any order, and invalidations are put off
//! until the next CMD_SYNC of the same queue.

use crate::access::{Hang, Irq, Trace};
use crate::bus::Bus;
use crate::command::{self, Command};
use crate::ecmdq::Queue;
use crate::layout::{cmdq_cons, cr0, cr2, gerror, idr0, idr1, offset};
use crate::model::Model;
use crate::tlbi::Rules;

/// CMDQ_CONS.ERR and ECMDQ_CONS.ERR_REASON codes (7.1).
const CERROR_ILL: u8 = 1;
const CERROR_ABT: u8 = 2;

impl<B: Bus> Model<B> {
    /// Consumes commands as soon as the setting allows.
    pub(crate) fn process_commands(&mut self) {
        if self.adversary.is_none() {
            self.take_all_commands();
        }
    }

    /// Consumes all commands of all queues.
    pub(crate) fn take_all_commands(&mut self) {
        for queue in self.command_queues() {
            self.take_commands(queue, usize::MAX);
        }
    }

    /// Consumes commands until the queue is empty, disabled or in error, or `most` are consumed.
    pub(crate) fn take_commands(&mut self, queue: Queue, most: usize) {
        for _ in 0..most {
            if self.failed
                || self.hang == Hang::CommandQueue
                || !self.regs.queue_enabled(queue)
                || self.regs.queue_error(queue)
            {
                return;
            }
            let (ring, base) = self.regs.queue(queue.base(), self.profile.id1(idr1::CMDQS), 16);
            let cons = self.regs.get(queue.cons());
            let used = ring.used(self.regs.get(queue.prod()), cons);
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
                        self.regs.put(queue.cons(), ring.next(cons) | (cons & !cmdq_cons::RD.mask()));
                        if !self.put_off(&command, queue, index) {
                            self.execute(&command, queue);
                        }
                        None
                    }
                },
            };
            self.trace.push(Trace::Command { queue: queue.base(), index: index as u32, words, error });
            if let Some(code) = error {
                self.refuse(queue, code);
            }
        }
    }

    /// The command at CONS is refused: CONS.RD stays, and its error is visible before GERROR (7.1).
    fn refuse(&mut self, queue: Queue, code: u8) {
        if !queue.is_main() {
            self.ecmdq_error(queue, code);
            return;
        }
        let rd = cmdq_cons::RD.in_place(&[self.regs.get(offset::CMDQ_CONS)]);
        self.regs.put(offset::CMDQ_CONS, rd | (u64::from(code) << cmdq_cons::ERR.lsb));
        self.global_error(gerror::CMDQ_ERR);
    }

    fn execute(&mut self, command: &Command, queue: Queue) {
        match *command {
            Command::Nothing => {}
            Command::Cfgi(ref cfgi) => self.config.invalidate(cfgi),
            Command::Tlbi(ref tlbi) => {
                let rules = self.tlbi_rules();
                self.tlb.invalidate(tlbi, &rules);
            }
            Command::AtcInv(what) => self.invalidate_atc(what, queue),
            Command::PriResp { sid, ssid, group, resp } => self.respond(sid, ssid, group, resp),
            Command::Resume { sid, stag, retry, abort } => self.resume(sid, stag, retry, abort),
            Command::StallTerm { sid } => self.terminate_stalls(sid),
            Command::Sync { signal, msi_addr, msi_data } => {
                // What is stored from now on was not there before.
                self.look();
                self.complete_atc(queue);
                if let Some(adversary) = &mut self.adversary {
                    adversary.complete(queue);
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
