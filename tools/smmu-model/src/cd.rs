//! A Context Descriptor: its meaning and its legality (IHI 0070 5.4, `CdIllegal()` in 5.4.2).

use crate::Field;
use crate::config_cache::Words;
use crate::event::Policy;
use crate::geometry::{Granule, Tables};
use crate::layout::{self, cd, idr0, idr3, idr5, ste};
use crate::profile::{Profile, fits};
use crate::ste::{Ste, granule_supported, max_txsz};
use crate::tlb::World;

/// The words of a CD.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cd(pub(crate) Words);

/// One of the two halves of the VA space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// TTB0.
    Low,
    /// TTB1.
    High,
}

impl Half {
    fn pick(self, low: Field, high: Field) -> Field {
        if self == Self::Low { low } else { high }
    }
}

impl Cd {
    /// Value of a field.
    pub(crate) fn get(&self, field: Field) -> u64 {
        field.get(&self.0)
    }
    /// Value of a one-bit field.
    pub(crate) fn flag(&self, field: Field) -> bool {
        field.is_set(&self.0)
    }

    /// What a stage 1 fault does (5.5).
    pub(crate) fn policy(&self) -> Policy {
        Policy { abort: self.flag(cd::A), record: self.flag(cd::R), stall: self.flag(cd::S) }
    }
    /// HA in effect.
    pub(crate) fn access_updates(&self) -> bool {
        self.flag(cd::HA)
    }
    /// HD in effect; alone it does nothing (5.4 HA).
    pub(crate) fn dirty_updates(&self) -> bool {
        self.flag(cd::HA) && self.flag(cd::HD)
    }
    /// ASID that tags translations; none in the EL2 world.
    pub(crate) fn asid(&self, world: World) -> Option<u16> {
        (world != World::El2).then(|| self.get(cd::ASID) as u16)
    }
    /// Top byte ignored in this half.
    pub(crate) fn tbi(&self, half: Half) -> bool {
        self.flag(half.pick(cd::TBI0, cd::TBI1))
    }
    /// Unprivileged access to this half faults (E0PD).
    pub(crate) fn e0pd(&self, half: Half, profile: &Profile) -> bool {
        profile.id3(idr3::E0PD) != 0 && self.flag(half.pick(cd::E0PD0, cd::E0PD1))
    }
    /// Hierarchical attributes are ignored in this half.
    pub(crate) fn had(&self, half: Half, profile: &Profile) -> bool {
        profile.id3(idr3::HAD) != 0 && self.flag(half.pick(cd::HAD0, cd::HAD1))
    }

    /// Walks of this half are disabled. EPDx is ignored in the EL2 world, where TTB1 does not exist (5.4 EPD0).
    pub(crate) fn disabled(&self, half: Half, world: World) -> bool {
        match world {
            World::El2 => half == Half::High,
            _ => self.flag(half.pick(cd::EPD0, cd::EPD1)),
        }
    }

    fn granule(&self, half: Half) -> Option<Granule> {
        match half {
            Half::Low => Granule::from_tg0(self.get(cd::TG0)),
            Half::High => Granule::from_tg1(self.get(cd::TG1)),
        }
    }
    fn ds(&self, profile: &Profile) -> bool {
        profile.id5(idr5::DS) != 0 && self.flag(cd::DS)
    }

    /// The tables of one half of a legal CD.
    pub(crate) fn tables(&self, half: Half, profile: &Profile) -> Option<Tables> {
        let granule = self.granule(half)?;
        let input_bits = 64 - (self.get(half.pick(cd::T0SZ, cd::T1SZ)) as u32);
        Some(Tables {
            granule,
            ds: self.ds(profile),
            lpa: profile.oas() >= 52,
            big_endian: self.flag(cd::ENDI),
            input_bits,
            output_bits: profile.effective_ps(self.get(cd::IPS)),
            start_level: Tables::stage1_start(granule, input_bits),
            base: half.pick(cd::TTB0, cd::TTB1).in_place(&self.0),
        })
    }

    /// Why the CD is ILLEGAL when reached through `through`; `None` when it is not.
    pub(crate) fn illegal(&self, through: &Ste, world: World, profile: &Profile) -> Option<&'static str> {
        if !self.flag(cd::V) {
            return Some("V is 0");
        }
        let stall = profile.id0(idr0::STALL_MODEL);
        let s = self.flag(cd::S);
        if s && (through.flag(ste::S1STALLD) || stall == 1) || !s && stall == 2 {
            return Some("S disagrees with S1STALLD or the stall model");
        }
        if profile.id0(idr0::TERM_MODEL) != 0 && !self.flag(cd::A) {
            return Some("A is 0 without RAZ/WI termination");
        }
        let off = [Half::Low, Half::High].map(|h| self.disabled(h, world));
        let endian = profile.id0(idr0::TTENDIAN);
        let big = self.flag(cd::ENDI);
        if off != [true, true] && (endian == 2 && big || endian == 3 && !big) {
            return Some("ENDI is not supported");
        }
        if !self.flag(cd::AA64) {
            return Some("AA64 selects tables that are not implemented");
        }
        let httu = profile.id0(idr0::HTTU);
        let (ha, hd) = (self.flag(cd::HA), self.flag(cd::HD));
        if (ha || hd) && httu == 0 || hd && httu == 1 || httu == 3 && self.flag(cd::HAFT) && !ha {
            return Some("HA, HD or HAFT without HTTU");
        }
        if world != World::El2 && profile.id0(idr0::ASID16) == 0 && self.get(cd::ASID) > 0xff {
            return Some("ASID is above 8 bits");
        }
        [Half::Low, Half::High]
            .into_iter()
            .zip(off)
            .filter(|(_, off)| !off)
            .find_map(|(half, _)| self.illegal_half(half, profile))
    }

    /// TxSZ, TGx and TTBx of an enabled half.
    fn illegal_half(&self, half: Half, profile: &Profile) -> Option<&'static str> {
        let Some(granule) = self.granule(half).filter(|g| granule_supported(profile, *g)) else {
            return Some("TGx is not supported");
        };
        let wide = granule == Granule::K64 || self.ds(profile);
        let size = self.get(half.pick(cd::T0SZ, cd::T1SZ)) as u32;
        let min = if profile.id5(idr5::VAX) != 0 && wide { 12 } else { 16 };
        if size < min || size > max_txsz(profile, granule) {
            return Some("TxSZ out of range");
        }
        let ttb = half.pick(cd::TTB0, cd::TTB1).in_place(&self.0);
        (!fits(ttb, profile.effective_ps(self.get(cd::IPS))) || !wide && !fits(ttb, 48))
            .then_some("TTBx out of range")
    }

    /// RES0 fields that are set in a valid CD: their names.
    pub(crate) fn reserved(&self, world: World, profile: &Profile) -> Vec<&'static str> {
        let mut found = Vec::new();
        if self.0.iter().zip(layout::defined(cd::NAME)).any(|(w, d)| w & !d != 0) {
            found.push("undefined bits");
        }
        let two = world != World::El2;
        let rules: &[(bool, &'static str, &[Field])] = &[
            (
                false,
                "PIE, PIIU, PIIP, PnCH, AIE, HAFT, PARTID, PMG",
                &[cd::PIE, cd::PIIU, cd::PIIP, cd::PNCH, cd::AIE, cd::HAFT, cd::PARTID, cd::PMG],
            ),
            (false, "AMAIR (must be 0 without knowledge of the implementation)", &[cd::AMAIR0, cd::AMAIR1]),
            (profile.id3(idr3::E0PD) != 0 && two, "E0PD", &[cd::E0PD0, cd::E0PD1]),
            (profile.id3(idr3::EPAN) != 0 && two, "EPAN", &[cd::EPAN]),
            (profile.id5(idr5::DS) != 0, "DS", &[cd::DS]),
            (
                two,
                "fields of TTB1 in the EL2 world",
                &[cd::T1SZ, cd::TG1, cd::IR1, cd::OR1, cd::SH1, cd::TBI1, cd::NSCFG1, cd::TTB1],
            ),
        ];
        for (present, name, fields) in rules {
            if !present && fields.iter().any(|f| self.flag(*f)) {
                found.push(*name);
            }
        }
        let tables = [(Half::Low, cd::TTB0), (Half::High, cd::TTB1)];
        if tables.iter().any(|(h, f)| !self.disabled(*h, world) && !fits(f.in_place(&self.0), 52)) {
            found.push("TTBx[55:52]");
        }
        found
    }
}
