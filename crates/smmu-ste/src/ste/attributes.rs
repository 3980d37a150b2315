//! What an STE makes of the attributes that a transaction comes with (IHI 0070 5.2 MTCFG to INSTCFG, 13.1.2).
//!
//! The default is to take them as they come. It is IMPLEMENTATION DEFINED whether memory type, hints and shareability of
//! PCIe devices can be overridden at all.

use smmu_regs::vmsa::Shareability;

/// Attributes that replace those of the transaction. `None` leaves the incoming one.
///
/// Memory type, hints and shareability need `IDR1.ATTR_TYPES_OVR`, the others `IDR1.ATTR_PERMS_OVR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AttributeOverrides {
    /// Memory type (`MTCFG`, `MemAttr`). Stage 1 replaces it again; what it leaves there is whether hints count (13.5).
    pub memory_type: Option<MemoryType>,
    /// Allocation hints (`ALLOCCFG`). Without `memory_type` it is CONSTRAINED UNPREDICTABLE whether they have an effect.
    pub allocation: Option<Allocation>,
    /// Shareability (`SHCFG`): of transactions that skip stage 1, or have none.
    pub shareability: Option<Shareability>,
    /// Privilege (`PRIVCFG`).
    pub privilege: Option<Privilege>,
    /// What reads are taken for (`INSTCFG`); writes are data.
    pub reads: Option<ReadKind>,
}

/// A memory type (`MemAttr`, in the encoding of stage-2 descriptors).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryType {
    /// Device-nGnRnE.
    DeviceNgnrne,
    /// Device-nGnRE.
    DeviceNgnre,
    /// Device-nGRE.
    DeviceNgre,
    /// Device-GRE.
    DeviceGre,
    /// Normal.
    Normal {
        /// Outer cacheability.
        outer: Caching,
        /// Inner cacheability.
        inner: Caching,
    },
}

/// Cacheability of a memory type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Caching {
    /// Not cached.
    NonCacheable = 1,
    /// Write-through.
    WriteThrough = 2,
    /// Write-back.
    WriteBack = 3,
}

impl Caching {
    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::NonCacheable),
            2 => Some(Self::WriteThrough),
            3 => Some(Self::WriteBack),
            _ => None,
        }
    }
}

impl MemoryType {
    /// Normal memory, write-back inner and outer.
    pub const WRITE_BACK: Self = Self::Normal { outer: Caching::WriteBack, inner: Caching::WriteBack };

    /// The code, 0 to 15.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::DeviceNgnrne => 0,
            Self::DeviceNgnre => 1,
            Self::DeviceNgre => 2,
            Self::DeviceGre => 3,
            Self::Normal { outer, inner } => (outer as u8) << 2 | inner as u8,
        }
    }

    /// The type with this code; 4, 8 and 12 are reserved.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match (code, Caching::from_code(code >> 2), Caching::from_code(code & 3)) {
            (0, ..) => Some(Self::DeviceNgnrne),
            (1, ..) => Some(Self::DeviceNgnre),
            (2, ..) => Some(Self::DeviceNgre),
            (3, ..) => Some(Self::DeviceGre),
            (_, Some(outer), Some(inner)) => Some(Self::Normal { outer, inner }),
            _ => None,
        }
    }
}

/// Allocation hints (`ALLOCCFG`), the same for inner and outer caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Allocation {
    /// Reads allocate.
    pub read: bool,
    /// Writes allocate.
    pub write: bool,
    /// Transient.
    pub transient: bool,
}

impl Allocation {
    pub(super) const fn code(self) -> u8 {
        8 | (self.read as u8) << 2 | (self.write as u8) << 1 | self.transient as u8
    }

    pub(super) const fn from_code(code: u8) -> Option<Self> {
        if code & 8 == 0 {
            return None;
        }
        Some(Self { read: code & 4 != 0, write: code & 2 != 0, transient: code & 1 != 0 })
    }
}

/// Privilege (`PRIVCFG`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Privilege {
    /// As an application.
    Unprivileged = 2,
    /// As an operating system.
    Privileged = 3,
}

/// What a read is taken for (`INSTCFG`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ReadKind {
    /// A data read.
    Data = 2,
    /// An instruction fetch.
    Instruction = 3,
}
