//! Just enough PCI Express to make a device do DMA: bridge numbers and windows, BAR 0, bus mastering.
//!
//! Bus `b` gets 2 MiB of the 32-bit memory window, at `WINDOW + b * 2 MiB`: room for an 8 KiB BAR for each of
//! the 256 functions that a bus can have.

use crate::config::{Config, DeviceSlot};
use crate::error::QemuError;
use crate::protocol::Size;
use crate::session::Session;

/// Configuration space (virt machine, "highmem" ECAM).
const ECAM: u64 = 0x40_1000_0000;
/// The host bridge's 32-bit memory window.
const WINDOW: u64 = 0x1000_0000;
const WINDOW_PER_BUS: u64 = 2 << 20;
const BAR_SPACE: u64 = 8 << 10;

const IDENT: u64 = 0x00;
const COMMAND: u64 = 0x04;
const BAR0: u64 = 0x10;
/// Bridges only: primary, secondary and subordinate bus number, one byte each.
const BUS_NUMBERS: u64 = 0x18;
/// Bridges only: bits 31:20 of the memory window's first and of its last address, in bits 15:4 and 31:20.
const MEMORY_WINDOW: u64 = 0x20;

const COMMAND_MEMORY_AND_MASTER: u64 = 0b110;
/// `-device pcie-root-port`: vendor 0x1b36, device 0x000c.
const ROOT_PORT: u64 = 0x000c_1b36;

/// A device that can be told to do DMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its StreamID: `bus << 8 | slot << 3 | function`.
    pub sid: u32,
    /// Where it sits.
    pub slot: DeviceSlot,
    /// The guest-physical address of its BAR 0.
    pub(crate) bar: u64,
}

/// Makes every device of `config` reachable; `ident` is what their vendor and device number must be.
pub(crate) fn bring_up(session: &mut Session, config: &Config, ident: u64) -> Result<Vec<Device>, QemuError> {
    for (slot, bus) in config.ports()? {
        let bus = u64::from(bus);
        let port = config_space(0, slot << 3);
        expect(session, port, ROOT_PORT)?;
        session.write(Size::B4, port + BUS_NUMBERS, bus << 16 | bus << 8)?;
        let first = WINDOW + bus * WINDOW_PER_BUS;
        let last = first + WINDOW_PER_BUS - 1;
        session.write(Size::B4, port + MEMORY_WINDOW, first >> 16 & 0xfff0 | last & 0xfff0_0000)?;
        session.write(Size::B2, port + COMMAND, COMMAND_MEMORY_AND_MASTER)?;
    }
    config.devices.iter().map(|slot| bring_up_device(session, *slot, ident)).collect()
}

fn bring_up_device(session: &mut Session, slot: DeviceSlot, ident: u64) -> Result<Device, QemuError> {
    let device = config_space(slot.bus, slot.devfn());
    expect(session, device, ident)?;
    let bar = WINDOW + u64::from(slot.bus) * WINDOW_PER_BUS + u64::from(slot.devfn()) * BAR_SPACE;
    session.write(Size::B4, device + BAR0, bar)?;
    // Reads back short if the BAR were larger than BAR_SPACE.
    let held = session.read(Size::B4, device + BAR0)? & !0xf;
    if held != bar {
        let what = format!("BAR 0 of the PCI device at {}", name(slot));
        return Err(QemuError::WrongMachine { what, found: held, expected: bar });
    }
    session.write(Size::B2, device + COMMAND, COMMAND_MEMORY_AND_MASTER)?;
    Ok(Device { sid: u32::from(slot.bus) << 8 | u32::from(slot.devfn()), slot, bar })
}

fn expect(session: &mut Session, function: u64, ident: u64) -> Result<(), QemuError> {
    let found = session.read(Size::B4, function + IDENT)?;
    if found == ident {
        return Ok(());
    }
    Err(QemuError::WrongMachine {
        what: format!("PCI function at ECAM address {function:#x}"),
        found,
        expected: ident,
    })
}

fn config_space(bus: u8, devfn: u8) -> u64 {
    ECAM + (u64::from(bus) << 20 | u64::from(devfn) << 12)
}

fn name(slot: DeviceSlot) -> String {
    format!("{:02x}:{:02x}.{}", slot.bus, slot.slot, slot.function)
}
