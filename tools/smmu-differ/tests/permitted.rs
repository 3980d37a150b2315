//! Cases of what may be cached, that random sequences have found mistakes in: against a plain model, without QEMU.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use smmu_differ::op::{Config, Flush, Op, Sequence, Setup, Shape, Stage1Spec, Stage2Spec, TableId, Target};
use smmu_differ::{Campaign, Counts, STREAMS};
use smmu_machine::{Machine, ModelMachine};
use smmu_model::Profile;
use smmu_regs::StreamId;
use smmu_regs::vmsa::Granule;
use smmu_ste::table::StreamTableShape;

const IOVA: u64 = 0x20_0000;
const IPA: u64 = 0x1_0000_0000;
const SIZE: u64 = 0x1000;

/// Two guests of one host, devices 0 and 1 attached to them.
fn run(ops: &[Op]) -> Counts {
    let shape = Shape { granule: Granule::Size4K, bits: 40 };
    let guest =
        |asid| Stage1Spec { low: Some(shape), high: None, asid, vmid: 11, host: Some(0), detach: false };
    let setup = Setup {
        streams: StreamTableShape::Linear { log2: 9 },
        stage1: vec![guest(1), guest(2)],
        stage2: vec![Stage2Spec { shape, vmid: 11, host: true, detach: false }],
    };
    let attach = |device| Op::Attach { device, config: Config::Stage1(device), raw: false };
    let ops = [0, 1].map(attach).into_iter().chain(ops.iter().copied()).collect();
    let start = || -> Result<Box<dyn Machine>, _> {
        Ok(Box::new(ModelMachine::new(Profile::qemu(), &STREAMS.map(StreamId::new))))
    };
    let mut campaign = Campaign::new(Box::new(start), &[]);
    let report = campaign.run_sequence(&Sequence { seed: 0, setup, ops }).unwrap();
    assert!(report.found.is_empty(), "{}", report.found[0].first);
    report.counts
}

#[test]
fn a_permission_that_one_asid_lacks_is_nothing_to_another() {
    let counts = run(&[
        Op::Map { table: TableId::Low(0), iova: IOVA, size: SIZE, to: Target::Arena(0), writable: false },
        Op::Dma { device: 0, iova: IOVA },
        Op::Dma { device: 1, iova: IOVA },
    ]);
    assert_eq!((counts.exact, counts.member), (2, 0));
}

#[test]
fn a_combined_entry_outlives_its_stage_2_and_still_refuses() {
    let counts = run(&[
        Op::Map { table: TableId::Stage2(0), iova: IPA, size: SIZE, to: Target::Arena(0), writable: false },
        Op::Map { table: TableId::Low(0), iova: IOVA, size: SIZE, to: Target::Ipa(IPA), writable: true },
        Op::Dma { device: 0, iova: IOVA },
        Op::Unmap { table: TableId::Stage2(0), iova: IPA, size: SIZE, flush: Flush::FirstPhase },
        Op::Dma { device: 0, iova: IOVA },
    ]);
    assert_eq!((counts.exact, counts.member), (1, 1));
}
