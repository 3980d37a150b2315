//! What can keep a record from being answered, and what ends a run.

use io_pgtable_lpae::{AttributeError, ConfigError, CreateError, OutputError, ReclaimError, WalkError};
use serde_json::{Map, Value};
use smmu_cmds::command::{AtcSpanError, OperandError};
use smmu_cmds::{CommandError, QueueError};
use smmu_regs::IdError;
use smmu_regs::caps::ProbeError;
use smmu_regs::layout::FieldError;
use smmu_regs::vmsa::{RangeError, RegimeError};
use smmu_ste::{CdError, SteError};
use smmu_tlbi::array::ArrayError;
use std::fmt;
use std::io;

/// A run that could not go on.
#[derive(Debug)]
pub struct EvalError {
    /// The file.
    pub name: String,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// Input or output failed.
    Io(io::Error),
    /// It is no JSON object.
    Json {
        /// What the parser says.
        what: String,
    },
    /// The file ends in the middle of it.
    Truncated,
    /// Nothing says of which kind the records are.
    NoKind,
    /// It lacks an input.
    Missing {
        /// The input, from the record down: `in.vtcr.tsz`.
        key: String,
    },
    /// An input is not what it should be.
    Unfit {
        /// The input.
        key: String,
        /// Its value.
        value: String,
        /// What it should be.
        wanted: String,
    },
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {}", self.name, self.line, self.problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Json { what } => write!(f, "not a JSON record: {what}"),
            Self::Truncated => f.write_str("the file ends in the middle of a record"),
            Self::NoKind => {
                f.write_str("unknown kind of record: no _meta line names it, and neither does --kind")
            }
            Self::Missing { key } => write!(f, "the record lacks {key}"),
            Self::Unfit { key, value, wanted } => write!(f, "{key} is {value}, not {wanted}"),
        }
    }
}

impl std::error::Error for EvalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// A record's outputs, or why there are none.
pub(super) type Answer = Result<Map<String, Value>, Stop>;

/// Why a record has no outputs.
#[derive(Debug)]
pub(super) enum Stop {
    /// It is no record of its kind: the run ends.
    Input(Problem),
    /// The library refuses: the architecture has no such thing.
    Refused(String),
    /// There is nobody to ask.
    Skip(String),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Input(problem)
    }
}

macro_rules! refusals {
    ($($error:ty)*) => {$(
        impl From<$error> for Stop {
            fn from(error: $error) -> Self {
                Self::Refused(error.to_string())
            }
        }
    )*};
}

refusals! {
    ArrayError AtcSpanError AttributeError CdError CommandError ConfigError CreateError FieldError IdError OperandError OutputError ProbeError QueueError RangeError ReclaimError RegimeError SteError WalkError
}

/// A reserved value of a field, where the library has no code for it and so no error either.
pub(super) fn reserved(field: &str, value: u64) -> Stop {
    Stop::Refused(format!("{field}: the value {value:#x} is reserved"))
}
