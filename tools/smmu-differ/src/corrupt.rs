//! A DMA while one field is set wrongly, with nothing cached; the field is put right again afterwards.

use crate::DifferError;
use crate::fault::{Fault, Place};
use crate::lab::{Lab, Outcome, failed};
use crate::op::{Config, Drop, TableId};
use io_pgtable_lpae::PageTable;
use smmu_regs::PhysAddr;

/// Output address bits of a descriptor, as far as these tables use them (DDI 0487 D8.3).
const OUTPUT: u64 = 0x0000_ffff_ffff_f000;

impl Lab<'_> {
    /// One DMA while `fault` is there. It drops everything that is cached, before and after.
    pub(crate) fn corrupt(
        &mut self,
        device: usize,
        iova: u64,
        fault: &Fault,
    ) -> Result<Outcome, DifferError> {
        let Some(at) = self.place(device, iova, fault)? else { return Ok(Outcome::Skipped) };
        let word = |p| -> Result<u64, DifferError> {
            let words = smmu_regs::platform::Memory::words(&p, at, 1);
            Ok(words.map_err(|e| failed("reading a word")(&e))?.first().map_or(0, |word| word.load()))
        };
        let before = word(self.p)?;
        self.store(at, fault.apply(before))?;
        let _ = self.invalidate(Drop::Everything)?;
        let outcome = self.dma(device, iova);
        self.store(at, before)?;
        let _ = self.invalidate(Drop::Everything)?;
        outcome
    }

    fn store(&self, at: PhysAddr, value: u64) -> Result<(), DifferError> {
        let words = self.p.words(at, 1).map_err(|e| failed("storing a word")(&e))?;
        for word in words {
            word.store(value);
        }
        self.p.publish();
        Ok(())
    }

    /// Address of the word that holds the field; `None` if there is no such thing.
    fn place(&mut self, device: usize, iova: u64, fault: &Fault) -> Result<Option<PhysAddr>, DifferError> {
        let config = self.attached.get(&device).copied().unwrap_or_default();
        let Some(stream) = self.p.devices().get(device).copied() else { return Ok(None) };
        let word = |base: PhysAddr, word: usize| base.checked_add(word as u64 * 8);
        match (fault.place, config) {
            (Place::Ste(number), _) => {
                // A two-level table may have no entry for it yet.
                let there = self.streams.get(&self.p, stream).map_err(|e| failed("finding an STE")(&e))?;
                if there.is_none() { Ok(None) } else { Ok(word(self.ste_address(stream)?, number)) }
            }
            (Place::Cd(number), Config::Stage1(space)) => {
                Ok(self.spaces.cd_address(space).and_then(|base| word(base, number)))
            }
            (Place::Stage1(up), Config::Stage1(space)) => {
                let id = half(space, iova);
                self.descriptor(id, iova, up, fault)
            }
            (Place::Stage2(up), Config::Stage2(space)) => {
                self.descriptor(TableId::Stage2(space), iova, up, fault)
            }
            (Place::Stage2(up), Config::Stage1(space)) => {
                let Some(host) = self.spaces.host(space) else { return Ok(None) };
                let p = self.p;
                let Some(guest) = self.spaces.table(half(space, iova)) else { return Ok(None) };
                let Ok(found) = guest.translate(&p, iova) else { return Ok(None) };
                self.descriptor(TableId::Stage2(host), found.pa.get(), up, fault)
            }
            _ => Ok(None),
        }
    }

    /// Address of the descriptor that is `up` levels above the leaf of `input`.
    fn descriptor(
        &mut self,
        id: TableId,
        input: u64,
        up: u8,
        fault: &Fault,
    ) -> Result<Option<PhysAddr>, DifferError> {
        let p = self.p;
        let Some(table) = self.spaces.table(id) else { return Ok(None) };
        let Ok(leaf) = table.translate(&p, input) else { return Ok(None) };
        let depth = leaf.level.number() - i32::from(up);
        if fault.page_only && leaf.level.number() != 3 {
            return Ok(None);
        }
        self.walk(id, input, depth)
    }

    /// Address of the descriptor of `input` at a level that the walk passes.
    fn walk(&mut self, id: TableId, input: u64, depth: i32) -> Result<Option<PhysAddr>, DifferError> {
        let p = self.p;
        let Some(table) = self.spaces.table(id) else { return Ok(None) };
        let geometry = table.config().geometry();
        let granule = geometry.granule();
        let (mut level, mut base) = (geometry.start_level(), PageTable::base(table).get());
        let mut bits = geometry.first_bits();
        if depth < level.number() {
            return Ok(None);
        }
        loop {
            let index = input >> level.shift(granule) & ((1 << bits) - 1);
            let at = PhysAddr::new(base + index * 8);
            if level.number() == depth {
                return Ok(Some(at));
            }
            let words = p.words(at, 1).map_err(|e| failed("walking")(&e))?;
            base = words.first().map_or(0, |word| word.load()) & OUTPUT & !(granule.bytes() - 1);
            let Some(next) = level.next() else { return Ok(None) };
            (level, bits) = (next, granule.bits_per_level());
        }
    }
}

/// The half of a space that an address is in (IHI 0070 3.4.1: bit 55 decides).
const fn half(space: usize, iova: u64) -> TableId {
    if iova >> 55 & 1 == 0 { TableId::Low(space) } else { TableId::High(space) }
}
