//! The layout proof: every field of the STE, the CD and their level-1 descriptors against the facts in `tests/facts`,
//! both ways.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use smmu_regs::layout::FieldInfo;
use smmu_ste::{cd, mpam, ste, table};
use std::collections::BTreeSet;

type Fields = BTreeSet<(String, u32, u32)>;

/// `NAME LSB MSB` lines over the whole structure. No two fields may share a bit.
fn facts(text: &str) -> Fields {
    let mut all = Fields::new();
    let mut bits = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [name, lsb, msb] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("bad line {line:?}")
        };
        let (lsb, msb): (u32, u32) = (lsb.parse().unwrap(), msb.parse().unwrap());
        assert!((lsb..=msb).all(|bit| bits.insert(bit)), "{name} overlaps another field");
        assert!(all.insert((name.to_owned(), lsb, msb)), "{name} twice");
    }
    all
}

fn fields(words: &[&[FieldInfo]]) -> Fields {
    let mut all = Fields::new();
    let mut names = BTreeSet::new();
    for (word, fields) in words.iter().enumerate() {
        for field in *fields {
            assert!(names.insert(field.name), "{} twice", field.name);
            assert!(field.lsb + field.width <= 64);
            let lsb = field.lsb + 64 * u32::try_from(word).unwrap();
            assert!(all.insert((field.name.to_owned(), lsb, lsb + field.width - 1)));
        }
    }
    all
}

#[test]
fn the_ste_is_that_of_the_facts() {
    let facts = facts(include_str!("facts/ste.txt"));
    assert_eq!(facts.len(), 78);
    assert_eq!(fields(&ste::ste_words()), facts);
}

#[test]
fn the_cd_is_that_of_the_facts() {
    let facts = facts(include_str!("facts/cd.txt"));
    assert_eq!(facts.len(), 60);
    assert_eq!(fields(&cd::cd_words()), facts);
}

#[test]
fn level_1_descriptors_are_those_of_the_facts() {
    let [stream, context] = table::level1_words();
    assert_eq!(fields(&[stream]), facts(include_str!("facts/l1std.txt")));
    assert_eq!(fields(&[context]), facts(include_str!("facts/l1cd.txt")));
}

#[test]
fn a_word_of_the_vms_is_that_of_the_facts() {
    assert_eq!(fields(&[mpam::vms_word()]), facts(include_str!("facts/vms.txt")));
}

#[test]
fn structures_are_their_words_in_memory() {
    let words = [1, 2, 3, 4, 5, 6, 7, 0x0102_0304_0506_0708];
    assert_eq!(ste::Ste::from_words(words).words(), words);
    assert_eq!(cd::Cd::from_words(words).words(), words);
    assert_eq!((size_of::<ste::Ste>(), size_of::<cd::Cd>()), (64, 64));
}
