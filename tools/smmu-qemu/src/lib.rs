//! Drives QEMU's SMMUv3 from outside, so that a driver can be judged by a model it did not write.
//!
//! QEMU is started with its CPU stopped and is commanded over the *qtest* protocol: a register access is a
//! line sent to QEMU, a DMA is two lines to a `rocker` PCI device, and guest RAM is a file that both sides
//! map. No guest code runs, so this works on any host that has `qemu-system-aarch64` 9.1 or newer.
//!
//! ```no_run
//! use std::sync::atomic::Ordering::SeqCst;
//! use smmu_qemu::{Config, Qemu, Width};
//!
//! let qemu = Qemu::start(&Config::default())?;
//! assert_eq!(qemu.smmu_read(0, Width::W32) & 3, 3); // IDR0: both stages
//! let word = &qemu.ram()[0x1000 / 8];
//! word.store(0x1234_5678, SeqCst);
//! qemu.dma_invert(0, qemu.ram_base() + 0x1000)?; // the SMMU is in bypass at reset
//! assert_eq!(word.load(SeqCst), 0xedcb_a987);
//! assert!(qemu.complaints().is_empty());
//! # Ok::<(), smmu_qemu::QemuError>(())
//! ```
//!
//! | module | does |
//! |---|---|
//! | `config` | what to start: machine, RAM, devices |
//! | `error` | what can go wrong |
//! | `find` | finds a QEMU that is new enough |
//! | `command_line` | turns a `Config` into QEMU's arguments |
//! | `process`, `guard` | the child process and its certain end |
//! | `stderr` | what QEMU logs, and which of it counts against the driver |
//! | `protocol` | qtest lines and replies, with a time limit |
//! | `session` | process and protocol together; remembers the first failure |
//! | `ram` | the shared guest RAM |
//! | `pci`, `rocker` | brings up the DMA devices and commands them |
//! | `discipline` | the register-access rules that QEMU does not check |
//! | `qemu` | the handle that ties it all together |
//! | `skip` | lets tests pass, loudly, where there is no QEMU |
#![deny(unsafe_op_in_unsafe_fn)]

mod command_line;
mod config;
mod discipline;
mod error;
mod find;
mod guard;
mod pci;
mod process;
mod protocol;
mod qemu;
mod ram;
mod rocker;
mod session;
mod skip;
mod stderr;

pub use config::{Config, DeviceSlot, Machine};
pub use discipline::Width;
pub use error::QemuError;
pub use find::{Found, Version};
pub use pci::Device;
pub use qemu::Qemu;
pub use skip::start_or_skip;
