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
fn carried(path: &str, kind: &str) -> BTreeMap<Vec<String>, Fields> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let mut all = BTreeMap::new();
    let mut owner = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == kind {
            owner = words[1..].iter().map(|word| (*word).to_owned()).collect();
            all.insert(owner.clone(), Fields::new());
        } else {
            let field = (words[0].to_owned(), words[1].parse().unwrap(), words[2].parse().unwrap());
            all.entry(owner.clone()).or_insert_with(Fields::new).insert(field);
        }
    }
    all
}

#[test]
fn registers() {
    let Some(spec) = spec("registers.toml") else { return };
    let carried = carried("crates/smmu-regs/tests/facts/registers.txt", "reg");
    for (owner, fields) in &carried {
        let [name, offset, width, access] = &owner[..] else { panic!("{owner:?}") };
        let reg = spec["reg"]
            .as_array()
            .unwrap()
            .iter()
            .find(|reg| reg["bank"].as_str() == Some("NS") && reg["name"].as_str() == Some(name));
        let reg = reg.unwrap_or_else(|| panic!("{name} is not in the specification"));
        assert_eq!(i64::from_str_radix(&offset[2..], 16).ok(), reg["offset"].as_integer(), "{name}");
        assert_eq!(width.parse().ok(), reg["width"].as_integer(), "{name}");
        assert_eq!(Some(access.as_str()), reg["access"].as_str(), "{name}");
        assert_eq!(fields, &spec_fields(reg), "{name}");
    }
    println!("{} registers agree", carried.len());
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
