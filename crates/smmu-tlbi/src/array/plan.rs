//! Which commands an array asks for: one walk over the entries of each SMMU, pure.

use super::entry::{Entry, Phase, Target};
use crate::atc;
use crate::range::{RangePlan, Rules};
use io_pgtable_lpae::Invalidation;
use smmu_cmds::Command;
use smmu_cmds::command::AtcSpan;
use smmu_regs::InstanceId;

/// The entries of one SMMU, with and without users.
#[derive(Debug, Clone, Copy)]
pub struct InstanceEntries<'a> {
    instance: InstanceId,
    entries: &'a [Entry],
}

/// `entries`, which are sorted, SMMU by SMMU.
pub(super) fn instances(entries: &[Entry]) -> impl Iterator<Item = InstanceEntries<'_>> {
    let same = |one: &Entry, other: &Entry| one.key.instance == other.key.instance;
    entries.chunk_by(same).filter_map(|entries| {
        let instance = entries.first()?.key.instance;
        Some(InstanceEntries { instance, entries })
    })
}

impl<'a> InstanceEntries<'a> {
    /// The SMMU.
    #[must_use]
    pub const fn instance(self) -> InstanceId {
        self.instance
    }

    /// All its entries.
    #[must_use]
    pub const fn entries(self) -> &'a [Entry] {
        self.entries
    }

    /// Whether somebody uses one of them.
    #[must_use]
    pub fn in_use(self) -> bool {
        self.entries.iter().any(|entry| entry.users != 0)
    }

    /// Plans the invalidation of what an unmap gathered, by this SMMU's rules: once, for all entries.
    pub const fn plan(self, what: &Invalidation, rules: &Rules) -> InstancePlan<'a> {
        InstancePlan {
            entries: self.entries,
            range: RangePlan::new(what, rules),
            span: atc::span(what.range),
        }
    }

    /// The commands that flush the tags of entries without users: all of them, in one batch.
    ///
    /// Endpoints are not among them: whoever takes a stream's translations away has its cache invalidated while ATS is
    /// still on, and a device that is gone would not answer.
    pub fn flush(self) -> impl Iterator<Item = Command> + 'a {
        let unused = self.entries.iter().filter(|entry| entry.users == 0);
        unused.filter_map(move |entry| match entry.key.target {
            // S12_VMALL of the same VMID removes stage 1 too.
            Target::Stage1Clear { vmid } => {
                let gone = users(self.entries, Target::Stage2 { vmid }) == Some(0);
                (!gone).then_some(Command::TlbiNhAll { vmid })
            }
            target => Some(target.tag()?.whole()),
        })
    }
}

/// The users of `target` in the entries of one SMMU, if it is there.
fn users(entries: &[Entry], target: Target) -> Option<u32> {
    let at = entries.binary_search_by(|entry| entry.key.target.cmp(&target)).ok()?;
    entries.get(at).map(|entry| entry.users)
}

/// The commands for one SMMU: those of each [`Phase`] are one batch, which a `CMD_SYNC` completes before the next begins.
#[derive(Debug, Clone, Copy)]
#[must_use = "a plan is no more than a plan"]
pub struct InstancePlan<'a> {
    entries: &'a [Entry],
    range: RangePlan,
    span: AtcSpan,
}

impl<'a> InstancePlan<'a> {
    /// The range plan that each tag is stamped into.
    #[must_use]
    pub const fn range(&self) -> RangePlan {
        self.range
    }

    /// The span of endpoints' caches.
    #[must_use]
    pub const fn span(&self) -> AtcSpan {
        self.span
    }

    /// The commands of one phase; there may be none, and then there is nothing to wait for.
    pub fn phase(&self, phase: Phase) -> impl Iterator<Item = Command> + use<'a> {
        let Self { entries, range, span } = *self;
        let mut last_whole = None;
        self.of_phase(phase).iter().filter(|entry| entry.users != 0).flat_map(move |entry| {
            let target = entry.key.target;
            let tag = target.tag();
            let whole = matches!(range, RangePlan::WholeTag);
            let once = match target {
                // If stage 2 of the VMID went whole, stage 1 went with it.
                Target::Stage1Clear { vmid } => {
                    let gone =
                        whole && users(entries, Target::Stage2 { vmid }).is_some_and(|users| users != 0);
                    (!gone).then_some(Command::TlbiNhAll { vmid })
                }
                Target::Atc { stream, substream } => {
                    Some(Command::AtcInv { stream, substream, global: false, span })
                }
                // One command without PASID is enough for a stream, however many users it has.
                Target::AtcWhole { stream, .. } => {
                    (last_whole.replace(stream) != Some(stream)).then_some(Command::AtcInv {
                        stream,
                        substream: None,
                        global: false,
                        span: AtcSpan::ALL,
                    })
                }
                _ => tag.filter(|_| whole).map(|tag| tag.whole()),
            };
            let by_address = tag.into_iter().flat_map(move |tag| {
                // None if the whole tag goes.
                range.operands().map(move |operand| tag.by_address(operand))
            });
            once.into_iter().chain(by_address)
        })
    }

    /// The entries of one phase: they lie side by side.
    fn of_phase(&self, phase: Phase) -> &'a [Entry] {
        let from = self.entries.partition_point(|entry| entry.key.target.phase() < phase);
        let to = self.entries.partition_point(|entry| entry.key.target.phase() <= phase);
        self.entries.get(from..to).unwrap_or_default()
    }
}
