//! `pgtable_cfg`, and the `cfg` that all page-table kinds have: page sizes, address sizes and quirks become a table.

use super::super::error::{Answer, Stop};
use super::super::input::Fields;
use super::super::output::{object, word};
use super::memory::Arena;
use io_pgtable_lpae::{Concatenation, Geometry, PageSizes, PageTable, Regime, Stage, TableConfig};
use serde_json::{Map, Value, json};
use smmu_regs::AddressSize;
use smmu_regs::vmsa::{Cacheability, Granule, HardwareUpdate, WalkAttributes};

/// What a `cfg` asks for.
#[derive(Debug)]
pub(super) struct Asked {
    /// What the table is.
    pub(super) config: TableConfig,
    /// The sizes asked for that the granule has.
    pub(super) sizes: PageSizes,
    /// Stage 1 of a Secure stream whose output is Non-secure.
    pub(super) non_secure: bool,
}

/// Answers one record: the table that a `cfg` gives, or that there is none.
pub(in super::super) fn cfg(record: &Fields<'_>) -> Answer {
    match asked(&record.object("cfg")?).and_then(|asked| table(&asked)) {
        Ok(result) => Ok(object([("result", result.into())])),
        Err(Stop::Refused(_)) => Ok(object([("result", json!({"ok": false}))])),
        Err(stop) => Err(stop),
    }
}

/// The table of a `cfg`.
///
/// Page sizes choose the granule; address sizes are cut down to what that granule has without `IDR5.DS`.
pub(super) fn asked(cfg: &Fields<'_>) -> Result<Asked, Stop> {
    let quirks = Quirks::of(cfg)?;
    let page = cfg.number("cpu_page_size")?;
    let preferred = granule_of(page)?;
    let wanted = PageSizes::from_bitmap(cfg.number("pgsize_bitmap")?);
    let granule = wanted
        .granule(preferred)
        .ok_or_else(|| Stop::Refused(format!("no granule for pages of {:#x}", wanted.bitmap())))?;
    let most = Geometry::max_bits_without_ds(granule);
    let input_bits = cfg.register("ias")?.min(most);
    let bits = cfg.register("oas")?.min(most);
    let output = AddressSize::from_bits(bits)
        .ok_or_else(|| Stop::Refused(format!("no output address has {bits} bits")))?;
    let sizes = wanted.intersect(PageSizes::of(granule, output));
    let stage2 = match cfg.text("fmt")? {
        "S1" => false,
        "S2" => true,
        other => return Err(Stop::Skip(format!("tables of the format \"{other}\" are not known"))),
    };
    quirks.check(stage2)?;
    let mut config = match (stage2, quirks.ttb1) {
        (true, _) => TableConfig::stage2(granule, input_bits, output, Concatenation::WhenRequired)?,
        (false, false) => TableConfig::ttb0(granule, input_bits, output)?,
        (false, true) => TableConfig::ttb1(granule, input_bits, output)?,
    };
    let possible = config.page_sizes();
    config = config.with_leaf_levels(sizes.intersect(possible).levels(granule))?;
    if !cfg.flag("coherent")? {
        config = config.non_coherent();
        if quirks.outer_write_back {
            let outer = Cacheability::WriteBack;
            config = config.with_walk(WalkAttributes { outer, ..WalkAttributes::NON_COHERENT });
        }
    } else if quirks.outer_write_back {
        return Err(Stop::Refused("walks that snoop are write-back anyway".to_owned()));
    }
    if quirks.dirty {
        config = config.with_update(HardwareUpdate::Dirty)?;
    }
    if quirks.fwb {
        config = config.with_fwb()?;
    }
    Ok(Asked { config, sizes, non_secure: quirks.non_secure })
}

/// The granule of so many bytes.
pub(super) fn granule_of(bytes: u64) -> Result<Granule, Stop> {
    let granule = Granule::ALL.into_iter().find(|granule| granule.bytes() == bytes);
    granule.ok_or_else(|| Stop::Refused(format!("no granule has {bytes:#x} bytes")))
}

/// Makes the table and says what it is.
fn table(asked: &Asked) -> Result<Map<String, Value>, Stop> {
    let Asked { config, sizes, .. } = asked;
    let memory = Arena::default();
    let table = PageTable::new(*config, &memory)?;
    let (geometry, walk) = (config.geometry(), config.walk());
    let tsz = 64 - geometry.input_bits();
    let (sh, orgn, irgn) = (walk.shareability as u8, walk.outer as u8, walk.inner as u8);
    let (size, granule) = (config.output().code(), config.granule());
    let (key, register) = match table.regime() {
        Regime::Stage1(_) => {
            let tg = if config.stage() == Stage::Ttb1 { granule.tg1() } else { granule.tg0() };
            ("tcr", json!({"ips": size, "tg": tg, "sh": sh, "orgn": orgn, "irgn": irgn, "tsz": tsz}))
        }
        Regime::Stage2(regime) => {
            let (sl, tg) = (regime.sl0()?.0, granule.tg0());
            (
                "vtcr",
                json!({"ps": size, "tg": tg, "sh": sh, "orgn": orgn, "irgn": irgn, "tsz": tsz, "sl": sl}),
            )
        }
    };
    Ok(object([
        ("ok", true.into()),
        ("pgsize_bitmap", word(sizes.bitmap())),
        ("ias", geometry.input_bits().into()),
        ("oas", config.output().bits().into()),
        (key, register),
        ("start_level", geometry.start_level().number().into()),
        ("pgd_entries", geometry.first_entries().into()),
        ("pgd_bytes", geometry.first_bytes().into()),
        ("concat_tables", geometry.concatenated().into()),
    ]))
}

/// The quirks of a `cfg`: what makes a table other than the usual one.
#[derive(Debug, Default)]
pub(super) struct Quirks {
    pub(super) non_secure: bool,
    pub(super) ttb1: bool,
    pub(super) dirty: bool,
    pub(super) outer_write_back: bool,
    pub(super) fwb: bool,
}

impl Quirks {
    pub(super) fn of(cfg: &Fields<'_>) -> Result<Self, Stop> {
        let mut quirks = Self::default();
        for quirk in cfg.texts("quirks")? {
            match quirk {
                "ARM_NS" => quirks.non_secure = true,
                "ARM_TTBR1" => quirks.ttb1 = true,
                "ARM_HD" => quirks.dirty = true,
                "ARM_OUTER_WBWA" => quirks.outer_write_back = true,
                "ARM_S2FWB" => quirks.fwb = true,
                // Our errors are values.
                "NO_WARN" => {}
                other => return Err(Stop::Refused(format!("VMSAv8-64 tables have no {other}"))),
            }
        }
        Ok(quirks)
    }

    /// Stage 1 and stage 2 have different ones. `S2HD` there is, but the quirk is `CD.HD`.
    pub(super) fn check(&self, stage2: bool) -> Result<(), Stop> {
        if stage2 && (self.non_secure || self.ttb1 || self.dirty || self.outer_write_back) {
            return Err(Stop::Refused("quirks of stage 1 on a stage-2 table".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::smmu::Smmu;
    use super::*;
    use smmu_regs::{Asid, Vmid};
    use smmu_ste::cd::CdFaultMode;
    use smmu_ste::ste::{Ats, FaultMode, Stage2Config};
    use smmu_ste::{CdConfig, SteConfig};

    /// A table that can be made can be told to an SMMU that has everything.
    #[test]
    fn every_table_becomes_a_cd_or_an_ste() {
        let caps = Smmu::ASSUMED.ds(true).caps().unwrap();
        let mut checked = 0;
        for granule in Granule::ALL {
            for (bits, output) in (0..=64).flat_map(|bits| AddressSize::ALL.map(|output| (bits, output))) {
                let configs = [
                    TableConfig::ttb0(granule, bits, output),
                    TableConfig::ttb1(granule, bits, output),
                    TableConfig::stage2(granule, bits, output, Concatenation::WhenRequired),
                    TableConfig::stage2(granule, bits, output, Concatenation::Always),
                ];
                for config in configs.into_iter().flatten() {
                    let memory = Arena::default();
                    let encoded = match PageTable::new(config, &memory).unwrap().regime() {
                        Regime::Stage1(regime) => {
                            let (asid, faults) = (Asid::new(1), CdFaultMode::Terminate);
                            let cd = CdConfig { regime, asid, faults, private_asid: true };
                            cd.encode(&caps).map(drop).map_err(|error| error.to_string())
                        }
                        Regime::Stage2(regime) => {
                            let (vmid, faults) = (Vmid::new(1), FaultMode::Terminate);
                            let ste = Stage2Config {
                                regime,
                                vmid,
                                faults,
                                ats: Ats::Disabled,
                                protect_walks: true,
                            };
                            let encoded = SteConfig::Stage2(ste).encode(&caps);
                            encoded.map(drop).map_err(|error| error.to_string())
                        }
                    };
                    assert_eq!(encoded, Ok(()), "{config:?}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 1500, "{checked}");
    }
}
