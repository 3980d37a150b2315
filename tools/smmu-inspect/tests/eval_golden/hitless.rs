//! An independent judge of updates (IHI 0070 3.21.3): plays every mixture of a step's stores that hardware can see, and asks
//! what it means.

use super::records::{number, words};
use super::used;
use super::{Verdict, better, equal};
use serde_json::Value;

type Words = [u64; 8];

/// How structures of one kind are read.
struct Reader {
    used: fn(&Words) -> Words,
    free: Words,
    valid: u64,
}

impl Reader {
    /// What `content` means to hardware: the bits it uses and their values, but for those that never matter.
    fn meaning(&self, content: &Words) -> (Words, Words) {
        let used = (self.used)(content);
        let seen = |word: usize| used[word] & !self.free[word];
        (std::array::from_fn(seen), std::array::from_fn(|word| content[word] & seen(word)))
    }
}

/// Judges the answer to one record.
pub(crate) fn judge(record: &Value, answer: &Value) -> Verdict {
    let (current, target) = (words(&record["cur"]), words(&record["target"]));
    let reader = match record["kind"].as_str().unwrap() {
        "ste" => Reader { used: used::ste, free: used::ste_free(&current, &target), valid: 1 },
        "cd" => Reader { used: used::cd, free: [0; 8], valid: 1 << 31 },
        other => panic!("{other}"),
    };
    let atom = record.get("atom").map_or(64, number);
    let hitless = answer["hitless"] == true;
    let steps: Vec<Words> = answer["steps"].as_array().unwrap().iter().map(words).collect();
    let writes: Vec<Vec<u64>> = answer["writes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|list| list.as_array().unwrap().iter().map(number).collect())
        .collect();
    let syncs = number(&answer["syncs"]);
    if (syncs, steps.len()) != (steps.len() as u64, writes.len()) {
        return Err("syncs, steps and writes are not of one number".to_owned());
    }

    let (old, new) = (reader.meaning(&current), reader.meaning(&target));
    let mut content = current;
    for (step, stored) in steps.iter().zip(&writes) {
        for word in 0..8 {
            if (content[word] != step[word]) != stored.contains(&(word as u64)) {
                return Err(format!("word {word} changes and is not stored, or the other way round"));
            }
        }
        // The pieces that hardware sees change: words, or pairs of words.
        let width = atom / 64;
        let mut pieces: Vec<u64> = stored.iter().map(|word| word / width).collect();
        pieces.dedup();
        for subset in 0..1_u32 << pieces.len() {
            let mut seen = content;
            for (index, piece) in pieces.iter().enumerate() {
                if subset >> index & 1 != 0 {
                    let words = (piece * width) as usize..((piece + 1) * width) as usize;
                    seen[words.clone()].copy_from_slice(&step[words]);
                }
            }
            let meaning = reader.meaning(&seen);
            let invalid = seen[0] & reader.valid == 0;
            if meaning != old && meaning != new && (hitless || !invalid) {
                return Err(format!("hardware can see {seen:x?}, which is neither old nor new"));
            }
        }
        content = *step;
    }
    if content != target {
        return Err(format!("ends at {content:x?}"));
    }

    let recorded = number(&record["syncs"]);
    if syncs > recorded {
        return Err(format!("{syncs} synchronizations, recorded {recorded}"));
    }
    match (hitless, record["hitless"] == true) {
        (false, true) => Err("not hitless, recorded as hitless".to_owned()),
        (true, false) => better("hitless where the recorded way is not"),
        _ if syncs < recorded => better("fewer synchronizations"),
        _ if answer["steps"] == record["steps"] && answer["writes"] == record["writes"] => equal(),
        _ => better("another way with as many synchronizations"),
    }
}
