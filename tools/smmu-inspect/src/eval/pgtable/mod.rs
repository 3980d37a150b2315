//! The page-table kinds: what a driver asks of its tables, answered by `io-pgtable-lpae`.

mod config;
mod memory;

pub(super) use config::cfg;
