//! Answers as JSON: 64-bit words are strings of hexadecimal digits, all other numbers are decimal.

use serde_json::{Map, Value};
use smmu_cmds::RawCommand;

/// An object with these members, in this order.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A 64-bit word.
pub(super) fn word(word: u64) -> Value {
    format!("{word:#x}").into()
}

/// Several words.
pub(super) fn words(words: &[u64]) -> Value {
    words.iter().copied().map(word).collect()
}

/// The two words of each command.
pub(super) fn commands(commands: &[RawCommand]) -> Value {
    commands.iter().map(|command| words(&command.words())).collect()
}
