//! Comparing what an operation came to on both machines.

use crate::excuse::{Context, Excuse};
use crate::lab::Outcome;
use crate::observe::{Record, Seen};
use crate::permitted::Permitted;
use std::fmt;

/// In which respect machines disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// Where a DMA landed.
    Landing,
    /// What was recorded.
    Events,
    /// It is none of the outcomes that the architecture permits.
    Forbidden,
    /// The driver does nothing wrong, and yet several outcomes are permitted.
    Several,
    /// What the driver found: it was refused on one machine only, say.
    Driver,
    /// Something failed that never should, or a machine died.
    Failure,
    /// A machine complains of a mistake of the driver's.
    Complaint,
}

impl fmt::Display for Matter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Landing => "DMA landed at different places",
            Self::Events => "different events were recorded",
            Self::Forbidden => "an outcome that the architecture does not permit",
            Self::Several => "something stale is cached although the driver does nothing wrong",
            Self::Driver => "the driver met different things",
            Self::Failure => "a failure",
            Self::Complaint => "a machine complains",
        })
    }
}

/// What the judge says of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No DMA, and nothing to object to.
    Fine,
    /// A DMA that was not made, on either machine.
    Skipped,
    /// One outcome was permitted, and both have it, records included.
    Exact,
    /// Several outcomes were permitted: the other machine's is one of them.
    Member,
    /// The other machine's is wrong in ways that are known.
    Excused(Vec<&'static str>),
    /// Something is wrong.
    Wrong(Matter),
}

/// Judges one operation; for a DMA by what was permitted.
pub(crate) fn judge(
    (model, other): (&Outcome, &Outcome),
    permitted: Option<&Permitted>,
    context: Context,
    excuses: &'static [Excuse],
) -> Verdict {
    match (model, other) {
        (Outcome::Failed(_), _) | (_, Outcome::Failed(_)) => Verdict::Wrong(Matter::Failure),
        (Outcome::Seen(model), Outcome::Seen(other)) => {
            let verdict = match permitted {
                Some(set) if set.is_single() => exact(model, other, context, excuses),
                Some(set) if set.allows(other, excuses) => Verdict::Member,
                _ => Verdict::Wrong(Matter::Forbidden),
            };
            let known = |excuse: &&Excuse| excuse.refuses(context, other) || excuse.lingers(context, other);
            match (verdict, excuses.iter().find(known)) {
                (Verdict::Wrong(_), Some(excuse)) => Verdict::Excused(vec![excuse.name]),
                (verdict, _) => verdict,
            }
        }
        (model, other) if model != other => Verdict::Wrong(Matter::Driver),
        (Outcome::Skipped, _) => Verdict::Skipped,
        _ => Verdict::Fine,
    }
}

/// The only record of reads or of writes; `None` if there are several.
fn only(seen: &Seen, read: bool) -> Option<Option<&Record>> {
    let mut records = seen.events.iter().filter(|record| record.read == read);
    let first = records.next();
    if records.next().is_some() { None } else { Some(first) }
}

/// Records that are about the same access: by their order if there are as many, else by what they say of it.
fn aligned<'s>(model: &'s Seen, other: &'s Seen) -> Option<Vec<(Option<&'s Record>, Option<&'s Record>)>> {
    if model.events.len() == other.events.len() {
        return Some(model.events.iter().map(Some).zip(other.events.iter().map(Some)).collect());
    }
    [true, false].into_iter().map(|read| Some((only(model, read)?, only(other, read)?))).collect()
}

/// Both observations are equal, but for records in which a known fault shows.
fn exact(model: &Seen, other: &Seen, context: Context, excuses: &'static [Excuse]) -> Verdict {
    if model == other {
        return Verdict::Exact;
    }
    if model.landing != other.landing || model.lost != other.lost {
        return Verdict::Wrong(Matter::Landing);
    }
    let Some(pairs) = aligned(model, other) else { return Verdict::Wrong(Matter::Events) };
    let mut used = Vec::new();
    for (model, other) in pairs.into_iter().filter(|(model, other)| model != other) {
        let excuse = model.and_then(|model| excuses.iter().find(|e| e.covers(context, model, other)));
        let Some(excuse) = excuse else { return Verdict::Wrong(Matter::Events) };
        used.push(excuse.name);
    }
    if used.is_empty() { Verdict::Wrong(Matter::Events) } else { Verdict::Excused(used) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::ARENA_BASE;
    use crate::excuse::{Kind, QEMU};
    use crate::observe;
    use smmu_machine::Landing;
    use smmu_regs::PhysAddr;

    const CONTEXT: Context = Context { kind: Kind::Nested, fault: None, single: false };

    fn seen(offset: u64) -> Outcome {
        Outcome::Seen(Seen { landing: observe::Landing::At(offset), events: Vec::new(), lost: false })
    }

    fn set(offsets: &[u64]) -> Permitted {
        let all: Vec<_> = offsets.iter().map(|o| Landing::At(PhysAddr::new(ARENA_BASE + o))).collect();
        Permitted { of: None, read: all.clone(), write: all }
    }

    #[test]
    fn of_one_outcome_equality_is_asked_and_of_several_membership() {
        let ask = |other, set: &Permitted| judge((&seen(0), &seen(other)), Some(set), CONTEXT, &[]);
        assert_eq!(ask(0, &set(&[0])), Verdict::Exact);
        assert_eq!(ask(0x1000, &set(&[0])), Verdict::Wrong(Matter::Landing));
        assert_eq!(ask(0x1000, &set(&[0, 0x1000])), Verdict::Member);
        assert_eq!(ask(0x2000, &set(&[0, 0x1000])), Verdict::Wrong(Matter::Forbidden));
    }

    #[test]
    fn what_lingers_is_excused_only_after_a_command_without_a_range() {
        let ask = |context| judge((&seen(0), &seen(0x1000)), Some(&set(&[0])), context, QEMU);
        assert_eq!(ask(CONTEXT), Verdict::Wrong(Matter::Landing));
        assert!(matches!(ask(Context { single: true, ..CONTEXT }), Verdict::Excused(_)));
    }

    #[test]
    fn a_driver_meets_the_same_on_both() {
        let (done, refused) = (Outcome::Done(String::new()), Outcome::Refused(String::new()));
        assert_eq!(judge((&done, &done), None, CONTEXT, &[]), Verdict::Fine);
        assert_eq!(judge((&done, &refused), None, CONTEXT, &[]), Verdict::Wrong(Matter::Driver));
        let failed = Outcome::Failed(String::new());
        assert_eq!(judge((&failed, &failed), None, CONTEXT, &[]), Verdict::Wrong(Matter::Failure));
    }
}
