//! Events: every type decoded, unknown ones kept, relocation for guests.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use smmu_cmds::command::{Command, PriResponse};
use smmu_cmds::event::{
    Access, Class, EventId, EventKind, Fault, FaultKind, HostsEvent, RawEvent, RawPageRequest, Relocated,
};
use smmu_regs::addr::PhysAddr;
use smmu_regs::{StreamId, SubstreamId, VirtualStreamId};

#[test]
fn a_stage_2_permission_fault() {
    let raw = RawEvent::from_words([
        0x0000_0018_0002_a813,
        0x0000_0288_8000_1234,
        0xffff_8000_0000_1008,
        0x000f_edcb_a987_6abc,
    ]);
    let event = raw.decode();
    assert_eq!(event.stream, StreamId::new(0x18));
    assert_eq!(event.substream, Some(SubstreamId::new(0x2a).unwrap()));
    let access = Access { input: 0xffff_8000_0000_1008, read: true, instruction: false, privileged: false };
    let ipa = Some(PhysAddr::new(0x000f_edcb_a987_6000));
    let fault = Fault {
        kind: FaultKind::Permission,
        access,
        class: Class::Input,
        ipa,
        stalled: Some(0x1234),
        implementation_defined: 0,
    };
    assert_eq!(event.kind, EventKind::Fault(fault));
    let text = event.to_string();
    for part in
        ["F_PERMISSION", "StreamID=0x18", "read 0xffff800000001008", "IPA=0xfedcba9876000", "STAG=0x1234"]
    {
        assert!(text.contains(part), "{part} not in {text}");
    }
}

#[test]
fn fields_that_a_type_does_not_have_are_not_looked_at() {
    let all_ones = |id: EventId| RawEvent::from_words([!0xff | u64::from(u8::from(id)), !0, !0, !0]).decode();
    assert_eq!(all_ones(EventId::StreamDisabled).substream, None);
    assert_eq!(all_ones(EventId::BadSte).kind, EventKind::BadSte);
    let zeros = RawEvent::from_words([u64::from(u8::from(EventId::BadSubstreamId)), 0, 0, 0]).decode();
    assert_eq!(zeros.substream, Some(SubstreamId::ZERO));
    assert_eq!(all_ones(EventId::Unknown(0xe3)).kind, EventKind::Unknown { id: 0xe3 });
}

proptest! {
    #[test]
    fn any_record_is_survived_and_relocated(words: [u64; 4], stream: u32) {
        let raw = RawEvent::from_words(words);
        let moved = raw.with_stream(StreamId::new(stream));
        prop_assert_eq!(moved.stream(), StreamId::new(stream));
        prop_assert_eq!(moved.with_stream(raw.stream()), raw);
        let _ = raw.to_string();
        prop_assert_eq!(raw.decode().stream, raw.stream());
        prop_assert_eq!(raw.decode().kind.id(), raw.id());
    }
}

/// A record of each type, with S2 (bit 103) and Stall (bit 95) as given.
fn record(id: u8, stage2: bool, stalled: bool) -> RawEvent {
    let word = u64::from(stage2) << 39 | u64::from(stalled) << 31 | 0x1234;
    RawEvent::from_words([0x55_0002_a800 | u64::from(id), word, 0xffff_8000_0000_1008, 0x6000])
}

#[test]
fn a_guest_gets_what_its_own_stage_1_has_caused() {
    let device = VirtualStreamId::new(0);
    for id in 0..=u8::MAX {
        let (configuration, fault) = (matches!(id, 4 | 6 | 8 | 10), matches!(id, 0x10..=0x13));
        for (stage2, stalled) in [(false, false), (false, true), (true, false), (true, true)] {
            let raw = record(id, stage2, stalled);
            let expected = if configuration || fault && !stage2 && !stalled {
                Relocated::Guest(raw.with_stream(StreamId::new(0)))
            } else if fault && stalled {
                Relocated::Host(HostsEvent::Stalled { stag: 0x1234 })
            } else if fault {
                Relocated::Host(HostsEvent::Stage2)
            } else {
                Relocated::Host(HostsEvent::Type(EventId::from(id)))
            };
            assert_eq!(raw.relocate(Some(device)), expected, "{raw}");
            // Without a virtual device nothing goes to a guest: StreamID 0 is a device, not the lack of one.
            let expected = match expected {
                Relocated::Guest(_) => Relocated::Host(HostsEvent::NoVirtualDevice),
                host => host,
            };
            assert_eq!(raw.relocate(None), expected, "{raw}");
            if let Relocated::Host(why) = expected {
                assert!(!why.to_string().is_empty());
            }
        }
    }
}

#[test]
fn only_the_last_request_of_a_group_is_answered() {
    let raw =
        |last: u64| RawPageRequest::from_words([0x8001_0005_0000_0007 | last << 62, 0x6d67_f1b9_271f_21e4]);
    let request = raw(1).decode();
    assert_eq!((request.group, request.address), (0x1e4, 0x6d67_f1b9_271f_2000));
    let answer = request.answer(PriResponse::Failure);
    let substream = Some(SubstreamId::new(0x1_0005).unwrap());
    let stream = StreamId::new(7);
    assert_eq!(
        answer,
        Some(Command::PriResp { stream, substream, group: 0x1e4, response: PriResponse::Failure })
    );
    assert_eq!(raw(0).decode().answer(PriResponse::Failure), None);
}
