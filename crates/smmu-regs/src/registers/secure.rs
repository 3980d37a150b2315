//! What differs in the Secure bank (IHI 0070 6.3.52 to 6.3.94, 6.3.103 to 6.3.106). Everything else there has the layout
//! of the Non-secure register: see [`Register::at`](super::Register::at). To Non-secure software it reads as zero.

use super::registers;
use crate::bitfields;

registers! {
    SIdr0: RO {
        S_IDR0 Secure V3_0 page0(0x8000) none;
    }
    SIdr1: RO {
        S_IDR1 Secure V3_0 page0(0x8004) none;
    }
    SIdr2: RO {
        S_IDR2 Secure V3_0 page0(0x8008) none;
    }
    SIdr3: RO {
        S_IDR3 Secure V3_0 page0(0x800c) none;
    }
    SCr0: RW {
        S_CR0 Secure V3_0 page0(0x8020) zero;
    }
    SCr0ack: RO {
        S_CR0ACK Secure V3_0 page0(0x8024) zero;
    }
    SCr2: RW {
        S_CR2 Secure V3_0 page0(0x802c) none;
    }
    SInit: RW {
        S_INIT Secure V3_0 page0(0x803c) zero;
    }
    SGbpa: RW {
        S_GBPA Secure V3_0 page0(0x8044) zero(UPDATE);
    }
    SIrqCtrl: RW {
        S_IRQ_CTRL Secure V3_0 page0(0x8050) zero;
    }
    SIrqCtrlack: RO {
        S_IRQ_CTRLACK Secure V3_0 page0(0x8054) zero;
    }
    SGerror: RO {
        S_GERROR Secure V3_0 page0(0x8060) zero;
    }
    SGerrorn: RW {
        S_GERRORN Secure V3_0 page0(0x8064) zero;
    }
}

bitfields! {
    /// `SMMU_S_IDR0`: features for Secure streams (6.3.52).
    pub struct SIdr0(u32) = "S_IDR0" {
        _: 13;
        /// Interrupts as messages.
        MSI: bool, 1 = { 0: "wired interrupts only", 1: "MSIs supported" };
        _: 10;
        /// Faults of Secure streams.
        STALL_MODEL: u8, 2 = { 0: "stall and terminate", 1: "terminate only", 2: "stall forced", 3: "reserved" };
        _: 5;
        /// Enhanced command queues.
        ECMDQ: bool, 1 since V3_3 = { 0: "no", 1: "see S_IDR6" };
    }

    /// `SMMU_S_IDR1`: Secure state itself (6.3.53).
    pub struct SIdr1(u32) = "S_IDR1" {
        /// Bits of a Secure StreamID.
        S_SIDSIZE: u8, 6;
        _: 23;
        /// Secure EL2 and Secure stage 2.
        SEL2: bool, 1 since V3_2 = { 0: "no", 1: "yes" };
        _: 1;
        /// Secure state.
        SECURE_IMPL: bool, 1 = { 0: "not implemented", 1: "implemented" };
    }

    /// `SMMU_S_IDR2`: place of the Secure VATOS page (6.3.54).
    pub struct SIdr2(u32) = "S_IDR2" {
        /// Secure VATOS page at base + 0x20000 + value * 0x10000; RES0 without one.
        BA_S_VATOS: u16, 10 since V3_2;
        _: 22;
    }

    /// `SMMU_S_IDR3`: what the Secure command queue takes (6.3.55).
    pub struct SIdr3(u32) = "S_IDR3" {
        _: 6;
        /// CMD_ATC_INV, CMD_PRI_RESP and CMD_DPTI_* on the Secure command queue. Inverted sense.
        SAMS: bool, 1 since V3_2 = { 0: "allowed", 1: "CERROR_ILL" };
        _: 25;
    }

    /// `SMMU_S_CR0`: the enables; each write is acknowledged in `S_CR0ACK` (6.3.57).
    pub struct SCr0(u32) = "S_CR0" {
        /// What happens to Secure streams.
        SMMUEN: bool, 1 = { 0: "they bypass, as S_GBPA says", 1: "they use the stream table" };
        _: 1;
        /// Writes to the event queue.
        EVENTQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        /// Processing of the command queue.
        CMDQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        _: 1;
        /// Secure instruction fetches from Non-secure memory.
        SIF: bool, 1 = { 0: "allowed", 1: "fault" };
        /// How TLB invalidations match VMIDs; others reserved, behave as 0; RES0 when IDR0.VMW=0.
        VMW: u8, 3 since V3_2 = {
            0: "exact",
            1: "bit 0 of the VMID ignored",
            2: "bits 1:0 ignored",
            3: "bits 2:0 ignored",
            4: "bits 3:0 ignored",
        };
        /// Stalls of Non-secure streams.
        NSSTALLD: bool, 1 = { 0: "allowed", 1: "disabled" };
        _: 22;
    }

    /// `SMMU_S_CR0ACK`: what of `S_CR0` has taken effect (6.3.58).
    pub struct SCr0ack(u32) = "S_CR0ACK" {
        /// What happens to Secure streams.
        SMMUEN: bool, 1 = { 0: "they bypass, as S_GBPA says", 1: "they use the stream table" };
        _: 1;
        /// Writes to the event queue.
        EVENTQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        /// Processing of the command queue.
        CMDQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        _: 1;
        /// Secure instruction fetches from Non-secure memory.
        SIF: bool, 1 = { 0: "allowed", 1: "fault" };
        /// How TLB invalidations match VMIDs; others reserved, behave as 0; RES0 when IDR0.VMW=0.
        VMW: u8, 3 since V3_2 = {
            0: "exact",
            1: "bit 0 of the VMID ignored",
            2: "bits 1:0 ignored",
            3: "bits 2:0 ignored",
            4: "bits 3:0 ignored",
        };
        /// Stalls of Non-secure streams.
        NSSTALLD: bool, 1 = { 0: "allowed", 1: "disabled" };
        _: 22;
    }

    /// `SMMU_S_CR2`: E2H, invalid StreamIDs, broadcast TLB maintenance (6.3.60).
    pub struct SCr2(u32) = "S_CR2" {
        /// RES0 when SEL2=0; cached in configuration caches and TLBs.
        E2H: bool, 1 since V3_2 = { 0: "Secure EL2 regime without ASIDs", 1: "Secure EL2-E2H regime with ASIDs" };
        /// Whether Secure transactions with an invalid StreamID are recorded as events.
        RECINVSID: bool, 1 = { 0: "C_BAD_STREAMID not recorded", 1: "recorded" };
        /// RES0 when BTM=0.
        PTM: bool, 1 = { 0: "take part in broadcast TLB maintenance", 1: "do not" };
        _: 29;
    }

    /// `SMMU_S_INIT`: drops everything that is cached, of all Security states (6.3.62).
    pub struct SInit(u32) = "S_INIT" {
        /// Write 1 while every SMMUEN is 0, and with RME while ROOT_CR0.ACCESSEN and GPCEN are 0; the SMMU clears it when done.
        INV_ALL: bool, 1 = { 0: "done", 1: "start, or in progress" };
        _: 31;
    }

    /// `SMMU_S_GBPA`: what happens to Secure traffic while `S_CR0.SMMUEN` is 0 (6.3.63).
    pub struct SGbpa(u32) = "S_GBPA" {
        /// As STE.MemAttr, used when MTCFG=1.
        MEMATTR: u8, 4;
        /// Where the memory type comes from.
        MTCFG: bool, 1 = { 0: "use incoming type", 1: "use MEMATTR" };
        _: 3;
        /// 0b0xxx use incoming, 0b1RWT override.
        ALLOCCFG: u8, 4;
        /// Shareability override.
        SHCFG: u8, 2 = { 0: "non-shareable", 1: "use incoming", 2: "outer shareable", 3: "inner shareable" };
        /// Override of the target's address space.
        NSCFG: u8, 2 = { 0: "use incoming", 1: "reserved (as 0)", 2: "secure", 3: "non-secure" };
        /// Privilege override.
        PRIVCFG: u8, 2 = { 0: "use incoming", 1: "reserved (as 0)", 2: "unprivileged", 3: "privileged" };
        /// Instruction or data override.
        INSTCFG: u8, 2 = { 0: "use incoming", 1: "reserved (as 0)", 2: "data", 3: "instruction" };
        /// Whether transactions pass.
        ABORT: bool, 1 = { 0: "bypass with these attributes", 1: "abort" };
        _: 10;
        /// Write other fields and UPDATE=1 in one store, then poll for 0; do not write while 1.
        UPDATE: bool, 1 = { 0: "idle", 1: "update in progress" };
    }

    /// `SMMU_S_IRQ_CTRL`: interrupt enables; each write is acknowledged in `S_IRQ_CTRLACK` (6.3.65).
    pub struct SIrqCtrl(u32) = "S_IRQ_CTRL" {
        /// Interrupt for global errors.
        GERROR_IRQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        _: 1;
        /// Interrupt for the event queue.
        EVENTQ_IRQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        _: 29;
    }

    /// `SMMU_S_IRQ_CTRLACK`: what of `S_IRQ_CTRL` has taken effect (6.3.66).
    pub struct SIrqCtrlack(u32) = "S_IRQ_CTRLACK" {
        /// Interrupt for global errors.
        GERROR_IRQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        _: 1;
        /// Interrupt for the event queue.
        EVENTQ_IRQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        _: 29;
    }

    /// `SMMU_S_GERROR`: global errors; active where it differs from `S_GERRORN` (6.3.67).
    pub struct SGerror(u32) = "S_GERROR" {
        /// A command queue error is pending; `S_CMDQ_CONS.ERR` says which (7.1).
        CMDQ_ERR: bool, 1;
        _: 1;
        /// A write to the event queue was aborted.
        EVENTQ_ABT_ERR: bool, 1;
        _: 1;
        /// The MSI of a CMD_SYNC was aborted.
        MSI_CMDQ_ABT_ERR: bool, 1;
        /// The MSI of the event queue was aborted.
        MSI_EVENTQ_ABT_ERR: bool, 1;
        _: 1;
        /// The MSI of a global error was aborted.
        MSI_GERROR_ABT_ERR: bool, 1;
        /// The SMMU entered Service Failure Mode (12.3).
        SFM_ERR: bool, 1;
        /// An ECMDQ error is pending; only with ECMDQ.
        CMDQP_ERR: bool, 1 since V3_3;
        _: 22;
    }

    /// `SMMU_S_GERRORN`: acknowledged global errors (6.3.68).
    pub struct SGerrorn(u32) = "S_GERRORN" {
        /// Acknowledges the error of the same name.
        CMDQ_ERR: bool, 1;
        _: 1;
        /// Acknowledges the error of the same name.
        EVENTQ_ABT_ERR: bool, 1;
        _: 1;
        /// Acknowledges the error of the same name.
        MSI_CMDQ_ABT_ERR: bool, 1;
        /// Acknowledges the error of the same name.
        MSI_EVENTQ_ABT_ERR: bool, 1;
        _: 1;
        /// Acknowledges the error of the same name.
        MSI_GERROR_ABT_ERR: bool, 1;
        /// Acknowledges the error of the same name.
        SFM_ERR: bool, 1;
        /// Acknowledges the error of the same name.
        CMDQP_ERR: bool, 1 since V3_3;
        _: 22;
    }
}
