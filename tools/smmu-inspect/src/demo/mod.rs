//! `smmu-inspect demo`: an SMMU is brought up and devices are isolated, every step shown and every claim checked.
//!
//! The driver is `examples/kernel-driver`, the same on every machine; this module only asks it for things, lets devices
//! do DMA before, between and after, and holds the outcome against what it must be.

mod bench;
mod guest;
mod scenes;

use crate::report::Report;
use bench::Bench;
use kernel_driver::DriverError;
use smmu_machine::{Machine, MachineError};
use std::fmt;

/// Why the demo could not go on. A claim that does not hold is no error but a failed check.
#[derive(Debug)]
pub enum DemoError {
    /// The driver gave up.
    Driver(DriverError),
    /// The machine broke.
    Machine(MachineError),
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(error) => write!(f, "the driver gave up: {error}"),
            Self::Machine(error) => write!(f, "the machine failed: {error}"),
        }
    }
}

impl std::error::Error for DemoError {}

impl<E: Into<DriverError>> From<E> for DemoError {
    fn from(error: E) -> Self {
        Self::Driver(error.into())
    }
}

impl DemoError {
    /// What broke first: a machine that is gone makes the driver fail in ways that say little.
    fn or_machine(self, machine: &dyn Machine) -> Self {
        machine.failure().map_or(self, Self::Machine)
    }
}

/// Runs the demo on `machine`.
///
/// # Errors
/// The driver or the machine could not go on.
pub fn run(machine: &dyn Machine, report: &mut Report<'_>) -> Result<(), DemoError> {
    let mut bench = Bench::new(machine, report);
    scenes::all(&mut bench).map_err(|error| error.or_machine(machine))?;
    match machine.failure() {
        Some(failure) => Err(DemoError::Machine(failure)),
        None => Ok(()),
    }
}
