//! CD tables of all shapes on the model: every SubstreamID reaches its own address space, whoever shares the table is told of
//! every change, and leaves come back. QEMU's SMMU has no SubstreamIDs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{PageTable, Regime, TableConfig};
use smmu_cmds::event::EventKind;
use smmu_machine::{Machine, ModelMachine};
use smmu_model::{Adversity, Atomicity, Hang, Profile};
use smmu_regs::platform::{Memory, Pages};
use smmu_regs::vmsa::Granule;
use smmu_regs::{AddressSize, Asid, Caps, InstanceId, PhysAddr, StreamId, SubstreamId};
use smmu_ste::cd::CdFaultMode;
use smmu_ste::table::CdTableShape::{Linear, TwoLevel};
use smmu_ste::table::{CdLeaf, CdTableShape, CdUser, Progress, StreamSet};
use smmu_ste::{Cd, CdConfig, CdTable, SteConfig, TableError};
use std::time::Duration;
use support::{Bench, PAGE, Place, RW, Seen, Setup, TIMEOUT, assert_clean, dma, range};

const IOVA: u64 = 0x12_3456_7000;

/// A page table that maps [`IOVA`] to one page, and the CD for it.
struct Space {
    table: PageTable,
    cd: Cd,
}

impl Space {
    fn new<P: Memory>(p: &P, caps: &Caps, asid: u16, to: PhysAddr) -> Self {
        let output = caps.oas.min(AddressSize::Bits48);
        let mut table = PageTable::new(TableConfig::ttb0(Granule::Size4K, 39, output).unwrap(), p).unwrap();
        table.map(p, range(IOVA, PAGE), to, RW).unwrap();
        let Regime::Stage1(regime) = table.regime() else { panic!("not stage 1") };
        let (asid, faults) = (Asid::new(asid), CdFaultMode::Terminate);
        let cd = CdConfig { regime, asid, faults, private_asid: true }.encode(caps).unwrap();
        Self { table, cd }
    }

    /// Only when the SMMU has been told to drop everything.
    fn destroy<P: Memory>(self, p: &P) {
        self.table.destroy(p).never_seen_by_hardware().reclaim(p).unwrap();
    }
}

const NAMES: [&str; 6] = ["0", "1", "2", "3", "4", "5"];

fn place(pages: &Pages, number: usize) -> PhysAddr {
    PhysAddr::new(pages.base().get() + number as u64 * PAGE)
}

fn places(pages: &Pages, count: usize) -> Vec<Place> {
    (0..count).map(|number| Place { name: NAMES[number], at: place(pages, number) }).collect()
}

const STREAM: StreamId = StreamId::new(8);

/// Devices of one stream that differ in their SubstreamIDs, on the plain and on the adversarial model.
fn with_substreams(substreams: &[Option<u32>], test: impl Fn(&ModelMachine)) {
    let ids: Vec<_> = substreams.iter().map(|id| id.map(|id| SubstreamId::new(id).unwrap())).collect();
    let same = vec![STREAM; substreams.len()];
    let adversity = |atomicity| {
        let known = substreams.iter().map(|id| (STREAM.get(), *id));
        Adversity { atomicity, ..Adversity::new(known) }
    };
    for machine in [
        ModelMachine::new(Profile::maximum(), &same),
        ModelMachine::adversarial(Profile::maximum(), &same, adversity(Atomicity::Bits64)),
        ModelMachine::adversarial(Profile::maximum(), &same, adversity(Atomicity::Bits128)),
    ] {
        let machine = machine.with_substreams(&ids);
        test(&machine);
        assert_clean(&machine);
    }
}

const SHAPES: [CdTableShape; 6] = [
    Linear { cds_log2: 1 },
    Linear { cds_log2: 10 },
    TwoLevel { cds_log2: 3, leaf: CdLeaf::Cds64 },
    TwoLevel { cds_log2: 14, leaf: CdLeaf::Cds64 },
    TwoLevel { cds_log2: 8, leaf: CdLeaf::Cds1024 },
    TwoLevel { cds_log2: 20, leaf: CdLeaf::Cds1024 },
];

/// Transactions without a SubstreamID pass; those with one are attached, changed and detached while the device is at work.
#[test]
fn every_substream_reaches_its_own_space_in_every_shape() {
    for shape in SHAPES {
        let last = (1 << shape.cds_log2()) - 1;
        // Two of one leaf if it has several, and the last of all.
        let mut ids = vec![None, Some(1), Some(last.min(2)), Some(last)];
        ids.dedup();
        with_substreams(&ids, |machine| {
            let mut bench = Bench::new(machine, Setup::default());
            let (p, caps) = (machine, bench.caps);
            let pages = p.allocate(8 * PAGE, 8 * PAGE).unwrap();
            let places = places(&pages, 6);
            let mut cds = CdTable::with_shape(&p, &caps, shape).unwrap();
            assert_eq!(cds.shape(), shape);
            let pointer = cds.pointer(smmu_ste::ste::WithoutSubstream::UseCd0);
            bench.attach(STREAM, &SteConfig::identity_with_pasids(&caps, pointer).unwrap());

            let number = |device: usize| SubstreamId::new(ids[device].unwrap()).unwrap();
            let iova = |device: usize| if device == 0 { place(&pages, 0).get() } else { IOVA };
            let check = |attached: &[usize]| {
                for (device, name) in NAMES.into_iter().enumerate().take(ids.len()) {
                    let reaches = device == 0 || attached.contains(&device);
                    let expected = if reaches { Seen::At(name) } else { Seen::Nowhere };
                    assert_eq!(dma(machine, device, iova(device), &places), expected, "{shape:?} {device}");
                }
            };
            check(&[]);
            let mut spaces = Vec::new();
            for device in 1..ids.len() {
                let space = Space::new(&p, &caps, device as u16, place(&pages, device));
                let (streams, queue) = ([STREAM], &mut bench.queue);
                let done = cds.set(&p, queue, &streams, number(device), &space.cd, TIMEOUT, |_| {}).unwrap();
                assert!(done.plan.is_hitless() && done.receipt.is_some());
                assert_eq!(cds.get(&p, number(device)).unwrap(), space.cd);
                spaces.push(space);
                check(&(1..=device).collect::<Vec<_>>());
            }
            for device in 1..ids.len() {
                let queue = &mut bench.queue;
                let gone =
                    cds.set(&p, queue, &[STREAM], number(device), &Cd::INVALID, TIMEOUT, |_| {}).unwrap();
                assert!(gone.plan.is_hitless() && gone.receipt.is_some());
                check(&(device + 1..ids.len()).collect::<Vec<_>>());
            }
            let _ = bench.all_events();
            bench.forget();
            for space in spaces {
                space.destroy(&p);
            }
            bench.attach(STREAM, &SteConfig::Abort);
            cds.free(&p).unwrap();
            p.free(pages);
            bench.shut_down();
        });
    }
}

/// With a leaf, a CD is there after one `CMD_SYNC`; without, after two, as its words are more than one atom.
#[test]
fn a_first_cd_costs_one_sync_and_no_cd_costs_none() {
    with_substreams(&[Some(70)], |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let (p, caps) = (machine, bench.caps);
        let pages = p.allocate(PAGE, PAGE).unwrap();
        let shape = TwoLevel { cds_log2: 12, leaf: CdLeaf::Cds64 };
        let mut cds = CdTable::with_shape(&p, &caps, shape).unwrap();
        let pointer = cds.pointer(smmu_ste::ste::WithoutSubstream::Terminate);
        bench.attach(STREAM, &SteConfig::blocked_with_pasids(&caps, pointer).unwrap());
        let space = Space::new(&p, &caps, 1, pages.base());
        let id = SubstreamId::new(70).unwrap();
        let before = machine.ram().allocated();
        let mut change = |cd: &Cd, queue: &mut smmu_cmds::CommandQueue| {
            let first = queue.accepted().0;
            let mut syncs = 0;
            let count =
                |progress: Progress<'_>| syncs += u32::from(matches!(progress, Progress::Synchronized(..)));
            let _ = cds.set(&p, queue, &[STREAM, STREAM], id, cd, TIMEOUT, count).unwrap();
            (syncs, queue.accepted().0 - first)
        };
        // A stream that is named twice is told once.
        assert_eq!(change(&Cd::INVALID, &mut bench.queue), (0, 0));
        assert_eq!(machine.ram().allocated(), before);
        assert_eq!(change(&space.cd, &mut bench.queue), (1, 2));
        assert_eq!(machine.ram().allocated(), before + 4096);
        assert_eq!(change(&space.cd, &mut bench.queue), (0, 0));
        let off = change(&Cd::INVALID, &mut bench.queue);
        assert_eq!(off.1, 2 * u64::from(off.0));
        let _ = bench.all_events();
        bench.attach(STREAM, &SteConfig::Abort);
        bench.forget();
        space.destroy(&p);
        cds.free(&p).unwrap();
        p.free(pages);
        bench.shut_down();
    });
}

#[test]
fn a_leaf_comes_back_when_none_of_its_cds_is_valid() {
    with_substreams(&[Some(5), Some(1029)], |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let (p, caps) = (machine, bench.caps);
        let pages = p.allocate(2 * PAGE, 2 * PAGE).unwrap();
        let places = places(&pages, 2);
        let mut cds = CdTable::new(&p, &caps, 12).unwrap();
        assert_eq!(cds.shape(), TwoLevel { cds_log2: 12, leaf: CdLeaf::Cds1024 });
        let pointer = cds.pointer(smmu_ste::ste::WithoutSubstream::Terminate);
        bench.attach(STREAM, &SteConfig::blocked_with_pasids(&caps, pointer).unwrap());
        let ids = [5, 1029].map(|id| SubstreamId::new(id).unwrap());
        let spaces = [1, 2].map(|n| Space::new(&p, &caps, n, place(&pages, n as usize - 1)));
        let before = machine.ram().allocated();
        for round in 0..2 {
            for (id, space) in ids.iter().zip(&spaces) {
                let _ = cds.set(&p, &mut bench.queue, &[STREAM], *id, &space.cd, TIMEOUT, |_| {}).unwrap();
            }
            assert_eq!(machine.ram().allocated(), before + 2 * 65536, "round {round}");
            let list = [STREAM];
            let queue = &mut bench.queue;
            let release = |cds: &mut CdTable, queue: &mut _, id| {
                let user = CdUser { platform: &p, queue, streams: StreamSet::new(&list) };
                cds.release_leaf(&mut [user], id, TIMEOUT)
            };
            assert_eq!(release(&mut cds, queue, ids[0]), Err(TableError::InUse { index: 5 }));
            let _ = cds.set(&p, queue, &list, ids[0], &Cd::INVALID, TIMEOUT, |_| {}).unwrap();
            assert_eq!(release(&mut cds, queue, ids[0]), Ok(true));
            assert_eq!(machine.ram().allocated(), before + 65536, "round {round}");
            // Once more, and of one that never was.
            assert_eq!(release(&mut cds, queue, ids[0]), Ok(false));
            assert_eq!(release(&mut cds, queue, SubstreamId::new(4095).unwrap()), Ok(false));
            // The other leaf is untouched; this one's SubstreamIDs lead nowhere.
            assert_eq!(dma(machine, 1, IOVA, &places), Seen::At("1"));
            let _ = bench.all_events();
            assert_eq!(dma(machine, 0, IOVA, &places), Seen::Nowhere);
            let events = bench.all_events();
            assert!(!events.is_empty());
            for event in events {
                assert_eq!((event.stream, event.kind), (STREAM, EventKind::BadSubstreamId));
            }
        }
        bench.attach(STREAM, &SteConfig::Abort);
        bench.forget();
        for space in spaces {
            space.destroy(&p);
        }
        cds.free(&p).unwrap();
        p.free(pages);
        bench.shut_down();
    });
}

/// Two SMMUs, one memory, one CD table: a change that returns is one that both have seen.
#[test]
fn a_cd_table_that_two_smmus_share() {
    let [a, b, c] = [0x8, 0x10, 0x18].map(StreamId::new);
    let one = ModelMachine::new(Profile::maximum(), &[a, b]);
    let two = one.beside(Profile::mmu700_r1p0(), &[c]);
    // The erratum of the second forces batches to end early, which needs room.
    let setup =
        |number| Setup { instance: InstanceId::new(number), command_queue_log2: 7, ..Setup::default() };
    let mut first = Bench::new(&one, setup(1));
    let mut second = Bench::new(&two, setup(2));
    let (p, caps) = (&one, second.caps);
    let pages = p.allocate(2 * PAGE, 2 * PAGE).unwrap();
    let places = places(&pages, 2);
    let mut cds = CdTable::new(&p, &caps, 0).unwrap();
    let spaces = [1, 2].map(|n| Space::new(&p, &caps, n, place(&pages, n as usize - 1)));
    let zero = SubstreamId::ZERO;
    cds.set_before_use(&p, zero, &spaces[0].cd).unwrap();
    let pointer = cds.pointer(smmu_ste::ste::WithoutSubstream::Terminate);
    for stream in [a, b] {
        first.attach(stream, &SteConfig::stage1(&first.caps.clone(), pointer));
    }
    second.attach(c, &SteConfig::stage1(&caps, pointer));
    let seen = |name| {
        for (machine, device) in [(&one, 0), (&one, 1), (&two, 0)] {
            assert_eq!(dma(machine, device, IOVA, &places), Seen::At(name));
        }
    };
    seen("0");

    let (ab, only_c) = ([a, b, a], [c]);
    for (round, name) in [(1, "1"), (0, "0"), (1, "1")] {
        let mut users = [
            CdUser { platform: &&one, queue: &mut first.queue, streams: StreamSet::new(&ab) },
            CdUser { platform: &&two, queue: &mut second.queue, streams: StreamSet::new(&only_c) },
        ];
        let mut told = Vec::new();
        let observe = |progress: Progress<'_>| {
            if let Progress::Synchronized(_, command) = progress {
                told.push(*command);
            }
        };
        let done = cds.set_shared(&mut users, zero, &spaces[round].cd, TIMEOUT, observe).unwrap();
        let instances: Vec<_> = done.receipts().map(|receipt| receipt.instance()).collect();
        assert_eq!(instances, [InstanceId::new(1), InstanceId::new(2)]);
        assert_eq!(told.len(), 3 * done.plan.steps().count());
        seen(name);
    }

    // Nobody who uses the table may be left out, or named twice.
    let (target, instance) = (&spaces[0].cd, InstanceId::new(1));
    let alone = cds.set(&&two, &mut second.queue, &[c], zero, target, TIMEOUT, |_| {});
    let (table, queue) = (instance, InstanceId::new(2));
    assert_eq!(alone.map(|_| ()), Err(TableError::Instance { table, queue }));
    seen("1");
    // The first has left.
    for stream in [a, b] {
        first.attach(stream, &SteConfig::Abort);
    }
    cds.left(instance);
    let _ = cds.set(&&two, &mut second.queue, &[c], zero, target, TIMEOUT, |_| {}).unwrap();
    assert_eq!(dma(&two, 0, IOVA, &places), Seen::At("0"));
    let none = cds.set(&&two, &mut second.queue, &[], zero, target, TIMEOUT, |_| {});
    assert_eq!(none.map(|_| ()), Err(TableError::NoStream));

    second.attach(c, &SteConfig::Abort);
    first.forget();
    second.forget();
    for space in spaces {
        space.destroy(&p);
    }
    p.free(cds.into_pages());
    p.free(pages);
    assert_clean(&one);
    assert_clean(&two);
}

/// One SMMU does not answer: the change is not done, the other has been told all the same, and the next change makes up.
#[test]
fn a_shared_change_that_one_smmu_misses_is_made_up_for() {
    let [a, c] = [0x8, 0x18].map(StreamId::new);
    let one = ModelMachine::new(Profile::maximum(), &[a]);
    let two = one.beside(Profile::maximum(), &[c]);
    let setup = |number| Setup { instance: InstanceId::new(number), ..Setup::default() };
    let mut first = Bench::new(&one, setup(1));
    let mut second = Bench::new(&two, setup(2));
    let (p, caps) = (&one, first.caps);
    let pages = p.allocate(2 * PAGE, 2 * PAGE).unwrap();
    let places = places(&pages, 2);
    let mut cds = CdTable::new(&p, &caps, 0).unwrap();
    let spaces = [1, 2].map(|n| Space::new(&p, &caps, n, place(&pages, n as usize - 1)));
    cds.set_before_use(&p, SubstreamId::ZERO, &spaces[0].cd).unwrap();
    let pointer = cds.pointer(smmu_ste::ste::WithoutSubstream::Terminate);
    first.attach(a, &SteConfig::stage1(&caps, pointer));
    second.attach(c, &SteConfig::stage1(&caps, pointer));
    for (machine, device) in [(&one, 0), (&two, 0)] {
        assert_eq!(dma(machine, device, IOVA, &places), Seen::At("0"));
    }
    let (short, only_a, only_c) = (Duration::from_millis(20), [a], [c]);
    for answers in [false, true] {
        if answers {
            one.set_hang(Hang::None);
        } else {
            one.set_hang(Hang::CommandQueue);
        }
        let mut users = [
            CdUser { platform: &&one, queue: &mut first.queue, streams: StreamSet::new(&only_a) },
            CdUser { platform: &&two, queue: &mut second.queue, streams: StreamSet::new(&only_c) },
        ];
        let timeout = if answers { TIMEOUT } else { short };
        let done = cds.set_shared(&mut users, SubstreamId::ZERO, &spaces[1].cd, timeout, |_| {});
        assert_eq!(done.is_ok(), answers, "{done:?}");
        if let Ok(done) = done {
            // Even if nothing was left to store, both have dropped what they held.
            assert_eq!(done.receipts().count(), 2);
        }
    }
    for (machine, device) in [(&one, 0), (&two, 0)] {
        assert_eq!(dma(machine, device, IOVA, &places), Seen::At("1"));
    }
}
