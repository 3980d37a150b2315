//! Going over a tree finds what translating every page finds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{
    Attributes, Entry, MemoryType, OutputError, PageTable, TableConfig, Target, WalkError,
};
use smmu_regs::vmsa::{Granule, IovaRange};
use smmu_regs::{AddressSize, PhysAddr};
use support::{TestMemory, range};

#[test]
fn every_descriptor_once_and_in_order() {
    for granule in Granule::ALL {
        let memory = TestMemory::new(4 << 20);
        let config = TableConfig::ttb1(granule, 47, AddressSize::Bits48).unwrap();
        let mut table = PageTable::new(config, &memory).unwrap();
        let attributes = Attributes::read_write(MemoryType::NormalCached);
        let page = granule.bytes();
        let block = page << granule.bits_per_level();
        let base = config.input().start() + 5 * block;
        let mapped = [(0, block + page), (3 * block - page, page), (3 * block + 7 * page, 2 * page)];
        for (offset, size) in mapped {
            let pa = PhysAddr::new(block + offset);
            table.map(&memory, range(base + offset, size), pa, attributes).unwrap();
        }
        let (mut leaves, mut tables, mut entries) = (Vec::new(), 0, Vec::new());
        table
            .walk(&memory, config.input(), |entry: Entry| {
                assert_eq!(memory.read(entry.at.get()), entry.descriptor);
                entries.push(entry);
                match entry.target {
                    Target::Leaf { leaf, pa } => {
                        leaves.push((entry.range.start(), entry.range.size().unwrap()));
                        let found = table.translate(&memory, entry.range.start()).unwrap();
                        assert_eq!((found.pa, found.leaf, found.level), (pa, leaf, entry.level));
                        assert_eq!(config.address(entry.descriptor), pa);
                    }
                    Target::Table { .. } => tables += 1,
                    Target::Reserved => panic!("{entry:?}"),
                }
            })
            .unwrap();
        let at = |offset| base + offset;
        let expected = [
            (at(0), block),
            (at(block), page),
            (at(3 * block - page), page),
            (at(3 * block + 7 * page), page),
            (at(3 * block + 8 * page), page),
        ];
        assert_eq!(leaves, expected);
        // one chain of tables down to level 2, and three tables of pages
        assert_eq!(tables, config.geometry().start_level().above_pages() as usize - 1 + 3);
        assert!(entries.windows(2).all(|pair| pair[0].range.start() <= pair[1].range.start()));
        // a part of a block is enough
        let mut some = Vec::new();
        table.walk(&memory, range(at(block / 2), 2 * block), |entry| some.push(entry)).unwrap();
        let leaf = |entry: &&Entry| matches!(entry.target, Target::Leaf { .. });
        assert_eq!(some.iter().filter(leaf).count(), 2);
        assert_eq!(
            table.walk(&memory, IovaRange::ALL, |_| {}),
            Err(WalkError::OutsideInput { range: IovaRange::ALL, input: config.input() })
        );
    }
}

#[test]
fn addresses_go_into_descriptors_and_back() {
    for granule in Granule::ALL {
        for output in AddressSize::ALL {
            let Ok(config) = TableConfig::ttb0(granule, 40, output) else { continue };
            for bit in 0..64 {
                let pa = PhysAddr::new(1 << bit);
                let expected = if bit < granule.shift() {
                    Err(OutputError::Misaligned { pa, granule })
                } else if bit >= output.bits() {
                    Err(OutputError::Outside { pa, output })
                } else {
                    let high = if granule == Granule::Size64K { (48, 36) } else { (50, 42) };
                    Ok(1 << if bit < high.0 { bit } else { bit - high.1 })
                };
                let bits = config.address_bits(pa);
                assert_eq!(bits, expected);
                if let Ok(bits) = bits {
                    assert_eq!(config.address(bits | 0xfff0_0000_0000_0cff), pa);
                }
            }
        }
    }
}
