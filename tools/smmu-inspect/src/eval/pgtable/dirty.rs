//! The two operations of `pgtable_dirty`: what was written through, and a write of the SMMU.

use super::super::error::Stop;
use super::super::input::Fields;
use super::super::output::{object, word};
use super::memory::Arena;
use io_pgtable_lpae::{Attributes, Gather, Leaf, PageTable, Stage1Leaf, Stage2Leaf, Target};
use serde_json::{Map, Value, json};
use smmu_regs::PhysAddr;
use smmu_regs::platform::Memory;
use smmu_regs::vmsa::{HardwareUpdate, IovaRange};

/// Reports dirty leaves, equal ones that follow each other as one with a count, and makes them clean unless `no_clear`.
pub(super) fn read_and_clear(
    table: &mut PageTable,
    memory: &Arena,
    op: &Fields<'_>,
) -> Result<Map<String, Value>, Stop> {
    let keep = op.flag("no_clear")?;
    let mut runs: Vec<(u64, u64, u64)> = Vec::new();
    let mut add = |leaf: IovaRange| {
        let (start, size) = (leaf.start(), leaf.size().unwrap_or(0));
        match runs.last_mut() {
            Some((first, of, count)) if *of == size && *first + *of * *count == start => *count += 1,
            _ => runs.push((start, size, 1)),
        }
    };
    let done = match IovaRange::from_size(op.number("iova")?, op.number("size")?) {
        Err(_) => false,
        Ok(range) if keep => table.read_dirty(memory, range, &mut add).is_ok(),
        Ok(range) => {
            let mut gather = Gather::new();
            let done = table.read_and_clear_dirty(memory, range, &mut gather, &mut add).is_ok();
            if let Some((_, freed)) = gather.finish() {
                freed.never_seen_by_hardware().reclaim(memory)?;
            }
            done
        }
    };
    let dirty = runs.iter().map(|(start, size, count)| json!([word(*start), word(*size), count]));
    let ret = if done { "OK" } else { "EINVAL" };
    Ok(object([("ret", ret.into()), ("dirty", dirty.collect())]))
}

/// What an SMMU with `HTTU` does for a write to `iova`: a writable leaf that is clean becomes dirty. `changed` counts it.
pub(super) fn write(table: &PageTable, memory: &Arena, op: &Fields<'_>) -> Result<Map<String, Value>, Stop> {
    let mut changed = 0;
    let mut at = None;
    if let Ok(byte) = IovaRange::from_size(op.number("iova")?, 1) {
        // Outside of what the table translates there is nothing to write through.
        let _ = table.walk(memory, byte, |entry| {
            if let Target::Leaf { leaf, .. } = entry.target {
                at = Some((entry.at, leaf, entry.descriptor));
            }
        });
    }
    if let Some((address, leaf, word)) = at.filter(|_| table.config().update() >= HardwareUpdate::Dirty) {
        let dirty = match leaf {
            Leaf::Stage1(leaf) if leaf.dbm() && leaf.ap_rdonly() => {
                Some(word & !Stage1Leaf::AP_RDONLY.mask())
            }
            Leaf::Stage2(leaf) if leaf.dbm() && !leaf.s2ap_w() => Some(word | Stage2Leaf::S2AP_W.mask()),
            _ => None,
        };
        if let Some(dirty) = dirty {
            store(memory, address, dirty);
            changed = 1;
        }
    }
    Ok(object([("changed", changed.into())]))
}

/// [`write`], and what became of it: there is nothing, it is not writable, or it is dirty now.
pub(super) fn write_result(
    table: &PageTable,
    memory: &Arena,
    op: &Fields<'_>,
) -> Result<Map<String, Value>, Stop> {
    let iova = op.number("iova")?;
    let ret = match table.translate(memory, iova).map(|found| Attributes::decode(found.leaf, table.config()))
    {
        Ok(Some(attributes)) if attributes.write => {
            write(table, memory, op)?;
            "OK"
        }
        Ok(_) => "EAGAIN",
        Err(_) => "ENOENT",
    };
    Ok(object([("ret", ret.into())]))
}

fn store(memory: &Arena, address: PhysAddr, descriptor: u64) {
    if let Ok([word]) = memory.words(address, 1) {
        word.store(descriptor);
    }
}
