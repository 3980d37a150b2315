//! Every bit position the model knows, and nothing else.
//!
//! Typed from IHI 0070 (section beside each structure). [`FIELDS`] is the same data as rows, for comparison with other
//! tables. Reserved bits are the bits that no row names; IMPLEMENTATION DEFINED fields are named so that they do not
//! count as reserved. Bits that are reserved only in some configurations are handled where the structure is judged
//! (`regs`, `command`, `ste`, `cd`).

use crate::field::Field;

/// One row of [`FIELDS`]: structure, field, lowest bit, number of bits.
pub type Row = (&'static str, &'static str, u16, u16);

macro_rules! layout {
    ($( #[doc = $doc:literal] $module:ident $name:literal { $( $field:ident $lsb:literal $width:literal; )* } )*) => {
        $(
            #[doc = $doc]
            pub mod $module {
                use super::Field;
                /// Name of the structure in [`super::FIELDS`].
                pub const NAME: &str = $name;
                $(
                    #[doc = concat!("Bits ", $lsb, " upwards, ", $width, " wide.")]
                    pub const $field: Field = Field::new($lsb, $width);
                )*
            }
        )*
        /// All fields of all structures: (structure, field, lsb, width).
        pub const FIELDS: &[Row] = &[ $( $( ($name, stringify!($field), $lsb, $width), )* )* ];
    };
}

/// Union of the fields that a structure defines, as words (8 are enough for the largest structure, 64 bytes).
#[must_use]
pub fn defined(structure: &str) -> [u64; 8] {
    let mut words = [0; 8];
    for &(_, _, lsb, width) in FIELDS.iter().filter(|row| row.0 == structure) {
        let field = Field::new(lsb, width);
        if let Some(w) = words.get_mut(field.word()) {
            *w |= field.mask();
        }
    }
    words
}

layout! {
    #[doc = "SMMU_IDR0, 6.3.1."]
    idr0 "IDR0" {
        S2P 0 1; S1P 1 1; TTF 2 2; COHACC 4 1; BTM 5 1; HTTU 6 2; DORMHINT 8 1; HYP 9 1; ATS 10 1; NS1ATS 11 1;
        ASID16 12 1; MSI 13 1; SEV 14 1; ATOS 15 1; PRI 16 1; VMW 17 1; VMID16 18 1; CD2L 19 1; VATOS 20 1;
        TTENDIAN 21 2; ATSRECERR 23 1; STALL_MODEL 24 2; TERM_MODEL 26 1; ST_LEVEL 27 2; RME_IMPL 30 1;
    }
    #[doc = "SMMU_IDR1, 6.3.2."]
    idr1 "IDR1" {
        SIDSIZE 0 6; SSIDSIZE 6 5; PRIQS 11 5; EVENTQS 16 5; CMDQS 21 5; ATTR_PERMS_OVR 26 1; ATTR_TYPES_OVR 27 1;
        REL 28 1; QUEUES_PRESET 29 1; TABLES_PRESET 30 1; ECMDQ 31 1;
    }
    #[doc = "SMMU_IDR3, 6.3.4."]
    idr3 "IDR3" {
        HAD 2 1; PBHA 3 1; XNX 4 1; PPS 5 1; MPAM 7 1; FWB 8 1; STT 9 1; RIL 10 1; BBML 11 2; E0PD 13 1; PTWNNC 14 1;
        DPT 15 1; PASIDTT 16 1; EPAN 17 1; S1PI 18 1; S2PI 19 1; S2PO 20 1; THE 21 1; MTEPERM 22 1; AIE 23 1;
    }
    #[doc = "SMMU_IDR5, 6.3.6."]
    idr5 "IDR5" { OAS 0 3; GRAN4K 4 1; GRAN16K 5 1; GRAN64K 6 1; DS 7 1; D128 8 1; VAX 10 2; STALL_MAX 16 16; }
    #[doc = "SMMU_IDR6, 6.3.45."]
    idr6 "IDR6" { CMDQ_CONTROL_PAGE_LOG2NUMQ 16 4; CMDQ_CONTROL_PAGE_LOG2NUMP 24 4; }
    #[doc = "SMMU_IIDR, 6.3.7."]
    iidr "IIDR" { IMPLEMENTER 0 12; REVISION 12 4; VARIANT 16 4; PRODUCTID 20 12; }
    #[doc = "SMMU_AIDR, 6.3.8."]
    aidr "AIDR" { ARCHMINORREV 0 4; ARCHMAJORREV 4 4; }
    #[doc = "SMMU_CR0, 6.3.9."]
    cr0 "CR0" { SMMUEN 0 1; PRIQEN 1 1; EVENTQEN 2 1; CMDQEN 3 1; ATSCHK 4 1; VMW 6 3; DPT_WALK_EN 10 1; }
    #[doc = "SMMU_CR0ACK, 6.3.10."]
    cr0ack "CR0ACK" { SMMUEN 0 1; PRIQEN 1 1; EVENTQEN 2 1; CMDQEN 3 1; ATSCHK 4 1; VMW 6 3; DPT_WALK_EN 10 1; }
    #[doc = "SMMU_CR1, 6.3.11."]
    cr1 "CR1" { QUEUE_IC 0 2; QUEUE_OC 2 2; QUEUE_SH 4 2; TABLE_IC 6 2; TABLE_OC 8 2; TABLE_SH 10 2; }
    #[doc = "SMMU_CR2, 6.3.12."]
    cr2 "CR2" { E2H 0 1; RECINVSID 1 1; PTM 2 1; REC_CFG_ATS 3 1; }
    #[doc = "SMMU_STATUSR, 6.3.13."]
    statusr "STATUSR" { DORMANT 0 1; }
    #[doc = "SMMU_GBPA, 6.3.14."]
    gbpa "GBPA" {
        MEMATTR 0 4; MTCFG 4 1; ALLOCCFG 8 4; SHCFG 12 2; PRIVCFG 16 2; INSTCFG 18 2; ABORT 20 1; UPDATE 31 1;
    }
    #[doc = "SMMU_IRQ_CTRL, 6.3.16."]
    irq_ctrl "IRQ_CTRL" { GERROR_IRQEN 0 1; PRIQ_IRQEN 1 1; EVENTQ_IRQEN 2 1; }
    #[doc = "SMMU_IRQ_CTRLACK, 6.3.18."]
    irq_ctrlack "IRQ_CTRLACK" { GERROR_IRQEN 0 1; PRIQ_IRQEN 1 1; EVENTQ_IRQEN 2 1; }
    #[doc = "SMMU_GERROR, 6.3.19."]
    gerror "GERROR" {
        CMDQ_ERR 0 1; EVENTQ_ABT_ERR 2 1; PRIQ_ABT_ERR 3 1; MSI_CMDQ_ABT_ERR 4 1; MSI_EVENTQ_ABT_ERR 5 1;
        MSI_PRIQ_ABT_ERR 6 1; MSI_GERROR_ABT_ERR 7 1; SFM_ERR 8 1; CMDQP_ERR 9 1; DPT_ERR 10 1;
    }
    #[doc = "SMMU_GERRORN, 6.3.20."]
    gerrorn "GERRORN" {
        CMDQ_ERR 0 1; EVENTQ_ABT_ERR 2 1; PRIQ_ABT_ERR 3 1; MSI_CMDQ_ABT_ERR 4 1; MSI_EVENTQ_ABT_ERR 5 1;
        MSI_PRIQ_ABT_ERR 6 1; MSI_GERROR_ABT_ERR 7 1; SFM_ERR 8 1; CMDQP_ERR 9 1; DPT_ERR 10 1;
    }
    #[doc = "SMMU_GERROR_IRQ_CFG0, 6.3.21."]
    gerror_irq_cfg0 "GERROR_IRQ_CFG0" { ADDR 2 54; }
    #[doc = "SMMU_GERROR_IRQ_CFG1, 6.3.22."]
    gerror_irq_cfg1 "GERROR_IRQ_CFG1" { DATA 0 32; }
    #[doc = "SMMU_GERROR_IRQ_CFG2, 6.3.23."]
    gerror_irq_cfg2 "GERROR_IRQ_CFG2" { MEMATTR 0 4; SH 4 2; }
    #[doc = "SMMU_STRTAB_BASE, 6.3.24."]
    strtab_base "STRTAB_BASE" { ADDR 6 50; RA 62 1; }
    #[doc = "SMMU_STRTAB_BASE_CFG, 6.3.25."]
    strtab_base_cfg "STRTAB_BASE_CFG" { LOG2SIZE 0 6; SPLIT 6 5; FMT 16 2; }
    #[doc = "SMMU_CMDQ_BASE, 6.3.26."]
    cmdq_base "CMDQ_BASE" { LOG2SIZE 0 5; ADDR 5 51; RA 62 1; }
    #[doc = "SMMU_CMDQ_PROD, 6.3.27."]
    cmdq_prod "CMDQ_PROD" { WR 0 20; }
    #[doc = "SMMU_CMDQ_CONS, 6.3.28."]
    cmdq_cons "CMDQ_CONS" { RD 0 20; ERR 24 7; }
    #[doc = "SMMU_EVENTQ_BASE, 6.3.29."]
    eventq_base "EVENTQ_BASE" { LOG2SIZE 0 5; ADDR 5 51; WA 62 1; }
    #[doc = "SMMU_EVENTQ_PROD, 6.3.95."]
    eventq_prod "EVENTQ_PROD" { WR 0 20; OVFLG 31 1; }
    #[doc = "SMMU_EVENTQ_CONS, 6.3.96."]
    eventq_cons "EVENTQ_CONS" { RD 0 20; OVACKFLG 31 1; }
    #[doc = "SMMU_EVENTQ_IRQ_CFG0, 6.3.30."]
    eventq_irq_cfg0 "EVENTQ_IRQ_CFG0" { ADDR 2 54; }
    #[doc = "SMMU_EVENTQ_IRQ_CFG1, 6.3.31."]
    eventq_irq_cfg1 "EVENTQ_IRQ_CFG1" { DATA 0 32; }
    #[doc = "SMMU_EVENTQ_IRQ_CFG2, 6.3.32."]
    eventq_irq_cfg2 "EVENTQ_IRQ_CFG2" { MEMATTR 0 4; SH 4 2; }
    #[doc = "SMMU_PRIQ_BASE, 6.3.33."]
    priq_base "PRIQ_BASE" { LOG2SIZE 0 5; ADDR 5 51; WA 62 1; }
    #[doc = "SMMU_PRIQ_PROD, 6.3.97."]
    priq_prod "PRIQ_PROD" { WR 0 20; OVFLG 31 1; }
    #[doc = "SMMU_PRIQ_CONS, 6.3.98."]
    priq_cons "PRIQ_CONS" { RD 0 20; OVACKFLG 31 1; }
    #[doc = "SMMU_PRIQ_IRQ_CFG0, 6.3.34."]
    priq_irq_cfg0 "PRIQ_IRQ_CFG0" { ADDR 2 54; }
    #[doc = "SMMU_PRIQ_IRQ_CFG1, 6.3.35."]
    priq_irq_cfg1 "PRIQ_IRQ_CFG1" { DATA 0 32; }
    #[doc = "SMMU_PRIQ_IRQ_CFG2, 6.3.36."]
    priq_irq_cfg2 "PRIQ_IRQ_CFG2" { MEMATTR 0 4; SH 4 2; LO 31 1; }
    #[doc = "SMMU_CMDQ_CONTROL_PAGE_BASE, 6.3.49."]
    cmdq_control_page_base "CMDQ_CONTROL_PAGE_BASE" { CMDQ_CONTROL_PAGE_PRESET 0 1; CMDQGS 1 2; ADDR 16 40; }
    #[doc = "SMMU_CMDQ_CONTROL_PAGE_CFG, 6.3.50."]
    cmdq_control_page_cfg "CMDQ_CONTROL_PAGE_CFG" { EN 0 1; }
    #[doc = "SMMU_CMDQ_CONTROL_PAGE_STATUS, 6.3.51."]
    cmdq_control_page_status "CMDQ_CONTROL_PAGE_STATUS" { ENACK 0 1; }
    #[doc = "SMMU_ECMDQ_BASE, 6.3.107."]
    ecmdq_base "ECMDQ_BASE" { LOG2SIZE 0 5; ADDR 5 51; RA 62 1; }
    #[doc = "SMMU_ECMDQ_PROD, 6.3.108."]
    ecmdq_prod "ECMDQ_PROD" { WR 0 20; ERRACK 23 1; EN 31 1; }
    #[doc = "SMMU_ECMDQ_CONS, 6.3.109."]
    ecmdq_cons "ECMDQ_CONS" { RD 0 20; ERR 23 1; ERR_REASON 24 3; ENACK 31 1; }
    #[doc = "L1STD, Level 1 Stream Table Descriptor, 5.1."]
    l1std "L1STD" { SPAN 0 5; L2PTR 6 50; }
    #[doc = "STE, Stream Table Entry, 5.2."]
    ste "STE" {
        V 0 1; CONFIG 1 3; S1FMT 4 2; S1CONTEXTPTR 6 50; S1CDMAX 59 5;
        S1DSS 64 2; S1CIR 66 2; S1COR 68 2; S1CSH 70 2; S2HWU59 72 1; S2HWU60 73 1; S2HWU61 74 1; S2HWU62 75 1;
        DRE 76 1; CONT 77 4; DCP 81 1; PPAR 82 1; MEV 83 1; SW_RESERVED 84 4; S1PIE 88 1; S2FWB 89 1; S1MPAM 90 1;
        S1STALLD 91 1; EATS 92 2; STRW 94 2; MEMATTR 96 4; MTCFG 100 1; ALLOCCFG 101 4; SHCFG 108 2; NSCFG 110 2;
        PRIVCFG 112 2; INSTCFG 114 2; IMPDEF0 116 12;
        S2VMID 128 16; IMPDEF1 144 16; S2T0SZ 160 6; S2SL0 166 2; S2IR0 168 2; S2OR0 170 2; S2SH0 172 2; S2TG 174 2;
        S2PS 176 3; S2AA64 179 1; S2ENDI 180 1; S2AFFD 181 1; S2PTW 182 1; S2HD 183 1; S2HA 184 1; S2S 185 1;
        S2R 186 1; S2HAFT 187 1; S2PIE 188 1; S2POE 189 1; DPT_VMATCH 190 2;
        S2NSW 192 1; S2NSA 193 1; S2SL0_2 194 1; S2DS 195 1; S2TTB 196 52; S2SKL 253 2;
        IMPDEF2 256 16; PARTID 272 16; S_S2T0SZ 288 6; S_S2SL0 294 2; S_S2TG 302 2; MECID 304 16;
        PMG 320 8; MPAM_NS 328 1; ASSUREDONLY 329 1; TL0 330 1; TL1 331 1; VMSPTR 332 44;
        S2SW 384 1; S2SA 385 1; S_S2SL0_2 386 1; S_S2TTB 388 52; S_S2SKL 445 2; S2POI 448 64;
    }
    #[doc = "L1CD, Level 1 Context Descriptor, 5.3."]
    l1cd "L1CD" { V 0 1; L2PTR 12 44; }
    #[doc = "CD, Context Descriptor, 5.4."]
    cd "CD" {
        T0SZ 0 6; TG0 6 2; IR0 8 2; OR0 10 2; SH0 12 2; EPD0 14 1; ENDI 15 1; T1SZ 16 6; TG1 22 2; IR1 24 2; OR1 26 2;
        SH1 28 2; EPD1 30 1; V 31 1; IPS 32 3; AFFD 35 1; WXN 36 1; UWXN 37 1; TBI0 38 1; TBI1 39 1; PAN 40 1;
        AA64 41 1; HD 42 1; HA 43 1; S 44 1; R 45 1; A 46 1; ASET 47 1; ASID 48 16;
        NSCFG0 64 1; HAD0 65 1; E0PD0 66 1; HAFT 67 1; TTB0 68 52; PNCH 122 1; EPAN 123 1; HWU059 124 1; HWU060 125 1;
        HWU061 126 1; HWU062 127 1;
        NSCFG1 128 1; HAD1 129 1; E0PD1 130 1; AIE 131 1; TTB1 132 52; DS 186 1; PIE 187 1; HWU159 188 1; HWU160 189 1;
        HWU161 190 1; HWU162 191 1;
        MAIR0 192 32; MAIR1 224 32; AMAIR0 256 32; AMAIR1 288 32; IMPDEF 320 32; PARTID 352 16; PMG 368 8;
        PIIU 384 48; PIIP 448 48;
    }
    #[doc = "CMD_PREFETCH_CONFIG, 4.2.1."]
    cmd_prefetch_config "CMD_PREFETCH_CONFIG" { OPCODE 0 8; SSEC 10 1; SSV 11 1; SSID 12 20; SID 32 32; }
    #[doc = "CMD_PREFETCH_ADDR, 4.2.2."]
    cmd_prefetch_addr "CMD_PREFETCH_ADDR" {
        OPCODE 0 8; SSEC 10 1; SSV 11 1; SSID 12 20; SID 32 32; SIZE 64 5; STRIDE 69 5; NS 75 1; ADDR 76 52;
    }
    #[doc = "CMD_CFGI_STE, 4.3.1."]
    cmd_cfgi_ste "CMD_CFGI_STE" { OPCODE 0 8; SSEC 10 1; SID 32 32; LEAF 64 1; }
    #[doc = "CMD_CFGI_STE_RANGE, and CMD_CFGI_ALL with RANGE=31, 4.3.2, 4.3.6."]
    cmd_cfgi_ste_range "CMD_CFGI_STE_RANGE" { OPCODE 0 8; SSEC 10 1; SID 32 32; RANGE 64 5; }
    #[doc = "CMD_CFGI_CD, 4.3.3."]
    cmd_cfgi_cd "CMD_CFGI_CD" { OPCODE 0 8; SSEC 10 1; SSID 12 20; SID 32 32; LEAF 64 1; }
    #[doc = "CMD_CFGI_CD_ALL, 4.3.4."]
    cmd_cfgi_cd_all "CMD_CFGI_CD_ALL" { OPCODE 0 8; SSEC 10 1; SID 32 32; }
    #[doc = "CMD_CFGI_VMS_PIDM, 4.3.5."]
    cmd_cfgi_vms_pidm "CMD_CFGI_VMS_PIDM" { OPCODE 0 8; SSEC 10 1; VMID 32 16; }
    #[doc = "CMD_TLBI_NH_ALL, 4.4.2.1."]
    cmd_tlbi_nh_all "CMD_TLBI_NH_ALL" { OPCODE 0 8; VMID 32 16; }
    #[doc = "CMD_TLBI_NH_ASID, 4.4.2.2."]
    cmd_tlbi_nh_asid "CMD_TLBI_NH_ASID" { OPCODE 0 8; VMID 32 16; ASID 48 16; }
    #[doc = "CMD_TLBI_NH_VA, 4.4.2.4, 4.4.1.1."]
    cmd_tlbi_nh_va "CMD_TLBI_NH_VA" {
        OPCODE 0 8; NUM 12 5; SCALE 20 6; VMID 32 16; ASID 48 16; LEAF 64 1; TTL128 71 1; TTL 72 2; TG 74 2; ADDR 76 52;
    }
    #[doc = "CMD_TLBI_NH_VAA, 4.4.2.3, 4.4.1.1."]
    cmd_tlbi_nh_vaa "CMD_TLBI_NH_VAA" {
        OPCODE 0 8; NUM 12 5; SCALE 20 6; VMID 32 16; LEAF 64 1; TTL128 71 1; TTL 72 2; TG 74 2; ADDR 76 52;
    }
    #[doc = "CMD_TLBI_EL2_ALL, 4.4.2.7."]
    cmd_tlbi_el2_all "CMD_TLBI_EL2_ALL" { OPCODE 0 8; }
    #[doc = "CMD_TLBI_EL2_ASID, 4.4.2.10."]
    cmd_tlbi_el2_asid "CMD_TLBI_EL2_ASID" { OPCODE 0 8; ASID 48 16; }
    #[doc = "CMD_TLBI_EL2_VA, 4.4.2.8, 4.4.1.1."]
    cmd_tlbi_el2_va "CMD_TLBI_EL2_VA" {
        OPCODE 0 8; NUM 12 5; SCALE 20 6; ASID 48 16; LEAF 64 1; TTL128 71 1; TTL 72 2; TG 74 2; ADDR 76 52;
    }
    #[doc = "CMD_TLBI_EL2_VAA, 4.4.2.9, 4.4.1.1."]
    cmd_tlbi_el2_vaa "CMD_TLBI_EL2_VAA" {
        OPCODE 0 8; NUM 12 5; SCALE 20 6; LEAF 64 1; TTL128 71 1; TTL 72 2; TG 74 2; ADDR 76 52;
    }
    #[doc = "CMD_TLBI_S12_VMALL, 4.4.3.2."]
    cmd_tlbi_s12_vmall "CMD_TLBI_S12_VMALL" { OPCODE 0 8; VMID 32 16; }
    #[doc = "CMD_TLBI_S2_IPA, 4.4.3.1, 4.4.1.1."]
    cmd_tlbi_s2_ipa "CMD_TLBI_S2_IPA" {
        OPCODE 0 8; NUM 12 5; SCALE 20 6; VMID 32 16; LEAF 64 1; TTL128 71 1; TTL 72 2; TG 74 2; ADDR 76 44;
    }
    #[doc = "CMD_TLBI_NSNH_ALL, 4.4.4.1."]
    cmd_tlbi_nsnh_all "CMD_TLBI_NSNH_ALL" { OPCODE 0 8; }
    #[doc = "CMD_ATC_INV, 4.5.1."]
    cmd_atc_inv "CMD_ATC_INV" {
        OPCODE 0 8; GLOBAL 9 1; SSV 11 1; SSID 12 20; SID 32 32; SIZE 64 6; ADDR 76 52;
    }
    #[doc = "CMD_PRI_RESP, 4.5.2."]
    cmd_pri_resp "CMD_PRI_RESP" { OPCODE 0 8; SSV 11 1; SSID 12 20; SID 32 32; PRGINDEX 64 9; RESP 76 2; }
    #[doc = "CMD_RESUME, 4.7.1."]
    cmd_resume "CMD_RESUME" { OPCODE 0 8; SSEC 10 1; AC 12 1; AB 13 1; SID 32 32; STAG 64 16; }
    #[doc = "CMD_STALL_TERM, 4.7.2."]
    cmd_stall_term "CMD_STALL_TERM" { OPCODE 0 8; SSEC 10 1; SID 32 32; }
    #[doc = "CMD_SYNC, 4.7.3."]
    cmd_sync "CMD_SYNC" { OPCODE 0 8; CS 12 2; MSH 22 2; MSIATTR 24 4; MSIDATA 32 32; MSIADDR 66 54; MSI_NS 127 1; }
    #[doc = "Fields that event records have in common, 7.3; not every record has every one."]
    event "EVENT" {
        EVENTID 0 8; SSV 11 1; SSID 12 20; SID 32 32; STAG 64 16; STALL 95 1; PNU 97 1; IND 98 1; RNW 99 1;
        NSIPA 102 1; S2 103 1; CLASS 104 2; TTRNW 108 1; INPUTADDR 128 64;
    }
    #[doc = "IPA of F_TRANSLATION, F_ADDR_SIZE, F_ACCESS and F_PERMISSION, 7.3.13 to 7.3.16."]
    event_ipa "EVENT_IPA" { IPA 204 44; }
    #[doc = "FetchAddr of F_STE_FETCH, F_CD_FETCH and F_WALK_EABT, 7.3.4, 7.3.10, 7.3.12."]
    event_fetch "EVENT_FETCH" { FETCHADDR 195 53; }
    #[doc = "Request of F_BAD_ATS_TREQ, 7.3.6."]
    event_ats "EVENT_ATS" { SPAN 64 4; P 92 1; X 93 1; W 94 1; R 95 1; }
    #[doc = "PRI queue entry, chapter 8."]
    pri "PRI" {
        SID 0 32; SSID 32 20; PRIV 58 1; EXEC 59 1; READ 60 1; WRITE 61 1; LAST 62 1; SSV 63 1; PRGINDEX 64 9; ADDR 76 52;
    }
    #[doc = "VMSAv8-64 stage 1 block and page descriptor, DDI 0487 D8.3."]
    leaf1 "LEAF_S1" {
        TYPE 0 2; ATTRINDX 2 3; NS 5 1; AP_UNPRIV 6 1; AP_RDONLY 7 1; SH 8 2; AF 10 1; NG 11 1; OA 12 36; DBM 51 1;
        CONTIGUOUS 52 1; PXN 53 1; UXN 54 1;
    }
    #[doc = "VMSAv8-64 stage 2 block and page descriptor, DDI 0487 D8.3."]
    leaf2 "LEAF_S2" {
        TYPE 0 2; MEMATTR 2 4; S2AP_R 6 1; S2AP_W 7 1; SH 8 2; AF 10 1; OA 12 36; DBM 51 1; CONTIGUOUS 52 1;
        XN0 53 1; XN1 54 1;
    }
    #[doc = "VMSAv8-64 table descriptor, DDI 0487 D8.3."]
    table "TABLE" { TYPE 0 2; ADDR 12 36; PXNTABLE 59 1; UXNTABLE 60 1; APTABLE 61 2; NSTABLE 63 1; }
}

/// Register offsets from the SMMU base; page 1 begins at 0x10000 (6.2).
pub mod offset {
    /// SMMU_IDR0.
    pub const IDR0: u32 = 0x00;
    /// SMMU_IDR1.
    pub const IDR1: u32 = 0x04;
    /// SMMU_IDR2.
    pub const IDR2: u32 = 0x08;
    /// SMMU_IDR3.
    pub const IDR3: u32 = 0x0c;
    /// SMMU_IDR4.
    pub const IDR4: u32 = 0x10;
    /// SMMU_IDR5.
    pub const IDR5: u32 = 0x14;
    /// SMMU_IIDR.
    pub const IIDR: u32 = 0x18;
    /// SMMU_AIDR.
    pub const AIDR: u32 = 0x1c;
    /// SMMU_CR0.
    pub const CR0: u32 = 0x20;
    /// SMMU_CR0ACK.
    pub const CR0ACK: u32 = 0x24;
    /// SMMU_CR1.
    pub const CR1: u32 = 0x28;
    /// SMMU_CR2.
    pub const CR2: u32 = 0x2c;
    /// SMMU_STATUSR.
    pub const STATUSR: u32 = 0x40;
    /// SMMU_GBPA.
    pub const GBPA: u32 = 0x44;
    /// SMMU_IRQ_CTRL.
    pub const IRQ_CTRL: u32 = 0x50;
    /// SMMU_IRQ_CTRLACK.
    pub const IRQ_CTRLACK: u32 = 0x54;
    /// SMMU_GERROR.
    pub const GERROR: u32 = 0x60;
    /// SMMU_GERRORN.
    pub const GERRORN: u32 = 0x64;
    /// SMMU_GERROR_IRQ_CFG0, 64 bits.
    pub const GERROR_IRQ_CFG0: u32 = 0x68;
    /// SMMU_GERROR_IRQ_CFG1.
    pub const GERROR_IRQ_CFG1: u32 = 0x70;
    /// SMMU_GERROR_IRQ_CFG2.
    pub const GERROR_IRQ_CFG2: u32 = 0x74;
    /// SMMU_STRTAB_BASE, 64 bits.
    pub const STRTAB_BASE: u32 = 0x80;
    /// SMMU_STRTAB_BASE_CFG.
    pub const STRTAB_BASE_CFG: u32 = 0x88;
    /// SMMU_CMDQ_BASE, 64 bits.
    pub const CMDQ_BASE: u32 = 0x90;
    /// SMMU_CMDQ_PROD.
    pub const CMDQ_PROD: u32 = 0x98;
    /// SMMU_CMDQ_CONS.
    pub const CMDQ_CONS: u32 = 0x9c;
    /// SMMU_EVENTQ_BASE, 64 bits.
    pub const EVENTQ_BASE: u32 = 0xa0;
    /// SMMU_EVENTQ_IRQ_CFG0, 64 bits.
    pub const EVENTQ_IRQ_CFG0: u32 = 0xb0;
    /// SMMU_EVENTQ_IRQ_CFG1.
    pub const EVENTQ_IRQ_CFG1: u32 = 0xb8;
    /// SMMU_EVENTQ_IRQ_CFG2.
    pub const EVENTQ_IRQ_CFG2: u32 = 0xbc;
    /// SMMU_PRIQ_BASE, 64 bits.
    pub const PRIQ_BASE: u32 = 0xc0;
    /// SMMU_PRIQ_IRQ_CFG0, 64 bits.
    pub const PRIQ_IRQ_CFG0: u32 = 0xd0;
    /// SMMU_PRIQ_IRQ_CFG1.
    pub const PRIQ_IRQ_CFG1: u32 = 0xd8;
    /// SMMU_PRIQ_IRQ_CFG2.
    pub const PRIQ_IRQ_CFG2: u32 = 0xdc;
    /// SMMU_IDR6.
    pub const IDR6: u32 = 0x190;
    /// SMMU_CMDQ_CONTROL_PAGE_BASE of page 0, 64 bits; those of the next page are 32 bytes further on.
    pub const CMDQ_CONTROL_PAGE_BASE: u32 = 0x4000;
    /// First of the CoreSight style ID registers of page 0 (6.2: IMPLEMENTATION DEFINED, 0xfd0 to 0xffc).
    pub const ID_FIRST: u32 = 0xfd0;
    /// SMMU_EVENTQ_PROD, page 1.
    pub const EVENTQ_PROD: u32 = 0x1_00a8;
    /// SMMU_EVENTQ_CONS, page 1.
    pub const EVENTQ_CONS: u32 = 0x1_00ac;
    /// SMMU_PRIQ_PROD, page 1.
    pub const PRIQ_PROD: u32 = 0x1_00c8;
    /// SMMU_PRIQ_CONS, page 1.
    pub const PRIQ_CONS: u32 = 0x1_00cc;
    /// The command queue control pages, one behind the other; where is IMPLEMENTATION DEFINED (6.1).
    pub const CONTROL_PAGES: u32 = 0x8_0000;
}
