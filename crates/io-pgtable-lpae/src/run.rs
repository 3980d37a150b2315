//! Loops over runs of entries: all that a bulk map or unmap spends its time in.
//!
//! Entries are stored one by one, whole and relaxed; there is never a read-modify-write in a loop. Chunks of eight let the
//! compiler overlap what does not depend on each other.

use crate::format::Format;
use smmu_regs::platform::Dword;

const CHUNK: usize = 8;

#[inline(always)]
fn fold(words: &[Dword], start: u64, combine: impl Fn(u64, u64) -> u64) -> u64 {
    let mut chunks = words.chunks_exact(CHUNK);
    let mut all = start;
    for chunk in &mut chunks {
        if let [a, b, c, d, e, f, g, h] = chunk {
            let left = combine(combine(a.load(), b.load()), combine(c.load(), d.load()));
            let right = combine(combine(e.load(), f.load()), combine(g.load(), h.load()));
            all = combine(all, combine(left, right));
        }
    }
    chunks.remainder().iter().fold(all, |all, word| combine(all, word.load()))
}

/// Whether any word is not zero.
#[inline]
pub(crate) fn any_set(words: &[Dword]) -> bool {
    if let [word] = words {
        return word.load() != 0;
    }
    fold(words, 0, |left, right| left | right) != 0
}

/// Whether no word is zero. Every entry is zero or valid, so bit 0 says it.
#[inline]
pub(crate) fn all_valid(words: &[Dword]) -> bool {
    if let [word] = words {
        return word.load() != 0;
    }
    fold(words, 1, |left, right| left & right) & 1 != 0
}

/// Stores `first` and what follows it in steps of a page of `1 << F::SHIFT` bytes.
#[inline(always)]
pub(crate) fn store<F: Format>(words: &[Dword], first: u64) {
    if let [word] = words {
        return word.store(first);
    }
    let step = const { 1u64 << F::SHIFT };
    let mut value = first;
    let mut chunks = words.chunks_exact(CHUNK);
    for chunk in &mut chunks {
        if let [a, b, c, d, e, f, g, h] = chunk {
            a.store(value);
            b.store(value.wrapping_add(step));
            c.store(value.wrapping_add(const { 2 << F::SHIFT }));
            d.store(value.wrapping_add(const { 3 << F::SHIFT }));
            e.store(value.wrapping_add(const { 4 << F::SHIFT }));
            f.store(value.wrapping_add(const { 5 << F::SHIFT }));
            g.store(value.wrapping_add(const { 6 << F::SHIFT }));
            h.store(value.wrapping_add(const { 7 << F::SHIFT }));
        }
        value = value.wrapping_add(const { 8 << F::SHIFT });
    }
    for word in chunks.remainder() {
        word.store(value);
        value = value.wrapping_add(step);
    }
}

/// Stores zeros.
#[inline]
pub(crate) fn zero(words: &[Dword]) {
    if let [word] = words {
        return word.store(0);
    }
    let mut chunks = words.chunks_exact(CHUNK);
    for chunk in &mut chunks {
        for word in chunk {
            word.store(0);
        }
    }
    for word in chunks.remainder() {
        word.store(0);
    }
}

/// Stores zeros and says how many words were not zero.
#[inline]
pub(crate) fn take(words: &[Dword]) -> usize {
    let mut present = 0u64;
    let mut chunks = words.chunks_exact(CHUNK);
    for chunk in &mut chunks {
        for word in chunk {
            present = present.wrapping_add(word.load() & 1);
            word.store(0);
        }
    }
    for word in chunks.remainder() {
        present = present.wrapping_add(word.load() & 1);
        word.store(0);
    }
    present as usize
}
