//! Interrupt control, MSI configuration and global errors (IHI 0070 6.3.16 to 6.3.23, 6.3.30 ff.).

use super::registers;
use crate::bitfields;

registers! {
    IrqCtrl: RW page0(0x50);
    IrqCtrlack: RO page0(0x54);
    Gerror: RO page0(0x60);
    Gerrorn: RW page0(0x64);
    GerrorIrqCfg0: RW page0(0x68);
    GerrorIrqCfg1: RW page0(0x70);
    GerrorIrqCfg2: RW page0(0x74);
    EventqIrqCfg0: RW page0(0xb0);
    EventqIrqCfg1: RW page0(0xb8);
    EventqIrqCfg2: RW page0(0xbc);
    PriqIrqCfg0: RW page0(0xd0);
    PriqIrqCfg1: RW page0(0xd8);
    PriqIrqCfg2: RW page0(0xdc);
}

bitfields! {
    /// `SMMU_IRQ_CTRL`: interrupt enables; each write is acknowledged in `IRQ_CTRLACK` (6.3.16).
    pub struct IrqCtrl(u32) = "IRQ_CTRL" {
        /// 0: disabled; 1: enabled.
        GERROR_IRQEN: bool, 1;
        /// RES0 when PRI=0. 0: disabled; 1: enabled.
        PRIQ_IRQEN: bool, 1;
        /// 0: disabled; 1: enabled.
        EVENTQ_IRQEN: bool, 1;
        _: 29;
    }

    /// `SMMU_IRQ_CTRLACK`: what of `IRQ_CTRL` has taken effect (6.3.18).
    pub struct IrqCtrlack(u32) = "IRQ_CTRLACK" {
        /// 0: disabled; 1: enabled.
        GERROR_IRQEN: bool, 1;
        /// RES0 when PRI=0. 0: disabled; 1: enabled.
        PRIQ_IRQEN: bool, 1;
        /// 0: disabled; 1: enabled.
        EVENTQ_IRQEN: bool, 1;
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
        /// An ECMDQ error is pending; only with ECMDQ. Since SMMUv3.3.
        CMDQP_ERR: bool, 1;
        /// DPT lookup fault recorded in DPT_CFG_FAR; only with IDR3.DPT. Since SMMUv3.3.
        DPT_ERR: bool, 1;
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
        /// An ECMDQ error is pending; only with ECMDQ. Since SMMUv3.3.
        CMDQP_ERR: bool, 1;
        /// DPT lookup fault recorded in DPT_CFG_FAR; only with IDR3.DPT. Since SMMUv3.3.
        DPT_ERR: bool, 1;
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
        /// 0: non-shareable; 1: reserved (as 0); 2: outer shareable; 3: inner shareable.
        SH: u8, 2;
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
        /// 0: non-shareable; 1: reserved (as 0); 2: outer shareable; 3: inner shareable.
        SH: u8, 2;
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
        /// 0: non-shareable; 1: reserved (as 0); 2: outer shareable; 3: inner shareable.
        SH: u8, 2;
        _: 25;
        /// Not affected by MSI support. 0: interrupt on non-empty transition; 1: interrupt only when a Last
        /// page request arrives.
        LO: bool, 1;
    }
}
