//! The Device Permission Table: what devices may reach with Translated transactions (IHI 0070 3.24, 6.3.46 to 6.3.48).
//! There with `IDR3.DPT`, in the Realm bank with `R_IDR3.DPT`.

use super::registers;
use crate::bitfields;

registers! {
    DptBase: RW {
        DPT_BASE NonSecure V3_3 page0(0x200) none;
        R_DPT_BASE Realm V3_3 realm0(0x200) none;
    }
    DptBaseCfg: RW {
        DPT_BASE_CFG NonSecure V3_3 page0(0x208) none;
        R_DPT_BASE_CFG Realm V3_3 realm0(0x208) none;
    }
    DptCfgFar: RW {
        DPT_CFG_FAR NonSecure V3_3 page0(0x210) zero(FAULT);
        R_DPT_CFG_FAR Realm V3_3 realm0(0x210) zero(FAULT);
    }
}

bitfields! {
    /// `SMMU_DPT_BASE`: address of the table; read only while walks are enabled (6.3.46).
    pub struct DptBase(u64) = "DPT_BASE" {
        _: 12;
        /// Address of the level 0 table; bits above OAS RES0.
        BADDR: u64, 44 since V3_3;
        _: 6;
        /// Hint for reads.
        RA: bool, 1 since V3_3 = { 0: "no read-allocate hint", 1: "read-allocate" };
        _: 1;
    }

    /// `SMMU_DPT_BASE_CFG`: shape of the table; read only while walks are enabled (6.3.47).
    pub struct DptBaseCfg(u32) = "DPT_BASE_CFG" {
        /// Bits of the physical addresses that the table covers.
        DPTPS: u8, 3 since V3_3 = {
            0: "32",
            1: "36",
            2: "40",
            3: "42",
            4: "44",
            5: "48",
            6: "52",
            7: "reserved",
        };
        _: 11;
        /// Granule; one that IDR5 does not have is invalid.
        DPTGS: u8, 2 since V3_3 = { 0: "4 KiB", 1: "64 KiB", 2: "16 KiB", 3: "reserved" };
        _: 4;
        /// Address bits that one entry of level 0 covers.
        L0DPTSZ: u8, 4 since V3_3 = { 0: "30 bits (1 GiB)", 4: "34 bits (16 GiB)", 6: "36 bits (64 GiB)", 9: "39 bits (512 GiB)" };
        _: 8;
    }

    /// `SMMU_DPT_CFG_FAR`: the first lookup error; a write that clears FAULT clears it all, others are ignored (6.3.48).
    pub struct DptCfgFar(u64) = "DPT_CFG_FAR" {
        /// Whether there was one since this was cleared.
        FAULT: bool, 1 since V3_3 = { 0: "none", 1: "one or more" };
        /// Level of the walk.
        LEVEL: bool, 1 since V3_3 = { 0: "level 0", 1: "level 1" };
        _: 2;
        /// What happened.
        DPT_FAULTCODE: u8, 4 since V3_3 = {
            0: "DPT_DISABLED: CR0.DPT_WALK_EN is 0",
            1: "DPT_WALK_FAULT: configuration or descriptor",
            2: "DPT_GPC_FAULT: granule protection",
            3: "DPT_EABT: external abort",
        };
        _: 4;
        /// Page of the physical address that was checked.
        FADDR: u64, 44 since V3_3;
        _: 8;
    }
}
