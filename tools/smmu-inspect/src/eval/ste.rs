//! `ste`: stream table entries from configurations, and which of their bits matter (IHI 0070 5.2).

use super::error::{Answer, Stop, reserved};
use super::input::Fields;
use super::output::{object, words};
use super::smmu::Smmu;
use super::stage2;
use smmu_regs::caps::StallModel;
use smmu_regs::{Caps, PhysAddr, Vmid};
use smmu_ste::ste::{
    Ats, CdTableFormat, CdTablePointer, FaultMode, GuestSte, Stage1Config, Stage2Config, StreamWorld,
    WithoutSubstream,
};
use smmu_ste::{Ste, SteConfig};

/// Answers one record: the entry `ste`, or the mask `used` or `safe`.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let maker = record.text("maker")?;
    let input = record.inputs()?;
    match maker {
        "used" => {
            let ste = Ste::from_words(input.words("ste")?);
            Ok(object([("used", words(&ste.used_bits(&Smmu::ASSUMED.caps()?)))]))
        }
        "update_safe" => {
            let current = Ste::from_words(input.words("cur")?);
            let target = Ste::from_words(input.words("target")?);
            Ok(object([("safe", words(&current.safe_bits(&target)))]))
        }
        _ => {
            let ste = made(maker, &input)?;
            Ok(object([("ste", words(&ste.words()))]))
        }
    }
}

fn made(maker: &str, input: &Fields<'_>) -> Result<Ste, Stop> {
    let (config, caps) = match maker {
        "abort" => (SteConfig::Abort, Smmu::ASSUMED.caps()?),
        "bypass" => (SteConfig::Bypass, overriding(input)?.caps()?),
        "cdtable" => stage1(input)?,
        "s2" => (SteConfig::Stage2(stage2_of(input)?), overriding(input)?.caps()?),
        "nested" => (nested(input)?, overriding(input)?.caps()?),
        other => return Err(Stop::Skip(format!("STEs of the maker \"{other}\" are not known"))),
    };
    Ok(config.encode(&caps)?)
}

/// The SMMU, with or without attribute overrides as the record says.
fn overriding(input: &Fields<'_>) -> Result<Smmu, Stop> {
    Ok(Smmu::ASSUMED.attribute_types(input.flag("attr_types_ovr")?))
}

fn ats(input: &Fields<'_>) -> Result<Ats, Stop> {
    Ok(if input.flag("ats")? { Ats::Full } else { Ats::Disabled })
}

fn stage1(input: &Fields<'_>) -> Result<(SteConfig, Caps), Stop> {
    // Whether the device may stall matters only to an SMMU that can; such a one refuses what may not (S1STALLD).
    let (stalls, may_stall) = (input.flag("feat_stalls")?, input.flag("stall_enabled")?);
    let model = if stalls { StallModel::Supported } else { StallModel::TerminateOnly };
    let format = match input.byte("s1fmt")? {
        0 => CdTableFormat::Linear,
        1 => CdTableFormat::TwoLevel4K,
        2 => CdTableFormat::TwoLevel64K,
        code => return Err(reserved("S1FMT", u64::from(code))),
    };
    let without_substream = match input.byte("s1dss")? {
        0 => WithoutSubstream::Terminate,
        1 => WithoutSubstream::Bypass,
        2 => WithoutSubstream::UseCd0,
        code => return Err(reserved("S1DSS", u64::from(code))),
    };
    let cd_table = CdTablePointer {
        base: PhysAddr::new(input.number("cdtab_dma")?),
        format,
        cds_log2: input.byte("s1cdmax")?,
        without_substream,
    };
    // VMID 0 is that of stage-1 entries in the vectors.
    let world = if input.flag("e2h")? { StreamWorld::El2 } else { StreamWorld::El1(Vmid::new(0)) };
    let config = Stage1Config { cd_table, world, may_stall: stalls && may_stall, ats: ats(input)? };
    Ok((SteConfig::Stage1(config), overriding(input)?.stalls(model)?.caps()?))
}

fn stage2_of(input: &Fields<'_>) -> Result<Stage2Config, Stop> {
    let faults = if input.flag("stall_enabled")? { FaultMode::Stall } else { FaultMode::Terminate };
    stage2::config(input, faults, ats(input)?)
}

/// The guest's two words on top of the host's stage 2. The vectors give them without EATS, which the host has decided.
fn nested(input: &Fields<'_>) -> Result<SteConfig, Stop> {
    match GuestSte::new(input.words("vste")?) {
        Ok(GuestSte::Abort) => Ok(SteConfig::Abort),
        Ok(GuestSte::Bypass) => Ok(SteConfig::Stage2(stage2_of(input)?)),
        Ok(GuestSte::Translate(guest)) => {
            Ok(SteConfig::Nested { guest, stage2: stage2_of(input)?, may_stall: true })
        }
        Err(error) => Err(Stop::Refused(error.to_string())),
    }
}
