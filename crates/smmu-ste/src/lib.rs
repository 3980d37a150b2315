//! Stream table entries and context descriptors of an Arm SMMUv3, and how live ones are changed.
//!
//! * [`ste`]: [`Ste`] the view, [`SteConfig`] the repr, and what a guest may put into its own ([`ste::GuestSte`]);
//! * [`cd`]: the same for context descriptors;
//! * [`update`]: the planner of hitless updates;
//! * [`table`]: stream tables and CD tables in shared memory, and the updates carried out.
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
