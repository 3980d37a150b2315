//! Guest RAM: one type for both machines, whether the memory is our own or QEMU's mapped file.

use crate::allocator::Allocator;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{AllocationError, Dword, MemoryError, Pages};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whoever owns the words.
pub(crate) trait Words: Send + Sync {
    fn words(&self) -> &[AtomicU64];
}

/// RAM of a machine: words at consecutive physical addresses, and an allocator for them.
pub struct GuestRam {
    words: Arc<dyn Words>,
    base: u64,
    allocator: Mutex<Allocator>,
}

/// An address that is not RAM, or not aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RamError {
    /// The address.
    pub address: PhysAddr,
}

impl fmt::Display for RamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not an aligned address of the machine's RAM", self.address)
    }
}

impl std::error::Error for RamError {}

/// Memory of our own, for the model.
pub(crate) struct OwnWords(Box<[AtomicU64]>);

impl OwnWords {
    /// `bytes` bytes, each word of which is `fill`.
    pub(crate) fn new(bytes: u64, fill: u64) -> Self {
        let count = usize::try_from(bytes / 8).unwrap_or(0);
        Self((0..count).map(|_| AtomicU64::new(fill.to_le())).collect())
    }
}

impl Words for OwnWords {
    fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}

impl GuestRam {
    pub(crate) fn new(words: Arc<dyn Words>, base: u64) -> Self {
        let end = base.saturating_add(words.words().len() as u64 * 8);
        Self { words, base, allocator: Mutex::new(Allocator::new(base, end)) }
    }

    fn atomics(&self, address: u64, count: usize) -> Option<&[AtomicU64]> {
        let offset = address.checked_sub(self.base)?;
        if offset % 8 != 0 {
            return None;
        }
        let start = usize::try_from(offset / 8).ok()?;
        self.words.words().get(start..start.checked_add(count)?)
    }

    fn allocator(&self) -> MutexGuard<'_, Allocator> {
        self.allocator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// First address.
    #[must_use]
    pub fn base(&self) -> PhysAddr {
        PhysAddr::new(self.base)
    }

    /// Size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.words.words().len() as u64 * 8
    }

    /// Bytes that have been allocated and not freed.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        self.allocator().allocated()
    }

    /// As [`Memory::words`](smmu_regs::platform::Memory::words).
    pub(crate) fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let words = self.atomics(address.get(), count).ok_or(MemoryError { address, words: count })?;
        // SAFETY: `Dword` is `repr(transparent)` over `AtomicU64` (a compile-time assertion in smmu-regs checks size and
        // alignment), so a slice of one is a slice of the other at the same address with the same length; the lifetime
        // is that of the borrow of `words`. Both are accessed through atomic operations only.
        Ok(unsafe { std::slice::from_raw_parts(words.as_ptr().cast::<Dword>(), words.len()) })
    }

    /// The physical address of words of this memory.
    pub(crate) fn address_of(&self, words: &[Dword]) -> Option<PhysAddr> {
        let first = self.words.words().as_ptr().addr();
        let offset = words.as_ptr().addr().checked_sub(first)? as u64;
        (offset < self.bytes()).then(|| PhysAddr::new(self.base + offset))
    }

    /// As [`Memory::allocate`](smmu_regs::platform::Memory::allocate).
    pub(crate) fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let error = AllocationError { bytes, align };
        let start = self.allocator().allocate(bytes, align).ok_or(error)?;
        let count = usize::try_from(bytes.div_ceil(8)).map_err(|_| error)?;
        for word in self.atomics(start, count).ok_or(error)? {
            word.store(0, Ordering::Relaxed);
        }
        Ok(Pages::from_raw(PhysAddr::new(start), bytes))
    }

    /// As [`Memory::free`](smmu_regs::platform::Memory::free).
    ///
    /// # Panics
    /// The pages are not out: a double free, which a test bench must not hide.
    pub(crate) fn free(&self, pages: Pages) {
        let known = self.allocator().free(pages.base().get());
        assert!(known, "{:#x} was freed and is not allocated", pages.base().get());
    }

    pub(crate) fn peek32(&self, address: PhysAddr) -> Result<u32, RamError> {
        let error = RamError { address };
        let at = address.get();
        if at % 4 != 0 {
            return Err(error);
        }
        let [word] = self.atomics(at & !7, 1).ok_or(error)? else { return Err(error) };
        let value = u64::from_le(word.load(Ordering::SeqCst));
        Ok(if at & 4 == 0 { value as u32 } else { (value >> 32) as u32 })
    }

    pub(crate) fn poke32(&self, address: PhysAddr, value: u32) -> Result<(), RamError> {
        let error = RamError { address };
        let at = address.get();
        if at % 4 != 0 {
            return Err(error);
        }
        let [word] = self.atomics(at & !7, 1).ok_or(error)? else { return Err(error) };
        let (keep, put) = if at & 4 == 0 {
            (0xffff_ffff_0000_0000, u64::from(value))
        } else {
            (0x0000_0000_ffff_ffff, u64::from(value) << 32)
        };
        let change = |old: u64| Some((u64::from_le(old) & keep | put).to_le());
        // The closure always gives a value, so the update always succeeds.
        let _ = word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, change);
        Ok(())
    }
}

impl fmt::Debug for GuestRam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuestRam({:#x}, {:#x} bytes)", self.base, self.bytes())
    }
}
