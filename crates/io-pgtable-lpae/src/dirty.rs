//! Which leaves the SMMU has written through, where it keeps that in descriptors (D8.5.2.1, IHI 0070 3.13).
//!
//! A leaf with `DBM` is writable (`R_XZFQH`, `R_BRFGY`). Stage 1 has it dirty with `AP[2]` = 0 and clean with `AP[2]` = 1;
//! stage 2 dirty with `S2AP[1]` = 1 and clean with `S2AP[1]` = 0. The SMMU makes a clean leaf dirty at any time, so it is
//! made clean by compare-exchange, and only that: nothing that the SMMU has written is lost.
//!
//! The SMMU may keep the dirty state of a contiguous group in any one of its members (D8.5.5), so a group is dirty or clean
//! as a whole.

use crate::config::{Stage, TableConfig};
use crate::contiguous::{CONTIGUOUS, group_log2};
use crate::descriptor::{BLOCK, Stage1Leaf, Stage2Leaf, TABLE_OR_PAGE};
use crate::format::Format;
use crate::gather::Gather;
use crate::walk::{Table, level, parts, shift};
use core::fmt;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Dword, Memory, MemoryError};
use smmu_regs::vmsa::{HardwareUpdate, IovaRange, LevelSet};

/// Why dirty leaves were not looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirtyError {
    /// Hardware does not keep dirty state in this table: see
    /// [`TableConfig::with_update`](crate::TableConfig::with_update).
    NotTracked {
        /// What hardware updates.
        update: HardwareUpdate,
    },
    /// The table does not translate some of the range.
    OutsideInput {
        /// The range.
        range: IovaRange,
        /// What the table translates.
        input: IovaRange,
    },
    /// The gather belongs to another table.
    ForeignGather {
        /// First table of that other table.
        owner: PhysAddr,
    },
    /// A table descriptor does not point to known memory: somebody wrote into the tables. What had been made clean before is
    /// in the gather and was reported.
    Memory(MemoryError),
}

impl fmt::Display for DirtyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTracked { update } => {
                write!(f, "no dirty state in this table: hardware updates {update:?}")
            }
            Self::OutsideInput { range, input } => {
                write!(f, "{range} is not within what the table translates, {input}")
            }
            Self::ForeignGather { owner } => {
                write!(f, "the gather belongs to the table at {owner}: finish it first")
            }
            Self::Memory(error) => write!(f, "damaged table: {error}"),
        }
    }
}

impl core::error::Error for DirtyError {}

impl From<MemoryError> for DirtyError {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}

/// The bits of a leaf that say whether it is dirty.
#[derive(Clone, Copy)]
pub(crate) struct State {
    /// What dirty leaves have.
    dirty: u64,
    /// What clean ones have.
    clean: u64,
    mask: u64,
}

impl State {
    pub(crate) const fn of(stage: Stage) -> Self {
        match stage {
            Stage::Ttb0 | Stage::Ttb1 => {
                let (dbm, read_only) = (Stage1Leaf::DBM.mask(), Stage1Leaf::AP_RDONLY.mask());
                Self { dirty: dbm, clean: dbm | read_only, mask: dbm | read_only }
            }
            Stage::Stage2 => {
                let (dbm, write) = (Stage2Leaf::DBM.mask(), Stage2Leaf::S2AP_W.mask());
                Self { dirty: dbm | write, clean: dbm, mask: dbm | write }
            }
        }
    }

    /// Whether a valid leaf is writable and dirty.
    pub(crate) const fn is_dirty(self, word: u64) -> bool {
        word & self.mask == self.dirty && word & 1 != 0
    }

    /// Whether a valid leaf is writable and clean.
    pub(crate) const fn is_clean(self, word: u64) -> bool {
        word & self.mask == self.clean && word & 1 != 0
    }

    /// A leaf made clean, if it is writable and dirty.
    pub(crate) const fn made_clean(self, word: u64) -> u64 {
        if self.is_dirty(word) { word & !self.mask | self.clean } else { word }
    }

    /// A leaf made dirty, if it is writable and clean.
    pub(crate) const fn made_dirty(self, word: u64) -> u64 {
        if self.is_clean(word) { word & !self.mask | self.dirty } else { word }
    }

    /// Whether the leaf is dirty; made clean then, if asked.
    fn take(self, entry: &Dword, clear: bool) -> bool {
        let mut word = entry.load();
        loop {
            if !self.is_dirty(word) {
                return false;
            }
            if !clear {
                return true;
            }
            match entry.compare_exchange(word, self.made_clean(word)) {
                Ok(_) => return true,
                // the SMMU, or a CPU that uses the table too, was faster
                Err(now) => word = now,
            }
        }
    }
}

/// What one call looks for and what it does with it.
struct Search<'a> {
    config: &'a TableConfig,
    state: State,
    gather: Option<&'a mut Gather>,
    found: &'a mut dyn FnMut(IovaRange),
}

/// Reports dirty leaves that touch `range`, and makes them clean where there is a gather. See
/// [`PageTable::read_dirty`](crate::PageTable::read_dirty).
pub(crate) fn dirty<M: Memory + ?Sized, F: Format>(
    memory: &M,
    (config, root): (&TableConfig, PhysAddr),
    range: IovaRange,
    mut gather: Option<&mut Gather>,
    found: &mut dyn FnMut(IovaRange),
) -> Result<(), DirtyError> {
    let (geometry, input, update) = (config.geometry(), config.input(), config.update());
    if update < HardwareUpdate::Dirty {
        return Err(DirtyError::NotTracked { update });
    }
    if !input.contains(range) {
        return Err(DirtyError::OutsideInput { range, input });
    }
    if let Some(gather) = &mut gather {
        gather.belongs_to(root, config.granule()).map_err(|owner| DirtyError::ForeignGather { owner })?;
    }
    let table = Table::at(memory, root, geometry.first_entries())?;
    let mut search = Search { config, state: State::of(config.stage()), gather, found };
    search.table::<M, F>(memory, &table, geometry.start_level().above_pages(), range)?;
    Ok(())
}

impl Search<'_> {
    fn table<M: Memory + ?Sized, F: Format>(
        &mut self,
        memory: &M,
        table: &Table<'_>,
        above: u32,
        range: IovaRange,
    ) -> Result<(), MemoryError> {
        let (here, shift) = (level(above), shift::<F>(above));
        let mut group_done = None;
        let entries = table.run(range.start(), range.last(), shift)?;
        for (part, entry) in parts(range.start(), range.last(), shift).zip(entries) {
            let word = entry.load();
            match (word & TABLE_OR_PAGE, above) {
                (TABLE_OR_PAGE, 0) | (BLOCK, 1..) => {}
                (TABLE_OR_PAGE, _) => {
                    let child = Table::below::<M, F>(memory, word)?;
                    if let Ok(inside) = IovaRange::new(part.start, part.last) {
                        self.table::<M, F>(memory, &child, above.wrapping_sub(1), inside)?;
                    }
                    continue;
                }
                _ => continue,
            }
            let group = group_log2(self.config.granule(), here).filter(|_| word & CONTIGUOUS != 0);
            let low = 1u64.wrapping_shl(group.unwrap_or(shift)).wrapping_sub(1);
            let (start, last) = (part.start & !low, part.start | low);
            if group.is_some() && group_done.replace(start) == Some(start) {
                continue;
            }
            let mut dirty = false;
            for member in table.run(start, last, shift)? {
                dirty |= self.state.take(member, self.gather.is_some());
            }
            if !dirty {
                continue;
            }
            if let Some(gather) = &mut self.gather {
                gather.leaves(LevelSet::only(here), start, last);
                if !self.config.is_coherent() {
                    table.clean(memory, start, last, shift);
                }
            }
            if let Ok(leaf) = IovaRange::new(start, last) {
                (self.found)(leaf);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All words of `DBM`, bit 7 and the valid bit, against D8.5.2.1: `AP[2]` and `S2AP[1]` are both bit 7.
    #[test]
    fn only_what_is_writable_and_dirty_is_taken() {
        for (stage, when_dirty) in [(Stage::Ttb0, 0), (Stage::Ttb1, 0), (Stage::Stage2, 1)] {
            for n in 0u64..8 {
                let (valid, bit7, dbm) = (n & 1, n >> 1 & 1, n >> 2);
                let word = 0x1234_5000 | valid | bit7 << 7 | dbm << 51;
                let dirty = valid == 1 && dbm == 1 && bit7 == when_dirty;
                for clear in [false, true] {
                    let entry = Dword::new(word);
                    assert_eq!(State::of(stage).take(&entry, clear), dirty);
                    let expected = if dirty && clear { word ^ 1 << 7 } else { word };
                    assert_eq!(entry.load(), expected, "{stage:?} {n}");
                }
            }
        }
    }
}
