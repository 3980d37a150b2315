//! What the exclusive and the shared command queue have in common.

use super::QueueError;
use super::ring::Ring;
use crate::command::{Command, RawCommand, Sync, SyncSignal};
use smmu_regs::registers::CmdqBase;
use smmu_regs::{Caps, Feature, Quirk};

/// A batch is never longer than this without a `CMD_SYNC` where an erratum forbids it.
pub(super) const FORCED_BATCH: u64 = 63;

/// log2 of the fewest entries of a command queue: room for two commands, each with its `CMD_SYNC`.
pub(super) const MIN_LOG2: u8 = 2;

/// As [`MIN_LOG2`], for an SMMU with these capabilities: a batch that is repeated or forced to end at 63 commands needs
/// room for its repetition.
pub(super) const fn min_log2(caps: &Caps) -> u8 {
    if caps.must(Quirk::ForceSync) || caps.must(Quirk::RepeatCfgiTlbi) { 7 } else { MIN_LOG2 }
}

/// Everything that an SMMU may have cached besides configuration, which goes before: until it has, a running SMMU may make
/// translations of it (4.3.6). Non-secure EL1 and stage 2; EL2; device permissions, which no TLBI removes (3.24).
pub(super) fn after_configuration(caps: &Caps) -> impl Iterator<Item = Command> + use<> {
    let if_there = |there, command| if there { Some(command) } else { None };
    [
        Some(Command::TlbiNsnhAll),
        if_there(caps.has(Feature::Hyp), Command::TlbiEl2All),
        if_there(caps.has(Feature::Dpt), Command::DptiAll),
    ]
    .into_iter()
    .flatten()
}

/// What `CMDQ_BASE` or `ECMDQ_BASE` is to hold for `ring`.
pub(super) fn base_register(ring: &Ring<2>, caps: &Caps) -> Result<CmdqBase, QueueError> {
    let address = ring.base().get();
    CmdqBase::new()
        .try_with(CmdqBase::LOG2SIZE, ring.size().log2())
        .and_then(|base| base.try_with_address(CmdqBase::ADDR, address))
        .map(|base| base.with(CmdqBase::RA, caps.has(Feature::Coherent)))
        .map_err(|_| QueueError::Base { address })
}

/// The `CMD_SYNC` that stands in for a command that the SMMU refused. It wakes whoever waits, if that can be.
pub(super) fn replacement(caps: &Caps) -> Result<RawCommand, QueueError> {
    let signal = if caps.has(Feature::Sev) { SyncSignal::Event } else { SyncSignal::None };
    Ok(Command::Sync(Sync::new(signal)).encode(caps)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;
    use smmu_regs::caps::{Features, Hints, IdRegisters};

    #[test]
    fn each_cache_has_its_command() {
        let example = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default());
        for (features, expected) in [
            (&[][..], &[Command::TlbiNsnhAll][..]),
            (&[Feature::Hyp], &[Command::TlbiNsnhAll, Command::TlbiEl2All]),
            (&[Feature::Dpt], &[Command::TlbiNsnhAll, Command::DptiAll]),
            (&[Feature::Hyp, Feature::Dpt], &[Command::TlbiNsnhAll, Command::TlbiEl2All, Command::DptiAll]),
        ] {
            let Ok(mut caps) = example else { panic!("{example:?}") };
            caps.features = caps.features.without(Features::of(&[Feature::Hyp, Feature::Dpt]));
            caps.features = caps.features.union(Features::of(features));
            assert!(after_configuration(&caps).eq(expected.iter().copied()), "{features:?}");
            assert!(expected.iter().all(|command| command.encode(&caps).is_ok()));
        }
    }
}
