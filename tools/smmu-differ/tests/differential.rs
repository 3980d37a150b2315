//! The model against QEMU, with a fixed seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use smmu_differ::{Campaign, Limits};
use smmu_machine::QemuMachine;
use std::io::Write;
use std::time::Duration;

const SEED: u64 = 0x5eed;
/// About 25 s in a debug build.
const SEQUENCES: u64 = 100;

#[test]
fn the_model_and_qemu_agree() {
    // Says "skipped" if there is none.
    let Some(qemu) = QemuMachine::start_or_skip(&smmu_qemu::Config::default()).unwrap() else { return };
    let mut campaign = Campaign::with_qemu(Some(qemu));
    let limits = Limits { sequences: SEQUENCES, time: Duration::from_secs(300), go_on: true };
    let report = campaign.run(SEED, &limits, |_| {}).unwrap();
    // Past the harness's capture: how much was compared is worth seeing.
    let _ = std::io::stderr().write_all(format!("differential: {}\n", report.counts).as_bytes());
    let found: Vec<String> = report.found.iter().map(|found| found.first.to_string()).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(report.counts.sequences, SEQUENCES, "too slow");
    assert!(report.counts.exact > 10 * SEQUENCES, "{}", report.counts);
}
