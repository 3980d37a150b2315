//! Which opcodes are a guest's, and which bits of each (IHI 0070 4.1.5: all others are RES0).

use super::GuestCommandError;
use crate::command::Opcode;
use crate::command::word::{
    Atc, AtcSpanWord, Bare, Cd, Leaf, Pri, PriAnswer, RangeTags, RangeVmid, Resume, Stag, Stream, Tags,
    VirtualAddress, VmidOnly,
};
use smmu_regs::caps::StallModel;
use smmu_regs::layout::FieldInfo;
use smmu_regs::{Caps, Feature};

/// The bits of both words that a guest may set in a command.
pub(super) fn allowed(command: Opcode, caps: &Caps) -> Result<[u64; 2], GuestCommandError> {
    let asid = low_part(Tags::ASID.info(), caps.asid_bits);
    let va = address(caps, VirtualAddress::ADDR.mask());
    let substreams = |mask| if caps.substream_id_bits == 0 { 0 } else { mask };
    Ok(match command {
        Opcode::TlbiNsnhAll => [Bare::OPCODE.mask(), 0],
        Opcode::TlbiNhAll => [VmidOnly::OPCODE.mask() | VmidOnly::VMID.mask(), 0],
        Opcode::TlbiNhAsid => [Tags::OPCODE.mask() | Tags::VMID.mask() | asid, 0],
        Opcode::TlbiNhVa => [RangeTags::OPCODE.mask() | RangeTags::VMID.mask() | asid | range(caps), va],
        Opcode::TlbiNhVaa => [RangeVmid::OPCODE.mask() | RangeVmid::VMID.mask() | range(caps), va],
        Opcode::CfgiCd => {
            let ssid = substreams(Cd::SSID.mask());
            [Cd::OPCODE.mask() | Cd::SID.mask() | ssid, Leaf::LEAF.mask()]
        }
        Opcode::CfgiCdAll => [Stream::OPCODE.mask() | Stream::SID.mask(), 0],
        Opcode::AtcInv => {
            if !caps.has(Feature::Ats) {
                return Err(GuestCommandError::Unsupported { command, needs: Feature::Ats });
            }
            let ssid = substreams(Atc::SSV.mask() | Atc::SSID.mask() | Atc::GLOBAL.mask());
            let span = AtcSpanWord::SIZE.mask() | AtcSpanWord::ADDR.mask();
            [Atc::OPCODE.mask() | Atc::SID.mask() | ssid, span]
        }
        Opcode::PriResp => {
            if !caps.has(Feature::Pri) {
                return Err(GuestCommandError::Unsupported { command, needs: Feature::Pri });
            }
            let ssid = substreams(Pri::SSV.mask() | Pri::SSID.mask());
            let answer = PriAnswer::PRGINDEX.mask() | PriAnswer::RESP.mask();
            [Pri::OPCODE.mask() | Pri::SID.mask() | ssid, answer]
        }
        Opcode::Resume | Opcode::StallTerm if caps.stall_model == StallModel::TerminateOnly => {
            return Err(GuestCommandError::NoStall { command });
        }
        Opcode::Resume => {
            let action = Resume::AC.mask() | Resume::AB.mask();
            [Resume::OPCODE.mask() | Resume::SID.mask() | action, Stag::STAG.mask()]
        }
        Opcode::StallTerm => [Stream::OPCODE.mask() | Stream::SID.mask(), 0],
        _ => return Err(GuestCommandError::Opcode { command }),
    })
}

/// NUM and SCALE: only with range invalidation, and bit 25 only with DS (4.4.1.1).
pub(crate) fn range(caps: &Caps) -> u64 {
    if !caps.has(Feature::RangeInvalidation) {
        return 0;
    }
    let scale = low_part(RangeTags::SCALE.info(), if caps.has(Feature::Ds) { 6 } else { 5 });
    RangeTags::NUM.mask() | scale
}

/// Leaf and the address; TTL and TG only with range invalidation (4.4.1.1). TTL128 never: these crates have no 128-bit
/// descriptors.
pub(crate) fn address(caps: &Caps, address: u64) -> u64 {
    let hint = if caps.has(Feature::RangeInvalidation) {
        VirtualAddress::TTL.mask() | VirtualAddress::TG.mask()
    } else {
        0
    };
    VirtualAddress::LEAF.mask() | address | hint
}

/// The lowest `bits` bits of a field, in place.
pub(crate) fn low_part(field: FieldInfo, bits: u8) -> u64 {
    let width = field.width.min(u32::from(bits));
    if width == 0 { 0 } else { FieldInfo { width, ..field }.mask() }
}
