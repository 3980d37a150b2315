//! Takeover from every state of the registers that matters, with a DMA after every register write: from the first step on
//! none gets through until our table says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_cmds::{CommandQueue, EventQueue};
use smmu_machine::Machine;
use smmu_model::Profile;
use smmu_regs::caps::{Caps, Hints};
use smmu_regs::handshake::{active_errors, update_gbpa, write_cr0, write_irq_ctrl};
use smmu_regs::lifecycle::{Bases, Probed};
use smmu_regs::platform::{Memory, Pages, Platform};
use smmu_regs::registers::{
    CmdqBase, CmdqCons, CmdqProd, Cr0, Cr1, EventqBase, EventqCons, EventqProd, Gbpa, IrqCtrl, PriqBase,
    PriqCons, PriqProd, Registers, StrtabBase, StrtabBaseCfg, describe,
};
use smmu_regs::{Feature, PhysAddr};
use smmu_ste::{SteConfig, StreamTable};
use std::cell::{Cell, RefCell};
use support::{INSTANCE, PAGE, Setup, TIMEOUT, Watched, bases, lands, may_land, on_both, on_models, streams};

/// What firmware left behind.
#[derive(Clone, Copy, Debug)]
struct Left {
    cr0: Cr0,
    aborts: bool,
    irqs: IrqCtrl,
    /// The command queue stopped at an illegal command.
    stopped: bool,
}

/// Every combination of enables that the SMMU has, bypass or abort, interrupts, a queue that stopped.
fn all_states(caps: &Caps) -> Vec<Left> {
    let mut states = Vec::new();
    for number in 0..1_u32 << 8 {
        let bit = |n: u32| number >> n & 1 != 0;
        let cr0 = Cr0::new()
            .with(Cr0::SMMUEN, bit(0))
            .with(Cr0::CMDQEN, bit(1))
            .with(Cr0::EVENTQEN, bit(2))
            .with(Cr0::PRIQEN, bit(3))
            .with(Cr0::ATSCHK, bit(4));
        let (aborts, irqs, stopped) = (bit(5), bit(6), bit(7));
        let impossible = cr0.priqen() && !caps.has(Feature::Pri)
            || cr0.atschk() && !caps.has(Feature::Ats)
            || stopped && !cr0.cmdqen();
        if !impossible {
            let irqs = IrqCtrl::new()
                .with(IrqCtrl::GERROR_IRQEN, irqs)
                .with(IrqCtrl::EVENTQ_IRQEN, irqs)
                .with(IrqCtrl::PRIQ_IRQEN, irqs && caps.has(Feature::Pri));
            states.push(Left { cr0, aborts, irqs, stopped });
        }
    }
    states
}

/// Firmware's memory: a stream table that lets everybody pass, and queues. It never comes back.
struct Firmware {
    table: PhysAddr,
    queues: PhysAddr,
}

impl Firmware {
    fn new<P: Memory>(p: &P, caps: &Caps) -> Self {
        let keep = |pages: Pages| pages.base();
        let table = keep(p.allocate(64 << 9, 64 << 9).unwrap());
        let queues = keep(p.allocate(3 * PAGE, 1 << 14).unwrap());
        let bypass = SteConfig::Bypass.encode(caps).unwrap();
        for ste in p.words(table, 8 << 9).unwrap().chunks(8) {
            for (word, value) in ste.iter().zip(bypass.words()) {
                word.store(value);
            }
        }
        // The first command is none.
        p.words(queues, 1).unwrap()[0].store(0xff);
        p.clean(table, 8 << 9);
        p.clean(queues, 1);
        p.publish();
        Self { table, queues }
    }

    /// Sets the SMMU, which is off, up as `left` says.
    fn leave<P: Platform>(&self, p: &P, caps: &Caps, left: &Left) {
        let at = |page: u64| self.queues.get() + page * PAGE;
        let coherent = caps.has(Feature::Coherent);
        p.put(Cr1::from_bits(if coherent { 0xd75 } else { 0xa20 }));
        p.put(StrtabBase::new().try_with_address(StrtabBase::ADDR, self.table.get()).unwrap());
        p.put(StrtabBaseCfg::from_bits(9));
        let log2 = |value: u8| value;
        let commands = CmdqBase::new().try_with_address(CmdqBase::ADDR, at(0)).unwrap();
        p.put(commands.try_with(CmdqBase::LOG2SIZE, log2(2)).unwrap());
        p.put(CmdqProd::new());
        p.put(CmdqCons::new());
        let events = EventqBase::new().try_with_address(EventqBase::ADDR, at(1)).unwrap();
        p.put(events.try_with(EventqBase::LOG2SIZE, log2(2)).unwrap());
        p.put(EventqProd::new());
        p.put(EventqCons::new());
        if caps.has(Feature::Pri) {
            let requests = PriqBase::new().try_with_address(PriqBase::ADDR, at(2)).unwrap();
            p.put(requests.try_with(PriqBase::LOG2SIZE, log2(2)).unwrap());
            p.put(PriqProd::new());
            p.put(PriqCons::new());
        }
        update_gbpa(p, TIMEOUT, |gbpa| gbpa.with(Gbpa::ABORT, left.aborts)).unwrap();
        write_irq_ctrl(p, left.irqs, TIMEOUT).unwrap();
        write_cr0(p, left.cr0, TIMEOUT).unwrap();
        if left.stopped {
            p.publish();
            p.put(CmdqProd::from_bits(1));
            assert!((0..1000).any(|_| {
                let _ = p.now();
                active_errors(p).cmdq_err()
            }));
        }
    }
}

/// What the new owner has, used again and again.
struct Owner {
    streams: StreamTable,
    queue: CommandQueue,
    events: EventQueue,
    bases: Bases,
}

impl Owner {
    fn new<P: Platform>(p: &P, caps: &Caps) -> Self {
        let streams = StreamTable::new(p, caps, Setup::default().shape).unwrap();
        let queue = CommandQueue::new(p, caps, INSTANCE, 4).unwrap();
        let events = EventQueue::new(p, caps, 4).unwrap();
        let bases = bases(&streams, &queue, &events);
        Self { streams, queue, events, bases }
    }
}

/// Takes the SMMU over from `left`. After `quiesce`, and before that once `SMMUEN` is 0 and `GBPA` updated, no DMA passes.
fn take_over(machine: &dyn Machine, owner: &mut Owner, left: &Left, at: PhysAddr) {
    let reached = || may_land(machine, 0, at.get(), at);
    assert_eq!(reached(), left.cr0.smmuen() || !left.aborts, "{}: {left:?}", machine.name());
    let (closed, log) = (Cell::new(false), RefCell::new(Vec::new()));
    let p = Watched::new(machine).after_write(|(offset, value)| {
        let name = describe(offset, value).unwrap().name();
        // An SMMU that is off is closed as soon as GBPA says so, which the next write shows.
        let off = !left.cr0.smmuen() && name != "GBPA";
        log.borrow_mut().push((name, value));
        let open = reached();
        assert!(!((closed.get() || off) && open), "{}: {left:?}: after {:?}", machine.name(), log.borrow());
    });
    let off = Probed::probe(&p, INSTANCE, &Hints::default()).unwrap().quiesce(&p, TIMEOUT).unwrap();
    closed.set(true);
    assert!(!reached(), "{left:?}");
    assert_eq!(active_errors(&p).into_bits(), 0, "{left:?}");
    let ready = off.configure(&p, &owner.bases).unwrap().enable_commands(&p, TIMEOUT).unwrap();
    owner.queue.restart();
    owner.events.restart();
    let clean = owner.queue.drop_everything(&p, TIMEOUT).unwrap();
    let enabled = ready.enable(&p, clean, TIMEOUT).unwrap();
    for device in 0..machine.devices().len() {
        assert!(!lands(machine, device, at.get(), at), "{left:?}: our table aborts");
    }
    // Now our table says so.
    closed.set(false);
    let set = |owner: &mut Owner, config: SteConfig| {
        let ste = config.encode(enabled.caps()).unwrap();
        let Owner { streams: table, queue, .. } = owner;
        let _ = table.set(&p, queue, streams()[0], &ste, TIMEOUT, |_| {}).unwrap();
    };
    if left.cr0.smmuen() {
        set(owner, SteConfig::Bypass);
        assert!(lands(machine, 0, at.get(), at), "{left:?}");
        set(owner, SteConfig::Abort);
        assert!(!lands(machine, 0, at.get(), at), "{left:?}");
    }
    // Firmware is not to meet our entries in the caches, so nobody looks from here on.
    let _ = owner.queue.drop_everything(&machine, TIMEOUT).unwrap();
    let _off = enabled.disable(&machine, TIMEOUT).unwrap();
    assert!(!reached(), "{left:?}");
}

fn from_every_state(machine: &dyn Machine) {
    let caps = *Probed::probe(&machine, INSTANCE, &Hints::default()).unwrap().caps();
    let target = machine.allocate(PAGE, PAGE).unwrap();
    let firmware = Firmware::new(&machine, &caps);
    let mut owner = Owner::new(&machine, &caps);
    let states = all_states(&caps);
    // 5 enables, of which some are missing; a queue that stopped is one that was on.
    let expected = 3 << (4 + u32::from(caps.has(Feature::Pri)) + u32::from(caps.has(Feature::Ats)));
    assert_eq!(states.len(), expected, "{}", machine.name());
    for left in &states {
        firmware.leave(&machine, &caps, left);
        take_over(machine, &mut owner, left, target.base());
    }
    let Owner { streams, queue, events, .. } = owner;
    machine.free(queue.into_pages());
    machine.free(events.into_pages());
    streams.free(&machine).unwrap();
    machine.free(target);
}

/// Firmware that wrote `CR0` and `IRQ_CTRL` a moment ago, and did not wait: a field must not be changed again before its
/// change is acknowledged (6.3.9). A model that lags complains about whoever does.
#[test]
fn an_smmu_that_is_just_being_enabled_is_taken_over_without_changing_a_field_twice() {
    on_both(|machine| {
        let caps = *Probed::probe(&machine, INSTANCE, &Hints::default()).unwrap().caps();
        let firmware = Firmware::new(&machine, &caps);
        let left = Left { cr0: Cr0::new(), aborts: true, irqs: IrqCtrl::new(), stopped: false };
        for cr0 in [0b1101, 0b0001, 0b1000] {
            firmware.leave(&machine, &caps, &left);
            machine.put(IrqCtrl::from_bits(0b101));
            machine.put(Cr0::from_bits(cr0));
            let probed = Probed::probe(&machine, INSTANCE, &Hints::default()).unwrap();
            let _off = probed.quiesce(&machine, TIMEOUT).unwrap();
            assert_eq!(machine.get::<smmu_regs::registers::Cr0ack>().into_bits(), 0);
        }
    });
}

#[test]
fn no_dma_passes_whatever_state_the_smmu_was_left_in() {
    on_models(&[Profile::mmu600()], from_every_state);
    on_both(from_every_state);
}
