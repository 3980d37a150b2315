//! Events for guests: which records a guest may see, and under which StreamID.

use super::word::{Ipa, Who};
use super::{EventId, RawEvent};
use core::fmt;
use smmu_regs::layout::Layout;
use smmu_regs::{StreamId, VirtualStreamId};

/// Where an event of a stream with a guest's stage 1 goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Relocated {
    /// To the guest, whose StreamID it now carries.
    Guest(RawEvent),
    /// To the host.
    Host(HostsEvent),
}

/// Why an event stays with the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostsEvent {
    /// Its type says nothing of what the guest configured, or carries physical addresses.
    Type(EventId),
    /// Stage 2 faulted, which is the host's.
    Stage2,
    /// The transaction waits for a `CMD_RESUME` with a tag of the physical SMMU's. The host answers, or it hands the stall on
    /// ([`Stalls::forward`](crate::fault::Stalls::forward)) and then the record, if [`RawEvent::relocate_stall`] gives one.
    Stalled {
        /// The tag.
        stag: u16,
    },
    /// No virtual device stands for the stream: there is no StreamID under which the guest knows it.
    NoVirtualDevice,
}

impl fmt::Display for HostsEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(id) => write!(f, "{} is never a guest's", id.name()),
            Self::Stage2 => f.write_str("the fault is of the host's stage 2"),
            Self::Stalled { stag } => write!(f, "the transaction is stalled (STAG={stag:#x})"),
            Self::NoVirtualDevice => f.write_str("no virtual device stands for the stream"),
        }
    }
}

impl RawEvent {
    /// What becomes of this record, where `device` is the guest's number for the stream, if the stream is a virtual device of
    /// some guest.
    ///
    /// A guest gets what its own stage 1 or its own configuration has caused: F_TRANSLATION, F_ADDR_SIZE, F_ACCESS and
    /// F_PERMISSION of stage 1 that do not stall, C_BAD_STE, F_STREAM_DISABLED, C_BAD_SUBSTREAMID and C_BAD_CD (IHI 0070
    /// 7.3). Nothing changes but the StreamID and what is UNKNOWN, which the SMMU may have left there from somebody else's record:
    /// the IPA of a stage-1 fault, and a SubstreamID without SSV, become 0.
    pub fn relocate(&self, device: Option<VirtualStreamId>) -> Relocated {
        match self.id() {
            EventId::BadSte | EventId::StreamDisabled | EventId::BadSubstreamId | EventId::BadCd => {}
            // Only these have the fields.
            EventId::Translation | EventId::AddressSize | EventId::AccessFlag | EventId::Permission => {
                if self.stalled() {
                    return Relocated::Host(HostsEvent::Stalled { stag: self.stag() });
                }
                if self.stage2() {
                    return Relocated::Host(HostsEvent::Stage2);
                }
            }
            id => return Relocated::Host(HostsEvent::Type(id)),
        }
        match device {
            Some(device) => Relocated::Guest(self.for_guest(device)),
            None => Relocated::Host(HostsEvent::NoVirtualDevice),
        }
    }

    /// The record of a stalled stage-1 fault as the guest is to see it, whose number for the stream is `device`; `None` if it
    /// is anything else. Only for a host that keeps what it forwards ([`HandedOn`](crate::guest::HandedOn)), before the guest
    /// can see the record, and answers should the guest never do so: a stall is not left hanging.
    #[must_use]
    pub fn relocate_stall(&self, device: VirtualStreamId) -> Option<Self> {
        let stalls = matches!(
            self.id(),
            EventId::Translation | EventId::AddressSize | EventId::AccessFlag | EventId::Permission
        );
        (stalls && self.stalled() && !self.stage2()).then(|| self.for_guest(device))
    }

    /// A record of a configuration or stage 1.
    fn for_guest(&self, device: VirtualStreamId) -> Self {
        let [who, fault, input, address] = self.with_stream(StreamId::new(device.get())).words();
        let (mut who, mut address) = (Who::from_word(who), Ipa::from_word(address));
        // C_BAD_SUBSTREAMID always has one, and no SSV.
        if !who.ssv() && self.id() != EventId::BadSubstreamId {
            who = Who::from_bits(who.into_bits() & !Who::SSID.mask());
        }
        address = Ipa::from_bits(address.into_bits() & !Ipa::IPA.mask());
        Self::from_words([who.into_bits(), fault, input, address.into_bits()])
    }
}
