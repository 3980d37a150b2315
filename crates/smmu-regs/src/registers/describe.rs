//! Any register by its place: for logs and tools.

use super::*;
use crate::layout::write_fields;
use core::fmt;

/// A register's name and a value of it, printed with decoded fields.
#[derive(Clone, Copy)]
pub struct Described {
    name: &'static str,
    width: u32,
    value: u64,
    fields: fn(u64, &mut fmt::Formatter<'_>) -> fmt::Result,
}

impl Described {
    /// The architecture's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Width in bits: 32 or 64.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:#x}", self.name, self.value)?;
        (self.fields)(self.value, f)
    }
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn described<R: Register>(value: u64) -> Described {
    Described {
        name: R::NAME,
        width: R::WIDTH,
        value,
        fields: |value, f| write_fields(R::from_word(value), f),
    }
}

macro_rules! table {
    ($($name:ident)*) => {
        /// What the register at `at` says if it holds `value`; `None` if no register is known there.
        #[must_use]
        pub fn describe(at: RegisterOffset, value: u64) -> Option<Described> {
            $(
                if at == $name::AT {
                    return Some(described::<$name>(value));
                }
            )*
            None
        }
    };
}

table! {
    Idr0 Idr1 Idr2 Idr3 Idr4 Idr5 Idr6 Iidr Aidr
    Cr0 Cr0ack Cr1 Cr2 Statusr Gbpa
    IrqCtrl IrqCtrlack Gerror Gerrorn GerrorIrqCfg0 GerrorIrqCfg1 GerrorIrqCfg2
    EventqIrqCfg0 EventqIrqCfg1 EventqIrqCfg2 PriqIrqCfg0 PriqIrqCfg1 PriqIrqCfg2
    StrtabBase StrtabBaseCfg
    CmdqBase CmdqProd CmdqCons EventqBase EventqProd EventqCons PriqBase PriqProd PriqCons
}
