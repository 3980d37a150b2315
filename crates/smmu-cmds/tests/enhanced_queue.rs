//! Enhanced command queues (IHI 0070 3.5.6) behind the exclusive and the shared producer: the handshake, PROD with its enable
//! and its acknowledgement in every write, errors that are the queue's own.
#![cfg(all(feature = "kernel", not(loom)))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

/// What the device is made of on threads.
mod atomics {
    pub(crate) use std::sync::atomic::{AtomicU32, Ordering, fence};

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

use device::{Device, ILLEGAL, PLAIN, caps, command};
use smmu_cmds::QueueError;
use smmu_cmds::queue::{
    CommandFailure, CommandQueue, Completion, Ecmdq, QueueRegisters, SharedOptions, SharedQueue,
};
use smmu_regs::InstanceId;
use smmu_regs::receipt::QueueId;
use smmu_regs::registers::{Bank, EcmdqRegisters, Idr6};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const INSTANCE: InstanceId = InstanceId::new(1);

/// Queue 3 of page 2: pages of 128 queues, which are 512 bytes apart.
fn registers() -> EcmdqRegisters {
    // LOG2NUMQ 7 in bits 19:16, LOG2NUMP 2 in bits 27:24 (6.3.9).
    let idr6 = Idr6::new().try_with(Idr6::CMDQ_CONTROL_PAGE_LOG2NUMQ, 7_u8).unwrap();
    let idr6 = idr6.try_with(Idr6::CMDQ_CONTROL_PAGE_LOG2NUMP, 2_u8).unwrap();
    EcmdqRegisters::new(Bank::NonSecure, idr6, 2, 3).unwrap()
}

fn device(log2: u8) -> (Device, Ecmdq) {
    let mut device = Device::new(log2);
    device.enhanced = Some(registers());
    device.driven_by_waiters = true;
    (device, Ecmdq::new(registers()))
}

#[test]
fn one_producer_from_enable_to_disable() {
    let (device, interface) = device(3);
    let mut queue = CommandQueue::with(&device, &caps(false), INSTANCE, interface, 3).unwrap();
    let base = queue.base_register().unwrap();
    interface.enable(&device, base, SECOND).unwrap();
    assert_eq!(device.base(), base.into_bits());
    let again = interface.enable(&device, base, SECOND);
    assert_eq!(again, Err(QueueError::AlreadyEnabled { prod: 1 << 31, cons: 1 << 31 }));
    for round in 0..20 {
        let first = queue.accepted();
        queue.push_raw(&device, &command(PLAIN, round), SECOND).unwrap();
        let receipt = queue.sync(&device, SECOND).unwrap();
        let ticket = queue.ticket_since(first);
        assert!(receipt.covers(ticket));
        assert!(!receipt.covers(ticket.of_queue(QueueId::MAIN)), "another queue's command");
        // Errors come and are acknowledged in either direction of the toggle.
        queue.push_raw(&device, &command(ILLEGAL, round), SECOND).unwrap();
        let error = queue.sync(&device, SECOND).unwrap_err();
        assert!(matches!(error, QueueError::Stopped { failure: CommandFailure::Illegal, .. }), "{error}");
        let (failure, refused) = queue.recover(&device).unwrap().unwrap();
        assert_eq!((failure, refused.words()), (CommandFailure::Illegal, [ILLEGAL, round]));
        assert_eq!(queue.recover(&device), Ok(None));
        let _ = queue.sync(&device, SECOND).unwrap();
    }
    interface.disable(&device, SECOND).unwrap();
    queue.restart();
    interface.enable(&device, base, SECOND).unwrap();
    let _ = queue.sync(&device, SECOND).unwrap();
}

#[test]
fn many_producers_and_errors_that_are_acknowledged_between_doorbells() {
    const LISTS: u64 = 300;
    let (device, interface) = device(3);
    let caps = caps(false);
    let options = SharedOptions { completion: Completion::Poll, ..SharedOptions::new(&caps, 3) };
    let queue = SharedQueue::with(&device, &caps, INSTANCE, interface, options).unwrap();
    interface.enable(&device, queue.base_register().unwrap(), SECOND).unwrap();
    thread::scope(|scope| {
        for thread in 0..3_u64 {
            let (device, queue) = (&device, &queue);
            scope.spawn(move || {
                for number in 0..LISTS {
                    let bad = thread == 1 && number % 3 == 0;
                    let name = thread << 32 | number << 8;
                    let list = [command(PLAIN, name), command(if bad { ILLEGAL } else { PLAIN }, name + 1)];
                    match queue.issue(device, &list, SECOND) {
                        Ok(_receipt) => assert!(!bad),
                        Err(QueueError::Refused { index, .. }) => assert!(bad && index == 1),
                        Err(error) => assert_eq!(error, QueueError::InDoubt),
                    }
                    assert!(device.has_taken(name) && (bad || device.has_taken(name + 1)));
                }
            });
        }
    });
    assert_eq!(device.failed().len() as u64, LISTS / 3);
    assert!(device.failed().iter().all(|failed| failed.queue == interface.id()));
    let plain = device.taken().iter().filter(|(opcode, _)| *opcode == PLAIN).count() as u64;
    assert_eq!(plain, 6 * LISTS - LISTS / 3);
}

#[test]
fn a_handshake_that_is_not_answered_ends() {
    let (device, interface) = device(3);
    let queue = CommandQueue::with(&device, &caps(false), INSTANCE, interface, 3).unwrap();
    device.deaf.store(true, Ordering::Relaxed);
    device.late.store(true, Ordering::Relaxed);
    let error = interface.enable(&device, queue.base_register().unwrap(), SECOND).unwrap_err();
    let QueueError::Handshake(error) = error else { panic!("{error}") };
    assert_eq!((error.register, error.wanted, error.found), ("ECMDQ_CONS", 1 << 31, 0));
}

#[test]
fn queues_have_numbers_of_their_own() {
    let idr6 = Idr6::new().try_with(Idr6::CMDQ_CONTROL_PAGE_LOG2NUMQ, 8_u8).unwrap();
    let idr6 = idr6.try_with(Idr6::CMDQ_CONTROL_PAGE_LOG2NUMP, 8_u8).unwrap();
    let mut numbers = std::collections::BTreeSet::from([QueueId::MAIN]);
    for page in 0..256 {
        for queue in 0..256 {
            let registers = EcmdqRegisters::new(Bank::NonSecure, idr6, page, queue).unwrap();
            assert!(numbers.insert(Ecmdq::new(registers).id()));
        }
    }
}
