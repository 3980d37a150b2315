//! The bench: a machine, a report, and what every scene does with them.

use super::DemoError;
use crate::report::Report;
use kernel_driver::{Driver, Notice};
use smmu_cmds::event::{Event, EventKind};
use smmu_machine::dma::{Place, Seen, dma, outcomes};
use smmu_machine::{Machine, Watched, Write};
use smmu_regs::registers::describe;
use smmu_ste::Ste;
use smmu_ste::table::{Progress, Updated};
use std::cell::{Cell, RefCell};

/// The driver of the demo.
pub(super) type DemoDriver<'w, 'm> = Driver<&'w Watched<'m>>;

/// The register writes that are to be shown.
#[derive(Default)]
pub(super) struct Writes {
    ignored: Cell<bool>,
    kept: RefCell<Vec<Write>>,
}

impl Writes {
    /// Keeps a write, unless writes are ignored at the moment.
    pub(super) fn note(&self, write: Write) {
        if !self.ignored.get() {
            self.kept.borrow_mut().push(write);
        }
    }

    /// Whether writes are ignored from now on.
    pub(super) fn ignore(&self, ignored: bool) {
        self.ignored.set(ignored);
    }
}

/// A machine and where its story is told.
pub(super) struct Bench<'m, 'r, 'o> {
    pub(super) machine: &'m dyn Machine,
    report: RefCell<&'r mut Report<'o>>,
}

impl<'m, 'r, 'o> Bench<'m, 'r, 'o> {
    pub(super) fn new(machine: &'m dyn Machine, report: &'r mut Report<'o>) -> Self {
        Self { machine, report: RefCell::new(report) }
    }

    pub(super) fn section(&self, title: &str) {
        self.report.borrow_mut().section(title);
    }

    pub(super) fn line(&self, kind: &str, text: impl std::fmt::Display) {
        self.report.borrow_mut().line(kind, text);
    }

    pub(super) fn check(&self, what: &str, holds: bool, found: impl std::fmt::Display) {
        self.report.borrow_mut().check(what, holds, found);
    }

    /// Shows what the driver tells.
    pub(super) fn notice(&self, notice: &Notice<'_>) {
        match notice {
            Notice::Probed(caps) => self.line("caps", caps),
            Notice::StreamTable(shape) => {
                self.line("table", format_args!("{shape:?}, {} bytes at the top", shape.top_bytes()));
            }
            Notice::EverythingDropped => {
                self.line(
                    "command",
                    "CMD_CFGI_ALL, CMD_TLBI_NSNH_ALL (CMD_TLBI_EL2_ALL); CMD_SYNC, completed",
                );
            }
            Notice::Command(Some(command)) => self.line("command", command),
            Notice::Command(None) => self.line("command", "CMD_SYNC, completed"),
            Notice::Update(Progress::Planned(plan)) => {
                let steps = plan.steps().count();
                let kind = if plan.is_hitless() { "hitless" } else { "through an invalid entry" };
                self.line("plan", format_args!("{steps} step(s), {kind}"));
            }
            Notice::Update(Progress::Stored(step)) => {
                let words: Vec<String> =
                    step.stores().map(|(n, value)| format!("[{n}]={value:#x}")).collect();
                self.line("store", words.join(" "));
            }
            Notice::Update(Progress::Synchronized(step, command)) => {
                self.line("command", format_args!("{command}; CMD_SYNC, completed"));
                self.line("entry", Ste::from_words(step.words));
            }
            _ => {}
        }
    }

    /// Shows the registers that were written since the last call.
    pub(super) fn registers(&self, writes: &Writes) {
        for (at, value) in writes.kept.take() {
            match describe(at, value) {
                Some(register) => self.line("write", register),
                None => self.line("write", format_args!("{at:?} = {value:#x}")),
            }
        }
    }

    /// Lets a device do DMA, which must go where `expected` says: on a machine that knows what else is permitted, nothing
    /// else may be.
    pub(super) fn expect_dma(
        &self,
        device: usize,
        iova: u64,
        places: &[Place],
        expected: Seen,
    ) -> Result<(), DemoError> {
        let seen = dma(self.machine, device, iova, places).map_err(DemoError::Machine)?;
        self.check(&format!("DMA of device {device} at {iova:#x}"), seen == expected, seen);
        Ok(())
    }

    /// Takes all events and shows them.
    pub(super) fn events(&self, driver: &mut DemoDriver<'_, '_>) -> Result<Vec<Event>, DemoError> {
        let mut events = Vec::new();
        let drained = driver.events(|raw| events.push(raw.decode()))?;
        for event in &events {
            self.line("event", event);
        }
        self.check("no event was lost", !drained.lost, format_args!("{} records", drained.records));
        Ok(events)
    }

    /// Takes all events without a word: those that an update through an invalid entry brings.
    pub(super) fn drop_events(&self, driver: &mut DemoDriver<'_, '_>) -> Result<Vec<Event>, DemoError> {
        let mut events = Vec::new();
        let _ = driver.events(|raw| events.push(raw.decode()))?;
        Ok(events)
    }

    /// Runs an update while a device does DMA after every store and every synchronization; each DMA must go to one of
    /// `allowed`.
    pub(super) fn update(
        &self,
        what: &str,
        device: usize,
        iova: u64,
        places: &[Place],
        allowed: &[Seen],
        run: impl FnOnce(&mut dyn FnMut(Notice<'_>)) -> Result<Updated, DemoError>,
    ) -> Result<Updated, DemoError> {
        let mut outcome = Ok(());
        let mut seen = Vec::new();
        let updated = run(&mut |notice| {
            self.notice(&notice);
            if let Notice::Update(Progress::Stored(_) | Progress::Synchronized(..)) = notice {
                match outcomes(self.machine, device, iova, places) {
                    Ok(possible) => {
                        let texts: Vec<String> = possible.iter().map(Seen::to_string).collect();
                        self.line("dma", texts.join(", or "));
                        seen.push(possible);
                    }
                    Err(error) => outcome = Err(DemoError::Machine(error)),
                }
            }
        })?;
        outcome?;
        let bad = seen.iter().filter(|possible| !possible.iter().all(|one| allowed.contains(one))).count();
        let text = format!("{} DMAs between the steps, {bad} astray", seen.len());
        self.check(&format!("{what}: old or new at every moment, never a third"), bad == 0, text);
        Ok(updated)
    }
}

/// The faults among events: kind and input address of each.
pub(super) fn is_fault(event: &Event) -> bool {
    matches!(event.kind, EventKind::Fault(_))
}
