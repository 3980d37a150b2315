//! The ground floor: what an Arm SMMUv3 is.
//!
//! Registers and their fields, the ID registers turned into one value of capabilities with errata applied, the
//! handshakes of bring-up, the vocabulary that all other crates share (identifiers, addresses, granules, ranges,
//! translation regimes), the three traits a platform supplies, and receipts for work that hardware has completed.
//!
//! Sections cited are those of the SMMUv3 architecture (Arm IHI 0070) unless they name the Arm ARM (DDI 0487).
#![no_std]
#![deny(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod addr;
pub mod caps;
pub mod handshake;
pub mod id;
pub mod layout;
pub mod lifecycle;
pub mod platform;
pub mod receipt;
pub mod registers;
#[cfg(feature = "hypervisor")]
pub mod trap;
pub mod vmsa;

pub use addr::{AddressSize, PhysAddr};
pub use caps::{Caps, Feature, Quirk};
pub use id::{Asid, IdError, InstanceId, StreamId, SubstreamId, VirtualStreamId, Vmid};
