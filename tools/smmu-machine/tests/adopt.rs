//! The stream table of an owner that is no more, walked by a new one: all tags are found, and whatever is stale or hostile
//! is an error that says where it was met.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_machine::Machine;
use smmu_regs::caps::Hints;
use smmu_regs::lifecycle::Probed;
use smmu_regs::registers::StrtabBase;
use smmu_regs::{Asid, Feature, PhysAddr, StreamId, SubstreamId, Vmid};
use smmu_ste::SteConfig;
use smmu_ste::ste::{CdTableFormat, CdTablePointer, Stage1Config, StreamWorld, WithoutSubstream};
use smmu_ste::table::{InheritError, InheritProblem, Inherited, InheritedTable, StreamTableShape};
use std::collections::BTreeSet;
use support::{Bench, INSTANCE, Setup, Space1, Space2, nested, on_both, streams};

fn inherited(machine: &dyn Machine) -> InheritedTable {
    let probed = Probed::probe(&machine, INSTANCE, &Hints::default()).unwrap();
    InheritedTable::of(&probed.adopt(&machine).unwrap())
}

fn walk(machine: &dyn Machine) -> Result<Vec<Inherited>, InheritError> {
    let mut found = Vec::new();
    inherited(machine).walk(&machine, 1 << 20, |what| found.push(what)).map(|()| found)
}

fn shapes() -> [StreamTableShape; 3] {
    [
        StreamTableShape::Linear { log2: 9 },
        StreamTableShape::TwoLevel { log2: 16, split: 6 },
        StreamTableShape::TwoLevel { log2: 12, split: 10 },
    ]
}

/// Stores a word and gives what was there.
fn poke(machine: &dyn Machine, at: u64, value: u64) -> u64 {
    let word = &machine.words(PhysAddr::new(at), 1).unwrap()[0];
    let old = word.load();
    word.store(value);
    old
}

/// Where the STE of a stream is.
fn ste_at(
    machine: &dyn Machine,
    bench: &Bench<'_, &dyn Machine>,
    shape: StreamTableShape,
    stream: StreamId,
) -> u64 {
    let base = bench.streams.registers().unwrap().0.address(StrtabBase::ADDR);
    match shape {
        StreamTableShape::Linear { .. } => base + u64::from(stream.get()) * 64,
        StreamTableShape::TwoLevel { split, .. } => {
            let at = PhysAddr::new(base + u64::from(stream.get() >> split) * 8);
            let word = machine.words(at, 1).unwrap()[0].load();
            (word & !0x3f) + u64::from(stream.get() & ((1 << split) - 1)) * 64
        }
    }
}

#[test]
fn every_stream_and_every_tag_in_use_is_found() {
    on_both(|machine| {
        for shape in shapes() {
            let mut bench = Bench::new(machine, Setup { shape, ..Setup::default() });
            let caps = bench.caps;
            let one = Space1::new(&machine, &caps, 0x31);
            let mut two = Space2::new(&machine, &caps, 0x52);
            two.map_ram(machine);
            let mut guest = Space1::new(&machine, &caps, 0x77);
            guest.vmid = two.vmid;
            bench.attach(streams()[0], &one.ste());
            bench.attach(streams()[1], &two.ste());
            bench.attach(streams()[3], &SteConfig::Bypass);
            let mut expected = vec![Inherited::Vmid(Vmid::new(0x52)), Inherited::Vmid(Vmid::new(0))];
            if caps.has(Feature::Nested) {
                bench.attach(streams()[2], &nested(&caps, &guest, &two));
            }
            expected.push(Inherited::Asid(Asid::new(0x31), StreamWorld::El1(Vmid::new(0))));
            let found = walk(machine).unwrap();
            let attached: Vec<StreamId> = found
                .iter()
                .filter_map(|found| match found {
                    Inherited::Stream(stream, ste) if ste.words()[0] & 0xf != 1 => Some(*stream),
                    _ => None,
                })
                .collect();
            let used = if caps.has(Feature::Nested) { &[0, 1, 2, 3][..] } else { &[0, 1, 3] };
            assert_eq!(attached, used.iter().map(|n| streams()[*n]).collect::<Vec<_>>(), "{shape:?}");
            for stream in &attached {
                let ste = bench.streams.get(&machine, *stream).unwrap().unwrap();
                assert!(found.contains(&Inherited::Stream(*stream, ste)));
            }
            let tags: BTreeSet<String> = found
                .iter()
                .filter(|found| !matches!(found, Inherited::Stream(..)))
                .map(|tag| format!("{tag:?}"))
                .collect();
            // The guest's ASID is below a VMID that is found.
            assert_eq!(tags, expected.iter().map(|tag| format!("{tag:?}")).collect(), "{shape:?}");
            for stream in attached {
                bench.attach(stream, &SteConfig::Abort);
            }
            one.destroy(&machine, &mut bench.queue);
            guest.destroy(&machine, &mut bench.queue);
            two.destroy(&machine, &mut bench.queue);
            bench.shut_down();
        }
    });
}

/// Two-level CD tables, which somebody else may have used; written by hand.
#[test]
fn cds_of_two_level_tables_are_found() {
    on_both(|machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let caps = bench.caps;
        // A table of 128 CDs needs SubstreamIDs, which not every SMMU has.
        if caps.substream_id_bits < 7 || !caps.has(Feature::TwoLevelCdTable) {
            return bench.shut_down();
        }
        let top = machine.allocate(4096, 4096).unwrap();
        let leaf = machine.allocate(4096, 4096).unwrap();
        let (at, table) = (top.base().get(), leaf.base().get());
        poke(machine, at + 8, table | 1);
        // The last CD: V, ASID.
        poke(machine, table + 63 * 64, 1 << 31 | 0x99 << 48);
        machine.publish();
        let ste = |cds_log2, format, base| {
            SteConfig::Stage1(Stage1Config {
                cd_table: CdTablePointer {
                    base,
                    format,
                    cds_log2,
                    without_substream: WithoutSubstream::Terminate,
                },
                world: StreamWorld::El2,
                may_stall: false,
                ats: smmu_ste::ste::Ats::Disabled,
            })
        };
        bench.attach(streams()[0], &ste(7, CdTableFormat::TwoLevel4K, top.base()));
        let asid = Inherited::Asid(Asid::new(0x99), StreamWorld::El2);
        let found = walk(machine).unwrap();
        assert_eq!(found.iter().filter(|found| **found == asid).count(), 1);
        assert!(!found.iter().any(|found| matches!(found, Inherited::Vmid(_))), "EL2 has none");

        for (word, expected) in [
            (0x7f_ffff_f000 | 1, None),
            (table | 1 | 1 << 3, Some(InheritProblem::Level1 { descriptor: table | 1 | 1 << 3 })),
        ] {
            poke(machine, at + 8, word);
            let error = walk(machine).unwrap_err();
            assert_eq!((error.stream, error.substream), (streams()[0], SubstreamId::new(64).ok()), "{error}");
            match expected {
                Some(problem) => assert_eq!(error.problem, problem),
                None => assert!(matches!(error.problem, InheritProblem::Memory(_)), "{error}"),
            }
        }
        poke(machine, at + 8, table | 1);
        bench.attach(streams()[0], &SteConfig::Abort);
        machine.free(top);
        machine.free(leaf);
        bench.shut_down();
    });
}

#[test]
fn whatever_is_stale_or_hostile_is_an_error_that_says_where() {
    on_both(|machine| {
        for shape in shapes() {
            let mut bench = Bench::new(machine, Setup { shape, ..Setup::default() });
            let (caps, stream) = (bench.caps, streams()[0]);
            let one = Space1::new(&machine, &caps, 0x31);
            bench.attach(stream, &one.ste());
            assert!(walk(machine).is_ok());
            // What follows only the CPU is to see: no SMMU looks at a stream that does nothing.
            let refused = |at: u64, value: u64| {
                let old = poke(machine, at, value);
                let error = walk(machine).unwrap_err();
                poke(machine, at, old);
                error
            };
            let ste = ste_at(machine, &bench, shape, stream);
            let word = machine.words(PhysAddr::new(ste), 1).unwrap()[0].load();
            // Config 0b010, which is reserved; a CD far from any memory; a reserved format.
            let error = refused(ste, word & !0xe | 0b010 << 1);
            assert!(matches!(error.problem, InheritProblem::Ste(_)) && error.stream == stream, "{error}");
            let error = refused(ste, word & 0x3f | 0x7f_ffff_ffc0);
            assert!(matches!(error.problem, InheritProblem::Memory(_)) && error.stream == stream, "{error}");
            let error = refused(ste, word | 3 << 4);
            assert!(matches!(error.problem, InheritProblem::Ste(_)) && error.stream == stream, "{error}");
            // More CDs than there are SubstreamIDs.
            let error = refused(ste, word | 31 << 59);
            assert!(matches!(error.problem, InheritProblem::CdTable(_)), "{error}");
            // A reserved StreamWorld.
            let one_at = ste + 8;
            let strw = machine.words(PhysAddr::new(one_at), 1).unwrap()[0].load();
            let error = refused(one_at, strw | 3 << 30);
            assert!(matches!(error.problem, InheritProblem::Ste(_)), "{error}");
            if let StreamTableShape::TwoLevel { split, .. } = shape {
                let base = bench.streams.registers().unwrap().0.address(StrtabBase::ADDR);
                let at = base + u64::from(stream.get() >> split) * 8;
                let word = machine.words(PhysAddr::new(at), 1).unwrap()[0].load();
                let span = u64::from(split) + 1;
                // Spans that are none, a pointer that is not aligned, one too wide, a reserved bit.
                for descriptor in [
                    word & !0x1f | 12,
                    word & !0x1f | (span + 1),
                    word | 1 << 6,
                    word | 1 << 55,
                    word | 1 << 63,
                ] {
                    let error = refused(at, descriptor);
                    assert_eq!(error.problem, InheritProblem::Level1 { descriptor }, "{error}");
                    assert_eq!(error.stream.get() >> split, stream.get() >> split);
                }
                // Aligned, within the output size, and no memory.
                let error = refused(at, 0x80_0000_0000 | span);
                assert!(matches!(error.problem, InheritProblem::Memory(_)), "{error}");
                // A table that is shorter than it could be, as another owner may make it.
                let old = poke(machine, at, word & !0x1f | 5);
                let found = walk(machine).unwrap();
                poke(machine, at, old);
                assert_eq!(found.iter().filter(|found| matches!(found, Inherited::Stream(..))).count(), 16);
            }
            // What is more than anybody has time for: a read for each descriptor and entry.
            let error = inherited(machine).walk(&machine, 7, |_| {}).unwrap_err();
            assert_eq!(error.problem, InheritProblem::TooMany { most: 7 });
            bench.attach(stream, &SteConfig::Abort);
            one.destroy(&machine, &mut bench.queue);
            bench.shut_down();
        }
    });
}
