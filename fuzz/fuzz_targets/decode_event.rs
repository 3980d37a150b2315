//! Event records and page requests of any content: decoding looks only at the fields that the record type has, a rewritten
//! StreamID changes nothing else, and everything can be printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smmu_cmds::RawEvent;
use smmu_cmds::event::{EventId, RawPageRequest, words_of};
use smmu_regs::StreamId;

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
    assert_eq!(renamed.decode().kind, event.kind);
    assert_eq!((renamed.stream(), renamed.decode().substream), (other, event.substream));
    assert_eq!(renamed.with_stream(raw.stream()), raw);
}

fuzz_target!(|words: [u64; 4]| {
    event(RawEvent::from_words(words));
    let [first, second, ..] = words;
    let request = RawPageRequest::from_words([first, second]).decode();
    assert!(!format!("{request:?}").is_empty());
});
