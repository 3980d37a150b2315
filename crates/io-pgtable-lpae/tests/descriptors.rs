//! Descriptor fields against the facts, and what attributes become.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{AttributeError, Attributes, Concatenation, Leaf, MemoryType, Stage1Leaf};
use io_pgtable_lpae::{Stage2Leaf, TableConfig, TableDescriptor};
use smmu_regs::AddressSize;
use smmu_regs::layout::{FieldInfo, Layout};
use smmu_regs::vmsa::{Granule, HardwareUpdate};
use std::collections::BTreeMap;

const FACTS: &str = include_str!("facts/descriptors.txt");

/// Fields of `word` in the facts: name to (lowest bit, width).
fn facts(word: &str) -> BTreeMap<String, (u32, u32)> {
    let fields = FACTS.lines().filter_map(|line| {
        let [kind, of, name, lsb, msb] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let (lsb, msb): (u32, u32) = (lsb.parse().unwrap(), msb.parse().unwrap());
        (kind == "field" && of == word).then(|| (name.to_owned(), (lsb, msb - lsb + 1)))
    });
    fields.collect()
}

fn check<L: Layout>() {
    // `type` cannot be the name of a getter
    let name = |field: &FieldInfo| field.name.trim_start_matches("DESCRIPTOR_").to_owned();
    let declared: BTreeMap<_, _> = L::FIELDS.iter().map(|f| (name(f), (f.lsb, f.width))).collect();
    assert_eq!(declared.len(), L::FIELDS.len());
    assert!(declared.len() > 5);
    assert_eq!(declared, facts(L::NAME), "{}", L::NAME);
}

#[test]
fn fields_are_those_of_the_facts() {
    check::<Stage1Leaf>();
    check::<Stage2Leaf>();
    check::<TableDescriptor>();
}

fn stage1() -> TableConfig {
    support::plain()
}

fn stage2() -> TableConfig {
    TableConfig::stage2(Granule::Size4K, 40, AddressSize::Bits40, Concatenation::WhenRequired).unwrap()
}

#[test]
fn attribute_bits() {
    use MemoryType::{DevicenGnRE, NormalCached, NormalUncached};
    let bits = |attributes: Attributes, config: TableConfig| attributes.bits(&config).unwrap();
    // nG, AF, SH, AP and AttrIndx written out by hand
    assert_eq!(bits(Attributes::read_write(NormalCached).with_execute(true), stage1()), 0xf44);
    assert_eq!(bits(Attributes::read_only(NormalUncached).with_execute(true), stage1()), 0xec0);
    assert_eq!(bits(Attributes::read_write(DevicenGnRE), stage1()), 0x60_0000_0000_0e48);
    assert_eq!(
        bits(Attributes::read_write(NormalCached).with_execute(true).with_privileged(true), stage1()),
        0xf04
    );
    assert_eq!(bits(Attributes::read_write(NormalCached).with_execute(true), stage2()), 0x7fc);
    assert_eq!(bits(Attributes::read_write(NormalCached), stage2()), 0x40_0000_0000_07fc);
    assert_eq!(bits(Attributes::write_only(DevicenGnRE).with_execute(true), stage2()), 0x684);
    let fwb = stage2().with_fwb().unwrap();
    assert_eq!(bits(Attributes::read_only(NormalCached).with_execute(true), fwb), 0x758);
    assert_eq!(bits(Attributes::read_only(NormalUncached).with_execute(true), fwb), 0x654);
    let dirty = stage1().with_update(HardwareUpdate::Dirty).unwrap();
    assert_eq!(bits(Attributes::read_write(NormalCached), dirty) >> 51 & 1, 1);
    assert_eq!(bits(Attributes::read_only(NormalCached), dirty) >> 51 & 1, 0);
}

#[test]
fn impossible_access_is_an_error() {
    let mut none = Attributes::read_only(MemoryType::NormalCached);
    none.read = false;
    assert_eq!(none.bits(&stage1()), Err(AttributeError::NoAccess));
    assert_eq!(none.bits(&stage2()), Err(AttributeError::NoAccess));
    let write = Attributes::write_only(MemoryType::NormalCached);
    assert_eq!(write.bits(&stage1()), Err(AttributeError::WriteOnlyAtStage1));
    let mut secure = Attributes::read_only(MemoryType::NormalCached);
    secure.non_secure = true;
    assert_eq!(secure.bits(&stage2()), Err(AttributeError::NonSecureAtStage2));
    assert_eq!(secure.bits(&stage1()).unwrap() >> 5 & 1, 1);
}

#[test]
fn attributes_go_there_and_back() {
    let configs = [
        stage1(),
        stage1().with_update(HardwareUpdate::Dirty).unwrap(),
        stage2(),
        stage2().with_fwb().unwrap(),
        stage2().with_update(HardwareUpdate::Dirty).unwrap(),
    ];
    let memories = [MemoryType::NormalCached, MemoryType::NormalUncached, MemoryType::DevicenGnRE];
    let mut checked = 0;
    for config in configs {
        for memory in memories {
            for flags in 0..16 {
                let mut given = Attributes::read_write(memory).with_execute(flags & 1 != 0);
                given.read = flags & 2 != 0;
                given.write = flags & 4 != 0;
                let stage2 = config.stage() == io_pgtable_lpae::Stage::Stage2;
                given.privileged = flags & 8 != 0 && !stage2;
                let Ok(bits) = given.bits(&config) else { continue };
                let mut back = Attributes::decode(Leaf::new(bits | 3, &config), &config).unwrap();
                assert!(back.shareability.take().is_some());
                assert_eq!(back, given);
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 2 * 3 * 8 + 3 * 3 * 12);
    let odd = Leaf::new(0x7 << 2 | 3, &stage1());
    assert_eq!(Attributes::decode(odd, &stage1()), None);
}

#[test]
fn debug_prints_fields() {
    let bits = Attributes::read_write(MemoryType::NormalCached).bits(&stage1()).unwrap() | 0x1000 | 3;
    let text = format!("{:?}", Leaf::new(bits, &stage1()));
    assert!(
        text.contains("S1_LEAF { DESCRIPTOR_TYPE=3 ATTRINDX=1 AP_UNPRIV=1 SH=3 AF=1 NG=1 OA=1"),
        "{text}"
    );
}
