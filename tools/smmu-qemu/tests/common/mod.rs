//! What the tests share: starting QEMU (or skipping), the registers they use, GBPA.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::atomic::AtomicU64;

use smmu_qemu::{Config, Qemu, Width, start_or_skip};

pub(crate) const CR0: u32 = 0x20;
pub(crate) const GBPA: u32 = 0x44;

const GBPA_UPDATE: u64 = 1 << 31;
const GBPA_ABORT: u64 = 1 << 20;
/// SHCFG = 1, "use incoming", as at reset.
const GBPA_BYPASS: u64 = 1 << 12;

pub(crate) fn start(config: &Config) -> Option<Qemu> {
    start_or_skip(config).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn default() -> Option<Qemu> {
    start(&Config::default())
}

pub(crate) fn set_gbpa(qemu: &Qemu, abort: bool) {
    let value = if abort { GBPA_ABORT } else { 0 } | GBPA_BYPASS;
    qemu.smmu_write(GBPA, Width::W32, value | GBPA_UPDATE);
    assert_eq!(qemu.smmu_read(GBPA, Width::W32), value, "UPDATE clears, the rest is taken");
}

/// The word of RAM at byte `offset`, and its guest-physical address.
pub(crate) fn word(qemu: &Qemu, offset: u64) -> (&AtomicU64, u64) {
    (&qemu.ram()[usize::try_from(offset / 8).unwrap()], qemu.ram_base() + offset)
}

/// Nothing has gone wrong, and the SMMU was used properly.
pub(crate) fn assert_clean(qemu: &Qemu) {
    assert_eq!(qemu.failure(), None);
    assert_eq!(qemu.complaints(), Vec::<String>::new());
}
