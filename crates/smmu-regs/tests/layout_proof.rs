//! The layout proof: every register and field of the crate against the facts in `tests/facts/registers.txt`, both ways.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use smmu_regs::layout::FieldInfo;
use smmu_regs::platform::RegisterOffset;
use smmu_regs::registers::*;
use std::collections::BTreeMap;

#[derive(Debug, PartialEq)]
struct Shape {
    offset: u32,
    width: u32,
    access: Access,
    fields: Vec<(String, u32, u32)>,
}

fn facts() -> BTreeMap<String, Shape> {
    let mut registers = BTreeMap::new();
    let mut current: Option<(String, Shape)> = None;
    for line in include_str!("facts/registers.txt").lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["reg", name, offset, width, access] => {
                registers.extend(current.take());
                let offset = u32::from_str_radix(offset.trim_start_matches("0x"), 16).unwrap();
                let access = match access {
                    "RO" => Access::Ro,
                    "RW" => Access::Rw,
                    other => panic!("access {other}"),
                };
                let shape = Shape { offset, width: width.parse().unwrap(), access, fields: Vec::new() };
                current = Some((name.to_owned(), shape));
            }
            [name, lsb, msb] => {
                let field = (name.to_owned(), lsb.parse().unwrap(), msb.parse().unwrap());
                current.as_mut().unwrap().1.fields.push(field);
            }
            _ => panic!("bad line {line:?}"),
        }
    }
    registers.extend(current);
    registers
}

fn shape<R: Register>() -> (String, Shape) {
    let field = |field: &FieldInfo| (field.name.to_owned(), field.lsb, field.lsb + field.width - 1);
    let mut fields: Vec<_> = R::FIELDS.iter().map(field).collect();
    fields.sort_by_key(|field| field.1);
    let shape = Shape { offset: R::AT.from_base(), width: R::WIDTH, access: R::ACCESS, fields };
    (R::NAME.to_owned(), shape)
}

macro_rules! shapes {
    ($($name:ident)*) => { BTreeMap::from([$(shape::<$name>(),)*]) };
}

#[test]
fn registers_are_those_of_the_facts() {
    let code = shapes! {
        Idr0 Idr1 Idr2 Idr3 Idr4 Idr5 Idr6 Iidr Aidr
        Cr0 Cr0ack Cr1 Cr2 Statusr Gbpa
        IrqCtrl IrqCtrlack Gerror Gerrorn GerrorIrqCfg0 GerrorIrqCfg1 GerrorIrqCfg2
        EventqIrqCfg0 EventqIrqCfg1 EventqIrqCfg2 PriqIrqCfg0 PriqIrqCfg1 PriqIrqCfg2
        StrtabBase StrtabBaseCfg
        CmdqBase CmdqProd CmdqCons EventqBase EventqProd EventqCons PriqBase PriqProd PriqCons
    };
    let mut facts = facts();
    for shape in facts.values_mut() {
        shape.fields.sort_by_key(|field| field.1);
    }
    assert_eq!(facts.keys().collect::<Vec<_>>(), code.keys().collect::<Vec<_>>());
    for (name, fact) in &facts {
        assert_eq!(fact, &code[name], "{name}");
    }
}

#[test]
fn getters_read_what_the_facts_say() {
    let facts = facts();
    for (field, msb) in [("S1P", 1), ("TTF", 3), ("ST_LEVEL", 28)] {
        assert!(facts["IDR0"].fields.iter().any(|(name, _, top)| name == field && *top == msb));
    }
    // One bit at a time: the getter sees exactly the bits that the facts give to its field.
    for bit in 0..32 {
        let idr1 = Idr1::from_bits(1 << bit);
        let owner = facts["IDR1"].fields.iter().find(|(_, lsb, msb)| (*lsb..=*msb).contains(&bit));
        let owner = owner.map_or("", |(name, ..)| name);
        assert_eq!(idr1.sidsize() != 0, owner == "SIDSIZE", "bit {bit}");
        assert_eq!(idr1.ssidsize() != 0, owner == "SSIDSIZE", "bit {bit}");
        assert_eq!(idr1.cmdqs() != 0, owner == "CMDQS", "bit {bit}");
        assert_eq!(idr1.ecmdq(), owner == "ECMDQ", "bit {bit}");
        assert_eq!(format!("{idr1:?}").contains(&format!(" {owner}=")), !owner.is_empty(), "{idr1:?}");
    }
}

#[test]
fn setters_refuse_what_does_not_fit() {
    assert!(StrtabBaseCfg::new().try_with(StrtabBaseCfg::LOG2SIZE, 64_u8).is_err());
    assert!(StrtabBase::new().try_with_address(StrtabBase::ADDR, 0x20).is_err());
    assert!(StrtabBase::new().try_with_address(StrtabBase::ADDR, 1 << 56).is_err());
    let base = StrtabBase::new().try_with_address(StrtabBase::ADDR, 0x00ff_0000_0000_0040).unwrap();
    assert_eq!(base.address(StrtabBase::ADDR), 0x00ff_0000_0000_0040);
    assert_eq!(base.with(StrtabBase::RA, true).into_bits(), 0x40ff_0000_0000_0040);
}

#[test]
fn every_register_is_found_by_its_place() {
    for (name, fact) in facts() {
        let page = if fact.offset < 0x1_0000 { RegisterOffset::page0 } else { RegisterOffset::page1 };
        let at = page(u16::try_from(fact.offset & 0xffff).unwrap());
        let (field, lsb, _) = fact.fields.last().unwrap();
        let found = describe(at, 1 << lsb).unwrap();
        assert_eq!((found.name(), found.width()), (name.as_str(), fact.width));
        assert!(found.to_string().contains(field), "{found} lacks {field}");
    }
    assert!(describe(RegisterOffset::page0(0x3c), 0).is_none());
}
