//! Guests' commands: what a host puts into the physical queue for a guest that has a stage 1 of its own (nesting).
//!
//! [`VirtualSmmu`] judges a command, always a copy, and rewrites it: whatever is accepted names the guest's VMID or a StreamID
//! of the guest's devices, has no bit outside the fields that the SMMU has, and never stops the queue with CERROR_ILL.
//! [`GuestBatch`] is the plan for many commands, [`VirtualSmmu::issue`] carries it out.

mod allowed;
mod batch;
mod command;
mod error;
mod issue;

pub use batch::{GuestBatch, GuestStep, Refusal};
pub use command::{VirtualSmmu, VirtualStreams};
pub use error::{GuestBatchError, GuestCommandError};
