//! Registers: their places, their fields, what they mean, typed access (IHI 0070 chapter 6).
//!
//! Each register is a type, named as the architecture names it (`SMMU_CMDQ_BASE` is [`CmdqBase`]). It is a copy of the
//! register's bits with a getter for each field (`base.log2size()`), typed constants for the setters
//! ([`CmdqBase::LOG2SIZE`]), and a `Debug` that prints decoded fields. Each field's documentation says what it means, since
//! when it is there, and how its values are called. A setter takes what fits, or gives an error: nothing is masked.
//!
//! ```
//! use smmu_regs::registers::*;
//! # struct Dead;
//! # impl smmu_regs::platform::Mmio for Dead {
//! #     fn read32(&self, _: smmu_regs::platform::RegisterOffset) -> u32 { 1 << 13 }
//! #     fn write32(&self, _: smmu_regs::platform::RegisterOffset, _: u32) {}
//! #     fn read64(&self, _: smmu_regs::platform::RegisterOffset) -> u64 { 0 }
//! #     fn write64(&self, _: smmu_regs::platform::RegisterOffset, _: u64) {}
//! # }
//! # let smmu = Dead;
//! // Any `Mmio` reads and writes them: see `Registers`.
//! let idr0: Idr0 = smmu.get();
//! assert!(idr0.msi());
//!
//! // 2^8 commands at an address: a value that does not fit its field, or an address that is not aligned, is an error.
//! let base = CmdqBase::new()
//!     .try_with(CmdqBase::LOG2SIZE, 8_u8)?
//!     .try_with_address(CmdqBase::ADDR, 0x8000_1000)?
//!     .with(CmdqBase::RA, true);
//! smmu.put(base);
//! assert_eq!(format!("{base:?}"), "CMDQ_BASE { LOG2SIZE=8 ADDR=0x80001000 RA=1 }");
//!
//! // The Realm bank has the same register elsewhere; what differs between banks is a type of its own.
//! let at = CmdqBase::at(Bank::Realm).expect("it has a command queue");
//! smmu.put_at(at, base);
//!
//! // Any register by its place, for a log.
//! let line = describe(Cr1::AT, 0xd75).expect("CR1 is known").to_string();
//! assert!(line.starts_with("CR1 = 0xd75 QUEUE_IC=1 (write-back)"), "{line}");
//! # Ok::<(), smmu_regs::layout::FieldError>(())
//! ```
//!
//! # Which register for what
//!
//! | task | registers |
//! |---|---|
//! | what is this SMMU | [`Idr0`] to [`Idr6`], [`Iidr`], [`Aidr`]: [`Caps`](crate::Caps) reads them for you; [`Pidr0`] ff. |
//! | enable, disable | [`Cr0`] and [`Cr0ack`]; [`Cr1`] and [`Cr2`] before that; [`Gbpa`] for while it is disabled |
//! | where the tables are | [`StrtabBase`], [`StrtabBaseCfg`]; [`DptBase`], [`DptBaseCfg`] |
//! | commands | [`CmdqBase`], [`CmdqProd`], [`CmdqCons`]; more queues: [`EcmdqRegisters`] |
//! | events, page requests | [`EventqBase`], [`EventqProd`], [`EventqCons`]; [`PriqBase`], [`PriqProd`], [`PriqCons`] |
//! | interrupts | [`IrqCtrl`] and [`IrqCtrlack`]; addresses of MSIs: [`EventqIrqCfg0`] and its like |
//! | errors | [`Gerror`] and [`Gerrorn`]; [`CmdqCons`], [`EcmdqCons`], [`DptCfgFar`] for their causes |
//! | ask for a translation | [`GatosCtrl`], [`GatosSid`], [`GatosAddr`], [`GatosPar`]; for a guest [`VatosCtrl`] and its like |
//! | memory partitioning | [`Mpamidr`], [`Gmpam`], [`Gbpmpam`] |
//! | Secure, Realm, Root state | [`Register::at`], and the types whose names begin with `S`, `R` and `Root` |
//!
//! # Rules of access
//!
//! * **Sizes** (6.2). A 32-bit register is accessed by an aligned 32-bit access, a 64-bit one by an aligned 64-bit access
//!   or by its two halves. Two 32-bit registers are never accessed at once. No atomic read-modify-write.
//! * **Reserved bits** are RES0: write 0, do not rely on what is read. Setters never touch them.
//! * **ID registers** are constant after reset. Many fields of other registers are UNKNOWN after it: [`Place::reset_zero`]
//!   says which bits are 0.
//! * **Update handshake** (6.3.9, 6.3.16). A write to `CR0` or `IRQ_CTRL` (in each bank) takes effect when `CR0ACK` or
//!   `IRQ_CTRLACK` reads the same; until then the field must not be changed again.
//!   [`handshake`](crate::handshake) does it with a deadline.
//! * **`UPDATE` bit** ([`Gbpa`], [`Gmpam`], [`Gbpmpam`]). Wait for 0; write all fields with `UPDATE` = 1 in one store; wait for 0.
//! * **Guarded registers** may only be written while what guards them is off, by then acknowledged, else the write is
//!   ignored or the effect is unpredictable:
//!
//!   | guard | guarded |
//!   |---|---|
//!   | `CR0.SMMUEN` | [`Cr2`], [`StrtabBase`], [`StrtabBaseCfg`], the table attributes in [`Cr1`] |
//!   | `CR0.CMDQEN` | [`CmdqBase`], [`CmdqCons`] |
//!   | `CR0.EVENTQEN` | [`EventqBase`], [`EventqProd`] |
//!   | `CR0.PRIQEN` | [`PriqBase`], [`PriqProd`] |
//!   | all queues' enables, of enhanced queues too | the queue attributes in [`Cr1`] |
//!   | the bit of `IRQ_CTRL` | the `*_IRQ_CFG` registers of that interrupt |
//!   | `CR0.DPT_WALK_EN` | [`DptBase`], [`DptBaseCfg`] |
//!   | `PROD.EN` and `CONS.ENACK` of the queue | [`EcmdqBase`], [`EcmdqCons`] |
//!   | `RUN` of the group | the other `*ATOS_*` registers |
//!
//! * **Queue pointers** are an index with a wrap bit above it, at bit `LOG2SIZE`. Empty: all equal. Full: only the wrap
//!   bits differ. Compare them by nothing else. A base is aligned to the size of its queue.
//! * **Error toggles** (6.3.19). Error n is active while bit n of `GERROR` and `GERRORN` differ. Acknowledge by copying that
//!   bit from `GERROR` to `GERRORN`; toggling the bit of an error that is not active is unpredictable.
//! * **Overflow toggles**. A queue has overflowed while `PROD.OVFLG` and `CONS.OVACKFLG` differ. Copy the flag to acknowledge.
//! * **Fault records** ([`DptCfgFar`], [`RootGpfFar`], [`RootGptCfgFar`]) keep the first fault; a write that clears `FAULT` clears
//!   all of it.
//! * **Order.** What the SMMU will read in memory is stored and published
//!   ([`Memory::publish`](crate::platform::Memory::publish)) before the register that leads it there is written.
//!
//! # Where they come from
//!
//! Positions, access kinds, versions, resets and values are proven against the facts in `tests/facts/registers.txt`, both ways. The
//! PMCGs (performance monitors) are devices of their own, with base addresses of their own, and not here.

mod atos;
mod control;
mod describe;
mod dpt;
mod ecmdq;
mod ident;
mod interrupt;
mod list;
mod mpam;
mod peripheral;
mod queue;
mod realm;
mod root;
mod secure;
mod secure_atos;
mod table;

pub use crate::bank::Bank;
pub use atos::*;
pub use control::*;
pub use describe::{Described, DescribedIn, describe, describe_in};
pub use dpt::*;
pub use ecmdq::*;
pub use ident::*;
pub use interrupt::*;
pub use list::{LayoutInfo, REGISTERS, RegisterInfo};
pub use mpam::*;
pub use peripheral::*;
pub use queue::*;
pub use realm::*;
pub use root::*;
pub use secure::*;
pub use secure_atos::*;
pub use table::*;

use crate::layout::Layout;
use crate::platform::{Mmio, Page, RegisterOffset};
use crate::version::Version;

/// How software may access a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Ro,
    /// Read and write.
    Rw,
}

/// A kind of register: a layout that software reads and perhaps writes, wherever it is.
pub trait RegisterType: Layout {
    /// Access kind.
    const ACCESS: Access;
}

/// A register with a place of its own, in one bank or, with the same layout, in several.
pub trait Register: RegisterType {
    /// Its place in each bank that has it; not empty, the Non-secure one first.
    const PLACES: &'static [Place];
    /// Page and offset in the Non-secure bank, or in the only bank that has it.
    const AT: RegisterOffset;

    /// Page and offset in `bank`; `None` if the bank has no such register.
    #[must_use]
    fn at(bank: Bank) -> Option<RegisterOffset> {
        Self::PLACES.iter().find(|place| place.bank == bank).map(|place| place.at)
    }
}

/// A register's place in one bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The architecture's name there, without `SMMU_`: `CR1`, `S_CR1`, `R_CR1`.
    pub name: &'static str,
    /// The bank.
    pub bank: Bank,
    /// Page and offset.
    pub at: RegisterOffset,
    /// The version of the architecture that defined it there.
    pub since: Version,
    /// The bits that a reset clears. All others are UNKNOWN or IMPLEMENTATION DEFINED after one, or read only.
    pub reset_zero: u64,
}

/// A register that software may write.
pub trait Writable: RegisterType {}

/// Typed register access on top of [`Mmio`].
pub trait Registers: Mmio {
    /// Reads register `R`.
    fn get<R: Register>(&self) -> R {
        self.get_at(R::AT)
    }

    /// Writes register `R`.
    fn put<R: Register + Writable>(&self, value: R) {
        self.put_at(R::AT, value);
    }

    /// Reads the register of type `R` at `at`.
    fn get_at<R: RegisterType>(&self, at: RegisterOffset) -> R {
        R::from_word(match R::WIDTH {
            64 => self.read64(at),
            _ => u64::from(self.read32(at)),
        })
    }

    /// Writes the register of type `R` at `at`.
    fn put_at<R: Writable>(&self, at: RegisterOffset, value: R) {
        match R::WIDTH {
            64 => self.write64(at, value.word()),
            // A 32-bit layout's word has no bit above 31.
            _ => self.write32(at, (value.word() & u64::from(u32::MAX)) as u32),
        }
    }
}

impl<M: Mmio + ?Sized> Registers for M {}

/// Gives register types their places: for each bank its name there, version, place, and the fields that reset to 0.
macro_rules! registers {
    ($($name:ident: $access:ident {
        $first:ident $first_bank:ident $first_since:ident $first_page:ident($first_offset:literal)
            $first_reset:ident $(($($first_field:ident)+))?;
        $($full:ident $bank:ident $since:ident $page:ident($offset:literal) $reset:ident $(($($field:ident)+))?;)*
    })*) => {$(
        impl $crate::registers::RegisterType for $name {
            const ACCESS: $crate::registers::Access = registers!(@access $access);
        }
        impl $crate::registers::Register for $name {
            const AT: $crate::platform::RegisterOffset =
                $crate::platform::RegisterOffset::$first_page($first_offset);
            const PLACES: &'static [$crate::registers::Place] = &[
                $crate::registers::Place {
                    name: stringify!($first),
                    bank: $crate::registers::Bank::$first_bank,
                    at: Self::AT,
                    since: $crate::version::Version::$first_since,
                    reset_zero: registers!(@reset $name $first_reset $($($first_field)+)?),
                },
                $($crate::registers::Place {
                    name: stringify!($full),
                    bank: $crate::registers::Bank::$bank,
                    at: $crate::platform::RegisterOffset::$page($offset),
                    since: $crate::version::Version::$since,
                    reset_zero: registers!(@reset $name $reset $($($field)+)?),
                },)*
            ];
        }
        registers!(@writable $access $name);
    )*};
    (@access RO) => { $crate::registers::Access::Ro };
    (@access RW) => { $crate::registers::Access::Rw };
    (@writable RO $name:ident) => {};
    (@writable RW $name:ident) => {
        impl $crate::registers::Writable for $name {}
    };
    (@reset $name:ident none) => { 0 };
    (@reset $name:ident zero) => {
        $crate::layout::named_bits(<$name as $crate::layout::Layout>::FIELDS)
    };
    (@reset $name:ident zero $($field:ident)+) => { $($name::$field.mask())|+ };
    (@reset $name:ident zero_but $($field:ident)+) => {
        registers!(@reset $name zero) & !($($name::$field.mask())|+)
    };
}
use registers;
