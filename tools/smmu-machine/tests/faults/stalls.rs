//! Stalled transactions.

use super::*;

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
