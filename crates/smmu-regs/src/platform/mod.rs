//! What a platform supplies: three small traits, and nothing else in these crates touches hardware.
//!
//! * [`Mmio`]: the SMMU's registers;
//! * [`Memory`]: the memory that CPU and SMMU share;
//! * [`Clock`]: time, so that every wait has a deadline.
//!
//! A platform object belongs to one SMMU instance: it usually holds the register base and refers to the system's
//! memory and clock. [`Platform`] is only a short name for all three.

mod clock;
mod memory;
mod mmio;

pub use clock::{Clock, Deadline, Expired};
pub use memory::{AllocationError, Atomicity, Dword, Memory, MemoryError, Pages};
pub use mmio::{Mmio, Page, RegisterOffset};

/// A short name for "all three traits".
pub trait Platform: Mmio + Memory + Clock {}

impl<P: Mmio + Memory + Clock + ?Sized> Platform for P {}
