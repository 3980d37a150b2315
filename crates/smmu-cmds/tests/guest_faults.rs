//! Guests' answers to faults: only what was forwarded and waits is answered; and a guest that changes its words while they are
//! read.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use smmu_cmds::command::Opcode;
use smmu_cmds::event::EventId;
use smmu_cmds::guest::{Answer, ForwardedFaults, GuestBatch, GuestCommandError, GuestStep};
use smmu_cmds::{RawCommand, RawEvent, VirtualSmmu};
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::registers::Idr0;
use smmu_regs::{Caps, StreamId, SubstreamId, VirtualStreamId, Vmid};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const STREAM: StreamId = StreamId::new(0x1234);

fn caps() -> Caps {
    Caps::probe(&IdRegisters::EXAMPLE, &Hints::default()).unwrap()
}

/// Device 8 is stream 0x1234, device 9 is stream 0x1235.
fn streams(device: VirtualStreamId) -> Option<StreamId> {
    matches!(device.get(), 8 | 9).then(|| StreamId::new(0x122c + device.get()))
}

/// What waits.
#[derive(Default)]
struct Waiting {
    stalls: RefCell<BTreeSet<(StreamId, u16)>>,
    requests: RefCell<BTreeSet<(StreamId, Option<SubstreamId>, u16)>>,
}

impl ForwardedFaults for Waiting {
    fn is_stalled(&self, stream: StreamId, stag: u16) -> bool {
        self.stalls.borrow().contains(&(stream, stag))
    }

    fn next_stall(&self, stream: StreamId, after: Option<u16>) -> Option<u16> {
        let stalls = self.stalls.borrow();
        let mut tags =
            stalls.iter().filter(|(of, tag)| *of == stream && after.is_none_or(|after| *tag > after));
        tags.next().map(|(_, tag)| *tag)
    }

    fn is_requested(&self, stream: StreamId, substream: Option<SubstreamId>, group: u16) -> bool {
        self.requests.borrow().contains(&(stream, substream, group))
    }

    fn answered(&self, answer: Answer) {
        let known = match answer {
            Answer::Stall { stream, stag } => self.stalls.borrow_mut().remove(&(stream, stag)),
            Answer::PageRequest { stream, substream, group } => {
                self.requests.borrow_mut().remove(&(stream, substream, group))
            }
        };
        assert!(known, "{answer:?} was not waited for");
    }
}

fn stalls<const N: usize>(of: [(u32, u16); N]) -> Waiting {
    let stalls = of.map(|(stream, tag)| (StreamId::new(stream), tag));
    Waiting { stalls: RefCell::new(stalls.into_iter().collect()), ..Waiting::default() }
}

/// What is pushed of a batch, as it is issued: each push is an answer at once.
fn issued(faults: &Waiting, commands: &[[u64; 2]]) -> (Vec<[u64; 2]>, Option<GuestCommandError>) {
    let caps = caps();
    let smmu = VirtualSmmu::new(&caps, Vmid::new(7), streams).unwrap().with_faults(faults);
    let mut batch = GuestBatch::new(&smmu, commands.iter().copied().map(RawCommand::from_words));
    let mut pushed = Vec::new();
    for step in batch.by_ref() {
        if let GuestStep::Push(command) = step {
            if let Some(answer) = Answer::of(&command) {
                faults.answered(answer);
            }
            pushed.push(command.words());
        }
    }
    assert_eq!(batch.begun(), batch.refusal().map_or(commands.len(), |refusal| refusal.index));
    (pushed, batch.refusal().map(|refusal| refusal.error))
}

#[test]
fn a_stall_is_answered_once_and_only_by_its_guest() {
    let faults = stalls([(0x1234, 5), (0x1234, 6), (0x9999, 7)]);
    let (retry, abort) = (1 << 12, 1 << 13);
    let commands = [
        [8 << 32 | retry | 0x44, 5],
        // Again; of a tag that is not out; of a tag of another guest's stream; of another device of this guest's.
        [8 << 32 | retry | 0x44, 5],
        [8 << 32 | retry | 0x44, 99],
        [8 << 32 | abort | 0x44, 7],
        [9 << 32 | abort | 0x44, 6],
        [8 << 32 | abort | 0x44, 6],
    ];
    let (pushed, refusal) = issued(&faults, &commands);
    assert_eq!(pushed, [[0x1234_0000_1044, 5], [0x1234_0000_2044, 6]]);
    assert_eq!(refusal, None);
    assert_eq!(*faults.stalls.borrow(), BTreeSet::from([(StreamId::new(0x9999), 7)]));
}

#[test]
fn terminating_a_stream_reaches_what_the_guest_knows_of() {
    let faults = stalls([(0x1234, 0), (0x1234, 0xffff), (0x1235, 3), (0x9999, 7)]);
    let (pushed, refusal) = issued(&faults, &[[8 << 32 | 0x45, 0], [8 << 32 | 0x45, 0]]);
    // CMD_STALL_TERM itself would reach the host's own stalls of the stream.
    assert_eq!(pushed, [[0x1234_0000_2044, 0], [0x1234_0000_2044, 0xffff]]);
    assert_eq!(refusal, None);
    assert_eq!(faults.stalls.borrow().len(), 2);
}

#[test]
fn many_stalls_of_one_command_are_synced_in_time() {
    let faults = Waiting::default();
    faults.stalls.borrow_mut().extend((0..200).map(|tag| (STREAM, tag)));
    let caps = caps();
    let smmu = VirtualSmmu::new(&caps, Vmid::new(7), streams).unwrap().with_faults(&faults);
    let command = RawCommand::from_words([8 << 32 | 0x45, 0]);
    let mut batch = GuestBatch::new(&smmu, [command]);
    let (mut pushed, mut unsynced) = (0, 0);
    while let Some(step) = batch.next() {
        match step {
            GuestStep::Push(_) => (pushed, unsynced) = (pushed + 1, unsynced + 1),
            GuestStep::Sync => {
                assert!(unsynced <= 63);
                unsynced = 0;
                // Half of it is not the command.
                assert_eq!(batch.begun(), usize::from(pushed == 200));
            }
        }
    }
    assert_eq!((pushed, unsynced), (200, 0));
}

/// A list of stalls that goes round is left, not followed.
#[test]
fn a_list_of_stalls_that_never_ends_ends() {
    struct Round;
    impl ForwardedFaults for Round {
        fn is_stalled(&self, _: StreamId, _: u16) -> bool {
            true
        }
        fn next_stall(&self, _: StreamId, _: Option<u16>) -> Option<u16> {
            Some(3)
        }
        fn is_requested(&self, _: StreamId, _: Option<SubstreamId>, _: u16) -> bool {
            true
        }
        fn answered(&self, _: Answer) {}
    }
    let caps = caps();
    let smmu = VirtualSmmu::new(&caps, Vmid::new(7), streams).unwrap().with_faults(Round);
    let batch = GuestBatch::new(&smmu, [RawCommand::from_words([8 << 32 | 0x45, 0])]);
    assert_eq!(batch.count(), 2);
}

#[test]
fn a_page_request_is_answered_once() {
    let faults = Waiting::default();
    let substream = Some(SubstreamId::new(0xabcde).unwrap());
    faults.requests.borrow_mut().extend([(STREAM, None, 3), (STREAM, substream, 0x1ff)]);
    let with_ssid = 0xabcde << 12 | 1 << 11;
    let commands = [
        // Of another substream than the request's; then the right ones; then again.
        [8 << 32 | with_ssid | 0x41, 2 << 12 | 3],
        [8 << 32 | with_ssid | 0x41, 1 << 12 | 0x1ff],
        [8 << 32 | 0x41, 2 << 12 | 3],
        [8 << 32 | 0x41, 2 << 12 | 3],
    ];
    let (pushed, refusal) = issued(&faults, &commands);
    assert_eq!(pushed, [[0x1234_abcd_e841, 0x11ff], [0x1234_0000_0041, 0x2003]]);
    assert_eq!(refusal, None);
    let (pushed, refusal) = issued(&faults, &[[8 << 32 | 0x41, 3 << 12 | 3]]);
    let error = GuestCommandError::ReservedValue { command: Opcode::PriResp, field: "RESP", value: 3 };
    assert_eq!((pushed, refusal), (vec![], Some(error)));
}

/// The bits of the three commands, typed from the figures of 4.5.2, 4.7.1 and 4.7.2.
#[test]
fn each_bit_of_an_answer_is_a_field_or_a_refusal() {
    let bits = [
        (0x41_u64, [0xffff_ffff_ffff_f8ff_u64, 0x31ff]),
        (0x44, [0xffff_ffff_0000_30ff, 0xffff]),
        (0x45, [0xffff_ffff_0000_00ff, 0]),
    ];
    for (opcode, may) in bits {
        for (word, bit) in (0..2_usize).flat_map(|word| (0..64).map(move |bit| (word, bit))) {
            if word == 0 && bit < 8 {
                continue;
            }
            let mut words = [opcode, 0];
            words[word] |= 1 << bit;
            let (_, refusal) = issued(&Waiting::default(), &[words]);
            let named = matches!(refusal, Some(GuestCommandError::Bits { .. }));
            assert_eq!(named, may[word] >> bit & 1 == 0, "{opcode:#x} {word} {bit}: {refusal:?}");
        }
    }
}

#[test]
fn without_the_feature_or_without_forwarding_they_are_illegal() {
    let base = IdRegisters::EXAMPLE;
    let ids = IdRegisters {
        idr0: base.idr0.try_with(Idr0::STALL_MODEL, 1_u8).unwrap().with(Idr0::PRI, false),
        ..base
    };
    let poor = Caps::probe(&ids, &Hints::default()).unwrap();
    let rich = caps();
    for opcode in [0x41, 0x44, 0x45] {
        let command = RawCommand::from_words([8 << 32 | opcode, 0]);
        let smmu = VirtualSmmu::new(&poor, Vmid::new(7), streams).unwrap().with_faults(Waiting::default());
        let mut batch = GuestBatch::new(&smmu, [command]);
        assert_eq!(batch.next(), None);
        let error = batch.refusal().unwrap().error;
        assert!(matches!(error, GuestCommandError::Unsupported { .. } | GuestCommandError::NoStall { .. }));
        let smmu = VirtualSmmu::new(&rich, Vmid::new(7), streams).unwrap();
        let error = GuestCommandError::Opcode { command: command.opcode() };
        assert_eq!(smmu.translate(command), Err(error));
    }
}

#[test]
fn a_stalled_event_is_forwarded_only_where_it_is_asked_for() {
    let device = VirtualStreamId::new(8);
    for (id, stalls) in
        [(0x10_u64, true), (0x11, true), (0x12, true), (0x13, true), (0x04, false), (0x0b, false)]
    {
        let (stall, stage2) = (1_u64 << 31, 1_u64 << 39);
        let record = |second| RawEvent::from_words([0x1234_u64 << 32 | id, second, 0x7777_0000, 0]);
        assert_eq!(record(5 | stall).id(), EventId::from(id as u8));
        let expected = stalls.then(|| RawEvent::from_words([8_u64 << 32 | id, 5 | stall, 0x7777_0000, 0]));
        assert_eq!(record(5 | stall).relocate_stall(device), expected, "{id:#x}");
        assert_eq!(record(5 | stall | stage2).relocate_stall(device), None, "stage 2 is the host's");
        assert_eq!(record(5).relocate_stall(device), None, "nothing waits");
    }
}

/// A thread rewrites the guest's command between a lawful one and one that would reach everybody. Whatever is read, what goes
/// out is lawful and the guest's.
#[test]
fn a_command_that_changes_while_it_is_read() {
    let lawful = [5_u64 << 48 | 0x11, 0];
    let hostile = [0xffff_ffff_u64 << 32 | 1 << 10 | 0x04, 31];
    let words = [AtomicU64::new(lawful[0]), AtomicU64::new(lawful[1])];
    let done = AtomicBool::new(false);
    let caps = caps();
    let smmu = VirtualSmmu::new(&caps, Vmid::new(7), streams).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for next in [hostile, lawful] {
                    for (word, value) in words.iter().zip(next) {
                        word.store(value, Ordering::Relaxed);
                    }
                }
            }
        });
        let read =
            |_| RawCommand::from_words([0, 1].map(|index: usize| words[index].load(Ordering::Relaxed)));
        for _ in 0..2_000 {
            for step in GuestBatch::new(&smmu, (0..100).map(read)) {
                if let GuestStep::Push(command) = step {
                    assert_eq!(command.words(), [5_u64 << 48 | 7 << 32 | 0x11, 0]);
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}
