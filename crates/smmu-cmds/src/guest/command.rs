//! One command of a guest's: judged, then rewritten.

use super::allowed::allowed;
use super::{Answer, ForwardedFaults, GuestCommandError, NothingForwarded};
use crate::command::word::{AtcSpanWord, PriAnswer, RangeTags, Stream, VirtualAddress, VmidOnly};
use crate::command::{CommandError, Opcode, OperandError, RawCommand, stream_id, vmid_of};
use smmu_regs::layout::Layout;
use smmu_regs::vmsa::Granule;
use smmu_regs::{Caps, Feature, StreamId, VirtualStreamId, Vmid};

/// Which stream each of a guest's devices is. Any `Fn(VirtualStreamId) -> Option<StreamId>` is one.
pub trait VirtualStreams {
    /// The physical stream, or `None` if the guest has no such device.
    fn physical(&self, stream: VirtualStreamId) -> Option<StreamId>;
}

impl<F: Fn(VirtualStreamId) -> Option<StreamId>> VirtualStreams for F {
    fn physical(&self, stream: VirtualStreamId) -> Option<StreamId> {
        self(stream)
    }
}

/// A guest's SMMU, as far as its commands go: the VMID of the stage 2 under it, the devices behind it, and the faults that
/// wait for its answer.
///
/// What `S` says must hold until the command is complete: a device is taken away from a guest when none of the guest's
/// batches is being issued.
#[derive(Debug, Clone, Copy)]
pub struct VirtualSmmu<'a, S, F = NothingForwarded> {
    pub(super) caps: &'a Caps,
    vmid: Vmid,
    streams: S,
    faults: F,
}

/// What becomes of a guest's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepted {
    /// This command.
    Push(RawCommand),
    /// Nothing: it answers a fault that does not wait, which by the architecture has no effect (4.7.1).
    Nothing,
    /// A `CMD_RESUME` for each stalled transaction of the stream that the guest knows of.
    Terminate(StreamId),
}

impl<'a, S: VirtualStreams> VirtualSmmu<'a, S> {
    /// The guest whose translations the physical SMMU tags with `vmid`, which is nobody else's: not that of the host's own stage-1
    /// entries either, which the guest could drop. `caps` are those of the physical SMMU, or fewer where
    /// the guest was shown fewer.
    ///
    /// # Errors
    /// The SMMU has no nesting (without a stage 2 it takes no VMID, and a guest's command would hit everybody's
    /// translations), or no VMID so wide.
    pub fn new(caps: &'a Caps, vmid: Vmid, streams: S) -> Result<Self, CommandError> {
        if !caps.has(Feature::Nested) {
            return Err(CommandError::Unsupported { command: Opcode::TlbiNhAll, needs: Feature::Nested });
        }
        let _ = vmid_of(caps, vmid)?;
        Ok(Self { caps, vmid, streams, faults: NothingForwarded })
    }

    /// This SMMU, of whose faults some are forwarded to the guest: it may answer those that are in `faults`.
    #[must_use]
    pub fn with_faults<F: ForwardedFaults>(self, faults: F) -> VirtualSmmu<'a, S, F> {
        let Self { caps, vmid, streams, faults: NothingForwarded } = self;
        VirtualSmmu { caps, vmid, streams, faults }
    }
}

impl<S: VirtualStreams, F: ForwardedFaults> VirtualSmmu<'_, S, F> {
    /// The faults that wait for the guest.
    pub(super) const fn faults(&self) -> &F {
        &self.faults
    }

    /// What to put into the physical queue for a guest's `command`.
    ///
    /// | guest's command | becomes |
    /// |---|---|
    /// | `CMD_TLBI_NSNH_ALL` | `CMD_TLBI_NH_ALL` of the guest's VMID |
    /// | `CMD_TLBI_NH_ALL`, `_NH_ASID`, `_NH_VA`, `_NH_VAA` | the same, VMID replaced, whatever it was |
    /// | `CMD_CFGI_CD`, `CMD_CFGI_CD_ALL`, `CMD_ATC_INV` | the same, StreamID replaced by the physical one |
    /// | `CMD_RESUME`, `CMD_PRI_RESP`, with [`VirtualSmmu::with_faults`] | the same, StreamID replaced, if the fault waits for the guest |
    ///
    /// In a [`GuestBatch`](super::GuestBatch) an answer to a fault that does not wait becomes nothing, and `CMD_STALL_TERM` a
    /// `CMD_RESUME` for each stall that the guest knows of. Here both are refused.
    ///
    /// All other commands are refused: `CMD_SYNC` too, since completion is the host's to tell; so is every bit that is no
    /// field of this SMMU's (IHI 0070 4.1.5) and every reserved value, which would stop the host's queue.
    ///
    /// Values that only make the command miss the guest's own entries pass: an address that is not aligned to a range's
    /// granule, a SCALE that the SMMU takes as 39, a SubstreamID that no CD table has (4.4.1.1, 4.1.7). [`RawCommand::decode`] of the
    /// result refuses what is odd, for a host that wants to log it.
    ///
    /// # Errors
    /// See [`GuestCommandError`].
    pub fn translate(&self, command: RawCommand) -> Result<RawCommand, GuestCommandError> {
        match self.judge(command)? {
            Accepted::Push(command) => Ok(command),
            Accepted::Nothing | Accepted::Terminate(_) => {
                Err(GuestCommandError::NotOne { command: command.opcode() })
            }
        }
    }

    pub(super) fn judge(&self, command: RawCommand) -> Result<Accepted, GuestCommandError> {
        let opcode = command.opcode();
        let words = command.words();
        let answers = matches!(opcode, Opcode::PriResp | Opcode::Resume | Opcode::StallTerm);
        if answers && !self.faults.forwards() {
            return Err(GuestCommandError::Opcode { command: opcode });
        }
        for ((word, value), mask) in (0..).zip(words).zip(allowed(opcode, self.caps)?) {
            let bits = value & !mask;
            if bits != 0 {
                return Err(GuestCommandError::Bits { command: opcode, word, bits });
            }
        }
        let [low, high] = words;
        let low = match opcode {
            Opcode::TlbiNsnhAll => self.own(u64::from(u8::from(Opcode::TlbiNhAll)))?,
            Opcode::TlbiNhAll | Opcode::TlbiNhAsid => self.own(low)?,
            Opcode::TlbiNhVa | Opcode::TlbiNhVaa => {
                self.check_range(opcode, low, high)?;
                self.own(low)?
            }
            Opcode::CfgiCd | Opcode::CfgiCdAll => self.relocate(opcode, low)?,
            Opcode::AtcInv => {
                let size = AtcSpanWord::from_word(high).size();
                // 52 is everything; more may be CERROR_ILL (4.5.1).
                if size > 52 {
                    let value = u64::from(size);
                    return Err(GuestCommandError::ReservedValue { command: opcode, field: "SIZE", value });
                }
                self.relocate(opcode, low)?
            }
            Opcode::PriResp => {
                let value = u64::from(PriAnswer::from_word(high).resp());
                if value > 2 {
                    return Err(GuestCommandError::ReservedValue { command: opcode, field: "RESP", value });
                }
                self.relocate(opcode, low)?
            }
            Opcode::Resume => self.relocate(opcode, low)?,
            Opcode::StallTerm => {
                let low = self.relocate(opcode, low)?;
                return Ok(Accepted::Terminate(StreamId::new(Stream::from_word(low).sid())));
            }
            _ => return Err(GuestCommandError::Opcode { command: opcode }),
        };
        let made = RawCommand::from_words([low, high]);
        Ok(match Answer::of(&made) {
            Some(answer) if !answer.is_awaited(&self.faults) => Accepted::Nothing,
            _ => Accepted::Push(made),
        })
    }

    /// With the host's VMID, which all these commands have in the same place.
    fn own(&self, low: u64) -> Result<u64, CommandError> {
        let vmid = vmid_of(self.caps, self.vmid)?;
        Ok(VmidOnly::from_word(low).try_with(VmidOnly::VMID, vmid)?.into_bits())
    }

    /// With the physical StreamID, which all these commands have in the same place.
    fn relocate(&self, command: Opcode, low: u64) -> Result<u64, GuestCommandError> {
        let word = Stream::from_word(low);
        let device = VirtualStreamId::new(word.sid());
        let Some(stream) = self.streams.physical(device) else {
            return Err(GuestCommandError::NoDevice { command, device });
        };
        let sid = stream_id(self.caps, stream)?;
        Ok(word.try_with(Stream::SID, sid).map_err(CommandError::from)?.into_bits())
    }

    /// The combinations of TG, TTL, NUM and SCALE that 4.4.1.1 reserves. NUM and SCALE are in the same place in all commands.
    fn check_range(&self, command: Opcode, low: u64, high: u64) -> Result<(), GuestCommandError> {
        let (low, high) = (RangeTags::from_word(low), VirtualAddress::from_word(high));
        let fields = [("NUM", low.num()), ("SCALE", low.scale()), ("TTL", high.ttl())];
        let set = fields.into_iter().find(|(_, value)| *value != 0);
        match (Granule::from_tlbi_tg(high.tg()), set) {
            (None, Some((field, value))) => Err(GuestCommandError::WithoutGranule { command, field, value }),
            (Some(granule), None) => Err(OperandError::Reserved { granule }.into()),
            (Some(Granule::Size16K), _) if high.ttl() == 1 && !self.caps.has(Feature::Ds) => {
                Err(GuestCommandError::ReservedValue { command, field: "TTL", value: 1 })
            }
            _ => Ok(()),
        }
    }
}
