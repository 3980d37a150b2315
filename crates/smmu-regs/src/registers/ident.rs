//! ID registers: what the SMMU says of itself (IHI 0070 6.3.1 to 6.3.8, 6.3.45). Only [`crate::caps`] interprets them.

use super::registers;
use crate::bitfields;

registers! {
    Idr0: RO page0(0x0);
    Idr1: RO page0(0x4);
    Idr2: RO page0(0x8);
    Idr3: RO page0(0xc);
    Idr4: RO page0(0x10);
    Idr5: RO page0(0x14);
    Idr6: RO page0(0x190);
    Iidr: RO page0(0x18);
    Aidr: RO page0(0x1c);
}

bitfields! {
    /// `SMMU_IDR0`: features, part one (6.3.1).
    pub struct Idr0(u32) = "IDR0" {
        /// 0: stage 2 not implemented; 1: stage 2 implemented.
        S2P: bool, 1;
        /// At least one of S1P, S2P is 1. 0: stage 1 not implemented; 1: stage 1 implemented.
        S1P: bool, 1;
        /// Bit 2 = AArch32 LPAE, bit 3 = AArch64; VMSAv9-128 is advertised by IDR5.D128. 0: reserved; 1:
        /// VMSAv8-32 LPAE only; 2: VMSAv8-64 only; 3: both.
        TTF: u8, 2;
        /// Firmware (IORT/DT) overrides this in Linux. 0: table/queue/structure accesses not IO-coherent; 1:
        /// coherent.
        COHACC: bool, 1;
        /// 0: no broadcast TLB maintenance; 1: participates in broadcast TLB maintenance.
        BTM: bool, 1;
        /// 0: none; 1: Access flag; 2: Access flag and dirty state; 3: as 2 plus Access flag in Table
        /// descriptors (HAFT; 3.4).
        HTTU: u8, 2;
        /// 0: no; 1: STATUSR.DORMANT supported.
        DORMHINT: bool, 1;
        /// Spelled Hyp in the specification; RES0 unless S1P and S2P; mandatory 1 from 3.2 when both stages
        /// exist. 0: no EL2 stage-1 contexts; 1: NS EL2 (and EL2-E2H) contexts.
        HYP: bool, 1;
        /// 0: no PCIe ATS; 1: ATS supported by the SMMU.
        ATS: bool, 1;
        /// Inverted sense; RES0 unless ATS, S1P and S2P. 0: split-stage ATS supported; 1: split-stage
        /// (EATS=0b10) ATS not supported.
        NS1ATS: bool, 1;
        /// 0: 8-bit ASIDs; 1: 16-bit ASIDs.
        ASID16: bool, 1;
        /// 0: wired interrupts only; 1: MSIs supported.
        MSI: bool, 1;
        /// 0: no; 1: SMMU and system generate WFE wake-up events.
        SEV: bool, 1;
        /// 0: no; 1: GATOS registers present.
        ATOS: bool, 1;
        /// RES0 when ATS=0. 0: no; 1: PRI queue supported.
        PRI: bool, 1;
        /// RES0 when S2P=0. 0: no; 1: VMID wildcard matching on TLB invalidation.
        VMW: bool, 1;
        /// 0: 8-bit VMIDs; 1: 16-bit VMIDs.
        VMID16: bool, 1;
        /// 0: linear CD tables only; 1: 2-level CD tables supported.
        CD2L: bool, 1;
        /// Needs ATOS, S1P and S2P. 0: no; 1: VATOS page present.
        VATOS: bool, 1;
        /// 0: mixed; 1: reserved; 2: little-endian only; 3: big-endian only.
        TTENDIAN: u8, 2;
        /// RES0 when ATS=0. 0: base event set for ATS/PRI; 1: CR2.REC_CFG_ATS supported. Since SMMUv3.3.
        ATSRECERR: bool, 1;
        /// Reads 1 when S_CR0.NSSTALLD=1 and the Secure model is 0. 0: stall and terminate; 1: terminate
        /// only; 2: stall forced; 3: reserved.
        STALL_MODEL: u8, 2;
        /// 0: CD.A selects abort or RAZ/WI; 1: abort only (CD.A must be 1).
        TERM_MODEL: bool, 1;
        /// 0: linear only; 1: linear and 2-level; 2: reserved; 3: reserved.
        ST_LEVEL: u8, 2;
        _: 1;
        /// Implies ROOT_IDR0.ROOT_IMPL. 0: no; 1: RME features for the NS (and S/Realm) interfaces. Since
        /// SMMUv3.3.
        RME_IMPL: bool, 1;
        _: 1;
    }

    /// `SMMU_IDR1`: features and sizes of identifiers and queues (6.3.2).
    pub struct Idr1(u32) = "IDR1" {
        /// StreamID bits, 0..32; >=7 implies ST_LEVEL != 0.
        SIDSIZE: u8, 6;
        /// SubstreamID bits, 0..20, 0 = no substreams.
        SSIDSIZE: u8, 5;
        /// Log2 max PRI queue entries, at most 19.
        PRIQS: u8, 5;
        /// Log2 max event queue entries, at most 19.
        EVENTQS: u8, 5;
        /// Log2 max command queue entries, at most 19.
        CMDQS: u8, 5;
        /// 0: INST/PRIV/NS overrides fixed; 1: STE/GBPA may override.
        ATTR_PERMS_OVR: bool, 1;
        /// 0: type/cacheability/allocation/shareability overrides fixed; 1: STE/GBPA may override.
        ATTR_TYPES_OVR: bool, 1;
        /// RES0 when both PRESET bits are 0. 0: preset bases absolute; 1: preset bases relative to Page 0.
        REL: bool, 1;
        /// Must be 0 when any ECMDQ bit is 1. 0: no; 1: queue base registers fixed.
        QUEUES_PRESET: bool, 1;
        /// 0: no; 1: stream table base registers fixed.
        TABLES_PRESET: bool, 1;
        /// Implies COHACC=1, MSI=1, QUEUES_PRESET=0. 0: no; 1: enhanced command queues, see IDR6. Since
        /// SMMUv3.3.
        ECMDQ: bool, 1;
    }

    /// `SMMU_IDR2`: place of the VATOS page (6.3.3).
    pub struct Idr2(u32) = "IDR2" {
        /// VATOS page at base + 0x20000 + BA_VATOS*0x10000; RES0 when IDR0.VATOS=0.
        BA_VATOS: u16, 10;
        _: 22;
    }

    /// `SMMU_IDR3`: features, part two (6.3.4).
    pub struct Idr3(u32) = "IDR3" {
        _: 2;
        /// Mandatory from 3.1 with S1P. 0: no; 1: hierarchical attribute disable.
        HAD: bool, 1;
        /// Implies HAD. 0: no; 1: page-based hardware attributes. Since SMMUv3.1.
        PBHA: bool, 1;
        /// Mandatory from 3.1 with S2P. 0: no; 1: EL0/EL1 execute-never distinction at stage 2. Since
        /// SMMUv3.1.
        XNX: bool, 1;
        /// RES0 unless PRI and SSIDSIZE>0. 0: STE.PPAR decides; 1: PASID always used on PRI auto-responses.
        PPS: bool, 1;
        _: 1;
        /// Bit 6 is RES0. 0: no; 1: MPAM in at least one Security state. Since SMMUv3.2.
        MPAM: bool, 1;
        /// 1 from 3.2. 0: no; 1: STE.S2FWB supported. Since SMMUv3.2.
        FWB: bool, 1;
        /// 1 when S_IDR1.SEL2=1. 0: no; 1: small translation tables (TxSZ up to 48/47). Since SMMUv3.2.
        STT: bool, 1;
        /// 1 from 3.2. 0: no; 1: range invalidation and level hint. Since SMMUv3.2.
        RIL: bool, 1;
        /// 1 or 2 from 3.2. 0: level 0; 1: level 1; 2: level 2; 3: reserved. Since SMMUv3.2.
        BBML: u8, 2;
        /// 1 from 3.3. 0: no; 1: CD.E0PD0/1 supported. Since SMMUv3.3.
        E0PD: bool, 1;
        /// 1 from 3.3 with S2P. 0: S2PTW=0 allows device-mapped walks; 1: S2PTW=0 turns them into Normal-NC.
        /// Since SMMUv3.3.
        PTWNNC: bool, 1;
        /// Implies ATS; introduced with the RME DA additions; exact version not stated in the text read. 0:
        /// no; 1: Device Permission Table for NS streams (EATS=0b11). Since SMMUv3.3.
        DPT: bool, 1;
        /// 0: no; 1: PASID on ATS Translated transactions. Since SMMUv3.4.
        PASIDTT: bool, 1;
        /// 1 from 3.4. 0: no; 1: enhanced PAN. Since SMMUv3.4.
        EPAN: bool, 1;
        /// 0: no; 1: stage-1 permission indirection. Since SMMUv3.4.
        S1PI: bool, 1;
        /// 0: no; 1: stage-2 permission indirection. Since SMMUv3.4.
        S2PI: bool, 1;
        /// Implies S2PI. 0: no; 1: stage-2 permission overlay. Since SMMUv3.4.
        S2PO: bool, 1;
        /// 0: no; 1: translation hardening. Since SMMUv3.4.
        THE: bool, 1;
        /// 1 from 3.4 (RES0 when S2P=0). 0: no; 1: stage-2 MemAttr NoTagAccess encodings. Since SMMUv3.4.
        MTEPERM: bool, 1;
        /// 0: no; 1: attribute index extension. Since SMMUv3.4.
        AIE: bool, 1;
        _: 8;
    }

    /// `SMMU_IDR4`: IMPLEMENTATION DEFINED (6.3.5).
    pub struct Idr4(u32) = "IDR4" {
        /// Implementation defined.
        IMPLEMENTATION_DEFINED: u32, 32;
    }

    /// `SMMU_IDR5`: address sizes, granules, stall limit (6.3.6).
    pub struct Idr5(u32) = "IDR5" {
        /// 0: 32; 1: 36; 2: 40; 3: 42; 4: 44; 5: 48; 6: 52 (3.1); 7: 56 (3.4 with D128).
        OAS: u8, 3;
        _: 1;
        /// 0: no; 1: yes.
        GRAN4K: bool, 1;
        /// 0: no; 1: yes.
        GRAN16K: bool, 1;
        /// 0: no; 1: yes.
        GRAN64K: bool, 1;
        /// Also widens TLBI SCALE to 6 bits and enables TTL=1 for TG=16K. 0: no; 1: 52-bit addresses with
        /// 4K/16K granules (LPA2). Since SMMUv3.4.
        DS: bool, 1;
        /// Excludes TTF\[0\]. 0: no; 1: VMSAv9-128 descriptors. Since SMMUv3.4.
        D128: bool, 1;
        _: 1;
        /// 0: 48-bit VA per TTB; 1: 52-bit; 2: 56-bit (3.4); 3: reserved. Since SMMUv3.1.
        VAX: u8, 2;
        _: 4;
        /// Max outstanding stalled transactions; RES0 when stall is unsupported.
        STALL_MAX: u16, 16;
    }

    /// `SMMU_IDR6`: enhanced command queues (6.3.45).
    pub struct Idr6(u32) = "IDR6" {
        _: 16;
        /// Queues per control page = 2^value (1..256). Since SMMUv3.3.
        CMDQ_CONTROL_PAGE_LOG2NUMQ: u8, 4;
        _: 4;
        /// Control pages = 2^value (at most 256). Since SMMUv3.3.
        CMDQ_CONTROL_PAGE_LOG2NUMP: u8, 4;
        _: 4;
    }

    /// `SMMU_IIDR`: who made this SMMU (6.3.7).
    pub struct Iidr(u32) = "IIDR" {
        /// JEP106: \[11:8\] continuation count, \[7\]=0, \[6:0\] identity code.
        IMPLEMENTER: u16, 12;
        /// Revision.
        REVISION: u8, 4;
        /// Variant.
        VARIANT: u8, 4;
        /// Productid.
        PRODUCTID: u16, 12;
    }

    /// `SMMU_AIDR`: architecture version (6.3.8).
    pub struct Aidr(u32) = "AIDR" {
        /// Archminorrev.
        ARCHMINORREV: u8, 4;
        /// Value 0 means SMMUv3.x; whole register: 0x00=3.0, 0x01=3.1, 0x02=3.2, 0x03=3.3, 0x04=3.4.
        ARCHMAJORREV: u8, 4;
        _: 24;
    }
}
