//! Contiguous groups: leaves side by side that promise to translate like one large leaf (D8.7.1).
//!
//! A group is born whole and goes whole: a TLB may answer for all of it after a look at any of its members, so a group of
//! which some are gone while others still promise would bring back what was unmapped. Whether members may lose their
//! promise while they are in use depends on the SMMU's break-before-make level (IHI 0070 3.21.1.3).

use crate::config::TableConfig;
use crate::descriptor::Stage1Leaf;
use crate::format::Format;
use crate::run;
use smmu_regs::platform::Dword;
use smmu_regs::vmsa::{Granule, Level};

/// The Contiguous bit; it is the same at both stages.
pub(crate) const CONTIGUOUS: u64 = Stage1Leaf::CONTIGUOUS.mask();

/// log2 of the bytes that a contiguous group of leaves at `level` covers; none where the bit is RES0 (table D8-104).
pub(crate) const fn group_log2(granule: Granule, level: Level) -> Option<u32> {
    let members = match (granule, level.number()) {
        (Granule::Size4K, 1..=3) => 4,
        (Granule::Size16K, 3) => 7,
        (Granule::Size16K, 2) | (Granule::Size64K, 2 | 3) => 5,
        _ => return None,
    };
    Some(level.shift(granule).saturating_add(members))
}

/// Bytes of the groups that a table of this configuration has at `level`, less 1; 0 if it has none.
pub(crate) const fn group_mask(config: &TableConfig, level: Level) -> u64 {
    match group_log2(config.granule(), level) {
        Some(log2) if config.contiguous_levels().contains(level) && config.leaf_levels().contains(level) => {
            1u64.wrapping_shl(log2).wrapping_sub(1)
        }
        _ => 0,
    }
}

/// Whether the leaf for `iova` is one of a group, `mask` wide, that `start..=last` has entirely.
#[inline]
pub(crate) const fn in_whole_group(mask: u64, iova: u64, (start, last): (u64, u64)) -> bool {
    mask != 0 && iova & !mask >= start && iova | mask <= last
}

/// Stores consecutive pages from `start` on, the first of which is `leaf`; those of whole groups are marked.
#[inline]
pub(crate) fn store<F: Format>(entries: &[Dword], start: u64, leaf: u64, mask: u64) {
    if mask == 0 {
        return run::store::<F>(entries, leaf);
    }
    let members = mask.wrapping_shr(F::SHIFT).wrapping_add(1) as usize;
    let before = start.wrapping_neg().wrapping_shr(F::SHIFT) as usize & members.wrapping_sub(1);
    let whole = entries.len().saturating_sub(before) & !members.wrapping_sub(1);
    let further =
        |leaf: u64, entries: &[Dword]| leaf.wrapping_add((entries.len() as u64).wrapping_shl(F::SHIFT));
    let (head, rest) = entries.split_at_checked(before).unwrap_or((entries, &[]));
    let (groups, tail) = rest.split_at_checked(whole).unwrap_or((rest, &[]));
    let first = further(leaf, head);
    run::store::<F>(head, leaf);
    run::store::<F>(groups, first | CONTIGUOUS);
    run::store::<F>(tail, further(first, groups));
}

/// Whether removing the pages `start..=last`, whose entries are `run`, would cut a group in two. A group that is there at
/// all is there entirely, so the two ends say it.
#[inline]
pub(crate) fn cuts(run: &[Dword], mask: u64, start: u64, last: u64) -> bool {
    let marked = |end: Option<&Dword>| end.is_some_and(|word| word.load() & CONTIGUOUS != 0);
    mask != 0 && (start & mask != 0 && marked(run.first()) || last & mask != mask && marked(run.last()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table D8-104, typed as it stands there: entries, and the alignment of the output.
    #[test]
    fn groups_are_those_of_the_manual() {
        const K: u64 = 1 << 10;
        const M: u64 = 1 << 20;
        const G: u64 = 1 << 30;
        let table = [
            (Granule::Size4K, 1, 16, 16 * G),
            (Granule::Size4K, 2, 16, 32 * M),
            (Granule::Size4K, 3, 16, 64 * K),
            (Granule::Size16K, 2, 32, G),
            (Granule::Size16K, 3, 128, 2 * M),
            (Granule::Size64K, 2, 32, 16 * G),
            (Granule::Size64K, 3, 32, 2 * M),
        ];
        let mut found = 0;
        for granule in Granule::ALL {
            for number in -1..=3 {
                let level = Level::new(number).unwrap();
                let Some(log2) = group_log2(granule, level) else { continue };
                let members = 1u64 << (log2 - level.shift(granule));
                assert!(table.contains(&(granule, number, members, 1 << log2)), "{granule} {number}");
                found += 1;
            }
        }
        assert_eq!(found, table.len());
    }
}
