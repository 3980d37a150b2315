//! Address translation operations of the Secure bank, where they differ (IHI 0070 6.3.84 to 6.3.86, 6.3.104, 6.3.106). How
//! they are used: see `atos`.

use super::registers;
use crate::bitfields;

registers! {
    SGatosSid: RW {
        S_GATOS_SID Secure V3_0 page0(0x8108) none;
    }
    SGatosAddr: RW {
        S_GATOS_ADDR Secure V3_0 page0(0x8110) none;
    }
    SGatosPar: RO {
        S_GATOS_PAR Secure V3_0 page0(0x8118) none;
    }
    SVatosSid: RW {
        S_VATOS_SID Secure V3_2 secure_vatos(0xa08) none;
    }
    SVatosPar: RO {
        S_VATOS_PAR Secure V3_2 secure_vatos(0xa18) none;
    }
}

bitfields! {
    /// `SMMU_S_GATOS_SID`: whose address is translated; read only while RUN=1 (6.3.84).
    pub struct SGatosSid(u64) = "S_GATOS_SID" {
        /// StreamID.
        STREAMID: u32, 32;
        /// SubstreamID.
        SUBSTREAMID: u32, 20;
        /// Whether SUBSTREAMID counts; RES0 without substreams.
        SSID_VALID: bool, 1 = { 0: "no SubstreamID", 1: "SubstreamID given" };
        /// Whose StreamID.
        SSEC: bool, 1 = { 0: "Non-secure StreamID", 1: "Secure StreamID" };
        _: 10;
    }

    /// `SMMU_S_GATOS_ADDR`: which address is translated, and for what access; read only while RUN=1 (6.3.85).
    pub struct SGatosAddr(u64) = "S_GATOS_ADDR" {
        _: 4;
        /// NS attribute of the input address where stage 1 does not give one.
        NS: bool, 1 since V3_2;
        _: 1;
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

    /// `SMMU_S_GATOS_PAR`: the result, if FAULT=0 (6.3.86); otherwise it is a [`SGatosParFault`].
    pub struct SGatosPar(u64) = "S_GATOS_PAR" {
        /// Selects the layout of the other fields.
        FAULT: bool, 1 = { 0: "translation succeeded", 1: "fault: read as SGatosParFault" };
        _: 7;
        /// Shareability; outer shareable for any Device type.
        SH: u8, 2 = { 0: "non-shareable", 1: "reserved", 2: "outer shareable", 3: "inner shareable" };
        /// NS attribute of the result.
        NS: bool, 1;
        /// Whether ADDR says a size.
        SIZE: bool, 1 = { 0: "4 KiB", 1: "twice the lowest bit that is set in ADDR; clear that bit" };
        /// Output address and, with SIZE, the size. 51:12 before SMMUv3.4.
        ADDR: u64, 44;
        /// Memory attributes, as in MAIR.
        ATTR: u8, 8;
    }

    /// `SMMU_S_GATOS_PAR` with FAULT=1: why there is no result (6.3.86, 9.1.4).
    pub struct SGatosParFault(u64) = "S_GATOS_PAR" {
        /// Selects the layout of the other fields.
        FAULT: bool, 1 = { 0: "translation succeeded: read as SGatosPar", 1: "fault" };
        /// Stage and cause.
        REASON: u8, 2 = {
            0: "stage 1, or not a translation fault",
            1: "stage 2 during CD fetch",
            2: "stage 2 during stage 1 walk",
            3: "stage 2 of the address",
        };
        /// NS attribute of FADDR; RES0 when SEL2=0.
        NSIPA: bool, 1 since V3_2;
        /// The number of the event that a transaction would have caused, or of an error of the request (9.1.4).
        FAULTCODE: u8, 8;
        /// Page of the stage 2 fault. 51:12 before SMMUv3.4.
        FADDR: u64, 44;
        _: 4;
        /// Implementation defined.
        IMPLEMENTATION_DEFINED: u8, 4;
    }

    /// `SMMU_S_VATOS_SID`: whose address is translated; read only while RUN=1 (6.3.104).
    pub struct SVatosSid(u64) = "S_VATOS_SID" {
        /// Secure StreamID.
        STREAMID: u32, 32 since V3_2;
        /// SubstreamID.
        SUBSTREAMID: u32, 20 since V3_2;
        /// Whether SUBSTREAMID counts; RES0 without substreams.
        SSID_VALID: bool, 1 since V3_2 = { 0: "no SubstreamID", 1: "SubstreamID given" };
        /// RES1: write 1. The architecture gives it no name; it is where S_GATOS_SID has SSEC.
        RES1: bool, 1 since V3_2;
        _: 10;
    }

    /// `SMMU_S_VATOS_PAR`: the result, if FAULT=0 (6.3.106); otherwise it is a [`SVatosParFault`].
    pub struct SVatosPar(u64) = "S_VATOS_PAR" {
        /// Selects the layout of the other fields.
        FAULT: bool, 1 since V3_2 = { 0: "translation succeeded", 1: "fault: read as SVatosParFault" };
        _: 7;
        /// Shareability; outer shareable for any Device type.
        SH: u8, 2 since V3_2 = { 0: "non-shareable", 1: "reserved", 2: "outer shareable", 3: "inner shareable" };
        /// NS attribute of the result.
        NS: bool, 1 since V3_2;
        /// Whether ADDR says a size.
        SIZE: bool, 1 since V3_2 = { 0: "4 KiB", 1: "twice the lowest bit that is set in ADDR; clear that bit" };
        /// Output address and, with SIZE, the size. 51:12 before SMMUv3.4.
        ADDR: u64, 44 since V3_2;
        /// Memory attributes, as in MAIR.
        ATTR: u8, 8 since V3_2;
    }

    /// `SMMU_S_VATOS_PAR` with FAULT=1: why there is no result (6.3.106, 9.1.4).
    pub struct SVatosParFault(u64) = "S_VATOS_PAR" {
        /// Selects the layout of the other fields.
        FAULT: bool, 1 since V3_2 = { 0: "translation succeeded: read as SVatosPar", 1: "fault" };
        /// Stage and cause.
        REASON: u8, 2 since V3_2 = {
            0: "stage 1, or not a translation fault",
            1: "stage 2 during CD fetch",
            2: "stage 2 during stage 1 walk",
            3: "stage 2 of the address",
        };
        /// NS attribute of FADDR.
        NSIPA: bool, 1 since V3_2;
        /// The number of the event that a transaction would have caused, or of an error of the request (9.1.4).
        FAULTCODE: u8, 8 since V3_2;
        /// Page of the stage 2 fault. 51:12 before SMMUv3.4.
        FADDR: u64, 44 since V3_2;
        _: 4;
        /// Implementation defined.
        IMPLEMENTATION_DEFINED: u8, 4 since V3_2;
    }
}
