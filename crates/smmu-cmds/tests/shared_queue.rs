//! The shared queue against a device that takes one command at a time: on one thread, step by step, and on several.
#![cfg(all(feature = "kernel", not(loom)))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

/// What the device is made of on threads.
mod atomics {
    pub(crate) use std::sync::atomic::{AtomicU32, Ordering, fence};

    /// Nothing checks accesses to entries here.
    pub(crate) struct Cells;

    impl Cells {
        pub(crate) fn new(_: usize) -> Self {
            Self
        }
        pub(crate) fn read(&self, _: usize) {}
        pub(crate) fn write(&self, _: usize) {}
    }

    pub(crate) fn pause() {
        std::thread::yield_now();
    }
}
#[path = "support/device.rs"]
#[allow(dead_code, unreachable_pub, missing_docs)]
mod device;

use device::{ATC_INV, Device, ILLEGAL, PLAIN, caps, command};
use smmu_cmds::queue::{Cmdq, CommandFailure, Completion, OpcodeSet, SharedOptions, SharedQueue};
use smmu_cmds::{QueueError, RawCommand};
use smmu_regs::InstanceId;
use smmu_regs::receipt::QueuePosition;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const INSTANCE: InstanceId = InstanceId::new(2);
const COMPLETIONS: [Completion; 3] = [Completion::Memory, Completion::Event, Completion::Poll];

fn queue(device: &Device, log2: u8, completion: Completion) -> SharedQueue {
    let caps = caps(true);
    let options = SharedOptions { completion, ..SharedOptions::new(&caps, log2) };
    SharedQueue::with(device, &caps, INSTANCE, Cmdq, options).unwrap()
}

/// Runs `work` beside a thread that takes commands until it is done.
fn beside_hardware<R>(device: &Device, work: impl FnOnce() -> R) -> R {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                if !device.step() {
                    thread::yield_now();
                }
            }
        });
        let _stop = Stop(&stop);
        work()
    })
}

/// Names of a list: thread, number, index.
fn list(thread: u64, number: u64, length: u64) -> Vec<RawCommand> {
    (0..length).map(|index| command(PLAIN, thread << 48 | number << 8 | index)).collect()
}

#[test]
fn many_threads_lose_tear_reorder_and_double_nothing() {
    const LISTS: u64 = 400;
    for (log2, threads) in [(2, 4), (4, 4), (3, 2)] {
        for completion in COMPLETIONS {
            let device = Device::new(log2);
            let queue = queue(&device, log2, completion);
            let longest = queue.longest_list() as u64;
            beside_hardware(&device, || {
                thread::scope(|scope| {
                    for thread in 0..threads {
                        let (device, queue) = (&device, &queue);
                        scope.spawn(move || {
                            let mut posted = Vec::new();
                            for number in 0..LISTS {
                                let length = 1 + (number * 7 + thread) % longest;
                                let commands = list(thread, number, length);
                                if number % 3 == 0 {
                                    posted.push(queue.post(device, &commands, SECOND).unwrap());
                                    continue;
                                }
                                let pending = queue.submit(device, &commands, SECOND).unwrap();
                                let receipt = queue.wait(device, &pending, SECOND).unwrap();
                                assert!(receipt.covers(pending.ticket()));
                                assert!(posted.drain(..).all(|ticket| receipt.covers(ticket)));
                            }
                            let receipt = queue.issue(device, &[], SECOND).unwrap();
                            assert!(posted.iter().all(|ticket| receipt.covers(*ticket)));
                        });
                    }
                });
            });
            check(&device, threads, LISTS, longest);
            let progress = queue.progress();
            assert_eq!(progress.accepted, progress.rung);
            assert!(device.doorbells() <= threads * (LISTS + 1));
        }
    }
}

/// Each thread's lists came whole, uninterrupted, in order, once.
fn check(device: &Device, threads: u64, lists: u64, longest: u64) {
    let mut next = vec![0; threads as usize];
    let mut taken = device.taken().into_iter().peekable();
    while let Some((opcode, name)) = taken.next() {
        if opcode != PLAIN {
            continue;
        }
        let (thread, number) = (name >> 48, name >> 8 & 0xff_ffff_ffff);
        assert_eq!(number, next[thread as usize], "lists of thread {thread}");
        assert_eq!(name & 0xff, 0);
        for index in 1..1 + (number * 7 + thread) % longest {
            assert_eq!(taken.next(), Some((PLAIN, name | index)));
        }
        if number % 3 != 0 {
            assert_eq!(taken.next().map(|(opcode, _)| opcode), Some(0x46));
        }
        next[thread as usize] += 1;
    }
    assert!(next.iter().all(|next| *next == lists), "{next:?}");
}

#[test]
fn a_refused_command_is_its_owners_alone() {
    const LISTS: u64 = 400;
    for completion in COMPLETIONS {
        let device = Device::new(3);
        let queue = queue(&device, 3, completion);
        beside_hardware(&device, || {
            thread::scope(|scope| {
                for thread in 0..3 {
                    let (device, queue) = (&device, &queue);
                    scope.spawn(move || {
                        for number in 0..LISTS {
                            let mut commands = list(thread, number, 3);
                            let bad = thread == 0 && number % 2 == 1;
                            if bad {
                                commands[1] = command(ILLEGAL, number);
                            }
                            let pending = queue.submit(device, &commands, SECOND).unwrap();
                            let result = queue.wait(device, &pending, SECOND);
                            let names: Vec<u64> = commands.iter().map(|command| command.words()[1]).collect();
                            assert!(device.has_taken(names[2]), "what stands behind it runs");
                            match result {
                                // Only where a later command was lost in one of the same entries.
                                Err(QueueError::InDoubt) => {
                                    let (end, entries) = (pending.ticket().end().0, 8);
                                    assert!(device.failed().iter().any(|failed| {
                                        let lost = failed.position.0;
                                        lost >= end && (end - 4..end).any(|at| (lost - at) % entries == 0)
                                    }));
                                }
                                Ok(receipt) => assert!(!bad && receipt.covers(pending.ticket())),
                                Err(error) => {
                                    let failure = CommandFailure::Illegal;
                                    let command = commands[1];
                                    assert!(bad, "{error}");
                                    assert_eq!(error, QueueError::Refused { failure, index: 1, command });
                                }
                            }
                        }
                    });
                }
            });
        });
        let failed = device.failed();
        let illegal = failed.iter().filter(|failed| failed.command.words()[0] == ILLEGAL).count();
        assert_eq!((failed.len() as u64, illegal as u64), (LISTS / 2, LISTS / 2));
    }
}

#[test]
fn a_ticket_that_reaches_back_to_a_refused_command_is_never_covered() {
    let device = Device::new(4);
    let queue = queue(&device, 4, Completion::Poll);
    let before = queue.post(&device, &list(0, 0, 2), SECOND).unwrap();
    let bad = [command(PLAIN, 1), command(ILLEGAL, 2)];
    let spoilt = queue.post(&device, &bad, SECOND).unwrap();
    let after = queue.post(&device, &list(0, 1, 2), SECOND).unwrap();
    let receipt = beside_hardware(&device, || queue.issue(&device, &[], SECOND)).unwrap();
    assert!(!receipt.covers(spoilt) && receipt.covers(after));
    assert!(!receipt.covers(before), "a receipt begins behind the last loss");
    let [failed] = device.failed()[..] else { panic!("{:?}", device.failed()) };
    assert!(spoilt.contains(failed.position) && !before.contains(failed.position));
    assert_eq!((failed.index, failed.command), (3, bad[1]));
    assert_eq!(queue.service(&device), Ok(None));
}

#[test]
fn an_atc_timeout_is_for_those_who_had_an_atc_invalidation() {
    let device = Device::new(4);
    let queue = queue(&device, 4, Completion::Memory);
    device.atc_times_out.store(true, Ordering::Relaxed);
    let posted = queue.post(&device, &[command(ATC_INV, 7)], SECOND).unwrap();
    // The CMD_SYNC of a list without such a command is the one that fails.
    let innocent = list(0, 0, 3);
    let pending = queue.submit(&device, &innocent, SECOND).unwrap();
    let receipt = beside_hardware(&device, || queue.wait(&device, &pending, SECOND)).unwrap();
    assert!(receipt.covers(pending.ticket()) && !receipt.covers(posted));
    let [failed] = device.failed()[..] else { panic!("{:?}", device.failed()) };
    assert_eq!((failed.failure, failed.position), (CommandFailure::AtcTimeout, QueuePosition(4)));
    let mut suspects = Vec::new();
    let all =
        queue.atc_suspects(&device, &failed, |at, command| suspects.push((at, command.words()))).unwrap();
    assert!(all);
    assert_eq!(suspects, [(QueuePosition(0), [ATC_INV, 7])]);

    device.atc_times_out.store(true, Ordering::Relaxed);
    let guilty = [command(PLAIN, 1), command(ATC_INV, 8), command(ATC_INV, 9)];
    let error = beside_hardware(&device, || queue.issue(&device, &guilty, SECOND)).unwrap_err();
    let failure = CommandFailure::AtcTimeout;
    assert_eq!(error, QueueError::Refused { failure, index: 1, command: guilty[1] });
    let failed = device.failed()[1];
    let mut names = Vec::new();
    assert!(queue.atc_suspects(&device, &failed, |_, command| names.push(command.words()[1])).unwrap());
    assert_eq!(names, [9, 8]);
    // Sent anew, it is complete; what was posted before the failure stays uncovered.
    let receipt = beside_hardware(&device, || queue.issue(&device, &guilty, SECOND)).unwrap();
    assert!(!receipt.covers(posted));
}

#[test]
fn suspects_that_may_be_overwritten_are_not_called_all() {
    let device = Device::new(2);
    let queue = queue(&device, 2, Completion::Poll);
    device.atc_times_out.store(true, Ordering::Relaxed);
    let _ = queue.post(&device, &[command(ATC_INV, 1), command(PLAIN, 2)], SECOND).unwrap();
    let pending = queue.submit(&device, &[], SECOND).unwrap();
    while device.failed().is_empty() {
        device.step();
        queue.service(&device).unwrap();
        // Others fill what is consumed.
        device.late.store(true, Ordering::Relaxed);
        let _ = queue.post(&device, &[command(PLAIN, 3)], Duration::ZERO);
        device.late.store(false, Ordering::Relaxed);
    }
    let all = queue.atc_suspects(&device, &device.failed()[0], |_, _| {}).unwrap();
    assert!(!all);
    let _ = beside_hardware(&device, || queue.wait(&device, &pending, SECOND)).unwrap();
}

#[test]
fn every_wait_ends_and_nothing_is_lost_by_it() {
    for completion in COMPLETIONS {
        let device = Device::new(2);
        let queue = queue(&device, 2, completion);
        let commands = list(0, 0, 3);
        let pending = queue.submit(&device, &commands, SECOND).unwrap();
        device.late.store(true, Ordering::Relaxed);
        let error = queue.wait(&device, &pending, SECOND).unwrap_err();
        let what = "completion of CMD_SYNC";
        assert_eq!(error, QueueError::Timeout { what, timeout: SECOND, prod: 4, cons: 0 });
        let error = queue.post(&device, &commands, SECOND).unwrap_err();
        let what = "space in the command queue";
        assert_eq!(error, QueueError::Timeout { what, timeout: SECOND, prod: 4, cons: 0 });
        device.late.store(false, Ordering::Relaxed);
        let receipt = beside_hardware(&device, || queue.wait(&device, &pending, SECOND)).unwrap();
        assert!(receipt.covers(pending.ticket()));
        assert_eq!(device.taken().len(), 4, "what timed out was not added");
    }
}

#[test]
fn impossible_consumers_are_errors() {
    for (cons, completion) in [(5, Completion::Poll), (0x10, Completion::Poll), (0x7, Completion::Event)] {
        let device = Device::new(2);
        let queue = queue(&device, 2, completion);
        let list = list(0, 0, 1);
        let pending = queue.submit(&device, &list, SECOND).unwrap();
        device.set_cons(cons);
        let error = queue.wait(&device, &pending, SECOND).unwrap_err();
        assert_eq!(error, QueueError::Pointer { register: "CMDQ_CONS", value: cons, other: 2 });
    }
}

#[test]
fn lists_that_cannot_be_are_refused_and_change_nothing() {
    let device = Device::new(3);
    let caps = caps(true);
    let takes = OpcodeSet::of(&[command(PLAIN, 0).opcode()]);
    let options = SharedOptions { takes, ..SharedOptions::new(&caps, 3) };
    let queue = SharedQueue::with(&device, &caps, INSTANCE, Cmdq, options).unwrap();
    assert_eq!(queue.longest_list(), 7);
    let error = |list: &[RawCommand]| queue.submit(&device, list, SECOND).unwrap_err();
    assert_eq!(error(&list(0, 0, 8)), QueueError::List { commands: 8, most: 7 });
    let mixed = [command(PLAIN, 0), command(ATC_INV, 0)];
    assert!(!queue.takes(&mixed) && queue.takes(&mixed[..1]));
    assert_eq!(error(&mixed), QueueError::Opcode { opcode: mixed[1].opcode() });
    assert_eq!(queue.post(&device, &[], SECOND), Err(QueueError::List { commands: 0, most: 7 }));
    assert_eq!((queue.progress().accepted, device.doorbells()), (0, 0));

    let other = Device::new(3);
    let caps = device::caps(false);
    let elsewhere = SharedQueue::new(&other, &caps, InstanceId::new(9), 3).unwrap();
    let pending = elsewhere.submit(&other, &[], SECOND).unwrap();
    let error = queue.wait(&device, &pending, SECOND).unwrap_err();
    assert!(matches!(error, QueueError::OtherQueue { instance, .. } if instance == InstanceId::new(9)));
    let options = SharedOptions { completion: Completion::Event, ..SharedOptions::new(&caps, 3) };
    assert!(matches!(
        SharedQueue::with(&Device::new(3), &caps, INSTANCE, Cmdq, options),
        Err(QueueError::Command(_))
    ));
}

#[test]
fn a_restarted_queue_begins_at_the_start_and_covers_nothing_from_before() {
    let device = Device::new(2);
    let mut queue = queue(&device, 2, Completion::Memory);
    let run = |queue: &SharedQueue| beside_hardware(&device, || queue.issue(&device, &list(0, 0, 2), SECOND));
    let _ = run(&queue).unwrap();
    let old = queue.post(&device, &list(0, 1, 1), SECOND).unwrap();
    queue.restart();
    let fresh = Device::new(2);
    // The same memory sizes: the ring is where it was.
    let pages = SharedQueue::new(&fresh, queue.caps(), INSTANCE, 2).unwrap();
    assert_eq!(pages.base_register().unwrap(), queue.base_register().unwrap());
    let receipt = beside_hardware(&fresh, || queue.issue(&fresh, &list(0, 2, 2), SECOND)).unwrap();
    assert!(!receipt.covers(old));
    assert_eq!(fresh.taken().len(), 3);
}

#[test]
fn a_refusal_is_not_forgotten_when_the_command_that_stands_in_fails_too() {
    for completion in COMPLETIONS {
        let device = Device::new(4);
        let queue = queue(&device, 4, completion);
        device.atc_times_out.store(true, Ordering::Relaxed);
        let posted = queue.post(&device, &[command(ATC_INV, 7)], SECOND).unwrap();
        // Replaced by a CMD_SYNC, which then waits for somebody else's CMD_ATC_INV.
        let refused = [command(ILLEGAL, 1), command(PLAIN, 2)];
        let error = beside_hardware(&device, || queue.issue(&device, &refused, SECOND)).unwrap_err();
        let failures: Vec<_> =
            device.failed().iter().map(|failed| (failed.failure, failed.position)).collect();
        let at = QueuePosition(1);
        assert_eq!(failures, [(CommandFailure::Illegal, at), (CommandFailure::AtcTimeout, at)]);
        let failure = CommandFailure::Illegal;
        assert_eq!(error, QueueError::Refused { failure, index: 0, command: refused[0] });
        let receipt = beside_hardware(&device, || queue.issue(&device, &[], SECOND)).unwrap();
        assert!(!receipt.covers(posted));
    }
}

#[test]
fn what_was_submitted_before_a_restart_is_in_doubt() {
    for completion in COMPLETIONS {
        let device = Device::new(2);
        let mut queue = queue(&device, 2, completion);
        let commands = list(0, 0, 1);
        let never_ran = queue.submit(&device, &commands, SECOND).unwrap();
        queue.restart();
        assert_eq!(queue.wait(&device, &never_ran, SECOND), Err(QueueError::InDoubt));
        assert!(!device.has_taken(commands[0].words()[1]));
    }
}

#[test]
fn room_that_a_slow_caller_finds_after_its_deadline_is_used() {
    let device = Device::new(2);
    let queue = queue(&device, 2, Completion::Poll);
    let _ = queue.post(&device, &list(0, 0, 4), SECOND).unwrap();
    while device.step() {}
    // The SMMU has long made room; the first look at it comes too late.
    device.late.store(true, Ordering::Relaxed);
    let _ = queue.post(&device, &list(0, 1, 4), SECOND).unwrap();
}

#[test]
fn a_cmd_sync_is_taken_by_every_queue() {
    let device = Device::new(3);
    let caps = caps(true);
    let takes = OpcodeSet::of(&[command(PLAIN, 0).opcode()]);
    let options = SharedOptions { takes, ..SharedOptions::new(&caps, 3) };
    let queue = SharedQueue::with(&device, &caps, INSTANCE, Cmdq, options).unwrap();
    let separated = [command(PLAIN, 1), command(0x46, 0), command(PLAIN, 2)];
    assert!(queue.takes(&separated));
    let _ = beside_hardware(&device, || queue.issue(&device, &separated, SECOND)).unwrap();
}
