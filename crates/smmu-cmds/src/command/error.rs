//! Why a command cannot be, and what is odd about one that was read.

use super::interface::bank_name;
use super::{DptRegionError, Opcode, OperandError, PrefetchSpanError};
use core::fmt;
use smmu_regs::layout::FieldError;
use smmu_regs::{Asid, Bank, Feature, IdError, Quirk, StreamId, SubstreamId, Vmid};

/// A command that this SMMU would not take, or not take as meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// A value does not fit its field.
    Field(FieldError),
    /// The SMMU lacks what the command needs: it would raise CERROR_ILL.
    Unsupported {
        /// The command.
        command: Opcode,
        /// What is missing.
        needs: Feature,
    },
    /// The queue of this bank never takes the command: it would raise CERROR_ILL.
    Queue {
        /// The command.
        command: Opcode,
        /// Whose queue.
        bank: Bank,
    },
    /// The interface of this bank lacks what the command needs: it would raise CERROR_ILL.
    Interface {
        /// The command.
        command: Opcode,
        /// Whose queue.
        bank: Bank,
        /// What is missing, with the register that would say so.
        needs: &'static str,
    },
    /// SSec can only be 1 on the Secure queue, in commands that have it (4.1.6): elsewhere it would raise CERROR_ILL.
    Ssec {
        /// The command.
        command: Opcode,
        /// Whose queue.
        bank: Bank,
    },
    /// The value of a field is reserved, or reserved on this SMMU and queue.
    Reserved {
        /// The command.
        command: Opcode,
        /// The field.
        field: &'static str,
        /// The value.
        value: u64,
    },
    /// The SMMU has an erratum that forbids the command.
    Erratum {
        /// The command.
        command: Opcode,
        /// What software must observe.
        quirk: Quirk,
    },
    /// `CMD_ATC_INV` for all PASIDs without a substream: the SMMU would ignore the Global flag (4.5.1).
    GlobalWithoutSubstream,
    /// Stalling is not supported: `CMD_RESUME` and `CMD_STALL_TERM` would raise CERROR_ILL.
    NoStall {
        /// The command.
        command: Opcode,
    },
    /// A StreamID that the SMMU does not implement (4.1.7).
    Stream {
        /// The StreamID.
        stream: StreamId,
        /// Implemented bits.
        bits: u8,
    },
    /// A SubstreamID that the SMMU does not implement (4.1.7).
    Substream {
        /// The SubstreamID.
        substream: SubstreamId,
        /// Implemented bits.
        bits: u8,
    },
    /// An ASID wider than `IDR0.ASID16` allows: it would match nothing (4.4).
    Asid {
        /// The ASID.
        asid: Asid,
        /// Implemented bits.
        bits: u8,
    },
    /// A VMID wider than `IDR0.VMID16` allows: it would match nothing (4.4).
    Vmid {
        /// The VMID.
        vmid: Vmid,
        /// Implemented bits.
        bits: u8,
    },
    /// SCALE is above what the SMMU decodes: 31 without `IDR5.DS`.
    Scale {
        /// The value.
        scale: u8,
        /// The largest.
        max: u8,
    },
    /// A level-1 hint with 16K granules is reserved without `IDR5.DS`.
    HintNeedsDs,
    /// An address has bits above what the SMMU can output.
    Address {
        /// The address.
        address: u64,
        /// Implemented bits.
        bits: u32,
    },
    /// `range_log2` of `CMD_CFGI_STE_RANGE` is not 1 to 31.
    StreamRange {
        /// The value.
        range_log2: u8,
    },
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(error) => error.fmt(f),
            Self::Unsupported { command, needs } => {
                write!(f, "{command} needs {needs}, which this SMMU lacks")
            }
            Self::Queue { command, bank } => {
                write!(f, "{command} is no command of the {} queue", bank_name(*bank))
            }
            Self::Interface { command, bank, needs } => {
                write!(f, "{command} on the {} queue needs {needs}", bank_name(*bank))
            }
            Self::Ssec { command, bank } => {
                write!(f, "{command} cannot name what is Secure on the {} queue", bank_name(*bank))
            }
            Self::Reserved { command, field, value } => {
                write!(f, "{command}: {field} {value:#x} is reserved on this SMMU and queue")
            }
            Self::Erratum { command, quirk } => write!(f, "{command} is forbidden by an erratum: {quirk}"),
            Self::GlobalWithoutSubstream => {
                f.write_str("CMD_ATC_INV: Global means nothing without a substream")
            }
            Self::NoStall { command } => {
                write!(f, "{command} needs stalls, which this SMMU does not support")
            }
            Self::Stream { stream, bits } => write!(f, "StreamID {stream} does not fit in {bits} bits"),
            Self::Substream { substream, bits } => {
                write!(f, "SubstreamID {substream} does not fit in {bits} bits")
            }
            Self::Asid { asid, bits } => write!(f, "ASID {asid} does not fit in {bits} bits"),
            Self::Vmid { vmid, bits } => write!(f, "VMID {vmid} does not fit in {bits} bits"),
            Self::Scale { scale, max } => write!(f, "SCALE {scale} is more than {max}"),
            Self::HintNeedsDs => f.write_str("TTL 1 with 16K granules is reserved without IDR5.DS"),
            Self::Address { address, bits } => {
                write!(f, "address {address:#x} has bits above bit {}", bits - 1)
            }
            Self::StreamRange { range_log2 } => {
                write!(f, "a range of 2^{range_log2} StreamIDs cannot be encoded (2^1 to 2^31)")
            }
        }
    }
}

impl core::error::Error for CommandError {}

impl From<FieldError> for CommandError {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

/// What is odd about a command that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The opcode is reserved or belongs to another queue.
    Opcode {
        /// The opcode.
        opcode: u8,
    },
    /// Bits are set that no field of this command has.
    ReservedBits {
        /// The command.
        command: Opcode,
        /// Which word.
        word: u8,
        /// The bits.
        bits: u64,
    },
    /// A field that must be 0 on this queue, or with these other fields, is not.
    MustBeZero {
        /// The command.
        command: Opcode,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A field holds a reserved value.
    ReservedValue {
        /// The command.
        command: Opcode,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// The operand of a TLB invalidation is reserved.
    Operand(OperandError),
    /// The region of `CMD_DPTI_PA` is not aligned.
    Region(DptRegionError),
    /// The span of `CMD_PREFETCH_ADDR` is too large.
    Prefetch(PrefetchSpanError),
    /// An identifier is too wide.
    Id(IdError),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opcode { opcode } => write!(f, "opcode {opcode:#04x} is no command of this queue"),
            Self::ReservedBits { command, word, bits } => {
                write!(f, "{command}: reserved bits {bits:#x} are set in word {word}")
            }
            Self::MustBeZero { command, field, value } => {
                write!(f, "{command}: {field} is {value:#x}, not 0")
            }
            Self::ReservedValue { command, field, value } => {
                write!(f, "{command}: {field} holds the reserved value {value:#x}")
            }
            Self::Operand(error) => error.fmt(f),
            Self::Region(error) => error.fmt(f),
            Self::Prefetch(error) => error.fmt(f),
            Self::Id(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for DecodeError {}

impl From<OperandError> for DecodeError {
    fn from(error: OperandError) -> Self {
        Self::Operand(error)
    }
}

impl From<IdError> for DecodeError {
    fn from(error: IdError) -> Self {
        Self::Id(error)
    }
}

impl From<DptRegionError> for DecodeError {
    fn from(error: DptRegionError) -> Self {
        Self::Region(error)
    }
}

impl From<PrefetchSpanError> for DecodeError {
    fn from(error: PrefetchSpanError) -> Self {
        Self::Prefetch(error)
    }
}
