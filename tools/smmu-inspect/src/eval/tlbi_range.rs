//! `tlbi_range`: the commands that invalidate a range of addresses for one tag (IHI 0070 4.4.1), by the default policy.

use super::error::{Answer, Stop};
use super::input::Fields;
use super::output::{commands, object, word, words};
use super::smmu::Smmu;
use io_pgtable_lpae::Invalidation;
use serde_json::{Map, Value};
use smmu_cmds::RawCommand;
use smmu_regs::Vmid;
use smmu_regs::vmsa::{Granule, IovaRange, Level, LevelSet};
use smmu_tlbi::range::Rules;
use smmu_tlbi::{RangePlan, RangeSupport, Tag};

/// Lists longer than this are printed by their ends and sums.
const LONG: usize = 300;

/// Answers one record: whether everything of the tag goes, the number of commands, the commands.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let input = record.inputs()?;
    let smmu = Smmu::ASSUMED.ranges(input.flag("range_inv")?).ds(input.flag_if_any("ds")?);
    let caps = smmu.caps()?;
    let tag = tag(&input)?;
    let plan = RangePlan::new(&invalidation(&input)?, &Rules::new(RangeSupport::of(&caps)));
    let full = matches!(plan, RangePlan::WholeTag);
    let list = if full {
        vec![tag.whole().encode(&caps)?]
    } else {
        let encoded = plan.operands().map(|operand| tag.by_address(operand).encode(&caps));
        encoded.collect::<Result<Vec<_>, _>>()?
    };
    let mut answer = object([("full", full.into()), ("count", list.len().into())]);
    answer.extend(listed(&list));
    Ok(answer)
}

fn tag(input: &Fields<'_>) -> Result<Tag, Stop> {
    Ok(match input.text("op")? {
        "TLBI_NH_VA" => Tag::Stage1 { vmid: Vmid::new(0), asid: input.asid()? },
        "TLBI_EL2_VA" => Tag::El2E2h { asid: input.asid()? },
        "TLBI_S2_IPA" => Tag::Stage2 { vmid: input.vmid()? },
        other => return Err(Stop::Skip(format!("the operation {other} is not known"))),
    })
}

/// What the record says was unmapped.
fn invalidation(input: &Fields<'_>) -> Result<Invalidation, Stop> {
    let (start, size) = (input.number("iova")?, input.number("size")?);
    let (bytes, tg) = (input.number("granule")?, input.byte("tg")?);
    let leaf = input.flag("leaf")?;
    let granule = Granule::from_shift(u32::from(tg))
        .ok_or_else(|| Stop::Refused(format!("there are no pages of 2^{tg} bytes")))?;
    unmapped(granule, start, size, bytes, leaf)
}

/// An unmap of `size` bytes. A size of 0, or of all ones, stands for all addresses.
///
/// With `leaf`, leaves of `bytes` bytes went; without, tables too, of levels that nobody knows.
pub(super) fn unmapped(
    granule: Granule,
    start: u64,
    size: u64,
    bytes: u64,
    leaf: bool,
) -> Result<Invalidation, Stop> {
    let any = LevelSet::only(Level::ZERO).with(Level::ONE).with(Level::TWO);
    let (range, leaf_levels, table_levels) = if matches!(size, 0 | u64::MAX) {
        (IovaRange::ALL, any.with(Level::THREE), any)
    } else if leaf {
        (IovaRange::from_size(start, size)?, LevelSet::only(leaf_level(granule, bytes)?), LevelSet::EMPTY)
    } else {
        (IovaRange::from_size(start, size)?, any.with(Level::THREE), any)
    };
    Ok(Invalidation { granule, range, leaf_levels, table_levels })
}

/// The level of leaves of `bytes` bytes: the one whose blocks are as large, or of which several with the Contiguous bit
/// make that size.
fn leaf_level(granule: Granule, bytes: u64) -> Result<Level, Stop> {
    let none = || Stop::Refused(format!("{granule} pages have no leaf of {bytes:#x} bytes"));
    if !bytes.is_power_of_two() {
        return Err(none());
    }
    let levels = [Level::ZERO, Level::ONE, Level::TWO, Level::THREE];
    levels.into_iter().find(|level| level.shift(granule) <= bytes.trailing_zeros()).ok_or_else(none)
}

/// `cmds`; of a long list `first3`, `last3` and `wrapping_sums` of all first and all second words.
fn listed(list: &[RawCommand]) -> Map<String, Value> {
    match (list.first_chunk::<3>(), list.last_chunk::<3>()) {
        (Some(first), Some(last)) if list.len() > LONG => {
            let sums = list.iter().fold([0_u64; 2], |[low, high], command| {
                let [more_low, more_high] = command.words();
                [low.wrapping_add(more_low), high.wrapping_add(more_high)]
            });
            object([
                ("first3", commands(first)),
                ("last3", commands(last)),
                ("wrapping_sums", sums.map(word).to_vec().into()),
            ])
        }
        _ => object([("cmds", list.iter().map(|command| words(&command.words())).collect())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_printed_by_ends_and_sums() {
        let list: Vec<_> = (0..301_u64).map(|n| RawCommand::from_words([n, u64::MAX])).collect();
        let text = Value::Object(listed(&list)).to_string();
        assert_eq!(
            text,
            concat!(
                r#"{"first3":[["0x0","0xffffffffffffffff"],["0x1","0xffffffffffffffff"],["0x2","0xffffffffffffffff"]],"#,
                r#""last3":[["0x12a","0xffffffffffffffff"],["0x12b","0xffffffffffffffff"],["0x12c","0xffffffffffffffff"]],"#,
                r#""wrapping_sums":["0xb05e","0xfffffffffffffed3"]}"#
            )
        );
        assert!(listed(list.get(..300).unwrap()).contains_key("cmds"));
    }

    #[test]
    fn leaf_sizes_are_blocks_or_contiguous_runs() {
        let level = |granule, bytes| leaf_level(granule, bytes).ok();
        assert_eq!(level(Granule::Size4K, 1 << 12), Some(Level::THREE));
        assert_eq!(level(Granule::Size4K, 1 << 16), Some(Level::THREE));
        assert_eq!(level(Granule::Size4K, 1 << 25), Some(Level::TWO));
        assert_eq!(level(Granule::Size16K, 1 << 36), Some(Level::ONE));
        assert_eq!(level(Granule::Size64K, 1 << 42), Some(Level::ONE));
        assert_eq!(level(Granule::Size64K, 1 << 12), None);
        assert_eq!(level(Granule::Size4K, 0), None);
    }
}
