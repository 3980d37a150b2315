//! The page-table kinds: what a driver asks of its tables, answered by `io-pgtable-lpae`.

mod attributes;
mod config;
mod dirty;
mod memory;
mod ops;

pub(super) use attributes::{pack, prot};
pub(super) use config::cfg;
pub(super) use ops::session;

use super::error::{Answer, Stop};
use super::input::Fields;

/// `pgtable_ext_cfg` and `pgtable_ext_maps`: every one of their tables has contiguous groups.
pub(super) fn extended(_: &Fields<'_>) -> Answer {
    Err(Stop::Skip("io-pgtable-lpae writes no contiguous groups and no DS descriptors yet".to_owned()))
}
