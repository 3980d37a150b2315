//! Control registers, the global bypass attributes, stage 2 permission indirection (IHI 0070 6.3.9 to 6.3.15, 6.3.17).

use super::registers;
use crate::bitfields;

registers! {
    Cr0: RW {
        CR0 NonSecure V3_0 page0(0x20) zero;
        R_CR0 Realm V3_3 realm0(0x20) zero_but(ATSCHK);
    }
    Cr0ack: RO {
        CR0ACK NonSecure V3_0 page0(0x24) zero;
        R_CR0ACK Realm V3_3 realm0(0x24) zero_but(ATSCHK);
    }
    Cr1: RW {
        CR1 NonSecure V3_0 page0(0x28) none;
        S_CR1 Secure V3_0 page0(0x8028) none;
        R_CR1 Realm V3_3 realm0(0x28) none;
    }
    Cr2: RW {
        CR2 NonSecure V3_0 page0(0x2c) none;
        R_CR2 Realm V3_3 realm0(0x2c) none;
    }
    Statusr: RO {
        STATUSR NonSecure V3_0 page0(0x40) zero;
    }
    Gbpa: RW {
        GBPA NonSecure V3_0 page0(0x44) zero(UPDATE);
    }
    S2pii: RW {
        S2PII NonSecure V3_4 page0(0x30) none;
        S_S2PII Secure V3_4 page0(0x8030) none;
        R_S2PII Realm V3_4 realm0(0x30) none;
    }
    Agbpa: RW {
        AGBPA NonSecure V3_0 page0(0x48) none;
        S_AGBPA Secure V3_0 page0(0x8048) none;
        R_AGBPA Realm V3_3 realm0(0x48) none;
    }
}

bitfields! {
    /// `SMMU_CR0`: the enables; each write is acknowledged in `CR0ACK` (6.3.9).
    pub struct Cr0(u32) = "CR0" {
        /// What happens to streams of this Security state.
        SMMUEN: bool, 1 = { 0: "they bypass, as GBPA says", 1: "they use the stream table" };
        /// Effective only while SMMUEN=1; RES0 when PRI=0.
        PRIQEN: bool, 1 = { 0: "PRI queue writes disabled", 1: "enabled" };
        /// Writes to the event queue.
        EVENTQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        /// Processing of the command queue.
        CMDQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        /// RES0 when ATS=0; must be 1 for EATS=0b10; RES1 in R_CR0.
        ATSCHK: bool, 1 = { 0: "fast mode (Translated traffic unchecked)", 1: "safe mode (STE.EATS checked)" };
        _: 1;
        /// How TLB invalidations match VMIDs; others reserved, behave as 0; RES0 when IDR0.VMW=0.
        VMW: u8, 3 = {
            0: "exact",
            1: "bit 0 of the VMID ignored",
            2: "bits 1:0 ignored",
            3: "bits 2:0 ignored",
            4: "bits 3:0 ignored",
        };
        _: 1;
        /// Walks of the Device Permission Table; only when (R_)IDR3.DPT=1.
        DPT_WALK_EN: bool, 1 since V3_3 = { 0: "DPT walks disabled", 1: "enabled" };
        _: 21;
    }

    /// `SMMU_CR0ACK`: what of `CR0` has taken effect (6.3.10).
    pub struct Cr0ack(u32) = "CR0ACK" {
        /// What happens to streams of this Security state.
        SMMUEN: bool, 1 = { 0: "they bypass, as GBPA says", 1: "they use the stream table" };
        /// Effective only while SMMUEN=1; RES0 when PRI=0.
        PRIQEN: bool, 1 = { 0: "PRI queue writes disabled", 1: "enabled" };
        /// Writes to the event queue.
        EVENTQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        /// Processing of the command queue.
        CMDQEN: bool, 1 = { 0: "disabled", 1: "enabled" };
        /// RES0 when ATS=0; must be 1 for EATS=0b10; RES1 in R_CR0.
        ATSCHK: bool, 1 = { 0: "fast mode (Translated traffic unchecked)", 1: "safe mode (STE.EATS checked)" };
        _: 1;
        /// How TLB invalidations match VMIDs; others reserved, behave as 0; RES0 when IDR0.VMW=0.
        VMW: u8, 3 = {
            0: "exact",
            1: "bit 0 of the VMID ignored",
            2: "bits 1:0 ignored",
            3: "bits 2:0 ignored",
            4: "bits 3:0 ignored",
        };
        _: 1;
        /// Walks of the Device Permission Table; only when (R_)IDR3.DPT=1.
        DPT_WALK_EN: bool, 1 since V3_3 = { 0: "DPT walks disabled", 1: "enabled" };
        _: 21;
    }

    /// `SMMU_CR1`: how tables and queues are accessed (6.3.11).
    pub struct Cr1(u32) = "CR1" {
        /// Inner Cacheability of queue accesses.
        QUEUE_IC: u8, 2 = { 0: "non-cacheable", 1: "write-back", 2: "write-through", 3: "reserved (as 0)" };
        /// Outer Cacheability of queue accesses.
        QUEUE_OC: u8, 2 = { 0: "non-cacheable", 1: "write-back", 2: "write-through", 3: "reserved (as 0)" };
        /// Shareability of queue accesses.
        QUEUE_SH: u8, 2 = { 0: "non-shareable", 1: "reserved (as 0)", 2: "outer shareable", 3: "inner shareable" };
        /// Inner Cacheability of table accesses.
        TABLE_IC: u8, 2 = { 0: "non-cacheable", 1: "write-back", 2: "write-through", 3: "reserved (as 0)" };
        /// Outer Cacheability of table accesses.
        TABLE_OC: u8, 2 = { 0: "non-cacheable", 1: "write-back", 2: "write-through", 3: "reserved (as 0)" };
        /// Shareability of table accesses.
        TABLE_SH: u8, 2 = { 0: "non-shareable", 1: "reserved (as 0)", 2: "outer shareable", 3: "inner shareable" };
        _: 20;
    }

    /// `SMMU_CR2`: E2H, invalid StreamIDs, broadcast TLB maintenance (6.3.12).
    pub struct Cr2(u32) = "CR2" {
        /// RES0 when HYP=0; cached in configuration caches and TLBs.
        E2H: bool, 1 = { 0: "EL2 regime without ASIDs", 1: "EL2-E2H regime with ASIDs" };
        /// Whether transactions with an invalid StreamID are recorded as events.
        RECINVSID: bool, 1 = { 0: "C_BAD_STREAMID not recorded", 1: "recorded" };
        /// RES0 when BTM=0.
        PTM: bool, 1 = { 0: "take part in broadcast TLB maintenance", 1: "do not" };
        /// RES0 when IDR0.ATSRECERR=0.
        REC_CFG_ATS: bool, 1 since V3_3 = { 0: "base event set", 1: "extended events for ATS/PRI" };
        _: 28;
    }

    /// `SMMU_STATUSR`: dormancy (6.3.13).
    pub struct Statusr(u32) = "STATUSR" {
        /// RES0 when DORMHINT=0.
        DORMANT: bool, 1 = { 0: "may be active or caching", 1: "no cached state and no activity" };
        _: 31;
    }

    /// `SMMU_GBPA`: what happens to traffic while `SMMUEN` is 0 (6.3.14).
    pub struct Gbpa(u32) = "GBPA" {
        /// As STE.MemAttr, used when MTCFG=1.
        MEMATTR: u8, 4;
        /// Where the memory type comes from.
        MTCFG: bool, 1 = { 0: "use incoming type", 1: "use MEMATTR" };
        _: 3;
        /// 0b0xxx use incoming, 0b1RWT override; bits 7:5 are RES0.
        ALLOCCFG: u8, 4;
        /// Shareability override.
        SHCFG: u8, 2 = { 0: "non-shareable", 1: "use incoming", 2: "outer shareable", 3: "inner shareable" };
        _: 2;
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

    /// `SMMU_S2PII`: what the sixteen stage 2 permission indirection indexes mean; with IDR3.S2PI (6.3.17).
    ///
    /// It may be cached in TLBs; do not write it while SMMUEN is 1 and an STE has S2PIE.
    pub struct S2pii(u64) = "S2PII" {
        /// Interpretation of index n in bits 4n+3:4n; see [`S2pii::interpretation`].
        S2PII: u64, 64 since V3_4;
    }

    /// `SMMU_AGBPA`: more bypass attributes, IMPLEMENTATION DEFINED (6.3.15).
    pub struct Agbpa(u32) = "AGBPA" {
        /// Implementation defined.
        IMPLEMENTATION_DEFINED: u32, 32;
    }
}

impl S2pii {
    /// What permission index `index` means at stage 2, by the architecture's name: `RW+puX` is read, write, and execute
    /// privileged and unprivileged; `MRO` is mostly read only. `None` if `index` is above 15.
    #[must_use]
    pub fn interpretation(self, index: u8) -> Option<&'static str> {
        if index > 15 {
            return None;
        }
        Some(match self.into_bits().wrapping_shr(4 * u32::from(index)) & 0xf {
            0b0010 => "MRO",
            0b0011 => "MRO-TL1",
            0b0100 => "WO",
            0b0110 => "MRO-TL0",
            0b0111 => "MRO-TL01",
            0b1000 => "RO",
            0b1001 => "RO+uX",
            0b1010 => "RO+pX",
            0b1011 => "RO+puX",
            0b1100 => "RW",
            0b1101 => "RW+uX",
            0b1110 => "RW+pX",
            0b1111 => "RW+puX",
            // 0, and the reserved 0b0001 and 0b0101, which are treated as it.
            _ => "no access",
        })
    }
}
