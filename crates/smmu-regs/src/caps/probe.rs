//! ID registers to capabilities: one pure function.

use super::errata::ERRATA;
use super::error::{Oddities, Oddity, ProbeError};
use super::feature::{Feature, Features, Quirks};
use super::{BbmLevel, Caps, StallModel, TableEndianness};
use crate::addr::AddressSize;
use crate::registers::{Aidr, Idr0, Idr1, Idr3, Idr5, Iidr, Registers};
use crate::vmsa::{Granule, GranuleSet, HardwareUpdate};

/// The ID registers of one SMMU, as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRegisters {
    /// Features, part one.
    pub idr0: Idr0,
    /// Features and sizes.
    pub idr1: Idr1,
    /// Features, part two.
    pub idr3: Idr3,
    /// Address sizes and granules.
    pub idr5: Idr5,
    /// Implementation.
    pub iidr: Iidr,
    /// Architecture version.
    pub aidr: Aidr,
}

impl IdRegisters {
    /// An imaginary SMMUv3.3 for examples, tests and tools: both stages, coherent, HYP, ATS and PRI, MSI and SEV, stalls,
    /// 16-bit ASIDs and VMIDs, 32-bit StreamIDs, 20-bit SubstreamIDs, two-level tables, hardware update of Access flag and
    /// dirty state, attribute overrides, range invalidation, BBM level 2, all granules, 52-bit addresses without `DS`.
    pub const EXAMPLE: Self = Self {
        idr0: Idr0::from_bits(0x084d_769b),
        idr1: Idr1::from_bits(0x0e73_9d20),
        idr3: Idr3::from_bits(0x3714),
        idr5: Idr5::from_bits(0x0040_0476),
        iidr: Iidr::from_bits(0),
        aidr: Aidr::from_bits(3),
    };

    /// Reads them.
    pub fn read<M: Registers + ?Sized>(mmio: &M) -> Self {
        Self {
            idr0: mmio.get(),
            idr1: mmio.get(),
            idr3: mmio.get(),
            idr5: mmio.get(),
            iidr: mmio.get(),
            aidr: mmio.get(),
        }
    }
}

/// A model that firmware names because no ID register does (ACPI IORT model, DT compatible string).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum FirmwareModel {
    /// Nothing special.
    #[default]
    Generic,
    /// HiSilicon Hi161x.
    HisiliconHi161x,
    /// Cavium (Marvell) ThunderX2 CN99xx.
    CaviumCn99xx,
    /// NVIDIA Tegra264.
    Tegra264,
}

/// What is known about this SMMU from elsewhere than its registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hints {
    /// Whether the SMMU's accesses are coherent, where firmware says so. It overrides `IDR0.COHACC`: only the system's
    /// integrator knows.
    pub coherent: Option<bool>,
    /// What firmware says about descriptor updates, in place of `IDR0.HTTU` (ACPI IORT).
    pub httu: Option<HardwareUpdate>,
    /// The model that firmware names.
    pub model: FirmwareModel,
    /// The host kernel runs at EL2 with E2H, and its own contexts shall be in that world.
    pub host_uses_e2h: bool,
}

impl Caps {
    /// What an SMMU with these ID registers can do, errata applied.
    ///
    /// A reserved value, or a combination that the architecture rules out, is read in the safe way - the feature is
    /// taken as absent - and listed in [`Caps::oddities`].
    ///
    /// # Errors
    /// The SMMU cannot be driven: see [`ProbeError`].
    pub fn probe(ids: &IdRegisters, hints: &Hints) -> Result<Self, ProbeError> {
        let (idr0, idr1, idr3, idr5) = (ids.idr0, ids.idr1, ids.idr3, ids.idr5);
        check_drivable(ids)?;
        let mut odd = Oddities::default();

        let both_stages = idr0.s1p() && idr0.s2p();
        odd.add_if(Oddity::PriWithoutAts, idr0.pri() && !idr0.ats());
        odd.add_if(Oddity::HypWithoutStages, idr0.hyp() && !both_stages);
        odd.add_if(Oddity::Cd2lWithoutStage1, idr0.cd2l() && !idr0.s1p());
        odd.add_if(Oddity::StreamTableLevel, idr0.st_level() > 1);
        odd.add_if(Oddity::StreamIdSize, idr1.sidsize() > 32);
        odd.add_if(Oddity::SubstreamIdSize, idr1.ssidsize() > 20);
        odd.add_if(Oddity::LargeLinear, idr1.sidsize() >= 7 && idr0.st_level() == 0);
        odd.add_if(
            Oddity::QueueSize,
            idr1.cmdqs().max(idr1.eventqs()).max(if idr0.pri() { idr1.priqs() } else { 0 }) > MAX_QUEUE_LOG2,
        );
        odd.add_if(Oddity::NoGranule, !idr5.gran4k() && !idr5.gran16k() && !idr5.gran64k());

        let stall_model = match idr0.stall_model() {
            0 => StallModel::Supported,
            2 => StallModel::Forced,
            model => {
                odd.add_if(Oddity::StallModel, model == 3);
                StallModel::TerminateOnly
            }
        };
        let bbm = match idr3.bbml() {
            1 => BbmLevel::Level1,
            2 => BbmLevel::Level2,
            level => {
                odd.add_if(Oddity::Bbml, level == 3);
                BbmLevel::Level0
            }
        };
        let stage1_input_bits = match idr5.vax() {
            1 => 52,
            2 => 56,
            vax => {
                odd.add_if(Oddity::Vax, vax == 3);
                48
            }
        };
        let oas = match AddressSize::from_code(idr5.oas()) {
            Some(AddressSize::Bits56) if !idr5.d128() => {
                odd.add_if(Oddity::Oas, true);
                AddressSize::Bits48
            }
            Some(size) => size,
            None => AddressSize::Bits48,
        };
        let httu = hints.httu.unwrap_or(match idr0.httu() {
            0 => HardwareUpdate::None,
            1 => HardwareUpdate::AccessFlag,
            2 => HardwareUpdate::Dirty,
            _ => HardwareUpdate::TableAccessFlag,
        });

        let mut caps = Self {
            features: features(ids, hints),
            quirks: Quirks::EMPTY,
            minor_version: ids.aidr.archminorrev(),
            oas,
            stage1_input_bits,
            granules: granules(idr5),
            asid_bits: if idr0.asid16() { 16 } else { 8 },
            vmid_bits: if idr0.vmid16() { 16 } else { 8 },
            stream_id_bits: idr1.sidsize().min(32),
            substream_id_bits: idr1.ssidsize().min(20),
            command_queue_log2: idr1.cmdqs().min(MAX_QUEUE_LOG2),
            event_queue_log2: idr1.eventqs().min(MAX_QUEUE_LOG2),
            pri_queue_log2: if idr0.pri() && idr0.ats() { idr1.priqs().min(MAX_QUEUE_LOG2) } else { 0 },
            stall_model,
            stall_max: if stall_model == StallModel::TerminateOnly { 0 } else { idr5.stall_max() },
            bbm,
            httu,
            table_endianness: if idr0.ttendian() == 2 {
                TableEndianness::Little
            } else {
                TableEndianness::Mixed
            },
            errata: 0,
            oddities: odd,
        };
        caps.apply_errata(ids.iidr, hints.model);
        Ok(caps)
    }

    /// As [`Caps::probe`], but a reserved value or an impossible combination is an error too.
    ///
    /// # Errors
    /// Those of [`Caps::probe`], and [`ProbeError::Odd`].
    pub fn probe_strict(ids: &IdRegisters, hints: &Hints) -> Result<Self, ProbeError> {
        let caps = Self::probe(ids, hints)?;
        match caps.oddities.iter().next() {
            None => Ok(caps),
            Some(oddity) => {
                let value = match oddity.register() {
                    "IDR0" => ids.idr0.into_bits(),
                    "IDR1" => ids.idr1.into_bits(),
                    "IDR3" => ids.idr3.into_bits(),
                    _ => ids.idr5.into_bits(),
                };
                Err(ProbeError::Odd { oddity, value })
            }
        }
    }

    fn apply_errata(&mut self, iidr: Iidr, model: FirmwareModel) {
        for (index, erratum) in ERRATA.iter().enumerate() {
            if erratum.matches.applies(iidr, model) {
                self.features = self.features.without(erratum.clears);
                self.quirks = self.quirks.union(erratum.asks);
                self.errata |= 1 << index;
            }
        }
    }
}

/// log2 of the most entries that any queue can have (IHI 0070 6.3.2).
const MAX_QUEUE_LOG2: u8 = 19;

fn check_drivable(ids: &IdRegisters) -> Result<(), ProbeError> {
    let idr0 = ids.idr0.into_bits();
    if idr0 == u32::MAX && ids.idr1.into_bits() == u32::MAX {
        return Err(ProbeError::NotThere);
    }
    if ids.aidr.archmajorrev() != 0 {
        return Err(ProbeError::Architecture { aidr: ids.aidr.into_bits() });
    }
    if !matches!(ids.idr0.ttendian(), 0 | 2) {
        return Err(ProbeError::Endianness { idr0 });
    }
    if !ids.idr0.s1p() && !ids.idr0.s2p() {
        return Err(ProbeError::NoStage { idr0 });
    }
    if ids.idr0.ttf() & 0b10 == 0 {
        return Err(ProbeError::NoAarch64Tables { idr0 });
    }
    if ids.idr1.tables_preset() || ids.idr1.queues_preset() || ids.idr1.rel() {
        return Err(ProbeError::Preset { idr1: ids.idr1.into_bits() });
    }
    Ok(())
}

fn granules(idr5: Idr5) -> GranuleSet {
    let with_if = |set: GranuleSet, granule, there| if there { set.with(granule) } else { set };
    let set = with_if(GranuleSet::EMPTY, Granule::Size4K, idr5.gran4k());
    let set = with_if(set, Granule::Size16K, idr5.gran16k());
    with_if(set, Granule::Size64K, idr5.gran64k())
}

fn features(ids: &IdRegisters, hints: &Hints) -> Features {
    let (idr0, idr1, idr3, idr5) = (ids.idr0, ids.idr1, ids.idr3, ids.idr5);
    let both_stages = idr0.s1p() && idr0.s2p();
    let hyp = idr0.hyp() && both_stages;
    Features::EMPTY
        .with_if(Feature::Stage1, idr0.s1p())
        .with_if(Feature::Stage2, idr0.s2p())
        .with_if(Feature::Nested, both_stages)
        .with_if(Feature::Aarch32Tables, idr0.ttf() & 1 != 0)
        .with_if(Feature::Aarch64Tables, idr0.ttf() & 2 != 0)
        .with_if(Feature::Coherent, hints.coherent.unwrap_or(idr0.cohacc()))
        .with_if(Feature::BroadcastTlbi, idr0.btm())
        .with_if(Feature::PrivateTlbMaintenance, idr0.btm())
        .with_if(Feature::DormantHint, idr0.dormhint())
        .with_if(Feature::Hyp, hyp)
        .with_if(Feature::Ats, idr0.ats())
        .with_if(Feature::SplitStageAts, idr0.ats() && both_stages && !idr0.ns1ats())
        .with_if(Feature::Msi, idr0.msi())
        .with_if(Feature::Sev, idr0.sev())
        .with_if(Feature::Atos, idr0.atos())
        .with_if(Feature::Vatos, idr0.vatos() && idr0.atos() && both_stages)
        .with_if(Feature::Pri, idr0.pri() && idr0.ats())
        .with_if(Feature::VmidWildcard, idr0.vmw() && idr0.s2p())
        .with_if(Feature::TwoLevelCdTable, idr0.cd2l() && idr0.s1p())
        .with_if(Feature::TwoLevelStreamTable, idr0.st_level() == 1)
        .with_if(Feature::AbortOnly, idr0.term_model())
        .with_if(Feature::AtsRecordErrors, idr0.atsrecerr() && idr0.ats())
        .with_if(Feature::Rme, idr0.rme_impl())
        .with_if(Feature::AttrTypesOverride, idr1.attr_types_ovr())
        .with_if(Feature::AttrPermsOverride, idr1.attr_perms_ovr())
        .with_if(Feature::Ecmdq, idr1.ecmdq())
        .with_if(Feature::Had, idr3.had())
        .with_if(Feature::Pbha, idr3.pbha())
        .with_if(Feature::Xnx, idr3.xnx())
        .with_if(Feature::PriPasidAlways, idr3.pps())
        .with_if(Feature::Mpam, idr3.mpam())
        .with_if(Feature::S2Fwb, idr3.fwb())
        .with_if(Feature::SmallTables, idr3.stt())
        .with_if(Feature::RangeInvalidation, idr3.ril())
        .with_if(Feature::E0pd, idr3.e0pd())
        .with_if(Feature::Ptwnnc, idr3.ptwnnc())
        .with_if(Feature::Dpt, idr3.dpt())
        .with_if(Feature::PasidTranslated, idr3.pasidtt())
        .with_if(Feature::Epan, idr3.epan())
        .with_if(Feature::S1PermissionIndirection, idr3.s1pi())
        .with_if(Feature::S2PermissionIndirection, idr3.s2pi())
        .with_if(Feature::S2PermissionOverlay, idr3.s2po())
        .with_if(Feature::TranslationHardening, idr3.the())
        .with_if(Feature::MtePermission, idr3.mteperm())
        .with_if(Feature::AttributeIndexExtension, idr3.aie())
        .with_if(Feature::Ds, idr5.ds())
        .with_if(Feature::D128, idr5.d128())
        .with_if(Feature::E2hHost, hyp && hints.host_uses_e2h)
}
