//! What an Arm SMMUv3 has to forget, and how it is told: the least that is enough, in the right order.
//!
//! * [`range`]: one address range to at most three commands (TG, TTL, SCALE, NUM);
//! * [`atc`]: one address range to the span of an ATC invalidation;
//! * [`tag`]: whose translations - ASID, VMID, both stages - and the commands for them;
//! * [`pool`]: ASIDs and VMIDs that are owned, and reused only when no TLB knows them;
//! * [`mod@invalidate`]: commands, `CMD_SYNC`s and receipts for everything that an unmap gathered, on one SMMU;
//! * [`mod@array`]: who must be told, on all SMMUs that a domain is used by, and how they all are.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod array;
pub mod atc;
pub mod invalidate;
pub mod pool;
pub mod range;
pub mod tag;

pub use array::InvalidationArray;
pub use invalidate::{AtsTarget, InvalidateError, invalidate, invalidate_and_reclaim};
pub use pool::{AsidPool, OwnedTag, VmidPool};
pub use range::{Policy, RangePlan, RangeSupport};
pub use tag::Tag;
