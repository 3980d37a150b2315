//! View to repr: what a command says, or what is odd about it.

use super::encode::has_ssec;
use super::word::{
    Atc, AtcSpanWord, Cd, DptPhysical, Leaf, MsiAddress, Prefetch, Pri, PriAnswer, Range, RangeTags, Resume,
    SecureIpa, Stag, Stream, StreamSubstream, Sync as SyncWord, Tags, VirtualAddress,
};
use super::{
    AtcSpan, Command, DecodeError, DptRegion, DptSize, Opcode, PrefetchSpan, PriResponse, RawCommand,
    ResumeAction, Ssec, Sync, SyncSignal, TlbiOperand, TlbiRange, words_of,
};
use smmu_regs::addr::PhysAddr;
use smmu_regs::layout::{Layout, named_bits};
use smmu_regs::vmsa::{Granule, Level};
use smmu_regs::{Asid, Bank, StreamId, SubstreamId, Vmid};

impl RawCommand {
    /// What the command says on the Non-secure queue.
    ///
    /// # Errors
    /// The SMMU would, or might, refuse it: an unknown opcode, reserved bits, a reserved value.
    pub fn decode(&self) -> Result<Command, DecodeError> {
        self.decode_on(Bank::NonSecure).map(|(command, _)| command)
    }

    /// What the command says on the queue of `bank`, and whose the StreamID or VMID is that it names.
    ///
    /// # Errors
    /// The SMMU would, or might, refuse it: an unknown opcode, reserved bits, a reserved value.
    pub fn decode_on(&self, bank: Bank) -> Result<(Command, Ssec), DecodeError> {
        let [low, high] = self.words();
        let opcode = self.opcode();
        let unknown = DecodeError::Opcode { opcode: opcode.code() };
        let elsewhere = match bank {
            Bank::Secure => false,
            Bank::NonSecure => opcode.is_secure_only(),
            Bank::Realm => opcode.is_secure_only() || matches!(opcode, Opcode::Resume | Opcode::StallTerm),
            Bank::Root => true,
        };
        let (false, Some([low_fields, high_fields])) = (elsewhere, words_of(opcode)) else {
            return Err(unknown);
        };
        for (word, value, fields) in [(0, low, low_fields), (1, high, high_fields)] {
            let bits = value & !named_bits(fields);
            if bits != 0 {
                return Err(DecodeError::ReservedBits { command: opcode, word, bits });
            }
        }
        let zero = |field: &'static str, value: u64| match value {
            0 => Ok(()),
            value => Err(DecodeError::MustBeZero { command: opcode, field, value }),
        };
        // Words that have SSec have it in the same place; in others it is among the reserved bits.
        let ssec = match (Stream::from_word(low).ssec(), bank) {
            (false, _) => Ssec::NonSecure,
            (true, Bank::Secure) if has_ssec(opcode) => Ssec::Secure,
            (true, _) if has_ssec(opcode) => {
                return Err(DecodeError::MustBeZero { command: opcode, field: "SSEC", value: 1 });
            }
            (true, _) => Ssec::NonSecure,
        };
        let tags = Tags::from_word(low);
        let (vmid, asid) = (Vmid::new(tags.vmid()), Asid::new(tags.asid()));
        let stream = StreamId::new(Stream::from_word(low).sid());
        let leaf = Leaf::from_word(high).leaf();
        let command = match opcode {
            Opcode::PrefetchConfig => {
                let word = StreamSubstream::from_word(low);
                Command::PrefetchConfig { stream, substream: substream(opcode, word.ssv(), word.ssid())? }
            }
            Opcode::PrefetchAddr => {
                let (word, span) = (StreamSubstream::from_word(low), Prefetch::from_word(high));
                if ssec == Ssec::NonSecure {
                    zero("NS", u64::from(span.ns()))?;
                }
                Command::PrefetchAddr {
                    stream,
                    substream: substream(opcode, word.ssv(), word.ssid())?,
                    span: PrefetchSpan::new(span.address(Prefetch::ADDR), span.size(), span.stride())?,
                    ns: span.ns(),
                }
            }
            Opcode::CfgiSte => Command::CfgiSte { stream, leaf },
            Opcode::CfgiSteRange => match Range::from_word(high).range() {
                31 => {
                    zero("SID", u64::from(stream))?;
                    Command::CfgiAll
                }
                range => Command::CfgiSteRange { stream, range_log2: range.saturating_add(1) },
            },
            Opcode::CfgiCd => {
                let substream = SubstreamId::new(Cd::from_word(low).ssid())?;
                Command::CfgiCd { stream, substream, leaf }
            }
            Opcode::CfgiCdAll => Command::CfgiCdAll { stream },
            Opcode::CfgiVmsPidm => Command::CfgiVmsPidm { vmid },
            Opcode::TlbiNhAll => Command::TlbiNhAll { vmid },
            Opcode::TlbiNhAsid => Command::TlbiNhAsid { vmid, asid },
            Opcode::TlbiNhVa => Command::TlbiNhVa { vmid, asid, operand: operand(opcode, low, high)? },
            Opcode::TlbiNhVaa => Command::TlbiNhVaa { vmid, operand: operand(opcode, low, high)? },
            Opcode::TlbiEl3All => Command::TlbiEl3All,
            Opcode::TlbiEl3Va => Command::TlbiEl3Va { operand: operand(opcode, low, high)? },
            Opcode::TlbiEl2All => Command::TlbiEl2All,
            Opcode::TlbiEl2Asid => Command::TlbiEl2Asid { asid },
            Opcode::TlbiEl2Va => Command::TlbiEl2Va { asid, operand: operand(opcode, low, high)? },
            Opcode::TlbiEl2Vaa => Command::TlbiEl2Vaa { operand: operand(opcode, low, high)? },
            Opcode::TlbiS12Vmall => Command::TlbiS12Vmall { vmid },
            Opcode::TlbiS2Ipa => Command::TlbiS2Ipa { vmid, operand: operand(opcode, low, high)? },
            Opcode::TlbiNsnhAll => Command::TlbiNsnhAll,
            Opcode::TlbiSEl2All => Command::TlbiSEl2All,
            Opcode::TlbiSEl2Asid => Command::TlbiSEl2Asid { asid },
            Opcode::TlbiSEl2Va => Command::TlbiSEl2Va { asid, operand: operand(opcode, low, high)? },
            Opcode::TlbiSEl2Vaa => Command::TlbiSEl2Vaa { operand: operand(opcode, low, high)? },
            Opcode::TlbiSS12Vmall => Command::TlbiSS12Vmall { vmid },
            Opcode::TlbiSS2Ipa => {
                zero("NS", u64::from(SecureIpa::from_word(high).ns()))?;
                Command::TlbiSS2Ipa { vmid, operand: operand(opcode, low, high)? }
            }
            Opcode::TlbiSnhAll => Command::TlbiSnhAll,
            Opcode::DptiAll => Command::DptiAll,
            Opcode::DptiPa => {
                let word = DptPhysical::from_word(high);
                let Some(size) = DptSize::from_code(word.size()) else {
                    let value = u64::from(word.size());
                    return Err(DecodeError::ReservedValue { command: opcode, field: "SIZE", value });
                };
                let region = DptRegion::new(PhysAddr::new(word.address(DptPhysical::ADDR)), size)?;
                Command::DptiPa { region, leaf: word.leaf() }
            }
            Opcode::AtcInv => {
                let (word, span) = (Atc::from_word(low), AtcSpanWord::from_word(high));
                let span = AtcSpan::new(span.address(AtcSpanWord::ADDR), span.size()).map_err(|error| {
                    let value = u64::from(error.size_log2);
                    DecodeError::ReservedValue { command: opcode, field: "SIZE", value }
                })?;
                let substream = substream(opcode, word.ssv(), word.ssid())?;
                if substream.is_none() {
                    zero("GLOBAL without SSV", u64::from(word.global()))?;
                }
                Command::AtcInv { stream, substream, global: word.global(), span }
            }
            Opcode::PriResp => {
                let (word, answer) = (Pri::from_word(low), PriAnswer::from_word(high));
                let response = match answer.resp() {
                    0 => PriResponse::Failure,
                    1 => PriResponse::Invalid,
                    2 => PriResponse::Success,
                    value => {
                        let value = u64::from(value);
                        return Err(DecodeError::ReservedValue { command: opcode, field: "RESP", value });
                    }
                };
                let substream = substream(opcode, word.ssv(), word.ssid())?;
                Command::PriResp { stream, substream, group: answer.prgindex(), response }
            }
            Opcode::Resume => {
                let word = Resume::from_word(low);
                let action = match (word.ac(), word.ab()) {
                    (true, _) => ResumeAction::Retry,
                    (false, true) => ResumeAction::Abort,
                    (false, false) => ResumeAction::Terminate,
                };
                Command::Resume { stream, stag: Stag::from_word(high).stag(), action }
            }
            Opcode::StallTerm => Command::StallTerm { stream },
            Opcode::Sync => {
                let (word, msi) = (SyncWord::from_word(low), MsiAddress::from_word(high));
                if bank != Bank::Realm {
                    zero("MSI_NS", u64::from(msi.msi_ns()))?;
                }
                let address = PhysAddr::new(msi.address(MsiAddress::MSIADDR));
                let signal = match word.cs() {
                    0 => SyncSignal::None,
                    1 if msi.msi_ns() => SyncSignal::InterruptNonSecure { address, data: word.msidata() },
                    1 => SyncSignal::Interrupt { address, data: word.msidata() },
                    2 => SyncSignal::Event,
                    value => {
                        let value = u64::from(value);
                        return Err(DecodeError::ReservedValue { command: opcode, field: "CS", value });
                    }
                };
                if matches!(signal, SyncSignal::None | SyncSignal::Event) {
                    zero("MSI_NS", u64::from(msi.msi_ns()))?;
                    zero("MSIADDR", address.get())?;
                    zero("MSIDATA", u64::from(word.msidata()))?;
                }
                for (field, value, reserved) in [
                    ("MSH", word.msh(), word.msh() == 1),
                    ("MSIATTR", word.msiattr(), matches!(word.msiattr(), 4 | 8 | 12)),
                ] {
                    if reserved {
                        return Err(DecodeError::ReservedValue {
                            command: opcode,
                            field,
                            value: value.into(),
                        });
                    }
                }
                Command::Sync(Sync { signal, msi_shareability: word.msh(), msi_attributes: word.msiattr() })
            }
            Opcode::Unknown(_) => return Err(unknown),
        };
        Ok((command, ssec))
    }
}

fn substream(command: Opcode, valid: bool, ssid: u32) -> Result<Option<SubstreamId>, DecodeError> {
    match (valid, ssid) {
        (true, ssid) => Ok(Some(SubstreamId::new(ssid)?)),
        (false, 0) => Ok(None),
        (false, ssid) => {
            Err(DecodeError::MustBeZero { command, field: "SSID without SSV", value: u64::from(ssid) })
        }
    }
}

/// The operand of a by-address invalidation. NUM and SCALE, and TG and TTL, are in the same place in all of them.
fn operand(command: Opcode, low: u64, high: u64) -> Result<TlbiOperand, DecodeError> {
    let (low, high) = (RangeTags::from_word(low), VirtualAddress::from_word(high));
    let address = high.address(VirtualAddress::ADDR);
    let zero = |field, value| match value {
        0 => Ok(()),
        value => Err(DecodeError::MustBeZero { command, field, value }),
    };
    let Some(granule) = Granule::from_tlbi_tg(high.tg()) else {
        zero("NUM", u64::from(low.num()))?;
        zero("SCALE", u64::from(low.scale()))?;
        zero("TTL", u64::from(high.ttl()))?;
        zero("TTL128", u64::from(high.ttl128()))?;
        return Ok(TlbiOperand::page(address, high.leaf()));
    };
    let hint = match high.ttl() {
        0 => None,
        level => Level::new(i32::from(level)),
    };
    let mut range = TlbiRange::new(granule, low.scale(), low.num(), hint)?;
    if high.ttl128() {
        range = range.with_descriptors_128()?;
    }
    Ok(TlbiOperand::range(address, high.leaf(), range)?)
}
