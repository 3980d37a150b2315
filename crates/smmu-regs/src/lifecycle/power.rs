//! Loss of power (IHI 0070 3.19): what was set is set again, and nothing that was cached is trusted.
//!
//! An SMMU comes back as from reset: no register holds what it held, `GBPA` may let traffic bypass, and what caches hold is
//! IMPLEMENTATION SPECIFIC (3.11). Memory is kept, so tables need no writing; but everything is invalidated before the SMMU
//! translates, and [`CommandsReady::enable`](super::CommandsReady::enable) asks for the proof again.

use super::interrupts::Interrupts;
use super::{Bases, Configured, Enabled, LifecycleError, Unit};
use crate::caps::IdRegisters;
use crate::platform::{Clock, Mmio};
use core::time::Duration;

/// All that must be written again after a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspended {
    unit: Unit,
    bases: Bases,
    interrupts: Interrupts,
}

impl Enabled {
    /// Switches the SMMU off before its power goes. By then devices must be quiescent and all commands complete: a
    /// transaction that arrives afterwards does anything at all (3.19).
    ///
    /// # Errors
    /// A register did not answer within `timeout`, or the SMMU is in Service failure mode.
    pub fn suspend<P: Mmio + Clock>(self, p: &P, timeout: Duration) -> Result<Suspended, LifecycleError> {
        let suspended = self.lost_power();
        let _off = suspended.unit.quiesce(p, timeout)?;
        Ok(suspended)
    }

    /// The power is gone already: touches no register.
    #[must_use]
    pub const fn lost_power(self) -> Suspended {
        Suspended { unit: self.unit, bases: self.bases, interrupts: self.interrupts }
    }
}

impl Suspended {
    /// Sets up the SMMU that has power again, from whatever state it is in, with all traffic aborted first. What is left to
    /// do is what follows [`Configured`] at the first bring-up: the queues begin anew (`CommandQueue::restart`,
    /// `EventQueue::restart`), everything is dropped, the SMMU is enabled.
    ///
    /// Endpoints must set up ATS and PRI anew (6.3.9.6). What waited for a command that was not complete waits for ever: it
    /// must be invalidated anew, which dropping everything does for all but endpoints' caches.
    ///
    /// # Errors
    /// It is not the same SMMU, or a register did not answer within `timeout`. It can be tried again.
    pub fn resume<P: Mmio + Clock>(&self, p: &P, timeout: Duration) -> Result<Configured, LifecycleError> {
        let (before, now) = (&self.unit.ids, IdRegisters::read(p));
        let pairs = [
            ("IDR0", before.idr0.into_bits(), now.idr0.into_bits()),
            ("IDR1", before.idr1.into_bits(), now.idr1.into_bits()),
            ("IDR2", before.idr2.into_bits(), now.idr2.into_bits()),
            ("IDR3", before.idr3.into_bits(), now.idr3.into_bits()),
            ("IDR5", before.idr5.into_bits(), now.idr5.into_bits()),
            ("IDR6", before.idr6.into_bits(), now.idr6.into_bits()),
            ("IIDR", before.iidr.into_bits(), now.iidr.into_bits()),
            ("AIDR", before.aidr.into_bits(), now.aidr.into_bits()),
        ];
        if let Some((register, before, now)) = pairs.into_iter().find(|(_, before, now)| before != now) {
            return Err(LifecycleError::Changed { register, before, now });
        }
        let configured = self.unit.quiesce(p, timeout)?.configure(p, &self.bases)?;
        configured.with_interrupts(p, &self.interrupts)
    }
}
