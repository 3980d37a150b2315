//! STEs as a line of a log: every field that is not 0, by the architecture's names.

use super::word::{Ste0, Ste1, Ste2, Ste3, Ste4, Ste5, Ste6, Ste7};
use super::{Ste, SteSummary};
use core::fmt;
use smmu_regs::layout::{Layout, write_fields};

impl fmt::Display for Ste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i] = self.words();
        f.write_str(match self.decode() {
            Ok(SteSummary::Invalid) => "invalid",
            Ok(SteSummary::Abort) => "abort",
            Ok(SteSummary::Bypass) => "bypass",
            Ok(SteSummary::Stage1(..)) => "stage 1",
            Ok(SteSummary::Stage2(..)) => "stage 2",
            Ok(SteSummary::Nested(..)) => "nested",
            Err(_) => "odd",
        })?;
        f.write_str(":")?;
        write_fields(Ste0::from_word(a), f)?;
        write_fields(Ste1::from_word(b), f)?;
        write_fields(Ste2::from_word(c), f)?;
        write_fields(Ste3::from_word(d), f)?;
        write_fields(Ste4::from_word(e), f)?;
        write_fields(Ste5::from_word(g), f)?;
        write_fields(Ste6::from_word(h), f)?;
        write_fields(Ste7::from_word(i), f)
    }
}

impl fmt::Debug for Ste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ste({self})")
    }
}
