//! Page tables of every format, walked by machines that were written without them: granules, 52-bit addresses, `DS`,
//! contiguous groups, both halves, concatenated first tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{Concatenation, Gather, PageTable, Stage, TableConfig, UnmapError};
use smmu_machine::Machine;
use smmu_model::Profile;
use smmu_regs::vmsa::{Granule, Level};
use smmu_regs::{AddressSize, Caps, Feature, PhysAddr};
use smmu_ste::SteConfig;
use smmu_tlbi::range::Rules;
use smmu_tlbi::{RangeSupport, Tag, invalidate};
use support::{
    Bench, RW, Setup, Space1, Space2, TIMEOUT, lands, may_land, on_models, on_qemu, range, streams,
};

/// What is mapped, in bytes: contiguous groups of all granules, and single pages at both ends.
const MEMORY: u64 = 8 << 20;

/// Every format that an SMMU of these capabilities can walk.
fn formats(caps: &Caps) -> Vec<TableConfig> {
    let mut formats = Vec::new();
    for granule in Granule::ALL.into_iter().filter(|granule| caps.granules.contains(*granule)) {
        let wide = caps.oas == AddressSize::Bits52 && (caps.has(Feature::Ds) || granule == Granule::Size64K);
        let narrow = caps.oas.min(AddressSize::Bits48);
        let mut sizes = vec![(39, narrow), (48, narrow)];
        if wide {
            sizes.extend([(40, AddressSize::Bits52), (52, AddressSize::Bits52)]);
        }
        for (input, output) in sizes {
            if caps.has(Feature::Stage1) && u32::from(caps.stage1_input_bits) >= input {
                formats.push(TableConfig::ttb0(granule, input, output));
                formats.push(TableConfig::ttb1(granule, input, output));
            }
            if caps.has(Feature::Stage2) {
                let input = input.min(output.bits()).min(caps.stage2_input_bits());
                formats.push(TableConfig::stage2(granule, input, output, Concatenation::WhenRequired));
                formats.push(TableConfig::stage2(granule, input, output, Concatenation::Always));
            }
        }
    }
    let formats: Vec<_> = formats.into_iter().map(Result::unwrap).collect();
    formats.iter().flat_map(|config| [*config, config.with_contiguous()]).collect()
}

enum Space {
    One(Box<Space1>),
    Two(Box<Space2>),
}

impl Space {
    fn table(&mut self) -> &mut PageTable {
        match self {
            Self::One(space) => &mut space.table,
            Self::Two(space) => &mut space.table,
        }
    }
}

fn check(machine: &dyn Machine, bench: &mut Bench<'_, &dyn Machine>, config: TableConfig) {
    let p = machine;
    let page = config.granule().bytes();
    let memory = p.allocate(MEMORY, MEMORY).unwrap();
    let to = |offset: u64| PhysAddr::new(memory.base().get() + offset);
    let (mut space, ste, tag) = if config.stage() == Stage::Stage2 {
        let space = Space2::of(&p, 7, config);
        let (ste, tag) = (space.ste(), Tag::Stage2 { vmid: space.vmid });
        (Space::Two(Box::new(space)), ste, tag)
    } else {
        let space = Space1::of(&p, &bench.caps, 8, config);
        let (ste, tag) = (space.ste(), space.tag());
        (Space::One(Box::new(space)), ste, tag)
    };
    // the top of the input, so that every index is in use
    let iova = (config.input().last() & !(MEMORY - 1)).wrapping_sub(MEMORY);
    let table = space.table();
    // not the first and the last page: some groups are whole and some are not
    let mapped = range(iova + page, MEMORY - 2 * page);
    table
        .map_up_to(
            &p,
            mapped,
            to(page),
            RW,
            if config.contiguous_levels().is_empty() { Level::THREE } else { Level::TWO },
        )
        .unwrap();
    bench.attach(streams()[0], &ste);
    let offsets = [page, 2 * page + 8, MEMORY / 2 - 8, MEMORY / 2, MEMORY - 3 * page, MEMORY - page - 8];
    for offset in offsets {
        assert!(lands(machine, 0, iova + offset, to(offset)), "{config:?} {offset:#x}");
    }
    for offset in [0, MEMORY - page] {
        assert!(!lands(machine, 0, iova + offset, to(offset)), "{config:?} {offset:#x}");
    }

    let mut gather = Gather::new();
    let middle = range(iova + MEMORY / 2, page);
    if config.contiguous_levels().is_empty() {
        let _ = space.table().unmap(&p, middle, &mut gather).unwrap();
    } else {
        // one page of a group cannot go
        let cut = space.table().unmap(&p, middle, &mut gather);
        let Err(UnmapError::PartOfBlock { block, .. }) = cut else { panic!("{config:?}: {cut:?}") };
        assert!(block.size().unwrap() > page && lands(machine, 0, iova + MEMORY / 2, to(MEMORY / 2)));
        let _ = space.table().unmap(&p, block, &mut gather).unwrap();
    }
    assert!(may_land(machine, 0, iova + MEMORY / 2, to(MEMORY / 2)), "{config:?}: nothing is cached");
    let (what, freed) = gather.finish().unwrap();
    let gone = what.range;
    let rules = Rules::new(RangeSupport::of(&bench.caps));
    let _ = invalidate(&p, &mut bench.queue, &what, &rules, &[tag], &[], TIMEOUT, |_| {}).unwrap();
    let _ = freed.never_seen_by_hardware();
    for offset in offsets {
        let mapped = !(gone.start()..=gone.last()).contains(&(iova + offset));
        assert_eq!(lands(machine, 0, iova + offset, to(offset)), mapped, "{config:?} {offset:#x}");
    }

    let _ = bench.drain();
    bench.attach(streams()[0], &SteConfig::Abort);
    bench.forget();
    match space {
        Space::One(space) => space.destroy(&p, &mut bench.queue),
        Space::Two(space) => space.destroy(&p, &mut bench.queue),
    }
    p.free(memory);
}

fn check_all(machine: &dyn Machine, wanted: impl Fn(&TableConfig) -> bool, least: usize) {
    let mut bench = Bench::new(machine, Setup::default());
    let formats: Vec<_> = formats(&bench.caps).into_iter().filter(wanted).collect();
    assert!(formats.len() >= least, "{}", formats.len());
    for config in formats {
        check(machine, &mut bench, config);
    }
    bench.shut_down();
}

#[test]
fn tables_of_every_format_are_walked_as_they_were_meant() {
    on_models(&[Profile::maximum(), Profile::qemu()], |machine| check_all(machine, |_| true, 40));
    // QEMU does not walk concatenated tables
    on_qemu(|machine| check_all(machine, |config| config.geometry().concatenated() == 1, 30));
}
