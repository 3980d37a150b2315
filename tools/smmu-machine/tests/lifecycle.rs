//! Bring-up and takeover, seen by a device that tries its luck after every register write.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_cmds::{Command, CommandQueue, EventQueue, RawCommand};
use smmu_machine::Machine;
use smmu_model::Profile;
use smmu_regs::caps::{Caps, Hints};
use smmu_regs::handshake::{active_errors, update_gbpa};
use smmu_regs::lifecycle::{Bases, LifecycleError, Probed};
use smmu_regs::platform::Platform;
use smmu_regs::receipt::CleanStart;
use smmu_regs::registers::{Cr0, Gbpa, Registers, describe};
use smmu_regs::{Feature, InstanceId, PhysAddr};
use smmu_ste::{SteConfig, StreamTable};
use std::cell::{Cell, RefCell};
use support::{
    Bench, INSTANCE, PAGE, Setup, TIMEOUT, Watched, bases, lands, may_land, on_both, on_models, on_qemu,
    streams, tells_all,
};

/// Profiles that differ in what bring-up writes.
fn everywhere(test: impl Fn(&dyn Machine)) {
    on_models(&[Profile::mmu600()], &test);
    on_both(test);
}

/// What a driver needs before it can take an SMMU over.
struct Parts {
    caps: Caps,
    streams: StreamTable,
    queue: CommandQueue,
    events: EventQueue,
}

impl Parts {
    fn new<P: Platform>(p: &P) -> Self {
        let caps = *Probed::probe(p, INSTANCE, &Hints::default()).unwrap().caps();
        Self {
            caps,
            streams: StreamTable::new(p, &caps, Setup::default().shape).unwrap(),
            queue: CommandQueue::new(p, &caps, INSTANCE, 4).unwrap(),
            events: EventQueue::new(p, &caps, 4).unwrap(),
        }
    }

    fn bases(&self) -> Bases {
        bases(&self.streams, &self.queue, &self.events)
    }

    fn free<P: Platform>(self, p: &P) {
        p.free(self.queue.into_pages());
        p.free(self.events.into_pages());
        self.streams.free(p).unwrap();
    }
}

/// Leaves the SMMU as careless firmware would: bypass, `GBPA.ABORT` = 0; on, with its tables left behind, or off.
fn leave(machine: &dyn Machine, enabled: bool) {
    let mut bench = Bench::new(machine, Setup::default());
    for stream in streams() {
        bench.attach(stream, &SteConfig::Bypass);
    }
    let p = machine;
    if !enabled {
        let _off = bench.smmu.disable(&p, TIMEOUT).unwrap();
    }
    update_gbpa(&p, TIMEOUT, |gbpa| gbpa.with(Gbpa::ABORT, false)).unwrap();
    // Its memory is never given back: nobody knows where it is.
}

/// Takes the SMMU over with a DMA after every register write; gives the writes, by name, and whether the DMA after it
/// passed.
fn take_over(machine: &dyn Machine) -> Vec<(&'static str, u64, bool)> {
    let target = machine.allocate(PAGE, PAGE).unwrap();
    let at = target.base();
    let quiesced = Cell::new(false);
    let log = RefCell::new(Vec::new());
    let p = Watched::new(machine).after_write(|(offset, value)| {
        let passed = may_land(machine, 0, at.get(), at);
        let name = describe(offset, value).unwrap().name();
        assert!(!(passed && quiesced.get()), "a DMA passed after {name} = {value:#x}");
        log.borrow_mut().push((name, value, passed));
    });
    let mut parts = Parts::new(&p);
    let probed = Probed::probe(&p, INSTANCE, &Hints::default()).unwrap();
    assert_eq!(log.borrow().len(), 0, "probing writes nothing");
    assert!(lands(machine, 0, at.get(), at), "it was left in bypass");
    let off = probed.quiesce(&p, TIMEOUT).unwrap();
    quiesced.set(true);
    assert!(!lands(machine, 0, at.get(), at));
    let ready = off.configure(&p, &parts.bases()).unwrap().enable_commands(&p, TIMEOUT).unwrap();
    let clean = parts.queue.drop_everything(&p, TIMEOUT).unwrap();
    let enabled = ready.enable(&p, clean, TIMEOUT).unwrap();
    // Bypass was the last owner's; the new table aborts.
    for device in 0..machine.devices().len() {
        assert!(!lands(machine, device, at.get(), at));
    }
    let _off = enabled.disable(&p, TIMEOUT).unwrap();
    parts.free(&p);
    drop(p);
    machine.free(target);
    log.into_inner()
}

#[test]
fn no_dma_passes_while_an_enabled_smmu_is_taken_over() {
    everywhere(|machine| {
        leave(machine, true);
        let log = take_over(machine);
        // It passes by the old owner's table until the SMMU is off, and GBPA is set before that. It is off when it says so
        // in CR0ACK, and until then a machine that tells all that is permitted must say either.
        let passing: Vec<&str> = log.iter().filter(|(.., passed)| *passed).map(|(name, ..)| *name).collect();
        let expected = ["GBPA", "IRQ_CTRL", "CR0"];
        let expected = if tells_all(machine) { &expected[..] } else { &expected[..2] };
        assert_eq!(passing, expected, "{}", machine.name());
        // Translated traffic is checked as long as the SMMU is on.
        let checked = Parts::new(&machine).caps.has(Feature::Ats);
        assert_eq!((log[2].0, log[2].1), ("CR0", if checked { 1 << 4 } else { 0 }));
    });
}

#[test]
fn no_dma_passes_once_gbpa_is_set_while_a_disabled_smmu_is_taken_over() {
    everywhere(|machine| {
        leave(machine, false);
        let log = take_over(machine);
        let passing: Vec<&str> = log.iter().filter(|(.., passed)| *passed).map(|(name, ..)| *name).collect();
        let expected: &[&str] = if tells_all(machine) { &["GBPA"] } else { &[] };
        assert_eq!(passing, expected, "{}", machine.name());
        assert_eq!(log[0].0, "GBPA");
        assert_eq!(log[0].1 >> 20 & 1, 1, "ABORT");
    });
}

#[test]
fn registers_are_written_in_the_order_of_the_architecture() {
    everywhere(|machine| {
        leave(machine, true);
        let log = take_over(machine);
        let at = |wanted: &str| log.iter().position(|(name, ..)| *name == wanted).unwrap();
        let cr0: Vec<(usize, Cr0)> = log
            .iter()
            .enumerate()
            .filter(|(_, (name, ..))| *name == "CR0")
            .map(|(index, (_, value, _))| (index, Cr0::from_bits(*value as u32)))
            .collect();
        // Off; commands; events (and the check of translated traffic); translation; off again.
        // What goes off last has a write of its own.
        let mut enables: Vec<u32> =
            cr0.iter().map(|(_, cr0)| cr0.with(Cr0::ATSCHK, false).into_bits()).collect();
        enables.dedup();
        assert_eq!(enables, [0, 0b1000, 0b1100, 0b1101, 0]);
        let write =
            |wanted: u32| cr0.iter().find(|(_, cr0)| cr0.with(Cr0::ATSCHK, false).into_bits() == wanted);
        let last_off = cr0.iter().take_while(|(_, cr0)| !cr0.cmdqen()).last();
        let [commands, events, translation] = [0b1000, 0b1100, 0b1101].map(|value| write(value).unwrap().0);
        let off = last_off.unwrap().0;
        assert!(at("GBPA") < off);
        for register in [
            "CR1",
            "CR2",
            "STRTAB_BASE",
            "STRTAB_BASE_CFG",
            "CMDQ_BASE",
            "CMDQ_PROD",
            "CMDQ_CONS",
            "EVENTQ_BASE",
            "EVENTQ_PROD",
            "EVENTQ_CONS",
        ] {
            assert!(off < at(register) && at(register) < commands, "{register}");
        }
        // The doorbell of the invalidation is rung between enabling the queue and enabling translation.
        let doorbells: Vec<usize> = log
            .iter()
            .enumerate()
            .filter(|(index, (name, ..))| *name == "CMDQ_PROD" && *index > commands)
            .map(|(index, _)| index)
            .collect();
        assert!(!doorbells.is_empty() && doorbells.iter().all(|bell| *bell < events && *bell < translation));
    });
}

#[test]
fn enable_refuses_the_proof_of_another_smmu() {
    everywhere(|machine| {
        let p = machine;
        let other = InstanceId::new(4);
        let mut parts = Parts::new(&p);
        let mut foreign = CommandQueue::new(&p, &parts.caps, other, 4).unwrap();
        std::mem::swap(&mut foreign, &mut parts.queue);
        let probed = Probed::probe(&p, INSTANCE, &Hints::default()).unwrap();
        let ready = probed.quiesce(&p, TIMEOUT).unwrap().configure(&p, &parts.bases()).unwrap();
        let ready = ready.enable_commands(&p, TIMEOUT).unwrap();
        let clean = parts.queue.drop_everything(&p, TIMEOUT).unwrap();
        let error = ready.enable(&p, clean, TIMEOUT).unwrap_err();
        assert_eq!(error, LifecycleError::NotInvalidated { invalidated: other, instance: INSTANCE });
        assert_eq!(p.get::<Cr0>().into_bits(), 0b1000, "nothing was written");
        let probed = Probed::probe(&p, INSTANCE, &Hints::default()).unwrap();
        let _off = probed.quiesce(&p, TIMEOUT).unwrap();
        p.free(foreign.into_pages());
        parts.free(&p);
    });
}

/// What firmware, or a kernel that crashed, left behind: a command queue that stopped.
#[test]
fn an_smmu_whose_command_queue_stopped_is_taken_over() {
    everywhere(|machine| {
        let p = machine;
        let mut bench = Bench::new(machine, Setup::default());
        bench.queue.push_raw(&p, &RawCommand::from_words([0xff, 0]), TIMEOUT).unwrap();
        bench.queue.ring(&p);
        // The SMMU takes its time.
        assert!((0..100).any(|_| active_errors(&p).cmdq_err()), "{}", machine.name());
        // Its memory is never given back: nobody knows where it is.
        let mut bench = Bench::new(machine, Setup::default());
        assert_eq!(active_errors(&p).into_bits(), 0);
        bench.attach(streams()[0], &SteConfig::Bypass);
        let target = machine.allocate(PAGE, PAGE).unwrap();
        assert!(lands(machine, 0, target.base().get(), target.base()));
        machine.free(target);
        bench.queue.recover(&p).unwrap();
        let first = bench.queue.accepted();
        bench.queue.push(&p, &Command::CfgiAll, TIMEOUT).unwrap();
        let receipt = bench.queue.sync(&p, TIMEOUT).unwrap();
        assert!(receipt.covers(bench.queue.ticket_since(first)), "a recovery of nothing spoils nothing");
    });
}

/// Without `ATSCHK` a device that claims to have translated its addresses passes without a look at its STE (6.3.9).
#[test]
fn translated_traffic_is_checked_where_there_is_ats() {
    everywhere(|machine| {
        let p = machine;
        let bench = Bench::new(machine, Setup::default());
        assert_eq!(p.get::<Cr0>().atschk(), bench.caps.has(Feature::Ats), "{}", machine.name());
    });
}

/// Why `enable` wants a proof: caches survive that an SMMU is switched off (IHI 0070 3.21.3, 6.3.9.6).
#[test]
fn without_the_invalidation_the_last_owners_entries_still_count() {
    on_both(|machine| {
        let target = machine.allocate(PAGE, PAGE).unwrap();
        let at: PhysAddr = target.base();
        leave(machine, true);
        assert!(lands(machine, 0, at.get(), at), "its entry is cached now");
        let p = machine;
        for (commands, passes) in
            [(&[Command::TlbiNsnhAll][..], true), (&[Command::CfgiAll, Command::TlbiNsnhAll], false)]
        {
            let mut parts = Parts::new(&p);
            let probed = Probed::probe(&p, INSTANCE, &Hints::default()).unwrap();
            let ready = probed.quiesce(&p, TIMEOUT).unwrap().configure(&p, &parts.bases()).unwrap();
            let ready = ready.enable_commands(&p, TIMEOUT).unwrap();
            for command in commands {
                parts.queue.push(&p, command, TIMEOUT).unwrap();
            }
            let _ = parts.queue.sync(&p, TIMEOUT).unwrap();
            let claim = CleanStart::assert_by_platform(INSTANCE);
            let enabled = ready.enable(&p, claim, TIMEOUT).unwrap();
            assert_eq!(may_land(machine, 0, at.get(), at), passes, "{}: {commands:?}", machine.name());
            let _off = enabled.disable(&p, TIMEOUT).unwrap();
            parts.free(&p);
        }
        machine.free(target);
    });
}

#[test]
fn an_smmu_can_be_brought_up_and_shut_down_again_and_again() {
    everywhere(|machine| {
        let target = machine.allocate(PAGE, PAGE).unwrap();
        let at = target.base();
        for round in 0..5 {
            let mut bench =
                Bench::new(machine, Setup { command_queue_log2: 3 + round % 2, ..Setup::default() });
            bench.attach(streams()[0], &SteConfig::Bypass);
            assert!(lands(machine, 0, at.get(), at));
            assert!(!lands(machine, 1, at.get(), at));
            bench.shut_down();
            assert!(!lands(machine, 0, at.get(), at), "off means abort");
        }
        machine.free(target);
    });
    on_qemu(|machine| assert_eq!(machine.devices(), streams()));
}
