//! Level-1 descriptors, shapes and sets of streams: the parts of tables that need no memory.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{example, large};
use smmu_regs::caps::{Caps, IdRegisters};
use smmu_regs::registers::{Idr0, Idr1};
use smmu_regs::{AddressSize, PhysAddr, StreamId, SubstreamId};
use smmu_ste::TableError;
use smmu_ste::table::{CdLeaf, CdTableShape, Level1Cd, Level1Stream, StreamSet, StreamTableShape};

const OAS: AddressSize = AddressSize::Bits48;

#[test]
fn level_1_stream_descriptors() {
    for split in [6, 8, 10] {
        for log2 in 0..=split {
            let base = PhysAddr::new(0x1234_5600_0000 & !((64 << log2) - 1));
            let table = Level1Stream::Table { base, log2 };
            let word = table.encode(split, OAS).unwrap();
            // SPAN is one more than the log2 (5.1).
            assert_eq!(word, base.get() | (u64::from(log2) + 1));
            assert_eq!(Level1Stream::decode(word, split), table);
            let off = PhysAddr::new(base.get() | 32 << log2);
            let align = 64 << log2;
            let misaligned = Level1Stream::Table { base: off, log2 }.encode(split, OAS);
            assert_eq!(misaligned, Err(TableError::Misaligned { address: off, align }));
        }
        let log2 = split + 1;
        let beyond = Level1Stream::Table { base: PhysAddr::new(0), log2 };
        assert_eq!(beyond.encode(split, OAS), Err(TableError::Size { log2, max: split }));
        // Reserved spans, and those beyond the split, lead nowhere.
        for span in (0..32).filter(|span| *span == 0 || *span > u64::from(split) + 1) {
            assert_eq!(Level1Stream::decode(0x4000_0000 | span, split), Level1Stream::Absent, "{span}");
        }
    }
    let address = PhysAddr::new(1 << 48);
    let high = Level1Stream::Table { base: address, log2: 8 };
    assert_eq!(high.encode(8, OAS), Err(TableError::TooHigh { address, size: OAS }));
    assert_eq!(Level1Stream::Absent.encode(8, OAS), Ok(0));
    // What the SMMU takes as 0 is no address.
    let low = Level1Stream::decode(0x4000_1fc9, 8);
    assert_eq!(low, Level1Stream::Table { base: PhysAddr::new(0x4000_0000), log2: 8 });
}

#[test]
fn level_1_cd_descriptors() {
    for (leaf, align) in [(CdLeaf::Cds64, 0x1000), (CdLeaf::Cds1024, 0x1_0000)] {
        let base = PhysAddr::new(0x7f_0000_0000 + align);
        let word = Level1Cd::Leaf(base).encode(leaf, OAS).unwrap();
        assert_eq!(word, base.get() | 1);
        assert_eq!(Level1Cd::decode(word), Level1Cd::Leaf(base));
        let address = PhysAddr::new(base.get() + align / 2);
        let misaligned = Level1Cd::Leaf(address).encode(leaf, OAS);
        assert_eq!(misaligned, Err(TableError::Misaligned { address, align }));
        let address = PhysAddr::new(1 << 50);
        let high = Level1Cd::Leaf(address).encode(leaf, OAS);
        assert_eq!(high, Err(TableError::TooHigh { address, size: OAS }));
        assert_eq!(Level1Cd::Absent.encode(leaf, OAS), Ok(0));
    }
    assert_eq!(Level1Cd::decode(0x1234_5000), Level1Cd::Absent);
}

fn with(change: impl Fn(&mut IdRegisters)) -> Caps {
    let mut ids = IdRegisters::EXAMPLE;
    change(&mut ids);
    Caps::probe(&ids, &Default::default()).unwrap()
}

#[test]
fn shapes_of_cd_tables() {
    let caps = example();
    for cds_log2 in 0..=u8::MAX {
        let chosen = CdTableShape::choose(&caps, cds_log2);
        if cds_log2 > 20 {
            assert_eq!(chosen, Err(TableError::Size { log2: cds_log2, max: 20 }));
            continue;
        }
        let shape = chosen.unwrap();
        assert_eq!(shape.cds_log2(), cds_log2);
        // Counted in another way: the last CD has the last place, and all places are used.
        let last = SubstreamId::new((1 << cds_log2) - 1).unwrap();
        let expected = match shape.index(last) {
            (first, None) => (first + 1) * 64,
            (first, Some(second)) => {
                assert_eq!(second, 1023);
                (first + 1) * 8
            }
        };
        assert_eq!(shape.top_bytes(), expected, "{shape:?}");
        assert!(expected <= 65536);
    }
    let linear_only = with(|ids| ids.idr0 = Idr0::from_bits(ids.idr0.into_bits() & !(1 << 19)));
    assert_eq!(CdTableShape::largest(&linear_only), 10);
    assert_eq!(CdTableShape::choose(&linear_only, 11), Err(TableError::Size { log2: 11, max: 10 }));
    let few = with(|ids| ids.idr1 = Idr1::from_bits(ids.idr1.into_bits() & !(0x1f << 6) | 3 << 6));
    assert_eq!((CdTableShape::largest(&few), CdTableShape::largest(&large())), (3, 20));
    assert_eq!(CdLeaf::Cds64.bytes() / 64, 64);
    let shape = CdTableShape::TwoLevel { cds_log2: 20, leaf: CdLeaf::Cds64 };
    assert_eq!(shape.index(SubstreamId::new(0xf_ffff).unwrap()), (0x3fff, Some(63)));
    assert_eq!(shape.top_bytes(), 0x2_0000);
}

#[test]
fn shapes_cover_the_highest_stream() {
    let caps = example();
    for highest in [0, 1, 2, 0xff, 0x100, 0xffff, 0x1_0000, u32::MAX - 1, u32::MAX] {
        let shape = StreamTableShape::covering(&caps, StreamId::new(highest)).unwrap();
        assert!(u64::from(highest) >> shape.log2() == 0, "{shape:?}");
        assert!(highest < 2 || u64::from(highest) >> (shape.log2() - 1) == 1, "{shape:?} is too large");
        // The last of all has the last place.
        let all = (1_u64 << shape.log2()) - 1;
        let last = shape.index(StreamId::try_from(all).unwrap());
        let bytes = match last {
            (first, None) => (first + 1) * 64,
            (first, Some(_)) => (first + 1) * 8,
        };
        assert_eq!(shape.top_bytes(), bytes, "{shape:?}");
    }
    let few = with(|ids| ids.idr1 = Idr1::from_bits(ids.idr1.into_bits() & !0x3f | 16));
    let beyond = StreamTableShape::covering(&few, StreamId::new(1 << 16));
    assert_eq!(beyond, Err(TableError::Size { log2: 17, max: 16 }));
}

#[test]
fn sets_of_streams() {
    let list = [3, 1, 3, 3, 2, 1].map(StreamId::new);
    let set = StreamSet::new(&list);
    assert!(set.iter().eq([3, 1, 2].map(StreamId::new)));
    assert!(!set.is_empty() && StreamSet::new(&[]).is_empty());
    assert_eq!(StreamSet::from(&list[..]), set);
}
