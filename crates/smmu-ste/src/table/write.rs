//! Carrying out an update: store, invalidate, synchronize, for each step of the plan.

use super::TableError;
use crate::update::{Step, UpdatePlan, Words};
use core::time::Duration;
use smmu_cmds::{Command, CommandQueue};
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Clock, Memory, Mmio};
use smmu_regs::receipt::Receipt;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "its receipt releases what the old content pointed to"]
pub struct Updated {
    /// The way it went.
    pub plan: UpdatePlan,
    /// The last step's receipt; `None` if nothing had to change.
    pub receipt: Option<Receipt>,
}

/// Whether the SMMU's configuration caches can be trusted to follow what was written.
///
/// They cannot after an invalidation that failed; then everything is dropped before the next change, so that a repeated
/// update is never taken for "nothing to do".
#[derive(Debug, Default)]
pub(super) struct Caches {
    suspect: bool,
}

impl Caches {
    /// Runs `change`, which stores and invalidates; before it, makes up for an earlier one that failed.
    pub(super) fn guard<P: Mmio + Memory + Clock, T>(
        &mut self,
        p: &P,
        queue: &mut CommandQueue,
        timeout: Duration,
        change: impl FnOnce(&mut CommandQueue) -> Result<T, TableError>,
    ) -> Result<T, TableError> {
        if self.suspect {
            queue.push(p, &Command::CfgiAll, timeout)?;
            let _ = queue.sync(p, timeout)?;
        }
        self.suspect = true;
        let done = change(queue)?;
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

    /// Carries out `plan`; after each step's stores, `invalidations` go to the queue, and a `CMD_SYNC`.
    pub(super) fn carry_out<P: Mmio + Memory + Clock>(
        &self,
        p: &P,
        queue: &mut CommandQueue,
        plan: UpdatePlan,
        invalidations: &[Command],
        timeout: Duration,
        mut observe: impl FnMut(Progress<'_>),
    ) -> Result<Updated, TableError> {
        // Refused before anything is stored, rather than between two steps.
        for command in invalidations {
            command.encode(queue.caps())?;
        }
        observe(Progress::Planned(&plan));
        let mut receipt = None;
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
