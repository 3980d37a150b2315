//! A VMS in memory: the map of a guest's PARTIDs (IHI 0070 5.6).

use super::TableError;
use super::users::{CdUser, Known, Stale};
use crate::mpam::Vms;
use core::time::Duration;
use smmu_cmds::Command;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Clock, Memory, Mmio, Pages};

/// The VMS of a virtual machine, which all STEs with its VMID point to.
#[derive(Debug)]
pub struct VmsTable {
    pages: Pages,
    known: Known,
}

impl VmsTable {
    /// Allocates a VMS with this content.
    ///
    /// # Errors
    /// No memory.
    pub fn new<M: Memory>(memory: &M, vms: &Vms) -> Result<Self, TableError> {
        let pages = memory.allocate(Vms::TABLE_BYTES, Vms::TABLE_BYTES)?;
        store(memory, pages.base(), vms)?;
        // The zeros behind the map too.
        memory.clean(pages.base(), pages.words());
        memory.publish();
        Ok(Self { pages, known: Known::default() })
    }

    /// What STEs point to: for [`PartitionOf::CdThroughVms`](crate::ste::PartitionOf::CdThroughVms).
    #[must_use]
    pub const fn pointer(&self) -> PhysAddr {
        self.pages.base()
    }

    /// A copy of the content.
    ///
    /// # Errors
    /// The memory is gone.
    pub fn get<M: Memory>(&self, memory: &M) -> Result<Vms, TableError> {
        let mut words = [0; Vms::WORDS];
        for (value, word) in words.iter_mut().zip(memory.words(self.pages.base(), Vms::WORDS)?) {
            *value = word.load();
        }
        Ok(Vms::from_words(words))
    }

    /// Changes the map while streams use it. Until this returns, a transaction may have either PARTID; four PARTIDs that
    /// share a word change at once.
    ///
    /// The map may be cached by StreamID and by VMID (5.6.2): `CMD_CFGI_ALL` drops both.
    ///
    /// # Errors
    /// No SMMU is named, one is named twice or left out, or an invalidation failed.
    pub fn set<P: Mmio + Memory + Clock>(
        &mut self,
        users: &mut [CdUser<'_, P>],
        vms: &Vms,
        timeout: Duration,
    ) -> Result<(), TableError> {
        self.known.check(users, Stale::Leaf)?;
        let Some(memory) = users.first().map(|user| user.platform) else { return Err(TableError::NoStream) };
        let _ = self.known.begin(users, timeout)?;
        store(memory, self.pages.base(), vms)?;
        memory.publish();
        for user in users.iter_mut() {
            user.queue.push(user.platform, &Command::CfgiAll, timeout)?;
        }
        for user in users.iter_mut() {
            let _ = user.queue.sync(user.platform, timeout)?;
        }
        self.known.succeeded();
        Ok(())
    }

    /// Gives the memory back: only when no STE points to it any more and the receipt of that is there.
    pub fn into_pages(self) -> Pages {
        self.pages
    }
}

fn store<M: Memory>(memory: &M, at: PhysAddr, vms: &Vms) -> Result<(), TableError> {
    for (word, value) in memory.words(at, Vms::WORDS)?.iter().zip(vms.words()) {
        if word.load() != value {
            word.store(value);
        }
    }
    memory.clean(at, Vms::WORDS);
    Ok(())
}
