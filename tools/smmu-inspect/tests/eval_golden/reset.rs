//! Judges bring-up: the same registers hold the same in the end, and the order is one that the architecture allows and that
//! leaves no window. Every way in which it differs from what was recorded is one of those that are named here.

use super::records::number;
use super::{Verdict, better};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const GBPA: u64 = 0x44;
const CR0: u64 = 0x20;
const IRQ_CTRL: u64 = 0x50;
const CMDQ_PROD: u64 = 0x98;
const PRIQ_IRQ_CFG2: u64 = 0xdc;

/// `CR0` and `IRQ_CTRL` fields.
const SMMUEN: u64 = 1;
const PRIQEN: u64 = 1 << 1;
const EVENTQEN: u64 = 1 << 2;
const CMDQEN: u64 = 1 << 3;
const PRIQ_IRQEN: u64 = 1 << 1;

/// A register write: offset, width in bytes, value with addresses made symbolic.
type Write = (u64, u64, u64);

/// The writes, with what depends on where memory was made the same for all.
fn writes(record: &Value) -> Vec<Write> {
    let base = |name: &str| number(&record["bases"][name]);
    let of = |write: &Value| (number(&write[0]), number(&write[1]), number(&write[2]));
    let list = record["mmio_writes"].as_array().unwrap().iter().map(of);
    list.map(|(offset, width, value)| {
        let place = match offset {
            0x80 => base("strtab"),
            0x90 => base("cmdq"),
            0xa0 => base("evtq"),
            0xc0 => base("priq"),
            _ => 0,
        };
        (offset, width, value.checked_sub(place).unwrap_or_else(|| panic!("{offset:#x} = {value:#x}")))
    })
    .collect()
}

fn opcodes(record: &Value) -> Vec<u64> {
    record["cmds"].as_array().unwrap().iter().map(|words| number(&words[0]) & 0xff).collect()
}

const SYNC: u64 = 0x46;
const CFGI_ALL: u64 = 0x04;

/// The last value of each register.
fn last(writes: &[Write]) -> BTreeMap<u64, (u64, u64)> {
    writes.iter().map(|(offset, width, value)| (*offset, (*width, *value))).collect()
}

/// Judges an answer against what was recorded.
pub(crate) fn judge(record: &Value, answer: &Value) -> Verdict {
    let (ours, recorded) = (writes(answer), writes(record));
    order(&ours, number(&json!(answer["cmds"].as_array().unwrap().len())))?;
    end(record, &ours, &recorded)?;
    commands(record, answer)?;
    if answer["l1_entries"] != record["l1_entries"] || answer["ret"] != record["ret"] {
        return Err("l1_entries or ret".to_owned());
    }
    let pri_without_ats = features(record).contains(&"PRI") && !features(record).contains(&"ATS");
    better(if pri_without_ats {
        "GBPA.ABORT and interrupts off whatever was on; interrupts before queues; no PRI queue without ATS (IDR0.PRI is RES0)"
    } else {
        "GBPA.ABORT and interrupts off whatever was on; interrupts before the queues that they announce"
    })
}

fn features(record: &Value) -> Vec<&str> {
    record["in"]["features"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

/// The order that the architecture asks for, of whoever's writes.
fn order(writes: &[Write], commands: u64) -> Result<(), String> {
    let at = |wanted: &dyn Fn(&Write) -> bool| writes.iter().position(wanted);
    let cr0_with = |bits: u64| at(&|(offset, _, value)| *offset == CR0 && value & bits == bits);
    let need = |found: Option<usize>, what: &str| found.ok_or_else(|| format!("{what} is missing"));
    let off = need(at(&|write| (write.0, write.2) == (CR0, 0)), "CR0 = 0")?;
    let queue_on = need(cr0_with(CMDQEN), "CMDQEN")?;
    let on = need(cr0_with(SMMUEN), "SMMUEN")?;
    // 6.3.14, 3.11: bypassing traffic aborts before anything is switched off, in one write with UPDATE.
    let gbpa = need(at(&|write| write.0 == GBPA), "GBPA")?;
    if gbpa != 0 || writes[0].2 & (1 << 31 | 1 << 20) != 1 << 31 | 1 << 20 {
        return Err("GBPA.ABORT is not the first write".to_owned());
    }
    // 6.3.16: MSI registers only with their source off.
    let irq_off = need(at(&|write| (write.0, write.2) == (IRQ_CTRL, 0)), "IRQ_CTRL = 0")?;
    let irq_on = need(at(&|write| write.0 == IRQ_CTRL && write.2 != 0), "IRQ_CTRL")?;
    for (index, (offset, _, value)) in writes.iter().enumerate() {
        let right = match *offset {
            // CR1, CR2, bases, their pointers: off, and nothing enabled again.
            0x28 | 0x2c | 0x80 | 0x88 | 0x90 | 0x9c | 0xa0 | 0xa8 | 0xac | 0xc0 | 0xc8 | 0xcc => {
                (off..queue_on).contains(&index)
            }
            0x1_00a8 | 0x1_00ac | 0x1_00c8 | 0x1_00cc => (off..queue_on).contains(&index),
            CMDQ_PROD if *value == 0 => (off..queue_on).contains(&index),
            CMDQ_PROD => (queue_on..on).contains(&index),
            0x68 | 0xb0 | 0xd0 | PRIQ_IRQ_CFG2 => (irq_off..irq_on).contains(&index),
            _ => true,
        };
        if !right {
            return Err(format!("write {index}, {offset:#x} = {value:#x}, is out of order"));
        }
    }
    // 6.3.16: what happens before a source is enabled is never announced.
    if let Some(events) = cr0_with(EVENTQEN)
        && irq_on > events
    {
        return Err("interrupts are enabled after the queues that they announce".to_owned());
    }
    // The queue is set empty, and only grows.
    let rung: Vec<u64> = writes.iter().filter(|write| write.0 == CMDQ_PROD).map(|write| write.2).collect();
    if rung.first() != Some(&0) || rung.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(format!("CMDQ_PROD goes through {rung:x?}"));
    }
    // All commands are told of before translation is enabled, which is the end.
    let doorbell = writes[..on].iter().rev().find(|write| write.0 == CMDQ_PROD).map(|write| write.2);
    if doorbell != Some(commands) || on + 1 != writes.len() {
        return Err("translation is not enabled last, or before all commands were rung".to_owned());
    }
    // Once on, a field of CR0 stays on; ATSCHK is there before SMMUEN.
    let enables: Vec<u64> =
        writes[off..].iter().filter(|write| write.0 == CR0).map(|write| write.2).collect();
    if enables.windows(2).any(|pair| pair[0] & !pair[1] != 0) {
        return Err(format!("CR0 goes through {enables:x?}"));
    }
    match enables.as_slice() {
        [.., before, last] if before | SMMUEN == *last => Ok(()),
        _ => Err("SMMUEN is not set alone".to_owned()),
    }
}

/// All registers hold the same in the end, but for what is named.
fn end(record: &Value, ours: &[Write], recorded: &[Write]) -> Result<(), String> {
    let (ours, mut recorded) = (last(ours), last(recorded));
    let mut expected = recorded.clone();
    // Bypass may have been left open with SMMUEN = 0 too.
    expected.insert(GBPA, (4, 1 << 31 | 1 << 20));
    // Fewer commands: one CMD_SYNC for all TLBs.
    expected.insert(CMDQ_PROD, *ours.get(&CMDQ_PROD).ok_or("no CMDQ_PROD")?);
    let named = features(record);
    if named.contains(&"PRI") && named.contains(&"ATS") && named.contains(&"MSI") {
        // It resets to an UNKNOWN value, and LO counts without an MSI too.
        expected.insert(PRIQ_IRQ_CFG2, (4, 0));
    }
    if !named.contains(&"MSI") {
        // Without MSIs there are no such registers (6.3.21).
        expected.retain(|offset, _| !matches!(offset, 0x68 | 0xb0 | 0xd0));
    }
    if named.contains(&"PRI") && !named.contains(&"ATS") {
        expected.retain(|offset, _| !matches!(offset & 0xffff, 0xc0..=0xdf));
        for (register, bit) in [(CR0, PRIQEN), (IRQ_CTRL, PRIQ_IRQEN)] {
            expected.entry(register).and_modify(|(_, value)| *value &= !bit);
        }
    }
    recorded.retain(|offset, held| ours.get(offset) != Some(held));
    if ours == expected {
        Ok(())
    } else {
        Err(format!("{ours:x?} instead of {expected:x?}; not: {recorded:x?}"))
    }
}

/// Configuration is dropped and waited for, then all translations that there can be, then there is a last `CMD_SYNC`.
fn commands(record: &Value, answer: &Value) -> Result<(), String> {
    let (ours, recorded) = (opcodes(answer), opcodes(record));
    let sorted = |codes: &[u64]| {
        let mut codes: Vec<u64> = codes.iter().copied().filter(|code| *code != SYNC).collect();
        codes.sort_unstable();
        codes
    };
    if sorted(&ours) != sorted(&recorded) {
        return Err(format!("commands {ours:x?} instead of {recorded:x?}"));
    }
    if !ours.starts_with(&[CFGI_ALL, SYNC]) || ours.last() != Some(&SYNC) || ours.len() > recorded.len() {
        return Err(format!("commands {ours:x?}"));
    }
    Ok(())
}

/// What another kernel (6.12) did on QEMU's SMMU, up to its first attach: offset, bytes, value; offsets of page 1 without the page.
const TRACE: [(u64, u64, u64); 19] = [
    (0x20, 4, 0),
    (0x28, 4, 0xd75),
    (0x2c, 4, 6),
    (0x80, 8, 0x4000_0000_430f_3000),
    (0x88, 4, 0x1_0210),
    (0x90, 8, 0x4000_0000_7ad0_0010),
    (0x98, 4, 0),
    (0x9c, 4, 0),
    (0x20, 4, 8),
    (0x98, 4, 2),
    (0x98, 4, 4),
    (0xa0, 8, 0x4000_0000_7ae0_000f),
    (0xa8, 4, 0),
    (0xac, 4, 0),
    (0x20, 4, 0xc),
    (0x50, 4, 0),
    (0x68, 8, 0),
    (0xb0, 8, 0),
    (0x50, 4, 5),
];
/// The write that ends bring-up.
const TRACE_END: (u64, u64, u64) = (0x20, 4, 0xd);

/// The trace as a record of this kind.
pub(crate) fn traced() -> Value {
    let word = |value: u64| Value::from(format!("{value:#x}"));
    let page1 = |offset| if matches!(offset, 0xa8 | 0xac) { offset + 0x1_0000 } else { offset };
    let writes: Vec<Value> = TRACE
        .iter()
        .chain([&TRACE_END])
        .map(|(offset, width, value)| json!([word(page1(*offset)), width, word(*value)]))
        .collect();
    json!({
        "in": {
            "features": ["2LVL_STRTAB", "MSI"], "page0_only": false, "msipoll": false, "sid_bits": 16,
            "cmdq_shift": 16, "evtq_shift": 15, "priq_shift": 0, "was_enabled": false, "kdump": false
        },
        "ret": 0,
        "bases": {
            "cmdq": "0x7ad00000", "evtq": "0x7ae00000", "priq": "0x0", "strtab": "0x430f3000"
        },
        "l1_entries": 256,
        "mmio_writes": writes,
        "cmds": [["0x4", "0x1f"], ["0x46", "0x0"], ["0x30", "0x0"], ["0x46", "0x0"]],
    })
}

/// The register writes of a trace file, up to the end of bring-up.
pub(crate) fn check_trace(text: &str) {
    let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    let after = |line: &str, key: &str| {
        hex(line.split(key).nth(1).unwrap().split([' ', '(']).find(|s| !s.is_empty()).unwrap())
    };
    let found: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("smmuv3_write_mmio"))
        .map(|line| (after(line, "addr:"), after(line, "size:"), after(line, "val:")))
        .take(TRACE.len() + 1)
        .collect();
    assert_eq!((&found[..TRACE.len()], found[TRACE.len()]), (&TRACE[..], TRACE_END));
}

/// Broken bring-ups are found: each of these changes a good answer in one way.
pub(crate) fn the_checker_finds_what_is_wrong(record: &Value, answer: &Value) {
    assert!(judge(record, answer).is_ok());
    assert!(judge(record, record).is_err(), "what was recorded sets no GBPA, or announces too late");
    let list = answer["mmio_writes"].as_array().unwrap().clone();
    let broken = |list: Vec<Value>| {
        let mut broken = answer.clone();
        broken["mmio_writes"] = list.into();
        assert!(judge(record, &broken).is_err(), "{broken}");
    };
    for index in 0..list.len() {
        // Nothing is superfluous but a doorbell that another one follows.
        let mut without = list.clone();
        let removed = without.remove(index);
        let rung_later = removed[0] == "0x98" && without[index][0] == "0x98" && removed[2] != "0x0";
        if !rung_later
            && removed[2] != "0xc"
            && removed[2] != "0x18"
            && removed[2] != "0x1c"
            && removed[2] != "0x1e"
        {
            broken(without);
        }
        let mut other = list.clone();
        other[index][2] = format!("{:#x}", number(&list[index][2]) ^ 1 << 4 ^ 1 << 9).into();
        broken(other);
    }
    // The first four in another order; translation before the last of the rest.
    for (from, to) in
        [(0, 1), (0, 2), (3, 2), (list.len() - 1, list.len() - 3), (list.len() - 3, list.len() - 2)]
    {
        let mut moved = list.clone();
        let write = moved.remove(from);
        moved.insert(to, write);
        broken(moved);
    }
    for wrong in [
        json!([["0x30", "0x0"], ["0x46", "0x0"]]),
        json!([["0x4", "0x1f"], ["0x30", "0x0"], ["0x46", "0x0"]]),
    ] {
        let mut broken = answer.clone();
        broken["cmds"] = wrong;
        assert!(judge(record, &broken).is_err(), "{broken}");
    }
}
