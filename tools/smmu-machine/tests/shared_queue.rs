//! The shared command queue brings an SMMU up and works it: on the model as it is, and at its worst; many threads; commands
//! that it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use smmu_cmds::queue::{Cmdq, CommandFailure, Completion, SharedOptions, SharedQueue};
use smmu_cmds::{Command, EventQueue, QueueError, RawCommand};
use smmu_machine::{Machine, ModelMachine};
use smmu_model::{Adversity, Profile, Trace};
use smmu_regs::caps::Hints;
use smmu_regs::lifecycle::{Bases, Probed};
use smmu_regs::platform::Memory;
use smmu_regs::{InstanceId, StreamId, Vmid};
use smmu_ste::StreamTable;
use smmu_ste::table::StreamTableShape;
use std::thread;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);
const INSTANCE: InstanceId = InstanceId::new(1);

/// Brings the SMMU up with a shared queue from the start, has `work` use it, and shuts it down.
fn with_queue(machine: &ModelMachine, completion: Completion, work: impl FnOnce(&SharedQueue)) {
    let p = machine;
    let probed = Probed::probe(&p, INSTANCE, &Hints::default()).unwrap();
    let caps = *probed.caps();
    let streams = StreamTable::new(&p, &caps, StreamTableShape::Linear { log2: 4 }).unwrap();
    let options = SharedOptions { completion, ..SharedOptions::new(&caps, 4) };
    let queue = SharedQueue::with(p, &caps, INSTANCE, Cmdq, options).unwrap();
    let events = EventQueue::new(&p, &caps, 4).unwrap();
    let (stream_table, stream_table_shape) = streams.registers().unwrap();
    let bases = Bases {
        stream_table,
        stream_table_shape,
        command_queue: queue.base_register().unwrap(),
        event_queue: events.base_register().unwrap(),
        pri_queue: None,
    };
    let ready = probed.quiesce(&p, TIMEOUT).unwrap().configure(&p, &bases).unwrap();
    let ready = ready.enable_commands(&p, TIMEOUT).unwrap();
    let clean = queue.drop_everything(p, TIMEOUT).unwrap();
    let smmu = ready.enable(&p, clean, TIMEOUT).unwrap();
    work(&queue);
    let _off = smmu.disable(&p, TIMEOUT).unwrap();
    queue.free(p);
    p.free(events.into_pages());
    streams.free(&p).unwrap();
    assert_eq!(machine.allocated(), 0, "memory was lost");
    let complaints = machine.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

fn machines() -> [ModelMachine; 2] {
    let streams = [StreamId::new(1)];
    let adversity = Adversity::new([(1, None)]);
    [
        ModelMachine::new(Profile::maximum(), &streams),
        ModelMachine::adversarial(Profile::maximum(), &streams, adversity),
    ]
}

const COMPLETIONS: [Completion; 3] = [Completion::Memory, Completion::Event, Completion::Poll];

#[test]
fn threads_share_the_queue_of_an_smmu() {
    for completion in COMPLETIONS {
        for machine in machines() {
            with_queue(&machine, completion, |queue| {
                machine.trace();
                thread::scope(|scope| {
                    for thread in 0..3_u16 {
                        let machine = &machine;
                        scope.spawn(move || {
                            for number in 0..20_u16 {
                                let vmid = Vmid::new(thread << 8 | number);
                                let command = Command::TlbiS12Vmall { vmid }.encode(queue.caps()).unwrap();
                                let list = vec![command; 1 + usize::from(number) % 5];
                                let pending = queue.submit(machine, &list, TIMEOUT).unwrap();
                                let receipt = queue.wait(machine, &pending, TIMEOUT).unwrap();
                                assert!(receipt.covers(pending.ticket()));
                            }
                        });
                    }
                });
                let taken = machine.trace();
                let count = |wanted: u64| {
                    let of = |entry: &&Trace| matches!(entry, Trace::Command { words, error: None, .. } if words[0] & 0xff == wanted);
                    taken.iter().filter(of).count()
                };
                assert_eq!((count(0x28), count(0x46)), (3 * 60, 60));
            });
        }
    }
}

#[test]
fn a_refused_command_is_repaired_by_whoever_waits() {
    for completion in COMPLETIONS {
        for machine in machines() {
            with_queue(&machine, completion, |queue| {
                let good = Command::TlbiNsnhAll.encode(queue.caps()).unwrap();
                let bad = RawCommand::from_words([0xff, 7]);
                for _ in 0..10 {
                    let posted = queue.post(&machine, &[good, bad], TIMEOUT).unwrap();
                    let list = [good, good];
                    let pending = queue.submit(&machine, &list, TIMEOUT).unwrap();
                    let receipt = queue.wait(&machine, &pending, TIMEOUT).unwrap();
                    assert!(receipt.covers(pending.ticket()) && !receipt.covers(posted));
                    let error = queue.issue(&machine, &[bad, good], TIMEOUT).unwrap_err();
                    let failure = CommandFailure::Illegal;
                    assert_eq!(error, QueueError::Refused { failure, index: 0, command: bad });
                }
            });
        }
    }
}
