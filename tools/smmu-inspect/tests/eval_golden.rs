//! `eval` on reference vectors: on the extracts in `tests/vectors`, and on all of them where they are to be found.
//!
//! What a driver recorded is compared as the contract says: most kinds must be equal; range plans and updates are judged by
//! checkers of their own, which know the architecture and not the crates. An error is right exactly where an independent rule
//! says that the input is architecturally wrong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "eval_golden/hitless.rs"]
mod hitless;
#[path = "eval_golden/invs.rs"]
mod invs;
#[path = "eval_golden/lawful.rs"]
mod lawful;
#[path = "eval_golden/pgtable.rs"]
mod pgtable;
#[path = "eval_golden/pgtable_oracle.rs"]
mod pgtable_oracle;
#[path = "eval_golden/records.rs"]
mod records;
#[path = "eval_golden/reset.rs"]
mod reset;
#[path = "eval_golden/tables.rs"]
mod tables;
#[path = "eval_golden/tlbi.rs"]
mod tlbi;
#[path = "eval_golden/used.rs"]
mod used;

use records::{Case, number, words};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The kinds that are compared.
const KINDS: &[&str] = &[
    "commands",
    "atc_range",
    "tlbi_range",
    "ste",
    "cd",
    "hitless",
    "events",
    "queue",
    "reset",
    "cmdq_issue",
    "cmdq_err",
    "idr_probe",
    "nested",
    "invs",
    "tables",
    "pgtable_cfg",
    "pgtable_prot",
    "pgtable_pack",
    "pgtable_range",
    "pgtable_maps",
    "pgtable_errors",
    "pgtable_dirty",
    "pgtable_ext_cfg",
    "pgtable_ext_maps",
];

/// How an answer stands to what was recorded: equal, or better in the way that is named; an error is a failure.
type Verdict = Result<Option<&'static str>, String>;

fn equal() -> Verdict {
    Ok(None)
}

fn better(how: &'static str) -> Verdict {
    Ok(Some(how))
}

/// Counts of one kind.
#[derive(Default)]
struct Count {
    records: usize,
    equal: usize,
    better: BTreeMap<&'static str, usize>,
    errors: BTreeMap<&'static str, usize>,
    skipped: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Count {
    fn add(&mut self, kind: &str, case: &Case) {
        self.records += 1;
        let Case { record, answer } = case;
        if let Some(why) = answer.get("skip") {
            *self.skipped.entry(why.to_string()).or_default() += 1;
            return;
        }
        // What the recorded driver refuses too is compared, not excused.
        let agreed = record.get("ret").is_some_and(|ret| *ret != 0) || pgtable::both_refuse(record, answer);
        let rule = lawful::broken_rule(kind, record).filter(|_| !agreed);
        if answer.get("error").is_none() {
            let found: Vec<_> = answer.as_object().unwrap().keys().collect();
            assert_eq!(found, keys(kind, record, answer), "{record}");
        }
        let verdict = match (refused(kind, record, answer), rule) {
            (true, Some(rule)) => {
                *self.errors.entry(rule).or_default() += 1;
                return;
            }
            (true, None) => Err("an error, and no rule against the input".to_owned()),
            // Without addresses in the answer, none of them can be wrong.
            (false, Some(rule)) if answer.get("full").is_none_or(|full| full == false) => {
                Err(format!("no error although the input is wrong: {rule}"))
            }
            (false, _) => judge(kind, record, answer),
        };
        match verdict {
            Ok(None) => self.equal += 1,
            Ok(Some(how)) => *self.better.entry(how).or_default() += 1,
            Err(why) => self.failures.push(format!("{kind}: {why}\n  record {record}\n  answer {answer}")),
        }
    }

    fn print(&self, kind: &str) {
        let sum = |map: &BTreeMap<&str, usize>| map.values().sum::<usize>();
        println!(
            "{kind:12} {:7} {:7} {:7} {:7} {:7} {:8}",
            self.records,
            self.equal,
            sum(&self.better),
            sum(&self.errors),
            self.skipped.values().sum::<usize>(),
            self.failures.len()
        );
    }

    fn explain(&self, kind: &str) {
        for (title, map) in [("better", &self.better), ("error", &self.errors)] {
            for (why, count) in map {
                println!("{kind:12} {count:7} {title}: {why}");
            }
        }
        for (why, count) in &self.skipped {
            println!("{kind:12} {count:7} skipped: {why}");
        }
    }
}

/// Whether the answer is a refusal that the recorded one is not.
fn refused(kind: &str, record: &Value, answer: &Value) -> bool {
    match kind {
        "nested" => answer["ret"] != 0 && record["ret"] == 0,
        "pgtable_cfg" | "pgtable_ext_cfg" => {
            answer["result"]["ok"] == false && record["result"]["ok"] == true
        }
        _ => answer.get("error").is_some(),
    }
}

fn judge(kind: &str, record: &Value, answer: &Value) -> Verdict {
    match (kind, record.get("maker").and_then(Value::as_str)) {
        ("tlbi_range", _) => tlbi::judge(record, answer),
        ("hitless", _) => hitless::judge(record, answer),
        ("ste", Some("used")) => mask(record, answer, "used", &used::ste(&words(&record["in"]["ste"]))),
        ("cd", Some("used")) => mask(record, answer, "used", &used::cd(&words(&record["in"]["cd"]))),
        ("ste", Some("update_safe")) => {
            let free = used::ste_free(&words(&record["in"]["cur"]), &words(&record["in"]["target"]));
            mask(record, answer, "safe", &free)
        }
        ("idr_probe", _) => idr_probe(record, answer),
        ("nested", _) if record["kind"] == "user_batch" && record["ret"] != 0 => batch(record, answer),
        ("invs", _) => invs::judge(record, answer),
        ("reset", _) => reset::judge(record, answer),
        ("tables", _) if record["kind"] == "strtab" => tables::stream_table(record, answer),
        ("cmdq_issue", _) => cmdq_issue(record, answer),
        ("pgtable_cfg", _) => pgtable::cfg(record, answer),
        ("pgtable_prot", _) => pgtable::prot(record, answer),
        ("pgtable_ext_cfg", _) => pgtable::extended_cfg(record, answer),
        ("pgtable_range" | "pgtable_maps" | "pgtable_errors" | "pgtable_dirty" | "pgtable_ext_maps", _) => {
            pgtable::session(record, answer)
        }
        _ => every_key(record, answer),
    }
}

/// Every key of the answer is as recorded.
fn every_key(record: &Value, answer: &Value) -> Verdict {
    for (key, value) in answer.as_object().unwrap() {
        if record.get(key) != Some(value) {
            return Err(format!("{key} is not as recorded"));
        }
    }
    equal()
}

/// Equal, but for where a `CMD_SYNC` has its answer written: to a word of its own behind the ring, one for each entry, and with
/// the number of the command as its data, where the driver has it written over the entry itself (4.7.3 does not promise that
/// the write comes before CONS moves, and the entry may be in use again).
fn cmdq_issue(record: &Value, answer: &Value) -> Verdict {
    let entries = 1_u64 << record["in"]["log2_size"].as_u64().unwrap();
    let (ours, theirs) = (answer["after"].as_array().unwrap(), record["after"].as_array().unwrap());
    let issues = record["in"]["issues"].as_array().unwrap();
    if ours.len() != theirs.len() {
        return Err("not as many lists".to_owned());
    }
    let (mut commands, mut moved) = (0, false);
    for ((ours, theirs), issue) in ours.iter().zip(theirs).zip(issues) {
        let mut expected = theirs.clone();
        commands += issue[0].as_u64().unwrap() + u64::from(issue[1] == true);
        if record["in"]["msipoll"] == true && issue[1] == true {
            let last = commands - 1;
            let low = u64::from_str_radix(&theirs["sync"][0].as_str().unwrap()[2..], 16).unwrap();
            assert_eq!(theirs["sync"][1], format!("{:#x}", last % entries * 16), "the driver's own entry");
            let low = low | last << 32;
            let high = entries * 16 + last % entries * 8;
            expected["sync"] = serde_json::json!([format!("{low:#x}"), format!("{high:#x}")]);
            moved = true;
        }
        if *ours != expected {
            return Err(format!("{ours} instead of {expected}"));
        }
    }
    if moved { better("a CMD_SYNC is answered in a word of its own, not over its entry") } else { equal() }
}

/// A mask must be what the architecture's list gives; the recorded one is a driver's own, coarser list.
fn mask(record: &Value, answer: &Value, key: &str, expected: &[u64; 8]) -> Verdict {
    if words(&answer[key]) != *expected {
        return Err(format!("{key} is not {expected:x?}"));
    }
    if answer[key] == record[key] {
        equal()
    } else {
        better("as used_bits.toml has it; the driver's list is coarser")
    }
}

/// Equal, but for the 4 TiB block that only the 64K granule has. Any refusal is a refusal.
fn idr_probe(record: &Value, answer: &Value) -> Verdict {
    const BLOCK_4T: u64 = 1 << 42;
    if answer["ret"] != 0 || record["ret"] != 0 {
        let both = answer["ret"] != 0 && record["ret"] != 0;
        return if both { equal() } else { Err("ret".to_owned()) };
    }
    let (ours, recorded) = (number(&answer["pgsize_bitmap"]), number(&record["pgsize_bitmap"]));
    let gran64k = number(&record["in"]["idr5"]) >> 6 & 1 == 1;
    if ours == recorded || gran64k {
        return every_key(record, answer);
    }
    let (mut ours_without, mut recorded_without) = (answer.clone(), record.clone());
    ours_without["pgsize_bitmap"] = Value::Null;
    recorded_without["pgsize_bitmap"] = Value::Null;
    every_key(&recorded_without, &ours_without)?;
    if ours == recorded & !BLOCK_4T {
        better("no 4 TiB block without the 64K granule (DDI 0487 D8.2)")
    } else {
        Err("pgsize_bitmap".to_owned())
    }
}

/// A batch that ends at a bad command: handled as far as recorded, and what is handled is issued and synced, which the recorded
/// driver's is not.
fn batch(record: &Value, answer: &Value) -> Verdict {
    let handled = &record["entry_num"];
    if answer["ret"] != record["ret"] || answer["entry_num"] != *handled {
        return Err("ret or entry_num".to_owned());
    }
    let last = answer["sync_after"].as_array().unwrap().last().cloned().unwrap_or(0.into());
    if answer["issued"] != *handled || last != *handled {
        return Err("commands that are handled are not issued, or not synced".to_owned());
    }
    if answer["issued"] == record["issued"] { equal() } else { better("what is handled is issued too") }
}

/// The keys of an answer with outputs, in the contract's order.
fn keys(kind: &str, record: &Value, answer: &Value) -> &'static [&'static str] {
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    match (kind, text("maker").or(text("kind"))) {
        ("commands", _) => &["dw"],
        ("atc_range", _) => &["addr", "span_log2", "dw"],
        ("tlbi_range", _) => &["full", "count", "cmds"],
        ("ste" | "cd", Some("used")) => &["used"],
        ("ste", Some("update_safe")) => &["safe"],
        ("ste", _) => &["ste"],
        ("cd", _) => &["cd"],
        ("hitless", _) => &["hitless", "syncs", "writes", "steps"],
        ("events", Some("event")) => &["out"],
        ("events", Some("pri")) => &["out", "response"],
        ("events", _) => &["cmds"],
        ("queue", _) => &[
            "has_space",
            "full",
            "empty",
            "consumed_prod2",
            "inc_prod_n",
            "inc_cons",
            "cons_after_ovf_sync",
            "ovf_sync_wrote",
            "prod_in_ret",
        ],
        ("reset", _) => &["ret", "bases", "l1_entries", "mmio_writes", "cmds"],
        ("cmdq_issue", _) => &["after"],
        ("cmdq_err", _) => &["rewritten", "cmd_after", "others_untouched"],
        ("idr_probe", _) if answer["ret"] != 0 => &["ret"],
        ("invs", Some("script")) => &["after"],
        ("invs", Some("build")) => &["inv"],
        ("invs", _) => &["count", "cmds", "sync_after"],
        ("idr_probe", _) => &[
            "ret",
            "feature_names",
            "option_names",
            "oas",
            "pgsize_bitmap",
            "asid_bits",
            "vmid_bits",
            "ssid_bits",
            "sid_bits",
            "cmdq_shift",
            "evtq_shift",
            "priq_shift",
            "max_stalls",
        ],
        ("tables", Some("cdtab")) => &["ret", "s1fmt", "s1cdmax", "top_entries", "top_bytes", "leaf_entries"],
        ("tables", Some("strtab")) => {
            &["ret", "strtab_base_cfg", "strtab_base_flags", "top_entries", "top_bytes", "sid_in_range"]
        }
        ("tables", Some("l1_stream_desc")) => &["desc"],
        ("tables", Some("l1_cd_desc")) => &["desc", "readback"],
        ("tables", Some("index")) => &["stream", "cd"],
        ("nested", Some("user_batch")) => &["ret", "entry_num", "sync_after", "issued"],
        ("nested", _) if answer["ret"] != 0 => &["ret"],
        ("nested", Some("user_cmd")) => &["ret", "out"],
        ("pgtable_cfg" | "pgtable_ext_cfg", _) => &["result"],
        ("pgtable_prot", _) => &["bits"],
        ("pgtable_pack", _) => &["desc_addr_bits", "unpacked"],
        ("pgtable_range" | "pgtable_maps" | "pgtable_errors" | "pgtable_dirty" | "pgtable_ext_maps", _) => {
            &["results", "leaves"]
        }
        ("nested", Some("vste")) => &["ret", "enable_ats", "physical_ste_ats0", "physical_ste_ats1"],
        other => panic!("{other:?}"),
    }
}

/// Compares the files of `kinds` in `directory`, with `extra` added to each record (to its inputs where it has some), prints
/// the table, and fails with all differences.
fn compare(directory: &Path, kinds: &[&'static str], extra: Option<(&str, Value)>) {
    let mut counts = Vec::new();
    for kind in kinds {
        let path = directory.join(format!("{kind}.jsonl"));
        let Ok(mut text) = fs::read_to_string(&path) else {
            println!("no {}", path.display());
            continue;
        };
        if let Some((key, value)) = &extra {
            text = text.lines().map(|line| with(line, key, value) + "\n").collect();
        }
        let mut count = Count::default();
        for case in records::cases(&path.display().to_string(), &text) {
            count.add(kind, &case);
        }
        assert_ne!(count.records, 0, "{} is empty", path.display());
        counts.push((kind, count));
    }
    println!("kind         records   equal  better   error skipped failures");
    counts.iter().for_each(|(kind, count)| count.print(kind));
    counts.iter().for_each(|(kind, count)| count.explain(kind));
    let failures: Vec<_> = counts.iter().flat_map(|(_, count)| &count.failures).collect();
    for failure in failures.iter().take(40) {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} differences", failures.len());
    assert!(!counts.is_empty(), "no vectors in {}", directory.display());
}

/// A line with `key` set in its record.
fn with(line: &str, key: &str, value: &Value) -> String {
    let mut record: Value = serde_json::from_str(line).unwrap();
    if record.get("_meta").is_none() {
        let inputs = if record.get("in").is_some() { &mut record["in"] } else { &mut record };
        inputs[key] = value.clone();
    }
    record.to_string()
}

fn extracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Where all vectors are, if they are there.
fn all() -> Option<PathBuf> {
    let given = std::env::var_os("SMMU_VECTORS").map(PathBuf::from);
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let directory = given.unwrap_or_else(usual);
    if directory.is_dir() {
        return Some(directory);
    }
    println!("skipped: no vectors at {}", directory.display());
    eprintln!("skipped: no vectors at {}", directory.display());
    None
}

#[test]
fn extracts_of_our_own() {
    for kind in KINDS {
        assert!(extracts().join(format!("{kind}.jsonl")).exists(), "{kind}");
    }
    compare(&extracts(), KINDS, None);
}

#[test]
fn all_reference_vectors() {
    if let Some(directory) = all() {
        compare(&directory, KINDS, None);
    }
}

/// Another kernel on another judge: the registers hold the same in the end, in a lawful order.
#[test]
fn bring_up_as_traced_on_qemu() {
    let case = records::cases("reset", &reset::traced().to_string()).remove(0);
    let how = reset::judge(&case.record, &case.answer).unwrap();
    assert!(how.is_some());
    reset::the_checker_finds_what_is_wrong(&case.record, &case.answer);
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/qemu/linux-6.12-bringup-trace.txt");
    match fs::read_to_string(&path) {
        Ok(text) => reset::check_trace(&text),
        Err(_) => println!("skipped: no trace at {}", path.display()),
    }
}

/// Nobody recorded these: pairs of words in one store. What is hitless with single words is so with pairs.
#[test]
fn updates_by_pairs_of_words() {
    let atom = || Some(("atom", Value::from(128)));
    compare(&extracts(), &["hitless"], atom());
    if let Some(directory) = all() {
        compare(&directory, &["hitless"], atom());
    }
}

/// Nor these: with IDR5.DS there are larger scales and a level-1 hint for 16K pages.
#[test]
fn ranges_with_ds() {
    let ds = || Some(("ds", Value::from(true)));
    compare(&extracts(), &["tlbi_range"], ds());
    if let Some(directory) = all() {
        compare(&directory, &["tlbi_range"], ds());
    }
}

/// The checkers are no rubber stamps: what was recorded passes them but where it is known to be wrong, and broken answers do not.
#[test]
fn the_checkers_find_what_is_wrong() {
    let records = |kind: &str| {
        let text = fs::read_to_string(extracts().join(format!("{kind}.jsonl"))).unwrap();
        let lines = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<Value>>()
    };
    let marked = |record: &Value, key: &str| record.get(key).is_some();
    for record in records("tlbi_range").iter().filter(|record| marked(record, "cmds")) {
        let verdict = tlbi::judge(record, record);
        let input = &record["in"];
        let bytes = number(&input["granule"]);
        // Without ranges, one command for each run of contiguous entries, or of unknown ones, is not enough.
        let coarse = input["range_inv"] == false && record["full"] == false && {
            let (page, levels) = (number(&input["tg"]), u64::from(bytes.trailing_zeros()));
            input["leaf"] == false && levels != page || (levels - page) % (page - 3) != 0
        };
        // A level that was computed from a truncated granule; none at all is no harm.
        let wrong_hint = marked(record, "granule_truncated") && number(&record["cmds"][0][1]) >> 8 & 3 != 0;
        let wrong = coarse || marked(record, "scale_truncated") || wrong_hint;
        assert_eq!(verdict.is_err(), wrong, "{verdict:?}\n{record}");
        let mut broken = record.clone();
        broken["cmds"][0][0] = format!("{:#x}", number(&record["cmds"][0][0]) ^ 1 << 33 ^ 1 << 49).into();
        assert!(tlbi::judge(record, &broken).is_err(), "{broken}");
    }
    for record in &records("invs") {
        invs::the_checker_finds_what_is_wrong(record);
    }
    for record in &records("hitless") {
        assert!(hitless::judge(record, record).is_ok(), "{record}");
        if record["hitless"] == false && words(&record["target"])[0] & 1 == 1 && record["kind"] == "ste" {
            let mut broken = record.clone();
            let changed = |word: &usize| words(&record["cur"])[*word] != words(&record["target"])[*word];
            broken["hitless"] = true.into();
            broken["syncs"] = 1.into();
            broken["steps"] = vec![record["target"].clone()].into();
            broken["writes"] = vec![(0..8).filter(changed).collect::<Vec<usize>>()].into();
            assert!(hitless::judge(record, &broken).is_err(), "{broken}");
        }
    }
}
