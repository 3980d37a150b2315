//! Guests' commands: what a host puts into the physical queue for a guest that has a stage 1 of its own (nesting).
//!
//! [`VirtualSmmu`] judges a command, always a copy, and rewrites it: whatever is accepted names the guest's VMID or a StreamID
//! of the guest's devices, has no bit outside the fields that the SMMU has, and never stops the queue with CERROR_ILL.
//! [`GuestBatch`] is the plan for many commands, [`VirtualSmmu::issue`] carries it out.
//!
//! A guest may answer stalls and page requests that were forwarded to it ([`VirtualSmmu::with_faults`]). Which those are is
//! kept by whoever forwards them ([`HandedOn`], a view of the ledgers of [`fault`](crate::fault), or another [`ForwardedFaults`]): events by [`RawEvent::relocate_stall`](crate::RawEvent::relocate_stall),
//! with the tag that the SMMU gave them. The SMMU checks that a tag is one of the StreamID's, not that the guest was told of it:
//! a stall of stage 2 stays the host's. An answer to a fault that does not wait is nothing, as the architecture has it (4.7.1).
//! Whoever forwards a stall also answers it when the guest does not, or goes away.
//!
//! ```
//! use smmu_cmds::guest::{GuestBatch, GuestStep};
//! use smmu_cmds::{RawCommand, VirtualSmmu};
//! use smmu_regs::caps::{Caps, Hints, IdRegisters};
//! use smmu_regs::{StreamId, VirtualStreamId, Vmid};
//!
//! let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
//! // The guest has one device, which it knows as stream 8.
//! let streams = |device: VirtualStreamId| (device.get() == 8).then_some(StreamId::new(0x1234));
//! let smmu = VirtualSmmu::new(&caps, Vmid::new(7), streams)?;
//!
//! // CMD_TLBI_NH_ASID of ASID 5, then CMD_CFGI_CD_ALL of a device that is not there.
//! let commands = [[5 << 48 | 0x11, 0], [9 << 32 | 0x06, 0]].map(RawCommand::from_words);
//! let mut batch = GuestBatch::new(&smmu, commands);
//! let steps: Vec<GuestStep> = batch.by_ref().collect();
//! assert_eq!(steps, [GuestStep::Push(RawCommand::from_words([5 << 48 | 7 << 32 | 0x11, 0])), GuestStep::Sync]);
//! let refusal = batch.refusal().expect("there is no device 9");
//! assert_eq!(refusal.to_string(), "command 1 of the batch: guest command: CMD_CFGI_CD_ALL: there is no device 0x9");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod allowed;
mod batch;
mod command;
mod error;
mod faults;
mod handed_on;
mod issue;

#[cfg(feature = "hypervisor")]
pub(crate) use allowed::{address, low_part, range};
pub use batch::{GuestBatch, GuestStep, Refusal};
pub use command::{VirtualSmmu, VirtualStreams};
pub use error::{GuestBatchError, GuestCommandError};
#[cfg(feature = "hypervisor")]
pub(crate) use faults::next_abort;
pub use faults::{Answer, ForwardedFaults, NothingForwarded};
pub use handed_on::HandedOn;
