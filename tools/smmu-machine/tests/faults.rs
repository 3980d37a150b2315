//! Faults that wait for an answer, on devices that stall, make page requests and translate ahead: every one gets its one
//! answer, whatever the machine does in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{Gather, Regime};
use smmu_cmds::command::{AtcSpan, PriResponse, ResumeAction};
use smmu_cmds::event::EventKind;
use smmu_cmds::fault::{
    Arrival, PageArrival, PageGroup, PageGroups, ResponsePasid, StalledTransaction, Stalls, Unanswered,
    WhenFull,
};
use smmu_cmds::queue::Drained;
use smmu_cmds::{Command, PriQueue, QueueError};
use smmu_machine::{Machine, ModelMachine};
use smmu_model::{Adversity, AtsAccess, AtsCompletion, PageRequest, PageResponse, Profile, Resumed};
use smmu_regs::handshake::write_cr0;
use smmu_regs::platform::{Memory, Pages};
use smmu_regs::registers::{Cr0, EventqProd, PriqCons, PriqProd, Registers};
use smmu_regs::{PhysAddr, StreamId, SubstreamId};
use smmu_ste::cd::CdFaultMode;
use smmu_ste::ste::{Ats, FaultMode, Stage2Config};
use smmu_ste::{CdConfig, SteConfig};
use support::{
    Bench, INSTANCE, PAGE, Setup, Space1, Space2, TIMEOUT, on_model, range, reclaim_now, streams, tells_all,
};

const IOVA: u64 = 0x12_3000;

/// A device with an address space that stalls or uses ATS, and a page to be mapped there.
struct Lab<'m> {
    machine: &'m ModelMachine,
    bench: Bench<'m, &'m dyn Machine>,
    space: Space1,
    page: Pages,
    stalls: Stalls<u8, 16>,
}

impl<'m> Lab<'m> {
    fn new(machine: &'m ModelMachine, event_queue_log2: u8, stall: bool) -> Self {
        let setup = Setup { event_queue_log2, ..Setup::default() };
        let mut bench = Bench::new(machine as &dyn Machine, setup);
        let mut space = Space1::new(&bench.p, &bench.caps, 1);
        let SteConfig::Stage1(mut ste) = space.ste() else { panic!("not stage 1") };
        if stall {
            let Regime::Stage1(regime) = space.table.regime() else { panic!("not stage 1") };
            let cd = CdConfig { regime, asid: space.asid, faults: CdFaultMode::Stall, private_asid: true };
            let cd = cd.encode(&bench.caps).unwrap();
            space.cds.set_before_use(&bench.p, SubstreamId::ZERO, &cd).unwrap();
            ste.may_stall = true;
        } else {
            ste.ats = Ats::Full;
        }
        bench.attach(streams()[0], &SteConfig::Stage1(ste));
        let page = machine.allocate(PAGE, PAGE).unwrap();
        Self { machine, bench, space, page, stalls: Stalls::new(INSTANCE) }
    }

    fn map(&mut self) {
        self.space.map(&self.bench.p, IOVA, PAGE, self.page.base());
        self.machine.publish();
    }

    /// Unmaps the page; the tables that this frees may still be read, and are kept.
    fn unmap(&mut self) -> Gather {
        let mut gather = Gather::new();
        self.space.table.unmap(&self.bench.p, range(IOVA, PAGE), &mut gather).unwrap();
        self.machine.publish();
        gather
    }

    fn word(&self) -> PhysAddr {
        self.page.base()
    }

    /// Stalls that have been recorded since, given to the ledger.
    fn arrivals(&mut self) -> Vec<StalledTransaction> {
        let mut found = Vec::new();
        let drained =
            self.bench.events.drain(&self.bench.p, |raw| match self.stalls.arrived(&raw.decode()) {
                Arrival::Stalled(stalled) => found.push(stalled),
                other => panic!("{other:?} of {raw}"),
            });
        assert!(!drained.unwrap().lost, "stalls are never lost");
        found
    }

    fn answer(&mut self, stalled: StalledTransaction, action: ResumeAction) {
        let (p, queue) = (&self.bench.p, &mut self.bench.queue);
        self.stalls.resume(stalled, action, |command| queue.push(p, &command, TIMEOUT)).unwrap();
    }

    fn sync(&mut self) {
        let _ = self.bench.run(&[]);
    }

    /// Answers whatever comes until `count` transactions have gone on.
    fn until_resumed(&mut self, count: usize, action: ResumeAction) -> Vec<Resumed> {
        let mut all = Vec::new();
        for _ in 0..1000 {
            for stalled in self.arrivals() {
                self.answer(stalled, action);
            }
            self.sync();
            all.extend(self.machine.resumed());
            if all.len() >= count && self.machine.stalled().is_empty() {
                break;
            }
        }
        assert_eq!((all.len(), self.machine.stalled().len()), (count, 0), "{all:?}");
        // The records that were answered too late to matter.
        for stalled in self.arrivals() {
            self.answer(stalled, ResumeAction::Abort);
        }
        self.sync();
        all
    }

    fn finish(mut self) {
        assert_eq!(
            (self.stalls.len(), self.machine.unanswered()),
            (0, vec![]),
            "something was never answered"
        );
        self.machine.reset_atcs();
        self.bench.attach(streams()[0], &SteConfig::Abort);
        let Self { bench, space, page, .. } = self;
        let mut bench = bench;
        space.destroy(&bench.p, &mut bench.queue);
        bench.p.free(page);
        bench.shut_down();
    }
}

#[test]
fn a_stalled_write_arrives_after_its_page_is_mapped_and_it_is_retried() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, true);
        let fault = machine.dma32(0, IOVA, Some(0xcafe)).unwrap().unwrap_err();
        assert!(fault.waits);
        let [stalled] = <[_; 1]>::try_from(lab.arrivals()).unwrap();
        assert_eq!((stalled.stream(), Some(stalled.stag())), (streams()[0], fault.stall));
        assert_eq!(machine.resumed(), [], "nothing happens by itself");
        lab.map();
        assert_eq!(machine.peek32(lab.word()).unwrap(), 0);
        lab.answer(stalled, ResumeAction::Retry);
        let resumed = lab.until_resumed(1, ResumeAction::Retry);
        assert_eq!(resumed[0].result, Ok(0xcafe));
        assert_eq!(machine.peek32(lab.word()).unwrap(), 0xcafe);
        lab.finish();
    });
}

#[test]
fn many_stalls_of_one_page_are_all_answered() {
    on_model(Profile::maximum(), |machine| {
        // An event queue of two records: stalls wait for room.
        let mut lab = Lab::new(machine, 1, true);
        for value in 0..9 {
            let write = (value % 2 == 0).then_some(value);
            assert!(machine.dma32(0, IOVA + 4 * u64::from(value), write).unwrap().unwrap_err().waits);
        }
        assert_eq!(machine.stalled().len(), 9);
        // First they all stall again.
        for stalled in lab.arrivals() {
            lab.answer(stalled, ResumeAction::Retry);
        }
        lab.sync();
        lab.map();
        let resumed = lab.until_resumed(9, ResumeAction::Retry);
        for Resumed { access, result } in resumed {
            let value = (access.iova - IOVA) as u32 / 4;
            assert_eq!(result, Ok(if access.write { value } else { 0 }));
        }
        for value in (0..9).step_by(2) {
            let at = PhysAddr::new(lab.word().get() + 4 * value);
            assert_eq!(u64::from(machine.peek32(at).unwrap()), value);
        }
        lab.finish();
    });
}

#[test]
fn a_terminated_stall_ends_as_it_was_told() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, true);
        for (action, raz) in [(ResumeAction::Abort, false), (ResumeAction::Terminate, true)] {
            assert!(machine.dma32(0, IOVA, Some(1)).unwrap().unwrap_err().waits);
            let resumed = lab.until_resumed(1, action);
            let fault = resumed[0].result.unwrap_err();
            assert_eq!((fault.event, fault.raz_wi), (None, raz), "{action:?}");
        }
        lab.finish();
    });
}

#[test]
fn an_smmu_that_can_only_abort_aborts() {
    let [idr0, rest @ ..] = Profile::maximum().idr;
    let idr = [idr0 | 1 << 26, rest[0], rest[1], rest[2], rest[3], rest[4], rest[5]];
    on_model(Profile { idr, name: "terminates with aborts", ..Profile::maximum() }, |machine| {
        let mut lab = Lab::new(machine, 4, true);
        assert!(machine.dma32(0, IOVA, None).unwrap().unwrap_err().waits);
        let resumed = lab.until_resumed(1, ResumeAction::Terminate);
        assert!(!resumed[0].result.unwrap_err().raz_wi);
        lab.finish();
    });
}

#[test]
fn where_the_ledger_is_full_nothing_hangs() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, true);
        let mut small = Stalls::<u8, 2>::new(INSTANCE);
        for number in 0..5 {
            assert!(machine.dma32(0, IOVA + number * PAGE, Some(1)).unwrap().unwrap_err().waits);
        }
        let (mut tokens, mut now) = (Vec::new(), Vec::new());
        let drained = lab.bench.events.drain(&lab.bench.p, |raw| match small.arrived(&raw.decode()) {
            Arrival::Stalled(stalled) => tokens.push(stalled),
            Arrival::Full(unrecorded) => now.push(unrecorded),
            other => panic!("{other:?}"),
        });
        assert_eq!((drained.unwrap().records, tokens.len(), now.len()), (5, 2, 3));
        let (p, queue) = (&lab.bench.p, &mut lab.bench.queue);
        let mut send = |command: Command| queue.push(p, &command, TIMEOUT);
        for unrecorded in now {
            unrecorded.send(&mut send).unwrap();
        }
        // Nobody knows the stream of the others: they are aborted.
        for token in tokens {
            small.resume(token, ResumeAction::Abort, &mut send).unwrap();
        }
        assert!(small.is_empty());
        lab.until_resumed(5, ResumeAction::Abort);
        lab.finish();
    });
}

#[test]
fn an_smmu_that_can_only_stall() {
    // IDR0.STALL_MODEL is 2 (bits 25:24).
    let mut profile = Profile { name: "stalls always", ..Profile::maximum() };
    profile.idr[0] |= 2 << 24;
    on_model(profile, |machine| {
        let mut bench = Bench::new(machine as &dyn Machine, Setup::default());
        let mut space = Space2::new(&bench.p, &bench.caps, 5);
        let stage2 = |faults| SteConfig::Stage2(Stage2Config { faults, ..space.stage2() });
        assert!(stage2(FaultMode::Terminate).encode(&bench.caps).is_err(), "S2S must be 1");
        let ste = stage2(FaultMode::Stall);
        bench.attach(streams()[0], &ste);
        let page = machine.allocate(PAGE, PAGE).unwrap();
        assert!(machine.dma32(0, IOVA, Some(9)).unwrap().unwrap_err().waits);
        let mut stalls = Stalls::<u8, 4>::new(INSTANCE);
        let events = bench.all_events();
        let EventKind::Fault(fault) = events[0].kind else { panic!("{events:?}") };
        assert_eq!(fault.ipa, Some(PhysAddr::new(IOVA)));
        let Arrival::Stalled(stalled) = stalls.arrived(&events[0]) else { panic!("{events:?}") };
        space.map(&bench.p, IOVA, PAGE, page.base());
        let (p, queue) = (&bench.p, &mut bench.queue);
        stalls.resume(stalled, ResumeAction::Retry, |command| queue.push(p, &command, TIMEOUT)).unwrap();
        for _ in 0..1000 {
            let _ = bench.run(&[]);
        }
        assert_eq!((machine.stalled(), machine.unanswered()), (vec![], vec![]));
        assert_eq!(machine.peek32(page.base()).unwrap(), 9);
        let _ = machine.resumed();
        bench.attach(streams()[0], &SteConfig::Abort);
        space.destroy(&bench.p, &mut bench.queue);
        bench.p.free(page);
        bench.shut_down();
    });
}

#[test]
fn a_stream_is_taken_away_with_what_is_stalled_on_it() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 2, true);
        for number in 0..9 {
            assert!(machine.dma32(0, IOVA + number * PAGE, Some(1)).unwrap().unwrap_err().waits);
        }
        let mut tokens = lab.arrivals();
        assert!(!tokens.is_empty());
        // 4.7.2.1: the STE terminates everything, and that is complete.
        lab.bench.attach(streams()[0], &SteConfig::Abort);
        let proof = lab.bench.run(&[]);
        tokens.extend(lab.arrivals());
        let waiting = lab.stalls.len();
        let (p, queue) = (&lab.bench.p, &mut lab.bench.queue);
        let send = |command: Command| queue.push(p, &command, TIMEOUT);
        assert_eq!(lab.stalls.terminate_stream(streams()[0], &proof, send), Ok(((), waiting)));
        for token in tokens {
            let never = |_| -> Result<(), QueueError> { panic!("the stall is over") };
            let void = lab.stalls.resume(token, ResumeAction::Retry, never);
            assert!(matches!(void, Err(Unanswered::Void { .. })));
        }
        let resumed = lab.until_resumed(9, ResumeAction::Abort);
        assert!(resumed.iter().all(|resumed| resumed.result.is_err()));
        lab.finish();
    });
}

#[test]
fn switching_off_ends_all_stalls() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, true);
        assert!(machine.dma32(0, IOVA, Some(1)).unwrap().unwrap_err().waits);
        let tokens = lab.arrivals();
        let cr0 = lab.bench.smmu.cr0();
        write_cr0(&lab.bench.p, cr0.with(Cr0::SMMUEN, false), TIMEOUT).unwrap();
        assert_eq!((lab.stalls.smmu_disabled(), tokens.len()), (1, 1));
        assert_eq!(machine.stalled(), []);
        assert_eq!(machine.resumed().len(), 1);
        write_cr0(&lab.bench.p, cr0, TIMEOUT).unwrap();
        // The tag is free, and its old token is void.
        assert!(machine.dma32(0, IOVA, Some(1)).unwrap().unwrap_err().waits);
        for old in tokens {
            let (p, queue) = (&lab.bench.p, &mut lab.bench.queue);
            let send = |command: Command| queue.push(p, &command, TIMEOUT);
            assert!(matches!(
                lab.stalls.resume(old, ResumeAction::Abort, send),
                Err(Unanswered::Void { .. })
            ));
        }
        lab.until_resumed(1, ResumeAction::Abort);
        lab.finish();
    });
}

/// The SMMU with a PRI queue; helpers of these tests bring it up past the life cycle.
struct Pri {
    queue: PriQueue,
    groups: PageGroups<u8, 8>,
}

impl Pri {
    fn new(lab: &Lab<'_>, log2: u8) -> Self {
        let p = &lab.bench.p;
        let queue = PriQueue::new(p, &lab.bench.caps, log2).unwrap();
        p.put(queue.base_register().unwrap());
        p.put(PriqProd::new());
        p.put(PriqCons::new());
        write_cr0(p, lab.bench.smmu.cr0().with(Cr0::PRIQEN, true), TIMEOUT).unwrap();
        Self { queue, groups: PageGroups::new(INSTANCE, WhenFull::TryAgain) }
    }

    /// What has come since: complete groups, and whether requests were lost.
    fn arrivals(&mut self, lab: &Lab<'_>) -> (Vec<PageGroup>, bool) {
        let mut found = Vec::new();
        let drained = self.queue.drain(&lab.bench.p, |raw| {
            match self.groups.arrived(&raw.decode(), ResponsePasid::AsRequested) {
                PageArrival::Last(group) => found.push(group),
                PageArrival::Member(_) | PageArrival::StopMarker => {}
                other => panic!("{other:?}"),
            }
        });
        let lost = drained.unwrap().lost;
        if lost {
            self.groups.forget_incomplete();
        }
        (found, lost)
    }

    fn answer(&mut self, lab: &mut Lab<'_>, group: PageGroup, response: PriResponse) {
        let (p, queue) = (&lab.bench.p, &mut lab.bench.queue);
        let send = |command: Command| queue.push(p, &command, TIMEOUT);
        self.groups.answer(group, response, ResponsePasid::AsRequested, send).unwrap();
        lab.sync();
    }

    fn finish(self, lab: Lab<'_>) {
        assert!(self.groups.is_empty());
        write_cr0(&lab.bench.p, lab.bench.smmu.cr0(), TIMEOUT).unwrap();
        lab.bench.p.free(self.queue.into_pages());
        lab.finish();
    }
}

fn wants(group: u16, last: bool) -> PageRequest {
    PageRequest {
        sid: streams()[0].get(),
        ssid: None,
        address: IOVA,
        group,
        last,
        read: true,
        write: true,
        execute: false,
        privileged: false,
    }
}

fn response(group: u16, code: u8, auto: bool) -> PageResponse {
    PageResponse { sid: streams()[0].get(), ssid: None, group, code, auto }
}

/// The most that there is, on a machine where the SMMU does not see the CPU's caches (IDR0.COHACC is bit 4).
fn not_coherent() -> Profile {
    let mut profile = Profile { name: "not coherent", ..Profile::maximum() };
    profile.idr[0] &= !(1 << 4);
    profile
}

#[test]
fn records_are_read_from_memory_and_not_from_a_cache() {
    on_model(not_coherent(), |machine| {
        let mut lab = Lab::new(machine, 1, false);
        // Bypassed: ATS is not for it.
        lab.bench.attach(streams()[1], &SteConfig::Bypass);
        let mut pri = Pri::new(&lab, 1);
        // Many laps of both queues: what the CPU has cached of an entry is that of the lap before.
        for index in 0..20 {
            machine.page_request(&wants(index, true));
            let [group] = <[_; 1]>::try_from(pri.arrivals(&lab).0).unwrap();
            assert_eq!(group.id().index, index);
            pri.answer(&mut lab, group, PriResponse::Success);
            let iova = IOVA + PAGE * u64::from(index);
            let refused = AtsAccess::Refused(AtsCompletion::Unsupported);
            assert_eq!(machine.ats_dma32(1, iova, None).unwrap(), refused);
            let events = lab.bench.all_events();
            let EventKind::BadAtsRequest(asked) = events[0].kind else { panic!("{events:?}") };
            assert_eq!((events.len(), events[0].stream, asked.input), (1, streams()[1], iova));
        }
        lab.bench.attach(streams()[1], &SteConfig::Abort);
        pri.finish(lab);
    });
}

#[test]
fn a_device_asks_for_a_page_and_gets_it() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, false);
        let mut pri = Pri::new(&lab, 3);
        let asked = |value| machine.ats_dma32(0, IOVA, value).unwrap();
        assert_eq!(asked(Some(7)), AtsAccess::Refused(AtsCompletion::Denied));
        machine.page_request(&wants(5, false));
        assert!(pri.arrivals(&lab).0.is_empty(), "it goes on");
        machine.page_request(&wants(5, true));
        let [group] = <[_; 1]>::try_from(pri.arrivals(&lab).0).unwrap();
        assert_eq!((group.requests(), group.id().index), (2, 5));
        lab.map();
        pri.answer(&mut lab, group, PriResponse::Success);
        assert_eq!(machine.page_responses(), [response(5, 0, false)]);
        assert_eq!(asked(Some(7)), AtsAccess::Done(7));
        assert_eq!(machine.peek32(lab.word()).unwrap(), 7);
        // What is not to be had, and what is not served at all.
        for (answer, code) in [(PriResponse::Invalid, 1), (PriResponse::Failure, 15)] {
            machine.page_request(&wants(6, true));
            let [group] = <[_; 1]>::try_from(pri.arrivals(&lab).0).unwrap();
            pri.answer(&mut lab, group, answer);
            assert_eq!(machine.page_responses(), [response(6, code, false)]);
        }
        assert_eq!(lab.bench.all_events(), [], "a refused translation request is no event");
        pri.finish(lab);
    });
}

#[test]
fn a_stop_marker_is_not_answered_and_a_pasid_comes_back() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, false);
        let mut pri = Pri::new(&lab, 3);
        let marker = PageRequest { ssid: Some(3), read: false, write: false, ..wants(0, true) };
        machine.page_request(&marker);
        assert!(pri.arrivals(&lab).0.is_empty());
        machine.page_request(&PageRequest {
            ssid: Some(3),
            execute: true,
            privileged: true,
            ..wants(1, true)
        });
        let [group] = <[_; 1]>::try_from(pri.arrivals(&lab).0).unwrap();
        assert_eq!(group.substream(), SubstreamId::new(3).ok());
        pri.answer(&mut lab, group, PriResponse::Success);
        assert_eq!(machine.page_responses(), [PageResponse { ssid: Some(3), ..response(1, 0, false) }]);
        pri.finish(lab);
    });
}

#[test]
fn an_overflow_of_page_requests_loses_no_answer() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, false);
        let mut pri = Pri::new(&lab, 2);
        for round in 0..3 {
            // Two groups are complete, one is begun; then the queue is full.
            for request in [wants(1, true), wants(2, false), wants(3, true), wants(2, false)] {
                machine.page_request(&request);
            }
            // The end of the group that was begun, and another one: the SMMU answers both.
            machine.page_request(&wants(2, true));
            machine.page_request(&wants(4, false));
            machine.page_request(&wants(4, true));
            assert_eq!(
                machine.page_responses(),
                [response(2, 0, true), response(4, 0, true)],
                "round {round}"
            );
            // A drain in two steps acknowledges only with the last one: until then nothing new gets in.
            let mut first = Vec::new();
            let drained = pri.queue.drain_some(&lab.bench.p, 1, |raw| first.push(raw.decode())).unwrap();
            assert_eq!((drained.records, drained.lost, drained.more), (1, false, true));
            machine.page_request(&wants(5, true));
            assert_eq!(machine.page_responses(), [response(5, 0, true)]);
            let PageArrival::Last(group) = pri.groups.arrived(&first[0], ResponsePasid::Never) else {
                panic!("{first:?}")
            };
            let (mut groups, lost) = pri.arrivals(&lab);
            assert!(lost);
            groups.push(group);
            let mut indexes: Vec<u16> = groups.iter().map(|group| group.id().index).collect();
            indexes.sort_unstable();
            assert_eq!(indexes, [1, 3], "the group that was begun is forgotten");
            // Its index comes again, for one request.
            machine.page_request(&wants(2, true));
            let (new, lost) = pri.arrivals(&lab);
            assert_eq!((new.len(), new[0].requests(), lost), (1, 1, false));
            for group in groups.into_iter().chain(new) {
                pri.answer(&mut lab, group, PriResponse::Success);
            }
            assert_eq!(machine.page_responses().len(), 3);
        }
        pri.finish(lab);
    });
}

#[test]
fn page_requests_that_meet_no_queue_are_refused() {
    on_model(Profile::maximum(), |machine| {
        let lab = Lab::new(machine, 4, false);
        machine.page_request(&wants(1, false));
        machine.page_request(&PageRequest { ssid: Some(3), ..wants(1, true) });
        assert_eq!(machine.page_responses(), [response(1, 15, true); 2]);
        lab.finish();
    });
}

#[test]
fn an_smmu_without_page_requests_gets_no_queue() {
    on_model(Profile::qemu(), |machine| {
        let bench = Bench::new(machine as &dyn Machine, Setup::default());
        assert_eq!(PriQueue::new(&bench.p, &bench.caps, 2).unwrap_err(), QueueError::NoPri);
        bench.shut_down();
    });
}

#[test]
fn positions_that_no_queue_can_have_are_errors() {
    // Both queues off, so that their registers can be written; 16 events, 8 requests.
    let machine = ModelMachine::new(Profile::maximum(), &streams());
    let mut lab = Lab::new(&machine, 4, false);
    let mut pri = Pri::new(&lab, 3);
    let off = lab.bench.smmu.cr0().with(Cr0::EVENTQEN, false);
    write_cr0(&lab.bench.p, off, TIMEOUT).unwrap();
    let p = &lab.bench.p;
    let pointer = |register, value| QueueError::Pointer { register, value, other: 0 };
    for value in [17, 31, 32, 1 << 19, 1 << 20, u32::MAX] {
        p.put(EventqProd::from_bits(value));
        let value: EventqProd = p.get();
        let found = lab.bench.events.drain(p, |raw| panic!("{raw}"));
        let stored = value.into_bits();
        if stored == 0 {
            // The machine does not store reserved bits.
            assert_eq!(found.unwrap().records, 0);
        } else {
            assert_eq!(found, Err(pointer("EVENTQ_PROD", stored)));
            assert_eq!(lab.bench.events.discard(p), Err(pointer("EVENTQ_PROD", stored)));
        }
    }
    for value in [9, 15, 16, 1 << 19] {
        p.put(PriqProd::from_bits(value));
        assert_eq!(pri.queue.drain(p, |raw| panic!("{raw:?}")), Err(pointer("PRIQ_PROD", value)));
    }
    // What is possible is dropped without being looked at, and the overflow goes with it.
    p.put(PriqProd::from_bits(1 << 31 | 8));
    let dropped = pri.queue.discard(p).unwrap();
    assert_eq!((dropped.records, dropped.lost, dropped.more), (8, true, false));
    assert_eq!(p.get::<PriqCons>().into_bits(), 1 << 31 | 8);
    let nothing = pri.queue.drain(p, |raw| panic!("{raw:?}")).unwrap();
    assert_eq!((nothing.records, nothing.lost), (0, false));
    // Begun anew.
    pri.queue.restart();
    p.put(PriqProd::new());
    assert_eq!(pri.queue.drain(p, |raw| panic!("{raw:?}")).unwrap().records, 0);
}

#[test]
fn a_limited_drain_acknowledges_at_once_what_goes_on_and_late_what_does_not() {
    on_model(Profile::maximum(), |machine| {
        let mut bench =
            Bench::new(machine as &dyn Machine, Setup { event_queue_log2: 2, ..Setup::default() });
        let space = Space1::new(&bench.p, &bench.caps, 1);
        bench.attach(streams()[0], &space.ste());
        let fault = || assert!(machine.dma32(0, IOVA, None).unwrap().is_err());
        (0..5).for_each(|_| fault());
        let mut drain = |limit| bench.events.drain_some(&bench.p, limit, |_| {}).unwrap();
        let told = |drained: Drained| (drained.records, drained.lost, drained.more);
        assert_eq!(told(drain(0)), (0, false, true));
        assert_eq!(told(drain(1)), (1, true, true));
        fault();
        assert_eq!(told(drain(2)), (2, false, true));
        assert_eq!(told(drain(9)), (2, false, false));
        bench.attach(streams()[0], &SteConfig::Abort);
        space.destroy(&bench.p, &mut bench.queue);
        bench.shut_down();
    });
}

/// What a device reaches after the page was unmapped, and these commands, each followed by a `CMD_SYNC`.
fn after_unmap(machine: &ModelMachine, batches: &[&[Command]]) -> AtsAccess {
    let mut lab = Lab::new(machine, 4, false);
    lab.map();
    assert_eq!(machine.ats_dma32(0, IOVA, Some(1)).unwrap(), AtsAccess::Done(1));
    let gather = lab.unmap();
    for batch in batches {
        let _ = lab.bench.run(batch);
    }
    let seen = machine.ats_dma32(0, IOVA, Some(2)).unwrap();
    let _ = lab.bench.run(&[lab.space.tag().whole()]);
    let _ = lab.bench.run(&[forget(streams()[0])]);
    assert_eq!(machine.ats_dma32(0, IOVA, Some(3)).unwrap(), AtsAccess::Refused(AtsCompletion::Denied));
    reclaim_now(&lab.bench.p, gather);
    lab.finish();
    seen
}

fn forget(stream: StreamId) -> Command {
    Command::AtcInv { stream, substream: None, global: false, span: AtcSpan::new(IOVA, 0).unwrap() }
}

#[test]
fn a_device_that_remembers_must_be_told() {
    let gone = AtsAccess::Refused(AtsCompletion::Denied);
    on_model(Profile::maximum(), |machine| {
        let tag = smmu_tlbi::Tag::Stage1 { vmid: smmu_regs::Vmid::new(0), asid: smmu_regs::Asid::new(1) };
        let forget = forget(streams()[0]);
        // As 4.5.1 says.
        assert_eq!(after_unmap(machine, &[&[tag.whole()], &[forget]]), gone);
        // Without CMD_ATC_INV the device goes on.
        assert_eq!(after_unmap(machine, &[&[tag.whole()]]), AtsAccess::Done(2));
        // With it, and nothing else, the SMMU still answers from its TLB, or may.
        assert_eq!(after_unmap(machine, &[&[forget]]), AtsAccess::Done(2));
        // And in one batch the device may ask again too early: a machine that is bad enough shows it.
        let early = after_unmap(machine, &[&[tag.whole(), forget]]);
        assert_eq!(early, if tells_all(machine) { AtsAccess::Done(2) } else { gone });
        // Another stream's cache is another one.
        let other =
            Command::AtcInv { stream: streams()[1], substream: None, global: false, span: AtcSpan::ALL };
        assert_eq!(after_unmap(machine, &[&[tag.whole()], &[other]]), AtsAccess::Done(2));
    });
}

#[test]
fn a_stream_without_ats_is_refused_and_cannot_pretend() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, false);
        lab.map();
        assert_eq!(machine.ats_dma32(0, IOVA, Some(1)).unwrap(), AtsAccess::Done(1));
        // ATS is taken away, and the device is not told: what it remembers does not help it (CR0.ATSCHK).
        lab.bench.attach(streams()[0], &lab.space.ste());
        let AtsAccess::Terminated(fault) = machine.ats_dma32(0, IOVA, Some(2)).unwrap() else {
            panic!("it gets through")
        };
        assert_eq!((fault.event, machine.peek32(lab.word()).unwrap()), (Some(7), 1));
        machine.reset_atcs();
        assert_eq!(machine.ats_dma32(0, IOVA, None).unwrap(), AtsAccess::Refused(AtsCompletion::Unsupported));
        let events = lab.bench.all_events();
        assert!(
            matches!(events[0].kind, EventKind::TranslationForbidden { input, read: false } if input == lab.word().get())
        );
        let EventKind::BadAtsRequest(asked) = events[1].kind else { panic!("{events:?}") };
        assert_eq!((asked.input, asked.span, asked.permissions.read, events.len()), (IOVA, 1, true, 2));
        lab.finish();
    });
}

#[test]
fn wrong_answers_are_noticed() {
    let adversity = Adversity::new(streams().iter().map(|stream| (stream.get(), None)));
    for machine in [
        ModelMachine::new(Profile::maximum(), &streams()),
        ModelMachine::adversarial(Profile::maximum(), &streams(), adversity),
    ] {
        let mut lab = Lab::new(&machine, 4, true);
        let resume = |stream, stag| Command::Resume { stream, stag, action: ResumeAction::Retry };
        let answer = Command::PriResp {
            stream: streams()[0],
            substream: None,
            group: 1,
            response: PriResponse::Success,
        };
        let _ = lab.bench.run(&[resume(streams()[0], 77), answer]);
        assert!(machine.dma32(0, IOVA, Some(1)).unwrap().unwrap_err().waits);
        let [stalled] = <[_; 1]>::try_from(lab.arrivals()).unwrap();
        let _ = lab.bench.run(&[resume(streams()[1], stalled.stag())]);
        let _ = lab.bench.run(&[Command::StallTerm { stream: streams()[0] }]);
        let complaints = machine.complaints();
        let expected = [
            "STAG 0x4d: no such stall",
            "PRGIndex 0x1: no such group",
            "StreamID 0x10, STAG",
            "lets transactions through",
        ];
        assert_eq!(complaints.len(), expected.len(), "{complaints:#?}");
        for (complaint, part) in complaints.iter().zip(expected) {
            assert!(complaint.contains(part), "{complaint}");
        }
    }
}
