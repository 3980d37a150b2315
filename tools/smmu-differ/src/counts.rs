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
    /// DMAs that had to be equal in everything, and were.
    pub exact: u64,
    /// Those of `exact` in which a known fault was excused, by its name.
    pub excused: BTreeMap<&'static str, u64>,
    /// DMAs whose outcome had to be one of those permitted, and was.
    pub member: u64,
    /// DMAs that could not be judged.
    pub unjudged: u64,
    /// Those of `unjudged` that were equal all the same.
    pub unjudged_equal: u64,
    /// DMAs not made, as they would not have been safe.
    pub skipped: u64,
    /// Machines started.
    pub started: u64,
}

impl Counts {
    /// DMAs that were made.
    #[must_use]
    pub const fn checks(&self) -> u64 {
        self.exact + self.member + self.unjudged
    }

    pub(crate) fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Fine | Verdict::Wrong(_) => {}
            Verdict::Skipped => self.skipped += 1,
            Verdict::Exact(excuses) => {
                self.exact += 1;
                for excuse in excuses {
                    *self.excused.entry(excuse).or_default() += 1;
                }
            }
            Verdict::Member => self.member += 1,
            Verdict::Unjudged { equal } => {
                self.unjudged += 1;
                self.unjudged_equal += u64::from(*equal);
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sequences, {} operations, {} DMA checks: {} exact, {} by membership, {} not judged ({} of them equal); {} skipped; {} machines started",
            self.sequences,
            self.operations,
            self.checks(),
            self.exact,
            self.member,
            self.unjudged,
            self.unjudged_equal,
            self.skipped,
            self.started
        )?;
        for (name, count) in &self.excused {
            write!(f, "; excused {count} times: {name}")?;
        }
        Ok(())
    }
}
