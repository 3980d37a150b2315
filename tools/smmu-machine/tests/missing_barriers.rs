//! Proof that the adversarial machine notices a barrier that is not there: each one of a driver's work is left out in turn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{PageTable, Regime, TableConfig};
use smmu_machine::{Machine as _, ModelMachine, Watched};
use smmu_model::{Adversity, Profile};
use smmu_regs::platform::Memory;
use smmu_regs::vmsa::Granule;
use smmu_regs::{AddressSize, Asid, Caps, PhysAddr, SubstreamId};
use smmu_ste::cd::CdFaultMode;
use smmu_ste::ste::WithoutSubstream;
use smmu_ste::table::{CdLeaf, CdTableShape, StreamTableShape};
use smmu_ste::{Cd, CdConfig, CdTable, SteConfig};
use std::cell::Cell;
use support::{Bench, PAGE, Place, RW, Seen, Setup, Space1, TIMEOUT, outcomes, range, streams};

const IOVA: u64 = 0x1234_5000;

/// A driver attaches a device, maps a page and unmaps it, all without barrier number `forget`. Gives the number of barriers,
/// and what was noticed.
fn work(forget: usize) -> (usize, Vec<String>) {
    let ids = streams();
    let adversity = Adversity::new(ids.iter().map(|stream| (stream.get(), None)));
    let machine = ModelMachine::adversarial(Profile::maximum(), &ids, adversity);
    let shape = StreamTableShape::TwoLevel { log2: 16, split: 6 };
    // Bring-up is somebody else's: its barriers are not counted.
    let count = Cell::new(None);
    let p = Watched::new(&machine).publish_if(|| {
        let number: Option<usize> = count.get();
        count.set(number.map(|number| number + 1));
        number != Some(forget)
    });
    let mut bench = Bench::on(p, &machine, Setup { shape, ..Setup::default() });
    count.set(Some(0));

    let mut noticed = Vec::new();
    let mut expect = |what: &str, device, places: &[Place], allowed: &[Seen]| {
        for seen in outcomes(&machine, device, IOVA, places) {
            if !allowed.contains(&seen) {
                noticed.push(format!("{what}: {seen}"));
            }
        }
    };
    let target = bench.p.allocate(PAGE, PAGE).unwrap();
    let there = [Place { name: "there", at: target.base() }];
    let mut space = Space1::new(&bench.p, &bench.caps, 7);
    bench.attach(ids[0], &space.ste());
    // The other devices of the same second-level table are as before.
    expect("another device", 1, &there, &[Seen::Nowhere]);
    expect("nothing is mapped", 0, &there, &[Seen::Nowhere]);
    space.map(&bench.p, IOVA, PAGE, target.base());
    expect("a page is mapped", 0, &there, &[Seen::At("there")]);
    let (p, queue) = (&bench.p, &mut bench.queue);
    let mut gather = io_pgtable_lpae::Gather::new();
    let _ = space.table.unmap(p, support::range(IOVA, PAGE), &mut gather).unwrap();
    let rules = smmu_tlbi::range::Rules::new(smmu_tlbi::RangeSupport::of(&bench.caps));
    let tags = [space.tag()];
    let done =
        smmu_tlbi::invalidate_and_reclaim(p, queue, gather, &rules, &tags, &[], support::TIMEOUT, |_| {});
    assert!(done.is_ok());
    expect("it is unmapped", 0, &there, &[Seen::Nowhere]);
    noticed.extend(machine.complaints());
    (count.get().unwrap(), noticed)
}

#[test]
fn a_barrier_that_is_left_out_is_noticed() {
    let (barriers, noticed) = work(usize::MAX);
    assert_eq!(noticed, [""; 0], "nothing is left out");
    let mut missed = Vec::new();
    for forget in 0..barriers {
        let (_, noticed) = work(forget);
        match noticed.first() {
            Some(first) => println!("barrier {forget}: {first}"),
            None => missed.push(forget),
        }
    }
    println!("{barriers} barriers, {missed:?} made no difference");
    // Some are followed by another before anybody can tell.
    assert!(barriers >= 8 && missed.len() * 2 <= barriers, "{barriers} barriers, {missed:?} not missed");
}

/// A CD whose page table maps [`IOVA`] to `to`; the table is never given back.
fn cd_to<M: Memory>(p: &M, caps: &Caps, asid: u16, to: PhysAddr) -> Cd {
    let config = TableConfig::ttb0(Granule::Size4K, 39, caps.oas.min(AddressSize::Bits48)).unwrap();
    let mut table = PageTable::new(config, p).unwrap();
    table.map(p, range(IOVA, PAGE), to, RW).unwrap();
    let Regime::Stage1(regime) = table.regime() else { panic!("not stage 1") };
    let (asid, faults) = (Asid::new(asid), CdFaultMode::Terminate);
    CdConfig { regime, asid, faults, private_asid: true }.encode(caps).unwrap()
}

/// A driver gives a SubstreamID the first CD of a leaf, without barrier number `forget`. The leaf's memory was full of valid
/// CDs a moment ago. Gives the number of barriers, and what was noticed.
fn first_cd_of_a_leaf(forget: usize) -> (usize, Vec<String>) {
    let stream = streams()[0];
    let [one, two] = [1, 2].map(|id| SubstreamId::new(id).unwrap());
    let known = [one, two].map(|id| (stream.get(), Some(id.get())));
    let machine = ModelMachine::adversarial(Profile::maximum(), &[stream; 2], Adversity::new(known));
    let machine = machine.with_substreams(&[Some(one), Some(two)]);
    let count = Cell::new(None);
    let p = Watched::new(&machine).publish_if(|| {
        let number: Option<usize> = count.get();
        count.set(number.map(|number| number + 1));
        number != Some(forget)
    });
    let mut bench = Bench::on(p, &machine, Setup::default());
    let (p, caps) = (&bench.p, bench.caps);
    let [now, past] = [(); 2].map(|()| p.allocate(PAGE, PAGE).unwrap().base());
    let (cd, stale) = (cd_to(p, &caps, 7, now), cd_to(p, &caps, 8, past));
    let shape = CdTableShape::TwoLevel { cds_log2: 12, leaf: CdLeaf::Cds64 };
    let mut cds = CdTable::with_shape(p, &caps, shape).unwrap();
    let pointer = cds.pointer(WithoutSubstream::Terminate);
    bench.attach(stream, &SteConfig::blocked_with_pasids(&caps, pointer).unwrap());
    machine.set_past(stale.words());

    let (p, queue) = (&bench.p, &mut bench.queue);
    count.set(Some(0));
    let _ = cds.set(p, queue, &[stream], one, &cd, TIMEOUT, |_| {}).unwrap();
    let barriers = count.get().unwrap();
    let places = [Place { name: "now", at: now }, Place { name: "past", at: past }];
    let mut noticed = Vec::new();
    for (device, allowed) in [(0, Seen::At("now")), (1, Seen::Nowhere)] {
        for seen in outcomes(&machine, device, IOVA, &places) {
            if seen != allowed {
                noticed.push(format!("SubstreamID {}: {seen}", device + 1));
            }
        }
    }
    noticed.extend(machine.complaints());
    (barriers, noticed)
}

/// The SMMU would read the leaf as it was, by way of the descriptor that is, and keep the CDs that it finds.
#[test]
fn a_leaf_that_is_linked_before_it_is_filled_is_noticed() {
    let (barriers, noticed) = first_cd_of_a_leaf(usize::MAX);
    assert_eq!(noticed, [""; 0], "nothing is left out");
    assert!(barriers >= 2);
    let (_, noticed) = first_cd_of_a_leaf(0);
    assert!(noticed.iter().any(|what| what == "SubstreamID 2: the DMA reached past"), "{noticed:?}");
    for forget in 1..barriers {
        println!("barrier {forget}: {:?}", first_cd_of_a_leaf(forget).1);
    }
}
