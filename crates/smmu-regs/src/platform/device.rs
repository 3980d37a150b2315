//! [`Mmio`] on real hardware.

use super::{Mmio, Page, RegisterOffset, raw};
use crate::registers::Bank;
use core::ptr::NonNull;

/// Size of a page of registers in bytes.
pub const PAGE_BYTES: usize = 0x1_0000;

/// How a 64-bit register is accessed. IHI 0070 6.2 allows both; an interconnect or a hypervisor may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Access64 {
    /// In one piece.
    #[default]
    Whole,
    /// As two accesses of 32 bits: the low half, then the high half.
    Halves,
}

/// The registers of one SMMU, mapped into the address space.
///
/// Every access is one `ldr` or `str` that a hypervisor can emulate (see [`raw`]). Registers that are not there are safe to
/// ask for: an optional page that is not mapped reads as zero and ignores writes, as an SMMU does where it has no
/// register; an access that is not aligned, which an SMMU may answer in any way, reads as all-ones and is not made.
///
/// ```no_run
/// # fn map(_: u64) -> core::ptr::NonNull<u8> { unimplemented!() }
/// use smmu_regs::platform::{Access64, Device};
/// use smmu_regs::registers::{Idr0, Registers};
///
/// let page0 = map(0x0905_0000);
/// let page1 = map(0x0906_0000);
/// // SAFETY: both are 64 KiB of Device-nGnRE memory that stay mapped; this driver is the only user of this SMMU and
/// // hands the `Device` to nobody else.
/// let smmu = unsafe { Device::new(page0, page1) }.with_access64(Access64::Halves);
/// let idr0: Idr0 = smmu.get();
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Device {
    page0: NonNull<u8>,
    page1: NonNull<u8>,
    vatos: Option<NonNull<u8>>,
    secure_vatos: Option<NonNull<u8>>,
    realm: Option<[NonNull<u8>; 2]>,
    root: Option<NonNull<u8>>,
    /// First control page and number of control pages of the Non-secure, Secure and Realm bank.
    queues: [Option<(NonNull<u8>, u16)>; 3],
    access64: Access64,
}

#[allow(unsafe_code)]
// SAFETY: the pointers lead to registers, not to Rust objects: mapped for all CPUs and for ever, as whoever made the `Device`
// promised. Aligned accesses of 32 bits are single-copy atomic, those of 64 bits need not be, as `Mmio` says; neither is a
// data race, for they are made by `asm!` (elsewhere: volatile), beyond the memory that the language knows.
unsafe impl Send for Device {}

#[allow(unsafe_code)]
// SAFETY: as for `Send`; `Device` has no state that changes.
unsafe impl Sync for Device {}

#[allow(unsafe_code)]
impl Device {
    /// The SMMU whose pages 0 and 1 are mapped at `page0` and `page1`.
    ///
    /// # Safety
    /// * Each pointer leads to a whole page of registers ([`PAGE_BYTES`]), 8-byte aligned, mapped readable and writable as
    ///   Device memory (nGnRE, or stronger), on every CPU that uses the `Device` or a copy of it, until the last of them is
    ///   gone. Nothing else is there.
    /// * An SMMU stores to memory (events, page requests, MSIs, flags in translation tables), where its registers and
    ///   tables say, and lets devices do so. Whoever can write its registers can write any memory. So the `Device` is handed
    ///   only to code that programs the SMMU by the rules: it points it to memory that is meant for that alone, such as
    ///   that from [`Memory::allocate`](super::Memory::allocate).
    #[must_use]
    pub const unsafe fn new(page0: NonNull<u8>, page1: NonNull<u8>) -> Self {
        Self {
            page0,
            page1,
            vatos: None,
            secure_vatos: None,
            realm: None,
            root: None,
            queues: [None; 3],
            access64: Access64::Whole,
        }
    }

    /// An SMMU with the "page 0 only" quirk ([`Quirk::Page0Only`](crate::Quirk::Page0Only)): the registers of page 1 are
    /// at the same offsets in page 0.
    ///
    /// # Safety
    /// As for [`Device::new`].
    #[must_use]
    pub const unsafe fn page0_only(page0: NonNull<u8>) -> Self {
        // SAFETY: the caller's promise, for the one page that is both.
        unsafe { Self::new(page0, page0) }
    }

    /// With registers of 64 bits accessed so.
    #[must_use]
    pub const fn with_access64(self, access64: Access64) -> Self {
        Self { access64, ..self }
    }

    /// With the page of the VATOS interface.
    ///
    /// # Safety
    /// As for [`Device::new`].
    #[must_use]
    pub const unsafe fn with_vatos(self, page: NonNull<u8>) -> Self {
        Self { vatos: Some(page), ..self }
    }

    /// With the page of the Secure VATOS interface.
    ///
    /// # Safety
    /// As for [`Device::new`].
    #[must_use]
    pub const unsafe fn with_secure_vatos(self, page: NonNull<u8>) -> Self {
        Self { secure_vatos: Some(page), ..self }
    }

    /// With Realm pages 0 and 1.
    ///
    /// # Safety
    /// As for [`Device::new`].
    #[must_use]
    pub const unsafe fn with_realm(self, page0: NonNull<u8>, page1: NonNull<u8>) -> Self {
        Self { realm: Some([page0, page1]), ..self }
    }

    /// With the Root Control Page.
    ///
    /// # Safety
    /// As for [`Device::new`].
    #[must_use]
    pub const unsafe fn with_root_control(self, page: NonNull<u8>) -> Self {
        Self { root: Some(page), ..self }
    }

    /// With the first `count` pages of enhanced command queues of `bank`, mapped one after the other as the SMMU has
    /// them (IHI 0070 6.1). The Root bank has none: nothing changes.
    ///
    /// # Safety
    /// As for [`Device::new`], for `count` pages from `first`.
    #[must_use]
    pub const unsafe fn with_command_queues(mut self, bank: Bank, first: NonNull<u8>, count: u16) -> Self {
        let [non_secure, secure, realm] = &mut self.queues;
        match bank {
            Bank::NonSecure => *non_secure = Some((first, count)),
            Bank::Secure => *secure = Some((first, count)),
            Bank::Realm => *realm = Some((first, count)),
            Bank::Root => {}
        }
        self
    }

    /// Where the page is mapped.
    #[inline]
    fn page(&self, page: Page) -> Option<NonNull<u8>> {
        let [non_secure, secure, realm_queues] = self.queues;
        match page {
            Page::Zero => Some(self.page0),
            Page::One => Some(self.page1),
            Page::Vatos => self.vatos,
            Page::SecureVatos => self.secure_vatos,
            Page::RealmZero => self.realm.map(|[zero, _]| zero),
            Page::RealmOne => self.realm.map(|[_, one]| one),
            Page::RootControl => self.root,
            Page::CommandQueues { bank, page } => {
                let (first, count) = match bank {
                    Bank::NonSecure => non_secure?,
                    Bank::Secure => secure?,
                    Bank::Realm => realm_queues?,
                    Bank::Root => return None,
                };
                if u16::from(page) >= count {
                    return None;
                }
                // SAFETY: `page` is below `count`, and `count` pages are mapped from `first`: the sum stays inside them.
                Some(unsafe { first.add(usize::from(page) * PAGE_BYTES) })
            }
        }
    }

    /// The address of `BYTES` (4 or 8) bytes of registers.
    #[inline]
    fn at<const BYTES: u16>(&self, at: RegisterOffset) -> Place {
        if at.offset % BYTES != 0 {
            return Place::Misaligned;
        }
        match self.page(at.page) {
            // SAFETY: the offset is below 64 KiB, the size of the page.
            Some(page) => Place::Register(unsafe { page.add(usize::from(at.offset)) }),
            None => Place::Nothing,
        }
    }
}

/// What an access meets.
enum Place {
    /// A register: as many bytes as were asked for, aligned to that number, are in a mapped page. The page is aligned to 8
    /// and the offset to that number, which divides the size of the page.
    Register(NonNull<u8>),
    /// An optional page that is not mapped.
    Nothing,
    /// No register is at such an offset.
    Misaligned,
}

#[allow(unsafe_code)]
impl Mmio for Device {
    #[inline]
    fn read32(&self, at: RegisterOffset) -> u32 {
        match self.at::<4>(at) {
            // SAFETY: four aligned bytes of a mapped page of registers; what it does to the SMMU, `new`'s caller answers for.
            Place::Register(at) => unsafe { raw::read32(at.as_ptr().cast()) },
            Place::Nothing => 0,
            Place::Misaligned => u32::MAX,
        }
    }

    #[inline]
    fn write32(&self, at: RegisterOffset, value: u32) {
        if let Place::Register(at) = self.at::<4>(at) {
            // SAFETY: four aligned bytes of a mapped page of registers; what it does to the SMMU, `new`'s caller answers for.
            unsafe { raw::write32(at.as_ptr().cast(), value) }
        }
    }

    #[inline]
    fn read64(&self, at: RegisterOffset) -> u64 {
        match (self.at::<8>(at), self.access64) {
            // SAFETY: eight aligned bytes of a mapped page of registers; what it does to the SMMU, `new`'s caller answers for.
            (Place::Register(at), Access64::Whole) => unsafe { raw::read64(at.as_ptr().cast()) },
            (Place::Register(at), Access64::Halves) => {
                let at: *const u32 = at.as_ptr().cast();
                // SAFETY: the same eight bytes, as two aligned halves.
                let (low, high) = unsafe { (raw::read32(at), raw::read32(at.add(1))) };
                u64::from(high) << 32 | u64::from(low)
            }
            (Place::Nothing, _) => 0,
            (Place::Misaligned, _) => u64::MAX,
        }
    }

    #[inline]
    fn write64(&self, at: RegisterOffset, value: u64) {
        let Place::Register(at) = self.at::<8>(at) else { return };
        match self.access64 {
            // SAFETY: eight aligned bytes of a mapped page of registers; what it does to the SMMU, `new`'s caller answers for.
            Access64::Whole => unsafe { raw::write64(at.as_ptr().cast(), value) },
            Access64::Halves => {
                let at: *mut u32 = at.as_ptr().cast();
                let (low, high) = ((value & u64::from(u32::MAX)) as u32, (value >> 32) as u32);
                // SAFETY: the same eight bytes, as two aligned halves.
                unsafe {
                    raw::write32(at, low);
                    raw::write32(at.add(1), high);
                }
            }
        }
    }
}
