//! `pgtable_ext_cfg` and `pgtable_ext_maps`: tables of a driver that has contiguous groups, `DS` and concatenates whenever it
//! can; it speaks of ranges only.

use super::super::error::{Answer, Stop};
use super::super::input::Fields;
use super::super::output::{object, word};
use super::config::{Asked, granule_of};
use super::memory::Arena;
use super::ops::{Caller, run};
use io_pgtable_lpae::{Concatenation, Geometry, PageSizes, PageTable, Regime, Stage, TableConfig};
use serde_json::{Map, Value, json};
use smmu_regs::AddressSize;
use smmu_regs::vmsa::{Granule, HardwareUpdate};

/// Answers one record of `pgtable_ext_cfg`.
pub(in super::super) fn cfg(record: &Fields<'_>) -> Answer {
    match asked(&record.object("cfg")?, None).and_then(|asked| table(&asked)) {
        Ok(result) => Ok(object([("result", result.into())])),
        Err(Stop::Refused(_)) => Ok(object([("result", json!({"ok": false}))])),
        Err(stop) => Err(stop),
    }
}

/// Answers one record of `pgtable_ext_maps`.
pub(in super::super) fn session(record: &Fields<'_>) -> Answer {
    let used = record.number_if_any("pgsizes_used")?;
    run(record, asked(&record.object("cfg")?, used)?, Caller::Ranges)
}

/// What the features of a `cfg` ask for.
#[derive(Debug, Default)]
struct Features {
    stage2: bool,
    upper: bool,
    /// 52-bit outputs with 64K pages.
    lpa: bool,
    /// 52-bit inputs with 64K pages.
    lva: bool,
    ds: bool,
    fwb: bool,
    dirty: bool,
}

impl Features {
    fn of(cfg: &Fields<'_>, granule: Granule) -> Result<Self, Stop> {
        let mut features = Self::default();
        for name in cfg.texts("features")? {
            *match name {
                "S2" => &mut features.stage2,
                "TTBR1" => &mut features.upper,
                "LPA" => &mut features.lpa,
                "LVA" => &mut features.lva,
                "LPA2" => &mut features.ds,
                "S2FWB" => &mut features.fwb,
                "DBM" => &mut features.dirty,
                other => return Err(Stop::Skip(format!("tables with \"{other}\" are not known"))),
            } = true;
        }
        let wide = granule == Granule::Size64K;
        let impossible = features.stage2 && (features.upper || features.lva)
            || features.fwb && !features.stage2
            || features.ds && wide
            || (features.lpa || features.lva) && !wide;
        if impossible {
            return Err(Stop::Refused(format!("no {granule} table has all of {features:?}")));
        }
        Ok(features)
    }

    const fn most_output(&self) -> u32 {
        if self.lpa || self.ds { 52 } else { 48 }
    }

    const fn most_input(&self) -> u32 {
        let wide = self.lva || self.ds || self.lpa && self.stage2;
        if wide { 52 } else { 48 }
    }
}

/// The table of a `cfg`: sizes are cut down to what the features have, leaves are at most a quarter of the input and less
/// than the output, and of the sizes in `used` if that is given.
fn asked(cfg: &Fields<'_>, used: Option<u64>) -> Result<Asked, Stop> {
    let granule = granule_of(cfg.number("granule")?)?;
    let features = Features::of(cfg, granule)?;
    let wanted = cfg.register("ias")?;
    if wanted > Geometry::MAX_BITS {
        return Err(Stop::Refused(format!("no table has {wanted} input bits")));
    }
    let input_bits = wanted.min(features.most_input());
    let bits = cfg.register("oas")?.min(features.most_output());
    let output = AddressSize::from_bits(bits)
        .ok_or_else(|| Stop::Refused(format!("no output address has {bits} bits")))?;
    let mut config = match (features.stage2, features.upper) {
        (true, _) => TableConfig::stage2(granule, input_bits, output, Concatenation::Always)?,
        (false, false) => TableConfig::ttb0(granule, input_bits, output)?,
        (false, true) => TableConfig::ttb1(granule, input_bits, output)?,
    };
    if features.ds {
        config = config.with_ds()?;
    }
    if features.lpa {
        config = config.with_lpa()?;
    }
    if features.dirty {
        config = config.with_update(HardwareUpdate::Dirty)?;
    }
    if features.fwb {
        config = config.with_fwb()?;
    }
    let largest = input_bits.saturating_sub(2).min(bits - 1);
    let within = PageSizes::from_bitmap((2u64 << largest) - 1);
    let all = config.with_contiguous();
    let sizes =
        all.page_sizes().intersect(within).intersect(PageSizes::from_bitmap(used.unwrap_or(u64::MAX)));
    let levels = sizes.levels(granule).intersect(config.possible_leaf_levels());
    let groups = sizes.groups(granule).intersect(all.contiguous_levels()).intersect(levels);
    config = config.with_leaf_levels(levels)?.with_contiguous_levels(groups)?;
    Ok(Asked { config, sizes, non_secure: false })
}

/// Makes the table and says what it is.
fn table(asked: &Asked) -> Result<Map<String, Value>, Stop> {
    let Asked { config, sizes, .. } = asked;
    let memory = Arena::default();
    let table = PageTable::new(*config, &memory)?;
    let (geometry, granule) = (config.geometry(), config.granule());
    let (tg, (sl0, sl2)) = match table.regime() {
        Regime::Stage1(_) if config.stage() == Stage::Ttb1 => (granule.tg1(), (0, false)),
        Regime::Stage1(_) => (granule.tg0(), (0, false)),
        Regime::Stage2(regime) => (granule.tg0(), regime.sl0()?),
    };
    Ok(object([
        ("ok", true.into()),
        ("pgsizes", word(sizes.bitmap())),
        ("t0sz", (64 - geometry.input_bits()).into()),
        ("tg", tg.into()),
        ("ps", config.output().code().into()),
        ("ds", u8::from(config.ds()).into()),
        ("sl0", sl0.into()),
        ("sl2", u8::from(sl2).into()),
        ("ias", geometry.input_bits().into()),
        ("oas", config.output().bits().into()),
        ("start_level", geometry.start_level().number().into()),
        ("top_bytes", geometry.first_bytes().max(32).into()),
        // no such table can be made
        ("s2_level_illegal_by_table", 0.into()),
    ]))
}
