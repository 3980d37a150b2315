//! Capabilities of any SMMU.

use arbitrary::Arbitrary;
use smmu_regs::Caps;
use smmu_regs::caps::{FirmwareModel, Hints, IdRegisters, Quirk, Quirks};
use smmu_regs::registers::{Aidr, Idr0, Idr1, Idr2, Idr3, Idr4, Idr5, Idr6, Iidr};
use smmu_regs::vmsa::HardwareUpdate;

/// ID registers and what firmware says.
#[derive(Debug, Arbitrary)]
pub struct AnySmmu {
    registers: [u32; 9],
    coherent: Option<bool>,
    httu: Option<u8>,
    model: u8,
    quirks: u8,
    host_uses_e2h: bool,
    atomic_128: bool,
}

impl AnySmmu {
    /// The ID registers.
    pub fn registers(&self) -> IdRegisters {
        let [idr0, idr1, idr2, idr3, idr4, idr5, idr6, iidr, aidr] = self.registers;
        IdRegisters {
            idr0: Idr0::from_bits(idr0),
            idr1: Idr1::from_bits(idr1),
            idr2: Idr2::from_bits(idr2),
            idr3: Idr3::from_bits(idr3),
            idr4: Idr4::from_bits(idr4),
            idr5: Idr5::from_bits(idr5),
            idr6: Idr6::from_bits(idr6),
            iidr: Iidr::from_bits(iidr),
            aidr: Aidr::from_bits(aidr),
        }
    }

    /// The hints.
    pub fn hints(&self) -> Hints {
        let httu = |step: u8| match step & 3 {
            0 => HardwareUpdate::None,
            1 => HardwareUpdate::AccessFlag,
            2 => HardwareUpdate::Dirty,
            _ => HardwareUpdate::TableAccessFlag,
        };
        let model = match self.model & 3 {
            0 => FirmwareModel::Generic,
            1 => FirmwareModel::HisiliconHi161x,
            2 => FirmwareModel::CaviumCn99xx,
            _ => FirmwareModel::Tegra264,
        };
        let named = |set: Quirks, (bit, quirk): (usize, &Quirk)| {
            set.with_if(*quirk, u32::from(self.quirks) >> bit & 1 != 0)
        };
        Hints {
            coherent: self.coherent,
            httu: self.httu.map(httu),
            model,
            quirks: Quirk::ALL.iter().enumerate().fold(Quirks::EMPTY, named),
            host_uses_e2h: self.host_uses_e2h,
            atomic_128: self.atomic_128,
        }
    }
}

/// Capabilities: of the example SMMU with some ID register bits turned over, so that most inputs give an SMMU at all.
#[derive(Debug, Arbitrary)]
pub struct AnyCaps {
    flips: [u32; 4],
    minor: u8,
}

impl AnyCaps {
    /// The capabilities, if such an SMMU can be driven.
    pub fn caps(&self) -> Option<Caps> {
        let [idr0, idr1, idr3, idr5] = self.flips;
        let ids = IdRegisters::EXAMPLE;
        let ids = IdRegisters {
            idr0: Idr0::from_bits(ids.idr0.into_bits() ^ idr0),
            idr1: Idr1::from_bits(ids.idr1.into_bits() ^ idr1),
            idr3: Idr3::from_bits(ids.idr3.into_bits() ^ idr3),
            idr5: Idr5::from_bits(ids.idr5.into_bits() ^ idr5),
            aidr: Aidr::from_bits(u32::from(self.minor & 7)),
            ..ids
        };
        Caps::probe(&ids, &Hints::default()).ok()
    }
}

/// An SMMU that has everything, 52-bit descriptors (`IDR5.DS`) too.
pub fn everything() -> Caps {
    let ids = IdRegisters::EXAMPLE;
    let ids = IdRegisters { idr5: Idr5::from_bits(ids.idr5.into_bits() | 1 << 7), ..ids };
    Caps::probe(&ids, &Hints::default()).expect("the example is an SMMU")
}
