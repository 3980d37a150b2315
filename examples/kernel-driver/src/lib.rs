//! A driver core in kernel style, built from the SMMUv3 crates: one SMMU, domains, devices attached to them.
//!
//! It holds no sequencing of its own. What it adds is bookkeeping - which streams are attached where - and the order in
//! which the crates are asked. [`Driver`] is generic over the platform, so the very same code runs on hardware, on the
//! software model and on QEMU.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod domain;
mod driver;
mod error;
mod tags;

pub use domain::{Domain, DomainKind};
pub use driver::{Config, Driver, Notice};
pub use error::DriverError;
