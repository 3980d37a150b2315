//! The trap filter: a host that keeps its own SMMUv3 driver while EL2 owns the SMMU.
//!
//! # Who owns what
//!
//! The hypervisor at EL2 has probed, configured and enabled the SMMU ([`crate::lifecycle`]) with a stream table, a command
//! queue and an event queue in its own memory. It takes the register pages from the host's stage 2, so that each access of
//! the host's driver traps. [`HostView`] is the SMMU that the host believes in: its registers, and nothing else.
//!
//! | what | whose | how the host sees it |
//! |---|---|---|
//! | ID registers | the hypervisor's choice | [`HostView::new`] refuses what nobody emulates; [`Narrow::HOST_UNDER_EL2`](crate::caps::Narrow::HOST_UNDER_EL2) leaves the rest |
//! | CR0, CR1, CR2, IRQ_CTRL | the host's view | acknowledged at once; the real ones never change |
//! | stream table | real one: the hypervisor's | the host's is read by the hypervisor, judged, and copied ([`Action::StreamTable`]) |
//! | command queue | real one: the hypervisor's | the host's is read by the hypervisor, one copy of each command (`smmu_cmds::host`) |
//! | event and PRI queue | real ones: the hypervisor's | the hypervisor writes records of the host's streams ([`HostView::event_slot`]) |
//! | interrupts and MSIs | the hypervisor's | the hypervisor delivers them ([`HostView::interrupt`]); no MSI address reaches the SMMU |
//! | GBPA | the hypervisor's, ABORT | [`Action::Bypass`] says what the host wants for its own streams; stage 2 stays |
//! | Secure, Root and Realm registers, ECMDQ pages, ATOS, MPAM, DPT, IMPLEMENTATION DEFINED | not the host's | refused |
//!
//! An address that the host writes is an address in the host's world (an IPA). Nothing here hands one to the SMMU; whoever
//! reads or writes memory for the host translates it through the host's stage 2 and refuses what is not the host's.
//!
//! # A trap
//!
//! [`HostView::judge`] is a pure function: access and state in, [`Verdict`] out. The hypervisor puts the new state in place,
//! gives a read its value, and does the [`Action`]s in their order. It holds one lock per SMMU over all of it.
//!
//! What the hypervisor must not do: walk the host's stream table by the size that the host says (walk the list of the host's
//! streams instead, each STE once: [`Action::StreamTable`]); show ATS to a host whose devices it does not trust (a device that lies
//! about translated addresses passes every stage); take a slot's or a table's address for one of its own world. A whole
//! hypervisor of this kind, small, is the test bench of `tools/smmu-machine/tests/hostile_host`.
//!
//! A refused access changes nothing and reads as zero. IHI 0070 6.2 allows that for everything that is refused here but
//! writes of reserved bits, which no driver may do; what the hypervisor does besides (a line in a log, an abort into the host)
//! is its own affair.
//!
//! ```
//! use smmu_regs::Caps;
//! use smmu_regs::caps::{Hints, IdRegisters, Narrow};
//! use smmu_regs::platform::RegisterOffset;
//! use smmu_regs::registers::Cr0;
//! use smmu_regs::trap::{Access, Action, HostView, Verdict};
//!
//! let real = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
//! let shown = real.narrow(&Narrow::HOST_UNDER_EL2)?.to_guest_id_registers()?;
//! let view = HostView::new(&shown)?;
//! let cr0 = RegisterOffset::page0(0x20);
//! let enable = u64::from(Cr0::new().with(Cr0::CMDQEN, true).into_bits());
//! let Verdict::Emulate(made) = view.judge(&Access::write32(cr0, enable)) else { panic!("CR0 is emulated") };
//! assert_eq!(made.actions.iter().collect::<Vec<_>>(), [Action::CommandQueue { enabled: true }]);
//! // CR0ACK follows at once.
//! let ack = made.view.judge(&Access::read32(RegisterOffset::page0(0x24)));
//! assert!(matches!(ack, Verdict::Emulate(made) if made.value == enable));
//! // A Secure register is nobody's business.
//! assert!(matches!(view.judge(&Access::read32(RegisterOffset::page0(0x8000))), Verdict::Refuse(_)));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod access;
mod action;
mod atc;
mod judge;
mod place;
mod queue;
mod refusal;
mod view;

pub use access::{Access, Emulated, Verdict};
pub use action::{Action, Actions};
pub use atc::AtcInvalidations;
pub use queue::{CommandsWaiting, RecordSlot};
pub use refusal::Refusal;
pub use view::{HostInterrupt, HostView, InterruptSource, ViewError};
