//! By-address TLB invalidations, encoded: the commands that there are many of.
//!
//! The operand's fields are ready ([`TlbiOperand`]), so that what is left for each command is to check it and its tag against
//! the capabilities and to join three values. All of it is inlined: in a loop over operands, what depends on the tag and
//! the capabilities only is checked once.

use super::word::{AsidOnly, RangeTags, VirtualAddress, VmidOnly};
use super::{Command, CommandError, Opcode, TlbiOperand};
use smmu_regs::layout::FieldInfo;
use smmu_regs::vmsa::Granule;
use smmu_regs::{Asid, Caps, Feature, Vmid};

const fn place(field: FieldInfo, value: u16) -> u64 {
    (value as u64).wrapping_shl(field.lsb)
}

/// SCALE of 32 and more.
const LARGE_SCALE: u64 = place(RangeTags::SCALE.info(), 32);
/// TG and TTL, and both for level 1 of 16K granules.
const HINT_MASK: u64 = VirtualAddress::TG.mask() | VirtualAddress::TTL.mask();
const HINT_16K_LEVEL_1: u64 = place(VirtualAddress::TG.info(), Granule::Size16K.tlbi_tg() as u16)
    | place(VirtualAddress::TTL.info(), 1);

impl Command {
    /// The words, if this is a by-address invalidation that the Non-secure and the Realm queue take. `vmid_bits` are those of
    /// the queue's stage-1 translations.
    #[inline(always)]
    pub(super) fn by_address(&self, caps: &Caps, vmid_bits: u8) -> Option<Result<[u64; 2], CommandError>> {
        Some(match *self {
            Self::TlbiNhVa { vmid, asid, operand } => nh_va(caps, vmid_bits, vmid, asid, operand),
            Self::TlbiNhVaa { vmid, operand } => nh_vaa(caps, vmid_bits, vmid, operand),
            Self::TlbiS2Ipa { vmid, operand } => s2_ipa(caps, Opcode::TlbiS2Ipa, vmid, operand),
            Self::TlbiEl2Va { asid, operand } => el2_va(caps, asid, operand),
            Self::TlbiEl2Vaa { operand } => {
                needs(caps, Opcode::TlbiEl2Vaa, Feature::Hyp).and(join(caps, Opcode::TlbiEl2Vaa, 0, operand))
            }
            _ => return None,
        })
    }
}

#[inline(always)]
fn nh_va(
    caps: &Caps,
    vmid_bits: u8,
    vmid: Vmid,
    asid: Asid,
    operand: TlbiOperand,
) -> Result<[u64; 2], CommandError> {
    needs(caps, Opcode::TlbiNhVa, Feature::Stage1)?;
    let tags = vmid_field(vmid_bits, vmid)? | asid_field(caps, asid)?;
    join(caps, Opcode::TlbiNhVa, tags, operand)
}

#[inline(always)]
fn nh_vaa(caps: &Caps, vmid_bits: u8, vmid: Vmid, operand: TlbiOperand) -> Result<[u64; 2], CommandError> {
    needs(caps, Opcode::TlbiNhVaa, Feature::Stage1)?;
    join(caps, Opcode::TlbiNhVaa, vmid_field(vmid_bits, vmid)?, operand)
}

#[inline(always)]
fn el2_va(caps: &Caps, asid: Asid, operand: TlbiOperand) -> Result<[u64; 2], CommandError> {
    needs(caps, Opcode::TlbiEl2Va, Feature::Hyp)?;
    join(caps, Opcode::TlbiEl2Va, asid_field(caps, asid)?, operand)
}

/// `CMD_TLBI_S2_IPA` and its Secure twin.
#[inline(always)]
pub(super) fn s2_ipa(
    caps: &Caps,
    command: Opcode,
    vmid: Vmid,
    operand: TlbiOperand,
) -> Result<[u64; 2], CommandError> {
    needs(caps, command, Feature::Stage2)?;
    let tags = vmid_field(caps.usable_vmid_bits(), vmid)?;
    let bits = caps.stage2_input_bits();
    if operand.address() & bits_from(bits) != 0 {
        return Err(CommandError::Address { address: operand.address(), bits });
    }
    join(caps, command, tags, operand)
}

/// Opcode, tags and operand in one.
#[inline(always)]
pub(super) fn join(
    caps: &Caps,
    command: Opcode,
    tags: u64,
    operand: TlbiOperand,
) -> Result<[u64; 2], CommandError> {
    if operand.is_range() {
        check_range(caps, command, operand)?;
    }
    let [low, high] = operand.words();
    Ok([u64::from(command.code()) | tags | low, high])
}

#[inline]
pub(super) fn needs(caps: &Caps, command: Opcode, feature: Feature) -> Result<(), CommandError> {
    if caps.has(feature) { Ok(()) } else { Err(CommandError::Unsupported { command, needs: feature }) }
}

#[inline]
pub(super) fn vmid_field(bits: u8, vmid: Vmid) -> Result<u64, CommandError> {
    if vmid.fits(u32::from(bits)) {
        Ok(place(VmidOnly::VMID.info(), vmid.get()))
    } else {
        Err(CommandError::Vmid { vmid, bits })
    }
}

#[inline]
pub(super) fn asid_field(caps: &Caps, asid: Asid) -> Result<u64, CommandError> {
    let bits = caps.asid_bits;
    if asid.fits(u32::from(bits)) {
        Ok(place(AsidOnly::ASID.info(), asid.get()))
    } else {
        Err(CommandError::Asid { asid, bits })
    }
}

/// The bits from bit `first` up.
#[inline]
const fn bits_from(first: u32) -> u64 {
    match u64::MAX.checked_shl(first) {
        Some(mask) => mask,
        None => 0,
    }
}

/// Whether the SMMU decodes the range as it is meant (4.4.1.1).
#[inline]
fn check_range(caps: &Caps, command: Opcode, operand: TlbiOperand) -> Result<(), CommandError> {
    needs(caps, command, Feature::RangeInvalidation)?;
    let [low, high] = operand.words();
    if !caps.has(Feature::Ds) {
        if low & LARGE_SCALE != 0 {
            let scale = RangeTags::SCALE.info().get(low) as u8;
            return Err(CommandError::Scale { scale, max: 31 });
        }
        if high & HINT_MASK == HINT_16K_LEVEL_1 {
            return Err(CommandError::HintNeedsDs);
        }
    }
    if high & VirtualAddress::TTL128.mask() != 0 { needs(caps, command, Feature::D128) } else { Ok(()) }
}
