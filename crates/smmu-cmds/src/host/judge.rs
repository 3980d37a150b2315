//! One command of the host's: judged, then rewritten.

use super::allowed::allowed;
use super::{Completion, HostAction, HostCommandError, HostVerdict, Ignored, Reshadow};
use crate::command::word::{
    AtcSpanWord, Leaf, MsiAddress, PriAnswer, Range, RangeTags, Stream, Sync as SyncWord, VirtualAddress,
    VmidOnly,
};
use crate::command::{CommandError, Opcode, RawCommand, vmid_of};
use crate::guest::{Answer, ForwardedFaults, NothingForwarded};
use smmu_regs::layout::Layout;
use smmu_regs::vmsa::Granule;
use smmu_regs::{Caps, Feature, PhysAddr, StreamId, Vmid};

/// Which streams are the host's. Any `Fn(StreamId) -> bool` is one.
pub trait HostStreams {
    /// Whether the stream is the host's: it has a shadow STE with the host's VMID.
    fn owns(&self, stream: StreamId) -> bool;
}

impl<F: Fn(StreamId) -> bool> HostStreams for F {
    fn owns(&self, stream: StreamId) -> bool {
        self(stream)
    }
}

/// The host's SMMU, as far as its commands go.
#[derive(Debug, Clone, Copy)]
pub struct HostSmmu<'a, S, F = NothingForwarded> {
    physical: &'a Caps,
    shown: &'a Caps,
    vmid: u16,
    streams: S,
    faults: F,
}

impl<'a, S: HostStreams> HostSmmu<'a, S> {
    /// The host whose translations the SMMU tags with `vmid`, which is nobody else's: not that of the hypervisor's own stage-1
    /// entries either, which the host could drop. `physical` is what the SMMU can do, `shown` what the host is told.
    ///
    /// # Errors
    /// The SMMU has no nesting or no VMID so wide.
    pub fn new(physical: &'a Caps, shown: &'a Caps, vmid: Vmid, streams: S) -> Result<Self, CommandError> {
        if !physical.has(Feature::Nested) {
            return Err(CommandError::Unsupported { command: Opcode::TlbiNhAll, needs: Feature::Nested });
        }
        let vmid = vmid_of(physical, vmid)?;
        Ok(Self { physical, shown, vmid, streams, faults: NothingForwarded })
    }

    /// This SMMU, of whose faults some are forwarded to the host: it may answer those that are in `faults`.
    #[must_use]
    pub fn with_faults<F: ForwardedFaults>(self, faults: F) -> HostSmmu<'a, S, F> {
        let Self { physical, shown, vmid, streams, faults: NothingForwarded } = self;
        HostSmmu { physical, shown, vmid, streams, faults }
    }
}

impl<S: HostStreams, F: ForwardedFaults> HostSmmu<'_, S, F> {
    pub(super) const fn faults(&self) -> &F {
        &self.faults
    }

    /// What becomes of `command`, which is a copy.
    ///
    /// # Errors
    /// It gets CERROR_ILL.
    pub fn judge(&self, command: RawCommand) -> Result<HostVerdict, HostCommandError> {
        let opcode = command.opcode();
        let answers = matches!(opcode, Opcode::PriResp | Opcode::Resume | Opcode::StallTerm);
        if answers && !self.faults.forwards() {
            return Err(HostCommandError::Opcode { command: opcode });
        }
        let words = command.words();
        // A field that the real SMMU lacks is none, whatever the host is shown.
        let masks = [allowed(opcode, self.shown)?, allowed(opcode, self.physical)?];
        let [[low_shown, high_shown], [low_real, high_real]] = masks;
        for (word, value, mask) in
            [(0, words[0], low_shown & low_real), (1, words[1], high_shown & high_real)]
        {
            let bits = value & !mask;
            if bits != 0 {
                return Err(HostCommandError::Bits { command: opcode, word, bits });
            }
        }
        let [low, high] = words;
        Ok(match opcode {
            Opcode::PrefetchConfig | Opcode::PrefetchAddr => HostVerdict::Ignore(Ignored::Hint),
            Opcode::CfgiSte | Opcode::CfgiSteRange => self.reshadow(opcode, low, high),
            Opcode::TlbiNsnhAll | Opcode::TlbiS12Vmall => self.forget_all(),
            Opcode::TlbiS2Ipa => {
                self.check_range(opcode, low, high)?;
                self.forget_all()
            }
            Opcode::TlbiNhVa | Opcode::TlbiNhVaa => {
                self.check_range(opcode, low, high)?;
                self.tagged(low, high)
            }
            Opcode::TlbiNhAll | Opcode::TlbiNhAsid => self.tagged(low, high),
            Opcode::Sync => HostVerdict::Sync(self.completion(low, high)?),
            Opcode::AtcInv => {
                // 52 is everything; more may be CERROR_ILL (4.5.1).
                below(opcode, "SIZE", AtcSpanWord::from_word(high).size(), 53)?;
                self.of_stream(command)
            }
            Opcode::PriResp => {
                below(opcode, "RESP", PriAnswer::from_word(high).resp(), 3)?;
                self.of_stream(command)
            }
            Opcode::CfgiCd | Opcode::CfgiCdAll | Opcode::Resume | Opcode::StallTerm => {
                self.of_stream(command)
            }
            _ => return Err(HostCommandError::Opcode { command: opcode }),
        })
    }

    /// Everything that the host's VMID tags and stage 1 has a part in: all that its streams can hold, since they share one
    /// real stage 2, which is not the host's.
    fn forget_all(&self) -> HostVerdict {
        self.tagged(u64::from(u8::from(Opcode::TlbiNhAll)), 0)
    }

    /// With the host's VMID, which all these commands have in the same place.
    fn tagged(&self, low: u64, high: u64) -> HostVerdict {
        let vmid = VmidOnly::VMID.info();
        let low = low & !vmid.mask() | u64::from(self.vmid).wrapping_shl(vmid.lsb);
        HostVerdict::Forward(RawCommand::from_words([low, high]))
    }

    fn reshadow(&self, opcode: Opcode, low: u64, high: u64) -> HostVerdict {
        let stream = StreamId::new(Stream::from_word(low).sid());
        let range = Range::from_word(high).range();
        let what = match opcode {
            Opcode::CfgiSte if !self.streams.owns(stream) => {
                return HostVerdict::Ignore(Ignored::NotTheHosts { stream });
            }
            Opcode::CfgiSte => Reshadow::Stream { stream, leaf: Leaf::from_word(high).leaf() },
            _ if range >= 31 => Reshadow::All,
            _ => {
                let log2 = range.saturating_add(1);
                // The bits below the range are ignored (4.3.2).
                let below = 1_u32.wrapping_shl(u32::from(log2)).wrapping_sub(1);
                Reshadow::Streams { first: StreamId::new(stream.get() & !below), log2 }
            }
        };
        HostVerdict::Act(HostAction::Reshadow(what))
    }

    /// A command that names a stream, which is the host's or nobody's.
    fn of_stream(&self, command: RawCommand) -> HostVerdict {
        let [low, _] = command.words();
        let stream = StreamId::new(Stream::from_word(low).sid());
        if !self.streams.owns(stream) || !stream.fits(u32::from(self.physical.stream_id_bits)) {
            return HostVerdict::Ignore(Ignored::NotTheHosts { stream });
        }
        if command.opcode() == Opcode::StallTerm {
            return HostVerdict::Terminate(stream);
        }
        match Answer::of(&command) {
            Some(answer) if !answer.is_awaited(&self.faults) => {
                HostVerdict::Ignore(Ignored::NothingWaits { stream })
            }
            _ => HostVerdict::Forward(command),
        }
    }

    fn completion(&self, low: u64, high: u64) -> Result<Completion, HostCommandError> {
        let (word, address) =
            (SyncWord::from_word(low), MsiAddress::from_word(high).address(MsiAddress::MSIADDR));
        let signal = word.cs();
        below(Opcode::Sync, "CS", signal, 3)?;
        Ok(match signal {
            0 => Completion::None,
            2 => Completion::Event,
            // Without MSIs the address is ignored, and 0 is none (4.7.3).
            _ if address == 0 || !self.shown.has(Feature::Msi) => Completion::Wired,
            _ => Completion::Message { address: PhysAddr::new(address), data: word.msidata() },
        })
    }

    /// The combinations of TG, TTL, NUM and SCALE that 4.4.1.1 reserves. All by-address commands have them in the same places.
    fn check_range(&self, command: Opcode, low: u64, high: u64) -> Result<(), HostCommandError> {
        let (low, high) = (RangeTags::from_word(low), VirtualAddress::from_word(high));
        let fields = [("NUM", low.num()), ("SCALE", low.scale()), ("TTL", high.ttl())];
        let set = fields.into_iter().find(|(_, value)| *value != 0);
        let ds = self.shown.has(Feature::Ds) && self.physical.has(Feature::Ds);
        let reserved =
            |field, value: u8| Err(HostCommandError::Reserved { command, field, value: u64::from(value) });
        match (Granule::from_tlbi_tg(high.tg()), set) {
            (None, Some((field, value))) => reserved(field, value),
            (Some(_), None) => reserved("TG", high.tg()),
            (Some(Granule::Size16K), _) if high.ttl() == 1 && !ds => reserved("TTL", 1),
            _ => Ok(()),
        }
    }
}

fn below(command: Opcode, field: &'static str, value: u8, limit: u8) -> Result<(), HostCommandError> {
    if value < limit {
        Ok(())
    } else {
        Err(HostCommandError::Reserved { command, field, value: u64::from(value) })
    }
}
