//! Carrying out an update: store, invalidate, synchronize, for each step of the plan.

use super::TableError;
use crate::update::{Step, UpdatePlan, Words};
use core::time::Duration;
use smmu_cmds::{Command, CommandQueue};
use smmu_regs::platform::{Clock, Memory, Mmio};
use smmu_regs::receipt::Receipt;
use smmu_regs::{InstanceId, PhysAddr};

/// Where an update is: what an observer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// The way is planned; nothing has been stored.
    Planned(&'a UpdatePlan),
    /// A step's stores are made. The SMMU may see them or not.
    Stored(&'a Step),
    /// The step's invalidation and `CMD_SYNC` have completed: the SMMU sees this step.
    Synchronized(&'a Step, &'a Command),
}

/// An update that was carried out.
///
/// Its receipt shows that no transaction uses the old content any more: a CD table that only it pointed to may be reused.
/// Translations made through it are still tagged in TLBs; page tables and tags wait for their own invalidation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "its receipt says that the old content is no longer used"]
pub struct Updated {
    /// The way it went.
    pub plan: UpdatePlan,
    /// The last step's receipt, or that of making up for an earlier failure; `None` if nothing had to be done.
    pub receipt: Option<Receipt>,
}

/// Whether the SMMU's configuration caches can be trusted to follow what was written.
///
/// They cannot after an invalidation that failed; then everything is dropped before the next change, so that a repeated
/// update is never taken for "nothing to do".
#[derive(Debug, Default)]
pub(super) struct Caches {
    suspect: bool,
    /// Translations of an owner that is no more may be cached too.
    inherited: bool,
    owner: Option<InstanceId>,
}

impl Caches {
    /// Those of an SMMU that has translated for somebody else.
    pub(super) const fn inherited(owner: InstanceId) -> Self {
        Self { suspect: true, inherited: true, owner: Some(owner) }
    }

    /// Runs `change`, which stores and invalidates; before it, makes up for an earlier one that failed. The SMMU of the
    /// first change is the one whose caches these are. `change` is given the receipt of what was made up for.
    pub(super) fn guard<P: Mmio + Memory + Clock, T>(
        &mut self,
        p: &P,
        queue: &mut CommandQueue,
        timeout: Duration,
        change: impl FnOnce(&mut CommandQueue, Option<Receipt>) -> Result<T, TableError>,
    ) -> Result<T, TableError> {
        let table = *self.owner.get_or_insert(queue.instance());
        if table != queue.instance() {
            return Err(TableError::Instance { table, queue: queue.instance() });
        }
        let mut made_up = None;
        if self.inherited {
            let _ = queue.drop_everything(p, timeout)?;
            self.inherited = false;
        }
        if self.suspect {
            queue.push(p, &Command::CfgiAll, timeout)?;
            made_up = Some(queue.sync(p, timeout)?);
        }
        self.suspect = true;
        let done = change(queue, made_up)?;
        self.suspect = false;
        Ok(done)
    }
}

/// An entry: its address and content as read just now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) at: PhysAddr,
    pub(super) words: Words,
}

impl Entry {
    /// Reads the entry at `at`.
    pub(super) fn read<M: Memory>(memory: &M, at: PhysAddr) -> Result<Self, TableError> {
        let mut words = [0; 8];
        for (value, word) in words.iter_mut().zip(memory.words(at, 8)?) {
            *value = word.load();
        }
        Ok(Self { at, words })
    }

    /// Carries out `plan`; after each step's stores, `invalidations` go to the queue, and a `CMD_SYNC`. `receipt` is what
    /// is known to be synchronized already.
    pub(super) fn carry_out<P: Mmio + Memory + Clock>(
        &self,
        p: &P,
        queue: &mut CommandQueue,
        plan: UpdatePlan,
        invalidations: &[Command],
        (mut receipt, timeout): (Option<Receipt>, Duration),
        mut observe: impl FnMut(Progress<'_>),
    ) -> Result<Updated, TableError> {
        // Refused before anything is stored, rather than between two steps.
        for command in invalidations {
            command.encode(queue.caps())?;
        }
        observe(Progress::Planned(&plan));
        for step in plan.steps() {
            step.apply(p, self.at, p.words(self.at, 8)?);
            observe(Progress::Stored(step));
            for command in invalidations {
                queue.push(p, command, timeout)?;
            }
            receipt = Some(queue.sync(p, timeout)?);
            for command in invalidations {
                observe(Progress::Synchronized(step, command));
            }
        }
        Ok(Updated { plan, receipt })
    }
}
