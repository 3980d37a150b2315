//! What the tests of this crate share: facts read from `facts/`, a seeded random source, SMMUs.
#![allow(dead_code, unreachable_pub)]

use smmu_regs::Caps;
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::registers::{Aidr, Idr0, Idr1, Idr3, Idr5, Iidr};
use std::collections::BTreeMap;

/// Facts about the places of fields.
pub const STE_FACTS: &str = include_str!("../facts/ste.txt");
/// Facts about the places of fields.
pub const CD_FACTS: &str = include_str!("../facts/cd.txt");

/// The content of a structure.
pub type Words = [u64; 8];

/// A field's word, shift and value mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub word: usize,
    pub shift: u32,
    pub mask: u64,
}

impl Place {
    pub fn get(self, words: &Words) -> u64 {
        words[self.word] >> self.shift & self.mask
    }

    pub fn set(self, words: &mut Words, value: u64) {
        assert_eq!(value & !self.mask, 0, "{value:#x} is too wide");
        words[self.word] = words[self.word] & !(self.mask << self.shift) | value << self.shift;
    }

    /// The field's bits in a structure.
    pub fn bits(self) -> Words {
        let mut words = [0; 8];
        words[self.word] = self.mask << self.shift;
        words
    }
}

/// `NAME LSB MSB` lines over a whole structure.
pub fn places(text: &str) -> BTreeMap<&str, Place> {
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [name, lsb, msb] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("bad line {line:?}")
        };
        let (lsb, msb): (u32, u32) = (lsb.parse().unwrap(), msb.parse().unwrap());
        assert_eq!(lsb / 64, msb / 64, "{name} crosses a word");
        let place = Place { word: lsb as usize / 64, shift: lsb % 64, mask: u64::MAX >> (63 - (msb - lsb)) };
        assert!(all.insert(name, place).is_none(), "{name} twice");
    }
    all
}

/// A structure by the names of its fields, from the facts alone.
pub fn typed(places: &BTreeMap<&str, Place>, fields: &[(&str, u64)]) -> Words {
    let mut words = [0; 8];
    for (name, value) in fields {
        places[name].set(&mut words, *value);
    }
    words
}

/// SplitMix64: the same numbers in every run.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.bits() % n == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.bits() % from.len() as u64) as usize]
    }

    /// A word that is often 0, sometimes sparse, sometimes dense.
    pub fn word(&mut self) -> u64 {
        match self.bits() % 4 {
            0 => 0,
            1 => self.bits() & self.bits() & self.bits(),
            _ => self.bits(),
        }
    }

    /// ID registers of an SMMU that could be: no reserved value, no combination that the architecture rules out.
    pub fn ids(&mut self) -> IdRegisters {
        loop {
            // TTENDIAN 0 or 2, ST_LEVEL 1, VMSAv8-64.
            let idr0 = self.bits() as u32 & 0x47df_ffff | 1 << 27 | 1 << 3;
            let sizes = [self.pick(&[0, 4, 20]), 10, 10, 10];
            let [ssid, pri, event, command] = sizes;
            let idr1 = self.bits() as u32 & 0x0c00_0000 | command << 21 | event << 16 | pri << 11 | ssid << 6;
            let idr5 = self.bits() as u32 & 0x1f6 | 1 << 4;
            let idr5 = idr5 & !7 | self.pick(&[2, 4, 5, 6, 7]);
            // PBHA implies HAD, S2PO implies S2PI, D128 excludes VMSAv8-32, DPT implies ATS.
            let idr3 = self.bits() as u32 & 0x00ff_ffbc;
            let idr3 = idr3 | (idr3 >> 3 & 1) << 2 | (idr3 >> 20 & 1) << 19;
            let idr0 = idr0 & !((idr5 >> 8 & 1) << 2) | (idr3 >> 15 & 1) << 10;
            let ids = IdRegisters {
                idr0: Idr0::from_bits(idr0),
                idr1: Idr1::from_bits(idr1 | 16), // 16 StreamID bits
                idr3: Idr3::from_bits(idr3),
                idr5: Idr5::from_bits(idr5),
                iidr: Iidr::from_bits(0),
                aidr: Aidr::from_bits(self.pick(&[0, 1, 2, 3, 4])),
                ..IdRegisters::default()
            };
            if Caps::probe_strict(&ids, &Hints::default()).is_ok() {
                return ids;
            }
        }
    }
}

/// The capabilities of an SMMU with these registers.
pub fn caps_of(ids: &IdRegisters) -> Caps {
    Caps::probe_strict(ids, &Hints::default()).unwrap()
}

/// Those of [`IdRegisters::EXAMPLE`].
pub fn example() -> Caps {
    caps_of(&IdRegisters::EXAMPLE)
}

/// An SMMUv3.4 with everything: [`IdRegisters::EXAMPLE`] with `DS`, `HTTU` 3, `STT` and `VAX` 1.
pub fn large() -> Caps {
    let mut ids = IdRegisters::EXAMPLE;
    ids.idr0 = Idr0::from_bits(ids.idr0.into_bits() | 3 << 6);
    ids.idr3 = Idr3::from_bits(ids.idr3.into_bits() | 1 << 9);
    ids.idr5 = Idr5::from_bits(ids.idr5.into_bits() & !(3 << 10) | 1 << 10 | 1 << 7);
    ids.aidr = Aidr::from_bits(4);
    caps_of(&ids)
}
