//! Hardware that fails: fetches that abort, interrupts that never come, an SMMU that gives up. The records say which
//! address it was, and no wait lasts longer than its deadline.
//!
//! Only the model can be broken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_cmds::QueueError;
use smmu_cmds::event::{Class, Event, EventKind};
use smmu_machine::Machine as _;
use smmu_model::{Hang, Profile};
use smmu_regs::PhysAddr;
use smmu_regs::handshake::active_errors;
use smmu_regs::platform::Pages;
use smmu_regs::registers::StrtabBase;
use smmu_ste::SteConfig;
use smmu_ste::ste::WithoutSubstream;
use std::time::Duration;
use support::{Bench, PAGE, Setting, Setup, Space1, lands, on_model, on_model_as, streams};

const IOVA: u64 = 0x1234_5000;

/// What the events say was being fetched: the kind of fetch, and the address.
fn fetched(event: &Event) -> (&'static str, PhysAddr) {
    assert_eq!(event.stream, streams()[0]);
    match event.kind {
        EventKind::SteFetch(fetch) => ("STE", fetch.address),
        EventKind::CdFetch(fetch) => ("CD", fetch.address),
        EventKind::WalkExternalAbort { access, class: Class::Table, stage2: false, fetch } => {
            assert_eq!(access.input & !0xfff, IOVA);
            ("table", fetch.address)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_aborted_fetch_names_its_address_and_leaves_nothing_behind() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let target = bench.p.allocate(PAGE, PAGE).unwrap().base();
        let mut space = Space1::new(&bench.p, &bench.caps, 7);
        space.map(&bench.p, IOVA, PAGE, target);
        bench.attach(streams()[0], &space.ste());

        let (base, _) = bench.streams.registers().unwrap();
        let ste = PhysAddr::new(base.address(StrtabBase::ADDR) + u64::from(streams()[0].get()) * 64);
        let cd = space.cds.pointer(WithoutSubstream::Terminate).base;
        let root = space.table.base();
        // A table of 39 bits starts at level 1.
        let entry = PhysAddr::new(root.get() + (IOVA >> 30) * 8);
        for (kind, page, expected) in [("STE", ste, ste), ("CD", cd, cd), ("table", root, entry)] {
            bench.forget();
            machine.set_aborting(page, true);
            assert!(!lands(machine, 0, IOVA, target), "{kind}");
            let events = bench.all_events();
            assert_eq!(events.len(), 2, "a read and a write: {events:?}");
            assert!(events.iter().all(|event| fetched(event) == (kind, expected)), "{events:?}");
            // A failed fetch is not cached.
            machine.set_aborting(page, false);
            assert!(lands(machine, 0, IOVA, target), "{kind}");
        }
        bench.attach(streams()[0], &SteConfig::Abort);
        space.destroy(&bench.p, &mut bench.queue);
        bench.p.free(Pages::from_raw(target, PAGE));
        bench.shut_down();
    });
}

#[test]
fn nothing_waits_for_an_interrupt_alone() {
    on_model(Profile::maximum(), |machine| {
        machine.set_hang(Hang::Interrupts);
        let mut bench = Bench::new(machine, Setup::default());
        let space = Space1::new(&bench.p, &bench.caps, 7);
        bench.attach(streams()[0], &space.ste());
        machine.dma_invert(0, IOVA).unwrap();
        assert_eq!(bench.all_events().len(), 2);
        bench.attach(streams()[0], &SteConfig::Abort);
        space.destroy(&bench.p, &mut bench.queue);
        bench.shut_down();
        machine.set_hang(Hang::None);
    });
}

#[test]
fn an_smmu_that_gives_up_lets_nothing_pass_and_holds_nobody_up() {
    on_model_as(Setting::Doomed, Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let target = bench.p.allocate(PAGE, PAGE).unwrap().base();
        bench.attach(streams()[0], &SteConfig::Bypass);
        assert!(lands(machine, 0, target.get(), target));
        machine.fail_service();
        assert!(active_errors(&bench.p).sfm_err());
        assert!(!lands(machine, 0, target.get(), target));
        assert!(bench.all_events().is_empty());
        let timeout = Duration::from_millis(20);
        let error = bench.queue.sync(&bench.p, timeout).unwrap_err();
        assert!(matches!(error, QueueError::Timeout { .. }), "{error:?}");
    });
}
