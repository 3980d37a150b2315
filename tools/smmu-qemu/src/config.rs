//! What to start: machine, RAM size, DMA devices, time limit. Checked here, before any process exists.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::QemuError;

/// RAM must leave QEMU's PCI configuration space where [`crate::pci`] expects it, which it does below 255
/// GiB.
const RAM_LIMIT: u64 = 128 << 30;
const RAM_UNIT: u64 = 4096;

/// Which translation stages the SMMU has.
///
/// QEMU decides this by the machine version: from `virt-9.2` on, the SMMU always has both stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Machine {
    /// Stage 1 and stage 2, nested (`virt`).
    #[default]
    Nested,
    /// Stage 1 only (`virt-9.1`, whose default this is).
    Stage1,
    /// Stage 2 only (`virt-9.1` with `-global arm-smmuv3.stage=2`).
    Stage2,
}

/// Where one DMA device sits. Its StreamID is `bus << 8 | slot << 3 | function`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceSlot {
    /// 0 for the root bus; any other number makes a root port with that secondary bus number.
    pub bus: u8,
    /// 1 to 31 on bus 0 (slot 0 is the host bridge), only 0 on any other bus.
    pub slot: u8,
    /// 0 to 7. PCI hides the others of a slot whose function 0 does not exist, so that must be listed too.
    pub function: u8,
}

impl DeviceSlot {
    /// Function 0 of `slot` on the root bus; StreamID `slot << 3`.
    #[must_use]
    pub const fn root(slot: u8) -> Self {
        Self { bus: 0, slot, function: 0 }
    }

    /// Function 0 behind a root port of its own; StreamID `bus << 8`.
    #[must_use]
    pub const fn behind_port(bus: u8) -> Self {
        Self { bus, slot: 0, function: 0 }
    }

    /// Device and function number as PCI packs them: `slot << 3 | function`.
    pub(crate) fn devfn(self) -> u8 {
        self.slot << 3 | self.function
    }
}

/// What [`crate::Qemu::start`] starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Guest RAM in bytes, a multiple of 4096, at most 128 GiB. Only pages that are touched take up space.
    pub ram_bytes: u64,
    /// The DMA devices, in the order of [`crate::Qemu::devices`].
    pub devices: Vec<DeviceSlot>,
    /// How long QEMU may take to answer one command. Start-up is granted 10 s even if this is shorter.
    pub reply_timeout: Duration,
    /// The QEMU to run; `None` means the one that [`crate::Qemu::find`] finds.
    pub qemu: Option<PathBuf>,
    /// Which stages the SMMU has.
    pub machine: Machine,
}

impl Default for Config {
    /// 256 MiB; StreamIDs 0x8, 0x10, 0x18 on bus 0 and 0x100 on bus 1; 10 s; QEMU as found; nested.
    fn default() -> Self {
        Self {
            ram_bytes: 256 << 20,
            devices: vec![
                DeviceSlot::root(1),
                DeviceSlot::root(2),
                DeviceSlot::root(3),
                DeviceSlot::behind_port(1),
            ],
            reply_timeout: Duration::from_secs(10),
            qemu: None,
            machine: Machine::default(),
        }
    }
}

impl Config {
    /// Refuses what QEMU would refuse with a less clear message, or would accept and then behave oddly.
    pub(crate) fn check(&self) -> Result<(), QemuError> {
        let bad = |reason: String| Err(QemuError::BadConfig { reason });
        if self.ram_bytes == 0 || self.ram_bytes % RAM_UNIT != 0 || self.ram_bytes > RAM_LIMIT {
            return bad(format!(
                "ram_bytes is {:#x}: must be a multiple of {RAM_UNIT} from {RAM_UNIT} to {RAM_LIMIT:#x}",
                self.ram_bytes
            ));
        }
        for (index, device) in self.devices.iter().enumerate() {
            let slot_fits = if device.bus == 0 { (1..=31).contains(&device.slot) } else { device.slot == 0 };
            if !slot_fits || device.function > 7 {
                return bad(format!(
                    "{device:?}: bus 0 has slots 1 to 31, other buses slot 0; functions are 0 to 7"
                ));
            }
            let first = DeviceSlot { function: 0, ..*device };
            if !self.devices.contains(&first) {
                return bad(format!("{device:?} needs function 0 of its slot"));
            }
            if self.devices.iter().take(index).any(|other| other == device) {
                return bad(format!("{device:?} is listed twice"));
            }
        }
        self.ports().map(drop)
    }

    /// The root ports that the devices need: (slot on bus 0, secondary bus), one for each bus other than 0.
    /// They take the highest slots that no device uses.
    pub(crate) fn ports(&self) -> Result<Vec<(u8, u8)>, QemuError> {
        let mut buses: Vec<u8> = self.devices.iter().map(|d| d.bus).filter(|bus| *bus != 0).collect();
        buses.sort_unstable();
        buses.dedup();
        let taken = |slot: &u8| self.devices.iter().any(|d| d.bus == 0 && d.slot == *slot);
        let slots: Vec<u8> = (1..=31).rev().filter(|slot| !taken(slot)).take(buses.len()).collect();
        if slots.len() < buses.len() {
            let reason = format!("bus 0 has no free slots for {} root ports", buses.len());
            return Err(QemuError::BadConfig { reason });
        }
        Ok(slots.into_iter().zip(buses).collect())
    }
}
