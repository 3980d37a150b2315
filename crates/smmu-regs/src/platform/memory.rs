//! Memory that the CPU and the SMMU share.

use crate::addr::PhysAddr;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use static_assertions::{assert_eq_align, assert_eq_size};

/// One 64-bit little-endian word of memory that the SMMU may read or write at any moment.
///
/// It can only be loaded and stored whole, and the byte order is handled here: a plain `u64` never reaches memory that
/// hardware can see, and nothing ever makes a `&u64` or `&mut u64` of it.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Dword(AtomicU64);

assert_eq_size!(Dword, u64);
assert_eq_align!(Dword, AtomicU64);

impl Dword {
    /// A word with this value.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value.to_le()))
    }

    /// The value now.
    #[inline]
    #[must_use]
    pub fn load(&self) -> u64 {
        u64::from_le(self.0.load(Ordering::Relaxed))
    }

    /// The value now; later reads of this CPU are ordered after it.
    #[inline]
    #[must_use]
    pub fn load_acquire(&self) -> u64 {
        u64::from_le(self.0.load(Ordering::Acquire))
    }

    /// Stores all 64 bits at once. Says nothing about order: [`Memory::publish`] does.
    #[inline]
    pub fn store(&self, value: u64) {
        self.0.store(value.to_le(), Ordering::Relaxed);
    }

    /// Stores `new` if the word is `current`; otherwise gives what it is.
    ///
    /// # Errors
    /// The value found.
    #[inline]
    pub fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        self.0
            .compare_exchange(current.to_le(), new.to_le(), Ordering::AcqRel, Ordering::Acquire)
            .map(u64::from_le)
            .map_err(u64::from_le)
    }
}

/// What the SMMU reads in one piece when it fetches a configuration structure (IHI 0070 3.21.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Atomicity {
    /// An aligned 64-bit word: every SMMUv3.
    Bits64,
    /// An aligned pair of words: SMMUs beside PEs with FEAT_LSE2, structures in coherent write-back memory.
    Bits128,
}

/// Pages from [`Memory::allocate`]. Whoever holds this owns them; give them back with [`Memory::free`].
///
/// Dropping it leaks the pages, which is what must happen to memory that an SMMU may still use.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "dropping this leaks the pages"]
pub struct Pages {
    base: PhysAddr,
    bytes: u64,
}

impl Pages {
    /// For implementations of [`Memory`]: `bytes` bytes at `base` that nobody else owns.
    pub const fn from_raw(base: PhysAddr, bytes: u64) -> Self {
        Self { base, bytes }
    }

    /// Address of the first byte, as the SMMU sees it.
    #[inline]
    #[must_use]
    pub const fn base(&self) -> PhysAddr {
        self.base
    }

    /// Size in bytes.
    #[inline]
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Size in whole words of 8 bytes, for [`Memory::words`], [`Memory::clean`] and [`Memory::invalidate`]; more than
    /// an address can count is more than there can be.
    #[inline]
    #[must_use]
    pub fn words(&self) -> usize {
        usize::try_from(self.bytes / 8).unwrap_or(usize::MAX)
    }
}

/// No memory of that size and alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocationError {
    /// Size in bytes that was asked for.
    pub bytes: u64,
    /// Alignment in bytes that was asked for.
    pub align: u64,
}

impl fmt::Display for AllocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory for {:#x} bytes aligned to {:#x}", self.bytes, self.align)
    }
}

impl core::error::Error for AllocationError {}

/// An address that is not (wholly) memory that the platform knows: a stale or hostile pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryError {
    /// Address of the first word.
    pub address: PhysAddr,
    /// Number of 64-bit words.
    pub words: usize,
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} words at {} are not memory that the SMMU may share", self.words, self.address)
    }
}

impl core::error::Error for MemoryError {}

/// Memory shared with the SMMU.
///
/// # Safety
/// The crates build their guarantees, among them "no device reaches memory that it was not given", on what an
/// implementation promises here:
/// * [`Memory::allocate`] gives memory that no other owner has, zeroed, at least as aligned as asked, whose
///   [`Pages::base`] is the address that the SMMU uses for it;
/// * [`Memory::words`] gives the very memory at that address, for as long as `self` lives, or an error; never a word
///   that anything on the CPU side accesses other than through atomics;
/// * after [`Memory::publish`] the SMMU sees all stores made before it (by any CPU, as far as ordered before the call)
///   ahead of any made after it;
/// * [`Memory::free`] is given pages that [`Memory::allocate`] gave, though maybe by a handle that was made anew from
///   their address and size ([`Pages::from_raw`]); it must withstand any other and not hand them out again. No `&[Dword]`
///   of pages that were freed is used any more by these crates;
/// * [`Memory::atomicity`] says `Bits128` only if [`Memory::store_pair`] is single-copy atomic for the SMMU's fetches.
#[allow(unsafe_code)]
pub unsafe trait Memory {
    /// Zeroed memory of `bytes` bytes, aligned to `align` (a power of two, at least 8). These crates clean what they let
    /// the SMMU see; `allocate` need not.
    ///
    /// # Errors
    /// There is none.
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError>;

    /// Takes pages back.
    fn free(&self, pages: Pages);

    /// The `count` words at `address`, which is 8-byte aligned.
    ///
    /// # Errors
    /// Some of it is not memory that the platform shares with the SMMU.
    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError>;

    /// The barrier: everything stored before is visible to the SMMU before anything stored or written to a register
    /// after (`DSB ST` or `DMB OSHST`, by platform).
    fn publish(&self);

    /// The barrier before reading what the SMMU wrote: nothing after it is read before what was read ahead of it
    /// (`DMB OSHLD`).
    fn acquire(&self);

    /// The barrier before telling the SMMU that it may reuse what was read: everything read or stored ahead of it is done
    /// before anything stored or written to a register after (`DMB OSH`; a barrier of stores alone is not enough).
    fn release(&self);

    /// Cleans `words` words at `address` to where a non-coherent SMMU reads. A coherent platform does nothing; one that is
    /// not coherent must supply it.
    fn clean(&self, address: PhysAddr, words: usize) {
        let _ = (address, words);
    }

    /// Drops cached copies of `words` words at `address`, which a non-coherent SMMU has written. A coherent platform does
    /// nothing; one that is not coherent must supply it (or map the queues non-cacheable).
    fn invalidate(&self, address: PhysAddr, words: usize) {
        let _ = (address, words);
    }

    /// What one store to a configuration structure changes at once, as the SMMU sees it.
    fn atomicity(&self) -> Atomicity {
        Atomicity::Bits64
    }

    /// Stores two words, 16-byte aligned, in one single-copy atomic piece if [`Memory::atomicity`] is `Bits128`.
    fn store_pair(&self, pair: &[Dword; 2], values: [u64; 2]) {
        let [low, high] = pair;
        low.store(values[0]);
        high.store(values[1]);
    }
}

#[allow(unsafe_code)]
// SAFETY: every promise is that of the referred-to implementation, to which each call goes unchanged.
unsafe impl<M: Memory + ?Sized> Memory for &M {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        (**self).allocate(bytes, align)
    }
    fn free(&self, pages: Pages) {
        (**self).free(pages);
    }
    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        (**self).words(address, count)
    }
    fn publish(&self) {
        (**self).publish();
    }
    fn acquire(&self) {
        (**self).acquire();
    }
    fn release(&self) {
        (**self).release();
    }
    fn clean(&self, address: PhysAddr, words: usize) {
        (**self).clean(address, words);
    }
    fn invalidate(&self, address: PhysAddr, words: usize) {
        (**self).invalidate(address, words);
    }
    fn atomicity(&self) -> Atomicity {
        (**self).atomicity()
    }
    fn store_pair(&self, pair: &[Dword; 2], values: [u64; 2]) {
        (**self).store_pair(pair, values);
    }
}
