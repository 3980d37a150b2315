//! The algorithms on sorted entries, for memory of any origin. `entries` is all there is room for, of which the first `len`
//! are in use, sorted by key and each key there once; what lies behind them has no meaning.

use super::entry::{Entry, Key};
use core::fmt;
use smmu_regs::receipt::MAX_INSTANCES;

/// A merge or unref that was refused. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArrayError {
    /// The keys of the argument are not in ascending order, or one is there twice.
    Unsorted {
        /// The first that is not above the one before it.
        key: Key,
    },
    /// No room. Entries without users may be in the way: [`purge`] them.
    Full {
        /// Entries that there would be.
        needed: usize,
        /// Entries that there can be.
        capacity: usize,
    },
    /// More SMMUs than a quarantine can wait for.
    Instances {
        /// SMMUs that there would be.
        needed: usize,
        /// SMMUs that there can be.
        capacity: usize,
    },
    /// The entry lost its last user and has not been purged: what TLBs hold of it has not been flushed, and may be stale by
    /// now.
    Unflushed {
        /// The entry.
        key: Key,
    },
    /// One user more cannot be counted.
    Users {
        /// The entry.
        key: Key,
    },
    /// The key is not there, or has no users left.
    Unknown {
        /// The key.
        key: Key,
    },
}

impl fmt::Display for ArrayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsorted { key } => write!(f, "{key}: not above the one before it"),
            Self::Full { needed, capacity } => {
                write!(f, "{needed} entries, where there is room for {capacity}")
            }
            Self::Instances { needed, capacity } => write!(f, "{needed} SMMUs, where {capacity} can be"),
            Self::Unflushed { key } => write!(f, "{key}: not flushed and purged since its last user left"),
            Self::Users { key } => write!(f, "{key}: too many users"),
            Self::Unknown { key } => write!(f, "{key}: not in use"),
        }
    }
}

impl core::error::Error for ArrayError {}

fn check_sorted(keys: &[Key]) -> Result<(), ArrayError> {
    let pairs = keys.iter().zip(keys.iter().skip(1));
    match pairs.into_iter().find(|(before, key)| before >= key) {
        Some((_, &key)) => Err(ArrayError::Unsorted { key }),
        None => Ok(()),
    }
}

/// How many entries there will be when `add` has been merged, if it can be.
fn merged_len(live: &[Entry], add: &[Key], capacity: usize) -> Result<usize, ArrayError> {
    check_sorted(add)?;
    let (mut old, mut new) = (live.iter().peekable(), add.iter().peekable());
    let (mut needed, mut instances, mut last) = (0_usize, 0_usize, None);
    loop {
        let key = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(entry), Some(key)) if entry.key == **key => match entry.users {
                0 => return Err(ArrayError::Unflushed { key: entry.key }),
                u32::MAX => return Err(ArrayError::Users { key: entry.key }),
                _ => entry.key,
            },
            (Some(entry), Some(key)) if entry.key < **key => entry.key,
            (_, Some(key)) => **key,
            (Some(entry), None) => entry.key,
        };
        let _ = old.next_if(|entry| entry.key == key);
        let _ = new.next_if(|new| **new == key);
        needed = needed.saturating_add(1);
        if last != Some(key.instance) {
            instances = instances.saturating_add(1);
            last = Some(key.instance);
        }
    }
    if needed > capacity {
        return Err(ArrayError::Full { needed, capacity });
    }
    if instances > MAX_INSTANCES {
        return Err(ArrayError::Instances { needed: instances, capacity: MAX_INSTANCES });
    }
    Ok(needed)
}

/// Gives each key of `add`, which is sorted, one user more, with a new entry where there was none. Returns the new length.
///
/// # Errors
/// See [`ArrayError`].
pub fn merge(entries: &mut [Entry], len: usize, add: &[Key]) -> Result<usize, ArrayError> {
    let capacity = entries.len();
    let live = entries.get(..len).unwrap_or(entries);
    let merged = merged_len(live, add, capacity)?;
    // From the end, so that each entry moves once: what is not yet read is never written over.
    let (mut read, mut write, mut rest) = (live.len(), merged, add);
    while let Some((&key, before)) = rest.split_last() {
        let last = read.checked_sub(1).and_then(|at| entries.get(at).copied());
        let entry = match last {
            Some(last) if last.key > key => {
                read = read.saturating_sub(1);
                last
            }
            Some(last) if last.key == key => {
                read = read.saturating_sub(1);
                rest = before;
                // `merged_len` has seen that one more can be counted.
                Entry { key, users: last.users.saturating_add(1) }
            }
            _ => {
                rest = before;
                Entry { key, users: 1 }
            }
        };
        write = write.saturating_sub(1);
        if let Some(slot) = entries.get_mut(write) {
            *slot = entry;
        }
    }
    Ok(merged)
}

fn find(live: &[Entry], key: Key) -> Option<usize> {
    live.binary_search_by(|entry| entry.key.cmp(&key)).ok()
}

/// Takes one user from each key of `leave`, which is sorted. `last` is told each key that has no user left; its entry stays,
/// until [`purge`].
///
/// # Errors
/// A key that is not in use, or `leave` is not sorted: see [`ArrayError`].
pub fn unref(live: &mut [Entry], leave: &[Key], mut last: impl FnMut(Key)) -> Result<(), ArrayError> {
    check_sorted(leave)?;
    for &key in leave {
        let entry = find(live, key).and_then(|at| live.get(at));
        if entry.is_none_or(|entry| entry.users == 0) {
            return Err(ArrayError::Unknown { key });
        }
    }
    for &key in leave {
        if let Some(entry) = find(live, key).and_then(|at| live.get_mut(at)) {
            entry.users = entry.users.saturating_sub(1);
            if entry.users == 0 {
                last(key);
            }
        }
    }
    Ok(())
}

/// Takes out the entries without users, in order, and tells `freed` of each. Returns the new length.
pub fn purge(live: &mut [Entry], mut freed: impl FnMut(Key)) -> usize {
    let mut kept = 0_usize;
    for at in 0..live.len() {
        let Some(&entry) = live.get(at) else { break };
        if entry.users == 0 {
            freed(entry.key);
        } else {
            if let Some(slot) = live.get_mut(kept) {
                *slot = entry;
            }
            kept = kept.saturating_add(1);
        }
    }
    kept
}
