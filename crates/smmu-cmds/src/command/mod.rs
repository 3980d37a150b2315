//! Commands: what we tell the SMMU (IHI 0070 chapter 4).
//!
//! [`Command`] is the repr: all commands of SMMUv3.0 to SMMUv3.4, without their reserved forms. [`RawCommand`] is the view: two
//! little-endian words. [`Command::encode`] makes one of the other for an SMMU of given capabilities and is for the
//! Non-secure queue; [`Command::encode_on`] is for the queue of any [`Interface`]. [`RawCommand::decode`] goes back, and
//! [`legal`](RawCommand::legal) says of any 128 bits what a queue would do with them.
//!
//! # Which command when
//!
//! | after this | send | then |
//! |---|---|---|
//! | reset, takeover | [`CfgiAll`](Command::CfgiAll) | SYNC, `TlbiNsnhAll`, `TlbiEl2All` where there is EL2, SYNC |
//! | an STE changed | [`CfgiSte`](Command::CfgiSte), `leaf` unless an L1 descriptor changed | SYNC, TLBI of what it translated, SYNC |
//! | a CD changed | [`CfgiCd`](Command::CfgiCd), for each stream that shares it | SYNC, TLBI of its ASID if it goes out of use, SYNC |
//! | a stage-1 descriptor changed | [`TlbiNhVa`](Command::TlbiNhVa), `TlbiEl2Va` for EL2 | SYNC |
//! | a stage-2 descriptor changed | [`TlbiS2Ipa`](Command::TlbiS2Ipa) | SYNC; under nesting `TlbiNhAll` of the VMID, SYNC |
//! | an ASID, a VMID goes out of use | [`TlbiNhAsid`](Command::TlbiNhAsid), [`TlbiS12Vmall`](Command::TlbiS12Vmall) | SYNC |
//! | any of these, device with ATS | [`AtcInv`](Command::AtcInv), after the SYNC above | SYNC |
//! | a VMS changed | [`CfgiVmsPidm`](Command::CfgiVmsPidm) | SYNC, `CfgiSte` of its streams, SYNC |
//! | a Device Permission Table changed | [`DptiPa`](Command::DptiPa), [`DptiAll`](Command::DptiAll) | SYNC |
//! | a stall event | [`Resume`](Command::Resume) with its StreamID and STAG, once | |
//! | a stream is taken away | STE aborts, `CfgiSte`, SYNC, [`StallTerm`](Command::StallTerm) | wait for the device, SYNC |
//! | the last page request of a group | [`PriResp`](Command::PriResp) | |
//!
//! # Order and completion
//!
//! The stores that a command is about must be visible to the SMMU before the command is; the command queue's doorbell sees to
//! that. Between two `CMD_SYNC`s commands have no order (4.7.3): what must happen after something else needs a
//! [`Sync`](Command::Sync) in between. That CONS has passed a command says nothing about its completion, but for `Resume`,
//! `StallTerm` and `Sync` (4.8). A completed `CMD_SYNC` says that what was invalidated before it is gone, that transactions that
//! used it are done, and that the events of what was terminated before it are in the event queue. It says nothing about
//! other queues, nor about broadcast invalidations of CPUs.
//!
//! # What goes wrong
//!
//! A command that is not legal stops the queue (`CERROR_ILL`), may stop it, or silently does something else: an StreamID too
//! wide may hit another stream, an ASID too wide may hit nothing (4.1.7, 4.4). So encoding refuses all of these with a
//! [`CommandError`], and nothing is masked. What it gives is legal for the same capabilities and interface.

mod decode;
mod display;
mod encode;
mod error;
mod interface;
mod invalidate;
mod legality;
mod objection;
mod opcode;
mod operand;
mod range;
mod repr;
mod shapes;
mod span;
mod sync;
pub(crate) mod word;

pub(crate) use encode::{stream_id, vmid_of};
pub use error::{CommandError, DecodeError};
pub use interface::{Interface, NonSecureInterface, RealmInterface, SecureInterface, Ssec};
pub use objection::{Effect, Objection, Reason};
pub use opcode::Opcode;
pub use operand::TlbiOperand;
pub use range::{OperandError, TlbiRange};
pub use repr::{Command, PriResponse, ResumeAction};
pub use shapes::{words_of, words_of_cfgi_all};
pub use span::{AtcSpan, AtcSpanError, DptRegion, DptRegionError, DptSize, PrefetchSpan, PrefetchSpanError};
pub use sync::{Sync, SyncSignal};

use smmu_regs::view;

view! {
    /// A command as the queue holds it. Judges nothing.
    pub struct RawCommand([u64; 2]);
}

impl RawCommand {
    /// The opcode.
    #[inline]
    #[must_use]
    pub fn opcode(&self) -> Opcode {
        let [low, _] = self.words();
        Opcode::from((low & 0xff) as u8)
    }
}
