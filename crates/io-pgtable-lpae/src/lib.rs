//! The floor of tables: VMSAv8-64 stage-1 and stage-2 translation tables as an SMMUv3 walks them.
//!
//! * [`TableConfig`] says what a table is: stage, granule, sizes. It cannot be something that the architecture lacks.
//! * [`PageTable`] maps, unmaps and translates whole ranges; every check is made before the first change.
//! * Leaves are as large as they can be, and marked as contiguous groups where that is wanted
//!   ([`TableConfig::with_contiguous`]). [`PageTable::split`] makes them smaller while devices use them.
//! * [`PageTable::protect`] changes what is allowed.
//! * [`TableConfig::fits`] says whether an SMMU can walk such a table, [`TableConfig::can_share`] whether several can.
//! * [`PageTable::walk`] visits every descriptor; [`PageTable::read_and_clear_dirty`] says which leaves were written through.
//! * [`Gather`] collects what an unmap left for the TLBs and the tables that it took out of the tree. It ends as an
//!   [`Invalidation`] and as `Detached<FreedTables>`, which give their pages back only when hardware has let go of them.
//! * [`PageTable::regime`] is what `smmu-ste` makes an STE or a CD from.
//!
//! Memory comes from the platform's [`Memory`](smmu_regs::platform::Memory), which every call takes. A table lives as
//! long as its memory: always pass the same one.
//!
//! ```
//! use io_pgtable_lpae::{Attributes, Concatenation, Gather, MemoryType, PageTable, TableConfig};
//! use smmu_regs::platform::Memory;
//! use smmu_regs::vmsa::{Granule, IovaRange};
//! use smmu_regs::{AddressSize, PhysAddr};
//!
//! fn a_mapping<M: Memory>(memory: &M) -> Result<(), Box<dyn core::error::Error>> {
//!     let size = AddressSize::Bits40;
//!     let config = TableConfig::stage2(Granule::Size4K, 40, size, Concatenation::WhenRequired)?;
//!     let mut table = PageTable::new(config, memory)?;
//!     let range = IovaRange::from_size(0x8000_0000, 0x20_0000)?;
//!     table.map(memory, range, PhysAddr::new(0x4000_0000), Attributes::read_write(MemoryType::NormalCached))?;
//!     assert_eq!(table.translate(memory, 0x8000_1234)?.pa, PhysAddr::new(0x4000_1234));
//!
//!     let mut gather = Gather::new();
//!     table.unmap(memory, range, &mut gather)?;
//!     if let Some((invalidation, freed)) = gather.finish() {
//!         // ... invalidate `invalidation.range` on every SMMU, and wait for its CMD_SYNC; here nobody has seen the table
//!         freed.never_seen_by_hardware().reclaim(memory)?;
//!     }
//!     let freed = table.destroy(memory);
//!     freed.never_seen_by_hardware().reclaim(memory)?;
//!     Ok(())
//! }
//! ```
//!
//! Sections cited are those of the Arm ARM (DDI 0487) unless they name IHI 0070.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod attributes;
mod config;
mod config_error;
mod contiguous;
mod descriptor;
mod dirty;
mod error;
mod fits;
mod format;
mod gather;
mod geometry;
mod map;
mod protect;
mod reserve;
mod run;
mod sizes;
mod split;
mod table;
mod translate;
mod unmap;
mod visit;
mod walk;

pub use attributes::{AttributeError, Attributes, MAIR, MemoryType};
pub use config::{Stage, TableConfig};
pub use config_error::{ConfigError, OutputError};
pub use descriptor::{Leaf, Stage1Leaf, Stage2Leaf, TableDescriptor};
pub use dirty::DirtyError;
pub use error::{MapError, UnmapError};
pub use fits::{CannotShare, Misfit};
pub use gather::{FreedTables, Gather, Invalidation, ReclaimError};
pub use geometry::{Concatenation, Geometry};
pub use protect::ProtectError;
pub use sizes::PageSizes;
pub use split::{PreparedSplit, Split, SplitBy, SplitError};
pub use table::{CreateError, EmptyTables, PageTable, Regime};
pub use translate::{TranslateError, Translation};
pub use unmap::Unmapped;
pub use visit::{Entry, Target, WalkError};
