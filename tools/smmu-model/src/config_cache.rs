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
        covers(self.first, self.log2, id)
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

    /// Drops what `cfgi` must drop.
    pub(crate) fn invalidate(&mut self, cfgi: &Cfgi) {
        self.stes.retain(|sid, _| !cfgi.drops_ste(*sid));
        self.cds.retain(|(sid, index), _| !cfgi.drops_cd(*sid, *index));
        self.l1stds.retain(|d| !cfgi.drops_l1std(d.first, d.log2));
        self.l1cds.retain(|d| !cfgi.drops_l1cd(d.owner, d.first, d.log2));
    }
}

/// An invalidation of configuration caches (4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cfgi {
    /// CFGI_STE: the STE and the CDs and L1CDs cached through it; without `leaf` also the L1STD walked for it (4.3.1).
    Ste { sid: u32, leaf: bool },
    /// CFGI_STE_RANGE: 2^(range+1) aligned streams and the L1STDs walked for them; 31 is CFGI_ALL (4.3.2, 4.3.6).
    Range { sid: u32, range: u32 },
    /// CFGI_CD: one CD by its table index; without `leaf` also the L1CD that locates it (4.3.3).
    Cd { sid: u32, index: u32, leaf: bool },
    /// CFGI_CD_ALL: all CDs and L1CDs of a stream (4.3.4).
    CdAll { sid: u32 },
}

impl Cfgi {
    /// Whether the STE of `sid` goes.
    pub(crate) fn drops_ste(&self, sid: u32) -> bool {
        match *self {
            Self::Ste { sid: named, .. } => named == sid,
            Self::Range { sid: named, range } => covers(named, range + 1, sid),
            Self::Cd { .. } | Self::CdAll { .. } => false,
        }
    }

    /// Whether the CD at `index` of `sid` goes.
    pub(crate) fn drops_cd(&self, sid: u32, index: u32) -> bool {
        match *self {
            Self::Cd { sid: named, index: cd, .. } => named == sid && cd == index,
            Self::CdAll { sid: named } => named == sid,
            Self::Ste { .. } | Self::Range { .. } => self.drops_ste(sid),
        }
    }

    /// Whether an L1STD of the 2^`log2` streams around `sid` goes.
    pub(crate) fn drops_l1std(&self, sid: u32, log2: u32) -> bool {
        match *self {
            Self::Ste { sid: named, leaf } => !leaf && covers(sid, log2, named),
            Self::Range { sid: named, range } => covers(named, log2.max(range + 1), sid),
            Self::Cd { .. } | Self::CdAll { .. } => false,
        }
    }

    /// Whether an L1CD of `sid` for the 2^`log2` CDs around `index` goes.
    pub(crate) fn drops_l1cd(&self, sid: u32, index: u32, log2: u32) -> bool {
        match *self {
            Self::Cd { sid: named, index: cd, leaf } => named == sid && !leaf && covers(index, log2, cd),
            Self::CdAll { sid: named } => named == sid,
            Self::Ste { .. } | Self::Range { .. } => self.drops_ste(sid),
        }
    }
}

/// Whether `id` is among the 2^`log2` aligned ids around `of`.
fn covers(of: u32, log2: u32, id: u32) -> bool {
    u64::from(id ^ of) >> log2.min(63) == 0
}

fn align(id: u32, log2: u32) -> u32 {
    if log2 >= 32 { 0 } else { (id >> log2) << log2 }
}
