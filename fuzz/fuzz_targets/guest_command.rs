//! Guests' commands of any words: what is accepted differs from the guest's in nothing but whose it is, names the host's VMID or
//! the device's stream, and is lawful but for what can only miss the guest's own entries; a batch issues exactly what it says.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use smmu_cmds::command::{DecodeError, Opcode, OperandError};
use smmu_cmds::guest::{GuestBatch, GuestStep};
use smmu_cmds::{RawCommand, VirtualSmmu};
use smmu_fuzz::caps::AnyCaps;
use smmu_regs::{StreamId, VirtualStreamId, Vmid};

#[derive(Debug, Arbitrary)]
struct Input {
    commands: Vec<[u64; 2]>,
    vmid: u16,
    /// Where the guest's devices begin.
    devices: u32,
    caps: AnyCaps,
}

/// The upper half of the first word: a StreamID, or an ASID and a VMID.
const WHOSE: u64 = 0xffff_ffff_0000_0000;

fn accepted(
    guest: RawCommand,
    physical: RawCommand,
    vmid: Vmid,
    streams: impl Fn(VirtualStreamId) -> Option<StreamId>,
) {
    let ([guest_low, guest_high], [low, high]) = (guest.words(), physical.words());
    assert_eq!(guest_high, high);
    match guest.opcode() {
        Opcode::TlbiNsnhAll => assert_eq!(low, u64::from(vmid) << 32 | 0x10),
        Opcode::TlbiNhAll | Opcode::TlbiNhAsid | Opcode::TlbiNhVa | Opcode::TlbiNhVaa => {
            assert_eq!(low, guest_low & !(0xffff << 32) | u64::from(vmid) << 32);
        }
        Opcode::CfgiCd | Opcode::CfgiCdAll | Opcode::AtcInv => {
            let stream =
                streams(VirtualStreamId::new((guest_low >> 32) as u32)).expect("there is such a device");
            assert_eq!(low, guest_low & !WHOSE | u64::from(stream) << 32);
        }
        other => panic!("{other} is not for guests"),
    }
    match physical.decode() {
        Ok(command) => assert_eq!(command.opcode(), physical.opcode()),
        Err(DecodeError::Operand(OperandError::Misaligned { .. } | OperandError::Scale { .. })) => {}
        Err(DecodeError::MustBeZero {
            command: Opcode::AtcInv,
            field: "SSID without SSV" | "GLOBAL without SSV",
            ..
        }) => {}
        Err(error) => panic!("{physical}: {error}"),
    }
}

fuzz_target!(|input: Input| {
    let Some(caps) = input.caps.caps() else { return };
    let vmid = Vmid::new(input.vmid);
    // Every other device is there, under another number.
    let streams = |device: VirtualStreamId| {
        let distance = device.get().wrapping_sub(input.devices);
        (distance & 1 == 0).then(|| StreamId::new(!distance))
    };
    let smmu = match VirtualSmmu::new(&caps, vmid, streams) {
        Ok(smmu) => smmu,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let guests = || input.commands.iter().copied().map(RawCommand::from_words);
    let mut batch = GuestBatch::new(&smmu, guests());
    let (mut pushed, mut synced) = (Vec::new(), 0);
    for step in batch.by_ref() {
        match step {
            GuestStep::Push(command) => pushed.push(command),
            GuestStep::Sync => {
                assert!((1..=63).contains(&(pushed.len() - synced)));
                synced = pushed.len();
            }
        }
    }
    assert_eq!(synced, pushed.len(), "all that is issued is synced");
    match batch.refusal() {
        None => assert_eq!(pushed.len(), input.commands.len()),
        Some(refusal) => {
            assert_eq!((refusal.index, Some(refusal.command)), (pushed.len(), guests().nth(pushed.len())));
            assert_eq!(smmu.translate(refusal.command), Err(refusal.error));
            assert!(!refusal.to_string().is_empty());
        }
    }
    for (guest, physical) in guests().zip(pushed) {
        accepted(guest, physical, vmid, streams);
    }
});
