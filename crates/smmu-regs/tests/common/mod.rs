//! Reads the facts that the crate carries.
// Each test that reads them asks for something else.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};

/// A field of the facts.
#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub lsb: u32,
    pub msb: u32,
    pub resets_to_zero: bool,
    pub values: BTreeSet<u64>,
}

impl Field {
    pub fn mask(&self) -> u64 {
        (self.lsb..=self.msb).fold(0, |mask, bit| mask | 1 << bit)
    }
}

/// A register of the facts.
#[derive(Debug)]
pub struct Register {
    pub bank: String,
    pub page: String,
    pub offset: u16,
    pub width: u32,
    pub access: String,
    pub since: String,
    pub fields: Vec<Field>,
    pub fault: Option<Vec<Field>>,
}

fn places(fields: &[Field]) -> Vec<(String, u32, u32)> {
    fields.iter().map(|field| (field.name.clone(), field.lsb, field.msb)).collect()
}

impl Register {
    pub fn fields(&self) -> Vec<(String, u32, u32)> {
        places(&self.fields)
    }

    pub fn fault_fields(&self) -> Option<Vec<(String, u32, u32)>> {
        self.fault.as_deref().map(places)
    }

    pub fn reset_zero(&self) -> u64 {
        self.fields.iter().filter(|field| field.resets_to_zero).fold(0, |mask, field| mask | field.mask())
    }
}

/// All registers by name.
#[derive(Debug)]
pub struct Facts(pub BTreeMap<String, Register>);

impl Facts {
    pub fn read() -> Self {
        let mut all: BTreeMap<String, Register> = BTreeMap::new();
        let (mut owner, mut fault) = (String::new(), false);
        for line in include_str!("../facts/registers.txt").lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["reg", name, bank, page, offset, width, access, since] => {
                    (owner, fault) = (name.to_owned(), false);
                    let register = Register {
                        bank: bank.to_owned(),
                        page: page.to_owned(),
                        offset: u16::from_str_radix(offset.trim_start_matches("0x"), 16).unwrap(),
                        width: width.parse().unwrap(),
                        access: access.to_owned(),
                        since: since.to_owned(),
                        fields: Vec::new(),
                        fault: None,
                    };
                    assert!(all.insert(owner.clone(), register).is_none(), "{name} twice");
                }
                ["fault", name] => {
                    assert_eq!(name, owner);
                    all.get_mut(&owner).unwrap().fault = Some(Vec::new());
                    fault = true;
                }
                [name, lsb, msb, reset, values] => {
                    let values = values.split(',').filter(|value| *value != "-");
                    let field = Field {
                        name: name.to_owned(),
                        lsb: lsb.parse().unwrap(),
                        msb: msb.parse().unwrap(),
                        resets_to_zero: match reset {
                            "0" => true,
                            "x" | "-" => false,
                            other => panic!("reset {other}"),
                        },
                        values: values.map(|value| value.parse().unwrap()).collect(),
                    };
                    let register = all.get_mut(&owner).unwrap();
                    let fields = if fault { register.fault.as_mut().unwrap() } else { &mut register.fields };
                    fields.push(field);
                }
                _ => panic!("bad line {line:?}"),
            }
        }
        Self(all)
    }
}
