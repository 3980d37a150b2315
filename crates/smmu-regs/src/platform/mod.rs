//! What a platform supplies: three small traits, and nothing else in these crates touches hardware.
//!
//! * [`Mmio`]: the SMMU's registers;
//! * [`Memory`]: the memory that CPU and SMMU share;
//! * [`Clock`]: time, so that every wait has a deadline.
//!
//! For hardware, [`Device`] is an [`Mmio`], and on aarch64 the module `aarch64` has the barriers, the cache maintenance, the
//! 128-bit store and the clock that the other two traits are made of: a driver needs no `unsafe` but for the promises
//! that only it can give ([`Device::new`], `impl Memory`).
//!
//! A platform object belongs to one SMMU instance: it usually holds the register base and refers to the system's
//! memory and clock. [`Platform`] is only a short name for all three.

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
mod clock;
mod device;
mod memory;
mod mmio;
pub mod raw;

pub use clock::{Clock, Deadline, Expired};
pub use device::{Access64, Device, PAGE_BYTES};
pub use memory::{AllocationError, Atomicity, Dword, Memory, MemoryError, Pages};
pub use mmio::{Mmio, Page, RegisterOffset};

/// A short name for "all three traits".
pub trait Platform: Mmio + Memory + Clock {}

impl<P: Mmio + Memory + Clock + ?Sized> Platform for P {}
