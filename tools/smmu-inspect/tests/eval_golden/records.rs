//! Records and numbers, as the vectors write them.

use serde_json::Value;
use smmu_inspect::eval;

/// One record with what `eval` made of it.
pub(crate) struct Case {
    /// The record, recorded outputs and all.
    pub(crate) record: Value,
    /// Its answer.
    pub(crate) answer: Value,
}

/// Evaluates `text` and pairs records with answers.
pub(crate) fn cases(name: &str, text: &str) -> Vec<Case> {
    let mut out = Vec::new();
    let summary = eval::run(&mut text.as_bytes(), name, None, &mut out).unwrap();
    let answers: Vec<Value> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|record: &Value| record.get("_meta").is_none())
        .collect();
    assert_eq!(records.len(), answers.len(), "{name}: one answer for each record");
    assert_eq!(summary.records, records.len() as u64);
    assert_eq!(summary.records, summary.answered + summary.errors + summary.skipped);
    records.into_iter().zip(answers).map(|(record, answer)| Case { record, answer }).collect()
}

/// A number: decimal, or hexadecimal in a string.
pub(crate) fn number(value: &Value) -> u64 {
    match value {
        Value::String(text) => u64::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap(),
        other => other.as_u64().unwrap_or_else(|| panic!("{other} is no number")),
    }
}

/// Eight words.
pub(crate) fn words(value: &Value) -> [u64; 8] {
    let words: Vec<u64> = value.as_array().unwrap().iter().map(number).collect();
    words.try_into().unwrap()
}

/// Bits `msb..=lsb` of `word`.
pub(crate) fn bits(word: u64, msb: u32, lsb: u32) -> u64 {
    word >> lsb & mask(msb, lsb) >> lsb
}

/// Bits `msb..=lsb`, set.
pub(crate) fn mask(msb: u32, lsb: u32) -> u64 {
    (u64::MAX >> (63 - (msb - lsb))) << lsb
}
