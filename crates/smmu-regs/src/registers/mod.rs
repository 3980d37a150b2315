//! Registers: their places, their fields, typed access.
//!
//! Each register is a type with a getter for every field; [`Registers`] reads and writes them through any
//! [`Mmio`]. Positions are proven against the facts in `tests/facts/registers.txt`.

mod bank;
mod control;
mod describe;
mod ecmdq;
mod ident;
mod interrupt;
mod queue;
mod table;

pub use bank::Bank;
pub use control::*;
pub use describe::{Described, describe};
pub use ecmdq::*;
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

/// A kind of register: a layout that software reads and perhaps writes, wherever it is.
pub trait RegisterType: Layout {
    /// Access kind.
    const ACCESS: Access;
}

/// A register with a place of its own.
pub trait Register: RegisterType {
    /// Page and offset.
    const AT: RegisterOffset;
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

/// Gives register types their places.
macro_rules! registers {
    ($($name:ident: $access:ident $page:ident($offset:literal);)*) => {$(
        impl $crate::registers::RegisterType for $name {
            const ACCESS: $crate::registers::Access = registers!(@access $access);
        }
        impl $crate::registers::Register for $name {
            const AT: $crate::platform::RegisterOffset = $crate::platform::RegisterOffset::$page($offset);
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
