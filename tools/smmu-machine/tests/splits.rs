//! Blocks and contiguous groups made smaller under a device's eyes, on SMMUs of every break-before-make level: it goes on
//! reaching what it reached, and nothing is left of the block when part of it has gone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{Gather, Split, SplitBy, TableConfig};
use smmu_machine::Machine;
use smmu_model::Profile;
use smmu_regs::caps::{BbmLevel, Hints, IdRegisters};
use smmu_regs::platform::Pages;
use smmu_regs::vmsa::Granule;
use smmu_regs::{AddressSize, Caps, PhysAddr};
use smmu_ste::SteConfig;
use smmu_tlbi::range::Rules;
use smmu_tlbi::{RangeSupport, invalidate};
use support::{
    Bench, PAGE, Place, RW, Seen, Setup, Space1, TIMEOUT, on_models, on_qemu, outcomes, range, streams,
};

const BLOCK: u64 = 2 << 20;
const IOVA: u64 = 0x20_0000_0000;

struct Lab<'m> {
    bench: Bench<'m, &'m dyn Machine>,
    space: Space1,
    memory: Pages,
}

impl<'m> Lab<'m> {
    /// A block, or groups of pages, are mapped and in use.
    fn new(machine: &'m dyn Machine, config: TableConfig, bytes: u64) -> Self {
        let mut bench = Bench::new(machine, Setup::default());
        let p = machine;
        let memory = p.allocate(BLOCK, BLOCK).unwrap();
        let mut space = Space1::of(&p, &bench.caps, 5, config);
        space.table.map(&p, range(IOVA, bytes), memory.base(), RW).unwrap();
        bench.attach(streams()[0], &space.ste());
        Self { bench, space, memory }
    }

    fn invalidate(&mut self, gather: Gather) {
        let Some((what, freed)) = gather.finish() else { return };
        let (p, tags) = (self.bench.p, [self.space.tag()]);
        let rules = Rules::new(RangeSupport::of(&self.bench.caps));
        let _ = invalidate(&p, &mut self.bench.queue, &what, &rules, &tags, &[], TIMEOUT, |_| {}).unwrap();
        let _ = freed.never_seen_by_hardware();
    }

    /// Everything that a DMA may do must be to reach the place that is mapped; `None` allows nothing at all.
    fn check(&self, offset: u64, reaches: bool) {
        let at = PhysAddr::new(self.memory.base().get() + offset);
        let seen = outcomes(self.bench.machine, 0, IOVA + offset, &[Place { name: "there", at }]);
        let wanted = if reaches { Seen::At("there") } else { Seen::Nowhere };
        assert_eq!(seen, [wanted], "{} {offset:#x}", self.bench.machine.name());
    }

    fn finish(mut self) {
        let _ = self.bench.drain();
        self.bench.attach(streams()[0], &SteConfig::Abort);
        let Self { mut bench, space, memory } = self;
        let p = bench.p;
        bench.forget();
        space.destroy(&p, &mut bench.queue);
        p.free(memory);
        bench.shut_down();
    }
}

fn offsets() -> [u64; 5] {
    [0x40, 5 * PAGE, 6 * PAGE - 8, 6 * PAGE, 15 * PAGE]
}

/// Unmaps the sixth page of a leaf or group; devices see what is left all the time, unless the leaf is broken.
fn part_goes(machine: &dyn Machine, config: TableConfig, bytes: u64, by: SplitBy) {
    let mut lab = Lab::new(machine, config, bytes);
    let p = machine;
    for offset in offsets() {
        lab.check(offset, true);
    }
    let page = range(IOVA + 5 * PAGE, PAGE);
    let mut gather = Gather::new();
    let broken = by == SplitBy::Breaking;
    match lab.space.table.split(&p, page, by, &mut gather).unwrap() {
        Split::Done => assert!(!broken),
        Split::Prepared(prepared) => {
            if !broken {
                offsets().into_iter().for_each(|offset| lab.check(offset, true));
            }
            lab.invalidate(gather);
            offsets().into_iter().for_each(|offset| lab.check(offset, !broken));
            let prepared = prepared.never_seen_by_hardware();
            gather = Gather::new();
            lab.space.table.finish_split(&p, &prepared, &mut gather).unwrap();
        }
    }
    if !broken {
        offsets().into_iter().for_each(|offset| lab.check(offset, true));
    }
    let _ = lab.space.table.unmap(&p, page, &mut gather).unwrap();
    for offset in [0x40, 6 * PAGE, 15 * PAGE] {
        lab.check(offset, true);
    }
    lab.invalidate(gather);
    for offset in offsets() {
        lab.check(offset, !(5 * PAGE..6 * PAGE).contains(&offset));
    }
    lab.finish();
}

fn every_way(machine: &dyn Machine, bbm: BbmLevel) {
    let block = TableConfig::ttb0(Granule::Size4K, 39, AddressSize::Bits40).unwrap();
    let unnoticed = SplitBy::unnoticed(bbm);
    for by in unnoticed.into_iter().chain([SplitBy::Breaking]) {
        part_goes(machine, block, BLOCK, by);
        part_goes(machine, block.with_contiguous(), 16 * PAGE, by);
    }
}

#[test]
fn parts_of_leaves_go_at_every_break_before_make_level() {
    for (profile, bbm) in [
        (Profile::maximum(), BbmLevel::Level2),
        (Profile::qemu(), BbmLevel::Level2),
        (Profile::mmu600(), BbmLevel::Level0),
        (Profile::mmu700_r1p1(), BbmLevel::Level1),
    ] {
        on_models(&[profile], |machine| {
            let p: &dyn Machine = machine;
            let caps = Caps::probe(&IdRegisters::read(&p), &Hints::default()).unwrap();
            assert_eq!(caps.bbm, bbm, "{}", machine.name());
            every_way(machine, bbm);
        });
    }
    on_qemu(|machine| every_way(machine, BbmLevel::Level2));
}
