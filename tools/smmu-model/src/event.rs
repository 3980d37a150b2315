//! Event records and the decision to record, abort, answer RAZ/WI or stall (IHI 0070 7.3, 5.5).

use crate::access::{Access, Class, Fault};
use crate::bus::Bus;
use crate::layout::{event, event_fetch, event_ipa};
use crate::model::Model;
use crate::perms::Need;

/// Event numbers (7.3).
pub(crate) mod id {
    pub(crate) const C_BAD_STREAMID: u8 = 0x02;
    pub(crate) const F_STE_FETCH: u8 = 0x03;
    pub(crate) const C_BAD_STE: u8 = 0x04;
    pub(crate) const F_BAD_ATS_TREQ: u8 = 0x05;
    pub(crate) const F_STREAM_DISABLED: u8 = 0x06;
    pub(crate) const F_TRANSL_FORBIDDEN: u8 = 0x07;
    pub(crate) const C_BAD_SUBSTREAMID: u8 = 0x08;
    pub(crate) const F_CD_FETCH: u8 = 0x09;
    pub(crate) const C_BAD_CD: u8 = 0x0a;
    pub(crate) const F_WALK_EABT: u8 = 0x0b;
    pub(crate) const F_TRANSLATION: u8 = 0x10;
    pub(crate) const F_ADDR_SIZE: u8 = 0x11;
    pub(crate) const F_ACCESS: u8 = 0x12;
    pub(crate) const F_PERMISSION: u8 = 0x13;
}

/// A, R and S of the stage that faulted (5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Abort, rather than RAZ/WI.
    pub(crate) abort: bool,
    /// Record the fault.
    pub(crate) record: bool,
    /// Stall; always recorded.
    pub(crate) stall: bool,
}

impl Policy {
    /// Stage 1 that is bypassed has no CD: faults abort and are recorded (3.4).
    pub(crate) const BYPASS: Self = Self { abort: true, record: true, stall: false };
}

/// A transaction under translation: as it came, and its attributes after the STE's overrides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) access: Access,
    pub(crate) need: Need,
}

/// Where a translation-related fault happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    /// 1 or 2.
    pub(crate) stage: u8,
    pub(crate) class: Class,
    /// For stage 2 faults.
    pub(crate) ipa: Option<u64>,
    /// The access that failed was a write of a descriptor (F_PERMISSION with CLASS=TT).
    pub(crate) table_write: bool,
}

impl Site {
    /// Input address at stage 1.
    pub(crate) const STAGE1: Self = Self { stage: 1, class: Class::In, ipa: None, table_write: false };
}

/// Event number, StreamID, SubstreamID.
pub(crate) fn header(number: u8, access: &Access) -> [u64; 4] {
    let mut record = [0; 4];
    event::EVENTID.put(&mut record, u64::from(number));
    event::SID.put(&mut record, u64::from(access.sid));
    if let Some(ssid) = access.ssid {
        event::SSV.put(&mut record, 1);
        event::SSID.put(&mut record, u64::from(ssid));
    }
    record
}

/// Fields of F_WALK_EABT and of the four translation-related faults.
fn translation_fields(record: &mut [u64; 4], request: &Request, site: &Site) {
    let need = request.need;
    event::PNU.put(record, u64::from(need.privileged));
    event::IND.put(record, u64::from(need.instruction && !need.write));
    event::RNW.put(record, u64::from(!need.write));
    event::S2.put(record, u64::from(site.stage == 2));
    event::CLASS.put(record, site.class as u64);
    event::INPUTADDR.put(record, request.access.iova);
}

impl<B: Bus> Model<B> {
    /// C_BAD_STE, C_BAD_CD.
    pub(crate) fn bad_config(&mut self, number: u8, access: &Access) -> Fault {
        let recorded = self.record(header(number, access));
        Fault { event: Some(number), recorded, ..Fault::SILENT }
    }

    /// C_BAD_STREAMID, recorded only with CR2.RECINVSID (`recorded` = false otherwise).
    pub(crate) fn bad_stream(&mut self, access: &Access, wanted: bool) -> Fault {
        let recorded = wanted && self.record(header(id::C_BAD_STREAMID, access));
        Fault { event: Some(id::C_BAD_STREAMID), recorded, ..Fault::SILENT }
    }

    /// F_STREAM_DISABLED: the record has no SubstreamID (7.3.7).
    pub(crate) fn stream_disabled(&mut self, access: &Access) -> Fault {
        self.bad_config(id::F_STREAM_DISABLED, &Access { ssid: None, ..*access })
    }

    /// C_BAD_SUBSTREAMID: the SubstreamID is always valid and there is no SSV (7.3.9). `index` is the CD that an
    /// access without SubstreamID selected.
    pub(crate) fn bad_substream(&mut self, access: &Access, index: u32) -> Fault {
        let mut record = header(id::C_BAD_SUBSTREAMID, &Access { ssid: None, ..*access });
        event::SSID.put(&mut record, u64::from(access.ssid.unwrap_or(index)));
        let recorded = self.record(record);
        Fault { event: Some(id::C_BAD_SUBSTREAMID), recorded, ..Fault::SILENT }
    }

    /// F_STE_FETCH, F_CD_FETCH: `fetch` is the address of the structure (7.3).
    pub(crate) fn fetch_failed(&mut self, number: u8, access: &Access, fetch: u64) -> Fault {
        let mut record = header(number, access);
        event_fetch::FETCHADDR.put(&mut record, fetch >> 3);
        let recorded = self.record(record);
        Fault { event: Some(number), recorded, fetch: Some(fetch), ..Fault::SILENT }
    }

    /// F_WALK_EABT; always recorded (5.5).
    pub(crate) fn walk_aborted(&mut self, request: &Request, site: &Site, fetch: u64) -> Fault {
        let mut record = header(id::F_WALK_EABT, &request.access);
        translation_fields(&mut record, request, site);
        event_fetch::FETCHADDR.put(&mut record, fetch >> 3);
        let recorded = self.record(record);
        Fault {
            event: Some(id::F_WALK_EABT),
            recorded,
            stage: site.stage,
            class: Some(site.class),
            ipa: site.ipa,
            fetch: Some(fetch),
            ..Fault::SILENT
        }
    }

    /// F_TRANSLATION, F_ADDR_SIZE, F_ACCESS, F_PERMISSION under A, R and S (5.5).
    pub(crate) fn translation_fault(
        &mut self,
        number: u8,
        request: &Request,
        site: &Site,
        policy: Policy,
    ) -> Fault {
        let mut record = header(number, &request.access);
        translation_fields(&mut record, request, site);
        if let Some(ipa) = site.ipa {
            event_ipa::IPA.put(&mut record, ipa >> 12);
        }
        if number == id::F_PERMISSION && site.class == Class::Tt {
            event::TTRNW.put(&mut record, u64::from(!site.table_write));
        }
        let mut fault = Fault {
            event: Some(number),
            stage: site.stage,
            class: Some(site.class),
            ipa: site.ipa,
            ..Fault::SILENT
        };
        if policy.stall && self.interface.is_none() {
            // A stall record is never discarded and never overflows the queue (7.4): while the queue is not writable
            // the transaction waits, unrecorded.
            fault.waits = true;
            if self.only_imagining() {
                return fault;
            }
            fault.stall = self.kept_behind(&request.access);
            if fault.stall.is_none() && self.stall_recordable() {
                let stag = self.new_stag(request.access.sid);
                event::STALL.put(&mut record, 1);
                event::STAG.put(&mut record, u64::from(stag));
                fault.recorded = self.record(record);
                fault.stall = Some(stag);
            }
        } else {
            fault.raz_wi = !policy.abort;
            fault.recorded = policy.record && self.record(record);
        }
        fault
    }

    /// A STAG that no stalled transaction uses.
    fn new_stag(&mut self, sid: u32) -> u16 {
        while self.stalls.iter().any(|s| s.1 == self.next_stag) && self.stalls.len() < usize::from(u16::MAX) {
            self.next_stag = self.next_stag.wrapping_add(1);
        }
        let stag = self.next_stag;
        self.next_stag = stag.wrapping_add(1);
        self.stalls.push((sid, stag));
        stag
    }
}
