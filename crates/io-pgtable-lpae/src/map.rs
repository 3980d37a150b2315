//! Mapping a range: look, reserve, then write.
//!
//! 1. *Look*: walk what is there; an entry in the way is an error. Count the tables that are missing.
//! 2. *Reserve*: allocate them all, chained through their first words. If one is not to be had, the others go straight
//!    back: none was ever linked, so no walker can have seen them, and the tree has not changed.
//! 3. *Write*: fill what is there; build new tables apart from the tree, clean them, [`Memory::publish`], and only then
//!    store the descriptors that link them. A walker sees a new table with its content or not at all.
//!
//! A block goes into an empty entry only. Over a table, empty or not, `map` descends: replacing a table by a block needs
//! break-before-make (`R_WHZWS`), which a map has no means to do.

use crate::attributes::Attributes;
use crate::config::TableConfig;
use crate::contiguous::{self, CONTIGUOUS, group_mask, in_whole_group};
use crate::descriptor::{self, BLOCK, Count, TABLE_OR_PAGE, address_bits, is_straight, is_table};
use crate::error::MapError;
use crate::format::Format;
use crate::reserve::{Links, Reserve, table_address};
use crate::run;
use crate::walk::{Position, Shape, Table, entries, leaf_run, parts, shift};
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Dword, Memory};
use smmu_regs::vmsa::{IovaRange, Level};

/// What one call maps, in the form in which the walk needs it.
pub(crate) struct Request {
    /// Output minus input address.
    offset: u64,
    /// Attribute bits of a leaf.
    bits: u64,
    /// Bit `n`: a leaf `n` levels above the pages is allowed, and input and output are congruent for it.
    leaves: u32,
    /// For leaves `n` levels above the pages, the bytes of a contiguous group less 1, if input and output are congruent
    /// for it and such are wanted; else 0.
    groups: [u64; 3],
    /// Descriptors of consecutive pages are consecutive numbers.
    straight: bool,
    coherent: bool,
}

impl Request {
    pub(crate) fn new(
        config: &TableConfig,
        offset: u64,
        bits: u64,
        (largest, straight): (Level, bool),
    ) -> Self {
        let mut leaves = 1;
        let blocks = config.leaf_levels();
        for (above, level) in [(1, Level::TWO), (2, Level::ONE), (3, Level::ZERO)] {
            let low = 1u64.wrapping_shl(level.shift(config.granule())).wrapping_sub(1);
            if blocks.contains(level) && level >= largest && offset & low == 0 {
                leaves |= 1u32.wrapping_shl(above);
            }
        }
        let group = |level| group_of(group_mask(config, level), level, offset, largest);
        let groups = [group(Level::THREE), group(Level::TWO), group(Level::ONE)];
        Self { offset, bits, leaves, groups, straight, coherent: config.is_coherent() }
    }

    /// Bytes of a contiguous group of leaves `above` levels above the pages, less 1; 0 if there are none.
    #[inline]
    fn group(&self, above: u32) -> u64 {
        self.groups.get(above as usize).copied().unwrap_or(0)
    }

    /// Whether an entry that the range covers entirely becomes a leaf.
    #[inline]
    fn is_leaf(&self, above: u32) -> bool {
        self.leaves.wrapping_shr(above) & 1 != 0
    }

    #[inline]
    fn leaf<F: Format>(&self, iova: u64, above: u32) -> u64 {
        let kind = if above == 0 { TABLE_OR_PAGE } else { BLOCK };
        address_bits::<F>(iova.wrapping_add(self.offset)) | self.bits | kind
    }

    /// Stores pages from `start` on.
    #[inline]
    fn store_pages<F: Format>(&self, entries: &[Dword], start: u64) {
        let group = self.group(0);
        if self.straight {
            return contiguous::store::<F>(entries, start, self.leaf::<F>(start, 0), group);
        }
        let last = start.wrapping_add((entries.len() as u64).wrapping_shl(F::SHIFT)).wrapping_sub(1);
        for (index, entry) in (0u64..).zip(entries) {
            let iova = start.wrapping_add(index.wrapping_shl(F::SHIFT));
            entry.store(self.leaf::<F>(iova, 0) | mark(in_whole_group(group, iova, (start, last))));
        }
    }
}

/// `mask`, the bytes of a group of leaves of `level` less 1, if input and output are congruent for it and leaves as large as
/// `largest` are more than it.
#[inline]
fn group_of(mask: u64, level: Level, offset: u64, largest: Level) -> u64 {
    if offset & mask == 0 && level > largest { mask } else { 0 }
}

#[inline]
fn mark(contiguous: bool) -> u64 {
    if contiguous { CONTIGUOUS } else { 0 }
}

/// Maps `range` to `pa`. See [`PageTable::map`](crate::PageTable::map).
#[inline]
pub(crate) fn map<M: Memory + ?Sized, F: Format>(
    memory: &M,
    (config, shape, root): (&TableConfig, &Shape, PhysAddr),
    range: IovaRange,
    pa: PhysAddr,
    attributes: Attributes,
    largest: Level,
) -> Result<(), MapError> {
    let (start, last) = (range.start(), range.last());
    if !shape.takes(range) || !shape.gives(pa, last.wrapping_sub(start)) {
        return Err(refuse(config, range, pa));
    }
    let bits = attributes.bits(config).map_err(MapError::Attributes)?;
    let straight = is_straight::<F>(pa.get(), pa.get().wrapping_add(last.wrapping_sub(start)));
    let leaf = address_bits::<F>(pa.get()) | bits | TABLE_OR_PAGE;
    let done = if shape.is_one(start, last) {
        map_run::<M, F, true>(memory, (config, shape, root), (leaf, 0), (start, last))
    } else if !straight {
        None
    } else {
        let group = group_of(shape.group_mask, Level::THREE, pa.get().wrapping_sub(start), largest);
        map_pages::<M, F>(memory, (config, shape, root), (leaf, group), (start, last))
    };
    if done.is_some() {
        memory.publish();
        return Ok(());
    }
    let request = Request::new(config, pa.get().wrapping_sub(start), bits, (largest, straight));
    map_tree::<M, F>(memory, config, root, &request, (start, last))
}

/// Maps what one last-level table holds; `None` if there is none, or something in the way.
#[inline(always)]
fn map_run<M: Memory + ?Sized, F: Format, const ONE: bool>(
    memory: &M,
    (config, shape, root): (&TableConfig, &Shape, PhysAddr),
    (leaf, group): (u64, u64),
    (start, last): (u64, u64),
) -> Option<()> {
    let found = leaf_run::<M, F, ONE>(memory, shape, root, start, last)?;
    let used = Count::of(found.descriptor);
    if (ONE || used != Count::ZERO) && run::any_set(found.run) {
        return None;
    }
    contiguous::store::<F>(found.run, start, leaf, group);
    found.link.store(used.plus(Count::new(found.pages)).put(found.descriptor));
    if !config.is_coherent() {
        memory.clean(found.address, found.pages);
    }
    Some(())
}

/// [`map_run`] for more than one page, apart so that its loops do not weigh on the single page.
#[inline(never)]
fn map_pages<M: Memory + ?Sized, F: Format>(
    memory: &M,
    table: (&TableConfig, &Shape, PhysAddr),
    leaf: (u64, u64),
    range: (u64, u64),
) -> Option<()> {
    map_run::<M, F, false>(memory, table, leaf, range)
}

/// What is wrong with a request that the shape does not allow.
#[cold]
fn refuse(config: &TableConfig, range: IovaRange, pa: PhysAddr) -> MapError {
    let (granule, input, output) = (config.granule(), config.input(), config.output());
    if !range.is_aligned(granule) {
        return MapError::Misaligned { range, granule };
    }
    if !pa.is_aligned(granule.bytes()) {
        return MapError::MisalignedOutput { pa, granule };
    }
    if !input.contains(range) {
        return MapError::OutsideInput { range, input };
    }
    MapError::OutsideOutput { pa, range, output }
}

/// The long way: whatever [`leaf_run`] does not find.
#[inline(never)]
fn map_tree<M: Memory + ?Sized, F: Format>(
    memory: &M,
    config: &TableConfig,
    root: PhysAddr,
    request: &Request,
    (start, last): (u64, u64),
) -> Result<(), MapError> {
    let position = Position::find::<M, F, false>(memory, config, root, start, last)?;
    let (table, above) = (&position.table, position.above);
    let link = position.link_to(above);
    if above == 1 && (start ^ last).wrapping_shr(shift::<F>(1)) == 0 {
        let entry = table.entry(start, shift::<F>(1))?;
        let whole = last.wrapping_sub(start).wrapping_add(1) == 1u64.wrapping_shl(shift::<F>(1));
        if entry.load() == 0 && !(whole && request.is_leaf(1)) {
            let new = new_leaf_table::<M, F>(memory, config, request, (start, last))?;
            memory.publish();
            entry.store(new);
            if !request.coherent {
                table.clean(memory, start, last, shift::<F>(1));
            }
            if let Some(link) = link {
                add_entries(link.entry, 1);
            }
            memory.publish();
            return Ok(());
        }
    }
    let known_empty = link.is_some_and(|link| Count::of(link.entry.load()) == Count::ZERO);

    let missing = look::<M, F>(memory, request, table, above, (start, last), known_empty)?;
    let mut reserve = Reserve::EMPTY;
    if missing != 0 {
        reserve = Reserve::allocate(memory, config, missing)?;
    }
    let added = write::<M, F>(memory, request, &mut reserve, table, above, (start, last))?;
    if let Some(link) = link {
        add_entries(link.entry, added);
    }
    memory.publish();
    Ok(())
}

/// Makes the one last-level table that is missing, what [`look`], [`Reserve`] and [`build`] come to when that is all, and
/// gives the descriptor that will link it.
#[inline(always)]
fn new_leaf_table<M: Memory + ?Sized, F: Format>(
    memory: &M,
    config: &TableConfig,
    request: &Request,
    (start, last): (u64, u64),
) -> Result<u64, MapError> {
    let bytes = config.granule().bytes();
    let pages = memory.allocate(bytes, bytes).map_err(MapError::NoMemory)?;
    let filled = table_address(config, &pages).and_then(|address| {
        let table = Table::at(memory, address, entries::<F>())?;
        let entries = table.run(start, last, F::SHIFT)?;
        request.store_pages::<F>(entries, start);
        if !request.coherent {
            memory.clean(address, table.words().len());
        }
        Ok(descriptor::table::<F>(address, entries.len()))
    });
    if filled.is_err() {
        memory.free(pages);
    }
    filled
}

/// Looks for anything in the way and counts the tables that are missing.
pub(crate) fn look<M: Memory + ?Sized, F: Format>(
    memory: &M,
    request: &Request,
    table: &Table<'_>,
    above: u32,
    (start, last): (u64, u64),
    known_empty: bool,
) -> Result<u64, MapError> {
    let shift = shift::<F>(above);
    if above == 0 {
        let entries = table.run(start, last, shift)?;
        if known_empty || !run::any_set(entries) {
            return Ok(0);
        }
        let before = entries.iter().take_while(|word| word.load() == 0).count() as u64;
        return Err(MapError::Mapped { iova: start.wrapping_add(before.wrapping_shl(shift)) });
    }
    let mut missing = 0u64;
    for (part, entry) in parts(start, last, shift).zip(table.run(start, last, shift)?) {
        let word = entry.load();
        let below = above.wrapping_sub(1);
        if word == 0 {
            if !(part.whole && request.is_leaf(above)) {
                missing = missing.saturating_add(1);
                missing = missing.saturating_add(below_new::<F>(request, below, part.start, part.last));
            }
        } else if is_table(word) {
            let child = Table::below::<M, F>(memory, word)?;
            let empty = Count::of(word) == Count::ZERO;
            let more = look::<M, F>(memory, request, &child, below, (part.start, part.last), empty)?;
            missing = missing.saturating_add(more);
        } else {
            return Err(MapError::Mapped { iova: part.start });
        }
    }
    Ok(missing)
}

/// Tables that `start..=last` needs below a new table `above` levels above the pages: one for each entry that it
/// touches and that does not become a leaf, and what those need in turn.
pub(crate) fn below_new<F: Format>(request: &Request, above: u32, start: u64, last: u64) -> u64 {
    if above == 0 {
        return 0;
    }
    let shift = shift::<F>(above);
    let below = above.wrapping_sub(1);
    let low = 1u64.wrapping_shl(shift).wrapping_sub(1);
    let table_for = |start, last| below_new::<F>(request, below, start, last).saturating_add(1);
    if (start ^ last) <= low && !(start & low == 0 && last & low == low) {
        return table_for(start, last);
    }
    let mut whole = last.wrapping_shr(shift).wrapping_sub(start.wrapping_shr(shift)).saturating_add(1);
    let mut tables = 0u64;
    if start & low != 0 {
        whole = whole.wrapping_sub(1);
        tables = tables.saturating_add(table_for(start, start | low));
    }
    if last & low != low {
        whole = whole.wrapping_sub(1);
        tables = tables.saturating_add(table_for(last & !low, last));
    }
    if whole != 0 && !request.is_leaf(above) {
        tables = tables.saturating_add(whole.saturating_mul(table_for(0, low)));
    }
    tables
}

/// Writes what [`look`] found possible; says how many entries of `table` are no longer empty.
pub(crate) fn write<M: Memory + ?Sized, F: Format>(
    memory: &M,
    request: &Request,
    reserve: &mut Reserve,
    table: &Table<'_>,
    above: u32,
    (start, last): (u64, u64),
) -> Result<usize, MapError> {
    let shift = shift::<F>(above);
    let entries = table.run(start, last, shift)?;
    let mut added = 0usize;
    if above == 0 {
        request.store_pages::<F>(entries, start);
        added = entries.len();
    } else {
        let mut links = Links::EMPTY;
        let group = request.group(above);
        let mut group_is_free = false;
        for (part, entry) in parts(start, last, shift).zip(entries) {
            let word = entry.load();
            let below = above.wrapping_sub(1);
            if word != 0 {
                let child = Table::below::<M, F>(memory, word)?;
                let inside = (part.start, part.last);
                add_entries(entry, write::<M, F>(memory, request, reserve, &child, below, inside)?);
                continue;
            }
            if part.whole && request.is_leaf(above) {
                let whole = in_whole_group(group, part.start, (start, last));
                if whole && part.start & group == 0 {
                    // a table among them has no place in a group
                    let members = table.run(part.start, part.start | group, shift)?;
                    group_is_free = !run::any_set(members);
                }
                entry.store(request.leaf::<F>(part.start, above) | mark(whole && group_is_free));
            } else {
                let new = build::<M, F>(memory, request, reserve, below, (part.start, part.last))?;
                links.push(memory, entry, new);
            }
            added = added.wrapping_add(1);
        }
        links.store(memory);
    }
    if !request.coherent && added != 0 {
        table.clean(memory, start, last, shift);
    }
    Ok(added)
}

/// Takes a table from the reserve and fills it, with all tables below it; gives the descriptor that will link it.
fn build<M: Memory + ?Sized, F: Format>(
    memory: &M,
    request: &Request,
    reserve: &mut Reserve,
    above: u32,
    (start, last): (u64, u64),
) -> Result<u64, MapError> {
    let table = reserve.take::<M, F>(memory)?;
    let shift = shift::<F>(above);
    let entries = table.run(start, last, shift)?;
    if above == 0 {
        request.store_pages::<F>(entries, start);
    } else {
        for (part, entry) in parts(start, last, shift).zip(entries) {
            if part.whole && request.is_leaf(above) {
                let whole = in_whole_group(request.group(above), part.start, (start, last));
                entry.store(request.leaf::<F>(part.start, above) | mark(whole));
            } else {
                let below = above.wrapping_sub(1);
                entry.store(build::<M, F>(memory, request, reserve, below, (part.start, part.last))?);
            }
        }
    }
    if !request.coherent {
        memory.clean(table.address(), table.words().len());
    }
    Ok(descriptor::table::<F>(table.address(), entries.len()))
}

#[inline]
fn add_entries(link: &Dword, added: usize) {
    if added != 0 {
        let word = link.load();
        link.store(Count::of(word).plus(Count::new(added)).put(word));
    }
}
