//! Page tables: what a table is must be equal, and so must what it translates, where the recorded driver is right.

use super::pgtable_oracle::{NO_GROUPS, Oracle, hex};
use super::records::number;
use super::{Verdict, better, equal};
use serde_json::Value;

/// A stage 2 that is larger than its output: whoever recorded this makes such tables. A mapping without access.
pub(crate) fn broken_rule(kind: &str, record: &Value) -> Option<&'static str> {
    if kind == "pgtable_prot" {
        return (record["rejected_by_map"] == true).then_some("a mapping allows reads or writes");
    }
    if record["result"]["ok"] != true {
        return None;
    }
    let result = &record["result"];
    let stage2 = record["cfg"]["fmt"] == "S2"
        || record["cfg"]["features"].as_array().is_some_and(|names| names.iter().any(|name| name == "S2"));
    let wide = stage2 && number(&result["ias"]) > number(&result["oas"]);
    wide.then_some("a stage-2 input is no larger than the output (IHI 0070 5.2 S2T0SZ)")
}

/// Whether both refuse.
pub(crate) fn both_refuse(record: &Value, answer: &Value) -> bool {
    record["result"]["ok"] == false && answer["result"]["ok"] == false
}

/// Every key of the result is as recorded.
pub(crate) fn cfg(record: &Value, answer: &Value) -> Verdict {
    let result = answer["result"].as_object().ok_or("no result")?;
    for (key, value) in result {
        if record["result"].get(key) != Some(value) {
            return Err(format!("result.{key} is not as recorded"));
        }
    }
    let (found, mut expected) = (result.len(), 9);
    if record["result"]["ok"] == false {
        expected = 1;
    }
    if found != expected {
        return Err(format!("{found} keys in the result, not {expected}"));
    }
    equal()
}

/// Every key of the result is as recorded, but for rows whose start level the recorder doubts.
pub(crate) fn extended_cfg(record: &Value, answer: &Value) -> Verdict {
    let (mut recorded, result) = (record["result"].clone(), &answer["result"]);
    if result["ok"] == false {
        return if recorded["ok"] == false { equal() } else { Err("refused".to_owned()) };
    }
    let sizes = number(&recorded["pgsizes"]);
    recorded["pgsizes"] = hex(sizes & !NO_GROUPS);
    let doubted = recorded["s2_level_illegal_by_table"] == 1;
    recorded["s2_level_illegal_by_table"] = 0.into();
    if recorded != *result {
        return Err(format!("{result}, not {recorded}"));
    }
    if sizes & NO_GROUPS != 0 {
        return better("Contiguous is RES0 in 512G blocks and in 4T blocks (D8.7.1)");
    }
    if doubted {
        // 16K pages, 41 bits: 32 entries at level 1 cannot be concatenated below it, and level 1 is there with 42 output bits
        let [ias, oas] = ["ias", "oas"].map(|key| number(&recorded[key]));
        let legal = record["cfg"]["granule"] == 16384 && (ias == 41 && oas >= 42 || ias == 52 && oas == 52);
        return if legal {
            better("a start level that the manual permits")
        } else {
            Err("start level".to_owned())
        };
    }
    equal()
}

/// Attribute bits are equal but for a stage-2 execute-never, which is the stricter 0b10 here.
pub(crate) fn prot(record: &Value, answer: &Value) -> Verdict {
    let mask = if record["fmt"] == "S2" { !(3 << 53) } else { !0 };
    if number(&record["bits"]) & mask != number(&answer["bits"]) & mask {
        return Err("bits".to_owned());
    }
    if record["bits"] == answer["bits"] {
        equal()
    } else {
        better("XN = 0b10 forbids with and without IDR3.XNX")
    }
}

/// Every result and every leaf must be the oracle's; then, where the recorded driver did otherwise, the first operation says
/// why.
pub(crate) fn session(record: &Value, answer: &Value) -> Verdict {
    let mut oracle = Oracle::new(record);
    let (ops, results) =
        (record["ops"].as_array().unwrap(), answer["results"].as_array().ok_or("no results")?);
    if ops.len() != results.len() {
        return Err("one result for each operation".to_owned());
    }
    let mut difference = None;
    for (index, (op, result)) in ops.iter().zip(results).enumerate() {
        let expected = oracle.run(op);
        let mut named = result.clone();
        if named.get("ret").is_some_and(|ret| ret != "OK") {
            named["ret"] = expected["ret"].clone();
            if expected["ret"] == "OK" {
                return Err(format!("operation {index} is refused: {op}"));
            }
        }
        if named != expected {
            return Err(format!("operation {index}, {op}: {result}, not {expected}"));
        }
        let recorded = |(key, value): (&String, &Value)| {
            let nothing = key == "dirty" && *value == Value::Array(Vec::new());
            op.get(key) == Some(value) || op.get(key).is_none() && nothing
        };
        if difference.is_none() && !result.as_object().unwrap().iter().all(recorded) {
            difference =
                Some(reason(record, op, result).ok_or(format!("operation {index}, {op}: {result}"))?);
        }
    }
    let leaves = answer["leaves"].as_array().ok_or("no leaves")?.clone();
    if grouped(leaves) != grouped(oracle.leaves()) {
        return Err("the leaves are not those of the oracle".to_owned());
    }
    if let Some(difference) = difference {
        return better(difference);
    }
    if record["cfg"].get("features").is_some() {
        return equal();
    }
    if oracle.lenient(oracle.leaves()) != oracle.recorded(record) {
        return Err("the leaves are not those that were recorded".to_owned());
    }
    equal()
}

/// The same for the records with contiguous groups.
fn extended_reason(op: &Value, result: &Value) -> Option<&'static str> {
    let refused = |value: &Value| value["ret"] == "EADDRINUSE";
    match op["op"].as_str().unwrap() {
        "map" if refused(op) && refused(result) => Some("a range is mapped entirely or not at all"),
        "unmap" if number(&op["unmapped"]) > number(&op["size"]) => {
            Some("nothing is unmapped but what was asked for")
        }
        "read_and_clear_dirty" if op["ret"] == "OK" && result["ret"] == "OK" => {
            Some("dirty: equal leaves that follow each other are one run of any length")
        }
        _ => None,
    }
}

/// Leaves without the dirty state of contiguous ones, which hardware keeps in any member of a group (D8.5.5).
fn grouped(mut leaves: Vec<Value>) -> Vec<Value> {
    for leaf in &mut leaves {
        let word = number(&leaf[2]);
        if word >> 51 & 3 == 3 {
            leaf[2] = hex(word & !(1 << 7));
        }
    }
    leaves
}

/// Why an operation has another result than was recorded, if it may.
fn reason(record: &Value, op: &Value, result: &Value) -> Option<&'static str> {
    if record["cfg"].get("features").is_some() {
        return extended_reason(op, result);
    }
    let tables_dropped = op["tlb"].as_array().is_some_and(|tlb| tlb.iter().any(|call| call[0] == "free"));
    let (iova, ret) = (number(&op["iova"]), |value: &Value| value["ret"] == "OK");
    let unaligned = |size: u64| iova % size != 0 || op.get("paddr").is_some_and(|pa| number(pa) % size != 0);
    match op["op"].as_str().unwrap() {
        "map" | "iommu_map" if result["ret"] == "EEXIST" && tables_dropped => {
            Some("a block never replaces a live table")
        }
        "map" if ret(op) && unaligned(number(&op["pgsize"])) => Some("misaligned requests are errors"),
        "map" if ret(op) && result["ret"] == "ERANGE" => Some("outputs beyond the output size are errors"),
        "unmap" if unaligned(number(&op["pgsize"])) => Some("misaligned requests are errors"),
        "unmap" if tables_dropped && number(&result["unmapped"]) < number(&op["unmapped"]) => {
            Some("a table without leaves is a hole")
        }
        "iova_to_phys" if result["paddr"] == "0x0" => {
            let upper = record["cfg"]["quirks"].as_array()?.iter().any(|quirk| quirk == "ARM_TTBR1");
            let bits = number(&record["result"]["ias"]);
            let inside = if upper { !iova >> bits == 0 } else { iova >> bits == 0 };
            (!inside).then_some("addresses that the table does not translate have no translation")
        }
        "iova_to_phys" => {
            // A refused map had dropped a table before it was refused.
            let dropped = |op: &Value| op["ret"] == "EEXIST" && op["tlb"].is_array();
            record["ops"].as_array()?.iter().any(dropped).then_some("a block never replaces a live table")
        }
        "read_and_clear_dirty" if result["ret"] == "OK" && op["ret"] == "EINVAL" => {
            Some("dirty: holes are skipped, upper halves tracked")
        }
        "read_and_clear_dirty" if ret(op) && ret(result) => Some("dirty: leaves are reported whole"),
        _ => None,
    }
}
