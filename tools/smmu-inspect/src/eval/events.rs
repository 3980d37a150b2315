//! `events`: event records and page requests field by field, and what answers them (IHI 0070 7.3, 8.1).

use super::error::{Answer, Stop};
use super::input::Fields;
use super::output::{commands, object, word};
use super::smmu::Smmu;
use serde_json::Value;
use smmu_cmds::Command;
use smmu_cmds::command::{PriResponse, ResumeAction};
use smmu_cmds::event::{Class, EventId, PageRequest, RawEvent, RawPageRequest};
use smmu_regs::{PhysAddr, SubstreamId};

/// Answers one record by its `kind`.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let kind = record.text("kind")?;
    let input = record.inputs()?;
    match kind {
        "event" => event(&input),
        "pri" => page_request(&input),
        "page_response" => page_response(&input),
        other => Err(Stop::Skip(format!("events of the kind \"{other}\" are not known"))),
    }
}

/// The raw view: every field, whether or not this type of record has it.
fn event(input: &Fields<'_>) -> Answer {
    let raw = RawEvent::from_words(input.words("raw")?);
    let caps = Smmu::ASSUMED.caps()?;
    // The view's address fields are those of the newest architecture; this SMMU's end with its output size.
    let address = |address: PhysAddr| {
        let above = u64::MAX.checked_shl(caps.oas.bits()).unwrap_or(0);
        word(address.get() & !above)
    };
    let substream = raw.substream();
    let table_access = raw.id() == EventId::Permission && raw.class() == Class::Table;
    let out = object([
        ("id", u8::from(raw.id()).into()),
        ("sid", raw.stream().get().into()),
        ("ssv", substream.is_some().into()),
        ("ssid", ssid(substream)),
        ("privileged", raw.privileged().into()),
        ("instruction", raw.instruction().into()),
        ("s2", raw.stage2().into()),
        ("read", raw.read().into()),
        ("stag", raw.stag().into()),
        ("stall", raw.stalled().into()),
        ("class", raw.class_code().into()),
        ("iova", word(raw.input_address())),
        ("ipa", address(raw.ipa())),
        ("fetch_addr", address(raw.fetch_address())),
        ("tt_read", raw.table_read().into()),
        ("class_tt", table_access.into()),
    ]);
    Ok(object([("out", out.into())]))
}

fn ssid(substream: Option<SubstreamId>) -> Value {
    substream.map_or(0, SubstreamId::get).into()
}

/// The request, and what refuses it: an answer is due after the last of a group.
fn page_request(input: &Fields<'_>) -> Answer {
    let request = RawPageRequest::from_words(input.words("raw")?).decode();
    let out = object([
        ("sid", request.stream.get().into()),
        ("ssv", request.substream.is_some().into()),
        ("ssid", ssid(request.substream)),
        ("last", request.last.into()),
        ("grpid", request.group.into()),
        ("priv", request.privileged.into()),
        ("read", request.read.into()),
        ("write", request.write.into()),
        ("exec", request.execute.into()),
        ("addr", word(request.address)),
    ]);
    let caps = Smmu::ASSUMED.caps()?;
    // A stop marker too: `smmu_cmds::fault` knows that it needs no answer, the vectors do not.
    let PageRequest { stream, substream, group, .. } = request;
    let refusal = Command::PriResp { stream, substream, group, response: PriResponse::Failure };
    let answer = request.last.then(|| refusal.encode(&caps)).transpose()?;
    Ok(object([("out", out.into()), ("response", commands(answer.as_slice()))]))
}

/// The fate of a stalled transaction. Codes other than these terminate it.
fn page_response(input: &Fields<'_>) -> Answer {
    let action = match input.text("code")? {
        "SUCCESS" => ResumeAction::Retry,
        "FAILURE" | "INVALID" => ResumeAction::Abort,
        _ => ResumeAction::Terminate,
    };
    let command = Command::Resume { stream: input.stream()?, stag: input.half("grpid")?, action };
    Ok(object([("cmds", commands(&[command.encode(&Smmu::ASSUMED.caps()?)?]))]))
}
