//! The Root Control Page: granule protection (IHI 0070 6.2.6, 6.3.110 to 6.3.121). Only Root software can access it.

use super::registers;
use crate::bitfields;

registers! {
    RootIdr0: RO {
        ROOT_IDR0 Root V3_3 root(0x0) none;
    }
    RootCr0: RW {
        ROOT_CR0 Root V3_3 root(0x20) zero;
    }
    RootCr0ack: RO {
        ROOT_CR0ACK Root V3_3 root(0x24) zero;
    }
    RootGptBase: RW {
        ROOT_GPT_BASE Root V3_3 root(0x28) none;
    }
    RootGptBaseCfg: RW {
        ROOT_GPT_BASE_CFG Root V3_3 root(0x30) none;
    }
    RootGpfFar: RW {
        ROOT_GPF_FAR Root V3_3 root(0x38) zero(FAULT);
    }
    RootGptCfgFar: RW {
        ROOT_GPT_CFG_FAR Root V3_3 root(0x40) zero(FAULT);
    }
    RootTlbi: RW {
        ROOT_TLBI Root V3_3 root(0x50) none;
    }
    RootTlbiCtrl: RW {
        ROOT_TLBI_CTRL Root V3_3 root(0x58) zero;
    }
    RootGptBase2: RW {
        ROOT_GPT_BASE2 Root V3_3 root(0x60) none;
    }
    RootGptBaseUpdate: RW {
        ROOT_GPT_BASE_UPDATE Root V3_3 root(0x68) zero;
    }
}

bitfields! {
    /// `SMMU_ROOT_IDR0`: what Root state has (6.3.110).
    pub struct RootIdr0(u32) = "ROOT_IDR0" {
        /// These registers; always 1.
        ROOT_IMPL: bool, 1 since V3_3 = { 1: "present" };
        /// Broadcast TLB maintenance by PA.
        BGPTM: bool, 1 since V3_3 = { 0: "takes no part", 1: "takes part" };
        /// TLB maintenance by PA through ROOT_TLBI; 1 when BGPTM=0.
        RGPTM: bool, 1 since V3_3 = { 0: "no ROOT_TLBI registers", 1: "present" };
        /// The Realm programming interface; implies IDR0.RME_IMPL.
        REALM_IMPL: bool, 1 since V3_3 = { 0: "not present", 1: "present" };
        _: 18;
        /// Realm page 0 is 0x20000 + value * 0x10000 above page 0; the lowest bit is 0. RES0 when REALM_IMPL=0.
        BA_REALM: u16, 10 since V3_3;
    }

    /// `SMMU_ROOT_CR0`: the enables; each write is acknowledged in `ROOT_CR0ACK` (6.3.112).
    pub struct RootCr0(u32) = "ROOT_CR0" {
        /// Whether the SMMU and its clients access memory at all.
        ACCESSEN: bool, 1 since V3_3 = { 0: "accesses terminated", 1: "permitted" };
        /// Granule protection checks.
        GPCEN: bool, 1 since V3_3 = { 0: "bypassed", 1: "enabled" };
        _: 30;
    }

    /// `SMMU_ROOT_CR0ACK`: what of `ROOT_CR0` has taken effect (6.3.113).
    pub struct RootCr0ack(u32) = "ROOT_CR0ACK" {
        /// Whether the SMMU and its clients access memory at all.
        ACCESSEN: bool, 1 since V3_3 = { 0: "accesses terminated", 1: "permitted" };
        /// Granule protection checks.
        GPCEN: bool, 1 since V3_3 = { 0: "bypassed", 1: "enabled" };
        _: 30;
    }

    /// `SMMU_ROOT_GPT_BASE`: address of the granule protection table; read only while GPCEN is 1 (6.3.114).
    pub struct RootGptBase(u64) = "ROOT_GPT_BASE" {
        _: 12;
        /// Address of the level 0 table, in place, aligned to its size.
        ADDR: u64, 40 since V3_3;
        _: 12;
    }

    /// `SMMU_ROOT_GPT_BASE_CFG`: shape of the granule protection table; read only while GPCEN is 1 (6.3.115).
    pub struct RootGptBaseCfg(u64) = "ROOT_GPT_BASE_CFG" {
        /// Bits of the physical addresses that are protected.
        PPS: u8, 3 since V3_3 = {
            0: "32",
            1: "36",
            2: "40",
            3: "42",
            4: "44",
            5: "48",
            6: "52",
            7: "reserved",
        };
        _: 5;
        /// Inner Cacheability of fetches.
        IRGN: u8, 2 since V3_3 = { 0: "non-cacheable", 1: "WB RA WA", 2: "WT RA", 3: "WB RA no-WA" };
        /// Outer Cacheability of fetches.
        ORGN: u8, 2 since V3_3 = { 0: "non-cacheable", 1: "WB RA WA", 2: "WT RA", 3: "WB RA no-WA" };
        /// Shareability of fetches.
        SH: u8, 2 since V3_3 = { 0: "non-shareable", 1: "reserved", 2: "outer shareable", 3: "inner shareable" };
        /// Granule.
        PGS: u8, 2 since V3_3 = { 0: "4 KiB", 1: "64 KiB", 2: "16 KiB", 3: "reserved" };
        _: 1;
        /// Which faults are reported.
        GPCP: bool, 1 since V3_3 = { 0: "as for any access", 1: "faults on stage 2 Table descriptors may go unreported" };
        _: 2;
        /// Address bits that one entry of level 0 covers; read only.
        L0GPTSZ: u8, 4 since V3_3 = { 0: "30 bits (1 GiB)", 4: "34 bits (16 GiB)", 6: "36 bits (64 GiB)", 9: "39 bits (512 GiB)" };
        _: 40;
    }

    /// `SMMU_ROOT_GPF_FAR`: the first granule protection fault; a write that clears FAULT clears it all, others are ignored
    /// (6.3.116).
    pub struct RootGpfFar(u64) = "ROOT_GPF_FAR" {
        /// Whether there was one since this was cleared.
        FAULT: bool, 1 since V3_3 = { 0: "none", 1: "one or more" };
        /// Origin of the access.
        REASON: u8, 3 since V3_3 = { 1: "TRANSLATION", 2: "GERROR", 3: "TRANSACTION" };
        /// For TRANSLATION the number of the event, such as 0x0b F_WALK_EABT; for GERROR the bit of GERROR, or 0x10 other.
        FAULTCODE: u8, 8 since V3_3;
        /// Page of the physical address that was checked.
        FADDR: u64, 44 since V3_3;
        _: 6;
        /// Physical address space of the access.
        FPAS: u8, 2 since V3_3 = { 0: "Secure", 1: "Non-secure", 2: "Root", 3: "Realm" };
    }

    /// `SMMU_ROOT_GPT_CFG_FAR`: the first error of a granule protection table lookup; a write that clears FAULT clears it
    /// all, others are ignored (6.3.117).
    pub struct RootGptCfgFar(u64) = "ROOT_GPT_CFG_FAR" {
        /// Whether there was one since this was cleared.
        FAULT: bool, 1 since V3_3 = { 0: "none", 1: "one or more" };
        /// Origin of the access.
        REASON: u8, 3 since V3_3 = { 1: "TRANSLATION", 2: "GERROR", 3: "TRANSACTION" };
        /// For TRANSLATION the number of the event, such as 0x0b F_WALK_EABT; for GERROR the bit of GERROR, or 0x10 other.
        FAULTCODE: u8, 8 since V3_3;
        /// Page of the physical address that was checked.
        FADDR: u64, 44 since V3_3;
        /// What is wrong with the table.
        CFG_ERR: u8, 4 since V3_3 = {
            0: "configuration registers invalid",
            1: "base address exceeds PPS",
            2: "external abort on entry fetch",
            3: "entry invalid",
            4: "next-level address exceeds PPS",
        };
        _: 2;
        /// Physical address space of the access.
        FPAS: u8, 2 since V3_3 = { 0: "Secure", 1: "Non-secure", 2: "Root", 3: "Realm" };
    }

    /// `SMMU_ROOT_TLBI`: what TLB maintenance by PA drops; with ROOT_IDR0.RGPTM, read only while RUN=1 (6.3.118).
    pub struct RootTlbi(u64) = "ROOT_TLBI" {
        /// Everything, or what the other fields say.
        ALL: bool, 1 since V3_3 = { 0: "by address", 1: "everything" };
        /// Levels.
        L: bool, 1 since V3_3 = { 0: "all levels", 1: "last level only" };
        _: 2;
        /// Size of the range.
        SIZE: u8, 4 since V3_3 = {
            0: "4 KiB",
            1: "16 KiB",
            2: "64 KiB",
            3: "2 MiB",
            4: "32 MiB",
            5: "512 MiB",
            6: "1 GiB",
            7: "16 GiB",
            8: "64 GiB",
            9: "512 GiB",
        };
        _: 4;
        /// Page of the first address (`Address` in the text).
        ADDR: u64, 40 since V3_3;
        _: 12;
    }

    /// `SMMU_ROOT_TLBI_CTRL`: starts TLB maintenance by PA (6.3.119).
    pub struct RootTlbiCtrl(u32) = "ROOT_TLBI_CTRL" {
        /// Set it while it is 0; the SMMU clears it when done.
        RUN: bool, 1 since V3_3 = { 0: "done", 1: "start, or in progress" };
        _: 31;
    }

    /// `SMMU_ROOT_GPT_BASE2`: the next granule protection table (6.3.120).
    pub struct RootGptBase2(u64) = "ROOT_GPT_BASE2" {
        _: 12;
        /// As in ROOT_GPT_BASE.
        ADDR: u64, 40 since V3_3;
        _: 12;
    }

    /// `SMMU_ROOT_GPT_BASE_UPDATE`: makes ROOT_GPT_BASE2 the table, in one step (6.3.121).
    pub struct RootGptBaseUpdate(u32) = "ROOT_GPT_BASE_UPDATE" {
        /// Write 1; the SMMU clears it when done.
        UPDATE: bool, 1 since V3_3;
        _: 31;
    }
}
