//! Changing what is allowed where something is mapped: look, then change leaf by leaf.
//!
//! Permissions may change while a leaf is in use, without a break (IHI 0070 3.21.1.1): until the invalidation is complete,
//! devices have the old ones or the new ones. The memory type, the shareability and the output may not.

use crate::attributes::{AttributeError, Attributes};
use crate::config::{Stage, TableConfig};
use crate::contiguous::{CONTIGUOUS, group_log2};
use crate::descriptor::{Stage1Leaf, Stage2Leaf, is_table};
use crate::dirty::State;
use crate::format::Format;
use crate::gather::Gather;
use crate::walk::{Table, level, parts, shift};
use core::fmt;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Dword, Memory, MemoryError};
use smmu_regs::vmsa::{Granule, HardwareUpdate, IovaRange, LevelSet};

/// Why permissions were not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtectError {
    /// The range does not consist of whole pages.
    Misaligned {
        /// The range.
        range: IovaRange,
        /// The table's granule.
        granule: Granule,
    },
    /// The table does not translate some of the range.
    OutsideInput {
        /// The range.
        range: IovaRange,
        /// What the table translates.
        input: IovaRange,
    },
    /// The attributes cannot be encoded.
    Attributes(AttributeError),
    /// Nothing is mapped there.
    NotMapped {
        /// The first address in the range that is not mapped.
        iova: u64,
    },
    /// A block, or a contiguous group, reaches beyond the range: [split](crate::PageTable::split) it first.
    PartOfBlock {
        /// The first address of the leaf in the range.
        iova: u64,
        /// All addresses of the leaf or group.
        block: IovaRange,
    },
    /// The leaf differs in more than permissions: that needs break-before-make, so unmap, invalidate and map instead.
    OtherAttributes {
        /// The first address of the leaf.
        iova: u64,
        /// Its descriptor.
        descriptor: u64,
        /// The bits that would change and must not.
        bits: u64,
    },
    /// The gather belongs to another table.
    ForeignGather {
        /// First table of that other table.
        owner: PhysAddr,
    },
    /// A table descriptor does not point to known memory: somebody wrote into the tables.
    Memory(MemoryError),
}

impl fmt::Display for ProtectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { range, granule } => write!(f, "{range} is not a number of {granule} pages"),
            Self::OutsideInput { range, input } => {
                write!(f, "{range} is not within what the table translates, {input}")
            }
            Self::Attributes(error) => error.fmt(f),
            Self::NotMapped { iova } => write!(f, "{iova:#x} is not mapped"),
            Self::PartOfBlock { iova, block } => {
                write!(f, "{iova:#x} is part of the leaf for {block}, which reaches beyond the range")
            }
            Self::OtherAttributes { iova, descriptor, bits } => {
                write!(
                    f,
                    "the leaf {descriptor:#x} for {iova:#x} would change in {bits:#x}, which are no permissions"
                )
            }
            Self::ForeignGather { owner } => {
                write!(f, "the gather belongs to the table at {owner}: finish it first")
            }
            Self::Memory(error) => write!(f, "damaged table: {error}"),
        }
    }
}

impl core::error::Error for ProtectError {}

impl From<MemoryError> for ProtectError {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}

/// The bits of a leaf that say what is allowed.
const fn permissions(stage: Stage) -> u64 {
    match stage {
        Stage::Ttb0 | Stage::Ttb1 => {
            type L = Stage1Leaf;
            L::AP_UNPRIV.mask() | L::AP_RDONLY.mask() | L::PXN.mask() | L::UXN.mask() | L::DBM.mask()
        }
        Stage::Stage2 => {
            type L = Stage2Leaf;
            L::S2AP_R.mask() | L::S2AP_W.mask() | L::XN.mask() | L::DBM.mask()
        }
    }
}

/// What one call changes.
struct Change<'a> {
    config: &'a TableConfig,
    range: (u64, u64),
    /// All attribute bits, new.
    bits: u64,
    /// Those that may change.
    may: u64,
    /// Those that leaves have besides output and type.
    attributes: u64,
    state: State,
    tracks: bool,
}

/// See [`PageTable::protect`](crate::PageTable::protect).
pub(crate) fn protect<M: Memory + ?Sized, F: Format>(
    memory: &M,
    (config, root): (&TableConfig, PhysAddr),
    range: IovaRange,
    attributes: Attributes,
    gather: &mut Gather,
    lost: &mut dyn FnMut(IovaRange),
) -> Result<(), ProtectError> {
    let (granule, input) = (config.granule(), config.input());
    if !range.is_aligned(granule) {
        return Err(ProtectError::Misaligned { range, granule });
    }
    if !input.contains(range) {
        return Err(ProtectError::OutsideInput { range, input });
    }
    let bits = attributes.bits(config).map_err(ProtectError::Attributes)?;
    gather.belongs_to(root, granule).map_err(|owner| ProtectError::ForeignGather { owner })?;
    let change = Change {
        config,
        range: (range.start(), range.last()),
        bits,
        may: permissions(config.stage()),
        attributes: !(F::IN_PLACE | F::HIGH | CONTIGUOUS | crate::descriptor::TABLE_OR_PAGE),
        state: State::of(config.stage()),
        tracks: config.update() >= HardwareUpdate::Dirty,
    };
    let table = Table::at(memory, root, config.geometry().first_entries())?;
    let above = config.geometry().start_level().above_pages();
    change.look::<M, F>(memory, &table, above, change.range)?;
    change.write::<M, F>(memory, &table, above, change.range, gather, lost)?;
    memory.publish();
    Ok(())
}

impl Change<'_> {
    /// The addresses of a leaf, or of the group that it belongs to.
    fn reach<F: Format>(&self, word: u64, above: u32, iova: u64) -> (u64, u64) {
        let group = group_log2(self.config.granule(), level(above)).filter(|_| word & CONTIGUOUS != 0);
        let low = 1u64.wrapping_shl(group.unwrap_or(shift::<F>(above))).wrapping_sub(1);
        (iova & !low, iova | low)
    }

    fn look<M: Memory + ?Sized, F: Format>(
        &self,
        memory: &M,
        table: &Table<'_>,
        above: u32,
        (start, last): (u64, u64),
    ) -> Result<(), ProtectError> {
        let shift = shift::<F>(above);
        for (part, entry) in parts(start, last, shift).zip(table.run(start, last, shift)?) {
            let word = entry.load();
            if word == 0 {
                return Err(ProtectError::NotMapped { iova: part.start });
            }
            if above != 0 && is_table(word) {
                let child = Table::below::<M, F>(memory, word)?;
                self.look::<M, F>(memory, &child, above.wrapping_sub(1), (part.start, part.last))?;
                continue;
            }
            let (from, to) = self.reach::<F>(word, above, part.start);
            if from < self.range.0 || to > self.range.1 {
                let block = IovaRange::new(from, to).unwrap_or(IovaRange::ALL);
                return Err(ProtectError::PartOfBlock { iova: part.start, block });
            }
            let bits = (word ^ self.bits) & self.attributes & !self.may;
            if bits != 0 {
                return Err(ProtectError::OtherAttributes { iova: part.start, descriptor: word, bits });
            }
        }
        Ok(())
    }

    fn write<M: Memory + ?Sized, F: Format>(
        &self,
        memory: &M,
        table: &Table<'_>,
        above: u32,
        (start, last): (u64, u64),
        gather: &mut Gather,
        lost: &mut dyn FnMut(IovaRange),
    ) -> Result<(), ProtectError> {
        let (here, shift) = (LevelSet::only(level(above)), shift::<F>(above));
        let low = 1u64.wrapping_shl(shift).wrapping_sub(1);
        for (part, entry) in parts(start, last, shift).zip(table.run(start, last, shift)?) {
            let word = entry.load();
            if above != 0 && is_table(word) {
                let child = Table::below::<M, F>(memory, word)?;
                let inside = (part.start, part.last);
                self.write::<M, F>(memory, &child, above.wrapping_sub(1), inside, gather, lost)?;
                continue;
            }
            let (was, is) = self.change(entry, word);
            if was == is {
                continue;
            }
            let (from, to) = (part.start & !low, part.start | low);
            gather.leaves(here, from, to);
            if self.tracks && self.state.is_dirty(was) && !self.state.is_dirty(is) {
                lost(IovaRange::new(from, to).unwrap_or(IovaRange::ALL));
            }
            if !self.config.is_coherent() {
                table.clean(memory, part.start, part.start, shift);
            }
        }
        Ok(())
    }

    /// Gives a leaf its new permissions, and says what it was and what it is. One that stays writable stays as clean as it is;
    /// hardware may make it dirty meanwhile.
    fn change(&self, entry: &Dword, word: u64) -> (u64, u64) {
        let mut was = word;
        loop {
            let mut is = was & !self.may | self.bits & self.may;
            if self.tracks && self.state.is_clean(was) && self.state.is_dirty(is) {
                is = self.state.made_clean(is);
            }
            match entry.compare_exchange(was, is) {
                Ok(_) => return (was, is),
                Err(now) => was = now,
            }
        }
    }
}
