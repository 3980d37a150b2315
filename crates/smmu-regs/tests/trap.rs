//! The trap filter: every offset, width and direction with hostile values; then what a driver does.
#![cfg(feature = "hypervisor")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use smmu_regs::caps::IdRegisters;
use smmu_regs::platform::{Page, RegisterOffset};
use smmu_regs::registers::{Cr0, Gbpa, Gerror, Idr0, Idr1, Idr3, Idr5};
use smmu_regs::trap::{
    Access, Action, CommandsWaiting, Emulated, HostInterrupt, HostView, InterruptSource, RecordSlot, Refusal,
    Verdict,
};
use smmu_regs::{AddressSize, PhysAddr};

/// What the host is shown: everything of the example that somebody emulates.
fn shown() -> IdRegisters {
    let real = IdRegisters::EXAMPLE;
    let idr0 = real.idr0.with(Idr0::HYP, false).with(Idr0::BTM, false).with(Idr0::ATOS, false);
    let idr0 = idr0.with(Idr0::VATOS, false).with(Idr0::VMW, false).with(Idr0::RME_IMPL, false);
    let idr1 = real.idr1.with(Idr1::ECMDQ, false);
    let idr3 = real.idr3.with(Idr3::MPAM, false).with(Idr3::DPT, false);
    IdRegisters { idr0, idr1, idr3, ..real }
}

fn view() -> HostView {
    HostView::new(&shown()).unwrap()
}

const fn p0(offset: u16) -> RegisterOffset {
    RegisterOffset::page0(offset)
}

const fn p1(offset: u16) -> RegisterOffset {
    RegisterOffset::page1(offset)
}

fn emulated(view: &HostView, access: Access) -> Emulated {
    match view.judge(&access) {
        Verdict::Emulate(made) => made,
        other => panic!("{access:x?}: {other:?}"),
    }
}

fn refused(view: &HostView, access: Access) -> Refusal {
    match view.judge(&access) {
        Verdict::Refuse(refusal) => refusal,
        other => panic!("{access:x?}: {other:?}"),
    }
}

/// Writes that are emulated, and what they ask for.
fn write(view: &mut HostView, access: Access) -> Vec<Action> {
    let made = emulated(view, access);
    *view = made.view;
    made.actions.iter().collect()
}

fn read(view: &HostView, at: RegisterOffset) -> u64 {
    emulated(view, Access::read32(at)).value
}

/// All that may ever be forwarded: 32-bit reads of the identification registers (6.2.1).
fn is_forwardable(access: &Access) -> bool {
    access.at.page == Page::Zero
        && (0xfd0..=0xffc).contains(&access.at.offset)
        && access.bytes == 4
        && access.write.is_none()
}

/// The registers that exist for the host, typed from 6.2.1 and 6.2.2: (page, offset, bytes, writable).
const REGISTERS: &[(Page, u16, u8, bool)] = {
    use Page::{One, Zero};
    &[
        (Zero, 0x00, 4, false),
        (Zero, 0x04, 4, false),
        (Zero, 0x08, 4, false),
        (Zero, 0x0c, 4, false),
        (Zero, 0x10, 4, false),
        (Zero, 0x14, 4, false),
        (Zero, 0x18, 4, false),
        (Zero, 0x1c, 4, false),
        (Zero, 0x20, 4, true),
        (Zero, 0x24, 4, false),
        (Zero, 0x28, 4, true),
        (Zero, 0x2c, 4, true),
        (Zero, 0x40, 4, false),
        (Zero, 0x44, 4, true),
        (Zero, 0x50, 4, true),
        (Zero, 0x54, 4, false),
        (Zero, 0x60, 4, false),
        (Zero, 0x64, 4, true),
        (Zero, 0x68, 8, true),
        (Zero, 0x70, 4, true),
        (Zero, 0x74, 4, true),
        (Zero, 0x80, 8, true),
        (Zero, 0x88, 4, true),
        (Zero, 0x90, 8, true),
        (Zero, 0x98, 4, true),
        (Zero, 0x9c, 4, true),
        (Zero, 0xa0, 8, true),
        (Zero, 0xb0, 8, true),
        (Zero, 0xb8, 4, true),
        (Zero, 0xbc, 4, true),
        (Zero, 0xc0, 8, true),
        (Zero, 0xd0, 8, true),
        (Zero, 0xd8, 4, true),
        (Zero, 0xdc, 4, true),
        (Zero, 0x190, 4, false),
        (One, 0xa8, 4, true),
        (One, 0xac, 4, true),
        (One, 0xc8, 4, true),
        (One, 0xcc, 4, true),
    ]
};

/// Whether an access of this size to this place is lawful, whatever the value and the state.
fn is_lawful(access: &Access) -> bool {
    is_forwardable(access)
        || REGISTERS.iter().any(|&(page, offset, bytes, writable)| {
            let (low, wide) = (access.at.offset == offset, bytes == 8);
            let high = wide && access.at.offset == offset + 4;
            access.at.page == page
                && (access.bytes == bytes && low || access.bytes == 4 && (low || high))
                && (writable || access.write.is_none())
        })
}

/// Nothing enabled; everything enabled; stopped by an error, with odd queue ends.
fn states() -> [HostView; 3] {
    let mut enabled = view();
    for (offset, value) in [(0x90, 0x8_0000_0004), (0x98, 3), (0x80, 0x9_0000_0000), (0xa0, 0xa_0000_0005)] {
        let access = if offset == 0x98 {
            Access::write32(p0(offset), value)
        } else {
            Access::write64(p0(offset), value)
        };
        let _ = write(&mut enabled, access);
    }
    let _ = write(&mut enabled, Access::write32(p0(0x20), 0x1f));
    let _ = write(&mut enabled, Access::write32(p0(0x50), 7));
    let mut stopped = enabled;
    stopped.command_failed(0x7f);
    let _ = write(&mut stopped, Access::write32(p0(0x98), 0xf_ffff));
    let _ = write(&mut stopped, Access::write32(p1(0xac), 0x800f_ffff));
    [view(), enabled, stopped]
}

#[test]
fn every_offset_width_and_direction() {
    let values =
        [0, 1, 0x1f, u64::from(u32::MAX), 0xdead_beef_0000_0fe0, 1 << 63, u64::MAX, 0x4000_0000, 1 << 31];
    let (mut forwarded, mut emulated, mut refused) = (0, 0, 0);
    for state in states() {
        for one_page in [false, true] {
            let state = state.with_one_page(one_page);
            for (page, offset) in
                [Page::Zero, Page::One].into_iter().flat_map(|p| (0..=u16::MAX).map(move |o| (p, o)))
            {
                // Unaligned offsets: near registers only, the others all fail the same way.
                if offset % 4 != 0 && offset > 0x220 {
                    continue;
                }
                let at = RegisterOffset { page, offset };
                let writes = values.into_iter().map(Some);
                for (bytes, write) in [1, 2, 4, 8]
                    .into_iter()
                    .flat_map(|bytes| writes.clone().chain([None]).map(move |w| (bytes, w)))
                {
                    let access = Access { at, bytes, write };
                    match state.judge(&access) {
                        Verdict::Forward => {
                            forwarded += 1;
                            assert!(is_forwardable(&access), "{access:x?} is forwarded");
                        }
                        Verdict::Emulate(made) => {
                            emulated += 1;
                            let alias =
                                one_page && page == Page::Zero && matches!(offset, 0xa8 | 0xac | 0xc8 | 0xcc);
                            assert!(is_lawful(&access) || alias && bytes == 4, "{access:x?} is emulated");
                            if write.is_none() {
                                assert_eq!(made.view, state, "a read changes nothing");
                                assert!(bytes == 8 || made.value <= u64::from(u32::MAX));
                            } else {
                                assert_eq!(made.value, 0);
                            }
                        }
                        Verdict::Refuse(refusal) => {
                            refused += 1;
                            assert!(!refusal.to_string().is_empty());
                            let readable = write.is_none() && is_lawful(&access);
                            assert!(!readable, "{access:x?}: {refusal}");
                        }
                    }
                }
            }
        }
    }
    // Three states, once with one page and once with two: twelve words each.
    assert_eq!(forwarded, 3 * 2 * 12);
    assert!(emulated > 700 && refused > 1_000_000, "{emulated} {refused}");
}

/// What is not the host's, by name.
#[test]
fn the_reasons_of_refusals() {
    let view = view();
    let absent = |at, needs| Refusal::Absent { at: p0(at), needs };
    for (offset, needs) in [
        (0x100, "IDR0.ATOS"),
        (0x108, "IDR0.ATOS"),
        (0x110, "IDR0.ATOS"),
        (0x118, "IDR0.ATOS"),
        (0x138, "IDR3.MPAM"),
        (0x13c, "IDR3.MPAM"),
        (0x180, "IDR0.VATOS"),
        (0x200, "IDR3.DPT"),
        (0x4000, "IDR1.ECMDQ"),
        (0x4008, "IDR1.ECMDQ"),
        (0x7ffc, "IDR1.ECMDQ"),
        (0x30, "IDR3.S2PI"),
    ] {
        assert_eq!(refused(&view, Access::write32(p0(offset), 1)), absent(offset, needs));
        assert_eq!(refused(&view, Access::read32(p0(offset))), absent(offset, needs));
    }
    for offset in (0x8000..0xc000).step_by(4) {
        assert_eq!(refused(&view, Access::write32(p0(offset), 1)), Refusal::Secure { at: p0(offset) });
    }
    for at in [
        p0(0x48),
        p0(0xe00),
        p0(0x1000),
        p0(0x3ffc),
        p0(0xc000),
        p1(0),
        p1(0x20),
        p1(0x90),
        p1(0x8000),
        p0(0xa8),
    ] {
        assert_eq!(refused(&view, Access::write32(at, 1)), Refusal::Unknown { at });
    }
    assert_eq!(refused(&view, Access::write32(p0(0), 1)), Refusal::ReadOnly { at: p0(0), value: 1 });
    assert_eq!(refused(&view, Access::read64(p0(0))), Refusal::Size { at: p0(0), bytes: 8 });
    assert_eq!(refused(&view, Access::read64(p0(0x84))), Refusal::Unaligned { at: p0(0x84), bytes: 8 });
    let wide = 1 << 32;
    assert_eq!(
        refused(&view, Access::write32(p0(0x98), wide)),
        Refusal::TooWide { at: p0(0x98), value: wide }
    );
    let error = refused(&view, Access::write32(p0(0x98), 1 << 20));
    assert_eq!(error, Refusal::Reserved { at: p0(0x98), bits: 1 << 20 });
    assert_eq!(refused(&view, Access::write32(p0(0x64), 1)), Refusal::NotActive { bits: 1 });
    assert_eq!(refused(&view, Access::write32(p0(0x44), 1 << 20)), Refusal::NoUpdate { value: 1 << 20 });
}

#[test]
fn what_is_guarded_stays_while_it_is_enabled() {
    let [_, enabled, _] = states();
    for (at, bytes) in [
        (p0(0x28), 4),
        (p0(0x2c), 4),
        (p0(0x80), 8),
        (p0(0x80), 4),
        (p0(0x84), 4),
        (p0(0x88), 4),
        (p0(0x90), 8),
        (p0(0x94), 4),
        (p0(0x9c), 4),
        (p0(0xa0), 8),
        (p0(0xc0), 8),
        (p1(0xa8), 4),
        (p1(0xc8), 4),
        (p0(0x68), 8),
        (p0(0x70), 4),
        (p0(0x74), 4),
        (p0(0xb0), 8),
        (p0(0xd4), 4),
        (p0(0xdc), 4),
    ] {
        let access = Access { at, bytes, write: Some(0x20) };
        assert!(matches!(refused(&enabled, access), Refusal::Guarded { .. }), "{at:?}");
        assert!(!matches!(view().judge(&access), Verdict::Refuse(Refusal::Guarded { .. })), "{at:?}");
    }
}

/// CR1's fields have different guards (6.3.11).
#[test]
fn cr1_is_guarded_by_field() {
    let mut view = view();
    let cr1 = |value| Access::write32(p0(0x28), value);
    assert_eq!(write(&mut view, cr1(0xd75)), []);
    let _ = write(&mut view, Access::write32(p0(0x20), 8));
    // SMMUEN is 0: TABLE_* may change, and QUEUE_* may not.
    assert_eq!(write(&mut view, cr1(0xfb5)), []);
    assert!(matches!(refused(&view, cr1(0xfba)), Refusal::Guarded { .. }));
    assert_eq!(read(&view, p0(0x28)), 0xfb5);
}

#[test]
fn ids_that_nobody_emulates_are_not_shown() {
    assert!(HostView::new(&shown()).is_ok());
    let error = HostView::new(&IdRegisters::EXAMPLE).unwrap_err();
    assert_eq!((error.register, error.field, error.value), ("IDR0", "HYP", 1));
    let mut wrong = Vec::new();
    for field in [Idr0::ATOS, Idr0::VATOS, Idr0::HYP, Idr0::VMW, Idr0::BTM, Idr0::RME_IMPL] {
        wrong.push(IdRegisters { idr0: shown().idr0.with(field, true), ..shown() });
    }
    for field in [Idr1::QUEUES_PRESET, Idr1::TABLES_PRESET, Idr1::ECMDQ] {
        wrong.push(IdRegisters { idr1: shown().idr1.with(field, true), ..shown() });
    }
    for field in [Idr3::MPAM, Idr3::DPT, Idr3::S2PI] {
        wrong.push(IdRegisters { idr3: shown().idr3.with(field, true), ..shown() });
    }
    wrong.push(IdRegisters { idr5: shown().idr5.with(Idr5::D128, true), ..shown() });
    for ids in wrong {
        assert!(HostView::new(&ids).unwrap_err().to_string().contains("nobody emulates"));
    }
}

/// The writes of a driver's bring-up, in the order of 6.3.9 and Linux's: all are taken, and the right effects come out.
#[test]
fn a_driver_comes_up() {
    let mut view = view();
    assert_eq!(read(&view, p0(0)), u64::from(shown().idr0.into_bits()));
    assert_eq!(read(&view, p0(4)), u64::from(shown().idr1.into_bits()));
    assert_eq!(read(&view, p0(0x1c)), u64::from(shown().aidr.into_bits()));
    assert_eq!(view.gbpa(), Gbpa::new().with(Gbpa::ABORT, true), "nothing bypasses before the host says so");
    let abort = 1 << 31 | 1 << 20;
    let gbpa = Gbpa::from_bits(1 << 20);
    assert_eq!(write(&mut view, Access::write32(p0(0x44), abort)), [Action::Bypass(gbpa)]);
    assert_eq!(read(&view, p0(0x44)), 1 << 20, "the update is done at once");
    assert_eq!(write(&mut view, Access::write32(p0(0x20), 0)), []);
    assert_eq!(write(&mut view, Access::write32(p0(0x28), 0xd75)), []);
    // E2H and PTM are RES0 without HYP and BTM.
    assert_eq!(write(&mut view, Access::write32(p0(0x2c), 7)), [Action::RecordInvalidStreams(true)]);
    assert_eq!(read(&view, p0(0x2c)), 2);
    let table = 0x4000_0000_8765_4000;
    assert_eq!(write(&mut view, Access::write64(p0(0x80), table)), []);
    assert_eq!(write(&mut view, Access::write32(p0(0x88), 0x1_0208)), []);
    assert_eq!(view.stream_table(), None);
    // A base in halves.
    assert_eq!(write(&mut view, Access::write32(p0(0x94), 0x4000_0008)), []);
    assert_eq!(write(&mut view, Access::write32(p0(0x90), 0x1234_5008)), []);
    assert_eq!(emulated(&view, Access::read64(p0(0x90))).value, 0x4000_0008_1234_5008);
    assert_eq!(read(&view, p0(0x94)), 0x4000_0008);
    for at in [p0(0x98), p0(0x9c), p1(0xa8)] {
        assert_eq!(write(&mut view, Access::write32(at, 0)), []);
    }
    assert_eq!(write(&mut view, Access::write64(p0(0xa0), 0x9_0000_0007)), []);
    assert_eq!(write(&mut view, Access::write32(p1(0xac), 0)), [Action::EventsConsumed]);
    let on = [Action::CommandQueue { enabled: true }];
    assert_eq!(write(&mut view, Access::write32(p0(0x20), 8)), on);
    assert_eq!(read(&view, p0(0x24)), 8);
    assert_eq!(write(&mut view, Access::write32(p0(0x98), 2)), [Action::CommandsPending]);
    // The base is aligned down to 2^8 commands.
    assert_eq!(
        view.commands_waiting(),
        Some(CommandsWaiting { next: PhysAddr::new(0x8_1234_5000), count: 2 })
    );
    assert_eq!(
        emulated(&view, Access::read32(p0(0x9c))).actions.iter().collect::<Vec<_>>(),
        [Action::CommandsPending]
    );
    view.command_consumed();
    view.command_consumed();
    assert_eq!((view.commands_waiting(), read(&view, p0(0x9c))), (None, 2));
    assert_eq!(write(&mut view, Access::write32(p0(0x20), 0xc)), [Action::EventQueue { enabled: true }]);
    for (offset, value) in [(0xb0, 0x808_0040), (0x68, 0), (0xd0, 0)] {
        assert_eq!(write(&mut view, Access::write64(p0(offset), value)), []);
    }
    assert_eq!(write(&mut view, Access::write32(p0(0xb8), 0x77)), []);
    assert_eq!(view.interrupt(InterruptSource::EventQueue), HostInterrupt::None);
    assert_eq!(write(&mut view, Access::write32(p0(0x50), 5)), []);
    let message = HostInterrupt::Message { address: PhysAddr::new(0x808_0040), data: 0x77 };
    assert_eq!(view.interrupt(InterruptSource::EventQueue), message);
    assert_eq!(view.interrupt(InterruptSource::GlobalError), HostInterrupt::Wired);
    assert_eq!(write(&mut view, Access::write32(p0(0x20), 0xd)), [Action::StreamTable { enabled: true }]);
    let (base, _) = view.stream_table().unwrap();
    assert_eq!(base.into_bits(), table);
    let off = [
        Action::StreamTable { enabled: false },
        Action::EventQueue { enabled: false },
        Action::CommandQueue { enabled: false },
    ];
    assert_eq!(write(&mut view, Access::write32(p0(0x20), 0)), off);
    assert_eq!(view.cr0(), Cr0::new());
}

#[test]
fn without_pri_and_msi_their_registers_are_not_there() {
    let ids = IdRegisters { idr0: shown().idr0.with(Idr0::PRI, false).with(Idr0::MSI, false), ..shown() };
    let view = HostView::new(&ids).unwrap();
    for (offset, needs) in [(0x68, "IDR0.MSI"), (0xb0, "IDR0.MSI"), (0xd0, "IDR0.PRI"), (0xc0, "IDR0.PRI")] {
        let error = Refusal::Absent { at: p0(offset), needs };
        assert_eq!(refused(&view, Access::write64(p0(offset), 0x1000)), error);
        // A driver clears them before it looks.
        assert_eq!(emulated(&view, Access::write64(p0(offset), 0)).view, view);
    }
    let made = emulated(&view, Access::write32(p0(0x20), 0x1f));
    assert_eq!(made.view.cr0().into_bits(), 0x1d, "PRIQEN is RES0");
    assert_eq!(made.actions.iter().count(), 3);
}

#[test]
fn an_error_stops_the_queue_until_it_is_acknowledged() {
    let [_, mut view, _] = states();
    assert!(view.commands_waiting().is_some());
    view.command_failed(1);
    assert_eq!(view.commands_waiting(), None);
    assert_eq!((read(&view, p0(0x60)), read(&view, p0(0x9c))), (1, 1 << 24));
    // It does not toggle while it is active (7.5).
    view.activate(Gerror::new().with(Gerror::CMDQ_ERR, true));
    assert_eq!(read(&view, p0(0x60)), 1);
    // More commands may be added, and nothing is consumed.
    assert_eq!(write(&mut view, Access::write32(p0(0x98), 5)), []);
    view.command_consumed();
    assert_eq!(read(&view, p0(0x9c)), 1 << 24);
    assert_eq!(write(&mut view, Access::write32(p0(0x64), 1)), [Action::CommandsPending]);
    assert_eq!(view.commands_waiting().unwrap().count, 5);
    // The next one toggles back.
    view.command_failed(2);
    assert_eq!((read(&view, p0(0x60)), read(&view, p0(0x9c))), (0, 2 << 24));
}

#[test]
fn records_go_into_the_host_s_queue_until_it_is_full() {
    let mut view = view();
    assert_eq!(view.event_slot(), RecordSlot::Closed);
    let _ = write(&mut view, Access::write64(p0(0xa0), 0x9_0000_0fe1));
    let _ = write(&mut view, Access::write32(p0(0x20), 4));
    // Two entries of 32 bytes: aligned down to 64.
    for expected in [0x9_0000_0fc0, 0x9_0000_0fe0] {
        assert_eq!(view.event_slot(), RecordSlot::At(PhysAddr::new(expected)));
        view.event_stored();
    }
    assert_eq!(view.event_slot(), RecordSlot::Full);
    view.event_stored();
    assert_eq!(read(&view, p1(0xa8)), 2, "nothing is stored in a full queue");
    view.event_lost();
    view.event_lost();
    assert_eq!(read(&view, p1(0xa8)), 1 << 31 | 2, "one overflow until it is acknowledged");
    assert_eq!(write(&mut view, Access::write32(p1(0xac), 1 << 31 | 2)), [Action::EventsConsumed]);
    assert_eq!(view.event_slot(), RecordSlot::At(PhysAddr::new(0x9_0000_0fc0)));
    // Ends that make no sense.
    let _ = write(&mut view, Access::write32(p1(0xac), 3));
    assert_eq!(view.event_slot(), RecordSlot::Closed);
    let _ = write(&mut view, Access::write32(p1(0xac), 2));
    view.activate(Gerror::new().with(Gerror::EVENTQ_ABT_ERR, true));
    assert_eq!(view.event_slot(), RecordSlot::Closed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever a host does in whatever order: no panic, addresses stay within what the registers can hold, and nothing is
    /// consumed beyond what was said.
    #[test]
    fn any_life(accesses in proptest::collection::vec(
        (any::<bool>(), prop_oneof![0..0x220_u16, any::<u16>()], prop_oneof![Just(4_u8), Just(8), any::<u8>()], any::<Option<u64>>(), 0..4_u8, 0..6_u8), 0..200,
    )) {
        let mut view = view();
        for (one, offset, bytes, value, tame, then) in accesses {
            // Small values meet fewer reserved bits.
            let write = value.map(|value| match tame { 0 => value, 1 => value & 0xf_ffff, 2 => value & 0x1f, _ => value & 0x000f_ffff_ffff_ffff });
            let at = RegisterOffset { page: if one { Page::One } else { Page::Zero }, offset: offset & !3 };
            let access = Access { at, bytes, write };
            match view.judge(&access) {
                Verdict::Forward => prop_assert!(is_forwardable(&access)),
                Verdict::Emulate(made) => {
                    for action in made.actions.iter() {
                        if let Action::Bypass(gbpa) = action { prop_assert!(!gbpa.update()) }
                    }
                    view = made.view;
                }
                Verdict::Refuse(_) => {}
            }
            match then {
                0 => view.command_consumed(),
                1 => view.command_failed(1),
                2 => view.event_stored(),
                3 => view.event_lost(),
                4 => view.page_request_stored(),
                _ => view.page_request_lost(),
            }
            if let Some(waiting) = view.commands_waiting() {
                prop_assert!(AddressSize::Bits56.contains(waiting.next.get()));
                prop_assert!(waiting.next.get() % 16 == 0 && (1..=1 << 19).contains(&waiting.count));
            }
            if let RecordSlot::At(at) = view.event_slot() {
                prop_assert!(AddressSize::Bits56.contains(at.get()) && at.get() % 32 == 0);
            }
        }
    }
}
