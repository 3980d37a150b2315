//! The vocabulary of VMSAv8-64 translation tables (DDI 0487 chapter D8): granules, levels, ranges, translation regimes.
//!
//! It stands here, on the lowest floor, because page tables, STEs, CDs and TLB invalidation all speak it.

mod granule;
mod level;
mod range;
mod regime;

pub use granule::{Granule, GranuleSet};
pub use level::{Level, LevelSet};
pub use range::{IovaRange, RangeError};
pub use regime::{
    Cacheability, HardwareUpdate, RegimeError, Shareability, Stage1Regime, Stage2Regime, TableBase,
    UpdateFlags, WalkAttributes, concatenated_tables,
};
