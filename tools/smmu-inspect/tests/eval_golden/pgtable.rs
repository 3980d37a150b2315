//! Page tables: what a table is must be equal.

use super::records::number;
use super::{Verdict, equal};
use serde_json::Value;

/// A stage 2 that is larger than its output: whoever recorded this makes such tables.
pub(crate) fn broken_rule(record: &Value) -> Option<&'static str> {
    let result = &record["result"];
    let wide = record["cfg"]["fmt"] == "S2" && number(&result["ias"]) > number(&result["oas"]);
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
