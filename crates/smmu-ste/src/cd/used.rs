//! Which bits of a CD the SMMU acts on, or checks (IHI 0070 5.4): the basis of hitless updates.
//!
//! What depends on the STE through which a CD is reached (`S1PIE`, `S1MPAM`) is counted as
//! used if any STE could make it so. IMPLEMENTATION DEFINED bits are not counted: these crates write them 0.

use super::word::{Cd0, Cd1, Cd2, Cd3, Cd4, Cd5, Cd6, Cd7};
use super::{Cd, CdWorld};
use smmu_regs::caps::{Caps, Feature};
use smmu_regs::vmsa::HardwareUpdate;

impl Cd {
    /// The bits that matter in this CD on an SMMU with these capabilities, in the EL1 and EL2-E2H worlds.
    #[must_use]
    pub fn used_bits(&self, caps: &Caps) -> [u64; 8] {
        let [zero, ..] = self.words();
        let zero = Cd0::from_bits(zero);
        self.used_by_halves(caps, zero.epd0(), zero.epd1())
    }

    /// The bits that matter in this CD where Secure streams reach it.
    #[must_use]
    pub fn used_bits_secure(&self, caps: &Caps, world: CdWorld) -> [u64; 8] {
        let mut used = match world {
            CdWorld::TwoHalves => self.used_bits(caps),
            CdWorld::OneHalf => self.used_bits_el2(caps),
        };
        let [zero, ..] = self.words();
        if let ([_, one, two, ..], true) = (&mut used, Cd0::from_bits(zero).v()) {
            *one |= Cd1::NSCFG0.mask();
            *two |= Cd2::NSCFG1.mask();
        }
        used
    }

    /// The bits that matter in this CD in the EL2 world without E2H, which has one half and ignores `EPD0`; the fields of
    /// the other half are counted too, for they are RES0 there.
    #[must_use]
    pub fn used_bits_el2(&self, caps: &Caps) -> [u64; 8] {
        self.used_by_halves(caps, false, false)
    }

    fn used_by_halves(&self, caps: &Caps, off0: bool, off1: bool) -> [u64; 8] {
        let [zero, one, two, ..] = self.words();
        let (zero, one, two) = (Cd0::from_bits(zero), Cd1::from_bits(one), Cd2::from_bits(two));
        if !zero.v() {
            return [Cd0::V.mask(), 0, 0, 0, 0, 0, 0, 0];
        }
        let has = |feature| caps.has(feature);
        let when = |condition: bool, mask: u64| if condition { mask } else { 0 };
        let d128 = has(Feature::D128);
        let v64 = zero.aa64();
        let v32 = !v64 && !d128;
        let v128 = !v64 && d128;
        // `PIE` acts only through an STE with `S1PIE`: what it switches on and what it switches off both count.
        let indirection = v128 || v64 && has(Feature::S1PermissionIndirection) && two.pie();
        let mpam = has(Feature::Mpam);
        // What decides whether something else counts is used itself, of a disabled half too (5.4 DS, HWU059).
        let decides_ds = v64 && has(Feature::Ds);
        let decides_hwu = !v128 && has(Feature::Pbha);

        let used0 = Cd0::EPD0.mask()
            | Cd0::EPD1.mask()
            | Cd0::V.mask()
            | Cd0::TBI0.mask()
            | Cd0::TBI1.mask()
            | Cd0::PAN.mask()
            | Cd0::AA64.mask()
            | Cd0::S.mask()
            | Cd0::A.mask()
            | Cd0::ASET.mask()
            | Cd0::ASID.mask()
            | when(!off0, Cd0::T0SZ.mask() | Cd0::IR0.mask() | Cd0::OR0.mask() | Cd0::SH0.mask())
            | when(!off0 && !v32 || decides_ds, Cd0::TG0.mask())
            | when(!off1, Cd0::T1SZ.mask() | Cd0::IR1.mask() | Cd0::OR1.mask() | Cd0::SH1.mask())
            | when(!off1 && !v32 || decides_ds, Cd0::TG1.mask())
            | when(!(off0 && off1), Cd0::ENDI.mask())
            | when(!v32, Cd0::IPS.mask() | Cd0::HA.mask() | Cd0::HD.mask())
            | when(v32 || !zero.ha(), Cd0::AFFD.mask())
            | when(!v128, Cd0::WXN.mask())
            | when(v32, Cd0::UWXN.mask())
            | when(!zero.s(), Cd0::R.mask());

        let had = |off: bool| if d128 { v128 && !off } else { has(Feature::Had) };
        // With 128-bit descriptors two of the HWU bits hold SKL, used by that format alone.
        let hwu = |off: bool, had: bool| if d128 { v128 && !off } else { has(Feature::Pbha) && had };
        let used1 = when(!off0, Cd1::TTB0.mask())
            | when(had(off0) || decides_hwu, Cd1::HAD0.mask())
            | when(has(Feature::E0pd) && !v32, Cd1::E0PD0.mask())
            | when(caps.httu == HardwareUpdate::TableAccessFlag && !v32, Cd1::HAFT.mask())
            | when(has(Feature::TranslationHardening) && v64, Cd1::PNCH.mask())
            | when(has(Feature::Epan) && v64, Cd1::EPAN.mask())
            | when(has(Feature::Pbha) && one.had0() && !v128, Cd1::HWU059.mask() | Cd1::HWU060.mask())
            | when(hwu(off0, one.had0()), Cd1::HWU061.mask() | Cd1::HWU062.mask());
        let used2 = when(!off1, Cd2::TTB1.mask())
            | when(had(off1) || decides_hwu, Cd2::HAD1.mask())
            | when(has(Feature::E0pd) && !v32, Cd2::E0PD1.mask())
            | when(has(Feature::AttributeIndexExtension), Cd2::AIE.mask())
            | when(has(Feature::Ds) && v64 && !(zero.tg0() == 1 && zero.tg1() == 3), Cd2::DS.mask())
            | when(has(Feature::S1PermissionIndirection) && v64, Cd2::PIE.mask())
            | when(has(Feature::Pbha) && two.had1() && !v128, Cd2::HWU159.mask() | Cd2::HWU160.mask())
            | when(hwu(off1, two.had1()), Cd2::HWU161.mask() | Cd2::HWU162.mask());
        [
            used0,
            used1,
            used2,
            Cd3::MAIR0.mask() | Cd3::MAIR1.mask(),
            Cd4::AMAIR0.mask() | Cd4::AMAIR1.mask(),
            when(mpam, Cd5::PARTID.mask() | Cd5::PMG.mask()),
            when(indirection, Cd6::PIIU.mask()),
            when(indirection, Cd7::PIIP.mask()),
        ]
    }
}
