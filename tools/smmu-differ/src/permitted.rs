//! Judging while something stale may be cached: an outcome must be one that the architecture permits.
//!
//! The set of permitted outcomes is the model's to say. This file is the only one that asks for it.

use crate::address::ARENA_BASE;
use crate::excuse::Excuse;
use crate::observe::{self, Seen};
use smmu_machine::ModelMachine;
use smmu_regs::PhysAddr;

/// Where the architecture lets one access go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// To this address.
    At(PhysAddr),
    /// Nowhere, with an event of this number or none.
    Terminated {
        /// The event's number.
        event: Option<u8>,
    },
}

/// What the two accesses of a DMA may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permitted {
    /// The read.
    pub read: Vec<Landing>,
    /// The write.
    pub write: Vec<Landing>,
}

/// What a DMA that is made now may do; `None` if nobody knows, and the DMA is not to be judged.
#[must_use]
pub fn permitted(_model: &ModelMachine, _device: usize, _iova: u64) -> Option<Permitted> {
    // TODO: `ModelMachine::permitted(device, iova, write)` for both accesses.
    None
}

impl Permitted {
    /// Whether `seen` is one of the outcomes. An event whose absence one of `excuses` excuses may be missing.
    #[must_use]
    pub fn allows(&self, seen: &Seen, excuses: &[Excuse]) -> bool {
        let at = |offset: u64| Landing::At(PhysAddr::new(ARENA_BASE.wrapping_add(offset)));
        let outside = |landing: &Landing| matches!(landing, Landing::At(pa) if !is_in_arena(*pa));
        let terminated = |set: &[Landing], read: bool| {
            let recorded = seen.events.iter().find(|event| event.read == read).map(|event| event.id);
            set.iter().any(|landing| match landing {
                Landing::Terminated { event } => {
                    *event == recorded || recorded.is_none() && event.is_some_and(|id| may_lack(excuses, id))
                }
                Landing::At(_) => false,
            })
        };
        let silent = |read: bool| !seen.events.iter().any(|event| event.read == read);
        let nowhere =
            |set: &[Landing], read: bool| terminated(set, read) || silent(read) && set.iter().any(outside);
        match &seen.landing {
            observe::Landing::At(offset) => {
                self.read.contains(&at(*offset))
                    && self.write.contains(&at(*offset))
                    && seen.events.is_empty()
            }
            observe::Landing::WrittenAt(offset) => {
                self.write.contains(&at(*offset)) && silent(false) && terminated(&self.read, true)
            }
            // A read may have gone anywhere: only its write shows where.
            observe::Landing::Nowhere => {
                let read = terminated(&self.read, true)
                    || silent(true) && self.read.iter().any(|landing| matches!(landing, Landing::At(_)));
                read && nowhere(&self.write, false)
            }
            observe::Landing::Odd(_) => false,
        }
    }
}

/// Whether a DMA to this address shows.
fn is_in_arena(pa: PhysAddr) -> bool {
    pa.get().wrapping_sub(ARENA_BASE) < crate::address::ARENA
}

fn may_lack(excuses: &[Excuse], id: u8) -> bool {
    excuses.iter().any(|excuse| excuse.lacks(id))
}
