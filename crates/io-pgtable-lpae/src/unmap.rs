//! Unmapping a range: look, then take out.
//!
//! Tables that the range covers entirely, and tables that it leaves empty, leave the tree (unless told otherwise): the
//! count in the descriptor that points to a table tells without a look at the table. A full table that the range covers
//! costs one store in the table above, and one in its own first word for the list of freed tables.

use crate::config::TableConfig;
use crate::contiguous::{CONTIGUOUS, cuts, group_log2};
use crate::descriptor::{self, Count, is_table};
use crate::error::UnmapError;
use crate::format::Format;
use crate::gather::{FreedTables, Gather};
use crate::run;
use crate::walk::{Link, Position, Shape, Table, entries, leaf_run, level, parts, shift};
use smmu_regs::PhysAddr;
use smmu_regs::platform::Memory;
use smmu_regs::vmsa::{IovaRange, LevelSet};

/// What an unmap removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unmapped {
    /// Bytes that were mapped and are no longer.
    pub bytes: u64,
}

/// How one call unmaps.
#[derive(Clone, Copy)]
pub(crate) struct How {
    /// Holes are errors.
    pub(crate) strict: bool,
    /// Emptied tables leave the tree.
    pub(crate) detach: bool,
}

struct Request {
    how: How,
    coherent: bool,
}

/// Unmaps `range`. See [`PageTable::unmap`](crate::PageTable::unmap).
#[inline]
pub(crate) fn unmap<M: Memory + ?Sized, F: Format>(
    memory: &M,
    (config, shape, root): (&TableConfig, &Shape, PhysAddr),
    range: IovaRange,
    gather: &mut Gather,
    how: How,
) -> Result<Unmapped, UnmapError> {
    let (start, last) = (range.start(), range.last());
    if !shape.takes(range) {
        return Err(refuse(config, range));
    }
    gather.belongs_to(root, config.granule()).map_err(|owner| UnmapError::ForeignGather { owner })?;
    let removed = if shape.is_one(start, last) {
        unmap_run::<M, F, true>(memory, (config, shape, root), (start, last), how)
    } else {
        unmap_pages::<M, F>(memory, (config, shape, root), (start, last), how)
    };
    if let Some(removed) = removed {
        if removed != 0 {
            gather.leaves(LevelSet::only(level(0)), start, last);
        }
        return Ok(Unmapped { bytes: (removed as u64).wrapping_shl(F::SHIFT) });
    }
    unmap_tree::<M, F>(memory, config, root, range, gather, how)
}

/// Unmaps what one last-level table holds, and says how many pages that were. `None`, and nothing is changed, if there is
/// none, if it may become empty and has to leave, or if a hole has to be reported.
#[inline(always)]
fn unmap_run<M: Memory + ?Sized, F: Format, const ONE: bool>(
    memory: &M,
    (config, shape, root): (&TableConfig, &Shape, PhysAddr),
    (start, last): (u64, u64),
    how: How,
) -> Option<usize> {
    let found = leaf_run::<M, F, ONE>(memory, shape, root, start, last)?;
    let used = Count::of(found.descriptor);
    if how.detach && used <= Count::new(found.pages) || cuts(found.run, shape.group_mask, start, last) {
        return None;
    }
    let mut removed = found.pages;
    if how.strict {
        if (ONE || !is_full::<F>(found.descriptor)) && !run::all_valid(found.run) {
            return None;
        }
        run::zero(found.run);
    } else {
        removed = run::take(found.run);
    }
    found.link.store(used.minus(Count::new(removed)).put(found.descriptor));
    if !config.is_coherent() {
        memory.clean(found.address, found.pages);
    }
    Some(removed)
}

/// [`unmap_run`] for more than one page, apart so that its loops do not weigh on the single page.
#[inline(never)]
fn unmap_pages<M: Memory + ?Sized, F: Format>(
    memory: &M,
    table: (&TableConfig, &Shape, PhysAddr),
    range: (u64, u64),
    how: How,
) -> Option<usize> {
    unmap_run::<M, F, false>(memory, table, range, how)
}

/// What is wrong with a range that the shape does not allow.
#[cold]
fn refuse(config: &TableConfig, range: IovaRange) -> UnmapError {
    let (granule, input) = (config.granule(), config.input());
    if !range.is_aligned(granule) {
        return UnmapError::Misaligned { range, granule };
    }
    UnmapError::OutsideInput { range, input }
}

/// The long way: whatever [`leaf_run`] does not find, and what empties tables.
#[inline(never)]
fn unmap_tree<M: Memory + ?Sized, F: Format>(
    memory: &M,
    config: &TableConfig,
    root: PhysAddr,
    range: IovaRange,
    gather: &mut Gather,
    how: How,
) -> Result<Unmapped, UnmapError> {
    let (start, last) = (range.start(), range.last());
    let request = Request { how, coherent: config.is_coherent() };
    let position = if how.detach {
        Position::find::<M, F, true>(memory, config, root, start, last)?
    } else {
        Position::find::<M, F, false>(memory, config, root, start, last)?
    };
    let (table, above) = (&position.table, position.above);
    let groups = !config.contiguous_levels().is_empty();
    if groups || !how.strict && above != 0 {
        refuse_part::<M, F>(memory, config, table, above, (start, last), start)?;
    }
    if how.strict {
        let full = position.link_to(above).is_some_and(|link| is_full::<F>(link.entry.load()));
        require::<M, F>(memory, table, above, (start, last), full)?;
    }
    if groups || !how.strict && above != 0 {
        refuse_part::<M, F>(memory, config, table, above, (start, last), last)?;
    }

    let mut unmapped = Unmapped::default();
    let removed = clear::<M, F>(memory, &request, table, above, (start, last), gather, &mut unmapped)?;
    if removed != 0 {
        uncount::<M, F>(memory, &request, &position, removed, gather);
    }
    Ok(unmapped)
}

#[inline]
fn is_full<F: Format>(descriptor: u64) -> bool {
    Count::of(descriptor) == const { Count::new(entries::<F>()) }
}

/// The addresses that the entry for `iova` covers.
#[inline]
fn covered(iova: u64, shift: u32) -> (u64, u64) {
    let low = 1u64.wrapping_shl(shift).wrapping_sub(1);
    (iova & !low, iova | low)
}

fn part_of_block(iova: u64, shift: u32) -> UnmapError {
    let (base, top) = covered(iova, shift);
    UnmapError::PartOfBlock { iova, block: IovaRange::new(base, top).unwrap_or(IovaRange::ALL) }
}

/// Requires that all of `start..=last` is mapped, by leaves that lie in it entirely. `full`: the table has no holes.
fn require<M: Memory + ?Sized, F: Format>(
    memory: &M,
    table: &Table<'_>,
    above: u32,
    (start, last): (u64, u64),
    full: bool,
) -> Result<(), UnmapError> {
    let shift = shift::<F>(above);
    let entries = table.run(start, last, shift)?;
    if above == 0 {
        if full || run::all_valid(entries) {
            return Ok(());
        }
        let before = entries.iter().take_while(|word| word.load() != 0).count() as u64;
        return Err(UnmapError::NotMapped { iova: start.wrapping_add(before.wrapping_shl(shift)) });
    }
    for (part, entry) in parts(start, last, shift).zip(entries) {
        let word = entry.load();
        if word == 0 {
            return Err(UnmapError::NotMapped { iova: part.start });
        }
        if is_table(word) {
            let full = is_full::<F>(word);
            if above == 1 && full {
                continue;
            }
            let child = Table::below::<M, F>(memory, word)?;
            require::<M, F>(memory, &child, above.wrapping_sub(1), (part.start, part.last), full)?;
        } else if !part.whole {
            return Err(part_of_block(part.start, shift));
        }
    }
    Ok(())
}

/// Refuses a leaf, or a contiguous group of leaves, that has `iova`, one end of the range, and reaches beyond the range.
fn refuse_part<M: Memory + ?Sized, F: Format>(
    memory: &M,
    config: &TableConfig,
    table: &Table<'_>,
    above: u32,
    (start, last): (u64, u64),
    iova: u64,
) -> Result<(), UnmapError> {
    let (mut table, mut above) = (*table, above);
    loop {
        let shift = shift::<F>(above);
        let word = table.entry(iova, shift)?.load();
        let group = group_log2(config.granule(), level(above)).filter(|_| word & CONTIGUOUS != 0);
        let is_leaf = above == 0 || !is_table(word);
        let log2 = if is_leaf { group.unwrap_or(shift) } else { shift };
        let (base, top) = covered(iova, log2);
        if word == 0 || start <= base && top <= last {
            return Ok(());
        }
        if is_leaf {
            return Err(part_of_block(base.max(start), log2));
        }
        table = Table::below::<M, F>(memory, word)?;
        above = above.wrapping_sub(1);
    }
}

/// Takes out what is mapped in `start..=last`; says how many entries of `table` became empty.
fn clear<M: Memory + ?Sized, F: Format>(
    memory: &M,
    request: &Request,
    table: &Table<'_>,
    above: u32,
    (start, last): (u64, u64),
    gather: &mut Gather,
    unmapped: &mut Unmapped,
) -> Result<usize, UnmapError> {
    let shift = shift::<F>(above);
    let here = LevelSet::only(level(above));
    let entries = table.run(start, last, shift)?;
    let mut removed = 0usize;
    if above == 0 {
        if request.how.strict {
            run::zero(entries);
            removed = entries.len();
        } else {
            removed = run::take(entries);
        }
        if removed != 0 {
            unmapped.bytes = unmapped.bytes.saturating_add((removed as u64).wrapping_shl(F::SHIFT));
            gather.leaves(here, start, last);
        }
    } else {
        for (part, entry) in parts(start, last, shift).zip(entries) {
            let word = entry.load();
            let inside = (part.start, part.last);
            if word == 0 {
                continue;
            }
            if !is_table(word) {
                entry.store(0);
                unmapped.bytes = unmapped.bytes.saturating_add(1u64.wrapping_shl(shift));
                gather.leaves(here, part.start, part.last);
            } else if part.whole && request.how.detach {
                entry.store(0);
                let below = above.wrapping_sub(1);
                detach::<M, F>(memory, word, below, part.start, gather, unmapped);
                gather.table(memory, here, (descriptor::address::<F>(word), F::SHIFT));
            } else {
                let child = Table::below::<M, F>(memory, word)?;
                let below = above.wrapping_sub(1);
                let gone = clear::<M, F>(memory, request, &child, below, inside, gather, unmapped)?;
                let left = Count::of(word).minus(Count::new(gone));
                if left != Count::ZERO || gone == 0 || !request.how.detach {
                    entry.store(left.put(word));
                    continue;
                }
                entry.store(0);
                gather.table(memory, here, (child.address(), F::SHIFT));
            }
            removed = removed.wrapping_add(1);
        }
    }
    if !request.coherent && removed != 0 {
        table.clean(memory, start, last, shift);
    }
    Ok(removed)
}

/// The table that `descriptor` pointed to leaves with all that is below: counts its leaves and gathers the tables below
/// it. Entries stay as they are (see `gather`).
fn detach<M: Memory + ?Sized, F: Format>(
    memory: &M,
    descriptor: u64,
    above: u32,
    base: u64,
    gather: &mut Gather,
    unmapped: &mut Unmapped,
) {
    let shift = shift::<F>(above);
    let here = LevelSet::only(level(above));
    let present = Count::of(descriptor).get();
    let (_, top) = covered(base, crate::walk::shift::<F>(above.wrapping_add(1)));
    if present == 0 {
        gather.touch(base, top);
        return;
    }
    if above == 0 {
        unmapped.bytes = unmapped.bytes.saturating_add(u64::from(present).wrapping_shl(F::SHIFT));
        gather.leaves(here, base, top);
        return;
    }
    let Ok(table) = Table::below::<M, F>(memory, descriptor) else {
        // it is counted as unreachable where its descriptor is gathered
        gather.touch(base, top);
        return;
    };
    for (index, entry) in (0u64..).zip(table.words()) {
        let word = entry.load();
        let start = base.wrapping_add(index.wrapping_shl(shift));
        let inside = covered(start, shift);
        if word == 0 {
            continue;
        }
        if is_table(word) {
            detach::<M, F>(memory, word, above.wrapping_sub(1), start, gather, unmapped);
            gather.table(memory, here, (descriptor::address::<F>(word), F::SHIFT));
        } else {
            unmapped.bytes = unmapped.bytes.saturating_add(1u64.wrapping_shl(shift));
            gather.leaves(here, inside.0, inside.1);
        }
    }
}

/// `removed` entries of the table at `position` became empty: keeps the counts above it, and takes out tables that have
/// become empty by it.
#[inline]
fn uncount<M: Memory + ?Sized, F: Format>(
    memory: &M,
    request: &Request,
    position: &Position<'_>,
    removed: usize,
    gather: &mut Gather,
) {
    let mut removed = removed;
    let mut above = position.above;
    while let Some(Link { entry, address }) = position.link_to(above) {
        let word = entry.load();
        let left = Count::of(word).minus(Count::new(removed));
        if left != Count::ZERO || !request.how.detach {
            entry.store(left.put(word));
            return;
        }
        entry.store(0);
        if !request.coherent {
            memory.clean(address, 1);
        }
        above = above.wrapping_add(1);
        let here = LevelSet::only(level(above));
        gather.table(memory, here, (descriptor::address::<F>(word), F::SHIFT));
        removed = 1;
    }
}

/// Gathers the tables below the first one, for good.
pub(crate) fn dismantle<M: Memory + ?Sized, F: Format>(
    memory: &M,
    table: &Table<'_>,
    above: u32,
    freed: &mut FreedTables,
) {
    if above == 0 {
        return;
    }
    let below = above.wrapping_sub(1);
    for entry in table.words() {
        let word = entry.load();
        if !is_table(word) {
            continue;
        }
        if below != 0 {
            if let Ok(child) = Table::below::<M, F>(memory, word) {
                dismantle::<M, F>(memory, &child, below, freed);
            }
        }
        freed.push(memory, descriptor::address::<F>(word), F::SHIFT);
    }
}
