//! The shared queue under `loom`: the interleavings of two or three producers and the device, with the memory ordering that
//! the language promises and no more, up to a number of preemptions and a time (`LOOM_SECONDS` for each model, 8 if not said).
//!
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p smmu-cmds --features kernel --release --test loom`
//!
//! That they can fail was tried, one change at a time. Noticed: a list published, a note left or read, `consumed` raised or
//! read with relaxed ordering; the bell let go with a plain store; no barrier before PROD; none after CONS; one entry too many
//! reserved; a loss that is not noted; `rung` raised after PROD instead of before; an enhanced queue's error that is not
//! acknowledged by a doorbell.
#![cfg(all(loom, feature = "kernel"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

/// What the device is made of here.
mod atomics {
    use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering, fence};

    /// One for each entry: `loom` fails where two accesses are not ordered.
    pub(crate) struct Cells(Vec<UnsafeCell<u64>>);

    // SAFETY: `loom` runs one thread at a time and checks each access against all others.
    unsafe impl Sync for Cells {}

    impl Cells {
        pub(crate) fn new(entries: usize) -> Self {
            Self((0..entries).map(|_| UnsafeCell::new(0)).collect())
        }
        pub(crate) fn read(&self, entry: usize) {
            self.0[entry].with(|_| ());
        }
        pub(crate) fn write(&self, entry: usize) {
            if let Some(cell) = self.0.get(entry) {
                cell.with_mut(|_| ());
            }
        }
    }

    pub(crate) fn pause() {
        loom::thread::yield_now();
    }
}
#[path = "support/device.rs"]
#[allow(dead_code, unreachable_pub, missing_docs)]
mod device;

use device::{Device, ILLEGAL, PLAIN, caps, command};
use loom::sync::Arc;
use loom::thread;
use smmu_cmds::queue::{Cmdq, Completion, Ecmdq, QueueRegisters, SharedOptions, SharedQueue};
use smmu_cmds::{QueueError, RawCommand};
use smmu_regs::InstanceId;
use smmu_regs::registers::{Bank, EcmdqRegisters, Idr6};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// What a producer does: lists of so many commands, and whether it waits for each.
type Work = &'static [(u64, bool)];

/// Every interleaving with no more than so many preemptions, as far as the time goes: 8 seconds, or `LOOM_SECONDS`.
fn model(preemptions: Option<usize>) -> loom::model::Builder {
    let seconds = std::env::var("LOOM_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(8);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.max_branches = 20_000;
    // What does not fit in this time is not explored: it does not fail.
    model.max_duration = Some(Duration::from_secs(seconds));
    model
}

/// Runs the producers beside a device, in every way that takes no more than `preemptions`.
fn explore(
    preemptions: usize,
    log2: u8,
    completion: Completion,
    producers: &'static [Work],
    bad: Option<u64>,
) {
    model(Some(preemptions)).check(move || {
        let mut device = Device::new(log2);
        device.driven_by_waiters = true;
        let caps = caps(true);
        let options = SharedOptions { completion, ..SharedOptions::new(&caps, log2) };
        let queue = SharedQueue::with(&device, &caps, InstanceId::new(0), Cmdq, options).unwrap();
        together(device, queue, producers, bad);
    });
}

/// Runs the producers, each on a thread, and looks at what the device took.
fn together<I: QueueRegisters + Send + Sync + 'static>(
    device: Device,
    queue: SharedQueue<I>,
    producers: &'static [Work],
    bad: Option<u64>,
) {
    let (device, queue) = (Arc::new(device), Arc::new(queue));
    let entries: u64 = producers.iter().flat_map(|work| *work).map(|(n, sync)| n + u64::from(*sync)).sum();
    let mut threads = Vec::new();
    for (number, work) in producers.iter().enumerate().skip(1) {
        let (device, queue) = (Arc::clone(&device), Arc::clone(&queue));
        threads.push(thread::spawn(move || produce(&device, &queue, number as u64, work, bad)));
    }
    produce(&device, &queue, 0, producers[0], bad);
    for thread in threads {
        thread.join().unwrap();
    }
    while device.step() || queue.service(&*device).unwrap().is_some() {}
    check(&device, producers, bad);
    let progress = queue.progress();
    assert_eq!((progress.accepted, progress.rung), (entries, entries));
}

fn list(producer: u64, number: u64, length: u64, bad: Option<u64>) -> Vec<RawCommand> {
    let name = |index| producer << 16 | number << 8 | index;
    let opcode = |index| if bad == Some(name(index)) { ILLEGAL } else { PLAIN };
    (0..length).map(|index| command(opcode(index), name(index))).collect()
}

fn produce<I: QueueRegisters>(
    device: &Device,
    queue: &SharedQueue<I>,
    producer: u64,
    work: Work,
    bad: Option<u64>,
) {
    for (number, (length, sync)) in work.iter().enumerate() {
        let list = list(producer, number as u64, *length, bad);
        if !sync {
            let _ = queue.post(device, &list, SECOND).unwrap();
            continue;
        }
        let pending = queue.submit(device, &list, SECOND).unwrap();
        let result = queue.wait(device, &pending, SECOND);
        let refused = list.iter().position(|command| command.words()[0] == ILLEGAL);
        for command in &list {
            let [opcode, name] = command.words();
            assert!(opcode == ILLEGAL || device.has_taken(name), "{name:#x} was not done when its wait was");
        }
        match (result, refused) {
            (Ok(receipt), None) => assert!(receipt.covers(pending.ticket())),
            (Err(QueueError::Refused { index, .. }), Some(refused)) => assert_eq!(index, refused),
            (other, _) => panic!("{other:?}"),
        }
    }
}

/// Every list came once, whole, in its producer's order, with nothing in between.
fn check(device: &Device, producers: &[Work], bad: Option<u64>) {
    let mut next = vec![0; producers.len()];
    let taken = device.taken();
    let mut taken = taken.iter();
    while let Some((opcode, name)) = taken.next() {
        // The list begins with its refused command, or this is an empty list's CMD_SYNC.
        let (producer, number) = match (*opcode, bad) {
            (PLAIN, _) => ((name >> 16) as usize, (name >> 8 & 0xff) as usize),
            (_, Some(bad)) if bad & 0xff == 0 => ((bad >> 16) as usize, (bad >> 8 & 0xff) as usize),
            other => panic!("{other:?}"),
        };
        assert_eq!(number, next[producer]);
        next[producer] += 1;
        let (length, sync) = producers[producer][number];
        for index in 1..length {
            let name = (producer as u64) << 16 | (number as u64) << 8 | index;
            match taken.next() {
                Some((PLAIN, found)) => assert_eq!(*found, name),
                Some((0x46, _)) => assert_eq!(bad, Some(name)),
                other => panic!("{other:?}"),
            }
        }
        if sync {
            assert_eq!(taken.next().map(|(opcode, _)| *opcode), Some(0x46));
        }
    }
    assert!(next.iter().zip(producers).all(|(next, work)| *next == work.len()), "{next:?}");
}

#[test]
fn two_producers() {
    explore(2, 3, Completion::Poll, &[&[(2, true)], &[(1, false)]], None);
}

#[test]
fn two_producers_that_both_wait() {
    explore(2, 3, Completion::Poll, &[&[(1, true)], &[(1, true)]], None);
}

#[test]
fn two_producers_completion_in_memory() {
    explore(2, 3, Completion::Memory, &[&[(1, true)], &[(1, true)]], None);
}

#[test]
fn two_producers_a_full_queue_and_a_lap() {
    explore(2, 2, Completion::Poll, &[&[(2, false), (1, true)], &[(3, false)]], None);
}

#[test]
fn three_producers() {
    explore(2, 3, Completion::Poll, &[&[(1, true)], &[(1, false)], &[(1, false)]], None);
}

#[test]
fn three_producers_a_full_queue() {
    explore(1, 2, Completion::Poll, &[&[(2, true)], &[(1, true)], &[(2, false)]], None);
}

/// Two lists in a ring for two, again and again: the words to which the SMMU writes are used anew each lap.
#[test]
fn two_producers_completion_in_memory_for_several_laps() {
    explore(2, 2, Completion::Memory, &[&[(1, true), (1, true)], &[(1, true), (1, true)]], None);
}

/// Whoever sees a command consumed sees how far the queue had been rung for, also if he did not ring. Small, so that it is
/// explored to the end.
#[test]
fn what_is_consumed_had_been_rung_for() {
    model(Some(3)).check(|| {
        let mut device = Device::new(2);
        device.driven_by_waiters = true;
        let device = Arc::new(device);
        let queue = SharedQueue::new(&*device, &caps(true), InstanceId::new(0), 2).unwrap();
        let queue = Arc::new(queue);
        let other = {
            let (device, queue) = (Arc::clone(&device), Arc::clone(&queue));
            thread::spawn(move || {
                let _ = queue.post(&*device, &list(1, 0, 4, None), SECOND).unwrap();
            })
        };
        device.step();
        // Looks at the registers once if the queue is full.
        match queue.post(&*device, &list(0, 0, 1, None), Duration::ZERO) {
            Ok(_) | Err(QueueError::Timeout { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        other.join().unwrap();
    });
}

/// Entries that one producer saw consumed are used again by another, which looked at no register itself.
#[test]
fn room_that_another_producer_has_seen() {
    model(Some(2)).check(|| {
        let mut device = Device::new(2);
        device.driven_by_waiters = true;
        let device = Arc::new(device);
        let queue = SharedQueue::new(&*device, &caps(true), InstanceId::new(0), 2).unwrap();
        let queue = Arc::new(queue);
        // Not one of `loom`'s: it orders nothing.
        let seen = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let later = {
            let (device, queue, seen) = (Arc::clone(&device), Arc::clone(&queue), seen.clone());
            thread::spawn(move || {
                while !seen.load(std::sync::atomic::Ordering::Relaxed) {
                    thread::yield_now();
                }
                let _ = queue.post(&*device, &list(1, 0, 3, None), SECOND).unwrap();
            })
        };
        let _ = queue.issue(&*device, &list(0, 0, 3, None), SECOND).unwrap();
        seen.store(true, std::sync::atomic::Ordering::Relaxed);
        later.join().unwrap();
        while device.step() {}
        check(&device, &[&[(3, true)], &[(3, false)]], None);
    });
}

#[test]
fn a_refused_command() {
    explore(2, 3, Completion::Poll, &[&[(2, true)], &[(1, true)]], Some(1));
}

#[test]
fn a_refused_command_completion_in_memory() {
    explore(2, 3, Completion::Memory, &[&[(2, true)], &[(1, true)]], Some(0));
}

/// The error is acknowledged by a doorbell, whoever has the bell.
#[test]
fn a_refused_command_in_an_enhanced_queue() {
    model(Some(2)).check(|| {
        let registers = EcmdqRegisters::new(Bank::NonSecure, Idr6::new(), 0, 0).unwrap();
        let mut device = Device::new(3);
        device.driven_by_waiters = true;
        device.enhanced = Some(registers);
        let (caps, interface) = (caps(true), Ecmdq::new(registers));
        let options = SharedOptions { completion: Completion::Poll, ..SharedOptions::new(&caps, 3) };
        let queue = SharedQueue::with(&device, &caps, InstanceId::new(0), interface, options).unwrap();
        interface.enable(&device, queue.base_register().unwrap(), SECOND).unwrap();
        together(device, queue, &[&[(1, true)], &[(1, true)]], Some(0));
    });
}
