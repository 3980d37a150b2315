//! Register accesses: routing, widths, reserved bits, guards, and what each write sets off.
//!
//! Where older revisions allow several outcomes of a forbidden write, the model takes the one that SMMUv3.2 and later
//! require: the write is ignored. Each such write is also a complaint.

use crate::Field;
use crate::access::{Hang, Width};
use crate::bus::Bus;
use crate::ecmdq::Queue;
use crate::layout::{
    cmdq_base, cmdq_cons, cmdq_prod, cr0, cr1, eventq_cons, gbpa, gerror, idr1, offset, strtab_base,
    strtab_base_cfg,
};
use crate::model::Model;
use crate::regs::{self, Guard, Spec};

/// CR0 fields that have an Update handshake (6.3.9).
const CR0_FIELDS: [Field; 6] = [cr0::SMMUEN, cr0::PRIQEN, cr0::EVENTQEN, cr0::CMDQEN, cr0::ATSCHK, cr0::VMW];

impl<B: Bus> Model<B> {
    /// Finds the register, complaining about anything that is not a proper access to one (6.2).
    fn route(&mut self, at: u32, width: Width, what: &str) -> Option<(Spec, bool)> {
        let bytes = if width == Width::W64 { 8 } else { 4 };
        if at % bytes != 0 {
            self.complain(format!("{what} of {bytes} bytes at {at:#x} is not aligned (6.2)"));
            return None;
        }
        let Some((spec, upper)) = regs::find(at, &self.profile) else {
            // ID registers of page 0 are readable, with IMPLEMENTATION DEFINED contents.
            if what != "read" || !(offset::ID_FIRST..0x1000).contains(&at) {
                let other = at ^ 0x1_0000;
                let hint = regs::find(other, &self.profile).map_or(String::new(), |(s, _)| {
                    format!("; {} is in the other page, at {:#x}", s.name, s.offset)
                });
                self.complain(format!("{what} at unknown or unimplemented offset {at:#x}{hint} (6.2)"));
            }
            return None;
        };
        if width == Width::W64 && !spec.wide {
            self.complain(format!("64-bit {what} of the 32-bit register {} at {at:#x} (6.2)", spec.name));
        }
        Some((spec, upper))
    }

    pub(crate) fn mmio_read(&mut self, at: u32, width: Width) -> u64 {
        self.tick();
        let Some((spec, upper)) = self.route(at, width, "read") else { return 0 };
        let value = self.regs.get(spec.offset);
        match (width, upper) {
            (Width::W64, _) if spec.wide => value,
            (_, true) => value >> 32,
            (_, false) => value & 0xffff_ffff,
        }
    }

    pub(crate) fn mmio_write(&mut self, at: u32, width: Width, value: u64) {
        self.look();
        let Some((spec, upper)) = self.route(at, width, "write") else { return };
        let old = self.regs.get(spec.offset);
        let (value, touched) = match (width, upper) {
            (Width::W64, _) if spec.wide => (value, u64::MAX),
            (_, true) => ((old & 0xffff_ffff) | (value << 32), !0xffff_ffff),
            (_, false) => ((old & !0xffff_ffff) | (value & 0xffff_ffff), 0xffff_ffff),
        };
        if spec.guard == Guard::ReadOnly {
            self.complain(format!("write of {value:#x} to {}: it is read only", spec.name));
            return;
        }
        let allowed = regs::writable_bits(spec.name, &self.profile);
        if value & touched & !allowed != 0 {
            self.complain(format!(
                "write of {value:#x} to {}: reserved bits {:#x} are set",
                spec.name,
                value & touched & !allowed
            ));
        }
        if let Some(guard) = self.regs.guarded(spec.guard) {
            self.complain(format!("write of {value:#x} to {} while {guard} is 1", spec.name));
            return;
        }
        self.write_register(spec, old, value & allowed);
    }

    fn write_register(&mut self, spec: Spec, old: u64, value: u64) {
        match spec.offset {
            offset::CR0 => self.write_cr0(old, value),
            offset::CR1 => self.write_cr1(old, value),
            offset::CR2 => {
                if old != value && self.regs.guarded(Guard::Cr0(cr0::SMMUEN, "SMMUEN")).is_some() {
                    self.complain(format!("CR2 changed to {value:#x} while SMMUEN is 1 (6.3.12)"));
                } else {
                    self.regs.put(spec.offset, value);
                }
            }
            offset::GBPA => self.write_gbpa(old, value),
            offset::IRQ_CTRL => {
                self.regs.put(spec.offset, value);
                if self.answers(Hang::Cr0Ack) {
                    self.regs.put(offset::IRQ_CTRLACK, value);
                }
            }
            offset::GERRORN => self.write_gerrorn(old, value),
            offset::CMDQ_PROD => self.write_cmdq_prod(old, value),
            offset::EVENTQ_CONS => {
                self.check_consumer("EVENTQ", offset::EVENTQ_BASE, idr1::EVENTQS, cr0::EVENTQEN, old, value);
                self.regs.put(spec.offset, value);
                self.retry_unrecorded();
            }
            offset::PRIQ_CONS => {
                self.check_consumer("PRIQ", offset::PRIQ_BASE, idr1::PRIQS, cr0::PRIQEN, old, value);
                self.regs.put(spec.offset, value);
            }
            _ => match spec.guard {
                Guard::EcmdqSettled(queue) => self.write_ecmdq_prod(queue, old, value),
                Guard::EcmdqOff(queue) if spec.offset == queue.cons() => self.write_ecmdq_cons(queue, value),
                _ => self.regs.put(spec.offset, value),
            },
        }
    }

    /// CR0: each field is Updated on its own (6.3.9).
    fn write_cr0(&mut self, old: u64, value: u64) {
        let pending = old ^ self.regs.get(offset::CR0ACK);
        let mut next = value;
        for field in CR0_FIELDS.into_iter().filter(|f| f.mask() & pending != 0) {
            if (old ^ value) & field.mask() != 0 {
                self.complain(format!(
                    "CR0 written with {value:#x} changes bits {:#x} before their Update completed (6.3.9)",
                    field.mask()
                ));
                next = (next & !field.mask()) | (old & field.mask());
            }
        }
        // Fields take effect in any order, so what is switched off with SMMUEN may be off before it.
        let acknowledged = self.regs.get(offset::CR0ACK);
        if cr0::SMMUEN.of(acknowledged) != 0 && cr0::ATSCHK.of(acknowledged & !next) != 0 {
            self.complain(format!(
                "CR0 written with {value:#x} clears ATSCHK while SMMUEN is 1: translated traffic passes unchecked (6.3.9.2)"
            ));
        }
        let commands = cr0::CMDQEN.of(acknowledged) != 0 || self.regs.any_ecmdq_on();
        if commands && cr0::VMW.of(acknowledged ^ next) != 0 {
            self.complain(format!(
                "CR0 written with {value:#x} changes VMW while commands may be processed (6.3.9.1)"
            ));
        }
        self.regs.put(offset::CR0, next);
        self.note_roots();
        if self.answers(Hang::Cr0Ack) {
            self.update_cr0();
        }
    }

    /// Completes the Update of CR0: what enables and disables set off.
    pub(crate) fn update_cr0(&mut self) {
        let (before, now) = (self.regs.get(offset::CR0ACK), self.regs.get(offset::CR0));
        let rises = |f: Field| f.of(now & !before) != 0;
        let falls = |f: Field| f.of(before & !now) != 0;
        if rises(cr0::SMMUEN) {
            self.check_stream_table();
        }
        if rises(cr0::CMDQEN) {
            self.show_queue(Queue::MAIN);
            self.check_queue("CMDQ_BASE", offset::CMDQ_BASE, self.profile.id1(idr1::CMDQS), 16);
        }
        if rises(cr0::EVENTQEN) {
            self.check_queue("EVENTQ_BASE", offset::EVENTQ_BASE, self.profile.id1(idr1::EVENTQS), 32);
        }
        if rises(cr0::PRIQEN) {
            self.check_queue("PRIQ_BASE", offset::PRIQ_BASE, self.profile.id1(idr1::PRIQS), 16);
        }
        if falls(cr0::SMMUEN) {
            // The devices' page requests have to be set up anew (6.3.9.6).
            self.groups.clear();
        }
        self.regs.put(offset::CR0ACK, now);
        self.note_roots();
        if falls(cr0::SMMUEN) {
            // Stalled transactions are terminated (6.3.9.6).
            self.end_stalls();
        }
        if rises(cr0::EVENTQEN) {
            self.retry_unrecorded();
        }
        self.process_commands();
    }

    /// Alignment of the Stream table to its size, and reserved encodings (6.3.24, 6.3.25).
    fn check_stream_table(&mut self) {
        let (base, cfg) = (self.regs.get(offset::STRTAB_BASE), self.regs.get(offset::STRTAB_BASE_CFG));
        let split = strtab_base_cfg::SPLIT.of(cfg);
        let fmt = strtab_base_cfg::FMT.of(cfg);
        if fmt > 1 {
            self.complain(format!("STRTAB_BASE_CFG {cfg:#x}: FMT {fmt} is reserved (6.3.25)"));
        }
        if fmt == 1 && !matches!(split, 6 | 8 | 10) {
            self.complain(format!(
                "STRTAB_BASE_CFG {cfg:#x}: SPLIT {split} is reserved and acts as 6 (6.3.25)"
            ));
        }
        let table = self.regs.stream_table(&self.profile);
        if strtab_base::ADDR.in_place(&[base]) != table.base {
            self.complain(format!(
                "STRTAB_BASE {base:#x} is not aligned to its table of 2^{} bytes (6.3.24)",
                table.align
            ));
        }
    }

    /// Size and alignment of a queue (6.3.26).
    pub(crate) fn check_queue(&mut self, name: &str, base: u32, max: u64, entry: u64) {
        let value = self.regs.get(base);
        let log2 = cmdq_base::LOG2SIZE.of(value);
        if log2 > max {
            self.complain(format!("{name} {value:#x}: LOG2SIZE {log2} is above the {max} of IDR1 (6.3.26)"));
        }
        let bytes = (entry << log2.min(max)).max(32);
        if cmdq_base::ADDR.in_place(&[value]) & (bytes - 1) != 0 {
            self.complain(format!("{name} {value:#x} is not aligned to its {bytes} bytes (6.3.26)"));
        }
    }

    /// CR1: table attributes may change while SMMUEN=0, queue attributes while no queue of any kind is enabled (6.3.11).
    fn write_cr1(&mut self, old: u64, value: u64) {
        let table = cr1::TABLE_IC.mask() | cr1::TABLE_OC.mask() | cr1::TABLE_SH.mask();
        let queues = cr0::CMDQEN.mask() | cr0::EVENTQEN.mask() | cr0::PRIQEN.mask();
        let on = self.regs.get(offset::CR0) | self.regs.get(offset::CR0ACK);
        let mut fixed = 0;
        if on & cr0::SMMUEN.mask() != 0 {
            fixed |= table;
        }
        if on & queues != 0 || self.regs.any_ecmdq_on() {
            fixed |= !table;
        }
        if (old ^ value) & fixed != 0 {
            self.complain(format!(
                "CR1 changed from {old:#x} to {value:#x} while what it describes is enabled (6.3.11)"
            ));
        }
        self.regs.put(offset::CR1, (old & fixed) | (value & !fixed));
    }

    /// GBPA: one write with UPDATE set, while UPDATE reads 0 (6.3.14.1).
    fn write_gbpa(&mut self, old: u64, value: u64) {
        if gbpa::UPDATE.of(old) != 0 {
            self.complain(format!("GBPA written with {value:#x} while UPDATE is 1 (6.3.14.1)"));
        } else if gbpa::UPDATE.of(value) == 0 {
            self.complain(format!("GBPA written with {value:#x} without UPDATE (6.3.14.1)"));
        } else {
            let done = if self.answers(Hang::Gbpa) { gbpa::UPDATE.mask() } else { 0 };
            self.regs.put(offset::GBPA, value & !done);
            if let Some(adversary) = &mut self.adversary {
                adversary.gbpa_before = (done == 0).then_some(old);
            }
        }
    }

    /// GERRORN: acknowledges active errors; toggling an inactive one is forbidden (6.3.20).
    fn write_gerrorn(&mut self, old: u64, value: u64) {
        let active = self.regs.active_errors();
        let wrong = (old ^ value) & !active;
        if wrong != 0 {
            self.complain(format!(
                "GERRORN written with {value:#x} toggles inactive errors {wrong:#x} (6.3.20)"
            ));
        }
        // Whether an inactive error is activated is CONSTRAINED UNPREDICTABLE; the model does not.
        self.regs.put(offset::GERRORN, value ^ wrong);
        if gerror::CMDQ_ERR.of((old ^ value) & active) != 0 {
            // The command at CONS is fetched anew, and what follows it with it (7.1).
            self.show_queue(Queue::MAIN);
        }
        self.process_commands();
        self.retry_unrecorded();
    }

    fn write_cmdq_prod(&mut self, old: u64, value: u64) {
        self.regs.put(offset::CMDQ_PROD, value);
        if self.regs.guarded(Guard::Cr0(cr0::CMDQEN, "CMDQEN")).is_some() {
            let error = self.regs.queue_error(Queue::MAIN);
            self.produced(Queue::MAIN, old, value, error);
        }
    }

    /// PROD of an enabled queue has been written: only forward, within the queue; backward as far as CONS while an error is
    /// active (6.3.27, 7.1).
    pub(crate) fn produced(&mut self, queue: Queue, old: u64, value: u64, error: bool) {
        let (ring, _) = self.regs.queue(queue.base(), self.profile.id1(idr1::CMDQS), 16);
        let cons = cmdq_cons::RD.of(self.regs.get(queue.cons()));
        let (before, after) = (ring.used(old, cons), ring.used(value, cons));
        let index = cmdq_prod::WR.of(value);
        if ring.cursor(index) != index {
            self.complain(format!(
                "{} written with {value:#x}: bits above the wrap flag are set (6.3.27, 6.3.108)",
                queue.prod_name()
            ));
        }
        for ahead in 0..after.min(ring.entries()).saturating_sub(before.min(after)) {
            self.show_command(queue, ring.index(old + ahead));
        }
        if after > ring.entries() {
            self.complain(format!(
                "{} written with {value:#x} while CONS is {cons:#x}: more than {} commands (6.3.27, 6.3.108)",
                queue.prod_name(),
                ring.entries()
            ));
            return;
        }
        if after < before && !error {
            self.complain(format!(
                "{} moved back from {old:#x} to {value:#x} without an active error (7.1)",
                queue.prod_name()
            ));
        }
        self.process_commands();
    }

    /// All commands that wait in a queue are shown to the SMMU.
    pub(crate) fn show_queue(&mut self, queue: Queue) {
        let (ring, _) = self.regs.queue(queue.base(), self.profile.id1(idr1::CMDQS), 16);
        let cons = cmdq_cons::RD.of(self.regs.get(queue.cons()));
        let used = ring.used(self.regs.get(queue.prod()), cons);
        for ahead in 0..used.min(ring.entries()) {
            self.show_command(queue, ring.index(cons + ahead));
        }
    }

    /// A command is shown to the SMMU. Complains if it is not sure to be in memory by then.
    fn show_command(&mut self, queue: Queue, index: u64) {
        let Some(adversary) = &mut self.adversary else { return };
        adversary.show(queue, index);
        let (_, base) = self.regs.queue(queue.base(), self.profile.id1(idr1::CMDQS), 16);
        let at = base + index * 16;
        let number = ((at % 64) / 8) as usize;
        let command =
            |line: Option<[u64; 8]>| line.and_then(|line| line.get(number..number + 2).map(<[u64]>::to_vec));
        let line = at & !63;
        if command(self.bus.read_line(line)) != command(self.bus.settled_line(line)) {
            self.complain(format!(
                "{} entry {index} is shown to the SMMU with no barrier after it was stored (4.1.4)",
                queue.name()
            ));
        }
    }

    /// EVENTQ_CONS, PRIQ_CONS: only forward, not past PROD (3.5.1).
    fn check_consumer(&mut self, name: &str, base: u32, max: Field, enable: Field, old: u64, value: u64) {
        let (ring, _) = self.regs.queue(base, self.profile.id1(max), 16);
        let prod = self.regs.get(if enable == cr0::PRIQEN { offset::PRIQ_PROD } else { offset::EVENTQ_PROD });
        if self.regs.guarded(Guard::Cr0(enable, "it")).is_some() {
            let index = eventq_cons::RD.of(value);
            if ring.cursor(index) != index {
                self.complain(format!(
                    "{name}_CONS written with {value:#x}: bits above the wrap flag are set (6.3.96, 6.3.98)"
                ));
            }
            if ring.used(prod, index) > ring.used(prod, old) {
                self.complain(format!("{name}_CONS moved from {old:#x} to {value:#x} while PROD is {prod:#x}: not consumption (3.5.1)"));
            }
        }
    }
}
