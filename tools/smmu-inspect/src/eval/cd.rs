//! `cd`: context descriptors from configurations, and which of their bits matter (IHI 0070 5.4).

use super::error::{Answer, Stop};
use super::input::Fields;
use super::output::{object, words};
use super::smmu::Smmu;
use super::stage2;
use smmu_regs::PhysAddr;
use smmu_regs::caps::StallModel;
use smmu_regs::vmsa::{Granule, HardwareUpdate, Stage1Regime, TableBase, UpdateFlags, WalkAttributes};
use smmu_ste::cd::CdFaultMode;
use smmu_ste::{Cd, CdConfig};

/// Answers one record: the descriptor `cd`, or the mask `used`.
///
/// The SMMU updates all that there is to update (`HTTU` = 3): some records have `HAFT`.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let maker = record.text("maker")?;
    let input = record.inputs()?;
    let smmu = Smmu::ASSUMED.updates(HardwareUpdate::TableAccessFlag)?;
    let (config, caps) = match maker {
        "s1" => (stage1(&input)?, smmu.caps()?),
        "sva" => {
            let forced = input.flag("feat_stall_force")?;
            let model = if forced { StallModel::Forced } else { StallModel::Supported };
            (shared(&input, forced)?, smmu.stalls(model)?.caps()?)
        }
        "used" => {
            let cd = Cd::from_words(input.words("cd")?);
            return Ok(object([("used", words(&cd.used_bits(&smmu.caps()?)))]));
        }
        other => return Err(Stop::Skip(format!("CDs of the maker \"{other}\" are not known"))),
    };
    Ok(object([("cd", words(&config.encode(&caps)?.words()))]))
}

/// A CD with tables of its own.
fn stage1(input: &Fields<'_>) -> Result<CdConfig, Stop> {
    let tcr = input.object("tcr")?;
    let update = if input.flag("dirty")? { HardwareUpdate::Dirty } else { HardwareUpdate::None };
    let ttb0 = TableBase {
        base: PhysAddr::new(input.number("ttbr")?),
        granule: stage2::granule("TG0", tcr.byte("tg")?)?,
        input_bits: stage2::input_bits("T0SZ", tcr.byte("tsz")?)?,
        walk: stage2::walk(&tcr)?,
    };
    let regime = Stage1Regime {
        ttb0: Some(ttb0),
        ttb1: None,
        ips: stage2::size("IPS", tcr.byte("ips")?)?,
        mair: input.number("mair")?,
        update: update.flags(),
        ds: false,
    };
    let faults = if input.flag("stall_enabled")? { CdFaultMode::Stall } else { CdFaultMode::Terminate };
    Ok(CdConfig { regime, asid: input.asid()?, faults, private_asid: true })
}

/// A CD that shares a CPU's tables; `release` is what remains of it when they are gone: an address space that faults
/// everywhere, silently where the SMMU may terminate.
fn shared(input: &Fields<'_>, stalls_forced: bool) -> Result<CdConfig, Stop> {
    let (release, stall) = (input.flag("release")?, input.flag("stall_enabled")?);
    let base = PhysAddr::new(input.number("pgd_phys")?);
    let (shift, bits) = (input.number("page_shift")?, input.number("va_bits")?);
    let ttb0 = if release {
        None
    } else {
        let granule = u32::try_from(shift).ok().and_then(Granule::from_shift);
        let granule =
            granule.ok_or_else(|| Stop::Refused(format!("there are no pages of 2^{shift} bytes")))?;
        let input_bits =
            u8::try_from(bits).map_err(|_| Stop::Refused(format!("no address space has {bits} bits")))?;
        Some(TableBase { base, granule, input_bits, walk: WalkAttributes::COHERENT })
    };
    let update = UpdateFlags {
        access_flag: input.flag("feat_ha")?,
        dirty: input.flag("feat_hd")?,
        // Both the SMMU and the CPU must have it.
        table_access_flag: input.flag("feat_haft")? && input.flag("cpu_haft")?,
    };
    let regime = Stage1Regime {
        ttb0,
        ttb1: None,
        ips: stage2::size("IPS", input.byte("parange")?)?,
        mair: input.number("mair")?,
        update,
        ds: false,
    };
    let faults = match (release && !stalls_forced, stall) {
        (true, _) => CdFaultMode::TerminateSilently,
        (false, true) => CdFaultMode::Stall,
        (false, false) => CdFaultMode::Terminate,
    };
    Ok(CdConfig { regime, asid: input.asid()?, faults, private_asid: true })
}
