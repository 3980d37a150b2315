//! Stream table entries and context descriptors of an Arm SMMUv3, and how live ones are changed.
//!
//! * [`ste`]: [`Ste`] the view, [`SteConfig`] the repr, and what a guest may put into its own ([`ste::GuestSte`]);
//! * [`cd`]: the same for context descriptors, and address spaces shared with a CPU ([`CdConfig::sva`]);
//! * [`mpam`]: partition labels and the VMS;
//! * [`update`]: the planner of hitless updates;
//! * [`table`]: stream tables and CD tables in shared memory, and the updates carried out.
//!
//! # What a driver asks for
//!
//! | a device that | STE | CDs |
//! |---|---|---|
//! | nobody has attached | [`SteConfig::abort`] | |
//! | nobody translates | [`SteConfig::bypass`] | |
//! | has one address space | [`SteConfig::stage1`] | one, [`CdConfig`] |
//! | belongs to a virtual machine | [`SteConfig::stage2`] | |
//! | belongs to a virtual machine that translates too | [`SteConfig::nested`] | the guest's |
//! | has processes beside untranslated traffic | [`SteConfig::identity_with_pasids`] | one for each process, [`CdConfig::sva`] |
//! | has processes and nothing else | [`SteConfig::blocked_with_pasids`] | as above |
//!
//! `encode` turns any of them into words for one SMMU, or says why there are none. [`StreamTable`] and [`CdTable`] put them into
//! memory and tell the SMMU.
//!
//! A device with room for a thousand processes:
//!
//! ```
//! use smmu_regs::caps::{Caps, Hints, IdRegisters};
//! use smmu_regs::PhysAddr;
//! use smmu_ste::SteConfig;
//! use smmu_ste::ste::{Ats, CdTablePointer, WithoutSubstream};
//! use smmu_ste::table::CdTableShape;
//!
//! let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
//! // `CdTable::new` makes this choice, and `CdTable::pointer` says what the STE is to say.
//! let shape = CdTableShape::choose(&caps, 10)?;
//! assert_eq!(shape.top_bytes(), 65536);
//! let pointer = CdTablePointer {
//!     base: PhysAddr::new(0x8001_0000),
//!     format: shape.format(),
//!     cds_log2: shape.cds_log2(),
//!     without_substream: WithoutSubstream::Terminate,
//! };
//! let ste = SteConfig::identity_with_pasids(&caps, pointer)?.with_ats(Ats::Full).encode(&caps)?;
//! assert!(ste.to_string().starts_with("stage 1: V=1 CONFIG=5 S1CONTEXTPTR=0x80010000 S1CDMAX=0xa S1DSS=1"));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod cd;
mod first_level;
pub mod mpam;
pub mod ste;
pub mod table;
pub mod update;

pub use cd::{Cd, CdConfig, CdError};
pub use ste::{Ste, SteConfig, SteError};
pub use table::{CdTable, StreamTable, TableError};
