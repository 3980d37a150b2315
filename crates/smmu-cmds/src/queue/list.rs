//! What a list becomes in the ring: its commands, and the `CMD_SYNC`s that errata and its owner want.

use super::common::FORCED_BATCH;
use crate::command::RawCommand;
use smmu_regs::{Caps, Quirk};

/// An entry that a list becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// The command at this index of the list.
    Command(usize, RawCommand),
    /// A `CMD_SYNC` that nobody waits for.
    Sync,
    /// The `CMD_SYNC` that the owner waits for, the last entry.
    Last,
}

/// How lists are laid out: a pure function of the capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// No more than 63 commands without a `CMD_SYNC`, whosever they are.
    forced: bool,
    /// Configuration and TLB invalidations take effect only when sent again after a `CMD_SYNC`. Commands behind a
    /// `CMD_SYNC` begin after it is complete (4.7.3), so both rounds can be queued at once.
    repeat: bool,
}

impl Layout {
    pub(super) const fn new(caps: &Caps) -> Self {
        Self { forced: caps.must(Quirk::ForceSync), repeat: caps.must(Quirk::RepeatCfgiTlbi) }
    }

    /// Calls `entry` with each entry, in order.
    #[inline]
    pub(super) fn for_each(self, list: &[RawCommand], sync: bool, mut entry: impl FnMut(Entry)) {
        // Commands since the last CMD_SYNC: every list before this one ended with one, where that matters.
        let mut batch = 0_u64;
        for (index, command) in list.iter().enumerate() {
            self.add(index, command, &mut batch, &mut entry);
        }
        let again = |command: &RawCommand| self.repeat && command.opcode().is_cfgi_or_tlbi();
        if self.repeat && list.iter().any(again) {
            entry(Entry::Sync);
            batch = 0;
            for (index, command) in list.iter().enumerate().filter(|(_, command)| again(command)) {
                self.add(index, command, &mut batch, &mut entry);
            }
        }
        if sync {
            entry(Entry::Last);
        } else if self.forced {
            entry(Entry::Sync);
        }
    }

    #[inline]
    fn add(self, index: usize, command: &RawCommand, batch: &mut u64, entry: &mut impl FnMut(Entry)) {
        if self.forced && *batch == FORCED_BATCH {
            entry(Entry::Sync);
            *batch = 0;
        }
        entry(Entry::Command(index, *command));
        *batch = batch.saturating_add(1);
    }

    /// Number of entries.
    #[inline]
    pub(super) fn entries(self, list: &[RawCommand], sync: bool) -> usize {
        if !self.forced && !self.repeat {
            return list.len().saturating_add(usize::from(sync));
        }
        let mut entries = 0_usize;
        self.for_each(list, sync, |_| entries = entries.saturating_add(1));
        entries
    }

    /// Commands that always fit a ring of so many entries, with a `CMD_SYNC`.
    pub(super) fn longest(self, entries: usize) -> usize {
        let usable = entries.saturating_sub(1);
        let once = if self.repeat { usable.saturating_sub(1) / 2 } else { usable };
        // One forced CMD_SYNC for each 63 commands of either round.
        let batch = FORCED_BATCH as usize;
        if self.forced { once.saturating_sub(once.div_ceil(batch)) } else { once }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn all(layout: Layout, list: &[RawCommand], sync: bool) -> Vec<Entry> {
        let mut entries = Vec::new();
        layout.for_each(list, sync, |entry| entries.push(entry));
        assert_eq!(entries.len(), layout.entries(list, sync));
        entries
    }

    fn commands(count: usize) -> Vec<RawCommand> {
        // Prefetches are not repeated, TLB invalidations are.
        (0..count).map(|n| RawCommand::from_words([if n % 3 == 0 { 1 } else { 0x30 }, n as u64])).collect()
    }

    #[test]
    fn no_more_than_63_commands_without_a_sync_where_that_is_forced() {
        for repeat in [false, true] {
            let layout = Layout { forced: true, repeat };
            for count in 0..200 {
                for sync in [false, true] {
                    let entries = all(layout, &commands(count), sync);
                    assert!(matches!(entries.last(), Some(Entry::Sync | Entry::Last)));
                    for batch in entries.split(|entry| !matches!(entry, Entry::Command(..))) {
                        assert!(batch.len() <= 63);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_repeated_comes_again_after_a_sync() {
        let list = commands(5);
        let layout = Layout { forced: false, repeat: true };
        let entry = |n: usize| Entry::Command(n, list[n]);
        let first = [entry(0), entry(1), entry(2), entry(3), entry(4), Entry::Sync];
        let second = [entry(1), entry(2), entry(4), Entry::Last];
        assert_eq!(all(layout, &list, true), [&first[..], &second[..]].concat());
        assert_eq!(all(layout, &list[..1], true), [entry(0), Entry::Last], "nothing to repeat");
    }

    #[test]
    fn the_longest_list_fits() {
        for forced in [false, true] {
            for repeat in [false, true] {
                let layout = Layout { forced, repeat };
                for entries in [128, 256, 1024] {
                    let invalidations = vec![RawCommand::from_words([0x30, 0]); layout.longest(entries)];
                    assert!(!invalidations.is_empty());
                    assert!(layout.entries(&invalidations, true) <= entries, "{layout:?} {entries}");
                }
            }
        }
    }
}
