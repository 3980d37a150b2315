//! Which SMMU can walk which table: each demand of a table against an SMMU that has everything but that.
#![allow(clippy::unwrap_used, clippy::panic)]

use io_pgtable_lpae::{CannotShare, Concatenation, Misfit, TableConfig};
use smmu_regs::caps::{Features, Hints, IdRegisters};
use smmu_regs::vmsa::{Granule, GranuleSet, HardwareUpdate, Level, LevelSet};
use smmu_regs::{AddressSize, Caps, Feature};

/// An SMMU that has everything that tables can ask for.
fn all() -> Caps {
    let mut caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default()).unwrap();
    caps.features = caps.features.union(Features::of(&[Feature::Ds, Feature::SmallTables, Feature::S2Fwb]));
    caps.stage1_input_bits = 52;
    caps
}

fn stage1(granule: Granule, bits: u32, output: AddressSize) -> TableConfig {
    TableConfig::ttb0(granule, bits, output).unwrap()
}

fn stage2(granule: Granule, bits: u32, output: AddressSize) -> TableConfig {
    TableConfig::stage2(granule, bits, output, Concatenation::WhenRequired).unwrap()
}

/// A change that takes something away.
type Lack = fn(&mut Caps);

#[test]
fn each_demand_is_named() {
    use AddressSize::{Bits40, Bits48, Bits52};
    use Granule::{Size4K, Size16K, Size64K};
    let plain = stage1(Size4K, 48, Bits48);
    let dirty = plain.with_update(HardwareUpdate::Dirty).unwrap();
    let without = |caps: &mut Caps, feature| caps.features = caps.features.without(Features::of(&[feature]));
    let lack: [(TableConfig, Lack, Misfit); 13] = [
        (
            plain,
            |c| c.features = c.features.without(Features::of(&[Feature::Stage1])),
            Misfit::Feature(Feature::Stage1),
        ),
        (
            stage2(Size4K, 40, Bits40),
            |c| c.features = c.features.without(Features::of(&[Feature::Stage2])),
            Misfit::Feature(Feature::Stage2),
        ),
        (
            stage1(Size16K, 40, Bits40),
            |c| c.granules = GranuleSet::EMPTY.with(Size4K).with(Size64K),
            Misfit::Granule(Size16K),
        ),
        (
            stage1(Size64K, 52, Bits48),
            |c| c.stage1_input_bits = 48,
            Misfit::Input { input_bits: 52, most: 48 },
        ),
        (stage2(Size4K, 48, Bits48), |c| c.oas = Bits40, Misfit::Input { input_bits: 48, most: 40 }),
        (plain, |c| c.oas = Bits40, Misfit::Output { output: Bits48, oas: Bits40 }),
        (
            stage1(Size4K, 24, Bits40),
            |c| c.features = c.features.without(Features::of(&[Feature::SmallTables])),
            Misfit::Feature(Feature::SmallTables),
        ),
        (
            stage1(Size64K, 48, Bits40).with_lpa().unwrap(),
            |c| c.oas = Bits48,
            Misfit::LargeBlocks { oas: Bits48 },
        ),
        (
            stage1(Size4K, 40, Bits40).with_ds().unwrap(),
            |c| c.features = c.features.without(Features::of(&[Feature::Ds])),
            Misfit::Feature(Feature::Ds),
        ),
        (
            stage2(Size4K, 40, Bits40).with_fwb().unwrap(),
            |c| c.features = c.features.without(Features::of(&[Feature::S2Fwb])),
            Misfit::Feature(Feature::S2Fwb),
        ),
        (
            plain,
            |c| c.features = c.features.without(Features::of(&[Feature::Coherent])),
            Misfit::Feature(Feature::Coherent),
        ),
        (
            dirty,
            |c| c.httu = HardwareUpdate::AccessFlag,
            Misfit::Update { wanted: HardwareUpdate::Dirty, has: HardwareUpdate::AccessFlag },
        ),
        (
            dirty,
            |c| c.httu = HardwareUpdate::None,
            Misfit::Update { wanted: HardwareUpdate::Dirty, has: HardwareUpdate::None },
        ),
    ];
    for (config, lack, misfit) in lack {
        assert_eq!(config.fits(&all()), Ok(()), "{config:?}");
        let mut caps = all();
        lack(&mut caps);
        assert_eq!(config.fits(&caps), Err(misfit), "{config:?}");
        assert!(!misfit.to_string().is_empty());
        assert_eq!(config.can_share([&all(), &caps, &all()]), Err(CannotShare { index: 1, why: misfit }));
    }
    // what a table does not use may be missing
    let mut modest = all();
    for feature in [Feature::Ds, Feature::S2Fwb, Feature::SmallTables, Feature::Stage2, Feature::Coherent] {
        without(&mut modest, feature);
    }
    modest.httu = HardwareUpdate::None;
    modest.oas = Bits48;
    let config = plain.non_coherent();
    assert_eq!(config.can_share([&all(), &modest]), Ok(()), "cleaned tables serve those that snoop too");
    let pages = stage1(Size64K, 48, Bits48).with_leaf_levels(LevelSet::only(Level::THREE)).unwrap();
    assert_eq!(pages.non_coherent().fits(&modest), Ok(()));
    // everything that is wrong at once
    assert_eq!(stage1(Size4K, 52, Bits52).misfits(&modest).count(), 3);
}
