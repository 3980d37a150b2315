//! Shape of translation tables: granules, levels, descriptor addresses (DDI 0487 D8.2, D8.3).

use crate::event::id;
use crate::layout::leaf1::CONTIGUOUS;
use crate::profile::fits;
use crate::tlb::Place;

/// Translation granule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granule {
    /// 4KB.
    K4,
    /// 16KB.
    K16,
    /// 64KB.
    K64,
}

impl Granule {
    /// log2 of the granule.
    pub(crate) fn shift(self) -> u32 {
        match self {
            Self::K4 => 12,
            Self::K16 => 14,
            Self::K64 => 16,
        }
    }

    /// Address bits that one level resolves.
    pub(crate) fn stride(self) -> u32 {
        self.shift() - 3
    }

    /// Lowest address bit that a table at `level` indexes: log2 of what one entry maps. `level` is -1 to 3.
    pub(crate) fn level_shift(self, level: i32) -> u32 {
        self.shift() + (3 - level.clamp(-1, 3)).unsigned_abs() * self.stride()
    }

    /// TG operand of a TLBI (4.4.1.1).
    pub(crate) fn from_tlbi(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::K4),
            2 => Some(Self::K16),
            3 => Some(Self::K64),
            _ => None,
        }
    }

    /// CD.TG0 and STE.S2TG (5.4, 5.2).
    pub(crate) fn from_tg0(code: u64) -> Option<Self> {
        match code {
            0 => Some(Self::K4),
            1 => Some(Self::K64),
            2 => Some(Self::K16),
            _ => None,
        }
    }

    /// CD.TG1 (5.4), whose codes differ.
    pub(crate) fn from_tg1(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::K16),
            2 => Some(Self::K4),
            3 => Some(Self::K64),
            _ => None,
        }
    }
}

/// What a descriptor is (D8.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Invalid,
    Table,
    Leaf,
}

/// One step of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// It is the last one.
    pub(crate) leaf: bool,
    /// What the descriptor translates.
    pub(crate) place: Place,
    /// Output address of the leaf, or address of the next table.
    pub(crate) next: u64,
}

/// One translation table set: enough to find and read descriptors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    /// Granule.
    pub(crate) granule: Granule,
    /// 52-bit descriptors with 4KB and 16KB granules (CD.DS, STE.S2DS).
    pub(crate) ds: bool,
    /// The SMMU has 52-bit output addresses: 64KB descriptors carry OA[51:48] in bits 15:12.
    pub(crate) lpa: bool,
    /// Big-endian descriptors.
    pub(crate) big_endian: bool,
    /// Input address bits that are resolved.
    pub(crate) input_bits: u32,
    /// Effective output address size.
    pub(crate) output_bits: u32,
    /// Level of the first lookup.
    pub(crate) start_level: i32,
    /// Address of the first table.
    pub(crate) base: u64,
}

impl Tables {
    /// Level of the first lookup of a stage 1 walk of `input_bits` (D8.2.2): the deepest level that resolves them.
    pub(crate) fn stage1_start(granule: Granule, input_bits: u32) -> i32 {
        3 - (input_bits.saturating_sub(granule.shift() + 1) / granule.stride()) as i32
    }

    /// Entries of the first table as log2; concatenated stage 2 tables count as one.
    fn start_index_bits(&self) -> u32 {
        self.input_bits.saturating_sub(self.granule.level_shift(self.start_level))
    }

    /// Address of the first table, aligned as the SMMU aligns it: to its size, to 64 bytes with 52-bit output (5.4).
    pub(crate) fn start_table(&self) -> u64 {
        let minimum = if self.output_bits >= 52 { 6 } else { 4 };
        let log2 = (self.start_index_bits() + 3).max(minimum);
        self.base & !((1 << log2) - 1)
    }

    /// Entries of a table at `level` as log2.
    pub(crate) fn index_bits(&self, level: i32) -> u32 {
        if level == self.start_level { self.start_index_bits() } else { self.granule.stride() }
    }

    /// Address of the descriptor for `input` in the table at `table`.
    pub(crate) fn descriptor(&self, table: u64, level: i32, input: u64) -> u64 {
        let index = (input >> self.granule.level_shift(level)) & ((1 << self.index_bits(level)) - 1);
        table + index * 8
    }

    /// The addresses of the contiguous group that a leaf says it belongs to: first address and log2 of the size (D8.7.1).
    pub(crate) fn contiguous_group(&self, descriptor: u64, place: &Place) -> Option<(u64, u32)> {
        let log2 = place.log2 + self.group_entries(place.level);
        CONTIGUOUS.is_set(&[descriptor]).then(|| (place.base & !((1 << log2) - 1), log2))
    }

    /// Descriptors of a contiguous group at `level` as log2: none where the bit is RES0, in 512G, 64G and 4T blocks (D8.7.1).
    pub(crate) fn group_entries(&self, level: i32) -> u32 {
        match (self.granule, level) {
            (Granule::K4, 1..) => 4,
            (Granule::K16, 3) => 7,
            (Granule::K16 | Granule::K64, 2..) => 5,
            _ => 0,
        }
    }

    /// A descriptor as software wrote it, from its little-endian reading.
    pub(crate) fn decode(&self, word: u64) -> u64 {
        if self.big_endian { word.swap_bytes() } else { word }
    }

    /// A descriptor as it is in memory, without the bits that are IGNORED in one that points to a table (D8.3.1.2).
    pub(crate) fn meaning(&self, word: u64, level: i32) -> u64 {
        let ignored = 0xff << 51 | if self.ds { 0xcfc } else { 0xffc };
        let descriptor = self.decode(word);
        if self.kind(descriptor, level) == Kind::Table { self.decode(descriptor & !ignored) } else { word }
    }

    /// What a descriptor at `level` is. Blocks exist only at the levels of D8.3.1.1.
    pub(crate) fn kind(&self, descriptor: u64, level: i32) -> Kind {
        let block = match (self.granule, level) {
            (Granule::K4, 1 | 2) | (Granule::K16 | Granule::K64, 2) => true,
            (Granule::K4, 0) | (Granule::K16, 1) => self.ds,
            (Granule::K64, 1) => self.lpa,
            _ => false,
        };
        match descriptor & 3 {
            3 if level == 3 => Kind::Leaf,
            3 => Kind::Table,
            1 if block => Kind::Leaf,
            _ => Kind::Invalid,
        }
    }

    /// What the descriptor at `level` for `input` leads to; the number of the event that it raises if it leads nowhere
    /// (7.3.22: F_TRANSLATION comes before F_ADDR_SIZE).
    pub(crate) fn step(&self, descriptor: u64, level: i32, input: u64) -> Result<Step, u8> {
        let kind = self.kind(descriptor, level);
        let log2 = self.granule.level_shift(level);
        let low = if kind == Kind::Leaf { log2 } else { self.granule.shift() };
        let next = self.output(descriptor, low);
        if kind == Kind::Invalid {
            return Err(id::F_TRANSLATION);
        }
        if !fits(next, self.output_bits) {
            return Err(id::F_ADDR_SIZE);
        }
        let place = Place::around(self.granule, level, input);
        Ok(Step { leaf: kind == Kind::Leaf, place, next })
    }

    /// Address in a table descriptor (`level` = 3: page-sized alignment) or in a leaf at `level`.
    pub(crate) fn output(&self, descriptor: u64, low: u32) -> u64 {
        let high = if self.ds && self.granule != Granule::K64 { 50 } else { 48 };
        let mut address = descriptor & ((1 << high) - 1) & !((1 << low.min(48)) - 1);
        if self.granule == Granule::K64 && self.lpa {
            address |= ((descriptor >> 12) & 0xf) << 48;
        } else if self.ds && self.granule != Granule::K64 {
            address |= ((descriptor >> 8) & 3) << 50;
        }
        address
    }
}
