//! The parts of the `smmu-inspect` command-line tool.

pub mod decode;
pub mod demo;
pub mod eval;
pub mod report;

/// The README's pages of code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
