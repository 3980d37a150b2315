//! What differs in the Realm bank (IHI 0070 6.2.7 to 6.2.9, 6.3.122 to 6.3.169). Everything else there has the layout of
//! the Non-secure register: see [`Register::at`](super::Register::at). Only Realm and Root software can access it.

use super::registers;
use crate::bitfields;

registers! {
    RIdr0: RO {
        R_IDR0 Realm V3_3 realm0(0x0) none;
    }
    RIdr1: RO {
        R_IDR1 Realm V3_3 realm0(0x4) none;
    }
    RIdr2: RO {
        R_IDR2 Realm V3_3 realm0(0x8) none;
    }
    RIdr3: RO {
        R_IDR3 Realm V3_3 realm0(0xc) none;
    }
    RIdr4: RO {
        R_IDR4 Realm V3_3 realm0(0x10) none;
    }
    RGbpa: RO {
        R_GBPA Realm V3_3 realm0(0x44) none;
    }
    RGerror: RO {
        R_GERROR Realm V3_3 realm0(0x60) zero;
    }
    RGerrorn: RW {
        R_GERRORN Realm V3_3 realm0(0x64) zero;
    }
    RGerrorIrqCfg0: RW {
        R_GERROR_IRQ_CFG0 Realm V3_3 realm0(0x68) none;
    }
    REventqIrqCfg0: RW {
        R_EVENTQ_IRQ_CFG0 Realm V3_3 realm0(0xb0) none;
    }
    RPriqIrqCfg0: RW {
        R_PRIQ_IRQ_CFG0 Realm V3_3 realm0(0xd0) none;
    }
    RMecidr: RO {
        R_MECIDR Realm V3_3 realm0(0x220) none;
    }
    RGmecid: RW {
        R_GMECID Realm V3_3 realm0(0x228) zero;
    }
}

bitfields! {
    /// `SMMU_R_IDR0`: features for Realm streams (6.3.122).
    pub struct RIdr0(u32) = "R_IDR0" {
        _: 10;
        /// PCIe ATS for Realm streams.
        ATS: bool, 1 since V3_3 = { 0: "no", 1: "yes" };
        _: 2;
        /// Interrupts as messages.
        MSI: bool, 1 since V3_3 = { 0: "wired interrupts only", 1: "MSIs supported" };
        _: 2;
        /// The Realm PRI queue.
        PRI: bool, 1 since V3_3 = { 0: "no", 1: "yes" };
        _: 7;
        /// Faults of Realm streams.
        STALL_MODEL: u8, 2 since V3_3 = { 0: "stall and terminate", 1: "terminate only", 2: "stall forced", 3: "reserved" };
        _: 5;
        /// Enhanced command queues.
        ECMDQ: bool, 1 since V3_3 = { 0: "no", 1: "see R_IDR6" };
    }

    /// `SMMU_R_IDR1`: the Realm interface itself (6.3.123).
    pub struct RIdr1(u32) = "R_IDR1" {
        _: 31;
        /// The Realm programming interface.
        RME_DA_IMPL: bool, 1 since V3_3 = { 0: "not present", 1: "present" };
    }

    /// `SMMU_R_IDR2`: reserved (6.3.124).
    pub struct RIdr2(u32) = "R_IDR2" {
        _: 32;
    }

    /// `SMMU_R_IDR3`: more features for Realm streams (6.3.125).
    pub struct RIdr3(u32) = "R_IDR3" {
        _: 15;
        /// Device Permission Table for Realm streams; implies ATS.
        DPT: bool, 1 since V3_3 = { 0: "no", 1: "yes" };
        /// Memory Encryption Contexts: R_MECIDR and R_GMECID.
        MEC: bool, 1 since V3_3 = { 0: "no", 1: "yes" };
        /// The XT and TE encodings of PCIe; RES0 without ATS.
        XT: bool, 1 since V3_3 = { 0: "no", 1: "yes" };
        _: 14;
    }

    /// `SMMU_R_IDR4`: reserved (6.3.126).
    pub struct RIdr4(u32) = "R_IDR4" {
        _: 32;
    }

    /// `SMMU_R_GBPA`: nothing of Realm state ever bypasses (6.3.133).
    pub struct RGbpa(u32) = "R_GBPA" {
        _: 20;
        /// Always 1: while SMMUEN is 0, transactions abort.
        ABORT: bool, 1 since V3_3 = { 1: "abort" };
        _: 11;
    }

    /// `SMMU_R_GERROR`: global errors; active where it differs from `R_GERRORN` (6.3.137). Service failure is reported in
    /// `GERROR` alone.
    pub struct RGerror(u32) = "R_GERROR" {
        /// A command queue error is pending; `CMDQ_CONS.ERR` says which (7.1).
        CMDQ_ERR: bool, 1 since V3_3;
        _: 1;
        /// A write to the event queue was aborted.
        EVENTQ_ABT_ERR: bool, 1 since V3_3;
        /// A write to the PRI queue was aborted.
        PRIQ_ABT_ERR: bool, 1 since V3_3;
        /// The MSI of a CMD_SYNC was aborted.
        MSI_CMDQ_ABT_ERR: bool, 1 since V3_3;
        /// The MSI of the event queue was aborted.
        MSI_EVENTQ_ABT_ERR: bool, 1 since V3_3;
        /// The MSI of the PRI queue was aborted.
        MSI_PRIQ_ABT_ERR: bool, 1 since V3_3;
        /// The MSI of a global error was aborted.
        MSI_GERROR_ABT_ERR: bool, 1 since V3_3;
        _: 1;
        /// An ECMDQ error is pending; only with ECMDQ.
        CMDQP_ERR: bool, 1 since V3_3;
        /// A DPT lookup error is in R_DPT_CFG_FAR; only with R_IDR3.DPT.
        DPT_ERR: bool, 1 since V3_3;
        _: 21;
    }

    /// `SMMU_R_GERRORN`: acknowledged global errors (6.3.138).
    pub struct RGerrorn(u32) = "R_GERRORN" {
        /// Acknowledges the error of the same name.
        CMDQ_ERR: bool, 1 since V3_3;
        _: 1;
        /// Acknowledges the error of the same name.
        EVENTQ_ABT_ERR: bool, 1 since V3_3;
        /// Acknowledges the error of the same name.
        PRIQ_ABT_ERR: bool, 1 since V3_3;
        /// Acknowledges the error of the same name.
        MSI_CMDQ_ABT_ERR: bool, 1 since V3_3;
        /// Acknowledges the error of the same name.
        MSI_EVENTQ_ABT_ERR: bool, 1 since V3_3;
        /// Acknowledges the error of the same name.
        MSI_PRIQ_ABT_ERR: bool, 1 since V3_3;
        /// Acknowledges the error of the same name.
        MSI_GERROR_ABT_ERR: bool, 1 since V3_3;
        _: 1;
        /// Acknowledges the error of the same name.
        CMDQP_ERR: bool, 1 since V3_3;
        /// Acknowledges the error of the same name.
        DPT_ERR: bool, 1 since V3_3;
        _: 21;
    }

    /// `SMMU_R_GERROR_IRQ_CFG0`: MSI address for global errors (6.3.139).
    pub struct RGerrorIrqCfg0(u64) = "R_GERROR_IRQ_CFG0" {
        _: 2;
        /// MSI target address; bits above OAS RES0; 0 = no MSI.
        ADDR: u64, 54 since V3_3;
        _: 7;
        /// Physical address space of the target.
        NS: bool, 1 since V3_3 = { 0: "Realm", 1: "Non-secure" };
    }

    /// `SMMU_R_EVENTQ_IRQ_CFG0`: MSI address for the event queue (6.3.148).
    pub struct REventqIrqCfg0(u64) = "R_EVENTQ_IRQ_CFG0" {
        _: 2;
        /// MSI target address; bits above OAS RES0; 0 = no MSI.
        ADDR: u64, 54 since V3_3;
        _: 7;
        /// Physical address space of the target.
        NS: bool, 1 since V3_3 = { 0: "Realm", 1: "Non-secure" };
    }

    /// `SMMU_R_PRIQ_IRQ_CFG0`: MSI address for the PRI queue (6.3.152).
    pub struct RPriqIrqCfg0(u64) = "R_PRIQ_IRQ_CFG0" {
        _: 2;
        /// MSI target address; bits above OAS RES0; 0 = no MSI.
        ADDR: u64, 54 since V3_3;
        _: 7;
        /// Physical address space of the target.
        NS: bool, 1 since V3_3 = { 0: "Realm", 1: "Non-secure" };
    }

    /// `SMMU_R_MECIDR`: size of MECIDs; with R_IDR3.MEC (6.3.161).
    pub struct RMecidr(u32) = "R_MECIDR" {
        /// Bits of a MECID, minus one.
        MECIDSIZE: u8, 4 since V3_3;
        _: 28;
    }

    /// `SMMU_R_GMECID`: the MECID of the SMMU's own accesses to tables and queues and of MSIs; writable only while SMMUEN
    /// and all queues but the PRI queue are disabled (6.3.162).
    pub struct RGmecid(u32) = "R_GMECID" {
        /// Bits above R_MECIDR.MECIDSIZE are RES0.
        GMECID: u16, 16 since V3_3;
        _: 16;
    }
}
