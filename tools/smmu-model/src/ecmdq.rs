//! Which command queues there are, and the registers of the enhanced ones (IHI 0070 3.5.6, 6.2.5, 6.3.49 to 6.3.51, 6.3.107 to
//! 6.3.109): control pages, the handshake of `PROD.EN` and `CONS.ENACK`, errors in `CONS.ERR` and `PROD.ERRACK`.
//!
//! Consumption is in `cmdq`: it is the same for all queues.

use crate::access::Hang;
use crate::bus::Bus;
use crate::layout::{
    cmdq_control_page_base, cmdq_control_page_cfg, cmdq_control_page_status, cr0, ecmdq_base, ecmdq_cons,
    ecmdq_prod, gerror, idr1, idr6, offset,
};
use crate::model::Model;
use crate::profile::Profile;
use crate::regs::{Guard, Regs, Spec};

/// Size of a control page, and of the unit of its place (6.2.5).
const PAGE: u32 = 0x1_0000;
/// Bytes of a control page's three registers in page 0 (6.3.49).
const DESCRIPTION: u32 = 0x20;

/// A command queue, by the place of its BASE register: PROD and CONS of either kind are 8 and 12 bytes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Queue(u32);

impl Queue {
    /// The queue that every SMMU has.
    pub(crate) const MAIN: Self = Self(offset::CMDQ_BASE);

    /// Place of BASE.
    pub(crate) const fn base(self) -> u32 {
        self.0
    }

    /// Place of PROD.
    pub(crate) const fn prod(self) -> u32 {
        self.0 + 8
    }

    /// Place of CONS.
    pub(crate) const fn cons(self) -> u32 {
        self.0 + 12
    }

    pub(crate) fn is_main(self) -> bool {
        self == Self::MAIN
    }

    /// The queue that an ECMDQ register at `at` belongs to: queues are 256 bytes apart or more.
    pub(crate) const fn of_register(at: u32) -> Self {
        Self(at & !0xff)
    }

    /// For messages.
    pub(crate) fn name(self) -> String {
        if self.is_main() { "CMDQ".to_owned() } else { format!("ECMDQ at {:#x}:", self.0) }
    }

    /// PROD, for messages.
    pub(crate) fn prod_name(self) -> String {
        if self.is_main() { "CMDQ_PROD".to_owned() } else { format!("ECMDQ_PROD at {:#x}", self.prod()) }
    }
}

/// Numbers of control pages and of queues in each; none without the feature. Values above 8 are reserved and act as 8.
fn counts(profile: &Profile) -> (u32, u32) {
    if profile.id1(idr1::ECMDQ) == 0 {
        return (0, 0);
    }
    let count = |field| 1 << profile.id6(field).min(8);
    (count(idr6::CMDQ_CONTROL_PAGE_LOG2NUMP), count(idr6::CMDQ_CONTROL_PAGE_LOG2NUMQ))
}

/// Offset of control page `number` from register page 0, if there is such a page.
pub(crate) fn control_page(profile: &Profile, number: u8) -> Option<u32> {
    let number = u32::from(number);
    (number < counts(profile).0).then(|| offset::CONTROL_PAGES + number * PAGE)
}

/// The register of a control page, or one that describes control pages, that covers `at`.
pub(crate) fn find(at: u32, profile: &Profile) -> Option<(Spec, bool)> {
    let (pages, queues) = counts(profile);
    let found =
        |name, offset, wide, guard| Some((Spec { name, offset, wide, guard, needs: None }, at > offset));
    if let Some(inside) =
        at.checked_sub(offset::CMDQ_CONTROL_PAGE_BASE).filter(|at| *at < pages * DESCRIPTION)
    {
        return match inside % DESCRIPTION {
            0 | 4 => found(cmdq_control_page_base::NAME, at & !7, true, Guard::ReadOnly),
            8 => found(cmdq_control_page_cfg::NAME, at, false, Guard::ReadOnly),
            12 => found(cmdq_control_page_status::NAME, at, false, Guard::ReadOnly),
            _ => None,
        };
    }
    let inside = at.checked_sub(offset::CONTROL_PAGES).filter(|at| *at < pages * PAGE)?;
    let queue = Queue::of_register(at);
    match inside % (PAGE / queues) {
        0 | 4 => found(ecmdq_base::NAME, at & !7, true, Guard::EcmdqOff(queue)),
        8 => found(ecmdq_prod::NAME, at, false, Guard::EcmdqSettled(queue)),
        12 => found(ecmdq_cons::NAME, at, false, Guard::EcmdqOff(queue)),
        _ => None,
    }
}

/// What reset leaves in the registers that describe control pages; the queues' own are 0.
pub(crate) fn reset(profile: &Profile, regs: &mut Regs) {
    for number in 0..counts(profile).0 {
        let at = offset::CMDQ_CONTROL_PAGE_BASE + number * DESCRIPTION;
        let page = u64::from(offset::CONTROL_PAGES + number * PAGE);
        // Implemented as registers, 64KB (6.3.49).
        let base =
            cmdq_control_page_base::CMDQ_CONTROL_PAGE_PRESET.mask() | 1 << cmdq_control_page_base::CMDQGS.lsb;
        regs.put(at, page | base);
        regs.put(at + 8, cmdq_control_page_cfg::EN.mask());
        regs.put(at + 12, cmdq_control_page_status::ENACK.mask());
    }
}

impl Regs {
    /// Enhanced queues that software has written registers of.
    fn enhanced(&self) -> impl Iterator<Item = Queue> + '_ {
        let mut last = None;
        self.places_from(offset::CONTROL_PAGES).map(Queue::of_register).filter(move |queue| {
            let new = last != Some(*queue);
            last = Some(*queue);
            new
        })
    }

    /// Whether an enhanced queue is enabled, or was and may still be (3.5.6.2).
    pub(crate) fn ecmdq_on(&self, queue: Queue) -> bool {
        ecmdq_prod::EN.of(self.get(queue.prod())) | ecmdq_cons::ENACK.of(self.get(queue.cons())) != 0
    }

    /// Whether the enable of an enhanced queue has been written and has not taken effect.
    pub(crate) fn ecmdq_in_transition(&self, queue: Queue) -> bool {
        ecmdq_prod::EN.of(self.get(queue.prod())) != ecmdq_cons::ENACK.of(self.get(queue.cons()))
    }

    /// Whether any enhanced queue is enabled, or was and may still be: what guards attributes of queues (6.3.11).
    pub(crate) fn any_ecmdq_on(&self) -> bool {
        self.enhanced().any(|queue| self.ecmdq_on(queue))
    }

    /// Whether commands of the queue are processed, as long as there is no error.
    pub(crate) fn queue_enabled(&self, queue: Queue) -> bool {
        if queue.is_main() {
            self.enabled(cr0::CMDQEN)
        } else {
            ecmdq_cons::ENACK.of(self.get(queue.cons())) != 0
        }
    }

    /// Whether the queue has stopped at an error that is not acknowledged (7.1, 3.5.6.3).
    pub(crate) fn queue_error(&self, queue: Queue) -> bool {
        if queue.is_main() {
            gerror::CMDQ_ERR.of(self.active_errors()) != 0
        } else {
            ecmdq_prod::ERRACK.of(self.get(queue.prod())) != ecmdq_cons::ERR.of(self.get(queue.cons()))
        }
    }
}

impl<B: Bus> Model<B> {
    /// The queues that commands are taken from.
    pub(crate) fn command_queues(&self) -> Vec<Queue> {
        let enhanced = self.regs.enhanced().filter(|queue| self.regs.queue_enabled(*queue));
        std::iter::once(Queue::MAIN).chain(enhanced).collect()
    }

    /// ECMDQ_PROD, whose EN and ENACK agree: commands, an acknowledgement, or the enable (6.3.108).
    pub(crate) fn write_ecmdq_prod(&mut self, queue: Queue, old: u64, value: u64) {
        let error = self.regs.queue_error(queue);
        self.regs.put(queue.prod(), value);
        let enabled = ecmdq_prod::EN.of(old) != 0;
        let enable = ecmdq_prod::EN.of(value) != 0;
        let mismatch = self.regs.queue_error(queue);
        if enabled && mismatch && !error {
            self.complain(format!(
                "ECMDQ_PROD at {:#x} written with {value:#x}: ERRACK is toggled while no error is active (3.5.6.3)",
                queue.prod()
            ));
        }
        if enable && !enabled && mismatch {
            self.complain(format!(
                "ECMDQ_PROD at {:#x} written with {value:#x}: enabled while ERRACK differs from CONS.ERR (3.5.6.3)",
                queue.prod()
            ));
        }
        if enabled {
            if error && !mismatch {
                // The command at CONS is fetched anew, and what follows it with it (7.1).
                self.show_queue(queue);
            }
            self.produced(queue, old, value, error);
        }
        if enabled != enable && self.answers(Hang::Cr0Ack) {
            self.update_ecmdqs();
        }
    }

    /// ECMDQ_CONS of a queue that is disabled. ENACK is the SMMU's own.
    pub(crate) fn write_ecmdq_cons(&mut self, queue: Queue, value: u64) {
        if ecmdq_cons::ENACK.of(value) != 0 {
            self.complain(format!(
                "ECMDQ_CONS at {:#x} written with {value:#x}: ENACK is set by software (3.5.6.2)",
                queue.cons()
            ));
        }
        self.regs.put(queue.cons(), value & !ecmdq_cons::ENACK.mask());
    }

    /// Completes what was written to PROD.EN of any queue.
    pub(crate) fn update_ecmdqs(&mut self) {
        let moving: Vec<Queue> =
            self.regs.enhanced().filter(|queue| self.regs.ecmdq_in_transition(*queue)).collect();
        for queue in moving {
            let cons = self.regs.get(queue.cons());
            let rises = ecmdq_cons::ENACK.of(cons) == 0;
            if rises {
                self.show_queue(queue);
                self.check_queue(
                    &format!("ECMDQ_BASE at {:#x}", queue.base()),
                    queue.base(),
                    self.profile.id1(idr1::CMDQS),
                    16,
                );
            }
            self.regs.put(queue.cons(), cons ^ ecmdq_cons::ENACK.mask());
        }
        self.process_commands();
    }

    /// A command of an enhanced queue is refused: the reason and then the toggle, in one store (3.5.6.3).
    pub(crate) fn ecmdq_error(&mut self, queue: Queue, code: u8) {
        let cons = self.regs.get(queue.cons());
        let reason = u64::from(code) << ecmdq_cons::ERR_REASON.lsb;
        let toggled = (cons & !ecmdq_cons::ERR_REASON.mask()) ^ ecmdq_cons::ERR.mask();
        self.regs.put(queue.cons(), toggled | reason);
        self.global_error(gerror::CMDQP_ERR);
    }

    /// Offset of command queue control page `number` from register page 0, as `CMDQ_CONTROL_PAGE_BASE<n>` gives it; `None` if
    /// there is no such page.
    #[must_use]
    pub fn control_page(&self, number: u8) -> Option<u32> {
        control_page(&self.profile, number)
    }
}
