//! Mistakes that drivers make, each beside the right way.

pub(crate) mod configuration;
pub(crate) mod driver;
pub(crate) mod ecmdq;
pub(crate) mod faults;
pub(crate) mod queues;
pub(crate) mod registers;
pub(crate) mod translations;

use driver::Driver;
use smmu_model::{Adversity, Atomicity, Profile};

/// A mistake: what a driver does, right or wrong.
pub(crate) struct Mistake {
    /// What is done wrong.
    pub(crate) name: &'static str,
    /// The driver, right or wrong.
    pub(crate) run: fn(&mut Driver, bool),
    /// What the judge says of it, in part.
    pub(crate) caught: &'static str,
    /// The SMMU.
    pub(crate) profile: fn() -> Profile,
    /// Contiguous translations need a command for all of them.
    pub(crate) whole_groups: bool,
    /// Reads 128 bits at once, too: a mistake on either SMMU.
    pub(crate) also_128: bool,
}

impl Mistake {
    pub(crate) const fn new(name: &'static str, run: fn(&mut Driver, bool), caught: &'static str) -> Self {
        Self { name, run, caught, profile: Profile::maximum, whole_groups: false, also_128: true }
    }

    pub(crate) const fn on(self, profile: fn() -> Profile) -> Self {
        Self { profile, ..self }
    }

    pub(crate) const fn where_groups_are_whole(self) -> Self {
        Self { whole_groups: true, ..self }
    }

    pub(crate) const fn only_64(self) -> Self {
        Self { also_128: false, ..self }
    }

    /// What is found when the driver does it right or wrong.
    pub(crate) fn findings(&self, wrong: bool, atomicity: Atomicity, seed: u64) -> Vec<String> {
        let streams = [(1, None), (2, None), (3, None)];
        let adversity =
            Adversity { atomicity, whole_groups: self.whole_groups, seed, ..Adversity::new(streams) };
        let mut driver = Driver::cold((self.profile)(), adversity);
        (self.run)(&mut driver, wrong);
        driver.findings()
    }
}
