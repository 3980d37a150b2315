//! Registers: their places, their fields, typed access.
//!
//! Each register is a type with a getter for every field; [`Registers`] reads and writes them through any
//! [`Mmio`]. Positions are proven against the facts in `tests/facts/registers.txt`.

mod control;
mod describe;
mod ident;
mod interrupt;
mod queue;
mod table;

pub use control::*;
pub use describe::{Described, describe};
pub use ident::*;
pub use interrupt::*;
pub use queue::*;
pub use table::*;

use crate::layout::Layout;
use crate::platform::{Mmio, RegisterOffset};

/// How software may access a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Ro,
    /// Read and write.
    Rw,
}

/// A register: a layout with a place.
pub trait Register: Layout {
    /// Page and offset.
    const AT: RegisterOffset;
    /// Access kind.
    const ACCESS: Access;
}

/// A register that software may write.
pub trait Writable: Register {}

/// Typed register access on top of [`Mmio`].
pub trait Registers: Mmio {
    /// Reads register `R`.
    fn get<R: Register>(&self) -> R {
        R::from_word(match R::WIDTH {
            64 => self.read64(R::AT),
            _ => u64::from(self.read32(R::AT)),
        })
    }

    /// Writes register `R`.
    fn put<R: Writable>(&self, value: R) {
        match R::WIDTH {
            64 => self.write64(R::AT, value.word()),
            // A 32-bit layout's word has no bit above 31.
            _ => self.write32(R::AT, (value.word() & u64::from(u32::MAX)) as u32),
        }
    }
}

impl<M: Mmio + ?Sized> Registers for M {}

/// Gives register types their places.
macro_rules! registers {
    ($($name:ident: $access:ident $page:ident($offset:literal);)*) => {$(
        impl $crate::registers::Register for $name {
            const AT: $crate::platform::RegisterOffset = $crate::platform::RegisterOffset::$page($offset);
            const ACCESS: $crate::registers::Access = registers!(@access $access);
        }
        registers!(@writable $access $name);
    )*};
    (@access RO) => { $crate::registers::Access::Ro };
    (@access RW) => { $crate::registers::Access::Rw };
    (@writable RO $name:ident) => {};
    (@writable RW $name:ident) => {
        impl $crate::registers::Writable for $name {}
    };
}
use registers;
