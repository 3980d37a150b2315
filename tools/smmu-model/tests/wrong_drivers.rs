//! The judge is judged: drivers that do one thing wrong, by raw words and registers, are caught; the same drivers doing it
//! right are not.
//!
//! The mistakes are those that have been shipped in firmware, kernels and hypervisors. `cargo test -p smmu-model --test
//! wrong_drivers -- --nocapture` prints each with what the judge says of it.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;
mod wrong;

use smmu_model::Atomicity;
use std::collections::BTreeSet;
use wrong::{Mistake, configuration, ecmdq, faults, queues, registers, translations};

fn mistakes() -> Vec<&'static Mistake> {
    let all = [
        configuration::MISTAKES,
        translations::MISTAKES,
        queues::MISTAKES,
        registers::MISTAKES,
        faults::MISTAKES,
        ecmdq::MISTAKES,
    ];
    all.into_iter().flatten().collect()
}

fn settings(mistake: &Mistake) -> impl Iterator<Item = (Atomicity, u64)> {
    let atomicities =
        if mistake.also_128 { &[Atomicity::Bits64, Atomicity::Bits128][..] } else { &[Atomicity::Bits64] };
    // The set of permitted outcomes does not depend on the seed; how late commands are taken does.
    atomicities.iter().flat_map(|atomicity| (1..=2).map(|seed| (*atomicity, seed)))
}

#[test]
fn every_mistake_is_caught() {
    let mut missed = Vec::new();
    for mistake in mistakes() {
        for (number, (atomicity, seed)) in settings(mistake).enumerate() {
            let findings = mistake.findings(true, atomicity, seed);
            match findings.iter().find(|text| text.contains(mistake.caught)) {
                Some(text) if number == 0 => println!("{}\n    {text}", mistake.name),
                Some(_) => {}
                None => missed.push(format!("{} ({atomicity:?}, {seed}): {findings:#?}", mistake.name)),
            }
        }
    }
    assert!(missed.is_empty(), "not caught:\n{}", missed.join("\n"));
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let mut false_alarms = Vec::new();
    for mistake in mistakes() {
        for (atomicity, seed) in settings(mistake) {
            let findings = mistake.findings(false, atomicity, seed);
            if !findings.is_empty() {
                false_alarms.push(format!("not \"{}\" ({atomicity:?}, {seed}): {findings:#?}", mistake.name));
            }
        }
    }
    assert!(false_alarms.is_empty(), "false alarms:\n{}", false_alarms.join("\n"));
}

#[test]
fn there_are_many_and_each_is_its_own() {
    let names: BTreeSet<&str> = mistakes().iter().map(|mistake| mistake.name).collect();
    assert_eq!(names.len(), mistakes().len());
    assert!(names.len() >= 106, "{}", names.len());
}
