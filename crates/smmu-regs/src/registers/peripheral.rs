//! Peripheral and component identification (IHI 0070, end of 6.3). The block is optional; where `IIDR` is not zero it
//! says the same. Each register holds eight bits.

use super::registers;
use crate::bitfields;

registers! {
    Pidr0: RO {
        PIDR0 NonSecure V3_0 page0(0xfe0) none;
    }
    Pidr1: RO {
        PIDR1 NonSecure V3_0 page0(0xfe4) none;
    }
    Pidr2: RO {
        PIDR2 NonSecure V3_0 page0(0xfe8) none;
    }
    Pidr3: RO {
        PIDR3 NonSecure V3_0 page0(0xfec) none;
    }
    Pidr4: RO {
        PIDR4 NonSecure V3_0 page0(0xfd0) none;
    }
    Pidr5: RO {
        PIDR5 NonSecure V3_0 page0(0xfd4) none;
    }
    Pidr6: RO {
        PIDR6 NonSecure V3_0 page0(0xfd8) none;
    }
    Pidr7: RO {
        PIDR7 NonSecure V3_0 page0(0xfdc) none;
    }
    Cidr0: RO {
        CIDR0 NonSecure V3_0 page0(0xff0) none;
    }
    Cidr1: RO {
        CIDR1 NonSecure V3_0 page0(0xff4) none;
    }
    Cidr2: RO {
        CIDR2 NonSecure V3_0 page0(0xff8) none;
    }
    Cidr3: RO {
        CIDR3 NonSecure V3_0 page0(0xffc) none;
    }
}

bitfields! {
    /// `SMMU_PIDR0`.
    pub struct Pidr0(u32) = "PIDR0" {
        /// Bits 7:0 of the part number.
        PART_0: u8, 8;
        _: 24;
    }

    /// `SMMU_PIDR1`.
    pub struct Pidr1(u32) = "PIDR1" {
        /// Bits 11:8 of the part number.
        PART_1: u8, 4;
        /// Bits 3:0 of the JEP106 code of the designer.
        DES_0: u8, 4;
        _: 24;
    }

    /// `SMMU_PIDR2`.
    pub struct Pidr2(u32) = "PIDR2" {
        /// Bits 6:4 of the JEP106 code of the designer.
        DES_1: u8, 3;
        /// 1: the designer's code is JEDEC's; always.
        JEDEC: bool, 1;
        /// Revision.
        REVISION: u8, 4;
        _: 24;
    }

    /// `SMMU_PIDR3`.
    pub struct Pidr3(u32) = "PIDR3" {
        /// Customer's modification.
        CMOD: u8, 4;
        /// Manufacturer's revision.
        REVAND: u8, 4;
        _: 24;
    }

    /// `SMMU_PIDR4`.
    pub struct Pidr4(u32) = "PIDR4" {
        /// JEP106 continuation code of the designer.
        DES_2: u8, 4;
        /// Log2 of the 4 KiB blocks of the component; 0.
        SIZE: u8, 4;
        _: 24;
    }

    /// `SMMU_PIDR5`: reserved.
    pub struct Pidr5(u32) = "PIDR5" {
        _: 32;
    }

    /// `SMMU_PIDR6`: reserved.
    pub struct Pidr6(u32) = "PIDR6" {
        _: 32;
    }

    /// `SMMU_PIDR7`: reserved.
    pub struct Pidr7(u32) = "PIDR7" {
        _: 32;
    }

    /// `SMMU_CIDR0`.
    pub struct Cidr0(u32) = "CIDR0" {
        /// 0x0d.
        PREAMBLE: u8, 8;
        _: 24;
    }

    /// `SMMU_CIDR1`.
    pub struct Cidr1(u32) = "CIDR1" {
        /// 0.
        PREAMBLE: u8, 4;
        /// 0xf.
        CLASS: u8, 4;
        _: 24;
    }

    /// `SMMU_CIDR2`.
    pub struct Cidr2(u32) = "CIDR2" {
        /// 0x05.
        PREAMBLE: u8, 8;
        _: 24;
    }

    /// `SMMU_CIDR3`.
    pub struct Cidr3(u32) = "CIDR3" {
        /// 0xb1.
        PREAMBLE: u8, 8;
        _: 24;
    }
}
