//! The layout proof: every command, event and page request field against the facts in `tests/facts`, both ways.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use smmu_cmds::command::{self, Opcode};
use smmu_cmds::event::{self, EventId};
use smmu_regs::layout::FieldInfo;
use std::collections::{BTreeMap, BTreeSet};

type Fields = BTreeSet<(String, u32, u32)>;

/// `kind NAME CODE` lines, each followed by `FIELD LSB MSB` lines.
fn facts(text: &str, kind: &str) -> BTreeMap<String, (u8, Fields)> {
    let mut all: BTreeMap<String, (u8, Fields)> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [first, name, code] if first == kind => {
                current = name.to_owned();
                let code = u8::from_str_radix(code.trim_start_matches("0x"), 16).unwrap();
                assert!(all.insert(current.clone(), (code, Fields::new())).is_none(), "{name} twice");
            }
            [name, lsb, msb] => {
                let field = (name.to_owned(), lsb.parse().unwrap(), msb.parse().unwrap());
                assert!(all.get_mut(&current).unwrap().1.insert(field));
            }
            _ => panic!("bad line {line:?}"),
        }
    }
    all
}

fn fields(words: &[&[FieldInfo]]) -> Fields {
    let mut all = Fields::new();
    for (word, fields) in words.iter().enumerate() {
        for field in *fields {
            let lsb = field.lsb + 64 * u32::try_from(word).unwrap();
            assert!(all.insert((field.name.to_owned(), lsb, lsb + field.width - 1)));
        }
    }
    all
}

#[test]
fn commands_are_those_of_the_facts() {
    let mut facts = facts(include_str!("facts/commands.txt"), "cmd");
    let (code, all_fields) = facts.remove("CMD_CFGI_ALL").unwrap();
    assert_eq!(code, u8::from(Opcode::CfgiSteRange));
    assert_eq!(all_fields, fields(&command::words_of_cfgi_all()));
    let names: BTreeSet<&str> = Opcode::ALL.iter().map(|opcode| opcode.name()).collect();
    assert_eq!(facts.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
    for opcode in Opcode::ALL {
        let (code, expected) = &facts[opcode.name()];
        assert_eq!(u8::from(opcode), *code, "{opcode}");
        assert_eq!(Opcode::from(*code), opcode);
        assert_eq!(&fields(&command::words_of(opcode).unwrap()), expected, "{opcode}");
    }
}

#[test]
fn events_are_those_of_the_facts() {
    let facts = facts(include_str!("facts/events.txt"), "event");
    let names: BTreeSet<&str> = EventId::ALL.iter().map(|id| id.name()).collect();
    assert_eq!(facts.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
    for id in EventId::ALL {
        let (code, expected) = &facts[id.name()];
        assert_eq!(u8::from(id), *code, "{id}");
        assert_eq!(&fields(&event::words_of(id).unwrap()), expected, "{id}");
    }
}

#[test]
fn page_requests_are_those_of_the_facts() {
    let expected: Fields = include_str!("facts/page_request.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [name, lsb, msb] => (name.to_owned(), lsb.parse().unwrap(), msb.parse().unwrap()),
            _ => panic!("bad line {line:?}"),
        })
        .collect();
    // `priv` is a reserved word of Rust, so that field carries an underscore.
    let code: Fields = fields(&event::page_request_words())
        .into_iter()
        .map(|(name, lsb, msb)| (name.trim_end_matches('_').to_owned(), lsb, msb))
        .collect();
    assert_eq!(code, expected);
}
