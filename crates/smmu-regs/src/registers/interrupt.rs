//! Interrupt control, MSI configuration and global errors (IHI 0070 6.3.16 to 6.3.23, 6.3.30 ff.).

use super::registers;
use crate::bitfields;

registers! {
    IrqCtrl: RW {
        IRQ_CTRL NonSecure V3_0 page0(0x50) zero;
        R_IRQ_CTRL Realm V3_3 realm0(0x50) zero;
    }
    IrqCtrlack: RO {
        IRQ_CTRLACK NonSecure V3_0 page0(0x54) zero;
        R_IRQ_CTRLACK Realm V3_3 realm0(0x54) zero;
    }
    Gerror: RO {
        GERROR NonSecure V3_0 page0(0x60) zero;
    }
    Gerrorn: RW {
        GERRORN NonSecure V3_0 page0(0x64) zero;
    }
    GerrorIrqCfg0: RW {
        GERROR_IRQ_CFG0 NonSecure V3_0 page0(0x68) none;
        S_GERROR_IRQ_CFG0 Secure V3_0 page0(0x8068) none;
    }
    GerrorIrqCfg1: RW {
        GERROR_IRQ_CFG1 NonSecure V3_0 page0(0x70) none;
        S_GERROR_IRQ_CFG1 Secure V3_0 page0(0x8070) none;
        R_GERROR_IRQ_CFG1 Realm V3_3 realm0(0x70) none;
    }
    GerrorIrqCfg2: RW {
        GERROR_IRQ_CFG2 NonSecure V3_0 page0(0x74) none;
        S_GERROR_IRQ_CFG2 Secure V3_0 page0(0x8074) none;
        R_GERROR_IRQ_CFG2 Realm V3_3 realm0(0x74) none;
    }
    EventqIrqCfg0: RW {
        EVENTQ_IRQ_CFG0 NonSecure V3_0 page0(0xb0) none;
        S_EVENTQ_IRQ_CFG0 Secure V3_0 page0(0x80b0) none;
    }
    EventqIrqCfg1: RW {
        EVENTQ_IRQ_CFG1 NonSecure V3_0 page0(0xb8) none;
        S_EVENTQ_IRQ_CFG1 Secure V3_0 page0(0x80b8) none;
        R_EVENTQ_IRQ_CFG1 Realm V3_3 realm0(0xb8) none;
    }
    EventqIrqCfg2: RW {
        EVENTQ_IRQ_CFG2 NonSecure V3_0 page0(0xbc) none;
        S_EVENTQ_IRQ_CFG2 Secure V3_0 page0(0x80bc) none;
        R_EVENTQ_IRQ_CFG2 Realm V3_3 realm0(0xbc) none;
    }
    PriqIrqCfg0: RW {
        PRIQ_IRQ_CFG0 NonSecure V3_0 page0(0xd0) none;
    }
    PriqIrqCfg1: RW {
        PRIQ_IRQ_CFG1 NonSecure V3_0 page0(0xd8) none;
        R_PRIQ_IRQ_CFG1 Realm V3_3 realm0(0xd8) none;
    }
    PriqIrqCfg2: RW {
        PRIQ_IRQ_CFG2 NonSecure V3_0 page0(0xdc) none;
        R_PRIQ_IRQ_CFG2 Realm V3_3 realm0(0xdc) none;
    }
}

bitfields! {
    /// `SMMU_IRQ_CTRL`: interrupt enables; each write is acknowledged in `IRQ_CTRLACK` (6.3.16).
    pub struct IrqCtrl(u32) = "IRQ_CTRL" {
        /// Interrupt for global errors.
        GERROR_IRQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        /// RES0 when PRI=0.
        PRIQ_IRQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        /// Interrupt for the event queue.
        EVENTQ_IRQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        _: 29;
    }

    /// `SMMU_IRQ_CTRLACK`: what of `IRQ_CTRL` has taken effect (6.3.18).
    pub struct IrqCtrlack(u32) = "IRQ_CTRLACK" {
        /// Interrupt for global errors.
        GERROR_IRQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        /// RES0 when PRI=0.
        PRIQ_IRQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        /// Interrupt for the event queue.
        EVENTQ_IRQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        _: 29;
    }

    /// `SMMU_GERROR`: global errors; active where it differs from `GERRORN` (6.3.19).
    pub struct Gerror(u32) = "GERROR" {
        /// A command queue error is pending; `CMDQ_CONS.ERR` says which (7.1).
        CMDQ_ERR: bool, 1;
        _: 1;
        /// A write to the event queue was aborted.
        EVENTQ_ABT_ERR: bool, 1;
        /// A write to the PRI queue was aborted.
        PRIQ_ABT_ERR: bool, 1;
        /// The MSI of a CMD_SYNC was aborted.
        MSI_CMDQ_ABT_ERR: bool, 1;
        /// The MSI of the event queue was aborted.
        MSI_EVENTQ_ABT_ERR: bool, 1;
        /// The MSI of the PRI queue was aborted.
        MSI_PRIQ_ABT_ERR: bool, 1;
        /// The MSI of a global error was aborted.
        MSI_GERROR_ABT_ERR: bool, 1;
        /// The SMMU entered Service Failure Mode (12.3).
        SFM_ERR: bool, 1;
        /// An ECMDQ error is pending; only with ECMDQ.
        CMDQP_ERR: bool, 1 since V3_3;
        /// DPT lookup fault recorded in DPT_CFG_FAR; only with IDR3.DPT.
        DPT_ERR: bool, 1 since V3_3;
        _: 21;
    }

    /// `SMMU_GERRORN`: acknowledged global errors (6.3.20).
    pub struct Gerrorn(u32) = "GERRORN" {
        /// Acknowledges the error of the same name.
        CMDQ_ERR: bool, 1;
        _: 1;
        /// Acknowledges the error of the same name.
        EVENTQ_ABT_ERR: bool, 1;
        /// Acknowledges the error of the same name.
        PRIQ_ABT_ERR: bool, 1;
        /// Acknowledges the error of the same name.
        MSI_CMDQ_ABT_ERR: bool, 1;
        /// Acknowledges the error of the same name.
        MSI_EVENTQ_ABT_ERR: bool, 1;
        /// Acknowledges the error of the same name.
        MSI_PRIQ_ABT_ERR: bool, 1;
        /// Acknowledges the error of the same name.
        MSI_GERROR_ABT_ERR: bool, 1;
        /// Acknowledges the error of the same name.
        SFM_ERR: bool, 1;
        /// Acknowledges the error of the same name; only with ECMDQ.
        CMDQP_ERR: bool, 1 since V3_3;
        /// Acknowledges the error of the same name; only with IDR3.DPT.
        DPT_ERR: bool, 1 since V3_3;
        _: 21;
    }

    /// `SMMU_GERROR_IRQ_CFG0`: MSI address for global errors (6.3.21).
    pub struct GerrorIrqCfg0(u64) = "GERROR_IRQ_CFG0" {
        _: 2;
        /// MSI target address; bits above OAS RES0 (51:2 before 3.4, 47:2 in 3.0); 0 = no MSI.
        ADDR: u64, 54;
        _: 8;
    }

    /// `SMMU_GERROR_IRQ_CFG1`: MSI data for global errors (6.3.22).
    pub struct GerrorIrqCfg1(u32) = "GERROR_IRQ_CFG1" {
        /// MSI payload.
        DATA: u32, 32;
    }

    /// `SMMU_GERROR_IRQ_CFG2`: MSI attributes for global errors (6.3.23).
    pub struct GerrorIrqCfg2(u32) = "GERROR_IRQ_CFG2" {
        /// As STE.MemAttr.
        MEMATTR: u8, 4;
        /// Shareability of the MSI.
        SH: u8, 2 = { 0: "non-shareable", 1: "reserved (as 0)", 2: "outer shareable", 3: "inner shareable" };
        _: 26;
    }

    /// `SMMU_EVENTQ_IRQ_CFG0`: MSI address for the event queue (6.3.30).
    pub struct EventqIrqCfg0(u64) = "EVENTQ_IRQ_CFG0" {
        _: 2;
        /// MSI target address; bits above OAS RES0 (51:2 before 3.4, 47:2 in 3.0); 0 = no MSI.
        ADDR: u64, 54;
        _: 8;
    }

    /// `SMMU_EVENTQ_IRQ_CFG1`: MSI data for the event queue (6.3.31).
    pub struct EventqIrqCfg1(u32) = "EVENTQ_IRQ_CFG1" {
        /// MSI payload.
        DATA: u32, 32;
    }

    /// `SMMU_EVENTQ_IRQ_CFG2`: MSI attributes for the event queue (6.3.32).
    pub struct EventqIrqCfg2(u32) = "EVENTQ_IRQ_CFG2" {
        /// As STE.MemAttr.
        MEMATTR: u8, 4;
        /// Shareability of the MSI.
        SH: u8, 2 = { 0: "non-shareable", 1: "reserved (as 0)", 2: "outer shareable", 3: "inner shareable" };
        _: 26;
    }

    /// `SMMU_PRIQ_IRQ_CFG0`: MSI address for the PRI queue (6.3.34).
    pub struct PriqIrqCfg0(u64) = "PRIQ_IRQ_CFG0" {
        _: 2;
        /// MSI target address; bits above OAS RES0 (51:2 before 3.4, 47:2 in 3.0); 0 = no MSI.
        ADDR: u64, 54;
        _: 8;
    }

    /// `SMMU_PRIQ_IRQ_CFG1`: MSI data for the PRI queue (6.3.35).
    pub struct PriqIrqCfg1(u32) = "PRIQ_IRQ_CFG1" {
        /// MSI payload.
        DATA: u32, 32;
    }

    /// `SMMU_PRIQ_IRQ_CFG2`: MSI attributes for the PRI queue (6.3.36).
    pub struct PriqIrqCfg2(u32) = "PRIQ_IRQ_CFG2" {
        /// As STE.MemAttr.
        MEMATTR: u8, 4;
        /// Shareability of the MSI.
        SH: u8, 2 = { 0: "non-shareable", 1: "reserved (as 0)", 2: "outer shareable", 3: "inner shareable" };
        _: 25;
        /// Not affected by MSI support.
        LO: bool, 1 = {
            0: "interrupt on non-empty transition",
            1: "interrupt only when a Last page request arrives",
        };
    }
}
