//! What we tell an Arm SMMUv3 and what it tells us: commands, events, queues.
//!
//! * [`command`]: every command of the non-secure queue as a [`Command`] that cannot hold a reserved form, and its
//!   encoding for an SMMU of given capabilities;
//! * [`event`]: event records and page requests, raw and decoded;
//! * [`guest`]: a guest's commands, judged and rewritten for the physical queue, one by one or in batches;
//! * [`queue`]: command queues with deadlines, error detection and receipts, for one producer or (feature `kernel`) for many;
//!   the event queue with overflow.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "kernel")]
mod atomic;
pub mod command;
pub mod event;
pub mod guest;
pub mod queue;

pub use command::{Command, CommandError, RawCommand};
pub use event::{Event, RawEvent};
pub use guest::VirtualSmmu;
#[cfg(feature = "kernel")]
pub use queue::SharedQueue;
pub use queue::{CommandQueue, EventQueue, QueueError};
