//! ID registers: what the SMMU says of itself (IHI 0070 6.3.1 to 6.3.8, 6.3.45). Only [`crate::caps`] interprets them.

use super::registers;
use crate::bitfields;

registers! {
    Idr0: RO {
        IDR0 NonSecure V3_0 page0(0x0) none;
    }
    Idr1: RO {
        IDR1 NonSecure V3_0 page0(0x4) none;
    }
    Idr2: RO {
        IDR2 NonSecure V3_0 page0(0x8) none;
    }
    Idr3: RO {
        IDR3 NonSecure V3_0 page0(0xc) none;
    }
    Idr4: RO {
        IDR4 NonSecure V3_0 page0(0x10) none;
        S_IDR4 Secure V3_0 page0(0x8010) none;
    }
    Idr5: RO {
        IDR5 NonSecure V3_0 page0(0x14) none;
    }
    Idr6: RO {
        IDR6 NonSecure V3_3 page0(0x190) none;
        S_IDR6 Secure V3_3 page0(0x8190) none;
        R_IDR6 Realm V3_3 realm0(0x190) none;
    }
    Iidr: RO {
        IIDR NonSecure V3_0 page0(0x18) none;
        ROOT_IIDR Root V3_3 root(0x8) none;
    }
    Aidr: RO {
        AIDR NonSecure V3_0 page0(0x1c) none;
        R_AIDR Realm V3_3 realm0(0x1c) none;
    }
}

bitfields! {
    /// `SMMU_IDR0`: features, part one (6.3.1).
    pub struct Idr0(u32) = "IDR0" {
        /// Stage 2 translation.
        S2P: bool, 1 = { 0: "stage 2 not implemented", 1: "stage 2 implemented" };
        /// At least one of S1P, S2P is 1.
        S1P: bool, 1 = { 0: "stage 1 not implemented", 1: "stage 1 implemented" };
        /// Bit 2 = AArch32 LPAE, bit 3 = AArch64; VMSAv9-128 is advertised by IDR5.D128.
        TTF: u8, 2 = { 0: "reserved", 1: "VMSAv8-32 LPAE only", 2: "VMSAv8-64 only", 3: "both" };
        /// Firmware's word, where there is one, goes before it.
        COHACC: bool, 1 = { 0: "table/queue/structure accesses not IO-coherent", 1: "coherent" };
        /// Broadcast TLB maintenance by PEs.
        BTM: bool, 1 = { 0: "no broadcast TLB maintenance", 1: "participates in broadcast TLB maintenance" };
        /// Hardware update of flags in translation tables.
        HTTU: u8, 2 = {
            0: "none",
            1: "Access flag",
            2: "Access flag and dirty state",
            3: "as 2 plus Access flag in Table descriptors (HAFT; 3.4)",
        };
        /// Dormancy hint.
        DORMHINT: bool, 1 = { 0: "no", 1: "STATUSR.DORMANT supported" };
        /// Spelled Hyp in the specification; RES0 unless S1P and S2P; mandatory 1 from 3.2 when both stages exist.
        HYP: bool, 1 = { 0: "no EL2 stage-1 contexts", 1: "NS EL2 (and EL2-E2H) contexts" };
        /// PCIe ATS.
        ATS: bool, 1 = { 0: "no PCIe ATS", 1: "ATS supported by the SMMU" };
        /// Inverted sense; RES0 unless ATS, S1P and S2P.
        NS1ATS: bool, 1 = { 0: "split-stage ATS supported", 1: "split-stage (EATS=0b10) ATS not supported" };
        /// Size of ASIDs.
        ASID16: bool, 1 = { 0: "8-bit ASIDs", 1: "16-bit ASIDs" };
        /// Interrupts as messages.
        MSI: bool, 1 = { 0: "wired interrupts only", 1: "MSIs supported" };
        /// Wake-up events.
        SEV: bool, 1 = { 0: "no", 1: "SMMU and system generate WFE wake-up events" };
        /// Address translation operations.
        ATOS: bool, 1 = { 0: "no", 1: "GATOS registers present" };
        /// RES0 when ATS=0.
        PRI: bool, 1 = { 0: "no", 1: "PRI queue supported" };
        /// RES0 when S2P=0.
        VMW: bool, 1 = { 0: "no", 1: "VMID wildcard matching on TLB invalidation" };
        /// Size of VMIDs.
        VMID16: bool, 1 = { 0: "8-bit VMIDs", 1: "16-bit VMIDs" };
        /// Two-level CD tables.
        CD2L: bool, 1 = { 0: "linear CD tables only", 1: "2-level CD tables supported" };
        /// Needs ATOS, S1P and S2P.
        VATOS: bool, 1 = { 0: "no", 1: "VATOS page present" };
        /// Byte order of translation tables.
        TTENDIAN: u8, 2 = { 0: "mixed", 1: "reserved", 2: "little-endian only", 3: "big-endian only" };
        /// RES0 when ATS=0.
        ATSRECERR: bool, 1 since V3_3 = { 0: "base event set for ATS/PRI", 1: "CR2.REC_CFG_ATS supported" };
        /// Reads 1 when S_CR0.NSSTALLD=1 and the Secure model is 0.
        STALL_MODEL: u8, 2 = { 0: "stall and terminate", 1: "terminate only", 2: "stall forced", 3: "reserved" };
        /// How transactions are terminated.
        TERM_MODEL: bool, 1 = { 0: "CD.A selects abort or RAZ/WI", 1: "abort only (CD.A must be 1)" };
        /// Two-level stream tables.
        ST_LEVEL: u8, 2 = { 0: "linear only", 1: "linear and 2-level", 2: "reserved", 3: "reserved" };
        _: 1;
        /// Implies ROOT_IDR0.ROOT_IMPL.
        RME_IMPL: bool, 1 since V3_3 = { 0: "no", 1: "RME features for the NS (and S/Realm) interfaces" };
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
        /// Override of incoming permission attributes.
        ATTR_PERMS_OVR: bool, 1 = { 0: "INST/PRIV/NS overrides fixed", 1: "STE/GBPA may override" };
        /// Override of incoming memory attributes.
        ATTR_TYPES_OVR: bool, 1 = {
            0: "type/cacheability/allocation/shareability overrides fixed",
            1: "STE/GBPA may override",
        };
        /// RES0 when both PRESET bits are 0.
        REL: bool, 1 = { 0: "preset bases absolute", 1: "preset bases relative to Page 0" };
        /// Must be 0 when any ECMDQ bit is 1.
        QUEUES_PRESET: bool, 1 = { 0: "no", 1: "queue base registers fixed" };
        /// Whether the stream table is where the implementation put it.
        TABLES_PRESET: bool, 1 = { 0: "no", 1: "stream table base registers fixed" };
        /// Implies COHACC=1, MSI=1, QUEUES_PRESET=0.
        ECMDQ: bool, 1 since V3_3 = { 0: "no", 1: "enhanced command queues, see IDR6" };
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
        /// Mandatory from 3.1 with S1P.
        HAD: bool, 1 = { 0: "no", 1: "hierarchical attribute disable" };
        /// Implies HAD.
        PBHA: bool, 1 since V3_1 = { 0: "no", 1: "page-based hardware attributes" };
        /// Mandatory from 3.1 with S2P.
        XNX: bool, 1 since V3_1 = { 0: "no", 1: "EL0/EL1 execute-never distinction at stage 2" };
        /// RES0 unless PRI and SSIDSIZE>0.
        PPS: bool, 1 = { 0: "STE.PPAR decides", 1: "PASID always used on PRI auto-responses" };
        _: 1;
        /// Memory partitioning and monitoring.
        MPAM: bool, 1 since V3_2 = { 0: "no", 1: "MPAM in at least one Security state" };
        /// 1 from 3.2.
        FWB: bool, 1 since V3_2 = { 0: "no", 1: "STE.S2FWB supported" };
        /// 1 when S_IDR1.SEL2=1.
        STT: bool, 1 since V3_2 = { 0: "no", 1: "small translation tables (TxSZ up to 48/47)" };
        /// 1 from 3.2.
        RIL: bool, 1 since V3_2 = { 0: "no", 1: "range invalidation and level hint" };
        /// 1 or 2 from 3.2.
        BBML: u8, 2 since V3_2 = { 0: "level 0", 1: "level 1", 2: "level 2", 3: "reserved" };
        /// 1 from 3.3.
        E0PD: bool, 1 since V3_3 = { 0: "no", 1: "CD.E0PD0/1 supported" };
        /// 1 from 3.3 with S2P.
        PTWNNC: bool, 1 since V3_3 = {
            0: "S2PTW=0 allows device-mapped walks",
            1: "S2PTW=0 turns them into Normal-NC",
        };
        /// Implies ATS; excludes IDR0.TTF\[0\].
        DPT: bool, 1 since V3_3 = { 0: "no", 1: "Device Permission Table for NS streams (EATS=0b11)" };
        /// PASIDs on Translated transactions.
        PASIDTT: bool, 1 since V3_4 = { 0: "no", 1: "PASID on ATS Translated transactions" };
        /// 1 from 3.4.
        EPAN: bool, 1 since V3_4 = { 0: "no", 1: "enhanced PAN" };
        /// Permission indirection at stage 1.
        S1PI: bool, 1 since V3_4 = { 0: "no", 1: "stage-1 permission indirection" };
        /// Permission indirection at stage 2.
        S2PI: bool, 1 since V3_4 = { 0: "no", 1: "stage-2 permission indirection" };
        /// Implies S2PI.
        S2PO: bool, 1 since V3_4 = { 0: "no", 1: "stage-2 permission overlay" };
        /// Translation hardening.
        THE: bool, 1 since V3_4 = { 0: "no", 1: "translation hardening" };
        /// 1 from 3.4 (RES0 when S2P=0).
        MTEPERM: bool, 1 since V3_4 = { 0: "no", 1: "stage-2 MemAttr NoTagAccess encodings" };
        /// Attribute index extension.
        AIE: bool, 1 since V3_4 = { 0: "no", 1: "attribute index extension" };
        _: 8;
    }

    /// `SMMU_IDR4`: IMPLEMENTATION DEFINED (6.3.5).
    pub struct Idr4(u32) = "IDR4" {
        /// Implementation defined.
        IMPLEMENTATION_DEFINED: u32, 32;
    }

    /// `SMMU_IDR5`: address sizes, granules, stall limit (6.3.6).
    pub struct Idr5(u32) = "IDR5" {
        /// Output address size: bits of a physical address.
        OAS: u8, 3 = { 0: "32", 1: "36", 2: "40", 3: "42", 4: "44", 5: "48", 6: "52 (3.1)", 7: "56 (3.4 with D128)" };
        _: 1;
        /// 4 KiB translation granule.
        GRAN4K: bool, 1 = { 0: "no", 1: "yes" };
        /// 16 KiB translation granule.
        GRAN16K: bool, 1 = { 0: "no", 1: "yes" };
        /// 64 KiB translation granule.
        GRAN64K: bool, 1 = { 0: "no", 1: "yes" };
        /// Also widens TLBI SCALE to 6 bits and enables TTL=1 for TG=16K.
        DS: bool, 1 since V3_4 = { 0: "no", 1: "52-bit addresses with 4K/16K granules (LPA2)" };
        /// Excludes TTF\[0\].
        D128: bool, 1 since V3_4 = { 0: "no", 1: "VMSAv9-128 descriptors" };
        _: 1;
        /// Size of virtual addresses.
        VAX: u8, 2 since V3_1 = { 0: "48-bit VA per TTB", 1: "52-bit", 2: "56-bit (3.4)", 3: "reserved" };
        _: 4;
        /// Max outstanding stalled transactions; RES0 when stall is unsupported.
        STALL_MAX: u16, 16;
    }

    /// `SMMU_IDR6`: enhanced command queues (6.3.45).
    pub struct Idr6(u32) = "IDR6" {
        _: 16;
        /// Queues per control page = 2^value (1..256).
        CMDQ_CONTROL_PAGE_LOG2NUMQ: u8, 4 since V3_3;
        _: 4;
        /// Control pages = 2^value (at most 256).
        CMDQ_CONTROL_PAGE_LOG2NUMP: u8, 4 since V3_3;
        _: 4;
    }

    /// `SMMU_IIDR`: who made this SMMU (6.3.7).
    pub struct Iidr(u32) = "IIDR" {
        /// JEP106: \[11:8\] continuation count, \[7\]=0, \[6:0\] identity code.
        IMPLEMENTER: u16, 12;
        /// Minor revision of the product.
        REVISION: u8, 4;
        /// Major revision of the product.
        VARIANT: u8, 4;
        /// The product.
        PRODUCTID: u16, 12;
    }

    /// `SMMU_AIDR`: architecture version (6.3.8).
    pub struct Aidr(u32) = "AIDR" {
        /// Minor version.
        ARCHMINORREV: u8, 4;
        /// Value 0 means SMMUv3.x; whole register: 0x00=3.0, 0x01=3.1, 0x02=3.2, 0x03=3.3, 0x04=3.4.
        ARCHMAJORREV: u8, 4;
        _: 24;
    }
}
