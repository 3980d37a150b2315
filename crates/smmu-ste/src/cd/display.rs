//! CDs as a line of a log: every field that is not 0, by the architecture's names.

use super::Cd;
use super::word::{Cd0, Cd1, Cd2, Cd3, Cd4, Cd5, Cd6, Cd7};
use core::fmt;
use smmu_regs::layout::{Layout, write_fields};

impl fmt::Display for Cd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i] = self.words();
        f.write_str(if Cd0::from_word(a).v() { "CD:" } else { "CD, invalid:" })?;
        write_fields(Cd0::from_word(a), f)?;
        write_fields(Cd1::from_word(b), f)?;
        write_fields(Cd2::from_word(c), f)?;
        write_fields(Cd3::from_word(d), f)?;
        write_fields(Cd4::from_word(e), f)?;
        write_fields(Cd5::from_word(g), f)?;
        write_fields(Cd6::from_word(h), f)?;
        write_fields(Cd7::from_word(i), f)
    }
}

impl fmt::Debug for Cd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cd({self})")
    }
}
