//! Registers: their places, their fields, typed access.
//!
//! Each register is a type with a getter for every field; [`Registers`] reads and writes them through any
//! [`Mmio`]. Positions are proven against the facts in `tests/facts/registers.txt`.

mod atos;
mod bank;
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

pub use atos::*;
pub use bank::Bank;
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
