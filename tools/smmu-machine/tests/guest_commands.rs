//! Batches of a guest's commands in the physical queue: what is said to be issued and complete is so, exactly.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::Regime;
use smmu_cmds::guest::{Answer, ForwardedFaults, GuestBatchError, GuestCommandError};
use smmu_cmds::queue::CommandFailure;
use smmu_cmds::{QueueError, RawCommand, RawEvent, VirtualSmmu};
use smmu_machine::{Machine, ModelMachine};
use smmu_model::{Hang, Profile, Trace};
use smmu_regs::platform::Platform;
use smmu_regs::{StreamId, SubstreamId, VirtualStreamId, Vmid};
use smmu_ste::cd::CdFaultMode;
use smmu_ste::{CdConfig, SteConfig};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;
use support::{Bench, PAGE, Setup, Space1, TIMEOUT, on_both, on_model};

const VMID: Vmid = Vmid::new(0x5a);
/// For what never comes.
const SHORT: Duration = Duration::from_millis(20);

/// The guest's only device.
fn stream(device: VirtualStreamId) -> Option<StreamId> {
    (device == VirtualStreamId::new(0)).then_some(StreamId::new(0x10))
}

/// The guest's command number `number`: a `CMD_TLBI_NH_ASID` of some other VMID, with its number for an ASID.
fn command(number: u64) -> RawCommand {
    RawCommand::from_words([number << 48 | 0x77 << 32 | 0x11, 0])
}

/// A command that no guest may send.
const CFGI_ALL: RawCommand = RawCommand::from_words([4, 31]);

fn issue<P: Platform>(
    bench: &mut Bench<'_, P>,
    commands: impl IntoIterator<Item = RawCommand>,
    timeout: Duration,
) -> Result<usize, GuestBatchError> {
    let caps = bench.caps;
    VirtualSmmu::new(&caps, VMID, stream).unwrap().issue(&bench.p, &mut bench.queue, commands, timeout)
}

/// What the SMMU took from its queue: the number of each of the guest's commands, `None` for a `CMD_SYNC`.
fn taken(machine: &ModelMachine) -> Vec<Option<u64>> {
    let numbers = machine.trace().into_iter().filter_map(|entry| match entry {
        Trace::Command { words: [low, _], error: None, .. } if low & 0xff == 0x46 => Some(None),
        Trace::Command { words, error: None, .. } => {
            assert_eq!(words[0] & 0xffff_ffff_ffff, 0x5a_0000_0011);
            Some(Some(words[0] >> 48))
        }
        _ => None,
    });
    numbers.collect()
}

/// Commands `0..count` with a `CMD_SYNC` after every 63 and at the end.
fn synced(count: u64) -> Vec<Option<u64>> {
    let due = |number: u64| number % 63 == 62 || number + 1 == count;
    (0..count).flat_map(|number| [Some(Some(number)), due(number).then_some(None)]).flatten().collect()
}

#[test]
fn a_batch_is_issued_as_a_whole() {
    on_model(Profile::maximum(), |machine| {
        for log2 in [2, 6, 8] {
            let mut bench = Bench::new(machine, Setup { command_queue_log2: log2, ..Setup::default() });
            for count in [0, 1, 2, 62, 63, 64, 130] {
                machine.trace();
                let done = issue(&mut bench, (0..count).map(command), TIMEOUT);
                assert_eq!(done, Ok(count as usize));
                assert_eq!(taken(machine), synced(count), "{log2} {count}");
            }
            bench.shut_down();
        }
    });
}

#[test]
fn what_stands_before_a_refused_command_is_issued_and_complete() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        for before in [0, 1, 4, 62, 63, 100] {
            machine.trace();
            let commands = (0..before).map(command).chain([CFGI_ALL]).chain((0..10).map(command));
            let Err(GuestBatchError::Refused(refusal)) = issue(&mut bench, commands, TIMEOUT) else {
                panic!()
            };
            assert_eq!((refusal.index as u64, refusal.command), (before, CFGI_ALL));
            assert!(matches!(refusal.error, GuestCommandError::Opcode { .. }));
            assert_eq!(taken(machine), synced(before), "{before}");
        }
        bench.shut_down();
    });
}

#[test]
fn a_queue_that_hangs_is_no_lie_about_what_is_complete() {
    on_model(Profile::maximum(), |machine| {
        for (log2, hangs_at, completed, issued) in
            [(6, 0, 0, 63), (6, 63, 63, 126), (6, 70, 63, 126), (2, 0, 0, 4)]
        {
            let mut bench = Bench::new(machine, Setup { command_queue_log2: log2, ..Setup::default() });
            machine.trace();
            let commands = (0..200).map(|number| {
                if number == hangs_at {
                    machine.set_hang(Hang::CommandQueue);
                }
                command(number)
            });
            let error = issue(&mut bench, commands, SHORT).unwrap_err();
            let GuestBatchError::Queue { completed: is_complete, issued: is_issued, error } = error else {
                panic!()
            };
            assert!(matches!(error, QueueError::Timeout { .. }), "{error}");
            assert_eq!((is_complete, is_issued), (completed, issued), "{log2} {hangs_at}");
            // What was issued is done in the end, once, and nothing else.
            machine.set_hang(Hang::None);
            let _ = bench.run(&[]);
            let numbers: Vec<u64> = taken(machine).into_iter().flatten().collect();
            assert_eq!(numbers, (0..issued as u64).collect::<Vec<_>>());
            bench.shut_down();
        }
    });
}

#[test]
fn a_command_of_somebody_elses_that_stops_the_queue() {
    on_both(|machine| {
        let mut bench = Bench::new(machine, Setup::default());
        bench.queue.push_raw(&machine, &RawCommand::from_words([0xff, 0]), TIMEOUT).unwrap();
        let error = issue(&mut bench, (0..5).map(command), TIMEOUT).unwrap_err();
        let GuestBatchError::Queue { completed: 0, issued: 5, error } = error else { panic!("{error}") };
        assert!(
            matches!(error, QueueError::Stopped { failure: CommandFailure::Illegal, index: _, command } if command.words() == [0xff, 0])
        );
        assert!(bench.queue.recover(&machine).unwrap().is_some());
        assert_eq!(issue(&mut bench, (0..5).map(command), TIMEOUT), Ok(5));
        bench.shut_down();
    });
}

#[test]
fn every_command_that_a_guest_may_send_is_taken() {
    on_both(|machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let commands = [0x30, 0x10, 0x11, 0x12, 0x13, 5, 6].map(|opcode| RawCommand::from_words([opcode, 0]));
        assert_eq!(issue(&mut bench, commands, TIMEOUT), Ok(7));
        bench.shut_down();
    });
}

/// Stalls of the guest's device, as whoever forwards them keeps them.
#[derive(Default)]
struct Stalls(RefCell<BTreeSet<u16>>);

impl ForwardedFaults for Stalls {
    fn is_stalled(&self, _: StreamId, stag: u16) -> bool {
        self.0.borrow().contains(&stag)
    }

    fn next_stall(&self, _: StreamId, after: Option<u16>) -> Option<u16> {
        let stalls = self.0.borrow();
        stalls.iter().copied().find(|stag| after.is_none_or(|after| *stag > after))
    }

    fn is_requested(&self, _: StreamId, _: Option<SubstreamId>, _: u16) -> bool {
        false
    }

    fn answered(&self, answer: Answer) {
        let Answer::Stall { stag, .. } = answer else { panic!("{answer:?}") };
        assert!(self.0.borrow_mut().remove(&stag), "{stag} was not waited for");
    }
}

/// A device of the guest's whose stage 1 maps nothing and stalls.
struct Stalling {
    space: Space1,
    stalls: Stalls,
}

impl Stalling {
    fn new(bench: &mut Bench<'_, &dyn Machine>) -> Self {
        let space = Space1::new(&bench.p, &bench.caps, 1);
        let SteConfig::Stage1(mut ste) = space.ste() else { panic!("not stage 1") };
        let Regime::Stage1(regime) = space.table.regime() else { panic!("not stage 1") };
        let cd = CdConfig { regime, asid: space.asid, faults: CdFaultMode::Stall, private_asid: true };
        let mut space = space;
        space.cds.set_before_use(&bench.p, SubstreamId::ZERO, &cd.encode(&bench.caps).unwrap()).unwrap();
        ste.may_stall = true;
        bench.attach(StreamId::new(0x10), &SteConfig::Stage1(ste));
        Self { space, stalls: Stalls::default() }
    }

    /// So many transactions stall, and the guest is told. Gives the tags that wait.
    fn stall(&self, bench: &mut Bench<'_, &dyn Machine>, machine: &ModelMachine, count: u64) -> Vec<u64> {
        for number in 0..count {
            let fault = machine.dma32(1, 0x12_3000 + number * PAGE, Some(1)).unwrap().unwrap_err();
            assert!(fault.waits, "{number}: {fault:?} {}", machine.name());
        }
        self.forward(bench);
        let tags: Vec<u64> = self.stalls.0.borrow().iter().map(|stag| u64::from(*stag)).collect();
        assert_eq!(tags.len() as u64, count);
        tags
    }

    fn forward(&self, bench: &mut Bench<'_, &dyn Machine>) {
        let forward = |record: RawEvent| {
            let guests = record.relocate_stall(VirtualStreamId::new(0)).unwrap();
            assert!(self.stalls.0.borrow_mut().insert(guests.stag()));
        };
        let _ = bench.events.drain(&bench.p, forward).unwrap();
    }

    /// The guest ends everything, and nothing waits any more.
    fn finish(self, mut bench: Bench<'_, &dyn Machine>, machine: &ModelMachine) {
        let caps = bench.caps;
        let smmu = VirtualSmmu::new(&caps, VMID, stream).unwrap().with_faults(&self.stalls);
        for _ in 0..1000 {
            self.forward(&mut bench);
            assert_eq!(smmu.issue(&bench.p, &mut bench.queue, [STALL_TERM], TIMEOUT), Ok(1));
            if machine.stalled().is_empty() && machine.unanswered().is_empty() {
                break;
            }
        }
        assert_eq!((machine.stalled(), machine.unanswered()), (vec![], vec![]));
        let _ = machine.resumed();
        bench.attach(StreamId::new(0x10), &SteConfig::Abort);
        self.space.destroy(&bench.p, &mut bench.queue);
        bench.shut_down();
    }
}

/// A guest's CMD_STALL_TERM, and its CMD_RESUME that terminates without an abort.
const STALL_TERM: RawCommand = RawCommand::from_words([0x45, 0]);

fn resume(stag: u64) -> RawCommand {
    RawCommand::from_words([0x44, stag])
}

/// Answers reach the SMMU once, and only for what waits; a batch counts the guest's commands, whatever they become.
#[test]
fn a_guest_answers_its_stalls() {
    on_model(Profile::maximum(), |machine| {
        let setup = Setup { event_queue_log2: 7, ..Setup::default() };
        let mut bench = Bench::new(machine, setup);
        let stalling = Stalling::new(&mut bench);
        let tags = stalling.stall(&mut bench, machine, 40);
        machine.trace();
        let caps = bench.caps;
        let smmu = VirtualSmmu::new(&caps, VMID, stream).unwrap().with_faults(&stalling.stalls);
        // Twice the same; one that does not wait; all the others at once, and again when there are none.
        let unknown = (0..).find(|tag| !tags.contains(tag)).unwrap();
        let [one, other] = [tags[7], tags[8]].map(resume);
        let commands = [one, one, resume(unknown), command(1), STALL_TERM, STALL_TERM, other, CFGI_ALL];
        let error = smmu.issue(&bench.p, &mut bench.queue, commands, TIMEOUT).unwrap_err();
        let GuestBatchError::Refused(refusal) = error else { panic!("{error}") };
        assert_eq!(refusal.index, 7);
        assert!(stalling.stalls.0.borrow().is_empty());
        let answered = machine.trace().into_iter().filter_map(|entry| match entry {
            Trace::Command { words: [low, high], error: None, .. } if low & 0xff == 0x44 => {
                assert_eq!(low, 0x10_0000_0044 | if high == tags[7] { 0 } else { 1 << 13 });
                Some(high)
            }
            Trace::Command { words: [low, _], error: None, .. } => {
                assert!(matches!(low & 0xff, 0x11 | 0x46), "{low:#x}");
                None
            }
            _ => None,
        });
        let expected = [tags[7]].into_iter().chain(tags.iter().copied().filter(|tag| *tag != tags[7]));
        assert_eq!(answered.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        stalling.finish(bench, machine);
    });
}

/// What hangs is issued in part, and says so: a CMD_STALL_TERM counts when all of it is, and ends the rest when it comes again.
#[test]
fn a_stall_term_that_hangs_is_not_done() {
    on_model(Profile::maximum(), |machine| {
        let setup = Setup { command_queue_log2: 2, event_queue_log2: 7, ..Setup::default() };
        let mut bench = Bench::new(machine, setup);
        let stalling = Stalling::new(&mut bench);
        let tags = stalling.stall(&mut bench, machine, 10);
        machine.set_hang(Hang::CommandQueue);
        let caps = bench.caps;
        let smmu = VirtualSmmu::new(&caps, VMID, stream).unwrap().with_faults(&stalling.stalls);
        let commands = [command(1), STALL_TERM, command(2)];
        let error = smmu.issue(&bench.p, &mut bench.queue, commands, SHORT).unwrap_err();
        assert!(matches!(error, GuestBatchError::Queue { completed: 0, issued: 1, .. }), "{error:?}");
        let waiting = stalling.stalls.0.borrow().len();
        assert!((1..tags.len()).contains(&waiting), "{waiting}");
        machine.set_hang(Hang::None);
        stalling.finish(bench, machine);
    });
}
