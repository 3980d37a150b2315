//! `atc_range`: the one ATC invalidation that covers a range of addresses (IHI 0070 4.5.1).

use super::error::Answer;
use super::input::Fields;
use super::output::{object, word, words};
use super::smmu::Smmu;
use smmu_cmds::Command;
use smmu_regs::vmsa::IovaRange;

/// Answers one record: the span's address and size, and the command.
///
/// A range that is empty or runs past 2^64 is an error.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let input = record.inputs()?;
    let (stream, substream) = (input.stream()?, input.pasid()?);
    let span = smmu_tlbi::atc::span(IovaRange::from_size(input.number("iova")?, input.number("size")?)?);
    let command = Command::AtcInv { stream, substream, global: false, span };
    let raw = command.encode(&Smmu::ASSUMED.caps()?)?;
    Ok(object([
        ("addr", word(span.address())),
        ("span_log2", span.size_log2().into()),
        ("dw", words(&raw.words())),
    ]))
}
