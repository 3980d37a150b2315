//! Windows: the parts of a table's input addresses that sequences use.

use crate::address::{ARENA, ARENA_BASE, hazardous};
use crate::op::{Setup, Shape, TableId};
use smmu_regs::vmsa::Granule;

/// A part of the input addresses of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// First address.
    pub(crate) base: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// Size of the block that may be mapped from `base` on, although it is larger than the arena: log2; 0 for none.
    pub(crate) large: u32,
}

/// Sizes of blocks, log2: what fits in the arena, and what does not (DDI 0487 D8.3).
pub(crate) const fn blocks(granule: Granule) -> (Option<u32>, u32) {
    match granule {
        Granule::Size4K => (Some(21), 30),
        Granule::Size16K => (None, 25),
        Granule::Size64K => (None, 29),
    }
}

/// Pages at the end of the input addresses that are used.
const TOP_PAGES: u64 = 12;

fn is_usable(base: u64, size: u64) -> bool {
    !hazardous(base) && !hazardous(base + (size - 1))
}

/// The windows of a table.
pub(crate) fn windows(setup: &Setup, table: TableId) -> Vec<Window> {
    let Some(Shape { granule, bits }) = setup.shape(table) else { return Vec::new() };
    let first = match table {
        TableId::High(_) => u64::MAX << bits,
        _ => 0,
    };
    let (top, end) = (TOP_PAGES * granule.bytes(), first.wrapping_add(1 << bits));
    let host = matches!(table, TableId::Stage2(space) if setup.stage2.get(space).is_some_and(|s| s.host));
    let middle = [1_u64 << (bits - 1), 3 << (bits - 2), 1 << 24]
        .into_iter()
        .map(|offset| first.wrapping_add(offset))
        .find(|base| is_usable(*base, ARENA) && *base != ARENA_BASE);
    let mut bases: Vec<(u64, u64)> = vec![(first, ARENA), (end.wrapping_sub(top), top)];
    bases.extend(middle.map(|base| (base, ARENA)));
    if !matches!(table, TableId::High(_)) && bits > 30 && !host {
        // What a device reaches here in bypass is the arena, too.
        bases.push((ARENA_BASE, ARENA));
    }
    let (_, log2) = blocks(granule);
    let usable: Vec<(u64, u64)> = bases.into_iter().filter(|(base, size)| is_usable(*base, *size)).collect();
    let mut windows: Vec<Window> = Vec::new();
    for (base, size) in &usable {
        // A block must be all there, and no other window in it.
        let bytes = 1_u64 << log2;
        let room = end.wrapping_sub(*base) >= bytes && base % bytes == 0;
        let alone = !usable.iter().any(|(other, _)| *other > *base && other - base < bytes);
        let large = if room && alone { log2 } else { 0 };
        windows.push(Window { base: *base, size: *size, large });
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::sequence;

    #[test]
    fn windows_lie_in_their_table_and_are_safe() {
        for seed in 0..300 {
            let setup = sequence(seed).setup;
            for table in setup.tables() {
                let shape = setup.shape(table).unwrap();
                let windows = windows(&setup, table);
                assert!(!windows.is_empty(), "{table:?} {shape:?}");
                for Window { base, size, .. } in windows {
                    let inside = |at: u64| match table {
                        TableId::High(_) => at >= u64::MAX << shape.bits,
                        _ => at >> shape.bits == 0,
                    };
                    assert!(inside(base) && inside(base + (size - 1)), "{shape:?} {base:#x}");
                    assert!(!hazardous(base) && !hazardous(base + (size - 1)));
                    assert_eq!(base % shape.granule.bytes(), 0);
                }
            }
        }
    }
}
