//! What keeps a comparison from being made. A disagreement is no error: see [`crate::Disagreement`].

use smmu_machine::MachineError;
use std::fmt;

/// Why there is no comparison.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DifferError {
    /// A machine did not start or cannot go on.
    Machine(MachineError),
    /// The driver's part failed where it never should.
    Driver {
        /// What it was doing.
        doing: &'static str,
        /// What it said.
        error: String,
    },
    /// A machine's RAM does not begin where a sequence's arena must be, or the arena had been allocated before.
    Arena {
        /// Where it would be.
        found: u64,
    },
}

impl DifferError {
    /// An error of the driver's part.
    pub(crate) fn driver(doing: &'static str) -> impl Fn(&dyn fmt::Display) -> Self {
        move |error| Self::Driver { doing, error: error.to_string() }
    }
}

impl fmt::Display for DifferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(error) => error.fmt(f),
            Self::Driver { doing, error } => write!(f, "{doing}: {error}"),
            Self::Arena { found } => {
                write!(f, "the arena would be at {found:#x}: give a machine that is fresh")
            }
        }
    }
}

impl std::error::Error for DifferError {}

impl From<MachineError> for DifferError {
    fn from(error: MachineError) -> Self {
        Self::Machine(error)
    }
}
