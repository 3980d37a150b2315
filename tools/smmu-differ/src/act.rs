//! The operations other than DMA, right and deliberately wrong.

use crate::DifferError;
use crate::address::{ARENA, arena, hazardous};
use crate::lab::{Lab, Outcome, TIMEOUT, failed};
use crate::op::{Config, Drop, Flush, Setup, TableId, Target};
use io_pgtable_lpae::{Attributes, Gather, Invalidation, MemoryType};
use smmu_cmds::Command;
use smmu_cmds::command::TlbiOperand;
use smmu_regs::registers::StrtabBase;
use smmu_regs::vmsa::IovaRange;
use smmu_regs::{Asid, PhysAddr, StreamId, Vmid};
use smmu_ste::Ste;
use smmu_ste::table::StreamTableShape;
use smmu_tlbi::range::Rules;
use smmu_tlbi::{Policy, RangePlan, RangeSupport, Tag, invalidate};

/// Bits 51:6 of a level-1 stream table descriptor (IHI 0070 5.1).
const L2PTR: u64 = 0x000f_ffff_ffff_ffc0;

impl Lab<'_> {
    /// Gives a device its entry.
    pub(crate) fn attach(
        &mut self,
        device: usize,
        config: Config,
        raw: bool,
    ) -> Result<Outcome, DifferError> {
        let Some(stream) = self.p.devices().get(device).copied() else { return Ok(Outcome::Skipped) };
        let Some(ste) = self.spaces.ste(&self.caps, config).transpose()? else {
            return Ok(Outcome::Skipped);
        };
        self.streams
            .ensure(&self.p, &mut self.queue, stream, TIMEOUT)
            .map_err(|e| failed("making room for an STE")(&e))?;
        self.attached.insert(device, config);
        if raw {
            self.store_raw(stream, &ste)?;
            return Ok(Outcome::Done(String::new()));
        }
        let updated = self
            .streams
            .set(&self.p, &mut self.queue, stream, &ste, TIMEOUT, |_| {})
            .map_err(|e| failed("changing an STE")(&e))?;
        let how = if updated.plan.is_hitless() { "hitless" } else { "with a break" };
        Ok(Outcome::Done(format!("{how}, {} steps", updated.plan.steps().count())))
    }

    /// Where the STE of a stream is, that has one.
    pub(crate) fn ste_address(&self, stream: StreamId) -> Result<PhysAddr, DifferError> {
        let (base, _) = self.streams.registers().map_err(|e| failed("finding an STE")(&e))?;
        let (base, stream) = (base.address(StrtabBase::ADDR), u64::from(stream.get()));
        let at = match self.streams.shape() {
            StreamTableShape::Linear { .. } => base + stream * 64,
            StreamTableShape::TwoLevel { split, .. } => {
                let descriptor = PhysAddr::new(base + (stream >> split) * 8);
                let word = self.p.words(descriptor, 1).map_err(|e| failed("finding an STE")(&e))?;
                let table = word.first().map_or(0, |word| word.load()) & L2PTR;
                table + (stream & ((1 << split) - 1)) * 64
            }
        };
        Ok(PhysAddr::new(at))
    }

    /// Stores an entry as nobody should: with no regard to order, and no invalidation.
    fn store_raw(&self, stream: StreamId, ste: &Ste) -> Result<(), DifferError> {
        let at = self.ste_address(stream)?;
        let words = self.p.words(at, Ste::WORDS).map_err(|e| failed("finding an STE")(&e))?;
        for (word, value) in words.iter().zip(ste.words()) {
            word.store(value);
        }
        self.p.publish();
        Ok(())
    }

    /// Maps a range.
    pub(crate) fn map(
        &mut self,
        setup: &Setup,
        id: TableId,
        (iova, size): (u64, u64),
        to: Target,
        writable: bool,
    ) -> Result<Outcome, DifferError> {
        let to = match to {
            // No more than the arena, unless it is a block that begins with it.
            Target::Arena(offset) if size <= ARENA && offset <= ARENA - size || offset == 0 => arena(offset),
            Target::Ipa(ipa) if setup.is_guest(id) && size <= ARENA && self.is_safe_ipa(ipa, size) => {
                PhysAddr::new(ipa)
            }
            _ => return Ok(Outcome::Skipped),
        };
        let Ok(range) = IovaRange::from_size(iova, size) else { return Ok(Outcome::Skipped) };
        let memory = MemoryType::NormalCached;
        let attributes =
            if writable { Attributes::read_write(memory) } else { Attributes::read_only(memory) };
        let Some(table) = self.spaces.table(id) else { return Ok(Outcome::Skipped) };
        match table.map(&self.p, range, to, attributes) {
            Ok(()) => {
                self.p.publish();
                if size > ARENA {
                    self.large.push((iova, size));
                }
                Ok(Outcome::Done(String::new()))
            }
            Err(error) => Ok(Outcome::Refused(error.to_string())),
        }
    }

    /// Whether a guest may map to an intermediate address: nothing but the arena can be behind it.
    fn is_safe_ipa(&self, ipa: u64, size: u64) -> bool {
        let Some(last) = ipa.checked_add(size - 1) else { return false };
        let beyond = |(start, length): &(u64, u64)| last >= start + ARENA && ipa < start + length;
        !hazardous(ipa) && !hazardous(last) && !self.large.iter().any(beyond)
    }

    /// Unmaps a range, and invalidates what `flush` says.
    pub(crate) fn unmap(
        &mut self,
        id: TableId,
        (iova, size): (u64, u64),
        flush: Flush,
    ) -> Result<Outcome, DifferError> {
        let Ok(range) = IovaRange::from_size(iova, size) else { return Ok(Outcome::Skipped) };
        let (Some(tag), Some(table)) = (self.spaces.tag(id), self.spaces.table(id)) else {
            return Ok(Outcome::Skipped);
        };
        let mut gather = Gather::new();
        if let Err(error) = table.unmap_present(&self.p, range, &mut gather) {
            return Ok(Outcome::Refused(error.to_string()));
        }
        let Some((what, freed)) = gather.finish() else { return Ok(Outcome::Done("nothing there".into())) };
        self.held.push(freed);
        if !flush.is_right() {
            self.stale.unmap();
        }
        if self.flush(&what, tag, flush)? {
            if let TableId::Low(space) | TableId::High(space) = id {
                self.stale.single(space);
            }
        }
        if !self.stale.has_translations() {
            self.reclaim_held()?;
        }
        Ok(Outcome::Done(format!("invalidates {}", what.range)))
    }

    /// Invalidates. Says whether a leaf larger than 4 KiB was invalidated by a command without a range.
    fn flush(&mut self, what: &Invalidation, tag: Tag, flush: Flush) -> Result<bool, DifferError> {
        let support = RangeSupport::of(&self.caps);
        let rules = Rules { policy: Policy::Exact, ..Rules::new(support) };
        let (rules, tag, what) = match flush {
            Flush::Omitted => return Ok(false),
            Flush::WholeTag => {
                self.run(&[tag.whole()])?;
                return Ok(false);
            }
            Flush::FirstPhase => {
                let plan = RangePlan::new(what, &rules);
                let commands: Vec<Command> = plan.operands().map(|operand| tag.by_address(operand)).collect();
                self.run(&commands)?;
                return Ok(false);
            }
            Flush::Short => {
                let last = what.range.last().wrapping_sub(what.granule.bytes());
                let Ok(range) = IovaRange::new(what.range.start(), last) else { return Ok(false) };
                (rules, tag, Invalidation { range, ..*what })
            }
            Flush::Single => (Rules { policy: Policy::Single, ..rules }, tag, *what),
            Flush::Exact => (rules, tag, *what),
            Flush::Steps => {
                let support = RangeSupport { ranges: false, ds: false };
                (Rules { support, max_commands: 600, ..rules }, tag, *what)
            }
            Flush::OtherAsid => (rules, other_asid(tag), *what),
            Flush::OtherVmid => (rules, other_vmid(tag), *what),
        };
        let large = what.leaf_levels.iter().any(|level| level.shift(what.granule) > 12);
        let mut single = false;
        let observe = |command: Option<&Command>| {
            if let Some(Command::TlbiNhVa { operand, .. }) = command {
                single |= large && operand.as_range().is_none();
            }
        };
        let _ = invalidate(&self.p, &mut self.queue, &what, &rules, &[tag], &[], TIMEOUT, observe)
            .map_err(|e| failed("invalidating")(&e))?;
        Ok(single)
    }

    /// An invalidation of its own.
    pub(crate) fn invalidate(&mut self, what: Drop) -> Result<Outcome, DifferError> {
        match what {
            Drop::Everything => {
                self.run(&[Command::CfgiAll])?;
                self.run(&[Command::TlbiNsnhAll])?;
                self.stale.drop_translations();
            }
            Drop::Configuration => self.run(&[Command::CfgiAll])?,
            Drop::Stream(device) => {
                let Some(stream) = self.p.devices().get(device).copied() else {
                    return Ok(Outcome::Skipped);
                };
                self.run(&[Command::CfgiSte { stream, leaf: true }])?;
            }
            Drop::Translations => {
                self.run(&[Command::TlbiNsnhAll])?;
                self.stale.drop_translations();
            }
            Drop::Stage1OfVmid(vmid) => self.run(&[Command::TlbiNhAll { vmid: Vmid::new(vmid) }])?,
            Drop::Vmid(vmid) => self.run(&[Command::TlbiS12Vmall { vmid: Vmid::new(vmid) }])?,
            Drop::Address(vmid, iova) => {
                let operand = TlbiOperand::page(iova, true);
                self.run(&[Command::TlbiNhVaa { vmid: Vmid::new(vmid), operand }])?;
            }
        }
        if !self.stale.has_translations() {
            self.reclaim_held()?;
        }
        Ok(Outcome::Done(String::new()))
    }
}

/// The tag of nobody: no sequence has such ASIDs.
const fn other_asid(tag: Tag) -> Tag {
    match tag {
        Tag::Stage1 { vmid, asid } => Tag::Stage1 { vmid, asid: Asid::new(asid.get() ^ 0x80) },
        other => other_vmid(other),
    }
}

/// The tag of nobody: no sequence has such VMIDs.
const fn other_vmid(tag: Tag) -> Tag {
    match tag {
        Tag::Stage1 { vmid, asid } => Tag::Stage1 { vmid: Vmid::new(vmid.get() ^ 0x80), asid },
        Tag::Stage2 { vmid } => Tag::Stage2 { vmid: Vmid::new(vmid.get() ^ 0x80) },
        Tag::NestingParent { vmid } => Tag::NestingParent { vmid: Vmid::new(vmid.get() ^ 0x80) },
        other => other,
    }
}
