//! `hitless`: how a live STE or CD gets from one content to another (IHI 0070 3.21.3).

use super::error::{Answer, Stop, reserved};
use super::input::Fields;
use super::output::{object, words};
use super::smmu::Smmu;
use serde_json::Value;
use smmu_regs::platform::Atomicity;
use smmu_regs::vmsa::HardwareUpdate;
use smmu_ste::update::{UpdatePlan, UsedBits, Words};
use smmu_ste::{Cd, Ste};

/// Answers one record: whether the way is hitless, the number of synchronizations, and for each of them the words that were
/// stored before it and the whole content at it.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let kind = record.text("kind")?;
    let (current, target): (Words, Words) = (record.words("cur")?, record.words("target")?);
    let atomicity = match record.number_if_any("atom")? {
        None | Some(64) => Atomicity::Bits64,
        Some(128) => Atomicity::Bits128,
        Some(other) => return Err(reserved("atom", other)),
    };
    let (used, valid) = match kind {
        "ste" => ste(current, target)?,
        "cd" => cd(current, target)?,
        other => return Err(Stop::Skip(format!("updates of \"{other}\" are not known"))),
    };
    let plan = UpdatePlan::new(&current, &target, &used, valid, atomicity);
    let stored = plan.steps().map(|step| step.stores().map(|(word, _)| word).collect::<Value>());
    Ok(object([
        ("hitless", plan.is_hitless().into()),
        ("syncs", plan.steps().count().into()),
        ("writes", stored.collect()),
        ("steps", plan.steps().map(|step| words(&step.words)).collect()),
    ]))
}

/// What the planner must know of two STEs, and the valid bit: the only one that an invalid structure uses.
fn ste(current: Words, target: Words) -> Result<(UsedBits, u64), Stop> {
    let caps = Smmu::ASSUMED.caps()?;
    let (current, target) = (Ste::from_words(current), Ste::from_words(target));
    let [valid, ..] = Ste::from_words([0; 8]).used_bits(&caps);
    let used = UsedBits {
        current: current.used_bits(&caps),
        target: target.used_bits(&caps),
        safe: current.safe_bits(&target),
    };
    Ok((used, valid))
}

/// The same of two CDs, on an SMMU that knows all updates (`HTTU` = 3), because some records have `HAFT`.
fn cd(current: Words, target: Words) -> Result<(UsedBits, u64), Stop> {
    let caps = Smmu::ASSUMED.updates(HardwareUpdate::TableAccessFlag)?.caps()?;
    let (current, target) = (Cd::from_words(current), Cd::from_words(target));
    let [valid, ..] = Cd::INVALID.used_bits(&caps);
    let used = UsedBits { current: current.used_bits(&caps), target: target.used_bits(&caps), safe: [0; 8] };
    Ok((used, valid))
}
