//! What a DMA did: where memory changed, and what the SMMU recorded.

use crate::DifferError;
use crate::address::{ARENA, PAGE, arena};
use smmu_cmds::EventQueue;
use smmu_cmds::event::{Event, EventId, EventKind, RawEvent};
use smmu_machine::Machine;
use std::collections::BTreeSet;
use std::fmt;

/// Where the DMA landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landing {
    /// Nowhere in the arena.
    Nowhere,
    /// Its read and its write were both at this offset of the arena.
    At(u64),
    /// Its write was there, its read was terminated.
    WrittenAt(u64),
    /// Several words changed, or one to a value that it cannot have.
    Odd(String),
}

/// A record of the event queue, as far as both machines fill it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Event number (IHI 0070 7.3).
    pub id: u8,
    /// StreamID.
    pub stream: u32,
    /// Input address, where the record has one.
    pub input: u64,
    /// A read; configuration errors say nothing of it.
    pub read: bool,
    /// Of stage 2.
    pub stage2: bool,
    /// `CLASS`; 0 where the record has none.
    pub class: u8,
    /// Page of the intermediate address, for stage 2.
    pub ipa: Option<u64>,
}

/// What a DMA did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Where it landed.
    pub landing: Landing,
    /// What was recorded, in order.
    pub events: Vec<Record>,
    /// Records were lost: never right, as the queue is emptied after each DMA.
    pub lost: bool,
}

impl Record {
    /// A record with the fields that its type has.
    fn new(raw: &RawEvent) -> Self {
        let Event { stream, kind, .. } = raw.decode();
        let plain = Self {
            id: raw.id().into(),
            stream: stream.get(),
            input: 0,
            read: true,
            stage2: false,
            class: 0,
            ipa: None,
        };
        match kind {
            EventKind::Fault(fault) => Self {
                input: fault.access.input,
                read: fault.access.read,
                stage2: fault.ipa.is_some(),
                class: raw.class_code(),
                ipa: fault.ipa.map(|ipa| ipa.get()),
                ..plain
            },
            EventKind::WalkExternalAbort { access, stage2, .. } => {
                Self { input: access.input, read: access.read, stage2, class: raw.class_code(), ..plain }
            }
            _ => plain,
        }
    }
}

/// The value of each word of an arena's page while nobody has touched it: reads from one page show in another.
const fn seed(page: u64) -> u32 {
    0x1357_0000 | (page & 0xffff) as u32
}

/// Looks after the arena.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Offsets in a page whose words hold their seeds everywhere.
    ready: BTreeSet<u64>,
}

impl Watch {
    fn prepare(&mut self, machine: &dyn Machine, low: u64) -> Result<(), DifferError> {
        if self.ready.insert(low) {
            for page in 0..ARENA / PAGE {
                machine.poke32(arena(page * PAGE + low), seed(page))?;
            }
        }
        Ok(())
    }

    /// Where memory changed, which is put right again.
    fn landing(machine: &dyn Machine, low: u64) -> Result<Landing, DifferError> {
        let mut landing = Landing::Nowhere;
        for page in 0..ARENA / PAGE {
            let (offset, seed) = (page * PAGE + low, seed(page));
            let found = machine.peek32(arena(offset))?;
            if found == seed {
                continue;
            }
            landing = match landing {
                Landing::Nowhere if found == !seed => Landing::At(offset),
                // A read that was terminated gave 0.
                Landing::Nowhere if found == u32::MAX => Landing::WrittenAt(offset),
                before => Landing::Odd(format!("{before}, and {found:#x} at {offset:#x}")),
            };
            machine.poke32(arena(offset), seed)?;
        }
        Ok(landing)
    }

    /// Has a device invert the word at `iova`.
    pub(crate) fn dma(
        &mut self,
        machine: &dyn Machine,
        events: &mut EventQueue,
        device: usize,
        iova: u64,
    ) -> Result<Seen, DifferError> {
        let low = iova & (PAGE - 4);
        self.prepare(machine, low)?;
        machine.dma_invert(device, iova)?;
        let landing = Self::landing(machine, low)?;
        let (mut records, mut lost) = (Vec::new(), false);
        loop {
            let before = records.len();
            let drained = events
                .drain(&machine, |raw| records.push(Record::new(&raw)))
                .map_err(|e| DifferError::driver("reading the event queue")(&e))?;
            lost |= drained.lost;
            if records.len() == before {
                return Ok(Seen { landing, events: records, lost });
            }
        }
    }
}

impl fmt::Display for Landing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("nowhere"),
            Self::At(offset) => write!(f, "arena+{offset:#x}"),
            Self::WrittenAt(offset) => write!(f, "arena+{offset:#x}, its read terminated"),
            Self::Odd(what) => write!(f, "odd: {what}"),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, stream, input, read, stage2, class, ipa } = *self;
        write!(f, "{} of {stream:#x}", EventId::from(id).name())?;
        if id >= 0x10 || id == 0x0b {
            let access = if read { "read" } else { "write" };
            let stage = if stage2 { 2 } else { 1 };
            write!(f, ": {access} of {input:#x}, stage {stage}, class {class}")?;
        }
        if let Some(ipa) = ipa {
            write!(f, ", IPA {ipa:#x}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.landing.fmt(f)?;
        for event in &self.events {
            write!(f, "; {event}")?;
        }
        if self.lost { f.write_str("; records were lost") } else { Ok(()) }
    }
}
