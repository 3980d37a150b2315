//! Two machines, and a sequence carried out on both, step by step.

use crate::address::{ARENA, ARENA_BASE};
use crate::counts::Counts;
use crate::excuse::{Context, Excuse, Kind};
use crate::judge::{Matter, Verdict, judge};
use crate::lab::Lab;
use crate::op::{Config, Op, Sequence};
use crate::permitted::Permitted;
use crate::{DifferError, Disagreement};
use smmu_machine::{Machine, ModelMachine};

/// Takes a fresh machine's arena for good: sequences give everything else back, so it stays where it is.
///
/// # Errors
/// It is not where it must be.
pub(crate) fn take_arena(machine: &dyn Machine) -> Result<(), DifferError> {
    let arena = machine.allocate(ARENA, ARENA).map_err(|e| DifferError::driver("the arena")(&e))?;
    let found = arena.base().get();
    if found == ARENA_BASE { Ok(()) } else { Err(DifferError::Arena { found }) }
}

/// The model and the machine that is compared with it.
pub(crate) struct Pair<'p> {
    model: &'p ModelMachine,
    other: &'p dyn Machine,
    excuses: &'static [Excuse],
}

/// In what an operation happens.
fn context(sequence: &Sequence, op: &Op, model: &Lab<'_>) -> Context {
    let nested = |space: usize| sequence.setup.stage1.get(space).is_some_and(|spec| spec.host.is_some());
    let (device, fault) = match *op {
        Op::Dma { device, .. } => (device, None),
        Op::Corrupt { device, fault, .. } => (device, Some(fault.name)),
        _ => return Context { kind: Kind::Abort, fault: None, single: false },
    };
    let config = model.attached.get(&device).copied().unwrap_or_default();
    let single = matches!(config, Config::Stage1(space) if model.stale.was_single(space));
    Context { kind: Kind::of(config, nested), fault, single: single && fault.is_none() }
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) disagreement: Option<Disagreement>,
    /// The machines are not good for another run.
    pub(crate) spoilt: bool,
}

impl<'p> Pair<'p> {
    pub(crate) fn new(model: &'p ModelMachine, other: &'p dyn Machine, excuses: &'static [Excuse]) -> Self {
        Self { model, other, excuses }
    }

    /// Carries `sequence` out on both until they disagree.
    pub(crate) fn run(&self, sequence: &Sequence, counts: &mut Counts) -> Ran {
        counts.sequences += 1;
        let complaints = (self.model.complaints().len(), self.other.complaints().len());
        let _ = self.model.trace();
        let labs = (Lab::new(self.model, &sequence.setup), Lab::new(self.other, &sequence.setup));
        let (mut model, mut other) = match labs {
            (Ok(model), Ok(other)) => (model, other),
            (model, other) => {
                let text = |lab: Result<Lab<'_>, DifferError>| match lab {
                    Ok(_) => "brought up".to_owned(),
                    Err(error) => error.to_string(),
                };
                let ours = (text(model), text(other));
                let found = Disagreement::new(Matter::Failure, sequence, None, ours);
                return Ran { disagreement: Some(found), spoilt: true };
            }
        };
        let mut disagreement = self.steps(sequence, &mut model, &mut other, counts);
        let finished = (model.finish(), other.finish());
        if disagreement.is_none() {
            disagreement = self.afterwards(sequence, complaints, &finished);
        }
        // The model complains of the same thing once.
        let complained = disagreement.as_ref().is_some_and(|found| found.matter == Matter::Complaint);
        Ran { disagreement, spoilt: complained || finished.0.is_err() || finished.1.is_err() }
    }

    fn steps(
        &self,
        sequence: &Sequence,
        model: &mut Lab<'_>,
        other: &mut Lab<'_>,
        counts: &mut Counts,
    ) -> Option<Disagreement> {
        let is_right = sequence.is_right();
        for (index, op) in sequence.ops.iter().enumerate() {
            counts.operations += 1;
            let context = context(sequence, op, model);
            let outcomes = (model.step(sequence, op), other.step(sequence, op));
            let permitted = model.permitted.take();
            let mut verdict = judge((&outcomes.0, &outcomes.1), permitted.as_ref(), context, self.excuses);
            let single = permitted.as_ref().is_none_or(Permitted::is_single);
            if is_right && !single {
                verdict = Verdict::Wrong(Matter::Several);
            }
            match verdict {
                Verdict::Wrong(matter) => {
                    let mut texts = (outcomes.0.to_string(), outcomes.1.to_string());
                    if let Some(set) = permitted.filter(|set| !set.is_single()) {
                        texts.0 = set.to_string();
                    }
                    return Some(Disagreement::new(matter, sequence, Some(index), texts));
                }
                verdict => counts.add(&verdict),
            }
        }
        None
    }

    /// What only shows at the end.
    fn afterwards(
        &self,
        sequence: &Sequence,
        (ours, theirs): (usize, usize),
        finished: &(Result<(), DifferError>, Result<(), DifferError>),
    ) -> Option<Disagreement> {
        let text = |result: &Result<(), DifferError>| match result {
            Ok(()) => "shut down".to_owned(),
            Err(error) => error.to_string(),
        };
        if finished.0.is_err() || finished.1.is_err() {
            let texts = (text(&finished.0), text(&finished.1));
            return Some(Disagreement::new(Matter::Failure, sequence, None, texts));
        }
        let new = |machine: &dyn Machine, before| {
            let all = machine.complaints();
            all.get(before..).unwrap_or_default().join(" | ")
        };
        // The model complains of a driver that breaks the rules, as some are to; of itself it never may.
        let ours = new(self.model, ours);
        let of_itself = ["a mistake of the model", "not all were tried"];
        let counts = sequence.is_right() || of_itself.iter().any(|text| ours.contains(text));
        let ours = if counts { ours } else { String::new() };
        let texts = (ours, new(self.other, theirs));
        if texts.0.is_empty() && texts.1.is_empty() {
            return None;
        }
        Some(Disagreement::new(Matter::Complaint, sequence, None, texts))
    }
}
