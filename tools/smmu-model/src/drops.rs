//! Which invalidations have been completed, and what may be cached in spite of them.
//!
//! A command takes effect at some moment between the register write that showed it to the SMMU and the completion of the
//! CMD_SYNC behind it. So what could be read before the former is gone with the latter; what could be read later may
//! have been cached after the command had done its work (IHI 0070 4.3, 4.4, 4.7.3).
//!
//! Commands between two CMD_SYNCs take effect in any order. So what was made from a cached entry (a combined translation
//! from one of stage 2, a leaf from the table above it) before that was dropped is itself gone only if one command drops
//! both, or if a later CMD_SYNC has completed one that drops it.

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

/// Invalidations that one CMD_SYNC completed.
#[derive(Clone, Debug)]
struct Batch {
    /// The moments from here on, [`BATCH`] of them, belong to it.
    start: Time,
    /// What, and when it was issued.
    commands: Vec<(Drop, Time)>,
    /// The moment `start + n` stands for: when the commands of set `n` have all taken effect.
    sets: Vec<Vec<usize>>,
}

/// Moments that the completion of a batch takes.
pub(crate) const BATCH: Time = 1 << 20;

impl Batch {
    /// The set that a moment stands for.
    fn set(&self, time: Time) -> Option<&Vec<usize>> {
        time.checked_sub(self.start).and_then(|number| self.sets.get(number as usize))
    }

    /// The moment that stands for `set`.
    fn moment(&mut self, set: Vec<usize>) -> Time {
        let known = self.sets.iter().position(|other| *other == set);
        let number = known.unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        self.start + number as Time
    }
}

/// All of them, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops(Vec<Batch>);

impl Drops {
    /// Invalidations are complete; the [`BATCH`] moments from `start` on are theirs.
    pub(crate) fn push(&mut self, start: Time, commands: Vec<(Drop, Time)>) {
        self.0.push(Batch { start, commands, sets: Vec::new() });
    }

    /// When a copy of what could be read at `readable` may be in a cache: from each moment at which it could be read
    /// until the first completion of an invalidation that `drops` it and was issued when it could not be read any more.
    pub(crate) fn cached(&mut self, readable: &Times, drops: impl Fn(&Drop) -> bool) -> Times {
        let mut held = Vec::new();
        for (from, until) in readable.intervals() {
            // Batches are in order, so those that were complete before `until` are at the front.
            let first = self.0.partition_point(|batch| batch.start + BATCH <= until);
            let end = self.0.iter_mut().skip(first).find_map(|batch| {
                let with_its_source = batch.set(until);
                let enough = |(number, (what, issued)): &(usize, &(Drop, Time))| {
                    (*issued >= until || with_its_source.is_some_and(|set| set.contains(number)))
                        && drops(what)
                };
                let set: Vec<usize> =
                    batch.commands.iter().enumerate().filter(enough).map(|(number, _)| number).collect();
                if set.is_empty() { None } else { Some(batch.moment(set)) }
            });
            held.push((from, end.unwrap_or(Time::MAX)));
        }
        Times::union(held)
    }

    /// Forgets what was issued before `time`: nothing that it dropped is remembered any more.
    pub(crate) fn forget(&mut self, time: Time) {
        self.0.retain(|batch| batch.commands.iter().any(|(_, issued)| *issued >= time));
    }
}
