//! What the architecture permits a DMA to do, whatever is cached: the adversarial model knows.
//!
//! A DMA is a read and then a write. Each has a set of permitted outcomes: one, while nothing can be stale; several, after
//! an operation that was wrong, until an invalidation makes up for it.

use crate::address::{ARENA, ARENA_BASE};
use crate::excuse::Excuse;
use crate::observe::{self, Seen};
use smmu_cmds::event::EventId;
use smmu_machine::{Landing, Machine, MachineError};
use smmu_regs::PhysAddr;
use std::fmt;

/// What the two accesses of a DMA may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permitted {
    /// StreamID and input address of the DMA, where they are known: records must say the same.
    pub of: Option<(u32, u64)>,
    /// The read.
    pub read: Vec<Landing>,
    /// The write.
    pub write: Vec<Landing>,
}

impl Permitted {
    /// What a DMA that is made now may do; `None` if the machine cannot tell.
    ///
    /// # Errors
    /// There is no such device.
    pub fn now(machine: &dyn Machine, device: usize, iova: u64) -> Result<Option<Self>, MachineError> {
        let access = |write| machine.permitted(device, iova, write);
        let of = machine.devices().get(device).map(|stream| (stream.get(), iova));
        Ok(access(false)?.zip(access(true)?).map(|(read, write)| Self { of, read, write }))
    }

    /// Whether there is one way only, with one record for each access that is terminated.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.read.len() == 1 && self.write.len() == 1
    }

    /// Whether `seen` is one of the outcomes. An event whose absence one of `excuses` excuses may be missing.
    #[must_use]
    pub fn allows(&self, seen: &Seen, excuses: &[Excuse]) -> bool {
        let mut reads = seen.events.iter().filter(|event| event.read).map(|event| event.id);
        let mut writes = seen.events.iter().filter(|event| !event.read).map(|event| event.id);
        let (read, write) = (reads.next(), writes.next());
        // Configuration errors do not say which access they are about.
        let (read, write) = if write.is_none() { (read, reads.next()) } else { (read, write) };
        // Configuration errors have no address.
        let is_of = |(stream, iova): (u32, u64)| {
            seen.events.iter().all(|event| event.stream == stream && (event.id < 0x0b || event.input == iova))
        };
        if !self.of.is_none_or(is_of) || seen.lost || reads.next().is_some() || writes.next().is_some() {
            return false;
        }
        let is_possible = |accesses: Accesses| self.allows_as(&seen.landing, accesses, excuses);
        let alone = read.is_some_and(|id| id < 0x0b) && write.is_none();
        is_possible(Accesses { read, write }) || alone && is_possible(Accesses { read: None, write: read })
    }

    fn allows_as(&self, landing: &observe::Landing, seen: Accesses, excuses: &[Excuse]) -> bool {
        let at = |offset: u64| Landing::At(PhysAddr::new(ARENA_BASE.wrapping_add(offset)));
        let reaches =
            |set: &[Landing], event: Option<u8>, offset| event.is_none() && set.contains(&at(offset));
        match landing {
            observe::Landing::At(offset) => {
                reaches(&self.read, seen.read, *offset) && reaches(&self.write, seen.write, *offset)
            }
            observe::Landing::WrittenAt(offset) => {
                self.terminated(false, seen.read, excuses) && reaches(&self.write, seen.write, *offset)
            }
            observe::Landing::Nowhere => {
                // A read may have gone anywhere: only its write shows where.
                let passed = seen.read.is_none() && self.read.iter().any(|one| matches!(one, Landing::At(_)));
                let unseen = seen.write.is_none() && self.write.iter().any(is_outside);
                (passed || self.terminated(false, seen.read, excuses))
                    && (unseen || self.terminated(true, seen.write, excuses))
            }
            observe::Landing::Odd(_) => false,
        }
    }

    /// Whether the read or the write may have been terminated with this event.
    fn terminated(&self, write: bool, seen: Option<u8>, excuses: &[Excuse]) -> bool {
        let (set, iova) = (if write { &self.write } else { &self.read }, self.of.map(|(_, iova)| iova));
        let may_lack = |id: u8| excuses.iter().any(|excuse| excuse.lacks(id, write, iova));
        set.iter().any(|landing| match landing {
            Landing::Terminated { event } => *event == seen || seen.is_none() && event.is_some_and(may_lack),
            Landing::At(_) => false,
        })
    }
}

/// Numbers of the events of both accesses.
#[derive(Clone, Copy)]
struct Accesses {
    read: Option<u8>,
    write: Option<u8>,
}

/// Whether a write to it does not show.
fn is_outside(landing: &Landing) -> bool {
    matches!(landing, Landing::At(pa) if pa.get().wrapping_sub(ARENA_BASE) >= ARENA)
}

impl fmt::Display for Permitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, set) in [("permitted for the read", &self.read), ("for the write", &self.write)] {
            let mut texts: Vec<String> = set.iter().map(landing).collect();
            texts.sort();
            texts.dedup();
            let separator = if name == "for the write" { "; " } else { "" };
            write!(f, "{separator}{name}: {}", texts.join(", "))?;
        }
        Ok(())
    }
}

fn landing(landing: &Landing) -> String {
    match landing {
        Landing::At(pa) if !is_outside(&Landing::At(*pa)) => {
            format!("arena+{:#x}", pa.get().wrapping_sub(ARENA_BASE))
        }
        Landing::At(pa) => format!("{:#x}", pa.get()),
        Landing::Terminated { event: Some(id) } => EventId::from(*id).name().to_owned(),
        Landing::Terminated { event: None } => "terminated in silence".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::excuse::QEMU;
    use crate::observe::Record;

    const GONE: Landing = Landing::Terminated { event: Some(0x10) };

    fn at(offset: u64) -> Landing {
        Landing::At(PhysAddr::new(ARENA_BASE + offset))
    }

    fn record(id: u8, read: bool) -> Record {
        Record { id, stream: 8, input: 0, read, stage2: false, class: 2, ipa: None }
    }

    fn seen(landing: observe::Landing, events: &[Record]) -> Seen {
        Seen { landing, events: events.to_vec(), lost: false }
    }

    /// An unmapped page that may still be cached.
    fn stale() -> Permitted {
        Permitted { of: None, read: vec![at(0x1000), GONE], write: vec![at(0x1000), GONE] }
    }

    #[test]
    fn each_access_may_do_what_is_permitted_and_nothing_else() {
        let (read, write) = (record(0x10, true), record(0x10, false));
        for (landing, events, expected) in [
            (observe::Landing::At(0x1000), vec![], true),
            (observe::Landing::At(0x2000), vec![], false),
            (observe::Landing::At(0x1000), vec![read], false),
            (observe::Landing::Nowhere, vec![read, write], true),
            // It read, and was kept from writing.
            (observe::Landing::Nowhere, vec![write], true),
            // It was kept from reading, and wrote nowhere without a word.
            (observe::Landing::Nowhere, vec![read], false),
            (observe::Landing::Nowhere, vec![], false),
            (observe::Landing::Nowhere, vec![record(0x13, true), write], false),
            (observe::Landing::Nowhere, vec![read, write, write], false),
            (observe::Landing::WrittenAt(0x1000), vec![read], true),
            (observe::Landing::WrittenAt(0x1000), vec![], false),
            (observe::Landing::Odd(String::new()), vec![read, write], false),
        ] {
            let seen = seen(landing, &events);
            assert_eq!(stale().allows(&seen, &[]), expected, "{seen}");
            assert!(!stale().allows(&Seen { lost: true, ..seen }, &[]));
        }
    }

    #[test]
    fn a_record_that_is_known_to_be_missing_may_be_missing() {
        let refused = Landing::Terminated { event: Some(0x13) };
        let set = Permitted { of: None, read: vec![at(0)], write: vec![refused, at(0)] };
        let silent = seen(observe::Landing::Nowhere, &[]);
        assert!(!set.allows(&silent, &[]) && set.allows(&silent, QEMU));
    }

    #[test]
    fn an_address_outside_the_arena_does_not_show() {
        let outside = Landing::At(PhysAddr::new(ARENA_BASE + ARENA));
        let set = Permitted { of: None, read: vec![outside], write: vec![outside, GONE] };
        assert!(set.allows(&seen(observe::Landing::Nowhere, &[]), &[]));
    }

    #[test]
    fn a_configuration_error_may_be_of_either_access() {
        let bad = Landing::Terminated { event: Some(0x04) };
        let set = Permitted { of: None, read: vec![at(0)], write: vec![bad] };
        assert!(set.allows(&seen(observe::Landing::Nowhere, &[record(0x04, true)]), &[]));
        let both = Permitted { of: None, read: vec![bad], write: vec![bad] };
        assert!(both.allows(&seen(observe::Landing::Nowhere, &[record(0x04, true); 2]), &[]));
        assert!(!both.allows(&seen(observe::Landing::Nowhere, &[record(0x04, true)]), &[]));
    }
}
