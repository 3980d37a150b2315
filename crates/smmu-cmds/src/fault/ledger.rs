//! A list of fixed capacity of what waits for an answer.
//!
//! Each entry has a serial number that no other entry of its list ever has. A token carries it, so a token of an entry that is
//! gone fits nothing, even where the SMMU has used the same tag again.

/// Which entry of the list, for all time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Serial(u64);

/// An entry: what it is known by (`K`), and what is known of it (`V`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<K, V> {
    pub(super) key: K,
    pub(super) serial: Serial,
    pub(super) value: V,
}

/// At most `N` entries with different keys.
#[derive(Debug)]
pub(super) struct Ledger<K, V, const N: usize> {
    slots: [Option<Entry<K, V>>; N],
    next: u64,
}

impl<K: Copy + PartialEq, V, const N: usize> Ledger<K, V, N> {
    pub(super) const fn new() -> Self {
        Self { slots: [const { None }; N], next: 0 }
    }

    /// A serial number that was never used. 2^64 of them last longer than any machine.
    fn serial(&mut self) -> Serial {
        let serial = Serial(self.next);
        self.next = self.next.saturating_add(1);
        serial
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<K, V>> {
        self.slots.iter().flatten()
    }

    pub(super) fn get(&mut self, key: K) -> Option<&mut Entry<K, V>> {
        self.slots.iter_mut().flatten().find(|entry| entry.key == key)
    }

    /// Enters something whose key is not there; gives it back if there is no room.
    pub(super) fn enter(&mut self, key: K, value: V) -> Result<Serial, V> {
        let serial = self.serial();
        match self.slots.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => {
                *slot = Some(Entry { key, serial, value });
                Ok(serial)
            }
            None => Err(value),
        }
    }

    /// Gives an entry a new serial number: tokens with the old one fit nothing any more.
    pub(super) fn renew(&mut self, key: K) -> Option<Serial> {
        let serial = self.serial();
        let entry = self.get(key)?;
        entry.serial = serial;
        Some(serial)
    }

    /// Takes out the entry with this key and serial number.
    pub(super) fn take(&mut self, key: K, serial: Serial) -> Option<Entry<K, V>> {
        self.slots
            .iter_mut()
            .find(|slot| slot.as_ref().is_some_and(|entry| entry.key == key && entry.serial == serial))?
            .take()
    }

    /// Takes out all entries of which `gone` is true, and counts them.
    pub(super) fn remove(&mut self, mut gone: impl FnMut(&Entry<K, V>) -> bool) -> usize {
        let mut count = 0_usize;
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(&mut gone) {
                *slot = None;
                count = count.saturating_add(1);
            }
        }
        count
    }
}
