//! A new owner goes on with an SMMU and the stream table of an owner that is no more: streams are attached and detached, and the
//! DMA of a stream that nobody touches goes on all the while.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_cmds::{CommandQueue, EventQueue};
use smmu_machine::Machine;
use smmu_regs::caps::{Caps, Hints};
use smmu_regs::lifecycle::{AdoptError, Enabled, Interrupts, LifecycleError, Probed, QueueBases};
use smmu_regs::platform::{Pages, Platform};
use smmu_regs::registers::{Cr0, Cr1, Registers, StrtabBase, StrtabBaseCfg, describe};
use smmu_regs::{Asid, Feature, InstanceId, PhysAddr, StreamId, Vmid};
use smmu_ste::ste::StreamWorld;
use smmu_ste::table::{InheritError, InheritProblem, Inherited, InheritedTable, StreamTableShape};
use smmu_ste::{SteConfig, StreamTable, TableError};
use support::{
    Bench, INSTANCE, PAGE, Place, Seen, Setup, Space1, TIMEOUT, Watched, dma, lands, on_both, outcomes,
    range, streams,
};

const IOVA: u64 = 0x1234_5000;
/// Unmapped by the last owner, who died before it said so.
const STALE: u64 = IOVA + PAGE;
const MOST: u64 = 1 << 20;

fn shapes() -> [StreamTableShape; 3] {
    [
        StreamTableShape::Linear { log2: 9 },
        StreamTableShape::TwoLevel { log2: 16, split: 6 },
        StreamTableShape::TwoLevel { log2: 12, split: 10 },
    ]
}

/// Everything of a new owner but the table.
struct Owner {
    smmu: Enabled,
    queue: CommandQueue,
    events: EventQueue,
    table: InheritedTable,
    caps: Caps,
}

impl Owner {
    fn new<P: Platform>(p: &P) -> Self {
        let running = Probed::probe(p, INSTANCE, &Hints::default()).unwrap().adopt(p).unwrap();
        let (table, caps) = (InheritedTable::of(&running), *running.caps());
        let queue = CommandQueue::new(p, &caps, INSTANCE, 5).unwrap();
        let events = EventQueue::new(p, &caps, 5).unwrap();
        let queues = QueueBases {
            command_queue: queue.base_register().unwrap(),
            event_queue: events.base_register().unwrap(),
            pri_queue: None,
        };
        let smmu = running.take_queues(p, &queues, &Interrupts::WIRED, TIMEOUT).unwrap();
        Self { smmu, queue, events, table, caps }
    }

    fn attach<P: Platform>(&mut self, p: &P, table: &mut StreamTable, stream: StreamId, config: &SteConfig) {
        table.ensure(p, &mut self.queue, stream, TIMEOUT).unwrap();
        let ste = config.encode(&self.caps).unwrap();
        let _ = table.set(p, &mut self.queue, stream, &ste, TIMEOUT, |_| {}).unwrap();
    }

    fn shut_down<P: Platform>(self, p: &P) {
        let _off = self.smmu.disable(p, TIMEOUT).unwrap();
        p.free(self.queue.into_pages());
        p.free(self.events.into_pages());
    }
}

/// The last owner is gone, and its queues are nobody's.
fn abandon(machine: &dyn Machine, bench: Bench<'_, &dyn Machine>) {
    machine.free(bench.queue.into_pages());
    machine.free(bench.events.into_pages());
}

fn word(machine: &dyn Machine, at: u64) -> &smmu_regs::platform::Dword {
    &machine.words(PhysAddr::new(at), 1).unwrap()[0]
}

/// Stores as the last owner did, who died before it told the SMMU.
fn poke(machine: &dyn Machine, at: u64, value: u64) {
    word(machine, at).store(value);
    machine.clean(PhysAddr::new(at), 1);
    machine.publish();
}

fn base(table: &StreamTable) -> u64 {
    table.registers().unwrap().0.address(StrtabBase::ADDR)
}

/// Where the STE of a stream is.
fn ste_at(machine: &dyn Machine, table: &StreamTable, stream: StreamId) -> u64 {
    let stream = u64::from(stream);
    match table.shape() {
        StreamTableShape::Linear { .. } => base(table) + stream * 64,
        StreamTableShape::TwoLevel { split, .. } => {
            let level1 = word(machine, base(table) + (stream >> split) * 8).load();
            (level1 & !0x3f) + (stream & ((1 << split) - 1)) * 64
        }
    }
}

#[test]
fn streams_are_attached_and_detached_while_another_goes_on() {
    on_both(|machine| {
        for shape in shapes() {
            let before = machine.allocated();
            let [kept, stale, new, far] = streams()[..] else { panic!() };
            let mut bench = Bench::new(machine, Setup { shape, ..Setup::default() });
            let target = machine.allocate(2 * PAGE, 2 * PAGE).unwrap();
            let at = target.base();
            let gone = PhysAddr::new(at.get() + PAGE);
            let there = [Place { name: "there", at }, Place { name: "gone", at: gone }];
            let mut space = Space1::new(&machine, &bench.caps, 0x31);
            space.map(&machine, IOVA, 2 * PAGE, at);
            bench.attach(kept, &space.ste());
            bench.attach(stale, &SteConfig::Bypass);
            // Used, so that the SMMU holds them; then taken away, and nobody told.
            assert!(lands(machine, 0, IOVA, at) && lands(machine, 1, at.get(), at));
            assert!(lands(machine, 0, STALE, gone));
            let mut gather = io_pgtable_lpae::Gather::new();
            let _ = space.table.unmap(&machine, range(STALE, PAGE), &mut gather).unwrap();
            let ste = ste_at(machine, &bench.streams, stale);
            poke(machine, ste, SteConfig::Abort.encode(&bench.caps).unwrap().words()[0]);
            abandon(machine, bench);

            let goes_on = || assert_eq!(dma(machine, 0, IOVA, &there), Seen::At("there"), "{shape:?}");
            let watched = Watched::new(machine).after_write(|_| goes_on());
            let p = &watched;
            let mut owner = Owner::new(p);
            let mut found = Vec::new();
            let mut table =
                StreamTable::inherit(p, &owner.table, MOST, |inherited| found.push(inherited)).unwrap();
            assert_eq!(table.shape(), shape);
            assert!(found.contains(&Inherited::Asid(Asid::new(0x31), StreamWorld::El1(Vmid::new(0)))));
            // The first change, though it changes nothing, drops what the last owner left in caches.
            owner.attach(p, &mut table, stale, &SteConfig::Abort);
            assert_eq!(dma(machine, 1, at.get(), &there), Seen::Nowhere, "{shape:?}");
            let seen = outcomes(machine, 0, STALE, &there);
            assert_eq!(seen, [Seen::Nowhere], "{shape:?}");

            for stream in [new, far] {
                let device = streams().iter().position(|other| *other == stream).unwrap();
                assert!(!lands(machine, device, at.get(), at));
                for _ in 0..2 {
                    owner.attach(p, &mut table, stream, &SteConfig::Bypass);
                    assert!(lands(machine, device, at.get(), at), "{shape:?}");
                    owner.attach(p, &mut table, stream, &SteConfig::Abort);
                    assert!(!lands(machine, device, at.get(), at), "{shape:?}");
                }
            }
            // Only the memory's owner knows what may be given back.
            if let StreamTableShape::TwoLevel { .. } = shape {
                let released = table.release_level2(p, &mut owner.queue, far, TIMEOUT);
                assert_eq!(released, Err(TableError::Inherited));
            }
            goes_on();
            drop(watched);
            // In the end the stream that was kept is detached, too.
            owner.attach(&machine, &mut table, kept, &SteConfig::Abort);
            assert!(!lands(machine, 0, IOVA, at));
            space.destroy(&machine, &mut owner.queue);
            owner.shut_down(&machine);
            machine.free(target);
            table.into_pages(&machine, |pages| machine.free(pages)).unwrap();
            assert_eq!(machine.allocated(), before, "{shape:?}");
        }
    });
}

/// Another owner may make level-2 tables that are shorter than they could be. A stream beyond one gets a longer one, in which
/// the others go on.
#[test]
fn a_level_2_table_that_is_too_short_grows_under_its_streams() {
    on_both(|machine| {
        let shape = StreamTableShape::TwoLevel { log2: 16, split: 6 };
        let mut bench = Bench::new(machine, Setup { shape, ..Setup::default() });
        let target = machine.allocate(PAGE, PAGE).unwrap();
        let at = target.base();
        let [kept, beyond, ..] = streams()[..] else { panic!() };
        bench.attach(kept, &SteConfig::Bypass);
        // 16 STEs, and the first of the others is used.
        let level1 = base(&bench.streams);
        let long = word(machine, level1).load();
        poke(machine, level1, long & !0x1f | 5);
        bench.forget();
        assert!(lands(machine, 0, at.get(), at) && !lands(machine, 1, at.get(), at));
        let strict = bench.streams.get(&machine, kept);
        assert!(matches!(strict, Err(TableError::Level1 { .. })), "not one that it wrote");
        abandon(machine, bench);

        let watched = Watched::new(machine).after_write(|_| assert!(lands(machine, 0, at.get(), at)));
        let p = &watched;
        let mut owner = Owner::new(p);
        let mut table = StreamTable::inherit(p, &owner.table, MOST, |_| {}).unwrap();
        let bypass = SteConfig::Bypass.encode(&owner.caps).unwrap();
        assert_eq!(table.get(p, kept), Ok(Some(bypass)));
        assert_eq!(table.get(p, beyond), Ok(None));
        let early = table.set(p, &mut owner.queue, beyond, &bypass, TIMEOUT, |_| {});
        assert!(matches!(early, Err(TableError::Stream { .. })), "{early:?}");
        owner.attach(p, &mut table, beyond, &SteConfig::Bypass);
        assert_eq!(word(machine, level1).load() & 0x1f, 7);
        assert!(lands(machine, 1, at.get(), at));
        drop(watched);
        // The SMMU reads the new one for all of them.
        owner.attach(&machine, &mut table, kept, &SteConfig::Abort);
        assert!(!lands(machine, 0, at.get(), at) && lands(machine, 1, at.get(), at));
        owner.shut_down(&machine);
        machine.free(Pages::from_raw(PhysAddr::new(long & !0x3f), 64 << 6));
        table.into_pages(&machine, |pages| machine.free(pages)).unwrap();
        machine.free(target);
    });
}

#[test]
fn what_could_not_be_changed_is_refused_and_so_is_another_smmus_queue() {
    on_both(|machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let stream = streams()[0];
        bench.attach(stream, &SteConfig::Bypass);
        let at = ste_at(machine, &bench.streams, stream) + 8;
        let old = word(machine, at).load();
        abandon(machine, bench);
        let owner = Owner::new(&machine);
        let inherited = owner.table;
        let inherit = || StreamTable::inherit(&machine, &inherited, MOST, |_| {});
        // CONT is at bits 80:77.
        word(machine, at).store(old | 3 << 13);
        let problem = InheritProblem::Contiguous { cont: 3 };
        assert_eq!(inherit().map(|_| ()), Err(InheritError { stream, substream: None, problem }));
        word(machine, at).store(old);
        let few = StreamTable::inherit(&machine, &owner.table, 7, |_| {}).unwrap_err();
        assert_eq!(few.problem, InheritProblem::TooMany { most: 7 });
        let mut table = inherit().unwrap();
        let (other, mine) = (InstanceId::new(77), INSTANCE);
        let mut queue = CommandQueue::new(&machine, &owner.caps, other, 4).unwrap();
        let refused = table.ensure(&machine, &mut queue, stream, TIMEOUT);
        assert_eq!(refused, Err(TableError::Instance { table: mine, queue: other }));
        machine.free(queue.into_pages());
        owner.shut_down(&machine);
        let mut blocks = Vec::new();
        assert_eq!(inherit().unwrap().free(&machine), Err(TableError::Inherited));
        table.into_pages(&machine, |pages| blocks.push(pages)).unwrap();
        assert_eq!(blocks.iter().map(Pages::bytes).collect::<Vec<_>>(), [64 << 9]);
        for pages in blocks {
            machine.free(pages);
        }
    });
}

/// A new owner replaces queues and interrupts; a device that has DMA under way notices nothing.
#[test]
fn an_smmu_that_runs_is_adopted_without_a_moment_in_which_it_does_not_filter() {
    on_both(|machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let target = machine.allocate(PAGE, PAGE).unwrap();
        let at = target.base();
        bench.attach(streams()[0], &SteConfig::Bypass);
        // Nobody tells what the last owner's events were, and its queue is not empty.
        assert!(!lands(machine, 1, at.get(), at));
        let Bench { p, caps, queue: old_queue, events: old_events, streams: mut table, .. } = bench;

        let watched = Watched::new(machine).after_write(|(offset, value)| {
            let name = describe(offset, value).unwrap().name();
            assert!(lands(machine, 0, at.get(), at), "refused after {name} = {value:#x}");
            assert!(!lands(machine, 1, at.get(), at), "let through after {name} = {value:#x}");
        });
        let running = Probed::probe(&watched, INSTANCE, &Hints::default()).unwrap().adopt(&watched).unwrap();
        assert_eq!(running.stream_table(), table.registers().unwrap());
        let mut queue = CommandQueue::new(&p, &caps, INSTANCE, 4).unwrap();
        let events = EventQueue::new(&p, &caps, 4).unwrap();
        let queues = QueueBases {
            command_queue: queue.base_register().unwrap(),
            event_queue: events.base_register().unwrap(),
            pri_queue: None,
        };
        let smmu = running.take_queues(&watched, &queues, &Interrupts::WIRED, TIMEOUT).unwrap();
        let _clean = queue.drop_everything(&watched, TIMEOUT).unwrap();
        drop(watched);
        // The old queues are nobody's any more.
        machine.free(old_queue.into_pages());
        machine.free(old_events.into_pages());
        let ste = SteConfig::Abort.encode(&caps).unwrap();
        let _ = table.set(&p, &mut queue, streams()[0], &ste, TIMEOUT, |_| {}).unwrap();
        assert!(!lands(machine, 0, at.get(), at), "its entries are the new owner's now");
        let _off = smmu.disable(&p, TIMEOUT).unwrap();
        for pages in [queue.into_pages(), events.into_pages(), target] {
            machine.free(pages);
        }
        table.free(&p).unwrap();
    });
}

#[test]
fn an_smmu_that_cannot_be_adopted_says_why_and_nothing_is_written() {
    on_both(|machine| {
        let refused = |what: &str| {
            let p = Watched::new(machine).after_write(|(offset, value)| panic!("{offset:?} = {value:#x}"));
            let probed = Probed::probe(&p, INSTANCE, &Hints::default()).unwrap();
            match probed.adopt(&p).map(|_| ()) {
                Err(LifecycleError::Adopt(error)) => error,
                other => panic!("{what}: {other:?}"),
            }
        };
        assert!(matches!(refused("off"), AdoptError::NotEnabled { .. }));
        let bench = Bench::new(machine, Setup::default());
        let (p, caps) = (machine, bench.caps);
        let registers = bench.streams.registers().unwrap();
        bench.smmu.disable(&p, TIMEOUT).unwrap();
        let on = Cr0::new().with(Cr0::SMMUEN, true).with(Cr0::ATSCHK, caps.has(Feature::Ats));
        let cr0 = |value| smmu_regs::handshake::write_cr0(&p, value, TIMEOUT).unwrap();
        let good = p.get::<Cr1>();
        let other = Cr1::from_bits(good.into_bits() ^ 1 << 6);
        p.put(other);
        cr0(on);
        assert_eq!(refused("attributes"), AdoptError::Attributes { cr1: other });
        cr0(on.with(Cr0::SMMUEN, false));
        p.put(good);
        if caps.stream_id_bits < 32 {
            // at an address that suits a table of any size
            p.put(StrtabBase::new());
            p.put(StrtabBaseCfg::from_bits(u32::from(caps.stream_id_bits) + 1));
            cr0(on);
            assert!(
                matches!(refused("size"), AdoptError::Table(error) if error.register == "STRTAB_BASE_CFG")
            );
            cr0(on.with(Cr0::SMMUEN, false));
        }
        p.put(registers.0);
        p.put(registers.1);
        if caps.has(Feature::Ats) {
            cr0(Cr0::new().with(Cr0::SMMUEN, true));
            assert!(matches!(refused("ATSCHK"), AdoptError::Unchecked { .. }));
        }
        let _off = Probed::probe(&p, INSTANCE, &Hints::default()).unwrap().quiesce(&p, TIMEOUT).unwrap();
        p.free(bench.queue.into_pages());
        p.free(bench.events.into_pages());
        bench.streams.free(&p).unwrap();
    });
}
