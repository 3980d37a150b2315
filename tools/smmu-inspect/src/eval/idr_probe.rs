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
    BbmLevel, FirmwareModel, Hints, IdRegisters, Oddity, Quirk, Quirks, StallModel, TableEndianness,
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
    let mut quirks = caps.quirks;
    for model in firmware.more_models {
        quirks = quirks.union(Caps::probe(&ids, &Hints { model, ..hints })?.quirks);
    }
    let pages = page_sizes(&caps);
    Ok(object([
        ("ret", 0.into()),
        ("feature_names", feature_names(&caps, &ids, &cpu, pages)),
        ("option_names", option_names(&caps, quirks, msi_polling)),
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

/// What firmware says.
struct Firmware {
    usable: bool,
    hints: Hints,
    /// A device tree can name several models; hints hold one.
    more_models: Vec<FirmwareModel>,
}

impl Firmware {
    fn new(input: &Fields<'_>) -> Result<Self, Stop> {
        let coherent = Some(input.flag("coherent")?);
        match input.text("kind")? {
            "dt" => {
                let mut models = Vec::new();
                for (key, model) in [
                    ("hisilicon_broken_prefetch", FirmwareModel::HisiliconHi161x),
                    ("cavium_broken_page1", FirmwareModel::CaviumCn99xx),
                    ("tegra264", FirmwareModel::Tegra264),
                ] {
                    if input.flag(key)? {
                        models.push(model);
                    }
                }
                let hints = Hints { coherent, ..Hints::default() };
                Ok(Self { usable: input.integer("iommu_cells")? == 1, hints, more_models: models })
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
                Ok(Self { usable: true, hints, more_models: Vec::new() })
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

    /// Whether the SMMU can walk their tables as they do.
    fn can_share(&self, caps: &Caps, pages: u64) -> bool {
        let wide = self.va_bits > 48;
        caps.has(Feature::Coherent)
            && (!wide || self.page_shift == Granule::Size64K.shift() && caps.stage1_input_bits == 52)
            && pages.checked_shr(self.page_shift).is_some_and(|sizes| sizes & 1 != 0)
            && self.parange.is_some_and(|size| caps.oas >= size)
            && (caps.asid_bits == 16 || !self.asid16)
            && (!self.haft || caps.httu == HardwareUpdate::TableAccessFlag)
            && (!self.bbml3 || caps.bbm == BbmLevel::Level2)
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

fn feature_names(caps: &Caps, ids: &IdRegisters, cpu: &Cpu, pages: u64) -> Value {
    let has = |feature| caps.has(feature);
    let odd = |oddity| caps.oddities().iter().any(|met| met == oddity);
    let hyp = has(Feature::Hyp) || odd(Oddity::HypWithoutStages);
    let two_level = has(Feature::TwoLevelStreamTable) && ids.idr1.sidsize() > LINEAR_STREAM_BITS;
    let stalls = caps.stall_model;
    let names = [
        ("2LVL_STRTAB", two_level),
        ("2LVL_CDTAB", has(Feature::TwoLevelCdTable) || odd(Oddity::Cd2lWithoutStage1)),
        ("TT_LE", caps.table_endianness != TableEndianness::Big),
        ("TT_BE", caps.table_endianness == TableEndianness::Mixed),
        ("PRI", has(Feature::Pri) || odd(Oddity::PriWithoutAts)),
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
        ("SVA", cpu.can_share(caps, pages)),
        ("E2H", hyp && cpu.vhe),
        ("NESTING", has(Feature::Nested)),
        ("ATTR_TYPES_OVR", has(Feature::AttrTypesOverride)),
        ("HA", caps.httu >= HardwareUpdate::AccessFlag),
        ("HD", caps.httu >= HardwareUpdate::Dirty),
        ("S2FWB", has(Feature::S2Fwb)),
        ("BBML2", caps.bbm == BbmLevel::Level2),
        ("HAFT", caps.httu >= HardwareUpdate::TableAccessFlag),
        ("DS", has(Feature::Ds)),
    ];
    listed(&names)
}

fn option_names(caps: &Caps, quirks: Quirks, msi_polling: bool) -> Value {
    // Completion is polled for in memory, so the SMMU's write must be seen.
    let polls = caps.has(Feature::Msi) && caps.has(Feature::Coherent) && msi_polling;
    listed(&[
        ("SKIP_PREFETCH", quirks.contains(Quirk::SkipPrefetch)),
        ("PAGE0_REGS_ONLY", quirks.contains(Quirk::Page0Only)),
        ("MSIPOLL", polls),
        ("CMDQ_FORCE_SYNC", quirks.contains(Quirk::ForceSync)),
    ])
}

/// The names of what is there.
fn listed(names: &[(&str, bool)]) -> Value {
    names.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect()
}
