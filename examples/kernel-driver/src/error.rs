//! What can go wrong in a driver: whatever can go wrong in the crates, and a little bookkeeping.

use alloc::boxed::Box;
use core::fmt;
use io_pgtable_lpae::{ConfigError, CreateError, MapError, ReclaimError, UnmapError};
use smmu_cmds::QueueError;
use smmu_regs::StreamId;
use smmu_regs::lifecycle::LifecycleError;
use smmu_regs::receipt::Ticket;
use smmu_ste::ste::GuestSteError;
use smmu_ste::{CdError, SteError, TableError};
use smmu_tlbi::InvalidateError;

macro_rules! errors {
    ($( $(#[$doc:meta])* $name:ident($error:ty), )*) => {
        /// A driver operation that failed.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum DriverError {
            $( $(#[$doc])* $name($error), )*
            /// No tag is left.
            NoTag {
                /// Bits of the tag.
                bits: u8,
            },
            /// The domain cannot be used for this.
            WrongKind,
            /// The SMMU refused a command while a domain was destroyed: its memory stays out of use.
            Lost(Ticket),
            /// The domain still has streams attached.
            InUse {
                /// One of them.
                stream: StreamId,
            },
        }

        impl fmt::Display for DriverError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( Self::$name(error) => fmt::Display::fmt(error, f), )*
                    Self::NoTag { bits } => write!(f, "all tags of {bits} bits are in use"),
                    Self::WrongKind => f.write_str("the domain is of the wrong kind for this"),
                    Self::Lost(ticket) => write!(f, "not completed: {ticket}; the domain's memory stays out of use"),
                    Self::InUse { stream } => write!(f, "stream {stream} is still attached to the domain"),
                }
            }
        }

        impl core::error::Error for DriverError {}

        $(
            impl From<$error> for DriverError {
                fn from(error: $error) -> Self {
                    Self::$name(error)
                }
            }
        )*
    };
}

errors! {
    /// Between reset and translation.
    Lifecycle(LifecycleError),
    /// A queue.
    Queue(QueueError),
    /// A stream or CD table.
    Table(TableError),
    /// An STE.
    Ste(SteError),
    /// A CD.
    Cd(CdError),
    /// A guest's STE.
    Guest(GuestSteError),
    /// A page table's configuration.
    TableConfig(ConfigError),
    /// A new page table.
    Create(CreateError),
    /// A mapping.
    Map(MapError),
    /// An unmapping.
    Unmap(UnmapError),
    /// Freed page tables.
    Reclaim(ReclaimError),
    /// An invalidation.
    Invalidate(Box<InvalidateError>),
}

impl From<InvalidateError> for DriverError {
    fn from(error: InvalidateError) -> Self {
        Self::Invalidate(Box::new(error))
    }
}

impl From<smmu_regs::caps::ProbeError> for DriverError {
    fn from(error: smmu_regs::caps::ProbeError) -> Self {
        Self::Lifecycle(error.into())
    }
}
