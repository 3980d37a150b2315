//! The parts of the `smmu-inspect` command-line tool.

pub mod demo;
pub mod eval;
pub mod report;
