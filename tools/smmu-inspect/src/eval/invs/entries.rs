//! Entries as rows: `[SMMU, type, id, SubstreamID, opcode by address, opcode of the whole, log2 of the page]`, and the users
//! where they are told.

use super::super::error::Stop;
use super::super::input::{Fields, number};
use super::super::output::word;
use super::substream;
use serde_json::Value;

use smmu_cmds::command::{Opcode, TlbiOperand};
use smmu_regs::{Asid, InstanceId, StreamId, SubstreamId, Vmid};
use smmu_tlbi::array::{Key, Target};

/// A row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// What it is about.
    pub(super) key: Key,
    /// The page size that range commands are for; 0 if there are none.
    pub(super) page_log2: u64,
    /// Users; 1 where they are not told.
    pub(super) users: u64,
}

/// The rows in the list `key`.
pub(super) fn rows(fields: &Fields<'_>, key: &str) -> Result<Vec<Row>, Stop> {
    let unfit = |value: &Value| fields.unfit(key, value, "a list of entries");
    fields.list(key)?.iter().map(|value| parse(value)?.ok_or_else(|| unfit(value).into())).collect()
}

/// A row; `None` if it is none.
fn parse(value: &Value) -> Result<Option<Row>, Stop> {
    let Some([smmu, kind, id, pasid, by_address, whole, page, users @ ..]) =
        value.as_array().map(Vec::as_slice)
    else {
        return Ok(None);
    };
    let numbers =
        [smmu, id, pasid, by_address, whole, page, users.first().unwrap_or(&Value::from(1))].map(number);
    let (
        [Some(smmu), Some(id), Some(pasid), Some(by_address), Some(whole), Some(page_log2), Some(users)],
        Some(kind),
    ) = (numbers, kind.as_str())
    else {
        return Ok(None);
    };
    let target = match (kind, by_address, whole) {
        ("S1_ASID", 0x12, 0x11) => Target::Stage1 { vmid: Vmid::new(0), asid: Asid::try_from(id)? },
        ("S1_ASID", 0x22, 0x21) => Target::El2E2h { asid: Asid::try_from(id)? },
        ("S2_VMID", 0x2a, 0x28) => Target::Stage2 { vmid: Vmid::try_from(id)? },
        ("S2_VMID_S1_CLEAR", ..) => Target::Stage1Clear { vmid: Vmid::try_from(id)? },
        ("ATS", ..) => Target::Atc { stream: StreamId::try_from(id)?, substream: substream(pasid)? },
        ("ATS_FULL", ..) => {
            Target::AtcWhole { stream: StreamId::try_from(id)?, substream: substream(pasid)? }
        }
        _ => return Err(Stop::Skip(format!("an entry {kind} with commands {by_address:#x} and {whole:#x}"))),
    };
    Ok(Some(Row { key: Key { instance: InstanceId::try_from(smmu)?, target }, page_log2, users }))
}

impl Row {
    /// One user; the page size is for TLB entries alone.
    pub(super) fn new(key: Key, page_log2: u64) -> Self {
        let page_log2 = if key.target.tag().is_some() { page_log2 } else { 0 };
        Self { key, page_log2, users: 1 }
    }

    /// As JSON, with the users or without.
    pub(super) fn print(self, users: bool) -> Result<Value, Stop> {
        let number = |pasid: Option<SubstreamId>| pasid.map_or(0, u64::from);
        let target = self.key.target;
        let (kind, id, pasid) = match target {
            Target::Stage1 { asid, .. } | Target::El2E2h { asid } => ("S1_ASID", u64::from(asid), 0),
            Target::Stage2 { vmid } => ("S2_VMID", u64::from(vmid), 0),
            Target::Stage1Clear { vmid } => ("S2_VMID_S1_CLEAR", u64::from(vmid), 0),
            Target::Atc { stream, substream } => ("ATS", u64::from(stream), number(substream)),
            Target::AtcWhole { stream, substream } => ("ATS_FULL", u64::from(stream), number(substream)),
            other => return Err(Stop::Skip(format!("records have no entries for {other}"))),
        };
        let (by_address, whole) = match (target.tag(), target) {
            (Some(tag), _) => (tag.by_address(TlbiOperand::page(0, false)).opcode(), tag.whole().opcode()),
            (None, Target::Stage1Clear { .. }) => (Opcode::TlbiNhAll, Opcode::TlbiNhAll),
            (None, _) => (Opcode::AtcInv, Opcode::AtcInv),
        };
        let code = |opcode: Opcode| word(u64::from(u8::from(opcode)));
        let mut row: Vec<Value> = vec![
            u64::from(self.key.instance).into(),
            kind.into(),
            id.into(),
            pasid.into(),
            code(by_address),
            code(whole),
            self.page_log2.into(),
        ];
        if users {
            row.push(self.users.into());
        }
        Ok(row.into())
    }
}
