//! The event record as the queue holds it, and its decoding.

use super::word::{
    AtsRequest as AtsWord, ConfigConflict, Fault as FaultWord, Fetch as FetchWord, FetchAddress, InputPage,
    Ipa, PageHint as HintWord, PermissionFault, TlbConflict, Unsupported, WalkAbort, Who,
};
use super::{
    Access, AtsRequest, Class, Event, EventId, EventKind, Fault, FaultKind, Fetch, PageHint, Permissions,
    Refusal,
};
use smmu_regs::addr::PhysAddr;
use smmu_regs::layout::Layout;
use smmu_regs::{StreamId, SubstreamId, view};

view! {
    /// An event record: four words. Judges nothing; the getters read a field whether or not this record type has it.
    pub struct RawEvent([u64; 4]);
}

impl RawEvent {
    fn who(&self) -> Who {
        let [who, ..] = self.words();
        Who::from_word(who)
    }

    fn fault(&self) -> PermissionFault {
        let [_, fault, ..] = self.words();
        PermissionFault::from_word(fault)
    }

    /// Record type.
    #[must_use]
    pub fn id(&self) -> EventId {
        EventId::from(self.who().eventid())
    }

    /// StreamID.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId::new(self.who().sid())
    }

    /// SubstreamID, if valid.
    #[must_use]
    pub fn substream(&self) -> Option<SubstreamId> {
        let who = self.who();
        // The field has 20 bits, so the conversion cannot fail.
        if who.ssv() { SubstreamId::new(who.ssid()).ok() } else { None }
    }

    /// Whether the transaction was privileged.
    #[must_use]
    pub fn privileged(&self) -> bool {
        self.fault().pnu()
    }

    /// Whether it was an instruction fetch.
    #[must_use]
    pub fn instruction(&self) -> bool {
        self.fault().ind()
    }

    /// Whether it was a read.
    #[must_use]
    pub fn read(&self) -> bool {
        self.fault().rnw()
    }

    /// Whether stage 2 faulted.
    #[must_use]
    pub fn stage2(&self) -> bool {
        self.fault().s2()
    }

    /// The `CLASS` field.
    #[must_use]
    pub fn class_code(&self) -> u8 {
        self.fault().class()
    }

    /// The `CLASS` field by name.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.class_code() {
            0 => Class::Cd,
            1 => Class::Table,
            2 => Class::Input,
            _ => Class::Reserved,
        }
    }

    /// Whether the transaction waits for `CMD_RESUME`.
    #[must_use]
    pub fn stalled(&self) -> bool {
        self.fault().stall()
    }

    /// Stall tag.
    #[must_use]
    pub fn stag(&self) -> u16 {
        self.fault().stag()
    }

    /// Whether a stage-1 table access that faulted at stage 2 was a read (`TTRnW`).
    #[must_use]
    pub fn table_read(&self) -> bool {
        self.fault().ttrnw()
    }

    /// Input address.
    #[must_use]
    pub fn input_address(&self) -> u64 {
        let [_, _, input, _] = self.words();
        input
    }

    /// Intermediate physical address, 4 KiB aligned.
    #[must_use]
    pub fn ipa(&self) -> PhysAddr {
        let [_, _, _, address] = self.words();
        PhysAddr::new(Ipa::from_word(address).address(Ipa::IPA))
    }

    /// Address of the fetch that failed, 8-byte aligned.
    #[must_use]
    pub fn fetch_address(&self) -> PhysAddr {
        let [_, _, _, address] = self.words();
        PhysAddr::new(FetchAddress::from_word(address).address(FetchAddress::FETCHADDR))
    }

    /// The same record with another StreamID: for a guest that knows the stream by another number.
    #[must_use]
    pub fn with_stream(&self, stream: StreamId) -> Self {
        let [who, rest @ ..] = self.words();
        let [fault, input, address] = rest;
        // A StreamID fits the 32-bit field.
        let who = Who::from_word(who).try_with(Who::SID, stream.get()).map_or(who, Who::into_bits);
        Self::from_words([who, fault, input, address])
    }

    fn access(&self) -> Access {
        Access {
            input: self.input_address(),
            read: self.read(),
            instruction: self.instruction(),
            privileged: self.privileged(),
        }
    }

    fn fetch(&self) -> Fetch {
        let [_, word, ..] = self.words();
        let word = FetchWord::from_word(word);
        Fetch { address: self.fetch_address(), reason: word.reason(), granule_protection: word.gpcf() }
    }

    fn fault_of(&self, kind: FaultKind) -> Fault {
        let [_, word, ..] = self.words();
        Fault {
            kind,
            access: self.access(),
            class: self.class(),
            ipa: self.stage2().then(|| self.ipa()),
            stalled: self.stalled().then(|| self.stag()),
            refusal: (kind == FaultKind::Permission).then(|| self.refusal()),
            implementation_defined: FaultWord::from_word(word).impdef(),
        }
    }

    fn refusal(&self) -> Refusal {
        let word = self.fault();
        Refusal {
            table_read: (self.class() == Class::Table).then(|| word.ttrnw()),
            dirty: word.dirtybit(),
            assured_only: word.assuredonly(),
            overlay: word.overlay(),
        }
    }

    /// What the record says. Fields that this record type does not have are not looked at.
    #[must_use]
    pub fn decode(&self) -> Event {
        let [_, word, input, _] = self.words();
        let kind = match self.id() {
            EventId::UnsupportedUpstream => EventKind::UnsupportedUpstream {
                reason: Unsupported::from_word(word).reason(),
                access: self.access(),
            },
            EventId::BadStreamId => EventKind::BadStreamId,
            EventId::SteFetch => EventKind::SteFetch(self.fetch()),
            EventId::BadSte => EventKind::BadSte,
            EventId::BadAtsRequest => {
                let asked = AtsWord::from_word(word);
                EventKind::BadAtsRequest(AtsRequest {
                    input: InputPage::from_word(input).address(InputPage::INPUTADDR),
                    span: asked.span(),
                    permissions: Permissions { read: asked.r(), write: asked.w(), execute: asked.x() },
                    privileged: asked.p(),
                })
            }
            EventId::StreamDisabled => EventKind::StreamDisabled,
            EventId::TranslationForbidden => EventKind::TranslationForbidden { input, read: self.read() },
            EventId::BadSubstreamId => EventKind::BadSubstreamId,
            EventId::CdFetch => EventKind::CdFetch(self.fetch()),
            EventId::BadCd => EventKind::BadCd,
            EventId::WalkExternalAbort => EventKind::WalkExternalAbort {
                access: self.access(),
                class: self.class(),
                stage2: WalkAbort::from_word(word).s2(),
                fetch: self.fetch(),
            },
            EventId::Translation => EventKind::Fault(self.fault_of(FaultKind::Translation)),
            EventId::AddressSize => EventKind::Fault(self.fault_of(FaultKind::AddressSize)),
            EventId::AccessFlag => EventKind::Fault(self.fault_of(FaultKind::AccessFlag)),
            EventId::Permission => EventKind::Fault(self.fault_of(FaultKind::Permission)),
            EventId::TlbConflict => EventKind::TlbConflict {
                reason: TlbConflict::from_word(word).reason(),
                access: self.access(),
                ipa: self.stage2().then(|| self.ipa()),
            },
            EventId::ConfigConflict => {
                EventKind::ConfigConflict { reason: ConfigConflict::from_word(word).reason() }
            }
            EventId::PageRequest => {
                let hint = HintWord::from_word(word);
                EventKind::PageRequest(PageHint {
                    input: InputPage::from_word(input).address(InputPage::INPUTADDR),
                    pages: hint.span(),
                    privileged: Permissions { read: hint.pr(), write: hint.pw(), execute: hint.px() },
                    unprivileged: Permissions { read: hint.ur(), write: hint.uw(), execute: hint.ux() },
                })
            }
            EventId::VmsFetch => EventKind::VmsFetch(self.fetch()),
            EventId::Unknown(id) => EventKind::Unknown { id, record: *self },
        };
        let who = self.who();
        let substream = match self.id() {
            // These two have no SSV: the first never has a SubstreamID, the second always.
            EventId::StreamDisabled | EventId::TranslationForbidden => None,
            EventId::BadSubstreamId => SubstreamId::new(who.ssid()).ok(),
            _ => self.substream(),
        };
        Event { stream: self.stream(), substream, kind }
    }
}
