//! Queues: rings in shared memory with an index and a wrap bit at each end (IHI 0070 3.5).

mod command;
mod consumer;
mod error;
mod event;
mod position;
mod pri;
mod ring;

pub use command::CommandQueue;
pub use error::{CommandFailure, QueueError};
pub use event::{Drained, EventQueue};
pub use position::{Position, QueueSize};
pub use pri::PriQueue;
