//! The ID registers: which SMMU is being modelled, and what follows from them.

use crate::Field;
use crate::layout::{aidr, idr0, idr1, idr3, idr5, idr6};

/// Constants of one implementation: what its ID registers read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Name, for messages.
    pub name: &'static str,
    /// IDR0 to IDR6.
    pub idr: [u32; 7],
    /// IIDR: implementer, revision, variant, product (6.3.7).
    pub iidr: u32,
    /// AIDR: architecture revision (6.3.8); 0x0 is SMMUv3.0, 0x3 is SMMUv3.3.
    pub aidr: u32,
}

/// Arm's JEP106 code as IIDR.IMPLEMENTER holds it.
const ARM: u32 = 0x43b;

fn bits(parts: &[(Field, u32)]) -> u32 {
    parts.iter().fold(0, |word, (field, value)| word | (value << field.lsb))
}

impl Profile {
    /// Everything that this model models but enhanced command queues ([`Profile::ecmdq`]): both stages, EL2, stalls, 16-bit
    /// ids, all granules with 52 bits, RIL, HTTU for leaves, mixed endianness, ATS and PRI registers.
    #[must_use]
    pub fn maximum() -> Self {
        Self {
            name: "maximum",
            idr: [
                bits(&[
                    (idr0::S2P, 1),
                    (idr0::S1P, 1),
                    (idr0::TTF, 2),
                    (idr0::COHACC, 1),
                    (idr0::HTTU, 2),
                    (idr0::HYP, 1),
                    (idr0::ATS, 1),
                    (idr0::ASID16, 1),
                    (idr0::MSI, 1),
                    (idr0::SEV, 1),
                    (idr0::PRI, 1),
                    (idr0::VMW, 1),
                    (idr0::VMID16, 1),
                    (idr0::CD2L, 1),
                    (idr0::ST_LEVEL, 1),
                ]),
                bits(&[
                    (idr1::SIDSIZE, 32),
                    (idr1::SSIDSIZE, 20),
                    (idr1::PRIQS, 19),
                    (idr1::EVENTQS, 19),
                    (idr1::CMDQS, 19),
                    (idr1::ATTR_PERMS_OVR, 1),
                    (idr1::ATTR_TYPES_OVR, 1),
                ]),
                0,
                idr3_of_3_3(),
                0,
                bits(&[
                    (idr5::OAS, 6),
                    (idr5::GRAN4K, 1),
                    (idr5::GRAN16K, 1),
                    (idr5::GRAN64K, 1),
                    (idr5::DS, 1),
                    (idr5::VAX, 1),
                    (idr5::STALL_MAX, 256),
                ]),
                0,
            ],
            iidr: 0,
            aidr: 3,
        }
    }

    /// [`Profile::maximum`] with enhanced command queues: two control pages of four queues each.
    #[must_use]
    pub fn ecmdq() -> Self {
        let mut profile = Self::maximum();
        profile.name = "enhanced command queues";
        profile.idr[1] |= bits(&[(idr1::ECMDQ, 1)]);
        profile.idr[6] =
            bits(&[(idr6::CMDQ_CONTROL_PAGE_LOG2NUMP, 1), (idr6::CMDQ_CONTROL_PAGE_LOG2NUMQ, 2)]);
        profile
    }

    /// The least a driver can meet: stage 1 only, SMMUv3.0, 4KB, 32-bit addresses, linear tables, 8-bit ASIDs, no
    /// substreams, no MSIs, no stalls, tiny queues.
    #[must_use]
    pub fn minimum() -> Self {
        Self {
            name: "minimum",
            idr: [
                bits(&[
                    (idr0::S1P, 1),
                    (idr0::TTF, 2),
                    (idr0::TTENDIAN, 2),
                    (idr0::STALL_MODEL, 1),
                    (idr0::TERM_MODEL, 1),
                ]),
                bits(&[(idr1::SIDSIZE, 8), (idr1::EVENTQS, 2), (idr1::CMDQS, 4)]),
                0,
                0,
                0,
                bits(&[(idr5::GRAN4K, 1)]),
                0,
            ],
            iidr: 0,
            aidr: 0,
        }
    }

    /// [`Profile::minimum`] with stage 2 instead of stage 1.
    #[must_use]
    pub fn minimum_stage2() -> Self {
        let mut profile = Self::minimum();
        profile.name = "minimum, stage 2";
        profile.idr[0] = bits(&[
            (idr0::S2P, 1),
            (idr0::TTF, 2),
            (idr0::TTENDIAN, 2),
            (idr0::STALL_MODEL, 1),
            (idr0::TERM_MODEL, 1),
        ]);
        profile
    }

    /// A configuration such as MMU-600 r0p0 may be built with (SMMUv3.1, no RIL). The feature set is plausible, not a
    /// copy of any one chip; IIDR carries the real product id 0x483.
    #[must_use]
    pub fn mmu600() -> Self {
        Self::mmu("MMU-600", 0x483, 0, 0, 1, bits(&[(idr3::HAD, 1), (idr3::XNX, 1)]))
    }

    /// MMU-600 r1p0: the same features, another IIDR.
    #[must_use]
    pub fn mmu600_r1p0() -> Self {
        Self::mmu("MMU-600 r1p0", 0x483, 1, 0, 1, bits(&[(idr3::HAD, 1), (idr3::XNX, 1)]))
    }

    /// MMU-700 r0p0 (SMMUv3.2 with RIL), IIDR product id 0x487. Feature set plausible, as [`Profile::mmu600`].
    #[must_use]
    pub fn mmu700_r0p0() -> Self {
        Self::mmu700("MMU-700 r0p0", 0, 0)
    }

    /// MMU-700 r1p0.
    #[must_use]
    pub fn mmu700_r1p0() -> Self {
        Self::mmu700("MMU-700 r1p0", 1, 0)
    }

    /// MMU-700 r1p1.
    #[must_use]
    pub fn mmu700_r1p1() -> Self {
        Self::mmu700("MMU-700 r1p1", 1, 1)
    }

    /// MMU-S3 (SMMUv3.3), IIDR product id 0x498. Feature set plausible, as [`Profile::mmu600`].
    #[must_use]
    pub fn mmu_s3() -> Self {
        Self::mmu("MMU-S3", 0x498, 0, 0, 3, idr3_of_3_3())
    }

    fn mmu700(name: &'static str, variant: u32, revision: u32) -> Self {
        let idr3 = bits(&[
            (idr3::HAD, 1),
            (idr3::XNX, 1),
            (idr3::FWB, 1),
            (idr3::STT, 1),
            (idr3::RIL, 1),
            (idr3::BBML, 1),
        ]);
        Self::mmu(name, 0x487, variant, revision, 2, idr3)
    }

    fn mmu(name: &'static str, product: u32, variant: u32, revision: u32, aidr: u32, idr3: u32) -> Self {
        Self {
            name,
            idr: [
                bits(&[
                    (idr0::S2P, 1),
                    (idr0::S1P, 1),
                    (idr0::TTF, 2),
                    (idr0::COHACC, 1),
                    (idr0::HTTU, 2),
                    (idr0::HYP, 1),
                    (idr0::ATS, 1),
                    (idr0::NS1ATS, 1),
                    (idr0::ASID16, 1),
                    (idr0::MSI, 1),
                    (idr0::SEV, 1),
                    (idr0::PRI, 1),
                    (idr0::VMW, 1),
                    (idr0::VMID16, 1),
                    (idr0::CD2L, 1),
                    (idr0::TTENDIAN, 2),
                    (idr0::TERM_MODEL, 1),
                    (idr0::ST_LEVEL, 1),
                ]),
                bits(&[
                    (idr1::SIDSIZE, 24),
                    (idr1::SSIDSIZE, 20),
                    (idr1::PRIQS, 15),
                    (idr1::EVENTQS, 15),
                    (idr1::CMDQS, 15),
                    (idr1::ATTR_PERMS_OVR, 1),
                    (idr1::ATTR_TYPES_OVR, 1),
                ]),
                0,
                idr3,
                0,
                bits(&[
                    (idr5::OAS, 5),
                    (idr5::GRAN4K, 1),
                    (idr5::GRAN16K, 1),
                    (idr5::GRAN64K, 1),
                    (idr5::STALL_MAX, 64),
                ]),
                0,
            ],
            iidr: (product << 20) | (variant << 16) | (revision << 12) | ARM,
            aidr,
        }
    }

    /// What QEMU 10's `virt` machine shows with `iommu=smmuv3` and both stages: AIDR says 3.1 although RIL is present.
    #[must_use]
    pub fn qemu() -> Self {
        Self { name: "qemu", idr: [0x0d44_101b, 0x0273_0010, 0, 0x1414, 0, 0x74, 0], iidr: 0, aidr: 1 }
    }

    fn word(&self, number: usize) -> u64 {
        self.idr.get(number).map_or(0, |w| u64::from(*w))
    }

    /// A field of IDR0.
    pub(crate) fn id0(&self, field: Field) -> u64 {
        field.of(self.word(0))
    }
    /// A field of IDR1.
    pub(crate) fn id1(&self, field: Field) -> u64 {
        field.of(self.word(1))
    }
    /// A field of IDR3.
    pub(crate) fn id3(&self, field: Field) -> u64 {
        field.of(self.word(3))
    }
    /// A field of IDR5.
    pub(crate) fn id5(&self, field: Field) -> u64 {
        field.of(self.word(5))
    }
    /// A field of IDR6.
    pub(crate) fn id6(&self, field: Field) -> u64 {
        field.of(self.word(6))
    }

    /// ArchMinorRev: n of SMMUv3.n.
    pub(crate) fn minor(&self) -> u64 {
        aidr::ARCHMINORREV.of(u64::from(self.aidr))
    }
    /// Stage 1 implemented.
    pub(crate) fn s1p(&self) -> bool {
        self.id0(idr0::S1P) != 0
    }
    /// Stage 2 implemented.
    pub(crate) fn s2p(&self) -> bool {
        self.id0(idr0::S2P) != 0
    }
    /// EL2 StreamWorlds implemented (RES0 unless both stages are).
    pub(crate) fn hyp(&self) -> bool {
        self.id0(idr0::HYP) != 0
    }
    /// Output address size in bits (6.3.6).
    pub(crate) fn oas(&self) -> u32 {
        self.size_bits(self.id5(idr5::OAS))
    }
    /// Whether `pa` fits the output address size.
    pub(crate) fn in_oas(&self, pa: u64) -> bool {
        fits(pa, self.oas())
    }
    /// Intermediate address size in bits (3.4).
    pub(crate) fn ias(&self) -> u32 {
        if self.id0(idr0::TTF) & 1 != 0 { self.oas().max(40) } else { self.oas() }
    }
    /// Meaning of a PS, IPS, S2PS or OAS code, with the reserved values of older revisions (5.2 S2PS, 5.4 IPS).
    pub(crate) fn size_bits(&self, code: u64) -> u32 {
        match code {
            0 => 32,
            1 => 36,
            2 => 40,
            3 => 42,
            4 => 44,
            5 => 48,
            _ if self.minor() == 0 => 48,
            6 => 52,
            _ if self.minor() < 4 => 52,
            _ => 56,
        }
    }
    /// Effective IPS or S2PS: the field, capped to the OAS.
    pub(crate) fn effective_ps(&self, code: u64) -> u32 {
        self.size_bits(code).min(self.oas())
    }
}

/// Whether `address` has no bits at or above `bits`.
pub(crate) fn fits(address: u64, bits: u32) -> bool {
    bits >= 64 || address >> bits == 0
}

/// IDR3 of an SMMUv3.3 that has all of it that is modelled.
fn idr3_of_3_3() -> u32 {
    bits(&[
        (idr3::HAD, 1),
        (idr3::XNX, 1),
        (idr3::FWB, 1),
        (idr3::STT, 1),
        (idr3::RIL, 1),
        (idr3::BBML, 2),
        (idr3::E0PD, 1),
        (idr3::PTWNNC, 1),
        (idr3::EPAN, 1),
    ])
}
