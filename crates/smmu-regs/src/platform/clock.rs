//! Time and waiting.

use core::time::Duration;

/// A monotonic clock, and what to do while waiting.
pub trait Clock {
    /// Time since some fixed moment. Never goes back.
    fn now(&self) -> Duration;

    /// Called between two looks at a condition: a pause hint, a yield, a growing delay.
    fn relax(&self) {
        core::hint::spin_loop();
    }

    /// Called instead of [`Clock::relax`] where the SMMU promises an event (`IDR0.SEV`): `WFET`, `WFE` under an event
    /// stream, or the same as `relax`.
    ///
    /// It must return within a bounded time, a fraction of the timeouts in use: no event comes from an SMMU that has
    /// stopped with an error or is gone, and another waiter may have eaten the one that came. A bare `WFE` without an event
    /// stream turns every deadline of these crates into "never".
    fn wait_for_event(&self) {
        self.relax();
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Duration {
        (**self).now()
    }
    fn relax(&self) {
        (**self).relax();
    }
    fn wait_for_event(&self) {
        (**self).wait_for_event();
    }
}

/// The moment at which a wait gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Duration);

/// A deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired;

impl Deadline {
    /// `timeout` from now. A sum that does not fit is the end of time.
    #[must_use]
    pub fn after<C: Clock + ?Sized>(clock: &C, timeout: Duration) -> Self {
        Self(clock.now().saturating_add(timeout))
    }

    /// Whether the moment has passed.
    #[must_use]
    pub fn has_passed<C: Clock + ?Sized>(self, clock: &C) -> bool {
        clock.now() >= self.0
    }

    /// Looks at `condition` until it gives a value; looks once more after the deadline, so that a slow caller is not
    /// mistaken for slow hardware.
    ///
    /// # Errors
    /// The deadline passed first.
    pub fn wait<C: Clock + ?Sized, T>(
        self,
        clock: &C,
        mut condition: impl FnMut() -> Option<T>,
    ) -> Result<T, Expired> {
        loop {
            let late = self.has_passed(clock);
            if let Some(value) = condition() {
                return Ok(value);
            }
            if late {
                return Err(Expired);
            }
            clock.relax();
        }
    }
}
