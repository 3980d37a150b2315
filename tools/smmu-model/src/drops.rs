//! Which invalidations have been completed, and what may be cached in spite of them.
//!
//! A command takes effect at some moment between the register write that showed it to the SMMU and the completion of the
//! CMD_SYNC behind it. So what could be read before the former is gone with the latter; what could be read later may
//! have been cached after the command had done its work (IHI 0070 4.3, 4.4, 4.7.3).

use crate::config_cache::Cfgi;
use crate::times::{Time, Times};
use crate::tlb::{Place, Tag};
use crate::tlbi::{Group, Rules, Tlbi};

/// An invalidation.
#[derive(Clone, Debug)]
pub(crate) enum Drop {
    /// Of configuration caches.
    Config(Cfgi),
    /// Of TLBs, with the registers it depends on.
    Tlb(Tlbi, Rules),
}

impl Drop {
    /// It drops the STE of `sid`.
    pub(crate) fn of_ste(&self, sid: u32) -> bool {
        matches!(self, Self::Config(cfgi) if cfgi.drops_ste(sid))
    }

    /// It drops the L1STD of the 2^`log2` streams around `sid`.
    pub(crate) fn of_l1std(&self, sid: u32, log2: u32) -> bool {
        matches!(self, Self::Config(cfgi) if cfgi.drops_l1std(sid, log2))
    }

    /// It drops the CD at `index` of `sid`.
    pub(crate) fn of_cd(&self, sid: u32, index: u32) -> bool {
        matches!(self, Self::Config(cfgi) if cfgi.drops_cd(sid, index))
    }

    /// It drops the L1CD of the 2^`log2` CDs around `index` of `sid`.
    pub(crate) fn of_l1cd(&self, sid: u32, index: u32, log2: u32) -> bool {
        matches!(self, Self::Config(cfgi) if cfgi.drops_l1cd(sid, index, log2))
    }

    /// It drops a translation by VA, alone or combined.
    pub(crate) fn of_leaf(&self, tag: &Tag, place: &Place, group: Group) -> bool {
        matches!(self, Self::Tlb(tlbi, rules) if rules.drops_leaf(tlbi, tag, place, group))
    }

    /// It drops a stage 1 walk step.
    pub(crate) fn of_table(&self, tag: &Tag, place: &Place) -> bool {
        matches!(self, Self::Tlb(tlbi, rules) if rules.drops_table(tlbi, tag, place))
    }

    /// It drops a stage 2 translation.
    pub(crate) fn of_stage2_leaf(&self, vmid: u16, place: &Place, group: Group) -> bool {
        matches!(self, Self::Tlb(tlbi, rules) if rules.drops_stage2_leaf(tlbi, vmid, place, group))
    }

    /// It drops a stage 2 walk step.
    pub(crate) fn of_stage2_table(&self, vmid: u16, place: &Place) -> bool {
        matches!(self, Self::Tlb(tlbi, rules) if rules.drops_stage2_table(tlbi, vmid, place))
    }
}

/// An invalidation that has been completed.
#[derive(Clone, Debug)]
struct Done {
    what: Drop,
    issued: Time,
    done: Time,
}

/// All of them, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops(Vec<Done>);

impl Drops {
    /// An invalidation issued at `issued` is complete now.
    pub(crate) fn push(&mut self, what: Drop, issued: Time, done: Time) {
        self.0.push(Done { what, issued, done });
    }

    /// When a copy of what could be read at `readable` may be in a cache: from each moment at which it could be read
    /// until the first completion of an invalidation that `drops` it and was issued when it could not be read any more.
    pub(crate) fn cached(&self, readable: &Times, drops: impl Fn(&Drop) -> bool) -> Times {
        let held = readable.intervals().map(|(from, until)| {
            // Completions are in order, so those that came before `until` are at the front.
            let start = self.0.partition_point(|d| d.done < until);
            let end = self.0.iter().skip(start).find(|d| d.issued >= until && drops(&d.what));
            (from, end.map_or(Time::MAX, |d| d.done))
        });
        Times::union(held.collect())
    }

    /// Forgets all: nothing that they dropped is remembered any more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
