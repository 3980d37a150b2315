//! `pgtable_maps`, `pgtable_range`, `pgtable_errors`, `pgtable_dirty`: operations on one table, and what it holds in the end.
//!
//! Two callers' habits are theirs and not the library's. `map` and `unmap` name a page size and a count, reach no further than
//! the end of one table, and take leaves of just that size; `iommu_map` and `iommu_unmap` take the whole range. Both unmaps
//! go on until there is nothing at all where the next page size should be.

use super::super::error::{Answer, Problem, Stop};
use super::super::input::Fields;
use super::super::output::{object, word};
use super::attributes::attributes;
use super::config::{Asked, asked};
use super::dirty;
use super::memory::Arena;
use io_pgtable_lpae::{Gather, MapError, PageSizes, PageTable, Target, UnmapError};
use serde_json::{Map, Value, json};
use smmu_regs::PhysAddr;
use smmu_regs::vmsa::{IovaRange, Level};

/// Whose habits the operations have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// `map` and `unmap` name a page size and a count, `iommu_map` and `iommu_unmap` a range.
    PagesAndRanges,
    /// `map` and `unmap` name a range.
    Ranges,
}

/// Answers one record: `results`, one for each operation, and the `leaves` that remain.
pub(in super::super) fn session(record: &Fields<'_>) -> Answer {
    run(record, asked(&record.object("cfg")?)?, Caller::PagesAndRanges)
}

pub(super) fn run(record: &Fields<'_>, asked: Asked, caller: Caller) -> Answer {
    let memory = Arena::default();
    let table = PageTable::new(asked.config, &memory)?;
    let mut session = Session { asked, memory, table, caller };
    let results: Result<Vec<Value>, Stop> =
        record.objects("ops")?.iter().map(|op| Ok(session.run(op)?.into())).collect();
    Ok(object([("results", results?.into()), ("leaves", session.leaves()?)]))
}

/// Why an operation did nothing: the name of the error, as callers know it.
#[derive(Debug)]
enum Refusal {
    Named(&'static str),
    Stop(Stop),
}

impl From<MapError> for Refusal {
    fn from(error: MapError) -> Self {
        Self::Named(match error {
            MapError::Mapped { .. } => "EEXIST",
            MapError::OutsideInput { .. } | MapError::OutsideOutput { .. } => "ERANGE",
            MapError::NoMemory(_) | MapError::TableAddress { .. } => "ENOMEM",
            _ => "EINVAL",
        })
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Stop(problem.into())
    }
}

/// A table and the operations on it.
struct Session {
    asked: Asked,
    memory: Arena,
    table: PageTable,
    caller: Caller,
}

impl Session {
    fn run(&mut self, op: &Fields<'_>) -> Result<Map<String, Value>, Stop> {
        if self.caller == Caller::Ranges {
            match op.text("op")? {
                "map" => return mapped(self.iommu_map(op)),
                "unmap" => return Ok(object([("unmapped", word(self.unmap_to_hole(op)?))])),
                "hw_write" => return dirty::write_result(&self.table, &self.memory, op),
                _ => {}
            }
        }
        match op.text("op")? {
            "map" => mapped(self.map(op)),
            "iommu_map" => mapped(self.iommu_map(op)),
            "unmap" => Ok(object([("unmapped", word(self.unmap(op)?))])),
            "iommu_unmap" => Ok(object([("unmapped", word(self.iommu_unmap(op)?))])),
            "iova_to_phys" => {
                let found = self.table.translate(&self.memory, op.number("iova")?);
                Ok(object([("paddr", word(found.map_or(0, |found| found.pa.get())))]))
            }
            "read_and_clear_dirty" => dirty::read_and_clear(&mut self.table, &self.memory, op),
            "hw_write" => dirty::write(&self.table, &self.memory, op),
            "pgtable_walk" => Ok(Map::new()),
            other => Err(Stop::Skip(format!("the operation \"{other}\" is not known"))),
        }
    }

    /// The level of leaves of `size` bytes, if the table has them.
    fn level(&self, size: u64) -> Option<Level> {
        let sizes = self.asked.config.page_sizes();
        let one = PageSizes::from_bitmap(size);
        if sizes.contains(size) { one.levels(self.asked.config.granule()).single() } else { None }
    }

    /// Bytes of `count` pages from `iova`, as far as one table of them reaches.
    fn clipped(&self, iova: u64, (size, level): (u64, Level), count: u64) -> u64 {
        let granule = self.asked.config.granule();
        let table = 1u64 << (level.shift(granule) + granule.bits_per_level()).min(63);
        let (end, input) = (iova | (table - 1), self.asked.config.input().last());
        // An address that the table does not have is the library's to refuse.
        let end = if iova <= input { end.min(input) } else { end };
        size.saturating_mul(count).min((end - iova).saturating_add(1))
    }

    fn map(&mut self, op: &Fields<'_>) -> Result<u64, Refusal> {
        let (iova, pa) = (op.number("iova")?, op.number("paddr")?);
        let (size, count) = (op.number("pgsize")?, op.number("pgcount")?);
        let level = self.level(size).ok_or(Refusal::Named("EINVAL"))?;
        if (iova | pa) & (size - 1) != 0 {
            return Err(Refusal::Named("EINVAL"));
        }
        if count == 0 {
            return Ok(0);
        }
        let bytes = self.clipped(iova, (size, level), count);
        self.map_range(op, (iova, pa, bytes), level)
    }

    fn iommu_map(&mut self, op: &Fields<'_>) -> Result<u64, Refusal> {
        let (iova, pa, size) = (op.number("iova")?, op.number("paddr")?, op.number("size")?);
        if size == 0 {
            return Ok(0);
        }
        self.map_range(op, (iova, pa, size), Level::MINUS_ONE)
    }

    fn map_range(
        &mut self,
        op: &Fields<'_>,
        (iova, pa, bytes): (u64, u64, u64),
        largest: Level,
    ) -> Result<u64, Refusal> {
        let Asked { config, non_secure, .. } = &self.asked;
        let mut attributes = attributes(&op.texts("prot")?, config, *non_secure)?;
        if config.ds() {
            // leaves have none
            attributes.shareability = None;
        }
        let range = IovaRange::from_size(iova, bytes).map_err(|_| Refusal::Named("ERANGE"))?;
        match self.table.map_up_to(&self.memory, range, PhysAddr::new(pa), attributes, largest) {
            Err(MapError::Mapped { .. }) if self.caller == Caller::Ranges => {
                Err(Refusal::Named("EADDRINUSE"))
            }
            result => Ok(result.map(|()| bytes)?),
        }
    }

    fn unmap(&mut self, op: &Fields<'_>) -> Result<u64, Stop> {
        let (iova, size, count) = (op.number("iova")?, op.number("pgsize")?, op.number("pgcount")?);
        let Some(level) = self.level(size) else { return Ok(0) };
        let bytes = self.clipped(iova, (size, level), count);
        if iova % size != 0 {
            return Ok(0);
        }
        self.unmap_pages(iova, bytes, |_, _| size)
    }

    fn iommu_unmap(&mut self, op: &Fields<'_>) -> Result<u64, Stop> {
        let (iova, bytes) = (op.number("iova")?, op.number("size")?);
        let sizes = self.asked.config.page_sizes();
        let page = self.asked.config.granule().bytes();
        if (iova | bytes) & (page - 1) != 0 || iova.checked_add(bytes.saturating_sub(1)).is_none() {
            return Ok(0);
        }
        // The largest page that begins here and does not reach beyond the end.
        let size = |iova: u64, left: u64| {
            let fits = |log2: &u32| {
                let size = 1u64 << log2;
                sizes.contains(size) && iova % size == 0 && size <= left
            };
            1u64 << (0..64).rev().find(fits).unwrap_or(page.trailing_zeros())
        };
        self.unmap_pages(iova, bytes, size)
    }

    /// Unmaps page by page, until one holds nothing or is a part of a block.
    fn unmap_pages(&mut self, iova: u64, bytes: u64, size: impl Fn(u64, u64) -> u64) -> Result<u64, Stop> {
        let mut gather = Gather::new();
        let mut done = 0;
        while done < bytes {
            let (start, left) = (iova + done, bytes - done);
            let size = size(start, left);
            let Ok(page) = IovaRange::from_size(start, size) else { break };
            match self.table.unmap_present(&self.memory, page, &mut gather) {
                Ok(unmapped) if unmapped.bytes != 0 => done += size,
                _ => break,
            }
        }
        if let Some((_, freed)) = gather.finish() {
            freed.never_seen_by_hardware().reclaim(&self.memory)?;
        }
        Ok(done)
    }

    /// Unmaps as far as there is something, and no leaf or contiguous group reaches beyond the range.
    fn unmap_to_hole(&mut self, op: &Fields<'_>) -> Result<u64, Stop> {
        let (iova, bytes) = (op.number("iova")?, op.number("size")?);
        let Ok(mut range) = IovaRange::from_size(iova, bytes) else { return Ok(0) };
        let mut end = Some(iova);
        let walked = self.table.walk(&self.memory, range, |entry| {
            if let (Target::Leaf { .. }, true) = (entry.target, end == Some(entry.range.start())) {
                end = entry.range.last().checked_add(1);
            }
        });
        let (true, Some(mapped)) = (walked.is_ok(), end.unwrap_or(0).checked_sub(iova)) else { return Ok(0) };
        let mut left = mapped.min(bytes);
        let mut gather = Gather::new();
        let mut unmapped = 0;
        while left != 0 {
            range = IovaRange::from_size(iova, left)?;
            match self.table.unmap(&self.memory, range, &mut gather) {
                Ok(done) => {
                    unmapped = done.bytes;
                    break;
                }
                // what lies before the leaf that is cut
                Err(UnmapError::PartOfBlock { block, .. }) => left = block.start().saturating_sub(iova),
                Err(_) => break,
            }
        }
        if let Some((_, freed)) = gather.finish() {
            freed.never_seen_by_hardware().reclaim(&self.memory)?;
        }
        Ok(unmapped)
    }

    fn leaves(&self) -> Result<Value, Stop> {
        let mut leaves = Vec::new();
        self.table.walk(&self.memory, self.asked.config.input(), |entry| {
            if let (Target::Leaf { .. }, Some(size)) = (entry.target, entry.range.size()) {
                leaves.push(json!([word(entry.range.start()), word(size), word(entry.descriptor)]));
            }
        })?;
        Ok(leaves.into())
    }
}

fn mapped(result: Result<u64, Refusal>) -> Result<Map<String, Value>, Stop> {
    match result {
        Ok(bytes) => Ok(object([("ret", "OK".into()), ("mapped", word(bytes))])),
        Err(Refusal::Named(name)) => Ok(object([("ret", name.into()), ("mapped", word(0))])),
        Err(Refusal::Stop(stop)) => Err(stop),
    }
}
