//! Two machines, and a sequence carried out on both, step by step.

use crate::address::{ARENA, ARENA_BASE};
use crate::counts::Counts;
use crate::excuse::{Context, Excuse, Kind};
use crate::judge::{Matter, Measure, Verdict, judge};
use crate::lab::Lab;
use crate::op::{Config, Op, Sequence};
use crate::permitted::permitted;
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
        Ran { disagreement, spoilt: finished.0.is_err() || finished.1.is_err() }
    }

    fn steps(
        &self,
        sequence: &Sequence,
        model: &mut Lab<'_>,
        other: &mut Lab<'_>,
        counts: &mut Counts,
    ) -> Option<Disagreement> {
        for (index, op) in sequence.ops.iter().enumerate() {
            counts.operations += 1;
            let measure = self.measure(sequence, op, model);
            let outcomes = (model.step(sequence, op), other.step(sequence, op));
            match judge(&outcomes.0, &outcomes.1, &measure, self.excuses) {
                Verdict::Wrong(matter) => {
                    let texts = (outcomes.0.to_string(), outcomes.1.to_string());
                    return Some(Disagreement::new(matter, sequence, Some(index), texts));
                }
                verdict => counts.add(&verdict),
            }
        }
        None
    }

    /// How strictly the outcome of `op` is to be judged, before it is carried out.
    fn measure(&self, sequence: &Sequence, op: &Op, model: &Lab<'_>) -> Measure {
        let nested = |space: usize| sequence.setup.stage1.get(space).is_some_and(|spec| spec.host.is_some());
        let config = |device: usize| model.attached.get(&device).copied().unwrap_or_default();
        match *op {
            Op::Dma { device, iova } if model.stale.concerns(device) => {
                Measure::Stale(permitted(self.model, device, iova))
            }
            Op::Dma { device, .. } => {
                let context = Context { kind: Kind::of(config(device), nested), fault: None };
                match config(device) {
                    Config::Stage1(space) if model.stale.was_single(space) => Measure::Lingering(context),
                    _ => Measure::Exact(context),
                }
            }
            Op::Corrupt { device, fault, .. } => {
                Measure::Exact(Context { kind: Kind::of(config(device), nested), fault: Some(fault.name) })
            }
            _ => Measure::Exact(Context { kind: Kind::Abort, fault: None }),
        }
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
        let texts = (new(self.model, ours), new(self.other, theirs));
        if texts.0.is_empty() && texts.1.is_empty() {
            return None;
        }
        Some(Disagreement::new(Matter::Complaint, sequence, None, texts))
    }
}
