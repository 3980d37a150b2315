//! What a host's ledgers have handed on to one guest: the faults that the guest's commands may answer.

use super::{Answer, ForwardedFaults};
use crate::fault::{GroupId, PageGroups, StallId, Stalls};
use core::cell::RefCell;
use smmu_regs::{InstanceId, StreamId, SubstreamId};

/// The faults that [`Stalls::forward`] and [`PageGroups::forward`] have handed on to one owner and that wait: what
/// [`VirtualSmmu::with_faults`](super::VirtualSmmu::with_faults) is given for a guest.
///
/// It holds both ledgers of the SMMU while the guest's commands are issued, so nobody else answers meanwhile. A command that
/// answers takes its entry out of the ledger once it is in the physical queue: the same command again, one of another guest, and
/// one for a fault that the host has not handed on, or has claimed back, become nothing. An SMMU without stalls or without page
/// requests gets a ledger of capacity 0.
///
/// A page request group that came with a PASID may be answered with that PASID or with none: which one its device wants to
/// see is for the guest to know, that owns the device (PCIe: PRG Response PASID Required).
///
/// ```
/// use smmu_cmds::event::RawEvent;
/// use smmu_cmds::fault::{Arrival, PageGroups, Stalls, WhenFull};
/// use smmu_cmds::guest::{ForwardedFaults, GuestBatch, HandedOn};
/// use smmu_cmds::{RawCommand, VirtualSmmu};
/// use smmu_regs::caps::{Caps, Hints, IdRegisters};
/// use smmu_regs::{InstanceId, StreamId, VirtualStreamId, Vmid};
///
/// let instance = InstanceId::new(0);
/// let mut stalls = Stalls::<u16, 64>::new(instance);
/// let mut groups = PageGroups::<u16, 64>::new(instance, WhenFull::TryAgain);
/// // Stream 0x10 has stalled; guest 7 knows it as stream 8, and is to answer.
/// let record = RawEvent::from_words([0x10_0000_0010, 0x8000_0007, 0x1000, 0]);
/// let Arrival::Stalled(stalled) = stalls.arrived(&record.decode()) else { panic!() };
/// let for_guest = record.relocate_stall(VirtualStreamId::new(8)).expect("stage 1, and stalled");
/// stalls.forward(stalled, 7).expect("it waits");
/// assert_eq!(for_guest.stream(), StreamId::new(8));
///
/// // The guest's CMD_RESUME.
/// let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
/// let streams = |device: VirtualStreamId| (device.get() == 8).then_some(StreamId::new(0x10));
/// let faults = HandedOn::new(7, &mut stalls, &mut groups).expect("ledgers of one SMMU");
/// let smmu = VirtualSmmu::new(&caps, Vmid::new(7), streams)?.with_faults(&faults);
/// let resume = RawCommand::from_words([8 << 32 | 1 << 12 | 0x44, 7]);
/// assert_eq!(smmu.translate(resume)?.words(), [0x10 << 32 | 1 << 12 | 0x44, 7]);
/// // `smmu.issue` pushes it, and the stall waits no longer.
/// # faults.answered(smmu_cmds::guest::Answer::of(&smmu.translate(resume)?).unwrap());
/// # assert!(smmu.translate(resume).is_err());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct HandedOn<'a, O, const S: usize, const G: usize> {
    owner: O,
    instance: InstanceId,
    stalls: RefCell<&'a mut Stalls<O, S>>,
    groups: RefCell<&'a mut PageGroups<O, G>>,
}

impl<'a, O: Copy + PartialEq, const S: usize, const G: usize> HandedOn<'a, O, S, G> {
    /// What the two ledgers have handed on to `owner`; `None` if they are not of one SMMU.
    pub fn new(owner: O, stalls: &'a mut Stalls<O, S>, groups: &'a mut PageGroups<O, G>) -> Option<Self> {
        let instance = stalls.instance();
        (groups.instance() == instance).then(|| Self {
            owner,
            instance,
            stalls: RefCell::new(stalls),
            groups: RefCell::new(groups),
        })
    }
}

// No borrow lasts longer than one of these calls, and none of them calls another: they never meet.
impl<O: Copy + PartialEq, const S: usize, const G: usize> ForwardedFaults for HandedOn<'_, O, S, G> {
    fn is_stalled(&self, stream: StreamId, stag: u16) -> bool {
        let id = StallId { stream, stag };
        self.stalls.try_borrow().is_ok_and(|stalls| stalls.owner(id) == Some(self.owner))
    }

    fn next_stall(&self, stream: StreamId, after: Option<u16>) -> Option<u16> {
        let stalls = self.stalls.try_borrow().ok()?;
        stalls
            .outstanding()
            .filter(|(id, owner)| id.stream == stream && *owner == Some(self.owner))
            .map(|(id, _)| id.stag)
            .filter(|stag| after.is_none_or(|after| *stag > after))
            .min()
    }

    fn is_requested(&self, stream: StreamId, substream: Option<SubstreamId>, group: u16) -> bool {
        let id = GroupId { stream, index: group };
        self.groups.try_borrow().is_ok_and(|groups| groups.is_owed_by(id, &self.owner, substream))
    }

    fn answered(&self, answer: Answer) {
        match answer {
            Answer::Stall { stream, stag } => {
                if let Ok(mut stalls) = self.stalls.try_borrow_mut() {
                    stalls.answered_by(StallId { stream, stag }, &self.owner);
                }
            }
            Answer::PageRequest { stream, group, .. } => {
                if let Ok(mut groups) = self.groups.try_borrow_mut() {
                    groups.answered_by(GroupId { stream, index: group }, &self.owner);
                }
            }
        }
    }

    fn instance(&self) -> Option<InstanceId> {
        Some(self.instance)
    }
}
