//! The page-table kinds: what a driver asks of its tables, answered by `io-pgtable-lpae`.

mod attributes;
mod config;
mod dirty;
mod memory;
mod ops;

pub(super) use attributes::{pack, prot};
pub(super) use config::cfg;
pub(super) use ops::session;
