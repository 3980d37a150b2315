//! Register handshakes: write, then wait until the SMMU says that the write has taken effect.

use crate::layout::Layout;
use crate::platform::{Clock, Deadline, Mmio};
use crate::registers::{
    Cr0, Cr0ack, EcmdqCons, EcmdqProd, EcmdqRegisters, Gbpa, Gerror, Gerrorn, IrqCtrl, IrqCtrlack, Registers,
};
use core::fmt;
use core::time::Duration;

/// The SMMU did not answer a handshake in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeError {
    /// The register that was to answer.
    pub register: &'static str,
    /// The bits that were waited for.
    pub wanted: u32,
    /// What the register read at the end.
    pub found: u32,
    /// How long it was waited for.
    pub timeout: Duration,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { register, wanted, found, timeout } = self;
        write!(f, "{register} reads {found:#x} instead of {wanted:#x} after {timeout:?}")
    }
}

impl core::error::Error for HandshakeError {}

fn wait_for<P: Clock>(
    p: &P,
    register: &'static str,
    timeout: Duration,
    wanted: u32,
    mut read: impl FnMut() -> u32,
) -> Result<(), HandshakeError> {
    let mut found = 0;
    Deadline::after(p, timeout)
        .wait(p, || {
            found = read();
            (found == wanted).then_some(())
        })
        .map_err(|_| HandshakeError { register, wanted, found, timeout })
}

/// Writes `CR0` and waits until `CR0ACK` shows it (6.3.9, 6.3.10). A field that is to change, and whose last change is
/// still under way, is waited for first: to change it again before that is CONSTRAINED UNPREDICTABLE.
///
/// # Errors
/// `CR0ACK` did not follow within `timeout`, before or after the write.
pub fn write_cr0<P: Mmio + Clock>(p: &P, value: Cr0, timeout: Duration) -> Result<(), HandshakeError> {
    write_cr0_fields(p, value, <Cr0 as Layout>::named_bits() as u32, timeout)
}

/// [`write_cr0`] for an SMMU that has only the fields of the mask `fields`: those that it lacks are never acknowledged,
/// whatever somebody wrote there before.
pub(crate) fn write_cr0_fields<P: Mmio + Clock>(
    p: &P,
    value: Cr0,
    fields: u32,
    timeout: Duration,
) -> Result<(), HandshakeError> {
    let before = p.get::<Cr0>().into_bits();
    let changed = (before ^ value.into_bits()) & fields;
    let ack = || p.get::<Cr0ack>().into_bits();
    wait_for(p, "CR0ACK", timeout, before & changed, || ack() & changed)?;
    p.put(value);
    wait_for(p, "CR0ACK", timeout, value.into_bits(), ack)
}

/// Writes `IRQ_CTRL` and waits until `IRQ_CTRLACK` shows it (6.3.16, 6.3.18). When a source is off, all its MSIs have been
/// written or have aborted, and `GERROR` says so.
///
/// # Errors
/// `IRQ_CTRLACK` did not follow within `timeout`, before or after the write.
pub fn write_irq_ctrl<P: Mmio + Clock>(
    p: &P,
    value: IrqCtrl,
    timeout: Duration,
) -> Result<(), HandshakeError> {
    let before = p.get::<IrqCtrl>().into_bits();
    let changed = (before ^ value.into_bits()) & <IrqCtrl as Layout>::named_bits() as u32;
    let ack = || p.get::<IrqCtrlack>().into_bits();
    wait_for(p, "IRQ_CTRLACK", timeout, before & changed, || ack() & changed)?;
    p.put(value);
    wait_for(p, "IRQ_CTRLACK", timeout, value.into_bits(), ack)
}

/// Changes `GBPA` by its protocol: wait until no update is in progress, write everything with `UPDATE` set in one
/// store, wait until `UPDATE` is clear (6.3.14). `change` gets the present value.
///
/// # Errors
/// `UPDATE` did not clear within `timeout`, before or after the write.
pub fn update_gbpa<P: Mmio + Clock>(
    p: &P,
    timeout: Duration,
    change: impl FnOnce(Gbpa) -> Gbpa,
) -> Result<(), HandshakeError> {
    let update = || p.get::<Gbpa>().into_bits() & (Gbpa::UPDATE.mask() as u32);
    wait_for(p, "GBPA.UPDATE", timeout, 0, update)?;
    p.put(change(p.get()).with(Gbpa::UPDATE, true));
    wait_for(p, "GBPA.UPDATE", timeout, 0, update)
}

/// Disables an enhanced command queue and waits until the SMMU has stopped (3.5.6.2): commands that it has not consumed by
/// then never happen. Writes nothing if the queue is off. `PROD` ignores what is written while an earlier change is under
/// way (6.3.108), so that is waited for first.
///
/// # Errors
/// The queue is not off within `timeout`.
pub fn disable_ecmdq<P: Mmio + Clock>(
    p: &P,
    queue: EcmdqRegisters,
    timeout: Duration,
) -> Result<(), HandshakeError> {
    disable_ecmdqs(p, core::iter::once(queue), timeout)
}

/// [`disable_ecmdq`] for several queues, all within one `timeout`.
pub(crate) fn disable_ecmdqs<P: Mmio + Clock>(
    p: &P,
    queues: impl Iterator<Item = EcmdqRegisters>,
    timeout: Duration,
) -> Result<(), HandshakeError> {
    let deadline = Deadline::after(p, timeout);
    let named = <EcmdqProd as Layout>::named_bits() as u32;
    for queue in queues {
        let mut cons = EcmdqCons::new();
        let off = deadline.wait(p, || {
            let prod: EcmdqProd = p.get_at(queue.prod());
            cons = p.get_at(queue.cons());
            match (prod.en(), cons.enack()) {
                (false, false) => return Some(()),
                (true, true) => {
                    let prod = EcmdqProd::from_bits(prod.into_bits() & named);
                    p.put_at(queue.prod(), prod.with(EcmdqProd::EN, false));
                }
                _ => {}
            }
            None
        });
        let (wanted, found) = (cons.with(EcmdqCons::ENACK, false).into_bits(), cons.into_bits());
        off.map_err(|_| HandshakeError { register: EcmdqCons::NAME, wanted, found, timeout })?;
    }
    Ok(())
}

/// The global errors that are active: where `GERROR` and `GERRORN` differ (6.3.19, 7.5).
#[must_use]
pub fn active_errors<P: Mmio>(p: &P) -> Gerror {
    let known = <Gerror as Layout>::named_bits() as u32;
    Gerror::from_bits((p.get::<Gerror>().into_bits() ^ p.get::<Gerrorn>().into_bits()) & known)
}

/// Acknowledges those of `errors` that are active: toggles exactly their bits of `GERRORN` (6.3.20).
///
/// Repair the cause first: a command queue that is acknowledged unrepaired stops again.
pub fn acknowledge_errors<P: Mmio>(p: &P, errors: Gerror) {
    let acknowledged = p.get::<Gerrorn>().into_bits();
    let known = <Gerror as Layout>::named_bits() as u32;
    let active = (p.get::<Gerror>().into_bits() ^ acknowledged) & known & errors.into_bits();
    if active != 0 {
        p.put(Gerrorn::from_bits(acknowledged ^ active));
    }
}
