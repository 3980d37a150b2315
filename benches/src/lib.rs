//! What the benches share: a platform that costs next to nothing, the capabilities, the way to measure.
//!
//! Every work is a criterion group with two functions: `ours`, and `limit`, which is the least that any code would have to
//! do, written as a plain loop and measured in the same run. [`ratios`] divides one by the other.

mod platform;
pub mod ratios;

pub use platform::{InstantSmmu, zero};

use criterion::Criterion;
use smmu_regs::Caps;
use smmu_regs::caps::{Hints, IdRegisters, ProbeError};
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of the range that most rows are about.
pub const GIB: u64 = 1 << 30;

/// The capabilities of [`IdRegisters::EXAMPLE`]: everything that a current SMMU has.
///
/// # Errors
/// None that anybody will see.
pub fn caps() -> Result<Caps, ProbeError> {
    Caps::probe_strict(&IdRegisters::EXAMPLE, &Hints::default())
}

/// Short runs: the ratio of two functions that are measured one after the other needs no more.
#[must_use]
pub fn criterion(home: &Path) -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(40)
        .output_directory(home)
        .configure_from_args()
}

/// The time of `iterations` calls of `work`, each after a `prepare` that is not counted.
pub fn timed<S>(
    iterations: u64,
    state: &mut S,
    mut prepare: impl FnMut(&mut S),
    mut work: impl FnMut(&mut S),
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..iterations {
        prepare(state);
        let start = Instant::now();
        work(state);
        total += start.elapsed();
    }
    total
}

/// A pseudo-random sequence (xorshift), cheap enough not to be what is measured.
#[derive(Debug, Clone, Copy)]
pub struct Random(u64);

impl Random {
    /// The sequence, always the same.
    #[must_use]
    pub const fn new() -> Self {
        Self(0x1234_5678)
    }

    /// The next value below `end`, a power of two.
    #[inline]
    pub const fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 & (end - 1)
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
