//! Where an access of a device may go.

use smmu_model::Outcome;
use smmu_regs::PhysAddr;

/// Where an access goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// To this physical address.
    At(PhysAddr),
    /// Nowhere.
    Terminated {
        /// Number of the event (IHI 0070 7.3) that it raises, recorded or not.
        event: Option<u8>,
    },
}

impl From<&Outcome> for Landing {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Passed { pa } => Self::At(PhysAddr::new(*pa)),
            Outcome::Aborted(fault) => Self::Terminated { event: fault.event },
        }
    }
}
