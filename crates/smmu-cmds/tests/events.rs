//! Events: every type decoded, unknown ones kept, relocation for guests.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use smmu_cmds::event::{
    Access, AtsRequest, Class, EventId, EventKind, Fault, FaultKind, HostsEvent, PageHint, Permissions,
    RawEvent, RawPageRequest, Refusal, Relocated,
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
        refusal: Some(Refusal { table_read: None, dirty: false, assured_only: false, overlay: false }),
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
    let record = RawEvent::from_words([!0xff | 0xe3, !0, !0, !0]);
    assert_eq!(record.decode().kind, EventKind::Unknown { id: 0xe3, record });
    assert!(record.to_string().contains("0xffffffffffffffe3"), "all of it is kept: {record}");
}

/// A record with fields set, each given by its lowest bit of the 256 and its value.
fn with(id: u8, fields: &[(u32, u64)]) -> RawEvent {
    let mut words = [u64::from(id), 0, 0, 0];
    for (lsb, value) in fields {
        *words.get_mut((lsb / 64) as usize).unwrap() |= value << (lsb % 64);
    }
    RawEvent::from_words(words)
}

#[test]
fn what_only_one_type_of_record_says() {
    // Positions: spec/events.toml. R 95, W 94, X 93, P 92, SPAN 64.
    let EventKind::BadAtsRequest(asked) =
        with(0x05, &[(64, 3), (95, 1), (92, 1), (140, 0x12345)]).decode().kind
    else {
        panic!("not an ATS request")
    };
    let read = Permissions { read: true, ..Permissions::default() };
    assert_eq!(asked, AtsRequest { input: 0x1234_5000, span: 3, permissions: read, privileged: true });

    // The span is a number of pages, no logarithm (7.3.19). UX 97, PR 103, SPAN 108.
    let hint = with(0x24, &[(97, 1), (103, 1), (108, 200), (140, 1)]);
    let EventKind::PageRequest(decoded) = hint.decode().kind else { panic!("not a hint") };
    let execute = Permissions { execute: true, ..Permissions::default() };
    assert_eq!(decoded, PageHint { input: 0x1000, pages: 200, privileged: read, unprivileged: execute });
    assert_eq!(
        hint.to_string(),
        "E_PAGE_REQUEST StreamID=0x0 0x1000, 200 pages, privileged r--, unprivileged --x"
    );

    // CLASS 104, DIRTYBIT 106, ASSUREDONLY 107, TTRNW 108, OVERLAY 109.
    let refusal = |fields: &[(u32, u64)]| match with(0x13, fields).decode().kind {
        EventKind::Fault(fault) => fault.refusal.unwrap(),
        other => panic!("{other:?}"),
    };
    let none = Refusal { table_read: None, dirty: false, assured_only: false, overlay: false };
    assert_eq!(refusal(&[(104, 2), (108, 1)]), none, "TTRnW is UNKNOWN unless a table was accessed");
    assert_eq!(refusal(&[(104, 1), (108, 1)]), Refusal { table_read: Some(true), ..none });
    assert_eq!(refusal(&[(104, 1)]), Refusal { table_read: Some(false), ..none });
    assert_eq!(refusal(&[(104, 2), (106, 1)]), Refusal { dirty: true, ..none });
    assert_eq!(refusal(&[(104, 2), (107, 1)]), Refusal { assured_only: true, ..none });
    assert_eq!(refusal(&[(104, 2), (109, 1)]), Refusal { overlay: true, ..none });
    for id in [0x10, 0x11, 0x12] {
        let EventKind::Fault(fault) = with(id, &[(106, 0xf)]).decode().kind else { panic!("no fault") };
        assert_eq!(fault.refusal, None);
    }
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
                let [who, fault, input, _] = raw.with_stream(StreamId::new(0)).words();
                Relocated::Guest(RawEvent::from_words([who, fault, input, 0]))
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

/// What is UNKNOWN in a record (7.3) may be of somebody else's: no guest gets it.
#[test]
fn a_guest_gets_nothing_unknown() {
    let all = |id: u64, ssv: u64| {
        let raw = RawEvent::from_words([!0 << 12 | ssv << 11 | id, 0, 7, !0]);
        let Relocated::Guest(guests) = raw.relocate(Some(VirtualStreamId::new(8))) else { panic!("{raw}") };
        guests.words()
    };
    let outside = 0xff00_0000_0000_0fff;
    assert_eq!(all(0x10, 1), [0x8_ffff_f810, 0, 7, outside]);
    assert_eq!(all(0x13, 0), [0x8_0000_0013, 0, 7, outside]);
    assert_eq!(all(0x0a, 0), [0x8_0000_000a, 0, 7, outside]);
    assert_eq!(all(0x08, 0), [0x8_ffff_f008, 0, 7, outside]);
    let stalled = RawEvent::from_words([0x10, 1 << 31, 7, 0x6000]).relocate_stall(VirtualStreamId::new(8));
    assert_eq!(stalled.map(|record| record.words()), Some([0x8_0000_0010, 1 << 31, 7, 0]));
}

#[test]
fn a_page_request_and_a_stop_marker() {
    let request = RawPageRequest::from_words([0xc001_0005_0000_0007, 0x6d67_f1b9_271f_21e4]);
    let decoded = request.decode();
    assert_eq!((decoded.group, decoded.address, decoded.last), (0x1e4, 0x6d67_f1b9_271f_2000, true));
    assert_eq!((decoded.stream, decoded.substream), (StreamId::new(7), SubstreamId::new(0x1_0005).ok()));
    assert!(decoded.is_stop_marker() && decoded.to_string().starts_with("stop marker StreamID=0x7"));
    // To read (60), to write (61), not the last (62), without PASID (63): each makes a request of it.
    for bit in [60, 61, 62, 63] {
        let other = RawPageRequest::from_words([0xc001_0005_0000_0007 ^ 1 << bit, 0]).decode();
        assert!(!other.is_stop_marker(), "bit {bit}: {other}");
    }
    // Execution and privilege do not.
    let privileged = RawPageRequest::from_words([0xcc01_0005_0000_0007, 0]).decode();
    assert!(privileged.is_stop_marker());
    let moved = request.with_stream(StreamId::new(u32::MAX));
    assert_eq!(
        (moved.decode().stream, moved.with_stream(StreamId::new(7))),
        (StreamId::new(u32::MAX), request)
    );
}
