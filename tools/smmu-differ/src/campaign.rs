//! Many sequences on the same two machines.

use crate::counts::Counts;
use crate::excuse::{self, Excuse};
use crate::generate;
use crate::op::Sequence;
use crate::pair::{Pair, Ran, take_arena};
use crate::random::Random;
use crate::shrink::shrink;
use crate::{DifferError, Disagreement};
use smmu_machine::{Machine, MachineError, ModelMachine, QemuMachine};
use smmu_model::{Adversity, Profile};
use smmu_regs::StreamId;
use smmu_ste::table::StreamTableShape;
use std::time::{Duration, Instant};

/// StreamIDs of the devices: those of QEMU's default configuration.
pub const STREAMS: [u32; 4] = [0x8, 0x10, 0x18, 0x100];

/// Linear and two-level stream tables take turns after this many sequences.
const TURN: u64 = 64;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// After so many sequences.
    pub sequences: u64,
    /// After so much time.
    pub time: Duration,
    /// Not at the first disagreement: one of each kind is wanted.
    pub go_on: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How much was compared.
    pub counts: Counts,
    /// What they disagree in, made small.
    pub found: Vec<Found>,
}

/// A kind of disagreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The first one, made small.
    pub first: Disagreement,
    /// Sequences that had one.
    pub times: u64,
}

/// A way to start a machine.
pub type Start<'s> = Box<dyn FnMut() -> Result<Box<dyn Machine>, MachineError> + 's>;

/// The model, and another machine that is compared with it.
pub struct Campaign<'s> {
    start: Start<'s>,
    excuses: &'static [Excuse],
    /// The other machine never goes back from a two-level stream table to a linear one.
    sticky: bool,
    machines: Option<(ModelMachine, Box<dyn Machine>)>,
    had_two_levels: bool,
    counts: Counts,
}

impl<'s> Campaign<'s> {
    /// Compares the model with what `start` starts, which has devices [`STREAMS`] and the registers of
    /// [`Profile::qemu`]. Nothing is excused but `excuses`.
    #[must_use]
    pub fn new(start: Start<'s>, excuses: &'static [Excuse]) -> Self {
        let counts = Counts::default();
        Self { start, excuses, sticky: false, machines: None, had_two_levels: false, counts }
    }

    /// Compares the model with QEMU, `first` being one that runs, if there is one.
    #[must_use]
    pub fn with_qemu(mut first: Option<QemuMachine>) -> Self {
        let start = move || -> Result<Box<dyn Machine>, MachineError> {
            let machine = match first.take() {
                Some(machine) => machine,
                None => QemuMachine::start(&smmu_qemu::Config::default())?,
            };
            Ok(Box::new(machine))
        };
        // facts/qemu.md 6, bug 2.
        Self { sticky: true, ..Self::new(Box::new(start), excuse::QEMU) }
    }

    /// What was compared so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Both are always as old as each other: so both hand out the same memory, and addresses of tables can be compared.
    fn start_both(&mut self) -> Result<(ModelMachine, Box<dyn Machine>), DifferError> {
        self.had_two_levels = false;
        self.counts.started += 1;
        let other = (self.start)()?;
        let adversity = Adversity::new(STREAMS.map(|stream| (stream, None)));
        let model = ModelMachine::adversarial(Profile::qemu(), &STREAMS.map(StreamId::new), adversity);
        take_arena(&model)?;
        take_arena(other.as_ref())?;
        Ok((model, other))
    }

    /// Runs one sequence, as it is.
    ///
    /// # Errors
    /// A machine does not start.
    fn run_one(&mut self, sequence: &Sequence) -> Result<Option<Disagreement>, DifferError> {
        let two_levels = matches!(sequence.setup.streams, StreamTableShape::TwoLevel { .. });
        if self.sticky && self.had_two_levels && !two_levels {
            self.machines = None;
        }
        let (model, other) = match self.machines.take() {
            Some(machines) => machines,
            None => self.start_both()?,
        };
        self.had_two_levels |= two_levels;
        let ran = Pair::new(&model, other.as_ref(), self.excuses).run(sequence, &mut self.counts);
        let Ran { disagreement, spoilt } = ran;
        self.machines = (!spoilt).then_some((model, other));
        Ok(disagreement)
    }

    /// Runs the sequences of `seed` until a limit is reached or, unless it is to go on, the machines disagree.
    /// `progress` is told after each sequence.
    ///
    /// # Errors
    /// A machine does not start.
    pub fn run(
        &mut self,
        seed: u64,
        limits: &Limits,
        mut progress: impl FnMut(&Counts),
    ) -> Result<Report, DifferError> {
        let begin = Instant::now();
        let mut random = Random::new(seed);
        let mut found = Vec::new();
        for number in 0..limits.sequences {
            if begin.elapsed() >= limits.time || !limits.go_on && !found.is_empty() {
                break;
            }
            let shape = (number / TURN) & 1;
            let sequence = generate::sequence(random.bits() & !1 | shape);
            self.run_into(&sequence, &mut found)?;
            progress(&self.counts);
        }
        Ok(Report { counts: self.counts.clone(), found })
    }

    /// Runs one sequence, and makes what the machines disagree in small.
    ///
    /// # Errors
    /// A machine does not start.
    pub fn run_sequence(&mut self, sequence: &Sequence) -> Result<Report, DifferError> {
        let mut found = Vec::new();
        self.run_into(sequence, &mut found)?;
        Ok(Report { counts: self.counts.clone(), found })
    }

    fn run_into(&mut self, sequence: &Sequence, found: &mut Vec<Found>) -> Result<(), DifferError> {
        let Some(new) = self.run_one(sequence)? else { return Ok(()) };
        match found.iter_mut().find(|old| old.first.is_like(&new)) {
            Some(old) => old.times += 1,
            None => {
                // What that costs is not counted.
                let counts = self.counts.clone();
                let first = shrink(new, &mut |sequence| self.run_one(sequence));
                self.counts = counts;
                found.push(Found { first: first?, times: 1 });
            }
        }
        Ok(())
    }
}
