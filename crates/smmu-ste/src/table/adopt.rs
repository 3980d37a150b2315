//! The stream table of an owner that is no more, read by a new one (IHI 0070 3.3, 5.1 to 5.4): who is attached, and which tags
//! are in use.
//!
//! Nothing here writes. Each word is read once, into a copy, and the copy is judged. A pointer that is stale or worse is an
//! error that says where it was met; so is an entry without a lawful reading. What lies behind a stage 2 is a guest's and
//! has intermediate addresses, so CDs of nested streams are not looked for: their VMID covers them.

use super::word::{L1Cd, L1Std};
use crate::cd::Cd;
use crate::cd::word::Cd0;
use crate::ste::word::Ste1;
use crate::ste::{CdTableFormat, CdTablePointer, Ste, SteOddity, SteSummary, StreamWorld};
use crate::table::StreamTableShape;
use core::cell::Cell;
use core::fmt;
use smmu_regs::addr::PhysAddr;
use smmu_regs::lifecycle::Running;
use smmu_regs::platform::{Memory, MemoryError};
use smmu_regs::registers::StrtabBase;
use smmu_regs::{Asid, Caps, InstanceId, StreamId, SubstreamId, Vmid};

/// What is wrong with an inherited table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InheritError {
    /// The stream whose configuration it is: the first one, of a level-1 descriptor.
    pub stream: StreamId,
    /// The SubstreamID, of a CD or the first one of a level-1 descriptor.
    pub substream: Option<SubstreamId>,
    /// What it is.
    pub problem: InheritProblem,
}

/// What is wrong with an inherited table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InheritProblem {
    /// A pointer leads to what is no memory.
    Memory(MemoryError),
    /// A level-1 descriptor has reserved bits, a span that is none, or a pointer that is too wide or not aligned.
    Level1 {
        /// The descriptor.
        descriptor: u64,
    },
    /// The STE has no lawful reading.
    Ste(SteOddity),
    /// The STE's CD table is not aligned, too wide, or has more CDs than the SMMU has SubstreamIDs.
    CdTable(CdTablePointer),
    /// The STE says that those of 2^`cont` streams are the same as it (`CONT`), so that it cannot be changed alone.
    Contiguous {
        /// The field.
        cont: u8,
    },
    /// There is more to read than was allowed.
    TooMany {
        /// The most entries and descriptors.
        most: u64,
    },
}

impl fmt::Display for InheritError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamID {}", self.stream)?;
        if let Some(substream) = self.substream {
            write!(f, ", SubstreamID {substream}")?;
        }
        match &self.problem {
            InheritProblem::Memory(error) => write!(f, ": {error}"),
            InheritProblem::Level1 { descriptor } => write!(f, ": level-1 descriptor {descriptor:#x}"),
            InheritProblem::Ste(oddity) => write!(f, ": {oddity}"),
            InheritProblem::TooMany { most } => write!(f, ": more than {most} entries up to here"),
            InheritProblem::Contiguous { cont } => {
                write!(f, ": the STE is one of 2^{cont} that are the same")
            }
            InheritProblem::CdTable(pointer) => {
                write!(f, ": 2^{} CDs at {}, {:?}", pointer.cds_log2, pointer.base, pointer.format)
            }
        }
    }
}

impl core::error::Error for InheritError {}

/// What a walk finds. The same tag may be found many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inherited {
    /// A stream with a valid entry.
    Stream(StreamId, Ste),
    /// This VMID is in use: of stage 2, or of EL1 stage-1 translations.
    Vmid(Vmid),
    /// This ASID is in use, in that world.
    Asid(Asid, StreamWorld),
}

/// A stream table that an SMMU translates by, and that nobody here has written.
#[derive(Debug, Clone, Copy)]
pub struct InheritedTable {
    pub(super) base: PhysAddr,
    shape: StreamTableShape,
    pub(super) caps: Caps,
    pub(super) instance: InstanceId,
}

impl InheritedTable {
    /// The table of an SMMU that runs.
    #[must_use]
    pub fn of(running: &Running) -> Self {
        let (base, config) = running.stream_table();
        let log2 = config.log2size();
        // `Probed::adopt` has refused any other format.
        let shape = match config.fmt() {
            1 => StreamTableShape::TwoLevel { log2, split: config.split() },
            _ => StreamTableShape::Linear { log2 },
        };
        let (caps, instance) = (*running.caps(), running.instance());
        Self { base: PhysAddr::new(base.address(StrtabBase::ADDR)), shape, caps, instance }
    }

    /// The shape.
    #[must_use]
    pub const fn shape(&self) -> StreamTableShape {
        self.shape
    }

    /// Visits every stream with a valid entry, in order, each followed by the tags that it uses. A tag allocator that has been
    /// told of them all gives none of them out twice.
    ///
    /// It reads at most `most` entries and descriptors, of streams and of CDs: a table whose pointers all lead to one place
    /// could have more of them than anybody has time for. A linear table of 2^n streams has 2^n; some thousands of streams
    /// with a handful of CDs each are far below a million.
    ///
    /// # Errors
    /// The first thing that is wrong. A table with one cannot be trusted: take the SMMU over instead.
    pub fn walk<M: Memory>(
        &self,
        memory: &M,
        most: u64,
        mut visit: impl FnMut(Inherited),
    ) -> Result<(), InheritError> {
        let reader = Reader { memory, most, left: Cell::new(most) };
        match self.shape {
            StreamTableShape::Linear { log2 } => self.entries(&reader, 0, self.base, log2, &mut visit),
            StreamTableShape::TwoLevel { log2, split } => {
                for index in 0..1_u64.wrapping_shl(u32::from(log2.saturating_sub(split))) {
                    let first = index.wrapping_shl(u32::from(split));
                    let at = PhysAddr::new(self.base.get().wrapping_add(index.wrapping_mul(8)));
                    let error = |problem| InheritError { stream: stream(first), substream: None, problem };
                    let [word] = reader.read(at).map_err(error)?;
                    let span = self.span(word, split).map_err(error)?;
                    let Some((table, bits)) = span else { continue };
                    // No stream is beyond the table, whatever a span says.
                    self.entries(&reader, first, table, bits.min(log2), &mut visit)?;
                }
                Ok(())
            }
        }
    }

    /// Where a level-1 descriptor's table is, and log2 of its entries; `None` if there is none (5.1).
    fn span(&self, word: u64, split: u8) -> Result<Option<(PhysAddr, u8)>, InheritProblem> {
        let (descriptor, wrong) = (L1Std::from_bits(word), InheritProblem::Level1 { descriptor: word });
        let table = descriptor.address(L1Std::L2PTR);
        let Some(bits) = descriptor.span().checked_sub(1) else { return Ok(None) };
        let align = 64_u64.wrapping_shl(u32::from(bits));
        let reserved = word & !(L1Std::SPAN.mask() | L1Std::L2PTR.mask());
        let outside = bits > split || !self.caps.oas.contains(table) || table & align.wrapping_sub(1) != 0;
        if reserved != 0 || outside { Err(wrong) } else { Ok(Some((PhysAddr::new(table), bits))) }
    }

    /// Visits 2^`log2` STEs from `table` on, whose first is of StreamID `first`.
    fn entries<M: Memory>(
        &self,
        reader: &Reader<'_, M>,
        first: u64,
        table: PhysAddr,
        log2: u8,
        visit: &mut impl FnMut(Inherited),
    ) -> Result<(), InheritError> {
        for index in 0..1_u64.wrapping_shl(u32::from(log2)) {
            let stream = stream(first.wrapping_add(index));
            let error = |problem| InheritError { stream, substream: None, problem };
            let at = PhysAddr::new(table.get().wrapping_add(index.wrapping_mul(Ste::BYTES as u64)));
            let words = reader.read(at).map_err(error)?;
            let ste = Ste::from_words(words);
            let summary = ste.decode().map_err(|oddity| error(InheritProblem::Ste(oddity)))?;
            if summary == SteSummary::Invalid {
                continue;
            }
            visit(Inherited::Stream(stream, ste));
            match summary {
                SteSummary::Invalid | SteSummary::Abort | SteSummary::Bypass => {}
                SteSummary::Stage2(_, vmid) | SteSummary::Nested(_, _, vmid) => visit(Inherited::Vmid(vmid)),
                SteSummary::Stage1(cds, vmid) => {
                    let [_, one, ..] = words;
                    let world = match Ste1::from_bits(one).strw() {
                        0 => StreamWorld::El1(vmid),
                        2 => StreamWorld::El2,
                        value => {
                            let value = u64::from(value);
                            return Err(error(InheritProblem::Ste(SteOddity::Reserved {
                                field: "STRW",
                                value,
                            })));
                        }
                    };
                    if let StreamWorld::El1(vmid) = world {
                        visit(Inherited::Vmid(vmid));
                    }
                    self.cds(reader, stream, &cds, |asid| visit(Inherited::Asid(asid, world)))?;
                }
            }
        }
        Ok(())
    }

    /// Visits the ASIDs of a stream's valid CDs.
    fn cds<M: Memory>(
        &self,
        reader: &Reader<'_, M>,
        stream: StreamId,
        pointer: &CdTablePointer,
        mut visit: impl FnMut(Asid),
    ) -> Result<(), InheritError> {
        let refused = || {
            let problem = InheritProblem::CdTable(*pointer);
            Err(InheritError { stream, substream: None, problem })
        };
        let (base, log2) = (pointer.base.get(), pointer.cds_log2);
        if log2 > self.caps.substream_id_bits || !self.caps.oas.contains(base) {
            return refused();
        }
        // A single CD is one whatever the format says (5.2 S1Fmt).
        let leaf = match pointer.format {
            CdTableFormat::TwoLevel4K if log2 != 0 => 6_u8,
            CdTableFormat::TwoLevel64K if log2 != 0 => 10,
            _ => {
                let bytes = (Cd::BYTES as u64).wrapping_shl(u32::from(log2));
                if base & bytes.wrapping_sub(1) != 0 {
                    return refused();
                }
                return leaf_cds(reader, stream, 0, pointer.base, log2, &mut visit);
            }
        };
        let descriptors = 1_u64.wrapping_shl(u32::from(log2.saturating_sub(leaf)));
        if base & descriptors.wrapping_mul(8).max(64).wrapping_sub(1) != 0 {
            return refused();
        }
        for index in 0..descriptors {
            let first = index.wrapping_shl(u32::from(leaf));
            let error = |problem| InheritError { stream, substream: substream(first), problem };
            let at = PhysAddr::new(base.wrapping_add(index.wrapping_mul(8)));
            let [word] = reader.read(at).map_err(error)?;
            let descriptor = L1Cd::from_bits(word);
            if !descriptor.v() {
                continue;
            }
            let table = descriptor.address(L1Cd::L2PTR);
            let align = (Cd::BYTES as u64).wrapping_shl(u32::from(leaf));
            let reserved = word & !(L1Cd::V.mask() | L1Cd::L2PTR.mask());
            if reserved != 0 || !self.caps.oas.contains(table) || table & align.wrapping_sub(1) != 0 {
                return Err(error(InheritProblem::Level1 { descriptor: word }));
            }
            leaf_cds(reader, stream, first, PhysAddr::new(table), leaf.min(log2), &mut visit)?;
        }
        Ok(())
    }
}

/// Visits the ASIDs of the valid ones of 2^`log2` CDs from `table` on, the first of which is of SubstreamID `first`. A CD that
/// would be refused for something else holds its ASID all the same.
fn leaf_cds<M: Memory>(
    reader: &Reader<'_, M>,
    stream: StreamId,
    first: u64,
    table: PhysAddr,
    log2: u8,
    visit: &mut impl FnMut(Asid),
) -> Result<(), InheritError> {
    for index in 0..1_u64.wrapping_shl(u32::from(log2)) {
        let at = PhysAddr::new(table.get().wrapping_add(index.wrapping_mul(Cd::BYTES as u64)));
        let [zero, ..]: [u64; Cd::WORDS] = reader.read(at).map_err(|problem| InheritError {
            stream,
            substream: substream(first.wrapping_add(index)),
            problem,
        })?;
        let cd = Cd0::from_bits(zero);
        if cd.v() {
            visit(Asid::new(cd.asid()));
        }
    }
    Ok(())
}

/// A StreamID of a table with at most 2^32 of them.
fn stream(value: u64) -> StreamId {
    StreamId::try_from(value).unwrap_or(StreamId::new(u32::MAX))
}

fn substream(value: u64) -> Option<SubstreamId> {
    SubstreamId::try_from(value).ok()
}

/// Reads a bounded number of structures.
struct Reader<'m, M> {
    memory: &'m M,
    most: u64,
    left: Cell<u64>,
}

impl<M: Memory> Reader<'_, M> {
    /// A copy of `N` words, each read once.
    fn read<const N: usize>(&self, at: PhysAddr) -> Result<[u64; N], InheritProblem> {
        let left = self.left.get().checked_sub(1).ok_or(InheritProblem::TooMany { most: self.most })?;
        self.left.set(left);
        let words = self.memory.words(at, N).map_err(InheritProblem::Memory)?;
        let mut copy = [0; N];
        for (value, word) in copy.iter_mut().zip(words) {
            *value = word.load();
        }
        Ok(copy)
    }
}
