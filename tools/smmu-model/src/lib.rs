//! A software Arm SMMUv3: the judge for the driver crates of this repository.
//!
//! It shares no code and no constants with what it judges: every bit position in [`layout`] was typed from the text of
//! IHI 0070. Give a [`Model`] a [`Profile`] (the ID registers) and a [`Bus`] (memory), drive its registers like a
//! driver does, then send client transactions with [`Model::dma`].
//!
//! Three things make it a judge and not only an emulator:
//! * configuration caches and TLBs really cache, and drop exactly what each command must drop, so a missing or too
//!   narrow invalidation is visible as a stale translation;
//! * [`Model::complaints`] names every use that the architecture forbids, also where the effect would be harmless;
//! * [`Model::trace`] tells what was consumed and recorded.
//!
//! Modelled: the Non-secure programming interface, VMSAv8-64 with 4KB, 16KB and 64KB granules and LPA/LPA2, both
//! stages, stalls, hardware update of leaf access flag and dirty state. Not modelled: Secure, Realm and Root state,
//! VMSAv8-32 LPAE, VMSAv9-128, permission indirection and overlays, MPAM, DPT, ATS and PRI requests, ATOS, ECMDQ,
//! memory attributes.
//!
//! One file holds one idea: [`layout`] positions, `regs`/`mmio` registers, `command`/`cmdq` commands, `config_cache`,
//! `tlb`/`tlbi` caches, `stream`/`ste` and `context`/`cd` configuration, `geometry`/`walk1`/`walk2`/`perms`/`translate`
//! translation, `event`/`report` events and interrupts.

mod access;
mod adversary;
mod bbm;
mod bus;
mod cd;
mod cmdq;
mod command;
mod config_cache;
mod context;
mod drops;
mod event;
mod field;
mod geometry;
mod imagine;
pub mod layout;
mod mmio;
mod model;
mod past;
mod perms;
mod profile;
mod reach;
mod regs;
mod report;
mod ring;
mod ste;
mod stream;
mod times;
mod tlb;
mod tlbi;
mod translate;
mod walk1;
mod walk2;
mod world;

pub use access::{Access, Class, Fault, Hang, Irq, Outcome, Trace, Width};
pub use adversary::{Adversity, Atomicity};
pub use bus::Bus;
pub use field::Field;
pub use model::Model;
pub use profile::Profile;
