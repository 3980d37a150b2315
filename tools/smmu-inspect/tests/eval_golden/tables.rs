//! A stream table's shape: as recorded, or one that covers StreamIDs which the recorded one leaves out.

use super::records::{bits, number};
use super::{Verdict, better, equal, every_key};
use serde_json::Value;

/// Compares a stream table's shape; one that covers more is judged by 6.3.25 alone.
pub(crate) fn stream_table(record: &Value, answer: &Value) -> Verdict {
    if every_key(record, answer).is_ok() {
        return equal();
    }
    let wanted = number(&record["in"]["sid_bits"]);
    let recorded = bits(number(&record["strtab_base_cfg"]), 5, 0);
    if recorded >= wanted {
        return Err("another shape although the recorded one covers all StreamIDs".to_owned());
    }
    let config = number(&answer["strtab_base_cfg"]);
    let (log2, split, two_level) = (bits(config, 5, 0), bits(config, 10, 6), bits(config, 17, 16) == 1);
    if !two_level || log2 != wanted || ![6, 8, 10].contains(&split) || config >> 18 != 0 {
        return Err(format!("STRTAB_BASE_CFG {config:#x} is no two-level table of {wanted} bits"));
    }
    let entries = 1 << (wanted - split);
    if number(&answer["top_entries"]) != entries || number(&answer["top_bytes"]) != 8 * entries {
        return Err("the level-1 table has another size".to_owned());
    }
    for pair in answer["sid_in_range"].as_array().unwrap() {
        if pair[1] != (number(&pair[0]) >> wanted == 0) {
            return Err(format!("{pair}: not what {wanted} bits cover"));
        }
    }
    if answer["ret"] != 0 || answer["strtab_base_flags"] != record["strtab_base_flags"] {
        return Err("ret or strtab_base_flags".to_owned());
    }
    better("every StreamID has a place")
}
