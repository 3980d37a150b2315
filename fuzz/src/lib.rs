//! What the fuzz targets share: how arbitrary bytes become capabilities, STEs and commands, and small independent judges.
//!
//! A target is a property that holds for every input; the judges are written from the architecture, not from the code they
//! judge. Everything else is in the targets themselves.

pub mod caps;
pub mod command;
pub mod memory;
pub mod ste;
pub mod transition;
pub mod vmsa;
