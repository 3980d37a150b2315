//! A hostile host's commands: the hypervisor at EL2 owns the SMMU, and the host's kernel keeps its own driver with a command
//! queue in its own memory, which only the hypervisor reads.
//!
//! # Who owns what
//!
//! The model is nesting. Each of the host's streams has a shadow STE with the hypervisor's stage 2 and *one* VMID, the
//! host's; stage 1 is the host's own: its CD tables and page tables are read by the SMMU, through that stage 2. So nothing that
//! stage 1 says reaches memory that is not the host's, and all translations that the host can have made carry its VMID. The
//! registers are `smmu_regs::trap`'s part.
//!
//! | host's command | becomes |
//! |---|---|
//! | `CMD_CFGI_STE`, `_STE_RANGE`, `_ALL` | [`HostAction::Reshadow`]: the host's STEs are read anew, each once, judged, and copied into the real table, with the CFGI that needs |
//! | `CMD_CFGI_CD`, `_CD_ALL` | the same: the SMMU reads the host's CDs itself |
//! | `CMD_TLBI_NH_ALL`, `_NH_ASID`, `_NH_VA`, `_NH_VAA` | the same with the host's VMID, whatever it was |
//! | `CMD_TLBI_NSNH_ALL` | `CMD_TLBI_NH_ALL` of the host's VMID |
//! | `CMD_TLBI_S12_VMALL`, `_S2_IPA`, where the host is shown a stage 2 | `CMD_TLBI_NH_ALL` of the host's VMID: the real stage 2 is not the host's, and what the hypervisor made of the host's is tagged so |
//! | `CMD_ATC_INV` of the host's streams | the same |
//! | `CMD_RESUME`, `CMD_STALL_TERM`, `CMD_PRI_RESP` of faults that wait for the host | the same, and one `CMD_RESUME` for each stall |
//! | `CMD_SYNC` | a `CMD_SYNC` of the hypervisor's own, then [`HostAction::Completed`]. MSIADDR never reaches the SMMU |
//! | `CMD_PREFETCH_*` | nothing: hints. A prefetch by address could make the SMMU walk before a shadow is made |
//! | any, of streams that are not the host's | nothing: there are no translations of those for the host |
//! | all others, reserved bits and values | CERROR_ILL, as an SMMU with the shown features may answer |
//!
//! A host that is shown a stage 2 believes in VMIDs of its own, but all that it has becomes one VMID: where two of its
//! VMIDs use one ASID, their translations would be mixed up. Whoever shows stage 2 refuses STEs with it all the same (`smmu_ste`'s
//! `GuestSte` does), or gives each of the host's VMIDs a real one, and a `HostSmmu`, of its own.
//!
//! EL2, EL3 and Secure invalidations, DPTI and CFGI_VMS_PIDM are among the others: the host is shown none of them.
//!
//! The hypervisor calls [`HostSmmu::serve`] on `Action::CommandsPending`, with its own memory of which streams are the host's, and
//! again while [`Standstill::Bound`] says that commands wait: at once, or when the host polls CONS. Work for one trap is so
//! bounded, whatever PROD the host writes. A failed command becomes the host's own CERROR and GERROR; a failure of the
//! *physical* queue is the hypervisor's to mend ([`CommandQueue::recover`](crate::CommandQueue::recover)), after which the host's
//! command in hand is read anew.
//!
//! [`HostSmmu::judge`] is a pure function from a copy of a command to a [`HostVerdict`]; [`HostSmmu::serve`] reads the host's
//! queue, one copy of each command, and carries the verdicts out in order, a bounded number for each call.
//!
//! ```
//! use smmu_cmds::RawCommand;
//! use smmu_cmds::host::{HostAction, HostSmmu, HostVerdict, Reshadow};
//! use smmu_regs::caps::{Caps, Hints, IdRegisters};
//! use smmu_regs::{StreamId, Vmid};
//!
//! let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
//! let host = HostSmmu::new(&caps, &caps, Vmid::new(1), |stream: StreamId| stream.get() < 0x100)?;
//! // CMD_TLBI_NSNH_ALL would drop everybody's translations.
//! let verdict = host.judge(RawCommand::from_words([0x30, 0]))?;
//! assert_eq!(verdict, HostVerdict::Forward(RawCommand::from_words([1 << 32 | 0x10, 0])));
//! // CMD_CFGI_STE of stream 8.
//! let verdict = host.judge(RawCommand::from_words([8 << 32 | 0x03, 1]))?;
//! let stream = Reshadow::Stream { stream: StreamId::new(8), leaf: true };
//! assert_eq!(verdict, HostVerdict::Act(HostAction::Reshadow(stream)));
//! // CMD_TLBI_EL2_ALL.
//! assert!(host.judge(RawCommand::from_words([0x20, 0])).is_err());
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod allowed;
mod error;
mod judge;
mod serve;
mod verdict;

pub use error::{HostCommandError, ServeError};
pub use judge::{HostSmmu, HostStreams};
pub use serve::{HostMemory, Limits, Served, Standstill};
pub use verdict::{Completion, HostAction, HostVerdict, Ignored, Reshadow};
