//! `tables`: shapes of stream tables and CD tables, level-1 descriptors, and which entry is whose (IHI 0070 5.1, 5.3).

use super::error::{Answer, Stop};
use super::input::Fields;
use super::output::{object, word};
use super::smmu::Smmu;
use serde_json::Value;
use smmu_regs::registers::StrtabBase;
use smmu_regs::{PhysAddr, StreamId};
use smmu_ste::table::{CdLeaf, CdTableShape, Level1Cd, Level1Stream, StreamTableShape};

/// STEs of a level-2 table, as log2, and CDs of a leaf, that the records of indices are about.
const SPLIT: u8 = 8;
const LEAF: CdLeaf = CdLeaf::Cds1024;

/// Answers one record.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let kind = record.text("kind")?;
    let input = record.inputs()?;
    match kind {
        "cdtab" => cd_table(&input),
        "strtab" => stream_table(&input),
        "l1_stream_desc" => {
            let base = PhysAddr::new(input.number("leaf_addr")?);
            let descriptor =
                Level1Stream::Table { base, log2: SPLIT }.encode(SPLIT, Smmu::ASSUMED.caps()?.oas)?;
            Ok(object([("desc", word(descriptor))]))
        }
        "l1_cd_desc" => {
            // Nothing says how large the leaf is: the smaller one asks for less alignment.
            let leaf = Level1Cd::Leaf(PhysAddr::new(input.number("leaf_addr")?));
            let descriptor = leaf.encode(CdLeaf::Cds64, Smmu::ASSUMED.caps()?.oas)?;
            let Level1Cd::Leaf(back) = Level1Cd::decode(descriptor) else {
                return Err(Stop::Refused("the descriptor is not valid".to_owned()));
            };
            Ok(object([("desc", word(descriptor)), ("readback", word(back.get()))]))
        }
        "index" => {
            let stream = StreamTableShape::TwoLevel { log2: 32, split: SPLIT }.index(input.stream()?);
            let cd = CdTableShape::TwoLevel { cds_log2: 20, leaf: LEAF }.index(input.substream()?);
            Ok(object([("stream", pair(stream)), ("cd", pair(cd))]))
        }
        other => Err(Stop::Skip(format!("tables of the kind \"{other}\" are not known"))),
    }
}

fn pair((first, second): (u64, Option<u64>)) -> Value {
    [Some(first), second].into_iter().flatten().collect()
}

/// A device that insists on ATS needs a CD beside that of its plain traffic: ATS does not work in a bypass, so that plain
/// traffic skips stage 1 instead.
fn cd_table(input: &Fields<'_>) -> Answer {
    let (bits, always) = (input.byte("ssid_bits")?, input.flag("ats_always_on")?);
    let caps = Smmu::ASSUMED
        .substream_bits(bits.max(u8::from(always)))?
        .two_level_cds(input.flag("cd2l")?)
        .caps()?;
    let shape = CdTableShape::choose(&caps, CdTableShape::largest(&caps))?;
    let leaf = match shape {
        CdTableShape::Linear { .. } => 0,
        CdTableShape::TwoLevel { leaf, .. } => 1_u64 << leaf.log2(),
    };
    Ok(object([
        ("ret", 0.into()),
        ("s1fmt", (shape.format() as u8).into()),
        ("s1cdmax", shape.cds_log2().into()),
        ("top_entries", shape.top_entries().into()),
        ("top_bytes", shape.top_bytes().into()),
        ("leaf_entries", leaf.into()),
    ]))
}

fn stream_table(input: &Fields<'_>) -> Answer {
    let bits = input.byte("sid_bits")?;
    let caps = Smmu::ASSUMED.stream_bits(bits)?.two_level_streams(input.flag("two_level")?).caps()?;
    // A table that is larger than is made by choice, because there is no other.
    let linear = StreamTableShape::Linear { log2: bits };
    let shape = StreamTableShape::choose(&caps, bits);
    let shape = if input.flag("two_level")? { shape? } else { shape.unwrap_or(linear) };
    let entry = match shape {
        StreamTableShape::Linear { .. } => 64,
        StreamTableShape::TwoLevel { .. } => 8,
    };
    let covered = |number: u32| StreamId::new(number).fits(u32::from(shape.log2()));
    let probes = [0, 1, 255, 256, 257, 0xffff, 0x1_0000, 0x1ff_ffff, 0x200_0000, u32::MAX];
    let covered: Value = probes
        .into_iter()
        .map(|number| Value::from(vec![number.into(), Value::from(covered(number))]))
        .collect();
    Ok(object([
        ("ret", 0.into()),
        ("strtab_base_cfg", word(shape.register()?.into_bits().into())),
        ("strtab_base_flags", word(StrtabBase::new().with(StrtabBase::RA, true).into_bits())),
        ("top_entries", (shape.top_bytes() / entry).into()),
        ("top_bytes", shape.top_bytes().into()),
        ("sid_in_range", covered),
    ]))
}
