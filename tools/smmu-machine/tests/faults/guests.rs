//! Guests with a stage 1 of their own, who answer what was handed on to them: by commands in a queue of theirs, of which each
//! is a copy that the host judges.

use super::page_requests::{Pri, response, wants};
use super::*;
use smmu_cmds::guest::{GuestBatchError, GuestCommandError, HandedOn};
use smmu_cmds::host::{HostSmmu, Limits, ServeError};
use smmu_cmds::{RawCommand, RawEvent, VirtualSmmu};
use smmu_model::{Hang, Trace};
use smmu_regs::VirtualStreamId;
use smmu_regs::caps::IdRegisters;
use smmu_regs::registers::{Idr0, Idr1, Idr3};
use smmu_regs::trap::HostView;
use smmu_ste::ste::{GuestSte, Stage1Config};
use std::time::Duration;

/// The guest, and what its stage 2 is tagged with.
const GUEST: u8 = 9;
/// Another guest, which claims to own the same device.
const THIEF: u8 = 10;
/// The guest's number for stream 0.
const DEVICE: VirtualStreamId = VirtualStreamId::new(0x77);

fn stream_of(device: VirtualStreamId) -> Option<StreamId> {
    (device == DEVICE).then(|| streams()[0])
}

/// The guest's own command.
fn by_guest(lab: &Lab<'_>, command: Command) -> RawCommand {
    command.encode(&lab.bench.caps).unwrap()
}

fn resume(lab: &Lab<'_>, device: StreamId, stag: u16) -> RawCommand {
    by_guest(lab, Command::Resume { stream: device, stag, action: ResumeAction::Retry })
}

fn device() -> StreamId {
    StreamId::new(DEVICE.get())
}

/// The lab's stage 1 becomes a guest's, on a stage 2 that has all RAM where it is.
fn nest(lab: &mut Lab<'_>, ats: Ats, faults: FaultMode) -> Space2 {
    let mut host = Space2::new(&lab.bench.p, &lab.bench.caps, GUEST.into());
    host.map_ram(lab.machine);
    let may_stall = ats == Ats::Disabled;
    let SteConfig::Stage1(stage1) = lab.space.ste() else { panic!("not stage 1") };
    let words =
        SteConfig::Stage1(Stage1Config { may_stall, ..stage1 }).encode(&lab.bench.caps).unwrap().words();
    let Ok(GuestSte::Translate(guest)) = GuestSte::new([words[0], words[1]]) else { panic!("no stage 1") };
    let stage2 = Stage2Config { ats, faults, ..host.stage2() };
    lab.bench.attach(streams()[0], &SteConfig::Nested { guest, stage2, may_stall });
    // From here the translations are the guest's.
    lab.space.vmid = host.vmid;
    host
}

fn finish(mut lab: Lab<'_>, host: Space2) {
    lab.bench.attach(streams()[0], &SteConfig::Abort);
    host.destroy(&lab.bench.p, &mut lab.bench.queue);
    lab.finish();
}

/// Puts what `owner` commands into the queue.
fn issue(
    lab: &mut Lab<'_>,
    groups: &mut PageGroups<u8, 8>,
    owner: u8,
    commands: &[RawCommand],
    timeout: Duration,
) -> Result<usize, GuestBatchError> {
    let Lab { bench, stalls, .. } = lab;
    let faults = HandedOn::new(owner, stalls, groups).unwrap();
    let vmid = smmu_regs::Vmid::new(owner.into());
    let smmu = VirtualSmmu::new(&bench.caps, vmid, stream_of).unwrap().with_faults(&faults);
    smmu.issue(&bench.p, &mut bench.queue, commands.iter().copied(), timeout)
}

fn no_groups() -> PageGroups<u8, 8> {
    PageGroups::new(INSTANCE, WhenFull::TryAgain)
}

/// Hands on what has stalled; the records that the guest gets.
fn hand_on(lab: &mut Lab<'_>) -> Vec<RawEvent> {
    let Lab { bench, stalls, .. } = lab;
    let mut records = Vec::new();
    let drained = bench.events.drain(&bench.p, |raw| {
        let Arrival::Stalled(stalled) = stalls.arrived(&raw.decode()) else { panic!("{raw}") };
        let record = raw.relocate_stall(DEVICE).expect("a fault of the guest's stage 1");
        stalls.forward(stalled, GUEST).unwrap();
        records.push(record);
    });
    assert!(!drained.unwrap().lost);
    records
}

/// The tags of the `CMD_RESUME`s, or the indexes of the `CMD_PRI_RESP`s, that the SMMU has taken since the last call.
fn answers(machine: &ModelMachine, opcode: u64) -> Vec<u64> {
    let taken = machine.trace().into_iter().filter_map(|entry| match entry {
        Trace::Command { words: [low, high], error, .. } if low & 0xff == opcode => {
            assert_eq!((low >> 32, error), (u64::from(streams()[0]), None));
            Some(high & if opcode == 0x41 { 0x1ff } else { 0xffff })
        }
        _ => None,
    });
    taken.collect()
}

fn stag_of(record: &RawEvent) -> u16 {
    let event = record.decode();
    let EventKind::Fault(fault) = event.kind else { panic!("{event:?}") };
    assert_eq!(event.stream, device(), "the guest sees its own number");
    fault.stalled.expect("it waits")
}

#[test]
fn a_guest_resumes_its_stall_and_the_data_arrives() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, true);
        let host = nest(&mut lab, Ats::Disabled, FaultMode::Terminate);
        let mut groups = no_groups();
        assert!(machine.dma32(0, IOVA, Some(0xcafe)).unwrap().unwrap_err().waits);
        let records = hand_on(&mut lab);
        let stag = stag_of(&records[0]);
        assert_eq!(records.len(), 1);
        machine.trace();
        // Another guest answers, and the guest itself answers for a tag that it was not given.
        let mine = resume(&lab, device(), stag);
        let wrong = resume(&lab, device(), stag ^ 1);
        assert_eq!(issue(&mut lab, &mut groups, THIEF, &[mine], TIMEOUT), Ok(1));
        assert_eq!(issue(&mut lab, &mut groups, GUEST, &[wrong], TIMEOUT), Ok(1));
        // By the physical number, it has no such device.
        let physical = resume(&lab, streams()[0], stag);
        let refused = issue(&mut lab, &mut groups, GUEST, &[physical], TIMEOUT);
        let Err(GuestBatchError::Refused(refusal)) = refused else { panic!("{refused:?}") };
        assert!(matches!(refusal.error, GuestCommandError::NoDevice { .. }));
        assert_eq!((answers(machine, 0x44), lab.stalls.len()), (vec![], 1));
        assert_eq!(machine.unanswered(), [(streams()[0].get(), stag)]);
        // The guest maps its page and answers, three times.
        lab.map();
        let terminate = by_guest(&lab, Command::StallTerm { stream: device() });
        assert_eq!(issue(&mut lab, &mut groups, GUEST, &[mine, mine, terminate], TIMEOUT), Ok(3));
        assert_eq!((answers(machine, 0x44), lab.stalls.len()), (vec![stag.into()], 0));
        let resumed = lab.until_resumed(1, ResumeAction::Abort);
        assert_eq!(resumed[0].result, Ok(0xcafe));
        assert_eq!(machine.peek32(lab.word()).unwrap(), 0xcafe);
        assert_eq!(answers(machine, 0x44), []);
        finish(lab, host);
    });
}

#[test]
fn a_guest_that_dies_leaves_its_stalls_to_the_host() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, true);
        let host = nest(&mut lab, Ats::Disabled, FaultMode::Terminate);
        let mut groups = no_groups();
        for page in 0..3 {
            assert!(machine.dma32(0, IOVA + page * PAGE, Some(1)).unwrap().unwrap_err().waits);
        }
        let mut tags: Vec<u16> = hand_on(&mut lab).iter().map(stag_of).collect();
        assert_eq!(tags.len(), 3);
        machine.trace();
        let first = resume(&lab, device(), tags[0]);
        assert_eq!(issue(&mut lab, &mut groups, GUEST, &[first], TIMEOUT), Ok(1));
        assert_eq!(answers(machine, 0x44), [u64::from(tags[0])]);
        // Its page is not there: it stalls again, for the host this time, or is yet to.
        while let Some(left) = lab.stalls.reclaim(&GUEST) {
            lab.answer(left, ResumeAction::Abort);
        }
        // What the guest has to say now comes too late.
        let late = [tags[1], tags[2]].map(|stag| resume(&lab, device(), stag));
        assert_eq!(issue(&mut lab, &mut groups, GUEST, &late, TIMEOUT), Ok(2));
        lab.sync();
        let mut by_host = answers(machine, 0x44);
        by_host.sort_unstable();
        tags.remove(0);
        tags.sort_unstable();
        assert_eq!(by_host, tags.iter().map(|stag| u64::from(*stag)).collect::<Vec<_>>());
        let resumed = lab.until_resumed(3, ResumeAction::Abort);
        assert!(resumed.iter().all(|resumed| resumed.result.is_err()));
        finish(lab, host);
    });
}

/// `CMD_STALL_TERM` in a queue that hangs half way: what was queued is answered, and nothing else; the guest tries again.
#[test]
fn a_queue_that_hangs_answers_nothing_twice() {
    on_model(Profile::maximum(), |machine| {
        // A queue of four commands.
        let mut lab = Lab::with(machine, Setup { command_queue_log2: 2, ..Setup::default() }, true);
        let host = nest(&mut lab, Ats::Disabled, FaultMode::Terminate);
        let mut groups = no_groups();
        for page in 0..10 {
            assert!(machine.dma32(0, IOVA + page * PAGE, Some(1)).unwrap().unwrap_err().waits);
        }
        let mut tags: Vec<u64> = hand_on(&mut lab).iter().map(|record| stag_of(record).into()).collect();
        tags.sort_unstable();
        assert_eq!(tags.len(), 10);
        machine.trace();
        // A stall of the same stream that the host keeps.
        assert!(machine.dma32(0, IOVA + 20 * PAGE, Some(1)).unwrap().unwrap_err().waits);
        let [kept] = <[_; 1]>::try_from(lab.arrivals()).unwrap();
        let terminate = by_guest(&lab, Command::StallTerm { stream: device() });
        machine.set_hang(Hang::CommandQueue);
        let hung = issue(&mut lab, &mut groups, GUEST, &[terminate], Duration::from_millis(20));
        let Err(GuestBatchError::Queue { completed: 0, issued: 0, error }) = hung else { panic!("{hung:?}") };
        assert!(matches!(error, QueueError::Timeout { .. }), "{error}");
        // Four are in the queue, and the host's; the others still wait for the guest.
        assert_eq!(lab.stalls.len(), 7);
        machine.set_hang(Hang::None);
        assert_eq!(issue(&mut lab, &mut groups, GUEST, &[terminate], TIMEOUT), Ok(1));
        let mut taken = answers(machine, 0x44);
        taken.sort_unstable();
        assert_eq!(taken, tags);
        assert_eq!(machine.unanswered(), [(streams()[0].get(), kept.stag())]);
        lab.answer(kept, ResumeAction::Abort);
        let resumed = lab.until_resumed(11, ResumeAction::Abort);
        assert!(resumed.iter().all(|resumed| resumed.result.is_err()));
        finish(lab, host);
    });
}

/// A fault of stage 2 on the same stream is the host's, and no guest answers it.
#[test]
fn a_stall_of_stage_2_stays_with_the_host() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, true);
        let mut host = nest(&mut lab, Ats::Disabled, FaultMode::Stall);
        let mut groups = no_groups();
        // The guest's page is where no RAM is: an IPA that the host gives a page of its own.
        let ipa = 0x10_0000;
        lab.space.map(&lab.bench.p, IOVA, PAGE, PhysAddr::new(ipa));
        machine.publish();
        assert!(machine.dma32(0, IOVA, Some(0xbeef)).unwrap().unwrap_err().waits);
        let (stalls, mut found) = (&mut lab.stalls, Vec::new());
        let drained = lab.bench.events.drain(&lab.bench.p, |raw| {
            assert_eq!(raw.relocate_stall(DEVICE), None, "not for the guest");
            let Arrival::Stalled(stalled) = stalls.arrived(&raw.decode()) else { panic!("{raw}") };
            found.push(stalled);
        });
        assert!(!drained.unwrap().lost);
        let [stalled] = <[_; 1]>::try_from(found).unwrap();
        machine.trace();
        let terminate = by_guest(&lab, Command::StallTerm { stream: device() });
        let guess = resume(&lab, device(), stalled.stag());
        assert_eq!(issue(&mut lab, &mut groups, GUEST, &[guess, terminate], TIMEOUT), Ok(2));
        assert_eq!(answers(machine, 0x44), []);
        host.map(&lab.bench.p, ipa, PAGE, lab.word());
        machine.publish();
        lab.answer(stalled, ResumeAction::Retry);
        let resumed = lab.until_resumed(1, ResumeAction::Retry);
        assert_eq!(resumed[0].result, Ok(0xbeef));
        assert_eq!(machine.peek32(lab.word()).unwrap(), 0xbeef);
        finish(lab, host);
    });
}

#[test]
fn a_guest_brings_in_the_page_that_its_device_asked_for() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, false);
        let host = nest(&mut lab, Ats::Full, FaultMode::Terminate);
        let mut pri = Pri::new(&lab, 3);
        let asked = |value| machine.ats_dma32(0, IOVA, value).unwrap();
        assert_eq!(asked(Some(7)), AtsAccess::Refused(AtsCompletion::Denied));
        // Two groups: the first is the guest's, the other the host keeps.
        machine.page_request(&wants(5, true));
        machine.page_request(&wants(6, true));
        let (groups, mut records, mut kept) = (&mut pri.groups, Vec::new(), Vec::new());
        let drained =
            pri.queue.drain(&lab.bench.p, |raw| match groups.arrived(&raw.decode(), ResponsePasid::Never) {
                PageArrival::Last(group) if group.id().index == 5 => {
                    groups.forward(group, GUEST).unwrap();
                    records.push(raw.with_stream(device()).decode());
                }
                PageArrival::Last(group) => kept.push(group),
                other => panic!("{other:?}"),
            });
        assert_eq!(drained.unwrap().records, 2);
        assert_eq!((records[0].stream, records[0].group, records[0].address), (device(), 5, IOVA));
        machine.trace();
        let respond = |lab: &Lab<'_>, group| {
            let response = PriResponse::Success;
            by_guest(lab, Command::PriResp { stream: device(), substream: None, group, response })
        };
        let (mine, hosts) = (respond(&lab, 5), respond(&lab, 6));
        assert_eq!(issue(&mut lab, &mut pri.groups, THIEF, &[mine, hosts], TIMEOUT), Ok(2));
        assert_eq!(answers(machine, 0x41), []);
        lab.map();
        assert_eq!(issue(&mut lab, &mut pri.groups, GUEST, &[mine, hosts, mine], TIMEOUT), Ok(3));
        assert_eq!(answers(machine, 0x41), [5]);
        assert_eq!(machine.page_responses(), [response(5, 0, false)]);
        assert_eq!(asked(Some(7)), AtsAccess::Done(7));
        assert_eq!(machine.peek32(lab.word()).unwrap(), 7);
        for group in kept {
            pri.answer(&mut lab, group, PriResponse::Invalid);
        }
        assert_eq!(machine.page_responses(), [response(6, 1, false)]);
        machine.reset_atcs();
        lab.bench.attach(streams()[0], &SteConfig::Abort);
        host.destroy(&lab.bench.p, &mut lab.bench.queue);
        pri.finish(lab);
    });
}

/// The faults of one SMMU are answered in no other's queue.
#[test]
fn ledgers_of_another_smmu_answer_nothing_here() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, true);
        lab.stalls = Stalls::new(smmu_regs::InstanceId::new(99));
        let mut groups = PageGroups::new(smmu_regs::InstanceId::new(99), WhenFull::TryAgain);
        machine.trace();
        let answer = resume(&lab, device(), 1);
        let refused = issue(&mut lab, &mut groups, GUEST, &[answer], TIMEOUT);
        let (queue, faults) = (INSTANCE, smmu_regs::InstanceId::new(99));
        assert_eq!(refused, Err(GuestBatchError::OtherSmmu { queue, faults }));
        // Nor for a host that the hypervisor serves.
        let Lab { bench, stalls, .. } = &mut lab;
        let waiting = HandedOn::new(GUEST, stalls, &mut groups).unwrap();
        let host = HostSmmu::new(&bench.caps, &bench.caps, smmu_regs::Vmid::new(7), |_| true).unwrap();
        let no_fields =
            IdRegisters { idr0: Idr0::new(), idr1: Idr1::new(), idr3: Idr3::new(), ..IdRegisters::EXAMPLE };
        let mut view = HostView::new(&no_fields).unwrap();
        let served: Result<_, ServeError<()>> = host.with_faults(&waiting).serve(
            &bench.p,
            &mut bench.queue,
            &mut view,
            &|_: PhysAddr| None,
            Limits { commands: 1, timeout: TIMEOUT },
            |_, _| Ok(()),
        );
        assert_eq!(served, Err(ServeError::OtherSmmu { queue, faults }));
        assert_eq!(machine.trace(), []);
        lab.finish();
    });
}
