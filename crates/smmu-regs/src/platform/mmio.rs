//! Register access.

use core::fmt;

/// Which 64 KiB page of the register file (IHI 0070 6.1). Some registers of page 0 have their home in page 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Page {
    /// Page 0, at the SMMU's base address.
    Zero,
    /// Page 1, 64 KiB above; the same as page 0 on an SMMU with the "page 0 only" quirk.
    One,
}

/// A register's place: its page and its offset in that page, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterOffset {
    /// The page.
    pub page: Page,
    /// Offset in bytes within the page.
    pub offset: u16,
}

impl RegisterOffset {
    /// A register of page 0.
    #[must_use]
    pub const fn page0(offset: u16) -> Self {
        Self { page: Page::Zero, offset }
    }

    /// A register of page 1.
    #[must_use]
    pub const fn page1(offset: u16) -> Self {
        Self { page: Page::One, offset }
    }

    /// Offset in bytes from the SMMU's base address where page 1 follows page 0.
    #[must_use]
    pub const fn from_base(self) -> u32 {
        match self.page {
            Page::Zero => self.offset as u32,
            Page::One => 0x1_0000 + self.offset as u32,
        }
    }
}

impl fmt::Debug for RegisterOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.from_base())
    }
}

/// Access to the registers of one SMMU.
///
/// An implementation for an SMMU with the "page 0 only" quirk ([`Quirk::Page0Only`](crate::Quirk::Page0Only)) leads
/// [`Page::One`] to page 0.
///
/// Accesses never fail: a backend whose SMMU is gone answers all-ones and reports the reason by its own means; the
/// deadlines of these crates then fire. A write is ordered after all earlier stores to memory that the SMMU may read
/// as far as [`Memory::publish`](super::Memory::publish) made them visible; a backend need not add a barrier of its own.
pub trait Mmio {
    /// Reads a 32-bit register.
    fn read32(&self, at: RegisterOffset) -> u32;
    /// Writes a 32-bit register.
    fn write32(&self, at: RegisterOffset, value: u32);
    /// Reads a 64-bit register, whole or as two halves (IHI 0070 6.2 allows either).
    fn read64(&self, at: RegisterOffset) -> u64;
    /// Writes a 64-bit register, whole or as two halves (IHI 0070 6.2 allows either).
    fn write64(&self, at: RegisterOffset, value: u64);
}

impl<M: Mmio + ?Sized> Mmio for &M {
    fn read32(&self, at: RegisterOffset) -> u32 {
        (**self).read32(at)
    }
    fn write32(&self, at: RegisterOffset, value: u32) {
        (**self).write32(at, value);
    }
    fn read64(&self, at: RegisterOffset) -> u64 {
        (**self).read64(at)
    }
    fn write64(&self, at: RegisterOffset, value: u64) {
        (**self).write64(at, value);
    }
}
