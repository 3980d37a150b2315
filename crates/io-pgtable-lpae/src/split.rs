//! Making leaves smaller while devices use them: so that part of a block, or of a contiguous group, can be unmapped.
//!
//! What may be changed under the eyes of an SMMU depends on its break-before-make level (IHI 0070 3.21.1):
//!
//! * level 2: a block is replaced by a table that translates the same; one invalidation, at any time after it;
//! * level 1: the block gets `nT`, which keeps it out of TLBs; it is invalidated; then it is replaced, and invalidated again;
//! * level 0: the block is taken out, invalidated, and comes back as a table: devices fault in between.
//!
//! The contiguous bit of a group can be taken away at once at levels 1 and 2. All this leaves output, attributes and dirty
//! state as they were: new leaves are as dirty as the old one.

use crate::config::TableConfig;
use crate::contiguous::{CONTIGUOUS, group_log2};
use crate::descriptor::{self, Count, NT, is_straight, is_table};
use crate::error::MapError;
use crate::format::Format;
use crate::gather::Gather;
use crate::map::{Request, below_new, look, write};
use crate::reserve::Reserve;
use crate::walk::{Link, Position, Table, level, parts, shift};
use core::fmt;
use smmu_regs::PhysAddr;
use smmu_regs::caps::BbmLevel;
use smmu_regs::platform::{Dword, Memory};
use smmu_regs::receipt::Detached;
use smmu_regs::vmsa::{IovaRange, LevelSet};

/// How leaves that are in use may be made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SplitBy {
    /// At once: every SMMU that uses the table has break-before-make level 2.
    Replacing,
    /// With `nT`: every SMMU that uses the table has level 1 or 2.
    NoTranslationCaching,
    /// By break-before-make: devices that use the addresses of the leaf fault meanwhile.
    Breaking,
}

impl SplitBy {
    /// The way that devices do not notice, for the lowest level of all SMMUs (and PEs) that use the table; none at level 0.
    #[must_use]
    pub const fn unnoticed(lowest: BbmLevel) -> Option<Self> {
        match lowest {
            BbmLevel::Level0 => None,
            BbmLevel::Level1 => Some(Self::NoTranslationCaching),
            BbmLevel::Level2 => Some(Self::Replacing),
        }
    }
}

/// What [`PageTable::split`](crate::PageTable::split) has left to do.
#[derive(Debug)]
#[must_use = "it may be unfinished"]
pub enum Split {
    /// Nothing: no leaf and no group reaches over an end of the range. What was changed is in the gather.
    Done,
    /// What is in the gather must be invalidated; receipts for that give what
    /// [`PageTable::finish_split`](crate::PageTable::finish_split) takes.
    Prepared(Detached<PreparedSplit>),
}

/// A leaf or group that was taken out, as its first descriptor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Broken {
    start: u64,
    last: u64,
    above: u32,
    word: u64,
}

/// Leaves that are about to be made smaller.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "finish it: what was taken out comes back"]
pub struct PreparedSplit {
    root: PhysAddr,
    cuts: [Option<u64>; 2],
    broken: [Option<Broken>; 2],
}

/// Why leaves were not made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SplitError {
    /// The table does not translate some of the range, the range is not whole pages, or there is no memory.
    Map(MapError),
    /// The gather belongs to another table.
    ForeignGather {
        /// First table of that other table.
        owner: PhysAddr,
    },
    /// It was prepared in another table.
    ForeignSplit {
        /// First table of that other table.
        owner: PhysAddr,
    },
    /// Something else changed the leaf meanwhile.
    Changed {
        /// The addresses that the leaf translated.
        leaf: IovaRange,
        /// The descriptor found.
        descriptor: u64,
    },
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(error) => error.fmt(f),
            Self::ForeignGather { owner } => {
                write!(f, "the gather belongs to the table at {owner}: finish it first")
            }
            Self::ForeignSplit { owner } => write!(f, "this was prepared in the table at {owner}"),
            Self::Changed { leaf, descriptor } => {
                write!(f, "the leaf for {leaf} has changed meanwhile, to {descriptor:#x}")
            }
        }
    }
}

impl core::error::Error for SplitError {}

impl<E: Into<MapError>> From<E> for SplitError {
    fn from(error: E) -> Self {
        Self::Map(error.into())
    }
}

/// A leaf that reaches over a cut.
struct Found<'m> {
    position: Position<'m>,
    entry: &'m Dword,
    word: u64,
    start: u64,
    last: u64,
}

/// What one call works on.
struct Split1<'a, M: ?Sized> {
    memory: &'a M,
    config: &'a TableConfig,
    root: PhysAddr,
    /// Addresses that shall begin a leaf.
    cuts: [Option<u64>; 2],
}

/// See [`PageTable::split`](crate::PageTable::split).
pub(crate) fn split<M: Memory + ?Sized, F: Format>(
    memory: &M,
    (config, root): (&TableConfig, PhysAddr),
    range: IovaRange,
    by: SplitBy,
    gather: &mut Gather,
) -> Result<Split, SplitError> {
    let (granule, input) = (config.granule(), config.input());
    if !range.is_aligned(granule) {
        return Err(MapError::Misaligned { range, granule }.into());
    }
    if !input.contains(range) {
        return Err(MapError::OutsideInput { range, input }.into());
    }
    gather.belongs_to(root, granule).map_err(|owner| SplitError::ForeignGather { owner })?;
    let cuts = [Some(range.start()), range.last().checked_add(1)];
    let work = Split1 { memory, config, root, cuts };
    let mut prepared = PreparedSplit { root, cuts, broken: [None; 2] };
    let mut wait = false;
    for (cut, broken) in cuts.into_iter().zip(&mut prepared.broken) {
        let Some(found) = work.find::<F>(cut)? else { continue };
        if by == SplitBy::Breaking {
            *broken = Some(work.break_up::<F>(&found, gather)?);
            wait = true;
            continue;
        }
        if found.word & CONTIGUOUS != 0 {
            work.ungroup::<F>(&found, gather)?;
        }
        // a member of the group may itself be cut
        let Some(found) = work.find::<F>(cut)? else { continue };
        match by {
            SplitBy::NoTranslationCaching => {
                work.keep_out_of_tlbs::<F>(&found, gather);
                wait = true;
            }
            SplitBy::Replacing | SplitBy::Breaking => work.replace::<F>(&found, gather)?,
        }
    }
    memory.publish();
    Ok(if wait { Split::Prepared(Detached::new(prepared)) } else { Split::Done })
}

/// See [`PageTable::finish_split`](crate::PageTable::finish_split).
pub(crate) fn finish<M: Memory + ?Sized, F: Format>(
    memory: &M,
    (config, root): (&TableConfig, PhysAddr),
    prepared: &PreparedSplit,
    gather: &mut Gather,
) -> Result<(), SplitError> {
    if prepared.root != root {
        return Err(SplitError::ForeignSplit { owner: prepared.root });
    }
    gather.belongs_to(root, config.granule()).map_err(|owner| SplitError::ForeignGather { owner })?;
    let work = Split1 { memory, config, root, cuts: prepared.cuts };
    for (cut, broken) in prepared.cuts.into_iter().zip(prepared.broken) {
        match broken {
            Some(broken) => work.make::<F>(&broken)?,
            None => {
                let Some(found) = work.find::<F>(cut)? else { continue };
                if found.word & NT == 0 {
                    let leaf = leaf_range(found.start, found.last);
                    return Err(SplitError::Changed { leaf, descriptor: found.word });
                }
                work.replace::<F>(&found, gather)?;
            }
        }
    }
    memory.publish();
    Ok(())
}

impl<M: Memory + ?Sized> Split1<'_, M> {
    /// The leaf, with its contiguous group, that has the addresses on both sides of `cut`.
    fn find<F: Format>(&self, cut: Option<u64>) -> Result<Option<Found<'_>>, MapError> {
        let input = self.config.input();
        let Some(cut) = cut.filter(|cut| (input.start()..=input.last()).contains(cut)) else {
            return Ok(None);
        };
        let page = leaf_range(cut, cut | F::SHIFT_MASK);
        let position =
            Position::find::<M, F, false>(self.memory, self.config, self.root, page.start(), page.last())?;
        let shift = shift::<F>(position.above);
        let entry = position.table.entry(cut, shift)?;
        let word = entry.load();
        if word == 0 || position.above != 0 && is_table(word) {
            return Ok(None);
        }
        let group = group_log2(self.config.granule(), level(position.above));
        let log2 = group.filter(|_| word & CONTIGUOUS != 0).unwrap_or(shift);
        let low = 1u64.wrapping_shl(log2).wrapping_sub(1);
        let (start, last) = (cut & !low, cut | low);
        Ok((start != cut).then_some(Found { position, entry, word, start, last }))
    }

    /// The members of the group that was found.
    fn members<'f, F: Format>(found: &Found<'f>) -> Result<&'f [Dword], MapError> {
        Ok(found.position.table.run(found.start, found.last, shift::<F>(found.position.above))?)
    }

    fn clean<F: Format>(&self, found: &Found<'_>, start: u64, last: u64) {
        if !self.config.is_coherent() {
            found.position.table.clean(self.memory, start, last, shift::<F>(found.position.above));
        }
    }

    /// Takes the promise from all members of a group; each is as dirty as the group.
    fn ungroup<F: Format>(&self, found: &Found<'_>, gather: &mut Gather) -> Result<(), SplitError> {
        let members = Self::members::<F>(found)?;
        let dirty = self.dirty_of(members);
        for member in members {
            update(member, |word| dirty.apply(word & !CONTIGUOUS));
        }
        self.clean::<F>(found, found.start, found.last);
        gather.leaves(LevelSet::only(level(found.position.above)), found.start, found.last);
        Ok(())
    }

    /// Sets `nT`: TLBs will not keep the block once they have dropped it.
    fn keep_out_of_tlbs<F: Format>(&self, found: &Found<'_>, gather: &mut Gather) {
        update(found.entry, |word| word | NT);
        self.clean::<F>(found, found.start, found.start);
        gather.leaves(LevelSet::only(level(found.position.above)), found.start, found.last);
    }

    /// Takes the leaf, or the whole group, out.
    fn break_up<F: Format>(&self, found: &Found<'_>, gather: &mut Gather) -> Result<Broken, SplitError> {
        let members = Self::members::<F>(found)?;
        let mut dirty = Dirty::of(self.config);
        let mut first = None;
        for member in members {
            let word = update(member, |_| 0);
            dirty.add(word);
            first.get_or_insert(word);
        }
        self.clean::<F>(found, found.start, found.last);
        self.count(&found.position, |count| count.minus(Count::new(members.len())));
        let above = found.position.above;
        gather.leaves(LevelSet::only(level(above)), found.start, found.last);
        let word = dirty.apply(first.unwrap_or(found.word) & !CONTIGUOUS);
        Ok(Broken { start: found.start, last: found.last, above, word })
    }

    fn count(&self, position: &Position<'_>, change: impl FnOnce(Count) -> Count) {
        if let Some(Link { entry, .. }) = position.link_to(position.above) {
            let word = entry.load();
            entry.store(change(Count::of(word)).put(word));
        }
    }

    /// What was there, cut at the cuts; at most three.
    fn pieces(&self, start: u64, last: u64) -> impl Iterator<Item = (u64, u64)> + use<M> {
        let inside = |cut: Option<u64>| cut.filter(|cut| start < *cut && *cut <= last).unwrap_or(start);
        let [one, two] = self.cuts;
        let (first, second) = (inside(one).min(inside(two)), inside(one).max(inside(two)));
        [(start, first.wrapping_sub(1)), (first, second.wrapping_sub(1)), (second, last)]
            .into_iter()
            .filter(move |(from, to)| from <= to && *from >= start && *to <= last)
    }

    /// A request that maps what `word`, `above` levels above the pages, does.
    fn request<F: Format>(&self, word: u64, above: u32, start: u64, last: u64) -> Request {
        let low = 1u64.wrapping_shl(shift::<F>(above)).wrapping_sub(1);
        let pa = descriptor::address::<F>(word).get() & !low;
        let bits = word & !(F::IN_PLACE | F::HIGH | CONTIGUOUS | NT | descriptor::TABLE_OR_PAGE);
        let straight = is_straight::<F>(pa, pa.wrapping_add(last.wrapping_sub(start)));
        Request::new(self.config, pa.wrapping_sub(start), bits, (smmu_regs::vmsa::Level::MINUS_ONE, straight))
    }

    /// Tables for the pieces of `start..=last` below a table `above` levels above the pages, at most.
    fn tables<F: Format>(&self, request: &Request, above: u32, start: u64, last: u64) -> u64 {
        self.pieces(start, last)
            .map(|(from, to)| below_new::<F>(request, above, from, to))
            .fold(0, u64::saturating_add)
    }

    /// Replaces a block by a table that translates the same, in pieces that no cut goes through.
    fn replace<F: Format>(&self, found: &Found<'_>, gather: &mut Gather) -> Result<(), SplitError> {
        let (start, last, above) = (found.start, found.last, found.position.above);
        let Some(below) = above.checked_sub(1) else { return Ok(()) };
        let request = self.request::<F>(found.word, above, start, last);
        let wanted = self.tables::<F>(&request, below, start, last).saturating_add(1);
        let mut reserve = Reserve::allocate(self.memory, self.config, wanted)?;
        let table = reserve.take::<M, F>(self.memory)?;
        let mut entries = 0usize;
        for piece in self.pieces(start, last) {
            let added = write::<M, F>(self.memory, &request, &mut reserve, &table, below, piece)?;
            entries = entries.wrapping_add(added);
        }
        reserve.give_back(self.memory, self.config.granule().bytes());
        if !self.config.is_coherent() {
            self.memory.clean(table.address(), table.words().len());
        }
        let new = descriptor::table::<F>(table.address(), entries);
        let mut word = found.word;
        loop {
            self.memory.publish();
            match found.entry.compare_exchange(word, new) {
                Ok(_) => break,
                Err(now) => {
                    // the SMMU made it dirty meanwhile
                    let mut dirty = Dirty::of(self.config);
                    dirty.add(now);
                    if dirty.apply(word) != now {
                        let leaf = leaf_range(start, last);
                        return Err(SplitError::Changed { leaf, descriptor: now });
                    }
                    self.make_dirty::<F>(&table, below, dirty, start, last)?;
                    word = now;
                }
            }
        }
        self.clean::<F>(found, start, start);
        gather.leaves(LevelSet::only(level(above)), start, last);
        Ok(())
    }

    /// Makes all leaves in a table dirty that nobody uses yet.
    fn make_dirty<F: Format>(
        &self,
        table: &Table<'_>,
        above: u32,
        dirty: Dirty,
        start: u64,
        last: u64,
    ) -> Result<(), SplitError> {
        let shift = shift::<F>(above);
        for (part, entry) in parts(start, last, shift).zip(table.run(start, last, shift)?) {
            let word = entry.load();
            if above != 0 && is_table(word) {
                let child = Table::below::<M, F>(self.memory, word)?;
                self.make_dirty::<F>(&child, above.wrapping_sub(1), dirty, part.start, part.last)?;
            } else {
                entry.store(dirty.apply(word));
            }
        }
        if !self.config.is_coherent() {
            table.clean(self.memory, start, last, shift);
        }
        Ok(())
    }

    /// Maps again what was taken out, in pieces that no cut goes through.
    fn make<F: Format>(&self, broken: &Broken) -> Result<(), SplitError> {
        let Broken { start, last, above, word } = *broken;
        let request = self.request::<F>(word, above, start, last);
        let position = Position::find::<M, F, false>(self.memory, self.config, self.root, start, last)?;
        let table = &position.table;
        if position.above != above {
            let leaf = leaf_range(start, last);
            return Err(SplitError::Changed { leaf, descriptor: 0 });
        }
        let missing = look::<M, F>(self.memory, &request, table, above, (start, last), false)?;
        let wanted = self.tables::<F>(&request, above, start, last).saturating_add(missing);
        let mut reserve = Reserve::allocate(self.memory, self.config, wanted)?;
        for piece in self.pieces(start, last) {
            let added = write::<M, F>(self.memory, &request, &mut reserve, table, above, piece)?;
            self.count(&position, |count| count.plus(Count::new(added)));
            // the next piece may go into a table that this one has linked
            self.memory.publish();
        }
        reserve.give_back(self.memory, self.config.granule().bytes());
        Ok(())
    }

    fn dirty_of(&self, members: &[Dword]) -> Dirty {
        let mut dirty = Dirty::of(self.config);
        for member in members {
            dirty.add(member.load());
        }
        dirty
    }
}

fn leaf_range(start: u64, last: u64) -> IovaRange {
    IovaRange::new(start, last).unwrap_or(IovaRange::ALL)
}

/// Changes a descriptor that hardware may be changing too; gives what it was.
fn update(entry: &Dword, change: impl Fn(u64) -> u64) -> u64 {
    let mut word = entry.load();
    loop {
        match entry.compare_exchange(word, change(word)) {
            Ok(was) => return was,
            Err(now) => word = now,
        }
    }
}

/// Dirty state of several descriptors together (D8.5.2.1, D8.5.5).
#[derive(Clone, Copy)]
struct Dirty {
    state: crate::dirty::State,
    any: bool,
}

impl Dirty {
    fn of(config: &TableConfig) -> Self {
        Self { state: crate::dirty::State::of(config.stage()), any: false }
    }

    fn add(&mut self, word: u64) {
        self.any |= self.state.is_dirty(word);
    }

    /// `word` as dirty as that.
    fn apply(self, word: u64) -> u64 {
        if self.any { self.state.made_dirty(word) } else { word }
    }
}
