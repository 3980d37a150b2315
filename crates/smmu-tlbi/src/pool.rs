//! ASIDs and VMIDs that are owned: handed out once, and handed out again only when no TLB holds anything of theirs.
//!
//! * An ASID is the same number on every SMMU that its address space is used by: one [`AsidPool`] for a system.
//! * A VMID belongs to one SMMU: a [`VmidPool`] for each. A stage 2 that several SMMUs share has a VMID on each of them.
//!
//! A tag goes the way of everything that hardware may still hold: it is [retired](OwnedTag::retire), its whole-tag
//! invalidation is queued ([`Tag::whole`](crate::Tag::whole)), and only receipts for that bring it back to
//! [`TagPool::put`]. What times out stays in its quarantine, out of circulation.
//!
//! ```
//! use smmu_regs::caps::{Caps, Hints, IdRegisters};
//! use smmu_regs::{Asid, InstanceId, Vmid};
//! use smmu_tlbi::pool::{AsidPool, VmidPool};
//!
//! let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
//! let mut vmids = VmidPool::<4>::new(InstanceId::new(0), &caps); // room for 4 * 64
//! let streams_without_stage2 = vmids.reserve(Vmid::new(0))?;
//! let guest = vmids.take()?;
//! assert_ne!(guest.value(), streams_without_stage2.value());
//! let mut asids = AsidPool::<4>::new([&caps]);
//! let space = asids.take()?;
//! // ... the CD is gone; its ASID is invalidated on every SMMU ...
//! let retired = space.retire().never_seen_by_hardware(); // here nobody ever used it
//! asids.put(retired)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::fmt;
use core::marker::PhantomData;
use smmu_regs::receipt::Detached;
use smmu_regs::{Asid, Caps, InstanceId, Vmid};

/// A number that tags translations.
pub trait TagValue: Copy + fmt::Debug + Eq {
    /// What it is called.
    const NAME: &'static str;
    /// The number.
    fn number(self) -> u16;
    /// The tag with this number.
    fn with_number(number: u16) -> Self;
}

impl TagValue for Asid {
    const NAME: &'static str = "ASID";
    fn number(self) -> u16 {
        self.get()
    }
    fn with_number(number: u16) -> Self {
        Self::new(number)
    }
}

impl TagValue for Vmid {
    const NAME: &'static str = "VMID";
    fn number(self) -> u16 {
        self.get()
    }
    fn with_number(number: u16) -> Self {
        Self::new(number)
    }
}

/// A tag that nobody else has. Not `Copy`: who has it may use it.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "dropping it keeps the tag out of circulation for good"]
pub struct OwnedTag<T> {
    value: T,
    instance: Option<InstanceId>,
}

impl<T: TagValue> OwnedTag<T> {
    /// The tag.
    #[must_use]
    pub const fn value(&self) -> T {
        self.value
    }

    /// The SMMU that it is a tag of; none for one that is the same everywhere.
    #[must_use]
    pub const fn instance(&self) -> Option<InstanceId> {
        self.instance
    }

    /// No STE and no CD has it any longer. TLBs may: invalidate all of it on every SMMU that used it.
    pub fn retire(self) -> Detached<RetiredTag<T>> {
        Detached::new(RetiredTag { value: self.value, instance: self.instance })
    }
}

/// A tag of which no TLB holds anything.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "put it back into its pool"]
pub struct RetiredTag<T> {
    value: T,
    instance: Option<InstanceId>,
}

/// Why a tag was not handed out, or not taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolError<T> {
    /// All are in use.
    Exhausted {
        /// How many there are.
        size: u32,
    },
    /// That one is in use.
    InUse {
        /// The tag.
        value: T,
    },
    /// The SMMUs, or the pool, do not have that one.
    TooLarge {
        /// The tag.
        value: T,
        /// How many there are.
        size: u32,
    },
    /// It is a tag of another SMMU, or of another pool.
    Foreign {
        /// The tag.
        value: T,
        /// The SMMU that it is a tag of.
        instance: Option<InstanceId>,
    },
}

impl<T: TagValue> fmt::Display for PoolError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = T::NAME;
        match self {
            Self::Exhausted { size } => write!(f, "all {size} {name}s are in use"),
            Self::InUse { value } => write!(f, "{name} {:#x} is in use", value.number()),
            Self::TooLarge { value, size } => {
                write!(f, "{name} {:#x} is not one of the {size} that there are", value.number())
            }
            Self::Foreign { value, instance: Some(instance) } => {
                write!(f, "{name} {:#x} of SMMU {instance} was not taken from this pool", value.number())
            }
            Self::Foreign { value, instance: None } => {
                write!(f, "{name} {:#x} was not taken from this pool", value.number())
            }
        }
    }
}

impl<T: TagValue> core::error::Error for PoolError<T> {}

/// The ASIDs of a system.
pub type AsidPool<const WORDS: usize> = TagPool<Asid, WORDS>;
/// The VMIDs of one SMMU.
pub type VmidPool<const WORDS: usize> = TagPool<Vmid, WORDS>;

/// Tags by number, up to `64 * WORDS` of them: 4 words for 8 bits, 1024 for 16.
#[derive(Debug, Clone)]
pub struct TagPool<T, const WORDS: usize> {
    taken: [u64; WORDS],
    size: u32,
    /// Where the search begins: tags are used in turn, so that what was just put back rests.
    next: u32,
    instance: Option<InstanceId>,
    tag: PhantomData<T>,
}

impl<const WORDS: usize> TagPool<Asid, WORDS> {
    /// All ASIDs that every one of these SMMUs has.
    #[must_use]
    pub fn new<'c>(smmus: impl IntoIterator<Item = &'c Caps>) -> Self {
        let bits = smmus.into_iter().map(|caps| caps.asid_bits).min().unwrap_or(8);
        Self::with_bits(bits, None)
    }
}

impl<const WORDS: usize> TagPool<Vmid, WORDS> {
    /// The VMIDs of SMMU `instance`: none but 0 if it has no stage 2.
    ///
    /// Translations of streams without stage 2 are tagged with the VMID of their STE too (IHI 0070 3.17, 5.2 S2VMID):
    /// [reserve](Self::reserve) one for them, usually 0.
    #[must_use]
    pub fn new(instance: InstanceId, caps: &Caps) -> Self {
        Self::with_bits(caps.usable_vmid_bits(), Some(instance))
    }
}

impl<T: TagValue, const WORDS: usize> TagPool<T, WORDS> {
    fn with_bits(bits: u8, instance: Option<InstanceId>) -> Self {
        let room = u32::try_from(WORDS).unwrap_or(u32::MAX).saturating_mul(64);
        let size = 1u32.wrapping_shl(u32::from(bits.min(16))).min(room);
        Self { taken: [0; WORDS], size, next: 0, instance, tag: PhantomData }
    }

    /// How many tags there are, in use or not.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// How many are in use.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.taken.iter().map(|word| word.count_ones()).sum()
    }

    fn bit(number: u16) -> (usize, u64) {
        (usize::from(number / 64), 1u64.wrapping_shl(u32::from(number % 64)))
    }

    fn own(&mut self, number: u16) -> OwnedTag<T> {
        let (word, bit) = Self::bit(number);
        if let Some(word) = self.taken.get_mut(word) {
            *word |= bit;
        }
        OwnedTag { value: T::with_number(number), instance: self.instance }
    }

    fn is_taken(&self, number: u16) -> bool {
        let (word, bit) = Self::bit(number);
        self.taken.get(word).is_none_or(|word| word & bit != 0)
    }

    /// A tag that nobody has.
    ///
    /// # Errors
    /// [`PoolError::Exhausted`].
    pub fn take(&mut self) -> Result<OwnedTag<T>, PoolError<T>> {
        let size = self.size;
        let candidates = (self.next..size).chain(0..self.next);
        for number in candidates.filter_map(|number| u16::try_from(number).ok()) {
            if !self.is_taken(number) {
                self.next = u32::from(number).saturating_add(1);
                return Ok(self.own(number));
            }
        }
        Err(PoolError::Exhausted { size })
    }

    /// This very tag: VMID 0 for streams without stage 2, an ASID of the CPU's, whatever a running SMMU uses already.
    ///
    /// # Errors
    /// It is in use, or there is none such.
    pub fn reserve(&mut self, value: T) -> Result<OwnedTag<T>, PoolError<T>> {
        let (number, size) = (value.number(), self.size);
        if u32::from(number) >= size {
            return Err(PoolError::TooLarge { value, size });
        }
        if self.is_taken(number) {
            return Err(PoolError::InUse { value });
        }
        Ok(self.own(number))
    }

    /// Takes a tag back.
    ///
    /// # Errors
    /// It is another pool's.
    pub fn put(&mut self, tag: RetiredTag<T>) -> Result<(), PoolError<T>> {
        let RetiredTag { value, instance } = tag;
        let number = value.number();
        let foreign = PoolError::Foreign { value, instance };
        if instance != self.instance || u32::from(number) >= self.size || !self.is_taken(number) {
            return Err(foreign);
        }
        let (word, bit) = Self::bit(number);
        *self.taken.get_mut(word).ok_or(foreign)? &= !bit;
        Ok(())
    }
}
