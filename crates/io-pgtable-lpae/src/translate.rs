//! Translating an address as a walker does, for debugging, fault handling and tests.

use crate::config::TableConfig;
use crate::descriptor::{BLOCK, Leaf, TABLE_OR_PAGE, address};
use crate::format::Format;
use crate::walk::{Shape, Table, leaf_entry, level, shift};
use core::fmt;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Memory, MemoryError};
use smmu_regs::vmsa::{IovaRange, Level};

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// The output address, low bits of the input included.
    pub pa: PhysAddr,
    /// The leaf. [`Attributes::decode`](crate::Attributes::decode) says what it allows.
    pub leaf: Leaf,
    /// The leaf's level.
    pub level: Level,
    /// Bytes that the leaf maps.
    pub size: u64,
}

/// Why an address leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TranslateError {
    /// The table does not translate such an address.
    OutsideInput {
        /// The address.
        iova: u64,
        /// What the table translates.
        input: IovaRange,
    },
    /// Nothing is mapped there.
    NotMapped {
        /// The address.
        iova: u64,
        /// The level whose descriptor is invalid.
        level: Level,
    },
    /// A valid descriptor whose type is reserved at its level; walks fault there.
    Reserved {
        /// The address.
        iova: u64,
        /// The level.
        level: Level,
        /// The descriptor.
        descriptor: u64,
    },
    /// A table descriptor does not point to known memory: somebody wrote into the tables.
    Memory(MemoryError),
}

impl fmt::Display for TranslateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideInput { iova, input } => {
                write!(f, "{iova:#x} is not within what the table translates, {input}")
            }
            Self::NotMapped { iova, level } => write!(f, "{iova:#x} is not mapped: invalid at level {level}"),
            Self::Reserved { iova, level, descriptor } => {
                write!(f, "{iova:#x}: descriptor {descriptor:#x} is reserved at level {level}")
            }
            Self::Memory(error) => write!(f, "damaged table: {error}"),
        }
    }
}

impl core::error::Error for TranslateError {}

/// Translates `iova`. See [`PageTable::translate`](crate::PageTable::translate).
#[inline]
pub(crate) fn translate<M: Memory + ?Sized, F: Format>(
    memory: &M,
    (config, shape, root): (&TableConfig, &Shape, PhysAddr),
    iova: u64,
) -> Result<Translation, TranslateError> {
    let input = shape.input();
    if iova < input.start() || iova > input.last() {
        return Err(TranslateError::OutsideInput { iova, input });
    }
    match leaf_entry::<M, F>(memory, shape, root, iova) {
        Some(word) if word & TABLE_OR_PAGE == TABLE_OR_PAGE => {
            Ok(translation::<F>(config, word, iova, (0, F::SHIFT)))
        }
        _ => walk::<M, F>(memory, config, root, iova),
    }
}

/// Level by level: blocks, and whatever is wrong.
#[inline(never)]
fn walk<M: Memory + ?Sized, F: Format>(
    memory: &M,
    config: &TableConfig,
    root: PhysAddr,
    iova: u64,
) -> Result<Translation, TranslateError> {
    let geometry = config.geometry();
    let mut above = geometry.start_level().above_pages();
    let mut table = Table::at(memory, root, geometry.first_entries()).map_err(TranslateError::Memory)?;
    loop {
        let (level, shift) = (level(above), shift::<F>(above));
        let word = table.entry(iova, shift).map_err(TranslateError::Memory)?.load();
        match (word & TABLE_OR_PAGE, above) {
            (TABLE_OR_PAGE, 0) => {}
            (TABLE_OR_PAGE, _) => {
                table = Table::below::<M, F>(memory, word).map_err(TranslateError::Memory)?;
                above = above.wrapping_sub(1);
                continue;
            }
            (BLOCK, 1..) if config.possible_leaf_levels().contains(level) => {}
            (BLOCK, _) => return Err(TranslateError::Reserved { iova, level, descriptor: word }),
            _ => return Err(TranslateError::NotMapped { iova, level }),
        }
        return Ok(translation::<F>(config, word, iova, (above, shift)));
    }
}

#[inline]
fn translation<F: Format>(
    config: &TableConfig,
    word: u64,
    iova: u64,
    (above, shift): (u32, u32),
) -> Translation {
    let size = 1u64.wrapping_shl(shift);
    let low = size.wrapping_sub(1);
    let pa = PhysAddr::new(address::<F>(word).get() & !low | iova & low);
    Translation { pa, leaf: Leaf::new(word, config), level: level(above), size }
}
