//! The model itself: state and public entry points.

use crate::access::{Access, Fault, Hang, Irq, Outcome, Trace, Width};
use crate::adversary::Adversary;
use crate::ats::{AtcEntry, AtcInv, Kind};
use crate::bus::Bus;
use crate::config_cache::ConfigCache;
use crate::ecmdq::Queue;
use crate::layout::gerror;
use crate::pri::PageResponse;
use crate::profile::Profile;
use crate::regs::Regs;
use crate::stall::{Errand, Resumed, Waiting};
use crate::tlb::Tlb;
use crate::world::World;

/// A software SMMUv3 with its registers, caches and a memory system behind it.
pub struct Model<B: Bus> {
    pub(crate) profile: Profile,
    pub(crate) bus: B,
    pub(crate) regs: Regs,
    pub(crate) config: ConfigCache,
    pub(crate) tlb: Tlb,
    /// Stall records without an answer: StreamID and STAG.
    pub(crate) stalls: Vec<(u32, u16)>,
    /// Stalled transactions.
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) resumed: Vec<Resumed>,
    /// Page request groups without an answer: StreamID and index.
    pub(crate) groups: Vec<(u32, u16)>,
    pub(crate) responses: Vec<PageResponse>,
    /// What the devices remember of translations.
    pub(crate) atc: Vec<AtcEntry>,
    /// Invalidations of that, which wait for a CMD_SYNC of their queue.
    pub(crate) atc_pending: Vec<(Queue, AtcInv)>,
    /// What is being done is no ordinary transaction.
    pub(crate) interface: Option<Kind>,
    pub(crate) next_stag: u16,
    pub(crate) hang: Hang,
    /// In Service failure mode.
    pub(crate) failed: bool,
    pub(crate) irqs: Vec<Irq>,
    pub(crate) complaints: Vec<String>,
    pub(crate) trace: Vec<Trace>,
    /// The adversarial setting.
    pub(crate) adversary: Option<Box<Adversary>>,
    /// The way that is being followed.
    pub(crate) world: Option<World>,
}

impl<B: Bus> Model<B> {
    /// An SMMU out of reset: disabled, caches empty.
    #[must_use]
    pub fn new(profile: Profile, bus: B) -> Self {
        Self {
            profile,
            bus,
            regs: Regs::reset(&profile),
            config: ConfigCache::default(),
            tlb: Tlb::default(),
            stalls: Vec::new(),
            waiting: Vec::new(),
            resumed: Vec::new(),
            groups: Vec::new(),
            responses: Vec::new(),
            atc: Vec::new(),
            atc_pending: Vec::new(),
            interface: None,
            next_stag: 0,
            hang: Hang::None,
            failed: false,
            irqs: Vec::new(),
            complaints: Vec::new(),
            trace: Vec::new(),
            adversary: None,
            world: None,
        }
    }

    /// The ID registers.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The memory system.
    #[must_use]
    pub fn bus(&self) -> &B {
        &self.bus
    }

    /// Reads a register at `offset` (0 to 0x1ffff) from the SMMU base; page 1 starts at 0x10000, command queue control pages
    /// are where [`Model::control_page`] says. Reserved locations read as 0.
    pub fn read(&mut self, offset: u32, width: Width) -> u64 {
        self.mmio_read(offset, width)
    }

    /// Writes a register; side effects (updates, command consumption) are complete on return.
    pub fn write(&mut self, offset: u32, width: Width, value: u64) {
        self.mmio_write(offset, width, value);
    }

    /// Translates a client transaction, records its fault if it has one, and does not touch the target. If it stalls, it waits
    /// like any other.
    pub fn dma(&mut self, access: &Access) -> Outcome {
        match self.run_errand(access, Errand::Look) {
            Ok((pa, _)) => Outcome::Passed { pa },
            Err(fault) => Outcome::Aborted(fault),
        }
    }

    /// Translates and reads the aligned word at the address. A RAZ/WI termination reads as 0; an external abort at the
    /// target is a fault without event.
    ///
    /// # Errors
    /// The fault that kept the transaction from memory.
    pub fn dma_read32(&mut self, access: &Access) -> Result<u32, Fault> {
        match self.run_errand(&Access { write: false, ..*access }, Errand::Read) {
            Ok((_, word)) => Ok(word),
            Err(fault) if fault.raz_wi => Ok(0),
            Err(fault) => Err(fault),
        }
    }

    /// Translates and writes the aligned word at the address. A RAZ/WI termination drops the write.
    ///
    /// # Errors
    /// The fault that kept the transaction from memory.
    pub fn dma_write32(&mut self, access: &Access, value: u32) -> Result<(), Fault> {
        match self.run_errand(&Access { write: true, ..*access }, Errand::Write(value)) {
            Ok(_) => Ok(()),
            Err(fault) if fault.raz_wi => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// Interrupts raised since the last call. A wired interrupt is reported also when an MSI was written for it.
    pub fn irqs(&mut self) -> Vec<Irq> {
        std::mem::take(&mut self.irqs)
    }

    /// Driver mistakes that the architecture forbids, since the model was made: each names the register, command or
    /// structure, the value and the section.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Commands taken and events recorded since the last call.
    pub fn trace(&mut self) -> Vec<Trace> {
        std::mem::take(&mut self.trace)
    }

    /// Enters Service failure mode (12.3): transactions are terminated and queues are not accessed any more. Only a new
    /// model gets out of it.
    pub fn fail_service(&mut self) {
        self.failed = true;
        self.end_stalls();
        self.global_error(gerror::SFM_ERR);
    }

    /// Makes something hang, or lets it go on: what waited is then done at once.
    pub fn set_hang(&mut self, hang: Hang) {
        self.hang = hang;
        self.answer();
        self.take_all_commands();
    }

    /// Notes a driver mistake.
    pub(crate) fn complain(&mut self, text: String) {
        // What is only imagined is imagined many times.
        let repeated = self.adversary.is_some() && self.complaints.contains(&text);
        if !self.only_imagining() && !repeated {
            self.complaints.push(text);
        }
    }
}
