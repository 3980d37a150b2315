//! Faults that wait for an answer: stalled transactions and page request groups, each paired with exactly one.
//!
//! | what waits | known from | its answer | who else ends it |
//! |---|---|---|---|
//! | a stalled transaction | an event with `Stall` 1 | `CMD_RESUME` | `CMD_STALL_TERM` for its stream, `SMMUEN` going to 0 |
//! | a page request group | a request with `Last` 1 | `CMD_PRI_RESP` | the SMMU itself, where the request never gets into the queue |
//!
//! A stall that nobody answers holds its transaction, and perhaps the bus behind it, for ever (IHI 0070 3.12.2); a second answer
//! may hit another transaction that was given the same tag by then. So there are [`Stalls`] and [`PageGroups`], ledgers of what
//! is outstanding at one SMMU, of fixed capacity and without an allocator. What arrives is entered and gives an owned token; only
//! the token makes the answer, and it comes back if the answer could not be queued. A token that is dropped stays in the ledger
//! as outstanding ([`Stalls::outstanding`]) and can be had again ([`Stalls::reissue`]); the one that was dropped, had it only been
//! mislaid, is void then. Where the ledger is full, the answer is made at once ([`Unrecorded`]), so that nothing hangs.
//!
//! ```
//! use smmu_cmds::command::{Command, ResumeAction};
//! use smmu_cmds::event::RawEvent;
//! use smmu_cmds::fault::{Arrival, Stalls};
//! use smmu_regs::InstanceId;
//!
//! let mut stalls = Stalls::<(), 64>::new(InstanceId::new(0));
//! let event = RawEvent::from_words([0x8_0000_0010, 0x208_8000_0007, 0x1000, 0]).decode();
//! let Arrival::Stalled(stalled) = stalls.arrived(&event) else { panic!() };
//! // Map the page, then:
//! let mut queue = Vec::new();
//! stalls.resume(stalled, ResumeAction::Retry, |command| Ok::<_, ()>(queue.push(command))).unwrap();
//! assert!(matches!(queue[..], [Command::Resume { stag: 7, .. }]));
//! assert_eq!(stalls.len(), 0);
//! ```
//!
//! # Guests
//! A hypervisor that hands a fault on to a guest gives the token to the ledger with the guest as its owner
//! ([`Stalls::forward`]), and only then shows the record to the guest, which may answer at once. StreamID and STAG of the answer
//! come from the guest and cannot be trusted (4.7.1). A guest with a command queue of its own answers by its commands:
//! [`HandedOn`](crate::guest::HandedOn) lets those pass, once, that answer what was handed on to it. Otherwise
//! [`Stalls::claim`] gives the token back only if that stall was handed on to that guest, and nobody has answered it. When the
//! guest dies, or takes too long, [`Stalls::reclaim`] gives back what it left unanswered.

mod auto;
mod error;
mod group;
mod ledger;
mod page;
mod stall;

pub use auto::{AutoResponse, PriState, ResponseCode, auto_response};
pub use error::{NotTerminated, Unanswered, Unrecorded};
pub use group::{GroupId, PageArrival, PageGroup, ResponsePasid, WhenFull};
pub use page::PageGroups;
pub use stall::{Arrival, StallId, StalledTransaction, Stalls};
