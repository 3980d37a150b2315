//! What can go wrong between reset and translation.

use super::{AdoptError, BaseError, GlobalErrors, InterruptError};
use crate::caps::ProbeError;
use crate::handshake::HandshakeError;
use crate::id::InstanceId;
use core::fmt;

/// What can go wrong between reset and translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LifecycleError {
    /// The ID registers are no good.
    Probe(ProbeError),
    /// A register did not answer.
    Handshake(HandshakeError),
    /// A table or queue is nothing for this SMMU. No register has been written.
    Base(BaseError),
    /// An interrupt is nothing for this SMMU. No register has been written.
    Interrupt(InterruptError),
    /// It is another SMMU whose caches were invalidated.
    NotInvalidated {
        /// The SMMU whose caches were.
        invalidated: InstanceId,
        /// The SMMU to be enabled.
        instance: InstanceId,
    },
    /// The SMMU is in Service failure mode (12.3): it terminates all traffic, takes no commands and records nothing until
    /// the system is reset. The errors are left unacknowledged.
    ServiceFailure(GlobalErrors),
    /// The SMMU that runs cannot be adopted. No register has been written.
    Adopt(AdoptError),
    /// After a loss of power the ID registers differ: it is not the same SMMU, or it is not back yet.
    Changed {
        /// The ID register.
        register: &'static str,
        /// What it held before.
        before: u32,
        /// What it holds now.
        now: u32,
    },
}

impl fmt::Display for LifecycleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Base(error) => error.fmt(f),
            Self::Interrupt(error) => error.fmt(f),
            Self::Adopt(error) => error.fmt(f),
            Self::NotInvalidated { invalidated, instance } => {
                write!(
                    f,
                    "SMMU {instance} cannot be enabled: the caches of SMMU {invalidated} were invalidated"
                )
            }
            Self::ServiceFailure(errors) => {
                write!(f, "the SMMU is in service failure mode until the system is reset: {errors}")
            }
            Self::Changed { register, before, now } => {
                write!(f, "{register} reads {now:#x}, and {before:#x} before power was lost")
            }
        }
    }
}

impl core::error::Error for LifecycleError {}

macro_rules! from {
    ($($variant:ident($error:ty);)*) => {$(
        impl From<$error> for LifecycleError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

from! {
    Probe(ProbeError);
    Handshake(HandshakeError);
    Base(BaseError);
    Interrupt(InterruptError);
    Adopt(AdoptError);
}
