//! The feature bitmap: one bit for each feature that a driver acts on, with what it allows.
//!
//! What has more than two values is not here but a field of [`Caps`](super::Caps): sizes, granules, the stall model,
//! [`BbmLevel`](super::BbmLevel), [`HardwareUpdate`](crate::vmsa::HardwareUpdate) (`HA`, `HD`, `HAFT`), endianness, `VAX` and `OAS`.

use super::bitmap::bitmap;

bitmap! {
    /// An architectural feature that some driver acts on. [`Feature::origin`] says which ID register field it is read from.
    Feature in
    /// A set of features.
    Features(u64) {
        /// Stage-1 translation: STEs may have `Config = 0b101`, and CDs are used. At least one stage is there.
        Stage1 = "S1P" from "IDR0.S1P",
        /// Stage-2 translation: STEs may have `Config = 0b110`, `S2TTB`, and VMIDs that count.
        Stage2 = "S2P" from "IDR0.S2P",
        /// Stage 1 on top of stage 2 (`Config = 0b111`): both stages, and no erratum against using them together.
        Nested = "NESTED" from "IDR0.S1P and IDR0.S2P, less errata",
        /// VMSAv8-32 long-descriptor tables. These crates make none; it makes the smallest IPA size 40 bits.
        Aarch32Tables = "TTF_AARCH32" from "IDR0.TTF",
        /// VMSAv8-64 tables. Every table of these crates is one; probing fails without it.
        Aarch64Tables = "TTF_AARCH64" from "IDR0.TTF",
        /// The SMMU's own accesses (walks, structures, queues, MSIs) snoop the CPU's caches. Without it software cleans
        /// what it writes. Firmware's word ([`Hints::coherent`](super::Hints::coherent)) goes before the register. It says
        /// nothing about the devices' own transactions.
        Coherent = "COHACC" from "IDR0.COHACC, or firmware",
        /// Takes part in broadcast TLB maintenance: the CPU's `TLBI ...IS` also drops the SMMU's entries, once `CR2.PTM` is
        /// 0. ATS caches and configuration caches still need commands (IHI 0070 3.17).
        BroadcastTlbi = "BTM" from "IDR0.BTM, less errata",
        /// `CR2.PTM` is there, to keep broadcast TLB maintenance off: `IDR0.BTM` as it reads, whatever errata say. A driver
        /// that does not rely on broadcast sets it.
        PrivateTlbMaintenance = "PTM" from "IDR0.BTM",
        /// `STATUSR.DORMANT` says when the SMMU holds nothing cached, so that invalidations may be left out (IHI 0070 3.19).
        DormantHint = "DORMHINT" from "IDR0.DORMHINT",
        /// EL2 and EL2-E2H stage-1 contexts (`STE.STRW`, `CMD_TLBI_EL2_*`). Needs both stages; in every SMMUv3.2 that has
        /// both.
        Hyp = "HYP" from "IDR0.HYP",
        /// PCIe ATS: `STE.EATS`, `CMD_ATC_INV`, translated transactions. Says nothing about the device, the switch and the
        /// root port, which must agree (IHI 0070 3.9).
        Ats = "ATS" from "IDR0.ATS",
        /// Split-stage ATS, `STE.EATS = 0b10`: the device caches stage 1 only. Needs ATS and nested translation; the
        /// register bit is inverted.
        SplitStageAts = "SPLIT_ATS" from "IDR0.NS1ATS",
        /// Message-signalled interrupts for events, page requests, global errors and the completion of `CMD_SYNC`. Without
        /// it there are wires.
        Msi = "MSI" from "IDR0.MSI",
        /// Completion of `CMD_SYNC`, and queues that stop being full, wake CPUs that wait with `WFE` (`CS = SIG_SEV`).
        Sev = "SEV" from "IDR0.SEV, less errata",
        /// The `GATOS_*` registers: software asks the SMMU to translate an address (IHI 0070 chapter 9).
        Atos = "ATOS" from "IDR0.ATOS",
        /// A page of address translation registers for one virtual machine, at [`Caps::vatos_offset`](super::Caps::vatos_offset).
        Vatos = "VATOS" from "IDR0.VATOS",
        /// PCIe page requests: the PRI queue and `CMD_PRI_RESP`. Needs ATS.
        Pri = "PRI" from "IDR0.PRI",
        /// Invalidation by VMID may match a group of VMIDs (`CR0.VMW`). Needs stage 2.
        VmidWildcard = "VMW" from "IDR0.VMW",
        /// Two-level CD tables (`STE.S1Fmt` 1 and 2); linear ones are always there.
        TwoLevelCdTable = "CD2L" from "IDR0.CD2L",
        /// Two-level stream tables; linear ones are always there. An SMMU with 7 StreamID bits or more has it.
        TwoLevelStreamTable = "ST_2LVL" from "IDR0.ST_LEVEL",
        /// A restriction: terminated transactions always abort, `CD.A` must be 1. Without it `CD.A = 0` makes them read as
        /// zero and ignore writes.
        AbortOnly = "TERM_MODEL" from "IDR0.TERM_MODEL",
        /// More events for ATS and PRI requests that fail for their configuration (`CR2.REC_CFG_ATS`). Needs ATS. SMMUv3.3.
        AtsRecordErrors = "ATSRECERR" from "IDR0.ATSRECERR",
        /// Realm Management Extension as seen from here: fetch events may say `GPCF`, and there is no EL3 StreamWorld.
        /// SMMUv3.3.
        Rme = "RME_IMPL" from "IDR0.RME_IMPL",
        /// STEs and `GBPA` may override memory type, allocation hints and shareability of incoming transactions.
        AttrTypesOverride = "ATTR_TYPES_OVR" from "IDR1.ATTR_TYPES_OVR",
        /// STEs and `GBPA` may override privilege, instruction or data, and NS of incoming transactions.
        AttrPermsOverride = "ATTR_PERMS_OVR" from "IDR1.ATTR_PERMS_OVR",
        /// Enhanced command queues: many queues, each with its own pointers, laid out as [`Caps::ecmdq`](super::Caps::ecmdq) says.
        /// Needs coherent access and MSIs. SMMUv3.3.
        Ecmdq = "ECMDQ" from "IDR1.ECMDQ",
        /// Permissions in stage-1 table descriptors can be ignored (`CD.HAD0`, `CD.HAD1`). In every SMMUv3.1 with stage 1.
        Had = "HAD" from "IDR3.HAD",
        /// Four bits of a leaf descriptor go out with the transaction (`CD.HWUnn`, `STE.S2HWUnn`). Needs `HAD`. SMMUv3.1.
        Pbha = "PBHA" from "IDR3.PBHA",
        /// Stage 2 tells apart execution at EL0 and at EL1 (two `XN` bits). In every SMMUv3.1 with stage 2.
        Xnx = "XNX" from "IDR3.XNX",
        /// The automatic response to a page request that found the queue full carries the PASID of the request, whatever
        /// `STE.PPAR` says.
        PriPasidAlways = "PPS" from "IDR3.PPS",
        /// Memory partitioning and monitoring: `STE.PARTID`, `CD.PARTID`, `GMPAM`; `MPAMIDR` says how many. SMMUv3.2.
        Mpam = "MPAM" from "IDR3.MPAM",
        /// `STE.S2FWB`: stage 2 decides memory types, so that a guest cannot make its accesses non-cacheable. SMMUv3.2.
        S2Fwb = "FWB" from "IDR3.FWB",
        /// Input sizes down to 16 bits (64K granule: 17) where otherwise 25 is the least. SMMUv3.2.
        SmallTables = "STT" from "IDR3.STT",
        /// TLB invalidation of ranges, and the level hint (`NUM`, `SCALE`, `TG`, `TTL` of the `CMD_TLBI_*` by address).
        /// SMMUv3.2.
        RangeInvalidation = "RIL" from "IDR3.RIL",
        /// Unprivileged access to one half of the address space can be cut off (`CD.E0PD0`, `CD.E0PD1`). SMMUv3.3.
        E0pd = "E0PD" from "IDR3.E0PD",
        /// With `STE.S2PTW = 0` stage-1 walks that stage 2 maps as Device are made as Normal Non-cacheable ones; without the
        /// feature they are made as they are. In every SMMUv3.3 with stage 2.
        Ptwnnc = "PTWNNC" from "IDR3.PTWNNC",
        /// Device permission table, `STE.EATS = 0b11`: translated transactions are checked against a table. Needs ATS.
        /// SMMUv3.3.
        Dpt = "DPT" from "IDR3.DPT",
        /// Translated transactions may carry a PASID. Needs ATS and substreams. SMMUv3.4.
        PasidTranslated = "PASIDTT" from "IDR3.PASIDTT",
        /// `CD.EPAN`: privileged access never also covers pages that unprivileged code may only execute. SMMUv3.4.
        Epan = "EPAN" from "IDR3.EPAN",
        /// Stage-1 descriptors hold an index into permissions that the CD lists (`STE.S1PIE`, `CD.PIE`, `CD.PIIP`, `CD.PIIU`).
        /// SMMUv3.4.
        S1PermissionIndirection = "S1PI" from "IDR3.S1PI",
        /// Stage-2 descriptors hold an index into permissions that `SMMU_S2PII` lists (`STE.S2PIE`). SMMUv3.4.
        S2PermissionIndirection = "S2PI" from "IDR3.S2PI",
        /// A second index takes stage-2 permissions away (`STE.S2POE`, `STE.S2POI`). Needs `S2PI`. SMMUv3.4.
        S2PermissionOverlay = "S2PO" from "IDR3.S2PO",
        /// The Protected attribute of stage 1 (`CD.PnCH`) and the AssuredOnly attribute of stage 2 (`STE.AssuredOnly`, IHI 0070
        /// 3.27). With stage 2 it needs `S2PI`. SMMUv3.4.
        TranslationHardening = "THE" from "IDR3.THE",
        /// Stage-2 memory attributes that deny access to allocation tags. In every SMMUv3.4 with stage 2.
        MtePermission = "MTEPERM" from "IDR3.MTEPERM",
        /// Sixteen memory attributes in a CD instead of eight (`CD.AIE`). SMMUv3.4.
        AttributeIndexExtension = "AIE" from "IDR3.AIE",
        /// 52-bit addresses with 4K and 16K granules (LPA2): `CD.DS`, `STE.S2DS`, and one more bit of `SCALE` in range
        /// invalidations. SMMUv3.4.
        Ds = "DS" from "IDR5.DS",
        /// 128-bit descriptors (VMSAv9-128), and with them 56-bit addresses. These crates make none. SMMUv3.4.
        D128 = "D128" from "IDR5.D128",
        /// The host runs its own stage 1 in the EL2-E2H world: `HYP`, and the CPU side says so
        /// ([`Hints::host_uses_e2h`](super::Hints::host_uses_e2h)).
        E2hHost = "E2H_HOST" from "IDR0.HYP and the platform",
        /// A CPU's aligned store of 128 bits reaches the SMMU's fetches whole; the platform vouches for it
        /// ([`Hints::atomic_128`](super::Hints::atomic_128)). Two dwords of an STE or CD can then change at once.
        Atomic128 = "ATOMIC_128" from "the platform",
    }
}

impl Features {
    /// Those that take something away from software instead of giving it something.
    pub const RESTRICTIONS: Self = Self::of(&[Feature::AbortOnly]);
}
