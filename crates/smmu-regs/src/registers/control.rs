//! Control registers and the global bypass attribute (IHI 0070 6.3.9 to 6.3.14).

use super::registers;
use crate::bitfields;

registers! {
    Cr0: RW page0(0x20);
    Cr0ack: RO page0(0x24);
    Cr1: RW page0(0x28);
    Cr2: RW page0(0x2c);
    Statusr: RO page0(0x40);
    Gbpa: RW page0(0x44);
}

bitfields! {
    /// `SMMU_CR0`: the enables; each write is acknowledged in `CR0ACK` (6.3.9).
    pub struct Cr0(u32) = "CR0" {
        /// 0: NS streams bypass under GBPA; 1: NS streams use the stream table.
        SMMUEN: bool, 1;
        /// Effective only while SMMUEN=1; RES0 when PRI=0. 0: PRI queue writes disabled; 1: enabled.
        PRIQEN: bool, 1;
        /// 0: disabled; 1: enabled.
        EVENTQEN: bool, 1;
        /// 0: disabled; 1: enabled.
        CMDQEN: bool, 1;
        /// RES0 when ATS=0; must be 1 for EATS=0b10. 0: fast mode (Translated traffic unchecked); 1: safe
        /// mode (STE.EATS checked).
        ATSCHK: bool, 1;
        _: 1;
        /// Others reserved, behave as 0; RES0 when IDR0.VMW=0. 0: exact; 1: VMID\[N:1\]; 2: VMID\[N:2\]; 3:
        /// VMID\[N:3\]; 4: VMID\[N:4\].
        VMW: u8, 3;
        _: 1;
        /// Only when IDR3.DPT=1. 0: NS DPT walks disabled; 1: enabled. Since SMMUv3.3.
        DPT_WALK_EN: bool, 1;
        _: 21;
    }

    /// `SMMU_CR0ACK`: what of `CR0` has taken effect (6.3.10).
    pub struct Cr0ack(u32) = "CR0ACK" {
        /// 0: NS streams bypass under GBPA; 1: NS streams use the stream table.
        SMMUEN: bool, 1;
        /// Effective only while SMMUEN=1; RES0 when PRI=0. 0: PRI queue writes disabled; 1: enabled.
        PRIQEN: bool, 1;
        /// 0: disabled; 1: enabled.
        EVENTQEN: bool, 1;
        /// 0: disabled; 1: enabled.
        CMDQEN: bool, 1;
        /// RES0 when ATS=0; must be 1 for EATS=0b10. 0: fast mode (Translated traffic unchecked); 1: safe
        /// mode (STE.EATS checked).
        ATSCHK: bool, 1;
        _: 1;
        /// Others reserved, behave as 0; RES0 when IDR0.VMW=0. 0: exact; 1: VMID\[N:1\]; 2: VMID\[N:2\]; 3:
        /// VMID\[N:3\]; 4: VMID\[N:4\].
        VMW: u8, 3;
        _: 1;
        /// Only when IDR3.DPT=1. 0: NS DPT walks disabled; 1: enabled. Since SMMUv3.3.
        DPT_WALK_EN: bool, 1;
        _: 21;
    }

    /// `SMMU_CR1`: how tables and queues are accessed (6.3.11).
    pub struct Cr1(u32) = "CR1" {
        /// 0: non-cacheable; 1: write-back; 2: write-through; 3: reserved (as 0).
        QUEUE_IC: u8, 2;
        /// 0: non-cacheable; 1: write-back; 2: write-through; 3: reserved (as 0).
        QUEUE_OC: u8, 2;
        /// 0: non-shareable; 1: reserved (as 0); 2: outer shareable; 3: inner shareable.
        QUEUE_SH: u8, 2;
        /// 0: non-cacheable; 1: write-back; 2: write-through; 3: reserved (as 0).
        TABLE_IC: u8, 2;
        /// 0: non-cacheable; 1: write-back; 2: write-through; 3: reserved (as 0).
        TABLE_OC: u8, 2;
        /// 0: non-shareable; 1: reserved (as 0); 2: outer shareable; 3: inner shareable.
        TABLE_SH: u8, 2;
        _: 20;
    }

    /// `SMMU_CR2`: E2H, invalid StreamIDs, broadcast TLB maintenance (6.3.12).
    pub struct Cr2(u32) = "CR2" {
        /// RES0 when HYP=0; cached in configuration caches and TLBs. 0: EL2 regime without ASIDs; 1: EL2-E2H
        /// regime with ASIDs.
        E2H: bool, 1;
        /// 0: C_BAD_STREAMID not recorded; 1: recorded.
        RECINVSID: bool, 1;
        /// RES0 when BTM=0. 0: take part in NS broadcast TLB maintenance; 1: do not.
        PTM: bool, 1;
        /// RES0 when IDR0.ATSRECERR=0. 0: base event set; 1: extended events for ATS/PRI. Since SMMUv3.3.
        REC_CFG_ATS: bool, 1;
        _: 28;
    }

    /// `SMMU_STATUSR`: dormancy (6.3.13).
    pub struct Statusr(u32) = "STATUSR" {
        /// RES0 when DORMHINT=0. 0: may be active or caching; 1: no cached state and no activity.
        DORMANT: bool, 1;
        _: 31;
    }

    /// `SMMU_GBPA`: what happens to traffic while `SMMUEN` is 0 (6.3.14).
    pub struct Gbpa(u32) = "GBPA" {
        /// As STE.MemAttr, used when MTCFG=1.
        MEMATTR: u8, 4;
        /// 0: use incoming type; 1: use MEMATTR.
        MTCFG: bool, 1;
        _: 3;
        /// 0b0xxx use incoming, 0b1RWT override; bits 7:5 are RES0.
        ALLOCCFG: u8, 4;
        /// 0: non-shareable; 1: use incoming; 2: outer shareable; 3: inner shareable.
        SHCFG: u8, 2;
        _: 2;
        /// 0: use incoming; 1: reserved (as 0); 2: unprivileged; 3: privileged.
        PRIVCFG: u8, 2;
        /// 0: use incoming; 1: reserved (as 0); 2: data; 3: instruction.
        INSTCFG: u8, 2;
        /// 0: bypass with these attributes; 1: abort.
        ABORT: bool, 1;
        _: 10;
        /// Write other fields and UPDATE=1 in one store, then poll for 0; do not write while 1. 0: idle; 1:
        /// update in progress.
        UPDATE: bool, 1;
    }
}
