//! Stream table base (IHI 0070 6.3.24, 6.3.25).

use super::registers;
use crate::bitfields;

registers! {
    StrtabBase: RW page0(0x80);
    StrtabBaseCfg: RW page0(0x88);
}

bitfields! {
    /// `SMMU_STRTAB_BASE`: address of the stream table (6.3.24).
    pub struct StrtabBase(u64) = "STRTAB_BASE" {
        _: 6;
        /// 51:6 before 3.4, 47:6 in 3.0; aligned to the larger of table size and 64 bytes; bits above OAS
        /// RES0.
        ADDR: u64, 50;
        _: 6;
        /// 0: no read-allocate hint; 1: read-allocate.
        RA: bool, 1;
        _: 1;
    }

    /// `SMMU_STRTAB_BASE_CFG`: shape of the stream table (6.3.25).
    pub struct StrtabBaseCfg(u32) = "STRTAB_BASE_CFG" {
        /// Log2 entries (StreamIDs covered), at most SIDSIZE.
        LOG2SIZE: u8, 6;
        /// Other values reserved, behave as 6; only used when FMT=1. 6: 4KB leaf tables; 8: 16KB leaf tables;
        /// 10: 64KB leaf tables.
        SPLIT: u8, 5;
        _: 5;
        /// 0: linear; 1: 2-level; 2: reserved; 3: reserved.
        FMT: u8, 2;
        _: 14;
    }
}
