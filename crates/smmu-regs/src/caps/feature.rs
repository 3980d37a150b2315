//! Feature and quirk bitmaps.

use core::fmt;

macro_rules! bitmap {
    (
        $(#[$meta:meta])* $one:ident in $(#[$setmeta:meta])* $set:ident($repr:ty) {
            $( $(#[$doc:meta])* $name:ident = $label:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum $one { $( $(#[$doc])* $name, )* }

        impl $one {
            /// All of them, in bit order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The architecture's (or the erratum's) short name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }

        impl fmt::Display for $one {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        $(#[$setmeta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(transparent))]
        pub struct $set($repr);

        const _: () = assert!($one::ALL.len() <= <$repr>::BITS as usize);

        impl $set {
            /// Nothing.
            pub const EMPTY: Self = Self(0);

            /// The set of `members`.
            #[must_use]
            pub const fn of(members: &[$one]) -> Self {
                let (mut set, mut rest) = (Self::EMPTY, members);
                while let [first, tail @ ..] = rest {
                    set = set.with(*first);
                    rest = tail;
                }
                set
            }

            /// This set and `member`.
            #[must_use]
            pub const fn with(self, member: $one) -> Self {
                Self(self.0 | 1 << member as u8)
            }

            /// This set, and `member` if `present`.
            #[must_use]
            pub const fn with_if(self, member: $one, present: bool) -> Self {
                if present { self.with(member) } else { self }
            }

            /// This set without the members of `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// The members of either set.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The members of both sets.
            #[must_use]
            pub const fn intersect(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// Whether `member` is in the set.
            #[inline]
            #[must_use]
            pub const fn contains(self, member: $one) -> bool {
                self.0 >> member as u8 & 1 != 0
            }

            /// Whether there is none.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The members, in bit order.
            pub fn iter(self) -> impl Iterator<Item = $one> {
                $one::ALL.iter().copied().filter(move |member| self.contains(*member))
            }
        }

        impl fmt::Debug for $set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_set().entries(self.iter().map($one::name)).finish()
            }
        }

        impl fmt::Display for $set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (index, member) in self.iter().enumerate() {
                    if index != 0 {
                        f.write_str(" ")?;
                    }
                    f.write_str(member.name())?;
                }
                Ok(())
            }
        }
    };
}

bitmap! {
    /// An architectural feature that some driver acts on.
    Feature in
    /// A set of features.
    Features(u64) {
        /// Stage-1 translation (`IDR0.S1P`).
        Stage1 = "S1P",
        /// Stage-2 translation (`IDR0.S2P`).
        Stage2 = "S2P",
        /// Stage 1 and stage 2 together: both stages, and no erratum against it.
        Nested = "NESTED",
        /// VMSAv8-32 long-descriptor tables (`IDR0.TTF[0]`).
        Aarch32Tables = "TTF_AARCH32",
        /// VMSAv8-64 tables (`IDR0.TTF[1]`). Every other table here is one; probing fails without it.
        Aarch64Tables = "TTF_AARCH64",
        /// The SMMU's own accesses snoop the CPU's caches: `IDR0.COHACC`, or what firmware says instead.
        Coherent = "COHACC",
        /// Takes part in broadcast TLB maintenance (`IDR0.BTM`).
        BroadcastTlbi = "BTM",
        /// `CR2.PTM` is there, to keep broadcast TLB maintenance off: `IDR0.BTM` as it reads, whatever errata say.
        PrivateTlbMaintenance = "PTM",
        /// `STATUSR.DORMANT` (`IDR0.DORMHINT`).
        DormantHint = "DORMHINT",
        /// EL2 stage-1 contexts (`IDR0.HYP`).
        Hyp = "HYP",
        /// PCIe ATS (`IDR0.ATS`).
        Ats = "ATS",
        /// Split-stage ATS, `EATS = 0b10` (`IDR0.NS1ATS` inverted).
        SplitStageAts = "SPLIT_ATS",
        /// Message-signalled interrupts (`IDR0.MSI`).
        Msi = "MSI",
        /// Wake-up events for `WFE` (`IDR0.SEV`).
        Sev = "SEV",
        /// Address translation operations (`IDR0.ATOS`).
        Atos = "ATOS",
        /// The virtual ATOS page (`IDR0.VATOS`).
        Vatos = "VATOS",
        /// Page request queue (`IDR0.PRI`).
        Pri = "PRI",
        /// VMID wildcard matching (`IDR0.VMW`).
        VmidWildcard = "VMW",
        /// Two-level CD tables (`IDR0.CD2L`).
        TwoLevelCdTable = "CD2L",
        /// Two-level stream tables (`IDR0.ST_LEVEL`).
        TwoLevelStreamTable = "ST_2LVL",
        /// Terminated transactions always abort, `CD.A` must be 1 (`IDR0.TERM_MODEL`).
        AbortOnly = "TERM_MODEL",
        /// Recording of ATS and PRI errors (`IDR0.ATSRECERR`).
        AtsRecordErrors = "ATSRECERR",
        /// Realm Management Extension (`IDR0.RME_IMPL`).
        Rme = "RME_IMPL",
        /// Memory type and shareability overrides in STEs (`IDR1.ATTR_TYPES_OVR`).
        AttrTypesOverride = "ATTR_TYPES_OVR",
        /// Privilege, instruction and NS overrides in STEs (`IDR1.ATTR_PERMS_OVR`).
        AttrPermsOverride = "ATTR_PERMS_OVR",
        /// Enhanced command queues (`IDR1.ECMDQ`).
        Ecmdq = "ECMDQ",
        /// Hierarchical attribute disable (`IDR3.HAD`).
        Had = "HAD",
        /// Page-based hardware attributes (`IDR3.PBHA`).
        Pbha = "PBHA",
        /// Separate EL0 and EL1 execute-never at stage 2 (`IDR3.XNX`).
        Xnx = "XNX",
        /// PRI auto-responses always carry a PASID (`IDR3.PPS`).
        PriPasidAlways = "PPS",
        /// Memory partitioning and monitoring (`IDR3.MPAM`).
        Mpam = "MPAM",
        /// Stage-2 forced write-back (`IDR3.FWB`).
        S2Fwb = "FWB",
        /// Small translation tables (`IDR3.STT`).
        SmallTables = "STT",
        /// Range TLB invalidation and level hints (`IDR3.RIL`).
        RangeInvalidation = "RIL",
        /// EL0 access prevention by half (`IDR3.E0PD`).
        E0pd = "E0PD",
        /// Stage-2 walks of device memory become non-cacheable (`IDR3.PTWNNC`).
        Ptwnnc = "PTWNNC",
        /// Device permission table (`IDR3.DPT`).
        Dpt = "DPT",
        /// PASID on translated ATS traffic (`IDR3.PASIDTT`).
        PasidTranslated = "PASIDTT",
        /// Enhanced privileged access never (`IDR3.EPAN`).
        Epan = "EPAN",
        /// Stage-1 permission indirection (`IDR3.S1PI`).
        S1PermissionIndirection = "S1PI",
        /// Stage-2 permission indirection (`IDR3.S2PI`).
        S2PermissionIndirection = "S2PI",
        /// Stage-2 permission overlay (`IDR3.S2PO`).
        S2PermissionOverlay = "S2PO",
        /// Translation hardening (`IDR3.THE`).
        TranslationHardening = "THE",
        /// Stage-2 NoTagAccess memory attributes (`IDR3.MTEPERM`).
        MtePermission = "MTEPERM",
        /// Attribute index extension (`IDR3.AIE`).
        AttributeIndexExtension = "AIE",
        /// 52-bit addresses with 4K and 16K granules; widens the TLBI SCALE field (`IDR5.DS`).
        Ds = "DS",
        /// 128-bit descriptors (`IDR5.D128`).
        D128 = "D128",
        /// The host runs its own stage 1 in the EL2-E2H world: `HYP`, and the CPU side says so.
        E2hHost = "E2H_HOST",
    }
}

bitmap! {
    /// Something that software must do differently on this SMMU.
    Quirk in
    /// A set of quirks.
    Quirks(u32) {
        /// Never leave 64 commands without a `CMD_SYNC` (Arm 2812531).
        ForceSync = "FORCE_SYNC",
        /// Issue every CFGI and TLBI batch twice, each with its own `CMD_SYNC` (NVIDIA T264-SMMU-3).
        RepeatCfgiTlbi = "REPEAT_CFGI_TLBI",
        /// Page 1 is not there: its registers are in page 0 (Cavium 74).
        Page0Only = "PAGE0_REGS_ONLY",
        /// One interrupt line for everything (Cavium 126).
        CombinedInterrupt = "COMBINED_IRQ",
        /// `CMD_PREFETCH_CONFIG` must not be sent (HiSilicon Hi161x).
        SkipPrefetch = "SKIP_PREFETCH",
    }
}
