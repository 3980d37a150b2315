//! Stream table base (IHI 0070 6.3.24, 6.3.25).

use super::registers;
use crate::bitfields;

registers! {
    StrtabBase: RW {
        STRTAB_BASE NonSecure V3_0 page0(0x80) none;
        S_STRTAB_BASE Secure V3_0 page0(0x8080) none;
        R_STRTAB_BASE Realm V3_3 realm0(0x80) none;
    }
    StrtabBaseCfg: RW {
        STRTAB_BASE_CFG NonSecure V3_0 page0(0x88) none;
        S_STRTAB_BASE_CFG Secure V3_0 page0(0x8088) none;
        R_STRTAB_BASE_CFG Realm V3_3 realm0(0x88) none;
    }
}

bitfields! {
    /// `SMMU_STRTAB_BASE`: address of the stream table (6.3.24).
    pub struct StrtabBase(u64) = "STRTAB_BASE" {
        _: 6;
        /// 51:6 before 3.4, 47:6 in 3.0; aligned to the larger of table size and 64 bytes; bits above OAS RES0.
        ADDR: u64, 50;
        _: 6;
        /// Hint for reads.
        RA: bool, 1 = { 0: "no read-allocate hint", 1: "read-allocate" };
        _: 1;
    }

    /// `SMMU_STRTAB_BASE_CFG`: shape of the stream table (6.3.25).
    pub struct StrtabBaseCfg(u32) = "STRTAB_BASE_CFG" {
        /// Log2 entries (StreamIDs covered), at most SIDSIZE.
        LOG2SIZE: u8, 6;
        /// Other values reserved, behave as 6; only used when FMT=1.
        SPLIT: u8, 5 = { 6: "4KB leaf tables", 8: "16KB leaf tables", 10: "64KB leaf tables" };
        _: 5;
        /// Format of the stream table.
        FMT: u8, 2 = { 0: "linear", 1: "2-level", 2: "reserved", 3: "reserved" };
        _: 14;
    }
}
