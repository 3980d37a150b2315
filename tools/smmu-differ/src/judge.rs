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
    /// Both observations are equal, as they must be, but for what is excused.
    Exact(Vec<&'static str>),
    /// Something stale may be cached: the outcome is one of those permitted.
    Member,
    /// Something stale may be cached, and nobody knows what is permitted.
    Unjudged {
        /// The observations are equal all the same.
        equal: bool,
    },
    /// Something is wrong.
    Wrong(Matter),
}

/// How strictly a DMA is judged.
pub(crate) enum Measure {
    /// Nothing stale is cached.
    Exact(Context),
    /// Nothing stale is cached, but for QEMU after commands without a range.
    Lingering(Context),
    /// Something stale may be; what is permitted, if that is known.
    Stale(Option<Permitted>),
}

/// Judges one operation.
pub(crate) fn judge(
    model: &Outcome,
    other: &Outcome,
    measure: &Measure,
    excuses: &'static [Excuse],
) -> Verdict {
    match (model, other) {
        (Outcome::Failed(_), _) | (_, Outcome::Failed(_)) => Verdict::Wrong(Matter::Failure),
        (Outcome::Seen(model), Outcome::Seen(other)) => match measure {
            Measure::Exact(context) => exact(model, other, *context, excuses),
            Measure::Lingering(context) => match exact(model, other, *context, excuses) {
                Verdict::Wrong(matter) => excuses
                    .iter()
                    .find(|excuse| excuse.lingers(*context))
                    .map_or(Verdict::Wrong(matter), |excuse| Verdict::Exact(vec![excuse.name])),
                verdict => verdict,
            },
            Measure::Stale(None) => Verdict::Unjudged { equal: model == other },
            Measure::Stale(Some(permitted)) if !permitted.allows(other, excuses) => {
                Verdict::Wrong(Matter::Forbidden)
            }
            Measure::Stale(Some(_)) => Verdict::Member,
        },
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

fn exact(model: &Seen, other: &Seen, context: Context, excuses: &'static [Excuse]) -> Verdict {
    if model == other {
        return Verdict::Exact(Vec::new());
    }
    if let Some(excuse) = excuses.iter().find(|excuse| excuse.refuses(context, other)) {
        return Verdict::Exact(vec![excuse.name]);
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
    if used.is_empty() { Verdict::Wrong(Matter::Events) } else { Verdict::Exact(used) }
}
