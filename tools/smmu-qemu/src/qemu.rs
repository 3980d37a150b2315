//! The handle: a running QEMU, its SMMU's registers, its RAM and its DMA devices.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::command_line::arguments;
use crate::config::{Config, Machine};
use crate::discipline::{Width, is_inside, violation};
use crate::error::QemuError;
use crate::find::{self, Found};
use crate::pci::{self, Device};
use crate::protocol::Size;
use crate::ram::{self, Ram};
use crate::rocker;
use crate::session::Session;
use crate::stderr::note;

/// The SMMU's registers (virt machine).
const SMMU: u64 = 0x0905_0000;
/// A loaded computer may take this long to get QEMU up, however short the limit for a reply is.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A QEMU with an SMMUv3, its CPU stopped. Dropping it kills QEMU; nothing is left behind.
///
/// All methods may be called from several threads; register accesses and DMA are carried out one at a time,
/// and are complete when the method returns. Once something has gone wrong with QEMU, it is gone, and every
/// further call fails at once with the same error.
#[derive(Debug)]
pub struct Qemu {
    // Before `ram`, so that QEMU is gone before its RAM is.
    inner: Mutex<Inner>,
    devices: Vec<Device>,
    ram: Ram,
    found: Found,
}

#[derive(Debug)]
struct Inner {
    session: Session,
    /// Violations of the rules in [`crate::discipline`].
    violations: Vec<String>,
}

impl Qemu {
    /// Finds the QEMU to use: the one that the environment variable `SMMU_QEMU` names, else the first
    /// `qemu-system-aarch64` in `PATH`.
    ///
    /// # Errors
    /// [`QemuError::Missing`], [`QemuError::TooOld`] (before 9.1), or that it does not run.
    pub fn find() -> Result<Found, QemuError> {
        find::find()
    }

    /// Starts QEMU and makes its DMA devices ready. The SMMU is as reset leaves it: off, in bypass.
    ///
    /// # Errors
    /// Whatever [`Qemu::find`] returns, [`QemuError::BadConfig`], or that QEMU does not come up as asked.
    /// Nothing is left behind then.
    pub fn start(config: &Config) -> Result<Self, QemuError> {
        config.check()?;
        let found = match &config.qemu {
            Some(path) => find::inspect(Path::new(path))?,
            None => find::find()?,
        };
        let ram = Ram::new(config.ram_bytes)?;
        let arguments = arguments(config, &ram.path())?;
        let mut session = Session::start(&found.path, &arguments, START_TIMEOUT.max(config.reply_timeout))?;
        check_stages(&mut session, config.machine)?;
        let devices = pci::bring_up(&mut session, config, rocker::IDENT)?;
        for device in &devices {
            rocker::prepare(&mut session, device)?;
        }
        session.set_timeout(config.reply_timeout)?;
        Ok(Self { inner: Mutex::new(Inner { session, violations: Vec::new() }), devices, ram, found })
    }

    /// Reads an SMMU register at `offset` (in bytes, below 0x20000).
    ///
    /// Never fails: when QEMU is gone, and for an offset outside the registers, the value is
    /// [`Width::all_ones`], and [`Qemu::failure`] or [`Qemu::complaints`] tells why.
    pub fn smmu_read(&self, offset: u32, width: Width) -> u64 {
        let mut inner = self.lock();
        if !inner.admit(offset, width, None) {
            return width.all_ones();
        }
        inner.session.read(size(width), SMMU + u64::from(offset)).unwrap_or(width.all_ones())
    }

    /// Writes an SMMU register at `offset` (in bytes, below 0x20000). QEMU has acted on it when this returns:
    /// for `CMDQ_PROD`, it has carried out the commands.
    ///
    /// Never fails, as with [`Qemu::smmu_read`]; the write is dropped then.
    pub fn smmu_write(&self, offset: u32, width: Width, value: u64) {
        let mut inner = self.lock();
        if inner.admit(offset, width, Some(value)) {
            // The session remembers the error.
            let _ = inner.session.write(size(width), SMMU + u64::from(offset), value & width.all_ones());
        }
    }

    /// The first thing that went wrong with QEMU, if anything has.
    ///
    /// A QEMU that died since the last access is only noticed by the next one.
    pub fn failure(&self) -> Option<QemuError> {
        self.lock().session.failure().cloned()
    }

    /// Guest RAM, shared with QEMU. Word `i` is at guest-physical address `ram_base() + 8 * i`,
    /// little-endian.
    pub fn ram(&self) -> &[AtomicU64] {
        self.ram.words()
    }

    /// The guest-physical address of the first byte of RAM: 0x4000_0000.
    #[must_use]
    pub fn ram_base(&self) -> u64 {
        ram::BASE
    }

    /// The DMA devices, in the order of [`Config::devices`].
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Makes device number `device` read the 4 bytes at `iova` (best a multiple of 4), complement them, and
    /// write them back. The DMA is complete when this returns.
    ///
    /// `Ok` says that the device tried. What came of it shows in [`Qemu::ram`] and in the event queue: a read
    /// that the SMMU refuses yields 0 to the device, which then tries to write 0xffff_ffff, so a page without
    /// any access brings two events.
    ///
    /// # Errors
    /// [`QemuError::NoSuchDevice`], or that QEMU is gone.
    pub fn dma_invert(&self, device: usize, iova: u64) -> Result<(), QemuError> {
        let count = self.devices.len();
        let target = self.devices.get(device).ok_or(QemuError::NoSuchDevice { device, count })?;
        rocker::invert(&mut self.lock().session, target, iova)
    }

    /// What the driver did wrong with the SMMU's registers so far: breaches of the page and width rules,
    /// noticed here, and accesses that QEMU logged as unexpected. Each different one is listed once.
    pub fn complaints(&self) -> Vec<String> {
        let mut inner = self.lock();
        let mut complaints = inner.violations.clone();
        complaints.extend(inner.session.complaints());
        complaints
    }

    /// The last few lines that QEMU wrote to stderr, of whatever kind; to be shown when a test fails.
    pub fn last_stderr_lines(&self) -> Vec<String> {
        self.lock().session.last_stderr_lines()
    }

    /// Which QEMU this is.
    pub fn program(&self) -> &Found {
        &self.found
    }

    /// QEMU's process number, for tests that disturb it. It means nothing once [`Qemu::failure`] is `Some`.
    pub fn process_id(&self) -> u32 {
        self.lock().session.id()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves no half-done state: every exchange either completes or ends the session.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Records what is wrong with an access; whether it can be forwarded nevertheless.
    fn admit(&mut self, offset: u32, width: Width, written: Option<u64>) -> bool {
        if let Some(violation) = violation(offset, width, written) {
            note(&mut self.violations, violation);
        }
        is_inside(offset, width)
    }
}

fn size(width: Width) -> Size {
    match width {
        Width::W32 => Size::B4,
        Width::W64 => Size::B8,
    }
}

/// QEMU's first reply, and that the SMMU is there with the stages asked for: IDR0.S2P is bit 0, IDR0.S1P bit
/// 1.
fn check_stages(session: &mut Session, machine: Machine) -> Result<(), QemuError> {
    let expected = match machine {
        Machine::Nested => 0b11,
        Machine::Stage1 => 0b10,
        Machine::Stage2 => 0b01,
    };
    let found = session.read(Size::B4, SMMU)? & 0b11;
    if found == expected {
        return Ok(());
    }
    Err(QemuError::WrongMachine { what: "SMMU_IDR0, bits 1:0 (stages),".into(), found, expected })
}
