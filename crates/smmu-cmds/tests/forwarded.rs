//! What goes into the physical queue for a guest or a hostile host, judged by the rules of the queue itself
//! ([`RawCommand::legal`], which has no code in common with the policies): it never stops the queue with CERROR_ILL, on no SMMU.
#![cfg(feature = "hypervisor")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use smmu_cmds::command::{Effect, Interface, Opcode, Reason, words_of};
use smmu_cmds::guest::{Answer, ForwardedFaults, GuestBatch, GuestStep};
use smmu_cmds::host::{HostSmmu, HostVerdict};
use smmu_cmds::{RawCommand, VirtualSmmu};
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::layout::named_bits;
use smmu_regs::registers::{Aidr, Idr0, Idr1, Idr3, Idr5};
use smmu_regs::{Caps, StreamId, SubstreamId, VirtualStreamId, Vmid};

/// Everything waits, but of each stream three stalls only.
struct All;

impl ForwardedFaults for All {
    fn is_stalled(&self, _: StreamId, _: u16) -> bool {
        true
    }
    fn next_stall(&self, _: StreamId, after: Option<u16>) -> Option<u16> {
        [0, 7, 0xffff].into_iter().find(|stag| after.is_none_or(|after| *stag > after))
    }
    fn is_requested(&self, _: StreamId, _: Option<SubstreamId>, _: u16) -> bool {
        true
    }
    fn answered(&self, _: Answer) {}
}

/// SMMUs: the example with some bits of its ID registers turned over; as it is where the result cannot be driven.
fn smmus() -> impl Strategy<Value = Caps> {
    let flips = (any::<[u32; 4]>(), any::<[u32; 4]>(), any::<[u32; 4]>());
    (flips, 0..=5_u32).prop_map(|((some, of, these), minor)| {
        let base = IdRegisters::EXAMPLE;
        let flip = |index: usize| some[index] & of[index] & these[index];
        let ids = IdRegisters {
            idr0: Idr0::from_bits(base.idr0.into_bits() ^ flip(0)),
            idr1: Idr1::from_bits(base.idr1.into_bits() ^ flip(1)),
            idr3: Idr3::from_bits(base.idr3.into_bits() ^ flip(2)),
            idr5: Idr5::from_bits(base.idr5.into_bits() ^ flip(3)),
            aidr: Aidr::from_bits(minor),
            ..base
        };
        let probe = |ids| Caps::probe(ids, &Hints::default());
        probe(&ids).unwrap_or_else(|_| probe(&base).unwrap())
    })
}

/// Words of one command, mostly within its fields.
fn commands() -> impl Strategy<Value = RawCommand> {
    let opcodes =
        [1, 2, 3, 4, 5, 6, 0x10, 0x11, 0x12, 0x13, 0x28, 0x2a, 0x30, 0x40, 0x41, 0x44, 0x45, 0x46_u8];
    let opcode = prop_oneof![12 => proptest::sample::select(opcodes.to_vec()), 1 => any::<u8>()];
    (opcode, any::<[u64; 2]>(), any::<[u64; 2]>(), any::<[u64; 2]>(), 0..8_u8).prop_map(
        |(opcode, words, sparse, sparser, how)| {
            let fields = words_of(Opcode::from(opcode)).filter(|_| how != 0);
            let may = fields.map_or([!0; 2], |fields| fields.map(named_bits));
            let [low, high] = [0, 1].map(|index| {
                let thin = if how & 1 == 0 { sparse[index] } else { sparse[index] & sparser[index] };
                words[index] & may[index] & if how & 2 == 0 { thin } else { !0 }
            });
            RawCommand::from_words([low & !0xff | u64::from(opcode), high])
        },
    )
}

/// Never CERROR_ILL, and what is CONSTRAINED UNPREDICTABLE stays within the guest's own VMID and stream.
fn taken(command: RawCommand, caps: &Caps) -> Result<(), TestCaseError> {
    if let Err(objection) = command.legal(caps, &Interface::NON_SECURE) {
        let harmless = match objection.effect {
            Effect::Altered => true,
            Effect::Unpredictable => {
                matches!(
                    objection.reason,
                    Reason::Misaligned { .. } | Reason::OutOfRange { field: "SSID", .. }
                )
            }
            _ => false,
        };
        prop_assert!(harmless, "{:x?}: {}", command.words(), objection);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn of_a_guest(caps in smmus(), command in commands(), vmid: u8, base: u16) {
        // Guest's numbers that are even are devices.
        let streams = |device: VirtualStreamId| {
            (device.get() % 2 == 0).then(|| StreamId::new(device.get() & 0xff ^ u32::from(base)))
        };
        let Ok(smmu) = VirtualSmmu::new(&caps, Vmid::new(vmid.into()), streams) else { return Ok(()) };
        let smmu = smmu.with_faults(All);
        for step in GuestBatch::new(&smmu, [command]) {
            if let GuestStep::Push(command) = step {
                taken(command, &caps)?;
            }
        }
    }

    #[test]
    fn of_a_host(physical in smmus(), shown in smmus(), same: bool, command in commands(), vmid: u8) {
        let shown = if same { physical } else { shown };
        let owns = |stream: StreamId| stream.get() % 2 == 0;
        let Ok(host) = HostSmmu::new(&physical, &shown, Vmid::new(vmid.into()), owns) else { return Ok(()) };
        if let Ok(HostVerdict::Forward(command)) = host.with_faults(All).judge(command) {
            taken(command, &physical)?;
        }
    }
}
