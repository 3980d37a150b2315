//! What an enabled SMMU needs at run time: interrupts that are changed without losing one, global errors that are serviced, and
//! a loss of power.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_cmds::{CommandQueue, EventQueue};
use smmu_machine::{Machine, ModelMachine};
use smmu_model::{Profile, Trace};
use smmu_regs::caps::Hints;
use smmu_regs::handshake::{active_errors, update_gbpa};
use smmu_regs::lifecycle::{
    Bases, GlobalError, Interrupt, Interrupts, LifecycleError, Msi, MsiMemory, Probed,
};
use smmu_regs::platform::{Clock, Memory as _, Mmio, Pages, RegisterOffset};
use smmu_regs::registers::{
    CmdqBase, Cr1, Cr2, EventqBase, Gbpa, Gerror, GerrorIrqCfg0, IrqCtrl, PriqBase, Registers, StrtabBase,
    StrtabBaseCfg, describe,
};
use smmu_regs::vmsa::Shareability;
use smmu_regs::{Feature, PhysAddr};
use smmu_ste::SteConfig;
use std::cell::RefCell;
use std::time::Duration;
use support::{
    Bench, INSTANCE, PAGE, Setting, Setup, TIMEOUT, Watched, bases, lands, may_land, on_both, on_model,
    on_model_as, streams,
};

/// MSIs that were written since the last look.
fn msis(machine: &ModelMachine) -> Vec<(u64, u32)> {
    let msi = |trace| if let Trace::Msi { pa, data } = trace { Some((pa, data)) } else { None };
    machine.trace().into_iter().filter_map(msi).collect()
}

/// An STE that nobody wrote: V = 0, so that every transaction is an event.
fn break_ste(bench: &mut Bench<'_, &dyn Machine>) {
    let (base, _) = bench.streams.registers().unwrap();
    let at = PhysAddr::new(base.address(StrtabBase::ADDR) + u64::from(streams()[0].get()) * 64);
    bench.p.words(at, 1).unwrap()[0].store(0);
    bench.p.clean(at, 8);
    bench.p.publish();
    bench.forget();
}

fn msi(page: &Pages, slot: u64, data: u32) -> Msi {
    Msi::to_register(PhysAddr::new(page.base().get() + 4 * slot), data)
}

#[test]
fn msis_are_written_where_they_are_to_go_and_none_is_lost_while_they_are_changed() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let doorbells = machine.allocate(PAGE, PAGE).unwrap();
        let p: &dyn Machine = machine;
        let first = Interrupts {
            event_queue: Interrupt::Msi(msi(&doorbells, 1, 0x11)),
            global_errors: Interrupt::Msi(msi(&doorbells, 2, 0x22)),
            ..Interrupts::WIRED
        };
        let pending = bench.smmu.set_interrupts(&p, &first, TIMEOUT).unwrap();
        assert!(pending.is_empty(), "{pending:?}");
        break_ste(&mut bench);
        machine.trace();
        machine.dma_invert(0, 0x1000).unwrap();
        assert_eq!(msis(machine), [(doorbells.base().get() + 4, 0x11)]);
        assert_eq!(machine.peek32(PhysAddr::new(doorbells.base().get() + 4)).unwrap(), 0x11);
        assert!(bench.smmu.pending(&p).event_queue);
        assert_eq!(bench.all_events().len(), 2);
        assert!(bench.smmu.pending(&p).is_empty());

        // The next event comes while the MSI is being changed: no MSI tells, neither the old nor the new one.
        let second = Interrupts { event_queue: Interrupt::Msi(msi(&doorbells, 3, 0x33)), ..first };
        let off = RefCell::new(0);
        let watched = Watched::new(machine).after_write(|(offset, value)| {
            let name = describe(offset, value).unwrap().name();
            // Switched off, acknowledged, and its address written.
            if name == "EVENTQ_IRQ_CFG0" {
                machine.dma_invert(0, 0x1000).unwrap();
                *off.borrow_mut() += 1;
            }
            assert!(!name.starts_with("GERROR_IRQ"), "only the source that changes is touched");
        });
        let pending = bench.smmu.set_interrupts(&watched, &second, TIMEOUT).unwrap();
        drop(watched);
        assert_eq!((msis(machine), off.into_inner()), (vec![], 1));
        assert!(pending.event_queue && !pending.pri_queue && pending.errors.is_empty(), "{pending:?}");
        assert_eq!(bench.all_events().len(), 2);
        machine.dma_invert(0, 0x1000).unwrap();
        assert_eq!(msis(machine), [(doorbells.base().get() + 12, 0x33)]);
        assert_eq!(bench.all_events().len(), 2);

        // Off is off; then by wire alone.
        for (event_queue, enabled) in [(Interrupt::Off, false), (Interrupt::Wired, true)] {
            let interrupts = Interrupts { event_queue, ..first };
            assert!(bench.smmu.set_interrupts(&p, &interrupts, TIMEOUT).unwrap().is_empty());
            assert_eq!(p.get::<IrqCtrl>().eventq_irqen(), enabled);
            machine.dma_invert(0, 0x1000).unwrap();
            assert_eq!(msis(machine), []);
            assert_eq!(bench.all_events().len(), 2);
        }
        bench.attach(streams()[0], &SteConfig::Abort);
        bench.shut_down_with(doorbells);
    });
}

#[test]
fn interrupts_of_bring_up_are_set_before_the_queues_run() {
    on_model(Profile::maximum(), |machine| {
        let doorbells = machine.allocate(PAGE, PAGE).unwrap();
        let writes = RefCell::new(Vec::new());
        let p = Watched::new(machine).after_write(|(offset, value)| {
            writes.borrow_mut().push((describe(offset, value).unwrap().name(), value))
        });
        let probed = Probed::probe(&p, INSTANCE, &Hints::default()).unwrap();
        let caps = *probed.caps();
        let streams = smmu_ste::StreamTable::new(&p, &caps, Setup::default().shape).unwrap();
        let mut queue = CommandQueue::new(&p, &caps, INSTANCE, 4).unwrap();
        let events = EventQueue::new(&p, &caps, 4).unwrap();
        let requests = p.allocate(PAGE, PAGE).unwrap();
        let pri_queue = PriqBase::new().try_with_address(PriqBase::ADDR, requests.base().get()).unwrap();
        let pri_queue = pri_queue.try_with(PriqBase::LOG2SIZE, 4_u8).unwrap();
        let bases = Bases { pri_queue: Some(pri_queue), ..bases(&streams, &queue, &events) };
        let interrupts = Interrupts {
            global_errors: Interrupt::Msi(msi(&doorbells, 0, 1)),
            event_queue: Interrupt::Msi(Msi {
                memory: MsiMemory::NormalWriteBack,
                shareability: Shareability::Inner,
                ..msi(&doorbells, 1, 2)
            }),
            pri_queue: Interrupt::Msi(msi(&doorbells, 2, 3)),
            pri_last_only: true,
        };
        let off = probed.quiesce(&p, TIMEOUT).unwrap();
        let configured = off.configure(&p, &bases).unwrap().with_interrupts(&p, &interrupts).unwrap();
        let ready = configured.enable_commands(&p, TIMEOUT).unwrap();
        let clean = queue.drop_everything(&p, TIMEOUT).unwrap();
        let smmu = ready.enable(&p, clean, TIMEOUT).unwrap();
        assert_eq!(smmu.cr0().into_bits(), 0b1_1111, "PRIQEN too");
        {
            let writes = writes.borrow();
            let last = |name: &str| writes.iter().rev().find(|(other, _)| *other == name).unwrap().1;
            let at = doorbells.base().get();
            for (name, value) in [
                ("GERROR_IRQ_CFG0", at),
                ("GERROR_IRQ_CFG1", 1),
                ("GERROR_IRQ_CFG2", 0b10_0001),
                ("EVENTQ_IRQ_CFG0", at + 4),
                ("EVENTQ_IRQ_CFG1", 2),
                ("EVENTQ_IRQ_CFG2", 0b11_1111),
                ("PRIQ_IRQ_CFG0", at + 8),
                ("PRIQ_IRQ_CFG1", 3),
                ("PRIQ_IRQ_CFG2", 1 << 31 | 0b10_0001),
                ("IRQ_CTRL", 0b111),
                ("PRIQ_BASE", pri_queue.into_bits()),
            ] {
                assert_eq!(last(name), value, "{name}");
            }
            let position = |wanted: (&str, u64)| writes.iter().position(|write| *write == wanted).unwrap();
            assert!(position(("IRQ_CTRL", 0b111)) < position(("CR0", 0b1_1110)));
        }
        let _off = smmu.disable(&p, TIMEOUT).unwrap();
        for pages in [queue.into_pages(), events.into_pages(), requests] {
            p.free(pages);
        }
        streams.free(&p).unwrap();
        drop(p);
        machine.free(doorbells);
    });
}

#[test]
fn aborted_msis_are_acknowledged_and_an_aborted_queue_is_restarted() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let p: &dyn Machine = machine;
        let doorbells = machine.allocate(PAGE, PAGE).unwrap();
        let interrupts =
            Interrupts { event_queue: Interrupt::Msi(msi(&doorbells, 0, 7)), ..Interrupts::WIRED };
        assert!(bench.smmu.set_interrupts(&p, &interrupts, TIMEOUT).unwrap().is_empty());
        break_ste(&mut bench);

        machine.set_aborting(doorbells.base(), true);
        machine.dma_invert(0, 0x1000).unwrap();
        assert_eq!(bench.smmu.pending(&p).errors.iter().collect::<Vec<_>>(), [GlobalError::EventMsi]);
        let errors = bench.smmu.service_errors(&p);
        assert_eq!(errors.to_string(), "the MSI of the event queue was aborted (MSI_EVENTQ_ABT_ERR)");
        assert_eq!(active_errors(&p).into_bits(), 0, "acknowledged");
        assert!(bench.smmu.pending(&p).event_queue, "nobody was told, but it is there");
        assert_eq!(bench.all_events().len(), 2);
        machine.set_aborting(doorbells.base(), false);

        // A record that cannot be written: the queue stands still until it is restarted.
        let queue = bench.smmu.bases().event_queue;
        machine.set_aborting(PhysAddr::new(queue.address(EventqBase::ADDR)), true);
        machine.dma_invert(0, 0x1000).unwrap();
        machine.set_aborting(PhysAddr::new(queue.address(EventqBase::ADDR)), false);
        for _ in 0..2 {
            let errors = bench.smmu.service_errors(&p);
            assert_eq!(errors.iter().collect::<Vec<_>>(), [GlobalError::EventQueue], "it needs repair first");
        }
        machine.dma_invert(0, 0x1000).unwrap();
        assert!(bench.all_events().is_empty());
        let log = RefCell::new(Vec::new());
        let watched = Watched::new(machine)
            .after_write(|(offset, value)| log.borrow_mut().push(describe(offset, value).unwrap().name()));
        bench.smmu.restart_event_queue(&watched, TIMEOUT).unwrap();
        drop(watched);
        assert_eq!(log.into_inner(), ["CR0", "EVENTQ_PROD", "EVENTQ_CONS", "GERRORN", "CR0"]);
        bench.events.restart();
        assert!(bench.smmu.pending(&p).is_empty());
        machine.dma_invert(0, 0x1000).unwrap();
        assert_eq!(bench.all_events().len(), 2);

        // A crash kernel's choice: the SMMU filters, and says nothing.
        bench.smmu.mute(&p, TIMEOUT).unwrap();
        assert_eq!(bench.smmu.cr0().into_bits(), 0b1_1001);
        machine.dma_invert(0, 0x1000).unwrap();
        assert!(bench.all_events().is_empty());
        bench.smmu.restart_event_queue(&p, TIMEOUT).unwrap();
        bench.events.restart();
        machine.dma_invert(0, 0x1000).unwrap();
        assert_eq!(bench.all_events().len(), 2);
        bench.attach(streams()[0], &SteConfig::Abort);
        bench.shut_down_with(doorbells);
    });
}

#[test]
fn every_global_error_has_a_name_and_no_bit_lacks_one() {
    let bits = GlobalError::ALL.iter().fold(0, |bits, error| bits | error.bit().into_bits());
    assert_eq!(u64::from(bits), <Gerror as smmu_regs::layout::Layout>::named_bits());
    assert!(GlobalError::ALL.iter().all(|error| error.bit().into_bits().is_power_of_two()));
}

#[test]
fn service_failure_is_said_and_left_for_everybody_to_see() {
    on_model_as(Setting::Doomed, Profile::maximum(), |machine| {
        let bench = Bench::new(machine, Setup::default());
        let p: &dyn Machine = machine;
        machine.fail_service();
        assert!(bench.smmu.service_errors(&p).contains(GlobalError::ServiceFailure));
        let error = bench.smmu.disable(&p, TIMEOUT).unwrap_err();
        let LifecycleError::ServiceFailure(errors) = error else { panic!("{error}") };
        assert_eq!(errors.iter().collect::<Vec<_>>(), [GlobalError::ServiceFailure]);
        assert!(active_errors(&p).sfm_err());
        let error = Probed::probe(&p, INSTANCE, &Hints::default()).unwrap().quiesce(&p, TIMEOUT).unwrap_err();
        assert!(matches!(error, LifecycleError::ServiceFailure(_)), "{error}");
    });
}

/// What a loss of power does to registers, as far as a test can: none holds what it held, and traffic bypasses.
fn lose_power(p: &dyn Machine, pri: bool) {
    update_gbpa(&p, TIMEOUT, |gbpa| gbpa.with(Gbpa::ABORT, false)).unwrap();
    p.put(Cr1::new());
    p.put(Cr2::new());
    p.put(StrtabBase::new());
    p.put(StrtabBaseCfg::new());
    p.put(CmdqBase::new());
    p.put(EventqBase::new());
    if pri {
        p.put(PriqBase::new());
    }
}

/// Another SMMU: one whose IIDR differs.
struct Other<'m>(&'m dyn Machine);

impl Mmio for Other<'_> {
    fn read32(&self, at: RegisterOffset) -> u32 {
        let value = self.0.read32(at);
        if at == RegisterOffset::page0(0x18) { value ^ 1 << 12 } else { value }
    }
    fn write32(&self, at: RegisterOffset, value: u32) {
        panic!("{at:?} was written with {value:#x}");
    }
    fn read64(&self, at: RegisterOffset) -> u64 {
        self.0.read64(at)
    }
    fn write64(&self, at: RegisterOffset, value: u64) {
        panic!("{at:?} was written with {value:#x}");
    }
}

impl Clock for Other<'_> {
    fn now(&self) -> Duration {
        self.0.now()
    }
}

#[test]
fn an_smmu_that_lost_its_power_comes_back_as_it_was_and_lets_nothing_pass_in_between() {
    on_both(|machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let target = machine.allocate(PAGE, PAGE).unwrap();
        let at = target.base();
        bench.attach(streams()[0], &SteConfig::Bypass);
        assert!(lands(machine, 0, at.get(), at));
        let doorbells = machine.allocate(PAGE, PAGE).unwrap();
        let mut interrupts = Interrupts::WIRED;
        if bench.caps.has(Feature::Msi) {
            interrupts.global_errors = Interrupt::Msi(msi(&doorbells, 0, 9));
            assert!(bench.smmu.set_interrupts(&machine, &interrupts, TIMEOUT).unwrap().is_empty());
        }
        let Bench { p, smmu, mut queue, mut events, streams, caps, .. } = bench;
        let suspended = smmu.suspend(&p, TIMEOUT).unwrap();
        assert!(!lands(machine, 0, at.get(), at), "off means abort");
        lose_power(machine, caps.has(Feature::Pri));
        assert!(lands(machine, 0, at.get(), at), "it is in bypass");

        let error = suspended.resume(&Other(machine), TIMEOUT).unwrap_err();
        let now = machine.get::<smmu_regs::registers::Iidr>().into_bits();
        assert_eq!(error, LifecycleError::Changed { register: "IIDR", before: now, now: now ^ 1 << 12 });

        let closed = std::cell::Cell::new(false);
        let watched = Watched::new(machine).after_write(|(offset, value)| {
            let name = describe(offset, value).unwrap().name();
            closed.set(closed.get() || name != "GBPA");
            assert!(!(closed.get() && may_land(machine, 1, at.get(), at)), "{name} = {value:#x}");
        });
        let configured = suspended.resume(&watched, TIMEOUT).unwrap();
        let ready = configured.enable_commands(&watched, TIMEOUT).unwrap();
        queue.restart();
        events.restart();
        let clean = queue.drop_everything(&watched, TIMEOUT).unwrap();
        let smmu = ready.enable(&watched, clean, TIMEOUT).unwrap();
        drop(watched);
        assert!(lands(machine, 0, at.get(), at), "the table was kept");
        assert!(!lands(machine, 1, at.get(), at));
        assert_eq!(*smmu.interrupts(), interrupts);
        if caps.has(Feature::Msi) {
            assert_eq!(p.get::<GerrorIrqCfg0>().address(GerrorIrqCfg0::ADDR), doorbells.base().get());
        }
        let _off = smmu.disable(&p, TIMEOUT).unwrap();
        for pages in [queue.into_pages(), events.into_pages(), target, doorbells] {
            machine.free(pages);
        }
        streams.free(&p).unwrap();
    });
}

#[test]
fn an_smmu_is_given_back_in_bypass_and_only_when_asked() {
    on_both(|machine| {
        let target = machine.allocate(PAGE, PAGE).unwrap();
        let at = target.base();
        let off =
            Probed::probe(&machine, INSTANCE, &Hints::default()).unwrap().quiesce(&machine, TIMEOUT).unwrap();
        assert!(!lands(machine, 0, at.get(), at));
        let probed = off.let_traffic_bypass(&machine, TIMEOUT).unwrap();
        assert!(lands(machine, 0, at.get(), at));
        let _off = probed.quiesce(&machine, TIMEOUT).unwrap();
        assert!(!lands(machine, 0, at.get(), at));
        machine.free(target);
    });
}
