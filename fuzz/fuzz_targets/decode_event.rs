//! Event records and page requests of any content: decoding looks only at the fields that the record type has, a rewritten
//! StreamID changes nothing else, and everything can be printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smmu_cmds::RawEvent;
use smmu_cmds::command::{PriResponse, ResumeAction};
use smmu_cmds::event::{EventId, EventKind, RawPageRequest, words_of};
use smmu_cmds::fault::{Arrival, PageArrival, PageGroups, ResponsePasid, Stalls, WhenFull};
use smmu_regs::{InstanceId, StreamId};

/// The record without the bits that its type does not have.
fn known_bits(raw: RawEvent) -> Option<RawEvent> {
    let mut words = raw.words();
    for (word, fields) in words.iter_mut().zip(words_of(raw.id())?) {
        *word &= fields.iter().fold(0, |mask, field| mask | field.mask());
    }
    Some(RawEvent::from_words(words))
}

fn event(raw: RawEvent) {
    let event = raw.decode();
    assert!(!raw.to_string().is_empty() && !format!("{raw:?} {event:?}").is_empty());
    assert_eq!(event.stream, raw.stream());
    match known_bits(raw) {
        Some(known) => assert_eq!(known.decode(), event),
        None => assert!(matches!(raw.id(), EventId::Unknown(_))),
    }
    let other = StreamId::new(!raw.stream().get());
    let renamed = raw.with_stream(other);
    match renamed.decode().kind {
        // An unknown record is kept as it is, StreamID and all.
        EventKind::Unknown { id, record } => assert_eq!((EventId::Unknown(id), record), (raw.id(), renamed)),
        kind => assert_eq!(kind, event.kind),
    }
    assert_eq!((renamed.stream(), renamed.decode().substream), (other, event.substream));
    assert_eq!(renamed.with_stream(raw.stream()), raw);
}

fn request(raw: RawPageRequest) {
    let request = raw.decode();
    assert!(!format!("{request:?} {request}").is_empty());
    assert_eq!(raw.with_stream(StreamId::new(!request.stream.get())).with_stream(request.stream), raw);
}

/// Each pair of words as an event and as a page request: whatever comes, an answer fits only once.
fn ledgers(words: [u64; 4]) {
    let mut stalls = Stalls::<(), 2>::new(InstanceId::new(0));
    let mut groups = PageGroups::<(), 2>::new(InstanceId::new(0), WhenFull::TryAgain);
    let mut sent = Vec::new();
    for (first, second) in words.into_iter().zip(words.into_iter().rev()) {
        let event = RawEvent::from_words([first, second, first, second]).decode();
        if let Arrival::Stalled(stalled) = stalls.arrived(&event) {
            let (id, waiting) = (stalled.id(), stalls.len());
            stalls.resume(stalled, ResumeAction::Retry, |command| Ok::<_, ()>(sent.push(command))).unwrap();
            assert!(stalls.reissue(id).is_none() && stalls.len() + 1 == waiting);
        }
        let request = RawPageRequest::from_words([first, second]).decode();
        if let PageArrival::Last(group) = groups.arrived(&request, ResponsePasid::AsRequested) {
            let id = group.id();
            assert!(groups.reissue(id).is_some(), "a token that got lost is made anew");
            let send = |_| -> Result<(), ()> { unreachable!("the old token is void") };
            assert!(groups.answer(group, PriResponse::Success, ResponsePasid::Never, send).is_err());
        }
    }
}

fuzz_target!(|words: [u64; 4]| {
    event(RawEvent::from_words(words));
    let [first, second, ..] = words;
    request(RawPageRequest::from_words([first, second]));
    ledgers(words);
});
