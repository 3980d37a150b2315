//! Interrupts of the SMMU itself: wired ones, and MSIs (IHI 0070 3.18, 6.3.16 to 6.3.23, 6.3.30 to 6.3.36).
//!
//! A source's MSI registers may only be written while the source is off, and off is what `IRQ_CTRLACK` says. What happens
//! while it is off is never announced later (6.3.16), so whoever switches it on again must look at the queues.

use crate::addr::PhysAddr;
use crate::caps::{Caps, Feature};
use crate::layout::Layout;
use crate::platform::Mmio;
use crate::registers::{
    EventqIrqCfg0, EventqIrqCfg1, EventqIrqCfg2, GerrorIrqCfg0, GerrorIrqCfg1, GerrorIrqCfg2, IrqCtrl,
    PriqIrqCfg0, PriqIrqCfg1, PriqIrqCfg2, Registers,
};
use crate::vmsa::Shareability;
use core::fmt;

/// The memory type of an MSI write: `MEMATTR` of the `*_IRQ_CFG2` registers, encoded as `STE.MemAttr` (5.2, 6.3.23).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MsiMemory {
    /// Device-nGnRnE.
    DeviceNGnRnE = 0b0000,
    /// Device-nGnRE: the right one for an interrupt controller's doorbell (3.18).
    DeviceNGnRE = 0b0001,
    /// Device-nGRE.
    DeviceNGRE = 0b0010,
    /// Device-GRE.
    DeviceGRE = 0b0011,
    /// Normal, non-cacheable.
    NormalNonCacheable = 0b0101,
    /// Normal, write-through.
    NormalWriteThrough = 0b1010,
    /// Normal, write-back: for a word that CPUs watch, on an SMMU that is coherent.
    NormalWriteBack = 0b1111,
}

/// A message-signalled interrupt: a 32-bit write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Msi {
    /// Where it goes: 4-byte aligned, not 0.
    pub address: PhysAddr,
    /// What is written.
    pub data: u32,
    /// The memory type.
    pub memory: MsiMemory,
    /// The shareability. Device and non-cacheable memory is Outer Shareable whatever this says (3.18).
    pub shareability: Shareability,
}

impl Msi {
    /// An MSI to a register of the interrupt controller.
    #[must_use]
    pub const fn to_register(address: PhysAddr, data: u32) -> Self {
        Self { address, data, memory: MsiMemory::DeviceNGnRE, shareability: Shareability::Outer }
    }
}

/// How one source interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interrupt {
    /// Not at all.
    Off,
    /// By its wire. Whether there is one is for firmware to say (3.18).
    Wired,
    /// By an MSI, and by its wire if there is one.
    Msi(Msi),
}

/// How the SMMU interrupts. `CMD_SYNC` has its own way: its MSI is part of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interrupts {
    /// A global error has become active (7.5).
    pub global_errors: Interrupt,
    /// The event queue is no longer empty.
    pub event_queue: Interrupt,
    /// The PRI queue is no longer empty; of no effect on an SMMU without one.
    pub pri_queue: Interrupt,
    /// `PRIQ_IRQ_CFG2.LO`: the PRI queue interrupts when the last request of a group arrives, and only then.
    pub pri_last_only: bool,
}

impl Interrupts {
    /// All sources by wire.
    pub const WIRED: Self = Self {
        global_errors: Interrupt::Wired,
        event_queue: Interrupt::Wired,
        pri_queue: Interrupt::Wired,
        pri_last_only: false,
    };
    /// None: for a driver that polls.
    pub const OFF: Self = Self {
        global_errors: Interrupt::Off,
        event_queue: Interrupt::Off,
        pri_queue: Interrupt::Off,
        pri_last_only: false,
    };
}

impl Default for Interrupts {
    fn default() -> Self {
        Self::WIRED
    }
}

/// An interrupt that an SMMU cannot make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterruptError {
    /// The register that it was for.
    pub register: &'static str,
    /// Why not.
    pub problem: InterruptProblem,
}

/// Why an SMMU cannot make an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InterruptProblem {
    /// The SMMU has no MSIs, or no PRI queue.
    Lacks(Feature),
    /// The address is not 4-byte aligned, or 0, which means "no MSI".
    Address(PhysAddr),
    /// The address has bits above the output address size.
    AboveOutput {
        /// The address.
        address: PhysAddr,
        /// Bits of the output address size.
        bits: u32,
    },
}

impl fmt::Display for InterruptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.register)?;
        match self.problem {
            InterruptProblem::Lacks(feature) => write!(f, "the SMMU lacks {}", feature.name()),
            InterruptProblem::Address(address) => write!(f, "no MSI can be sent to {address}"),
            InterruptProblem::AboveOutput { address, bits } => {
                write!(f, "the MSI address {address} has more than {bits} bits")
            }
        }
    }
}

impl core::error::Error for InterruptError {}

/// Writes the MSI registers of one source, which is off. Address 0 is "no MSI", whatever the others hold; `$rest` is what
/// the third register holds besides the attributes, and whether that counts without an MSI.
macro_rules! program {
    ($p:expr, $interrupt:expr, $address:ident, $data:ident, $attributes:ident, $rest:expr) => {{
        let (rest, always): ($attributes, bool) = $rest;
        match $interrupt {
            Interrupt::Msi(msi) => {
                let unfit = |_| msi.unfit($address::NAME);
                let address = $address::new().try_with_address($address::ADDR, msi.address.get());
                let attributes = rest
                    .try_with($attributes::MEMATTR, msi.memory as u8)
                    .and_then(|word| word.try_with($attributes::SH, msi.shareability as u8));
                let (address, attributes) = (address.map_err(unfit)?, attributes.map_err(unfit)?);
                $p.put(address);
                $p.put($data::from_bits(msi.data));
                $p.put(attributes);
            }
            Interrupt::Off | Interrupt::Wired => {
                $p.put($address::new());
                if always {
                    $p.put(rest);
                }
            }
        }
    }};
}

impl Interrupts {
    /// Whether an SMMU with `caps` can make them.
    ///
    /// # Errors
    /// The first that it cannot make.
    pub fn check(&self, caps: &Caps) -> Result<(), InterruptError> {
        check(self.global_errors, "GERROR_IRQ_CFG0", caps)?;
        check(self.event_queue, "EVENTQ_IRQ_CFG0", caps)?;
        check(self.pri_queue, "PRIQ_IRQ_CFG0", caps)?;
        let lacks = |feature| {
            let problem = InterruptProblem::Lacks(feature);
            Err(InterruptError { register: "PRIQ_IRQ_CFG2", problem })
        };
        // PRIQ_IRQ_CFG2 is there only with both (6.3.36).
        let wants_pri = self.pri_last_only || matches!(self.pri_queue, Interrupt::Msi(_));
        match (wants_pri, self.pri_last_only) {
            (true, _) if !caps.has(Feature::Pri) => lacks(Feature::Pri),
            (_, true) if !caps.has(Feature::Msi) => lacks(Feature::Msi),
            _ => Ok(()),
        }
    }

    /// What `IRQ_CTRL` is to hold, with a PRI queue or without.
    pub(super) fn enables(&self, pri: bool) -> IrqCtrl {
        let on = |interrupt| !matches!(interrupt, Interrupt::Off);
        IrqCtrl::new()
            .with(IrqCtrl::GERROR_IRQEN, on(self.global_errors))
            .with(IrqCtrl::EVENTQ_IRQEN, on(self.event_queue))
            .with(IrqCtrl::PRIQ_IRQEN, pri && on(self.pri_queue))
    }

    /// The sources that differ from `other`'s, as bits of their enables.
    pub(super) fn differing(&self, other: &Self) -> IrqCtrl {
        let pri = (self.pri_queue, self.pri_last_only) != (other.pri_queue, other.pri_last_only);
        IrqCtrl::new()
            .with(IrqCtrl::GERROR_IRQEN, self.global_errors != other.global_errors)
            .with(IrqCtrl::EVENTQ_IRQEN, self.event_queue != other.event_queue)
            .with(IrqCtrl::PRIQ_IRQEN, pri)
    }

    /// Writes the MSI registers of `sources`, which are off. Without MSIs there are none.
    pub(super) fn write<P: Mmio>(&self, p: &P, caps: &Caps, sources: IrqCtrl) -> Result<(), InterruptError> {
        if !caps.has(Feature::Msi) {
            return Ok(());
        }
        if sources.gerror_irqen() {
            let rest = (GerrorIrqCfg2::new(), false);
            program!(p, self.global_errors, GerrorIrqCfg0, GerrorIrqCfg1, GerrorIrqCfg2, rest);
        }
        if sources.eventq_irqen() {
            let rest = (EventqIrqCfg2::new(), false);
            program!(p, self.event_queue, EventqIrqCfg0, EventqIrqCfg1, EventqIrqCfg2, rest);
        }
        if sources.priq_irqen() && caps.has(Feature::Pri) {
            // LO counts for the wire too, and resets to an UNKNOWN value.
            let last = PriqIrqCfg2::new().with(PriqIrqCfg2::LO, self.pri_last_only);
            program!(p, self.pri_queue, PriqIrqCfg0, PriqIrqCfg1, PriqIrqCfg2, (last, true));
        }
        Ok(())
    }
}

impl Msi {
    const fn unfit(self, register: &'static str) -> InterruptError {
        InterruptError { register, problem: InterruptProblem::Address(self.address) }
    }
}

fn check(interrupt: Interrupt, register: &'static str, caps: &Caps) -> Result<(), InterruptError> {
    let Interrupt::Msi(msi) = interrupt else { return Ok(()) };
    let address = msi.address;
    let problem = if !caps.has(Feature::Msi) {
        InterruptProblem::Lacks(Feature::Msi)
    } else if address.get() == 0 || !address.is_aligned(4) {
        InterruptProblem::Address(address)
    } else if !caps.oas.contains(address.get()) {
        InterruptProblem::AboveOutput { address, bits: caps.oas.bits() }
    } else {
        return Ok(());
    };
    Err(InterruptError { register, problem })
}
