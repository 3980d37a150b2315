//! MPAM labels (IHI 0070 chapter 17) and the VMS, which maps a guest's partitions to real ones (5.6).

use core::fmt;
use smmu_regs::layout::FieldInfo;
use smmu_regs::{bitfields, layout::Layout, view};

/// The largest PARTID and PMG of a Security state: `MPAMIDR.PARTID_MAX` and `MPAMIDR.PMG_MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MpamLimits {
    /// Largest PARTID.
    pub partid_max: u16,
    /// Largest PMG.
    pub pmg_max: u8,
}

/// A PARTID and a PMG that the SMMU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mpam {
    pub(crate) partid: u16,
    pub(crate) pmg: u8,
}

/// A label that the SMMU has not: it would use an UNKNOWN one (5.2 PARTID, PMG; 5.6 PARTID_MAP).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MpamError {
    /// The PARTID is too large.
    PartId {
        /// The PARTID.
        partid: u16,
        /// The largest.
        max: u16,
    },
    /// The PMG is too large.
    Pmg {
        /// The PMG.
        pmg: u8,
        /// The largest.
        max: u8,
    },
    /// A guest's PARTID is not below 32 (5.4 PARTID).
    Virtual {
        /// The PARTID.
        partid: u16,
    },
}

impl fmt::Display for MpamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartId { partid, max } => write!(f, "PARTID {partid} is above PARTID_MAX, {max}"),
            Self::Pmg { pmg, max } => write!(f, "PMG {pmg} is above PMG_MAX, {max}"),
            Self::Virtual { partid } => write!(f, "virtual PARTID {partid} is not below 32"),
        }
    }
}

impl core::error::Error for MpamError {}

impl MpamLimits {
    /// The label with this PARTID and PMG.
    ///
    /// # Errors
    /// One of them is above its limit.
    pub const fn label(self, partid: u16, pmg: u8) -> Result<Mpam, MpamError> {
        if partid > self.partid_max {
            return Err(MpamError::PartId { partid, max: self.partid_max });
        }
        if pmg > self.pmg_max {
            return Err(MpamError::Pmg { pmg, max: self.pmg_max });
        }
        Ok(Mpam { partid, pmg })
    }

    /// The label of a CD below a stage 2 with a VMS: a virtual PARTID, 0 to 31, which the VMS maps, and a real PMG.
    ///
    /// # Errors
    /// The PARTID is not below 32, or the PMG above its limit.
    pub const fn virtual_label(self, partid: u16, pmg: u8) -> Result<Mpam, MpamError> {
        if partid > 31 {
            return Err(MpamError::Virtual { partid });
        }
        if pmg > self.pmg_max {
            return Err(MpamError::Pmg { pmg, max: self.pmg_max });
        }
        Ok(Mpam { partid, pmg })
    }
}

impl Mpam {
    /// The PARTID.
    #[must_use]
    pub const fn partid(self) -> u16 {
        self.partid
    }

    /// The PMG.
    #[must_use]
    pub const fn pmg(self) -> u8 {
        self.pmg
    }
}

bitfields! {
    /// A word of the `PARTID_MAP`: four physical PARTIDs.
    pub(crate) struct VmsWord(u64) = "VMS" {
        /// Physical PARTID of the first virtual one.
        PARTID_0: u16, 16;
        /// Of the second.
        PARTID_1: u16, 16;
        /// Of the third.
        PARTID_2: u16, 16;
        /// Of the fourth.
        PARTID_3: u16, 16;
    }
}

/// The fields of each of the first eight words of a VMS.
#[must_use]
pub fn vms_word() -> &'static [FieldInfo] {
    VmsWord::FIELDS
}

view! {
    /// The part of a VMS that is not RES0: the `PARTID_MAP`. The whole structure has 4096 bytes.
    pub struct Vms([u64; 8]);
}

impl Vms {
    /// Bytes of the whole structure, and its alignment.
    pub const TABLE_BYTES: u64 = 4096;

    /// The VMS that maps virtual PARTID `n` to `physical[n]`.
    ///
    /// # Errors
    /// A physical PARTID is above its limit.
    pub fn encode(physical: &[u16; 32], limits: MpamLimits) -> Result<Self, MpamError> {
        for partid in physical {
            limits.label(*partid, 0)?;
        }
        let mut words = [0; 8];
        for (word, four) in words.iter_mut().zip(physical.chunks_exact(4)) {
            // The first of four is the lowest.
            *word = four.iter().rev().fold(0, |word, partid| word << 16 | u64::from(*partid));
        }
        Ok(Self::from_words(words))
    }

    /// The physical PARTIDs by virtual one.
    #[must_use]
    pub fn physical(&self) -> [u16; 32] {
        let mut all = [0; 32];
        for (four, word) in all.chunks_exact_mut(4).zip(self.words()) {
            let word = VmsWord::from_word(word);
            let ids = [word.partid_0(), word.partid_1(), word.partid_2(), word.partid_3()];
            four.copy_from_slice(&ids);
        }
        all
    }
}

impl fmt::Display for Vms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VMS:")?;
        for (number, partid) in self.physical().iter().enumerate().filter(|(_, partid)| **partid != 0) {
            write!(f, " {number}->{partid}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Vms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vms({self})")
    }
}
