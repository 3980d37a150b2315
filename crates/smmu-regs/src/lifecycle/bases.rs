//! Where the tables and queues are, and whether an SMMU can use them there (IHI 0070 6.3.24 to 6.3.33).

use crate::caps::{Caps, Feature};
use crate::layout::Layout;
use crate::registers::{CmdqBase, EventqBase, PriqBase, StrtabBase, StrtabBaseCfg};
use core::fmt;

/// Where the tables and queues are: made by the crates that own them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bases {
    /// Stream table address.
    pub stream_table: StrtabBase,
    /// Stream table shape.
    pub stream_table_shape: StrtabBaseCfg,
    /// Command queue.
    pub command_queue: CmdqBase,
    /// Event queue.
    pub event_queue: EventqBase,
    /// PRI queue, if page requests are wanted; without one the SMMU denies them (8.2).
    pub pri_queue: Option<PriqBase>,
}

/// A table or queue that an SMMU cannot use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseError {
    /// The register.
    pub register: &'static str,
    /// What it was to hold, or holds.
    pub value: u64,
    /// Why that is no good.
    pub problem: BaseProblem,
}

/// Why a base register's value is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BaseProblem {
    /// More entries than the SMMU supports.
    Size {
        /// log2 of the entries.
        log2: u8,
        /// log2 of the most.
        max: u8,
    },
    /// The address is not aligned to the size; the SMMU would take it for a lower one.
    Alignment {
        /// The alignment in bytes.
        align: u64,
    },
    /// The address has bits above the output address size (`IDR5.OAS`).
    Address {
        /// Bits of the output address size.
        bits: u32,
    },
    /// Reserved bits are set.
    Reserved {
        /// The bits.
        bits: u64,
    },
    /// A stream table of this format, or a split of this size, does not exist, or not on this SMMU.
    Format {
        /// `STRTAB_BASE_CFG.FMT`.
        format: u8,
        /// `STRTAB_BASE_CFG.SPLIT`.
        split: u8,
    },
    /// The SMMU lacks what the register is for.
    Lacks(Feature),
}

impl fmt::Display for BaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x}: ", self.register, self.value)?;
        match self.problem {
            BaseProblem::Size { log2, max } => write!(f, "2^{log2} entries are more than 2^{max}"),
            BaseProblem::Alignment { align } => write!(f, "the address is not aligned to {align:#x} bytes"),
            BaseProblem::Address { bits } => write!(f, "the address has more than {bits} bits"),
            BaseProblem::Reserved { bits } => write!(f, "reserved bits {bits:#x} are set"),
            BaseProblem::Format { format, split } => {
                write!(f, "this SMMU has no stream tables of format {format} split at {split}")
            }
            BaseProblem::Lacks(feature) => write!(f, "the SMMU lacks {}", feature.name()),
        }
    }
}

impl core::error::Error for BaseError {}

impl Bases {
    /// Whether an SMMU with `caps` can use them.
    ///
    /// # Errors
    /// The first register that it cannot use.
    pub fn check(&self, caps: &Caps) -> Result<(), BaseError> {
        check_stream_table(self.stream_table, self.stream_table_shape, caps)?;
        check_queues(self.command_queue, self.event_queue, self.pri_queue, caps)
    }
}

/// Whether the stream table is one for this SMMU (6.3.24, 6.3.25).
pub(super) fn check_stream_table(
    base: StrtabBase,
    shape: StrtabBaseCfg,
    caps: &Caps,
) -> Result<(), BaseError> {
    let refuse = |problem| Err(BaseError { register: StrtabBaseCfg::NAME, value: shape.word(), problem });
    let (log2, split, format) = (shape.log2size(), shape.split(), shape.fmt());
    reserved(shape)?;
    if log2 > caps.stream_id_bits {
        return refuse(BaseProblem::Size { log2, max: caps.stream_id_bits });
    }
    let bytes = match format {
        0 => 64_u64.checked_shl(u32::from(log2)),
        1 if caps.has(Feature::TwoLevelStreamTable) && matches!(split, 6 | 8 | 10) => {
            8_u64.checked_shl(u32::from(log2.saturating_sub(split)))
        }
        _ => return refuse(BaseProblem::Format { format, split }),
    };
    place(base, base.address(StrtabBase::ADDR), bytes.unwrap_or(u64::MAX).max(64), caps)
}

/// Whether the queues are some for this SMMU (6.3.26, 6.3.29, 6.3.33).
pub(super) fn check_queues(
    commands: CmdqBase,
    events: EventqBase,
    requests: Option<PriqBase>,
    caps: &Caps,
) -> Result<(), BaseError> {
    queue(
        commands,
        commands.log2size(),
        commands.address(CmdqBase::ADDR),
        (16, caps.command_queue_log2),
        caps,
    )?;
    queue(events, events.log2size(), events.address(EventqBase::ADDR), (32, caps.event_queue_log2), caps)?;
    let Some(base) = requests else { return Ok(()) };
    if !caps.has(Feature::Pri) {
        let problem = BaseProblem::Lacks(Feature::Pri);
        return Err(BaseError { register: PriqBase::NAME, value: base.word(), problem });
    }
    queue(base, base.log2size(), base.address(PriqBase::ADDR), (16, caps.pri_queue_log2), caps)
}

fn queue<R: Layout>(
    base: R,
    log2: u8,
    address: u64,
    (entry, max): (u64, u8),
    caps: &Caps,
) -> Result<(), BaseError> {
    if log2 > max {
        let problem = BaseProblem::Size { log2, max };
        return Err(BaseError { register: R::NAME, value: base.word(), problem });
    }
    place(base, address, entry.checked_shl(u32::from(log2)).unwrap_or(u64::MAX).max(32), caps)
}

/// Whether a table or queue of `align` bytes can be at `address`.
fn place<R: Layout>(base: R, address: u64, align: u64, caps: &Caps) -> Result<(), BaseError> {
    reserved(base)?;
    let problem = if !caps.oas.contains(address) {
        BaseProblem::Address { bits: caps.oas.bits() }
    } else if address & align.wrapping_sub(1) != 0 {
        BaseProblem::Alignment { align }
    } else {
        return Ok(());
    };
    Err(BaseError { register: R::NAME, value: base.word(), problem })
}

fn reserved<R: Layout>(value: R) -> Result<(), BaseError> {
    match value.word() & !R::named_bits() {
        0 => Ok(()),
        bits => {
            let problem = BaseProblem::Reserved { bits };
            Err(BaseError { register: R::NAME, value: value.word(), problem })
        }
    }
}
