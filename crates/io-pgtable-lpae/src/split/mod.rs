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

mod work;

use crate::config::TableConfig;
use crate::contiguous::CONTIGUOUS;
use crate::descriptor::NT;
use crate::error::MapError;
use crate::format::Format;
use crate::gather::Gather;
use core::fmt;
use smmu_regs::PhysAddr;
use smmu_regs::caps::BbmLevel;
use smmu_regs::platform::Memory;
use smmu_regs::receipt::Detached;
use smmu_regs::vmsa::IovaRange;
use work::{Broken, Splitting, leaf_range};

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
    let work = Splitting { memory, config, root, cuts };
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
    let work = Splitting { memory, config, root, cuts: prepared.cuts };
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
