//! The eight words of a stream table entry (IHI 0070 5.2).

use smmu_regs::bitfields;
use smmu_regs::layout::{FieldInfo, Layout};

bitfields! {
    /// Word 0.
    pub(crate) struct Ste0(u64) = "STE[0]" {
        /// 0: invalid (C_BAD_STE); 1: valid.
        V: bool, 1;
        /// Bit0=S1, bit1=S2, bit2=pass; ILLEGAL if the stage is not implemented. 0: abort silently; 1:
        /// reserved (as 0); 2: reserved (as 0); 3: reserved (as 0); 4: bypass; 5: stage 1; 6: stage 2; 7:
        /// stage 1 and 2.
        CONFIG: u8, 3;
        /// Ignored when S1CDMAX=0 or SSIDSIZE=0; non-zero ILLEGAL when CD2L=0 (3 behaves as 0). 0: linear or
        /// single CD; 1: 2-level with 4KB leaves (64 CDs); 2: 2-level with 64KB leaves (1024 CDs); 3:
        /// reserved (as 0).
        S1FMT: u8, 2;
        /// PA, or IPA when stage 2 is enabled; 51:6 before 3.4, 47:6 in 3.0; bits below table alignment RES0.
        S1CONTEXTPTR: u64, 50;
        _: 3;
        /// Log2 number of CDs, 0 = one CD and substreams disabled; > SSIDSIZE ILLEGAL; ignored when
        /// SSIDSIZE=0.
        S1CDMAX: u8, 5;
    }

    /// Word 1.
    pub(crate) struct Ste1(u64) = "STE[1]" {
        /// 0: terminate non-substream traffic (F_STREAM_DISABLED); 1: non-substream traffic bypasses stage 1;
        /// 2: non-substream traffic uses CD 0 and substream 0 is refused; 3: reserved (as 0).
        S1DSS: u8, 2;
        /// 0: non-cacheable; 1: WB read-allocate; 2: WT read-allocate; 3: WB no read-allocate.
        S1CIR: u8, 2;
        /// 0: non-cacheable; 1: WB read-allocate; 2: WT read-allocate; 3: WB no read-allocate.
        S1COR: u8, 2;
        /// 0: non-shareable; 1: reserved (as 0); 2: outer shareable; 3: inner shareable.
        S1CSH: u8, 2;
        /// With IDR3.PBHA; RES0 with VMSAv9-128. Since SMMUv3.1.
        S2HWU59: bool, 1;
        /// Descriptor bit 60 is for hardware. Since SMMUv3.1.
        S2HWU60: bool, 1;
        /// Descriptor bit 61 is for hardware. Since SMMUv3.1.
        S2HWU61: bool, 1;
        /// Descriptor bit 62 is for hardware. Since SMMUv3.1.
        S2HWU62: bool, 1;
        /// 0: destructive reads downgraded; 1: permitted. Since SMMUv3.1.
        DRE: bool, 1;
        /// Hint: aligned span of 2^CONT identical STEs; does not widen CFGI.
        CONT: u8, 4;
        /// 0: directed cache prefetch stripped; 1: permitted. Since SMMUv3.1.
        DCP: bool, 1;
        /// Only PRI queue overflow; ignored when IDR3.PPS=1; RES0 unless PRI and SSIDSIZE>0. 0: no PASID on
        /// PRI auto-response; 1: PASID when permitted.
        PPAR: bool, 1;
        /// 0: do not merge events; 1: merging permitted.
        MEV: bool, 1;
        /// Ignored by the SMMU.
        SW_RESERVED: u8, 4;
        /// RES0 when IDR3.S1PI=0. Since SMMUv3.4.
        S1PIE: bool, 1;
        /// RES0 when IDR3.FWB=0; ILLEGAL with VMSAv8-32 stage 2. Since SMMUv3.2.
        S2FWB: bool, 1;
        /// 0: STE.PARTID/PMG used; 1: CD.PARTID/PMG used. Since SMMUv3.2.
        S1MPAM: bool, 1;
        /// 1 is ILLEGAL when STALL_MODEL != 0. 0: CD may select stall; 1: stall refused.
        S1STALLD: bool, 1;
        /// Ignored when IDR0.ATS=0 or CONFIG\[1:0\]=0; RES0 in Secure STEs; see rules. 0: ATS refused; 1:
        /// full ATS; 2: split-stage ATS; 3: full ATS with DPT checks (reserved as 0 without DPT).
        EATS: u8, 2;
        /// RES0 and unused (not ILLEGAL) when S1P=0, or Non-secure with HYP=0; 2 in a Secure STE is ILLEGAL
        /// when SEL2=0. 0: EL1 (NS-EL1/Secure/Realm-EL1); 1: EL3 (Secure only, ILLEGAL otherwise and with
        /// RME); 2: EL2 or EL2-E2H by CR2.E2H; 3: reserved ILLEGAL.
        STRW: u8, 2;
        /// Input attribute override, used with MTCFG=1; stage-2 MemAttr encoding; 0b0100, 0b1000, 0b1100
        /// reserved as Device-nGnRnE; RES0 when ATTR_TYPES_OVR=0.
        MEMATTR: u8, 4;
        /// RES0 when ATTR_TYPES_OVR=0. 0: use incoming; 1: use MEMATTR.
        MTCFG: bool, 1;
        /// 0b0xxx incoming, 0b1RWT override; RES0 when ATTR_TYPES_OVR=0.
        ALLOCCFG: u8, 4;
        _: 3;
        /// RES0 (and incoming used) when ATTR_TYPES_OVR=0. 0: non-shareable; 1: use incoming; 2: outer
        /// shareable; 3: inner shareable.
        SHCFG: u8, 2;
        /// 0: use incoming; 1: reserved (as 0; with R_IDR3.XT check incoming for Realm); 2: secure (Realm
        /// streams: Realm); 3: non-secure.
        NSCFG: u8, 2;
        /// RES0 when ATTR_PERMS_OVR=0. 0: use incoming; 1: reserved (as 0); 2: unprivileged; 3: privileged.
        PRIVCFG: u8, 2;
        /// Reads only; RES0 when ATTR_PERMS_OVR=0. 0: use incoming; 1: reserved (as 0); 2: data; 3:
        /// instruction.
        INSTCFG: u8, 2;
        /// IMPLEMENTATION DEFINED.
        IMPDEF0: u16, 12;
    }

    /// Word 2.
    pub(crate) struct Ste2(u64) = "STE[2]" {
        /// \[15:8\] non-zero ILLEGAL when VMID16=0 unless ignored; NOT ignored in NS stage-1-only EL1 STEs
        /// when S2P=1.
        S2VMID: u16, 16;
        /// IMPLEMENTATION DEFINED.
        IMPDEF1: u16, 16;
        /// As VTCR_EL2.T0SZ.
        S2T0SZ: u8, 6;
        /// As VTCR_EL2.SL0 (low bits; see S2SL0_2); RES0 with VMSAv9-128.
        S2SL0: u8, 2;
        /// 0: non-cacheable; 1: WB RA WA; 2: WT RA; 3: WB RA no-WA.
        S2IR0: u8, 2;
        /// 0: non-cacheable; 1: WB RA WA; 2: WT RA; 3: WB RA no-WA.
        S2OR0: u8, 2;
        /// With S2DS=1 also gives the shareability of mapped memory. 0: non-shareable; 1: reserved (as 0); 2:
        /// outer shareable; 3: inner shareable.
        S2SH0: u8, 2;
        /// 0: 4KB; 1: 64KB; 2: 16KB; 3: reserved ILLEGAL.
        S2TG: u8, 2;
        /// Effective value capped to OAS; ignored with VMSAv8-32 (40 bits). 0: 32; 1: 36; 2: 40; 3: 42; 4:
        /// 44; 5: 48; 6: 52 (3.1); 7: 56 (3.4; else as 6 or 5).
        S2PS: u8, 3;
        /// 0: VMSAv8-32 LPAE (TTF\[0\]=1) or VMSAv9-128 (D128=1); 1: VMSAv8-64.
        S2AA64: bool, 1;
        /// ILLEGAL against TTENDIAN. 0: little; 1: big.
        S2ENDI: bool, 1;
        /// Ignored when S2HA=1. 0: AF=0 faults; 1: AF treated as 1.
        S2AFFD: bool, 1;
        /// 0: walks to Device allowed (or Normal-NC with PTWNNC); 1: walk/CD fetch to Device faults at stage
        /// 2.
        S2PTW: bool, 1;
        /// ILLEGAL when HTTU<2 or VMSAv8-32; S2HD without S2HA behaves as none.
        S2HD: bool, 1;
        /// ILLEGAL when HTTU=0 or VMSAv8-32.
        S2HA: bool, 1;
        /// ILLEGAL with STALL_MODEL=1; must be 1 with STALL_MODEL=2; ILLEGAL with EATS 1,2,3 and stage 2. 0:
        /// terminate; 1: stall.
        S2S: bool, 1;
        /// 0: suppress record; 1: record.
        S2R: bool, 1;
        /// RES0 when HTTU!=3; ILLEGAL without S2HA. Since SMMUv3.4.
        S2HAFT: bool, 1;
        /// RES0 when S2PI=0 and with VMSAv9-128 (implied there); must be 0 with VMSAv8-32. Since SMMUv3.4.
        S2PIE: bool, 1;
        /// RES0 when S2PO=0; ILLEGAL without S2PIE or with any S2HWU bit. Since SMMUv3.4.
        S2POE: bool, 1;
        /// Realm: only 0. 0: VMID match or AC=2; 1: VMID match or AC=1/2; 2: no match needed; 3: reserved (as
        /// 0). Since SMMUv3.3.
        DPT_VMATCH: u8, 2;
    }

    /// Word 3.
    pub(crate) struct Ste3(u64) = "STE[3]" {
        /// Secure stage 2: where non-secure IPA walks go. Since SMMUv3.2.
        S2NSW: bool, 1;
        /// Secure stage 2: where non-secure IPAs go. Since SMMUv3.2.
        S2NSA: bool, 1;
        /// VTCR_EL2.SL2; RES0 when IDR5.DS=0. Since SMMUv3.4.
        S2SL0_2: bool, 1;
        /// RES0 when IDR5.DS=0, with 64KB granule, VMSAv8-32 or D128. 0: no LPA2; 1: 52-bit addresses with
        /// 4KB/16KB granules. Since SMMUv3.4.
        S2DS: bool, 1;
        /// Address bits 55:4; 51:4 (bits 243:196) for VMSAv8-64 in 3.1+, 47:4 in 3.0; out of S2PS range
        /// ILLEGAL.
        S2TTB: u64, 52;
        _: 5;
        /// Levels skipped; VMSAv9-128. Since SMMUv3.4.
        S2SKL: u8, 2;
        _: 1;
    }

    /// Word 4.
    pub(crate) struct Ste4(u64) = "STE[4]" {
        /// IMPLEMENTATION DEFINED.
        IMPDEF2: u16, 16;
        /// MPAM partition. Since SMMUv3.2.
        PARTID: u16, 16;
        /// Secure stage 2: as S2T0SZ. Since SMMUv3.2.
        S_S2T0SZ: u8, 6;
        /// Secure stage 2: as S2SL0. Since SMMUv3.2.
        S_S2SL0: u8, 2;
        _: 6;
        /// 0: 4KB; 1: 64KB; 2: 16KB; 3: reserved ILLEGAL. Since SMMUv3.2.
        S_S2TG: u8, 2;
        /// RES0 when R_IDR3.MEC=0. Since SMMUv3.3.
        MECID: u16, 16;
    }

    /// Word 5.
    pub(crate) struct Ste5(u64) = "STE[5]" {
        /// MPAM performance monitoring group. Since SMMUv3.2.
        PMG: u8, 8;
        /// MPAM space. Since SMMUv3.3.
        MPAM_NS: bool, 1;
        /// IDR3.THE; RES0 with VMSAv9-128 (checks always on). Since SMMUv3.4.
        ASSUREDONLY: bool, 1;
        /// IDR3.THE. Since SMMUv3.4.
        TL0: bool, 1;
        /// IDR3.THE. Since SMMUv3.4.
        TL1: bool, 1;
        /// Address bits 55:12 (51:12, bits 371:332, before 3.4). Since SMMUv3.2.
        VMSPTR: u64, 44;
        _: 8;
    }

    /// Word 6.
    pub(crate) struct Ste6(u64) = "STE[6]" {
        /// Secure stage 2: where secure IPA walks go. Since SMMUv3.2.
        S2SW: bool, 1;
        /// Secure stage 2: where secure IPAs go. Since SMMUv3.2.
        S2SA: bool, 1;
        /// Secure stage 2: as S2SL0_2. Since SMMUv3.4.
        S_S2SL0_2: bool, 1;
        _: 1;
        /// Address bits 55:4 (51:4, bits 435:388, for VMSAv8-64). Since SMMUv3.2.
        S_S2TTB: u64, 52;
        _: 5;
        /// Secure stage 2: levels skipped; VMSAv9-128. Since SMMUv3.4.
        S_S2SKL: u8, 2;
        _: 1;
    }

    /// Word 7.
    pub(crate) struct Ste7(u64) = "STE[7]" {
        /// Sixteen 4-bit entries at \[4n+451:4n+448\]; 1 and 5 reserved (C_BAD_STE). Since SMMUv3.4.
        S2POI: u64, 64;
    }
}

/// The fields of the eight words.
#[must_use]
pub fn ste_words() -> [&'static [FieldInfo]; 8] {
    [
        Ste0::FIELDS,
        Ste1::FIELDS,
        Ste2::FIELDS,
        Ste3::FIELDS,
        Ste4::FIELDS,
        Ste5::FIELDS,
        Ste6::FIELDS,
        Ste7::FIELDS,
    ]
}
