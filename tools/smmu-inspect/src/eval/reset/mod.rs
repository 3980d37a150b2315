//! `reset`: bring-up, as the register writes and the commands that it takes (IHI 0070 3.11).

mod platform;

use super::error::{Answer, Stop, reserved};
use super::input::Fields;
use super::output::{commands, object, word};
use platform::Smmu;
use serde_json::Value;
use smmu_cmds::{CommandQueue, EventQueue};
use smmu_regs::caps::{FirmwareModel, Hints, IdRegisters};
use smmu_regs::lifecycle::{Bases, Interrupts, Probed};
use smmu_regs::platform::Memory;
use smmu_regs::registers::{CmdqBase, EventqBase, Idr0, Idr1, PriqBase, StrtabBase};
use smmu_regs::{Feature, InstanceId};
use smmu_ste::StreamTable;
use smmu_ste::table::StreamTableShape;
use std::time::Duration;

/// The SMMU answers at once.
const TIMEOUT: Duration = Duration::from_secs(1);
const INSTANCE: InstanceId = InstanceId::new(0);

/// Answers one record: where tables and queues are, what is written to registers, which commands are taken.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let input = record.inputs()?;
    let (ids, mut hints) = smmu(&input)?;
    let page0_only = input.flag("page0_only")?;
    if page0_only {
        hints.model = FirmwareModel::CaviumCn99xx;
    }
    // How its `CMD_SYNC`s complete is no question to the library: CONS says so on every SMMU.
    let _ = input.flag("msipoll")?;
    let (commands_log2, events_log2) = (input.byte("cmdq_shift")?, input.byte("evtq_shift")?);
    let requests_log2 = input.byte("priq_shift")?;
    let p = Smmu::new(&ids, input.flag("was_enabled")?, page0_only);

    let probed = Probed::probe(&p, INSTANCE, &hints)?;
    let caps = *probed.caps();
    let shape = StreamTableShape::choose(&caps, caps.stream_id_bits)?;
    let mut queue = CommandQueue::new(&p, &caps, INSTANCE, commands_log2)?;
    let events = EventQueue::new(&p, &caps, events_log2)?;
    let streams = StreamTable::new(&p, &caps, shape)?;
    let pri_queue = if caps.has(Feature::Pri) { Some(requests(&p, requests_log2)?) } else { None };
    let (stream_table, stream_table_shape) = streams.registers()?;
    let (command_queue, event_queue) = (queue.base_register()?, events.base_register()?);
    let bases = Bases { stream_table, stream_table_shape, command_queue, event_queue, pri_queue };

    let configured = probed.quiesce(&p, TIMEOUT)?.configure(&p, &bases)?;
    let ready = configured.with_interrupts(&p, &Interrupts::WIRED)?.enable_commands(&p, TIMEOUT)?;
    let clean = queue.drop_everything(&p, TIMEOUT)?;
    // The devices of a kernel that crashed go on.
    let _enabled = match input.flag("kdump")? {
        true => ready.enable_muted(&p, clean, TIMEOUT)?,
        false => ready.enable(&p, clean, TIMEOUT)?,
    };

    let place = [
        ("cmdq", word(command_queue.address(CmdqBase::ADDR))),
        ("evtq", word(event_queue.address(EventqBase::ADDR))),
        ("priq", word(pri_queue.map_or(0, |base| base.address(PriqBase::ADDR)))),
        ("strtab", word(stream_table.address(StrtabBase::ADDR))),
    ];
    let level1 = match shape {
        StreamTableShape::Linear { .. } => 0,
        StreamTableShape::TwoLevel { .. } => shape.top_bytes() / 8,
    };
    let writes: Vec<Value> = p
        .writes()
        .into_iter()
        .map(|(offset, bytes, value)| vec![word(offset.into()), bytes.into(), word(value)].into())
        .collect();
    Ok(object([
        ("ret", 0.into()),
        ("bases", object(place).into()),
        ("l1_entries", level1.into()),
        ("mmio_writes", writes.into()),
        ("cmds", commands(&p.commands())),
    ]))
}

/// The SMMU of a record, and what firmware says of it.
fn smmu(input: &Fields<'_>) -> Result<(IdRegisters, Hints), Stop> {
    let names = input.texts("features")?;
    let known = ["2LVL_STRTAB", "PRI", "ATS", "MSI", "HYP", "E2H"];
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        return Err(Stop::Skip(format!("there is nobody to ask of the feature \"{unknown}\"")));
    }
    let has = |name| names.contains(&name);
    let ids = IdRegisters::EXAMPLE;
    let idr0 = ids
        .idr0
        .try_with(Idr0::ST_LEVEL, u8::from(has("2LVL_STRTAB")))?
        .with(Idr0::PRI, has("PRI"))
        .with(Idr0::ATS, has("ATS"))
        .with(Idr0::MSI, has("MSI"))
        .with(Idr0::HYP, has("HYP"))
        // The recorded driver refuses to take part in broadcasts, which only an SMMU with them can.
        .with(Idr0::BTM, true);
    let stream_bits = input.byte("sid_bits")?;
    if stream_bits > 32 {
        return Err(reserved("IDR1.SIDSIZE", stream_bits.into()));
    }
    let idr1 = ids.idr1.try_with(Idr1::SIDSIZE, stream_bits)?.with(Idr1::ECMDQ, false);
    let hints = Hints { host_uses_e2h: has("E2H"), ..Hints::default() };
    Ok((IdRegisters { idr0, idr1, ..ids }, hints))
}

/// A PRI queue of 2^`log2` requests.
fn requests(p: &Smmu, log2: u8) -> Result<PriqBase, Stop> {
    let bytes = 16_u64.checked_shl(log2.into()).unwrap_or(u64::MAX).max(32);
    let refused = |error: smmu_regs::platform::AllocationError| Stop::Refused(error.to_string());
    let pages = p.allocate(bytes, bytes.checked_next_power_of_two().unwrap_or(bytes)).map_err(refused)?;
    let base = PriqBase::new().try_with(PriqBase::LOG2SIZE, log2)?.with(PriqBase::WA, true);
    Ok(base.try_with_address(PriqBase::ADDR, pages.base().get())?)
}
