//! Capabilities: what ID registers say, what they cannot say, what errata take away, and what is made of the rest.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod errata;
mod guest;
mod known;
mod law;
mod rules;
mod sets;
#[cfg(feature = "serde")]
mod stored;
