//! The ground floor: what an Arm SMMUv3 is.
//!
//! Registers and their fields, the ID registers turned into one value of capabilities with errata applied, the
//! handshakes of bring-up, the vocabulary that all other crates share (identifiers, addresses, granules, ranges,
//! translation regimes), the three traits a platform supplies, and receipts for work that hardware has completed.
//!
//! | to | see |
//! |---|---|
//! | supply a platform: registers, memory, a clock | [`platform`]; for hardware [`platform::Device`] |
//! | know what an SMMU can do, and its errata | [`Caps::probe`] |
//! | bring one up, or take it over from firmware | [`lifecycle`] |
//! | read or write a register by hand, or print one | [`registers`] |
//! | change `CR0`, `GBPA` or `IRQ_CTRL` and wait for the SMMU | [`handshake`] |
//! | name a stream, an address space, an address | [`id`], [`addr`] |
//! | describe translation regimes, granules, ranges | [`vmsa`] |
//! | know that an invalidation is complete | [`receipt`] |
//! | declare a word of fields as these crates do | [`layout`] |
//!
//! Commands, events and queues are in `smmu-cmds`; stream table entries and context descriptors in `smmu-ste`.
//!
//! # A platform of hardware
//!
//! [`platform::Device`] is the registers; on aarch64 `platform::aarch64` has the barriers, the cache maintenance and the clock. What is
//! left for a driver is to map pages and to own memory:
//!
//! ```no_run
//! use core::ptr::NonNull;
//! use core::time::Duration;
//! use smmu_regs::caps::{Caps, Hints, IdRegisters};
//! use smmu_regs::platform::{Deadline, Device};
//! use smmu_regs::registers::{Cr0, Cr0ack, Registers};
//!
//! # fn map(_: u64) -> NonNull<u8> { unimplemented!() }
//! # struct Timer;
//! # impl smmu_regs::platform::Clock for Timer { fn now(&self) -> Duration { unimplemented!() } }
//! # let timer = Timer;
//! // SAFETY: two 64 KiB pages of Device-nGnRE memory that stay mapped; nobody else drives this SMMU.
//! let smmu = unsafe { Device::new(map(0x0905_0000), map(0x0906_0000)) };
//!
//! let caps = Caps::probe(&IdRegisters::read(&smmu), &Hints::default())?;
//! assert!(caps.stream_id_bits > 0);
//!
//! // Every wait has a deadline.
//! smmu.put(Cr0::new());
//! let deadline = Deadline::after(&timer, Duration::from_millis(100));
//! deadline.wait(&timer, || (smmu.get::<Cr0ack>().into_bits() == 0).then_some(())).expect("CR0ACK follows CR0");
//! # Ok::<(), smmu_regs::caps::ProbeError>(())
//! ```
//!
//! [`lifecycle`] does all this in the order that leaves no device a moment of unfiltered DMA.
//!
//! # Features
//!
//! `alloc`, `kernel` and `hypervisor` are those of all five crates; `serde` makes values serializable. None changes a
//! signature, a layout or a result. There is no `unsafe` but at the registers and in the [`platform::Memory`] trait.
//!
//! Sections cited are those of the SMMUv3 architecture (Arm IHI 0070) unless they name the Arm ARM (DDI 0487).
#![no_std]
#![deny(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod addr;
pub mod bank;
pub mod caps;
pub mod handshake;
pub mod id;
pub mod layout;
pub mod lifecycle;
pub mod platform;
pub mod receipt;
pub mod registers;
#[cfg(feature = "hypervisor")]
pub mod trap;
pub mod version;
pub mod vmsa;

pub use addr::{AddressSize, PhysAddr};
pub use bank::Bank;
pub use caps::{Caps, Feature, Quirk};
pub use id::{Asid, IdError, InstanceId, StreamId, SubstreamId, VirtualStreamId, Vmid};
pub use version::Version;
