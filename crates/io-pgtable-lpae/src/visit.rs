//! Going over a tree, for dumps, comparisons and tests. Nothing here is fast, and nothing changes anything.

use crate::config::TableConfig;
use crate::descriptor::{self, BLOCK, Leaf, TABLE_OR_PAGE};
use crate::format::Format;
use crate::walk::{Table, entry_address, level, parts, shift};
use core::fmt;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Memory, MemoryError};
use smmu_regs::vmsa::{IovaRange, Level};

/// A valid descriptor and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// All addresses that it translates.
    pub range: IovaRange,
    /// The level of the table that it stands in.
    pub level: Level,
    /// Its own address.
    pub at: PhysAddr,
    /// The descriptor.
    pub descriptor: u64,
    /// What it leads to.
    pub target: Target,
}

/// What a descriptor leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The table of the next level.
    Table {
        /// Its address.
        address: PhysAddr,
    },
    /// A block or page.
    Leaf {
        /// Its fields.
        leaf: Leaf,
        /// The output address of the first byte.
        pa: PhysAddr,
    },
    /// Nothing: its type is reserved at its level, and walks fault there. This crate writes none.
    Reserved,
}

/// Why a tree could not be gone over to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WalkError {
    /// The table does not translate some of the range.
    OutsideInput {
        /// The range.
        range: IovaRange,
        /// What the table translates.
        input: IovaRange,
    },
    /// A table descriptor does not point to known memory: somebody wrote into the tables.
    Memory(MemoryError),
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideInput { range, input } => {
                write!(f, "{range} is not within what the table translates, {input}")
            }
            Self::Memory(error) => write!(f, "damaged table: {error}"),
        }
    }
}

impl core::error::Error for WalkError {}

impl From<MemoryError> for WalkError {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}

/// Visits what translates any of `range`. See [`PageTable::walk`](crate::PageTable::walk).
pub(crate) fn walk<M: Memory + ?Sized, F: Format>(
    memory: &M,
    config: &TableConfig,
    root: PhysAddr,
    range: IovaRange,
    visitor: &mut dyn FnMut(Entry),
) -> Result<(), WalkError> {
    let (geometry, input) = (config.geometry(), config.input());
    if !input.contains(range) {
        return Err(WalkError::OutsideInput { range, input });
    }
    let table = Table::at(memory, root, geometry.first_entries())?;
    let above = geometry.start_level().above_pages();
    visit::<M, F>(memory, config, &table, above, range, visitor)?;
    Ok(())
}

fn visit<M: Memory + ?Sized, F: Format>(
    memory: &M,
    config: &TableConfig,
    table: &Table<'_>,
    above: u32,
    range: IovaRange,
    visitor: &mut dyn FnMut(Entry),
) -> Result<(), MemoryError> {
    let (level, shift) = (level(above), shift::<F>(above));
    let low = 1u64.wrapping_shl(shift).wrapping_sub(1);
    let entries = table.run(range.start(), range.last(), shift)?;
    for (part, entry) in parts(range.start(), range.last(), shift).zip(entries) {
        let descriptor = entry.load();
        if descriptor & 1 == 0 {
            continue;
        }
        let address = descriptor::address::<F>(descriptor);
        let pa = PhysAddr::new(address.get() & !low);
        let leaf = || Target::Leaf { leaf: Leaf::new(descriptor, config), pa };
        let target = match (descriptor & TABLE_OR_PAGE, above) {
            (TABLE_OR_PAGE, 0) => leaf(),
            (TABLE_OR_PAGE, _) => Target::Table { address },
            (BLOCK, 1..) if config.possible_leaf_levels().contains(level) => leaf(),
            _ => Target::Reserved,
        };
        let at = entry_address(table.address(), table.index(part.start, shift) as u64);
        let whole = IovaRange::new(part.start & !low, part.start | low).unwrap_or(IovaRange::ALL);
        visitor(Entry { range: whole, level, at, descriptor, target });
        if let (Target::Table { .. }, Ok(below)) = (target, IovaRange::new(part.start, part.last)) {
            let child = Table::below::<M, F>(memory, descriptor)?;
            visit::<M, F>(memory, config, &child, above.wrapping_sub(1), below, visitor)?;
        }
    }
    Ok(())
}
