//! An SMMU that does not answer: every wait ends at its deadline with an error that says what was waited for, and what
//! could not be invalidated stays out of use.
//!
//! Only the model can be made to hang.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{Gather, Invalidation, Regime};
use smmu_cmds::{Command, CommandQueue, EventQueue, QueueError};
use smmu_machine::{Machine as _, ModelMachine};
use smmu_model::{Hang, Profile, Trace};
use smmu_regs::caps::Hints;
use smmu_regs::handshake::HandshakeError;
use smmu_regs::lifecycle::{Interrupts, LifecycleError, Probed};
use smmu_regs::platform::{Memory as _, Pages, Platform};
use smmu_regs::registers::{Cr0ack, IrqCtrlack, Registers as _};
use smmu_regs::vmsa::{Granule, Level, LevelSet};
use smmu_regs::{PhysAddr, SubstreamId};
use smmu_ste::cd::CdFaultMode;
use smmu_ste::table::{Progress, StreamTableShape};
use smmu_ste::{CdConfig, SteConfig, StreamTable, TableError};
use smmu_tlbi::range::Rules;
use smmu_tlbi::{InvalidateError, RangeSupport, invalidate, invalidate_and_reclaim};
use std::time::{Duration, Instant};
use support::{
    Bench, INSTANCE, PAGE, Setup, Space1, TIMEOUT, bases, lands, may_land, on_model, range, streams,
};

/// What an SMMU that hangs is granted.
const SHORT: Duration = Duration::from_millis(20);
/// Far more than a loaded computer needs to notice that `SHORT` is over, far less than hanging.
const SLACK: Duration = Duration::from_secs(2);

/// Runs `wait`, which must take `SHORT`, and not forever.
fn timed<T>(wait: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = wait();
    let took = start.elapsed();
    assert!(took >= SHORT && took < SHORT + SLACK, "took {took:?}");
    result
}

fn handshake(result: Result<impl Sized, LifecycleError>) -> (&'static str, u32, u32) {
    match result.err().unwrap() {
        LifecycleError::Handshake(HandshakeError { register, wanted, found, timeout }) => {
            assert_eq!(timeout, SHORT);
            (register, wanted, found)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn each_handshake_of_bring_up_names_the_register_that_does_not_answer() {
    on_model(Profile::maximum(), |machine| {
        let p = &machine;
        let probe = || Probed::probe(p, INSTANCE, &Hints::default()).unwrap();
        let caps = *probe().caps();
        let streams = StreamTable::new(p, &caps, Setup::default().shape).unwrap();
        let mut queue = CommandQueue::new(p, &caps, INSTANCE, 4).unwrap();
        let events = EventQueue::new(p, &caps, 4).unwrap();
        let bases = bases(&streams, &queue, &events);

        machine.set_hang(Hang::Gbpa);
        let result = timed(|| probe().quiesce(p, SHORT));
        assert_eq!(handshake(result), ("GBPA.UPDATE", 0, 1 << 31));
        // Nobody may write GBPA while an update is under way, so the next attempt only waits.
        let result = timed(|| probe().quiesce(p, SHORT));
        assert_eq!(handshake(result), ("GBPA.UPDATE", 0, 1 << 31));
        machine.set_hang(Hang::None);

        let configured = probe().quiesce(p, TIMEOUT).unwrap().configure(p, &bases).unwrap();
        machine.set_hang(Hang::Cr0Ack);
        let result = timed(|| configured.enable_commands(p, SHORT));
        assert_eq!(handshake(result), ("CR0ACK", 0b1000, 0));
        machine.set_hang(Hang::None);

        let configured = probe().quiesce(p, TIMEOUT).unwrap().configure(p, &bases).unwrap();
        let ready = configured.enable_commands(p, TIMEOUT).unwrap();
        let clean = queue.drop_everything(p, TIMEOUT).unwrap();
        machine.set_hang(Hang::Cr0Ack);
        let result = timed(|| ready.enable(p, clean, SHORT));
        assert_eq!(handshake(result), ("IRQ_CTRLACK", 0b101, 0));
        machine.set_hang(Hang::None);

        let _off = probe().quiesce(p, TIMEOUT).unwrap();
        p.free(queue.into_pages());
        p.free(events.into_pages());
        streams.free(p).unwrap();
    });
}

#[test]
fn what_changes_at_run_time_names_the_register_that_does_not_answer_and_can_be_tried_again() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let p = &machine;
        machine.set_hang(Hang::Cr0Ack);
        let result = timed(|| bench.smmu.restart_event_queue(p, SHORT));
        assert_eq!(handshake(result), ("CR0ACK", 0b1_1001, 0b1_1101));
        // What is still under way is waited for, and not changed again.
        let result = timed(|| bench.smmu.restart_event_queue(p, SHORT));
        assert_eq!(handshake(result), ("CR0ACK", 0b1_1001, 0b1_1101));
        let result = timed(|| bench.smmu.set_interrupts(p, &Interrupts::OFF, SHORT));
        assert_eq!(handshake(result), ("IRQ_CTRLACK", 0, 0b101));
        machine.set_hang(Hang::None);
        // Nobody knows what interrupts are like now, so what was there before is not "nothing to do".
        let pending = bench.smmu.set_interrupts(p, &Interrupts::WIRED, TIMEOUT).unwrap();
        assert!(pending.is_empty(), "{pending:?}");
        assert_eq!(p.get::<IrqCtrlack>().into_bits(), 0b101);
        bench.smmu.restart_event_queue(p, TIMEOUT).unwrap();
        bench.events.restart();
        assert_eq!(p.get::<Cr0ack>().into_bits(), 0b1_1101);
        bench.shut_down();
    });
}

#[test]
fn switching_off_names_the_register_that_does_not_answer() {
    on_model(Profile::maximum(), |machine| {
        let bench = Bench::new(machine, Setup::default());
        let probe = || Probed::probe(&machine, INSTANCE, &Hints::default()).unwrap();
        machine.set_hang(Hang::Cr0Ack);
        let result = timed(|| probe().quiesce(&machine, SHORT));
        assert_eq!(handshake(result), ("IRQ_CTRLACK", 0, 0b101));
        machine.set_hang(Hang::None);
        bench.shut_down();
    });
}

#[test]
fn a_sync_that_never_completes_names_prod_and_cons_and_a_later_receipt_covers_it() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let p = &bench.p;
        // Bring-up took 5 entries.
        machine.set_hang(Hang::CommandQueue);
        let first = bench.queue.accepted();
        bench.queue.push(p, &Command::TlbiNsnhAll, SHORT).unwrap();
        let result = timed(|| bench.queue.sync(p, SHORT));
        let what = "completion of CMD_SYNC";
        assert_eq!(result, Err(QueueError::Timeout { what, timeout: SHORT, prod: 7, cons: 5 }));
        let ticket = bench.queue.ticket_since(first);
        // Each attempt takes an entry, waits its time and says where the queue is.
        let result = timed(|| bench.queue.sync(p, SHORT));
        assert_eq!(result, Err(QueueError::Timeout { what, timeout: SHORT, prod: 8, cons: 5 }));
        let text = result.unwrap_err().to_string();
        assert!(text.contains("PROD 0x8") && text.contains("CONS 0x5"), "{text}");

        machine.set_hang(Hang::None);
        let receipt = bench.queue.sync(&bench.p, TIMEOUT).unwrap();
        assert!(receipt.covers(ticket));
        bench.shut_down();
    });
}

#[test]
fn a_queue_that_stays_full_times_out_and_loses_nothing() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup { command_queue_log2: 2, ..Setup::default() });
        let p = &bench.p;
        machine.set_hang(Hang::CommandQueue);
        let first = bench.queue.accepted();
        let stream = streams()[0];
        for _ in 0..4 {
            bench.queue.push(p, &Command::CfgiSte { stream, leaf: true }, SHORT).unwrap();
        }
        let accepted = bench.queue.accepted();
        let result = timed(|| bench.queue.push(p, &Command::CfgiAll, SHORT));
        let what = "space in the command queue";
        let Err(QueueError::Timeout { what: said, timeout: SHORT, prod, cons }) = result else {
            panic!("{result:?}")
        };
        assert_eq!((said, prod ^ cons), (what, 4), "PROD is a lap ahead of CONS");
        // Not accepted, so no ticket waits for it.
        assert_eq!(bench.queue.accepted(), accepted);
        assert!(timed(|| bench.queue.sync(p, SHORT)).is_err());
        machine.trace();
        machine.set_hang(Hang::None);
        let receipt = bench.queue.sync(&bench.p, TIMEOUT).unwrap();
        assert!(receipt.covers(bench.queue.ticket_since(first)));
        assert_eq!(opcodes(machine), [3, 3, 3, 3, 0x46]);
        bench.shut_down();
    });
}

fn opcodes(machine: &ModelMachine) -> Vec<u64> {
    commands(machine).iter().map(|words| words[0] & 0xff).collect()
}

/// The commands that were consumed since the last look at the trace.
fn commands(machine: &ModelMachine) -> Vec<[u64; 2]> {
    let trace = machine.trace();
    trace
        .iter()
        .filter_map(|entry| match entry {
            Trace::Command { words, error: None, .. } => Some(*words),
            _ => None,
        })
        .collect()
}

const IOVA: u64 = 0x4000_0000;

/// An address space with a page that a device uses, in a table of its own; and the page.
fn mapped<P: Platform>(bench: &mut Bench<'_, P>) -> (Space1, PhysAddr) {
    let mut space = Space1::new(&bench.p, &bench.caps, 7);
    let target = bench.p.allocate(PAGE, PAGE).unwrap().base();
    space.map(&bench.p, IOVA, PAGE, target);
    bench.attach(streams()[0], &space.ste());
    assert!(lands(bench.machine, 0, IOVA, target));
    (space, target)
}

#[test]
#[allow(clippy::result_large_err)] // the error holds the freed tables, which is what this is about
fn tables_stay_out_of_use_until_an_invalidation_completes() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let (mut space, target) = mapped(&mut bench);
        let p = &bench.p;
        let rules = Rules::new(RangeSupport::of(&bench.caps));
        let mut gather = Gather::new();
        space.table.unmap(p, range(IOVA, PAGE), &mut gather).unwrap();
        let before = machine.ram().allocated();

        machine.set_hang(Hang::CommandQueue);
        let tags = [space.tag()];
        let result =
            timed(|| invalidate_and_reclaim(p, &mut bench.queue, gather, &rules, &tags, &[], SHORT, |_| {}));
        let Err(InvalidateError::Queue(QueueError::Timeout { .. }, what, freed)) = result else {
            panic!("{result:?}")
        };
        // A level-3 and a level-2 table, of one page each; and this is why they must not be used again.
        assert_eq!(freed.get().len(), 2);
        assert_eq!(machine.ram().allocated(), before);
        assert!(may_land(machine, 0, IOVA, target), "the model's TLB is no good judge");

        machine.set_hang(Hang::None);
        let first = bench.queue.accepted();
        // The error says what is to be invalidated again.
        let expected = Invalidation {
            granule: Granule::Size4K,
            range: range(IOVA, PAGE),
            leaf_levels: LevelSet::only(Level::THREE),
            table_levels: LevelSet::only(Level::TWO).with(Level::ONE),
        };
        assert_eq!(what, expected);
        let receipt = invalidate(p, &mut bench.queue, &what, &rules, &tags, &[], TIMEOUT, |_| {}).unwrap();
        let quarantine = freed.after_one(bench.queue.ticket_since(first));
        assert_eq!(machine.ram().allocated(), before);
        assert_eq!(quarantine.open(&[receipt]).unwrap().reclaim(p).unwrap(), 2);
        assert_eq!(machine.ram().allocated(), before - 2 * PAGE);
        assert!(!lands(machine, 0, IOVA, target));
        finish(bench, space, target);
    });
}

#[test]
fn a_quarantine_made_before_the_timeout_opens_with_the_later_receipt_only() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let (mut space, target) = mapped(&mut bench);
        let mut gather = Gather::new();
        space.table.unmap(&bench.p, range(IOVA, PAGE), &mut gather).unwrap();
        let old = bench.run(&[]);

        machine.set_hang(Hang::CommandQueue);
        let first = bench.queue.accepted();
        bench.queue.push(&bench.p, &space.tag().whole(), SHORT).unwrap();
        assert!(timed(|| bench.queue.sync(&bench.p, SHORT)).is_err());
        let (_, freed) = gather.finish().unwrap();
        let quarantine = freed.after_one(bench.queue.ticket_since(first));
        let quarantine = quarantine.open(&[old]).unwrap_err();
        machine.set_hang(Hang::None);
        let receipt = bench.queue.sync(&bench.p, TIMEOUT).unwrap();
        assert_eq!(quarantine.open(&[receipt]).unwrap().reclaim(&bench.p).unwrap(), 2);
        assert!(!lands(machine, 0, IOVA, target));
        finish(bench, space, target);
    });
}

fn finish<P: Platform>(mut bench: Bench<'_, P>, space: Space1, target: PhysAddr) {
    bench.attach(streams()[0], &SteConfig::Abort);
    space.destroy(&bench.p, &mut bench.queue);
    bench.p.free(Pages::from_raw(target, PAGE));
    bench.shut_down();
}

/// `CMD_CFGI_ALL` is `CMD_CFGI_STE_RANGE` with the largest range.
fn is_cfgi_all(words: &[u64; 2]) -> bool {
    words[0] & 0xff == 4 && words[1] & 31 == 31
}

#[test]
fn a_set_that_timed_out_is_made_up_for_before_the_next_change() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let (space, target) = mapped(&mut bench);
        let [stream, other, ..] = streams()[..] else { panic!() };
        let (bypass, abort, stage1) = (
            SteConfig::Bypass.encode(&bench.caps).unwrap(),
            SteConfig::Abort.encode(&bench.caps).unwrap(),
            space.ste().encode(&bench.caps).unwrap(),
        );
        // The next change is of the same entry to the same content, to another one, or of another entry.
        let cases = [(stream, bypass), (stream, abort), (other, stage1)];
        for (next, content) in cases {
            bench.attach(stream, &space.ste());
            bench.attach(other, &SteConfig::Abort);
            let p = &bench.p;
            machine.trace();
            machine.set_hang(Hang::CommandQueue);
            let result = timed(|| bench.streams.set(p, &mut bench.queue, stream, &bypass, SHORT, |_| {}));
            assert!(matches!(result, Err(TableError::Queue(QueueError::Timeout { .. }))), "{result:?}");
            // As long as it hangs, every change fails, and stores nothing before what is cached has been dropped.
            let before = bench.streams.get(p, next).unwrap();
            let result = timed(|| bench.streams.set(p, &mut bench.queue, next, &content, SHORT, |_| {}));
            assert!(matches!(result, Err(TableError::Queue(QueueError::Timeout { .. }))), "{result:?}");
            assert_eq!(bench.streams.get(p, next).unwrap(), before);

            machine.set_hang(Hang::None);
            machine.trace();
            let updated = bench.streams.set(p, &mut bench.queue, next, &content, TIMEOUT, |_| {}).unwrap();
            let sent = commands(machine);
            assert!(is_cfgi_all(&sent[0]) && sent[1][0] & 0xff == 0x46, "{sent:x?}");
            assert_eq!(sent.len(), 2 + 2 * updated.plan.steps().count(), "{sent:x?}");
            assert_eq!(bench.streams.get(p, next).unwrap(), Some(content));

            // Trust is restored.
            let _ = bench.streams.set(p, &mut bench.queue, next, &abort, TIMEOUT, |_| {}).unwrap();
            assert!(!commands(machine).iter().any(is_cfgi_all));
        }
        finish(bench, space, target);
    });
}

#[test]
fn a_set_that_timed_out_at_its_last_step_is_made_up_for_although_nothing_is_left_to_store() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let (space, target) = mapped(&mut bench);
        let stream = streams()[0];
        let abort = SteConfig::Abort.encode(&bench.caps).unwrap();
        let stage1 = space.ste().encode(&bench.caps).unwrap();
        let steps = bench.streams.plan(&stage1, &abort, bench.p.atomicity()).steps().count();
        let (mut seen, p) = (0, &bench.p);
        let result = bench.streams.set(p, &mut bench.queue, stream, &abort, SHORT, |progress| {
            if let Progress::Stored(_) = progress {
                seen += 1;
                if seen == steps {
                    machine.set_hang(Hang::CommandQueue);
                }
            }
        });
        assert!(matches!(result, Err(TableError::Queue(QueueError::Timeout { .. }))), "{result:?}");
        assert_eq!(bench.streams.get(p, stream).unwrap(), Some(abort), "all stores were made");
        machine.set_hang(Hang::None);
        machine.trace();
        let updated = bench.streams.set(p, &mut bench.queue, stream, &abort, TIMEOUT, |_| {}).unwrap();
        assert!(updated.plan.is_empty());
        let sent = commands(machine);
        assert!(sent.len() == 2 && is_cfgi_all(&sent[0]), "{sent:x?}");
        assert!(!lands(machine, 0, IOVA, target));
        finish(bench, space, target);
    });
}

#[test]
fn an_ensure_that_timed_out_is_made_up_for_too() {
    on_model(Profile::maximum(), |machine| {
        let shape = StreamTableShape::TwoLevel { log2: 16, split: 8 };
        let mut bench = Bench::new(machine, Setup { shape, ..Setup::default() });
        let stream = streams()[0];
        let target = bench.p.allocate(PAGE, PAGE).unwrap();
        // The SMMU caches that there is no level-2 table.
        assert!(!lands(machine, 0, target.base().get(), target.base()));
        machine.set_hang(Hang::CommandQueue);
        let p = &bench.p;
        let result = timed(|| bench.streams.ensure(p, &mut bench.queue, stream, SHORT));
        assert!(matches!(result, Err(TableError::Queue(QueueError::Timeout { .. }))), "{result:?}");
        machine.set_hang(Hang::None);
        machine.trace();
        bench.streams.ensure(p, &mut bench.queue, stream, TIMEOUT).unwrap();
        bench.attach(stream, &SteConfig::Bypass);
        assert!(commands(machine).first().is_some_and(is_cfgi_all));
        assert!(lands(machine, 0, target.base().get(), target.base()));
        bench.p.free(target);
        bench.shut_down();
    });
}

#[test]
fn a_cd_that_timed_out_is_made_up_for_before_the_next_change() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let (mut space, target) = mapped(&mut bench);
        let other = Space1::new(&bench.p, &bench.caps, 8);
        let Regime::Stage1(regime) = other.table.regime() else { panic!() };
        let cd = CdConfig { regime, asid: other.asid, faults: CdFaultMode::Terminate, private_asid: true };
        let cd = cd.encode(&bench.caps).unwrap();
        let (p, queue, stream) = (&bench.p, &mut bench.queue, [streams()[0]]);
        machine.set_hang(Hang::CommandQueue);
        let result = timed(|| space.cds.set(p, queue, &stream, SubstreamId::ZERO, &cd, SHORT, |_| {}));
        assert!(matches!(result, Err(TableError::Queue(QueueError::Timeout { .. }))), "{result:?}");
        machine.set_hang(Hang::None);
        machine.trace();
        let _ = space.cds.set(p, queue, &stream, SubstreamId::ZERO, &cd, TIMEOUT, |_| {}).unwrap();
        assert!(commands(machine).first().is_some_and(is_cfgi_all));
        assert_eq!(space.cds.get(p, SubstreamId::ZERO).unwrap(), cd);
        // The device is in the other, empty address space.
        assert!(!lands(machine, 0, IOVA, target));
        bench.attach(stream[0], &SteConfig::Abort);
        other.destroy(&bench.p, &mut bench.queue);
        finish(bench, space, target);
    });
}
