//! What tables and queues refuse: mistakes that would leave stale entries or an escape behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_cmds::{Command, CommandQueue};
use smmu_machine::Machine;
use smmu_model::{Hang, Profile};
use smmu_regs::caps::{FirmwareModel, Hints};
use smmu_regs::platform::Memory;
use smmu_regs::receipt::QueuePosition;
use smmu_regs::{InstanceId, SubstreamId};
use smmu_ste::ste::{Ats, GuestSte};
use smmu_ste::table::StreamTableShape;
use smmu_ste::{Cd, CdTable, SteConfig, StreamTable, TableError};
use std::time::Duration;
use support::{Bench, INSTANCE, Setup, Space2, TIMEOUT, on_model, streams};

#[test]
fn shapes_that_the_smmu_does_not_take() {
    on_model(Profile::qemu(), |machine| {
        let bench = Bench::new(machine as &dyn Machine, Setup::default());
        let new = |shape| StreamTable::new(&machine, &bench.caps, shape).map(|_| ()).unwrap_err();
        assert_eq!(new(StreamTableShape::TwoLevel { log2: 16, split: 7 }), TableError::Split { split: 7 });
        let too_large = TableError::Size { log2: 17, max: 16 };
        assert_eq!(new(StreamTableShape::TwoLevel { log2: 17, split: 8 }), too_large);
        assert_eq!(new(StreamTableShape::Linear { log2: 58 }), TableError::Size { log2: 58, max: 16 });
        assert_eq!(StreamTableShape::Linear { log2: 255 }.top_bytes(), u64::MAX);
    });
}

#[test]
fn another_smmus_queue() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine as &dyn Machine, Setup::default());
        let stream = streams()[0];
        bench.attach(stream, &SteConfig::Bypass);
        let other = InstanceId::new(9);
        let mut foreign = CommandQueue::new(&machine, &bench.caps, other, 4).unwrap();
        let ste = SteConfig::Abort.encode(&bench.caps).unwrap();
        let error = bench.streams.set(&machine, &mut foreign, stream, &ste, TIMEOUT, |_| {}).unwrap_err();
        assert_eq!(error, TableError::Instance { table: INSTANCE, queue: other });
        let untouched = bench.streams.get(&machine, stream).unwrap().unwrap();
        assert_eq!(untouched, SteConfig::Bypass.encode(&bench.caps).unwrap());
        machine.free(foreign.into_pages());
    });
}

#[test]
fn a_cd_table_that_no_stream_uses() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine as &dyn Machine, Setup::default());
        let mut cds = CdTable::new(&machine, &bench.caps, 0).unwrap();
        let set = cds.set(&machine, &mut bench.queue, &[], SubstreamId::ZERO, &Cd::INVALID, TIMEOUT, |_| {});
        assert_eq!(set.unwrap_err(), TableError::NoStream);
        machine.free(cds.into_pages());
    });
}

#[test]
fn ats_from_full_to_split_stage_at_once() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine as &dyn Machine, Setup::default());
        let stream = streams()[0];
        let host = Space2::new(&machine, &bench.caps, 5);
        let guest = GuestSte::new([0xb, 0]).unwrap();
        let GuestSte::Translate(guest) = guest else { panic!("{guest:?}") };
        let nested = |ats| {
            let mut stage2 = host.stage2();
            stage2.ats = ats;
            SteConfig::Nested { guest, stage2, may_stall: false }
        };
        bench.attach(stream, &nested(Ats::Full));
        let ste = nested(Ats::SplitStage).encode(&bench.caps).unwrap();
        let error = bench.streams.set(&machine, &mut bench.queue, stream, &ste, TIMEOUT, |_| {});
        assert_eq!(error.unwrap_err(), TableError::AtsTransition { from: 1, to: 2 });
        bench.attach(stream, &nested(Ats::Disabled));
        bench.attach(stream, &nested(Ats::SplitStage));
        bench.attach(stream, &SteConfig::Abort);
        host.destroy(&machine, &mut bench.queue);
    });
}

#[test]
fn a_guest_does_not_stall_unless_it_may() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine as &dyn Machine, Setup::default());
        let host = Space2::new(&machine, &bench.caps, 5);
        let GuestSte::Translate(guest) = GuestSte::new([0xb, 0]).unwrap() else { panic!() };
        let word = |may_stall| {
            let config = SteConfig::Nested { guest, stage2: host.stage2(), may_stall };
            config.encode(&bench.caps).unwrap().words()[1] >> 27 & 1
        };
        assert_eq!((word(false), word(true)), (1, 0));
        host.destroy(&machine, &mut bench.queue);
    });
}

/// Where every CFGI and TLBI must be sent twice, one that was not is never taken for done.
#[test]
fn a_repetition_that_was_lost_is_not_covered() {
    on_model(Profile::maximum(), |machine| {
        let hints = Hints { model: FirmwareModel::Tegra264, ..Hints::default() };
        let mut bench =
            Bench::new(machine as &dyn Machine, Setup { hints, command_queue_log2: 7, ..Setup::default() });
        let first = bench.queue.accepted();
        bench.queue.push(&machine, &Command::CfgiAll, TIMEOUT).unwrap();
        let receipt = bench.queue.sync(&machine, TIMEOUT).unwrap();
        // Sent, synced, sent again, synced again.
        assert_eq!(bench.queue.accepted(), QueuePosition(first.0 + 4));
        assert!(receipt.covers(bench.queue.ticket_since(first)));

        let first = bench.queue.accepted();
        bench.queue.push(&machine, &Command::CfgiAll, TIMEOUT).unwrap();
        machine.set_hang(Hang::CommandQueue);
        assert!(bench.queue.sync(&machine, Duration::from_millis(20)).is_err());
        machine.set_hang(Hang::None);
        let receipt = bench.queue.sync(&machine, TIMEOUT).unwrap();
        assert!(!receipt.covers(bench.queue.ticket_since(first)));
    });
}
