//! `invs`: invalidation arrays, of three sorts: what attach and detach make of one (`script`), what one unmap sends to every
//! SMMU (`domain_inv_range`), and what a device adds to one (`build`).

mod entries;
mod recorder;

use super::error::{Answer, Stop, reserved};
use super::input::Fields;
use super::output::{object, word};
use super::smmu::Smmu;
use super::tlbi_range::unmapped;
use entries::Row;
use recorder::{Log, Recorder};
use serde_json::{Map, Value};
use smmu_cmds::command::Opcode;
use smmu_cmds::{CommandQueue, RawCommand};
use smmu_regs::caps::Quirks;
use smmu_regs::vmsa::Granule;
use smmu_regs::{Asid, Caps, InstanceId, Quirk, StreamId, SubstreamId, Vmid};
use smmu_tlbi::array::{ArrayError, InvalidationArray, Key};
use smmu_tlbi::range::Rules;
use smmu_tlbi::{RangeSupport, Tag};
use std::collections::BTreeMap;
use std::time::Duration;

/// Entries that an array here has room for.
const CAPACITY: usize = 4096;

/// Lists longer than this are printed by their ends.
const LONG: usize = 300;

/// log2 of the entries of a command queue.
const QUEUE_LOG2: u8 = 8;

/// Answers one record.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    match record.text("kind")? {
        "script" => script(record),
        "domain_inv_range" => domain_range(&record.inputs()?),
        "build" => build(&record.inputs()?),
        other => Err(Stop::Skip(format!("invs records of kind \"{other}\" are not evaluated"))),
    }
}

/// An array and, as the rows have it, the page size of each entry.
#[derive(Debug)]
struct Domain {
    array: Box<InvalidationArray<CAPACITY>>,
    pages: BTreeMap<Key, u64>,
}

impl Domain {
    fn new() -> Self {
        Self { array: Box::default(), pages: BTreeMap::new() }
    }

    /// Adds users. A page size is that of the entry's first user.
    fn merge(&mut self, rows: &[Row]) -> Result<(), ArrayError> {
        let keys: Vec<Key> = rows.iter().map(|row| row.key).collect();
        self.array.merge(&keys)?;
        for row in rows {
            self.pages.entry(row.key).or_insert(row.page_log2);
        }
        Ok(())
    }

    fn purge(&mut self) {
        self.array.purge(|key| {
            self.pages.remove(&key);
        });
    }

    /// The entries in use, as rows.
    fn rows(&self, users: bool) -> Result<Value, Stop> {
        let row = |entry: &smmu_tlbi::array::Entry| {
            let page_log2 = self.pages.get(&entry.key).copied().unwrap_or_default();
            let row = Row { key: entry.key, page_log2, users: u64::from(entry.users) };
            row.print(users)
        };
        self.array.in_use().map(row).collect()
    }
}

/// The entries in use after each operation, and of an unref which of its arguments have no user left.
fn script(record: &Fields<'_>) -> Answer {
    let mut domain = Domain::new();
    let mut after = Vec::new();
    for op in record.objects("ops")? {
        let mut state = Map::new();
        match op.text("op")? {
            "merge" => {
                // There are no queues here: tags are taken as flushed as soon as their last user has left.
                domain.purge();
                domain.merge(&entries::rows(&op, "arg")?)?;
            }
            "unref" => {
                let mut freed = Vec::new();
                // One by one: what is not there keeps none of the others.
                for row in entries::rows(&op, "arg")? {
                    let mut last = false;
                    freed.push(match domain.array.unref(&[row.key], |_| last = true) {
                        Ok(()) => Value::Bool(last),
                        Err(ArrayError::Unknown { .. }) => Value::Null,
                        Err(other) => return Err(other.into()),
                    });
                }
                state.insert("freed".to_owned(), freed.into());
            }
            "purge" => domain.purge(),
            other => return Err(Stop::Skip(format!("the operation {other} is not known"))),
        }
        state.insert("inv".to_owned(), domain.rows(true)?);
        after.push(Value::Object(state));
    }
    Ok(object([("after", after.into())]))
}

/// What a device adds to the array of a domain.
fn build(input: &Fields<'_>) -> Answer {
    let id = input.half("asid_or_vmid")?;
    let tag = match (input.text("stage")?, input.flag("nest_parent")?) {
        ("S1" | "SVA", false) if input.flag("e2h")? => Tag::El2E2h { asid: Asid::new(id) },
        ("S1" | "SVA", false) => Tag::Stage1 { vmid: Vmid::new(0), asid: Asid::new(id) },
        ("S2", false) => Tag::Stage2 { vmid: Vmid::new(id) },
        ("S2", true) => Tag::NestingParent { vmid: Vmid::new(id) },
        (other, parent) => {
            return Err(Stop::Skip(format!("stage {other} (nest parent: {parent}) is not known")));
        }
    };
    let mut streams = Vec::new();
    if input.flag("ats")? {
        for stream in input.numbers("sids")? {
            streams.push(StreamId::try_from(stream)?);
        }
        streams.sort_unstable();
        streams.dedup();
    }
    let pages = input.number("pgsize_bitmap")?;
    let smallest = Granule::from_shift(pages.trailing_zeros());
    let smallest = smallest.ok_or_else(|| reserved("pgsize_bitmap", pages))?;
    let page_log2 = if input.flag("range_inv")? { u64::from(smallest.shift()) } else { 0 };

    let mut domain = Domain::new();
    let keys = Key::of_device(InstanceId::new(0), tag, &streams, input.pasid()?);
    let rows: Vec<Row> = keys.map(|key| Row::new(key, page_log2)).collect();
    domain.merge(&rows)?;
    Ok(object([("inv", domain.rows(false)?)]))
}

/// The commands that one unmap sends to every SMMU of a domain.
fn domain_range(input: &Fields<'_>) -> Answer {
    let rows = entries::rows(input, "inv")?;
    let mut domain = Domain::new();
    for row in &rows {
        domain.merge(core::slice::from_ref(row))?;
        if row.users == 0 {
            domain.array.unref(&[row.key], |_| {})?;
        }
    }
    let bytes = input.number("granule")?;
    let leaf = input.flag("leaf")?;
    let (start, size) = (input.number("iova")?, input.number("size")?);
    let what = unmapped(granule(&rows, bytes)?, start, size, bytes, leaf)?;

    let log = Log::default();
    let repeat = input.flag("repeat_tlbi_cfgi")?;
    let mut smmus = Vec::new();
    for (index, smmu) in (0_u64..).zip(input.objects("smmus")?) {
        let caps = caps(&smmu, repeat)?;
        let p = Recorder::new(index, &log, QUEUE_LOG2);
        let queue = CommandQueue::new(&p, &caps, InstanceId::try_from(index)?, QUEUE_LOG2);
        smmus.push((p, queue.map_err(|error| Stop::Refused(error.to_string()))?));
    }
    let rules = |caps: &Caps| Rules::new(RangeSupport::of(caps));
    let issued =
        domain.array.invalidate(&what, smmus.as_mut_slice(), rules, Duration::from_secs(1), |_, _| {});
    if let Some(failure) = issued.failures().next() {
        return Err(Stop::Refused(failure.to_string()));
    }
    Ok(printed(&log.take()))
}

/// An SMMU that can do what the record says, with the errata that it says. How a `CMD_SYNC` reports (`msipoll`) is the
/// queue's own matter.
fn caps(smmu: &Fields<'_>, repeat: bool) -> Result<Caps, Stop> {
    let mut caps = Smmu::ASSUMED.ranges(smmu.flag("range_inv")?).ds(smmu.flag_if_any("ds")?).caps()?;
    let mut quirks = Quirks::EMPTY;
    if smmu.flag("force_sync")? {
        quirks = quirks.with(Quirk::ForceSync);
    }
    if repeat {
        quirks = quirks.with(Quirk::RepeatCfgiTlbi);
    }
    caps.quirks = quirks;
    Ok(caps)
}

/// The granule of the domain's page table: entries of SMMUs with range commands say it. Without any, it is the one that has
/// pages or blocks of `bytes` bytes.
fn granule(rows: &[Row], bytes: u64) -> Result<Granule, Stop> {
    const ALL: [Granule; 3] = [Granule::Size4K, Granule::Size16K, Granule::Size64K];
    match rows.iter().map(|row| row.page_log2).find(|log2| *log2 != 0) {
        Some(log2) => {
            let shift = u32::try_from(log2).ok();
            let granule = shift.and_then(Granule::from_shift);
            granule.ok_or_else(|| Stop::Refused(format!("there are no pages of 2^{log2} bytes")))
        }
        None => {
            let log2 = bytes.trailing_zeros();
            let has = |granule: &Granule| {
                // Each level down is 8 bytes of descriptor for a page of them.
                let (page, level) = (granule.shift(), granule.shift().saturating_sub(3));
                [page, page + level, page + 2 * level].contains(&log2)
            };
            Ok(ALL.into_iter().find(has).unwrap_or(Granule::Size4K))
        }
    }
}

/// The commands as `[SMMU, word, word]`, and how many others each `CMD_SYNC` comes after.
fn printed(log: &[(u64, RawCommand)]) -> Map<String, Value> {
    let row = |(smmu, command): &(u64, RawCommand)| {
        let [low, high] = command.words();
        Value::from(vec![Value::from(*smmu), word(low), word(high)])
    };
    let rows = |part: &[(u64, RawCommand)]| -> Value { part.iter().map(row).collect() };
    let mut answer = object([("count", log.len().into())]);
    match (log.first_chunk::<3>(), log.last_chunk::<3>()) {
        (Some(first), Some(last)) if log.len() > LONG => {
            answer.extend(object([("first3", rows(first)), ("last3", rows(last))]));
        }
        _ => answer.extend(object([("cmds", rows(log))])),
    }
    let (mut others, mut sync_after) = (0_u64, Vec::new());
    for (_, command) in log {
        if command.opcode() == Opcode::Sync {
            sync_after.push(Value::from(others));
        } else {
            others += 1;
        }
    }
    answer.extend(object([("sync_after", sync_after.into())]));
    answer
}

/// The SubstreamID of an entry: 0 is none.
fn substream(number: u64) -> Result<Option<SubstreamId>, Stop> {
    Ok(Some(SubstreamId::try_from(number)?).filter(|substream| *substream != SubstreamId::ZERO))
}
