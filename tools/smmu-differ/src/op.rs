//! What a sequence is made of: a setup, then plain operations. All of it is data that can be printed, cut and run again.

use crate::fault::Fault;
use smmu_regs::vmsa::Granule;
use smmu_ste::table::StreamTableShape;

/// A granule and an input size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The granule.
    pub granule: Granule,
    /// Input address bits.
    pub bits: u8,
}

/// A stage-1 address space: one CD with one table or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage1Spec {
    /// The table for the lower half.
    pub low: Option<Shape>,
    /// The table for the upper half.
    pub high: Option<Shape>,
    /// ASID; no other space of the sequence has it.
    pub asid: u16,
    /// VMID; that of the host, if there is one.
    pub vmid: u16,
    /// Number of the stage-2 space under it: the space is a guest's, and its entries are nested ones.
    pub host: Option<usize>,
    /// Tables that an unmap empties leave the tree.
    pub detach: bool,
}

/// A stage-2 address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage2Spec {
    /// Its table.
    pub shape: Shape,
    /// VMID; no other stage-2 space of the sequence has it.
    pub vmid: u16,
    /// Guests may be on top: it maps RAM to itself, and its invalidations have a second phase.
    pub host: bool,
    /// Tables that an unmap empties leave the tree.
    pub detach: bool,
}

/// What is there before the first operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The stream table.
    pub streams: StreamTableShape,
    /// Stage-1 address spaces.
    pub stage1: Vec<Stage1Spec>,
    /// Stage-2 address spaces.
    pub stage2: Vec<Stage2Spec>,
}

/// One table of a setup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableId {
    /// The lower half of a stage-1 space.
    Low(usize),
    /// The upper half of a stage-1 space.
    High(usize),
    /// A stage-2 space.
    Stage2(usize),
}

/// What a device is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Config {
    /// Nothing: it aborts.
    #[default]
    Abort,
    /// Untranslated memory.
    Bypass,
    /// A stage-1 space; with its host under it, if it has one.
    Stage1(usize),
    /// A stage-2 space alone.
    Stage2(usize),
}

/// Where a mapping leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An offset in the arena.
    Arena(u64),
    /// An intermediate physical address, for guests.
    Ipa(u64),
}

/// How what an unmap left in the caches is invalidated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// As `smmu-tlbi` plans it, one command.
    Single,
    /// As `smmu-tlbi` plans it, exactly.
    Exact,
    /// As it plans for an SMMU without range commands.
    Steps,
    /// Everything of the tag.
    WholeTag,
    /// Wrong: not at all.
    Omitted,
    /// Wrong: the last page is forgotten.
    Short,
    /// Wrong: for another ASID.
    OtherAsid,
    /// Wrong: for another VMID.
    OtherVmid,
    /// Wrong: a host's without the second phase.
    FirstPhase,
}

impl Flush {
    /// Whether nothing stale is left.
    #[must_use]
    pub const fn is_right(self) -> bool {
        matches!(self, Self::Single | Self::Exact | Self::Steps | Self::WholeTag)
    }
}

/// What an invalidation of its own removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// All configuration and all translations.
    Everything,
    /// All configuration (`CMD_CFGI_ALL`).
    Configuration,
    /// A device's configuration (`CMD_CFGI_STE`).
    Stream(usize),
    /// All translations (`CMD_TLBI_NSNH_ALL`).
    Translations,
    /// Stage 1 of a VMID (`CMD_TLBI_NH_ALL`).
    Stage1OfVmid(u16),
    /// Both stages of a VMID (`CMD_TLBI_S12_VMALL`).
    Vmid(u16),
    /// An address of a VMID, whatever the ASID (`CMD_TLBI_NH_VAA`).
    Address(u16, u64),
}

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Gives a device its stream table entry.
    Attach {
        /// Number of the device.
        device: usize,
        /// The new entry.
        config: Config,
        /// Wrong: the words are stored as they are, and nothing is invalidated.
        raw: bool,
    },
    /// Maps a range.
    Map {
        /// In which table.
        table: TableId,
        /// First input address.
        iova: u64,
        /// Bytes.
        size: u64,
        /// First output address.
        to: Target,
        /// Writes are allowed.
        writable: bool,
    },
    /// Unmaps a range.
    Unmap {
        /// From which table.
        table: TableId,
        /// First input address.
        iova: u64,
        /// Bytes.
        size: u64,
        /// What is invalidated.
        flush: Flush,
    },
    /// Invalidates.
    Drop(Drop),
    /// A device inverts a word.
    Dma {
        /// Number of the device.
        device: usize,
        /// Input address, a multiple of 4.
        iova: u64,
    },
    /// A device inverts a word while something is wrong with what translates its address.
    Corrupt {
        /// Number of the device.
        device: usize,
        /// Input address, a multiple of 4.
        iova: u64,
        /// What is wrong.
        fault: &'static Fault,
    },
}

/// A setup and operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// What it was generated from.
    pub seed: u64,
    /// What is there before.
    pub setup: Setup,
    /// What happens, in order.
    pub ops: Vec<Op>,
}

impl Setup {
    /// The shape of a table, if the setup has it.
    #[must_use]
    pub fn shape(&self, table: TableId) -> Option<Shape> {
        match table {
            TableId::Low(space) => self.stage1.get(space)?.low,
            TableId::High(space) => self.stage1.get(space)?.high,
            TableId::Stage2(space) => Some(self.stage2.get(space)?.shape),
        }
    }

    /// All tables.
    #[must_use]
    pub fn tables(&self) -> Vec<TableId> {
        let halves = (0..self.stage1.len()).flat_map(|space| [TableId::Low(space), TableId::High(space)]);
        let hosts = (0..self.stage2.len()).map(TableId::Stage2);
        halves.chain(hosts).filter(|table| self.shape(*table).is_some()).collect()
    }

    /// Whether the output of a table is an intermediate address.
    #[must_use]
    pub fn is_guest(&self, table: TableId) -> bool {
        match table {
            TableId::Low(space) | TableId::High(space) => {
                self.stage1.get(space).is_some_and(|spec| spec.host.is_some())
            }
            TableId::Stage2(_) => false,
        }
    }
}

impl Sequence {
    /// Whether a driver may do all this.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.ops.iter().all(|op| match op {
            Op::Attach { raw, .. } => !raw,
            Op::Unmap { flush, .. } => flush.is_right(),
            Op::Corrupt { .. } => false,
            Op::Map { .. } | Op::Drop(_) | Op::Dma { .. } => true,
        })
    }
}
