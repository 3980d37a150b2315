//! Page requests and their answers.

use super::*;

/// The SMMU with a PRI queue; helpers of these tests bring it up past the life cycle.
pub(super) struct Pri {
    pub(super) queue: PriQueue,
    pub(super) groups: PageGroups<u8, 8>,
}

impl Pri {
    pub(super) fn new(lab: &Lab<'_>, log2: u8) -> Self {
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

    pub(super) fn answer(&mut self, lab: &mut Lab<'_>, group: PageGroup, response: PriResponse) {
        let (p, queue) = (&lab.bench.p, &mut lab.bench.queue);
        let send = |command: Command| queue.push(p, &command, TIMEOUT);
        self.groups.answer(group, response, ResponsePasid::AsRequested, send).unwrap();
        lab.sync();
    }

    pub(super) fn finish(self, lab: Lab<'_>) {
        assert!(self.groups.is_empty());
        write_cr0(&lab.bench.p, lab.bench.smmu.cr0(), TIMEOUT).unwrap();
        lab.bench.p.free(self.queue.into_pages());
        lab.finish();
    }
}

pub(super) fn wants(group: u16, last: bool) -> PageRequest {
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

pub(super) fn response(group: u16, code: u8, auto: bool) -> PageResponse {
    PageResponse { sid: streams()[0].get(), ssid: None, group, code, auto }
}

/// The most that there is, on a machine where the SMMU does not see the CPU's caches (IDR0.COHACC is bit 4).
pub(super) fn not_coherent() -> Profile {
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
        let with = |required| ResponsePasid::of_device(&lab.bench.caps, required);
        assert_eq!((with(true), with(false)), (ResponsePasid::AsRequested, ResponsePasid::Never));
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
        assert_eq!(bench.caps.substream_id_bits, 0);
        assert_eq!(ResponsePasid::of_device(&bench.caps, true), ResponsePasid::Never);
        assert_eq!(PriQueue::new(&bench.p, &bench.caps, 2).unwrap_err(), QueueError::NoPri);
        bench.shut_down();
    });
}
