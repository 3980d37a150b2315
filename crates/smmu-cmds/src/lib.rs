//! What we tell an Arm SMMUv3 and what it tells us: commands, events, queues.
//!
//! * [`command`]: every command as a [`Command`] that cannot hold a reserved form, its legality on each queue, and its
//!   encoding for an SMMU of given capabilities;
//! * [`event`]: event records and page requests, raw and decoded;
//! * [`fault`]: stalled transactions and page request groups, each paired with exactly one answer;
//! * [`guest`]: a guest's commands, judged and rewritten for the physical queue, one by one or in batches;
//! * `host` (feature `hypervisor`): a hostile host's commands, for a hypervisor that owns the SMMU;
//! * [`queue`]: command queues with deadlines, error detection and receipts, for one producer or (feature `kernel`) for many;
//!   the event queue and the PRI queue with overflow.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "kernel")]
mod atomic;
pub mod command;
pub mod event;
pub mod fault;
pub mod guest;
#[cfg(feature = "hypervisor")]
pub mod host;
pub mod queue;

pub use command::{Command, CommandError, RawCommand};
pub use event::{Event, RawEvent};
pub use guest::VirtualSmmu;
#[cfg(feature = "kernel")]
pub use queue::SharedQueue;
pub use queue::{CommandQueue, EventQueue, PriQueue, QueueError};
