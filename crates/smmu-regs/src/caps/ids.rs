//! The ID registers of one SMMU, as read.

use crate::registers::{Aidr, Idr0, Idr1, Idr2, Idr3, Idr4, Idr5, Idr6, Iidr, Registers};

/// The ID registers of one SMMU, as read (IHI 0070 6.3.1 to 6.3.8, 6.3.45). The default is all zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "Words", into = "Words"))]
pub struct IdRegisters {
    /// Features, part one.
    pub idr0: Idr0,
    /// Features and sizes.
    pub idr1: Idr1,
    /// Place of the VATOS page.
    pub idr2: Idr2,
    /// Features, part two.
    pub idr3: Idr3,
    /// IMPLEMENTATION DEFINED: nothing here reads it.
    pub idr4: Idr4,
    /// Address sizes and granules.
    pub idr5: Idr5,
    /// Enhanced command queues.
    pub idr6: Idr6,
    /// Implementation.
    pub iidr: Iidr,
    /// Architecture version.
    pub aidr: Aidr,
}

impl IdRegisters {
    /// An imaginary SMMUv3.3 for examples, tests and tools: both stages, coherent, HYP, ATS and PRI, MSI and SEV, stalls,
    /// 16-bit ASIDs and VMIDs, 32-bit StreamIDs, 20-bit SubstreamIDs, two-level tables, hardware update of Access flag and
    /// dirty state, attribute overrides, range invalidation, BBM level 2, all granules, 52-bit addresses without `DS`.
    pub const EXAMPLE: Self = Self {
        idr0: Idr0::from_bits(0x084d_769b),
        idr1: Idr1::from_bits(0x0e73_9d20),
        idr2: Idr2::from_bits(0),
        idr3: Idr3::from_bits(0x7714),
        idr4: Idr4::from_bits(0),
        idr5: Idr5::from_bits(0x0040_0476),
        idr6: Idr6::from_bits(0),
        iidr: Iidr::from_bits(0),
        aidr: Aidr::from_bits(3),
    };

    /// Reads them. `IDR6` is read only where `IDR1.ECMDQ` says that it is there.
    pub fn read<M: Registers + ?Sized>(mmio: &M) -> Self {
        let idr1: Idr1 = mmio.get();
        Self {
            idr0: mmio.get(),
            idr1,
            idr2: mmio.get(),
            idr3: mmio.get(),
            idr4: mmio.get(),
            idr5: mmio.get(),
            idr6: if idr1.ecmdq() { mmio.get() } else { Idr6::from_bits(0) },
            iidr: mmio.get(),
            aidr: mmio.get(),
        }
    }

    /// The register with this name, as a word.
    pub(super) const fn word(&self, name: &str) -> u32 {
        match name.as_bytes() {
            b"IDR0" => self.idr0.into_bits(),
            b"IDR1" => self.idr1.into_bits(),
            b"IDR2" => self.idr2.into_bits(),
            b"IDR3" => self.idr3.into_bits(),
            b"IDR4" => self.idr4.into_bits(),
            b"IDR5" => self.idr5.into_bits(),
            b"IDR6" => self.idr6.into_bits(),
            b"IIDR" => self.iidr.into_bits(),
            _ => self.aidr.into_bits(),
        }
    }
}

/// What is stored: the words. One that is not there is 0.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Words {
    idr0: u32,
    idr1: u32,
    idr2: u32,
    idr3: u32,
    idr4: u32,
    idr5: u32,
    idr6: u32,
    iidr: u32,
    aidr: u32,
}

#[cfg(feature = "serde")]
impl From<Words> for IdRegisters {
    fn from(words: Words) -> Self {
        Self {
            idr0: Idr0::from_bits(words.idr0),
            idr1: Idr1::from_bits(words.idr1),
            idr2: Idr2::from_bits(words.idr2),
            idr3: Idr3::from_bits(words.idr3),
            idr4: Idr4::from_bits(words.idr4),
            idr5: Idr5::from_bits(words.idr5),
            idr6: Idr6::from_bits(words.idr6),
            iidr: Iidr::from_bits(words.iidr),
            aidr: Aidr::from_bits(words.aidr),
        }
    }
}

#[cfg(feature = "serde")]
impl From<IdRegisters> for Words {
    fn from(ids: IdRegisters) -> Self {
        Self {
            idr0: ids.idr0.into_bits(),
            idr1: ids.idr1.into_bits(),
            idr2: ids.idr2.into_bits(),
            idr3: ids.idr3.into_bits(),
            idr4: ids.idr4.into_bits(),
            idr5: ids.idr5.into_bits(),
            idr6: ids.idr6.into_bits(),
            iidr: ids.iidr.into_bits(),
            aidr: ids.aidr.into_bits(),
        }
    }
}
