//! Proof that the adversarial machine notices a barrier that is not there: each one of a driver's work is left out in turn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_machine::{Machine as _, ModelMachine, Watched};
use smmu_model::{Adversity, Profile};
use smmu_regs::platform::Memory as _;
use smmu_ste::table::StreamTableShape;
use std::cell::Cell;
use support::{Bench, PAGE, Place, Seen, Setup, Space1, outcomes, streams};

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
