//! `idr_probe`: ID registers and firmware's word to capabilities (IHI 0070 6.3.1 to 6.3.7), under a driver's own names.
//!
//! The vectors come from a driver that does not combine what registers say. Where [`Caps`] reads an impossible value or
//! combination in the safe way (and says so in [`Caps::oddities`]), the answer here is what the register holds.

use super::error::{Answer, Stop};
use super::input::Fields;
use super::output::{object, word};
use serde_json::Value;
use smmu_regs::addr::AddressSize;
use smmu_regs::caps::{
    BbmLevel, CpuTables, Features, FirmwareModel, Hints, IdRegisters, Quirk, Quirks, Requirements,
    StallModel, TableEndianness,
};
use smmu_regs::registers::{Aidr, Idr0, Idr1, Idr3, Idr5, Iidr};
use smmu_regs::vmsa::{Granule, HardwareUpdate, Level};
use smmu_regs::{Caps, Feature};

/// No such device, invalid argument: how the vectors say that an SMMU, or firmware's description of it, is refused.
const ENXIO: i32 = -6;
const EINVAL: i32 = -22;

/// log2 of the bytes of a command, an event record, a page request.
const COMMAND_BYTES_LOG2: u32 = 4;
const EVENT_BYTES_LOG2: u32 = 5;
const REQUEST_BYTES_LOG2: u32 = 4;

/// The driver of the vectors queues up to 64 commands and a `CMD_SYNC` at once, and refuses a queue that cannot hold them.
const FEWEST_COMMANDS_LOG2: u32 = 7;

/// With no more StreamID bits than these a stream table is linear.
const LINEAR_STREAM_BITS: u8 = 8;

/// Answers one record: `ret`, and if that is 0 what the SMMU can do.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let input = record.inputs()?;
    let ids = IdRegisters {
        idr0: Idr0::from_bits(input.register("idr0")?),
        idr1: Idr1::from_bits(input.register("idr1")?),
        idr3: Idr3::from_bits(input.register("idr3")?),
        idr5: Idr5::from_bits(input.register("idr5")?),
        iidr: Iidr::from_bits(input.register("iidr")?),
        aidr: Aidr::from_bits(input.register("aidr")?),
        ..IdRegisters::default()
    };
    let (firmware, cpu) = (Firmware::new(&input.object("fw")?)?, Cpu::new(&input.object("cpu")?)?);
    let msi_polling = !input.flag("disable_msipoll")?;
    let largest = input.register("queue_max_sz_shift")?;
    if !firmware.usable {
        return Ok(object([("ret", EINVAL.into())]));
    }
    let mut hints = firmware.hints;
    hints.host_uses_e2h = cpu.vhe;
    let Ok(caps) = Caps::probe(&ids, &hints) else { return Ok(object([("ret", ENXIO.into())])) };
    let shift = |entries: u8, bytes_log2: u32| u32::from(entries).min(largest.saturating_sub(bytes_log2));
    let commands = shift(ids.idr1.cmdqs(), COMMAND_BYTES_LOG2);
    if commands < FEWEST_COMMANDS_LOG2 {
        return Ok(object([("ret", ENXIO.into())]));
    }
    let caps = as_read(caps, &ids);
    let pages = page_sizes(&caps);
    Ok(object([
        ("ret", 0.into()),
        ("feature_names", feature_names(&caps, &ids, &cpu)),
        ("option_names", option_names(&caps, msi_polling)),
        ("oas", caps.oas.bits().into()),
        ("pgsize_bitmap", word(pages)),
        ("asid_bits", caps.asid_bits.into()),
        ("vmid_bits", caps.vmid_bits.into()),
        ("ssid_bits", ids.idr1.ssidsize().into()),
        ("sid_bits", ids.idr1.sidsize().into()),
        ("cmdq_shift", commands.into()),
        ("evtq_shift", shift(ids.idr1.eventqs(), EVENT_BYTES_LOG2).into()),
        ("priq_shift", shift(ids.idr1.priqs(), REQUEST_BYTES_LOG2).into()),
        ("max_stalls", ids.idr5.stall_max().into()),
    ]))
}

/// `caps` with the address sizes as their fields give them, each by itself. The driver knows input sizes of 48 and 52 bits,
/// and takes a reserved output size as 48 bits.
fn as_read(caps: Caps, ids: &IdRegisters) -> Caps {
    let mut read = caps;
    read.stage1_input_bits = if ids.idr5.vax() == 1 { 52 } else { 48 };
    read.oas = match AddressSize::from_code(ids.idr5.oas()) {
        Some(AddressSize::Bits56) | None => AddressSize::Bits48,
        Some(size) => size,
    };
    read
}

/// What firmware says.
struct Firmware {
    usable: bool,
    hints: Hints,
}

impl Firmware {
    fn new(input: &Fields<'_>) -> Result<Self, Stop> {
        let coherent = Some(input.flag("coherent")?);
        match input.text("kind")? {
            "dt" => {
                let quirks = Quirks::EMPTY
                    .with_if(Quirk::SkipPrefetch, input.flag("hisilicon_broken_prefetch")?)
                    .with_if(Quirk::Page0Only, input.flag("cavium_broken_page1")?);
                let model =
                    if input.flag("tegra264")? { FirmwareModel::Tegra264 } else { FirmwareModel::Generic };
                let hints = Hints { coherent, model, quirks, ..Hints::default() };
                Ok(Self { usable: input.integer("iommu_cells")? == 1, hints })
            }
            "iort" => {
                let model = match input.number("model")? {
                    1 => FirmwareModel::HisiliconHi161x,
                    2 => FirmwareModel::CaviumCn99xx,
                    _ => FirmwareModel::Generic,
                };
                let httu = match input.number("httu_override")? {
                    0 => HardwareUpdate::None,
                    1 => HardwareUpdate::AccessFlag,
                    2 => HardwareUpdate::Dirty,
                    _ => HardwareUpdate::TableAccessFlag,
                };
                let hints = Hints { coherent, httu: Some(httu), model, ..Hints::default() };
                Ok(Self { usable: true, hints })
            }
            other => Err(Stop::Skip(format!("firmware of the kind \"{other}\" is not known"))),
        }
    }
}

/// The CPUs whose tables could be shared.
struct Cpu {
    vhe: bool,
    page_shift: u32,
    va_bits: u64,
    parange: Option<AddressSize>,
    asid16: bool,
    haft: bool,
    bbml3: bool,
}

impl Cpu {
    fn new(input: &Fields<'_>) -> Result<Self, Stop> {
        Ok(Self {
            vhe: input.flag("vhe")?,
            page_shift: input.register("page_shift")?,
            va_bits: input.number("va_bits")?,
            parange: AddressSize::from_code(input.byte("parange")?),
            asid16: input.flag("asid16")?,
            haft: input.flag("haft")?,
            bbml3: input.flag("bbml3")?,
        })
    }

    /// Whether the SMMU can walk their tables as they do. The driver asks this of an SMMU without stage 1 too, and knows
    /// addresses of more than 48 bits with 64K pages only.
    fn can_share(&self, caps: &Caps) -> bool {
        let (Some(granule), Some(output)) = (Granule::from_shift(self.page_shift), self.parange) else {
            return false;
        };
        let wide = self.va_bits > 48;
        let tables = CpuTables {
            granule,
            input_bits: if wide { 52 } else { 48 },
            output,
            asid_bits: if self.asid16 { 16 } else { 8 },
            table_access_flag: self.haft,
            changes_block_size: self.bbml3,
        };
        let need = Requirements::shared_tables(&tables);
        let features = need.features.without(Features::of(&[Feature::Stage1]));
        (!wide || granule == Granule::Size64K) && caps.satisfies(&Requirements { features, ..need })
    }
}

/// The sizes of leaves, one bit each: the pages and blocks of the granules, without 52-bit descriptors.
fn page_sizes(caps: &Caps) -> u64 {
    caps.granules.iter().fold(0, |sizes, granule| {
        let largest = match granule {
            Granule::Size4K => Level::ONE,
            Granule::Size64K if caps.oas >= AddressSize::Bits52 => Level::ONE,
            Granule::Size16K | Granule::Size64K => Level::TWO,
        };
        [Level::ONE, Level::TWO, Level::THREE]
            .into_iter()
            .filter(|level| *level >= largest)
            .fold(sizes, |sizes, level| sizes | 1 << level.shift(granule))
    })
}

fn feature_names(caps: &Caps, ids: &IdRegisters, cpu: &Cpu) -> Value {
    let has = |feature| caps.has(feature);
    let hyp = ids.idr0.hyp();
    let two_level = has(Feature::TwoLevelStreamTable) && ids.idr1.sidsize() > LINEAR_STREAM_BITS;
    let stalls = caps.stall_model;
    let names = [
        ("2LVL_STRTAB", two_level),
        ("2LVL_CDTAB", ids.idr0.cd2l()),
        ("TT_LE", caps.table_endianness != TableEndianness::Big),
        ("TT_BE", caps.table_endianness == TableEndianness::Mixed),
        ("PRI", ids.idr0.pri()),
        ("ATS", has(Feature::Ats)),
        ("SEV", has(Feature::Sev)),
        ("MSI", has(Feature::Msi)),
        ("COHERENCY", has(Feature::Coherent)),
        ("TRANS_S1", has(Feature::Stage1)),
        ("TRANS_S2", has(Feature::Stage2)),
        ("STALLS", stalls != StallModel::TerminateOnly),
        ("HYP", hyp),
        ("STALL_FORCE", stalls == StallModel::Forced),
        ("VAX", caps.stage1_input_bits == 52),
        ("RANGE_INV", has(Feature::RangeInvalidation)),
        ("SVA", cpu.can_share(caps)),
        ("E2H", hyp && cpu.vhe),
        ("NESTING", has(Feature::Nested)),
        ("ATTR_TYPES_OVR", has(Feature::AttrTypesOverride)),
        ("HA", caps.httu >= HardwareUpdate::AccessFlag),
        ("HD", caps.httu >= HardwareUpdate::Dirty),
        ("S2FWB", has(Feature::S2Fwb)),
        ("BBML2", caps.bbm == BbmLevel::Level2),
        ("HAFT", caps.httu >= HardwareUpdate::TableAccessFlag),
        ("DS", ids.idr5.ds()),
    ];
    listed(&names)
}

fn option_names(caps: &Caps, msi_polling: bool) -> Value {
    // Completion is polled for in memory, so the SMMU's write must be seen.
    let polls = caps.has(Feature::Msi) && caps.has(Feature::Coherent) && msi_polling;
    listed(&[
        ("SKIP_PREFETCH", caps.must(Quirk::SkipPrefetch)),
        ("PAGE0_REGS_ONLY", caps.must(Quirk::Page0Only)),
        ("MSIPOLL", polls),
        ("CMDQ_FORCE_SYNC", caps.must(Quirk::ForceSync)),
    ])
}

/// The names of what is there.
fn listed(names: &[(&str, bool)]) -> Value {
    names.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect()
}
