//! Configuration caches: L1STDs, STEs, L1CDs and CDs, each cached on its own (IHI 0070 4.3, 16.2).
//!
//! Filled on every use, valid or not (5.2.1, 5.4.1); a failed fetch fills nothing. Each command drops exactly what the
//! text says it must drop, never more.

use std::collections::BTreeMap;

/// Cached words of a 64-byte structure.
pub(crate) type Words = [u64; 8];

/// A cached level 1 descriptor and the ids it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Level1 {
    /// StreamID that owns it; 0 for L1STDs, which are not local to a stream.
    owner: u32,
    /// First id covered.
    first: u32,
    /// log2 of the number of ids covered.
    log2: u32,
    word: u64,
}

impl Level1 {
    fn covers(&self, id: u32) -> bool {
        u64::from(id ^ self.first) >> self.log2 == 0
    }

    fn overlaps(&self, first: u64, last: u64) -> bool {
        let start = u64::from(self.first);
        start <= last && first < start + (1 << self.log2)
    }
}

/// All configuration caches of the Non-secure state.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigCache {
    l1stds: Vec<Level1>,
    stes: BTreeMap<u32, Words>,
    l1cds: Vec<Level1>,
    cds: BTreeMap<(u32, u32), Words>,
}

impl ConfigCache {
    /// Cached STE of a stream.
    pub(crate) fn ste(&self, sid: u32) -> Option<Words> {
        self.stes.get(&sid).copied()
    }

    /// Caches an STE.
    pub(crate) fn put_ste(&mut self, sid: u32, words: Words) {
        self.stes.insert(sid, words);
    }

    /// Cached L1STD that covers a stream.
    pub(crate) fn l1std(&self, sid: u32) -> Option<u64> {
        self.l1stds.iter().find(|d| d.covers(sid)).map(|d| d.word)
    }

    /// Caches the L1STD of 2^`log2` streams around `sid`.
    pub(crate) fn put_l1std(&mut self, sid: u32, log2: u32, word: u64) {
        self.l1stds.push(Level1 { owner: 0, first: align(sid, log2), log2, word });
    }

    /// Cached CD, by CD table index.
    pub(crate) fn cd(&self, sid: u32, index: u32) -> Option<Words> {
        self.cds.get(&(sid, index)).copied()
    }

    /// Caches a CD.
    pub(crate) fn put_cd(&mut self, sid: u32, index: u32, words: Words) {
        self.cds.insert((sid, index), words);
    }

    /// Cached L1CD that covers a CD table index.
    pub(crate) fn l1cd(&self, sid: u32, index: u32) -> Option<u64> {
        self.l1cds.iter().find(|d| d.owner == sid && d.covers(index)).map(|d| d.word)
    }

    /// Caches the L1CD of 2^`log2` CDs around `index`.
    pub(crate) fn put_l1cd(&mut self, sid: u32, index: u32, log2: u32, word: u64) {
        self.l1cds.push(Level1 { owner: sid, first: align(index, log2), log2, word });
    }

    /// CFGI_STE: the STE and the CDs and L1CDs cached through it; with Leaf=0 also the L1STD walked for it (4.3.1).
    pub(crate) fn invalidate_ste(&mut self, sid: u32, leaf: bool) {
        self.stes.remove(&sid);
        self.invalidate_cds(sid);
        if !leaf {
            self.l1stds.retain(|d| !d.covers(sid));
        }
    }

    /// CFGI_STE_RANGE: 2^(range+1) aligned streams and the L1STDs walked for them; 31 is CFGI_ALL (4.3.2, 4.3.6).
    pub(crate) fn invalidate_range(&mut self, sid: u32, range: u32) {
        let log2 = range + 1;
        let first = (u64::from(sid) >> log2) << log2;
        let last = first + (1 << log2) - 1;
        let inside = |id: u32| (first..=last).contains(&u64::from(id));
        self.stes.retain(|id, _| !inside(*id));
        self.cds.retain(|(id, _), _| !inside(*id));
        self.l1cds.retain(|d| !inside(d.owner));
        self.l1stds.retain(|d| !d.overlaps(first, last));
    }

    /// CFGI_CD: one CD by its table index; with Leaf=0 also the L1CD that locates it (4.3.3).
    pub(crate) fn invalidate_cd(&mut self, sid: u32, index: u32, leaf: bool) {
        self.cds.remove(&(sid, index));
        if !leaf {
            self.l1cds.retain(|d| d.owner != sid || !d.covers(index));
        }
    }

    /// CFGI_CD_ALL: all CDs and L1CDs of a stream (4.3.4).
    pub(crate) fn invalidate_cds(&mut self, sid: u32) {
        self.cds.retain(|(id, _), _| *id != sid);
        self.l1cds.retain(|d| d.owner != sid);
    }
}

fn align(id: u32, log2: u32) -> u32 {
    if log2 >= 32 { 0 } else { (id >> log2) << log2 }
}
