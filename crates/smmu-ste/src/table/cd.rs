//! CD tables, linear and two-level (IHI 0070 3.3.2, 5.3, 5.4).

use super::leaf::{entry, open, publish_leaf, read_level1, store_level1, words_of, write};
use super::shape::CD_BYTES;
use super::users::{self, CdUser, Known, Receipts, Stale, StreamSet};
use super::write::{Entry, Progress, Updated};
use super::{CdLeaf, CdTableShape, TableError};
use crate::cd::Cd;
use crate::cd::word::Cd0;
use crate::ste::{CdTablePointer, WithoutSubstream};
use crate::update::{UpdatePlan, UsedBits};
use core::time::Duration;
use smmu_cmds::CommandQueue;
use smmu_regs::addr::PhysAddr;
use smmu_regs::platform::{Atomicity, Clock, Memory, Mmio, Pages};
use smmu_regs::receipt::{Detached, MAX_INSTANCES, Receipt};
use smmu_regs::{Caps, InstanceId, StreamId, SubstreamId};

/// `V` of a CD.
const VALID: u64 = Cd0::V.mask();

/// A table of CDs, or a single CD.
///
/// It may be shared: by several streams, and by streams behind several SMMUs that see the same memory. Then a change is
/// told to every one of them, and the table refuses a change that leaves out an SMMU which it was used with.
#[derive(Debug)]
pub struct CdTable {
    pages: Pages,
    shape: CdTableShape,
    caps: Caps,
    known: Known,
    el2: bool,
}

/// A change of a CD that several SMMUs were told of.
#[derive(Debug, Clone, Copy)]
#[must_use = "its receipts say that the old content is no longer used"]
pub struct SharedUpdate {
    /// The way it went.
    pub plan: UpdatePlan,
    receipts: Receipts,
}

impl SharedUpdate {
    /// The last receipt of each SMMU, in the order of the users; none if nothing had to be done.
    pub fn receipts(&self) -> impl Iterator<Item = Receipt> + '_ {
        self.receipts.iter().flatten().copied()
    }
}

/// Where a CD is, or could be.
enum Found {
    /// The CD.
    At(PhysAddr),
    /// The level-1 descriptor, which has no leaf yet; the number of the CD in the leaf.
    NoLeaf { descriptor: PhysAddr, leaf: CdLeaf, number: u64 },
}

impl CdTable {
    /// The largest linear table: 2^10 CDs, 64 KiB.
    pub const LINEAR_MAX_LOG2: u8 = CdTableShape::LINEAR_MAX_LOG2;

    /// Allocates a table of 2^`cds_log2` invalid CDs, of the shape that [`CdTableShape::choose`] gives.
    ///
    /// # Errors
    /// More CDs than the SMMU has SubstreamIDs or than its tables hold, or no memory.
    pub fn new<M: Memory>(memory: &M, caps: &Caps, cds_log2: u8) -> Result<Self, TableError> {
        Self::with_shape(memory, caps, CdTableShape::choose(caps, cds_log2)?)
    }

    /// Allocates a table of that shape. A two-level one has no leaf yet.
    ///
    /// # Errors
    /// The SMMU does not take a table of that shape, or there is no memory.
    pub fn with_shape<M: Memory>(memory: &M, caps: &Caps, shape: CdTableShape) -> Result<Self, TableError> {
        shape.check(caps)?;
        // Aligned to its size, and at least to what `S1ContextPtr` can express.
        let bytes = shape.top_bytes().max(CD_BYTES);
        let pages = memory.allocate(bytes, bytes)?;
        // The zeros are invalid CDs or descriptors of nothing, and the SMMU must see them.
        memory.clean(pages.base(), pages.words());
        memory.publish();
        Ok(Self { pages, shape, caps: *caps, known: Known::default(), el2: false })
    }

    /// The same table for streams of the EL2 world without E2H, whose CDs have one half only.
    #[must_use]
    pub fn for_el2(self) -> Self {
        Self { el2: true, ..self }
    }

    /// The shape.
    #[must_use]
    pub const fn shape(&self) -> CdTableShape {
        self.shape
    }

    /// What an STE says of this table.
    #[must_use]
    pub const fn pointer(&self, without_substream: WithoutSubstream) -> CdTablePointer {
        CdTablePointer {
            base: self.pages.base(),
            format: self.shape.format(),
            cds_log2: self.shape.cds_log2(),
            without_substream,
        }
    }

    fn find<M: Memory>(&self, memory: &M, substream: SubstreamId) -> Result<Found, TableError> {
        let cds_log2 = self.shape.cds_log2();
        if !substream.fits(u32::from(cds_log2)) {
            return Err(TableError::Substream { substream, cds_log2 });
        }
        let top = self.pages.base();
        let (first, second) = self.shape.index(substream);
        match (self.shape, second) {
            (CdTableShape::TwoLevel { leaf, .. }, Some(number)) => {
                let descriptor = entry(top, first, 8);
                Ok(match read_level1(memory, descriptor, leaf)? {
                    Some(base) => Found::At(entry(base, number, CD_BYTES)),
                    None => Found::NoLeaf { descriptor, leaf, number },
                })
            }
            _ => Ok(Found::At(entry(top, first, CD_BYTES))),
        }
    }

    /// A copy of the CD of `substream`; one without a leaf is invalid.
    ///
    /// # Errors
    /// The SubstreamID is beyond the table, or memory does not hold what this table wrote.
    pub fn get<M: Memory>(&self, memory: &M, substream: SubstreamId) -> Result<Cd, TableError> {
        match self.find(memory, substream)? {
            Found::At(at) => Ok(Cd::from_words(Entry::read(memory, at)?.words)),
            Found::NoLeaf { .. } => Ok(Cd::INVALID),
        }
    }

    /// Writes a CD of a table that no STE has pointed to yet: no invalidation is needed (3.21.3.1).
    ///
    /// # Errors
    /// The SubstreamID is beyond the table, or there is no memory for a leaf.
    pub fn set_before_use<M: Memory>(
        &mut self,
        memory: &M,
        substream: SubstreamId,
        cd: &Cd,
    ) -> Result<(), TableError> {
        match self.find(memory, substream)? {
            Found::At(at) => write(memory, at, cd)?,
            Found::NoLeaf { descriptor, leaf, number } => {
                publish_leaf(memory, descriptor, (leaf, self.caps.oas), number, cd)?
            }
        }
        memory.publish();
        Ok(())
    }

    /// Changes the CD of `substream` in a table that the STEs of `streams` point to, hitless where there is a way. CDs are
    /// cached by StreamID, so every stream that shares the table gets its own invalidation (4.3.3); one that is named
    /// twice gets one.
    ///
    /// This is also how a SubstreamID is attached and, with [`Cd::INVALID`], detached. A leaf that is not there yet is
    /// made with the CD in it and published by one store of its level-1 descriptor.
    ///
    /// # Errors
    /// The SubstreamID is beyond the table, no stream is named, another SMMU uses the table too, there is no memory for a
    /// leaf, or an invalidation failed.
    #[allow(clippy::too_many_arguments)]
    pub fn set<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        queue: &mut CommandQueue,
        streams: &[StreamId],
        substream: SubstreamId,
        target: &Cd,
        timeout: Duration,
        observe: impl FnMut(Progress<'_>),
    ) -> Result<Updated, TableError> {
        let user = CdUser { platform: p, queue, streams: StreamSet::new(streams) };
        let SharedUpdate { plan, receipts: [receipt, ..] } =
            self.set_shared(&mut [user], substream, target, timeout, observe)?;
        Ok(Updated { plan, receipt })
    }

    /// As [`CdTable::set`], for a table that streams behind several SMMUs use. After each step every SMMU is told, and all of
    /// them are waited for: the old CD is gone everywhere when this returns. Bits count as used if one of them uses them.
    ///
    /// `observe` hears of each step once, and of each completed command.
    ///
    /// # Errors
    /// As [`CdTable::set`]; also if an SMMU is named twice, or one is left out that the table was used with (see
    /// [`CdTable::left`]).
    pub fn set_shared<P: Mmio + Memory + Clock>(
        &mut self,
        users: &mut [CdUser<'_, P>],
        substream: SubstreamId,
        target: &Cd,
        timeout: Duration,
        mut observe: impl FnMut(Progress<'_>),
    ) -> Result<SharedUpdate, TableError> {
        self.known.check(users, Stale::Cd(substream))?;
        let Some(memory) = users.first().map(|user| user.platform) else { return Err(TableError::NoStream) };
        let found = self.find(memory, substream)?;
        let (plan, mut receipts);
        match found {
            Found::At(at) => {
                let current = Entry::read(memory, at)?.words;
                plan = self.plan_for(users, &Cd::from_words(current), target);
                receipts = self.known.begin(users, timeout)?;
                observe(Progress::Planned(&plan));
                for step in plan.steps() {
                    step.apply(memory, at, memory.words(at, Cd::WORDS)?);
                    observe(Progress::Stored(step));
                    let synchronized = |command: &_| observe(Progress::Synchronized(step, command));
                    receipts = users::invalidate(users, Stale::Cd(substream), timeout, synchronized)?;
                }
            }
            Found::NoLeaf { descriptor, leaf, number } => {
                let [first, ..] = target.words();
                // What is not there is as invalid as what is not valid.
                let nothing = first & VALID == 0;
                let words = if nothing { [0; 8] } else { target.words() };
                plan = UpdatePlan::at_once(&words);
                receipts = self.known.begin(users, timeout)?;
                observe(Progress::Planned(&plan));
                if let Some(step) = plan.steps().next() {
                    if let Err(error) =
                        publish_leaf(memory, descriptor, (leaf, self.caps.oas), number, target)
                    {
                        // Nothing was stored.
                        self.known.succeeded();
                        return Err(error);
                    }
                    memory.publish();
                    observe(Progress::Stored(step));
                    let synchronized = |command: &_| observe(Progress::Synchronized(step, command));
                    // No CD of the leaf was reachable, so that only its descriptor can be cached (5.3.1).
                    receipts = users::invalidate(users, Stale::Level1(substream), timeout, synchronized)?;
                }
            }
        }
        self.known.succeeded();
        Ok(SharedUpdate { plan, receipts })
    }

    /// Gives up the leaf that `substream` is in, once none of its CDs is valid: takes its level-1 descriptor away, has every
    /// cached copy dropped, and gives the memory back against the receipts for that. `false` if there is no leaf.
    ///
    /// # Errors
    /// A CD is valid; or as [`CdTable::set_shared`]. After a failed invalidation the memory leaks.
    pub fn release_leaf<P: Mmio + Memory + Clock>(
        &mut self,
        users: &mut [CdUser<'_, P>],
        substream: SubstreamId,
        timeout: Duration,
    ) -> Result<bool, TableError> {
        self.known.check(users, Stale::Leaf)?;
        let Some(memory) = users.first().map(|user| user.platform) else { return Err(TableError::NoStream) };
        let (CdTableShape::TwoLevel { leaf, .. }, Found::At(at)) =
            (self.shape, self.find(memory, substream)?)
        else {
            return Ok(false);
        };
        let (first, number) = self.shape.index(substream);
        let offset = number.unwrap_or(0).wrapping_mul(CD_BYTES);
        let base = PhysAddr::new(at.get().wrapping_sub(offset));
        for (index, cd) in (0..).zip(words_of(memory, base, leaf.bytes())?.chunks_exact(Cd::WORDS)) {
            if cd.first().is_some_and(|word| word.load() & VALID != 0) {
                return Err(TableError::InUse { index });
            }
        }
        let _ = self.known.begin(users, timeout)?;
        let mut tickets = [None; MAX_INSTANCES];
        let before: [_; MAX_INSTANCES] =
            core::array::from_fn(|index| users.get(index).map(|user| user.queue.accepted()));
        let descriptor = entry(self.pages.base(), first, 8);
        store_level1(memory, descriptor, 0)?;
        let detached = Detached::new(Pages::from_raw(base, leaf.bytes()));
        let receipts = users::invalidate(users, Stale::Leaf, timeout, |_| {})?;
        for ((slot, user), before) in tickets.iter_mut().zip(users.iter()).zip(before) {
            *slot = before.map(|first| user.queue.ticket_since(first));
        }
        memory.free(open(detached, &tickets, &receipts)?);
        self.known.succeeded();
        Ok(true)
    }

    /// No STE behind the SMMU `instance` points to the table any more, and the receipt of that is there: later changes need
    /// not be told to it.
    pub fn left(&mut self, instance: InstanceId) {
        self.known.forget(instance);
    }

    /// The way from one CD to another on the SMMU that the table was made for.
    #[must_use]
    pub fn plan(&self, current: &Cd, target: &Cd, atomicity: Atomicity) -> UpdatePlan {
        let bits = |cd: &Cd| self.used_bits(cd, &self.caps);
        let used = UsedBits { current: bits(current), target: bits(target), safe: [0; 8] };
        UpdatePlan::new(&current.words(), &target.words(), &used, VALID, atomicity)
    }

    fn used_bits(&self, cd: &Cd, caps: &Caps) -> [u64; 8] {
        if self.el2 { cd.used_bits_el2(caps) } else { cd.used_bits(caps) }
    }

    /// The way that is right on every one of the users' SMMUs. What one of them does not use may change at any time for
    /// that one, so the union of used bits is right for all.
    fn plan_for<P: Memory>(&self, users: &[CdUser<'_, P>], current: &Cd, target: &Cd) -> UpdatePlan {
        let bits = |cd: &Cd| {
            users.iter().fold(self.used_bits(cd, &self.caps), |all, user| {
                let mut used = self.used_bits(cd, user.queue.caps());
                for (word, all) in used.iter_mut().zip(all) {
                    *word |= all;
                }
                used
            })
        };
        let small = users.iter().any(|user| user.platform.atomicity() == Atomicity::Bits64);
        let atomicity = if small { Atomicity::Bits64 } else { Atomicity::Bits128 };
        let used = UsedBits { current: bits(current), target: bits(target), safe: [0; 8] };
        UpdatePlan::new(&current.words(), &target.words(), &used, VALID, atomicity)
    }

    /// Gives the memory of a linear table back, or of a two-level one the level-1 table alone: its leaves leak. Only when
    /// no STE points to the table any more and the receipt of that is there.
    pub fn into_pages(self) -> Pages {
        self.pages
    }

    /// Gives all memory back: only when no STE points to the table any more and the receipt of that is there.
    ///
    /// # Errors
    /// Memory does not hold what this table wrote. Everything else has been given back.
    pub fn free<M: Memory>(self, memory: &M) -> Result<(), TableError> {
        let mut outcome = Ok(());
        if let CdTableShape::TwoLevel { leaf, .. } = self.shape {
            for index in 0..self.shape.top_entries() {
                match read_level1(memory, entry(self.pages.base(), index, 8), leaf) {
                    Ok(Some(base)) => memory.free(Pages::from_raw(base, leaf.bytes())),
                    Ok(None) => {}
                    Err(error) => outcome = Err(error),
                }
            }
        }
        memory.free(self.pages);
        outcome
    }
}
