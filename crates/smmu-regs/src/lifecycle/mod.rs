//! The life of an SMMU by types: [`Probed`] -> [`Quiesced`] -> [`Configured`] -> [`CommandsReady`] -> [`Enabled`].
//!
//! Each step takes the one before, so that a queue cannot be used before its base is set and translation cannot be
//! enabled before stale caches are gone. From the first step on no device gets past the SMMU unfiltered: `GBPA.ABORT`
//! is set before anything is switched off.
//!
//! Beside that road: [`Probed::adopt`] looks at an SMMU that translates already and leaves it translating (a crash kernel);
//! [`Enabled::suspend`] and [`Suspended::resume`] go through a loss of power; [`Quiesced::let_traffic_bypass`] gives the
//! SMMU back.

mod adopt;
mod bases;
mod enabled;
mod error;
mod global_error;
mod interrupts;
mod power;
mod states;

pub use adopt::{AdoptError, QueueBases, Running};
pub use bases::{BaseError, BaseProblem, Bases};
pub use enabled::{Enabled, Pending};
pub use error::LifecycleError;
pub use global_error::{GlobalError, GlobalErrors};
pub use interrupts::{Interrupt, InterruptError, InterruptProblem, Interrupts, Msi, MsiMemory};
pub use power::Suspended;
pub use states::{CommandsReady, Configured, Probed, Quiesced};

use crate::caps::{Caps, IdRegisters};
use crate::handshake::{HandshakeError, disable_ecmdqs, write_cr0_fields};
use crate::id::InstanceId;
use crate::platform::{Clock, Mmio};
use crate::registers::{Bank, Cr0, EcmdqRegisters};
use core::time::Duration;

/// What every state knows: which SMMU it is, and what it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unit {
    caps: Caps,
    instance: InstanceId,
    /// As read, to know the SMMU again after a loss of power.
    ids: IdRegisters,
}

impl Unit {
    /// Whether there is ATS, and so translated traffic that must be checked. The ID registers say so: where an erratum or a
    /// platform hides ATS, devices can still claim to have translated.
    const fn has_ats(&self) -> bool {
        self.ids.idr0.ats()
    }

    /// Mask of the fields of `CR0` that this SMMU has. The ID registers say so: of what capabilities hide, the last owner may
    /// have made use.
    fn cr0_fields(&self) -> u32 {
        let always = Cr0::SMMUEN.mask() | Cr0::EVENTQEN.mask() | Cr0::CMDQEN.mask();
        let optional = [
            (self.ids.idr0.pri(), Cr0::PRIQEN.mask()),
            (self.has_ats(), Cr0::ATSCHK.mask()),
            (self.ids.idr0.vmw(), Cr0::VMW.mask()),
            (self.ids.idr3.dpt(), Cr0::DPT_WALK_EN.mask()),
        ];
        let there = optional.iter().filter(|(there, _)| *there);
        // All of them are below bit 32.
        there.fold(always, |fields, (_, mask)| fields | mask) as u32
    }

    /// Disables every enhanced command queue that somebody left enabled. The ID registers say whether there are some, not the
    /// capabilities: what is no good to us may have been good enough for the last owner.
    fn disable_ecmdqs<P: Mmio + Clock>(&self, p: &P, timeout: Duration) -> Result<(), HandshakeError> {
        if !self.ids.idr1.ecmdq() {
            return Ok(());
        }
        disable_ecmdqs(p, EcmdqRegisters::all(Bank::NonSecure, self.ids.idr6), timeout)
    }

    /// Writes `CR0` and waits.
    fn write_cr0<P: Mmio + Clock>(&self, p: &P, value: Cr0, timeout: Duration) -> Result<(), HandshakeError> {
        write_cr0_fields(p, value, self.cr0_fields(), timeout)
    }
}
