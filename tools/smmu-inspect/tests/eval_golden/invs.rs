//! An independent reader of what one unmap sends to several SMMUs: whether everybody in the array is told and nobody else, in
//! the order that IHI 0070 4.4.3.1 and 4.5.1 ask for, and with no more commands than were recorded. Each TLB entry's commands
//! are then judged as those of a `tlbi_range` record.

use super::records::{bits, number};
use super::{Verdict, better, equal, tlbi};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const NH_ALL: u64 = 0x10;
const S12_VMALL: u64 = 0x28;
const ATC_INV: u64 = 0x40;
const SYNC: u64 = 0x46;

/// Judges the answer to one record.
pub(crate) fn judge(record: &Value, answer: &Value) -> Verdict {
    match record["kind"].as_str().unwrap() {
        "script" => script(record, answer),
        "build" if record["inv"] == answer["inv"] => equal(),
        "build" => Err("inv is not as recorded".to_owned()),
        "domain_inv_range" => domain(record, answer),
        other => panic!("{other}"),
    }
}

fn in_use(entries: &Value) -> Vec<&Value> {
    entries.as_array().unwrap().iter().filter(|entry| entry[7] != 0).collect()
}

/// The entries in use, in order, with their users; and which arguments lost their last.
fn script(record: &Value, answer: &Value) -> Verdict {
    let (ours, recorded) = (answer["after"].as_array().unwrap(), record["after"].as_array().unwrap());
    if ours.len() != recorded.len() {
        return Err("not one state for each operation".to_owned());
    }
    for (index, (ours, recorded)) in ours.iter().zip(recorded).enumerate() {
        let entries = ours["inv"].as_array().unwrap().iter().collect::<Vec<_>>();
        if entries != in_use(&recorded["inv"]) || ours.get("freed") != recorded.get("freed") {
            return Err(format!("operation {index}"));
        }
    }
    equal()
}

/// A command: SMMU and words.
type Sent = (u64, [u64; 2]);

fn commands(list: &Value) -> Vec<Sent> {
    let one = |row: &Value| (number(&row[0]), [number(&row[1]), number(&row[2])]);
    list.as_array().unwrap().iter().map(one).collect()
}

const fn opcode(words: [u64; 2]) -> u64 {
    words[0] & 0xff
}

/// When a command's turn is.
const fn phase(words: [u64; 2]) -> u8 {
    match opcode(words) {
        ATC_INV => 2,
        NH_ALL => 1,
        _ => 0,
    }
}

fn domain(record: &Value, answer: &Value) -> Verdict {
    let input = &record["in"];
    let ours = commands(&answer["cmds"]);
    let syncs = ours.iter().filter(|(_, words)| opcode(*words) == SYNC).count();
    if number(&answer["count"]) != ours.len() as u64
        || answer["sync_after"].as_array().unwrap().len() != syncs
    {
        return Err("count or sync_after is not that of the list".to_owned());
    }
    if ours.len() as u64 > number(&record["count"]) || syncs > record["sync_after"].as_array().unwrap().len()
    {
        return Err("more commands or CMD_SYNCs than recorded".to_owned());
    }
    let recorded = record.get("cmds").map(commands);
    for (index, smmu) in (0_u64..).zip(input["smmus"].as_array().unwrap()) {
        let of = |list: &[Sent]| -> Vec<[u64; 2]> {
            list.iter().filter(|(smmu, _)| *smmu == index).map(|(_, words)| *words).collect()
        };
        let once = batches(&of(&ours), smmu, input["repeat_tlbi_cfgi"] == true)
            .map_err(|why| format!("SMMU {index}: {why}"))?;
        let recorded = recorded.as_deref().map(of);
        told(index, &once, recorded.as_deref(), smmu, input).map_err(|why| format!("SMMU {index}: {why}"))?;
    }
    let others = |list: &[Sent]| -> Vec<Sent> {
        list.iter().filter(|(_, words)| opcode(*words) != SYNC).copied().collect()
    };
    match recorded {
        Some(recorded) if others(&recorded) == others(&ours) => equal(),
        Some(recorded) if recorded.len() == ours.len() => better("as many commands, by the default policy"),
        _ => better("fewer commands, by the default policy"),
    }
}

/// The commands of one SMMU without their repetitions, if each batch is of one phase, ends in a `CMD_SYNC`, and phases are in
/// order, one batch each where no erratum bounds it.
fn batches(sent: &[[u64; 2]], smmu: &Value, repeat: bool) -> Result<Vec<[u64; 2]>, String> {
    let mut batches: Vec<&[[u64; 2]]> = sent.split(|words| opcode(*words) == SYNC).collect();
    if batches.pop().is_some_and(|rest| !rest.is_empty()) {
        return Err("commands after the last CMD_SYNC".to_owned());
    }
    let (mut once, mut last, mut left) = (Vec::new(), None, batches.as_slice());
    while let Some((batch, mut rest)) = left.split_first() {
        let phases: BTreeSet<u8> = batch.iter().map(|words| phase(*words)).collect();
        let Some(this) = phases.first().copied().filter(|_| phases.len() == 1) else {
            return Err("a batch without commands, or of several phases".to_owned());
        };
        let bounded = smmu["force_sync"] == true || repeat;
        if last.is_some_and(|last| last > this || last == this && !bounded) {
            return Err("phases out of order, or in two batches".to_owned());
        }
        if bounded && batch.len() > 63 {
            return Err("a batch that the erratum forbids".to_owned());
        }
        if repeat && this != 2 {
            let Some((again, behind)) = rest.split_first().filter(|(again, _)| *again == batch) else {
                return Err("an invalidation that is not repeated".to_owned());
            };
            let _ = again;
            rest = behind;
        }
        once.extend_from_slice(batch);
        (last, left) = (Some(this), rest);
    }
    Ok(once)
}

/// Whose caches a command is about: type of entry, id, SubstreamID.
type Who = (&'static str, u64, u64);

fn whose(words: [u64; 2]) -> Result<Who, String> {
    let [low, high] = words;
    let (vmid, asid) = (bits(low, 47, 32), bits(low, 63, 48));
    Ok(match opcode(words) {
        0x11 | 0x12 if vmid == 0 => ("TLBI_NH_VA", asid, 0),
        0x21 | 0x22 if vmid == 0 => ("TLBI_EL2_VA", asid, 0),
        0x2a | S12_VMALL => ("TLBI_S2_IPA", vmid, 0),
        NH_ALL if low == NH_ALL | vmid << 32 && high == 0 => ("clear", vmid, 0),
        ATC_INV if low >> 11 & 1 == 1 => ("atc", low >> 32, bits(low, 31, 12)),
        ATC_INV if bits(low, 31, 8) == 0 => ("atc", low >> 32, 0),
        _ => return Err(format!("{words:#x?}")),
    })
}

fn by_target(sent: &[[u64; 2]]) -> Result<BTreeMap<Who, Vec<[u64; 2]>>, String> {
    let mut map: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for words in sent.iter().filter(|words| opcode(**words) != SYNC) {
        map.entry(whose(*words)?).or_default().push(*words);
    }
    Ok(map)
}

/// The smallest span of 4 KiB pages, a power of two and aligned, that holds the range.
fn span(start: u64, size: u64) -> u64 {
    let last = start + (size - 1);
    let log2 = (0..=52).find(|log2| log2 == &52 || start >> (12 + log2) == last >> (12 + log2)).unwrap();
    if log2 == 52 { 52 } else { start >> (12 + log2) << (12 + log2) | log2 }
}

/// Everybody in use is told, and nobody else.
fn told(
    index: u64,
    sent: &[[u64; 2]],
    recorded: Option<&[[u64; 2]]>,
    smmu: &Value,
    input: &Value,
) -> Result<(), String> {
    let mut left = by_target(sent)?;
    let recorded = recorded.map(by_target).transpose()?;
    let (start, size) = (number(&input["iova"]), number(&input["size"]));
    let whole_vmids: BTreeSet<u64> = sent
        .iter()
        .filter(|words| opcode(**words) == S12_VMALL)
        .map(|words| bits(words[0], 47, 32))
        .collect();
    for entry in in_use(&input["inv"]).into_iter().filter(|entry| number(&entry[0]) == index) {
        let (id, pasid) = (number(&entry[2]), number(&entry[3]));
        let who = match (entry[1].as_str().unwrap(), number(&entry[4])) {
            ("S1_ASID", 0x12) => ("TLBI_NH_VA", id, 0),
            ("S1_ASID", _) => ("TLBI_EL2_VA", id, 0),
            ("S2_VMID", _) => ("TLBI_S2_IPA", id, 0),
            ("S2_VMID_S1_CLEAR", _) => ("clear", id, 0),
            ("ATS", _) => ("atc", id, pasid),
            _ => ("atc", id, 0),
        };
        let found = left.remove(&who);
        match (who.0, found) {
            ("clear", None) if whole_vmids.contains(&id) => {}
            (_, None) => return Err(format!("{who:?} is not told")),
            ("clear", Some(found)) => only(&found, None)?,
            ("atc", Some(found)) if entry[1] == "ATS_FULL" || matches!(size, 0 | u64::MAX) => {
                only(&found, Some(52))?;
            }
            ("atc", Some(found)) => only(&found, Some(span(start, size)))?,
            (_, Some(found)) => {
                let recorded = recorded.as_ref().and_then(|map| map.get(&who));
                tlb(who, &found, recorded.map(Vec::as_slice), smmu, input)?;
            }
        }
    }
    if left.is_empty() { Ok(()) } else { Err(format!("{:?} is told for nothing", left.keys())) }
}

/// One command, with this second word.
fn only(found: &[[u64; 2]], high: Option<u64>) -> Result<(), String> {
    match (found, high) {
        ([_], None) => Ok(()),
        ([[_, found]], Some(high)) if *found == high => Ok(()),
        _ => Err(format!("{found:#x?}, second word expected: {high:#x?}")),
    }
}

/// The commands for one tag, as the answer to a `tlbi_range` record.
fn tlb(
    who: Who,
    found: &[[u64; 2]],
    recorded: Option<&[[u64; 2]]>,
    smmu: &Value,
    input: &Value,
) -> Result<(), String> {
    let (op, id, _) = who;
    let is_whole =
        |list: &[[u64; 2]]| matches!(list, [one] if matches!(opcode(*one), 0x11 | 0x21 | S12_VMALL));
    let printed = |list: &[[u64; 2]]| -> Value {
        list.iter().map(|[low, high]| json!([format!("{low:#x}"), format!("{high:#x}")])).collect()
    };
    let mut range = input.clone();
    range["op"] = op.into();
    range[if op == "TLBI_S2_IPA" { "vmid" } else { "asid" }] = id.into();
    range["tg"] = page_log2(input).into();
    range["range_inv"] = smmu["range_inv"].clone();
    // What was recorded at length is not there; then it was 16 commands and more.
    let count = recorded.map_or(16, <[_]>::len);
    let mut record = json!({ "in": range, "full": recorded.is_some_and(is_whole), "count": count });
    if let Some(recorded) = recorded {
        record["cmds"] = printed(recorded);
    }
    let answer = json!({ "full": is_whole(found), "count": found.len(), "cmds": printed(found) });
    tlbi::judge(&record, &answer).map(|_| ())
}

/// The page size: entries of SMMUs with range invalidation have it; else it is that whose leaf `granule` is.
fn page_log2(input: &Value) -> u64 {
    let said = input["inv"].as_array().unwrap().iter().map(|entry| number(&entry[6])).find(|log2| *log2 != 0);
    said.unwrap_or_else(|| match number(&input["granule"]).trailing_zeros() {
        14 | 25 | 36 => 14,
        16 | 29 | 42 => 16,
        _ => 12,
    })
}

/// What was recorded passes, but where it removes too much; without any one of its commands it does not, nor with the
/// first phase last.
pub(crate) fn the_checker_finds_what_is_wrong(record: &Value) {
    let told = |answer: &Value| judge(record, answer);
    match record["kind"].as_str().unwrap() {
        "domain_inv_range" => {
            if let Err(why) = told(record) {
                // A needless page, of few.
                assert!(why.ends_with("bytes more than asked"), "{why}: {record}");
                return;
            }
            let list = record["cmds"].as_array().unwrap();
            for index in 0..list.len() {
                let mut broken = list.clone();
                broken.remove(index);
                assert!(told(&with_commands(record, broken)).is_err(), "without {index}: {record}");
            }
            let mut reversed = list.clone();
            reversed.reverse();
            assert!(list.is_empty() || told(&with_commands(record, reversed)).is_err(), "{record}");
        }
        "build" => {
            let mut broken = record.clone();
            broken["inv"][0][2] = 70_000.into();
            assert!(told(&broken).is_err(), "{broken}");
        }
        _ => {
            let mut broken = record.clone();
            broken["after"].as_array_mut().unwrap().pop();
            assert!(told(&broken).is_err(), "{broken}");
        }
    }
}

fn with_commands(record: &Value, list: Vec<Value>) -> Value {
    let mut answer = record.clone();
    answer["count"] = list.len().into();
    let syncs = list.iter().filter(|row| number(&row[1]) & 0xff == SYNC).count();
    answer["sync_after"] = vec![0; syncs].into();
    answer["cmds"] = list.into();
    answer
}
