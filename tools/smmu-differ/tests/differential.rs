//! The model against QEMU, with a fixed seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use smmu_differ::op::{
    Config, Drop, Flush, Op, Sequence, Setup, Shape, Stage1Spec, Stage2Spec, TableId, Target,
};
use smmu_differ::{Campaign, Limits};
use smmu_machine::QemuMachine;
use smmu_regs::vmsa::Granule;
use smmu_ste::table::StreamTableShape;
use std::io::Write;
use std::time::Duration;

const SEED: u64 = 0x5eed;
/// About 15 s in a debug build on an idle computer.
const SEQUENCES: u64 = 100;
/// A busy one gets this long.
const TIME: Duration = Duration::from_secs(240);

#[test]
fn the_model_and_qemu_agree() {
    // Says "skipped" if there is none.
    let Some(qemu) = QemuMachine::start_or_skip(&smmu_qemu::Config::default()).unwrap() else { return };
    let mut campaign = Campaign::with_qemu(Some(qemu));
    let limits = Limits { sequences: SEQUENCES, time: TIME, go_on: true };
    let report = campaign.run(SEED, &limits, |_| {}).unwrap();
    // Past the harness's capture: how much was compared is worth seeing.
    let _ = std::io::stderr().write_all(format!("differential: {}\n", report.counts).as_bytes());
    let found: Vec<String> = report.found.iter().map(|found| found.first.to_string()).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    let sequences = report.counts.sequences;
    assert!(sequences == SEQUENCES && report.counts.exact > 10 * sequences, "{}", report.counts);
}

/// A guest's page of 64 KiB on a host's pages of 4 KiB: seldom met by chance, and in the list of what is excused.
#[test]
fn a_leaf_that_stage_2_cuts_up_is_invalidated_by_every_kind_of_command() {
    let Some(qemu) = QemuMachine::start_or_skip(&smmu_qemu::Config::default()).unwrap() else { return };
    let (guest, host) = (TableId::Low(0), TableId::Stage2(0));
    let shape = |granule| Shape { granule, bits: 40 };
    let setup = Setup {
        streams: StreamTableShape::Linear { log2: 9 },
        stage1: vec![Stage1Spec {
            low: Some(shape(Granule::Size64K)),
            high: None,
            asid: 1,
            vmid: 11,
            host: Some(0),
            detach: false,
        }],
        stage2: vec![Stage2Spec { shape: shape(Granule::Size4K), vmid: 11, host: true, detach: false }],
    };
    let (iova, ipa, size, writable) = (0x20_0000, 0x1_0000_0000, 0x1_0000, true);
    let dma = Op::Dma { device: 0, iova: iova + 0x3000 };
    let mut campaign = Campaign::with_qemu(Some(qemu));
    for flush in [Flush::Single, Flush::Exact, Flush::Steps, Flush::WholeTag] {
        let ops = vec![
            Op::Attach { device: 0, config: Config::Stage1(0), raw: false },
            Op::Map { table: host, iova: ipa, size, to: Target::Arena(0), writable },
            Op::Map { table: guest, iova, size, to: Target::Ipa(ipa), writable },
            dma,
            Op::Unmap { table: guest, iova, size, flush },
            dma,
            Op::Drop(Drop::Translations),
            dma,
        ];
        let sequence = Sequence { seed: 0, setup: setup.clone(), ops };
        let report = campaign.run_sequence(&sequence).unwrap();
        assert!(report.found.is_empty(), "{flush:?}: {}", report.found[0].first);
        // At most the one in the middle is excused, and only after commands without a range.
        let excused = report.counts.excused;
        assert!(excused == 0 || excused == 1 && matches!(flush, Flush::Steps | Flush::WholeTag), "{flush:?}");
    }
}
