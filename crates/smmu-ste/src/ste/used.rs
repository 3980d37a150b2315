//! Which bits of an STE the SMMU acts on, or checks, in the STE's own configuration (IHI 0070 5.2, 13.5): the basis of
//! hitless updates. Everything else is IGNORED or RES0 there.
//!
//! Not counted: `CONT`, `SW_RESERVED` and the IMPLEMENTATION DEFINED bits, which these crates
//! write 0 and which no rule of the architecture attaches an effect to, apart from hints.

use super::encode::config;
use super::word::{Ste0, Ste1, Ste2, Ste3, Ste4, Ste5, Ste6, Ste7};
use super::{Security, Ste};
use crate::table::TableError;
use smmu_regs::caps::{Caps, Feature};
use smmu_regs::vmsa::HardwareUpdate;

/// A set of bits of an STE, collected by word.
#[derive(Default)]
struct Mask([u64; 8]);

impl Mask {
    fn add<const WORD: usize>(&mut self, condition: bool, fields: u64) {
        if let (true, Some(word)) = (condition, self.0.get_mut(WORD)) {
            *word |= fields;
        }
    }
}

impl Ste {
    /// The bits that matter in this STE of a Non-secure stream table, on an SMMU with these capabilities.
    #[must_use]
    pub fn used_bits(&self, caps: &Caps) -> [u64; 8] {
        self.used(caps, None)
    }

    /// The bits that matter in this STE of a Secure or Realm stream table; `caps` are those of the Non-secure state.
    #[must_use]
    pub fn used_bits_for(&self, caps: &Caps, security: &Security) -> [u64; 8] {
        self.used(caps, Some(security))
    }

    fn used(&self, caps: &Caps, security: Option<&Security>) -> [u64; 8] {
        let [zero, one, two, three, four, _, six, _] = self.words();
        let (zero, one) = (Ste0::from_bits(zero), Ste1::from_bits(one));
        let two = Ste2::from_bits(two);
        let has = |feature| caps.has(feature);

        let mut mask = Mask::default();
        mask.add::<0>(true, Ste0::V.mask());
        mask.add::<0>(zero.v(), Ste0::CONFIG.mask());
        let config = if zero.v() { zero.config() } else { config::ABORT };
        let pass = config >= config::BYPASS;
        let s1 = config == config::STAGE1 || config == config::NESTED;
        let s2 = config == config::STAGE2 || config == config::NESTED;
        let substreams = s1 && caps.substream_id_bits != 0 && zero.s1cdmax() != 0;
        // Traffic without a SubstreamID skips stage 1: what matters in bypass matters here too.
        let skips = substreams && one.s1dss() == 1;
        let incoming = pass && (!s1 || skips);
        let types = has(Feature::AttrTypesOverride);
        let permissions = has(Feature::AttrPermsOverride);
        let mpam = has(Feature::Mpam);
        let (ats, dpt) = match security {
            None => (has(Feature::Ats), has(Feature::Dpt)),
            Some(Security::Secure(_)) => (false, false),
            Some(Security::Realm(realm)) => (realm.ats, realm.dpt),
        };
        let eats = ats && (s1 || s2);
        let strw =
            config == config::STAGE1 && has(Feature::Stage1) && (security.is_some() || has(Feature::Hyp));
        let el1 = (s1 || s2) && !(strw && one.strw() != 0);
        let v64 = s2 && two.s2aa64();
        let v128 = s2 && !two.s2aa64() && has(Feature::D128);
        let v32 = s2 && !two.s2aa64() && !has(Feature::D128);
        let not_first_version = caps.minor_version >= 1;

        // Stage 1.
        mask.add::<0>(s1, Ste0::S1CONTEXTPTR.mask());
        mask.add::<0>(s1 && caps.substream_id_bits != 0, Ste0::S1CDMAX.mask());
        mask.add::<0>(substreams, Ste0::S1FMT.mask());
        mask.add::<1>(substreams, Ste1::S1DSS.mask());
        mask.add::<1>(s1, Ste1::S1CIR.mask() | Ste1::S1COR.mask() | Ste1::S1STALLD.mask());
        mask.add::<1>(s1 && (one.s1cir() != 0 || one.s1cor() != 0), Ste1::S1CSH.mask());
        mask.add::<1>(s1 && has(Feature::S1PermissionIndirection), Ste1::S1PIE.mask());
        mask.add::<1>(s1 && mpam, Ste1::S1MPAM.mask());
        mask.add::<1>(strw, Ste1::STRW.mask());

        // Attributes and what both stages share.
        mask.add::<1>((s1 || s2) && not_first_version, Ste1::DRE.mask() | Ste1::DCP.mask());
        mask.add::<1>(
            pass && has(Feature::Pri) && caps.substream_id_bits != 0 && !has(Feature::PriPasidAlways),
            Ste1::PPAR.mask(),
        );
        mask.add::<1>(pass, Ste1::MEV.mask());
        mask.add::<1>(eats, Ste1::EATS.mask());
        mask.add::<1>(pass && types, Ste1::MTCFG.mask() | Ste1::ALLOCCFG.mask());
        mask.add::<1>(pass && types && one.mtcfg(), Ste1::MEMATTR.mask());
        mask.add::<1>(incoming && types, Ste1::SHCFG.mask());
        mask.add::<1>(pass && permissions, Ste1::PRIVCFG.mask() | Ste1::INSTCFG.mask());
        let tagged = match security {
            None => has(Feature::Stage2),
            // Of stage 1 alone they have VMID 0.
            Some(Security::Secure(secure)) => secure.stage2 && s2,
            Some(Security::Realm(_)) => true,
        };
        mask.add::<2>(el1 && tagged, Ste2::S2VMID.mask());
        mask.add::<4>(pass && mpam, Ste4::PARTID.mask());
        mask.add::<5>(pass && mpam, Ste5::PMG.mask());

        // Stage 2.
        let pbha = s2 && has(Feature::Pbha) && !v128;
        mask.add::<1>(
            pbha,
            Ste1::S2HWU59.mask() | Ste1::S2HWU60.mask() | Ste1::S2HWU61.mask() | Ste1::S2HWU62.mask(),
        );
        mask.add::<1>(s2 && has(Feature::S2Fwb), Ste1::S2FWB.mask());
        mask.add::<2>(
            s2,
            Ste2::S2T0SZ.mask()
                | Ste2::S2IR0.mask()
                | Ste2::S2OR0.mask()
                | Ste2::S2SH0.mask()
                | Ste2::S2AA64.mask()
                | Ste2::S2ENDI.mask()
                | Ste2::S2HD.mask()
                | Ste2::S2HA.mask()
                | Ste2::S2S.mask(),
        );
        mask.add::<2>(s2 && !v128, Ste2::S2SL0.mask());
        mask.add::<2>(s2 && !v32, Ste2::S2TG.mask() | Ste2::S2PS.mask());
        mask.add::<2>(s2 && !two.s2ha(), Ste2::S2AFFD.mask());
        mask.add::<2>(config == config::NESTED, Ste2::S2PTW.mask());
        mask.add::<2>(s2 && !two.s2s(), Ste2::S2R.mask());
        // SMMUv3.0 may check S2S although stage 2 is off (5.2 EATS).
        let old_check = !not_first_version && ats && config == config::STAGE1 && one.eats() == 1;
        mask.add::<2>(old_check, Ste2::S2S.mask());
        mask.add::<2>(s2 && caps.httu == HardwareUpdate::TableAccessFlag, Ste2::S2HAFT.mask());
        mask.add::<2>(s2 && has(Feature::S2PermissionIndirection) && !v128, Ste2::S2PIE.mask());
        mask.add::<2>(s2 && has(Feature::S2PermissionOverlay), Ste2::S2POE.mask());
        mask.add::<2>(eats && dpt && one.eats() == 3, Ste2::DPT_VMATCH.mask());
        mask.add::<3>(s2, Ste3::S2TTB.mask());
        mask.add::<3>(v64 && has(Feature::Ds), Ste3::S2SL0_2.mask());
        let sec_s2 = s2 && matches!(security, Some(Security::Secure(secure)) if secure.stage2);
        let four = Ste4::from_bits(four);
        let small = two.s2tg() != 1 && !(sec_s2 && four.s_s2tg() == 1);
        mask.add::<3>(v64 && has(Feature::Ds) && small, Ste3::S2DS.mask());
        mask.add::<3>(v128, Ste3::S2SKL.mask());
        let hardening = s2 && has(Feature::TranslationHardening);
        mask.add::<5>(hardening && !v128, Ste5::ASSUREDONLY.mask());
        mask.add::<5>(hardening, Ste5::TL0.mask() | Ste5::TL1.mask());
        mask.add::<5>(config == config::NESTED && mpam && one.s1mpam(), Ste5::VMSPTR.mask());

        // Secure stage 2.
        let (three, six) = (Ste3::from_bits(three), Ste6::from_bits(six));
        let inside = !three.s2nsw() && !six.s2sw() && !six.s2sa();
        mask.add::<3>(sec_s2, Ste3::S2NSW.mask());
        mask.add::<3>(sec_s2 && inside, Ste3::S2NSA.mask());
        mask.add::<4>(sec_s2, Ste4::S_S2T0SZ.mask() | Ste4::S_S2TG.mask());
        mask.add::<4>(sec_s2 && !v128, Ste4::S_S2SL0.mask());
        mask.add::<6>(sec_s2, Ste6::S2SW.mask() | Ste6::S_S2TTB.mask());
        mask.add::<6>(sec_s2 && !six.s2sw(), Ste6::S2SA.mask());
        mask.add::<6>(sec_s2 && v64 && has(Feature::Ds), Ste6::S_S2SL0_2.mask());
        mask.add::<6>(sec_s2 && v128, Ste6::S_S2SKL.mask());

        // What only other Security states have.
        match security {
            None => {}
            Some(Security::Secure(secure)) => {
                mask.add::<1>(incoming && permissions, Ste1::NSCFG.mask());
                mask.add::<5>(pass && secure.nonsecure_partitions, Ste5::MPAM_NS.mask());
            }
            Some(Security::Realm(realm)) => {
                let bypasses = config == config::BYPASS || config == config::STAGE1 && skips;
                let counts = bypasses || realm.checks_incoming || eats && one.eats() == 1;
                mask.add::<1>(pass && counts, Ste1::NSCFG.mask());
                mask.add::<5>(pass && realm.nonsecure_partitions, Ste5::MPAM_NS.mask());
                mask.add::<4>(pass && realm.mecid_bits != 0, Ste4::MECID.mask());
            }
        }
        mask.add::<7>(s2 && has(Feature::S2PermissionOverlay) && two.s2poe() && !v32, Ste7::S2POI.mask());
        mask.0
    }

    /// Whether ATS may go from this STE's setting to `target`'s at once: not between full and split-stage (3.9.2).
    pub(crate) fn check_ats_transition(&self, target: &Self) -> Result<(), TableError> {
        let eats = |ste: &Self| {
            let [zero, one, ..] = ste.words();
            let (zero, one) = (Ste0::from_bits(zero), Ste1::from_bits(one));
            if zero.v() && zero.config() > config::BYPASS { one.eats() } else { 0 }
        };
        let (from, to) = (eats(self), eats(target));
        match (from, to) {
            (2, 1 | 3) | (1 | 3, 2) => Err(TableError::AtsTransition { from, to }),
            _ => Ok(()),
        }
    }

    /// The bits that may change at any moment between this STE and `target`, although both use them: hints, merging of
    /// events, and full ATS, which the endpoint is told of separately (5.2 EATS, 3.9.2).
    ///
    /// `EATS` may go between 0 and 1 freely unless split-stage ATS or stage-2 stalls are on either side, where the
    /// combination could be illegal.
    #[must_use]
    pub fn safe_bits(&self, target: &Self) -> [u64; 8] {
        let eats = |ste: &Self| {
            let [_, one, two, ..] = ste.words();
            let (one, two) = (Ste1::from_bits(one), Ste2::from_bits(two));
            one.eats() & 2 == 0 && !two.s2s()
        };
        let mut one = Ste1::MEV.mask() | Ste1::DCP.mask() | Ste1::ALLOCCFG.mask();
        if eats(self) && eats(target) {
            // Only the bit between "refused" and "full".
            one |= Ste1::EATS.mask() & (Ste1::EATS.mask() >> 1);
        }
        [0, one, 0, 0, 0, 0, 0, 0]
    }
}
