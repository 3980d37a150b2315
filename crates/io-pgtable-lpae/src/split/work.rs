//! The steps of a split on one leaf.

use super::SplitError;
use crate::config::TableConfig;
use crate::contiguous::{CONTIGUOUS, group_log2};
use crate::descriptor::{self, Count, NT, is_straight, is_table};
use crate::error::MapError;
use crate::format::Format;
use crate::gather::Gather;
use crate::map::{Request, below_new, look, write};
use crate::reserve::Reserve;
use crate::walk::{Link, Position, Table, level, parts, shift};
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Dword, Memory};
use smmu_regs::vmsa::{IovaRange, LevelSet};

/// A leaf or group that was taken out, as its first descriptor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    start: u64,
    last: u64,
    above: u32,
    word: u64,
}

/// A leaf that reaches over a cut.
pub(super) struct Found<'m> {
    position: Position<'m>,
    entry: &'m Dword,
    pub(super) word: u64,
    pub(super) start: u64,
    pub(super) last: u64,
}

/// What one call works on.
pub(super) struct Splitting<'a, M: ?Sized> {
    pub(super) memory: &'a M,
    pub(super) config: &'a TableConfig,
    pub(super) root: PhysAddr,
    /// Addresses that shall begin a leaf.
    pub(super) cuts: [Option<u64>; 2],
}

impl<M: Memory + ?Sized> Splitting<'_, M> {
    /// The leaf, with its contiguous group, that has the addresses on both sides of `cut`.
    pub(super) fn find<F: Format>(&self, cut: Option<u64>) -> Result<Option<Found<'_>>, MapError> {
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
    pub(super) fn ungroup<F: Format>(
        &self,
        found: &Found<'_>,
        gather: &mut Gather,
    ) -> Result<(), SplitError> {
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
    pub(super) fn keep_out_of_tlbs<F: Format>(&self, found: &Found<'_>, gather: &mut Gather) {
        update(found.entry, |word| word | NT);
        self.clean::<F>(found, found.start, found.start);
        gather.leaves(LevelSet::only(level(found.position.above)), found.start, found.last);
    }

    /// Takes the leaf, or the whole group, out.
    pub(super) fn break_up<F: Format>(
        &self,
        found: &Found<'_>,
        gather: &mut Gather,
    ) -> Result<Broken, SplitError> {
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
    pub(super) fn replace<F: Format>(
        &self,
        found: &Found<'_>,
        gather: &mut Gather,
    ) -> Result<(), SplitError> {
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
    pub(super) fn make<F: Format>(&self, broken: &Broken) -> Result<(), SplitError> {
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

pub(super) fn leaf_range(start: u64, last: u64) -> IovaRange {
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
