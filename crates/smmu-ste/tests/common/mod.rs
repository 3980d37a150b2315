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
            // VAX 0 or 1. The granule of 64K, without which neither 52-bit output nor VAX 1 can be, is often there.
            let idr5 = self.bits() as u32 & 0x5f6 | 1 << 4 | self.pick(&[0, 1, 1]) << 6;
            let idr5 = idr5 & !7 | self.pick(&[2, 4, 5, 6, 7]);
            let idr3 = self.bits() as u32 & 0x00ff_ffbc;
            let [idr0, idr3, idr5] = depend(idr0, ssid, idr3, idr5);
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

/// The registers without the bits that cannot be for want of another, and with those that others include (IHI 0070 6.3.1,
/// 6.3.4, 6.3.6).
fn depend(idr0: u32, ssid: u32, idr3: u32, idr5: u32) -> [u32; 3] {
    let has = |word: u32, bit: u32| word >> bit & 1 != 0;
    let without = |word: u32, bits: &[u32]| bits.iter().fold(word, |word, bit| word & !(1 << bit));
    let with = |word: u32, bits: &[u32]| bits.iter().fold(word, |word, bit| word | 1 << bit);
    let (mut idr0, mut idr3, mut idr5) = (idr0, idr3, idr5);
    // DPT implies ATS; DPT and D128 exclude VMSAv8-32.
    if has(idr3, 15) {
        idr0 = with(idr0, &[10]);
    }
    if has(idr3, 15) || has(idr5, 8) {
        idr0 = without(idr0, &[2]);
    }
    let (stage2, stage1, ats) = (has(idr0, 0), has(idr0, 1), has(idr0, 10));
    if !(stage1 && stage2) {
        idr0 = without(idr0, &[9, 11, 20]); // HYP, NS1ATS, VATOS
    }
    if !ats {
        idr0 = without(idr0, &[11, 16, 23]); // NS1ATS, PRI, ATSRECERR
        idr3 = without(idr3, &[16]); // PASIDTT
    }
    if ssid == 0 {
        idr3 = without(idr3, &[5, 16]); // PPS, PASIDTT
    }
    if !has(idr0, 16) {
        idr3 = without(idr3, &[5]); // PPS
    }
    if !has(idr0, 15) {
        idr0 = without(idr0, &[20]); // VATOS
    }
    // D128 includes S1PI, AIE; S2PI, S2PO, MTEPERM. PBHA includes HAD; S2PO and, with stage 2, THE include S2PI.
    if has(idr5, 8) {
        idr3 = with(idr3, &[18, 19, 20, 22, 23]);
    }
    idr3 = with(idr3, if has(idr3, 3) { &[2] } else { &[] });
    idr3 = with(idr3, if has(idr3, 20) || has(idr3, 21) { &[19] } else { &[] });
    if !stage1 {
        idr3 = without(idr3, &[2, 3, 18, 21, 23]); // HAD, PBHA, S1PI, THE, AIE
    }
    if !stage2 {
        idr0 = without(idr0, &[17]); // VMW
        idr3 = without(idr3, &[4, 14, 19, 20, 22]); // XNX, PTWNNC, S2PI, S2PO, MTEPERM
    }
    // DS needs VAX; VAX needs GRAN64K or DS.
    if !has(idr5, 10) {
        idr5 = without(idr5, &[7]);
    }
    if !has(idr5, 6) && !has(idr5, 7) {
        idr5 = without(idr5, &[10]);
    }
    [idr0, idr3, idr5]
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
