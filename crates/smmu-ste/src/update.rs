//! Hitless updates (IHI 0070 3.21.3): how a live STE or CD gets from one content to another so that every state in which
//! the SMMU can see it means the old or the new one.
//!
//! The SMMU reads a structure in pieces of 64 (or 128) bits, each at any time and in any order, and may keep each of
//! them until an invalidation. So between two synchronizations ("steps") it can see any mixture of the old and new
//! pieces. A difference in a bit falls into one of these classes, by whether the old and the new content use the bit:
//!
//! | used by old | used by new | |
//! |---|---|---|
//! | no | no | may change in any step |
//! | no | yes | must change before the switch |
//! | yes | no | must change after the switch |
//! | yes | yes | decides: all such differences must lie in one piece, which is the switch; unless the bit is safe |
//!
//! Two pieces that decide leave no way but through an invalid structure.

use smmu_regs::platform::{Atomicity, Dword, Memory};

/// The content of an STE or a CD.
pub type Words = [u64; 8];

/// What the planner must know of a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedBits {
    /// Bits that the old content uses.
    pub current: Words,
    /// Bits that the new content uses.
    pub target: Words,
    /// Bits that may change at any moment though both use them.
    pub safe: Words,
}

/// The stores between two synchronizations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The whole content after the stores.
    pub words: Words,
    /// Which words are stored: bit `n` is word `n`.
    pub stores: u8,
}

impl Step {
    /// The words that are stored, ascending, with their values.
    pub fn stores(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let stores = self.stores;
        self.words.iter().copied().enumerate().filter(move |(word, _)| stores >> word & 1 != 0)
    }

    /// Makes the stores to `memory`'s words, each in one atomic piece, and makes them visible. The configuration
    /// invalidation and `CMD_SYNC` that end the step are the caller's.
    pub fn apply<M: Memory>(&self, memory: &M, at: smmu_regs::PhysAddr, structure: &[Dword]) {
        memory.publish();
        let pairs = structure.chunks_exact(2).filter_map(|pair| <&[Dword; 2]>::try_from(pair).ok());
        for (pair, number) in pairs.zip(0_u8..4) {
            let values = [self.word(number, 0), self.word(number, 1)];
            let [low, high] = pair;
            match (self.stores >> (2 * number) & 3, memory.atomicity()) {
                (0, _) => {}
                (_, Atomicity::Bits128) => memory.store_pair(pair, values),
                (mask, Atomicity::Bits64) => {
                    if mask & 1 != 0 {
                        low.store(values[0]);
                    }
                    if mask & 2 != 0 {
                        high.store(values[1]);
                    }
                }
            }
        }
        memory.clean(at, structure.len());
        memory.publish();
    }

    fn word(&self, pair: u8, half: usize) -> u64 {
        self.words.get(usize::from(pair) * 2 + half).copied().unwrap_or(0)
    }
}

/// The stores and synchronizations that lead from one content to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdatePlan {
    steps: [Option<Step>; 3],
    hitless: bool,
}

impl UpdatePlan {
    /// Plans the way from `current` to `target`.
    ///
    /// `valid` is the bit of word 0 that makes the structure valid. At most three steps; none if nothing changes.
    #[must_use]
    pub fn new(current: &Words, target: &Words, used: &UsedBits, valid: u64, atomicity: Atomicity) -> Self {
        let deciding = deciding_words(current, target, used);
        let unit = match atomicity {
            Atomicity::Bits64 => deciding,
            Atomicity::Bits128 => whole_pairs(deciding),
        };
        let width = match atomicity {
            Atomicity::Bits64 => 1,
            Atomicity::Bits128 => 2,
        };
        let mut plan = Self { steps: [None; 3], hitless: true };
        if unit.count_ones() <= width {
            plan.hitless_steps(current, target, used, unit);
        } else {
            plan.hitless = false;
            plan.breaking_steps(current, target, valid);
        }
        plan
    }

    /// The way to content that nothing could reach before: all of it at once (3.21.3.1).
    pub(crate) fn at_once(target: &Words) -> Self {
        let mut plan = Self { steps: [None; 3], hitless: true };
        plan.push(&[0; 8], target);
        plan
    }

    /// The steps, in order. Each ends with a configuration invalidation and a `CMD_SYNC`.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().flatten()
    }

    /// Whether every state that the SMMU can see means the old or the new content. Otherwise some mean "invalid".
    #[must_use]
    pub const fn is_hitless(&self) -> bool {
        self.hitless
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps().next().is_none()
    }

    fn hitless_steps(&mut self, current: &Words, target: &Words, used: &UsedBits, switch: u8) {
        // The switch is one piece, stored whole; these are the bits of the other pieces, by when they must change.
        let elsewhere = |word: usize, mask: u64| if switch >> word & 1 != 0 { 0 } else { mask };
        let used_by = |words: &Words, word: usize| at(words, word) & !at(&used.safe, word);
        let old = |word| used_by(&used.current, word);
        let new = |word| used_by(&used.target, word);
        let first = |word| elsewhere(word, new(word) & !old(word));
        let last = |word| elsewhere(word, old(word) & !new(word));
        let any_time = |word| elsewhere(word, !old(word) & !new(word) | at(&used.safe, word));

        // What may change at any time joins a step that is there anyway, so that it never costs one: bits that are set
        // come early and bits that are cleared go late, which is kind to whoever knows less of what is used.
        let early = blend(current, target, first) != *current;
        let late = blend(target, current, last) != *target;
        let joins_first = |word| if early { any_time(word) & at(target, word) } else { 0 };
        let joins_last = |word| if late { any_time(word) & !at(target, word) } else { 0 };
        let before = blend(current, target, |word| first(word) | joins_first(word));
        let during = blend(&before, target, |word| !(last(word) | joins_last(word)));
        self.push(current, &before);
        self.push(&before, &during);
        self.push(&during, target);
    }

    fn breaking_steps(&mut self, current: &Words, target: &Words, valid: u64) {
        let mut off = *current;
        if let Some(first) = off.first_mut() {
            *first &= !valid;
        }
        // An invalid structure uses nothing but its valid bit, so word 0 waits and all others change.
        let rest = blend(&off, target, |word| if word == 0 { 0 } else { u64::MAX });
        self.push(current, &off);
        self.push(&off, &rest);
        self.push(&rest, target);
    }

    /// Adds a step unless it stores nothing.
    fn push(&mut self, from: &Words, to: &Words) {
        let stores = changed_words(from, to);
        if stores != 0 {
            if let Some(slot) = self.steps.iter_mut().find(|step| step.is_none()) {
                *slot = Some(Step { words: *to, stores });
            }
        }
    }
}

fn at(words: &Words, index: usize) -> u64 {
    words.get(index).copied().unwrap_or(0)
}

/// `from` with the bits of `mask(word)` taken from `to`.
fn blend(from: &Words, to: &Words, mask: impl Fn(usize) -> u64) -> Words {
    core::array::from_fn(|word| at(from, word) & !mask(word) | at(to, word) & mask(word))
}

fn changed_words(from: &Words, to: &Words) -> u8 {
    (0_u8..8).fold(0, |mask, word| {
        let index = usize::from(word);
        if at(from, index) == at(to, index) { mask } else { mask | 1 << word }
    })
}

/// The words that hold a difference in a bit that both contents use and that is not safe.
fn deciding_words(current: &Words, target: &Words, used: &UsedBits) -> u8 {
    let both: Words = core::array::from_fn(|word| {
        let common = at(&used.current, word) & at(&used.target, word) & !at(&used.safe, word);
        (at(current, word) ^ at(target, word)) & common
    });
    changed_words(&both, &[0; 8])
}

/// The words of all pairs that have a word in `words`.
fn whole_pairs(words: u8) -> u8 {
    let either = (words | words >> 1) & 0b0101_0101;
    either | either << 1
}
