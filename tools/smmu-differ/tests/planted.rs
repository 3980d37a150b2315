//! A judge that cannot fail is no judge: mistakes that are planted in one machine are found, and made small.
//!
//! The other machine is a model, too, so this needs no QEMU and nothing is excused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod planted_machine;

use planted_machine::{Fault, Planted};
use smmu_differ::op::{Flush, Op};
use smmu_differ::{Campaign, Disagreement, Limits, Matter, STREAMS};
use smmu_machine::{Machine, ModelMachine};
use smmu_model::{Adversity, Profile};
use smmu_regs::StreamId;
use std::time::Duration;

const LIMITS: Limits = Limits { sequences: 200, time: Duration::from_secs(120), go_on: false };

fn campaign(fault: Fault) -> Campaign<'static> {
    let start = move || -> Result<Box<dyn Machine>, _> {
        let model = ModelMachine::new(Profile::qemu(), &STREAMS.map(StreamId::new));
        Ok(Box::new(Planted::new(model, fault)))
    };
    Campaign::new(Box::new(start), &[])
}

/// The disagreement that a fault brings about, and how many sequences it took.
fn found(fault: Fault) -> (Disagreement, u64) {
    let mut report = campaign(fault).run(1, &LIMITS, |_| {}).unwrap();
    let found =
        report.found.pop().unwrap_or_else(|| panic!("{fault:?} is not found: {}", report.counts)).first;
    println!("{fault:?}, after {} sequences: {found}", report.counts.sequences);
    (found, report.counts.sequences)
}

#[test]
fn a_model_agrees_with_a_model() {
    let report = campaign(Fault::None).run(1, &Limits { sequences: 40, ..LIMITS }, |_| {}).unwrap();
    assert_eq!(report.found, []);
    assert!(report.counts.exact > 500, "{}", report.counts);
    assert!(report.counts.member > 50, "{}", report.counts);
    assert_eq!(report.counts.excused, 0);
}

#[test]
fn whatever_an_adversary_does_is_permitted() {
    let mut seed = 7;
    let start = move || -> Result<Box<dyn Machine>, _> {
        seed += 1;
        let adversity = Adversity { seed, ..Adversity::new(STREAMS.map(|stream| (stream, None))) };
        let streams = STREAMS.map(StreamId::new);
        let model = ModelMachine::adversarial(Profile::qemu(), &streams, adversity);
        // Some drivers are wrong on purpose, and it would say so.
        Ok(Box::new(Planted::new(model, Fault::Silent)))
    };
    let mut campaign = Campaign::new(Box::new(start), &[]);
    let report = campaign.run(2, &Limits { sequences: 40, ..LIMITS }, |_| {}).unwrap();
    assert_eq!(report.found, []);
    assert!(report.counts.member > 50, "{}", report.counts);
}

#[test]
fn a_dma_that_goes_astray_is_found_and_made_small() {
    let (found, _) = found(Fault::RedirectDma);
    // At a page that is mapped, or not.
    assert!(matches!(found.matter, Matter::Landing | Matter::Events), "{found}");
    // Attached to something, and the DMA; perhaps a mapping.
    assert!(found.sequence.ops.len() <= 3, "{found}");
    assert!(matches!(found.sequence.ops.last(), Some(Op::Dma { device: 2, .. })));
}

#[test]
fn an_invalidation_that_does_nothing_is_found_and_made_small() {
    let (found, _) = found(Fault::IgnoreNhVa);
    // Map, attach, DMA, unmap, DMA.
    assert_eq!(found.sequence.ops.len(), 5, "{found}");
    let unmaps = found.sequence.ops.iter().filter(|op| matches!(op, Op::Unmap { .. })).count();
    assert_eq!(unmaps, 1, "{found}");
    for op in &found.sequence.ops {
        // The mistake is the machine's: the driver invalidates rightly, and by address.
        assert!(!matches!(op, Op::Unmap { flush: Flush::WholeTag, .. }), "{found}");
        assert!(!matches!(op, Op::Unmap { flush, .. } if !flush.is_right()), "{found}");
    }
}

#[test]
fn a_configuration_cache_that_keeps_an_entry_is_found_and_made_small() {
    let (found, _) = found(Fault::IgnoreCfgiSte);
    // Attach, DMA, attach otherwise, DMA; a mapping, if the one that shows needs it.
    assert!(found.sequence.ops.len() <= 5, "{found}");
    assert!(!found.sequence.ops.iter().any(|op| matches!(op, Op::Attach { raw: true, .. })), "{found}");
}

#[test]
fn an_entry_that_differs_is_found_and_made_small() {
    let (found, _) = found(Fault::AlterSte);
    // Attach, DMA; the tables are linear in the first sequences.
    assert_eq!(found.sequence.ops.len(), 2, "{found}");
}

#[test]
fn an_event_with_another_address_is_found_and_made_small() {
    let (found, _) = found(Fault::WrongInputAddress);
    assert_eq!(found.matter, Matter::Events);
    assert!(found.sequence.ops.len() <= 2, "{found}");
}

#[test]
fn the_same_seed_finds_the_same() {
    let (first, after) = found(Fault::RedirectDma);
    assert_eq!(found(Fault::RedirectDma), (first.clone(), after));
    // The seed that is printed is that of the sequence alone.
    let report =
        campaign(Fault::RedirectDma).run_sequence(&smmu_differ::sequence(first.sequence.seed)).unwrap();
    assert_eq!(report.found.first().map(|found| found.first.matter), Some(first.matter));
}
