//! Every size of every granule against the manual's tables.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{Concatenation, ConfigError, Geometry, PageTable, Regime, TableConfig};
use smmu_regs::AddressSize;
use smmu_regs::vmsa::{Granule, IovaRange, Level, LevelSet};

const FACTS: &str = include_str!("facts/descriptors.txt");

/// The numbers of all lines that begin with `kind` and the granule.
fn facts<const N: usize>(kind: &str, granule: Granule) -> Vec<[i32; N]> {
    let name = granule.to_string();
    let rows = FACTS.lines().filter_map(|line| {
        let rest = line.strip_prefix(kind)?.strip_prefix(' ')?.strip_prefix(&*name)?;
        let numbers: Vec<i32> = rest.split_whitespace().map(|number| number.parse().unwrap()).collect();
        Some(numbers.try_into().unwrap())
    });
    rows.collect()
}

const SIZES: [AddressSize; 7] = [
    AddressSize::Bits32,
    AddressSize::Bits36,
    AddressSize::Bits40,
    AddressSize::Bits42,
    AddressSize::Bits44,
    AddressSize::Bits48,
    AddressSize::Bits52,
];

#[test]
fn stage1_starts_where_the_manual_says() {
    let mut checked = 0;
    for granule in Granule::ALL {
        for bits in 0..=70u32 {
            let row = [facts::<3>("stage1", granule), facts("stage1ds", granule)]
                .concat()
                .into_iter()
                .find(|[_, least, most]| (*least..=*most).contains(&(64 - bits as i32)));
            match (Geometry::stage1(granule, bits), row) {
                (Ok(geometry), Some([level, ..])) => {
                    assert_eq!(geometry.start_level().number(), level, "{granule} {bits}");
                    assert_eq!((geometry.concatenated(), geometry.input_bits()), (1, bits));
                    checked += 1;
                }
                (Err(ConfigError::InputBits { .. }), None) => {
                    assert!(!(16..=52).contains(&bits) || bits == 16)
                }
                other => panic!("{granule} {bits}: {other:?}"),
            }
        }
    }
    assert_eq!(checked, 37 + 37 + 36);
}

#[test]
fn stage2_uses_only_what_the_manual_permits() {
    for granule in Granule::ALL {
        let needs = facts::<2>("needs", granule);
        for bits in Geometry::min_input_bits(granule)..=Geometry::MAX_BITS {
            for output in SIZES {
                for choice in [Concatenation::WhenRequired, Concatenation::Always] {
                    let result = Geometry::stage2(granule, bits, output, choice);
                    if bits > output.bits() {
                        let error = ConfigError::InputExceedsOutput { input_bits: bits, output };
                        assert_eq!(result, Err(error));
                        continue;
                    }
                    // 4K pages from level 3 need STT (table D8-24); sizes of 25 bits and more do not by themselves
                    let stt = |level| granule == Granule::Size4K && level == 3 && bits >= 25;
                    let reachable = |level: i32| {
                        needs.iter().all(|[at, n]| *at != level || output.bits() as i32 >= *n) && !stt(level)
                    };
                    let mut rows = facts::<4>("stage2", granule);
                    if granule != Granule::Size64K && (bits > 48 || output.bits() > 48) {
                        rows.extend(facts("stage2ds", granule));
                    }
                    let mut possible: Vec<(i32, i32)> = rows
                        .iter()
                        .filter(|[level, _, least, most]| {
                            (*least..=*most).contains(&(64 - bits as i32)) && reachable(*level)
                        })
                        .map(|[level, tables, ..]| (*level, *tables))
                        .collect();
                    possible.sort_unstable();
                    let expected = match choice {
                        Concatenation::WhenRequired => possible.first(),
                        Concatenation::Always => possible.last(),
                    };
                    let geometry = result.unwrap();
                    let got = (geometry.start_level().number(), geometry.concatenated() as i32);
                    assert_eq!(Some(&got), expected, "{granule} {bits} {output} {choice:?}");
                }
            }
        }
    }
}

#[test]
fn sizes_follow_from_bits() {
    for granule in Granule::ALL {
        for bits in Geometry::min_input_bits(granule)..=Geometry::MAX_BITS {
            let geometry = Geometry::stage1(granule, bits).unwrap();
            let per_entry = 1u64 << geometry.start_level().shift(granule);
            assert_eq!(geometry.first_entries() as u64 * per_entry, 1 << bits);
            assert_eq!(geometry.first_bytes(), geometry.first_entries() as u64 * 8);
            assert_eq!(geometry.first_align(), geometry.first_bytes().max(64));
            assert!(geometry.first_bytes() <= granule.bytes());
        }
    }
    let big = Geometry::stage2(Granule::Size64K, 44, AddressSize::Bits44, Concatenation::Always).unwrap();
    assert_eq!((big.start_level(), big.concatenated(), big.first_bytes()), (Level::TWO, 4, 256 << 10));
    let levels = |granule, bits| Geometry::stage1(granule, bits).unwrap().leaf_levels();
    let pages = LevelSet::only(Level::THREE);
    assert_eq!(levels(Granule::Size4K, 48), pages.with(Level::TWO).with(Level::ONE));
    assert_eq!(levels(Granule::Size16K, 48), pages.with(Level::TWO));
    assert_eq!(levels(Granule::Size64K, 48), pages.with(Level::TWO));
    assert_eq!(levels(Granule::Size4K, 21), pages);
}

#[test]
fn impossible_configurations_are_errors() {
    for granule in Granule::ALL {
        let unsupported = ConfigError::Unsupported { bits: 56 };
        assert_eq!(TableConfig::ttb0(granule, 52, AddressSize::Bits56), Err(unsupported));
    }
    let wide = TableConfig::ttb0(Granule::Size64K, 52, AddressSize::Bits52).unwrap();
    assert_eq!(wide.with_ds(), Err(ConfigError::DsWith64K));
    for config in [wide, support::plain().with_ds().unwrap()] {
        let (granule, level) = (config.granule(), if wide == config { Level::ONE } else { Level::ZERO });
        assert!(config.possible_leaf_levels().contains(level));
        let error = ConfigError::ContiguousLevel { granule, level };
        assert_eq!(config.with_contiguous_levels(LevelSet::only(level)), Err(error));
    }
    assert_eq!(support::plain().with_fwb(), Err(ConfigError::FwbAtStage1));
    let no_pages = LevelSet::only(Level::TWO);
    let error = ConfigError::LeafLevel { level: Level::THREE };
    assert_eq!(support::plain().with_leaf_levels(no_pages), Err(error));
    let level0 = LevelSet::only(Level::THREE).with(Level::ZERO);
    let error = ConfigError::LeafLevel { level: Level::ZERO };
    assert_eq!(support::plain().with_leaf_levels(level0), Err(error));
    assert!(error.to_string().contains("level 0"));
}

#[test]
fn sizes_above_48_bits_have_other_descriptors() {
    use AddressSize::{Bits40, Bits48, Bits52};
    for granule in [Granule::Size4K, Granule::Size16K] {
        for (input, output, ds) in
            [(48, Bits48, false), (49, Bits48, true), (40, Bits52, true), (40, Bits40, false)]
        {
            let config = TableConfig::ttb0(granule, input, output).unwrap();
            assert_eq!(config.ds(), ds, "{granule} {input} {output}");
            let memory = support::TestMemory::new(1 << 20);
            let Regime::Stage1(regime) = PageTable::new(config, &memory).unwrap().regime() else { panic!() };
            assert_eq!(regime.ds, ds);
        }
        let asked = TableConfig::ttb0(granule, 48, Bits48).unwrap().with_ds().unwrap();
        let block = if granule == Granule::Size4K { 1 << 39 } else { 1 << 36 };
        assert!(asked.ds() && asked.page_sizes().contains(block));
    }
    let sizes = |config: TableConfig| config.with_contiguous().page_sizes().bitmap();
    assert_eq!(sizes(support::plain()), 0x4_4221_1000);
    assert_eq!(sizes(TableConfig::ttb0(Granule::Size16K, 47, Bits48).unwrap()), 0x4220_4000);
    assert_eq!(sizes(TableConfig::ttb0(Granule::Size64K, 48, Bits48).unwrap()), 0x4_2021_0000);
}

#[test]
fn regimes_say_what_the_table_is() {
    let memory = support::TestMemory::new(1 << 20);
    let config = TableConfig::ttb1(Granule::Size4K, 39, AddressSize::Bits40).unwrap().non_coherent();
    assert_eq!(config.input(), IovaRange::new(!0 << 39, u64::MAX).unwrap());
    let table = PageTable::new(config, &memory).unwrap();
    let Regime::Stage1(regime) = table.regime() else { panic!("stage 1") };
    let ttb1 = regime.ttb1.unwrap();
    assert_eq!((regime.ttb0, ttb1.base, ttb1.input_bits), (None, table.base(), 39));
    assert_eq!((regime.mair, regime.ips), (0xf404_ff44, AddressSize::Bits40));
    assert_eq!(ttb1.walk, smmu_regs::vmsa::WalkAttributes::NON_COHERENT);
    let config =
        TableConfig::stage2(Granule::Size4K, 40, AddressSize::Bits40, Concatenation::WhenRequired).unwrap();
    let table = PageTable::new(config.with_fwb().unwrap(), &memory).unwrap();
    let Regime::Stage2(regime) = table.regime() else { panic!("stage 2") };
    assert_eq!((regime.ttb, regime.start_level, regime.fwb), (table.base(), Level::ONE, true));
    assert_eq!(regime.sl0(), Ok((1, false)));
}
