//! Fields of structures and descriptors that are set wrongly, or just otherwise, for a single DMA.
//!
//! Only what leads to a fault, or leaves the output where it was: a walk that took a wrong turn could end in memory that
//! is not the arena. What QEMU does not look at at all is not here (facts/qemu.md 6), nor is what makes it abort: IPS and
//! S2PS of 6 and 7, and S2AA64 of 0.

/// Where a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In this word of the device's STE.
    Ste(usize),
    /// In this word of its CD.
    Cd(usize),
    /// In the stage-1 descriptor so many levels above the leaf of the address.
    Stage1(u8),
    /// In the stage-2 descriptor so many levels above the leaf of the address.
    Stage2(u8),
}

/// A value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The field and the value, for a person.
    pub name: &'static str,
    /// Where the field is.
    pub place: Place,
    /// Lowest bit.
    pub lsb: u32,
    /// Bits.
    pub width: u32,
    /// Value.
    pub value: u64,
    /// Only in a descriptor of level 3.
    pub page_only: bool,
}

impl Fault {
    /// `word` with the field set.
    #[must_use]
    pub const fn apply(&self, word: u64) -> u64 {
        let mask = ((1 << self.width) - 1) << self.lsb;
        word & !mask | self.value << self.lsb & mask
    }
}

const fn fault(name: &'static str, place: Place, lsb: u32, width: u32, value: u64) -> Fault {
    Fault { name, place, lsb, width, value, page_only: false }
}

/// Positions from IHI 0070 5.2 and 5.4 and DDI 0487 D8.3. Bits 43:40 of an address lead to where nothing is, bit 44 and above
/// beyond the 44 bits of QEMU's addresses.
pub const FAULTS: &[Fault] = &[
    fault("STE.V=0", Place::Ste(0), 0, 1, 0),
    fault("STE.Config=1", Place::Ste(0), 1, 3, 1),
    fault("STE.Config=2", Place::Ste(0), 1, 3, 2),
    fault("STE.Config=3", Place::Ste(0), 1, 3, 3),
    fault("STE.S1ContextPtr is nowhere", Place::Ste(0), 40, 4, 15),
    fault("STE.S1ContextPtr is too large", Place::Ste(0), 44, 1, 1),
    fault("STE.S1STALLD=1", Place::Ste(1), 27, 1, 1),
    fault("STE.S2T0SZ=0", Place::Ste(2), 32, 6, 0),
    fault("STE.S2T0SZ=19", Place::Ste(2), 32, 6, 19),
    fault("STE.S2T0SZ=40", Place::Ste(2), 32, 6, 40),
    fault("STE.S2T0SZ=63", Place::Ste(2), 32, 6, 63),
    fault("STE.S2SL0=3", Place::Ste(2), 38, 2, 3),
    fault("STE.S2TG=3", Place::Ste(2), 46, 2, 3),
    fault("STE.S2PS=0", Place::Ste(2), 48, 3, 0),
    fault("STE.S2PS=5", Place::Ste(2), 48, 3, 5),
    fault("STE.S2ENDI=1", Place::Ste(2), 52, 1, 1),
    fault("STE.S2AFFD=1", Place::Ste(2), 53, 1, 1),
    fault("STE.S2S=1", Place::Ste(2), 57, 1, 1),
    fault("STE.S2R=0", Place::Ste(2), 58, 1, 0),
    fault("STE.S2TTB is nowhere", Place::Ste(3), 40, 4, 15),
    fault("STE.S2TTB is too large", Place::Ste(3), 44, 1, 1),
    fault("CD.T0SZ=0", Place::Cd(0), 0, 6, 0),
    fault("CD.T0SZ=15", Place::Cd(0), 0, 6, 15),
    fault("CD.T0SZ=40", Place::Cd(0), 0, 6, 40),
    fault("CD.T0SZ=63", Place::Cd(0), 0, 6, 63),
    fault("CD.TG0=3", Place::Cd(0), 6, 2, 3),
    fault("CD.EPD0=1", Place::Cd(0), 14, 1, 1),
    fault("CD.ENDI=1", Place::Cd(0), 15, 1, 1),
    fault("CD.T1SZ=0", Place::Cd(0), 16, 6, 0),
    fault("CD.T1SZ=15", Place::Cd(0), 16, 6, 15),
    fault("CD.T1SZ=40", Place::Cd(0), 16, 6, 40),
    fault("CD.T1SZ=63", Place::Cd(0), 16, 6, 63),
    fault("CD.TG1=0", Place::Cd(0), 22, 2, 0),
    fault("CD.EPD1=1", Place::Cd(0), 30, 1, 1),
    fault("CD.V=0", Place::Cd(0), 31, 1, 0),
    fault("CD.IPS=0", Place::Cd(0), 32, 3, 0),
    fault("CD.IPS=5", Place::Cd(0), 32, 3, 5),
    fault("CD.AFFD=1", Place::Cd(0), 35, 1, 1),
    fault("CD.TBI0=1", Place::Cd(0), 38, 1, 1),
    fault("CD.AA64=0", Place::Cd(0), 41, 1, 0),
    fault("CD.HD=1", Place::Cd(0), 42, 1, 1),
    fault("CD.HA=1", Place::Cd(0), 43, 1, 1),
    fault("CD.S=1", Place::Cd(0), 44, 1, 1),
    fault("CD.R=0", Place::Cd(0), 45, 1, 0),
    fault("CD.A=0", Place::Cd(0), 46, 1, 0),
    fault("CD.HAD0=1", Place::Cd(1), 1, 1, 1),
    fault("CD.TTB0 is nowhere", Place::Cd(1), 40, 4, 15),
    fault("CD.TTB0 is too large", Place::Cd(1), 44, 1, 1),
    fault("CD.HAD1=1", Place::Cd(2), 1, 1, 1),
    fault("CD.TTB1 is nowhere", Place::Cd(2), 40, 4, 15),
    fault("CD.TTB1 is too large", Place::Cd(2), 44, 1, 1),
    fault("invalid stage-1 leaf", Place::Stage1(0), 0, 1, 0),
    Fault { page_only: true, ..fault("reserved type of stage-1 leaf", Place::Stage1(0), 0, 2, 1) },
    fault("stage-1 AP[2]=1", Place::Stage1(0), 7, 1, 1),
    fault("stage-1 AF=0", Place::Stage1(0), 10, 1, 0),
    fault("stage-1 output is nowhere", Place::Stage1(0), 40, 4, 15),
    fault("stage-1 output is too large", Place::Stage1(0), 47, 1, 1),
    fault("invalid stage-1 table", Place::Stage1(1), 0, 1, 0),
    fault("stage-1 table is nowhere", Place::Stage1(1), 40, 4, 15),
    fault("stage-1 table is too high", Place::Stage1(1), 47, 1, 1),
    fault("invalid stage-1 table, two up", Place::Stage1(2), 0, 1, 0),
    fault("stage-1 table is nowhere, two up", Place::Stage1(2), 40, 4, 15),
    fault("invalid stage-2 leaf", Place::Stage2(0), 0, 1, 0),
    Fault { page_only: true, ..fault("reserved type of stage-2 leaf", Place::Stage2(0), 0, 2, 1) },
    fault("stage-2 S2AP=0", Place::Stage2(0), 6, 2, 0),
    fault("stage-2 S2AP=1", Place::Stage2(0), 6, 2, 1),
    fault("stage-2 S2AP=2", Place::Stage2(0), 6, 2, 2),
    fault("stage-2 AF=0", Place::Stage2(0), 10, 1, 0),
    fault("stage-2 output is nowhere", Place::Stage2(0), 40, 4, 15),
    fault("stage-2 output is too large", Place::Stage2(0), 47, 1, 1),
    fault("invalid stage-2 table", Place::Stage2(1), 0, 1, 0),
    fault("stage-2 table is nowhere", Place::Stage2(1), 40, 4, 15),
    fault("stage-2 table is too high", Place::Stage2(1), 47, 1, 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_and_names_are_unique() {
        for (number, fault) in FAULTS.iter().enumerate() {
            assert!(fault.value >> fault.width == 0 && fault.lsb + fault.width <= 64, "{}", fault.name);
            assert_eq!(fault.apply(u64::MAX) & fault.apply(0), fault.value << fault.lsb, "{}", fault.name);
            assert!(!FAULTS[..number].iter().any(|other| other.name == fault.name), "{}", fault.name);
        }
    }
}
