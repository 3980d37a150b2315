//! View to repr: what a command says, or what is odd about it.

use super::word::{
    Atc, AtcSpanWord, Cd, Leaf, MsiAddress, Pri, PriAnswer, Range, RangeTags, Resume, Stag, Stream,
    StreamSubstream, Sync as SyncWord, Tags, VirtualAddress, words_of,
};
use super::{
    AtcSpan, Command, DecodeError, Opcode, PriResponse, RawCommand, ResumeAction, Sync, SyncSignal,
    TlbiOperand, TlbiRange,
};
use smmu_regs::addr::PhysAddr;
use smmu_regs::layout::{Layout, named_bits};
use smmu_regs::vmsa::{Granule, Level};
use smmu_regs::{Asid, StreamId, SubstreamId, Vmid};

impl RawCommand {
    /// What the command says.
    ///
    /// # Errors
    /// The SMMU would, or might, refuse it: an unknown opcode, reserved bits, a reserved value.
    pub fn decode(&self) -> Result<Command, DecodeError> {
        let [low, high] = self.words();
        let opcode = self.opcode();
        let Some([low_fields, high_fields]) = words_of(opcode) else {
            return Err(DecodeError::Opcode { opcode: u8::from(opcode) });
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
        // Words that have a Secure bit have it in the same place.
        if low_fields.iter().any(|field| field.name == "SSEC") {
            zero("SSEC", u64::from(Stream::from_word(low).ssec()))?;
        }
        let tags = Tags::from_word(low);
        let (vmid, asid) = (Vmid::new(tags.vmid()), Asid::new(tags.asid()));
        let stream = StreamId::new(Stream::from_word(low).sid());
        let leaf = Leaf::from_word(high).leaf();
        Ok(match opcode {
            Opcode::PrefetchConfig => {
                let word = StreamSubstream::from_word(low);
                Command::PrefetchConfig { stream, substream: substream(opcode, word.ssv(), word.ssid())? }
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
            Opcode::TlbiNhAll => Command::TlbiNhAll { vmid },
            Opcode::TlbiNhAsid => Command::TlbiNhAsid { vmid, asid },
            Opcode::TlbiNhVa => Command::TlbiNhVa { vmid, asid, operand: operand(opcode, low, high)? },
            Opcode::TlbiNhVaa => Command::TlbiNhVaa { vmid, operand: operand(opcode, low, high)? },
            Opcode::TlbiEl2All => Command::TlbiEl2All,
            Opcode::TlbiEl2Asid => Command::TlbiEl2Asid { asid },
            Opcode::TlbiEl2Va => Command::TlbiEl2Va { asid, operand: operand(opcode, low, high)? },
            Opcode::TlbiEl2Vaa => Command::TlbiEl2Vaa { operand: operand(opcode, low, high)? },
            Opcode::TlbiS12Vmall => Command::TlbiS12Vmall { vmid },
            Opcode::TlbiS2Ipa => Command::TlbiS2Ipa { vmid, operand: operand(opcode, low, high)? },
            Opcode::TlbiNsnhAll => Command::TlbiNsnhAll,
            Opcode::AtcInv => {
                let (word, span) = (Atc::from_word(low), AtcSpanWord::from_word(high));
                let span = AtcSpan::new(span.address(AtcSpanWord::ADDR), span.size()).map_err(|error| {
                    let value = u64::from(error.size_log2);
                    DecodeError::ReservedValue { command: opcode, field: "SIZE", value }
                })?;
                let substream = substream(opcode, word.ssv(), word.ssid())?;
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
                zero("MSI_NS", u64::from(msi.msi_ns()))?;
                let address = PhysAddr::new(msi.address(MsiAddress::MSIADDR));
                let signal = match word.cs() {
                    0 => SyncSignal::None,
                    1 => SyncSignal::Interrupt { address, data: word.msidata() },
                    2 => SyncSignal::Event,
                    value => {
                        let value = u64::from(value);
                        return Err(DecodeError::ReservedValue { command: opcode, field: "CS", value });
                    }
                };
                if !matches!(signal, SyncSignal::Interrupt { .. }) {
                    zero("MSIADDR", address.get())?;
                    zero("MSIDATA", u64::from(word.msidata()))?;
                }
                Command::Sync(Sync { signal, msi_shareability: word.msh(), msi_attributes: word.msiattr() })
            }
            // Known to the architecture, but nothing these crates say.
            Opcode::PrefetchAddr | Opcode::CfgiVmsPidm | Opcode::Unknown(_) => {
                return Err(DecodeError::Opcode { opcode: u8::from(opcode) });
            }
        })
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
    zero("TTL128", u64::from(high.ttl128()))?;
    let Some(granule) = Granule::from_tlbi_tg(high.tg()) else {
        zero("NUM", u64::from(low.num()))?;
        zero("SCALE", u64::from(low.scale()))?;
        zero("TTL", u64::from(high.ttl()))?;
        return Ok(TlbiOperand::page(address, high.leaf()));
    };
    let hint = match high.ttl() {
        0 => None,
        level => Level::new(i32::from(level)),
    };
    let range = TlbiRange::new(granule, low.scale(), low.num(), hint)?;
    Ok(TlbiOperand::range(address, high.leaf(), range)?)
}
