//! The differential test: random sequences of what drivers do, on the software model and on QEMU's SMMUv3.
//!
//! A [`Sequence`](op::Sequence) is plain data, made from a 64-bit seed by [`sequence`]: a setup of address spaces, then
//! operations - attach, map, unmap, invalidate, DMA - right ones and deliberately wrong ones. One interpreter carries it
//! out on both machines through the crates, as a driver would. The model is the adversarial one, which knows at each moment
//! all that the architecture permits ([`permitted`]), whatever is cached. After each DMA both machines are asked where memory
//! changed and what was recorded:
//!
//! * while one outcome is permitted, which is so as long as the driver does everything right, both answers must be equal,
//!   records included;
//! * after an operation that was wrong, until an invalidation makes up for it, the other machine's answer must be one of
//!   those permitted;
//! * what QEMU is known to do wrongly is excused, as narrowly as it can be said ([`excuse::QEMU`]).
//!
//! What disagrees is made small and printed ([`Disagreement`]). [`Campaign`] runs many sequences.
//!
//! One file holds one idea: `random`, `setup`, `window` and `generate` make sequences; `space`, `act`, `fault`,
//! `corrupt`, `observe` and `lab` carry them out; `stale`, `judge`, `excuse` and `permitted` judge; `pair`, `campaign` and `shrink` run.
#![forbid(unsafe_code)]

mod act;
pub mod address;
mod campaign;
mod corrupt;
mod counts;
mod disagreement;
mod error;
pub mod excuse;
pub mod fault;
mod generate;
mod judge;
mod lab;
pub mod observe;
pub mod op;
mod pair;
pub mod permitted;
mod random;
mod setup;
mod shrink;
mod space;
mod stale;
mod window;

pub use campaign::{Campaign, Found, Limits, Report, STREAMS, Start};
pub use counts::Counts;
pub use disagreement::Disagreement;
pub use error::DifferError;
pub use generate::sequence;
pub use judge::Matter;
pub use random::Random;
