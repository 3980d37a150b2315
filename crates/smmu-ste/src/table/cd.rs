//! CD tables: linear ones (IHI 0070 3.3.2, 5.4).

use super::TableError;
use super::write::{Caches, Entry, Progress, Updated};
use crate::cd::Cd;
use crate::cd::word::Cd0;
use crate::ste::{CdTableFormat, CdTablePointer, WithoutSubstream};
use crate::update::{UpdatePlan, UsedBits};
use core::time::Duration;
use smmu_cmds::{Command, CommandQueue};
use smmu_regs::addr::PhysAddr;
use smmu_regs::platform::{Atomicity, Clock, Memory, Mmio, Pages};
use smmu_regs::{Caps, StreamId, SubstreamId};

/// Bytes of a CD.
const CD_BYTES: u64 = 64;
/// `V` of a CD.
const VALID: u64 = Cd0::V.mask();

/// A linear table of CDs, or a single CD.
#[derive(Debug)]
pub struct CdTable {
    pages: Pages,
    cds_log2: u8,
    caps: Caps,
    caches: Caches,
    el2: bool,
}

impl CdTable {
    /// The largest linear table: 2^10 CDs, 64 KiB.
    pub const LINEAR_MAX_LOG2: u8 = 10;

    /// Allocates a table of 2^`cds_log2` invalid CDs.
    ///
    /// # Errors
    /// More CDs than the SMMU has SubstreamIDs or than a linear table holds, or no memory.
    pub fn new<M: Memory>(memory: &M, caps: &Caps, cds_log2: u8) -> Result<Self, TableError> {
        let max = caps.substream_id_bits.min(Self::LINEAR_MAX_LOG2);
        if cds_log2 > max {
            return Err(TableError::Size { log2: cds_log2, max });
        }
        let bytes = CD_BYTES.wrapping_shl(u32::from(cds_log2));
        let pages = memory.allocate(bytes, bytes)?;
        // The zeros are invalid CDs, and the SMMU must see them.
        memory.clean(pages.base(), pages.words());
        memory.publish();
        Ok(Self { pages, cds_log2, caps: *caps, caches: Caches::default(), el2: false })
    }

    /// The same table for streams of the EL2 world without E2H, whose CDs have one half only.
    #[must_use]
    pub fn for_el2(self) -> Self {
        Self { el2: true, ..self }
    }

    /// What an STE says of this table.
    #[must_use]
    pub const fn pointer(&self, without_substream: WithoutSubstream) -> CdTablePointer {
        CdTablePointer {
            base: self.pages.base(),
            format: CdTableFormat::Linear,
            cds_log2: self.cds_log2,
            without_substream,
        }
    }

    fn entry(&self, substream: SubstreamId) -> Result<PhysAddr, TableError> {
        let cds_log2 = self.cds_log2;
        if !substream.fits(u32::from(cds_log2)) {
            return Err(TableError::Substream { substream, cds_log2 });
        }
        let offset = u64::from(substream).wrapping_mul(CD_BYTES);
        Ok(PhysAddr::new(self.pages.base().get().wrapping_add(offset)))
    }

    /// A copy of the CD of `substream`.
    ///
    /// # Errors
    /// The SubstreamID is beyond the table.
    pub fn get<M: Memory>(&self, memory: &M, substream: SubstreamId) -> Result<Cd, TableError> {
        Ok(Cd::from_words(Entry::read(memory, self.entry(substream)?)?.words))
    }

    /// Writes a CD of a table that no STE has pointed to yet: no invalidation is needed (3.21.3.1).
    ///
    /// # Errors
    /// The SubstreamID is beyond the table.
    pub fn set_before_use<M: Memory>(
        &mut self,
        memory: &M,
        substream: SubstreamId,
        cd: &Cd,
    ) -> Result<(), TableError> {
        let at = self.entry(substream)?;
        for (word, value) in memory.words(at, Cd::WORDS)?.iter().zip(cd.words()) {
            word.store(value);
        }
        memory.clean(at, Cd::WORDS);
        memory.publish();
        Ok(())
    }

    /// Changes the CD of `substream` in a table that the STEs of `streams` point to, hitless where there is a way. CDs are
    /// cached by StreamID, so every stream that shares the table needs its own invalidation (4.3.3).
    ///
    /// # Errors
    /// The SubstreamID is beyond the table, no stream is named, the queue is another SMMU's, or an invalidation failed.
    #[allow(clippy::too_many_arguments)]
    pub fn set<P: Mmio + Memory + Clock>(
        &mut self,
        p: &P,
        queue: &mut CommandQueue,
        streams: &[StreamId],
        substream: SubstreamId,
        target: &Cd,
        timeout: Duration,
        observe: impl FnMut(Progress<'_>),
    ) -> Result<Updated, TableError> {
        /// Streams whose invalidations go into one batch.
        const BATCH: usize = 16;
        if streams.is_empty() {
            return Err(TableError::NoStream);
        }
        let entry = Entry::read(p, self.entry(substream)?)?;
        let plan = self.plan(&Cd::from_words(entry.words), target, p.atomicity());
        let mut commands = [Command::CfgiAll; BATCH];
        let commands = match streams {
            // Without CFGI_CD for each stream, one command that covers them all.
            many if many.len() > BATCH => &commands[..1],
            few => {
                for (command, stream) in commands.iter_mut().zip(few) {
                    *command = Command::CfgiCd { stream: *stream, substream, leaf: true };
                }
                commands.get(..few.len()).unwrap_or(&[])
            }
        };
        self.caches.guard(p, queue, timeout, |queue, made_up| {
            entry.carry_out(p, queue, plan, commands, (made_up, timeout), observe)
        })
    }

    /// The way from one CD to another.
    #[must_use]
    pub fn plan(&self, current: &Cd, target: &Cd, atomicity: Atomicity) -> UpdatePlan {
        let bits = |cd: &Cd| if self.el2 { cd.used_bits_el2(&self.caps) } else { cd.used_bits(&self.caps) };
        let used = UsedBits { current: bits(current), target: bits(target), safe: [0; 8] };
        UpdatePlan::new(&current.words(), &target.words(), &used, VALID, atomicity)
    }

    /// Gives the memory back: only when no STE points to the table any more and the receipt of that is there.
    pub fn into_pages(self) -> Pages {
        self.pages
    }
}
