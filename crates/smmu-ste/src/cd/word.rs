//! The eight words of a context descriptor (IHI 0070 5.4).

use smmu_regs::bitfields;
use smmu_regs::layout::{FieldInfo, Layout};

bitfields! {
    /// Word 0.
    pub(crate) struct Cd0(u64) = "CD[0]" {
        /// 3 bits with VMSAv8-32.
        T0SZ: u8, 6;
        /// 0: 4KB; 1: 64KB; 2: 16KB; 3: reserved ILLEGAL.
        TG0: u8, 2;
        /// 0: non-cacheable; 1: WB RA WA; 2: WT RA; 3: WB RA no-WA.
        IR0: u8, 2;
        /// 0: non-cacheable; 1: WB RA WA; 2: WT RA; 3: WB RA no-WA.
        OR0: u8, 2;
        /// 0: non-shareable; 1: reserved (as 0); 2: outer shareable; 3: inner shareable.
        SH0: u8, 2;
        /// Ignored (effective 0) for EL2 without E2H and EL3.
        EPD0: bool, 1;
        /// 0: little; 1: big.
        ENDI: bool, 1;
        /// RES0 for EL2/EL3.
        T1SZ: u8, 6;
        /// Different encoding from TG0. 0: reserved ILLEGAL; 1: 16KB; 2: 4KB; 3: 64KB.
        TG1: u8, 2;
        /// 0: non-cacheable; 1: WB RA WA; 2: WT RA; 3: WB RA no-WA.
        IR1: u8, 2;
        /// 0: non-cacheable; 1: WB RA WA; 2: WT RA; 3: WB RA no-WA.
        OR1: u8, 2;
        /// 0: non-shareable; 1: reserved (as 0); 2: outer shareable; 3: inner shareable.
        SH1: u8, 2;
        /// 1: no walks through TTB1. Ignored for EL2 without E2H and EL3.
        EPD1: bool, 1;
        /// 0: invalid (C_BAD_CD); 1: valid.
        V: bool, 1;
        /// Capped to OAS. 0: 32; 1: 36; 2: 40; 3: 42; 4: 44; 5: 48; 6: 52 (3.1); 7: 56 (3.4; else as 6 or 5).
        IPS: u8, 3;
        /// Ignored when HA=1 (HA itself is ignored with VMSAv8-32). 0: AF=0 faults; 1: AF treated as 1.
        AFFD: bool, 1;
        /// RES0 with permission indirection (3.26.1).
        WXN: bool, 1;
        /// Ignored with VMSAv8-64 and in EL2, EL3; RES0 with VMSAv9-128.
        UWXN: bool, 1;
        /// Top byte ignored in the lower half.
        TBI0: bool, 1;
        /// Top byte ignored in the upper half; RES0 for EL2 and EL3.
        TBI1: bool, 1;
        /// Privileged access never.
        PAN: bool, 1;
        /// 0: VMSAv8-32 LPAE (TTF\[0\]=1) or VMSAv9-128 (D128=1); 1: VMSAv8-64.
        AA64: bool, 1;
        /// ILLEGAL when HTTU<2.
        HD: bool, 1;
        /// ILLEGAL when HTTU=0.
        HA: bool, 1;
        /// 0: terminate; 1: stall.
        S: bool, 1;
        /// 0: suppress record; 1: record.
        R: bool, 1;
        /// Must be 1 when TERM_MODEL=1. 0: RAZ/WI on termination; 1: abort.
        A: bool, 1;
        /// 0: ASID shared with PE; 1: SMMU-private ASID.
        ASET: bool, 1;
        /// \[15:8\] non-zero ILLEGAL when ASID16=0.
        ASID: u16, 16;
    }

    /// Word 1.
    pub(crate) struct Cd1(u64) = "CD[1]" {
        /// NS attribute of the walk from TTB0; Secure streams only.
        NSCFG0: bool, 1;
        /// IDR3.HAD; when D128=1 the bit is DISCH0 (disable Contiguous at the initial level, VMSAv9-128
        /// only).
        HAD0: bool, 1;
        /// Faults on unprivileged access to the lower half. Since SMMUv3.3.
        E0PD0: bool, 1;
        /// RES0 when HTTU!=3; ILLEGAL without HA. Since SMMUv3.4.
        HAFT: bool, 1;
        /// Address bits 55:4; 51:4 (bits 115:68) for VMSAv8-64 in 3.1+, 47:4 in 3.0.
        TTB0: u64, 52;
        _: 2;
        /// Protected attribute non-coherent; with translation hardening. Since SMMUv3.4.
        PNCH: bool, 1;
        /// Enhanced PAN. Since SMMUv3.4.
        EPAN: bool, 1;
        /// Descriptor bit 59 is for hardware, lower half. Since SMMUv3.1.
        HWU059: bool, 1;
        /// Descriptor bit 60 is for hardware, lower half. Since SMMUv3.1.
        HWU060: bool, 1;
        /// With D128=1 bits 127:126 are SKL0. Since SMMUv3.1.
        HWU061: bool, 1;
        /// With D128=1 bits 127:126 are SKL0. Since SMMUv3.1.
        HWU062: bool, 1;
    }

    /// Word 2.
    pub(crate) struct Cd2(u64) = "CD[2]" {
        /// NS attribute of the walk from TTB1; Secure streams only.
        NSCFG1: bool, 1;
        /// When D128=1 the bit is DISCH1.
        HAD1: bool, 1;
        /// Faults on unprivileged access to the upper half. Since SMMUv3.3.
        E0PD1: bool, 1;
        /// Attribute index extension. Since SMMUv3.4.
        AIE: bool, 1;
        /// As TTB0; RES0 for EL2/EL3.
        TTB1: u64, 52;
        _: 2;
        /// RES0 when IDR5.DS=0, with VMSAv8-32 and VMSAv9-128, or when TG0 and TG1 (EL2, EL3: TG0) all select
        /// 64KB. 0: no LPA2; 1: LPA2. Since SMMUv3.4.
        DS: bool, 1;
        /// Permission indirection. Since SMMUv3.4.
        PIE: bool, 1;
        /// Descriptor bit 59 is for hardware, upper half. Since SMMUv3.1.
        HWU159: bool, 1;
        /// Descriptor bit 60 is for hardware, upper half. Since SMMUv3.1.
        HWU160: bool, 1;
        /// With D128=1 bits 191:190 are SKL1. Since SMMUv3.1.
        HWU161: bool, 1;
        /// With D128=1 bits 191:190 are SKL1. Since SMMUv3.1.
        HWU162: bool, 1;
    }

    /// Word 3.
    pub(crate) struct Cd3(u64) = "CD[3]" {
        /// Memory attributes 0 to 3.
        MAIR0: u32, 32;
        /// Memory attributes 4 to 7.
        MAIR1: u32, 32;
    }

    /// Word 4.
    pub(crate) struct Cd4(u64) = "CD[4]" {
        /// Auxiliary memory attributes 0 to 3.
        AMAIR0: u32, 32;
        /// Auxiliary memory attributes 4 to 7.
        AMAIR1: u32, 32;
    }

    /// Word 5.
    pub(crate) struct Cd5(u64) = "CD[5]" {
        /// IMPLEMENTATION DEFINED.
        IMPDEF: u32, 32;
        /// MPAM partition. Since SMMUv3.2.
        PARTID: u16, 16;
        /// MPAM performance monitoring group. Since SMMUv3.2.
        PMG: u8, 8;
        _: 8;
    }

    /// Word 6.
    pub(crate) struct Cd6(u64) = "CD[6]" {
        /// Sixteen 3-bit entries: 0 none, 1 RO, 2 XO, 3 RX, 5 RW, 7 RWX; 4, 6 reserved. Since SMMUv3.4.
        PIIU: u64, 48;
        _: 16;
    }

    /// Word 7.
    pub(crate) struct Cd7(u64) = "CD[7]" {
        /// Sixteen 3-bit entries, as PIIU. Since SMMUv3.4.
        PIIP: u64, 48;
        _: 16;
    }
}

/// The fields of the eight words.
#[must_use]
pub fn cd_words() -> [&'static [FieldInfo]; 8] {
    [Cd0::FIELDS, Cd1::FIELDS, Cd2::FIELDS, Cd3::FIELDS, Cd4::FIELDS, Cd5::FIELDS, Cd6::FIELDS, Cd7::FIELDS]
}
