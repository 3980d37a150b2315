//! What does it cost to change a live STE without a hit: read it, find the way, store the steps? The invalidation between
//! steps is left out in `update`; `attach` is the whole thing on hardware that completes at once. The limit makes the stores
//! of a way that is known.
#![allow(clippy::unwrap_used)]

use criterion::{Criterion, Throughput};
use smmu_benches::{InstantSmmu, caps};
use smmu_cmds::CommandQueue;
use smmu_regs::platform::{Dword, Memory};
use smmu_regs::registers::StrtabBase;
use smmu_regs::vmsa::{Granule, Level, Stage2Regime, UpdateFlags, WalkAttributes};
use smmu_regs::{AddressSize, Caps, InstanceId, PhysAddr, StreamId, Vmid};
use smmu_ste::ste::{Ats, CdTablePointer, FaultMode, Stage1Config, Stage2Config, StreamWorld};
use smmu_ste::table::StreamTableShape;
use smmu_ste::update::UpdatePlan;
use smmu_ste::{Ste, SteConfig, StreamTable};
use std::hint::black_box;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(1);
const STREAM: u32 = 0;

fn stage1(caps: &Caps) -> Ste {
    let config = Stage1Config {
        cd_table: CdTablePointer::single(PhysAddr::new(0x8000_0000)),
        world: StreamWorld::El1(Vmid::new(7)),
        may_stall: false,
        ats: Ats::Disabled,
    };
    SteConfig::Stage1(config).encode(caps).unwrap()
}

/// With the VMID of the stage-1 entry: two VMIDs would be two words that decide, and no way without a hit.
fn stage2(caps: &Caps) -> Ste {
    let regime = Stage2Regime {
        ttb: PhysAddr::new(0x9000_0000),
        granule: Granule::Size4K,
        input_bits: 48,
        start_level: Level::ZERO,
        ps: AddressSize::Bits48,
        walk: WalkAttributes::COHERENT,
        update: UpdateFlags::default(),
        ds: false,
        fwb: false,
    };
    let faults = FaultMode::Terminate;
    let config = Stage2Config { regime, vmid: Vmid::new(7), faults, ats: Ats::Disabled, protect_walks: true };
    SteConfig::Stage2(config).encode(caps).unwrap()
}

/// One change as a driver makes it, without the invalidations.
fn change(smmu: &InstantSmmu, table: &StreamTable, at: PhysAddr, target: &Ste) -> UpdatePlan {
    let current = table.get(smmu, StreamId::new(STREAM)).unwrap().unwrap();
    let plan = table.plan(&current, target, smmu.atomicity());
    let entry = smmu.words(at, Ste::WORDS).unwrap();
    for step in plan.steps() {
        step.apply(smmu, at, entry);
    }
    plan
}

/// The stores of plans made before: which word, which value.
fn stores(entry: &[Dword], stores: &[(usize, u64)]) {
    for (word, value) in stores {
        if let Some(word) = entry.get(*word) {
            word.store(*value);
        }
    }
}

pub(crate) fn run(c: &mut Criterion) {
    let (smmu, caps) = (InstantSmmu::new(1 << 20), caps().unwrap());
    let mut queue = CommandQueue::new(&smmu, &caps, InstanceId::new(0), 8).unwrap();
    let mut table = StreamTable::new(&smmu, &caps, StreamTableShape::Linear { log2: 0 }).unwrap();
    let at = PhysAddr::new(table.registers().unwrap().0.address(StrtabBase::ADDR));
    let entry = smmu.words(at, Ste::WORDS).unwrap();
    let targets = [stage2(&caps), stage1(&caps)];

    change(&smmu, &table, at, &targets[1]);
    let mut known = Vec::new();
    for target in &targets {
        let plan = change(&smmu, &table, at, target);
        assert!(plan.is_hitless() && (2..=3).contains(&plan.steps().count()), "{plan:?}");
        assert_eq!(table.get(&smmu, StreamId::new(STREAM)).unwrap().unwrap(), *target);
        known.extend(plan.steps().flat_map(|step| step.stores().collect::<Vec<_>>()));
    }

    for name in ["update", "attach"] {
        let mut group = c.benchmark_group(name);
        // There and back.
        group.throughput(Throughput::Elements(2));
        group.bench_function("ours", |b| {
            b.iter(|| {
                for target in black_box(&targets) {
                    if name == "update" {
                        black_box(change(&smmu, &table, at, target));
                    } else {
                        let stream = StreamId::new(STREAM);
                        let set = table.set(&smmu, &mut queue, stream, target, TIMEOUT, |_| {});
                        assert!(set.is_ok());
                    }
                }
            });
        });
        group.bench_function("limit", |b| b.iter(|| stores(black_box(entry), black_box(&known))));
    }
}
