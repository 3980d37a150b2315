//! Stream tables, linear and two-level (IHI 0070 3.3.1, 5.1, 6.3.24, 6.3.25).

use super::TableError;
use super::root::Root;
use super::stream_shape::{STE_BYTES, StreamTableShape};
use super::users::StreamSet;
use super::word::Level1Stream;
use super::write::{Caches, Entry, Progress, Updated};
use crate::ste::word::Ste0;
use crate::ste::{Ste, SteConfig};
use crate::update::{UpdatePlan, UsedBits};
use core::time::Duration;
use smmu_cmds::{Command, CommandQueue};
use smmu_regs::addr::PhysAddr;
use smmu_regs::platform::{Clock, Memory, Mmio, Pages};
use smmu_regs::receipt::{Detached, Receipt};
use smmu_regs::registers::{StrtabBase, StrtabBaseCfg};
use smmu_regs::{Caps, Feature, StreamId};

/// `V` of an STE.
const VALID: u64 = Ste0::V.mask();

/// A stream table. Entries of streams that nobody set abort.
#[derive(Debug)]
pub struct StreamTable {
    pub(super) root: Root,
    pub(super) caps: Caps,
    pub(super) caches: Caches,
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
        // From here on the root is the record of who owns the pages.
        let base = memory.allocate(bytes, bytes)?.base();
        let root = Root { shape, base, inherited: false };
        match shape {
            StreamTableShape::Linear { .. } => {
                fill_with_abort(memory, caps, base, bytes)?;
            }
            // The zeros are level-1 descriptors of nothing, and the SMMU must see them.
            StreamTableShape::TwoLevel { .. } => memory.clean(base, word_count(bytes)),
        }
        memory.publish();
        Ok(Self { root, caps: *caps, caches: Caches::default() })
    }

    /// The shape.
    #[must_use]
    pub const fn shape(&self) -> StreamTableShape {
        self.root.shape
    }

    /// What `STRTAB_BASE` and `STRTAB_BASE_CFG` are to hold.
    ///
    /// # Errors
    /// The table's address does not fit the register.
    pub fn registers(&self) -> Result<(StrtabBase, StrtabBaseCfg), TableError> {
        let base = StrtabBase::new()
            .try_with_address(StrtabBase::ADDR, self.root.base.get())?
            .with(StrtabBase::RA, self.caps.has(Feature::Coherent));
        Ok((base, self.root.shape.register()?))
    }

    fn check(&self, stream: StreamId) -> Result<(), TableError> {
        let bits = self.root.shape.log2();
        if stream.fits(u32::from(bits)) { Ok(()) } else { Err(TableError::Stream { stream, bits }) }
    }

    /// Address of the STE of `stream`; `None` if its level-2 table is not there.
    fn find<M: Memory>(&self, memory: &M, stream: StreamId) -> Result<Option<PhysAddr>, TableError> {
        self.check(stream)?;
        self.root.find(memory, stream)
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
    /// one store of its level-1 descriptor, and has caches of the old descriptor dropped (5.1.1). If an inherited table has a
    /// level-2 table there that is too short, its entries go on in the new one.
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
        let StreamTableShape::TwoLevel { split, .. } = self.root.shape else { return Ok(()) };
        let at = self.root.level1(stream, split);
        let before = self.root.level2(p, stream, split)?;
        // Enough for the longer one too: entries that are cached are as they were, and none is for a stream beyond the old one.
        let (caps, command) = (self.caps, Command::CfgiSte { stream, leaf: false });
        self.caches.guard(p, queue, timeout, |queue, _| {
            let descriptor = new_level2(p, &caps, split, before)?;
            if let Some(word) = p.words(at, 1)?.first() {
                word.store(descriptor);
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
        let bits = self.root.shape.log2();
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

    /// As [`StreamTable::set`], for all streams of a device: those whose entries hold the same go together, with one
    /// `CMD_SYNC` for each step, and a stream that is named twice is changed once. Gives the last receipt, if anything had to
    /// be done.
    ///
    /// # Errors
    /// As [`StreamTable::set`]. Everything that can be refused is refused before anything is stored; after a failed
    /// invalidation some streams may have changed and others not, and calling it again brings all of them to `target`.
    pub fn set_all<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        queue: &mut CommandQueue,
        streams: StreamSet<'_>,
        target: &Ste,
        timeout: Duration,
        mut observe: impl FnMut(Progress<'_>),
    ) -> Result<Option<Receipt>, TableError> {
        let root = self.root;
        let entry_of = |stream| -> Result<Entry, TableError> {
            let bits = root.shape.log2();
            Entry::read(p, root.find(p, stream)?.ok_or(TableError::Stream { stream, bits })?)
        };
        for stream in streams.iter() {
            self.check(stream)?;
            Ste::from_words(entry_of(stream)?.words).check_ats_transition(target)?;
            Command::CfgiSte { stream, leaf: true }.encode(queue.caps())?;
        }
        let mut receipt = None;
        // Memory tells which are done. Each round brings at least one of them to its target.
        for leader in streams.iter() {
            let mut state = entry_of(leader)?.words;
            let plan = self.plan(&Ste::from_words(state), target, p.atomicity());
            self.caches.guard(p, queue, timeout, |queue, made_up| {
                receipt = made_up.or(receipt);
                if !plan.is_empty() {
                    observe(Progress::Planned(&plan));
                }
                for step in plan.steps() {
                    // Those that are where the leader is. One that happens to hold what the leader does between two steps
                    // joins it: the steps that are left are right for it too.
                    for stream in streams.iter() {
                        let entry = entry_of(stream)?;
                        if entry.words == state {
                            step.apply(p, entry.at, p.words(entry.at, Ste::WORDS)?);
                            queue.push(p, &Command::CfgiSte { stream, leaf: true }, timeout)?;
                        }
                    }
                    observe(Progress::Stored(step));
                    receipt = Some(queue.sync(p, timeout)?);
                    let command = Command::CfgiSte { stream: leader, leaf: true };
                    observe(Progress::Synchronized(step, &command));
                    state = step.words;
                }
                Ok(())
            })?;
        }
        Ok(receipt)
    }

    /// Gives up the level-2 table that `stream` is in, once all its STEs abort: takes its level-1 descriptor away, has every
    /// cached copy dropped, and gives the memory back against the receipt for that. `false` if there is no such table.
    /// Transactions of its streams then abort with C_BAD_STREAMID, no longer silently.
    ///
    /// # Errors
    /// An STE does something else than abort; the table was inherited, so that nobody here knows whose the memory is; or an
    /// invalidation failed: then the memory leaks.
    pub fn release_level2<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        queue: &mut CommandQueue,
        stream: StreamId,
        timeout: Duration,
    ) -> Result<bool, TableError> {
        let at = self.find(p, stream)?;
        let (StreamTableShape::TwoLevel { split, .. }, Some(at)) = (self.root.shape, at) else {
            return Ok(false);
        };
        if self.root.inherited {
            return Err(TableError::Inherited);
        }
        let bytes = STE_BYTES.wrapping_shl(u32::from(split));
        // Aligned to its size.
        let base = PhysAddr::new(at.get() & !bytes.wrapping_sub(1));
        let abort = SteConfig::Abort.encode(&self.caps)?.words();
        for (index, ste) in (0..).zip(p.words(base, word_count(bytes))?.chunks_exact(Ste::WORDS)) {
            if ste.iter().map(|word| word.load()).ne(abort) {
                return Err(TableError::InUse { index });
            }
        }
        let descriptor = self.root.level1(stream, split);
        self.caches.guard(p, queue, timeout, |queue, _| {
            let first = queue.accepted();
            if let Some(word) = p.words(descriptor, 1)?.first() {
                word.store(0);
            }
            p.clean(descriptor, 1);
            p.publish();
            let detached = Detached::new(Pages::from_raw(base, bytes));
            queue.push(p, &Command::CfgiSteRange { stream, range_log2: split }, timeout)?;
            let receipt = queue.sync(p, timeout)?;
            let quarantine = detached.after_one(queue.ticket_since(first));
            let pages =
                quarantine.open(&[receipt]).map_err(|_| TableError::Lost(queue.ticket_since(first)))?;
            p.free(pages);
            Ok(true)
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
    /// Memory does not hold what this table wrote: everything else has been given back. The table was inherited: nothing has
    /// been given back, see [`StreamTable::into_pages`].
    pub fn free<M: Memory>(self, memory: &M) -> Result<(), TableError> {
        if self.root.inherited {
            return Err(TableError::Inherited);
        }
        self.into_pages(memory, |pages| memory.free(pages))
    }

    /// Hands out all memory of the table, the level-2 tables first: only when the SMMU no longer uses it. Whoever takes an
    /// inherited table apart knows which of it came from where; a level-2 table that was replaced by a longer one is not
    /// among it.
    ///
    /// # Errors
    /// Memory does not hold what this table wrote, or what its last owner did. Everything else has been handed out.
    pub fn into_pages<M: Memory>(self, memory: &M, mut take: impl FnMut(Pages)) -> Result<(), TableError> {
        let mut outcome = Ok(());
        if let StreamTableShape::TwoLevel { log2, split } = self.root.shape {
            for index in 0..1_u64.wrapping_shl(u32::from(log2.saturating_sub(split))) {
                let stream = StreamId::try_from(index.wrapping_shl(u32::from(split)));
                let Ok(stream) = stream else { break };
                match self.root.level2(memory, stream, split) {
                    Ok(Some((base, log2))) => {
                        take(Pages::from_raw(base, STE_BYTES.wrapping_shl(u32::from(log2))));
                    }
                    Ok(None) => {}
                    Err(error) => outcome = Err(error),
                }
            }
        }
        take(Pages::from_raw(self.root.base, self.root.shape.top_bytes().max(STE_BYTES)));
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

/// A level-2 table full of aborting STEs, but for those of `before`, visible to the SMMU; the descriptor that will own it.
fn new_level2<M: Memory>(
    memory: &M,
    caps: &Caps,
    split: u8,
    before: Option<(PhysAddr, u8)>,
) -> Result<u64, TableError> {
    let bytes = STE_BYTES.wrapping_shl(u32::from(split));
    let pages = memory.allocate(bytes, bytes)?;
    let base = pages.base();
    let descriptor = fill_with_abort(memory, caps, base, bytes)
        .and_then(|()| before.map_or(Ok(()), |before| copy(memory, before, base)))
        .and_then(|()| Level1Stream::Table { base, log2: split }.encode(split, caps.oas));
    match descriptor {
        // From here on the descriptor is the record of who owns the pages.
        Ok(_) => drop_without_freeing(pages),
        Err(_) => memory.free(pages),
    }
    memory.publish();
    descriptor
}

/// Copies the STEs of a level-2 table to the beginning of another one.
fn copy<M: Memory>(memory: &M, (from, log2): (PhysAddr, u8), to: PhysAddr) -> Result<(), TableError> {
    let count = word_count(STE_BYTES.wrapping_shl(u32::from(log2)));
    for (from, to) in memory.words(from, count)?.iter().zip(memory.words(to, count)?) {
        to.store(from.load());
    }
    memory.clean(to, count);
    Ok(())
}

/// Forgets the handle of pages that are recorded elsewhere.
fn drop_without_freeing(pages: Pages) {
    let _ = pages.base();
}
