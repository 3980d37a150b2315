//! Batches of a guest's commands in the physical queue: what is said to be issued and complete is so, exactly.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_cmds::guest::{GuestBatchError, GuestCommandError};
use smmu_cmds::queue::CommandFailure;
use smmu_cmds::{QueueError, RawCommand, VirtualSmmu};
use smmu_machine::ModelMachine;
use smmu_model::{Hang, Profile, Trace};
use smmu_regs::platform::Platform;
use smmu_regs::{StreamId, VirtualStreamId, Vmid};
use std::time::Duration;
use support::{Bench, Setup, TIMEOUT, on_both, on_model};

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
