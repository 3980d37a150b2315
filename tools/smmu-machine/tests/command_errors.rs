//! Commands that the SMMU refuses, and what the queue makes of them; laps of small queues; impossible sizes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_cmds::queue::CommandFailure;
use smmu_cmds::{Command, CommandQueue, EventQueue, QueueError, RawCommand};
use smmu_machine::Machine;
use smmu_model::{Hang, Profile, Trace};
use smmu_regs::caps::Hints;
use smmu_regs::handshake::{acknowledge_errors, active_errors, write_cr0};
use smmu_regs::lifecycle::Probed;
use smmu_regs::platform::Platform;
use smmu_regs::receipt::QueuePosition;
use smmu_regs::registers::{CmdqBase, Cr0};
use smmu_regs::{InstanceId, StreamId, Vmid};
use smmu_ste::StreamTable;
use std::cell::Cell;
use support::{Bench, Setup, TIMEOUT, Watched, on_both, on_model, on_models, on_qemu};

/// An opcode that no SMMU knows.
const ILLEGAL: [u64; 2] = [0xff, 0x1234_5678_9abc_def0];
const GOOD: Command = Command::TlbiNsnhAll;

fn setup(command_queue_log2: u8) -> Setup {
    Setup { command_queue_log2, ..Setup::default() }
}

/// Adds an illegal command and has the SMMU stop at it; gives the index of its entry.
fn stop<P: Platform>(bench: &mut Bench<'_, P>, before: u32, after: u32) -> u32 {
    let p = &bench.p;
    for _ in 0..before {
        bench.queue.push(p, &GOOD, TIMEOUT).unwrap();
    }
    bench.queue.push_raw(p, &RawCommand::from_words(ILLEGAL), TIMEOUT).unwrap();
    for _ in 0..after {
        bench.queue.push(p, &GOOD, TIMEOUT).unwrap();
    }
    match bench.queue.sync(p, TIMEOUT) {
        Err(QueueError::Stopped { failure: CommandFailure::Illegal, index, command }) => {
            assert_eq!(command.words(), ILLEGAL);
            index
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_command_is_named_replaced_and_never_covered() {
    on_both(|machine| {
        let mut bench = Bench::new(machine, setup(4));
        let p = machine;
        assert_eq!(bench.queue.recover(&p), Ok(None), "nothing to recover from");
        // Not a multiple of the queue's size, so that it happens at every index in turn.
        for round in 0..40 {
            let first = bench.queue.accepted();
            let index = stop(&mut bench, 2, 3);
            assert_eq!(u64::from(index), (first.0 + 2) % 16, "round {round}");
            assert!(active_errors(&p).cmdq_err());
            // It stays stopped until it is recovered.
            let again = bench.queue.sync(&p, TIMEOUT);
            assert!(
                matches!(again, Err(QueueError::Stopped { failure: CommandFailure::Illegal, .. })),
                "{again:?}"
            );

            let reaching_back = bench.queue.ticket_since(first);
            let (failure, command) = bench.queue.recover(&p).unwrap().unwrap();
            assert_eq!((failure, command.words()), (CommandFailure::Illegal, ILLEGAL));
            assert!(!active_errors(&p).cmdq_err());
            assert_eq!(bench.queue.recover(&p), Ok(None));

            let start = bench.queue.accepted();
            let receipt = bench.run(&[GOOD]);
            let later = bench.queue.ticket_since(start);
            assert!(receipt.covers(later), "{receipt:?} {later:?}");
            assert!(!receipt.covers(reaching_back), "{receipt:?} {reaching_back:?}");
            // Exactly the lost command spoils a ticket: one that begins with it, not one that begins after it.
            let lost = QueuePosition(first.0 + 2);
            let next = QueuePosition(first.0 + 3);
            assert!(!receipt.covers(bench.queue.ticket_since(lost)));
            assert!(receipt.covers(bench.queue.ticket_since(next)));
            // No later receipt ever covers it.
            let receipt = bench.run(&[GOOD, GOOD]);
            assert!(!receipt.covers(reaching_back) && receipt.covers(later));
        }
        bench.shut_down();
    });
}

#[test]
fn two_refused_commands_in_one_batch_are_recovered_one_by_one() {
    on_both(|machine| {
        let mut bench = Bench::new(machine, setup(4));
        let p = machine;
        let first = bench.queue.accepted();
        for words in [[0xfe, 1], [0xfd, 2]] {
            bench.queue.push(&p, &GOOD, TIMEOUT).unwrap();
            bench.queue.push_raw(&p, &RawCommand::from_words(words), TIMEOUT).unwrap();
        }
        let mut met = Vec::new();
        let mut result = bench.queue.sync(&p, TIMEOUT);
        while let Err(QueueError::Stopped { command, .. }) = result {
            met.push(command.words());
            bench.queue.recover(&p).unwrap().unwrap();
            result = bench.queue.sync(&p, TIMEOUT);
        }
        assert_eq!(met, [[0xfe, 1], [0xfd, 2]]);
        assert!(!result.unwrap().covers(bench.queue.ticket_since(first)));
        let ticket = bench.queue.ticket_since(QueuePosition(first.0 + 4));
        assert!(result.unwrap().covers(ticket));
        bench.shut_down();
    });
}

#[test]
fn commands_behind_a_refused_one_run_once_it_is_recovered() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, setup(4));
        stop(&mut bench, 0, 0);
        let vmid = Vmid::new(0x77);
        bench.queue.push(&bench.p, &Command::TlbiNhAll { vmid }, TIMEOUT).unwrap();
        machine.trace();
        bench.queue.recover(&bench.p).unwrap().unwrap();
        let _ = bench.queue.sync(&bench.p, TIMEOUT).unwrap();
        let opcodes: Vec<(u64, Option<u8>)> = machine
            .trace()
            .iter()
            .filter_map(|entry| match entry {
                Trace::Command { words, error, .. } => Some((words[0] & 0xff, *error)),
                _ => None,
            })
            .collect();
        // The replacement, the first CMD_SYNC, the command that waited behind it, the second CMD_SYNC; nothing twice.
        assert_eq!(opcodes, [(0x46, None), (0x46, None), (0x10, None), (0x46, None)]);
        bench.shut_down();
    });
}

#[test]
fn small_queues_wrap_many_laps() {
    on_both(|machine| {
        for log2 in [2, 3] {
            let mut bench = Bench::new(machine, setup(log2));
            let before = bench.queue.accepted();
            let mut sent = 0;
            for round in 0..600_u32 {
                // 0 to 6 commands: also more than fit at a time, so that pushing itself has to wait.
                let first = bench.queue.accepted();
                let commands = vec![
                    Command::CfgiSte { stream: StreamId::new(round % 512), leaf: true };
                    round as usize % 7
                ];
                let receipt = bench.run(&commands);
                assert!(receipt.covers(bench.queue.ticket_since(first)));
                sent += commands.len() as u64 + 1;
            }
            assert_eq!(bench.queue.accepted().0 - before.0, sent);
            assert!(sent > 2000);
            bench.shut_down();
        }
    });
}

#[test]
fn every_command_of_many_laps_reaches_the_smmu_once_and_in_order() {
    on_model(Profile::maximum(), |machine| {
        for log2 in [2, 3] {
            let mut bench = Bench::new(machine, setup(log2));
            machine.trace();
            let mut expected = Vec::new();
            for number in 0..1000_u32 {
                bench
                    .queue
                    .push(&bench.p, &Command::CfgiSte { stream: StreamId::new(number), leaf: true }, TIMEOUT)
                    .unwrap();
                expected.push((3, u64::from(number)));
                if number % 5 == 4 {
                    let _ = bench.queue.sync(&bench.p, TIMEOUT).unwrap();
                    expected.push((0x46, 0));
                }
            }
            let seen: Vec<(u64, u64)> = machine
                .trace()
                .iter()
                .filter_map(|entry| match entry {
                    Trace::Command { words, error: None, .. } if words[0] & 0xff == 3 => {
                        Some((3, words[0] >> 32))
                    }
                    Trace::Command { words, error: None, .. } => Some((words[0] & 0xff, 0)),
                    _ => None,
                })
                .collect();
            assert_eq!(seen, expected);
            bench.shut_down();
        }
    });
}

#[test]
fn a_full_queue_waits_until_there_is_room() {
    on_model(Profile::maximum(), |machine| {
        let waits = Cell::new(0);
        {
            // The SMMU starts to consume only after the driver has looked a hundred times.
            let platform = Watched::new(machine).on_wait(|| {
                waits.set(waits.get() + 1);
                if waits.get() == 100 {
                    machine.set_hang(Hang::None);
                }
            });
            let mut bench = Bench::on(platform, machine, setup(2));
            machine.set_hang(Hang::CommandQueue);
            waits.set(0);
            for filled in 0..4 {
                bench.queue.push(&bench.p, &GOOD, TIMEOUT).unwrap();
                assert_eq!(waits.get(), 0, "there was room for {filled} and one more");
            }
            bench.queue.push(&bench.p, &GOOD, TIMEOUT).unwrap();
            assert_eq!(waits.get(), 100);
            let _ = bench.run(&[]);
            bench.shut_down();
        }
    });
}

#[test]
fn queues_of_impossible_sizes_are_refused() {
    on_both(|machine| {
        let p = machine;
        let caps = *Probed::probe(&p, InstanceId::new(0), &Hints::default()).unwrap().caps();
        let before = machine.ram().allocated();
        for log2 in [0, 1, caps.command_queue_log2 + 1, 20, 63, 64, u8::MAX] {
            let error = CommandQueue::new(&p, &caps, InstanceId::new(0), log2).unwrap_err();
            assert_eq!(error, QueueError::Size { log2, min: 2, max: caps.command_queue_log2 });
        }
        for log2 in [caps.event_queue_log2 + 1, 20, 64, u8::MAX] {
            let error = EventQueue::new(&p, &caps, log2).unwrap_err();
            assert_eq!(error, QueueError::Size { log2, min: 0, max: caps.event_queue_log2 });
        }
        assert_eq!(machine.ram().allocated(), before);
    });
}

/// A command queue that the SMMU cannot read: CERROR_ABT, and again after each recovery.
fn abort(machine: &dyn Machine) {
    let p = machine;
    let instance = InstanceId::new(0);
    let probed = Probed::probe(&p, instance, &Hints::default()).unwrap();
    let caps = *probed.caps();
    let streams = StreamTable::new(&p, &caps, Setup::default().shape).unwrap();
    let mut queue = CommandQueue::new(&p, &caps, instance, 4).unwrap();
    let events = EventQueue::new(&p, &caps, 4).unwrap();
    let mut bases = support::bases(&streams, &queue, &events);
    // Far above RAM, within the output size of every SMMU here.
    bases.command_queue = bases.command_queue.try_with_address(CmdqBase::ADDR, 0x8_0000_0000).unwrap();
    let ready = probed.quiesce(&p, TIMEOUT).unwrap().configure(&p, &bases).unwrap();
    let _ready = ready.enable_commands(&p, TIMEOUT).unwrap();
    assert_eq!(queue.recover(&p), Ok(None));
    for _ in 0..3 {
        queue.push(&p, &GOOD, TIMEOUT).unwrap();
        let error = queue.sync(&p, TIMEOUT).unwrap_err();
        // What is reported as the command is what our memory holds.
        let QueueError::Stopped { failure: CommandFailure::Abort, index: 0, command } = error else {
            panic!("{error:?}")
        };
        assert_eq!(command, GOOD.encode(&caps).unwrap());
        assert_eq!(queue.recover(&p), Ok(Some((CommandFailure::Abort, command))));
    }
    // Off, and only then acknowledged: nothing reads the queue again.
    write_cr0(&p, Cr0::new(), TIMEOUT).unwrap();
    acknowledge_errors(&p, active_errors(&p));
    p.free(queue.into_pages());
    p.free(events.into_pages());
    streams.free(&p).unwrap();
}

#[test]
fn a_queue_that_cannot_be_read_stops_with_an_abort() {
    on_models(&[Profile::qemu()], abort);
    on_qemu(abort);
}
