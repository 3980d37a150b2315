//! `nested`: what a host makes of a guest's STEs and commands (IHI 0070 5.2, chapter 4).

use super::error::{Answer, Stop};
use super::input::Fields;
use super::output::{object, words};
use super::smmu::Smmu;
use super::stage2;
use smmu_ste::ste::{Ats, FaultMode, GuestSte};
use smmu_ste::{Ste, SteConfig};

/// A refusal, as the vectors say it: -EIO.
const REFUSED: i32 = -5;

/// Answers one record by its `kind`.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let kind = record.text("kind")?;
    let input = record.inputs()?;
    match kind {
        "vste" => vste(&input),
        "user_cmd" | "user_batch" => {
            Err(Stop::Skip("smmu-cmds does not rewrite guests' commands yet".to_owned()))
        }
        other => Err(Stop::Skip(format!("nesting of the kind \"{other}\" is not known"))),
    }
}

/// A guest's STE: whether it is taken, whether its device shall use ATS, and the physical STE without ATS and with it.
///
/// A stage 2 of the host's that the architecture does not have is a refusal too.
fn vste(input: &Fields<'_>) -> Answer {
    let guest = input.words("vste")?;
    let host = input.object("s2")?;
    let physical = |guest: &GuestSte, ats| physical(guest, &host, ats);
    let made = GuestSte::new(guest).map_err(|error| Stop::Refused(error.to_string())).and_then(|guest| {
        Ok((guest.wants_ats(), physical(&guest, Ats::Disabled)?, physical(&guest, Ats::Full)?))
    });
    match made {
        Ok((wants_ats, without, with)) => Ok(object([
            ("ret", 0.into()),
            ("enable_ats", wants_ats.into()),
            ("physical_ste_ats0", words(&without.words())),
            ("physical_ste_ats1", words(&with.words())),
        ])),
        Err(Stop::Refused(_)) => Ok(object([("ret", REFUSED.into())])),
        Err(other) => Err(other),
    }
}

/// The physical STE. Memory types are not overridden here, and nothing stalls.
fn physical(guest: &GuestSte, host: &Fields<'_>, ats: Ats) -> Result<Ste, Stop> {
    let stage2 = || stage2::config(host, FaultMode::Terminate, ats);
    let config = match guest {
        GuestSte::Abort => SteConfig::Abort,
        GuestSte::Bypass => SteConfig::Stage2(stage2()?),
        GuestSte::Translate(guest) => SteConfig::Nested { guest: *guest, stage2: stage2()?, may_stall: true },
    };
    Ok(config.encode(&Smmu::ASSUMED.attribute_types(false).caps()?)?)
}
