//! Which opcodes are a host's, and which bits of each, on the SMMU that it is shown (IHI 0070 4.1.5: all others are RES0).

use super::HostCommandError;
use crate::command::Opcode;
use crate::command::word::{
    Atc, AtcSpanWord, Bare, Cd, Ipa, Leaf, MsiAddress, Prefetch, Pri, PriAnswer, Range, Resume, Stag, Stream,
    StreamSubstream, Sync as SyncWord, Tags, VirtualAddress, VmidOnly,
};
use crate::guest::{address, low_part, range};
use smmu_regs::caps::StallModel;
use smmu_regs::{Caps, Feature};

/// The bits of both words that the host may set in a command.
pub(super) fn allowed(command: Opcode, shown: &Caps) -> Result<[u64; 2], HostCommandError> {
    needed(command, shown)?;
    let opcode = Bare::OPCODE.mask();
    let vmid = low_part(VmidOnly::VMID.info(), shown.usable_vmid_bits());
    let asid = low_part(Tags::ASID.info(), shown.asid_bits);
    let substreams = |mask| if shown.substream_id_bits == 0 { 0 } else { mask };
    let stream = opcode | Stream::SID.mask();
    let leaf = Leaf::LEAF.mask();
    Ok(match command {
        Opcode::PrefetchConfig | Opcode::PrefetchAddr => {
            let ssid = substreams(StreamSubstream::SSV.mask() | StreamSubstream::SSID.mask());
            let span = Prefetch::SIZE.mask() | Prefetch::STRIDE.mask() | Prefetch::ADDR.mask();
            [stream | ssid, if command == Opcode::PrefetchAddr { span } else { 0 }]
        }
        Opcode::CfgiSte => [stream, leaf],
        Opcode::CfgiSteRange => [stream, Range::RANGE.mask()],
        Opcode::CfgiCd => [stream | substreams(Cd::SSID.mask()), leaf],
        Opcode::CfgiCdAll | Opcode::StallTerm => [stream, 0],
        Opcode::TlbiNhAll | Opcode::TlbiS12Vmall => [opcode | vmid, 0],
        Opcode::TlbiNhAsid => [opcode | vmid | asid, 0],
        Opcode::TlbiNhVa => {
            [opcode | vmid | asid | range(shown), address(shown, VirtualAddress::ADDR.mask())]
        }
        Opcode::TlbiNhVaa => [opcode | vmid | range(shown), address(shown, VirtualAddress::ADDR.mask())],
        Opcode::TlbiS2Ipa => [opcode | vmid | range(shown), address(shown, Ipa::ADDR.mask())],
        Opcode::TlbiNsnhAll => [opcode, 0],
        Opcode::AtcInv => {
            let ssid = substreams(Atc::SSV.mask() | Atc::SSID.mask() | Atc::GLOBAL.mask());
            [stream | ssid, AtcSpanWord::SIZE.mask() | AtcSpanWord::ADDR.mask()]
        }
        Opcode::PriResp => {
            let ssid = substreams(Pri::SSV.mask() | Pri::SSID.mask());
            [stream | ssid, PriAnswer::PRGINDEX.mask() | PriAnswer::RESP.mask()]
        }
        Opcode::Resume => [stream | Resume::AC.mask() | Resume::AB.mask(), Stag::STAG.mask()],
        Opcode::Sync => {
            let signal = SyncWord::CS.mask() | SyncWord::MSH.mask() | SyncWord::MSIATTR.mask();
            [opcode | signal | SyncWord::MSIDATA.mask(), MsiAddress::MSIADDR.mask()]
        }
        _ => return Err(HostCommandError::Opcode { command }),
    })
}

/// The `illegal` conditions of each command (4.3 to 4.7).
fn needed(command: Opcode, shown: &Caps) -> Result<(), HostCommandError> {
    let needs = match command {
        Opcode::CfgiCd
        | Opcode::CfgiCdAll
        | Opcode::TlbiNhAll
        | Opcode::TlbiNhAsid
        | Opcode::TlbiNhVa
        | Opcode::TlbiNhVaa => Feature::Stage1,
        Opcode::TlbiS12Vmall | Opcode::TlbiS2Ipa => Feature::Stage2,
        Opcode::AtcInv => Feature::Ats,
        Opcode::PriResp => Feature::Pri,
        Opcode::Resume | Opcode::StallTerm if shown.stall_model == StallModel::TerminateOnly => {
            return Err(HostCommandError::NoStall { command });
        }
        _ => return Ok(()),
    };
    if shown.has(needs) { Ok(()) } else { Err(HostCommandError::Unsupported { command, needs }) }
}
