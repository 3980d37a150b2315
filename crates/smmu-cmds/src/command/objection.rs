//! What is wrong with a command, and what comes of it.

use super::Opcode;
use super::interface::bank_name;
use core::fmt;
use smmu_regs::{Bank, Feature};

/// Why a queue would not take a command, or not as it is written: see [`RawCommand::legal`](super::RawCommand::legal).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Objection {
    /// The command.
    pub command: Opcode,
    /// What comes of it.
    pub effect: Effect,
    /// What is wrong.
    pub reason: Reason,
}

/// What comes of a command that is not legal; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// The SMMU takes the command and ignores or replaces a value, as the architecture says.
    Altered,
    /// CONSTRAINED UNPREDICTABLE: the command may have no effect, or act on something else than it names.
    Unpredictable,
    /// The SMMU may raise CERROR_ILL, or ignore what is wrong (4.1.5).
    MayBeIllegal,
    /// The SMMU stops at the command with CERROR_ILL.
    Illegal,
}

/// What is wrong with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The opcode is reserved.
    Opcode,
    /// The opcode is for the implementation to define: nothing can be said.
    ImplementationDefined,
    /// The queue of this bank never takes it.
    Queue {
        /// Whose queue.
        bank: Bank,
    },
    /// The SMMU lacks a feature.
    Missing(Feature),
    /// The SMMU has a feature that excludes it.
    Excluded(Feature),
    /// The interface lacks something: what its ID registers would say if it had it.
    Interface(&'static str),
    /// SSec is 1 where only the Secure queue may have it (4.1.6).
    Ssec {
        /// Whose queue.
        bank: Bank,
    },
    /// Bits are set that no field of this command has.
    ReservedBits {
        /// Which word.
        word: u8,
        /// The bits.
        bits: u64,
    },
    /// A field is RES0 on this SMMU and queue, or with the other fields as they are.
    Res0 {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A field holds a reserved value.
    ReservedValue {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A granule, but neither a range nor a level hint (4.4.1.1).
    NoRange,
    /// A value is wider than this SMMU implements.
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// Implemented bits.
        bits: u32,
    },
    /// An address is not aligned as its command needs it.
    Misaligned {
        /// The address.
        address: u64,
        /// The alignment it needs, in bytes.
        align: u64,
    },
    /// A field means nothing with the other fields as they are, or on this SMMU.
    Ignored {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Altered => "taken, but not as written",
            Self::Unpredictable => "CONSTRAINED UNPREDICTABLE",
            Self::MayBeIllegal => "may raise CERROR_ILL",
            Self::Illegal => "raises CERROR_ILL",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opcode => f.write_str("the opcode is reserved"),
            Self::ImplementationDefined => f.write_str("the opcode is IMPLEMENTATION DEFINED"),
            Self::Queue { bank } => write!(f, "the {} queue never takes it", bank_name(*bank)),
            Self::Missing(feature) => write!(f, "the SMMU lacks {feature}"),
            Self::Excluded(feature) => write!(f, "the SMMU has {feature}"),
            Self::Interface(needs) => write!(f, "it needs {needs}"),
            Self::Ssec { bank } => write!(f, "SSEC is 1 on the {} queue", bank_name(*bank)),
            Self::ReservedBits { word, bits } => write!(f, "reserved bits {bits:#x} are set in word {word}"),
            Self::Res0 { field, value } => write!(f, "{field} is RES0 here and holds {value:#x}"),
            Self::ReservedValue { field, value } => write!(f, "{field} holds the reserved value {value:#x}"),
            Self::NoRange => f.write_str("TG names a granule, but there is neither a range nor a level hint"),
            Self::OutOfRange { field, value, bits } => {
                write!(f, "{field} {value:#x} does not fit in {bits} bits")
            }
            Self::Misaligned { address, align } => {
                write!(f, "address {address:#x} is not aligned to {align:#x}")
            }
            Self::Ignored { field, value } => write!(f, "{field} {value:#x} means nothing here"),
        }
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.command, self.effect, self.reason)
    }
}

impl core::error::Error for Objection {}
