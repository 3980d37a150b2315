//! What the tests of this directory share: machines to run on, a bench that is brought up, address spaces, DMA and where
//! it went, and a platform that a test can watch.
// Each test file uses its own part of this.
#![allow(dead_code, unused_imports)]

mod bench;
mod dma;
mod spaces;

pub(crate) use bench::{Bench, INSTANCE, Setup, bases};
pub(crate) use dma::{Place, Seen, dma, lands, may_land, outcomes, tells_all};
pub(crate) use spaces::{PAGE, RW, Space1, Space2, nested, range, reclaim_now};

pub(crate) use smmu_machine::{Watched, Write};

use smmu_machine::{Machine, ModelMachine, QemuMachine};
use smmu_model::{Adversity, Atomicity, Profile};
use smmu_regs::StreamId;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Long enough for a loaded computer; no test waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// The StreamIDs of the model's devices: those of QEMU's default configuration.
pub(crate) fn streams() -> Vec<StreamId> {
    [0x8, 0x10, 0x18, 0x100].map(StreamId::new).to_vec()
}

/// Models that no test uses at the moment: making one takes half a second in a debug build.
static POOL: Mutex<Vec<(Profile, Setting, ModelMachine)>> = Mutex::new(Vec::new());

/// How a model behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// As one real SMMU might: its caches are filled by transactions, commands are taken at once.
    Plain,
    /// As badly as the architecture allows an SMMU to be that reads so many bits at once.
    Adversarial(Atomicity),
    /// As [`Setting::Plain`], and it will not be fit for another test.
    Doomed,
}

/// All settings.
const SETTINGS: [Setting; 3] =
    [Setting::Plain, Setting::Adversarial(Atomicity::Bits64), Setting::Adversarial(Atomicity::Bits128)];

/// Runs `test` on a model of `profile` with the usual devices in each setting, and looks at what the model has to say.
/// The model is as reset leaves it, or as a driver leaves it that shut it down.
pub(crate) fn on_model(profile: Profile, test: impl Fn(&ModelMachine)) {
    for setting in SETTINGS {
        on_model_as(setting, profile, &test);
    }
}

/// Runs `test` on a model of `profile` in one setting.
pub(crate) fn on_model_as(setting: Setting, profile: Profile, test: impl FnOnce(&ModelMachine)) {
    let pool = || POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let found = {
        let mut pool = pool();
        let index = pool.iter().position(|(other, as_set, _)| (*other, *as_set) == (profile, setting));
        index.map(|index| pool.swap_remove(index).2)
    };
    let machine = found.unwrap_or_else(|| match setting {
        Setting::Plain | Setting::Doomed => ModelMachine::new(profile, &streams()),
        Setting::Adversarial(atomicity) => {
            let adversity = Adversity::new(streams().iter().map(|stream| (stream.get(), None)));
            ModelMachine::adversarial(profile, &streams(), Adversity { atomicity, ..adversity })
        }
    });
    machine.trace();
    test(&machine);
    assert_clean(&machine);
    // Only after a test that succeeded.
    if setting != Setting::Doomed {
        pool().push((profile, setting, machine));
    }
}

/// Runs `test` on a model of each of `profiles`.
pub(crate) fn on_models(profiles: &[Profile], test: impl Fn(&dyn Machine)) {
    for profile in profiles {
        on_model(*profile, |machine| test(machine));
    }
}

/// Runs `test` on QEMU if there is one, and looks at what QEMU has to say.
pub(crate) fn on_qemu(test: impl Fn(&dyn Machine)) {
    if let Some(machine) = QemuMachine::start_or_skip(&smmu_qemu::Config::default()).unwrap() {
        test(&machine);
        assert_clean(&machine);
    }
}

/// Both. Of the model's profiles, the one that promises most and QEMU's.
pub(crate) fn on_both(test: impl Fn(&dyn Machine)) {
    on_models(&[Profile::maximum(), Profile::qemu()], &test);
    on_qemu(test);
}

/// No mistake was noticed and the machine is alive.
pub(crate) fn assert_clean(machine: &dyn Machine) {
    assert_eq!(machine.failure(), None, "{}", machine.name());
    let complaints = machine.complaints();
    assert!(complaints.is_empty(), "{}:\n{}", machine.name(), complaints.join("\n"));
}
