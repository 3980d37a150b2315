//! `commands`: each command from its operands (IHI 0070 chapter 4).
//!
//! Range fields are given as encoded. The low twelve bits of an address to invalidate are no part of the operand (so the
//! vectors say), of no other address are they ignored.

use super::error::{Answer, Stop, reserved};
use super::input::Fields;
use super::output::{object, words};
use super::smmu::Smmu;
use smmu_cmds::Command;
use smmu_cmds::command::{AtcSpan, PriResponse, ResumeAction, Sync, SyncSignal, TlbiOperand, TlbiRange};
use smmu_regs::PhysAddr;
use smmu_regs::vmsa::{Granule, Level};

/// Answers one record: the command's two words, `dw`.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let command = command(record.text("cmd")?, &record.inputs()?)?;
    let raw = command.encode(&Smmu::ASSUMED.caps()?)?;
    Ok(object([("dw", words(&raw.words()))]))
}

fn command(name: &str, input: &Fields<'_>) -> Result<Command, Stop> {
    Ok(match name {
        "PREFETCH_CFG" => Command::PrefetchConfig { stream: input.stream()?, substream: None },
        "CFGI_STE" => Command::CfgiSte { stream: input.stream()?, leaf: input.flag("leaf")? },
        "CFGI_ALL" => Command::CfgiAll,
        "CFGI_CD" => Command::CfgiCd {
            stream: input.stream()?,
            substream: input.substream()?,
            leaf: input.flag("leaf")?,
        },
        "CFGI_CD_ALL" => Command::CfgiCdAll { stream: input.stream()? },
        "RESUME" => resume(input)?,
        "PRI_RESP" => pri_resp(input)?,
        "ATC_INV" => atc_inv(input, AtcSpan::new(input.number("addr")?, input.byte("size")?)?)?,
        "ATC_INV_ALL" => atc_inv(input, AtcSpan::ALL)?,
        "CMD_SYNC" => sync(input)?,
        _ => tlbi(name, input)?,
    })
}

fn resume(input: &Fields<'_>) -> Result<Command, Stop> {
    let action = match input.text("resp")? {
        "TERMINATE" => ResumeAction::Terminate,
        "RETRY" => ResumeAction::Retry,
        "ABORT" => ResumeAction::Abort,
        other => return Err(Stop::Skip(format!("RESUME with the response \"{other}\" is not known"))),
    };
    Ok(Command::Resume { stream: input.stream()?, stag: input.half("stag")?, action })
}

fn pri_resp(input: &Fields<'_>) -> Result<Command, Stop> {
    let response = match input.text("resp")? {
        "DENY" => PriResponse::Failure,
        "FAIL" => PriResponse::Invalid,
        "SUCCESS" => PriResponse::Success,
        other => return Err(Stop::Skip(format!("PRI_RESP with the response \"{other}\" is not known"))),
    };
    let substream = input.substream()?;
    let substream = if input.flag("ssv")? {
        Some(substream)
    } else {
        // Without SSV there is no SubstreamID to be lost.
        zero("ssid without ssv", u64::from(substream))?;
        None
    };
    Ok(Command::PriResp { stream: input.stream()?, substream, group: input.half("grpid")?, response })
}

fn atc_inv(input: &Fields<'_>, span: AtcSpan) -> Result<Command, Stop> {
    Ok(Command::AtcInv { stream: input.stream()?, substream: input.pasid()?, global: false, span })
}

fn sync(input: &Fields<'_>) -> Result<Command, Stop> {
    let address = input.number("msiaddr")?;
    let signal = match input.text("cs")? {
        "IRQ" => SyncSignal::Interrupt { address: PhysAddr::new(address), data: 0 },
        "NONE" => {
            zero("msiaddr without an interrupt", address)?;
            SyncSignal::None
        }
        "SEV" => {
            zero("msiaddr without an interrupt", address)?;
            SyncSignal::Event
        }
        other => return Err(Stop::Skip(format!("CMD_SYNC with the signal \"{other}\" is not known"))),
    };
    Ok(Command::Sync(Sync::new(signal)))
}

fn tlbi(name: &str, input: &Fields<'_>) -> Result<Command, Stop> {
    let (vmid, asid) = (input.vmid(), input.asid());
    let no_vmid = || zero("vmid", u64::from(input.vmid()?));
    let no_asid = || zero("asid", u64::from(input.asid()?));
    Ok(match name {
        "TLBI_NH_ALL" => no_asid().and(Ok(Command::TlbiNhAll { vmid: vmid? }))?,
        "TLBI_NH_ASID" => Command::TlbiNhAsid { vmid: vmid?, asid: asid? },
        "TLBI_NH_VA" => Command::TlbiNhVa { vmid: vmid?, asid: asid?, operand: operand(input)? },
        "TLBI_NH_VAA" => no_asid().and(Ok(Command::TlbiNhVaa { vmid: vmid?, operand: operand(input)? }))?,
        "TLBI_EL2_ALL" => no_vmid().and(no_asid()).and(Ok(Command::TlbiEl2All))?,
        "TLBI_EL2_ASID" => no_vmid().and(Ok(Command::TlbiEl2Asid { asid: asid? }))?,
        "TLBI_EL2_VA" => no_vmid().and(Ok(Command::TlbiEl2Va { asid: asid?, operand: operand(input)? }))?,
        "TLBI_EL2_VAA" => {
            no_vmid().and(no_asid()).and(Ok(Command::TlbiEl2Vaa { operand: operand(input)? }))?
        }
        "TLBI_S12_VMALL" => no_asid().and(Ok(Command::TlbiS12Vmall { vmid: vmid? }))?,
        "TLBI_S2_IPA" => no_asid().and(Ok(Command::TlbiS2Ipa { vmid: vmid?, operand: operand(input)? }))?,
        "TLBI_NSNH_ALL" => no_vmid().and(no_asid()).and(Ok(Command::TlbiNsnhAll))?,
        other => return Err(Stop::Skip(format!("the command {other} is not known"))),
    })
}

/// Refuses a value for which the command has no field.
fn zero(what: &str, value: u64) -> Result<(), Stop> {
    if value == 0 { Ok(()) } else { Err(reserved(what, value)) }
}

/// The operand of an invalidation by address.
fn operand(input: &Fields<'_>) -> Result<TlbiOperand, Stop> {
    let (address, leaf) = (input.number("addr")?, input.flag("leaf")?);
    let (tg, ttl) = (input.byte("tg")?, input.byte("ttl")?);
    let (num, scale) = (input.byte("num")?, input.byte("scale")?);
    let page = TlbiOperand::page(address, leaf);
    if tg == 0 {
        // Without a granule there is no range and no hint (4.4.1.1).
        for (field, value) in [("NUM", num), ("SCALE", scale), ("TTL", ttl)] {
            zero(field, u64::from(value))?;
        }
        return Ok(page);
    }
    let granule = Granule::from_tlbi_tg(tg).ok_or(reserved("TG", u64::from(tg)))?;
    let hint = match ttl {
        0 => None,
        1..=3 => Level::new(i32::from(ttl)),
        _ => return Err(reserved("TTL", u64::from(ttl))),
    };
    Ok(TlbiOperand::range(page.address(), leaf, TlbiRange::new(granule, scale, num, hint)?)?)
}
