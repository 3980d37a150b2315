//! Repr to view: every operand is checked against the capabilities, nothing is masked.

use super::word::{
    AsidOnly, Atc, AtcSpanWord, Bare, Cd, Ipa, Leaf, MsiAddress, Pri, PriAnswer, Range, RangeAsid, RangeOnly,
    RangeTags, RangeVmid, Resume, Stag, Stream, StreamSubstream, Sync as SyncWord, Tags, VirtualAddress,
    VmidOnly,
};
use super::{
    Command, CommandError, Opcode, RawCommand, ResumeAction, Sync, SyncSignal, TlbiOperand, TlbiRange,
};
use smmu_regs::caps::StallModel;
use smmu_regs::layout::FieldError;
use smmu_regs::vmsa::{Granule, Level};
use smmu_regs::{Asid, Caps, Feature, StreamId, SubstreamId, Vmid};

impl Command {
    /// The opcode.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::PrefetchConfig { .. } => Opcode::PrefetchConfig,
            Self::CfgiSte { .. } => Opcode::CfgiSte,
            Self::CfgiSteRange { .. } | Self::CfgiAll => Opcode::CfgiSteRange,
            Self::CfgiCd { .. } => Opcode::CfgiCd,
            Self::CfgiCdAll { .. } => Opcode::CfgiCdAll,
            Self::TlbiNhAll { .. } => Opcode::TlbiNhAll,
            Self::TlbiNhAsid { .. } => Opcode::TlbiNhAsid,
            Self::TlbiNhVa { .. } => Opcode::TlbiNhVa,
            Self::TlbiNhVaa { .. } => Opcode::TlbiNhVaa,
            Self::TlbiEl2All => Opcode::TlbiEl2All,
            Self::TlbiEl2Asid { .. } => Opcode::TlbiEl2Asid,
            Self::TlbiEl2Va { .. } => Opcode::TlbiEl2Va,
            Self::TlbiEl2Vaa { .. } => Opcode::TlbiEl2Vaa,
            Self::TlbiS12Vmall { .. } => Opcode::TlbiS12Vmall,
            Self::TlbiS2Ipa { .. } => Opcode::TlbiS2Ipa,
            Self::TlbiNsnhAll => Opcode::TlbiNsnhAll,
            Self::AtcInv { .. } => Opcode::AtcInv,
            Self::PriResp { .. } => Opcode::PriResp,
            Self::Resume { .. } => Opcode::Resume,
            Self::StallTerm { .. } => Opcode::StallTerm,
            Self::Sync(_) => Opcode::Sync,
        }
    }

    /// The command's two words for an SMMU with these capabilities.
    ///
    /// # Errors
    /// The SMMU would refuse the command or understand something else: see [`CommandError`].
    #[inline]
    pub fn encode(&self, caps: &Caps) -> Result<RawCommand, CommandError> {
        self.check(caps)?;
        let words = match *self {
            Self::PrefetchConfig { stream, substream } => [prefetch(caps, stream, substream)?, 0],
            Self::CfgiSte { stream, leaf } => [self.stream(caps, stream)?, leaf_word(leaf)],
            Self::CfgiSteRange { stream, range_log2 } => {
                let Some(range @ 0..=30) = range_log2.checked_sub(1) else {
                    return Err(CommandError::StreamRange { range_log2 });
                };
                [self.stream(caps, stream)?, Range::new().try_with(Range::RANGE, range)?.into_bits()]
            }
            Self::CfgiAll => [self.bare()?, Range::new().try_with(Range::RANGE, 31_u8)?.into_bits()],
            Self::CfgiCd { stream, substream, leaf } => {
                let low = Cd::new()
                    .try_with(Cd::OPCODE, self.code())?
                    .try_with(Cd::SID, stream_id(caps, stream)?)?
                    .try_with(Cd::SSID, substream_id(caps, substream)?)?;
                [low.into_bits(), leaf_word(leaf)]
            }
            Self::CfgiCdAll { stream } | Self::StallTerm { stream } => [self.stream(caps, stream)?, 0],
            Self::TlbiNhAll { vmid } | Self::TlbiS12Vmall { vmid } => {
                let low = VmidOnly::new().try_with(VmidOnly::OPCODE, self.code())?;
                [low.try_with(VmidOnly::VMID, vmid_of(caps, vmid)?)?.into_bits(), 0]
            }
            Self::TlbiNhAsid { vmid, asid } => {
                let low = Tags::new()
                    .try_with(Tags::OPCODE, self.code())?
                    .try_with(Tags::VMID, vmid_of(caps, vmid)?)?
                    .try_with(Tags::ASID, asid_of(caps, asid)?)?;
                [low.into_bits(), 0]
            }
            Self::TlbiNhVa { vmid, asid, operand } => {
                let (scale, num) = self.range_fields(caps, operand)?;
                let low = RangeTags::new()
                    .try_with(RangeTags::OPCODE, self.code())?
                    .try_with(RangeTags::NUM, num)?
                    .try_with(RangeTags::SCALE, scale)?
                    .try_with(RangeTags::VMID, vmid_of(caps, vmid)?)?
                    .try_with(RangeTags::ASID, asid_of(caps, asid)?)?;
                [low.into_bits(), virtual_address(operand)?]
            }
            Self::TlbiNhVaa { vmid, operand } => {
                [self.range_vmid(caps, vmid, operand)?, virtual_address(operand)?]
            }
            Self::TlbiS2Ipa { vmid, operand } => {
                let bits = caps.stage2_input_bits();
                if operand.address() >> bits != 0 {
                    return Err(CommandError::Address { address: operand.address(), bits });
                }
                [self.range_vmid(caps, vmid, operand)?, ipa(operand)?]
            }
            Self::TlbiEl2All | Self::TlbiNsnhAll => [self.bare()?, 0],
            Self::TlbiEl2Asid { asid } => {
                let low = AsidOnly::new().try_with(AsidOnly::OPCODE, self.code())?;
                [low.try_with(AsidOnly::ASID, asid_of(caps, asid)?)?.into_bits(), 0]
            }
            Self::TlbiEl2Va { asid, operand } => {
                let (scale, num) = self.range_fields(caps, operand)?;
                let low = RangeAsid::new()
                    .try_with(RangeAsid::OPCODE, self.code())?
                    .try_with(RangeAsid::NUM, num)?
                    .try_with(RangeAsid::SCALE, scale)?
                    .try_with(RangeAsid::ASID, asid_of(caps, asid)?)?;
                [low.into_bits(), virtual_address(operand)?]
            }
            Self::TlbiEl2Vaa { operand } => {
                let (scale, num) = self.range_fields(caps, operand)?;
                let low = RangeOnly::new()
                    .try_with(RangeOnly::OPCODE, self.code())?
                    .try_with(RangeOnly::NUM, num)?
                    .try_with(RangeOnly::SCALE, scale)?;
                [low.into_bits(), virtual_address(operand)?]
            }
            Self::AtcInv { stream, substream, global, span } => {
                let low = Atc::new()
                    .try_with(Atc::OPCODE, self.code())?
                    .with(Atc::GLOBAL, global)
                    .with(Atc::SSV, substream.is_some())
                    .try_with(Atc::SSID, optional_substream(caps, substream)?)?
                    .try_with(Atc::SID, stream_id(caps, stream)?)?;
                let high = AtcSpanWord::new()
                    .try_with(AtcSpanWord::SIZE, span.size_log2())?
                    .try_with_address(AtcSpanWord::ADDR, span.address())?;
                [low.into_bits(), high.into_bits()]
            }
            Self::PriResp { stream, substream, group, response } => {
                let low = Pri::new()
                    .try_with(Pri::OPCODE, self.code())?
                    .with(Pri::SSV, substream.is_some())
                    .try_with(Pri::SSID, optional_substream(caps, substream)?)?
                    .try_with(Pri::SID, stream_id(caps, stream)?)?;
                let high = PriAnswer::new()
                    .try_with(PriAnswer::PRGINDEX, group)?
                    .try_with(PriAnswer::RESP, response as u8)?;
                [low.into_bits(), high.into_bits()]
            }
            Self::Resume { stream, stag, action } => {
                let low = Resume::new()
                    .try_with(Resume::OPCODE, self.code())?
                    .with(Resume::AC, action == ResumeAction::Retry)
                    .with(Resume::AB, action == ResumeAction::Abort)
                    .try_with(Resume::SID, stream_id(caps, stream)?)?;
                [low.into_bits(), Stag::new().try_with(Stag::STAG, stag)?.into_bits()]
            }
            Self::Sync(sync) => self.sync(caps, sync)?,
        };
        Ok(RawCommand::from_words(words))
    }

    /// Whether the SMMU implements what the command needs (the `illegal` conditions of each command).
    fn check(&self, caps: &Caps) -> Result<(), CommandError> {
        let needs = match self {
            Self::CfgiCd { .. }
            | Self::CfgiCdAll { .. }
            | Self::TlbiNhAll { .. }
            | Self::TlbiNhAsid { .. }
            | Self::TlbiNhVa { .. }
            | Self::TlbiNhVaa { .. } => Feature::Stage1,
            Self::TlbiEl2All
            | Self::TlbiEl2Asid { .. }
            | Self::TlbiEl2Va { .. }
            | Self::TlbiEl2Vaa { .. } => Feature::Hyp,
            Self::TlbiS12Vmall { .. } | Self::TlbiS2Ipa { .. } => Feature::Stage2,
            Self::AtcInv { .. } => Feature::Ats,
            Self::PriResp { .. } => Feature::Pri,
            Self::Resume { .. } | Self::StallTerm { .. } => {
                return match caps.stall_model {
                    StallModel::TerminateOnly => Err(CommandError::NoStall { command: self.opcode() }),
                    StallModel::Supported | StallModel::Forced => Ok(()),
                };
            }
            _ => return Ok(()),
        };
        if caps.has(needs) {
            Ok(())
        } else {
            Err(CommandError::Unsupported { command: self.opcode(), needs })
        }
    }

    fn code(&self) -> u8 {
        self.opcode().into()
    }

    fn bare(&self) -> Result<u64, FieldError> {
        Ok(Bare::new().try_with(Bare::OPCODE, self.code())?.into_bits())
    }

    fn stream(&self, caps: &Caps, stream: StreamId) -> Result<u64, CommandError> {
        let word = Stream::new().try_with(Stream::OPCODE, self.code())?;
        Ok(word.try_with(Stream::SID, stream_id(caps, stream)?)?.into_bits())
    }

    fn range_vmid(&self, caps: &Caps, vmid: Vmid, operand: TlbiOperand) -> Result<u64, CommandError> {
        let (scale, num) = self.range_fields(caps, operand)?;
        let word = RangeVmid::new()
            .try_with(RangeVmid::OPCODE, self.code())?
            .try_with(RangeVmid::NUM, num)?
            .try_with(RangeVmid::SCALE, scale)?
            .try_with(RangeVmid::VMID, vmid_of(caps, vmid)?)?;
        Ok(word.into_bits())
    }

    /// (SCALE, NUM) of the operand, after checking what the SMMU can decode.
    fn range_fields(&self, caps: &Caps, operand: TlbiOperand) -> Result<(u8, u8), CommandError> {
        let Some(range) = operand.as_range() else { return Ok((0, 0)) };
        if !caps.has(Feature::RangeInvalidation) {
            return Err(CommandError::Unsupported {
                command: self.opcode(),
                needs: Feature::RangeInvalidation,
            });
        }
        if !caps.has(Feature::Ds) {
            if range.scale() > 31 {
                return Err(CommandError::Scale { scale: range.scale(), max: 31 });
            }
            if range.granule() == Granule::Size16K && range.hint() == Some(Level::ONE) {
                return Err(CommandError::HintNeedsDs);
            }
        }
        Ok((range.scale(), range.num()))
    }

    fn sync(&self, caps: &Caps, sync: Sync) -> Result<[u64; 2], CommandError> {
        let (signal, address, data) = match sync.signal {
            SyncSignal::None => (0_u8, 0, 0),
            SyncSignal::Interrupt { address, data } => (1, address.get(), data),
            SyncSignal::Event => (2, 0, 0),
        };
        if !caps.oas.contains(address) {
            return Err(CommandError::Address { address, bits: caps.oas.bits() });
        }
        let low = SyncWord::new()
            .try_with(SyncWord::OPCODE, self.code())?
            .try_with(SyncWord::CS, signal)?
            .try_with(SyncWord::MSH, sync.msi_shareability)?
            .try_with(SyncWord::MSIATTR, sync.msi_attributes)?
            .try_with(SyncWord::MSIDATA, data)?;
        let high = MsiAddress::new().try_with_address(MsiAddress::MSIADDR, address)?;
        Ok([low.into_bits(), high.into_bits()])
    }
}

fn leaf_word(leaf: bool) -> u64 {
    Leaf::new().with(Leaf::LEAF, leaf).into_bits()
}

pub(crate) fn stream_id(caps: &Caps, stream: StreamId) -> Result<u32, CommandError> {
    let bits = caps.stream_id_bits;
    if stream.fits(u32::from(bits)) { Ok(stream.get()) } else { Err(CommandError::Stream { stream, bits }) }
}

fn substream_id(caps: &Caps, substream: SubstreamId) -> Result<u32, CommandError> {
    let bits = caps.substream_id_bits;
    if substream.fits(u32::from(bits)) {
        Ok(substream.get())
    } else {
        Err(CommandError::Substream { substream, bits })
    }
}

/// The SSID of a command with SSV: one that is given needs substreams at all.
fn optional_substream(caps: &Caps, substream: Option<SubstreamId>) -> Result<u32, CommandError> {
    match substream {
        None => Ok(0),
        Some(substream) if caps.substream_id_bits == 0 => Err(CommandError::Substream { substream, bits: 0 }),
        Some(substream) => substream_id(caps, substream),
    }
}

fn prefetch(caps: &Caps, stream: StreamId, substream: Option<SubstreamId>) -> Result<u64, CommandError> {
    let word = StreamSubstream::new()
        .try_with(StreamSubstream::OPCODE, u8::from(Opcode::PrefetchConfig))?
        .with(StreamSubstream::SSV, substream.is_some())
        .try_with(StreamSubstream::SSID, optional_substream(caps, substream)?)?
        .try_with(StreamSubstream::SID, stream_id(caps, stream)?)?;
    Ok(word.into_bits())
}

pub(crate) fn vmid_of(caps: &Caps, vmid: Vmid) -> Result<u16, CommandError> {
    let bits = caps.usable_vmid_bits();
    if vmid.fits(u32::from(bits)) { Ok(vmid.get()) } else { Err(CommandError::Vmid { vmid, bits }) }
}

fn asid_of(caps: &Caps, asid: Asid) -> Result<u16, CommandError> {
    let bits = caps.asid_bits;
    if asid.fits(u32::from(bits)) { Ok(asid.get()) } else { Err(CommandError::Asid { asid, bits }) }
}

fn hint_code(range: Option<TlbiRange>) -> u8 {
    match range.and_then(TlbiRange::hint).map(Level::number) {
        Some(1) => 1,
        Some(2) => 2,
        Some(3) => 3,
        _ => 0,
    }
}

fn virtual_address(operand: TlbiOperand) -> Result<u64, FieldError> {
    let range = operand.as_range();
    let word = VirtualAddress::new()
        .with(VirtualAddress::LEAF, operand.leaf())
        .try_with(VirtualAddress::TTL, hint_code(range))?
        .try_with(VirtualAddress::TG, range.map_or(0, |range| range.granule().tlbi_tg()))?
        .try_with_address(VirtualAddress::ADDR, operand.address())?;
    Ok(word.into_bits())
}

fn ipa(operand: TlbiOperand) -> Result<u64, FieldError> {
    let range = operand.as_range();
    let word = Ipa::new()
        .with(Ipa::LEAF, operand.leaf())
        .try_with(Ipa::TTL, hint_code(range))?
        .try_with(Ipa::TG, range.map_or(0, |range| range.granule().tlbi_tg()))?
        .try_with_address(Ipa::ADDR, operand.address())?;
    Ok(word.into_bits())
}
