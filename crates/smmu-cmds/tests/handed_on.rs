//! The ledgers as a guest's commands see them: what was handed on to that guest, once.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use smmu_cmds::command::ResumeAction;
use smmu_cmds::event::RawPageRequest;
use smmu_cmds::fault::{
    Arrival, GroupId, PageArrival, PageGroup, PageGroups, ResponsePasid, StallId, StalledTransaction, Stalls,
    WhenFull,
};
use smmu_cmds::guest::{Answer, ForwardedFaults, GuestBatch, GuestStep, HandedOn};
use smmu_cmds::{RawCommand, RawEvent, VirtualSmmu};
use smmu_regs::caps::{Caps, Hints, IdRegisters};
use smmu_regs::{InstanceId, StreamId, VirtualStreamId, Vmid};
use std::collections::BTreeMap;

const HERE: InstanceId = InstanceId::new(1);
const ELSEWHERE: InstanceId = InstanceId::new(2);
/// Guests.
const MINE: u8 = 7;
const OTHER: u8 = 8;

type Handed<'a> = HandedOn<'a, u8, 16, 16>;

fn stall(stalls: &mut Stalls<u8, 16>, stream: u32, stag: u16) -> Option<StalledTransaction> {
    let event = RawEvent::from_words([u64::from(stream) << 32 | 0x10, 1 << 31 | u64::from(stag), 0, 0]);
    match stalls.arrived(&event.decode()) {
        Arrival::Stalled(stalled) => Some(stalled),
        _ => None,
    }
}

/// The last request of a group; positions as in spec/pri.toml: SID 0, SSID 32, LAST 62, SSV 63, PRGINDEX 64.
fn group(
    groups: &mut PageGroups<u8, 16>,
    stream: u32,
    pasid: Option<u32>,
    index: u16,
    last: bool,
) -> Option<PageGroup> {
    let with = pasid.map_or(0, |pasid| 1 << 63 | u64::from(pasid) << 32);
    let read = 1 << 60;
    let low = u64::from(stream) | with | read | u64::from(last) << 62;
    let request = RawPageRequest::from_words([low, u64::from(index)]).decode();
    match groups.arrived(&request, ResponsePasid::AsRequested) {
        PageArrival::Last(group) => Some(group),
        _ => None,
    }
}

fn ledgers() -> (Stalls<u8, 16>, PageGroups<u8, 16>) {
    (Stalls::new(HERE), PageGroups::new(HERE, WhenFull::TryAgain))
}

/// What of `commands` is pushed by guest `owner`, whose device 1 is stream 0x21 and so on.
fn pushed(
    owner: u8,
    (stalls, groups): &mut (Stalls<u8, 16>, PageGroups<u8, 16>),
    commands: &[[u64; 2]],
) -> Vec<[u64; 2]> {
    let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default()).unwrap();
    let faults: Handed<'_> = HandedOn::new(owner, stalls, groups).unwrap();
    let streams = |device: VirtualStreamId| Some(StreamId::new(0x20 + device.get()));
    let smmu = VirtualSmmu::new(&caps, Vmid::new(7), streams).unwrap().with_faults(&faults);
    let mut batch = GuestBatch::new(&smmu, commands.iter().copied().map(RawCommand::from_words));
    let mut pushed = Vec::new();
    for step in batch.by_ref() {
        if let GuestStep::Push(command) = step {
            faults.answered(Answer::of(&command).unwrap());
            pushed.push(command.words());
        }
    }
    assert_eq!((batch.begun(), batch.refusal()), (commands.len(), None));
    pushed
}

const RETRY: u64 = 1 << 12 | 0x44;
const ABORT: u64 = 1 << 13 | 0x44;
const RESPOND: u64 = 0x41;
const SUCCESS: u64 = 2 << 12;

#[test]
fn a_stall_goes_only_to_whom_it_was_handed_on_and_once() {
    let mut ledgers = ledgers();
    let tokens = [1, 2, 3, 4].map(|stag| stall(&mut ledgers.0, 0x21, stag).unwrap());
    let [mine, others, hosts, back] = tokens;
    ledgers.0.forward(mine, MINE).unwrap();
    ledgers.0.forward(others, OTHER).unwrap();
    ledgers.0.forward(back, MINE).unwrap();
    let back = ledgers.0.claim(StallId { stream: StreamId::new(0x21), stag: 4 }, &MINE).unwrap();
    let commands = [1, 2, 3, 4, 1].map(|stag| [1 << 32 | RETRY, stag]);
    assert_eq!(pushed(MINE, &mut ledgers, &commands), [[0x21 << 32 | RETRY, 1]]);
    // It is gone from the ledger, so nobody answers it again; its tag may come again, for the host.
    assert_eq!(ledgers.0.len(), 3);
    let again = stall(&mut ledgers.0, 0x21, 1).unwrap();
    assert_eq!(pushed(MINE, &mut ledgers, &commands), <[[u64; 2]; 0]>::default());
    assert_eq!(pushed(OTHER, &mut ledgers, &commands), [[0x21 << 32 | RETRY, 2]]);
    for token in [hosts, back, again] {
        assert!(ledgers.0.resume(token, ResumeAction::Abort, Ok::<_, ()>).is_ok());
    }
    assert!(ledgers.0.is_empty());
}

#[test]
fn terminating_a_stream_answers_what_was_handed_on_in_order() {
    let mut ledgers = ledgers();
    for (stream, stag, owner) in
        [(0x21, 0xffff, MINE), (0x21, 9, OTHER), (0x21, 0, MINE), (0x22, 5, MINE), (0x21, 6, MINE)]
    {
        let token = stall(&mut ledgers.0, stream, stag).unwrap();
        ledgers.0.forward(token, owner).unwrap();
    }
    let hosts = stall(&mut ledgers.0, 0x21, 7).unwrap();
    let terminate = [[1 << 32 | 0x45, 0]; 2];
    let aborts = [0, 6, 0xffff].map(|stag| [0x21 << 32 | ABORT, stag]);
    assert_eq!(pushed(MINE, &mut ledgers, &terminate), aborts);
    assert_eq!((ledgers.0.len(), hosts.stag()), (3, 7));
}

#[test]
fn a_page_request_group_goes_only_to_whom_it_was_handed_on_and_once() {
    let mut ledgers = ledgers();
    assert_eq!(group(&mut ledgers.1, 0x21, Some(5), 4, false), None);
    let tokens =
        [1, 2, 3].map(|index| group(&mut ledgers.1, 0x21, (index != 2).then_some(5), index, true).unwrap());
    let [with, without, others] = tokens;
    ledgers.1.forward(with, MINE).unwrap();
    ledgers.1.forward(without, MINE).unwrap();
    ledgers.1.forward(others, OTHER).unwrap();
    let pasid = |pasid: u64| 1 << 32 | pasid << 12 | 1 << 11 | RESPOND;
    let commands = [
        // The wrong PASID; another guest's group; one that is not complete; a PASID where there was none.
        [pasid(6), SUCCESS | 1],
        [pasid(5), SUCCESS | 3],
        [1 << 32 | RESPOND, SUCCESS | 4],
        [pasid(5), SUCCESS | 2],
        // The right ones, each twice.
        [pasid(5), SUCCESS | 1],
        [pasid(5), SUCCESS | 1],
        [1 << 32 | RESPOND, 2],
        [1 << 32 | RESPOND, 2],
    ];
    let expected = [[0x21 << 32 | 5 << 12 | 1 << 11 | RESPOND, SUCCESS | 1], [0x21 << 32 | RESPOND, 2]];
    assert_eq!(pushed(MINE, &mut ledgers, &commands), expected);
    // A device that wants no PASID in its answer.
    let bare = [[1 << 32 | RESPOND, SUCCESS | 3]; 2];
    assert_eq!(pushed(OTHER, &mut ledgers, &bare), [[0x21 << 32 | RESPOND, SUCCESS | 3]]);
    assert!(ledgers.1.is_empty());
    // The group that goes on is still whole.
    assert_eq!(group(&mut ledgers.1, 0x21, Some(5), 4, true).unwrap().requests(), 2);
}

#[test]
fn ledgers_of_two_smmus_make_no_view() {
    let mut stalls = Stalls::<u8, 1>::new(HERE);
    let mut groups = PageGroups::<u8, 1>::new(ELSEWHERE, WhenFull::TryAgain);
    assert!(HandedOn::new(MINE, &mut stalls, &mut groups).is_none());
    let mut groups = PageGroups::<u8, 0>::new(HERE, WhenFull::TryAgain);
    assert_eq!(HandedOn::new(MINE, &mut stalls, &mut groups).unwrap().instance(), Some(HERE));
}

/// What may happen to a fault.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Stalls,
    Requests,
    HandOn(u8),
    ClaimBack(u8),
    Resume(u8),
    Respond(u8),
    Terminate(u8),
}

fn deed() -> impl Strategy<Value = (Deed, u32, u16)> {
    let owner = || MINE..=OTHER;
    let deed = prop_oneof![
        Just(Deed::Stalls),
        Just(Deed::Requests),
        owner().prop_map(Deed::HandOn),
        owner().prop_map(Deed::HandOn),
        owner().prop_map(Deed::ClaimBack),
        owner().prop_map(Deed::Resume),
        owner().prop_map(Deed::Respond),
        owner().prop_map(Deed::Terminate),
    ];
    (deed, 0x21_u32..0x23, 0_u16..3)
}

proptest! {
    /// Against maps of what waits for whom.
    #[test]
    fn in_any_order(deeds in prop::collection::vec(deed(), 0..200)) {
        let mut ledgers = ledgers();
        let (mut stalled, mut asked) = (BTreeMap::new(), BTreeMap::new());
        // The host's tokens.
        let (mut stalls, mut groups) = (BTreeMap::new(), BTreeMap::new());
        for (deed, stream, tag) in deeds {
            let (key, raw) = ((stream, tag), u64::from(tag));
            let device = u64::from(stream - 0x20) << 32;
            let physical = u64::from(stream) << 32;
            let index = GroupId { stream: StreamId::new(stream), index: tag };
            let stag = StallId { stream: StreamId::new(stream), stag: tag };
            match deed {
                Deed::Stalls => {
                    let token = stall(&mut ledgers.0, stream, tag);
                    prop_assert_eq!(token.is_some(), !stalled.contains_key(&key));
                    if let Some(token) = token {
                        stalled.insert(key, None);
                        stalls.insert(key, token);
                    }
                }
                Deed::Requests => {
                    let token = group(&mut ledgers.1, stream, None, tag, true);
                    prop_assert_eq!(token.is_some(), !asked.contains_key(&key));
                    if let Some(token) = token {
                        asked.insert(key, None);
                        groups.insert(key, token);
                    }
                }
                Deed::HandOn(owner) => {
                    if let Some(token) = stalls.remove(&key) {
                        ledgers.0.forward(token, owner).unwrap();
                        stalled.insert(key, Some(owner));
                    }
                    if let Some(token) = groups.remove(&key) {
                        ledgers.1.forward(token, owner).unwrap();
                        asked.insert(key, Some(owner));
                    }
                }
                Deed::ClaimBack(owner) => {
                    let token = ledgers.0.claim(stag, &owner);
                    prop_assert_eq!(token.is_some(), stalled.get(&key) == Some(&Some(owner)));
                    if let Some(token) = token {
                        stalled.insert(key, None);
                        stalls.insert(key, token);
                    }
                    let token = ledgers.1.claim(index, &owner);
                    prop_assert_eq!(token.is_some(), asked.get(&key) == Some(&Some(owner)));
                    if let Some(token) = token {
                        asked.insert(key, None);
                        groups.insert(key, token);
                    }
                }
                Deed::Resume(owner) => {
                    let goes = stalled.get(&key) == Some(&Some(owner));
                    let expected: &[_] = if goes { &[[physical | RETRY, raw]] } else { &[] };
                    prop_assert_eq!(pushed(owner, &mut ledgers, &[[device | RETRY, raw]; 2]), expected);
                    if goes {
                        stalled.remove(&key);
                    }
                }
                Deed::Respond(owner) => {
                    let goes = asked.get(&key) == Some(&Some(owner));
                    let expected: &[_] = if goes { &[[physical | RESPOND, SUCCESS | raw]] } else { &[] };
                    let command = [device | RESPOND, SUCCESS | raw];
                    prop_assert_eq!(pushed(owner, &mut ledgers, &[command; 2]), expected);
                    if goes {
                        asked.remove(&key);
                    }
                }
                Deed::Terminate(owner) => {
                    let goes = |of: &(u32, u16), by: &Option<u8>| of.0 == stream && *by == Some(owner);
                    let expected: Vec<_> = stalled
                        .iter()
                        .filter(|(of, by)| goes(of, by))
                        .map(|(of, _)| [physical | ABORT, u64::from(of.1)])
                        .collect();
                    prop_assert_eq!(pushed(owner, &mut ledgers, &[[device | 0x45, 0]; 2]), expected);
                    stalled.retain(|of, by| !goes(of, by));
                }
            }
            prop_assert_eq!((ledgers.0.len(), ledgers.1.len()), (stalled.len(), asked.len()));
        }
        // The host's tokens are still good.
        for (_, token) in stalls {
            prop_assert!(ledgers.0.resume(token, ResumeAction::Abort, Ok::<_, ()>).is_ok());
        }
    }
}
