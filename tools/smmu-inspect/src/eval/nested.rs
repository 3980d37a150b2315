//! `nested`: what a host makes of a guest's STEs and commands (IHI 0070 5.2, chapter 4).

use super::error::{Answer, Stop};
use super::input::Fields;
use super::output::{object, words};
use super::smmu::Smmu;
use super::stage2;
use smmu_cmds::guest::{GuestBatch, GuestStep};
use smmu_cmds::{RawCommand, VirtualSmmu};
use smmu_regs::{StreamId, VirtualStreamId, Vmid};
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
        "user_cmd" => user_cmd(&input),
        "user_batch" => user_batch(&input),
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

/// A guest's command: whether it is taken, and what goes into the physical queue.
fn user_cmd(input: &Fields<'_>) -> Answer {
    let command = RawCommand::from_words(input.words("cmd")?);
    let vmid = input.vmid()?;
    let streams = streams(input)?;
    let caps = Smmu::ASSUMED
        .ranges(input.flag("range_inv")?)
        .ds(input.flag("ds")?)
        .ats(input.flag("ats")?)
        .asid_bits(input.byte("asid_bits")?)?
        .substream_bits(input.byte("ssid_bits")?)?
        .caps()?;
    let physical = |device| streams.iter().find(|(known, _)| *known == device).map(|(_, stream)| *stream);
    Ok(match VirtualSmmu::new(&caps, vmid, physical)?.translate(command) {
        Ok(command) => object([("ret", 0.into()), ("out", words(&command.words()))]),
        Err(_) => object([("ret", REFUSED.into())]),
    })
}

/// Which stream each of a guest's devices is.
fn streams(input: &Fields<'_>) -> Result<Vec<(VirtualStreamId, StreamId)>, Stop> {
    let pairs = input.pairs("vsid_map")?.into_iter();
    pairs
        .map(|(device, stream)| Ok((VirtualStreamId::try_from(device)?, StreamId::try_from(stream)?)))
        .collect()
}

/// A batch of `n` lawful commands of a guest's, but for that at `bad_index`: how many are taken, how many of them issued, and
/// after how many a `CMD_SYNC` stands.
fn user_batch(input: &Fields<'_>) -> Answer {
    let (count, bad) = (usize::from(input.half("n")?), input.integer("bad_index")?);
    let caps = Smmu::ASSUMED.caps()?;
    let smmu = VirtualSmmu::new(&caps, Vmid::new(1), |_| None)?;
    // CMD_TLBI_NH_ASID, and an opcode that there is not.
    let commands = (0..count).map(|index| {
        let illegal = usize::try_from(bad).is_ok_and(|bad| bad == index);
        RawCommand::from_words([if illegal { 0xff } else { 0x11 }, 0])
    });
    let mut batch = GuestBatch::new(&smmu, commands);
    let (mut issued, mut syncs) = (0_u64, Vec::new());
    for step in batch.by_ref() {
        match step {
            GuestStep::Push(_) => issued += 1,
            GuestStep::Sync => syncs.push(issued),
        }
    }
    let refusal = batch.refusal();
    Ok(object([
        ("ret", refusal.map_or(0, |_| REFUSED).into()),
        ("entry_num", refusal.map_or(count, |refusal| refusal.index).into()),
        ("sync_after", syncs.into()),
        ("issued", issued.into()),
    ]))
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
