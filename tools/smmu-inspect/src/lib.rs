//! The parts of the `smmu-inspect` command-line tool.

pub mod eval;
