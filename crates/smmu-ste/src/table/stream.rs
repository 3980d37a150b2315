//! Stream tables, linear and two-level (IHI 0070 3.3.1, 5.1, 6.3.24, 6.3.25).

use super::TableError;
use super::word::L1Std;
use super::write::{Caches, Entry, Progress, Updated};
use crate::ste::word::Ste0;
use crate::ste::{Ste, SteConfig};
use crate::update::{UpdatePlan, UsedBits};
use core::time::Duration;
use smmu_cmds::{Command, CommandQueue};
use smmu_regs::addr::PhysAddr;
use smmu_regs::layout::Layout;
use smmu_regs::platform::{Clock, Memory, Mmio, Pages};
use smmu_regs::registers::{StrtabBase, StrtabBaseCfg};
use smmu_regs::{Caps, Feature, StreamId};

/// Bytes of an STE.
const STE_BYTES: u64 = 64;
/// `V` of an STE.
const VALID: u64 = Ste0::V.mask();

/// How a stream table is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamTableShape {
    /// One array of STEs.
    Linear {
        /// log2 of the StreamIDs covered.
        log2: u8,
    },
    /// An array of level-1 descriptors, each of which may point to an array of 2^`split` STEs.
    TwoLevel {
        /// log2 of the StreamIDs covered.
        log2: u8,
        /// log2 of the STEs of a level-2 table: 6, 8 or 10.
        split: u8,
    },
}

impl StreamTableShape {
    /// The largest linear table made by choice: 2^8 STEs, 16 KiB.
    const LINEAR_BY_CHOICE: u8 = 8;
    /// The largest linear table at all: 2^17 STEs, 8 MiB.
    const LINEAR_MAX: u8 = 17;

    /// The shape for `bits` of StreamIDs: linear where that is small or all the SMMU can do, else two-level with the
    /// smallest level-1 table that keeps a level-2 table within 16 KiB (or 64 KiB above 26 bits).
    ///
    /// # Errors
    /// More bits than the SMMU has, or a linear table would be larger than 8 MiB.
    pub fn choose(caps: &Caps, bits: u8) -> Result<Self, TableError> {
        if bits > caps.stream_id_bits {
            return Err(TableError::Size { log2: bits, max: caps.stream_id_bits });
        }
        let two_level = caps.has(Feature::TwoLevelStreamTable);
        if bits <= Self::LINEAR_BY_CHOICE || !two_level && bits <= Self::LINEAR_MAX {
            return Ok(Self::Linear { log2: bits });
        }
        if !two_level {
            return Err(TableError::Size { log2: bits, max: Self::LINEAR_MAX });
        }
        let split = if bits > 26 { 10 } else { 8 };
        Ok(Self::TwoLevel { log2: bits, split })
    }

    /// log2 of the StreamIDs covered.
    #[must_use]
    pub const fn log2(self) -> u8 {
        match self {
            Self::Linear { log2 } | Self::TwoLevel { log2, .. } => log2,
        }
    }

    /// Bytes of the table that the base register points to; saturates where no table could be.
    #[must_use]
    pub const fn top_bytes(self) -> u64 {
        let (entry, log2) = match self {
            Self::Linear { log2 } => (STE_BYTES, log2),
            Self::TwoLevel { log2, split } => (8, log2.saturating_sub(split)),
        };
        if log2 > 32 { u64::MAX } else { entry << log2 }
    }

    /// Whether an SMMU with these capabilities takes such a table.
    fn check(self, caps: &Caps) -> Result<(), TableError> {
        let (log2, linear) = match self {
            Self::Linear { log2 } => (log2, true),
            Self::TwoLevel { log2, .. } => (log2, false),
        };
        let max = if linear { caps.stream_id_bits.min(Self::LINEAR_MAX) } else { caps.stream_id_bits };
        if log2 > max {
            return Err(TableError::Size { log2, max });
        }
        match self {
            Self::TwoLevel { .. } if !caps.has(Feature::TwoLevelStreamTable) => Err(TableError::TwoLevel),
            Self::TwoLevel { split, .. } if !matches!(split, 6 | 8 | 10) => Err(TableError::Split { split }),
            _ => Ok(()),
        }
    }
}

/// A stream table. Entries of streams that nobody set abort.
#[derive(Debug)]
pub struct StreamTable {
    shape: StreamTableShape,
    top: Pages,
    caps: Caps,
    caches: Caches,
}

impl StreamTable {
    /// Allocates a table. A linear one is filled with aborting STEs; a two-level one has no level-2 table yet.
    ///
    /// # Errors
    /// The SMMU does not take a table of that shape, or there is no memory.
    pub fn new<M: Memory>(memory: &M, caps: &Caps, shape: StreamTableShape) -> Result<Self, TableError> {
        shape.check(caps)?;
        // Aligned to its size, and at least to 64 bytes (6.3.24).
        let bytes = shape.top_bytes().max(64);
        let top = memory.allocate(bytes, bytes)?;
        let table = Self { shape, top, caps: *caps, caches: Caches::default() };
        match shape {
            StreamTableShape::Linear { .. } => {
                fill_with_abort(memory, caps, table.top.base(), bytes)?;
            }
            // The zeros are level-1 descriptors of nothing, and the SMMU must see them.
            StreamTableShape::TwoLevel { .. } => memory.clean(table.top.base(), word_count(bytes)),
        }
        memory.publish();
        Ok(table)
    }

    /// The shape.
    #[must_use]
    pub const fn shape(&self) -> StreamTableShape {
        self.shape
    }

    /// What `STRTAB_BASE` and `STRTAB_BASE_CFG` are to hold.
    ///
    /// # Errors
    /// The table's address does not fit the register.
    pub fn registers(&self) -> Result<(StrtabBase, StrtabBaseCfg), TableError> {
        let base = StrtabBase::new()
            .try_with_address(StrtabBase::ADDR, self.top.base().get())?
            .with(StrtabBase::RA, self.caps.has(Feature::Coherent));
        let shape = StrtabBaseCfg::new().try_with(StrtabBaseCfg::LOG2SIZE, self.shape.log2())?;
        let shape = match self.shape {
            StreamTableShape::Linear { .. } => shape,
            StreamTableShape::TwoLevel { split, .. } => {
                shape.try_with(StrtabBaseCfg::SPLIT, split)?.try_with(StrtabBaseCfg::FMT, 1_u8)?
            }
        };
        Ok((base, shape))
    }

    fn check(&self, stream: StreamId) -> Result<(), TableError> {
        let bits = self.shape.log2();
        if stream.fits(u32::from(bits)) { Ok(()) } else { Err(TableError::Stream { stream, bits }) }
    }

    /// Address of the level-1 descriptor of `stream`, which is in range.
    fn level1(&self, stream: StreamId, split: u8) -> PhysAddr {
        let offset = (u64::from(stream) >> split).wrapping_mul(8);
        PhysAddr::new(self.top.base().get().wrapping_add(offset))
    }

    /// Address of the STE of `stream`; `None` if its level-2 table is not there.
    fn find<M: Memory>(&self, memory: &M, stream: StreamId) -> Result<Option<PhysAddr>, TableError> {
        self.check(stream)?;
        let (base, index) = match self.shape {
            StreamTableShape::Linear { .. } => (self.top.base().get(), u64::from(stream)),
            StreamTableShape::TwoLevel { split, .. } => {
                let descriptor = self.read_level1(memory, stream, split)?;
                if descriptor.span() == 0 {
                    return Ok(None);
                }
                if descriptor.span() != split.saturating_add(1) {
                    return Err(TableError::Level1 { descriptor: descriptor.into_bits() });
                }
                let index = u64::from(stream) & (1_u64.wrapping_shl(u32::from(split))).wrapping_sub(1);
                (descriptor.address(L1Std::L2PTR), index)
            }
        };
        Ok(Some(PhysAddr::new(base.wrapping_add(index.wrapping_mul(STE_BYTES)))))
    }

    fn read_level1<M: Memory>(&self, memory: &M, stream: StreamId, split: u8) -> Result<L1Std, TableError> {
        let words = memory.words(self.level1(stream, split), 1)?;
        Ok(L1Std::from_word(words.first().map_or(0, |word| word.load())))
    }

    /// A copy of the STE of `stream`; `None` if its level-2 table is not there, so that its transactions abort with
    /// C_BAD_STREAMID.
    ///
    /// # Errors
    /// The StreamID is beyond the table, or memory does not hold what this table wrote.
    pub fn get<M: Memory>(&self, memory: &M, stream: StreamId) -> Result<Option<Ste>, TableError> {
        match self.find(memory, stream)? {
            None => Ok(None),
            Some(at) => Ok(Some(Ste::from_words(Entry::read(memory, at)?.words))),
        }
    }

    /// Makes sure that `stream` has an STE: allocates its level-2 table, fills it with aborting STEs, publishes it by
    /// one store of its level-1 descriptor, and has caches of the old descriptor dropped (5.1.1).
    ///
    /// # Errors
    /// No memory, or the invalidation failed: the table is there then, but the SMMU may not see it yet.
    pub fn ensure<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        queue: &mut CommandQueue,
        stream: StreamId,
        timeout: Duration,
    ) -> Result<(), TableError> {
        if self.find(p, stream)?.is_some() {
            // It may be there since an attempt whose invalidation failed.
            return self.caches.guard(p, queue, timeout, |_, _| Ok(()));
        }
        let StreamTableShape::TwoLevel { split, .. } = self.shape else { return Ok(()) };
        let at = self.level1(stream, split);
        let (caps, command) = (self.caps, Command::CfgiSte { stream, leaf: false });
        self.caches.guard(p, queue, timeout, |queue, _| {
            let descriptor = new_level2(p, &caps, split)?;
            if let Some(word) = p.words(at, 1)?.first() {
                word.store(descriptor.into_bits());
            }
            p.clean(at, 1);
            queue.push(p, &command, timeout)?;
            let _ = queue.sync(p, timeout)?;
            Ok(())
        })
    }

    /// Changes the STE of `stream` to `target`, hitless where the architecture has a way.
    ///
    /// `observe` is told of every step; a driver passes `|_| {}`.
    ///
    /// # Errors
    /// The stream has no STE (see [`StreamTable::ensure`]), ATS would go between full and split-stage at once, the queue is
    /// another SMMU's, or an invalidation failed.
    pub fn set<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        queue: &mut CommandQueue,
        stream: StreamId,
        target: &Ste,
        timeout: Duration,
        observe: impl FnMut(Progress<'_>),
    ) -> Result<Updated, TableError> {
        let bits = self.shape.log2();
        let at = self.find(p, stream)?.ok_or(TableError::Stream { stream, bits })?;
        let entry = Entry::read(p, at)?;
        let current = Ste::from_words(entry.words);
        current.check_ats_transition(target)?;
        let plan = self.plan(&current, target, p.atomicity());
        let command = Command::CfgiSte { stream, leaf: true };
        self.caches.guard(p, queue, timeout, |queue, made_up| {
            entry.carry_out(p, queue, plan, &[command], (made_up, timeout), observe)
        })
    }

    /// The way from one STE to another.
    #[must_use]
    pub fn plan(&self, current: &Ste, target: &Ste, atomicity: smmu_regs::platform::Atomicity) -> UpdatePlan {
        let used = UsedBits {
            current: current.used_bits(&self.caps),
            target: target.used_bits(&self.caps),
            safe: current.safe_bits(target),
        };
        UpdatePlan::new(&current.words(), &target.words(), &used, VALID, atomicity)
    }

    /// Gives all memory back: only when the SMMU no longer uses the table.
    ///
    /// # Errors
    /// Memory does not hold what this table wrote. Everything else has been given back.
    pub fn free<M: Memory>(self, memory: &M) -> Result<(), TableError> {
        let mut outcome = Ok(());
        if let StreamTableShape::TwoLevel { log2, split } = self.shape {
            let bytes = STE_BYTES.wrapping_shl(u32::from(split));
            for index in 0..1_u64.wrapping_shl(u32::from(log2.saturating_sub(split))) {
                let stream = StreamId::try_from(index.wrapping_shl(u32::from(split)));
                let Ok(stream) = stream else { break };
                // The first STE of a level-2 table is where the table is.
                match self.find(memory, stream) {
                    Ok(Some(base)) => memory.free(Pages::from_raw(base, bytes)),
                    Ok(None) => {}
                    Err(error) => outcome = Err(error),
                }
            }
        }
        memory.free(self.top);
        outcome
    }
}

fn word_count(bytes: u64) -> usize {
    usize::try_from(bytes / 8).unwrap_or(usize::MAX)
}

/// Fills memory with STEs that abort.
fn fill_with_abort<M: Memory>(memory: &M, caps: &Caps, base: PhysAddr, bytes: u64) -> Result<(), TableError> {
    let [first, ..] = SteConfig::Abort.encode(caps)?.words();
    let count = word_count(bytes);
    for ste in memory.words(base, count)?.chunks_exact(Ste::WORDS) {
        if let Some(word) = ste.first() {
            word.store(first);
        }
    }
    memory.clean(base, count);
    Ok(())
}

/// A level-2 table full of aborting STEs, visible to the SMMU, and the descriptor that will own it.
fn new_level2<M: Memory>(memory: &M, caps: &Caps, split: u8) -> Result<L1Std, TableError> {
    let bytes = STE_BYTES.wrapping_shl(u32::from(split));
    let pages = memory.allocate(bytes, bytes)?;
    let base = pages.base();
    let descriptor = fill_with_abort(memory, caps, base, bytes).and_then(|()| {
        let descriptor = L1Std::new().try_with(L1Std::SPAN, split.saturating_add(1))?;
        Ok(descriptor.try_with_address(L1Std::L2PTR, base.get())?)
    });
    match descriptor {
        // From here on the descriptor is the record of who owns the pages.
        Ok(_) => drop_without_freeing(pages),
        Err(_) => memory.free(pages),
    }
    memory.publish();
    descriptor
}

/// Forgets the handle of pages that are recorded elsewhere.
fn drop_without_freeing(pages: Pages) {
    let _ = pages.base();
}
