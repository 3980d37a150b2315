//! Repr to view: every operand is checked against the capabilities, nothing is masked.

use super::invalidate::{asid_field, join, needs, s2_ipa, vmid_field};
use super::word::{
    Atc, AtcSpanWord, Cd, DptPhysical, Leaf, MsiAddress, Prefetch, Pri, PriAnswer, Range, Resume, Stag,
    Stream, StreamSubstream, Sync as SyncWord,
};
use super::{
    Command, CommandError, Interface, Opcode, PrefetchSpan, RawCommand, ResumeAction, Ssec, Sync, SyncSignal,
};
use smmu_regs::{Bank, Caps, Feature, Quirk, StreamId, SubstreamId, Vmid};

impl Command {
    /// The opcode.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::PrefetchConfig { .. } => Opcode::PrefetchConfig,
            Self::PrefetchAddr { .. } => Opcode::PrefetchAddr,
            Self::CfgiSte { .. } => Opcode::CfgiSte,
            Self::CfgiSteRange { .. } | Self::CfgiAll => Opcode::CfgiSteRange,
            Self::CfgiCd { .. } => Opcode::CfgiCd,
            Self::CfgiCdAll { .. } => Opcode::CfgiCdAll,
            Self::CfgiVmsPidm { .. } => Opcode::CfgiVmsPidm,
            Self::TlbiNhAll { .. } => Opcode::TlbiNhAll,
            Self::TlbiNhAsid { .. } => Opcode::TlbiNhAsid,
            Self::TlbiNhVa { .. } => Opcode::TlbiNhVa,
            Self::TlbiNhVaa { .. } => Opcode::TlbiNhVaa,
            Self::TlbiEl3All => Opcode::TlbiEl3All,
            Self::TlbiEl3Va { .. } => Opcode::TlbiEl3Va,
            Self::TlbiEl2All => Opcode::TlbiEl2All,
            Self::TlbiEl2Asid { .. } => Opcode::TlbiEl2Asid,
            Self::TlbiEl2Va { .. } => Opcode::TlbiEl2Va,
            Self::TlbiEl2Vaa { .. } => Opcode::TlbiEl2Vaa,
            Self::TlbiS12Vmall { .. } => Opcode::TlbiS12Vmall,
            Self::TlbiS2Ipa { .. } => Opcode::TlbiS2Ipa,
            Self::TlbiNsnhAll => Opcode::TlbiNsnhAll,
            Self::TlbiSEl2All => Opcode::TlbiSEl2All,
            Self::TlbiSEl2Asid { .. } => Opcode::TlbiSEl2Asid,
            Self::TlbiSEl2Va { .. } => Opcode::TlbiSEl2Va,
            Self::TlbiSEl2Vaa { .. } => Opcode::TlbiSEl2Vaa,
            Self::TlbiSS12Vmall { .. } => Opcode::TlbiSS12Vmall,
            Self::TlbiSS2Ipa { .. } => Opcode::TlbiSS2Ipa,
            Self::TlbiSnhAll => Opcode::TlbiSnhAll,
            Self::AtcInv { .. } => Opcode::AtcInv,
            Self::PriResp { .. } => Opcode::PriResp,
            Self::Resume { .. } => Opcode::Resume,
            Self::StallTerm { .. } => Opcode::StallTerm,
            Self::DptiAll => Opcode::DptiAll,
            Self::DptiPa { .. } => Opcode::DptiPa,
            Self::Sync(_) => Opcode::Sync,
        }
    }

    /// The command's two words for the Non-secure queue of an SMMU with these capabilities.
    ///
    /// # Errors
    /// The SMMU would refuse the command or understand something else: see [`CommandError`].
    #[inline(always)]
    pub fn encode(&self, caps: &Caps) -> Result<RawCommand, CommandError> {
        match self.by_address(caps, caps.usable_vmid_bits()) {
            Some(words) => words.map(RawCommand::from_words),
            None => self.encode_on(caps, &Interface::NON_SECURE, Ssec::NonSecure),
        }
    }

    /// The command's two words for the queue of `interface`.
    ///
    /// `ssec` says whose the StreamID or VMID is and is [`Ssec::NonSecure`] but for commands of the Secure queue that have
    /// the field.
    ///
    /// # Errors
    /// The SMMU would refuse the command or understand something else: see [`CommandError`].
    pub fn encode_on(
        &self,
        caps: &Caps,
        interface: &Interface,
        ssec: Ssec,
    ) -> Result<RawCommand, CommandError> {
        let target = Target { command: self.opcode(), caps, interface, ssec };
        target.check()?;
        if let Some(words) = self.by_address(caps, interface.stage1_vmid_bits(caps)) {
            return words.map(RawCommand::from_words);
        }
        let vmid_bits = caps.usable_vmid_bits();
        let words = match *self {
            Self::PrefetchConfig { stream, substream } => [target.prefetch(stream, substream)?, 0],
            Self::PrefetchAddr { stream, substream, span, ns } => {
                [target.prefetch(stream, substream)?, target.prefetch_span(span, ns)?]
            }
            Self::CfgiSte { stream, leaf } => [target.stream(stream)?, leaf_word(leaf)],
            Self::CfgiSteRange { stream, range_log2 } => {
                let Some(range @ 0..=30) = range_log2.checked_sub(1) else {
                    return Err(CommandError::StreamRange { range_log2 });
                };
                [target.stream(stream)?, Range::new().try_with(Range::RANGE, range)?.into_bits()]
            }
            Self::CfgiAll => [target.word(), Range::new().try_with(Range::RANGE, 31_u8)?.into_bits()],
            Self::CfgiCd { stream, substream, leaf } => {
                let ssid = substream_id(caps, substream)?;
                let low = Cd::from_bits(target.stream(stream)?).try_with(Cd::SSID, ssid)?;
                [low.into_bits(), leaf_word(leaf)]
            }
            Self::CfgiCdAll { stream } | Self::StallTerm { stream } => [target.stream(stream)?, 0],
            Self::CfgiVmsPidm { vmid } => [target.word() | vmid_field(vmid_bits, vmid)?, 0],
            Self::TlbiNhAll { vmid } => {
                [target.word() | vmid_field(interface.stage1_vmid_bits(caps), vmid)?, 0]
            }
            Self::TlbiNhAsid { vmid, asid } => {
                let vmid = vmid_field(interface.stage1_vmid_bits(caps), vmid)?;
                [target.word() | vmid | asid_field(caps, asid)?, 0]
            }
            Self::TlbiS12Vmall { vmid } | Self::TlbiSS12Vmall { vmid } => {
                [target.word() | vmid_field(vmid_bits, vmid)?, 0]
            }
            Self::TlbiEl3All
            | Self::TlbiEl2All
            | Self::TlbiNsnhAll
            | Self::TlbiSEl2All
            | Self::TlbiSnhAll
            | Self::DptiAll => [target.word(), 0],
            Self::TlbiEl2Asid { asid } | Self::TlbiSEl2Asid { asid } => {
                [target.word() | asid_field(caps, asid)?, 0]
            }
            Self::TlbiEl3Va { operand } | Self::TlbiSEl2Vaa { operand } => {
                join(caps, target.command, 0, operand)?
            }
            Self::TlbiSEl2Va { asid, operand } => {
                join(caps, target.command, asid_field(caps, asid)?, operand)?
            }
            Self::TlbiSS2Ipa { vmid, operand } => s2_ipa(caps, target.command, vmid, operand)?,
            Self::AtcInv { stream, substream, global, span } => {
                if global && substream.is_none() {
                    return Err(CommandError::GlobalWithoutSubstream);
                }
                let low = Atc::from_bits(target.stream(stream)?)
                    .with(Atc::GLOBAL, global)
                    .with(Atc::SSV, substream.is_some())
                    .try_with(Atc::SSID, optional_substream(caps, substream)?)?;
                let high = AtcSpanWord::new()
                    .try_with(AtcSpanWord::SIZE, span.size_log2())?
                    .try_with_address(AtcSpanWord::ADDR, span.address())?;
                [low.into_bits(), high.into_bits()]
            }
            Self::PriResp { stream, substream, group, response } => {
                let low = Pri::from_bits(target.stream(stream)?)
                    .with(Pri::SSV, substream.is_some())
                    .try_with(Pri::SSID, optional_substream(caps, substream)?)?;
                let high = PriAnswer::new()
                    .try_with(PriAnswer::PRGINDEX, group)?
                    .try_with(PriAnswer::RESP, response as u8)?;
                [low.into_bits(), high.into_bits()]
            }
            Self::Resume { stream, stag, action } => {
                let low = Resume::from_bits(target.stream(stream)?)
                    .with(Resume::AC, action == ResumeAction::Retry)
                    .with(Resume::AB, action == ResumeAction::Abort);
                [low.into_bits(), Stag::new().try_with(Stag::STAG, stag)?.into_bits()]
            }
            Self::DptiPa { region, leaf } => {
                let (address, bits) = (region.address(), caps.oas.bits());
                if !caps.oas.contains(address) {
                    return Err(CommandError::Address { address, bits });
                }
                let high = DptPhysical::new()
                    .with(DptPhysical::LEAF, leaf)
                    .try_with(DptPhysical::SIZE, region.size() as u8)?
                    .try_with_address(DptPhysical::ADDR, address)?;
                [target.word(), high.into_bits()]
            }
            Self::Sync(sync) => target.sync(sync)?,
            // By address, and done above.
            Self::TlbiNhVa { operand, .. }
            | Self::TlbiNhVaa { operand, .. }
            | Self::TlbiEl2Va { operand, .. }
            | Self::TlbiEl2Vaa { operand }
            | Self::TlbiS2Ipa { operand, .. } => join(caps, target.command, 0, operand)?,
        };
        Ok(RawCommand::from_words(words))
    }
}

/// A command, and what it is to stand in.
struct Target<'a> {
    command: Opcode,
    caps: &'a Caps,
    interface: &'a Interface,
    ssec: Ssec,
}

impl Target<'_> {
    fn lacks(&self, needs: &'static str) -> CommandError {
        CommandError::Interface { command: self.command, bank: self.interface.bank(), needs }
    }

    fn needs_of_interface(&self, there: bool, needs: &'static str) -> Result<(), CommandError> {
        if there { Ok(()) } else { Err(self.lacks(needs)) }
    }

    /// Whether the SMMU and the queue take the command at all (the `illegal` conditions of each command), and SSec.
    fn check(&self) -> Result<(), CommandError> {
        let Self { command, caps, interface, ssec } = *self;
        let bank = interface.bank();
        if ssec == Ssec::Secure && !(bank == Bank::Secure && has_ssec(command)) {
            return Err(CommandError::Ssec { command, bank });
        }
        if command.is_secure_only() && bank != Bank::Secure {
            return Err(CommandError::Queue { command, bank });
        }
        match command {
            Opcode::PrefetchConfig | Opcode::PrefetchAddr if caps.must(Quirk::SkipPrefetch) => {
                Err(CommandError::Erratum { command, quirk: Quirk::SkipPrefetch })
            }
            Opcode::CfgiCd
            | Opcode::CfgiCdAll
            | Opcode::TlbiNhAll
            | Opcode::TlbiNhAsid
            | Opcode::TlbiNhVa
            | Opcode::TlbiNhVaa => needs(caps, command, Feature::Stage1),
            Opcode::CfgiVmsPidm => {
                needs(caps, command, Feature::Mpam)?;
                self.needs_of_interface(interface.has_vms(caps, ssec), "a VMS (5.6.1)")
            }
            Opcode::TlbiEl3All | Opcode::TlbiEl3Va => {
                needs(caps, command, Feature::Stage1)?;
                self.needs_of_interface(!caps.has(Feature::Rme), "IDR0.RME_IMPL = 0")
            }
            Opcode::TlbiEl2All | Opcode::TlbiEl2Asid | Opcode::TlbiEl2Va | Opcode::TlbiEl2Vaa => {
                needs(caps, command, Feature::Hyp)
            }
            Opcode::TlbiS12Vmall | Opcode::TlbiS2Ipa => needs(caps, command, Feature::Stage2),
            Opcode::TlbiSEl2All
            | Opcode::TlbiSEl2Asid
            | Opcode::TlbiSEl2Va
            | Opcode::TlbiSEl2Vaa
            | Opcode::TlbiSS12Vmall
            | Opcode::TlbiSS2Ipa
            | Opcode::TlbiSnhAll => self.needs_of_interface(interface.has_secure_el2(), "S_IDR1.SEL2"),
            Opcode::AtcInv => self.ats_family(Feature::Ats, interface.has_ats(caps), "R_IDR0.ATS"),
            Opcode::PriResp => self.ats_family(Feature::Pri, interface.has_pri(caps), "IDR0.PRI"),
            Opcode::DptiAll | Opcode::DptiPa => {
                self.ats_family(Feature::Dpt, interface.has_dpt(caps), "R_IDR3.DPT")
            }
            Opcode::Resume | Opcode::StallTerm if bank == Bank::Realm => {
                Err(CommandError::Queue { command, bank })
            }
            Opcode::Resume | Opcode::StallTerm if !interface.has_stalls(caps) => {
                Err(CommandError::NoStall { command })
            }
            _ => Ok(()),
        }
    }

    /// What is missing of commands that each interface may have or not.
    fn ats_family(&self, feature: Feature, there: bool, realm: &'static str) -> Result<(), CommandError> {
        if there {
            return Ok(());
        }
        match self.interface {
            Interface::Realm(_) => Err(self.lacks(realm)),
            Interface::Secure(_) if self.caps.has(feature) => Err(self.lacks("S_IDR3.SAMS = 0")),
            _ => Err(CommandError::Unsupported { command: self.command, needs: feature }),
        }
    }

    /// Opcode and SSec, which all commands that have it have in the same place.
    fn word(&self) -> u64 {
        let opcode = u64::from(self.command.code());
        Stream::from_bits(opcode).with(Stream::SSEC, self.ssec == Ssec::Secure).into_bits()
    }

    /// And a StreamID, which all commands that have one have in the same place.
    fn stream(&self, stream: StreamId) -> Result<u64, CommandError> {
        let bits = self.interface.stream_id_bits(self.caps, self.ssec);
        let sid = stream_id_of(bits, stream)?;
        Ok(Stream::from_bits(self.word()).try_with(Stream::SID, sid)?.into_bits())
    }

    fn prefetch(&self, stream: StreamId, substream: Option<SubstreamId>) -> Result<u64, CommandError> {
        let word = StreamSubstream::from_bits(self.stream(stream)?)
            .with(StreamSubstream::SSV, substream.is_some())
            .try_with(StreamSubstream::SSID, optional_substream(self.caps, substream)?)?;
        Ok(word.into_bits())
    }

    fn prefetch_span(&self, span: PrefetchSpan, ns: bool) -> Result<u64, CommandError> {
        let command = self.command;
        if span.stride() != 0 && self.caps.minor_version == 0 {
            return Err(CommandError::Reserved { command, field: "STRIDE", value: span.stride().into() });
        }
        if ns && !(self.ssec == Ssec::Secure && self.interface.has_secure_el2()) {
            return Err(CommandError::Reserved { command, field: "NS", value: 1 });
        }
        let word = Prefetch::new()
            .try_with(Prefetch::SIZE, span.size())?
            .try_with(Prefetch::STRIDE, span.stride())?
            .with(Prefetch::NS, ns)
            .try_with_address(Prefetch::ADDR, span.address())?;
        Ok(word.into_bits())
    }

    fn sync(&self, sync: Sync) -> Result<[u64; 2], CommandError> {
        let (command, caps) = (self.command, self.caps);
        let (signal, address, data) = match sync.signal {
            SyncSignal::None => (0_u8, 0, 0),
            SyncSignal::Interrupt { address, data } | SyncSignal::InterruptNonSecure { address, data } => {
                (1, address.get(), data)
            }
            SyncSignal::Event => {
                needs(caps, command, Feature::Sev)?;
                (2, 0, 0)
            }
        };
        if address != 0 {
            needs(caps, command, Feature::Msi)?;
        }
        if !caps.oas.contains(address) {
            return Err(CommandError::Address { address, bits: caps.oas.bits() });
        }
        let ns = matches!(sync.signal, SyncSignal::InterruptNonSecure { .. });
        if ns && self.interface.bank() != Bank::Realm {
            return Err(CommandError::Reserved { command, field: "MSI_NS", value: 1 });
        }
        if sync.msi_shareability == 1 {
            return Err(CommandError::Reserved { command, field: "MSH", value: 1 });
        }
        if matches!(sync.msi_attributes, 4 | 8 | 12) {
            let value = u64::from(sync.msi_attributes);
            return Err(CommandError::Reserved { command, field: "MSIATTR", value });
        }
        let low = SyncWord::from_bits(self.word())
            .try_with(SyncWord::CS, signal)?
            .try_with(SyncWord::MSH, sync.msi_shareability)?
            .try_with(SyncWord::MSIATTR, sync.msi_attributes)?
            .try_with(SyncWord::MSIDATA, data)?;
        let high =
            MsiAddress::new().try_with_address(MsiAddress::MSIADDR, address)?.with(MsiAddress::MSI_NS, ns);
        Ok([low.into_bits(), high.into_bits()])
    }
}

/// Whether the command has SSec (4.1.6).
pub(super) const fn has_ssec(command: Opcode) -> bool {
    matches!(
        command,
        Opcode::PrefetchConfig
            | Opcode::PrefetchAddr
            | Opcode::CfgiSte
            | Opcode::CfgiSteRange
            | Opcode::CfgiCd
            | Opcode::CfgiCdAll
            | Opcode::CfgiVmsPidm
            | Opcode::Resume
            | Opcode::StallTerm
    )
}

fn leaf_word(leaf: bool) -> u64 {
    Leaf::new().with(Leaf::LEAF, leaf).into_bits()
}

fn stream_id_of(bits: u8, stream: StreamId) -> Result<u32, CommandError> {
    if stream.fits(u32::from(bits)) { Ok(stream.get()) } else { Err(CommandError::Stream { stream, bits }) }
}

pub(crate) fn stream_id(caps: &Caps, stream: StreamId) -> Result<u32, CommandError> {
    stream_id_of(caps.stream_id_bits, stream)
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

pub(crate) fn vmid_of(caps: &Caps, vmid: Vmid) -> Result<u16, CommandError> {
    let bits = caps.usable_vmid_bits();
    if vmid.fits(u32::from(bits)) { Ok(vmid.get()) } else { Err(CommandError::Vmid { vmid, bits }) }
}
