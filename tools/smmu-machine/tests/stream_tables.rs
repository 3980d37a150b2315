//! Stream tables of all shapes: every device reaches its entry, every other stream aborts, nothing lies beyond.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_cmds::event::EventKind;
use smmu_machine::{Machine, ModelMachine};
use smmu_model::Profile;
use smmu_regs::caps::{Caps, Hints, IdRegisters};
use smmu_regs::platform::Memory;
use smmu_regs::registers::StrtabBase;
use smmu_regs::{Feature, PhysAddr, StreamId};
use smmu_ste::table::StreamTableShape::{self, Linear, TwoLevel};
use smmu_ste::table::{Progress, StreamSet};
use smmu_ste::{SteConfig, StreamTable, TableError};
use support::{Bench, PAGE, Place, Seen, Setup, Space1, TIMEOUT, assert_clean, dma, on_both, streams};

const SHAPES: [StreamTableShape; 6] = [
    Linear { log2: 9 },
    Linear { log2: 16 },
    TwoLevel { log2: 9, split: 6 },
    TwoLevel { log2: 9, split: 8 },
    TwoLevel { log2: 16, split: 8 },
    TwoLevel { log2: 16, split: 10 },
];

fn setup(shape: StreamTableShape) -> Setup {
    Setup { shape, ..Setup::default() }
}

/// QEMU remembers that a stream table had two levels until it is reset, so linear shapes go first.
#[test]
fn every_device_reaches_its_own_entry_in_every_shape() {
    on_both(|machine| {
        for shape in SHAPES {
            let mut bench = Bench::new(machine, setup(shape));
            let p = machine;
            let pages = p.allocate(8 * PAGE, 8 * PAGE).unwrap();
            let at = |n: usize| PhysAddr::new(pages.base().get() + n as u64 * PAGE + 0x84);
            let places: Vec<Place> = ["0", "1", "2", "3", "untranslated"]
                .into_iter()
                .enumerate()
                .map(|(number, name)| Place { name, at: at(number) })
                .collect();
            let iova = at(4).get();
            let mut spaces = Vec::new();
            for (device, stream) in machine.devices().into_iter().enumerate() {
                // Before it is attached, it reaches nothing.
                assert_eq!(dma(machine, device, iova, &places), Seen::Nowhere, "{shape:?} {stream}");
                let mut space = Space1::new(&p, &bench.caps, device as u16 + 1);
                space.map(&p, iova & !(PAGE - 1), PAGE, PhysAddr::new(at(device).get() & !(PAGE - 1)));
                bench.attach(stream, &space.ste());
                spaces.push(space);
                // It reaches its own page, and so do those before it; those after it reach nothing.
                for other in 0..machine.devices().len() {
                    let expected = if other <= device { Seen::At(places[other].name) } else { Seen::Nowhere };
                    assert_eq!(dma(machine, other, iova, &places), expected, "{shape:?} {stream}");
                }
            }
            // Detached in the same order.
            for (device, stream) in machine.devices().into_iter().enumerate() {
                bench.attach(stream, &SteConfig::Abort);
                for other in 0..machine.devices().len() {
                    let expected = if other > device { Seen::At(places[other].name) } else { Seen::Nowhere };
                    assert_eq!(dma(machine, other, iova, &places), expected, "{shape:?} {stream}");
                }
            }
            for space in spaces {
                space.destroy(&p, &mut bench.queue);
            }
            p.free(pages);
            let _ = bench.drain();
            bench.shut_down();
        }
    });
}

#[test]
fn streams_beyond_the_table_are_refused_by_value_and_change_nothing() {
    on_both(|machine| {
        for shape in SHAPES {
            let mut bench = Bench::new(machine, setup(shape));
            let (p, bits) = (machine, shape.log2());
            let abort = SteConfig::Abort.encode(&bench.caps).unwrap();
            let used = machine.ram().allocated();
            for beyond in [1_u32 << bits, (1 << bits) + 8, 1 << 31, u32::MAX] {
                let stream = StreamId::new(beyond);
                let error = TableError::Stream { stream, bits };
                let (table, queue) = (&mut bench.streams, &mut bench.queue);
                assert_eq!(table.get(&p, stream), Err(error));
                assert_eq!(table.ensure(&p, queue, stream, TIMEOUT), Err(error));
                assert_eq!(table.set(&p, queue, stream, &abort, TIMEOUT, |_| {}), Err(error));
                assert!(error.to_string().contains(&stream.to_string()), "{error}");
            }
            assert_eq!(machine.ram().allocated(), used);
            // The last one that fits does fit.
            bench.attach(StreamId::new((1 << bits) - 1), &SteConfig::Bypass);
            bench.shut_down();
        }
    });
}

#[test]
fn a_set_without_an_entry_is_refused() {
    on_both(|machine| {
        let mut bench = Bench::new(machine, setup(TwoLevel { log2: 16, split: 8 }));
        let (p, stream) = (machine, streams()[0]);
        let bypass = SteConfig::Bypass.encode(&bench.caps).unwrap();
        let result = bench.streams.set(&p, &mut bench.queue, stream, &bypass, TIMEOUT, |_| {});
        assert_eq!(result, Err(TableError::Stream { stream, bits: 16 }));
        bench.shut_down();
    });
}

#[test]
fn unattached_streams_abort_as_the_shape_has_it() {
    on_both(|machine| {
        let p = machine;
        let target = p.allocate(PAGE, PAGE).unwrap();
        let places = [Place { name: "page", at: target.base() }];
        let iova = target.base().get();
        // Linear: an entry that aborts silently. Two levels: no entry, C_BAD_STREAMID, as CR2.RECINVSID asks.
        for (shape, silent) in [
            (Linear { log2: 9 }, true),
            (TwoLevel { log2: 16, split: 8 }, false),
            (TwoLevel { log2: 9, split: 6 }, false),
        ] {
            let mut bench = Bench::new(machine, setup(shape));
            for (device, stream) in machine.devices().into_iter().enumerate() {
                assert_eq!(dma(machine, device, iova, &places), Seen::Nowhere);
                let events = bench.all_events();
                assert_eq!(events.is_empty(), silent, "{shape:?} {events:?}");
                for event in events {
                    assert_eq!((event.stream, event.kind), (stream, EventKind::BadStreamId));
                }
            }
            // A stream that shares a level-2 table with one that got its entry has an entry too: a silent one.
            let [first, second, ..] = streams()[..] else { panic!() };
            bench.streams.ensure(&p, &mut bench.queue, first, TIMEOUT).unwrap();
            let ste = bench.streams.get(&p, second).unwrap();
            assert_eq!(ste, Some(SteConfig::Abort.encode(&bench.caps).unwrap()));
            for device in [0, 1] {
                assert_eq!(dma(machine, device, iova, &places), Seen::Nowhere);
                assert_eq!(bench.all_events(), []);
            }
            bench.shut_down();
        }
        // A StreamID beyond the table is C_BAD_STREAMID in either shape. QEMU's device 3 has one.
        for shape in [Linear { log2: 5 }, TwoLevel { log2: 8, split: 6 }] {
            let mut bench = Bench::new(machine, setup(shape));
            assert_eq!(dma(machine, 3, iova, &places), Seen::Nowhere);
            let events = bench.all_events();
            assert!(!events.is_empty(), "{shape:?}");
            for event in events {
                assert_eq!((event.stream, event.kind), (streams()[3], EventKind::BadStreamId));
            }
            bench.shut_down();
        }
        p.free(target);
    });
}

#[test]
fn ensure_publishes_a_table_full_of_aborting_entries_once() {
    on_both(|machine| {
        let p = machine;
        for (log2, split) in [(9, 6), (16, 8), (16, 10)] {
            let mut bench = Bench::new(machine, setup(TwoLevel { log2, split }));
            let abort = SteConfig::Abort.encode(&bench.caps).unwrap();
            let before = machine.ram().allocated();
            let (stream, table) = (StreamId::new(0x18), 1_u32 << split);
            bench.streams.ensure(&p, &mut bench.queue, stream, TIMEOUT).unwrap();
            assert_eq!(machine.ram().allocated(), before + 64 * u64::from(table));
            for number in 0..table {
                assert_eq!(bench.streams.get(&p, StreamId::new(number)).unwrap(), Some(abort));
            }
            assert_eq!(bench.streams.get(&p, StreamId::new(table)).unwrap(), None);
            // Nothing more for its neighbours, and no command.
            let sent = bench.queue.accepted();
            for number in [0, 0x18, table - 1] {
                bench.streams.ensure(&p, &mut bench.queue, StreamId::new(number), TIMEOUT).unwrap();
            }
            assert_eq!(
                (machine.ram().allocated(), bench.queue.accepted()),
                (before + 64 * u64::from(table), sent)
            );
            bench.shut_down();
        }
    });
}

/// The capabilities of a profile.
fn caps(profile: &Profile) -> Caps {
    use smmu_regs::registers::{Aidr, Idr0, Idr1, Idr3, Idr5, Iidr};
    let ids = IdRegisters {
        idr0: Idr0::from_bits(profile.idr[0]),
        idr1: Idr1::from_bits(profile.idr[1]),
        idr3: Idr3::from_bits(profile.idr[3]),
        idr5: Idr5::from_bits(profile.idr[5]),
        iidr: Iidr::from_bits(profile.iidr),
        aidr: Aidr::from_bits(profile.aidr),
        ..IdRegisters::default()
    };
    Caps::probe(&ids, &Hints::default()).unwrap()
}

#[test]
fn the_shape_chosen_for_any_number_of_bits_is_possible() {
    let profiles = [Profile::maximum(), Profile::minimum(), Profile::mmu600(), Profile::qemu()];
    for profile in profiles {
        let caps = caps(&profile);
        let two_level = caps.has(Feature::TwoLevelStreamTable);
        for bits in 0..=u8::MAX {
            let chosen = StreamTableShape::choose(&caps, bits);
            if bits > caps.stream_id_bits {
                assert_eq!(chosen, Err(TableError::Size { log2: bits, max: caps.stream_id_bits }));
                continue;
            }
            let shape = chosen.unwrap();
            assert_eq!(shape.log2(), bits);
            // Computed in another way and without a chance of overflow.
            match shape {
                Linear { log2 } => {
                    assert!(log2 <= 8 || !two_level);
                    assert_eq!(u128::from(shape.top_bytes()), 64 * 2_u128.pow(u32::from(log2)));
                }
                TwoLevel { log2, split } => {
                    assert!(two_level && log2 > split && matches!(split, 6 | 8 | 10));
                    assert_eq!(u128::from(shape.top_bytes()), 8 * 2_u128.pow(u32::from(log2 - split)));
                    // 32 MiB at level 1 is what 32 bits cost.
                    assert!(shape.top_bytes() <= 32 << 20, "{shape:?}");
                }
            }
        }
    }
    // A linear table for more than 17 bits would be larger than 8 MiB.
    let mut profile = Profile::mmu600();
    profile.idr[0] &= !(3 << 27);
    let caps = caps(&profile);
    assert_eq!(StreamTableShape::choose(&caps, 17), Ok(Linear { log2: 17 }));
    assert_eq!(StreamTableShape::choose(&caps, 18), Err(TableError::Size { log2: 18, max: 17 }));
}

#[test]
fn stream_ids_of_32_bits_work_up_to_the_last() {
    let ids = [0, 1, 0x3ff, 0x400, 0x7fff_ffff, 0x8000_0000, 0xffff_fc00, 0xffff_fffe, 0xffff_ffff];
    let machine = ModelMachine::new(Profile::maximum(), &ids.map(StreamId::new));
    let caps = caps(&Profile::maximum());
    let shape = StreamTableShape::choose(&caps, 32).unwrap();
    assert_eq!(shape, TwoLevel { log2: 32, split: 10 });
    let mut bench = Bench::new(&machine, setup(shape));
    let p = &machine;
    let target = p.allocate(PAGE, PAGE).unwrap();
    let places = [Place { name: "page", at: target.base() }];
    let iova = target.base().get();
    for device in 0..ids.len() {
        assert_eq!(dma(&machine, device, iova, &places), Seen::Nowhere);
    }
    for (device, stream) in machine.devices().into_iter().enumerate() {
        bench.attach(stream, &SteConfig::Bypass);
        for other in 0..ids.len() {
            let expected = if other <= device { Seen::At("page") } else { Seen::Nowhere };
            assert_eq!(dma(&machine, other, iova, &places), expected, "{stream}, device {other}");
        }
    }
    // Walking 2^22 level-1 descriptors to free them takes too long in a debug build; the machine goes anyway.
    assert_clean(&machine);
}

#[test]
fn the_registers_say_where_the_table_is() {
    on_both(|machine| {
        let p = machine;
        let caps =
            *smmu_regs::lifecycle::Probed::probe(&p, support::INSTANCE, &Hints::default()).unwrap().caps();
        for bits in [0, 1, 5, 8, 9, 16] {
            let shape = StreamTableShape::choose(&caps, bits).unwrap();
            let table = StreamTable::new(&p, &caps, shape).unwrap();
            let (base, config) = table.registers().unwrap();
            let align = shape.top_bytes().max(64);
            assert_eq!(base.address(StrtabBase::ADDR) % align, 0);
            assert!(base.ra() && config.log2size() == bits);
            let expected = if bits <= 8 { (0, 0) } else { (1, 8) };
            assert_eq!((config.fmt(), config.split()), expected);
            table.free(&p).unwrap();
        }
    });
}

#[test]
fn a_level_2_stream_table_comes_back_when_all_its_streams_abort() {
    on_both(|machine| {
        let setup = Setup { shape: StreamTableShape::TwoLevel { log2: 16, split: 8 }, ..Setup::default() };
        let mut bench = Bench::new(machine, setup);
        let (p, stream) = (machine, streams()[0]);
        let target = p.allocate(PAGE, PAGE).unwrap();
        let places = [Place { name: "page", at: target.base() }];
        let iova = target.base().get();
        let before = machine.ram().allocated();
        for _ in 0..2 {
            bench.attach(stream, &SteConfig::Bypass);
            assert_eq!(machine.ram().allocated(), before + 0x4000);
            assert_eq!(dma(machine, 0, iova, &places), Seen::At("page"));
            let in_use = bench.streams.release_level2(&p, &mut bench.queue, StreamId::new(1), TIMEOUT);
            assert_eq!(in_use, Err(TableError::InUse { index: u64::from(stream) }));
            assert_eq!(dma(machine, 0, iova, &places), Seen::At("page"));
            bench.attach(stream, &SteConfig::Abort);
            let mut release = || bench.streams.release_level2(&p, &mut bench.queue, stream, TIMEOUT);
            assert_eq!(release(), Ok(true));
            assert_eq!(machine.ram().allocated(), before);
            assert_eq!(release(), Ok(false));
            assert_eq!(bench.streams.get(&p, stream), Ok(None));
            let _ = bench.all_events();
            assert_eq!(dma(machine, 0, iova, &places), Seen::Nowhere);
            let events = bench.all_events();
            assert!(!events.is_empty());
            for event in events {
                assert_eq!((event.stream, event.kind), (stream, EventKind::BadStreamId));
            }
        }
        p.free(target);
        bench.shut_down();
    });
}

/// All streams of a device, one of them twice: each is changed once, and those that held the same share their `CMD_SYNC`s.
#[test]
fn streams_of_one_device_go_together() {
    on_both(|machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let p = machine;
        let target = p.allocate(PAGE, PAGE).unwrap();
        let places = [Place { name: "page", at: target.base() }];
        let iova = target.base().get();
        let [a, b, c, ..] = streams()[..] else { panic!() };
        let list = [a, b, a, c, b];
        let bypass = SteConfig::Bypass.encode(&bench.caps).unwrap();
        let abort = SteConfig::Abort.encode(&bench.caps).unwrap();
        bench.attach(b, &SteConfig::Bypass);
        for (ste, reaches) in [(&bypass, true), (&abort, false), (&bypass, true)] {
            let first = bench.queue.accepted().0;
            let mut steps = 0;
            let count = |progress: Progress<'_>| steps += u64::from(matches!(progress, Progress::Stored(_)));
            let set = StreamSet::new(&list);
            let receipt = bench.streams.set_all(&p, &mut bench.queue, set, ste, TIMEOUT, count).unwrap();
            assert!(receipt.is_some());
            let sent = bench.queue.accepted().0 - first;
            // In the first round `b` is there already.
            let streams = if first == 0 || sent == 3 * steps { 2 } else { 3 };
            assert_eq!(sent, (streams + 1) * steps);
            for device in 0..3 {
                let expected = if reaches { Seen::At("page") } else { Seen::Nowhere };
                assert_eq!(dma(machine, device, iova, &places), expected);
            }
            // Nothing is left to do.
            let again = bench.streams.set_all(&p, &mut bench.queue, set, ste, TIMEOUT, |_| {}).unwrap();
            assert_eq!((again, bench.queue.accepted().0 - first), (None, sent));
        }
        let beyond = [a, StreamId::new(1 << 20)];
        let set = StreamSet::new(&beyond);
        let refused = bench.streams.set_all(&p, &mut bench.queue, set, &abort, TIMEOUT, |_| {});
        assert_eq!(refused, Err(TableError::Stream { stream: StreamId::new(1 << 20), bits: 9 }));
        assert_eq!(dma(machine, 0, iova, &places), Seen::At("page"), "nothing was changed");
        p.free(target);
        bench.shut_down();
    });
}
