//! The page-table kinds: what a driver asks of its tables, answered by `io-pgtable-lpae`.

mod attributes;
mod config;
mod dirty;
mod extended;
mod memory;
mod ops;

pub(super) use attributes::{pack, prot};
pub(super) use config::cfg;
pub(super) use extended::{cfg as extended_cfg, session as extended_session};
pub(super) use ops::session;
