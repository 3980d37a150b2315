//! The facts that the crates carry, against the machine-readable specification beside the repository, where that is
//! there: a slip in copying would otherwise make a layout proof prove the wrong thing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

type Fields = BTreeSet<(String, i64, i64)>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the specification; `None`, said loudly, if it is not there.
fn spec(name: &str) -> Option<Table> {
    let folder = std::env::var_os("SMMU_SPEC").map_or_else(|| root().join("../shared/spec"), PathBuf::from);
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Some(text.parse().expect("TOML")),
        Err(_) => {
            eprintln!("skipped: no specification at {}", path.display());
            None
        }
    }
}

fn spec_fields(owner: &Value) -> Fields {
    let field = |field: &Value| {
        (
            field["name"].as_str().unwrap().to_owned(),
            field["lsb"].as_integer().unwrap(),
            field["msb"].as_integer().unwrap(),
        )
    };
    owner["fields"].as_array().unwrap().iter().map(field).collect()
}

/// The carried facts: by owner's line (without its first word), its fields. Files without owners have one, named "".
/// Owners of another kind are left out.
fn carried(path: &str, kind: &str) -> BTreeMap<Vec<String>, Fields> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let mut all = BTreeMap::new();
    let (mut owner, mut wanted) = (Vec::new(), true);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == kind {
            owner = words[1..].iter().map(|word| (*word).to_owned()).collect();
            all.insert(owner.clone(), Fields::new());
            wanted = true;
        } else if !line.starts_with(' ') && kind != "-" {
            wanted = false;
        } else if wanted {
            let field = (words[0].to_owned(), words[1].parse().unwrap(), words[2].parse().unwrap());
            all.entry(owner.clone()).or_insert_with(Fields::new).insert(field);
        }
    }
    all
}

/// Where the carried facts, typed from the Arm text, are right and the machine-readable ones are not: register, what the
/// latter say, what the section says.
const CORRECTED: &[(&str, &str, &str)] = &[
    // 6.3.50, 6.3.93, 6.3.164: "accesses to this register are RO"; its only field is RES1.
    ("CMDQ_CONTROL_PAGE_CFG", "access RW", "access RO"),
    ("S_CMDQ_CONTROL_PAGE_CFG", "access RW", "access RO"),
    ("R_CMDQ_CONTROL_PAGE_CFG", "access RW", "access RO"),
    // 6.3.126: all bits are RES0.
    ("R_IDR4", "IMPLEMENTATION_DEFINED 0 31", ""),
    // 6.3.104: bit 53 is RES1.
    ("S_VATOS_SID", "", "RES1 53 53"),
    // 6.3.118: the same bits by a shorter name.
    ("ROOT_TLBI", "ADDRESS 12 51", "ADDR 12 51"),
];

#[test]
fn registers() {
    let Some(spec) = spec("registers.toml") else { return };
    // A PMCG is a device of its own, with a base address of its own: no bank of an SMMU.
    let spec = spec["reg"].as_array().unwrap().iter().filter(|reg| reg["bank"].as_str() != Some("PMCG"));
    let spec: BTreeMap<_, _> = spec.map(|reg| (reg["name"].as_str().unwrap(), reg)).collect();
    let carried = carried("crates/smmu-regs/tests/facts/registers.txt", "reg");
    let mut corrected = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (owner, fields) in &carried {
        let [name, _, page, offset, width, access, since] = &owner[..] else { panic!("{owner:?}") };
        names.insert(name.as_str());
        let reg = spec.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the specification"));
        let (bank, start) = match page.as_str() {
            "page0" if name.starts_with("S_") => ("S", 0),
            "page0" => ("NS", 0),
            "page1" => ("NS", 0x1_0000),
            "vatos" => ("VATOS", 0),
            "s_vatos" => ("S_VATOS", 0),
            "realm0" => ("R", 0),
            "realm1" => ("R", 0x1_0000),
            "root" => ("ROOT", 0),
            "cmdqcp" => ("ECMDQ", 0),
            other => panic!("page {other}"),
        };
        assert_eq!(Some(bank), reg["bank"].as_str(), "{name}");
        let offset = start + i64::from_str_radix(&offset[2..], 16).unwrap();
        assert_eq!(Some(offset), reg["offset"].as_integer(), "{name}");
        assert_eq!(width.parse().ok(), reg["width"].as_integer(), "{name}");
        assert_eq!(Some(since.as_str()), reg["since"].as_str(), "{name}");
        let mut ours: BTreeSet<String> =
            fields.iter().map(|(f, lsb, msb)| format!("{f} {lsb} {msb}")).collect();
        let mut theirs: BTreeSet<String> =
            spec_fields(reg).iter().map(|(f, lsb, msb)| format!("{f} {lsb} {msb}")).collect();
        ours.insert(format!("access {access}"));
        theirs.insert(format!("access {}", reg["access"].as_str().unwrap()));
        let only = |left: &BTreeSet<String>, right: &BTreeSet<String>| {
            left.difference(right).cloned().collect::<Vec<_>>().join(", ")
        };
        let difference = (name.as_str(), only(&theirs, &ours), only(&ours, &theirs));
        if !(difference.1.is_empty() && difference.2.is_empty()) {
            let known = CORRECTED.iter().find(|known| {
                (known.0, known.1, known.2) == (difference.0, difference.1.as_str(), difference.2.as_str())
            });
            assert!(known.is_some(), "{difference:?}");
            corrected.insert(name.as_str());
        }
    }
    assert_eq!(names, spec.keys().copied().collect(), "all banks are complete");
    assert_eq!(corrected, CORRECTED.iter().map(|known| known.0).collect());
    println!("{} registers agree, {} of them corrected", carried.len(), corrected.len());
}

/// The results of address translation operations if they failed.
#[test]
fn fault_layouts() {
    let Some(spec) = spec("registers.toml") else { return };
    let carried = carried("crates/smmu-regs/tests/facts/registers.txt", "fault");
    let mut compared = 0;
    for reg in spec["reg"].as_array().unwrap() {
        let Some(layout) = reg.get("fault_layout") else { continue };
        let owner = vec![reg["name"].as_str().unwrap().to_owned()];
        let layout = Value::Table(Table::from_iter([("fields".to_owned(), layout.clone())]));
        // The text writes the name of the last field out.
        let theirs = spec_fields(&layout).into_iter().map(|(name, lsb, msb)| match name.as_str() {
            "IMPDEF" => ("IMPLEMENTATION_DEFINED".to_owned(), lsb, msb),
            _ => (name, lsb, msb),
        });
        assert_eq!(carried[&owner], theirs.collect(), "{owner:?}");
        compared += 1;
    }
    assert_eq!(compared, 4);
}

fn coded(file: &str, list: &str, code: &str, path: &str, kind: &str) {
    let Some(spec) = spec(file) else { return };
    let carried = carried(path, kind);
    for (owner, fields) in &carried {
        let [name, number] = &owner[..] else { panic!("{owner:?}") };
        let entry = spec[list].as_array().unwrap().iter().find(|entry| entry["name"].as_str() == Some(name));
        let entry = entry.unwrap_or_else(|| panic!("{name} is not in the specification"));
        assert_eq!(i64::from_str_radix(&number[2..], 16).ok(), entry[code].as_integer(), "{name}");
        assert_eq!(fields, &spec_fields(entry), "{name}");
    }
    println!("{} of {list} agree", carried.len());
}

#[test]
fn commands() {
    coded("commands.toml", "command", "opcode", "crates/smmu-cmds/tests/facts/commands.txt", "cmd");
}

#[test]
fn events() {
    coded("events.toml", "event", "id", "crates/smmu-cmds/tests/facts/events.txt", "event");
}

#[test]
fn structures() {
    for (file, path) in [
        ("ste.toml", "crates/smmu-ste/tests/facts/ste.txt"),
        ("cd.toml", "crates/smmu-ste/tests/facts/cd.txt"),
        ("l1std.toml", "crates/smmu-ste/tests/facts/l1std.txt"),
        ("l1cd.toml", "crates/smmu-ste/tests/facts/l1cd.txt"),
        ("pri.toml", "crates/smmu-cmds/tests/facts/page_request.txt"),
    ] {
        let Some(spec) = spec(file) else { return };
        let owner = if spec.contains_key("fields") { Value::Table(spec) } else { spec["structure"].clone() };
        assert_eq!(carried(path, "-")[&Vec::new()], spec_fields(&owner), "{file}");
        println!("{file} agrees");
    }
}
