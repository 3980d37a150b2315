//! The page table itself: one first table, what hangs below it, and the calls that a driver makes.

use crate::attributes::{Attributes, MAIR};
use crate::config::{Stage, TableConfig};
use crate::dirty::{self, DirtyError};
use crate::error::{MapError, UnmapError};
use crate::format::by_format;
use crate::gather::{FreedTables, Gather};
use crate::map;
use crate::protect::{self, ProtectError};
use crate::split::{self, PreparedSplit, Split, SplitBy, SplitError};
use crate::translate::{self, TranslateError, Translation};
use crate::unmap::{self, How, Unmapped};
use crate::visit::{self, Entry, WalkError};
use crate::walk::{Shape, Table};
use core::fmt;
use smmu_regs::platform::{AllocationError, Memory, Pages};
use smmu_regs::receipt::Detached;
use smmu_regs::vmsa::{IovaRange, Level, Stage1Regime, Stage2Regime, TableBase};
use smmu_regs::{AddressSize, PhysAddr};

/// What becomes of tables that an unmap empties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EmptyTables {
    /// They leave the tree and come back through the gather: table memory follows what is mapped.
    #[default]
    Detach,
    /// They stay for the next map of the same addresses: no allocation, and no table levels to invalidate. Right where
    /// the same addresses are mapped and unmapped all the time. Memory stays with the tree until it is destroyed, or
    /// until [`EmptyTables::Detach`] is set again and an unmap covers the table.
    Keep,
}

/// The regime that a table belongs to: what `smmu-ste` makes a CD or an STE from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Regime {
    /// For a CD. The half that the table is not for is `None`.
    Stage1(Stage1Regime),
    /// For an STE.
    Stage2(Stage2Regime),
}

/// A VMSAv8-64 translation table with everything below it.
///
/// Calls take the [`Memory`] that it was made with. Dropping it leaks its tables, as a device may still walk them:
/// [`PageTable::destroy`] gives them back.
#[derive(Debug)]
#[must_use = "dropping this leaks its tables: destroy it"]
pub struct PageTable {
    config: TableConfig,
    shape: Shape,
    root: Pages,
    empty_tables: EmptyTables,
}

impl PageTable {
    /// An empty table.
    ///
    /// # Errors
    /// There is no memory for the first table, or it is at an address that the SMMU could not be told.
    pub fn new<M: Memory + ?Sized>(config: TableConfig, memory: &M) -> Result<Self, CreateError> {
        let geometry = config.geometry();
        let align = geometry.first_align();
        let root = memory.allocate(align, align).map_err(CreateError::NoMemory)?;
        let (address, output) = (root.base(), config.output());
        if !output.contains(address.get()) || !address.is_aligned(align) {
            memory.free(root);
            return Err(CreateError::TableAddress { address, output });
        }
        if !config.is_coherent() {
            memory.clean(address, geometry.first_entries());
        }
        memory.publish();
        Ok(Self { config, shape: Shape::new(&config), root, empty_tables: EmptyTables::Detach })
    }

    /// What the table is.
    #[must_use]
    pub const fn config(&self) -> &TableConfig {
        &self.config
    }

    /// Address of the first table, or of the first of the concatenated ones.
    #[must_use]
    pub const fn base(&self) -> PhysAddr {
        self.root.base()
    }

    #[inline]
    const fn parts(&self) -> (&TableConfig, &Shape, PhysAddr) {
        (&self.config, &self.shape, self.root.base())
    }

    /// What an STE or a CD says about the table.
    #[must_use]
    pub const fn regime(&self) -> Regime {
        let config = &self.config;
        let granule = config.granule();
        let input_bits = config.geometry().input_bits() as u8;
        let base = TableBase { base: self.root.base(), granule, input_bits, walk: config.walk() };
        let (ttb0, ttb1) = match config.stage() {
            Stage::Ttb0 => (Some(base), None),
            Stage::Ttb1 => (None, Some(base)),
            Stage::Stage2 => {
                return Regime::Stage2(Stage2Regime {
                    ttb: self.root.base(),
                    granule,
                    input_bits,
                    start_level: config.geometry().start_level(),
                    ps: config.output(),
                    walk: config.walk(),
                    update: config.update().flags(),
                    ds: config.ds(),
                    fwb: config.fwb(),
                });
            }
        };
        let (ips, update) = (config.output(), config.update().flags());
        Regime::Stage1(Stage1Regime { ttb0, ttb1, ips, mair: MAIR, update, ds: config.ds() })
    }

    /// Says what becomes of tables that an unmap empties.
    pub const fn set_empty_tables(&mut self, empty_tables: EmptyTables) {
        self.empty_tables = empty_tables;
    }

    /// Maps all of `range` to `pa` onwards, with the largest leaves that fit.
    ///
    /// It maps everything or nothing: an error leaves the tables as they were. A walker sees complete leaves only, and
    /// all of them when the call returns. No TLB invalidation is needed, as nothing valid is changed.
    ///
    /// # Errors
    /// See [`MapError`].
    #[inline]
    pub fn map<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        range: IovaRange,
        pa: PhysAddr,
        attributes: Attributes,
    ) -> Result<(), MapError> {
        self.map_up_to(memory, range, pa, attributes, Level::MINUS_ONE)
    }

    /// [`PageTable::map`] with leaves no larger than those of `largest`: pages alone for [`Level::THREE`]. For ranges that
    /// will be unmapped piece by piece, or whose dirty pages will be told apart: blocks are not split.
    ///
    /// # Errors
    /// See [`MapError`].
    #[inline]
    pub fn map_up_to<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        range: IovaRange,
        pa: PhysAddr,
        attributes: Attributes,
        largest: Level,
    ) -> Result<(), MapError> {
        by_format!(self.config, F => map::map::<_, F>(memory, self.parts(), range, pa, attributes, largest))
    }

    /// Unmaps all of `range`, every page of which must be mapped.
    ///
    /// What TLBs have to forget, and tables that have left the tree, go to `gather`. There is no barrier in it: whoever
    /// submits the invalidation publishes what was stored before.
    ///
    /// # Errors
    /// See [`UnmapError`]; nothing was changed.
    #[inline]
    pub fn unmap<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        range: IovaRange,
        gather: &mut Gather,
    ) -> Result<Unmapped, UnmapError> {
        self.unmap_how(memory, range, gather, true)
    }

    /// Unmaps whatever is mapped in `range`; holes are skipped.
    ///
    /// # Errors
    /// See [`UnmapError`]; nothing was changed unless the tables are damaged.
    #[inline]
    pub fn unmap_present<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        range: IovaRange,
        gather: &mut Gather,
    ) -> Result<Unmapped, UnmapError> {
        self.unmap_how(memory, range, gather, false)
    }

    #[inline]
    fn unmap_how<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        range: IovaRange,
        gather: &mut Gather,
        strict: bool,
    ) -> Result<Unmapped, UnmapError> {
        let how = How { strict, detach: self.empty_tables == EmptyTables::Detach };
        by_format!(self.config, F => unmap::unmap::<_, F>(memory, self.parts(), range, gather, how))
    }

    /// Walks to the leaf for `iova`, as the SMMU would.
    ///
    /// # Errors
    /// See [`TranslateError`]. Physical address 0 is an address like any other, not an error.
    #[inline]
    pub fn translate<M: Memory + ?Sized>(
        &self,
        memory: &M,
        iova: u64,
    ) -> Result<Translation, TranslateError> {
        by_format!(self.config, F => translate::translate::<_, F>(memory, self.parts(), iova))
    }

    /// Shows `visitor` every valid descriptor that translates any of `range`, in the order of addresses, each table
    /// descriptor before what is below it.
    ///
    /// # Errors
    /// See [`WalkError`].
    pub fn walk<M: Memory + ?Sized>(
        &self,
        memory: &M,
        range: IovaRange,
        mut visitor: impl FnMut(Entry),
    ) -> Result<(), WalkError> {
        let (config, root) = (&self.config, self.root.base());
        by_format!(config, F => visit::walk::<_, F>(memory, config, root, range, &mut visitor))
    }

    /// Reports the leaves, whole, that touch `range` and that the SMMU has written through since they were mapped or last
    /// made clean. Leaves are born dirty.
    ///
    /// # Errors
    /// See [`DirtyError`]. Holes are none.
    pub fn read_dirty<M: Memory + ?Sized>(
        &self,
        memory: &M,
        range: IovaRange,
        mut found: impl FnMut(IovaRange),
    ) -> Result<(), DirtyError> {
        let table = (&self.config, self.root.base());
        by_format!(self.config, F => dirty::dirty::<_, F>(memory, table, range, None, &mut found))
    }

    /// [`PageTable::read_dirty`], and makes what it reports clean.
    ///
    /// TLBs may hold the dirty leaf and let writes through unseen, so `gather` has what to invalidate: writes that come
    /// after that make the leaf dirty again. It may run while the SMMU uses the table; a leaf that becomes dirty meanwhile
    /// is reported now or next time.
    ///
    /// # Errors
    /// See [`DirtyError`].
    pub fn read_and_clear_dirty<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        range: IovaRange,
        gather: &mut Gather,
        mut found: impl FnMut(IovaRange),
    ) -> Result<(), DirtyError> {
        let table = (&self.config, self.root.base());
        by_format!(self.config, F => dirty::dirty::<_, F>(memory, table, range, Some(gather), &mut found))
    }

    /// Gives all of `range`, every page of which must be mapped, the permissions of `attributes`. The rest of `attributes` must
    /// be what was mapped.
    ///
    /// It changes everything or nothing. Until what `gather` has is invalidated, devices have the old permissions or the new
    /// ones. Where hardware keeps dirty state, a leaf that was writable stays as clean or dirty as it is; `lost` is told of
    /// dirty ones that are no longer writable, as they cannot say so themselves any more.
    ///
    /// # Errors
    /// See [`ProtectError`]; nothing was changed unless the tables are damaged.
    pub fn protect<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        range: IovaRange,
        attributes: Attributes,
        gather: &mut Gather,
        mut lost: impl FnMut(IovaRange),
    ) -> Result<(), ProtectError> {
        let table = (&self.config, self.root.base());
        by_format!(self.config, F => protect::protect::<_, F>(memory, table, range, attributes, gather, &mut lost))
    }

    /// Makes leaves smaller so that none, and no contiguous group, reaches over an end of `range`: then part of them can be
    /// unmapped. Devices that use them go on, unless the caller chose [`SplitBy::Breaking`].
    ///
    /// What TLBs hold of the old leaves goes to `gather`. If that is all, an unmap may follow at once with the same gather.
    /// If it says [`Split::Prepared`], what is gathered must be invalidated first, and
    /// [`PageTable::finish_split`] goes on from there.
    ///
    /// # Errors
    /// See [`SplitError`]. Translations are as they were, though some leaves may be smaller already.
    pub fn split<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        range: IovaRange,
        by: SplitBy,
        gather: &mut Gather,
    ) -> Result<Split, SplitError> {
        let table = (&self.config, self.root.base());
        by_format!(self.config, F => split::split::<_, F>(memory, table, range, by, gather))
    }

    /// Goes on with a split whose invalidation is complete.
    ///
    /// # Errors
    /// See [`SplitError`]; it can be tried again.
    pub fn finish_split<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        prepared: &PreparedSplit,
        gather: &mut Gather,
    ) -> Result<(), SplitError> {
        let table = (&self.config, self.root.base());
        by_format!(self.config, F => split::finish::<_, F>(memory, table, prepared, gather))
    }

    /// Takes the whole tree apart. The table must be out of every STE and CD; the pages come back when everything
    /// tagged with its ASID or VMID has been invalidated.
    #[must_use = "invalidate, then reclaim the tables"]
    pub fn destroy<M: Memory + ?Sized>(self, memory: &M) -> Detached<FreedTables> {
        let geometry = self.config.geometry();
        let mut freed = FreedTables::EMPTY;
        let (address, above) = (self.root.base(), geometry.start_level().above_pages());
        if let Ok(table) = Table::at(memory, address, geometry.first_entries()) {
            by_format!(self.config, F => unmap::dismantle::<_, F>(memory, &table, above, &mut freed));
        }
        freed.push(memory, address, geometry.first_align().trailing_zeros());
        Detached::new(freed)
    }
}

/// Why a table could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError {
    /// No memory for the first table.
    NoMemory(AllocationError),
    /// The platform gave memory for the first table at an address beyond the output size, or misaligned.
    TableAddress {
        /// The address.
        address: PhysAddr,
        /// The table's output size.
        output: AddressSize,
    },
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory(error) => error.fmt(f),
            Self::TableAddress { address, output } => {
                write!(f, "memory at {address} cannot be a table: misaligned or beyond an output of {output}")
            }
        }
    }
}

impl core::error::Error for CreateError {}
