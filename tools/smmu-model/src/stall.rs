//! Stalled transactions: what waits, what releases it, and what becomes of it (IHI 0070 3.12.2, 4.7.1, 4.7.2, 7.2.1).
//!
//! The plain setting retries and terminates at once. The adversarial one does so after a while; it retries early on its own
//! (3.12.2.2), and it may keep quiet about a transaction that stalls behind another one for the same page (3.12.2.1).

use crate::access::{Access, Fault};
use crate::bus::Bus;
use crate::layout::{idr0, idr5};
use crate::model::Model;

/// What a device does at the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Nothing.
    Look,
    /// Reads the aligned word.
    Read,
    /// Writes the aligned word.
    Write(u32),
}

/// A transaction that is stalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stalled {
    /// The transaction.
    pub access: Access,
    /// The STAG of its record, or of the record that it waits behind. `None` while no record could be written.
    pub stag: Option<u16>,
}

/// What became of a transaction that had stalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The transaction.
    pub access: Access,
    /// The word that was read or written; 0 if the transaction only looked.
    ///
    /// # Errors
    /// It was terminated, or its retry ran into a fault that does not stall.
    pub result: Result<u32, Fault>,
}

/// Why a stalled transaction still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// For the answer to its record.
    Recorded(u16),
    /// For the answer to the record of another one.
    Behind(u16),
    /// For room in the Event queue, or for a free STAG.
    Unrecorded,
    /// It was resumed, and is translated anew soon.
    Retry,
    /// It was terminated, and ends soon: with an abort or without.
    End { abort: bool },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    access: Access,
    errand: Errand,
    state: State,
}

impl<B: Bus> Model<B> {
    /// The transactions that are stalled.
    #[must_use]
    pub fn stalled(&self) -> Vec<Stalled> {
        let stag = |state| match state {
            State::Recorded(stag) | State::Behind(stag) => Some(stag),
            State::Unrecorded | State::Retry | State::End { .. } => None,
        };
        self.waiting.iter().map(|w| Stalled { access: w.access, stag: stag(w.state) }).collect()
    }

    /// The stall records, by StreamID and STAG, that nobody has answered yet.
    #[must_use]
    pub fn unanswered_stalls(&self) -> &[(u32, u16)] {
        &self.stalls
    }

    /// What became of transactions that had stalled, since the last call.
    pub fn resumed(&mut self) -> Vec<Resumed> {
        std::mem::take(&mut self.resumed)
    }

    /// A device's transaction: it is performed, or terminated, or it waits.
    pub(crate) fn run_errand(&mut self, access: &Access, errand: Errand) -> Result<(u64, u32), Fault> {
        match self.perform(access) {
            Ok(pa) => self.finish(errand, pa).map(|word| (pa, word)),
            Err(fault) => {
                if fault.waits {
                    let state = match fault.stall {
                        Some(stag) if fault.recorded => State::Recorded(stag),
                        Some(stag) => State::Behind(stag),
                        None => State::Unrecorded,
                    };
                    self.waiting.push(Waiting { access: *access, errand, state });
                }
                Err(fault)
            }
        }
    }

    /// At its target.
    fn finish(&mut self, errand: Errand, pa: u64) -> Result<u32, Fault> {
        match errand {
            Errand::Look => Some(0),
            Errand::Read => self.bus.read32(pa & !3),
            Errand::Write(value) => self.bus.write32(pa & !3, value).map(|()| value),
        }
        .ok_or(Fault::SILENT)
    }

    /// Whether a stall could be recorded: there is room, and fewer than STALL_MAX are unanswered (6.3.6).
    pub(crate) fn stall_recordable(&self) -> bool {
        let max = self.profile.id5(idr5::STALL_MAX);
        self.event_queue_writable() && (max == 0 || (self.stalls.len() as u64) < max)
    }

    /// The STAG of a recorded stall that an adversarial SMMU keeps this one behind, without a record (3.12.2.1).
    pub(crate) fn kept_behind(&mut self, access: &Access) -> Option<u16> {
        let same = |other: &Access| {
            Access { iova: other.iova & !0xfff, ..*other } == Access { iova: access.iova & !0xfff, ..*access }
        };
        let leader = self.waiting.iter().find_map(|waiting| match waiting.state {
            State::Recorded(stag) if same(&waiting.access) => Some(stag),
            _ => None,
        })?;
        (self.adversary.as_mut()?.pick(2) == 0).then_some(leader)
    }

    /// CMD_RESUME (4.7.1).
    pub(crate) fn resume(&mut self, sid: u32, stag: u16, retry: bool, abort: bool) {
        if !self.stalls.contains(&(sid, stag)) {
            self.complain(format!(
                "CMD_RESUME of StreamID {sid:#x}, STAG {stag:#x}: no such stall waits for an answer (4.7.1)"
            ));
            return;
        }
        self.stalls.retain(|stall| *stall != (sid, stag));
        let abort = abort || self.profile.id0(idr0::TERM_MODEL) != 0;
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.access.sid == sid) {
            match waiting.state {
                State::Recorded(other) if other == stag && !retry => waiting.state = State::End { abort },
                State::Recorded(other) | State::Behind(other) if other == stag => {
                    waiting.state = State::Retry
                }
                _ => {}
            }
        }
        self.some_go_on();
    }

    /// CMD_STALL_TERM (4.7.2).
    pub(crate) fn terminate_stalls(&mut self, sid: u32) {
        let some: Vec<Access> =
            self.waiting.iter().map(|waiting| waiting.access).filter(|access| access.sid == sid).collect();
        if some.iter().any(|access| self.may_still_translate(access)) {
            self.complain(format!(
                "CMD_STALL_TERM of StreamID {sid:#x} while its STE lets transactions through (4.7.2)"
            ));
        }
        self.stalls.retain(|stall| stall.0 != sid);
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.access.sid == sid) {
            waiting.state = State::End { abort: true };
        }
        self.some_go_on();
    }

    /// Whether the stream's configuration does anything but terminate.
    fn may_still_translate(&mut self, access: &Access) -> bool {
        if self.adversary.is_some() {
            return self.may_translate(access);
        }
        // As a speculative access would find it: nothing is recorded.
        let entry = self.quietly(|model| model.fetch_ste(access));
        entry.is_ok_and(|entry| entry.illegal(&self.profile).is_none() && entry.passes())
    }

    /// All stalls end: translation was disabled (6.3.9.6), or service has failed.
    pub(crate) fn end_stalls(&mut self) {
        self.stalls.clear();
        for waiting in &mut self.waiting {
            waiting.state = State::End { abort: true };
        }
        self.go_on(usize::MAX);
    }

    /// What waits for room in the Event queue is retried (7.2.1).
    pub(crate) fn retry_unrecorded(&mut self) {
        if !self.stall_recordable() {
            return;
        }
        for waiting in &mut self.waiting {
            if waiting.state == State::Unrecorded {
                waiting.state = State::Retry;
            }
        }
        self.some_go_on();
    }

    /// As much as the setting asks for.
    fn some_go_on(&mut self) {
        match &mut self.adversary {
            None => self.go_on(usize::MAX),
            Some(adversary) => {
                let most = adversary.pick(3);
                self.go_on(most);
            }
        }
    }

    /// Time passes for stalled transactions, in the adversarial setting.
    pub(crate) fn tick_stalls(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let Some(adversary) = &mut self.adversary else { return };
        let (most, early) = (adversary.pick(3), adversary.pick(8) == 0);
        let any = adversary.pick(self.waiting.len());
        self.go_on(most);
        if early {
            self.retry_early(any);
        }
        if self.waiting.iter().any(|waiting| waiting.state == State::Unrecorded) {
            self.retry_unrecorded();
        }
    }

    /// A stalled transaction is retried without having been resumed: it gets through, or nothing happens (3.12.2.2). Its
    /// record still needs an answer.
    fn retry_early(&mut self, number: usize) {
        let Some(waiting) = self.waiting.get(number).copied() else { return };
        if let Some(pa) = self.gets_through(&waiting.access) {
            self.waiting.remove(number);
            let result = self.finish(waiting.errand, pa);
            self.resumed.push(Resumed { access: waiting.access, result });
        }
    }

    /// At most `most` of those that were answered go on.
    fn go_on(&mut self, most: usize) {
        for _ in 0..most.min(self.waiting.len()) {
            let answered = |waiting: &Waiting| matches!(waiting.state, State::Retry | State::End { .. });
            let Some(number) = self.waiting.iter().position(answered) else { return };
            let Waiting { access, errand, state } = self.waiting.remove(number);
            let result = match state {
                State::End { abort } => Err(Fault { raz_wi: !abort, ..Fault::SILENT }),
                _ => match self.run_errand(&access, errand) {
                    // It waits again.
                    Err(fault) if fault.waits => continue,
                    other => other.map(|(_, word)| word),
                },
            };
            self.resumed.push(Resumed { access, result });
        }
    }
}
