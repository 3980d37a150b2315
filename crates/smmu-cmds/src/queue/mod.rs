//! Queues: rings in shared memory with an index and a wrap bit at each end (IHI 0070 3.5).

#[cfg(feature = "kernel")]
mod bell;
mod command;
mod error;
mod event;
mod interface;
#[cfg(feature = "kernel")]
mod list;
#[cfg(feature = "kernel")]
mod opcodes;
mod position;
#[cfg(feature = "kernel")]
mod reserve;
mod ring;
#[cfg(feature = "kernel")]
mod service;
#[cfg(feature = "kernel")]
mod shared;
#[cfg(feature = "kernel")]
mod sync;
#[cfg(feature = "kernel")]
mod valid;

pub use command::CommandQueue;
pub use error::{CommandFailure, QueueError};
pub use event::{Drained, EventQueue};
pub use interface::{Cmdq, Consumer, Ecmdq, Interface};
#[cfg(feature = "kernel")]
pub use opcodes::OpcodeSet;
pub use position::{Position, QueueSize};
#[cfg(feature = "kernel")]
pub use service::FailedCommand;
#[cfg(feature = "kernel")]
pub use shared::{Completion, Pending, Progress, SharedOptions, SharedPlatform, SharedQueue};
