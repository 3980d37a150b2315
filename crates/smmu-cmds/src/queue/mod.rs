//! Queues: rings in shared memory with an index and a wrap bit at each end (IHI 0070 3.5).
//!
//! # Positions
//! PROD and CONS hold an index and, above it, a wrap bit that turns over each lap: equal ends are an empty queue, ends that
//! differ in the wrap bit alone a full one. A [`Position`] is both together; only a [`QueueSize`] compares two of them. A
//! queue also counts its commands from 0, in 64 bits: tickets and receipts speak of those numbers. The size is the caller's
//! choice up to what the SMMU's capabilities say; memory is asked for aligned to it, as `CMDQ_BASE` wants.
//!
//! # Producers
//! | producer | who | waits for other CPUs |
//! |---|---|---|
//! | [`CommandQueue`] | one owner, `&mut` | - |
//! | `SharedQueue` (feature `kernel`) | any CPU, `&self` | never: to add a list takes four steps, none of which does |
//!
//! Both work over either [`QueueRegisters`]: the main queue ([`Cmdq`]) or an enhanced one ([`Ecmdq`], 3.5.6). The SMMU gives no
//! order between commands of different queues, so what must be ordered goes to one queue; each `CMD_SYNC` is for its own.
//!
//! # Batches
//! The SMMU need not see a command before the doorbell, and may do commands of a batch in any order; only a `CMD_SYNC`
//! separates them. `CommandQueue`: any number of [`push`](CommandQueue::push), then [`sync`](CommandQueue::sync).
//! `SharedQueue`: `issue` takes a list, adds the `CMD_SYNC` and waits; `submit` and `wait` are its two halves, for waiting
//! on several SMMUs at once; `post` adds a list without `CMD_SYNC`. Entries of one list follow each other. Errata that ask
//! for a `CMD_SYNC` after 63 commands, or for invalidations to be sent twice, are met by both.
//!
//! # Receipts
//! A completed `CMD_SYNC` makes a [`Receipt`](smmu_regs::receipt::Receipt): every command before it, whosever, is complete.
//! It begins after the last command that was lost. A [`Ticket`](smmu_regs::receipt::Ticket) names the commands that
//! something waits for, and a receipt covers it or does not.
//!
//! # Errors
//! Every wait has a deadline, and a timeout says what was waited for. If the SMMU stops (7.1), the exclusive queue returns
//! [`QueueError::Stopped`] and goes on after [`recover`](CommandQueue::recover). A shared queue is repaired by whoever
//! waits or handles the interrupt (`service`):
//!
//! | cause | repair | who is told |
//! |---|---|---|
//! | CERROR_ILL, unknown codes | the command is replaced by a `CMD_SYNC` | its list's owner: [`QueueError::Refused`] |
//! | CERROR_ABT | fetched again | nobody, if it works then; else deadlines pass |
//! | CERROR_ATC_INV_SYNC | the `CMD_SYNC` is fetched again | its list's owner, if the list had a `CMD_ATC_INV` |
//!
//! A ticket for posted commands is never covered if one of them was refused, or was a `CMD_ATC_INV` before the `CMD_SYNC`
//! that failed.
#![cfg_attr(
    feature = "kernel",
    doc = r#"
# Many CPUs
```
use smmu_cmds::queue::{SharedPlatform, SharedQueue};
use smmu_cmds::{Command, QueueError};
use smmu_regs::receipt::Receipt;
use core::time::Duration;

fn forget_everything<P: SharedPlatform>(queue: &SharedQueue, p: &P) -> Result<Receipt, QueueError> {
    let list = [Command::CfgiAll.encode(queue.caps())?, Command::TlbiNsnhAll.encode(queue.caps())?];
    queue.issue(p, &list, Duration::from_millis(100))
}
```

Why it is right, in the order of the steps. *Reserved*: `reserved` only grows, by compare-exchange, and never beyond what was
consumed plus a lap, so entries have one writer and are not in use. *Written, published*: one store of the list's end beside its
first entry, after its commands. *Rung for*: one CPU at a time has the bell, goes from list to list as far as they are whole, and
writes PROD; a list that becomes whole meanwhile leaves a note, which the bell cannot be let go with. So PROD only moves forward
and no list is forgotten. *Completed*: CONS, or a word in memory that the SMMU writes, is past the list's `CMD_SYNC`.

The models in `tests/loom.rs` explore this with the weakest ordering that the language allows, up to a bound.
"#
)]

#[cfg(feature = "kernel")]
mod bell;
mod command;
mod common;
mod consumer;
mod error;
mod event;
#[cfg(feature = "kernel")]
mod list;
#[cfg(feature = "kernel")]
mod opcodes;
#[cfg(feature = "kernel")]
mod options;
mod position;
mod pri;
mod registers;
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
#[cfg(feature = "kernel")]
pub use opcodes::OpcodeSet;
#[cfg(feature = "kernel")]
pub use options::{Completion, Progress, SharedOptions, SharedPlatform};
pub use position::{Position, QueueSize};
pub use pri::PriQueue;
pub use registers::{Cmdq, Consumer, Ecmdq, QueueRegisters};
#[cfg(feature = "kernel")]
pub use service::FailedCommand;
#[cfg(feature = "kernel")]
pub use shared::SharedQueue;
#[cfg(feature = "kernel")]
pub use sync::Pending;
