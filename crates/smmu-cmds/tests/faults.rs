//! Stalls and page requests, each with exactly one answer, whatever comes in which order.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use smmu_cmds::RawEvent;
use smmu_cmds::command::{Command, PriResponse, ResumeAction};
use smmu_cmds::event::{Event, PageRequest, RawPageRequest};
use smmu_cmds::fault::{
    Arrival, AutoResponse, GroupId, NotTerminated, PageArrival, PageGroup, PageGroups, PriState,
    ResponseCode, ResponsePasid, StallId, StalledTransaction, Stalls, Unanswered, WhenFull, auto_response,
};
use smmu_regs::receipt::{QueuePosition, Receipt};
use smmu_regs::{InstanceId, StreamId, SubstreamId};
use std::collections::BTreeMap;

const HERE: InstanceId = InstanceId::new(1);
const ELSEWHERE: InstanceId = InstanceId::new(2);

/// A fault record; positions as in spec/events.toml: EVENTID 0, SID 32, STAG 64, STALL 95.
fn fault(id: u8, stream: u32, stag: u16, stalled: bool) -> Event {
    let first = u64::from(id) | u64::from(stream) << 32;
    RawEvent::from_words([first, u64::from(stag) | u64::from(stalled) << 31, 0, 0]).decode()
}

fn stall<O: Copy + PartialEq, const N: usize>(
    stalls: &mut Stalls<O, N>,
    stream: u32,
    stag: u16,
) -> StalledTransaction {
    match stalls.arrived(&fault(0x10, stream, stag, true)) {
        Arrival::Stalled(stalled) => stalled,
        other => panic!("{other:?}"),
    }
}

fn nothing<R>(command: Command) -> Result<R, ()> {
    panic!("{command} was sent")
}

fn receipt(instance: InstanceId) -> Receipt {
    Receipt::assert_completed_by_platform(instance, QueuePosition(0), QueuePosition(1))
}

#[test]
fn only_stalled_faults_wait() {
    let mut stalls = Stalls::<(), 4>::new(HERE);
    for id in 0..=u8::MAX {
        let can_stall = (0x10..=0x13).contains(&id);
        assert_eq!(stalls.arrived(&fault(id, 8, id.into(), false)), Arrival::Over);
        match stalls.arrived(&fault(id, 8, id.into(), true)) {
            Arrival::Over => assert!(!can_stall, "event {id:#x}"),
            Arrival::Stalled(stalled) => {
                assert!(can_stall, "event {id:#x}");
                assert_eq!(stalled.id(), StallId { stream: StreamId::new(8), stag: id.into() });
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(stalls.len(), 4);
}

#[test]
fn a_stall_is_answered_once() {
    let mut stalls = Stalls::<(), 2>::new(HERE);
    for action in [ResumeAction::Retry, ResumeAction::Abort, ResumeAction::Terminate] {
        let stalled = stall(&mut stalls, 8, 7);
        let command = stalls.resume(stalled, action, Ok::<_, ()>).unwrap();
        assert_eq!(command, Command::Resume { stream: StreamId::new(8), stag: 7, action });
        assert!(stalls.is_empty());
    }
    // What could not be sent still waits.
    let stalled = stall(&mut stalls, 8, 7);
    let failed = stalls.resume(stalled, ResumeAction::Retry, |_| Err::<(), _>("full"));
    let Err(Unanswered::NotSent { token, error: "full" }) = failed else { panic!("{failed:?}") };
    assert_eq!((stalls.len(), stalls.arrived(&fault(0x10, 8, 7, true))), (1, Arrival::Known(token.id())));
    assert!(stalls.resume(token, ResumeAction::Abort, Ok::<_, ()>).is_ok());
}

#[test]
fn a_lost_token_can_be_had_again_and_is_void_then() {
    let mut stalls = Stalls::<(), 2>::new(HERE);
    let first = stall(&mut stalls, 8, 7);
    let id = first.id();
    let second = stalls.reissue(id).unwrap();
    assert!(matches!(stalls.resume(first, ResumeAction::Retry, nothing::<()>), Err(Unanswered::Void { .. })));
    assert_eq!(stalls.outstanding().collect::<Vec<_>>(), [(id, None)]);
    assert!(stalls.resume(second, ResumeAction::Retry, Ok::<_, ()>).is_ok());
    assert_eq!(stalls.reissue(id), None);
}

#[test]
fn terminating_a_stream_voids_its_tokens_even_if_the_tag_comes_again() {
    let mut stalls = Stalls::<(), 4>::new(HERE);
    let (old, other) = (stall(&mut stalls, 8, 7), stall(&mut stalls, 9, 7));
    let _also = stall(&mut stalls, 8, 6);
    let stream = StreamId::new(8);
    let wrong = stalls.terminate_stream(stream, &receipt(ELSEWHERE), nothing::<()>);
    assert_eq!(wrong, Err(NotTerminated::OtherSmmu { here: HERE, proof: ELSEWHERE }));
    let failed = stalls.terminate_stream(stream, &receipt(HERE), |_| Err::<(), _>(()));
    assert_eq!((failed, stalls.len()), (Err(NotTerminated::NotSent(())), 3));
    let done = stalls.terminate_stream(stream, &receipt(HERE), Ok::<_, ()>);
    assert_eq!((done, stalls.len()), (Ok((Command::StallTerm { stream }, 2)), 1));
    let new = stall(&mut stalls, 8, 7);
    assert!(matches!(stalls.resume(old, ResumeAction::Abort, nothing::<()>), Err(Unanswered::Void { .. })));
    assert!(stalls.resume(new, ResumeAction::Abort, Ok::<_, ()>).is_ok());
    assert_eq!(stalls.smmu_disabled(), 1);
    assert!(matches!(stalls.resume(other, ResumeAction::Abort, nothing::<()>), Err(Unanswered::Void { .. })));
}

#[test]
fn a_full_ledger_aborts_at_once() {
    let mut stalls = Stalls::<(), 2>::new(HERE);
    let (first, _second) = (stall(&mut stalls, 8, 1), stall(&mut stalls, 8, 2));
    let Arrival::Full(now) = stalls.arrived(&fault(0x12, 9, 3, true)) else { panic!("not full") };
    let expected = Command::Resume { stream: StreamId::new(9), stag: 3, action: ResumeAction::Abort };
    assert_eq!(*now.command(), expected);
    let Err((now, "later")) = now.send(|_| Err::<(), _>("later")) else { panic!("was sent") };
    assert_eq!(now.send(Ok::<_, ()>), Ok(expected));
    assert!(stalls.resume(first, ResumeAction::Abort, Ok::<_, ()>).is_ok());
    let _room = stall(&mut stalls, 9, 3);
}

#[test]
fn only_the_guest_that_was_told_answers() {
    let mut stalls = Stalls::<u8, 4>::new(HERE);
    let stalled = stall(&mut stalls, 8, 7);
    let id = stalled.id();
    assert_eq!(stalls.claim(id, &1), None, "nobody was told yet");
    stalls.forward(stalled, 1).unwrap();
    assert_eq!((stalls.owner(id), stalls.claim(id, &2)), (Some(1), None));
    let other = StallId { stream: StreamId::new(9), stag: 7 };
    assert_eq!(stalls.claim(other, &1), None, "the tag is of another stream's");
    let stalled = stalls.claim(id, &1).unwrap();
    assert_eq!(stalls.claim(id, &1), None, "twice");
    assert!(stalls.resume(stalled, ResumeAction::Retry, Ok::<_, ()>).is_ok());
    assert_eq!((stalls.claim(id, &1), stalls.owner(id)), (None, None));
    // A guest that dies.
    for stag in 0..3 {
        let stalled = stall(&mut stalls, 8, stag);
        stalls.forward(stalled, 1).unwrap();
    }
    let kept = stall(&mut stalls, 9, 0);
    stalls.forward(kept, 2).unwrap();
    let mut aborted = Vec::new();
    while let Some(stalled) = stalls.reclaim(&1) {
        aborted.push(stalled.stag());
        stalls.resume(stalled, ResumeAction::Abort, Ok::<_, ()>).unwrap();
    }
    assert_eq!((aborted, stalls.len()), (vec![0, 1, 2], 1));
    // A token of another SMMU's ledger stands for nothing here.
    let foreign = stall(&mut Stalls::<u8, 1>::new(ELSEWHERE), 9, 0);
    assert!(stalls.forward(foreign, 1).is_err());
}

/// SID 0, SSID 32, READ 60, LAST 62, SSV 63, PRGINDEX 64.
fn request(stream: u32, pasid: Option<u32>, group: u16, read: bool, last: bool) -> PageRequest {
    let pasid = pasid.map_or(0, |pasid| 1 << 63 | u64::from(pasid) << 32);
    let low = u64::from(stream) | pasid | u64::from(read) << 60 | u64::from(last) << 62;
    RawPageRequest::from_words([low, u64::from(group) | 0x5000]).decode()
}

fn groups<const N: usize>() -> PageGroups<u8, N> {
    PageGroups::new(HERE, WhenFull::default())
}

fn last<const N: usize>(groups: &mut PageGroups<u8, N>, request: PageRequest) -> PageGroup {
    match groups.arrived(&request, ResponsePasid::AsRequested) {
        PageArrival::Last(group) => group,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_is_answered_once_after_its_last_request() {
    let mut groups = groups::<4>();
    let id = GroupId { stream: StreamId::new(8), index: 0x1ff };
    for _ in 0..2 {
        let arrival = groups.arrived(&request(8, Some(5), 0x1ff, true, false), ResponsePasid::AsRequested);
        assert_eq!(arrival, PageArrival::Member(id));
    }
    assert_eq!((groups.len(), groups.reissue(id)), (0, None), "nothing is due before the last");
    let group = last(&mut groups, request(8, Some(5), 0x1ff, true, true));
    assert_eq!((group.requests(), group.is_mixed(), group.id()), (3, false, id));
    let again = groups.arrived(&request(8, Some(5), 0x1ff, true, true), ResponsePasid::AsRequested);
    assert_eq!(again, PageArrival::Known(id));
    let failed =
        groups.answer(group, PriResponse::Success, ResponsePasid::AsRequested, |_| Err::<(), _>("full"));
    let Err(Unanswered::NotSent { token, .. }) = failed else { panic!("{failed:?}") };
    let sent = groups.answer(token, PriResponse::Success, ResponsePasid::AsRequested, Ok::<_, ()>).unwrap();
    let substream = SubstreamId::new(5).ok();
    let expected =
        Command::PriResp { stream: id.stream, substream, group: 0x1ff, response: PriResponse::Success };
    assert_eq!((sent, groups.len()), (expected, 0));
    // A device that does not want a PASID on answers.
    let group = last(&mut groups, request(8, Some(5), 0x1ff, true, true));
    let sent = groups.answer(group, PriResponse::Invalid, ResponsePasid::Never, Ok::<_, ()>).unwrap();
    let expected =
        Command::PriResp { stream: id.stream, substream: None, group: 0x1ff, response: PriResponse::Invalid };
    assert_eq!(sent, expected);
}

#[test]
fn a_stop_marker_needs_no_answer_and_ends_no_group() {
    let mut groups = groups::<4>();
    let _member = groups.arrived(&request(8, Some(5), 0, true, false), ResponsePasid::AsRequested);
    let marker = groups.arrived(&request(8, Some(5), 0, false, true), ResponsePasid::AsRequested);
    assert_eq!((marker, groups.len()), (PageArrival::StopMarker, 0));
    // Without a PASID it is a request.
    let group = last(&mut groups, request(8, None, 0, false, true));
    assert!(group.is_mixed(), "the first had a PASID");
}

#[test]
fn incomplete_groups_make_room_and_complete_ones_do_not() {
    let mut groups = groups::<2>();
    for index in 0..9 {
        let id = GroupId { stream: StreamId::new(8), index };
        let arrival = groups.arrived(&request(8, None, index, true, false), ResponsePasid::AsRequested);
        assert_eq!(arrival, PageArrival::Member(id));
    }
    // Of the first ones nothing is known any more: the last request stands for itself.
    assert_eq!(last(&mut groups, request(8, None, 0, true, true)).requests(), 1);
    assert_eq!(last(&mut groups, request(8, None, 8, true, true)).requests(), 2);
    // Both places now wait for answers.
    let full =
        |groups: &mut PageGroups<u8, 2>, pasid| groups.arrived(&request(9, Some(1), 3, true, true), pasid);
    let PageArrival::Full(now) = full(&mut groups, ResponsePasid::Never) else { panic!("not full") };
    let stream = StreamId::new(9);
    let success = PriResponse::Success;
    assert_eq!(*now.command(), Command::PriResp { stream, substream: None, group: 3, response: success });
    let begun = groups.arrived(&request(9, Some(1), 4, true, false), ResponsePasid::AsRequested);
    assert!(matches!(begun, PageArrival::Member(_)), "nothing is due for it");

    let mut refusing = PageGroups::<u8, 0>::new(HERE, WhenFull::Refuse);
    let arrival = refusing.arrived(&request(9, Some(1), 3, true, true), ResponsePasid::AsRequested);
    let PageArrival::Full(now) = arrival else { panic!("not full") };
    let substream = SubstreamId::new(1).ok();
    let invalid = PriResponse::Invalid;
    assert_eq!(*now.command(), Command::PriResp { stream, substream, group: 3, response: invalid });
}

#[test]
fn after_an_overflow_only_what_is_complete_waits() {
    let mut groups = groups::<4>();
    let waiting = last(&mut groups, request(8, None, 1, true, true));
    let _begun = groups.arrived(&request(8, None, 2, true, false), ResponsePasid::AsRequested);
    assert_eq!(groups.forget_incomplete(), 1);
    // The index comes again with another meaning.
    assert_eq!(last(&mut groups, request(8, None, 2, true, true)).requests(), 1);
    assert!(groups.answer(waiting, PriResponse::Success, ResponsePasid::Never, Ok::<_, ()>).is_ok());
    let gone = last(&mut groups, request(9, None, 2, true, true));
    assert_eq!((groups.forget_stream(StreamId::new(9)), groups.len()), (1, 1));
    let void = groups.answer(gone, PriResponse::Success, ResponsePasid::Never, nothing::<()>);
    assert!(matches!(void, Err(Unanswered::Void { .. })));
    assert_eq!(groups.smmu_disabled(), 1);
}

#[test]
fn a_guests_groups() {
    let mut groups = groups::<4>();
    for index in 0..3 {
        let group = last(&mut groups, request(8, None, index, true, true));
        groups.forward(group, 1).unwrap();
    }
    let id = GroupId { stream: StreamId::new(8), index: 1 };
    assert_eq!((groups.owner(id), groups.claim(id, &2)), (Some(1), None));
    let group = groups.claim(id, &1).unwrap();
    groups.answer(group, PriResponse::Success, ResponsePasid::Never, Ok::<_, ()>).unwrap();
    assert_eq!(groups.claim(id, &1), None);
    let mut left = 0;
    while let Some(group) = groups.reclaim(&1) {
        groups.answer(group, PriResponse::Failure, ResponsePasid::Never, Ok::<_, ()>).unwrap();
        left += 1;
    }
    assert_eq!((left, groups.is_empty()), (2, true));
}

/// The rows of spec/pri.toml.
#[test]
fn what_the_smmu_answers_itself() {
    use AutoResponse::{Answered, Dropped, Queued};
    use ResponseCode::{ResponseFailure, Success};
    let pasid = SubstreamId::new(5).ok();
    let answer = |code, substream| Answered { code, substream };
    let states = |pasid| PriState::Overflow { pasid };
    // Queue, PASID, last, stop marker.
    let rows = [
        (PriState::Open, true, true, true, Queued),
        (PriState::Open, false, false, false, Queued),
        (PriState::Closed, true, true, true, Dropped),
        (PriState::Closed, true, true, false, answer(ResponseFailure, None)),
        (PriState::Closed, true, false, false, answer(ResponseFailure, None)),
        (PriState::Closed, false, false, false, answer(ResponseFailure, None)),
        (states(Some(true)), true, true, true, Dropped),
        (states(Some(true)), true, false, false, Dropped),
        (states(Some(true)), true, true, false, answer(Success, pasid)),
        (states(Some(true)), false, true, false, answer(Success, None)),
        (states(Some(false)), true, true, false, answer(Success, None)),
        (states(Some(false)), false, true, false, answer(Success, None)),
        (states(None), true, true, false, answer(ResponseFailure, None)),
        (states(None), true, false, false, Dropped),
        (states(None), false, true, false, answer(Success, None)),
    ];
    for (state, with_pasid, last, marker, expected) in rows {
        let request = request(8, with_pasid.then_some(5), 1, !marker, last);
        assert_eq!(auto_response(&request, state), expected, "{state:?} {request}");
    }
}

proptest! {
    /// Against a map: every stall that arrived is answered once or told to be gone, and nothing else ever is.
    #[test]
    fn stalls_are_answered_exactly_once(steps in prop::collection::vec((0_u8..7, 0_u32..2, 0_u16..3), 0..80)) {
        let mut stalls = Stalls::<u8, 4>::new(HERE);
        let mut tokens: Vec<StalledTransaction> = Vec::new();
        // What waits at the SMMU, by its arrival number.
        let mut waiting: BTreeMap<(u32, u16), u32> = BTreeMap::new();
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        let mut arrived = 0;
        for (step, stream, stag) in steps {
            let id = StallId { stream: StreamId::new(stream), stag };
            match step {
                // A well-behaved SMMU does not use a tag that waits.
                0..=2 if !waiting.contains_key(&(stream, stag)) => {
                    arrived += 1;
                    match stalls.arrived(&fault(0x10, stream, stag, true)) {
                        Arrival::Stalled(token) => {
                            numbers.insert(format!("{token:?}"), arrived);
                            waiting.insert((stream, stag), arrived);
                            tokens.push(token);
                        }
                        Arrival::Full(now) => {
                            prop_assert_eq!(waiting.len(), 4);
                            let action = ResumeAction::Abort;
                            prop_assert_eq!(*now.command(), Command::Resume { stream: id.stream, stag, action });
                        }
                        other => prop_assert!(false, "{other:?}"),
                    }
                }
                3 | 4 => {
                    let Some(token) = tokens.pop() else { continue };
                    let (id, number) = (token.id(), numbers[&format!("{token:?}")]);
                    let live = waiting.get(&(id.stream.get(), id.stag)) == Some(&number);
                    let answered = stalls.resume(token, ResumeAction::Retry, Ok::<_, ()>).is_ok();
                    prop_assert_eq!(answered, live);
                    if live {
                        waiting.remove(&(id.stream.get(), id.stag));
                    }
                }
                5 => {
                    let (_, gone) = stalls.terminate_stream(id.stream, &receipt(HERE), Ok::<_, ()>).unwrap();
                    let before = waiting.len();
                    waiting.retain(|(other, _), _| *other != stream);
                    prop_assert_eq!(gone, before - waiting.len());
                }
                6 => {
                    let by = usize::from(tokens.len() > 1);
                    tokens.rotate_left(by);
                }
                _ => {}
            }
            prop_assert_eq!(stalls.len(), waiting.len());
        }
    }

    /// Any records, known or not, cause no panic, and what waits is never more than there is room for.
    #[test]
    fn anything_may_arrive(words in prop::collection::vec(any::<[u64; 4]>(), 0..20)) {
        let mut stalls = Stalls::<u8, 3>::new(HERE);
        let mut groups = groups::<3>();
        for words in words {
            let [first, second, ..] = words;
            let event = RawEvent::from_words(words).decode();
            prop_assert_eq!(matches!(stalls.arrived(&event), Arrival::Over), {
                (0x10..=0x13).all(|id| first & 0xff != id) || second >> 31 & 1 == 0
            });
            let _ = groups.arrived(&RawPageRequest::from_words([first, second]).decode(), ResponsePasid::Never);
            prop_assert!(stalls.len() <= 3 && groups.len() <= 3);
        }
    }
}
