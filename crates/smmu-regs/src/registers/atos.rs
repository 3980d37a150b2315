//! Address translation operations: software asks the SMMU to translate an address (IHI 0070 chapter 9, 6.3.37 to 6.3.40,
//! 6.3.44, 6.3.99 to 6.3.102).
//!
//! The global interface (`GATOS_*`) is there with `IDR0.ATOS`, the virtual one (`VATOS_*`, in a page of its own, for a
//! guest) with `IDR0.VATOS`. Write `SID` and `ADDR`, set `CTRL.RUN`, wait until the SMMU has cleared it, read `PAR`. While
//! `RUN` is 1 nothing of the group may be written. The Secure interfaces differ and are in `secure`.

use super::registers;
use crate::bitfields;

registers! {
    GatosCtrl: RW {
        GATOS_CTRL NonSecure V3_0 page0(0x100) zero;
        S_GATOS_CTRL Secure V3_0 page0(0x8100) zero;
    }
    GatosSid: RW {
        GATOS_SID NonSecure V3_0 page0(0x108) none;
    }
    GatosAddr: RW {
        GATOS_ADDR NonSecure V3_0 page0(0x110) none;
    }
    GatosPar: RO {
        GATOS_PAR NonSecure V3_0 page0(0x118) none;
    }
    VatosSel: RW {
        VATOS_SEL NonSecure V3_0 page0(0x180) none;
        S_VATOS_SEL Secure V3_2 page0(0x8180) none;
    }
    VatosCtrl: RW {
        VATOS_CTRL NonSecure V3_0 vatos(0xa00) zero;
        S_VATOS_CTRL Secure V3_2 secure_vatos(0xa00) zero;
    }
    VatosSid: RW {
        VATOS_SID NonSecure V3_0 vatos(0xa08) none;
    }
    VatosAddr: RW {
        VATOS_ADDR NonSecure V3_0 vatos(0xa10) none;
        S_VATOS_ADDR Secure V3_2 secure_vatos(0xa10) none;
    }
    VatosPar: RO {
        VATOS_PAR NonSecure V3_0 vatos(0xa18) none;
    }
}

bitfields! {
    /// `SMMU_GATOS_CTRL`: starts a translation (6.3.37).
    pub struct GatosCtrl(u32) = "GATOS_CTRL" {
        /// Cleared by the SMMU when the result is in GATOS_PAR; only set it while SMMUEN=1.
        RUN: bool, 1 = { 0: "idle", 1: "start, or in progress" };
        _: 31;
    }

    /// `SMMU_GATOS_SID`: whose address is translated; read only while RUN=1 (6.3.38).
    pub struct GatosSid(u64) = "GATOS_SID" {
        /// StreamID.
        STREAMID: u32, 32;
        /// SubstreamID.
        SUBSTREAMID: u32, 20;
        /// Whether SUBSTREAMID counts; RES0 without substreams.
        SSID_VALID: bool, 1 = { 0: "no SubstreamID", 1: "SubstreamID given" };
        _: 11;
    }

    /// `SMMU_GATOS_ADDR`: which address is translated, and for what access; read only while RUN=1 (6.3.39).
    pub struct GatosAddr(u64) = "GATOS_ADDR" {
        _: 6;
        /// Whether flags in translation tables stay untouched.
        HTTUI: bool, 1 = { 0: "HTTU may happen", 1: "inhibit HTTU" };
        /// Data or instruction; ignored for writes.
        IND: bool, 1 = { 0: "data", 1: "instruction" };
        /// Write or read.
        RNW: bool, 1 = { 0: "write", 1: "read" };
        /// Privilege.
        PNU: bool, 1 = { 0: "unprivileged", 1: "privileged" };
        /// Stages of translation; a reserved value gives INV_REQ.
        TYPE: u8, 2 = { 0: "reserved", 1: "stage 1 VA to IPA", 2: "stage 2 IPA to PA", 3: "stage 1+2 VA to PA" };
        /// Page of the input address.
        ADDR: u64, 52;
    }

    /// `SMMU_GATOS_PAR`: the result, if FAULT=0 (6.3.40); otherwise it is a [`GatosParFault`].
    pub struct GatosPar(u64) = "GATOS_PAR" {
        /// Selects the layout of the other fields.
        FAULT: bool, 1 = { 0: "translation succeeded", 1: "fault: read as GatosParFault" };
        _: 7;
        /// Shareability; outer shareable for any Device type.
        SH: u8, 2 = { 0: "non-shareable", 1: "reserved", 2: "outer shareable", 3: "inner shareable" };
        _: 1;
        /// Whether ADDR says a size.
        SIZE: bool, 1 = { 0: "4 KiB", 1: "twice the lowest bit that is set in ADDR; clear that bit" };
        /// Output address and, with SIZE, the size. 51:12 before SMMUv3.4.
        ADDR: u64, 44;
        /// Memory attributes, as in MAIR.
        ATTR: u8, 8;
    }

    /// `SMMU_GATOS_PAR` with FAULT=1: why there is no result (6.3.40, 9.1.4).
    pub struct GatosParFault(u64) = "GATOS_PAR" {
        /// Selects the layout of the other fields.
        FAULT: bool, 1 = { 0: "translation succeeded: read as GatosPar", 1: "fault" };
        /// Stage and cause.
        REASON: u8, 2 = {
            0: "stage 1, or not a translation fault",
            1: "stage 2 during CD fetch",
            2: "stage 2 during stage 1 walk",
            3: "stage 2 of the address",
        };
        _: 1;
        /// The number of the event that a transaction would have caused, or of an error of the request (9.1.4).
        FAULTCODE: u8, 8;
        /// Page of the stage 2 fault. 51:12 before SMMUv3.4.
        FADDR: u64, 44;
        _: 4;
        /// Implementation defined.
        IMPLEMENTATION_DEFINED: u8, 4;
    }

    /// `SMMU_VATOS_SEL`: the VMID that requests of the VATOS page are limited to; read only while RUN=1 (6.3.44).
    pub struct VatosSel(u32) = "VATOS_SEL" {
        /// The VMID that STE.S2VMID must have.
        VMID: u16, 16;
        _: 16;
    }

    /// `SMMU_VATOS_CTRL`: starts a translation (6.3.99).
    pub struct VatosCtrl(u32) = "VATOS_CTRL" {
        /// Cleared by the SMMU when the result is in VATOS_PAR; only set it while SMMUEN=1.
        RUN: bool, 1 = { 0: "idle", 1: "start, or in progress" };
        _: 31;
    }

    /// `SMMU_VATOS_SID`: whose address is translated; read only while RUN=1 (6.3.100).
    pub struct VatosSid(u64) = "VATOS_SID" {
        /// StreamID.
        STREAMID: u32, 32;
        /// SubstreamID.
        SUBSTREAMID: u32, 20;
        /// Whether SUBSTREAMID counts; RES0 without substreams.
        SSID_VALID: bool, 1 = { 0: "no SubstreamID", 1: "SubstreamID given" };
        _: 11;
    }

    /// `SMMU_VATOS_ADDR`: which address is translated, and for what access; read only while RUN=1 (6.3.101).
    pub struct VatosAddr(u64) = "VATOS_ADDR" {
        _: 6;
        /// Whether flags in translation tables stay untouched.
        HTTUI: bool, 1 = { 0: "HTTU may happen", 1: "inhibit HTTU" };
        /// Data or instruction; ignored for writes.
        IND: bool, 1 = { 0: "data", 1: "instruction" };
        /// Write or read.
        RNW: bool, 1 = { 0: "write", 1: "read" };
        /// Privilege.
        PNU: bool, 1 = { 0: "unprivileged", 1: "privileged" };
        /// Stages of translation: only stage 1; a reserved value gives INV_REQ.
        TYPE: u8, 2 = { 0: "reserved", 1: "stage 1 VA to IPA", 2: "reserved", 3: "reserved" };
        /// Page of the input address.
        ADDR: u64, 52;
    }

    /// `SMMU_VATOS_PAR`: the result, if FAULT=0 (6.3.102); otherwise it is a [`VatosParFault`].
    pub struct VatosPar(u64) = "VATOS_PAR" {
        /// Selects the layout of the other fields.
        FAULT: bool, 1 = { 0: "translation succeeded", 1: "fault: read as VatosParFault" };
        _: 7;
        /// Shareability; outer shareable for any Device type.
        SH: u8, 2 = { 0: "non-shareable", 1: "reserved", 2: "outer shareable", 3: "inner shareable" };
        _: 1;
        /// Whether ADDR says a size.
        SIZE: bool, 1 = { 0: "4 KiB", 1: "twice the lowest bit that is set in ADDR; clear that bit" };
        /// Output address and, with SIZE, the size. 51:12 before SMMUv3.4.
        ADDR: u64, 44;
        /// Memory attributes, as in MAIR.
        ATTR: u8, 8;
    }

    /// `SMMU_VATOS_PAR` with FAULT=1: why there is no result (6.3.102, 9.1.4).
    pub struct VatosParFault(u64) = "VATOS_PAR" {
        /// Selects the layout of the other fields.
        FAULT: bool, 1 = { 0: "translation succeeded: read as VatosPar", 1: "fault" };
        /// Stage and cause.
        REASON: u8, 2 = {
            0: "stage 1, or not a translation fault",
            1: "stage 2 during CD fetch",
            2: "stage 2 during stage 1 walk",
            3: "stage 2 of the address",
        };
        _: 1;
        /// The number of the event that a transaction would have caused, or of an error of the request (9.1.4).
        FAULTCODE: u8, 8;
        /// Page of the stage 2 fault. 51:12 before SMMUv3.4.
        FADDR: u64, 44;
        _: 4;
        /// Implementation defined.
        IMPLEMENTATION_DEFINED: u8, 4;
    }
}
