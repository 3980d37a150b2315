//! What can go wrong with a machine.

use crate::ram::RamError;
use smmu_qemu::QemuError;
use std::fmt;

/// A machine that cannot go on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MachineError {
    /// QEMU is missing, or failed.
    Qemu(QemuError),
    /// An address is not RAM.
    Ram(RamError),
    /// There is no device of that number.
    Device {
        /// The number.
        device: usize,
        /// How many there are.
        devices: usize,
    },
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Qemu(error) => error.fmt(f),
            Self::Ram(error) => error.fmt(f),
            Self::Device { device, devices } => write!(f, "no device {device}: there are {devices}"),
        }
    }
}

impl std::error::Error for MachineError {}

impl From<QemuError> for MachineError {
    fn from(error: QemuError) -> Self {
        Self::Qemu(error)
    }
}

impl From<RamError> for MachineError {
    fn from(error: RamError) -> Self {
        Self::Ram(error)
    }
}
