//! A hostile host's commands of any words, on an SMMU shown in any way: what is forwarded is lawful but for what can only miss
//! the host's own entries, names the host's VMID or streams, and makes the SMMU write nothing.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use smmu_cmds::command::{DecodeError, Opcode, OperandError};
use smmu_cmds::guest::{Answer, ForwardedFaults};
use smmu_cmds::host::{HostAction, HostSmmu, HostVerdict, Reshadow};
use smmu_cmds::{Command, RawCommand};
use smmu_fuzz::caps::AnyCaps;
use smmu_regs::{StreamId, SubstreamId, Vmid};

#[derive(Debug, Arbitrary)]
struct Input {
    commands: Vec<[u64; 2]>,
    vmid: u16,
    /// Where the host's streams begin.
    streams: u32,
    physical: AnyCaps,
    shown: AnyCaps,
    faults: bool,
}

/// Even tags wait, if any.
struct Even(bool);

impl ForwardedFaults for Even {
    fn is_stalled(&self, _: StreamId, stag: u16) -> bool {
        stag % 2 == 0
    }
    fn next_stall(&self, _: StreamId, after: Option<u16>) -> Option<u16> {
        after.map_or(Some(0), |after| after.checked_add(2))
    }
    fn is_requested(&self, _: StreamId, _: Option<SubstreamId>, group: u16) -> bool {
        group % 2 == 0
    }
    fn answered(&self, _: Answer) {}
    fn forwards(&self) -> bool {
        self.0
    }
}

fn forwarded(command: RawCommand, vmid: Vmid, owns: impl Fn(StreamId) -> bool) {
    match command.decode() {
        Ok(
            Command::TlbiNhAll { vmid: of }
            | Command::TlbiNhAsid { vmid: of, .. }
            | Command::TlbiNhVa { vmid: of, .. }
            | Command::TlbiNhVaa { vmid: of, .. },
        ) => assert_eq!(of, vmid),
        Ok(
            Command::CfgiCd { stream, .. }
            | Command::CfgiCdAll { stream }
            | Command::AtcInv { stream, .. }
            | Command::PriResp { stream, .. }
            | Command::Resume { stream, .. },
        ) => assert!(owns(stream)),
        Ok(other) => panic!("{other} went to the SMMU"),
        Err(DecodeError::Operand(OperandError::Misaligned { .. } | OperandError::Scale { .. })) => {
            assert_eq!(command.words()[0] >> 32 & 0xffff, u64::from(vmid));
        }
        Err(DecodeError::MustBeZero {
            command: Opcode::AtcInv | Opcode::PriResp,
            field: "SSID without SSV" | "GLOBAL without SSV",
            ..
        }) => {
            assert!(owns(StreamId::new((command.words()[0] >> 32) as u32)));
        }
        Err(error) => panic!("{command}: {error}"),
    }
}

fuzz_target!(|input: Input| {
    let (Some(physical), Some(shown)) = (input.physical.caps(), input.shown.caps()) else { return };
    let vmid = Vmid::new(input.vmid);
    let owns = |stream: StreamId| stream.get().wrapping_sub(input.streams) < 0x100;
    let host = match HostSmmu::new(&physical, &shown, vmid, owns) {
        Ok(host) => host.with_faults(Even(input.faults)),
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    for words in input.commands {
        match host.judge(RawCommand::from_words(words)) {
            Ok(HostVerdict::Forward(command)) => forwarded(command, vmid, owns),
            Ok(HostVerdict::Act(HostAction::Reshadow(what))) => match what {
                Reshadow::Stream { stream, .. } => assert!(owns(stream) && what.covers(stream)),
                Reshadow::Streams { first, .. } => assert!(what.covers(first)),
                Reshadow::All => {}
            },
            Ok(HostVerdict::Act(other)) => panic!("{other:?} is no verdict"),
            Ok(HostVerdict::Terminate(stream)) => assert!(owns(stream)),
            Ok(HostVerdict::Sync(_) | HostVerdict::Ignore(_)) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
