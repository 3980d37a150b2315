//! Memory partitioning: PARTIDs and PMGs of the SMMU's own accesses and of bypassing transactions (IHI 0070 6.3.41
//! to 6.3.43, 6.3.87 to 6.3.89, 6.3.155, 6.3.156). All are there with `IDR3.MPAM`.
//!
//! `GMPAM` and `GBPMPAM` are written as `GBPA` is: all fields and `UPDATE` in one store while `UPDATE` is 0, then wait for 0.

use super::registers;
use crate::bitfields;

registers! {
    Mpamidr: RO {
        MPAMIDR NonSecure V3_2 page0(0x130) none;
    }
    Gmpam: RW {
        GMPAM NonSecure V3_2 page0(0x138) zero;
    }
    Gbpmpam: RW {
        GBPMPAM NonSecure V3_2 page0(0x13c) zero;
    }
    SMpamidr: RO {
        S_MPAMIDR Secure V3_2 page0(0x8130) none;
    }
    SGmpam: RW {
        S_GMPAM Secure V3_2 page0(0x8138) zero;
    }
    SGbpmpam: RW {
        S_GBPMPAM Secure V3_2 page0(0x813c) zero;
    }
    RMpamidr: RO {
        R_MPAMIDR Realm V3_3 realm0(0x130) none;
    }
    RGmpam: RW {
        R_GMPAM Realm V3_3 realm0(0x138) zero;
    }
}

bitfields! {
    /// `SMMU_MPAMIDR`: the largest identifiers (6.3.41).
    pub struct Mpamidr(u32) = "MPAMIDR" {
        /// Largest PARTID.
        PARTID_MAX: u16, 16 since V3_2;
        /// Largest PMG.
        PMG_MAX: u8, 8 since V3_2;
        _: 8;
    }

    /// `SMMU_GMPAM`: for accesses to tables and queues and for MSIs (6.3.42).
    pub struct Gmpam(u32) = "GMPAM" {
        /// PARTID, at most MPAMIDR.PARTID_MAX.
        SO_PARTID: u16, 16 since V3_2;
        /// PMG, at most MPAMIDR.PMG_MAX.
        SO_PMG: u8, 8 since V3_2;
        _: 7;
        /// Write other fields and UPDATE=1 in one store, then poll for 0; do not write while 1.
        UPDATE: bool, 1 since V3_2 = { 0: "idle", 1: "update in progress" };
    }

    /// `SMMU_GBPMPAM`: for transactions that bypass because `SMMUEN` is 0 (6.3.43).
    pub struct Gbpmpam(u32) = "GBPMPAM" {
        /// PARTID, at most MPAMIDR.PARTID_MAX.
        GBP_PARTID: u16, 16 since V3_2;
        /// PMG, at most MPAMIDR.PMG_MAX.
        GBP_PMG: u8, 8 since V3_2;
        _: 7;
        /// Write other fields and UPDATE=1 in one store, then poll for 0; do not write while 1.
        UPDATE: bool, 1 since V3_2 = { 0: "idle", 1: "update in progress" };
    }

    /// `SMMU_S_MPAMIDR`: the largest identifiers (6.3.87).
    pub struct SMpamidr(u32) = "S_MPAMIDR" {
        /// Largest PARTID.
        PARTID_MAX: u16, 16 since V3_2;
        /// Largest PMG.
        PMG_MAX: u8, 8 since V3_2;
        _: 1;
        /// Whether MPAM_NS exists.
        HAS_MPAM_NS: bool, 1 since V3_3 = { 0: "no", 1: "yes" };
        _: 6;
    }

    /// `SMMU_S_GMPAM`: for Secure accesses to tables and queues and for MSIs (6.3.88).
    pub struct SGmpam(u32) = "S_GMPAM" {
        /// PARTID, at most S_MPAMIDR.PARTID_MAX.
        SO_PARTID: u16, 16 since V3_2;
        /// PMG, at most S_MPAMIDR.PMG_MAX.
        SO_PMG: u8, 8 since V3_2;
        /// RES0 when HAS_MPAM_NS=0.
        MPAM_NS: bool, 1 since V3_3 = { 0: "Secure PARTID space", 1: "Non-secure PARTID space" };
        _: 6;
        /// Write other fields and UPDATE=1 in one store, then poll for 0; do not write while 1.
        UPDATE: bool, 1 since V3_2 = { 0: "idle", 1: "update in progress" };
    }

    /// `SMMU_S_GBPMPAM`: for Secure transactions that bypass because `S_CR0.SMMUEN` is 0 (6.3.89).
    pub struct SGbpmpam(u32) = "S_GBPMPAM" {
        /// PARTID, at most S_MPAMIDR.PARTID_MAX.
        GBP_PARTID: u16, 16 since V3_2;
        /// PMG, at most S_MPAMIDR.PMG_MAX.
        GBP_PMG: u8, 8 since V3_2;
        /// RES0 when HAS_MPAM_NS=0.
        MPAM_NS: bool, 1 since V3_3 = { 0: "Secure PARTID space", 1: "Non-secure PARTID space" };
        _: 6;
        /// Write other fields and UPDATE=1 in one store, then poll for 0; do not write while 1.
        UPDATE: bool, 1 since V3_2 = { 0: "idle", 1: "update in progress" };
    }

    /// `SMMU_R_MPAMIDR`: the largest identifiers (6.3.155).
    pub struct RMpamidr(u32) = "R_MPAMIDR" {
        /// Largest PARTID.
        PARTID_MAX: u16, 16 since V3_3;
        /// Largest PMG.
        PMG_MAX: u8, 8 since V3_3;
        _: 1;
        /// Whether MPAM_NS exists.
        HAS_MPAM_NS: bool, 1 since V3_3 = { 0: "no", 1: "yes" };
        _: 6;
    }

    /// `SMMU_R_GMPAM`: for Realm accesses to tables and queues and for MSIs (6.3.156). There is no `R_GBPMPAM`, for nothing
    /// bypasses there.
    pub struct RGmpam(u32) = "R_GMPAM" {
        /// PARTID, at most R_MPAMIDR.PARTID_MAX.
        SO_PARTID: u16, 16 since V3_3;
        /// PMG, at most R_MPAMIDR.PMG_MAX.
        SO_PMG: u8, 8 since V3_3;
        /// RES0 when HAS_MPAM_NS=0.
        MPAM_NS: bool, 1 since V3_3 = { 0: "Realm PARTID space", 1: "Non-secure PARTID space" };
        _: 6;
        /// Write other fields and UPDATE=1 in one store, then poll for 0; do not write while 1.
        UPDATE: bool, 1 since V3_3 = { 0: "idle", 1: "update in progress" };
    }
}
