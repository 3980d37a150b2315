//! What an STE and a CD may be.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod conditions;
mod geometry;
mod golden;
mod guest;
mod options;
mod refusals;
mod round_trips;
mod setup;
