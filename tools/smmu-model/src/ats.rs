//! ATS: translation requests of devices, what they keep of the answers (the ATC), and transactions that are translated already
//! (IHI 0070 3.9.1, 4.5.1, 13.7).
//!
//! The plain setting's devices forget as soon as CMD_ATC_INV is consumed. The adversarial setting's keep what they have until
//! the CMD_SYNC, and ask again just before they forget: what the SMMU may still answer from its caches then stays (3.9.1:
//! the SMMU's own invalidation must be complete before that of the ATC begins).
//!
//! Split-stage ATS (`EATS` 2) is not modelled: a request to such a stream ends as if it had failed, and is a complaint.

use crate::access::{Access, Fault, Outcome};
use crate::bus::Bus;
use crate::ecmdq::Queue;
use crate::event::id;
use crate::layout::{cr0, cr2, event, event_ats, offset, ste};
use crate::model::Model;

/// What a transaction on the ATS interface is; ordinary ones are none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Asks for a translation.
    Request,
    /// Brings one along.
    Translated,
    /// A look that software does not get to know of.
    Quiet,
}

/// A translation of a 4 KiB page, as the SMMU grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Physical address of the page.
    pub page: u64,
    /// Reads are permitted.
    pub read: bool,
    /// Writes are permitted.
    pub write: bool,
}

/// How a translation request is completed (3.9.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtsCompletion {
    /// Success, with this translation.
    Granted(Translation),
    /// Success without any permission: a page request may help.
    Denied,
    /// Unsupported Request: the stream may not use ATS.
    Unsupported,
    /// Completer Abort: the configuration is wrong.
    Aborted,
}

/// What a device does with a word, past its ATC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtsAccess {
    /// It was done: the word that was read or written.
    Done(u32),
    /// The device has no translation that permits it, and got none.
    Refused(AtsCompletion),
    /// The SMMU terminated the translated transaction.
    Terminated(Fault),
}

/// What a device remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtcEntry {
    /// As it asked, with the page's address.
    asked: Access,
    translation: Translation,
}

/// Operands of CMD_ATC_INV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtcInv {
    pub(crate) sid: u32,
    pub(crate) ssid: Option<u32>,
    pub(crate) global: bool,
    pub(crate) address: u64,
    /// log2 of the 4 KiB pages.
    pub(crate) size: u64,
}

impl AtcInv {
    /// Whether it names a remembered translation: of its PASID, or of all with G; without a PASID of those without one
    /// (4.5.1).
    fn covers(&self, entry: &AtcEntry) -> bool {
        let asked = &entry.asked;
        let low = if self.size >= 52 { u64::MAX } else { (1 << (12 + self.size)) - 1 };
        let pasid = match self.ssid {
            Some(_) if self.global => asked.ssid.is_some(),
            own => asked.ssid == own,
        };
        asked.sid == self.sid && pasid && asked.iova & !low == self.address & !low
    }
}

impl<B: Bus> Model<B> {
    /// A device asks for the translation of a page, to write too if `access.write` (NW is 0).
    pub fn ats_request(&mut self, access: &Access) -> AtsCompletion {
        let mut ask = |write| {
            let access = Access { write, instruction: false, ..*access };
            self.on_interface(Kind::Request, |model| {
                model.perform_as(&access, |model| model.request_translation(&access))
            })
        };
        let read = ask(false);
        let write = if access.write { Some(ask(true)) } else { None };
        let page = |pa: u64| pa & !0xfff;
        match (read, write) {
            (Ok(r), Some(Ok(w))) if page(r) == page(w) => {
                AtsCompletion::Granted(Translation { page: page(r), read: true, write: true })
            }
            (Ok(r), _) => AtsCompletion::Granted(Translation { page: page(r), read: true, write: false }),
            (Err(_), Some(Ok(w))) => {
                AtsCompletion::Granted(Translation { page: page(w), read: false, write: true })
            }
            (Err(fault), _) => match fault.event {
                None | Some(id::F_BAD_ATS_TREQ) => AtsCompletion::Unsupported,
                Some(id::F_TRANSLATION..=id::F_PERMISSION) => AtsCompletion::Denied,
                Some(_) => AtsCompletion::Aborted,
            },
        }
    }

    /// A transaction that says that its address is translated (3.9.1.3).
    pub fn translated(&mut self, access: &Access) -> Outcome {
        let result = self.on_interface(Kind::Translated, |model| {
            model.perform_as(access, |model| model.pass_translated(access))
        });
        match result {
            Ok(pa) => Outcome::Passed { pa },
            Err(fault) => Outcome::Aborted(fault),
        }
    }

    /// A device with an ATC writes the aligned word at the address, or reads it if there is no `value`.
    pub fn ats_dma32(&mut self, access: &Access, value: Option<u32>) -> AtsAccess {
        let access = Access { write: value.is_some(), instruction: false, ..*access };
        let page = Access { write: false, iova: access.iova & !0xfff, ..access };
        let permits = |t: &Translation| if access.write { t.write } else { t.read };
        let known = self.atc.iter().find(|entry| entry.asked == page && permits(&entry.translation));
        let translation = match known {
            Some(entry) => entry.translation,
            None => {
                let completion = self.ats_request(&access);
                let AtsCompletion::Granted(translation) = completion else {
                    return AtsAccess::Refused(completion);
                };
                self.atc.retain(|entry| entry.asked != page);
                self.atc.push(AtcEntry { asked: page, translation });
                if !permits(&translation) {
                    return AtsAccess::Refused(AtsCompletion::Denied);
                }
                translation
            }
        };
        let target = Access { iova: translation.page | (access.iova & 0xfff), ..access };
        match self.translated(&target) {
            Outcome::Passed { pa } => {
                let word = match value {
                    Some(value) => self.bus.write32(pa & !3, value).map(|()| value),
                    None => self.bus.read32(pa & !3),
                };
                word.map_or(AtsAccess::Terminated(Fault::SILENT), AtsAccess::Done)
            }
            Outcome::Aborted(fault) => AtsAccess::Terminated(fault),
        }
    }

    /// All devices forget the translations that they remember, as when they are reset.
    pub fn reset_atcs(&mut self) {
        self.atc.clear();
    }

    /// Runs `run` as what it is on the ATS interface, which decides what is recorded.
    fn on_interface<T>(&mut self, kind: Kind, run: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.interface.replace(kind);
        let result = run(self);
        self.interface = before;
        result
    }

    /// Runs `run` so that software does not get to know of it.
    pub(crate) fn quietly<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        self.on_interface(Kind::Quiet, run)
    }

    /// Finds something out from the configuration for a page request: errors are recorded as for ATS requests (8.1).
    pub(crate) fn look_up(
        &mut self,
        access: &Access,
        what: impl Fn(&mut Self, &Access) -> Result<u64, Fault>,
    ) -> Result<u64, Fault> {
        self.on_interface(Kind::Request, |model| model.perform_as(access, |model| what(model, access)))
    }

    /// Whether an event is recorded, given where it comes from (3.9.1.2, 3.9.1.3, 7.3.22).
    pub(crate) fn recorded_here(&self, number: u8) -> bool {
        let Some(kind) = self.interface else { return true };
        let configuration = cr2::REC_CFG_ATS.of(self.regs.get(offset::CR2)) != 0;
        match number {
            _ if kind == Kind::Quiet => false,
            id::F_BAD_ATS_TREQ | id::F_TRANSL_FORBIDDEN => true,
            id::F_TRANSLATION..=id::F_PERMISSION => false,
            _ => configuration,
        }
    }

    /// The event word of a request that is refused (7.3.6).
    fn refuse_request(&mut self, access: &Access) -> Fault {
        let mut record = crate::event::header(id::F_BAD_ATS_TREQ, access);
        event_ats::SPAN.put(&mut record, 1);
        event_ats::P.put(&mut record, u64::from(access.privileged));
        event_ats::W.put(&mut record, u64::from(access.write));
        event_ats::R.put(&mut record, 1);
        event::INPUTADDR.put(&mut record, access.iova & !0xfff);
        let recorded = self.record(record);
        Fault { event: Some(id::F_BAD_ATS_TREQ), recorded, ..Fault::SILENT }
    }

    /// Effective `STE.EATS`: whether ATS is on. `None` for an STE that terminates silently.
    fn ats_enabled(&mut self, access: &Access) -> Result<Option<bool>, Fault> {
        let entry = self.fetch_ste(access)?;
        if entry.illegal(&self.profile).is_some() {
            return Err(self.bad_config(id::C_BAD_STE, access));
        }
        if !entry.passes() {
            return Ok(None);
        }
        let checked = self.regs.enabled(cr0::ATSCHK);
        Ok(Some(match entry.get(ste::EATS) {
            _ if entry.get(ste::CONFIG) == 4 => false,
            1 => true,
            2 if checked => {
                self.complain("split-stage ATS is not modelled (STE.EATS 2)".to_owned());
                false
            }
            _ => false,
        }))
    }

    /// Translates for a request.
    fn request_translation(&mut self, access: &Access) -> Result<u64, Fault> {
        if self.failed {
            return Err(Fault::SILENT);
        }
        if !self.translating() {
            return Err(self.refuse_request(access));
        }
        match self.ats_enabled(access)? {
            None => Err(Fault::SILENT),
            Some(false) => Err(self.refuse_request(access)),
            Some(true) => self.translate(access),
        }
    }

    /// Lets a translated transaction through.
    fn pass_translated(&mut self, access: &Access) -> Result<u64, Fault> {
        if self.failed {
            return Err(Fault::SILENT);
        }
        let on = self.translating();
        let forbidden = if !on {
            true
        } else if self.regs.enabled(cr0::ATSCHK) {
            match self.ats_enabled(access)? {
                None => return Err(Fault::SILENT),
                Some(enabled) => !enabled,
            }
        } else {
            false
        };
        self.in_use_now();
        if forbidden {
            let mut record = crate::event::header(id::F_TRANSL_FORBIDDEN, &Access { ssid: None, ..*access });
            event::RNW.put(&mut record, u64::from(!access.write));
            event::INPUTADDR.put(&mut record, access.iova);
            let recorded = self.record(record);
            return Err(Fault { event: Some(id::F_TRANSL_FORBIDDEN), recorded, ..Fault::SILENT });
        }
        if self.profile.in_oas(access.iova) { Ok(access.iova) } else { Err(Fault::SILENT) }
    }

    /// CMD_ATC_INV (4.5.1).
    pub(crate) fn invalidate_atc(&mut self, what: AtcInv, queue: Queue) {
        if !self.regs.enabled(cr0::SMMUEN) {
            return;
        }
        if self.adversary.is_some() {
            self.atc_pending.push((queue, what));
        } else {
            self.atc.retain(|entry| !what.covers(entry));
        }
    }

    /// A CMD_SYNC completes the invalidations of ATCs before it in its queue. What the SMMU may still answer, the devices have asked
    /// for again.
    pub(crate) fn complete_atc(&mut self, queue: Queue) {
        let (pending, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.atc_pending).into_iter().partition(|(of, _)| *of == queue);
        self.atc_pending = others;
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.atc)
            .into_iter()
            .partition(|e| pending.iter().any(|(_, what)| what.covers(e)));
        self.atc = kept;
        for entry in gone {
            let page = |write| Access { write, ..entry.asked };
            let Translation { page: old, read, write } = entry.translation;
            let mut still = |wanted: bool, access: Access| wanted && self.may_still_grant(&access, old);
            let (read, write) = (still(read, page(false)), still(write, page(true)));
            if read || write {
                let translation = Translation { page: old, read, write };
                self.atc.push(AtcEntry { asked: entry.asked, translation });
            }
        }
    }

    /// Whether the SMMU may grant the page `old` to this request at this moment.
    fn may_still_grant(&mut self, access: &Access, old: u64) -> bool {
        self.on_interface(Kind::Request, |model| {
            let ways = model.ways_as(access, |model| model.request_translation(access));
            ways.iter().any(|(outcome, _)| matches!(outcome, Outcome::Passed { pa } if pa & !0xfff == old))
        })
    }
}
