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
//! # Two settings
//! [`Model::new`] is one SMMU that might exist: transactions fill its caches, commands are taken at once. It is fast, and it
//! finds what such an SMMU happens to show.
//!
//! [`Model::adversarial`] is all of them together. It knows every value that memory in the SMMU's reach has had, and since
//! and until when; from the invalidations that were completed it follows what may still be cached of it, whole structures
//! or single atoms of them, leaves and tables, alone or made of both stages. [`Model::permitted`] runs the one path of a
//! transaction through every choice that is left and gives the set of outcomes that the architecture permits at this
//! moment: a driver is right if each of them is. Tell it of barriers ([`Model::barrier`]), of stores of 128 bits
//! ([`Model::stored_pair`]), of memory that is given back ([`Model::freed`]) and of time ([`Model::tick`]); it finds changed
//! memory by itself.
//!
//! # What is modelled
//! The Non-secure programming interface with enhanced command queues ([`Profile::ecmdq`]), VMSAv8-64 with 4KB, 16KB and 64KB granules and LPA/LPA2, both stages, stalled
//! transactions and what releases them ([`Model::stalled`], [`Model::resumed`]), page requests and their responses
//! ([`Model::page_request`]), ATS with devices that remember translations ([`Model::ats_dma32`]), hardware update of leaf access
//! flag and dirty state, service failure mode; things that hang ([`Hang`]) and memory that aborts. Not modelled: Secure, Realm
//! and Root state, VMSAv8-32 LPAE, VMSAv9-128, permission indirection and overlays, MPAM, DPT, split-stage ATS, ATS execute
//! permission, ATOS, memory attributes.
//!
//! Limits of the adversarial setting. It permits too little where: a word changed twice between two looks (the value in
//! between is not known); a fetch aborts now and a copy may be cached; `CR2.E2H`, `STE.CONT` or `CD.TBI` changed; data
//! pages, not tables, are freed too early. Whether a fault is recorded is no part of an outcome. It takes the replacement of
//! a table by another one with the same translations for a break of the rules. A history of thousands of changes without an
//! invalidation of everything makes it slow; more ways than it tries are a complaint.
//!
//! # One file, one idea
//! [`layout`] positions; `regs`, `mmio` registers; `command`, `cmdq` commands, `ecmdq` enhanced
//! command queues; `config_cache`, `tlb`, `tlbi` caches and
//! what commands drop; `stream`, `ste`, `context`, `cd` configuration; `geometry`, `walk1`, `walk2`, `perms`, `translate`
//! translation; `event`, `report` events and interrupts; `stall` stalled transactions; `pri` page requests; `ats` translation
//! requests and ATCs.
//!
//! Of the adversarial setting: `times` sets of moments; `past` what memory was, when; `drops` what is cached in spite of
//! which invalidations; `world` choices; `imagine` the hooks by which `translate` makes them; `reach` what the SMMU can
//! read; `group` contiguous groups; `bbm` break-before-make; `adversary` the rest.

mod access;
mod adversary;
mod ats;
mod bbm;
mod bus;
mod cd;
mod cmdq;
mod command;
mod config_cache;
mod context;
mod drops;
mod ecmdq;
mod event;
mod field;
mod geometry;
mod group;
mod imagine;
pub mod layout;
mod mmio;
mod model;
mod past;
mod perms;
mod pri;
mod profile;
mod reach;
mod regs;
mod report;
mod ring;
mod stall;
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
pub use ats::{AtsAccess, AtsCompletion, Translation};
pub use bus::Bus;
pub use field::Field;
pub use model::Model;
pub use pri::{PageRequest, PageResponse};
pub use profile::Profile;
pub use stall::{Resumed, Stalled};
