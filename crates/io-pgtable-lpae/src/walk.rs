//! Moving about in the tree: one borrowed table, and the way from the root to it.
//!
//! Functions here and in `map` and `unmap` are compiled once for each [`Format`], so that shifts are constants. A level is
//! counted as levels above the pages: 0 is level 3.

use crate::config::TableConfig;
use crate::contiguous::group_mask;
use crate::descriptor::{self, is_table};
use crate::format::Format;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Dword, Memory, MemoryError};
use smmu_regs::vmsa::{IovaRange, Level};

/// Descriptors in a table.
#[inline]
pub(crate) const fn entries<F: Format>() -> usize {
    1usize.wrapping_shl(F::SHIFT.wrapping_sub(3))
}

/// log2 of the bytes that one descriptor covers.
#[inline]
pub(crate) const fn shift<F: Format>(above: u32) -> u32 {
    F::SHIFT.wrapping_add(F::SHIFT.wrapping_sub(3).wrapping_mul(above))
}

/// The level that lies `above` levels above the pages.
#[inline]
pub(crate) const fn level(above: u32) -> Level {
    match above {
        0 => Level::THREE,
        1 => Level::TWO,
        2 => Level::ONE,
        3 => Level::ZERO,
        _ => Level::MINUS_ONE,
    }
}

/// A table: its words and where they are.
#[derive(Clone, Copy)]
pub(crate) struct Table<'m> {
    words: &'m [Dword],
    address: PhysAddr,
}

impl<'m> Table<'m> {
    /// The table of `count` entries, a power of two, at `address`.
    #[inline]
    pub(crate) fn at<M: Memory + ?Sized>(
        memory: &'m M,
        address: PhysAddr,
        count: usize,
    ) -> Result<Self, MemoryError> {
        Ok(Self { words: memory.words(address, count)?, address })
    }

    /// The table that a table descriptor points to.
    #[inline]
    pub(crate) fn below<M: Memory + ?Sized, F: Format>(
        memory: &'m M,
        descriptor: u64,
    ) -> Result<Self, MemoryError> {
        Self::at(memory, descriptor::address::<F>(descriptor), entries::<F>())
    }

    #[inline]
    pub(crate) fn address(&self) -> PhysAddr {
        self.address
    }

    #[inline]
    pub(crate) fn words(&self) -> &'m [Dword] {
        self.words
    }

    /// Index of the entry for `iova` when one entry covers `1 << shift` bytes. The length is a power of two, and a
    /// first table, concatenated or not, has an entry for all input bits; so masking with the length is the lookup.
    #[inline]
    pub(crate) fn index(&self, iova: u64, shift: u32) -> usize {
        iova.wrapping_shr(shift) as usize & self.words.len().wrapping_sub(1)
    }

    #[inline]
    fn missing(&self) -> MemoryError {
        MemoryError { address: self.address, words: self.words.len() }
    }

    /// The entry for `iova`.
    #[inline]
    pub(crate) fn entry(&self, iova: u64, shift: u32) -> Result<&'m Dword, MemoryError> {
        self.words.get(self.index(iova, shift)).ok_or(self.missing())
    }

    /// The entries for `start..=last`, which this table covers.
    #[inline]
    pub(crate) fn run(&self, start: u64, last: u64, shift: u32) -> Result<&'m [Dword], MemoryError> {
        self.words.get(self.index(start, shift)..=self.index(last, shift)).ok_or(self.missing())
    }

    /// Cleans the entries for `start..=last` to memory.
    #[inline]
    pub(crate) fn clean<M: Memory + ?Sized>(&self, memory: &M, start: u64, last: u64, shift: u32) {
        let (first, end) = (self.index(start, shift), self.index(last, shift));
        memory.clean(entry_address(self.address, first as u64), end.wrapping_sub(first).wrapping_add(1));
    }
}

/// One entry's share of a range.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) start: u64,
    pub(crate) last: u64,
    /// The range covers all of the entry.
    pub(crate) whole: bool,
}

/// `start..=last` cut at the boundaries of entries that cover `1 << shift` bytes.
#[inline]
pub(crate) fn parts(start: u64, last: u64, shift: u32) -> impl Iterator<Item = Part> {
    let low = 1u64.wrapping_shl(shift).wrapping_sub(1);
    (start.wrapping_shr(shift)..=last.wrapping_shr(shift)).map(move |number| {
        let base = number.wrapping_shl(shift);
        let top = base | low;
        let (start, last) = (base.max(start), top.min(last));
        Part { start, last, whole: start == base && last == top }
    })
}

/// The numbers of a configuration that every call needs, worked out once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Levels above the pages at which walks start.
    above: u32,
    /// Entries of the first table, less 1.
    first_mask: u64,
    /// Page size in bytes, less 1.
    page_mask: u64,
    input: IovaRange,
    /// Last output address.
    output_last: u64,
    /// Bytes of a contiguous group of pages, less 1; 0 if there are none.
    pub(crate) group_mask: u64,
}

impl Shape {
    pub(crate) const fn new(config: &TableConfig) -> Self {
        let geometry = config.geometry();
        Self {
            above: geometry.start_level().above_pages(),
            first_mask: (geometry.first_entries() as u64).wrapping_sub(1),
            page_mask: config.granule().bytes().wrapping_sub(1),
            input: config.input(),
            output_last: 1u64.wrapping_shl(config.output().bits()).wrapping_sub(1),
            group_mask: group_mask(config, Level::THREE),
        }
    }

    /// Whether `start..=last`, whole pages, is a single one.
    #[inline]
    pub(crate) const fn is_one(&self, start: u64, last: u64) -> bool {
        last.wrapping_sub(start) == self.page_mask
    }

    /// Whether `range` is whole pages that the table translates.
    #[inline]
    pub(crate) const fn takes(&self, range: IovaRange) -> bool {
        (range.start() | !range.last()) & self.page_mask == 0 && self.input.contains(range)
    }

    /// Whether `pa` is a page from which `more` bytes further are still output addresses.
    #[inline]
    pub(crate) const fn gives(&self, pa: PhysAddr, more: u64) -> bool {
        let first = pa.get();
        first & self.page_mask == 0
            && first <= self.output_last
            && more <= self.output_last.wrapping_sub(first)
    }

    /// All addresses that the table translates.
    #[inline]
    pub(crate) const fn input(&self) -> IovaRange {
        self.input
    }
}

/// A single address on its way down. Always inlined with a literal level, so that what is left of it are shifts and masks
/// by constants.
struct Way {
    table: PhysAddr,
    mask: u64,
}

impl Way {
    #[inline(always)]
    fn entry<F: Format>(&self, iova: u64, above: u32) -> PhysAddr {
        entry_address(self.table, iova.wrapping_shr(shift::<F>(above)) & self.mask)
    }

    /// Reads the entry `above` levels above the pages and follows it; `None` if it does not point to a table.
    #[inline(always)]
    fn down<'m, M: Memory + ?Sized, F: Format>(
        &mut self,
        memory: &'m M,
        iova: u64,
        above: u32,
    ) -> Option<(&'m Dword, u64)> {
        let Ok([entry]) = memory.words(self.entry::<F>(iova, above), 1) else { return None };
        let word = entry.load();
        if !is_table(word) {
            return None;
        }
        self.table = descriptor::address::<F>(word);
        self.mask = (entries::<F>() as u64).wrapping_sub(1);
        Some((entry, word))
    }

    /// From the first table to the last-level table for `iova`, and the descriptor that points to that.
    #[inline(always)]
    fn to_leaves<'m, M: Memory + ?Sized, F: Format>(
        memory: &'m M,
        shape: &Shape,
        root: PhysAddr,
        iova: u64,
    ) -> Option<(Self, &'m Dword, u64)> {
        let mut way = Self { table: root, mask: shape.first_mask };
        match shape.above {
            1 => {}
            2 => _ = way.down::<M, F>(memory, iova, 2)?,
            3 => {
                way.down::<M, F>(memory, iova, 3)?;
                way.down::<M, F>(memory, iova, 2)?;
            }
            4 => {
                way.down::<M, F>(memory, iova, 4)?;
                way.down::<M, F>(memory, iova, 3)?;
                way.down::<M, F>(memory, iova, 2)?;
            }
            _ => return None,
        }
        let (link, descriptor) = way.down::<M, F>(memory, iova, 1)?;
        Some((way, link, descriptor))
    }
}

/// The last-level entry for `iova`, if there is a last-level table.
#[inline(always)]
pub(crate) fn leaf_entry<M: Memory + ?Sized, F: Format>(
    memory: &M,
    shape: &Shape,
    root: PhysAddr,
    iova: u64,
) -> Option<u64> {
    let (way, ..) = Way::to_leaves::<M, F>(memory, shape, root, iova)?;
    let Ok([entry]) = memory.words(way.entry::<F>(iova, 0), 1) else { return None };
    Some(entry.load())
}

/// The entries for a range that one last-level table holds, and the table descriptor that points to it.
pub(crate) struct LeafRun<'m> {
    pub(crate) run: &'m [Dword],
    /// How many there are.
    pub(crate) pages: usize,
    /// Address of the first of them.
    pub(crate) address: PhysAddr,
    pub(crate) link: &'m Dword,
    /// What `link` holds.
    pub(crate) descriptor: u64,
}

/// The short way for what happens most: `start..=last` lies in one last-level table that is there. `None`: take the long
/// way, which will also find out what is wrong, if anything is. `ONE`: the range is one page, which lets the compiler drop
/// all loops.
#[inline(always)]
pub(crate) fn leaf_run<'m, M: Memory + ?Sized, F: Format, const ONE: bool>(
    memory: &'m M,
    shape: &Shape,
    root: PhysAddr,
    start: u64,
    last: u64,
) -> Option<LeafRun<'m>> {
    if (start ^ last).wrapping_shr(shift::<F>(1)) != 0 {
        return None;
    }
    let (way, link, descriptor) = Way::to_leaves::<M, F>(memory, shape, root, start)?;
    let address = way.entry::<F>(start, 0);
    let pages =
        if ONE { 1 } else { last.wrapping_sub(start).wrapping_shr(F::SHIFT).wrapping_add(1) as usize };
    let run = memory.words(address, pages).ok().filter(|run| run.len() == pages)?;
    Some(LeafRun { run, pages, address, link, descriptor })
}

/// Address of entry `index` of a table.
#[inline]
pub(crate) const fn entry_address(table: PhysAddr, index: u64) -> PhysAddr {
    PhysAddr::new(table.get().wrapping_add(index.wrapping_mul(8)))
}

/// An entry on the way down, and where it is.
#[derive(Clone, Copy)]
pub(crate) struct Link<'m> {
    pub(crate) entry: &'m Dword,
    pub(crate) address: PhysAddr,
}

/// The lowest table that covers a whole range, and the table descriptors on the way to it.
pub(crate) struct Position<'m> {
    pub(crate) table: Table<'m>,
    pub(crate) above: u32,
    path: [Option<Link<'m>>; 4],
}

impl<'m> Position<'m> {
    /// Goes down from the first table while one entry covers `start..=last` and points to a table. With `STOP`, stays
    /// above a table that the range covers entirely.
    #[inline]
    pub(crate) fn find<M: Memory + ?Sized, F: Format, const STOP: bool>(
        memory: &'m M,
        config: &TableConfig,
        root: PhysAddr,
        start: u64,
        last: u64,
    ) -> Result<Self, MemoryError> {
        let geometry = config.geometry();
        let mut above = geometry.start_level().above_pages();
        let mut table = Table::at(memory, root, geometry.first_entries())?;
        let mut path = [None; 4];
        while above != 0 {
            let shift = shift::<F>(above);
            let low = 1u64.wrapping_shl(shift).wrapping_sub(1);
            let covers_more = (start ^ last) > low;
            let covers_all = STOP && start & low == 0 && last & low == low;
            if covers_more || covers_all {
                break;
            }
            let entry = table.entry(start, shift)?;
            let descriptor = entry.load();
            if !is_table(descriptor) {
                break;
            }
            let address = entry_address(table.address, table.index(start, shift) as u64);
            above = above.wrapping_sub(1);
            if let Some(link) = path.get_mut(above as usize) {
                *link = Some(Link { entry, address });
            }
            table = Table::below::<M, F>(memory, descriptor)?;
        }
        Ok(Self { table, above, path })
    }

    /// The entry that points to the table on the way, `above` levels above the pages; none for the first table.
    #[inline]
    pub(crate) fn link_to(&self, above: u32) -> Option<Link<'m>> {
        self.path.get(above as usize).copied().flatten()
    }
}
