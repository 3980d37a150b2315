//! How much was compared, and how strictly.

use crate::judge::Verdict;
use std::collections::BTreeMap;
use std::fmt;

/// How much was compared, and how strictly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sequences begun.
    pub sequences: u64,
    /// Operations carried out on both machines, DMA included.
    pub operations: u64,
    /// DMAs with one permitted outcome, equal on both machines in everything.
    pub exact: u64,
    /// DMAs with several permitted outcomes, the other machine's among them.
    pub member: u64,
    /// DMAs in which the other machine was wrong in ways that are known.
    pub excused: u64,
    /// How often each known fault excused something; a DMA may have two.
    pub excuses: BTreeMap<&'static str, u64>,
    /// DMAs not made, as they would not have been safe.
    pub skipped: u64,
    /// Machines started.
    pub started: u64,
}

impl Counts {
    /// DMAs that were made, and agreed.
    #[must_use]
    pub const fn checks(&self) -> u64 {
        self.exact + self.member + self.excused
    }

    pub(crate) fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Fine | Verdict::Wrong(_) => {}
            Verdict::Skipped => self.skipped += 1,
            Verdict::Exact => self.exact += 1,
            Verdict::Member => self.member += 1,
            Verdict::Excused(names) => {
                self.excused += 1;
                for name in names {
                    *self.excuses.entry(name).or_default() += 1;
                }
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequences, operations, exact, member, excused, skipped, started, .. } = self;
        writeln!(f, "{sequences} sequences, {operations} operations, {started} machines started")?;
        writeln!(f, "{} DMAs judged, {skipped} not made as they would not have been safe:", self.checks())?;
        writeln!(f, "{exact:>9}  one outcome was permitted, and both machines had it, records included")?;
        writeln!(f, "{member:>9}  several were permitted, and the other machine's was one of them")?;
        write!(f, "{excused:>9}  the other machine was wrong in a known way:")?;
        for (name, count) in &self.excuses {
            write!(f, "\n{count:>18}  {name}")?;
        }
        Ok(())
    }
}
