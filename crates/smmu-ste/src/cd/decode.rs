//! View to something a person or a driver can read.

use super::Cd;
use super::word::{Cd0, Cd1, Cd2, Cd3};
use smmu_regs::addr::{AddressSize, PhysAddr};
use smmu_regs::vmsa::{
    Cacheability, Granule, Shareability, Stage1Regime, TableBase, UpdateFlags, WalkAttributes,
};
use smmu_regs::{Asid, layout::Layout};

/// What a CD says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CdSummary {
    /// V = 0: using it is C_BAD_CD.
    Invalid,
    /// An address space.
    Valid(Stage1Regime, Asid),
    /// Not VMSAv8-64, or a field holds a reserved value: the field's name and value.
    Reserved(&'static str, u8),
}

impl Cd {
    /// What this CD says. Halves that it disables are not looked at.
    #[must_use]
    pub fn decode(&self) -> CdSummary {
        let [zero, one, two, three, ..] = self.words();
        let (zero, one) = (Cd0::from_word(zero), Cd1::from_word(one));
        let (two, three) = (Cd2::from_word(two), Cd3::from_word(three));
        if !zero.v() {
            return CdSummary::Invalid;
        }
        if !zero.aa64() {
            return CdSummary::Reserved("AA64", 0);
        }
        let lower = (
            zero.t0sz(),
            Granule::from_tg0(zero.tg0()).ok_or(("TG0", zero.tg0())),
            [zero.ir0(), zero.or0(), zero.sh0()],
            one.address(Cd1::TTB0),
        );
        let upper = (
            zero.t1sz(),
            Granule::from_tg1(zero.tg1()).ok_or(("TG1", zero.tg1())),
            [zero.ir1(), zero.or1(), zero.sh1()],
            two.address(Cd2::TTB1),
        );
        let base = |(size, granule, walk, base): (u8, Result<Granule, _>, _, _)| {
            Ok(TableBase {
                base: PhysAddr::new(base),
                granule: granule?,
                input_bits: 64_u8.saturating_sub(size),
                walk: walk_attributes(walk)?,
            })
        };
        let half = |off: bool, half| if off { Ok(None) } else { base(half).map(Some) };
        let regime = half(zero.epd0(), lower).and_then(|ttb0| {
            Ok(Stage1Regime {
                ttb0,
                ttb1: half(zero.epd1(), upper)?,
                ips: AddressSize::from_code(zero.ips()).ok_or(("IPS", zero.ips()))?,
                mair: three.word(),
                update: UpdateFlags {
                    access_flag: zero.ha(),
                    dirty: zero.hd(),
                    table_access_flag: one.haft(),
                },
                ds: two.ds(),
            })
        });
        match regime {
            Ok(regime) => CdSummary::Valid(regime, Asid::new(zero.asid())),
            Err((field, value)) => CdSummary::Reserved(field, value),
        }
    }
}

fn walk_attributes([inner, outer, share]: [u8; 3]) -> Result<WalkAttributes, (&'static str, u8)> {
    Ok(WalkAttributes {
        inner: Cacheability::from_code(inner).ok_or(("IR", inner))?,
        outer: Cacheability::from_code(outer).ok_or(("OR", outer))?,
        shareability: Shareability::from_code(share).ok_or(("SH", share))?,
    })
}
