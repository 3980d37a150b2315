//! ASIDs and VMIDs: each is used by one domain at a time, and comes back only after its translations are gone.

use crate::DriverError;
use alloc::vec::Vec;

/// Tags of a given width. 0 is never given out: VMID 0 tags stage-1-only streams.
#[derive(Debug)]
pub(crate) struct Tags {
    bits: u8,
    next: u32,
    returned: Vec<u16>,
}

impl Tags {
    pub(crate) const fn new(bits: u8) -> Self {
        Self { bits, next: 1, returned: Vec::new() }
    }

    pub(crate) fn take(&mut self) -> Result<u16, DriverError> {
        if let Some(tag) = self.returned.pop() {
            return Ok(tag);
        }
        let tag = u16::try_from(self.next).ok().filter(|_| self.next >> self.bits == 0);
        let tag = tag.ok_or(DriverError::NoTag { bits: self.bits })?;
        self.next += 1;
        Ok(tag)
    }

    /// The caller has seen the whole-tag invalidation complete.
    pub(crate) fn give_back(&mut self, tag: u16) {
        self.returned.push(tag);
    }
}
