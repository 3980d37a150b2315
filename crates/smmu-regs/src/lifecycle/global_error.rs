//! Global errors: what `GERROR` can say, and who may acknowledge what when (IHI 0070 6.3.19, 6.3.20, 7.5).
//!
//! An error is active while its bits in `GERROR` and `GERRORN` differ; while it is, no further one of its kind is logged. Four
//! of them only tell that an MSI got lost, and one to look at queues that have errors of their own: these are acknowledged at
//! once. The others say that something has stopped or is broken: repair first, acknowledge then, or it stops again or writes
//! where nobody looks.
//!
//! To acknowledge is to read and to write `GERRORN`, which holds all of them: only one CPU at a time may. A shared command queue
//! of `smmu-cmds` does so on whatever CPU repairs it; whoever else acknowledges does so through its `while_not_repairing`.

use crate::handshake::{acknowledge_errors, active_errors};
use crate::platform::Mmio;
use crate::registers::Gerror;
use core::fmt;

/// A kind of global error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GlobalError {
    /// The command queue has stopped at a command that cannot be processed (7.1). `CommandQueue::recover` of `smmu-cmds`
    /// replaces it and acknowledges.
    CommandQueue,
    /// A write to the event queue was aborted (7.2.2). No event is recorded any more, some are lost, and those in the queue
    /// may be garbage: [`Enabled::restart_event_queue`](super::Enabled::restart_event_queue). A stall whose record was lost
    /// is still a stall: terminate those of every stream that may stall (`CMD_STALL_TERM`).
    EventQueue,
    /// A write to the PRI queue was aborted (8.2). Page requests are denied, some are lost:
    /// [`Enabled::restart_pri_queue`](super::Enabled::restart_pri_queue).
    PriQueue,
    /// The MSI of a `CMD_SYNC` was aborted: whoever waits for it must look at `CMDQ_CONS`.
    CommandMsi,
    /// The MSI of the event queue was aborted: look at the queue.
    EventMsi,
    /// The MSI of the PRI queue was aborted: look at the queue.
    PriMsi,
    /// The MSI of a global error was aborted; that raises no other.
    GlobalErrorMsi,
    /// Service failure mode (12.3): all traffic is terminated, no command is taken and nothing recorded until the system is
    /// reset. To acknowledge it changes nothing, so it is left active for everybody to see.
    ServiceFailure,
    /// An enhanced command queue has stopped (3.5.6.3): its own `ECMDQ_CONS` says which and why. Acknowledged before those
    /// are looked at, which has no effect on the queues: while it is active no other queue's error is reported.
    EnhancedCommandQueue,
    /// A lookup in the device permission table failed (3.24.4): `DPT_CFG_FAR` says where. Acknowledged after it was read.
    DevicePermissionTable,
}

impl GlobalError {
    /// All kinds, from bit 0 up.
    pub const ALL: [Self; 10] = [
        Self::CommandQueue,
        Self::EventQueue,
        Self::PriQueue,
        Self::CommandMsi,
        Self::EventMsi,
        Self::PriMsi,
        Self::GlobalErrorMsi,
        Self::ServiceFailure,
        Self::EnhancedCommandQueue,
        Self::DevicePermissionTable,
    ];

    /// The bit in `GERROR` and `GERRORN`.
    #[must_use]
    pub const fn bit(self) -> Gerror {
        let field = match self {
            Self::CommandQueue => Gerror::CMDQ_ERR,
            Self::EventQueue => Gerror::EVENTQ_ABT_ERR,
            Self::PriQueue => Gerror::PRIQ_ABT_ERR,
            Self::CommandMsi => Gerror::MSI_CMDQ_ABT_ERR,
            Self::EventMsi => Gerror::MSI_EVENTQ_ABT_ERR,
            Self::PriMsi => Gerror::MSI_PRIQ_ABT_ERR,
            Self::GlobalErrorMsi => Gerror::MSI_GERROR_ABT_ERR,
            Self::ServiceFailure => Gerror::SFM_ERR,
            Self::EnhancedCommandQueue => Gerror::CMDQP_ERR,
            Self::DevicePermissionTable => Gerror::DPT_ERR,
        };
        Gerror::new().with(field, true)
    }

    /// Whether something must be repaired before it is acknowledged.
    #[must_use]
    pub const fn needs_repair(self) -> bool {
        !matches!(
            self,
            Self::CommandMsi
                | Self::EventMsi
                | Self::PriMsi
                | Self::GlobalErrorMsi
                | Self::EnhancedCommandQueue
        )
    }
}

impl fmt::Display for GlobalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommandQueue => "the command queue has stopped (CMDQ_ERR)",
            Self::EventQueue => "a write to the event queue was aborted (EVENTQ_ABT_ERR)",
            Self::PriQueue => "a write to the PRI queue was aborted (PRIQ_ABT_ERR)",
            Self::CommandMsi => "the MSI of a CMD_SYNC was aborted (MSI_CMDQ_ABT_ERR)",
            Self::EventMsi => "the MSI of the event queue was aborted (MSI_EVENTQ_ABT_ERR)",
            Self::PriMsi => "the MSI of the PRI queue was aborted (MSI_PRIQ_ABT_ERR)",
            Self::GlobalErrorMsi => "the MSI of a global error was aborted (MSI_GERROR_ABT_ERR)",
            Self::ServiceFailure => "service failure mode (SFM_ERR)",
            Self::EnhancedCommandQueue => "an enhanced command queue has stopped (CMDQP_ERR)",
            Self::DevicePermissionTable => "a lookup in the device permission table failed (DPT_ERR)",
        })
    }
}

/// Global errors that are, or were, active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "each asks for something"]
pub struct GlobalErrors(Gerror);

impl GlobalErrors {
    /// Those that are active now.
    pub fn active<P: Mmio>(p: &P) -> Self {
        Self(active_errors(p))
    }

    /// The bits of `GERROR`.
    #[must_use]
    pub const fn bits(self) -> Gerror {
        self.0
    }

    /// Whether `error` is among them.
    #[must_use]
    pub const fn contains(self, error: GlobalError) -> bool {
        self.0.into_bits() & error.bit().into_bits() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.into_bits() == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = GlobalError> {
        GlobalError::ALL.into_iter().filter(move |error| self.contains(*error))
    }

    /// Acknowledges those that need no repair. The others stay active.
    pub(super) fn acknowledge_what_needs_no_repair<P: Mmio>(self, p: &P) {
        let plain = self.iter().filter(|error| !error.needs_repair());
        let bits = plain.fold(0, |bits, error| bits | error.bit().into_bits());
        acknowledge_errors(p, Gerror::from_bits(bits));
    }
}

impl fmt::Display for GlobalErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no global error");
        }
        for (index, error) in self.iter().enumerate() {
            if index != 0 {
                f.write_str(", ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::RegisterOffset;
    use crate::registers::{Gerrorn, Register};
    use core::cell::Cell;

    /// `GERROR` and `GERRORN`.
    struct Errors(Cell<[u32; 2]>);

    impl Mmio for Errors {
        fn read32(&self, at: RegisterOffset) -> u32 {
            let [gerror, gerrorn] = self.0.get();
            if at == Gerrorn::AT { gerrorn } else { gerror }
        }
        fn write32(&self, at: RegisterOffset, value: u32) {
            assert_eq!(at, Gerrorn::AT);
            self.0.set([self.0.get()[0], value]);
        }
        fn read64(&self, _: RegisterOffset) -> u64 {
            0
        }
        fn write64(&self, _: RegisterOffset, _: u64) {}
    }

    #[test]
    fn what_needs_no_repair_is_acknowledged_at_once() {
        // All active. Bits of 6.3.19: MSI_*_ABT_ERR are 4 to 7, CMDQP_ERR is 9.
        let errors = Errors(Cell::new([0x7fd, 0]));
        GlobalErrors::active(&errors).acknowledge_what_needs_no_repair(&errors);
        assert_eq!(errors.0.get()[1], 0x2f0);
    }
}
