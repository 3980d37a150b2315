//! A Stream Table Entry: its meaning and its legality (IHI 0070 5.2, `SteIllegal()` in 5.2.2).

use crate::Field;
use crate::config_cache::Words;
use crate::event::Policy;
use crate::geometry::{Granule, Tables};
use crate::layout::{self, idr0, idr1, idr3, idr5, ste};
use crate::profile::{Profile, fits};
use crate::tlb::World;

/// The words of an STE.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ste(pub(crate) Words);

impl Ste {
    /// Value of a field.
    pub(crate) fn get(&self, field: Field) -> u64 {
        field.get(&self.0)
    }
    /// Value of a one-bit field.
    pub(crate) fn flag(&self, field: Field) -> bool {
        field.is_set(&self.0)
    }
    /// Traffic may pass: Config[2].
    pub(crate) fn passes(&self) -> bool {
        self.get(ste::CONFIG) & 4 != 0
    }
    /// Stage 1 translates.
    pub(crate) fn s1(&self) -> bool {
        self.get(ste::CONFIG) & 5 == 5
    }
    /// Stage 2 translates.
    pub(crate) fn s2(&self) -> bool {
        self.get(ste::CONFIG) & 6 == 6
    }

    /// STRW has no meaning (`IgnoreSTESTRW()`).
    fn strw_unused(&self, profile: &Profile) -> bool {
        !profile.s1p() || !profile.hyp() || self.s2() || !self.s1()
    }

    /// Effective StreamWorld (5.2 STRW).
    pub(crate) fn world(&self, profile: &Profile, e2h: bool) -> World {
        if self.strw_unused(profile) || self.get(ste::STRW) == 0 {
            World::El1
        } else if e2h {
            World::El2E2h
        } else {
            World::El2
        }
    }

    /// VMID that tags translations; 0 where none does (5.2 S2VMID).
    pub(crate) fn vmid(&self, profile: &Profile, world: World) -> u16 {
        if profile.s2p() && world == World::El1 { self.get(ste::S2VMID) as u16 } else { 0 }
    }

    /// Everything that a stage 2 walk depends on.
    pub(crate) fn stage2_key(&self) -> [u64; 3] {
        let [_, one, two, three, ..] = self.0;
        [one & ste::S2FWB.mask(), two, three]
    }

    /// What a stage 2 fault does (5.5); the termination behaviour is always abort.
    pub(crate) fn stage2_policy(&self) -> Policy {
        Policy { abort: true, record: self.flag(ste::S2R), stall: self.flag(ste::S2S) }
    }

    /// This entry, with `own` deciding what a stage 2 fault does: that is never cached in a TLB (5.2 S2R, S2S).
    pub(crate) fn faulting_as(&self, own: &Self) -> Self {
        let mut words = self.0;
        for field in [ste::S2R, ste::S2S] {
            field.put(&mut words, own.get(field));
        }
        Self(words)
    }

    /// S2HA in effect.
    pub(crate) fn s2_access_updates(&self) -> bool {
        self.flag(ste::S2HA)
    }
    /// S2HD in effect; alone it does nothing (5.2 S2HA).
    pub(crate) fn s2_dirty_updates(&self) -> bool {
        self.flag(ste::S2HA) && self.flag(ste::S2HD)
    }

    fn s2_granule(&self) -> Option<Granule> {
        Granule::from_tg0(self.get(ste::S2TG))
    }
    fn s2_ds(&self, profile: &Profile) -> bool {
        profile.id5(idr5::DS) != 0 && self.flag(ste::S2DS)
    }
    fn s2_input_bits(&self) -> u32 {
        64 - (self.get(ste::S2T0SZ) as u32)
    }

    /// First level of the stage 2 walk; `None` for reserved codes and for levels the PA size excludes
    /// (`AArch64.S2InvalidSL`, DDI 0487 J1.1).
    fn s2_start_level(&self, profile: &Profile, granule: Granule) -> Option<i32> {
        let sl0 = self.get(ste::S2SL0);
        let ds = self.s2_ds(profile);
        let sl2 = ds && granule == Granule::K4 && self.flag(ste::S2SL0_2);
        let oas = profile.oas();
        match (granule, sl2, sl0) {
            (Granule::K4, true, 0) => (oas >= 52).then_some(-1),
            (Granule::K4, true, _) => None,
            (Granule::K4, false, 3) => (profile.id3(idr3::STT) != 0).then_some(3),
            (Granule::K4, false, 2) => (oas >= 44).then_some(0),
            (Granule::K4, false, n) => Some(2 - n as i32),
            (Granule::K16, _, 3) => ds.then_some(0),
            (Granule::K16, _, 2) => (oas >= 42).then_some(1),
            (Granule::K64, _, 3) => None,
            (Granule::K64, _, 2) => (oas >= 44).then_some(1),
            (_, _, n) => Some(3 - n as i32),
        }
    }

    /// The stage 2 tables of a legal STE.
    pub(crate) fn stage2_tables(&self, profile: &Profile) -> Option<Tables> {
        let granule = self.s2_granule()?;
        Some(Tables {
            granule,
            ds: self.s2_ds(profile),
            lpa: profile.oas() >= 52,
            big_endian: self.flag(ste::S2ENDI),
            input_bits: self.s2_input_bits(),
            output_bits: profile.effective_ps(self.get(ste::S2PS)),
            start_level: self.s2_start_level(profile, granule)?,
            base: ste::S2TTB.in_place(&self.0),
        })
    }

    /// Why the STE is ILLEGAL, in the order of `SteIllegal()`; `None` when it is not.
    pub(crate) fn illegal(&self, profile: &Profile) -> Option<&'static str> {
        if !self.flag(ste::V) {
            return Some("V is 0");
        }
        if !self.passes() {
            return None;
        }
        if self.s1() && !profile.s1p() {
            return Some("stage 1 is not implemented");
        }
        if self.s2() && !profile.s2p() {
            return Some("stage 2 is not implemented");
        }
        self.illegal_common(profile)
            .or_else(|| if self.s1() { self.illegal_stage1(profile) } else { None })
            .or_else(|| if self.s2() { self.illegal_stage2(profile) } else { None })
            .or_else(|| self.illegal_vmid(profile))
    }

    /// EATS and STRW.
    fn illegal_common(&self, profile: &Profile) -> Option<&'static str> {
        if profile.id0(idr0::ATS) != 0 && self.get(ste::CONFIG) & 3 != 0 {
            let eats = self.get(ste::EATS);
            let s2s = self.flag(ste::S2S);
            if eats == 2 && (self.get(ste::CONFIG) != 7 || s2s || profile.id0(idr0::NS1ATS) != 0) {
                return Some("EATS=2 without both stages, with S2S or with NS1ATS");
            }
            if eats == 1 && s2s && self.s2() {
                return Some("EATS=1 with S2S");
            }
        }
        (!self.strw_unused(profile) && self.get(ste::STRW) & 1 != 0).then_some("STRW is reserved")
    }

    fn illegal_stage1(&self, profile: &Profile) -> Option<&'static str> {
        if self.flag(ste::S1STALLD) && profile.id0(idr0::STALL_MODEL) != 0 {
            return Some("S1STALLD with a fixed stall model");
        }
        let ssidsize = profile.id1(idr1::SSIDSIZE);
        if ssidsize != 0 && self.get(ste::S1CDMAX) > ssidsize {
            return Some("S1CDMax above SSIDSIZE");
        }
        let two_level = matches!(self.get(ste::S1FMT), 1 | 2);
        if ssidsize != 0 && self.get(ste::S1CDMAX) != 0 && two_level && profile.id0(idr0::CD2L) == 0 {
            return Some("S1Fmt without 2-level CD tables");
        }
        // 3.4.3 note 1: a PA beyond the OAS is C_BAD_STE; an IPA is left to stage 2 (note 2b).
        (!self.s2() && !profile.in_oas(ste::S1CONTEXTPTR.in_place(&self.0)))
            .then_some("S1ContextPtr beyond the OAS")
    }

    fn illegal_stage2(&self, profile: &Profile) -> Option<&'static str> {
        let stall = profile.id0(idr0::STALL_MODEL);
        if stall == 1 && self.flag(ste::S2S) {
            return Some("S2S without stalls");
        }
        if stall == 2 && !self.flag(ste::S2S) {
            return Some("S2S is 0 with forced stalls");
        }
        if !self.flag(ste::S2AA64) {
            return Some("S2AA64 selects tables that are not implemented");
        }
        let httu = profile.id0(idr0::HTTU);
        if (self.flag(ste::S2HA) || self.flag(ste::S2HD)) && httu == 0 || self.flag(ste::S2HD) && httu == 1 {
            return Some("S2HA or S2HD without HTTU");
        }
        if self.flag(ste::S2HAFT) && !self.flag(ste::S2HA) && httu == 3 {
            return Some("S2HAFT without S2HA");
        }
        let Some(granule) = self.s2_granule().filter(|g| granule_supported(profile, *g)) else {
            return Some("S2TG is not supported");
        };
        let small = granule != Granule::K64 && !self.s2_ds(profile);
        let ttb = ste::S2TTB.in_place(&self.0);
        if !fits(ttb, profile.effective_ps(self.get(ste::S2PS))) || small && !fits(ttb, 48) {
            return Some("S2TTB out of range");
        }
        let size = self.get(ste::S2T0SZ) as u32;
        let min = 64 - profile.ias();
        let min = if profile.minor() == 0 { min } else { min.max(if small { 16 } else { 12 }) };
        if size < min || size > max_txsz(profile, granule) {
            return Some("S2T0SZ out of range");
        }
        // `AArch64.S2InconsistentSL`: between one entry and 16 concatenated tables at the first level.
        let Some(level) = self.s2_start_level(profile, granule) else { return Some("S2SL0 is reserved") };
        let bits = self.s2_input_bits();
        let low = granule.shift() + (3 - level) as u32 * granule.stride() + 1;
        if bits < low || bits > low + granule.stride() - 1 + 4 {
            return Some("S2SL0 and S2T0SZ disagree");
        }
        let endian = profile.id0(idr0::TTENDIAN);
        let big = self.flag(ste::S2ENDI);
        (endian == 2 && big || endian == 3 && !big).then_some("S2ENDI is not supported")
    }

    /// 8-bit VMIDs (`IgnoreSTES2VMID()`).
    fn illegal_vmid(&self, profile: &Profile) -> Option<&'static str> {
        let ignored = !profile.s2p()
            || self.get(ste::CONFIG) == 4
            || self.get(ste::STRW) != 0 && !self.strw_unused(profile);
        (!ignored && profile.id0(idr0::VMID16) == 0 && self.get(ste::S2VMID) > 0xff)
            .then_some("S2VMID is above 8 bits")
    }

    /// RES0 fields that are set, in a valid STE of the Non-secure state: their names.
    pub(crate) fn reserved(&self, profile: &Profile) -> Vec<&'static str> {
        let defined = layout::defined(ste::NAME);
        let mut found = Vec::new();
        if self.0.iter().zip(defined).any(|(w, d)| w & !d != 0) {
            found.push("undefined bits");
        }
        let has0 = |f: Field| profile.id0(f) != 0;
        let (s1p, s2p) = (profile.s1p(), profile.s2p());
        let ovr_t = profile.id1(idr1::ATTR_TYPES_OVR) != 0;
        let ovr_p = profile.id1(idr1::ATTR_PERMS_OVR) != 0;
        let ssid = profile.id1(idr1::SSIDSIZE) != 0;
        let ds = profile.id5(idr5::DS) != 0;
        let rules: &[(bool, &'static str, &[Field])] = &[
            (
                false,
                "S1PIE, S1MPAM, S2PIE, S2POE, S2POI, DPT_VMATCH, S2HAFT, S2SKL, MPAM and THE fields",
                &[
                    ste::S1PIE,
                    ste::S1MPAM,
                    ste::S2PIE,
                    ste::S2POE,
                    ste::S2POI,
                    ste::DPT_VMATCH,
                    ste::S2HAFT,
                    ste::S2SKL,
                    ste::PARTID,
                    ste::PMG,
                    ste::MPAM_NS,
                    ste::ASSUREDONLY,
                    ste::TL0,
                    ste::TL1,
                    ste::VMSPTR,
                ],
            ),
            (
                false,
                "fields of Secure and Realm streams",
                &[
                    ste::S2NSW,
                    ste::S2NSA,
                    ste::S_S2T0SZ,
                    ste::S_S2SL0,
                    ste::S_S2TG,
                    ste::MECID,
                    ste::S2SW,
                    ste::S2SA,
                    ste::S_S2SL0_2,
                    ste::S_S2TTB,
                    ste::S_S2SKL,
                ],
            ),
            (
                profile.minor() > 0,
                "HWU, DRE and DCP (SMMUv3.0)",
                &[ste::S2HWU59, ste::S2HWU60, ste::S2HWU61, ste::S2HWU62, ste::DRE, ste::DCP],
            ),
            (profile.id3(idr3::FWB) != 0, "S2FWB", &[ste::S2FWB]),
            (has0(idr0::PRI) && ssid, "PPAR", &[ste::PPAR]),
            (s1p, "S1STALLD", &[ste::S1STALLD]),
            (s1p && profile.hyp(), "STRW", &[ste::STRW]),
            (ovr_t, "MTCFG, ALLOCCFG, SHCFG", &[ste::MTCFG, ste::ALLOCCFG, ste::SHCFG]),
            (ovr_t && self.flag(ste::MTCFG), "MemAttr", &[ste::MEMATTR]),
            (ovr_p, "PRIVCFG, INSTCFG", &[ste::PRIVCFG, ste::INSTCFG]),
            (ds, "S2DS, S2SL0_2", &[ste::S2DS, ste::S2SL0_2]),
            (
                s2p,
                "stage 2 fields",
                &[
                    ste::S2T0SZ,
                    ste::S2SL0,
                    ste::S2IR0,
                    ste::S2OR0,
                    ste::S2SH0,
                    ste::S2TG,
                    ste::S2PS,
                    ste::S2AA64,
                    ste::S2ENDI,
                    ste::S2AFFD,
                    ste::S2PTW,
                    ste::S2HD,
                    ste::S2HA,
                    ste::S2S,
                    ste::S2R,
                    ste::S2TTB,
                ],
            ),
        ];
        for (present, name, fields) in rules {
            if !present && fields.iter().any(|f| self.flag(*f)) {
                found.push(*name);
            }
        }
        if self.s2() && !fits(ste::S2TTB.in_place(&self.0), 52) {
            found.push("S2TTB[55:52]");
        }
        if self.s1() && ste::S1CONTEXTPTR.in_place(&self.0) & self.context_table_low_bits(profile) != 0 {
            found.push("S1ContextPtr below the table size");
        }
        found
    }

    /// CD tables have more than one entry.
    pub(crate) fn substreams(&self, profile: &Profile) -> bool {
        profile.id1(idr1::SSIDSIZE) != 0 && self.get(ste::S1CDMAX) != 0
    }

    /// log2 of the CDs in a leaf CD table, or `None` with a linear table (5.2 S1Fmt).
    pub(crate) fn cd_split(&self, profile: &Profile) -> Option<u32> {
        match self.get(ste::S1FMT) {
            1 if self.substreams(profile) => Some(6),
            2 if self.substreams(profile) => Some(10),
            _ => None,
        }
    }

    /// S1ContextPtr bits that the table's alignment makes RES0.
    pub(crate) fn context_table_low_bits(&self, profile: &Profile) -> u64 {
        let max = self.get(ste::S1CDMAX) as u32;
        let log2 = match self.cd_split(profile) {
            None if self.substreams(profile) => max + 6,
            None => 6,
            Some(split) => (max.saturating_sub(split) + 3).max(6),
        };
        (1 << log2) - 1
    }
}

/// The SMMU has this granule (6.3.6).
pub(crate) fn granule_supported(profile: &Profile, granule: Granule) -> bool {
    profile.id5(match granule {
        Granule::K4 => idr5::GRAN4K,
        Granule::K16 => idr5::GRAN16K,
        Granule::K64 => idr5::GRAN64K,
    }) != 0
}

/// Largest TxSZ (5.2 S2T0SZ, 5.4 T0SZ).
pub(crate) fn max_txsz(profile: &Profile, granule: Granule) -> u32 {
    match (profile.id3(idr3::STT) != 0, granule) {
        (false, _) => 39,
        (true, Granule::K64) => 47,
        (true, _) => 48,
    }
}
