//! Mistakes with enhanced command queues.

use super::Mistake;
use super::configuration::stage1;
use super::driver::{Driver, Goes, LOG2};
use crate::common::{S1_ROOT, map, nh_va};
use smmu_model::Profile;

const VA: u64 = 0x1000;
const UNMAPPED: [Goes; 1] = [Goes::Fault(0x10)];
const SYNC: [u64; 2] = [0x46, 0];
/// CMD_PREFETCH_CONFIG of stream 3: does nothing.
const NOTHING: [u64; 2] = [1 | 3 << 32, 0];
const ENTRIES: u64 = 1 << LOG2;
/// PROD.EN and CONS.ENACK.
const EN: u64 = 1 << 31;
/// PROD.ERRACK and CONS.ERR.
const ERR: u64 = 1 << 23;
/// The queues of the tests: page, number, memory.
const FIRST: (u32, u32, u64) = (0, 1, 0x26_0000);
const SECOND: (u32, u32, u64) = (1, 3, 0x27_0000);

const fn mistake(name: &'static str, run: fn(&mut Driver, bool), caught: &'static str) -> Mistake {
    Mistake::new(name, run, caught).on(Profile::ecmdq)
}

pub(crate) const MISTAKES: &[Mistake] = &[
    mistake(
        "ECMDQ_PROD is written while its enable is pending",
        prod_early,
        "ECMDQ_PROD while EN ^ ENACK is 1",
    ),
    mistake("ECMDQ_BASE changes while the queue is enabled", base_late, "ECMDQ_BASE while EN | ENACK is 1"),
    mistake("ECMDQ_BASE changes before ENACK is 0", base_early, "ECMDQ_BASE while EN | ENACK is 1"),
    mistake("a doorbell of an enhanced queue without EN", enable_lost, "CMD_SYNC does not complete"),
    mistake("an enhanced queue relies on the main queue's CMD_SYNC", main_sync, "may reach 0x80000000"),
    mistake("the main queue relies on an enhanced queue's CMD_SYNC", enhanced_sync, "may reach 0x80000000"),
    mistake("an enhanced queue relies on another one's CMD_SYNC", other_sync, "may reach 0x80000000"),
    mistake("queues are taken to go in the order of their doorbells", doorbell_order, "may reach 0x80000000"),
    mistake(
        "an enhanced queue's error is acknowledged in GERRORN alone",
        gerrorn_alone,
        "CMD_SYNC does not complete",
    ),
    mistake("the acknowledged error is forgotten by the next doorbell", errack_lost, "ERRACK is toggled"),
    mistake("an enhanced queue is enabled with an old error", old_error, "enabled while ERRACK differs"),
    mistake("ECMDQ_CONS is written to skip a bad command", skipped, "ECMDQ_CONS while EN | ENACK is 1"),
    mistake("an enhanced queue is overfilled", overfull, "more than 16 commands"),
    mistake("an enhanced queue is not aligned to its size", unaligned, "not aligned to its"),
    mistake(
        "a command of an enhanced queue with no barrier before its doorbell",
        no_barrier,
        "with no barrier",
    ),
    mistake("CR1 changes while an enhanced queue is enabled", attributes, "CR1 changed"),
];

/// An enhanced queue as a driver sees it.
struct Queue {
    /// Place of BASE; PROD and CONS are behind it.
    base: u32,
    memory: u64,
    prod: u64,
    errack: u64,
}

impl Queue {
    /// Pages are where CMDQ_CONTROL_PAGE_BASE says; the four queues of each are spread over its 64KB.
    fn find(d: &mut Driver, (page, number, memory): (u32, u32, u64)) -> Self {
        let place = d.r32(0x4000 + 32 * page) & 0xffff_0000;
        Self { base: place as u32 + 0x4000 * number, memory, prod: 0, errack: 0 }
    }

    fn configure(&self, d: &mut Driver) {
        d.w64(self.base, self.memory | LOG2);
        d.w32(self.base + 8, 0);
        d.w32(self.base + 12, 0);
    }

    fn set_enable(&self, d: &mut Driver, on: u64) {
        d.w32(self.base + 8, on | self.errack | self.prod);
        assert!(d.wait(self.base + 12, EN, on));
    }

    /// Brought up.
    fn new(d: &mut Driver, which: (u32, u32, u64)) -> Self {
        let queue = Self::find(d, which);
        queue.configure(d);
        queue.set_enable(d, EN);
        queue
    }

    fn queue(&mut self, d: &mut Driver, command: [u64; 2]) {
        d.store_all(self.memory + (self.prod & (ENTRIES - 1)) * 16, &command);
        self.prod = (self.prod + 1) & ((2 << LOG2) - 1);
    }

    fn ring(&self, d: &mut Driver) {
        d.barrier();
        d.w32(self.base + 8, EN | self.errack | self.prod);
    }

    fn wait(&self, d: &mut Driver) {
        if !d.wait(self.base + 12, 0xf_ffff, self.prod) {
            let cons = d.r32(self.base + 12);
            d.finding(format!("CMD_SYNC does not complete: ECMDQ_CONS {cons:#x}"));
        }
    }

    fn run(&mut self, d: &mut Driver, commands: &[[u64; 2]]) {
        for command in commands {
            self.queue(d, *command);
        }
        self.queue(d, SYNC);
        self.ring(d);
        self.wait(d);
    }

    /// Puts a CMD_SYNC into the place of the command at CONS.
    fn replace(&self, d: &mut Driver) {
        let cons = d.r32(self.base + 12);
        assert_eq!((cons ^ self.errack) & ERR, ERR, "an error");
        assert_eq!(cons >> 24 & 7, 1, "CERROR_ILL");
        d.store_all(self.memory + (cons & (ENTRIES - 1)) * 16, &SYNC);
        d.barrier();
    }

    /// Acknowledges, by way of PROD.
    fn acknowledge(&mut self, d: &mut Driver) {
        self.errack ^= ERR;
        self.ring(d);
    }
}

fn unmap(d: &mut Driver) {
    map(&d.mem, S1_ROOT, VA, 0, 0);
}

fn prod_early(d: &mut Driver, wrong: bool) {
    stage1(d);
    let mut queue = Queue::find(d, FIRST);
    queue.configure(d);
    d.w32(queue.base + 8, EN);
    if !wrong {
        assert!(d.wait(queue.base + 12, EN, EN));
    }
    queue.run(d, &[]);
}

fn base_late(d: &mut Driver, wrong: bool) {
    stage1(d);
    let queue = Queue::new(d, FIRST);
    if !wrong {
        queue.set_enable(d, 0);
    }
    d.w64(queue.base, SECOND.2 | LOG2);
}

fn base_early(d: &mut Driver, wrong: bool) {
    stage1(d);
    let queue = Queue::new(d, FIRST);
    d.w32(queue.base + 8, queue.prod);
    if !wrong {
        assert!(d.wait(queue.base + 12, EN, 0));
    }
    d.w64(queue.base, SECOND.2 | LOG2);
}

fn enable_lost(d: &mut Driver, wrong: bool) {
    stage1(d);
    let mut queue = Queue::new(d, FIRST);
    queue.run(d, &[NOTHING]);
    d.barrier();
    if wrong {
        d.w32(queue.base + 8, queue.prod);
        assert!(d.wait(queue.base + 12, EN, 0));
        // Now it is off, and CONS and PROD stay as they are.
        queue.queue(d, SYNC);
        d.barrier();
        d.w32(queue.base + 8, queue.prod);
        queue.wait(d);
    } else {
        queue.run(d, &[]);
    }
}

fn main_sync(d: &mut Driver, wrong: bool) {
    stage1(d);
    let mut queue = Queue::new(d, FIRST);
    unmap(d);
    queue.queue(d, nh_va(9, 5, VA));
    queue.ring(d);
    queue.wait(d);
    if wrong {
        d.sync()
    } else {
        queue.run(d, &[])
    }
    d.expect(1, VA, &UNMAPPED);
}

fn enhanced_sync(d: &mut Driver, wrong: bool) {
    stage1(d);
    let mut queue = Queue::new(d, FIRST);
    unmap(d);
    d.command(nh_va(9, 5, VA));
    d.wait_for_queue();
    if wrong {
        queue.run(d, &[])
    } else {
        d.sync()
    }
    d.expect(1, VA, &UNMAPPED);
}

fn other_sync(d: &mut Driver, wrong: bool) {
    stage1(d);
    let mut first = Queue::new(d, FIRST);
    let mut second = Queue::new(d, SECOND);
    unmap(d);
    first.queue(d, nh_va(9, 5, VA));
    first.ring(d);
    first.wait(d);
    if wrong {
        second.run(d, &[])
    } else {
        first.run(d, &[])
    }
    d.expect(1, VA, &UNMAPPED);
}

fn doorbell_order(d: &mut Driver, wrong: bool) {
    stage1(d);
    let mut queue = Queue::new(d, FIRST);
    unmap(d);
    for _ in 0..ENTRIES - 2 {
        queue.queue(d, NOTHING);
    }
    queue.queue(d, nh_va(9, 5, VA));
    queue.queue(d, SYNC);
    queue.ring(d);
    // Its doorbell comes later, and so, the driver believes, does its completion.
    d.sync();
    if !wrong {
        queue.wait(d);
    }
    d.expect(1, VA, &UNMAPPED);
}

/// A queue that has stopped at an illegal command, with an invalidation and a CMD_SYNC behind it.
fn stopped(d: &mut Driver) -> Queue {
    stage1(d);
    let mut queue = Queue::new(d, FIRST);
    unmap(d);
    queue.queue(d, [0xff, 0]);
    queue.queue(d, nh_va(9, 5, VA));
    queue.queue(d, SYNC);
    queue.ring(d);
    assert!(d.wait(queue.base + 12, ERR, ERR));
    assert!(d.wait(0x60, 1 << 9, 1 << 9), "CMDQP_ERR");
    queue
}

fn gerrorn_alone(d: &mut Driver, wrong: bool) {
    let mut queue = stopped(d);
    queue.replace(d);
    d.w32(0x64, 1 << 9);
    if !wrong {
        queue.acknowledge(d);
    }
    queue.wait(d);
}

fn errack_lost(d: &mut Driver, wrong: bool) {
    let mut queue = stopped(d);
    queue.replace(d);
    d.w32(0x64, 1 << 9);
    queue.acknowledge(d);
    queue.wait(d);
    if wrong {
        queue.errack = 0;
    }
    queue.queue(d, SYNC);
    queue.ring(d);
    if !wrong {
        queue.wait(d);
    }
}

fn old_error(d: &mut Driver, wrong: bool) {
    let mut queue = stopped(d);
    d.w32(0x64, 1 << 9);
    queue.set_enable(d, 0);
    queue.prod = 0;
    // CONS.ERR of the last owner stays unless it is written.
    d.w32(queue.base + 8, 0);
    d.w32(queue.base + 12, if wrong { ERR } else { 0 });
    queue.set_enable(d, EN);
    if !wrong {
        queue.run(d, &[nh_va(9, 5, VA)]);
        d.expect(1, VA, &UNMAPPED);
    }
}

fn skipped(d: &mut Driver, wrong: bool) {
    let mut queue = stopped(d);
    if wrong {
        let cons = d.r32(queue.base + 12);
        d.w32(queue.base + 12, cons + 1);
    }
    queue.replace(d);
    d.w32(0x64, 1 << 9);
    queue.acknowledge(d);
    queue.wait(d);
    d.expect(1, VA, &UNMAPPED);
}

fn overfull(d: &mut Driver, wrong: bool) {
    stage1(d);
    let mut queue = Queue::new(d, SECOND);
    for _ in 0..ENTRIES + u64::from(wrong) {
        queue.queue(d, SYNC);
    }
    queue.ring(d);
    if !wrong {
        queue.wait(d);
    }
}

fn unaligned(d: &mut Driver, wrong: bool) {
    stage1(d);
    let queue = Queue::find(d, FIRST);
    queue.configure(d);
    d.w64(queue.base, (queue.memory + if wrong { 0x80 } else { 0 }) | LOG2);
    queue.set_enable(d, EN);
}

fn no_barrier(d: &mut Driver, wrong: bool) {
    stage1(d);
    let mut queue = Queue::new(d, FIRST);
    queue.queue(d, SYNC);
    if !wrong {
        d.barrier();
    }
    d.w32(queue.base + 8, EN | queue.prod);
    queue.wait(d);
}

fn attributes(d: &mut Driver, wrong: bool) {
    d.abort_while_off();
    d.set_bases();
    let queue = Queue::new(d, FIRST);
    if !wrong {
        queue.set_enable(d, 0);
    }
    d.w32(0x28, 0xd75 ^ 1);
}
