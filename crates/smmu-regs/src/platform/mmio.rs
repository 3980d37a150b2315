//! Register access.

use crate::registers::Bank;
use core::fmt;

/// Which 64 KiB page of the register file (IHI 0070 6.1). Some registers of page 0 have their home in page 1.
///
/// Every SMMU has pages 0 and 1. The others are optional; a platform that does not map one of them answers its reads
/// with zero and ignores its writes, as an SMMU does where it has no register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Page {
    /// Page 0, at the SMMU's base address.
    Zero,
    /// Page 1, 64 KiB above; the same as page 0 on an SMMU with the "page 0 only" quirk.
    One,
    /// The page of the VATOS interface: 0x20000 + `IDR2.BA_VATOS` * 0x10000 above page 0.
    Vatos,
    /// The page of the Secure VATOS interface: 0x20000 + `S_IDR2.BA_S_VATOS` * 0x10000 above page 0.
    SecureVatos,
    /// A page of enhanced command queues: `CMDQ_CONTROL_PAGE_BASE<n>.ADDR` above page 0.
    CommandQueues {
        /// Whose queues these are.
        bank: Bank,
        /// Number of the page.
        page: u8,
    },
    /// Realm page 0: 0x20000 + `ROOT_IDR0.BA_REALM` * 0x10000 above page 0.
    RealmZero,
    /// Realm page 1, 64 KiB above Realm page 0.
    RealmOne,
    /// The Root Control Page, at an address of its own.
    RootControl,
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

    /// A register of the VATOS page.
    #[must_use]
    pub const fn vatos(offset: u16) -> Self {
        Self { page: Page::Vatos, offset }
    }

    /// A register of the Secure VATOS page.
    #[must_use]
    pub const fn secure_vatos(offset: u16) -> Self {
        Self { page: Page::SecureVatos, offset }
    }

    /// A register of Realm page 0.
    #[must_use]
    pub const fn realm0(offset: u16) -> Self {
        Self { page: Page::RealmZero, offset }
    }

    /// A register of Realm page 1.
    #[must_use]
    pub const fn realm1(offset: u16) -> Self {
        Self { page: Page::RealmOne, offset }
    }

    /// A register of the Root Control Page.
    #[must_use]
    pub const fn root(offset: u16) -> Self {
        Self { page: Page::RootControl, offset }
    }

    /// Offset in bytes from the SMMU's base address for what is in pages 0 and 1; `None` for the optional pages, whose
    /// place differs between SMMUs.
    #[must_use]
    pub const fn fixed(self) -> Option<u32> {
        match self.page {
            Page::Zero => Some(self.offset as u32),
            Page::One => Some(0x1_0000 + self.offset as u32),
            _ => None,
        }
    }

    /// As [`RegisterOffset::fixed`], and `u32::MAX`, where no register is, for the optional pages.
    #[must_use]
    pub const fn from_base(self) -> u32 {
        match self.fixed() {
            Some(offset) => offset,
            None => u32::MAX,
        }
    }
}

impl fmt::Debug for RegisterOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fixed() {
            Some(offset) => write!(f, "{offset:#x}"),
            None => write!(f, "{:?}+{:#x}", self.page, self.offset),
        }
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
